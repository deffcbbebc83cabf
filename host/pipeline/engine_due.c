// What the clock owes: timers of strategies and closes of time bars, in one binary heap. The order is total and does not depend on
// the shard: by time, then bars before timers, then instrument, arm and id.
#include "base/calling.h"
#include "pipeline/engine_internal.h"

// Timers of one instance at one time differ by their ids alone; they never are in two shards.
static bool item_before(const struct hd_due_item *a, const struct hd_due_item *b) {
  if (a->due.due_ns == b->due.due_ns && a->due.order == b->due.order) return a->id < b->id;
  return hd_due_before(a->due, b->due);
}

// Bars: instrument, then builder. Timers: the top bit, then instrument and arm.
static uint64_t order_of(const struct hd_due_item *item) {
  if (item->class == HD_DUE_BAR) return (uint64_t)item->instrument << 32 | item->builder;
  return UINT64_C(1) << 63 | (uint64_t)item->instrument << 32 | item->instance->arm;
}

int32_t hd_engine_due_push(struct hd_engine *e, const struct hd_due_item *item) {
  if (e->due_count == e->due_room) return HADRON_ERR_FULL;
  uint32_t at = e->due_count++;
  struct hd_due_item added = *item;
  added.due.order = order_of(&added);
  if (added.instance) added.instance->timers++;
  while (at > 0 && item_before(&added, &e->due[(at - 1) / 2])) {
    e->due[at] = e->due[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  e->due[at] = added;
  return HADRON_OK;
}

static void due_remove(struct hd_engine *e, uint32_t at) {
  HD_ASSERT(at < e->due_count);
  if (e->due[at].instance) e->due[at].instance->timers--;
  struct hd_due_item last = e->due[--e->due_count];
  if (at == e->due_count) return;
  while (at > 0 && item_before(&last, &e->due[(at - 1) / 2])) {
    e->due[at] = e->due[(at - 1) / 2];
    at = (at - 1) / 2;
  }
  for (uint32_t child; (child = 2 * at + 1) < e->due_count; at = child) {
    if (child + 1 < e->due_count && item_before(&e->due[child + 1], &e->due[child])) child++;
    if (!item_before(&e->due[child], &last)) break;
    e->due[at] = e->due[child];
  }
  e->due[at] = last;
}

void hd_engine_due_forget(struct hd_engine *e, uint32_t builder) {
  for (uint32_t i = 0; i < e->due_count; i++)
    if (e->due[i].class == HD_DUE_BAR && e->due[i].builder == builder) {
      due_remove(e, i);
      return;
    }
}

bool hd_engine_due(const struct hd_engine *e, struct hd_due *due) {
  if (e->due_count == 0) return false;
  *due = e->due[0].due;
  return true;
}

int64_t hd_engine_due_ns(const struct hd_engine *e) { return e->due_count == 0 ? INT64_MAX : e->due[0].due.due_ns; }

struct hd_engine_timer hd_engine_timer_due(const struct hd_engine *e) {
  const struct hd_due_item *first = NULL;
  for (uint32_t i = 0; i < e->due_count; i++)
    if (e->due[i].class == HD_DUE_TIMER && (!first || item_before(&e->due[i], first))) first = &e->due[i];
  return first ? (struct hd_engine_timer){first->due.due_ns, first->id, first->instance} : (struct hd_engine_timer){.due_ns = INT64_MAX};
}

// Fires what is at this place of the heap.
static void fire_at(struct hd_engine *e, uint32_t at, int64_t now_ns) {
  struct hd_due_item item = e->due[at];
  due_remove(e, at);
  struct hd_engine_row *row = &e->rows[item.instrument];
  struct hadron_timer_fired fired = {item.due.due_ns, now_ns, item.id, item.instance ? item.instance->arm : 0, item.instrument};
  if (item.class == HD_DUE_BAR) {
    // Decisions on a close carry the time of the close, not of the tick that let the clock pass it.
    hd_engine_begin(e, e->builders[item.builder].bar.sequence, item.due.due_ns);
    fired.id = item.builder - row->at.bar_first;
    e->listener.fired(e->listener.self, &fired);
    hd_engine_bar_close(e, row, item.builder);
    return;
  }
  hd_engine_begin(e, row->market.sequence, item.due.due_ns);
  if (item.instance->fenced) return;
  e->counts.timers++;
  e->listener.fired(e->listener.self, &fired);
  struct hd_subscription *s = hd_engine_subscription(e, item.instance->arm, item.instrument);
  hd_calling_begin(item.instance, HD_CALLING_TIMER);
  hd_engine_result(e, item.instance, item.instance->on_timer(item.instance->self, item.id, item.due.due_ns,
                                                             s ? hd_engine_patch(e, row, s) : &row->market));
}

bool hd_engine_fire(struct hd_engine *e, int64_t now_ns) {
  if (e->due_count == 0 || e->due[0].due.due_ns > now_ns) return false;
  fire_at(e, 0, now_ns);
  return true;
}

bool hd_engine_refire(struct hd_engine *e, const struct hadron_timer_fired *fired, uint32_t arm) {
  for (uint32_t i = 0; i < e->due_count; i++) {
    const struct hd_due_item *item = &e->due[i];
    if (item->due.due_ns != fired->due_ns || item->instrument != fired->instrument || (item->class == HD_DUE_TIMER) != (fired->arm != 0)) continue;
    bool same = item->class == HD_DUE_TIMER ? item->instance->arm == arm && item->id == fired->id
                                            : item->builder - e->rows[item->instrument].at.bar_first == fired->id;
    if (!same) continue;
    fire_at(e, i, fired->time_ns);
    return true;
  }
  return false;
}

// After items have changed their order or their number: the heap is made anew, in linear time.
void hd_engine_due_restore(struct hd_engine *e) {
  for (uint32_t i = 0; i < e->due_count; i++) e->due[i].due.order = order_of(&e->due[i]);
  for (uint32_t root = e->due_count / 2; root-- > 0;) {
    struct hd_due_item item = e->due[root];
    uint32_t at = root;
    for (uint32_t child; (child = 2 * at + 1) < e->due_count; at = child) {
      if (child + 1 < e->due_count && item_before(&e->due[child + 1], &e->due[child])) child++;
      if (!item_before(&e->due[child], &item)) break;
      e->due[at] = e->due[child];
    }
    e->due[at] = item;
  }
}

// A start has no clock: it is 0 until the first tick. What is asked for then, in an hour or a second, would be 1970, and a timer that is set
// anew whenever it fires would never come to the present. It waits for the first tick, and counts from there: the journal has that one too.
#define UNCLOCKED_NS (INT64_C(1) << 62)
#define MODERN_NS INT64_C(100000000000000000) // 1973: before that nothing is a date

void hd_engine_due_clock(struct hd_engine *e, int64_t now_ns) {
  for (uint32_t i = 0; i < e->due_count; i++) {
    struct hd_due *due = &e->due[i].due;
    if (e->due[i].class == HD_DUE_TIMER && due->due_ns >= UNCLOCKED_NS) due->due_ns += now_ns - UNCLOCKED_NS;
  }
  e->unclocked = false;
  hd_engine_due_restore(e);
}

void hd_engine_due_leave(struct hd_engine_instance *instance) {
  struct hd_engine *e = instance->engine;
  uint32_t kept = 0;
  if (!instance->timers) return;
  for (uint32_t i = 0; i < e->due_count; i++)
    if (e->due[i].instance != instance) e->due[kept++] = e->due[i];
  e->due_count = kept;
  instance->timers = 0;
  hd_engine_due_restore(e);
}

uint32_t hd_engine_timers(const struct hd_engine_instance *instance, struct hd_engine_timer_row *out, uint32_t max) {
  const struct hd_engine *e = instance->engine;
  uint32_t count = 0;
  for (uint32_t i = 0; i < e->due_count && count < max; i++)
    if (e->due[i].class == HD_DUE_TIMER && e->due[i].instance == instance) out[count++] = (struct hd_engine_timer_row){e->due[i].due.due_ns, e->due[i].id};
  return instance->timers;
}

int32_t hd_engine_timers_set(struct hd_engine_instance *instance, const struct hd_engine_timer_row *rows, uint32_t count) {
  int32_t code = HADRON_OK;
  HD_ASSERT(!instance->wishes);
  hd_engine_due_leave(instance);
  for (uint32_t i = 0; i < count && !code; i++) code = hd_engine_timer_at(instance, rows[i].due_ns, rows[i].id);
  return code;
}

static bool wish_cancel(struct hd_engine_wishes *w, uint64_t id) {
  for (uint32_t i = 0; i < w->timer_count; i++)
    if (w->timers[i].id == id) {
      w->timers[i] = w->timers[--w->timer_count];
      return true;
    }
  return false;
}

void hd_engine_timer_cancel(struct hd_engine_instance *instance, uint64_t id) {
  struct hd_engine *e = instance->engine;
  if (instance->wishes) {
    wish_cancel(instance->wishes, id);
    return;
  }
  for (uint32_t i = 0; i < e->due_count; i++)
    if (e->due[i].class == HD_DUE_TIMER && e->due[i].instance == instance && e->due[i].id == id) {
      due_remove(e, i);
      return;
    }
}

int32_t hd_engine_timer_at(struct hd_engine_instance *instance, int64_t due_ns, uint64_t id) {
  if (!instance->on_timer) return HADRON_ERR_STATE;
  hd_engine_timer_cancel(instance, id);
  struct hd_engine_wishes *w = instance->wishes;
  if (w) {
    if (w->timer_count == HD_START_TIMERS_MAX) return HADRON_ERR_FULL;
    w->timers[w->timer_count].due_ns = due_ns;
    w->timers[w->timer_count++].id = id;
    return HADRON_OK;
  }
  struct hd_engine *e = instance->engine;
  if (!e->sealed && e->now_ns == 0 && due_ns >= 0 && due_ns < MODERN_NS) due_ns += UNCLOCKED_NS;
  const struct hd_due_item item = {.due = {due_ns, 0}, .class = HD_DUE_TIMER, .instrument = instance->instruments[0], .instance = instance, .id = id};
  e->unclocked |= due_ns >= UNCLOCKED_NS;
  return hd_engine_due_push(e, &item);
}
