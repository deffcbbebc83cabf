// Promise: a plugin in a worker's sandbox reaches nothing but its own memory, its processor and its connection. A child enters the sandbox and
// loads a plugin that tries: to read, write, make and remove files, to start programs and processes, to reach sockets, other processes' memory and
// signals, the kernel's own, and the walls themselves. Each attempt is stopped, by an error or by the end of the process, in a callback and in a constructor
// alike; without the sandbox the same attempts go through, which shows that they are attempts. Threads and its own signals are left to it. A script finds
// nothing to try with. The probe's child may read, and no more.
#include "support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/sanitized.h"
#include "lua/runtime.h"
#include "plugin/sandbox.h"
#include "support/directory.h"
#include "support/plugin.h"
#include "support/strategy_host.h"

#define MARKER "@@attempt@@"
#define STOPPED 40 // exit codes of the child
#define THROUGH 41
#define BROKEN 42

enum walls { NONE, AS_WORKER, AS_PROBE };

static char folder[TEST_PATH_SIZE], file[TEST_PATH_SIZE], socket_path[TEST_PATH_SIZE];
static int listening;

struct artifact {
  int fd;
  uint8_t digest[32];
  const char *name;
};

static struct artifact seal(const char *name, const void *bytes, size_t size) {
  struct artifact a = {.fd = memfd_create("artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING), .name = name};
  assert_true(a.fd >= 0);
  assert_int_equal(write(a.fd, bytes, size), size);
  assert_int_equal(fcntl(a.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL), 0);
  hd_sha256(bytes, size, a.digest);
  return a;
}

static struct artifact attempt_plugin(const char *in_constructor) {
  struct test_file f = test_read_file(test_plugin_path("attempt"));
  unsigned char *at = memmem(f.bytes, f.size, MARKER "\0", sizeof MARKER);
  assert_non_null(at);
  memcpy(at + sizeof MARKER - 1, in_constructor, strlen(in_constructor) + 1);
  struct artifact a = seal("attempt.so", f.bytes, f.size);
  free(f.bytes);
  return a;
}

// ---- the child

static _Noreturn void give_up(const struct hd_fault *fault) {
  fprintf(stderr, "%s\n", fault->text);
  _exit(BROKEN);
}

static _Noreturn void live(enum walls walls, const struct artifact *a, const char *const *params, pid_t parent) {
  static struct strategy_host h;
  const struct hd_plugin *plugin = NULL;
  struct hd_fault fault = {0};
  const struct hd_sandbox sandbox = {.parent = parent, .first_unknown = 5, .memory_max = UINT64_C(1) << 30, .descriptors_max = 64, .may_read = walls == AS_PROBE};
  for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL); // not the test's
  if (dup2(a->fd, 4) != 4) _exit(BROKEN);
  if (walls != NONE && hd_sandbox_enter(&sandbox, &fault)) give_up(&fault);
  if (walls != NONE && hd_sandbox_filter(walls == AS_PROBE ? HD_SANDBOX_PROBE : HD_SANDBOX_WORKER, &fault)) give_up(&fault);
  if (hd_plugin_open_digest(4, a->name, a->digest, &hd_lua_language, &plugin, &fault)) give_up(&fault);
  if (walls == AS_WORKER && hd_sandbox_filter(HD_SANDBOX_LOADED, &fault)) give_up(&fault);
  if (strategy_host_create(&h, plugin, a->name, 1, params, &fault)) give_up(&fault);
  int32_t err = hd_instance_start(&h.instance, &fault);
  if (err && err != HADRON_ERR_PERMISSION) give_up(&fault);
  _exit(err ? STOPPED : THROUGH);
}

// How the child ended. own: it tries itself with `other`, a process that is there to be tried with.
static int run(enum walls walls, const struct artifact *a, const char *what, const char *at, int64_t other) {
  char number[24];
  snprintf(number, sizeof number, "%lld", (long long)other);
  const char *params[] = {"try", what, "at", at, "other", number, NULL};
  int status = 0;
  fflush(NULL);
  pid_t parent = getpid(), pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) live(walls, a, what != NULL ? params : NULL, parent);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

// ---- what is tried

enum with { FILE_THERE, SOCKET_THERE, FRESH, NOTHING };
static const struct row {
  const char *what;
  enum with with;
  bool kills;    // a worker ends by it
  bool control;  // it is harmless where it goes through, and goes through for whoever runs this
} rows[] = {
    {"read", FILE_THERE, false, true},      {"list", NOTHING, false, true},         {"write", FILE_THERE, false, true},     {"update", FILE_THERE, false, true},    {"append", FILE_THERE, false, true},
    {"create", FRESH, false, true},         {"openat2", FILE_THERE, false, true},   {"truncate", FILE_THERE, false, true},  {"unlink", FILE_THERE, false, false},   {"mkdir", FRESH, false, true},
    {"rename", FILE_THERE, false, false},   {"chmod", FILE_THERE, false, true},     {"symlink", FRESH, false, true},        {"memory_file", NOTHING, false, false}, {"grow", NOTHING, false, true},
    {"exec", NOTHING, true, false},         {"execveat", NOTHING, true, false},     {"fork", NOTHING, false, true},         {"spawn", NOTHING, false, true},        {"connect", SOCKET_THERE, false, true},
    {"connect_any", NOTHING, false, true},  {"socket", NOTHING, false, true},       {"netlink", NOTHING, false, true},      {"pair", NOTHING, false, true},         {"bind", NOTHING, false, true},
    {"sendto", NOTHING, false, true},       {"io_uring", NOTHING, false, false},    {"ptrace", NOTHING, true, false},       {"attach", NOTHING, true, false},       {"peek", NOTHING, true, false},
    {"poke", NOTHING, true, false},         {"kill", NOTHING, false, true},         {"kill_all", NOTHING, false, false},    {"tgkill", NOTHING, false, true},       {"tkill", NOTHING, false, true},
    {"pidfd", NOTHING, false, true},        {"mount", FRESH, true, false},          {"chroot", FRESH, true, false},         {"unshare", NOTHING, true, false},      {"setns", NOTHING, true, false},
    {"bpf", NOTHING, true, false},          {"perf", NOTHING, true, false},         {"userfault", NOTHING, true, false},    {"keys", NOTHING, true, false},         {"module", NOTHING, true, false},
    {"shared", NOTHING, false, false},      {"limit", NOTHING, false, false},       {"dumpable", NOTHING, false, true},     {"immortal", NOTHING, false, true},     {"sigsys", NOTHING, false, true},
    {"user", NOTHING, false, true},         {"environment", NOTHING, false, true},
};

static const char *path_of(const struct row *r) {
  static char fresh[TEST_PATH_SIZE + 16];
  static unsigned count;
  snprintf(fresh, sizeof fresh, "%s/fresh%u", folder, count++);
  return r->with == FILE_THERE ? file : r->with == SOCKET_THERE ? socket_path : r->with == FRESH ? fresh : "/";
}

static void expect_stopped(const char *what, bool kills, int status) {
  if (kills ? WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS : WIFEXITED(status) && WEXITSTATUS(status) == STOPPED) return;
  fail_msg("%s: expected it to be %s, found %s %d", what, kills ? "killed by SIGSYS" : "refused", WIFSIGNALED(status) ? "signal" : "exit code",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void expect_through(const char *what, int status) {
  if (!WIFEXITED(status) || WEXITSTATUS(status) != THROUGH) fail_msg("%s: expected it to go through, found status %x", what, (unsigned)status);
}

static void every_attempt_is_stopped(void **state) {
  struct artifact a = attempt_plugin("");
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect_stopped(rows[i].what, rows[i].kills, run(AS_WORKER, &a, rows[i].what, path_of(&rows[i]), getpid()));
  assert_int_equal(dup2(listening, 20), 20); // 5 is the loader's own, of the plugin
  for (int fd = 6; fd <= 20; fd++) expect_stopped("an inherited descriptor", false, run(AS_WORKER, &a, "descriptor", "", fd));
  if (!HD_SANITIZED) expect_stopped("memory", false, run(AS_WORKER, &a, "memory", "", 0));
  assert_int_equal(access(file, F_OK), 0);
  close(a.fd);
}

static void the_attempts_are_real(void **state) {
  struct artifact a = attempt_plugin("");
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].control) expect_through(rows[i].what, run(NONE, &a, rows[i].what, path_of(&rows[i]), getpid()));
  expect_through("an inherited descriptor", run(NONE, &a, "descriptor", "", 20));
  int status = run(NONE, &a, "exec", "", 0);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0); // it was /bin/true
  if (!HD_SANITIZED) expect_through("memory", run(NONE, &a, "memory", "", 0));
  close(a.fd);
}

static void a_constructor_is_in_it_too(void **state) {
  static const char *const tried[] = {"exec", "ptrace", "peek", "socket", "write", "fork", "kill", "read"};
  (void)state;
  for (size_t i = 0; i < sizeof tried / sizeof *tried; i++) {
    struct artifact a = attempt_plugin(tried[i]);
    expect_stopped(tried[i], i < 3, run(AS_WORKER, &a, NULL, NULL, 0));
    close(a.fd);
  }
}

static void what_is_left_to_it(void **state) {
  struct artifact a = attempt_plugin("");
  (void)state;
  expect_through("thread", run(AS_WORKER, &a, "thread", "", 0));
  expect_through("raise", run(AS_WORKER, &a, "raise", "", 0));
  if (hd_sandbox_landlock() > 0) expect_through("a library", run(AS_WORKER, &a, "list", "/usr/lib", 0)); // the C library loads parts of itself late
  expect_through("its own descriptor", run(AS_WORKER, &a, "descriptor", "", 4));
  close(a.fd);
}

static void a_probe_may_read(void **state) {
  static const struct row tried[] = {{"write", FILE_THERE, 0, 0}, {"create", FRESH, 0, 0}, {"exec", NOTHING, 0, 0}, {"ptrace", NOTHING, 0, 0}, {"kill", NOTHING, 0, 0}, {"connect", SOCKET_THERE, 0, 0}, {"dumpable", NOTHING, 0, 0}};
  struct artifact a = attempt_plugin("");
  (void)state;
  expect_through("read", run(AS_PROBE, &a, "read", file, 0));
  for (size_t i = hd_sandbox_landlock() > 0 ? 0 : 2; i < sizeof tried / sizeof *tried; i++) expect_stopped(tried[i].what, false, run(AS_PROBE, &a, tried[i].what, path_of(&tried[i]), getpid()));
  close(a.fd);
}

// In Lua there is no call to be stopped: what would make one is not there.
static void a_script_has_nothing_to_try_with(void **state) {
  static const char *const names[] = {"io", "os", "debug", "package", "require", "dofile", "loadfile", "load", "loadstring", "collectgarbage", "ffi", "jit", "socket", "string.dump", "_G.io"};
  char text[4096];
  size_t size = (size_t)snprintf(text, sizeof text, "-- hadron: strategy attempt 1.0.0\n-- description: looks for a way out\n-- requires: hadron.strategy/1\nlocal found = ''\n");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    size += (size_t)snprintf(text + size, sizeof text - size, "if pcall(function() assert(%s) end) then found = found .. ' %s' end\n", names[i], names[i]);
  size += (size_t)snprintf(text + size, sizeof text - size, "return hadron.strategy { on_start = function() if found ~= '' then error('found' .. found) end end, on_trade = function() end }\n");
  struct artifact a = seal("attempt.lua", text, size);
  (void)state;
  expect_through("a script that finds nothing", run(AS_WORKER, &a, NULL, NULL, 0));
  close(a.fd);
}

// Of what this machine's kernel, or its own walls, may not let anybody do: it is at least in the table.
static void what_cannot_be_tried_here(void **state) {
  static const int calls[] = {SYS_io_uring_setup, SYS_process_madvise, SYS_kcmp, SYS_pidfd_getfd, SYS_open_by_handle_at, SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_settimeofday,
                              SYS_clock_settime, SYS_iopl, SYS_add_key, SYS_setuid, SYS_setgroups, SYS_acct, SYS_syslog, SYS_fanotify_init, SYS_mq_open, SYS_shmat};
  (void)state;
  for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
    if (!hd_sandbox_call_name(calls[i])) fail_msg("system call %d is left to a plugin", calls[i]);
}

static void an_orphan_does_not_begin(void **state) {
  (void)state;
  fflush(NULL);
  pid_t pid = fork();
  if (pid == 0) {
    struct hd_fault fault = {0};
    const struct hd_sandbox sandbox = {.parent = 1 + getpid(), .first_unknown = 5, .descriptors_max = 64};
    _exit(hd_sandbox_enter(&sandbox, &fault) ? BROKEN : THROUGH);
  }
  int status = 0;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == HD_SANDBOX_EXIT_ORPHAN);
}


static int set_up(void **state) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  (void)state;
  test_directory_make(folder);
  test_path(file, folder, "file");
  test_path(socket_path, folder, "socket");
  test_write_file(file, "secret", 6);
  memcpy(at.sun_path, socket_path, strlen(socket_path) + 1);
  listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setenv("HADRON_SECRET", "of the parent", 1);
  return bind(listening, (const void *)&at, sizeof at) != 0 || listen(listening, 100) != 0;
}

static int tear_down(void **state) {
  (void)state;
  close(listening);
  test_directory_remove(folder);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_attempt_is_stopped), cmocka_unit_test(the_attempts_are_real),            cmocka_unit_test(a_constructor_is_in_it_too), cmocka_unit_test(what_is_left_to_it),
      cmocka_unit_test(a_probe_may_read),         cmocka_unit_test(a_script_has_nothing_to_try_with), cmocka_unit_test(what_cannot_be_tried_here),
      cmocka_unit_test(an_orphan_does_not_begin),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
