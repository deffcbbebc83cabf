// What an order cost: stages, as the host measured them while it ran, and spans between times that are in the records.
#include "base/banned.h"
#include "cli/explain.h"

const struct hadron_cost *hd_explain_cost(const struct hd_explain_record *r) { return r->r.template_id == HADRON_MSG_COST ? r->r.bytes : NULL; }

void hd_explain_stages(const struct hadron_cost *cost, struct hd_explain_stage stages[HD_EXPLAIN_STAGES]) {
  const struct hd_explain_stage all[HD_EXPLAIN_STAGES] = {
      {"normalize", "the tick: checked, stamped, routed", cost->normalize_ns},
      {"lane", "until its shard took it", cost->lane_ns},
      {"engine", "written down, the instrument's state, strategies", cost->engine_ns},
      {"ring", "until the trading thread took the decisions", cost->ring_ns},
      {"merge", "decisions written down, allocator", cost->merge_ns},
      {"risk", "id, valuation, checks", cost->risk_ns},
      {"gateway", "made and recorded", cost->gateway_ns},
      {"flush", "until it was on the disk", cost->flush_ns},
      {"send", "the venue's submit, or into the ring that leads there", cost->send_ns},
  };
  memcpy(stages, all, sizeof all);
}

static int64_t first_time(const struct hd_explain *e, uint16_t template_id, uint8_t change) {
  for (uint32_t i = 0; i < e->count; i++) {
    const struct hadron_record *r = &e->records[i].r;
    if (r->template_id == template_id && (!change || ((const struct hadron_order_event *)r->bytes)->change == change)) return r->time_ns;
  }
  return 0;
}

// On one thread an event has one time; what lies between its stages only the host itself knows.
void hd_explain_spans(const struct hd_explain *e, struct hd_explain_span spans[HD_EXPLAIN_SPANS]) {
  const struct hadron_cost *cost = NULL;
  for (uint32_t i = 0; i < e->count && !cost; i++) cost = hd_explain_cost(&e->records[i]);
  int64_t tick = e->tick.sequence ? e->tick.recv_ns : 0, event = e->tick.sequence ? e->tick.event_ns : 0, decision = first_time(e, HADRON_MSG_DECISION, 0), order = first_time(e, HADRON_MSG_ORDER, 0),
          accept = first_time(e, HADRON_MSG_ORDER_EVENT, HADRON_CHANGE_ACCEPT), fill = first_time(e, HADRON_MSG_EXECUTION, 0);
  bool apart = tick && decision && e->threads;
  int64_t to_decision = apart ? decision - tick : cost ? cost->normalize_ns + cost->lane_ns + cost->engine_ns + cost->ring_ns : 0;
  int64_t to_order = cost ? cost->merge_ns + cost->risk_ns + cost->gateway_ns + cost->flush_ns + cost->send_ns : 0;
  spans[0] = (struct hd_explain_span){"market_to_host", "from the venue's time to receipt", tick - event, tick && event};
  spans[1] = (struct hd_explain_span){"tick_to_decision", "receipt, lane, strategy, ring to the trading thread", to_decision, apart || cost};
  spans[2] = (struct hd_explain_span){"decision_to_order", "merge, risk, gateway, send", to_order, cost != NULL};
  spans[3] = (struct hd_explain_span){"order_to_accept", "to the venue and back", accept - order, order && accept};
  spans[4] = (struct hd_explain_span){"order_to_fill", "to the first fill", fill - order, order && fill};
}
