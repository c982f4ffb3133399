/* The system calls of a server of the farm, each group with its reason. Those that x86-64 alone has
 * stand beside those that took their place on arm64. */
#include "process/syscall_filter.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define ALWAYS(call)                                                                               \
    {                                                                                              \
        .name = (call)                                                                             \
    }
#define AT_START(call)                                                                             \
    {                                                                                              \
        .name = (call), .use = SYSCALL_AT_START                                                    \
    }
#define SANITIZER(call)                                                                            \
    {                                                                                              \
        .name = (call), .use = SYSCALL_SANITIZER                                                   \
    }
#define FATAL(call)                                                                                \
    {                                                                                              \
        .name = (call), .use = SYSCALL_FATAL                                                       \
    }
#define ALWAYS_IF(call, position, bits, wanted)                                                    \
    {                                                                                              \
        .name = (call), .argument = (position), .mask = (bits), .value = (wanted)                  \
    }
#define SOCKET_OF(family) ALWAYS_IF("socket", 0, UINT32_MAX, family)

/* Opening must neither write nor create: a server changes no file. */
#define OPEN_TO_CHANGE ((uint64_t)(O_ACCMODE | O_CREAT | O_TRUNC))

static const struct syscall_row rows[] = {
    /* the rings: to be made by the start alone; what is restricted takes no new registrations */
    ALWAYS("io_uring_enter"),
    ALWAYS("io_uring_register"),
    AT_START("io_uring_setup"),
    AT_START("sched_setaffinity"), /* workers choose their CPU */
    AT_START("seccomp"),           /* the second step of the filter */

    /* what the control thread waits on: signals, timers, wake-ups, changed files */
    ALWAYS("poll"),
    ALWAYS("ppoll"),
    ALWAYS("select"),
    ALWAYS("pselect6"),
    ALWAYS("epoll_create1"),
    ALWAYS("epoll_ctl"),
    ALWAYS("epoll_wait"),
    ALWAYS("epoll_pwait"),
    ALWAYS("eventfd2"),
    ALWAYS("signalfd4"),
    ALWAYS("pipe2"),
    ALWAYS("inotify_init1"),
    ALWAYS("inotify_add_watch"),
    ALWAYS("inotify_rm_watch"),

    /* reading configuration, certificate and keyring again; the log */
    ALWAYS_IF("openat", 2, OPEN_TO_CHANGE, O_RDONLY),
    ALWAYS_IF("open", 1, OPEN_TO_CHANGE, O_RDONLY),
    ALWAYS("read"),
    ALWAYS("readv"),
    ALWAYS("pread64"),
    ALWAYS("write"),
    ALWAYS("writev"),
    ALWAYS("lseek"),
    ALWAYS("close"),
    ALWAYS("fstat"),
    ALWAYS("newfstatat"),
    ALWAYS("stat"),
    ALWAYS("lstat"),
    ALWAYS("statx"),
    ALWAYS("access"),
    ALWAYS("faccessat"),
    ALWAYS("faccessat2"),
    ALWAYS("readlink"), /* realpath, for keyrings behind symbolic links */
    ALWAYS("readlinkat"),
    ALWAYS("getcwd"),
    ALWAYS("getdents64"),
    ALWAYS("fcntl"),
    ALWAYS("dup"),
    ALWAYS("dup3"),

    /* sockets: the recvmmsg transport, the clock's source, name look-ups, the service manager, what
     * is asked of other servers, and HTTP for monitoring */
    SOCKET_OF(AF_INET),
    SOCKET_OF(AF_INET6),
    SOCKET_OF(AF_UNIX),
    SOCKET_OF(AF_NETLINK), /* the resolver asks which addresses this host has, and */
    ALWAYS_IF("ioctl", 1, UINT32_MAX, FIONREAD), /* how long an answer is */
    ALWAYS("connect"),
    ALWAYS("bind"),
    ALWAYS("listen"),
    ALWAYS("accept"),
    ALWAYS("accept4"),
    ALWAYS("getsockname"),
    ALWAYS("getpeername"),
    ALWAYS("setsockopt"),
    ALWAYS("getsockopt"),
    ALWAYS("shutdown"),
    ALWAYS("sendto"),
    ALWAYS("sendmsg"),
    ALWAYS("sendmmsg"),
    ALWAYS("sendfile"),
    ALWAYS("recvfrom"),
    ALWAYS("recvmsg"),

    /* memory, but none that can be run: no new code gets into the process */
    ALWAYS("brk"),
    ALWAYS_IF("mmap", 2, PROT_EXEC, 0),
    ALWAYS_IF("mprotect", 2, PROT_EXEC, 0),
    ALWAYS("mremap"),
    ALWAYS("munmap"),
    ALWAYS("madvise"),
    ALWAYS("mlock"), /* keys stay out of swap */
    ALWAYS("mlock2"),
    ALWAYS("munlock"),
    ALWAYS("getrandom"),

    /* threads, but no processes; clone3 hides its flags from the filter */
    {.name = "clone3", .use = SYSCALL_ABSENT},
    ALWAYS_IF("clone", 0, CLONE_THREAD, CLONE_THREAD),
    ALWAYS_IF("prctl", 0, UINT32_MAX, PR_SET_NAME),
    ALWAYS("futex"),
    ALWAYS("futex_waitv"),
    ALWAYS("set_robust_list"),
    ALWAYS("rseq"),
    ALWAYS("membarrier"),
    ALWAYS("sched_yield"),
    ALWAYS("sched_getaffinity"),
    ALWAYS("getcpu"),
    ALWAYS("gettid"),
    ALWAYS("tgkill"), /* abort */
    ALWAYS("exit"),
    ALWAYS("exit_group"),

    /* signals */
    ALWAYS("rt_sigaction"),
    ALWAYS("rt_sigprocmask"),
    ALWAYS("rt_sigreturn"),
    ALWAYS("sigaltstack"),
    ALWAYS("restart_syscall"),

    /* time, where the C library does not read it by itself */
    ALWAYS("clock_gettime"),
    ALWAYS("clock_getres"),
    ALWAYS("gettimeofday"),
    ALWAYS("time"),
    ALWAYS("nanosleep"),
    ALWAYS("clock_nanosleep"),
    ALWAYS("timerfd_create"),
    ALWAYS("timerfd_settime"),

    /* the process's own identity and place */
    ALWAYS("getpid"),
    ALWAYS("getppid"),
    ALWAYS("getuid"),
    ALWAYS("geteuid"),
    ALWAYS("getgid"),
    ALWAYS("getegid"),
    ALWAYS("uname"),
    ALWAYS("sysinfo"),
    ALWAYS("getrlimit"),
    ALWAYS("prlimit64"),
    ALWAYS("getrusage"),

    /* what the sanitizers do besides: symbolise a report, stop the world to look for leaks */
    SANITIZER("clone"),
    SANITIZER("clone3"),
    SANITIZER("execve"),
    SANITIZER("getdents"),
    SANITIZER("ioctl"),
    SANITIZER("kill"),
    SANITIZER("mmap"),
    SANITIZER("mprotect"),
    SANITIZER("openat"),
    SANITIZER("personality"),
    SANITIZER("pipe"),
    SANITIZER("prctl"),
    SANITIZER("ptrace"),
    SANITIZER("dup2"),
    SANITIZER("unlink"),
    SANITIZER("wait4"),

    /* another program */
    FATAL("execve"),
    FATAL("execveat"),
    FATAL("fork"),
    FATAL("vfork"),
    /* another process's memory and descriptors */
    FATAL("ptrace"),
    FATAL("process_vm_readv"),
    FATAL("process_vm_writev"),
    FATAL("pidfd_getfd"),
    FATAL("kcmp"),
    /* another view of the file system */
    FATAL("chroot"),
    FATAL("pivot_root"),
    FATAL("mount"),
    FATAL("umount2"),
    FATAL("move_mount"),
    FATAL("open_tree"),
    FATAL("fsopen"),
    FATAL("setns"),
    FATAL("unshare"),
    FATAL("open_by_handle_at"),
    /* another identity */
    FATAL("setuid"),
    FATAL("setresuid"),
    FATAL("setreuid"),
    FATAL("capset"),
    /* the kernel itself */
    FATAL("bpf"),
    FATAL("perf_event_open"),
    FATAL("userfaultfd"),
    FATAL("init_module"),
    FATAL("finit_module"),
    FATAL("kexec_load"),
    FATAL("kexec_file_load"),
    FATAL("keyctl"),
    FATAL("add_key"),
    FATAL("request_key"),
    FATAL("iopl"),
    FATAL("ioperm"),
};

const struct syscall_table syscall_table_common = {rows, sizeof(rows) / sizeof(rows[0])};
