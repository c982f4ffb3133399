/* What nts-load tells at the end: as a table, as JSON, as a drawing. */
#ifndef NTS_LOAD_REPORT_H
#define NTS_LOAD_REPORT_H

#include "load/load_options.h"
#include "load/load_result.h"
#include "load/plot.h"

struct load_report {
    const struct load_options *options;
    char target[ADDRESS_TEXT_LEN];
    size_t num_addresses; /* that the clients have */
    size_t num_requests;  /* in the pool; 0: there is none */
    size_t request_len;   /* of a good request; 0: it is not one datagram */

    struct load_result result; /* with --ramp, of the best step */
    double best_rate;          /* --ramp: the highest that passed, 0: none */
    bool is_ramp_over;         /* it was found, not only the end of the time */
    struct plot_point points[PLOT_MAX_POINTS];
    size_t num_points;
};

/* load_report_print_text and load_report_print_json write to standard output. The JSON has the
 * schema "nts-load/1". */
void load_report_print_text(const struct load_report *report);
void load_report_print_json(const struct load_report *report);

/* load_report_limit says what kept the rate from being higher: "generator", "server" or "none". */
const char *load_report_limit(const struct load_report *report);

#endif
