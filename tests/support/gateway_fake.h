// A gateway that says what the test wants: a few orders in an array, in the order in which they were made. For rooms that only ask.
// Defines what those rooms call; for one source file of one test program.
#ifndef HD_TESTS_SUPPORT_GATEWAY_FAKE_H
#define HD_TESTS_SUPPORT_GATEWAY_FAKE_H

#include <string.h>

#include "pipeline/gateway.h"

#define FAKE_ORDERS 64

struct hd_gateway {
  struct hd_order orders[FAKE_ORDERS];
  uint32_t count, unknown;
  bool seen; // any id
  struct hd_gateway_counts counts;
};

static bool fake_open(const struct hd_order *o) { return !hd_order_final(o->state); }

static int64_t fake_rest(const struct hd_order *o, uint32_t arm) {
  if (!arm) return o->request.quantity.e8 - o->filled.e8;
  for (uint32_t i = 0; i < o->share_count; i++)
    if (o->shares[i].arm == arm) return o->shares[i].ordered.e8 - o->shares[i].filled.e8;
  return 0;
}

void hd_gateway_working(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, bool slots, struct hadron_quantity *buy,
                        struct hadron_quantity *sell) {
  buy->e8 = sell->e8 = 0;
  for (uint32_t i = 0; i < g->count; i++) {
    const struct hd_order *o = &g->orders[i];
    if (!fake_open(o) || o->request.instrument != instrument || (o->request.slot && !slots)) continue;
    if (o->request.side == HADRON_SIDE_BUY) buy->e8 += fake_rest(o, arm);
    else sell->e8 += fake_rest(o, arm);
  }
}

const struct hd_order *hd_gateway_order(const struct hd_gateway *g, const struct hadron_client_order_id *id) {
  for (uint32_t i = 0; i < g->count; i++)
    if (memcmp(&g->orders[i].request.client_order_id, id, sizeof *id) == 0) return &g->orders[i];
  return NULL;
}

const struct hd_order *hd_gateway_slot(const struct hd_gateway *g, uint32_t arm, uint32_t instrument, uint8_t slot) {
  for (uint32_t i = 0; i < g->count; i++) {
    const struct hd_order *o = &g->orders[i];
    if (fake_open(o) && o->request.instrument == instrument && o->request.slot == slot && o->shares[0].arm == arm) return o;
  }
  return NULL;
}

const struct hd_order *hd_gateway_next(const struct hd_gateway *g, const struct hd_order *order) {
  for (uint32_t i = order ? (uint32_t)(order - g->orders) + 1 : 0; i < g->count; i++)
    if (fake_open(&g->orders[i])) return &g->orders[i];
  return NULL;
}
const struct hd_order *hd_gateway_first(const struct hd_gateway *g) { return hd_gateway_next(g, NULL); }

bool hd_gateway_seen(const struct hd_gateway *g, const struct hadron_client_order_id *id) { return id->hex[0] && g->seen; }

uint32_t hd_gateway_unknown(const struct hd_gateway *g, uint32_t instrument) {
  (void)instrument;
  return g->unknown;
}

const struct hd_gateway_counts *hd_gateway_count(const struct hd_gateway *g) { return &g->counts; }

// An open order of one arm; its id is the letter 'a' + its place, 24 times.
static inline struct hd_order *fake_order(struct hd_gateway *g, uint32_t arm, uint32_t instrument, uint8_t side, int64_t quantity_e8,
                                          int64_t limit_nanos, uint8_t slot) {
  struct hd_order *o = &g->orders[g->count];
  *o = (struct hd_order){.request = {.quantity = {quantity_e8}, .limit = {limit_nanos}, .instrument = instrument, .arm = arm, .venue = 1,
                                     .side = side, .order_type = limit_nanos ? HADRON_ORDER_LIMIT : HADRON_ORDER_MARKET,
                                     .time_in_force = HADRON_TIF_DAY, .slot = slot},
                         .state = HADRON_STATE_ACCEPTED, .share_count = 1, .shares = {{.arm = arm, .ordered = {quantity_e8}}}};
  memset(o->request.client_order_id.hex, 'a' + (int)g->count, sizeof o->request.client_order_id.hex);
  g->count++;
  g->counts.open++;
  return o;
}

#endif
