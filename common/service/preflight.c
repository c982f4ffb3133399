#include "service/preflight.h"

#include <stdarg.h>
#include <stdio.h>

static const struct {
    const char *label;
    const char *advice;
} findings[] = {
#define PREFLIGHT_ROW(name, label, advice) {label, advice},
    PREFLIGHT_TABLE(PREFLIGHT_ROW)
#undef PREFLIGHT_ROW
};

void preflight_find(struct preflight *preflight, enum log_level level,
                    enum preflight_finding finding, const char *format, ...)
{
    struct error reason;
    va_list args;
    va_start(args, format);
    vsnprintf(reason.text, sizeof(reason.text), format, args);
    va_end(args);
    *(level == LOG_LEVEL_ERROR ? &preflight->num_errors : &preflight->num_warnings) += 1;
    log_event(level, level == LOG_LEVEL_ERROR ? "check.error" : "check.warning",
              "finding=%s reason=\"%s\" advice=\"%s\"", findings[finding].label, reason.text,
              findings[finding].advice);
}

int preflight_end(const struct preflight *preflight, const char *config_path)
{
    if (preflight->num_errors > 0) {
        log_error("check.failed", "file=\"%s\" errors=%u warnings=%u", config_path,
                  preflight->num_errors, preflight->num_warnings);
        return 1;
    }
    log_info("check.passed", "file=\"%s\" warnings=%u", config_path, preflight->num_warnings);
    return 0;
}
