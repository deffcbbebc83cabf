// Who sits where. A layout is the whole table of subscriptions and bars, built beside the running one without touching it; to install
// it is to copy what goes on (the arms' views, running bars, what the clock owes) and to exchange the arrays.
#include "pipeline/engine_internal.h"

struct hd_engine_layout {
  struct hd_engine *engine;               // borrowed
  struct hd_engine_instance **instances;  // owned, as all that follow
  struct hd_subscription *subscriptions;
  uint32_t *subscription_from;            // the old one of the same seat + 1; 0: the seat is new
  struct hd_engine_span *spans;           // [instrument]
  struct hd_bar_builder *builders;
  uint32_t *builder_to;                   // [old builder]: the new one + 1; 0: nobody asks for it any more
  struct hd_due_item *due;
  uint32_t instance_count, subscription_count, builder_count, old_builder_count, due_room;
};

// Who will sit there: it says which triggers and bars are wanted.
static const struct hd_engine_instance *sitter(const struct hd_engine_instance *seat) { return seat->next ? seat->next : seat; }

static bool among(const struct hd_engine_instance *seat, struct hd_engine_instance *const *list, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (list[i] == seat) return true;
  return false;
}

// By arm, then as they were added: subscriptions of an instrument lie in this order.
static void insert(struct hd_engine_layout *l, struct hd_engine_instance *seat) {
  uint32_t at = l->instance_count++;
  for (; at > 0 && l->instances[at - 1]->arm > seat->arm; at--) l->instances[at] = l->instances[at - 1];
  l->instances[at] = seat;
}

static void gather(struct hd_engine_layout *l, struct hd_engine_instance *const *add, uint32_t add_count,
                   struct hd_engine_instance *const *drop, uint32_t drop_count) {
  for (uint32_t i = 0; i < l->engine->instance_count; i++)
    if (!among(l->engine->instances[i], drop, drop_count)) insert(l, l->engine->instances[i]);
  for (uint32_t i = 0; i < add_count; i++) insert(l, add[i]);
}

static void count_rows(struct hd_engine_layout *l) {
  uint32_t next = 0;
  for (uint32_t i = 0; i < l->instance_count; i++)
    for (uint32_t k = 0; k < l->instances[i]->instrument_count; k++) l->spans[l->instances[i]->instruments[k]].count++;
  for (uint32_t id = 1; id <= l->engine->instruments->max; id++) {
    l->spans[id].first = next;
    next += l->spans[id].count;
    l->spans[id].count = 0;
  }
  l->subscription_count = next;
}

static uint32_t old_subscription(const struct hd_engine *e, const struct hd_engine_instance *seat, uint32_t instrument) {
  const struct hd_engine_span *span = &e->rows[instrument].at;
  for (uint32_t i = span->first; i < span->first + span->count; i++)
    if (e->subscriptions[i].instance == seat) return i + 1;
  return 0;
}

static void fill_rows(struct hd_engine_layout *l) {
  for (uint32_t i = 0; i < l->instance_count; i++) {
    struct hd_engine_instance *seat = l->instances[i];
    for (uint32_t k = 0; k < seat->instrument_count; k++) {
      struct hd_engine_span *span = &l->spans[seat->instruments[k]];
      uint32_t at = span->first + span->count++;
      l->subscriptions[at] = (struct hd_subscription){.instance = seat, .triggers = sitter(seat)->api->triggers};
      l->subscription_from[at] = old_subscription(l->engine, seat, seat->instruments[k]);
      span->triggers |= l->subscriptions[at].triggers;
    }
  }
}

static bool same_bar(const struct hadron_bar *bar, const struct hadron_bar_request *request) {
  return bar->kind == request->kind && bar->interval == request->interval;
}

// The builder of a row for a request, shared by all who ask for the same; -1 if there is no room. Builders of a row lie side by side.
static int builder_for(struct hd_engine_layout *l, uint32_t id, const struct hadron_bar_request *request) {
  struct hd_engine_span *span = &l->spans[id];
  const struct hd_engine_span *old = &l->engine->rows[id].at;
  for (uint32_t i = 0; i < span->bar_count; i++)
    if (same_bar(&l->builders[span->bar_first + i].bar, request)) return (int)i;
  if (span->bar_count == HD_BAR_KINDS_MAX) return -1;
  uint32_t at = span->bar_first + span->bar_count;
  l->builders[at].bar = (struct hadron_bar){.instrument = id, .kind = (uint8_t)request->kind, .interval = request->interval};
  for (uint32_t i = old->bar_first; i < old->bar_first + old->bar_count; i++)
    if (same_bar(&l->engine->builders[i].bar, request)) l->builder_to[i] = at + 1;
  return (int)span->bar_count++;
}

static int32_t fill_bars(struct hd_engine_layout *l, uint32_t *time_bars) {
  for (uint32_t id = 1; id <= l->engine->instruments->max; id++) {
    struct hd_engine_span *span = &l->spans[id];
    span->bar_first = l->builder_count;
    for (uint32_t i = span->first; i < span->first + span->count; i++) {
      struct hd_subscription *s = &l->subscriptions[i];
      const struct hd_engine_instance *who = sitter(s->instance);
      for (uint32_t k = 0; (s->triggers & HADRON_ON_BAR) && k < who->bar_count; k++) {
        int builder = builder_for(l, id, &who->bars[k]);
        if (builder < 0) return HADRON_ERR_FULL;
        s->bars |= 1u << builder;
        *time_bars += who->bars[k].kind == HADRON_BAR_TIME;
      }
    }
    l->builder_count += span->bar_count;
  }
  return HADRON_OK;
}

static uint32_t builder_room(const struct hd_engine_layout *l) {
  uint32_t room = 1;
  for (uint32_t i = 0; i < l->instance_count; i++) room += sitter(l->instances[i])->bar_count * l->instances[i]->instrument_count;
  return room;
}

static int32_t build(struct hd_engine_layout *l, struct hd_engine_instance *const *add, uint32_t add_count,
                     struct hd_engine_instance *const *drop, uint32_t drop_count) {
  struct hd_engine *e = l->engine;
  uint32_t time_bars = 0;
  l->instances = calloc(e->instance_count + add_count + 1, sizeof(struct hd_engine_instance *));
  l->spans = calloc((size_t)e->instruments->max + 1, sizeof *l->spans);
  if (!l->instances || !l->spans) return HADRON_ERR_MEMORY;
  gather(l, add, add_count, drop, drop_count);
  count_rows(l);
  l->subscriptions = calloc(l->subscription_count + 1, sizeof *l->subscriptions);
  l->subscription_from = calloc(l->subscription_count + 1, sizeof *l->subscription_from);
  l->builders = calloc(builder_room(l), sizeof *l->builders);
  l->builder_to = calloc(e->builder_count + 1, sizeof *l->builder_to);
  l->old_builder_count = e->builder_count;
  if (!l->subscriptions || !l->subscription_from || !l->builders || !l->builder_to) return HADRON_ERR_MEMORY;
  fill_rows(l);
  int32_t code = fill_bars(l, &time_bars);
  if (code) return code;
  // Each time bar may wait in the heap once; room for all of them, so that the tick path never grows it.
  l->due_room = HD_TIMERS_MAX + time_bars;
  l->due = malloc(l->due_room * sizeof *l->due);
  return l->due ? HADRON_OK : HADRON_ERR_MEMORY;
}

int32_t hd_engine_layout_create(struct hd_engine *e, struct hd_engine_instance *const *add, uint32_t add_count,
                                struct hd_engine_instance *const *drop, uint32_t drop_count, struct hd_engine_layout **out) {
  struct hd_engine_layout *l = calloc(1, sizeof *l);
  if (!l) return HADRON_ERR_MEMORY;
  l->engine = e;
  int32_t code = build(l, add, add_count, drop, drop_count);
  if (code) hd_engine_layout_destroy(l);
  else *out = l;
  return code;
}

void hd_engine_layout_destroy(struct hd_engine_layout *l) {
  if (!l) return;
  free(l->instances);
  free(l->subscriptions);
  free(l->subscription_from);
  free(l->spans);
  free(l->builders);
  free(l->builder_to);
  free(l->due);
  free(l);
}

// A bar that nobody asks for any more is forgotten; the timers of a seat that is gone have left with hd_engine_leave.
static void move_due(struct hd_engine *e, struct hd_engine_layout *l) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < e->due_count; i++) {
    struct hd_due_item item = e->due[i];
    if (item.class == HD_DUE_BAR) {
      if (!l->builder_to[item.builder]) continue;
      item.builder = l->builder_to[item.builder] - 1;
    }
    HD_ASSERT(count < l->due_room);
    l->due[count++] = item;
  }
  e->due_count = count;
}

#define EXCHANGE(a, b)         \
  do {                         \
    __typeof__(a) before_ = a; \
    (a) = (b);                 \
    (b) = before_;             \
  } while (0)

void hd_engine_layout_install(struct hd_engine_layout *l) {
  struct hd_engine *e = l->engine;
  HD_ASSERT(l->old_builder_count == e->builder_count); // one change of an engine at a time
  for (uint32_t i = 0; i < l->subscription_count; i++)
    if (l->subscription_from[i]) {
      const struct hd_subscription *from = &e->subscriptions[l->subscription_from[i] - 1];
      l->subscriptions[i].view = from->view;
      l->subscriptions[i].lapsed = from->lapsed;
    }
  for (uint32_t i = 0; i < e->builder_count; i++)
    if (l->builder_to[i]) l->builders[l->builder_to[i] - 1] = e->builders[i];
  move_due(e, l);
  for (uint32_t id = 1; id <= e->instruments->max; id++) {
    e->rows[id].at = l->spans[id];
    e->rows[id].shown = NULL;
  }
  for (uint32_t i = 0; i < l->instance_count; i++) {
    if (l->instances[i]->engine != e) l->instances[i]->engine = e; // other shards ask seats that stay whose they are
    l->instances[i]->next = NULL;
  }
  EXCHANGE(e->instances, l->instances);
  EXCHANGE(e->subscriptions, l->subscriptions);
  EXCHANGE(e->builders, l->builders);
  EXCHANGE(e->due, l->due);
  e->instance_count = e->instance_room = l->instance_count;
  e->subscription_count = l->subscription_count;
  e->builder_count = l->builder_count;
  e->due_room = l->due_room;
  hd_engine_due_restore(e);
}

// ---- occupants -------------------------------------------------------------------------------------------------------------------------

#define OCCUPANT_SIZE offsetof(struct hd_engine_instance, instruments)

static void exchange_timers(struct hd_engine *e, struct hd_engine_instance *a, struct hd_engine_instance *b) {
  for (uint32_t i = 0; i < e->due_count; i++) {
    struct hd_due_item *item = &e->due[i];
    if (item->instance != a && item->instance != b) continue;
    item->instance = item->instance == a ? b : a;
    item->instrument = item->instance->instruments[0];
  }
  hd_engine_due_restore(e);
}

// Room for its wishes was asked for before.
static void sit_down(struct hd_engine_instance *seat) {
  struct hd_engine_wishes *w = seat->wishes;
  seat->wishes = NULL;
  for (uint32_t i = 0; i < w->timer_count; i++) {
    int32_t code = hd_engine_timer_at(seat, w->timers[i].due_ns, w->timers[i].id);
    HD_ASSERT(code == HADRON_OK);
  }
  w->timer_count = 0;
}

int32_t hd_engine_exchange(struct hd_engine_instance *a, struct hd_engine_instance *b) {
  struct hd_engine *e = a->engine;
  HD_ASSERT(e == b->engine && a != b);
  unsigned char before[OCCUPANT_SIZE];
  uint32_t wished = (a->wishes ? a->wishes->timer_count : 0) + (b->wishes ? b->wishes->timer_count : 0);
  if (e->due_room - e->due_count < wished) return HADRON_ERR_FULL;
  if (a->timers || b->timers) exchange_timers(e, a, b);
  memcpy(before, a, OCCUPANT_SIZE);
  memcpy(a, b, OCCUPANT_SIZE);
  memcpy(b, before, OCCUPANT_SIZE);
  if (a->wishes) sit_down(a);
  if (b->wishes) sit_down(b);
  return HADRON_OK;
}

uint64_t hd_engine_last(const struct hd_engine *e) { return e->last; }
uint32_t hd_engine_timer_room(const struct hd_engine *e) { return e->due_room - e->due_count; }

void hd_engine_leave(struct hd_engine_instance *instance, struct hd_engine_wishes *wishes) {
  instance->wishes = wishes;
  hd_engine_due_leave(instance);
}

void hd_engine_vacate(struct hd_engine_instance *instance) { memset(instance, 0, OCCUPANT_SIZE); }
