#include "runtime/last_words.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/calling.h"
#include "base/clock.h"
#include "base/sanitized.h"
#include "base/text.h"
#include "plugin/sandbox.h"
#include "runtime/crash.h"
#include "runtime/session.h"

#define STACK_BYTES 65536 // of the handler: a record's text twice, some paths, and the machine's registers

static const struct {
  int number;
  const char *name, *what;
} signals[] = {{SIGSEGV, "SIGSEGV", "memory that is not there"}, {SIGBUS, "SIGBUS", "memory behind the end of a file, or out of line"},
               {SIGFPE, "SIGFPE", "a division that has no result"}, {SIGILL, "SIGILL", "an instruction that there is not"}, {SIGABRT, "SIGABRT", "it gave up by itself"},
             {SIGSYS, "SIGSYS", "a system call that a worker may not make"}};
#define SIGNALS (sizeof signals / sizeof *signals)

static struct {
  _Atomic(const struct hd_session *) session;
  pid_t process;
  _Atomic bool said;
  _Atomic int speaking; // thread; 0: nobody
  struct sigaction before[SIGNALS];
  const char *(*name)(struct hd_crash *crash); // of a worker; NULL: there is a session
} words;

static _Thread_local void *stack;

// ---- [in a signal]

struct line {
  char text[1024];
  size_t used;
};

static void put(struct line *l, const char *text) {
  for (; *text && l->used + 1 < sizeof l->text; text++) l->text[l->used++] = *text;
}

static void put_number(struct line *l, uint64_t number, unsigned base) {
  char digits[24] = "";
  size_t at = sizeof digits - 1;
  do digits[--at] = "0123456789abcdef"[number % base];
  while (number /= base);
  put(l, digits + at);
}

const char *hd_last_words_callback(unsigned what) {
  static const char *const callbacks[] = {"on_tick", "on_bar", "on_execution", "on_order", "on_timer"};
  return what < sizeof callbacks / sizeof *callbacks ? callbacks[what] : NULL;
}

static const struct hadron_instance *instance_of(const struct hd_session *s, struct hd_crash *c) {
  uintptr_t who = hd_calling & ~(uintptr_t)HD_CALLING_MASK;
  unsigned what = (unsigned)(hd_calling & HD_CALLING_MASK);
  if (what == HD_CALLING_ALLOCATOR) return hd_text_copy(c->callback, sizeof c->callback, "merge"), s->allocator;
  if (what == HD_CALLING_PART) {
    const struct hadron_instance *part = (const void *)who;
    hd_text_copy(c->callback, sizeof c->callback, part->plugin->manifest.kind == HADRON_KIND_SERVICE ? "step" : "poll or an order");
    return part;
  }
  const struct hd_engine_instance *seat = (const void *)who;
  if (what > HD_CALLING_TIMER || seat->arm == 0 || seat->arm > s->arm_count) return NULL;
  const struct hd_session_arm *arm = &s->arms[seat->arm - 1];
  hd_text_copy(c->callback, sizeof c->callback, hd_last_words_callback(what));
  c->sequence = hd_engine_cause(seat->engine);
  size_t at = (size_t)(seat - arm->seats);
  hd_text_copy(c->strategy, sizeof c->strategy, arm->config->base.name);
  return arm->occupant && seat >= arm->seats && at < arm->occupant->instance_count ? &arm->occupant->instances[at]
         : arm->occupant && arm->occupant->placed ? arm->occupant->instances : NULL; // one of a far engine: the version is what counts
}

static void name_plugin(const struct hd_session *s, struct hd_crash *c) {
  const struct hadron_instance *instance = hd_calling ? instance_of(s, c) : NULL;
  if (!instance) return;
  if (!c->strategy[0]) hd_text_copy(c->strategy, sizeof c->strategy, instance->name);
  hd_text_copy(c->instance, sizeof c->instance, instance->name);
  hd_text_copy(c->plugin, sizeof c->plugin, instance->plugin->manifest.name);
  hd_text_copy(c->version, sizeof c->version, instance->plugin->manifest.version);
  hd_text_copy(c->digest, sizeof c->digest, instance->plugin->digest_text);
}

static void name_reason(size_t row, const siginfo_t *info, struct hd_crash *c) {
  struct line l = {.used = 0};
  char thread[20] = "";
  if (*c->callback) put(&l, c->callback), put(&l, " ended in ");
  put(&l, signals[row].name), put(&l, " ("), put(&l, signals[row].what), put(&l, ")");
  if (signals[row].number == SIGSYS && hd_sandbox_call_name(info->si_syscall)) put(&l, ": "), put(&l, hd_sandbox_call_name(info->si_syscall));
  if (info->si_code > 0 && signals[row].number != SIGABRT && signals[row].number != SIGSYS) put(&l, " at 0x"), put_number(&l, (uintptr_t)info->si_addr, 16);
  if (words.name == NULL && prctl(PR_GET_NAME, thread) == 0) put(&l, " on thread "), put(&l, thread);
  hd_text_copy(c->reason, sizeof c->reason, l.text);
}

static void speak(size_t row, const siginfo_t *info, const struct hd_session *s) {
  struct hd_crash c = {.time_ns = hd_clock_wall_ns(), .process = words.process};
  struct line l = {.used = 0};
  char path[HD_CRASH_PATH] = "";
  name_plugin(s, &c);
  name_reason(row, info, &c);
  const char *failed = hd_crash_put(s->config->data_dir, &c, path);
  put(&l, "hadron: ");
  if (*c.plugin) put(&l, c.instance), put(&l, ": plugin "), put(&l, c.plugin), put(&l, " "), put(&l, c.version), put(&l, ": ");
  else put(&l, "the host's own code: ");
  put(&l, c.reason), put(&l, " (sequence "), put_number(&l, c.sequence, 10), put(&l, "); the host stops, its journal is whole. ");
  if (failed) put(&l, failed), put(&l, " failed: ");
  put(&l, path), put(&l, "\n");
  if (write(STDERR_FILENO, l.text, l.used) < 0) return;
}

static void speak_of_worker(size_t row, const siginfo_t *info) {
  struct hd_crash c = {.time_ns = 0};
  struct line l = {.used = 0};
  const char *advice = words.name(&c);
  name_reason(row, info, &c);
  put(&l, c.instance), put(&l, *c.instance ? ": " : ""), put(&l, c.reason);
  if (c.sequence) put(&l, " (sequence "), put_number(&l, c.sequence, 10), put(&l, ")");
  if (advice) put(&l, "; "), put(&l, advice);
  put(&l, "\n");
  if (write(STDERR_FILENO, l.text, l.used) < 0) return;
}

// A fault of the processor comes again when this returns, and ends the program where it happened; one that was sent is sent again.
static void on_signal(int number, siginfo_t *info, void *context) {
  const struct hd_session *s = atomic_load(&words.session);
  int nobody = 0, self = (int)gettid();
  (void)context;
  signal(number, SIG_DFL);
  if ((s || words.name) && getpid() == words.process && !atomic_load(&words.said)) {
    if (atomic_compare_exchange_strong(&words.speaking, &nobody, self)) {
      for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i].number == number) words.name ? speak_of_worker(i, info) : speak(i, info, s);
    } else if (nobody != self) {
      for (;;) pause(); // another thread is at it; the end comes from there
    }
  }
  if (number == SIGSYS) kill(getpid(), SIGKILL); // a worker's SIGSYS cannot be given back
  if (info->si_code <= 0) raise(number); // delivered when this returns
}

// ---- [control]

static void handle(size_t count) {
  struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigemptyset(&action.sa_mask);
  words.process = getpid();
  atomic_store(&words.said, false);
  atomic_store(&words.speaking, 0);
  for (size_t i = 0; i < count; i++) sigaction(signals[i].number, &action, &words.before[i]);
  hd_last_words_stack();
}

void hd_last_words_open(const struct hd_session *s) {
  const struct hd_session *none = NULL;
  if (HD_SANITIZED || !atomic_compare_exchange_strong(&words.session, &none, s)) return;
  handle(SIGNALS - 1);
}

void hd_last_words_worker(const char *(*name)(struct hd_crash *crash)) {
  words.name = name;
  if (!HD_SANITIZED) handle(SIGNALS);
}

void hd_last_words_close(const struct hd_session *s) {
  const struct hd_session *self = s;
  if (!atomic_compare_exchange_strong(&words.session, &self, NULL)) return;
  for (size_t i = 0; i < SIGNALS - 1; i++) sigaction(signals[i].number, &words.before[i], NULL); // all but SIGSYS, which is a worker's
  hd_last_words_unstack();
}

void hd_last_words_stack(void) {
  if (HD_SANITIZED || stack) return;
  void *at = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (at == MAP_FAILED) return;
  const stack_t own = {.ss_sp = at, .ss_size = STACK_BYTES};
  if (sigaltstack(&own, NULL) == 0) stack = at;
  else munmap(at, STACK_BYTES);
}

void hd_last_words_unstack(void) {
  const stack_t none = {.ss_flags = SS_DISABLE};
  if (!stack) return;
  (void)sigaltstack(&none, NULL);
  munmap(stack, STACK_BYTES);
  stack = NULL;
}

void hd_last_words_said(void) { atomic_store(&words.said, true); }
