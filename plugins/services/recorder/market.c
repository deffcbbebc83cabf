#include "market.h"

#include <stdlib.h>
#include <string.h>

#include "hadron/error.h"

static uint32_t instrument_hash(uint32_t instrument) { return (uint32_t)((instrument * UINT64_C(0x9e3779b97f4a7c15)) >> 32); }

static int32_t market_grow(struct market *m) {
  uint32_t room = m->room ? m->room * 2 : 64;
  struct market_entry *entries = realloc(m->entries, room * sizeof *entries);
  if (!entries) return HADRON_ERR_MEMORY;
  m->entries = entries;
  uint32_t *slots = calloc((size_t)room * 2, sizeof *slots);
  if (!slots) return HADRON_ERR_MEMORY;
  free(m->slots);
  m->slots = slots;
  m->mask = room * 2 - 1;
  m->room = room;
  for (uint32_t e = 0; e < m->count; e++) {
    uint32_t at = instrument_hash(m->entries[e].now.instrument) & m->mask;
    while (m->slots[at]) at = (at + 1) & m->mask;
    m->slots[at] = e + 1;
  }
  return HADRON_OK;
}

// The instrument's entry, made if need be; NULL: no memory.
static struct market_entry *market_entry_of(struct market *m, uint32_t instrument) {
  if (m->count == m->room && market_grow(m) != HADRON_OK) return NULL;
  uint32_t at = instrument_hash(instrument) & m->mask;
  for (; m->slots[at]; at = (at + 1) & m->mask)
    if (m->entries[m->slots[at] - 1].now.instrument == instrument) return &m->entries[m->slots[at] - 1];
  m->slots[at] = ++m->count;
  struct market_entry *e = &m->entries[m->count - 1];
  *e = (struct market_entry){.now = {.instrument = instrument, .time_ns = INT64_MIN}};
  return e;
}

void market_clear(struct market *m) {
  m->count = 0;
  if (m->slots) memset(m->slots, 0, ((size_t)m->mask + 1) * sizeof *m->slots);
}

void market_fini(struct market *m) {
  free(m->entries);
  free(m->slots);
  m->entries = NULL, m->slots = NULL, m->count = m->room = m->mask = 0;
}

int32_t market_seed(struct market *m, const struct snapshot *s) {
  struct market_entry *e = market_entry_of(m, s->instrument);
  if (!e) return HADRON_ERR_MEMORY;
  e->now = *s;
  return HADRON_OK;
}

static int64_t interval_start(const struct market *m, int64_t ns) {
  int64_t rest = ns % m->interval_ns;
  return ns - (rest < 0 ? rest + m->interval_ns : rest);
}

int32_t market_tick(struct market *m, const struct hadron_tick *tick, uint64_t position, market_emit emit, void *self) {
  if (!m->interval_ns || (tick->kind != HADRON_TICK_TRADE && tick->kind != HADRON_TICK_QUOTE)) return HADRON_OK;
  struct market_entry *e = market_entry_of(m, tick->instrument);
  if (!e) return HADRON_ERR_MEMORY;
  int64_t start = interval_start(m, tick->event_ns);
  int32_t rc = HADRON_OK;
  if (start > e->now.time_ns) { // an older tick counts for the interval that is open
    if (e->dirty) rc = emit(self, e);
    e->now.time_ns = start;
  }
  e->dirty = true;
  e->position = position;
  if (tick->kind == HADRON_TICK_TRADE) {
    e->now.last_price = tick->value.trade.price.nanos;
    e->now.last_size = tick->value.trade.quantity.e8;
  } else {
    e->now.bid = tick->value.quote.bid.nanos, e->now.bid_size = tick->value.quote.bid_size.e8;
    e->now.ask = tick->value.quote.ask.nanos, e->now.ask_size = tick->value.quote.ask_size.e8;
  }
  return rc;
}

int32_t market_flush(struct market *m, market_emit emit, void *self) {
  int32_t rc = HADRON_OK;
  for (uint32_t i = 0; i < m->count && rc == HADRON_OK; i++) {
    if (!m->entries[i].dirty) continue;
    rc = emit(self, &m->entries[i]);
    m->entries[i].dirty = false;
  }
  return rc;
}
