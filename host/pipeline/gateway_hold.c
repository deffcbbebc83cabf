// Orders of one round leave together: they are recorded one by one, then one flush stands for all of them, then they go, in the order in which
// they were recorded. So a disk that takes a millisecond costs a round a millisecond, whatever it has decided.
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "pipeline/gateway_internal.h"

int32_t hd_gateway_hold(struct hd_gateway *g) {
  HD_ASSERT(g->held == NULL && g->counts.orders == 0);
  g->held = calloc(g->options.orders_max, sizeof *g->held);
  return g->held ? HADRON_OK : HADRON_ERR_MEMORY;
}

static struct hd_held *held_at(const struct hd_gateway *g, uint64_t number) { return &g->held[number % g->options.orders_max]; }

void hd_order_hold(struct hd_gateway *g, struct hd_order *o) {
  HD_ASSERT(!o->waits && g->held_next - g->held_first < g->options.orders_max); // an order waits once
  struct hd_held *h = held_at(g, g->held_next++);
  *h = (struct hd_held){.slot = hd_table_index(g, o)};
  if (g->stamps) {
    h->at = *g->stamps;
    h->at.queued = hd_cycles();
  }
  o->waits = 1;
  g->promised = true;
  hd_order_pin(o);
}

const struct hd_order *hd_gateway_held(const struct hd_gateway *g) {
  for (uint64_t n = g->held_first; n < g->held_next; n++) {
    const struct hd_order *o = &g->orders[held_at(g, n)->slot];
    if (o->state == HADRON_STATE_PENDING_SUBMIT) return o;
  }
  return NULL;
}

bool hd_gateway_promised(const struct hd_gateway *g) { return g->promised; }

// What was taken back, or has been answered for meanwhile (it was sent before, and this is the second time), stays.
void hd_gateway_send(struct hd_gateway *g, int32_t flushed, int64_t now_ns) {
  uint64_t end = g->held_next; // what is recorded from here on is not on the disk
  g->promised = false;
  if (!flushed && end > g->held_first) hd_crash_here(HD_CRASH_ORDER_FLUSHED);
  while (g->held_first < end) {
    struct hd_held h = *held_at(g, g->held_first++);
    struct hd_order *o = &g->orders[h.slot];
    HD_ASSERT(o->waits && o->pins > 0);
    o->waits = 0;
    if (o->state == HADRON_STATE_PENDING_SUBMIT) {
      hd_order_depart(g, o, &h.at, flushed, now_ns);
      hd_order_after(g, o, now_ns);
    }
    hd_order_unpin(o);
  }
}
