// An explanation for people, as wide as the terminal is: at least eighty columns, and a hundred where there is none.
#include <inttypes.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/explain.h"
#include "cli/wrap.h"
#include "hadron/decimal.h"
#include "runtime/venue.h"

#define COLUMNS 100
#define COLUMNS_MIN 80
#define WORDS_AT 30 // column

struct out {
  const struct hd_explain *e;
  FILE *to;
  bool colours;
  uint32_t columns;
  int64_t first_ns, last_ns; // times are told as steps from the first
};

// ---- words ---------------------------------------------------------------------------------------------------------------------------

const char *hd_explain_instrument(const struct hd_explain *e, uint32_t id) {
  return id < e->instrument_count && e->instruments[id][0] ? e->instruments[id] : "?";
}

static const char *arm_name(const struct hd_explain *e, uint32_t arm, char to[HADRON_NAME_SIZE + 16]) {
  if (arm == 0) snprintf(to, HADRON_NAME_SIZE + 16, "several arms");
  else snprintf(to, HADRON_NAME_SIZE + 16, "%.60s (%u)", arm < e->arm_count && e->arms[arm].arm ? e->arms[arm].name : "arm", arm);
  return to;
}

static const char *value(const struct hadron_record *r, const char *name, char to[HD_FIELD_TEXT_SIZE]) {
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  const struct hd_field *f = m ? hd_field_find(m, name, r->bytes, r->block_length) : NULL;
  hd_text_copy(to, HD_FIELD_TEXT_SIZE, "");
  if (f) hd_field_format(f, r->bytes, to);
  return to;
}

static const char *quantity(int64_t e8, char to[32]) {
  hd_decimal_format(to, 32, e8, HADRON_QUANTITY_SCALE, 0);
  return to;
}

static const char *price(int64_t nanos, char to[32]) {
  if (nanos == 0) hd_text_copy(to, 32, "-");
  else hd_decimal_format(to, 32, nanos, HADRON_PRICE_SCALE, 0);
  return to;
}

// ---- lines ---------------------------------------------------------------------------------------------------------------------------

static void step_format(char *to, size_t size, int64_t ns) {
  char text[40];
  hd_duration_format(text, sizeof text, ns < 0 ? -ns : ns);
  snprintf(to, size, "%s%s", ns < 0 ? "-" : "+", text);
}

// "+1.2ms  accept      ...": when, since the first; what; the words, on as many lines as they take.
__attribute__((format(printf, 4, 5))) static void line(struct out *o, int64_t time_ns, const char *what, const char *format, ...) {
  char when[48] = "", rest[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(rest, sizeof rest, format, arguments);
  va_end(arguments);
  if (time_ns && !o->first_ns) o->first_ns = time_ns;
  if (time_ns) step_format(when, sizeof when, time_ns - o->first_ns);
  fprintf(o->to, "%14s  %s%-13s%s ", when, o->colours && *what ? "\033[1m" : "", what, o->colours && *what ? "\033[0m" : "");
  hd_wrap(o->to, rest, WORDS_AT, WORDS_AT, o->columns, "\n");
  putc('\n', o->to);
}

static void print_tick(struct out *o, const struct hadron_tick *t, const char *what) {
  char a[32], b[32], c[32], d[32];
  if (t->kind == HADRON_TICK_TRADE)
    line(o, t->recv_ns, what, "%s: trade %s x %s", hd_explain_instrument(o->e, t->instrument), price(t->value.trade.price.nanos, a), quantity(t->value.trade.quantity.e8, b));
  else if (t->kind == HADRON_TICK_QUOTE)
    line(o, t->recv_ns, what, "%s: quote %s x %s | %s x %s", hd_explain_instrument(o->e, t->instrument), price(t->value.quote.bid.nanos, a), quantity(t->value.quote.bid_size.e8, b),
         price(t->value.quote.ask.nanos, c), quantity(t->value.quote.ask_size.e8, d));
  else line(o, t->recv_ns, what, "%s: %s", hd_explain_instrument(o->e, t->instrument), t->kind == HADRON_TICK_BOOK ? "a change of the book" : "a change of the market's state");
}

static void print_held(struct out *o, const struct hd_explain_intent *in) {
  char a[32], b[32], c[32], name[HADRON_NAME_SIZE + 16];
  line(o, 0, "market", "last %s, bid %s, ask %s, volatility %.3g", price(in->mark.last.nanos, a), price(in->mark.bid.nanos, b), price(in->mark.ask.nanos, c), (double)in->mark.volatility);
  for (uint32_t i = 0; i < in->position_count; i++) {
    const struct hd_explain_position *p = &in->positions[i];
    line(o, 0, "held", "%s: %s, working %s to buy and %s to sell", arm_name(o->e, p->arm, name), quantity(p->held.e8, a), quantity(p->working_buy.e8, b), quantity(p->working_sell.e8, c));
  }
}

static void print_market(struct out *o) {
  const struct hd_explain *e = o->e;
  const struct hd_explain_intent *first = hd_explain_first(e);
  if (first) {
    print_held(o, first);
    return;
  }
  if (e->quote.sequence) print_tick(o, &e->quote, "quote before");
  if (e->trade.sequence) print_tick(o, &e->trade, "trade before");
}

static void print_decision(struct out *o, const struct hadron_record *r) {
  const struct hadron_decision *d = r->bytes;
  char name[HADRON_NAME_SIZE + 16], kind[HD_FIELD_TEXT_SIZE], of[HD_FIELD_TEXT_SIZE], side[HD_FIELD_TEXT_SIZE + 1], q[32], limit[32];
  snprintf(side, sizeof side, " %s", value(r, "side", of));
  line(o, o->e->threads ? r->time_ns : d->time_ns, "decision", "%" PRIu64 ": %s %s: %s%s %s, limit %s", d->id & ~HADRON_SHADOW_ID, arm_name(o->e, d->arm, name),
       d->arm < o->e->arm_count ? o->e->arms[d->arm].version : "", value(r, "kind", kind), d->kind == HADRON_DECISION_TARGET ? "" : side, quantity(d->quantity.e8, q), price(d->limit.nanos, limit));
  line(o, 0, "", "return %.6g, uncertainty %.6g, confidence %.3g", d->mean_return, d->uncertainty, d->confidence);
}

static void print_opportunity(struct out *o, const struct hadron_record *r) {
  const struct hadron_opportunity *m = r->bytes;
  const struct hd_message_fields *fields = hd_message_find(r->template_id);
  const unsigned char *entries;
  uint32_t length, count = hd_message_group(fields, r, &entries, &length);
  char a[32], b[32], c[32], name[HADRON_NAME_SIZE + 16];
  line(o, o->e->threads ? r->time_ns : m->time_ns, "merge", "%" PRIu64 ": %u decision%s, %u against; net %s, crossed %s at %s", m->id & ~HADRON_SHADOW_ID, m->decisions, m->decisions == 1 ? "" : "s", m->conflicts,
       quantity(m->net.e8, a), quantity(m->crossed.e8, b), price(m->reference.nanos, c));
  for (uint32_t i = 0; i < count && length >= sizeof(struct hadron_contribution); i++) {
    struct hadron_contribution k;
    memcpy(&k, entries + (size_t)i * length, sizeof k);
    line(o, 0, "", "decision %" PRIu64 ", %s, weight %.3g: wanted %s, given %s, crossed %s", k.decision & ~HADRON_SHADOW_ID, arm_name(o->e, k.arm, name), k.weight, quantity(k.wanted.e8, a), quantity(k.given.e8, b),
         quantity(k.crossed.e8, c));
  }
}

// ---- the checks ----------------------------------------------------------------------------------------------------------------------

static void number(const char *unit, int64_t n, char to[48]) {
  if (strcmp(unit, "e8") == 0) hd_decimal_format(to, 48, n, HADRON_QUANTITY_SCALE, 0);
  else if (strcmp(unit, "nanos") == 0) hd_decimal_format(to, 48, n, HADRON_PRICE_SCALE, 0);
  else if (strcmp(unit, "micros") == 0) hd_decimal_format(to, 48, n, HADRON_MONEY_SCALE, 2);
  else snprintf(to, 48, "%" PRId64 "%s%s", n, strcmp(unit, "flag") == 0 || strcmp(unit, "code") == 0 || strcmp(unit, "state") == 0 || strcmp(unit, "id") == 0 ? "" : " ",
                strcmp(unit, "flag") == 0 || strcmp(unit, "code") == 0 || strcmp(unit, "state") == 0 || strcmp(unit, "id") == 0 ? "" : unit);
}

static void print_row(struct out *o, const struct hd_risk_row *row) {
  static const char *const scopes[] = {"", "account", "strategy", "", "instrument"};
  char actual[48], bound[48], where[HADRON_NAME_SIZE + 32] = "", name[HADRON_NAME_SIZE + 16];
  const char *unit = hd_risk_reason_unit(row->reason);
  number(unit, row->actual, actual);
  number(unit, row->bound, bound);
  if (row->scope && row->scope < 5) snprintf(where, sizeof where, "%s%s%s", scopes[row->scope], row->scope == HD_SCOPE_STRATEGY ? " " : "", row->scope == HD_SCOPE_STRATEGY ? arm_name(o->e, row->arm, name) : "");
  if (row->outcome == HD_RISK_ROW_FAILED) line(o, 0, "", "%-20s FAILED: %s, at most %s: %s", hd_risk_reason_key(row->reason), actual, bound, hd_risk_reason_text(row->reason));
  else if (row->measured) line(o, 0, "", "%-20s %s of %s  %s", hd_risk_reason_key(row->reason), actual, bound, where);
  else line(o, 0, "", "%-20s within %s  %s: it makes things smaller", hd_risk_reason_key(row->reason), bound, where);
}

static void print_checks(struct out *o, const struct hd_explain_intent *in) {
  uint32_t passed = 0, failed = 0, free_of = 0;
  if (!in->ran) {
    line(o, 0, "risk", "the checks' numbers are not known: %s", o->e->why);
    return;
  }
  if (in != hd_explain_first(o->e)) print_held(o, in);
  for (uint32_t i = 0; i < in->row_count; i++) {
    passed += in->rows[i].outcome == HD_RISK_ROW_PASSED;
    failed += in->rows[i].outcome == HD_RISK_ROW_FAILED;
    free_of += in->rows[i].outcome == HD_RISK_ROW_NO_LIMIT;
  }
  line(o, 0, "risk", "%u checks passed, %u failed, %u without a limit; venue %s", passed, failed, free_of, hd_venue_state_name(in->venue_state));
  for (uint32_t i = 0; i < in->row_count; i++) {
    const struct hd_risk_row *row = &in->rows[i];
    if (row->outcome == HD_RISK_ROW_FAILED || (row->outcome == HD_RISK_ROW_PASSED && row->scope)) print_row(o, row);
  }
}

// ---- order and fills -----------------------------------------------------------------------------------------------------------------

static void print_intent(struct out *o, const struct hadron_record *r) {
  const struct hadron_intent *in = r->bytes;
  char kind[HD_FIELD_TEXT_SIZE], side[HD_FIELD_TEXT_SIZE], type[HD_FIELD_TEXT_SIZE], tif[HD_FIELD_TEXT_SIZE], q[32], limit[32], reference[32];
  line(o, o->e->threads ? r->time_ns : in->time_ns, "intent", "%" PRIu64 ": %s %s %s %s, limit %s, %s, reference %s", in->id & ~HADRON_SHADOW_ID, value(r, "kind", kind), value(r, "side", side), quantity(in->quantity.e8, q),
       value(r, "order_type", type), price(in->limit.nanos, limit), value(r, "time_in_force", tif), price(in->reference.nanos, reference));
}

static void print_event(struct out *o, const struct hadron_record *r) {
  const struct hadron_order_event *e = r->bytes;
  char change[HD_FIELD_TEXT_SIZE], from[HD_FIELD_TEXT_SIZE], to[HD_FIELD_TEXT_SIZE], filled[32], of[32];
  value(r, "change", change);
  for (char *c = change; *c; c++) *c = (char)(*c >= 'A' && *c <= 'Z' ? *c + 32 : *c);
  char order[16] = "";
  if (o->e->order_count > 1) snprintf(order, sizeof order, "%.8s: ", e->client_order_id.hex); // one of those that took each other's place
  line(o, e->time_ns, change, "%s%s -> %s, filled %s of %s%s%s", order, value(r, "from", from), value(r, "to", to), quantity(e->filled.e8, filled), quantity(e->quantity.e8, of), e->text[0] ? ": " : "", e->text);
}

static void print_execution(struct out *o, const struct hadron_record *r) {
  const struct hadron_execution *x = r->bytes;
  char q[32], p[32], fee[32], liquidity[HD_FIELD_TEXT_SIZE];
  hd_decimal_format(fee, sizeof fee, x->fee.micros, HADRON_MONEY_SCALE, 2);
  line(o, x->time_ns, "execution", "%" PRIu64 " (%.24s): %s at %s, fee %s, %s", x->id & ~HADRON_SHADOW_ID, x->execution_id, quantity(x->quantity.e8, q), price(x->price.nanos, p), fee, value(r, "liquidity", liquidity));
}

static void print_allocation(struct out *o, const struct hadron_record *r) {
  const struct hadron_allocation *a = r->bytes;
  char q[32], p[32], held[32], realized[32], name[HADRON_NAME_SIZE + 16];
  hd_decimal_format(realized, sizeof realized, a->realized.micros, HADRON_MONEY_SCALE, 2);
  line(o, 0, "", "%s: %s%s at %s, realized %s, holds %s", arm_name(o->e, a->arm, name), a->side == HADRON_SIDE_SELL ? "-" : "+", quantity(a->quantity.e8, q), price(a->price.nanos, p), realized, quantity(a->position.e8, held));
}

static void print_record(struct out *o, const struct hadron_record *r) {
  const struct hd_explain_intent *in;
  switch (r->template_id) {
  case HADRON_MSG_DECISION: print_decision(o, r); break;
  case HADRON_MSG_OPPORTUNITY: print_opportunity(o, r); break;
  case HADRON_MSG_INTENT:
    print_intent(o, r);
    in = hd_explain_intent((struct hd_explain *)(uintptr_t)o->e, ((const struct hadron_intent *)r->bytes)->id);
    if (in && in->kind != HADRON_INTENT_CANCEL) print_checks(o, in);
    break;
  case HADRON_MSG_ORDER: line(o, ((const struct hadron_order *)r->bytes)->time_ns, "order", "%.24s: recorded, then sent", ((const struct hadron_order *)r->bytes)->client_order_id.hex); break;
  case HADRON_MSG_ORDER_EVENT: print_event(o, r); break;
  case HADRON_MSG_EXECUTION: print_execution(o, r); break;
  case HADRON_MSG_ALLOCATION: print_allocation(o, r); break;
  default: break; // what a venue said is in the event that it made
  }
}

// ---- what it cost --------------------------------------------------------------------------------------------------------------------

static void print_stages(struct out *o, const struct hadron_cost *cost) {
  struct hd_explain_stage stages[HD_EXPLAIN_STAGES];
  char text[40];
  hd_explain_stages(cost, stages);
  hd_duration_format(text, sizeof text, cost->total_ns);
  fprintf(o->to, "  %-20s %14s  %.24s, by the host\n", "total", text, cost->client_order_id.hex);
  for (uint32_t i = 0; i < HD_EXPLAIN_STAGES; i++) {
    if (stages[i].ns == 0) continue;
    hd_duration_format(text, sizeof text, stages[i].ns);
    fprintf(o->to, "    %-18s %14s  %s\n", stages[i].name, text, stages[i].words);
  }
}

static void print_cost(struct out *o) {
  struct hd_explain_span spans[HD_EXPLAIN_SPANS];
  bool measured = false;
  hd_explain_spans(o->e, spans);
  fprintf(o->to, "\nCost\n");
  for (uint32_t i = 0; i < HD_EXPLAIN_SPANS; i++) {
    char text[40] = "not measured";
    if (spans[i].known) hd_duration_format(text, sizeof text, spans[i].ns);
    fprintf(o->to, "  %-20s %14s  %s\n", spans[i].name, text, spans[i].words);
  }
  for (uint32_t i = 0; i < o->e->count; i++) {
    const struct hadron_cost *cost = hd_explain_cost(&o->e->records[i]);
    if (cost) print_stages(o, cost);
    measured |= cost != NULL;
  }
  if (!measured)
    fprintf(o->to, "  %s\n", o->e->is_virtual ? "On a virtual clock nothing takes time." : "No order of it was sent, or the host did not measure (engine.measure_every = 0).");
}

void hd_explain_print(const struct hd_explain *e, FILE *to, bool colours) {
  bool terminal = isatty(fileno(to));
  uint32_t columns = terminal ? hd_cli_columns(fileno(to)) : COLUMNS;
  struct out o = {.e = e, .to = to, .colours = colours, .columns = columns < COLUMNS_MIN ? COLUMNS_MIN : columns};
  char trace[33], time[48] = "";
  hd_hex_format(trace, e->trace.bytes, sizeof e->trace.bytes);
  if (e->tick.sequence) hd_time_format(time, sizeof time, e->tick.recv_ns, 9);
  fprintf(to, "Order %.24s, %s, session %u of %s\nTrace %s, caused by tick %" PRIu64 "%s%s\n\n", e->order.hex[0] ? e->order.hex : "none", hd_explain_instrument(e, e->instrument), e->session, e->journal, trace, e->cause,
          *time ? " at " : "", time);
  if (e->tick.sequence) print_tick(&o, &e->tick, "tick");
  print_market(&o);
  for (uint32_t i = 0; i < e->count; i++) print_record(&o, &e->records[i].r);
  if (e->cut) fprintf(to, "  (%d records; there are more)\n", HD_EXPLAIN_RECORDS_MAX);
  print_cost(&o);
  fprintf(to, "  Read %" PRIu64 " records in %.2f s", e->scanned, e->scan_s);
  if (e->run_s > 0) fprintf(to, "; ran %" PRIu64 " ticks again in %.2f s", e->run_ticks, e->run_s);
  fprintf(to, "\n");
}
