// The orders in memory: a pool, lists through it, the heap of due times, and the ids that were used today.
#include "base/banned.h"
#include "base/random.h"
#include "pipeline/gateway_internal.h"
#include "pipeline/image.h"

uint32_t hd_table_index(const struct hd_gateway *g, const struct hd_order *o) {
  HD_ASSERT(o > g->orders && o <= g->orders + g->options.orders_max);
  return (uint32_t)(o - g->orders);
}

static uint32_t hash_of(const struct hadron_client_order_id *id) { return hd_index_hash(id->hex, sizeof id->hex); }

struct hd_order *hd_table_find(const struct hd_gateway *g, const struct hadron_client_order_id *id) {
  uint32_t hash = hash_of(id);
  for (uint32_t at = hash, slot; (slot = hd_index_next(&g->by_id, hash, &at)) != 0;) {
    HD_DASSERT(slot <= g->options.orders_max);
    if (hd_id_same(&g->orders[slot].request.client_order_id, id)) return &g->orders[slot];
  }
  return NULL;
}

// ---- lists

static void list_push(struct hd_gateway *g, struct hd_order *o, uint8_t list) {
  uint32_t at = hd_table_index(g, o);
  o->list = list;
  o->next = 0;
  o->previous = g->tail[list];
  if (o->previous) g->orders[o->previous].next = at;
  else g->head[list] = at;
  g->tail[list] = at;
}

static void list_pull(struct hd_gateway *g, struct hd_order *o) {
  HD_ASSERT(o->list < HD_LIST_COUNT);
  if (o->previous) g->orders[o->previous].next = o->next;
  else g->head[o->list] = o->next;
  if (o->next) g->orders[o->next].previous = o->previous;
  else g->tail[o->list] = o->previous;
  o->next = o->previous = 0;
}

static void instrument_push(struct hd_gateway *g, struct hd_order *o) {
  uint32_t at = hd_table_index(g, o), id = o->request.instrument;
  HD_ASSERT(id <= g->instrument_max);
  o->next_of_instrument = 0;
  o->previous_of_instrument = g->instrument_tail[id];
  if (o->previous_of_instrument) g->orders[o->previous_of_instrument].next_of_instrument = at;
  else g->instrument_head[id] = at;
  g->instrument_tail[id] = at;
}

static void instrument_pull(struct hd_gateway *g, struct hd_order *o) {
  uint32_t id = o->request.instrument;
  HD_ASSERT(id <= g->instrument_max);
  if (o->previous_of_instrument) g->orders[o->previous_of_instrument].next_of_instrument = o->next_of_instrument;
  else g->instrument_head[id] = o->next_of_instrument;
  if (o->next_of_instrument) g->orders[o->next_of_instrument].previous_of_instrument = o->previous_of_instrument;
  else g->instrument_tail[id] = o->previous_of_instrument;
  o->next_of_instrument = o->previous_of_instrument = 0;
}

static void list_move(struct hd_gateway *g, struct hd_order *o, uint8_t list) {
  if (o->list == list) return;
  if (o->list == HD_LIST_OPEN) {
    instrument_pull(g, o);
    HD_ASSERT(g->counts.open > 0);
    g->counts.open--;
  }
  list_pull(g, o);
  list_push(g, o, list);
  if (list == HD_LIST_OPEN) {
    instrument_push(g, o);
    g->counts.open++;
  }
}

// ---- due times: a binary heap, so that the timer looks at what is due and at nothing else

static int64_t due_of(const struct hd_order *o) { return o->ask_ns < o->expire_at_ns ? o->ask_ns : o->expire_at_ns; }

// Equal times: the lower slot first, so that a replay does the same.
static bool due_before(struct hd_due_cell a, struct hd_due_cell b) { return a.due_ns != b.due_ns ? a.due_ns < b.due_ns : a.slot < b.slot; }

static void heap_put(struct hd_gateway *g, uint32_t at, struct hd_due_cell cell) {
  g->heap[at] = cell;
  g->orders[cell.slot].heap_at = at;
}

// Finds the place of a cell that was put, or has changed, at `at`.
static void heap_settle(struct hd_gateway *g, uint32_t at, struct hd_due_cell cell) {
  HD_ASSERT(at >= 1 && at <= g->heap_count);
  for (; at > 1 && due_before(cell, g->heap[at / 2]); at /= 2) heap_put(g, at, g->heap[at / 2]);
  for (;;) {
    uint32_t child = at * 2;
    if (child > g->heap_count) break;
    if (child < g->heap_count && due_before(g->heap[child + 1], g->heap[child])) child++;
    if (!due_before(g->heap[child], cell)) break;
    heap_put(g, at, g->heap[child]);
    at = child;
  }
  heap_put(g, at, cell);
}

static void heap_remove(struct hd_gateway *g, struct hd_order *o) {
  uint32_t at = o->heap_at;
  struct hd_due_cell last = g->heap[g->heap_count--];
  HD_ASSERT(at != 0 && g->heap[at].slot == hd_table_index(g, o));
  o->heap_at = 0;
  if (at <= g->heap_count) heap_settle(g, at, last);
}

void hd_table_due(struct hd_gateway *g, struct hd_order *o) {
  int64_t due_ns = due_of(o);
  bool wanted = due_ns != INT64_MAX && (o->list == HD_LIST_OPEN || o->list == HD_LIST_GAP);
  if (!wanted) {
    if (o->heap_at) heap_remove(g, o);
    return;
  }
  if (o->heap_at && g->heap[o->heap_at].due_ns == due_ns) return;
  HD_ASSERT(o->heap_at || g->heap_count < g->options.orders_max);
  heap_settle(g, o->heap_at ? o->heap_at : ++g->heap_count, (struct hd_due_cell){due_ns, hd_table_index(g, o)});
}

// ---- the pool

// The oldest closed order that no call under way looks at.
static struct hd_order *oldest_closed(const struct hd_gateway *g) {
  uint32_t at = g->head[HD_LIST_CLOSED];
  while (at && g->orders[at].pins > 0) at = g->orders[at].next;
  return at ? &g->orders[at] : NULL;
}

bool hd_table_room(struct hd_gateway *g) {
  uint32_t ids_max = g->options.ids_max;
  return g->id_count < ids_max && (g->head[HD_LIST_FREE] || oldest_closed(g) != NULL);
}

// The order after the next will write most of its slot; by then it has long left the cache. The next one's slot is here already, asked
// for when the last was taken: its old id leaves the index then.
static void prefetch_next(const struct hd_gateway *g) {
  const struct hd_order *next = &g->orders[g->head[HD_LIST_FREE] ? g->head[HD_LIST_FREE] : g->head[HD_LIST_CLOSED]];
  if (!g->head[HD_LIST_FREE]) hd_index_expect(&g->by_id, hash_of(&next->request.client_order_id));
  const char *line = (const char *)&g->orders[next->next];
  for (size_t i = 0; i <= offsetof(struct hd_order, shares); i += 64) __builtin_prefetch(line + i, 1);
}

struct hd_order *hd_table_take(struct hd_gateway *g, const struct hadron_order *request) {
  HD_ASSERT(!hd_id_zero(&request->client_order_id) && request->instrument <= g->instrument_max);
  struct hd_order *o = g->head[HD_LIST_FREE] ? &g->orders[g->head[HD_LIST_FREE]] : oldest_closed(g);
  if (o == NULL) return NULL;
  if (o->list == HD_LIST_CLOSED) hd_index_remove(&g->by_id, hash_of(&o->request.client_order_id), hd_table_index(g, o));
  HD_ASSERT(o->heap_at == 0 && o->pins == 0);
  list_pull(g, o);
  o->request = *request;
  // Half of an order is room for shares that most do not have.
  memset((char *)o + sizeof o->request, 0, offsetof(struct hd_order, shares) - sizeof o->request);
  o->state = HADRON_STATE_INITIALIZED;
  o->ask_ns = o->expire_at_ns = INT64_MAX;
  HD_DASSERT(hd_table_find(g, &request->client_order_id) == NULL); // the caller has asked whether the id is used
  hd_index_add(&g->by_id, hash_of(&request->client_order_id), hd_table_index(g, o));
  g->id_cache->unused = false;
  list_push(g, o, HD_LIST_OPEN);
  instrument_push(g, o);
  g->counts.open++;
  prefetch_next(g);
  return o;
}

void hd_table_drop(struct hd_gateway *g, struct hd_order *o) {
  HD_ASSERT(o->state == HADRON_STATE_INITIALIZED && o->pins == 0);
  bool known = hd_index_remove(&g->by_id, hash_of(&o->request.client_order_id), hd_table_index(g, o));
  HD_ASSERT(known);
  o->ask_ns = o->expire_at_ns = INT64_MAX;
  hd_table_hold(g, o, HD_HOLD_NONE);
  hd_table_due(g, o);
  list_move(g, o, HD_LIST_FREE);
}

// ---- what follows from a state

static bool doubtful(const struct hd_order *o) { return o->state == HADRON_STATE_UNKNOWN || o->gap; }

static void settle(struct hd_gateway *g, struct hd_order *o, bool doubted, int64_t now_ns) {
  uint32_t *unknown = &g->instrument_unknown[o->request.instrument];
  if (doubtful(o) && !doubted) {
    (*unknown)++;
    o->doubt_ns = now_ns ? now_ns : 1;
    o->alarmed = 0;
  } else if (!doubtful(o) && doubted) {
    HD_ASSERT(*unknown > 0);
    (*unknown)--;
    o->doubt_ns = 0;
  }
  bool final = hd_order_final(o->state);
  if (final && !o->gap) o->ask_ns = INT64_MAX;
  if (final) o->expire_at_ns = INT64_MAX, hd_table_hold(g, o, HD_HOLD_NONE);
  list_move(g, o, !final ? HD_LIST_OPEN : o->gap ? HD_LIST_GAP : HD_LIST_CLOSED);
}

void hd_table_state(struct hd_gateway *g, struct hd_order *o, uint8_t state, int64_t now_ns) {
  HD_ASSERT(state != HADRON_STATE_INVALID && o->list != HD_LIST_FREE);
  bool doubted = doubtful(o);
  o->state = state;
  settle(g, o, doubted, now_ns);
}

void hd_table_gap(struct hd_gateway *g, struct hd_order *o, int64_t now_ns) {
  HD_ASSERT(o->list != HD_LIST_FREE);
  bool doubted = doubtful(o), was = o->gap;
  o->gap = o->told_e8 > o->filled.e8;
  if (!was && !o->gap) return; // of most orders
  int64_t ask = g->options.unknown_after_ns > 0 ? hd_time_after(now_ns, g->options.unknown_after_ns) : INT64_MAX;
  if (o->gap && !was && o->ask_ns > ask) o->ask_ns = ask; // the missing one may only be late
  bool working = o->state == HADRON_STATE_ACCEPTED || o->state == HADRON_STATE_PARTIALLY_FILLED;
  if (!o->gap && was && working) o->ask_ns = INT64_MAX;
  settle(g, o, doubted, now_ns);
  hd_table_due(g, o);
}

void hd_table_hold(struct hd_gateway *g, struct hd_order *o, uint8_t held) {
  uint32_t *count = &g->instrument_held[o->request.instrument];
  bool was = o->held == HD_HOLD_WAITING || o->held == HD_HOLD_TRIGGERED, is = held == HD_HOLD_WAITING || held == HD_HOLD_TRIGGERED;
  HD_ASSERT(!was || *count > 0);
  if (is && !was) (*count)++;
  if (was && !is) (*count)--;
  if (held != HD_HOLD_NONE || o->held != HD_HOLD_SENT) o->held = held; // it stays told how it was sent
}

// ---- used ids
// A cell is free unless its day is the set's day: when the day changes the whole set is empty at once, and within a day nothing is
// ever removed, so a probe may stop at the first free cell. Ids of an earlier day cannot come again, because the date is in them.
//
// The set begins small and doubles as the day goes on, so that it stays in the cache for as long as it can. The sizes lie one behind
// the other, a set of n cells behind n cells less the first size: the next is a region of its own, and growing allocates nothing.

size_t hd_ids_cells(const struct hd_gateway *g) { return ((size_t)g->id_mask_last + 1) * 2 - ((size_t)g->id_mask_first + 1); }

static struct hd_id_cell *id_cells(const struct hd_gateway *g) { return g->ids + (g->id_mask - g->id_mask_first); }

// The number that eight hex digits are.
static uint64_t digits_pack(const char *hex) {
  uint64_t x;
  memcpy(&x, hex, sizeof x);
  x = __builtin_bswap64(x);
  x = (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) + (x >> 6 & UINT64_C(0x0101010101010101)) * 9;
  x = (x | x >> 4) & UINT64_C(0x00ff00ff00ff00ff);
  x = (x | x >> 8) & UINT64_C(0x0000ffff0000ffff);
  return (x | x >> 16) & UINT64_C(0xffffffff);
}

static struct hd_id_cell cell_make(const struct hadron_client_order_id *id) {
  return (struct hd_id_cell){.high = digits_pack(id->hex) << 32 | digits_pack(id->hex + 8), .low = (uint32_t)digits_pack(id->hex + 16)};
}

static struct hd_id_cell cell_of(const struct hd_gateway *g, const struct hadron_client_order_id *id) {
  return hd_id_same(id, &g->id_cache->id) ? g->id_cache->cell : cell_make(id);
}

static uint32_t id_first(const struct hd_gateway *g, const struct hd_id_cell *cell) {
  return (uint32_t)hd_random_mix(cell->high ^ cell->low) & g->id_mask;
}

static struct hd_id_cell *id_place(const struct hd_gateway *g, const struct hd_id_cell *cell) {
  struct hd_id_cell *cells = id_cells(g);
  uint32_t i = id_first(g, cell);
  while (cells[i].day == g->id_day && (cells[i].high != cell->high || cells[i].low != cell->low)) i = (i + 1) & g->id_mask;
  return &cells[i];
}

// A clock that steps back does not take the set back: nothing of today is forgotten.
void hd_ids_day(struct hd_gateway *g, int64_t now_ns) {
  uint32_t day = now_ns < 0 ? 1 : (uint32_t)(now_ns / HD_DAY_NS) + 1; // 0 marks a cell that was never used
  if (day <= g->id_day) return;
  g->id_day = day;
  g->id_count = 0;
  g->id_mask = g->id_mask_first;
}

static void ids_grow(struct hd_gateway *g) {
  uint32_t size = g->id_mask + 1;
  const struct hd_id_cell *old = id_cells(g);
  g->id_mask = size * 2 - 1;
  for (uint32_t i = 0; i < size; i++)
    if (old[i].day == g->id_day) *id_place(g, &old[i]) = old[i];
}

void hd_ids_ask(const struct hd_gateway *g, const struct hadron_client_order_id *id, uint64_t high, uint32_t low) {
  struct hd_id_cache *cache = g->id_cache;
  cache->id = *id;
  cache->cell = (struct hd_id_cell){.high = high, .low = low};
  cache->unused = false;
  __builtin_prefetch(id_cells(g) + id_first(g, &cache->cell));
  hd_index_expect(&g->by_id, hash_of(id));
}

bool hd_ids_has(const struct hd_gateway *g, const struct hadron_client_order_id *id) {
  HD_ASSERT(g->id_day != 0);
  struct hd_id_cell cell = cell_of(g, id);
  return id_place(g, &cell)->day == g->id_day;
}

void hd_ids_add(struct hd_gateway *g, const struct hadron_client_order_id *id) {
  HD_ASSERT(g->id_day != 0 && g->id_count < g->options.ids_max);
  struct hd_id_cell cell = cell_of(g, id), *at = id_place(g, &cell);
  g->id_cache->unused = false;
  if (at->day == g->id_day) return;
  cell.day = g->id_day;
  *at = cell;
  if (++g->id_count > g->id_mask / 2 && g->id_mask < g->id_mask_last) ids_grow(g);
}

// ---- as an image

void hd_ids_save(const struct hd_gateway *g, struct hd_image *m) {
  const struct hd_id_cell *cells = id_cells(g);
  HD_IMAGE_PUT(m, g->id_day);
  HD_IMAGE_PUT(m, g->id_count);
  for (uint32_t i = 0; i <= g->id_mask; i++)
    if (cells[i].day == g->id_day) HD_IMAGE_PUT(m, cells[i]);
}

void hd_ids_load(struct hd_gateway *g, struct hd_image *m) {
  uint32_t day, count;
  HD_IMAGE_GET(m, day);
  HD_IMAGE_GET(m, count);
  m->bad |= day == 0 || count > g->options.ids_max;
  if (m->bad) return;
  g->id_day = day;
  g->id_count = 0;
  g->id_mask = g->id_mask_first;
  for (uint32_t i = 0; i < count && !m->bad; i++) {
    struct hd_id_cell cell;
    HD_IMAGE_GET(m, cell);
    m->bad |= cell.day != day;
    if (m->bad) return;
    *id_place(g, &cell) = cell;
    if (++g->id_count > g->id_mask / 2 && g->id_mask < g->id_mask_last) ids_grow(g);
  }
}
