// Tries what the parameter `try` names, in its start, or, if a test has written a name behind the marker, in its constructor. `start` says how it went:
// HADRON_OK: it went through, HADRON_ERR_PERMISSION: it was stopped by an error. What ends the process ends it.
// `at` is a path or whatever else the attempt needs; `other` a process.
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hadron/ext/params.h"
#include "hadron/strategy.h"

#define MARKER "@@attempt@@"

struct attempt {
  char what[32], at[128];
  int64_t other;
};

static volatile char marked[sizeof MARKER + 32] = MARKER;
static int constructed; // how the constructor's attempt went
extern char **environ;

// Each returns 0: it went through, else what stopped it.
static int opened(int fd) {
  if (fd < 0) return errno;
  close(fd);
  return 0;
}
static int done(long result) { return result < 0 ? errno : 0; }

static int try_read(const struct attempt *a) { return opened(open(a->at, O_RDONLY | O_CLOEXEC)); }
static int try_list(const struct attempt *a) { return opened(open(a->at, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
static int try_write(const struct attempt *a) { return opened(open(a->at, O_WRONLY | O_CLOEXEC)); }
static int try_update(const struct attempt *a) { return opened(open(a->at, O_RDWR | O_CLOEXEC)); }
static int try_append(const struct attempt *a) { return opened((int)syscall(SYS_open, a->at, O_WRONLY | O_APPEND, 0)); }
static int try_create(const struct attempt *a) {
  char path[160];
  snprintf(path, sizeof path, "%s.new", a->at);
  return opened(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
}
static int try_openat2(const struct attempt *a) {
  const uint64_t how[3] = {O_WRONLY, 0, 0};
  return opened((int)syscall(SYS_openat2, AT_FDCWD, a->at, how, sizeof how));
}
static int try_truncate(const struct attempt *a) { return done(truncate(a->at, 0)); }
static int try_unlink(const struct attempt *a) { return done(unlink(a->at)); }
static int try_mkdir(const struct attempt *a) { return done(mkdir(a->at, 0700)); }
static int try_rename(const struct attempt *a) { return done(rename(a->at, "/tmp/attempt")); }
static int try_chmod(const struct attempt *a) { return done(chmod(a->at, 0777)); }
static int try_symlink(const struct attempt *a) { return done(symlink("/etc/passwd", a->at)); }
static int try_memory_file(const struct attempt *a) { // of another process: no file, but opened like one
  char path[64];
  snprintf(path, sizeof path, "/proc/%lld/mem", (long long)a->other);
  return opened(open(path, O_RDONLY | O_CLOEXEC));
}
static int try_grow(const struct attempt *a) {
  (void)a;
  int fd = memfd_create("attempt", MFD_CLOEXEC);
  signal(SIGXFSZ, SIG_IGN);
  int error = fd < 0 ? errno : write(fd, "x", 1) == 1 ? 0 : errno;
  if (fd >= 0) close(fd);
  return error;
}
static int try_exec(const struct attempt *a) {
  char *const arguments[] = {(char[]){"true"}, NULL};
  (void)a;
  return done(execve("/bin/true", arguments, environ));
}
static int try_execveat(const struct attempt *a) {
  char *const arguments[] = {(char[]){"true"}, NULL};
  (void)a;
  return done(syscall(SYS_execveat, AT_FDCWD, "/bin/true", arguments, environ, 0));
}
static int try_fork(const struct attempt *a) {
  (void)a;
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  if (pid > 0) waitpid(pid, NULL, 0);
  return done(pid);
}
static int try_spawn(const struct attempt *a) {
  char *const arguments[] = {(char[]){"true"}, NULL};
  pid_t pid = 0;
  (void)a;
  int error = posix_spawn(&pid, "/bin/true", NULL, NULL, arguments, environ);
  if (!error) waitpid(pid, NULL, 0);
  return error;
}
static int try_connect(const struct attempt *a) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  memcpy(to.sun_path, a->at, sizeof to.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int error = fd < 0 ? errno : done(connect(fd, (const void *)&to, sizeof to));
  if (fd >= 0) close(fd);
  return error;
}
static int try_connect_any(const struct attempt *a) { // a descriptor of another's making would not help either
  const struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  (void)a;
  int error = done(connect(STDERR_FILENO, (const void *)&to, sizeof to));
  return error == ENOTSOCK ? 0 : error; // the kernel has looked at it
}
static int try_socket(const struct attempt *a) { return (void)a, opened(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
static int try_netlink(const struct attempt *a) { return (void)a, opened(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0)); }
static int try_pair(const struct attempt *a) {
  int pair[2];
  (void)a;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return errno;
  close(pair[0]);
  return opened(pair[1]);
}
static int try_bind(const struct attempt *a) {
  const struct sockaddr_in to = {.sin_family = AF_INET};
  (void)a;
  int error = done(bind(STDERR_FILENO, (const void *)&to, sizeof to));
  return error == ENOTSOCK ? 0 : error;
}
static int try_sendto(const struct attempt *a) {
  (void)a;
  int error = done(sendto(STDERR_FILENO, "", 0, 0, NULL, 0));
  return error == ENOTSOCK ? 0 : error;
}
static int try_io_uring(const struct attempt *a) {
  char parameters[256] = "";
  (void)a;
  return opened((int)syscall(SYS_io_uring_setup, 4, parameters));
}
static int try_ptrace(const struct attempt *a) { return (void)a, done(ptrace(PTRACE_TRACEME, 0, NULL, NULL)); }
static int try_attach(const struct attempt *a) { return done(ptrace(PTRACE_ATTACH, (pid_t)a->other, NULL, NULL)); }
static int try_peek(const struct attempt *a) {
  char byte = 0;
  struct iovec to = {&byte, 1}, from = {(void *)environ, 1};
  return done(process_vm_readv((pid_t)a->other, &to, 1, &from, 1, 0));
}
static int try_poke(const struct attempt *a) {
  char byte = 0;
  struct iovec from = {&byte, 1}, to = {&byte, 1};
  return done(process_vm_writev((pid_t)a->other, &from, 1, &to, 1, 0));
}
static int try_kill(const struct attempt *a) { return done(kill((pid_t)a->other, 0)); }
static int try_kill_all(const struct attempt *a) { return (void)a, done(kill(-1, 0)); }
static int try_tgkill(const struct attempt *a) { return done(syscall(SYS_tgkill, a->other, a->other, 0)); }
static int try_tkill(const struct attempt *a) { return done(syscall(SYS_tkill, a->other, 0)); }
static int try_pidfd(const struct attempt *a) { return opened((int)syscall(SYS_pidfd_open, a->other, 0)); }
static int try_mount(const struct attempt *a) { return done(mount("none", a->at, "tmpfs", 0, NULL)); }
static int try_chroot(const struct attempt *a) { return done(chroot(a->at)); }
static int try_unshare(const struct attempt *a) { return (void)a, done(unshare(CLONE_NEWUSER)); }
static int try_setns(const struct attempt *a) { return (void)a, done(setns(STDERR_FILENO, 0)); }
static int try_bpf(const struct attempt *a) { return (void)a, done(syscall(SYS_bpf, 0, NULL, 0)); }
static int try_perf(const struct attempt *a) { return (void)a, done(syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0)); }
static int try_userfault(const struct attempt *a) { return (void)a, done(syscall(SYS_userfaultfd, 0)); }
static int try_keys(const struct attempt *a) { return (void)a, done(syscall(SYS_keyctl, 0, -3, 0, 0, 0)); }
static int try_module(const struct attempt *a) { return (void)a, done(syscall(SYS_finit_module, -1, "", 0)); }
static int try_shared(const struct attempt *a) { return (void)a, done(syscall(SYS_shmget, 0, 4096, 0600)); }
static int try_limit(const struct attempt *a) {
  const struct rlimit more = {1 << 20, 1 << 20};
  (void)a;
  return done(setrlimit(RLIMIT_NOFILE, &more));
}
static int try_dumpable(const struct attempt *a) { return (void)a, done(prctl(PR_SET_DUMPABLE, 1)); }
static int try_immortal(const struct attempt *a) { return (void)a, done(prctl(PR_SET_PDEATHSIG, 0)); }
static int try_sigsys(const struct attempt *a) { return (void)a, signal(SIGSYS, SIG_IGN) == SIG_ERR ? errno : 0; }
static int try_user(const struct attempt *a) { return (void)a, done(setuid(getuid())); }
static int try_environment(const struct attempt *a) { return (void)a, environ != NULL && *environ != NULL ? 0 : ENOENT; }
static int try_descriptor(const struct attempt *a) { return done(fcntl((int)a->other, F_GETFD)); }
static int try_memory(const struct attempt *a) {
  (void)a;
  void *at = mmap(NULL, (size_t)3 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return at == MAP_FAILED ? errno : munmap(at, (size_t)3 << 30);
}
static void *nothing(void *user) { return user; }
static int try_thread(const struct attempt *a) {
  pthread_t thread;
  (void)a;
  int error = pthread_create(&thread, NULL, nothing, NULL);
  if (!error) pthread_join(thread, NULL);
  return error;
}
static int try_raise(const struct attempt *a) { return (void)a, done(kill(getpid(), 0)); }

#define TRY(name) {#name, try_##name}
static const struct {
  const char *name;
  int (*try)(const struct attempt *a);
} rows[] = {TRY(read),   TRY(list),    TRY(write),   TRY(update),  TRY(append),  TRY(create), TRY(openat2),  TRY(truncate), TRY(unlink),      TRY(mkdir),  TRY(rename),      TRY(chmod),
            TRY(symlink), TRY(memory_file), TRY(grow), TRY(exec),  TRY(execveat), TRY(fork),  TRY(spawn),    TRY(connect),  TRY(connect_any), TRY(socket), TRY(netlink),     TRY(pair),
            TRY(bind),   TRY(sendto),  TRY(io_uring), TRY(ptrace), TRY(attach),  TRY(peek),   TRY(poke),     TRY(kill),     TRY(kill_all),    TRY(tgkill), TRY(tkill),       TRY(pidfd),
            TRY(mount),  TRY(chroot),  TRY(unshare), TRY(setns),   TRY(bpf),     TRY(perf),   TRY(userfault), TRY(keys),    TRY(module),      TRY(shared), TRY(limit),       TRY(dumpable),
            TRY(immortal), TRY(sigsys), TRY(user),   TRY(environment), TRY(descriptor), TRY(memory), TRY(thread), TRY(raise)};

static int try_named(const struct attempt *a) {
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (strcmp(a->what, rows[i].name) == 0) return rows[i].try(a);
  return 0; // unknown: the test is to see that
}

__attribute__((constructor)) static void construct(void) {
  struct attempt a = {.at = "/etc/passwd", .other = getppid()};
  for (size_t i = 0; i + 1 < sizeof a.what; i++) a.what[i] = marked[sizeof MARKER - 1 + i];
  constructed = a.what[0] ? try_named(&a) : ENOENT;
}

static int32_t create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  (void)host, (void)context;
  *self = calloc(1, sizeof(struct attempt));
  return *self ? HADRON_OK : HADRON_ERR_MEMORY;
}

static int32_t start(void *self) {
  const struct attempt *a = self;
  int error = a->what[0] ? try_named(a) : constructed;
  if (error) fprintf(stderr, "%s: %s\n", a->what[0] ? a->what : "constructor", strerror(error));
  return error ? HADRON_ERR_PERMISSION : HADRON_OK;
}

static int32_t on_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) { return (void)self, (void)tick, (void)market, HADRON_OK; }

static const struct hadron_param parameters[] = {
    {"try", "what to try", "", "", HADRON_PARAM_TEXT, offsetof(struct attempt, what), 32, 0, 0, 0, 0, 0},
    {"at", "a path", "", "", HADRON_PARAM_TEXT, offsetof(struct attempt, at), 128, 0, 0, 0, 0, 0},
    {"other", "a process, or a descriptor", "", "0", HADRON_PARAM_INTEGER, offsetof(struct attempt, other), 8, 0, 0, INT32_MAX, 0, 0},
};
static const struct hadron_params params = {sizeof params, 3, parameters, NULL};
static const void *capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_UNIVERSE, .create = create, .destroy = free, .start = start, .on_tick = on_tick};
HADRON_PLUGIN(STRATEGY, "attempt", "1.0.0", "tries what it is told to try", "hadron.strategy/1", &api, capability);
