#include "runtime/simulate/simulate.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"

#define JOBS_MAX 64
#define LIVES_MAX 40 // beyond that a world has no more faults that end a life

struct job { // of one process; the sums are its own until it ends
  _Atomic uint64_t done, failed;
  struct hd_simulate_result result;
};

struct board { // shared
  _Atomic uint64_t next;    // seed, counted from the first
  _Atomic uint64_t failed;
  struct job jobs[JOBS_MAX];
};

static void *shared(size_t size) {
  void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return p == MAP_FAILED ? NULL : p;
}

struct hd_world *hd_world_create(void) { return shared(sizeof(struct hd_world)); }

bool hd_simulate_seed(struct hd_life_setup *setup, struct hd_world *w, const struct hd_simulate_options *options, uint64_t seed) {
  hd_world_make(w, seed, options->faults, options->often);
  hd_sim_disk_clear(setup->disk, w);
  hd_sim_database_clear(&setup->database);
  w->verbose = options->verbose;
  setup->hooks = options->hooks;
  for (;;) {
    enum hd_life_end end = hd_life(setup, w);
    if (end == HD_LIFE_AT_REST || end == HD_LIFE_BROKEN || w->finding_count > 0) break;
    if (w->lives >= LIVES_MAX) hd_world_finding(w, "after %u lives there is no end of it", w->lives);
  }
  return w->finding_count == 0;
}

static void add(struct hd_simulate_result *sum, const struct hd_world *w) {
  sum->seeds++;
  sum->failed += w->finding_count > 0;
  sum->lost += w->lost;
  sum->duplicates += w->duplicates;
  sum->lives += w->lives;
  sum->events += w->events;
  sum->ticks += w->ticks;
  sum->orders += w->order_count;
  sum->executions += w->execution_count;
  sum->requests += w->requests;
  sum->reports += w->reports;
  sum->rows += w->rows;
  for (uint32_t f = 0; f < HD_FAULT_COUNT; f++) sum->faults[f] += w->struck[f];
  sum->digest += hd_random_mix(w->digest ^ w->seed); // in whatever order
  if (w->finding_count == 0 || sum->failure_count == HD_SIMULATE_FAILED_MAX) return;
  struct hd_simulate_failure *f = &sum->failures[sum->failure_count++];
  f->seed = w->seed;
  memcpy(f->text, w->findings[0], sizeof f->text);
}

static void merge(struct hd_simulate_result *sum, const struct hd_simulate_result *one) {
  uint64_t *to = &sum->seeds;
  const uint64_t *from = &one->seeds;
  size_t count = (offsetof(struct hd_simulate_result, elapsed_ns) - offsetof(struct hd_simulate_result, seeds)) / sizeof *to;
  for (size_t i = 0; i < count; i++) to[i] += from[i];
  for (uint32_t i = 0; i < one->failure_count && sum->failure_count < HD_SIMULATE_FAILED_MAX; i++) sum->failures[sum->failure_count++] = one->failures[i];
}

static void work(struct hd_life_setup *setup, const struct hd_simulate_options *o, struct board *board, struct job *job) {
  struct hd_world *w = hd_world_create();
  setup->disk = hd_sim_disk_create();
  HD_ASSERT(w && setup->disk);
  for (uint64_t i; (i = atomic_fetch_add(&board->next, 1)) < o->seeds;) {
    bool good = hd_simulate_seed(setup, w, o, o->first_seed + i);
    add(&job->result, w);
    atomic_fetch_add(&job->done, 1);
    if (!good && atomic_fetch_add(&board->failed, 1) + 1 >= o->failures_max && o->failures_max) break;
  }
  hd_sim_database_clear(&setup->database);
}

static void tell(const struct hd_simulate_options *o, struct board *board, uint32_t jobs) {
  uint64_t done = 0;
  for (uint32_t i = 0; i < jobs; i++) done += atomic_load(&board->jobs[i].done);
  if (o->progress) o->progress(o->user, done, atomic_load(&board->failed));
}

static int32_t spread(struct hd_life_setup *setup, const struct hd_simulate_options *o, struct board *board, uint32_t jobs, struct hd_fault *fault) {
  pid_t children[JOBS_MAX], self = getpid();
  fflush(NULL);
  for (uint32_t i = 0; i < jobs; i++) {
    children[i] = fork();
    if (children[i] == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL); // nobody would hear what it finds
      if (getppid() != self) _exit(1);  // gone before it could be said
      work(setup, o, board, &board->jobs[i]);
      _exit(0);
    }
    if (children[i] < 0) return hd_fault_set(fault, HADRON_ERR_MEMORY, "simulate: process %u of %u: %s; ask for fewer with --jobs", i + 1, jobs, strerror(errno));
  }
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < jobs; i++) {
    int status;
    pid_t ended;
    const struct timespec pause = {0, 100000000};
    while ((ended = waitpid(children[i], &status, o->progress ? WNOHANG : 0)) == 0) {
      tell(o, board, jobs);
      nanosleep(&pause, NULL);
    }
    if (ended < 0 || !WIFEXITED(status) || WEXITSTATUS(status)) code = hd_fault_set(fault, HADRON_ERR_INTERNAL, "simulate: process %u of %u did not end well", i + 1, jobs);
  }
  return code;
}

int32_t hd_simulate(const struct hd_simulate_options *options, struct hd_simulate_result *out, struct hd_fault *fault) {
  static struct hd_life_setup setup;
  struct hd_simulate_options o = *options;
  int32_t code = hd_life_setup_open(&setup, o.plugin_path, fault);
  if (code) return code;
  struct board *board = shared(sizeof *board);
  if (!board) return hd_fault_set(fault, HADRON_ERR_MEMORY, "simulate: no shared memory: %s", strerror(errno));
  long processors = sysconf(_SC_NPROCESSORS_ONLN);
  uint32_t jobs = o.jobs ? o.jobs : processors > 0 ? (uint32_t)processors : 1;
  if (jobs > JOBS_MAX) jobs = JOBS_MAX;
  if (jobs > o.seeds) jobs = (uint32_t)o.seeds;
  int64_t from_ns = hd_clock_monotonic_ns();
  memset(out, 0, sizeof *out);
  code = spread(&setup, &o, board, jobs, fault);
  for (uint32_t i = 0; i < jobs; i++) merge(out, &board->jobs[i].result);
  out->elapsed_ns = hd_clock_monotonic_ns() - from_ns;
  tell(&o, board, jobs);
  munmap(board, sizeof *board);
  hd_life_setup_close(&setup);
  return code;
}
