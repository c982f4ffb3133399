/* The kinds of load: what each subcommand does. */
#ifndef NTS_LOAD_MODES_H
#define NTS_LOAD_MODES_H

#include "load/load_report.h"

/* Each runs to its end, or until a signal stops it, and fills `*report` but for its options.
 * NTS_ERR_... with text if there was no load at all. */
NTS_MUST_CHECK enum nts_status load_udp(struct load_report *report, struct error *error);
NTS_MUST_CHECK enum nts_status load_ke(struct load_report *report, struct error *error);

#endif
