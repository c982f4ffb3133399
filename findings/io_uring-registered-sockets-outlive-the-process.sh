#!/bin/bash
about="A socket that an io_uring holds stays bound after its process has been killed and reaped.

When a process ends, the kernel closes its descriptors before the parent learns of the end: a port is free when
waitpid returns. A ring holds its registered files, and those of operations in flight; the kernel takes it
down later, in a worker. So a supervisor that restarts a server at once meets 'Address already in use', or, with SO_REUSEPORT,
shares the port with a socket that no process reads: the kernel still gives it a part of the datagrams."
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "$0")/lib.sh"

package liburing-dev 2.3-3
package liburing2 2.3-3
echo "kernel     $(uname -r)"

cat >"$work/outlive.c" <<'C'
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct sockaddr_in address = {.sin_family = AF_INET};

static int bound_socket(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

enum holder { NO_RING, RECEIVE_IN_FLIGHT, REGISTERED_FILE };

/* Binds, lets a ring hold the socket in one of these ways, says so, and waits to be killed. */
static void be_server(enum holder holder, int ready)
{
    static char buffer[64];
    struct io_uring ring;
    int fd = bound_socket();
    if (fd < 0 || io_uring_queue_init(8, &ring, 0) != 0) {
        _exit(1);
    }
    if (holder == REGISTERED_FILE && io_uring_register_files(&ring, &fd, 1) != 0) {
        _exit(1);
    }
    if (holder == RECEIVE_IN_FLIGHT) {
        io_uring_prep_recv(io_uring_get_sqe(&ring), fd, buffer, sizeof(buffer), 0);
        io_uring_submit(&ring);
    }
    if (write(ready, "", 1) != 1) {
        _exit(1);
    }
    pause();
}

/* How often of ten times the port was still taken right after waitpid had returned. */
static int times_taken(enum holder holder)
{
    int num = 0;
    for (int i = 0; i < 10; i++) {
        int ready[2];
        char octet;
        if (pipe(ready) != 0) {
            return -1;
        }
        pid_t pid = fork();
        if (pid == 0) {
            be_server(holder, ready[1]);
        }
        close(ready[1]);
        if (read(ready[0], &octet, 1) != 1) {
            return -1;
        }
        close(ready[0]);
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        int fd = bound_socket();
        if (fd < 0 && errno == EADDRINUSE) {
            num++;
        }
        for (int tries = 0; fd < 0 && tries < 5000; tries++) {
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
            fd = bound_socket();
        }
        close(fd);
    }
    return num;
}

int main(void)
{
    socklen_t len = sizeof(address);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int first = bound_socket();
    getsockname(first, (struct sockaddr *)&address, &len);
    close(first);
    int no_ring = times_taken(NO_RING);
    int in_flight = times_taken(RECEIVE_IN_FLIGHT);
    int registered = times_taken(REGISTERED_FILE);
    printf("%d %d %d\n", no_ring, in_flight, registered);
    return 0;
}
C
library=$work/root/usr/lib/$(gcc -print-multiarch)
gcc -std=gnu17 -I "$work/root/usr/include" -o "$work/outlive" "$work/outlive.c" \
    -L "$library" -luring -Wl,-rpath,"$library"
read -r no_ring in_flight registered < <(timeout 120 "$work/outlive")
finding "the port is free once waitpid has returned" \
    "of 10 times still taken: $no_ring without a ring, $in_flight with a receive in flight, $registered with a registered file" \
    "$( ((no_ring == 0 && in_flight > 0 && registered > 0)) && echo true)"
