#include "pipeline/cost.h"

#include "base/banned.h"
#include "base/clock.h"

// What has no beginning of its own belongs to the stage before it. Counters of two cores may be a little apart: no stage is shorter than nothing.
static int64_t until(uint64_t *last, uint64_t at) {
  int64_t ns = *last && at > *last ? hd_cycles_to_ns(at - *last) : 0;
  if (at) *last = at;
  return ns;
}

static uint64_t first_of(const struct hd_stamps *at, uint64_t otherwise) { return at->offered ? at->offered : at->called ? at->called : at->taken ? at->taken : otherwise; }

uint64_t hd_cost_total(const struct hd_stamps *at, uint64_t done) {
  uint64_t first = first_of(at, done);
  return done > first ? (uint64_t)hd_cycles_to_ns(done - first) : 0;
}

void hd_cost_fill(const struct hd_stamps *at, uint64_t begun, uint64_t done, const struct hadron_order *order, int64_t now_ns, struct hadron_cost *out) {
  uint64_t last = at->offered, first = first_of(at, begun);
  *out = (struct hadron_cost){.trace = order->trace, .cause = order->cause, .intent = order->intent, .time_ns = now_ns, .client_order_id = order->client_order_id,
                              .instrument = order->instrument, .arm = order->arm, .venue = order->venue};
  out->normalize_ns = until(&last, at->routed);
  out->lane_ns = until(&last, at->called);
  out->engine_ns = until(&last, at->decided);
  out->ring_ns = until(&last, at->taken);
  out->merge_ns = until(&last, at->merged);
  out->risk_ns = until(&last, at->checked);
  out->gateway_ns = until(&last, at->queued ? at->queued : begun);
  out->flush_ns = until(&last, begun);
  out->send_ns = until(&last, done);
  out->total_ns = until(&first, done);
}
