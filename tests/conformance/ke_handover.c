/* What the old and the new ke-server tell while one replaces the other. */
#include "http_support.h"
#include "ke_support.h"

#include <stdio.h>

static struct server_process new_server;

static void down(void)
{
    server_stop(&new_server);
    ke_close();
}

/* A connection that the old server still has keeps it alive beside the new one. */
Test(ke_handover, old_server_says_stopping_and_leaves_the_metrics_address, .init = ke_open_files,
     .fini = down, .timeout = TEST_TIMEOUT_S)
{
    char options[256];
    struct ke_dialog dialog;
    struct http_answer answer;
    snprintf(options, sizeof(options), ", \"deadline_ms\": 60000, \"handover\": \"%s\"%s",
             fixture_path("handover"), metrics_option());
    ke_start(options);
    ke_dialog_open(&dialog, NULL);
    ke_dialog_send(&dialog, NP);

    size_t from = server_log_end(&ke_server);
    ke_start_beside(&new_server, options);
    server_await_log(&ke_server, "ke.stopping mode=graceful", from);
    server_await_log(&new_server, "handover.released", 0);
    for (int i = 0; i < 20; i++) {
        http_get(&answer, "/readyz");
        cr_assert_eq(answer.status, 200, "%s", answer.text);
    }
    ke_dialog_send(&dialog, AE EOM);
    ke_dialog_agree(&dialog, OK15);
    server_await_log(&ke_server, "ke.stopped status=clean", from);
}
