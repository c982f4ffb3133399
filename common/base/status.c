#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *label;
    const char *text;
} rows[NTS_NUM_STATUS] = {[NTS_OK] = {"ok", "no error"},
#define NTS_STATUS_ROW(name, label, text) [NTS_ERR_##name] = {label, text},
                          NTS_STATUS_TABLE(NTS_STATUS_ROW)
#undef NTS_STATUS_ROW
};

const char *status_label(enum nts_status status)
{
    return (unsigned)status < NTS_NUM_STATUS ? rows[status].label : "?";
}

const char *status_text(enum nts_status status)
{
    return (unsigned)status < NTS_NUM_STATUS ? rows[status].text : "?";
}

enum nts_status error_set(struct error *error, enum nts_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return status;
}

void error_prefix(struct error *error, const char *prefix)
{
    struct error old = *error;
    size_t len = strnlen(prefix, sizeof(error->text) / 2);
    snprintf(error->text, sizeof(error->text), "%.*s: %.*s", (int)len, prefix,
             (int)(sizeof(error->text) - len - 3), old.text);
}
