#include "plugin/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/sanitized.h"
#include "base/text.h"

static int32_t refuse(struct hd_fault *fault, const char *what, int error) {
  return hd_fault_set(fault, HADRON_ERR_IO, "the child's sandbox: %s: %s; the plugin is not run without it", what, strerror(error));
}

// ---- Landlock: what of the file system and the network is there at all
// By number and layout of the kernel's documentation (userspace-api/landlock.rst): the C library has no functions for it, and headers are older than kernels.

#define LANDLOCK_CREATE 444
#define LANDLOCK_ADD 445
#define LANDLOCK_RESTRICT 446
#define LANDLOCK_ASK_VERSION 1u
#define LANDLOCK_BENEATH 1

#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_READ_FILE (UINT64_C(1) << 2)
#define FS_READ_DIR (UINT64_C(1) << 3)

struct ruleset {
  uint64_t fs, net, scoped;
};
struct beneath {
  uint64_t allowed;
  int32_t folder;
} __attribute__((packed));

// What each version can forbid: [0 .. fs_bits) of the file system, and from some version on TCP (bind, connect), abstract sockets and signals.
static const struct {
  int fs_bits, net_bits, scoped_bits;
  size_t size; // of struct ruleset as that version knows it
} versions[] = {{0, 0, 0, 0}, {13, 0, 0, 8}, {14, 0, 0, 8}, {15, 0, 0, 8}, {15, 2, 0, 16}, {16, 2, 0, 16}, {16, 2, 2, 24}};
#define VERSION_MAX (int)(sizeof versions / sizeof *versions - 1)

int hd_sandbox_landlock(void) {
  long version = syscall(LANDLOCK_CREATE, NULL, 0, LANDLOCK_ASK_VERSION);
  return version > 0 ? (int)version : 0;
}

static uint64_t bits(int count) { return (UINT64_C(1) << count) - 1; }

// A path that is not there needs no rule.
static int allow(int rules, const char *path, uint64_t what) {
  int folder = open(path, O_PATH | O_CLOEXEC), error = 0;
  if (folder < 0) return 0;
  const struct beneath rule = {what, folder};
  if (syscall(LANDLOCK_ADD, rules, LANDLOCK_BENEATH, &rule, 0) != 0) error = errno;
  close(folder);
  return error;
}

// The folders of LD_LIBRARY_PATH as well: the parent said that libraries are there.
static int allow_libraries(int rules) {
  static const char *const folders[] = {"/lib", "/lib32", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib"};
  const uint64_t read = FS_EXECUTE | FS_READ_FILE | FS_READ_DIR;
  int error = allow(rules, "/etc/ld.so.cache", FS_READ_FILE);
  for (size_t i = 0; i < sizeof folders / sizeof *folders && !error; i++) error = allow(rules, folders[i], read);
  const char *told = getenv("LD_LIBRARY_PATH");
  char path[4096];
  while (told != NULL && *told && !error) {
    size_t length = strcspn(told, ":;");
    if (length > 0 && length < sizeof path) {
      memcpy(path, told, length);
      path[length] = 0;
      error = allow(rules, path, read);
    }
    told += length + (told[length] != 0);
  }
  if (error || !HD_SANITIZED) return error;
  return allow(rules, "/proc", FS_READ_FILE | FS_READ_DIR); // a sanitizer maps terabytes, and reads what is mapped
}

static int fence_files(const struct hd_sandbox *s) {
  int version = hd_sandbox_landlock();
  if (version == 0) return 0; // the filter is what there is
  if (version > VERSION_MAX) version = VERSION_MAX;
  struct ruleset r = {bits(versions[version].fs_bits), bits(versions[version].net_bits), bits(versions[version].scoped_bits)};
  if (s->may_read) r.fs &= ~(FS_READ_FILE | FS_READ_DIR);
  int rules = (int)syscall(LANDLOCK_CREATE, &r, versions[version].size, 0);
  if (rules < 0) return errno;
  // Reading a shared object is not executing it, but loaders are files that may be executed: FS_EXECUTE is of no use without exec.
  int error = s->may_read ? 0 : allow_libraries(rules);
  if (!error && syscall(LANDLOCK_RESTRICT, rules, 0) != 0) error = errno;
  close(rules);
  return error;
}

// ---- limits

static bool limit(unsigned what, uint64_t value) {
  struct rlimit now, l = {(rlim_t)value, (rlim_t)value};
  if (getrlimit(what, &now) == 0 && now.rlim_max < l.rlim_max) l.rlim_cur = l.rlim_max = now.rlim_max; // never wider than the parent's
  return setrlimit(what, &l) == 0;
}

static bool set_limits(const struct hd_sandbox *s) {
  // A core of 1 byte is none, and unlike 0 it is also heard where a program collects them.
  const struct {
    unsigned what;
    uint64_t value;
    bool is_set;
  } rows[] = {{RLIMIT_CORE, 1, true},       {RLIMIT_NOFILE, s->descriptors_max, true}, {RLIMIT_FSIZE, s->file_size_max, true},        {RLIMIT_MEMLOCK, 0, true},
              {RLIMIT_MSGQUEUE, 0, true},   {RLIMIT_CPU, s->cpu_s, s->cpu_s > 0},      {RLIMIT_AS, s->memory_max, s->memory_max > 0 && !HD_SANITIZED}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].is_set && !limit(rows[i].what, rows[i].value)) return false;
  return true;
}

// A host that runs as root must not lend that to a plugin: whatever its user, the child has no capability left.
static bool drop_capabilities(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};
  return syscall(SYS_capset, &header, none) == 0;
}

int32_t hd_sandbox_enter(const struct hd_sandbox *s, struct hd_fault *fault) {
  HD_ASSERT(s->first_unknown > STDERR_FILENO && s->descriptors_max > (uint64_t)s->first_unknown);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return refuse(fault, "no new privileges", errno);
  if (!drop_capabilities()) return refuse(fault, "giving up capabilities", errno);
  // After the capabilities: a change of those takes the wish back. The parent may trace it no more than anybody else.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) return refuse(fault, "death with the parent, and no dump", errno);
  if (getppid() != s->parent) _exit(HD_SANDBOX_EXIT_ORPHAN); // it was gone before its death could be heard of
  if (close_range((unsigned)s->first_unknown, ~0u, 0) != 0) return refuse(fault, "closing descriptors", errno);
  int error = fence_files(s);
  if (error) return refuse(fault, "Landlock", error);
  if (clearenv() != 0) return refuse(fault, "emptying the environment", ENOMEM);
  return set_limits(s) ? HADRON_OK : refuse(fault, "limits", errno);
}

// ---- the filter: what may be asked of the kernel

#define P HD_SANDBOX_PROBE
#define W HD_SANDBOX_WORKER
#define KILL 8 // in a worker

#define CALL(name) SCMP_SYS(name), #name
static const struct row {
  int call;
  const char *name;
  unsigned in; // enum hd_sandbox_filter, KILL
} refused[] = {
    // Other programs and other processes.
    {CALL(execve), P | W | KILL}, {CALL(execveat), P | W | KILL}, {CALL(fork), P | W}, {CALL(vfork), P | W}, {CALL(ptrace), P | W | KILL},
    {CALL(process_vm_readv), P | W | KILL}, {CALL(process_vm_writev), P | W | KILL}, {CALL(process_madvise), P | W | KILL}, {CALL(kcmp), P | W | KILL},
    {CALL(pidfd_open), P | W}, {CALL(pidfd_send_signal), P | W}, {CALL(pidfd_getfd), P | W | KILL}, {CALL(tkill), P | W}, {CALL(rt_sigqueueinfo), P | W},
    {CALL(rt_tgsigqueueinfo), P | W}, {CALL(setsid), P | W}, {CALL(setpgid), P | W},
    // Its own walls, and the machine's.
    {CALL(setrlimit), P | W}, {CALL(prctl), P | W}, {CALL(capset), P | W}, {CALL(personality), P | W}, {CALL(mount), P | W | KILL}, {CALL(umount2), P | W | KILL},
    {CALL(pivot_root), P | W | KILL}, {CALL(chroot), P | W | KILL}, {CALL(unshare), P | W | KILL}, {CALL(setns), P | W | KILL}, {CALL(fsopen), P | W | KILL},
    {CALL(open_tree), P | W | KILL}, {CALL(move_mount), P | W | KILL}, {CALL(bpf), P | W | KILL}, {CALL(perf_event_open), P | W | KILL}, {CALL(userfaultfd), P | W | KILL},
    {CALL(reboot), P | W | KILL}, {CALL(kexec_load), P | W | KILL}, {CALL(kexec_file_load), P | W | KILL}, {CALL(init_module), P | W | KILL},
    {CALL(finit_module), P | W | KILL}, {CALL(delete_module), P | W | KILL}, {CALL(swapon), P | W | KILL}, {CALL(swapoff), P | W | KILL}, {CALL(acct), P | W | KILL},
    {CALL(quotactl), P | W | KILL}, {CALL(syslog), P | W | KILL}, {CALL(settimeofday), P | W | KILL}, {CALL(clock_settime), P | W | KILL}, {CALL(clock_adjtime), P | W},
    {CALL(adjtimex), P | W}, {CALL(sethostname), P | W | KILL}, {CALL(setdomainname), P | W | KILL}, {CALL(ioperm), P | W | KILL}, {CALL(iopl), P | W | KILL},
    {CALL(add_key), P | W | KILL}, {CALL(keyctl), P | W | KILL}, {CALL(request_key), P | W | KILL}, {CALL(open_by_handle_at), P | W | KILL}, {CALL(setuid), P | W},
    {CALL(setgid), P | W}, {CALL(setreuid), P | W}, {CALL(setregid), P | W}, {CALL(setresuid), P | W}, {CALL(setresgid), P | W}, {CALL(setgroups), P | W},
    {CALL(setfsuid), P | W}, {CALL(setfsgid), P | W},
    // The world outside. A worker sends through its connection alone, by sendmsg.
    {CALL(sendmsg), P}, {CALL(sendto), P | W}, {CALL(sendmmsg), P | W}, {CALL(socket), W}, {CALL(socketpair), W}, {CALL(connect), P | W}, {CALL(bind), P | W},
    {CALL(listen), P | W}, {CALL(accept), W}, {CALL(accept4), W}, {CALL(io_uring_setup), P | W}, {CALL(shmget), P | W}, {CALL(shmat), P | W}, {CALL(msgget), P | W},
    {CALL(semget), P | W}, {CALL(mq_open), P | W},
    // Files.
    {CALL(creat), W}, {CALL(truncate), W}, {CALL(unlink), W}, {CALL(unlinkat), W}, {CALL(rename), W}, {CALL(renameat), W}, {CALL(renameat2), W}, {CALL(link), W},
    {CALL(linkat), W}, {CALL(symlink), W}, {CALL(symlinkat), W}, {CALL(mkdir), W}, {CALL(mkdirat), W}, {CALL(rmdir), W}, {CALL(mknod), W}, {CALL(mknodat), W},
    {CALL(chmod), W}, {CALL(fchmod), W}, {CALL(fchmodat), W}, {CALL(chown), W}, {CALL(fchown), W}, {CALL(lchown), W}, {CALL(fchownat), W}, {CALL(utimensat), W},
    {CALL(setxattr), W}, {CALL(fsetxattr), W}, {CALL(lsetxattr), W}, {CALL(inotify_init), W}, {CALL(inotify_init1), W}, {CALL(fanotify_init), W}, {CALL(chdir), W},
    {CALL(fchdir), W}, {CALL(umask), W},
};
#define ROWS (sizeof refused / sizeof *refused)

const char *hd_sandbox_call_name(int number) {
  for (size_t i = 0; i < ROWS; i++)
    if (refused[i].call == number) return refused[i].name;
  return NULL;
}

static int refuse_calls(scmp_filter_ctx f, unsigned in) {
  const uint32_t fails = SCMP_ACT_ERRNO(EPERM);
  int error = 0;
  for (size_t i = 0; i < ROWS && !error; i++)
    if (refused[i].in & in) error = seccomp_rule_add(f, in == W && (refused[i].in & KILL) ? SCMP_ACT_TRAP : fails, refused[i].call, 0);
  return error;
}

// Limits may be asked for; signals go to itself; a thread is made by the older call, whose flags can be seen.
static int refuse_arguments(scmp_filter_ctx f) {
  const uint64_t self = (uint64_t)getpid();
  const struct {
    int call;
    struct scmp_arg_cmp when;
  } rows[] = {{SCMP_SYS(prlimit64), {2, SCMP_CMP_NE, 0, 0}},
              {SCMP_SYS(kill), {0, SCMP_CMP_NE, self, 0}},
              {SCMP_SYS(tgkill), {0, SCMP_CMP_NE, self, 0}},
              {SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}}};
  int error = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows && !error; i++) error = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), rows[i].call, 1, &rows[i].when);
  return error ? error : seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

// What writes is seen by the flags. openat2 has them in memory, where a filter does not look. SIGSYS is the sandbox's own.
static int refuse_writing(scmp_filter_ctx f) {
  const int calls[] = {SCMP_SYS(open), SCMP_SYS(openat)};
  const uint64_t flags[] = {O_WRONLY, O_RDWR, O_CREAT, O_TRUNC};
  const struct scmp_arg_cmp sigsys = {0, SCMP_CMP_EQ, SIGSYS, 0};
  int error = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0);
  if (!error) error = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(rt_sigaction), 1, &sigsys);
  for (unsigned i = 0; i < 2; i++)
    for (size_t k = 0; k < sizeof flags / sizeof *flags && !error; k++) {
      const struct scmp_arg_cmp has = {i + 1, SCMP_CMP_MASKED_EQ, flags[k], flags[k]};
      error = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), calls[i], 1, &has);
    }
  return error;
}

// Where Landlock does not say what there is to read, there is nothing.
static int refuse_opening(scmp_filter_ctx f) {
  const int calls[] = {SCMP_SYS(open), SCMP_SYS(openat)};
  int error = 0;
  for (size_t i = 0; i < sizeof calls / sizeof *calls && !error; i++) error = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), calls[i], 0);
  return error;
}

static int build(scmp_filter_ctx f, enum hd_sandbox_filter filter) {
  int error = seccomp_attr_set(f, SCMP_FLTATR_CTL_TSYNC, 1); // all threads that there are
  if (!error) error = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 0); // long done, and in the end refused
  if (!error) error = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a tree, not a list
  if (!error && filter == HD_SANDBOX_LOADED) error = refuse_opening(f);
  if (!error && filter != HD_SANDBOX_LOADED) error = refuse_calls(f, filter);
  if (!error && filter != HD_SANDBOX_LOADED) error = refuse_arguments(f);
  if (!error && filter == HD_SANDBOX_WORKER) error = refuse_writing(f);
  return error ? error : seccomp_load(f);
}

int32_t hd_sandbox_filter(enum hd_sandbox_filter filter, struct hd_fault *fault) {
  if (filter == HD_SANDBOX_LOADED && hd_sandbox_landlock() > 0) return HADRON_OK; // the C library may load parts of itself late
  scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
  int error = f == NULL ? -ENOMEM : build(f, filter);
  if (f != NULL) seccomp_release(f);
  // A system without filters has the limit, such as it is: it counts all that the user has, refuses threads as well, and does not hold root.
  // That will do for a probe; a worker is not run.
  if (error == 0 || (filter == HD_SANDBOX_PROBE && limit(RLIMIT_NPROC, 0))) return HADRON_OK;
  return refuse(fault, "the filter of system calls", -error);
}
