#include "sdk/validate/wall.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"

#define DESCRIPTORS_MAX 64
#define EXIT_ORPHAN 121

static bool limit(unsigned what, uint64_t value) {
  struct rlimit now, l = {(rlim_t)value, (rlim_t)value};
  if (getrlimit(what, &now) == 0 && now.rlim_max < l.rlim_max) l.rlim_cur = l.rlim_max = now.rlim_max; // never wider than the parent's
  return setrlimit(what, &l) == 0;
}

// A file may only grow to what a private copy of the artifact takes.
static uint64_t file_size_max(void) {
  struct stat st;
  uint64_t artifact = fstat(HD_PROBE_FD_ARTIFACT, &st) == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
  return artifact > HD_PROBE_OUTPUT_MAX ? artifact : HD_PROBE_OUTPUT_MAX;
}

static bool set_limits(const struct hd_probe_wire *w) {
  // A core of 1 byte is none, and unlike 0 it is also heard where a program collects them.
  const struct {
    unsigned what;
    uint64_t value;
  } rows[] = {{RLIMIT_CORE, 1},     {RLIMIT_CPU, (uint64_t)w->timeout_ns / 1000000000 + 2}, {RLIMIT_NOFILE, DESCRIPTORS_MAX}, {RLIMIT_FSIZE, file_size_max()}, {RLIMIT_MEMLOCK, 0},
              {RLIMIT_MSGQUEUE, 0},
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // they map terabytes
              {RLIMIT_AS, w->memory_max}
#endif
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (!limit(rows[i].what, rows[i].value)) return false;
  return true;
}

// What a plugin has no business with while it is tried: other processes, and the world outside.
static const int refused[] = {
    SCMP_SYS(fork),   SCMP_SYS(vfork),  SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(ptrace),  SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_send_signal),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(tkill), SCMP_SYS(rt_sigqueueinfo), SCMP_SYS(setsid), SCMP_SYS(setpgid), SCMP_SYS(setrlimit), SCMP_SYS(prctl),
    SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(sendmmsg), SCMP_SYS(io_uring_setup), SCMP_SYS(mount), SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(bpf),
    SCMP_SYS(reboot), SCMP_SYS(kexec_load), SCMP_SYS(shmget), SCMP_SYS(msgget), SCMP_SYS(semget)};

// RLIMIT_NPROC would do against processes, but it counts all that the user has, refuses threads as well, and does not hold root.
static int32_t filter(void) {
  scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
  uint64_t self = (uint64_t)getpid();
  if (f == NULL) return -ENOMEM;
  int error = 0;
  for (size_t i = 0; i < sizeof refused / sizeof *refused && !error; i++) error = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
  // Limits may be asked for; signals go to itself; a thread is made by the older call, whose flags can be seen.
  const struct {
    int call;
    struct scmp_arg_cmp when;
  } partly[] = {{SCMP_SYS(prlimit64), {2, SCMP_CMP_NE, 0, 0}},
                {SCMP_SYS(kill), {0, SCMP_CMP_NE, self, 0}},
                {SCMP_SYS(tgkill), {0, SCMP_CMP_NE, self, 0}},
                {SCMP_SYS(clone), {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0}}};
  for (size_t i = 0; i < sizeof partly / sizeof *partly && !error; i++) error = seccomp_rule_add_array(f, SCMP_ACT_ERRNO(EPERM), partly[i].call, 1, &partly[i].when);
  if (!error) error = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  if (!error) error = seccomp_load(f);
  seccomp_release(f);
  return error;
}

int32_t hd_wall_in(const struct hd_probe_wire *w, struct hd_fault *fault) {
  bool ok = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && set_limits(w);
  if (!ok) return hd_fault_set(fault, HADRON_ERR_IO, "limiting the child process: %s", strerror(errno));
  if (getppid() != w->parent) _exit(EXIT_ORPHAN); // the parent was gone before its death could be heard of
  int error = filter();
  // A system without filters has the limit, such as it is.
  if (error != 0 && !limit(RLIMIT_NPROC, 0)) return hd_fault_set(fault, HADRON_ERR_IO, "keeping the child process to itself: %s", strerror(-error));
  return HADRON_OK;
}
