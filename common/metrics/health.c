#include "metrics/health.h"

#include <stdarg.h>
#include <stdio.h>

void health_add(struct health *health, const char *format, ...)
{
    size_t room = sizeof(health->reasons) - health->len;
    va_list args;
    va_start(args, format);
    int len = vsnprintf(health->reasons + health->len, room, format, args);
    va_end(args);
    if (len < 0 || (size_t)len + 2 > room) {
        health->reasons[health->len] = '\0';
        return;
    }
    health->len += (size_t)len;
    health->reasons[health->len++] = '\n';
    health->reasons[health->len] = '\0';
}
