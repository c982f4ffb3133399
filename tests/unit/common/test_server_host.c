/* The life of a server, with a server that does nothing but note what its host asks of it. */
#include "service/server_host.h"

#include "support/patience.h"
#include "support/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define NUM_WORKERS 2
#define KEYRING                                                                                    \
    "{\"format\":\"nts-keyring/1\",\"generation\":1,\"keys\":[{\"id\":\"b01dface\","               \
    "\"layout\":\"chrony-siv\","                                                                   \
    "\"secret\":\"2323c3d99ba5c11d7c7acc6e14b8c5da0c4663475c2e5c3adef46f73bcdec043\","             \
    "\"activate_at\":\"2026-11-22T00:00:00Z\",\"expire_at\":\"2099-12-13T00:00:00Z\"}]}"

/* --- the fake server --- */

struct fake_config {
    struct host_options host;
    int64_t answer;
};

struct fake_settings {
    struct host_settings host;
    struct fake_config config;
};

struct fake_worker {
    struct worker worker;
    bool fails_to_open;
    atomic_bool fails;
    atomic_llong seen_answer;
};

struct fake {
    const char *failing_step; /* NULL: none */
    void (*when_ready)(struct server_host *host);
    void (*when_ticked)(struct server_host *host);
    char trace[1024];
    bool is_bound;
    int fd;
    struct fake_worker workers[NUM_WORKERS];
};

static struct fake *fake_of(const struct server_host *host)
{
    return host->server;
}

static void note(const struct server_host *host, const char *step)
{
    strncat(fake_of(host)->trace, step, sizeof(fake_of(host)->trace) - 100);
    strcat(fake_of(host)->trace, " ");
}

static enum nts_status step(const struct server_host *host, const char *name, struct error *error)
{
    const struct fake *fake = fake_of(host);
    note(host, name);
    return fake->failing_step != NULL && strcmp(fake->failing_step, name) == 0
               ? error_set(error, NTS_ERR_SYSTEM, "the step %s fails", name)
               : NTS_OK;
}

static enum nts_status fake_worker_open(struct worker *worker, struct error *error)
{
    return ((struct fake_worker *)worker)->fails_to_open
               ? error_set(error, NTS_ERR_SYSTEM, "the worker fails")
               : NTS_OK;
}

static enum nts_status fake_worker_serve(struct worker *worker, struct error *error)
{
    struct fake_worker *self = (struct fake_worker *)worker;
    while (worker_stop_wanted(worker) == WORKER_RUN) {
        struct pollfd polled = {.fd = worker->wake_fd, .events = POLLIN};
        uint64_t num;
        const struct live_state *live = (const struct live_state *)snapshot_take(&worker->live);
        heartbeat_turn(&worker->heartbeat);
        atomic_store(&self->seen_answer,
                     ((const struct fake_settings *)live->settings)->config.answer);
        if (atomic_load(&self->fails)) {
            return error_set(error, NTS_ERR_SYSTEM, "the ring is gone");
        }
        if (poll(&polled, 1, -1) > 0 && read(worker->wake_fd, &num, sizeof(num)) < 0) {
            continue;
        }
    }
    return NTS_OK;
}

static const struct worker_ops fake_worker_ops = {fake_worker_open, fake_worker_serve};

static enum nts_status fake_open(struct server_host *host, struct error *error)
{
    fake_of(host)->fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return step(host, "open", error);
}

static enum nts_status fake_await_fit(struct server_host *host, struct error *error)
{
    return step(host, "await_fit", error);
}

static enum nts_status fake_bind(struct server_host *host, struct error *error)
{
    struct fake *fake = fake_of(host);
    enum nts_status status = worker_group_open(&host->workers, NUM_WORKERS, error);
    fake->is_bound = status == NTS_OK;
    for (size_t i = 0; status == NTS_OK && i < NUM_WORKERS; i++) {
        status = worker_init(&fake->workers[i].worker, &fake_worker_ops, i, host->workers.done_fd,
                             error);
        worker_group_add(&host->workers, &fake->workers[i].worker);
    }
    return status == NTS_OK ? step(host, "bind", error) : status;
}

static void fake_unprivileged(struct server_host *host)
{
    note(host, "unprivileged");
}

static enum nts_status fake_start(struct server_host *host, struct error *error)
{
    enum nts_status status = worker_group_start(&host->workers, error);
    return status == NTS_OK ? step(host, "start", error) : status;
}

static void fake_log_ready(const struct server_host *host)
{
    note(host, "ready");
    if (fake_of(host)->when_ready != NULL) {
        fake_of(host)->when_ready((struct server_host *)host);
    }
}

static void fake_tick(struct server_host *host)
{
    if (fake_of(host)->when_ticked != NULL) {
        fake_of(host)->when_ticked(host);
    }
}

static enum nts_status fake_reload(struct server_host *host, struct host_settings *fresh,
                                   struct error *error)
{
    (void)fresh;
    return step(host, "reload", error);
}

static void fake_published(struct server_host *host)
{
    note(host, "published");
}

static void fake_log_counters(const struct server_host *host)
{
    note(host, "counters");
}

static void fake_offer(const struct server_host *host, const int **fds, size_t *num)
{
    *fds = &fake_of(host)->fd;
    *num = 1;
}

static void fake_close(struct server_host *host)
{
    struct fake *fake = fake_of(host);
    note(host, "close");
    for (size_t i = 0; fake->is_bound && i < NUM_WORKERS; i++) {
        worker_close(&fake->workers[i].worker);
    }
    if (fake->fd > 0) {
        close(fake->fd);
    }
}

#define FAKE(field) offsetof(struct fake_config, field)

static const struct option_row fake_rows[] = {
    HOST_KEYRING_ROWS(FAKE(host)),
    HOST_METRICS_ROW(FAKE(host), 9199),
    HOST_OPTION_ROWS(FAKE(host), "requests"),
    {.name = "answer", .type = OPTION_INT, .offset = FAKE(answer), .max = 99, .default_json = "42"},
};

static const struct option_table fake_options = {
    fake_rows, sizeof(fake_rows) / sizeof(fake_rows[0]), sizeof(struct fake_config)};

static const struct settings_type fake_settings_type = {
    .options = &fake_options,
    .size = sizeof(struct fake_settings),
    .config_offset = offsetof(struct fake_settings, config),
    .options_offset = FAKE(host),
};

static const struct server_type fake_type = {
    .name = "nts-fake-server",
    .names = {.failed = "fake.failed",
              .stopping = "fake.stopping",
              .stopped = "fake.stopped",
              .worker_failed = "fake.worker_failed",
              .healthy = "nts_fake_healthy",
              .workers = "nts_fake_workers",
              .workers_alive = "nts_fake_workers_alive"},
    .without_active_key = "nothing happens",
    .settings = &fake_settings_type,
    .report_size = sizeof(struct host_report),
    .open = fake_open,
    .await_fit = fake_await_fit,
    .bind = fake_bind,
    .unprivileged = fake_unprivileged,
    .start = fake_start,
    .log_ready = fake_log_ready,
    .tick = fake_tick,
    .reload = fake_reload,
    .published = fake_published,
    .log_counters = fake_log_counters,
    .offer = fake_offer,
    .close = fake_close,
};

/* --- what a life looks like from outside --- */

static struct server_host host;
static struct fake fake;

NTS_PRINTF(1, 2) static void write_config(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    scratch_write("fake.json", text, strlen(text), 0600);
}

#define CONFIG "\"keyring\": \"keyring.json\", \"seccomp\": \"off\", \"handover\": \"socket\""

static void open_scratch(void)
{
    scratch_make();
    scratch_write("keyring.json", KEYRING, strlen(KEYRING), 0600);
    write_config("{" CONFIG "}");
    cr_assert_eq(setenv("NOTIFY_SOCKET", "", 1), 0);
}

static void remove_scratch(void)
{
    scratch_remove();
}

#define HOST_TEST(name)                                                                            \
    Test(server_host, name, .init = open_scratch, .fini = remove_scratch, .timeout = TEST_TIMEOUT_S)

static size_t num_entries(const char *directory)
{
    size_t num = 0;
    DIR *open_directory = opendir(directory);
    cr_assert_not_null(open_directory);
    while (readdir(open_directory) != NULL) {
        num++;
    }
    closedir(open_directory);
    return num;
}

/* Runs a life of `fake`, whose log goes to the file log.txt, and asserts that nothing is left. */
static int live(void)
{
    static char config_path[128];
    snprintf(config_path, sizeof(config_path), "%s", scratch_path("fake.json"));
    int log_fd = open(scratch_path("log.txt"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int old_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    size_t num_fds = num_entries("/proc/self/fd");
    size_t num_threads = num_entries("/proc/self/task");
    dup2(log_fd, STDERR_FILENO);
    int exit_status = server_host_run(&host, &fake_type, &fake, config_path);
    dup2(old_stderr, STDERR_FILENO);
    cr_assert_eq(num_entries("/proc/self/fd"), num_fds, "descriptors are left");
    cr_assert_eq(num_entries("/proc/self/task"), num_threads, "threads are left");
    close(log_fd);
    close(old_stderr);
    return exit_status;
}

/* The names of the events of the log that begin with one of the given words. */
static const char *logged(const char *pattern)
{
    static char text[1024];
    char command[256];
    snprintf(command, sizeof(command), "grep -oE ' (%s)[a-z_.]*' '%s' | tr -d '\\n'", pattern,
             scratch_path("log.txt"));
    FILE *pipe = popen(command, "r");
    size_t len = fread(text, 1, sizeof(text) - 1, pipe);
    text[len] = '\0';
    pclose(pipe);
    return text;
}

static void stop_at_once(struct server_host *self)
{
    (void)self;
    kill(getpid(), SIGTERM);
}

/* --- the tests --- */

HOST_TEST(a_life_does_its_steps_in_order)
{
    fake = (struct fake){.when_ready = stop_at_once};
    cr_assert_eq(live(), 0);
    cr_assert_str_eq(fake.trace, "open bind unprivileged published start ready counters close ");
    cr_assert_str_eq(logged("keyring.loaded|fake|handover"),
                     " keyring.loaded fake.stopping fake.stopped");
}

HOST_TEST(a_failure_at_any_step_leaves_nothing_behind)
{
    static const struct {
        const char *step;
        const char *trace;
    } cases[] = {
        {"open", "open close "},
        {"bind", "open bind close "},
        {"start", "open bind unprivileged published start close "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake = (struct fake){.failing_step = cases[i].step};
        cr_assert_eq(live(), 1);
        cr_assert_str_eq(fake.trace, cases[i].trace);
        cr_assert_str_eq(logged("fake"), " fake.failed");
    }
    for (size_t i = 0; i < NUM_WORKERS; i++) {
        fake = (struct fake){0};
        fake.workers[i].fails_to_open = true;
        cr_assert_eq(live(), 1);
        cr_assert_str_eq(fake.trace, "open bind unprivileged published close ");
    }
}

HOST_TEST(a_failure_of_the_host_s_own_steps_leaves_nothing_behind)
{
    static const struct {
        const char *config;
        const char *trace;
    } cases[] = {
        {"{" CONFIG, ""},
        {"{" CONFIG ", \"answer\": 100}", ""},
        {"{\"keyring\": \"absent.json\"}", "open "},
        {"{" CONFIG ", \"user\": \"nts-nobody-of-that-name\"}", "open bind "},
        {"{\"keyring\": \"keyring.json\", \"handover\": \"absent/socket\"}", "open "},
        {"{" CONFIG ", \"metrics\": \"192.0.2.1:9\"}", "open bind "},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char trace[64];
        fake = (struct fake){0};
        write_config("%s", cases[i].config);
        cr_assert_eq(live(), 1, "%s", cases[i].config);
        snprintf(trace, sizeof(trace), "%sclose ", cases[i].trace);
        cr_assert_str_eq(fake.trace, trace, "%s", cases[i].config);
    }
}

/* Reloads one configuration after the other, and then stops. */
static void reload_in_turn(struct server_host *self)
{
    static int turn;
    const struct fake_config *config = server_host_config(self, self->settings);
    switch (turn++) {
    case 0:
        cr_assert_eq(config->answer, 42);
        write_config("{" CONFIG ", \"answer\": 7");
        break;
    case 1:
        cr_assert_eq(config->answer, 42, "a broken file is refused");
        write_config("{" CONFIG ", \"answer\": 7}");
        fake.failing_step = "reload";
        break;
    case 2:
        cr_assert_eq(config->answer, 42, "what the server refuses is not used");
        fake.failing_step = NULL;
        break;
    default:
        cr_assert_eq(config->answer, 7);
        cr_assert_eq(((const struct fake_config *)server_host_config(self, self->initial))->answer,
                     42);
        for (size_t i = 0; i < NUM_WORKERS; i++) {
            while (atomic_load(&fake.workers[i].seen_answer) != 7) {
                poll(NULL, 0, 1);
            }
        }
        kill(getpid(), SIGTERM);
        return;
    }
    kill(getpid(), SIGHUP);
}

HOST_TEST(a_reload_keeps_what_runs_until_all_of_the_new_is_good)
{
    fake = (struct fake){.when_ticked = reload_in_turn};
    cr_assert_eq(live(), 0);
    cr_assert_str_eq(logged("config"), " config.refused config.refused config.reloaded");
    cr_assert_eq(strstr(fake.trace, "failed"), NULL);
}

static void let_a_worker_fail(struct server_host *self)
{
    (void)self;
    atomic_store(&fake.workers[1].fails, true);
    worker_wake(&fake.workers[1].worker);
}

/* Starts a new server as a child, which fails where it is told to, or replaces this one and stops.
 */
static pid_t new_server(const char *failing_step)
{
    pid_t pid = fork();
    if (pid == 0) {
        static struct server_host other_host;
        static struct fake other;
        other = (struct fake){.failing_step = failing_step, .when_ready = stop_at_once};
        int status = server_host_run(&other_host, &fake_type, &other, scratch_path("fake.json"));
        bool has_awaited = strstr(other.trace, "await_fit bind") != NULL;
        _exit(has_awaited ? status : 9);
    }
    return pid;
}

static pid_t child;

static void be_replaced(struct server_host *self)
{
    (void)self;
    child = new_server(NULL);
}

static int exit_status_of(pid_t pid)
{
    int status = -1;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

HOST_TEST(the_three_ways_to_stop_do_the_same_steps_in_the_same_order)
{
    static const char *const steps = "open bind unprivileged published start ready counters close ";
    fake = (struct fake){.when_ready = stop_at_once};
    cr_assert_eq(live(), 0);
    cr_assert_str_eq(fake.trace, steps);
    cr_assert_str_eq(logged("fake"), " fake.stopping fake.stopped");

    fake = (struct fake){.when_ready = let_a_worker_fail};
    cr_assert_eq(live(), 1);
    cr_assert_str_eq(fake.trace, steps);
    cr_assert_str_eq(logged("fake"), " fake.stopping fake.worker_failed fake.stopped");

    fake = (struct fake){.when_ready = be_replaced};
    cr_assert_eq(live(), 0);
    cr_assert_eq(exit_status_of(child), 0);
    cr_assert_str_eq(fake.trace, steps);
    cr_assert_not_null(strstr(logged("fake"), " fake.stopping fake.stopped"));
}

/* A new server that fails at one of its steps after the other has changed nothing. */
static void outlive_new_servers(struct server_host *self)
{
    static const char *const steps[] = {"open", "await_fit", "bind", "start", NULL};
    static int turn;
    if (child != 0) {
        if (waitpid(child, NULL, WNOHANG) == 0) {
            return;
        }
        cr_assert_eq(self->stopping, WORKER_RUN);
        turn++;
    }
    if (steps[turn] == NULL) {
        kill(getpid(), SIGTERM);
        return;
    }
    child = new_server(steps[turn]);
}

HOST_TEST(a_hand_over_is_committed_last)
{
    fake = (struct fake){.when_ticked = outlive_new_servers};
    cr_assert_eq(live(), 0);
    cr_assert_null(strstr(logged("handover"), "handover.given"));
    cr_assert_not_null(strstr(logged("handover"), "handover.abandoned"));
}
