// A complete, well-behaved strategy. A plugin of this folder includes it after it has changed one thing by a macro; what it leaves
// alone keeps every promise. It decides to buy when the average of its last prices crosses up, and keeps that average as its state.
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/log.h"
#include "hadron/ext/params.h"
#include "hadron/ext/state.h"
#include "hadron/ext/timer.h"
#include "hadron/strategy.h"

struct tiny {
  const struct hadron_host *host;
  const struct hadron_strategy_host *strategy;
  uint32_t instrument, pad;
  // Parameters.
  int64_t period, aloud;
  double threshold;
  struct hadron_price floor;
  struct hadron_quantity size;
  struct hadron_money budget;
  int64_t pause_ns;
  char label[16];
  // State.
  double average;
  int64_t seen;
};

#ifndef TINY_NAME
#define TINY_NAME "tiny"
#endif
#ifndef TINY_VERSION
#define TINY_VERSION "1.0.0"
#endif
#ifndef TINY_NEEDS
#define TINY_NEEDS "hadron.strategy/1"
#endif
#ifndef TINY_TRIGGERS
#define TINY_TRIGGERS (HADRON_ON_TRADE | HADRON_ON_QUOTE)
#endif
#ifndef TINY_IN_CREATE
#define TINY_IN_CREATE
#endif
#ifndef TINY_IN_START
#define TINY_IN_START
#endif
#ifndef TINY_IN_TICK
#define TINY_IN_TICK
#endif
#ifndef TINY_IN_DESTROY
#define TINY_IN_DESTROY
#endif
#ifndef TINY_IN_SAVE
#define TINY_IN_SAVE
#endif
#ifndef TINY_IN_LOAD
#define TINY_IN_LOAD
#endif

static inline int32_t tiny_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  TINY_IN_CREATE
  struct tiny *t = calloc(1, sizeof *t);
  if (t == NULL) return HADRON_ERR_MEMORY;
  t->host = host;
  t->strategy = host->capability(host->instance, "hadron.strategy/1");
  t->instrument = context->instruments[0];
  *self = t;
  return HADRON_OK;
}

static inline void tiny_destroy(void *self) {
  TINY_IN_DESTROY
  free(self);
}

static inline int32_t tiny_start(void *self) {
  (void)self;
  TINY_IN_START
  return HADRON_OK;
}

static inline int32_t tiny_on_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct tiny *t = self;
  (void)tick;
  TINY_IN_TICK
  double price = hadron_price_double(market->last);
  if (price <= 0) return HADRON_OK;
  double before = t->average;
  t->average += (price - t->average) / (double)t->period;
  if (t->seen++ < t->period || price <= t->average || price - t->average < t->threshold || before >= price) return HADRON_OK;
  struct hadron_decision d = {.instrument = t->instrument, .kind = HADRON_DECISION_TARGET, .quantity = t->size, .confidence = 0.5};
  return t->strategy->decide(t->host->instance, &d);
}

static inline int32_t tiny_changed(void *self) {
  struct tiny *t = self;
  return t->period == 13 ? HADRON_ERR_RANGE : HADRON_OK; // superstitious: a set that does not go together
}

static const struct hadron_param tiny_rows[] = {
    {"period", "ticks of the average", "ticks", "10", HADRON_PARAM_INTEGER, offsetof(struct tiny, period), 8, 1, 1, 500, 0, 0},
    {"aloud", "log each decision", "", "false", HADRON_PARAM_BOOL, offsetof(struct tiny, aloud), 8, 1, 0, 0, 0, 0},
    {"threshold", "distance from the average", "", "0.01", HADRON_PARAM_REAL, offsetof(struct tiny, threshold), 8, 1, 0, 0, 0, 100},
    {"floor", "no decision below", "", "0.01", HADRON_PARAM_PRICE, offsetof(struct tiny, floor), 8, 0, 0, INT64_MAX, 0, 0},
    {"size", "position to hold", "", "100", HADRON_PARAM_QUANTITY, offsetof(struct tiny, size), 8, 1, 1, INT64_C(1000000) * HADRON_QUANTITY_SCALE, 0, 0},
    {"budget", "money to risk", "", "1000.50", HADRON_PARAM_MONEY, offsetof(struct tiny, budget), 8, 0, 1, 0, 0, 0},
    {"pause", "between two decisions", "", "1m30s", HADRON_PARAM_DURATION, offsetof(struct tiny, pause_ns), 8, 1, 0, INT64_C(3600000000000), 0, 0},
    {"label", "in the log", "", "none", HADRON_PARAM_TEXT, offsetof(struct tiny, label), 16, 1, 0, 0, 0, 0},
};
#ifndef TINY_PARAMS
#define TINY_PARAMS tiny_rows
#endif
static const struct hadron_params tiny_params = {sizeof tiny_params, sizeof TINY_PARAMS / sizeof *TINY_PARAMS, TINY_PARAMS, tiny_changed};

static inline int32_t tiny_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct tiny *t = self;
  TINY_IN_SAVE
  if (capacity < 16) return HADRON_ERR_FULL;
  memcpy(buffer, &t->average, 8);
  memcpy((char *)buffer + 8, &t->seen, 8);
  *size = 16;
  return HADRON_OK;
}

static inline int32_t tiny_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct tiny *t = self;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != 16) return HADRON_ERR_CORRUPT;
  TINY_IN_LOAD
  memcpy(&t->average, buffer, 8);
  memcpy(&t->seen, (const char *)buffer + 8, 8);
  return HADRON_OK;
}
#ifndef TINY_STATE
#define TINY_STATE {sizeof(struct hadron_state), 1, 1, 16, tiny_save, tiny_load}
#endif
static const struct hadron_state tiny_state = TINY_STATE;

static inline const void *tiny_capability(const char *name) {
  if (strcmp(name, HADRON_CAP_PARAMS) == 0) return &tiny_params;
  return strcmp(name, HADRON_CAP_STATE) == 0 ? &tiny_state : NULL;
}

#ifndef TINY_API
#define TINY_API \
  {.struct_size = sizeof(struct hadron_strategy_api), .triggers = TINY_TRIGGERS, .scope = HADRON_SCOPE_INSTRUMENT, \
   .create = tiny_create, .destroy = tiny_destroy, .start = tiny_start, .on_tick = tiny_on_tick}
#endif
static const struct hadron_strategy_api tiny_api = TINY_API;

// The note and the entry of HADRON_PLUGIN, with every field open to change.
#define RAW_NOTE(SYMBOL, MAGIC, SIZE, MAJOR, REQUIRED, KIND, NAME, VERSION)                                              \
  __attribute__((used, section(".note.hadron"), aligned(4))) static const struct hadron_manifest_note SYMBOL = {       \
      sizeof HADRON_NOTE_OWNER, sizeof(struct hadron_manifest), HADRON_NOTE_TYPE, HADRON_NOTE_OWNER,                   \
      {MAGIC, SIZE, MAJOR, HADRON_ABI_MINOR, REQUIRED, KIND, NAME, VERSION, "made for a test", TINY_NEEDS}};
#define RAW_ENTRY(...)                                                            \
  static const struct hadron_plugin raw_descriptor = {__VA_ARGS__};               \
  HADRON_EXPORT const struct hadron_plugin *hadron_plugin_v1(void);               \
  const struct hadron_plugin *hadron_plugin_v1(void) { return &raw_descriptor; }

#ifndef TINY_RAW
HADRON_PLUGIN(STRATEGY, TINY_NAME, TINY_VERSION, "keeps its promises but one", TINY_NEEDS, &tiny_api, tiny_capability);
#endif
