// A library to be preloaded: it counts the calls of the system that a program and its libraries make by their names, and lets the Nth call of
// one name fail. What libc calls by itself (malloc's mmap, the loader's open) is not seen.
//
//   HADRON_CALLS_COUNT=FILE       at the end a line "name count" for each
//   HADRON_CALLS_FAIL=open:17:24  the 17th open fails with errno 24; a plus behind it: all after it too
//   HADRON_CALLS_MET=FILE         a line is written there when it has failed, with who called
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CALLS(X)                                                                                                                                      \
  X(open) X(open64) X(openat) X(openat64) X(mmap) X(mmap64) X(mprotect) X(socket) X(socketpair) X(bind) X(listen) X(accept4) X(epoll_create1)          \
  X(epoll_ctl) X(eventfd) X(timerfd_create) X(timerfd_settime) X(memfd_create) X(pipe) X(pipe2) X(fork) X(posix_spawn) X(pthread_create) X(getrandom)   \
  X(inotify_init1) X(inotify_add_watch) X(ftruncate) X(ftruncate64) X(mkdir) X(rename) X(unlink) X(flock) X(fcntl) X(fcntl64) X(dup2) X(dup3) X(fsync)  \
  X(fdatasync) X(read) X(write) X(pread) X(pread64) X(pwrite) X(pwrite64) X(posix_fallocate) X(fallocate) X(fstat) X(stat) X(opendir) X(fopen)          \
  X(fopen64) X(readlink) X(sigaltstack) X(setsockopt) X(chmod) X(fchmod)
enum call {
#define CALL_ENUM(name) CALL_##name,
  CALLS(CALL_ENUM) CALL_COUNT
};
#define CALL_NAME(name) #name,
static const char *const names[CALL_COUNT] = {CALLS(CALL_NAME)};
static _Atomic unsigned long counts[CALL_COUNT];
static int fail_call = -1, fail_error, fail_on;
static unsigned long fail_at;

__attribute__((constructor)) static void begin(void) {
  char name[32];
  char more = 0;
  const char *wanted = getenv("HADRON_CALLS_FAIL");
  if (!wanted || sscanf(wanted, "%31[^:]:%lu:%d%c", name, &fail_at, &fail_error, &more) < 3) return;
  fail_on = more == '+';
  for (int i = 0; i < CALL_COUNT; i++)
    if (strcmp(names[i], name) == 0) fail_call = i;
}

__attribute__((destructor)) static void end(void) {
  const char *to = getenv("HADRON_CALLS_COUNT");
  char line[64];
  int fd = to ? (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
  for (int i = 0; fd >= 0 && i < CALL_COUNT; i++) {
    int n = snprintf(line, sizeof line, "%s %lu\n", names[i], counts[i]);
    if (syscall(SYS_write, fd, line, n) != n) break;
  }
}

static void met(enum call call, const void *caller) {
  static _Atomic int told;
  const char *to = getenv("HADRON_CALLS_MET");
  char line[400];
  Dl_info who = {0};
  if (!to || atomic_exchange(&told, 1)) return;
  dladdr(caller, &who);
  int n = snprintf(line, sizeof line, "%s %lu %s %s+0x%lx\n", names[call], fail_at, who.dli_fname ? who.dli_fname : "?", who.dli_sname ? who.dli_sname : "",
                   (unsigned long)((const char *)caller - (const char *)who.dli_fbase));
  int fd = (int)syscall(SYS_openat, AT_FDCWD, to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return;
  if (syscall(SYS_write, fd, line, n) != n) n = 0;
  syscall(SYS_close, fd);
}

static int fails(enum call call, const void *caller) {
  unsigned long n = atomic_fetch_add(&counts[call], 1) + 1;
  if ((int)call != fail_call || n < fail_at || (n > fail_at && !fail_on)) return 0;
  met(call, caller);
  errno = fail_error;
  return 1;
}

// `bad`: what the call returns when it fails; E: the error itself.
#define E fail_error
#define WRAP(type, bad, name, parameters, ...) WRAP_IF(1, type, bad, name, parameters, __VA_ARGS__)
#define WRAP_IF(may, type, bad, name, parameters, ...)                                    \
  __attribute__((visibility("default"))) type name parameters;                            \
  type name parameters {                                                                  \
    static type(*real) parameters;                                                        \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #name);                                 \
    return (may) && fails(CALL_##name, __builtin_return_address(0)) ? (type)(bad) : real(__VA_ARGS__); \
  }

#define OPENS(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                          \
    va_list more;                                                                                                       \
    va_start(more, flags);                                                                                              \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                             \
    va_end(more);                                                                                                       \
    return fails(CALL_##name, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode); \
  }
#define OPENATS(name)                                                                                            \
  int name(int dir, const char *path, int flags, ...) {                                                          \
    va_list more;                                                                                                \
    va_start(more, flags);                                                                                       \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                                      \
    va_end(more);                                                                                                \
    return fails(CALL_##name, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode); \
  }
static int is_file(int fd) {
  struct stat at;
  return syscall(SYS_fstat, fd, &at) == 0 && S_ISREG(at.st_mode);
}

static int may_fail(int command) { return command == F_DUPFD || command == F_DUPFD_CLOEXEC || command == F_ADD_SEALS || command == F_SETLK || command == F_SETLKW; }

#define FCNTLS(name)                                                                                          \
  int name(int fd, int command, ...) {                                                                        \
    va_list more;                                                                                             \
    va_start(more, command);                                                                                  \
    long argument = va_arg(more, long);                                                                       \
    va_end(more);                                                                                             \
    return may_fail(command) && fails(CALL_##name, __builtin_return_address(0)) ? -1 : (int)syscall(SYS_fcntl, fd, command, argument); \
  }
#pragma GCC visibility push(default)
OPENS(open)
OPENS(open64)
OPENATS(openat)
OPENATS(openat64)
FCNTLS(fcntl)
FCNTLS(fcntl64)
#pragma GCC visibility pop

WRAP(void *, MAP_FAILED, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset), at, size, protection, flags, fd, offset)
WRAP(void *, MAP_FAILED, mmap64, (void *at, size_t size, int protection, int flags, int fd, off_t offset), at, size, protection, flags, fd, offset)
WRAP(int, -1, mprotect, (void *at, size_t size, int protection), at, size, protection)
WRAP(int, -1, socket, (int domain, int type, int protocol), domain, type, protocol)
WRAP(int, -1, socketpair, (int domain, int type, int protocol, int fds[2]), domain, type, protocol, fds)
WRAP(int, -1, bind, (int fd, const struct sockaddr *address, socklen_t size), fd, address, size)
WRAP(int, -1, listen, (int fd, int backlog), fd, backlog)
WRAP(int, -1, accept4, (int fd, struct sockaddr *address, socklen_t *size, int flags), fd, address, size, flags)
WRAP(int, -1, setsockopt, (int fd, int level, int name, const void *value, socklen_t size), fd, level, name, value, size)
WRAP(int, -1, epoll_create1, (int flags), flags)
WRAP(int, -1, epoll_ctl, (int set, int op, int fd, struct epoll_event *event), set, op, fd, event)
WRAP(int, -1, eventfd, (unsigned count, int flags), count, flags)
WRAP(int, -1, timerfd_create, (int clock, int flags), clock, flags)
WRAP(int, -1, timerfd_settime, (int fd, int flags, const struct itimerspec *to, struct itimerspec *was), fd, flags, to, was)
WRAP(int, -1, memfd_create, (const char *name, unsigned flags), name, flags)
WRAP(int, -1, pipe, (int fds[2]), fds)
WRAP(int, -1, pipe2, (int fds[2], int flags), fds, flags)
WRAP(pid_t, -1, fork, (void))
WRAP(int, E, posix_spawn, (pid_t *pid, const char *path, const posix_spawn_file_actions_t *files, const posix_spawnattr_t *attributes, char *const *words, char *const *environment), pid, path,
     files, attributes, words, environment)
WRAP(int, E, pthread_create, (pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument), thread, attributes, run, argument)
WRAP(ssize_t, -1, getrandom, (void *to, size_t size, unsigned flags), to, size, flags)
WRAP(int, -1, inotify_init1, (int flags), flags)
WRAP(int, -1, inotify_add_watch, (int fd, const char *path, uint32_t mask), fd, path, mask)
WRAP(int, -1, ftruncate, (int fd, off_t size), fd, size)
WRAP(int, -1, ftruncate64, (int fd, off_t size), fd, size)
WRAP(int, E, posix_fallocate, (int fd, off_t at, off_t size), fd, at, size)
WRAP(int, -1, fallocate, (int fd, int mode, off_t at, off_t size), fd, mode, at, size)
WRAP(int, -1, mkdir, (const char *path, mode_t mode), path, mode)
WRAP(int, -1, chmod, (const char *path, mode_t mode), path, mode)
WRAP(int, -1, fchmod, (int fd, mode_t mode), fd, mode)
WRAP(int, -1, rename, (const char *from, const char *to), from, to)
WRAP(int, -1, unlink, (const char *path), path)
WRAP(int, -1, flock, (int fd, int operation), fd, operation)
WRAP(int, -1, dup2, (int from, int to), from, to)
WRAP(int, -1, dup3, (int from, int to, int flags), from, to, flags)
WRAP(int, -1, fsync, (int fd), fd)
WRAP(int, -1, fdatasync, (int fd), fd)
WRAP_IF(is_file(fd), ssize_t, -1, read, (int fd, void *to, size_t size), fd, to, size)
WRAP_IF(is_file(fd), ssize_t, -1, write, (int fd, const void *from, size_t size), fd, from, size)
WRAP(ssize_t, -1, pread, (int fd, void *to, size_t size, off_t at), fd, to, size, at)
WRAP(ssize_t, -1, pread64, (int fd, void *to, size_t size, off_t at), fd, to, size, at)
WRAP(ssize_t, -1, pwrite, (int fd, const void *from, size_t size, off_t at), fd, from, size, at)
WRAP(ssize_t, -1, pwrite64, (int fd, const void *from, size_t size, off_t at), fd, from, size, at)
WRAP(int, -1, fstat, (int fd, struct stat *to), fd, to)
WRAP(int, -1, stat, (const char *path, struct stat *to), path, to)
WRAP(ssize_t, -1, readlink, (const char *path, char *to, size_t size), path, to, size)
WRAP(int, -1, sigaltstack, (const stack_t *to, stack_t *was), to, was)
WRAP(DIR *, NULL, opendir, (const char *path), path)
WRAP(FILE *, NULL, fopen, (const char *path, const char *mode), path, mode)
WRAP(FILE *, NULL, fopen64, (const char *path, const char *mode), path, mode)
