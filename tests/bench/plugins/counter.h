// A strategy that writes down every sequence it saw, in memory that it shares with whoever measures: the truth about a swap. Two versions
// of it count in rows of their own. VERSION, ROW and STATE_BYTES come from the file that includes this; 0 bytes: it keeps no state.
// HADRON_TALLY names the file; without it nothing is written down (a probe has no business there).
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hadron/ext/state.h"
#include "hadron/strategy.h"

#define TALLY_SEQUENCES (UINT64_C(1) << 24) // the tally goes round; whoever measures reads and clears it in time

struct counter {
  unsigned char *seen; // [sequence] of this version's row; NULL: nobody asked
  uint64_t count, last;
  unsigned char *filler;
};

static int32_t counter_create(const struct hadron_host *host, const struct hadron_strategy_context *context, void **self) {
  (void)host, (void)context;
  struct counter *c = calloc(1, sizeof *c);
  if (!c) return HADRON_ERR_MEMORY;
  c->filler = calloc(1, STATE_BYTES + 64);
  const char *path = getenv("HADRON_TALLY");
  int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd >= 0) {
    unsigned char *rows = mmap(NULL, TALLY_SEQUENCES * 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (rows != MAP_FAILED) c->seen = rows + ROW * TALLY_SEQUENCES;
  }
  *self = c;
  return HADRON_OK;
}

static void counter_destroy(void *self) {
  struct counter *c = self;
  if (c->seen) munmap(c->seen - ROW * TALLY_SEQUENCES, TALLY_SEQUENCES * 2);
  free(c->filler);
  free(c);
}

static int32_t counter_tick(void *self, const struct hadron_tick *tick, const struct hadron_market *market) {
  struct counter *c = self;
  (void)market;
  c->count++;
  c->last = tick->sequence;
  if (c->seen) c->seen[tick->sequence & (TALLY_SEQUENCES - 1)]++;
  return HADRON_OK;
}

static const struct hadron_strategy_api api = {.struct_size = sizeof api, .triggers = HADRON_ON_TRADE, .scope = HADRON_SCOPE_INSTRUMENT,
                                               .create = counter_create, .destroy = counter_destroy, .on_tick = counter_tick};

#if STATE_BYTES > 0
static int32_t counter_save(const void *self, void *buffer, uint32_t capacity, uint32_t *size) {
  const struct counter *c = self;
  if (capacity < 16 + STATE_BYTES) return HADRON_ERR_FULL;
  memcpy(buffer, &c->count, 8);
  memcpy((char *)buffer + 8, &c->last, 8);
  memcpy((char *)buffer + 16, c->filler, STATE_BYTES);
  *size = 16 + STATE_BYTES;
  return HADRON_OK;
}

static int32_t counter_load(void *self, uint32_t schema, const void *buffer, uint32_t size) {
  struct counter *c = self;
  if (schema != 1) return HADRON_ERR_UNSUPPORTED;
  if (size != 16 + STATE_BYTES) return HADRON_ERR_CORRUPT;
  memcpy(&c->count, buffer, 8);
  memcpy(&c->last, (const char *)buffer + 8, 8);
  memcpy(c->filler, (const char *)buffer + 16, STATE_BYTES);
  return HADRON_OK;
}

static const struct hadron_state state = {sizeof state, 1, 1, 16 + STATE_BYTES, counter_save, counter_load};
static const void *counter_capability(const char *name) { return strcmp(name, HADRON_CAP_STATE) == 0 ? &state : NULL; }
HADRON_PLUGIN(STRATEGY, "counter", VERSION, "Writes down every tick it saw", "hadron.strategy/1", &api, counter_capability);
#else
HADRON_PLUGIN(STRATEGY, "counter", VERSION, "Writes down every tick it saw", "hadron.strategy/1", &api, NULL);
#endif
