#include "fixture.h"

#include "keys/keyring_document.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

char fixture_ip[16];
char fixture_directory[64];
unsigned fixture_port;

/* Nobody listens at the port, on any address and by any protocol. */
static bool is_free_port(unsigned port)
{
    static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
    static const int families[] = {AF_INET, AF_INET6};
    for (int i = 0; i < 4; i++) {
        union net_address address = {0};
        address.sa.sa_family = (sa_family_t)families[i / 2];
        if (families[i / 2] == AF_INET6) {
            address.in6.sin6_port = htons((uint16_t)port);
        } else {
            address.in.sin_port = htons((uint16_t)port);
        }
        int fd = socket(families[i / 2], types[i % 2] | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            continue; /* no IPv6 here */
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
        int result = bind(fd, &address.sa, address_len(&address));
        close(fd);
        if (result != 0) {
            return false;
        }
    }
    return true;
}

/* An abstract Unix socket named after the port holds it until this process ends. */
static bool reserve_port(unsigned port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "nts-test-port-%u", port);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    cr_assert_geq(fd, 0);
    if (bind(fd, (struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0 &&
        is_free_port(port)) {
        return true;
    }
    close(fd);
    return false;
}

void fixture_open(void)
{
    unsigned pid = (unsigned)getpid();
    snprintf(fixture_ip, sizeof(fixture_ip), "127.%u.%u.%u", 1 + (pid >> 16 & 63), pid >> 8 & 255,
             pid & 255);
    fixture_port = 10000 + pid % 20000;
    while (!reserve_port(fixture_port)) {
        fixture_port = fixture_port < 29999 ? fixture_port + 1 : 10000;
    }
    strcpy(fixture_directory, "/tmp/nts-conformance-XXXXXX");
    cr_assert_not_null(mkdtemp(fixture_directory));
}

void fixture_close(void)
{
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture_directory);
    cr_assert_eq(system(command), 0);
}

const char *fixture_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", fixture_directory, name);
    return path;
}

static void rename_into_place(const char *temporary, const char *name)
{
    cr_assert_eq(rename(fixture_path(temporary), fixture_path(name)), 0);
}

void fixture_write(const char *name, const char *text)
{
    int fd = open(fixture_path("write.tmp"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    rename_into_place("write.tmp", name);
}

struct master_key_spec fixture_spec(uint32_t id, enum key_layout layout, int64_t activate_in_s,
                                    int64_t expire_in_s)
{
    int64_t now_s = real_time_ns() / NS_PER_S;
    struct master_key_spec spec = {id, layout, now_s + activate_in_s, now_s + expire_in_s, {0}};
    for (size_t i = 0; i < sizeof(spec.secret); i++) {
        spec.secret[i] = (uint8_t)(id >> (i % 4 * 8)) ^ (uint8_t)(i * 37);
    }
    return spec;
}

void fixture_write_keyring(uint64_t generation, const struct master_key_spec *specs, size_t num)
{
    fixture_write_keyring_to("keyring.json", generation, specs, num);
}

void fixture_write_keyring_to(const char *name, uint64_t generation,
                              const struct master_key_spec *specs, size_t num)
{
    struct keyring_document *document = keyring_document_create();
    cr_assert_not_null(document);
    document->generation = generation;
    document->num_keys = num;
    memcpy(document->keys, specs, num * sizeof(*specs));
    char *text = keyring_document_format(document);
    fixture_write(name, text);
    keyring_text_free(text);
    keyring_document_free(document);
}

void fixture_write_certificate(void)
{
    fixture_write_certificate_as("server", &(struct certificate_recipe){0});
}

void fixture_write_certificate_as(const char *name, const struct certificate_recipe *recipe)
{
    char names[128];
    char file_name[64];
    struct certificate_recipe own = *recipe;
    snprintf(names, sizeof(names), "DNS:localhost,IP:127.0.0.1,IP:::1,IP:%s", fixture_ip);
    own.names = own.names != NULL ? own.names : names;
    struct made_certificate made = make_certificate(&own);
    snprintf(file_name, sizeof(file_name), "%s.crt", name);
    write_chain(fixture_path(file_name), &made.certificate, 1);
    snprintf(file_name, sizeof(file_name), "%s.key", name);
    write_private_key(fixture_path(file_name), made.key);
    free_certificate(&made);
}

size_t fixture_seal(uint8_t cookie[COOKIE_MAX_LEN], const struct master_key_spec *spec,
                    const struct session_keys *keys)
{
    struct random_pool random = {0};
    struct keyring *ring = keyring_create(1, spec, 1);
    cr_assert_not_null(ring);
    size_t len = key_layout_cookie_len(spec->layout, keys->aead);
    cr_assert_gt(len, 0);
    struct cookie_seal_job job = {.key = &ring->keys[0], .keys = keys, .cookie = cookie};
    cr_assert_eq(cookie_seal_batch(&job, 1, &random), NTS_OK);
    snapshot_unref(&ring->snapshot);
    return len;
}

void fixture_give_to_nobody(void)
{
    if (geteuid() != 0) {
        cr_skip_test("needs root");
    }
    const struct passwd *nobody = getpwnam("nobody");
    cr_assert_not_null(nobody);
    cr_assert_eq(chown(fixture_directory, nobody->pw_uid, nobody->pw_gid), 0);
    cr_assert_eq(chown(fixture_path("keyring.json"), nobody->pw_uid, nobody->pw_gid), 0);
}

/* What the kernel says of the process, in a file of its directory in /proc. */
static void read_proc(char *text, size_t size, pid_t pid, const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    FILE *file = fopen(path, "r");
    cr_assert_not_null(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

void server_assert_is_nobody(const struct server_process *server)
{
    static const char *const powerless[] = {
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    };
    char expected[64];
    char status[8192];
    read_proc(status, sizeof(status), server->pid, "status");
    unsigned uid = getpwnam("nobody")->pw_uid;
    snprintf(expected, sizeof(expected), "Uid:\t%u\t%u\t%u\t%u", uid, uid, uid, uid);
    cr_assert_not_null(strstr(status, expected), "%s", status);
    for (size_t i = 0; i < sizeof(powerless) / sizeof(powerless[0]); i++) {
        cr_assert_not_null(strstr(status, powerless[i]), "no %s in %s", powerless[i], status);
    }
    read_proc(status, sizeof(status), server->pid, "limits");
    cr_assert_not_null(strstr(status, "Max core file size        0                    0"), "%s",
                       status);
}

void fixture_forbid_io_uring(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 1 /* EPERM */),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(filter) / sizeof(filter[0]), filter};
    cr_assert_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    cr_assert_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* $NTS_BIN_DIR: the servers of another build, such as tsan. */
const char *fixture_bin_directory(void)
{
    const char *directory = getenv("NTS_BIN_DIR");
    return directory != NULL ? directory : TEST_BIN_DIR;
}

void fixture_assert_run(const char *program, const char *arguments, int exit_status,
                        const char *text)
{
    char command[1024];
    char output[16384];
    snprintf(command, sizeof(command), "cd '%s' && exec '%s/%s' %s 2>&1 < /dev/null",
             fixture_directory, fixture_bin_directory(), program, arguments);
    FILE *pipe = popen(command, "r");
    cr_assert_not_null(pipe);
    size_t len = fread(output, 1, sizeof(output) - 1, pipe);
    output[len] = '\0';
    int status = pclose(pipe);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == exit_status, "%s: status %#x: %s",
              arguments, status, output);
    cr_assert_not_null(strstr(output, text), "%s: no '%s' in: %s", arguments, text, output);
}

static void spawn(struct server_process *server, const char *program, const char *config_path)
{
    char path[512];
    int fds[2];
    snprintf(path, sizeof(path), "%s/%s", fixture_bin_directory(), program);
    cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
    server->pid = fork();
    cr_assert_geq(server->pid, 0);
    if (server->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that crashes leaves nothing behind */
        dup2(fds[1], STDERR_FILENO);
        execl(path, program, "--config", config_path, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    server->log_fd = fds[0];
    server->log_len = 0;
    server->log[0] = '\0';
}

/* Takes in what the server has logged; false at the end of its log. */
static bool read_log(struct server_process *server, int wait_ms)
{
    struct pollfd polled = {.fd = server->log_fd, .events = POLLIN};
    cr_assert_lt(server->log_len, sizeof(server->log) - 1, "the log is too long for the test");
    if (poll(&polled, 1, wait_ms) <= 0) {
        return true;
    }
    ssize_t len = read(server->log_fd, server->log + server->log_len,
                       sizeof(server->log) - 1 - server->log_len);
    if (len <= 0) {
        return false;
    }
    server->log_len += (size_t)len;
    server->log[server->log_len] = '\0';
    return true;
}

bool server_await_either(struct server_process *server, const char *first, const char *second,
                         size_t from)
{
    int64_t deadline_ns = mono_time_ns() + PATIENCE_MS * NS_PER_MS;
    cr_assert_leq(from, server->log_len);
    for (;;) {
        if (strstr(server->log + from, first) != NULL) {
            return true;
        }
        if (strstr(server->log + from, second) != NULL) {
            return false;
        }
        cr_assert(read_log(server, 100), "the server ended, its log:\n%s", server->log);
        cr_assert_lt(mono_time_ns(), deadline_ns, "no '%s' in the log:\n%s", first, server->log);
    }
}

void server_await_log(struct server_process *server, const char *text, size_t from)
{
    server_await_either(server, text, text, from);
}

size_t server_log_end(struct server_process *server)
{
    struct pollfd polled = {.fd = server->log_fd, .events = POLLIN};
    while (poll(&polled, 1, 0) == 1 && read_log(server, 0)) {
    }
    return server->log_len;
}

void server_start(struct server_process *server, const char *program, const char *config_json,
                  const char *ready)
{
    static unsigned number;
    snprintf(server->config_name, sizeof(server->config_name), "server-%u.json", number++);
    fixture_write(server->config_name, config_json);
    spawn(server, program, fixture_path(server->config_name));
    server_await_log(server, ready, 0);
}

void server_stop(struct server_process *server)
{
    int status;
    if (server->pid <= 0) {
        return; /* never started: kill(0) would end us all */
    }
    kill(server->pid, SIGTERM);
    int64_t deadline_ns = mono_time_ns() + PATIENCE_MS * NS_PER_MS;
    while (read_log(server, 100) && mono_time_ns() < deadline_ns) {
    }
    if (mono_time_ns() >= deadline_ns) {
        kill(server->pid, SIGKILL);
    }
    cr_assert_eq(waitpid(server->pid, &status, 0), server->pid);
    close(server->log_fd);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x, its log:\n%s", status,
              server->log);
}

const char *fixture_transport(void)
{
    const char *transport = getenv("NTS_TEST_TRANSPORT");
    return transport != NULL ? transport : "auto";
}
