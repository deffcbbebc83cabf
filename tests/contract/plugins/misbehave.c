// Breaks what it is told to break, where it is told: "STEP:HOW". Told by the parameter `order`, or, for what comes before parameters, by
// the bytes behind the marker, which a test writes into a copy of the file.
//   STEP  load create params state start tick save destroy
//   HOW   exit segv null bus fpe ill abort hang stack error memory fork lie slow hungry
// `only` keeps it to the instance of one instrument.
// On its good days it counts ticks, wants one unit more with every tenth, and keeps the count as its state.
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "hadron/ext/log.h"
#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
#include "hadron/strategy.h"

#define MARKER "@@misbehave@@"

struct misbehave {
  const struct hadron_host *host;
  const struct hadron_strategy_host *strategy;
  uint64_t seen;
  int64_t at; // tick from which on it misbehaves
  char order[32], only[32];
  uint32_t instrument;
};

// The marker, then the order that a test has written behind it.
static volatile char marked[sizeof MARKER + 32] = MARKER;

static void sink(volatile char *deeper) {
  volatile char here[4096];
  here[0] = deeper ? deeper[0] : 1;
  if (here[0] == 1) sink(here); // always
  deeper = here;
}

static void eat_memory(void) {
  for (;;) {
    char *block = malloc(1 << 20);
    if (block == NULL) abort(); // as a program does that believes in memory
    memset(block, 1, 1 << 20);
  }
}

// Processes that leave the group and would outlive it.
static int breed(void) {
  int refused = 0;
  for (int i = 0; i < 20; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      setsid();
      for (;;) pause();
    }
    refused += pid < 0;
  }
  return refused;
}

// 3 ms by a clock of its own.
static void dawdle(void) {
  struct timespec begun, now;
  clock_gettime(CLOCK_MONOTONIC, &begun);
  do clock_gettime(CLOCK_MONOTONIC, &now);
  while ((now.tv_sec - begun.tv_sec) * 1000000000L + (now.tv_nsec - begun.tv_nsec) < 3000000);
}

static void allocate(void) {
  for (int i = 0; i < 7; i++) {
    void *volatile block = malloc(64);
    free(block);
  }
}

static const struct {
  const char *how;
  int number;
} sent[] = {{"segv", SIGSEGV}, {"bus", SIGBUS}, {"fpe", SIGFPE}, {"ill", SIGILL}};
static void *volatile nowhere;

// The order is for this step: does what it says. True: the caller is to return an error.
static int obey(const char *order, const char *step) {
  size_t length = strlen(step);
  if (strncmp(order, step, length) != 0 || order[length] != ':') return 0;
  const char *how = order + length + 1;
  if (strcmp(how, "exit") == 0) _exit(0);
  for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
    if (strcmp(how, sent[i].how) == 0) raise(sent[i].number);
  if (strcmp(how, "null") == 0) *(volatile int *)nowhere = 1;
  if (strcmp(how, "abort") == 0) fprintf(stderr, "misbehave.c: the world is not as it should be\n"), abort();
  if (strcmp(how, "hang") == 0)
    for (volatile unsigned i = 0;; i++) {}
  if (strcmp(how, "stack") == 0) sink(NULL);
  if (strcmp(how, "memory") == 0) eat_memory();
  if (strcmp(how, "fork") == 0) return breed() == 20;
  if (strcmp(how, "slow") == 0) return dawdle(), 0;
  if (strcmp(how, "hungry") == 0) return allocate(), 0;
  return 1; // error, lie
}

static const char *marked_order(void) {
  static char order[32];
  for (size_t i = 0; i + 1 < sizeof order; i++) order[i] = marked[sizeof MARKER - 1 + i];
  return order;
}

static int told(const struct misbehave *m, const char *step) {
  if (m->only[0] != 0 && strcmp(m->only, m->strategy->name(m->host->instance, m->instrument)) != 0) return 0;
  return obey(m->order, step) || obey(marked_order(), step);
}

static void say(const struct misbehave *m, const char *words) {
  const struct hadron_log *log = m->host->capability(m->host->instance, HADRON_CAP_LOG);
  log->write(m->host->instance, HADRON_LOG_ERROR, "MISBEHAVE", words);
}

static int32_t create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  struct misbehave *m = calloc(1, sizeof *m);
  if (m == NULL) return HADRON_ERR_MEMORY;
  m->host = host;
  m->strategy = host->capability(host->instance, "hadron.strategy/1");
  m->instrument = context->instruments[0];
  if (told(m, "create")) {
    say(m, "no licence");
    free(m);
    return HADRON_ERR_DEPENDENCY;
  }
  *self = m;
  return HADRON_OK;
}

static void destroy(void *self) {
  told(self, "destroy");
  free(self);
}

static int32_t changed(void *self) { return told(self, "params") ? HADRON_ERR_RANGE : HADRON_OK; }
static int32_t start(void *self) { return told(self, "start") ? HADRON_ERR_STALE : HADRON_OK; }

static int32_t on_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct misbehave *m = self;
  (void)tick, (void)market;
  if ((int64_t)++m->seen >= m->at && told(m, "tick")) {
    say(m, "the tick is bad");
    return HADRON_ERR_RANGE;
  }
  if (m->seen % 10 != 0) return HADRON_OK;
  struct hadron_decision d = {.instrument = m->instrument, .kind = HADRON_DECISION_TARGET, .quantity = {(int64_t)(m->seen / 10) * HADRON_QUANTITY_SCALE}, .confidence = 0.5};
  return m->strategy->decide(m->host->instance, &d);
}

static int32_t save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct misbehave *m = self;
  if (capacity < sizeof m->seen) return HADRON_ERR_FULL;
  if (told(m, "save")) {
    if (strcmp(m->order, "save:lie") != 0) return HADRON_ERR_FULL;
    memset(buffer, 0xff, sizeof m->seen); // what its own load will refuse
  } else memcpy(buffer, &m->seen, sizeof m->seen);
  *size = sizeof m->seen;
  return HADRON_OK;
}

static int32_t load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct misbehave *m = self;
  uint64_t seen;
  if (schema < 1 || schema > 2) return HADRON_ERR_UNSUPPORTED;
  if (size != sizeof seen) return HADRON_ERR_CORRUPT;
  memcpy(&seen, buffer, sizeof seen);
  if (told(m, "state") || seen > UINT32_MAX) return HADRON_ERR_CORRUPT;
  m->seen = seen;
  return HADRON_OK;
}

static const struct hadron_param rows[] = {
    {"order", "STEP:HOW", "", "", HADRON_PARAM_TEXT, offsetof(struct misbehave, order), 32, 0, 0, 0, 0, 0},
    {"at", "tick from which on it misbehaves", "", "17", HADRON_PARAM_INTEGER, offsetof(struct misbehave, at), 8, 0, 1, 1000000, 0, 0},
    {"only", "instrument; empty: all", "", "", HADRON_PARAM_TEXT, offsetof(struct misbehave, only), 32, 0, 0, 0, 0, 0},
};
static const struct hadron_params params = {sizeof params, 3, rows, changed};
static const struct hadron_state state = {sizeof state, 2, 1, 64, save, load};

static const void *capability(const char *name) {
  if (obey(marked_order(), "load")) return NULL;
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &params;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE | HADRON_ON_QUOTE, .scope = HADRON_SCOPE_INSTRUMENT, .create = create,
                                               .destroy = destroy, .start = start, .on_tick = on_tick};
HADRON_PLUGIN(STRATEGY, "misbehave", "1.0.0", "breaks what it is told to break", "hadron.strategy/1 hadron.log/1", &api, capability);
