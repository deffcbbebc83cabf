// An explanation as JSON.
#include <jansson.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/explain.h"
#include "hadron/decimal.h"

static json_t *fields_json(const struct hd_field *fields, uint32_t count, const void *block, uint32_t length) {
  json_t *out = json_object();
  for (uint32_t i = 0; i < count; i++) {
    char text[HD_FIELD_TEXT_SIZE];
    if (!hd_field_present(&fields[i], block, length)) continue;
    hd_field_format(&fields[i], block, text);
    json_object_set_new(out, fields[i].name, json_string(text));
  }
  return out;
}

static json_t *record_json(const struct hadron_record *r, uint64_t sequence) {
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  json_t *out = fields_json(m->fields, m->field_count, r->bytes, r->block_length);
  json_object_set_new(out, "message", json_string(m->name));
  json_object_set_new(out, "record", json_integer((json_int_t)sequence));
  json_object_set_new(out, "record_ns", json_integer(r->time_ns));
  if (!m->group) return out;
  const unsigned char *entries;
  uint32_t length, count = hd_message_group(m, r, &entries, &length);
  json_t *group = json_array();
  for (uint32_t i = 0; i < count; i++) json_array_append_new(group, fields_json(m->group_fields, m->group_count, entries + (size_t)i * length, length));
  json_object_set_new(out, m->group, group);
  return out;
}

static json_t *tick_json(const struct hadron_tick *t) {
  const struct hadron_record r = {.time_ns = t->recv_ns, .template_id = HADRON_MSG_TICK, .block_length = sizeof *t, .size = sizeof *t, .bytes = t};
  return t->sequence ? record_json(&r, 0) : json_null();
}

static json_t *checks_json(const struct hd_explain_intent *in) {
  static const char *const outcomes[] = {"no_limit", "passed", "failed", "not_reached"}, *const scopes[] = {"", "account", "strategy", "", "instrument"};
  json_t *rows = json_array();
  for (uint32_t i = 0; in && i < in->row_count; i++) {
    const struct hd_risk_row *row = &in->rows[i];
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "check", hd_risk_reason_key(row->reason), "outcome", outcomes[row->outcome], "scope", row->scope < 5 ? scopes[row->scope] : "",
                                          "unit", hd_risk_reason_unit(row->reason), "arm", (json_int_t)row->arm, "actual", row->measured ? json_integer(row->actual) : json_null(), "limit",
                                          row->scope || row->outcome == HD_RISK_ROW_FAILED ? json_integer(row->bound) : json_null()));
  }
  return rows;
}

static json_t *decimal(int64_t value, int64_t scale) {
  char text[32];
  hd_decimal_format(text, sizeof text, value, scale, 0);
  return json_string(text);
}

static json_t *price(struct hadron_price p) { return p.nanos ? decimal(p.nanos, HADRON_PRICE_SCALE) : json_string("-"); }

static json_t *positions_json(const struct hd_explain_intent *in) {
  json_t *rows = json_array();
  for (uint32_t i = 0; in && i < in->position_count; i++) {
    const struct hd_explain_position *p = &in->positions[i];
    json_array_append_new(rows, json_pack("{s:I, s:o, s:o, s:o}", "arm", (json_int_t)p->arm, "held", decimal(p->held.e8, HADRON_QUANTITY_SCALE), "working_buy", decimal(p->working_buy.e8, HADRON_QUANTITY_SCALE),
                                          "working_sell", decimal(p->working_sell.e8, HADRON_QUANTITY_SCALE)));
  }
  return rows;
}

static json_t *market_json(const struct hd_explain_intent *in) {
  return in && in->ran ? json_pack("{s:o, s:o, s:o, s:f}", "last", price(in->mark.last), "bid", price(in->mark.bid), "ask", price(in->mark.ask), "volatility", (double)in->mark.volatility) : json_null();
}

static json_t *intents_json(const struct hd_explain *e) {
  static const char *const kinds[] = {"", "NEW", "CANCEL", "REPLACE"};
  json_t *rows = json_array();
  for (uint32_t i = 0; i < e->intent_count; i++) {
    const struct hd_explain_intent *in = &e->intents[i];
    json_array_append_new(rows, json_pack("{s:I, s:s, s:b, s:o, s:o, s:o}", "intent", (json_int_t)(in->id & ~HADRON_SHADOW_ID), "kind", in->kind < 4 ? kinds[in->kind] : "", "checks_known", in->ran, "market",
                                          market_json(in), "positions", positions_json(in), "checks", checks_json(in)));
  }
  return rows;
}

static json_t *orders_json(const struct hd_explain *e) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < e->order_count; i++) json_array_append_new(rows, json_stringn(e->orders[i].hex, sizeof e->orders[i].hex));
  return rows;
}

static json_t *stages_json(const struct hd_explain *e) {
  json_t *rows = json_array();
  for (uint32_t i = 0; i < e->count; i++) {
    const struct hadron_cost *cost = hd_explain_cost(&e->records[i]);
    struct hd_explain_stage stages[HD_EXPLAIN_STAGES];
    if (!cost) continue;
    hd_explain_stages(cost, stages);
    json_t *row = json_pack("{s:o, s:I, s:I}", "order", json_stringn(cost->client_order_id.hex, sizeof cost->client_order_id.hex), "intent", (json_int_t)cost->intent, "total", (json_int_t)cost->total_ns);
    for (uint32_t k = 0; k < HD_EXPLAIN_STAGES; k++) json_object_set_new(row, stages[k].name, stages[k].ns ? json_integer(stages[k].ns) : json_null());
    json_array_append_new(rows, row);
  }
  return rows;
}

void hd_explain_print_json(const struct hd_explain *e, FILE *to) {
  const struct hd_explain_intent *first = hd_explain_first(e);
  struct hd_explain_span spans[HD_EXPLAIN_SPANS];
  char trace[33], order[25] = "";
  hd_explain_spans(e, spans);
  hd_hex_format(trace, e->trace.bytes, sizeof e->trace.bytes);
  memcpy(order, e->order.hex, 24);
  json_t *cost = json_object(), *chain = json_array();
  for (uint32_t i = 0; i < HD_EXPLAIN_SPANS; i++) json_object_set_new(cost, spans[i].name, spans[i].known ? json_integer(spans[i].ns) : json_null());
  for (uint32_t i = 0; i < e->count; i++) json_array_append_new(chain, record_json(&e->records[i].r, e->records[i].sequence));
  json_t *root = json_pack("{s:s, s:s, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:b, s:s, s:o, s:o, s:I, s:f, s:f}", "order", order, "trace", trace, "instrument", hd_explain_instrument(e, e->instrument), "session",
                           (json_int_t)e->session, "cause", (json_int_t)e->cause, "tick", tick_json(&e->tick), "quote_before", tick_json(&e->quote), "trade_before", tick_json(&e->trade), "market", market_json(first),
                           "positions", positions_json(first), "checks_known", first != NULL, "checks_unknown_because", e->why, "checks", checks_json(first), "cost_ns", cost, "records_read",
                           (json_int_t)e->scanned, "scan_s", e->scan_s, "run_s", e->run_s);
  json_object_set_new(root, "orders", orders_json(e));
  json_object_set_new(root, "intents", intents_json(e));
  json_object_set_new(root, "stages_ns", stages_json(e));
  json_object_set_new(root, "cut", json_boolean(e->cut));
  json_object_set_new(root, "chain", chain);
  json_dumpf(root, to, JSON_INDENT(2));
  fputc('\n', to);
  json_decref(root);
}
