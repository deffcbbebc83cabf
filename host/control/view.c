// The trading side is stopped for as long as it takes to copy some rows into memory that was made before: nothing is allocated or
// formatted on its thread.
#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/control_internal.h"

int32_t hd_view_init(struct hd_control *c) {
  const struct hd_pipeline *p = &c->options.session->pipeline;
  struct hd_view *v = &c->view;
  v->books = calloc(p->options.arm_max + 1, sizeof *v->books);
  v->positions = calloc(p->instruments.max + 1, sizeof *v->positions);
  v->house_quantity = calloc(p->instruments.max + 1, sizeof *v->house_quantity);
  v->splits = calloc(p->options.arm_max + 1, sizeof *v->splits);
  v->open = calloc(HD_VIEW_ORDERS_MAX, sizeof *v->open);
  c->seen = calloc(p->instruments.max + 1, sizeof *c->seen);
  c->busy = calloc(p->instruments.max + 1, sizeof *c->busy);
  return v->books && v->positions && v->house_quantity && v->splits && v->open && c->seen && c->busy ? HADRON_OK : HADRON_ERR_MEMORY;
}

void hd_view_fini(struct hd_control *c) {
  free(c->view.books);
  free(c->view.positions);
  free(c->view.house_quantity);
  free(c->view.splits);
  free(c->view.open);
  free(c->seen);
  free(c->busy);
}

static void copy_order(struct hd_view_order *to, const struct hd_order *o) {
  *to = (struct hd_view_order){.instrument = o->request.instrument, .arm = o->shares[0].arm, .arms = o->share_count, .venue = o->request.venue,
                               .side = o->request.side, .type = o->request.order_type, .state = o->state, .held = o->held, .shadow = (o->request.flags & HADRON_ORDER_SHADOW) != 0,
                               .limit = o->request.limit, .stop = o->request.stop, .average = o->average,
                               .quantity = o->request.quantity, .filled = o->filled, .time_ns = o->request.time_ns};
  hd_text_field(to->id, o->request.client_order_id.hex, sizeof o->request.client_order_id.hex);
  hd_text_field(to->venue_id, o->venue_order_id, sizeof o->venue_order_id);
}

static void copy_orders(struct hd_view *v, const struct hd_gateway *g) {
  for (const struct hd_order *o = hd_gateway_first(g); o && v->open_count < HD_VIEW_ORDERS_MAX; o = hd_gateway_next(g, o))
    copy_order(&v->open[v->open_count++], o);
}

// [trade]
static void take(void *argument) {
  struct hd_control *c = argument;
  const struct hd_session *s = c->options.session;
  const struct hd_pipeline *p = &s->pipeline;
  struct hd_view *v = &c->view;
  v->now_ns = hd_control_now(c);
  v->killed = p->risk.killed;
  v->passed = p->risk.passed;
  v->limits = p->risk.account;
  v->orders = *hd_gateway_count(p->gateway);
  v->arm_count = p->arm_count;
  memcpy(v->books, p->portfolio.books, (p->arm_count + 1) * sizeof *v->books);
  v->house = *hd_portfolio_house(&p->portfolio);
  for (uint32_t i = 1; i <= v->arm_count; i++) v->splits[i] = (struct hd_view_split){p->arms[i].split_low, p->arms[i].split_high};
  v->instrument_count = hd_instruments_count(&p->instruments);
  for (uint32_t i = 1; i <= v->instrument_count; i++) {
    v->positions[i] = *hd_portfolio_position(&p->portfolio, 0, i);
    v->house_quantity[i] = hd_portfolio_house_position(&p->portfolio, i)->quantity;
  }
  v->open_count = 0;
  copy_orders(v, p->gateway);
  if (p->shadow.gateway) copy_orders(v, p->shadow.gateway);
  v->shadow_orders = p->shadow.gateway ? *hd_gateway_count(p->shadow.gateway) : (struct hd_gateway_counts){0};
  if (!c->options.live || !c->options.live->threads) return;
  v->tick_to_order = p->holds ? p->latency[HD_STAGE_TICK_TO_ORDER] : c->options.live->tick_to_order;
  memcpy(v->trading, &p->latency[HD_STAGE_MERGE], sizeof v->trading);
}

int32_t hd_view_take(struct hd_control *c, struct hd_fault *fault) { return hd_control_trade(c, take, c, fault); }

struct hd_tally hd_tally_now(const struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  return (struct hd_tally){.at_ns = hd_clock_monotonic_ns(), .ticks = s->runner.ticks,
                           .decisions = hd_session_count(s, HADRON_MSG_DECISION), .orders = hd_session_count(s, HADRON_MSG_ORDER),
                           .executions = hd_session_count(s, HADRON_MSG_EXECUTION)};
}

void hd_rates_sample(struct hd_control *c) {
  struct hd_tally now = hd_tally_now(c), last = c->tally;
  double seconds = (double)(now.at_ns - last.at_ns) / 1e9;
  if (seconds <= 0) return;
  const uint64_t counts[][2] = {{now.ticks, last.ticks}, {now.decisions, last.decisions}, {now.orders, last.orders}, {now.executions, last.executions}};
  for (int i = 0; i < 4; i++) c->rates[i] = (double)(counts[i][0] - counts[i][1]) / seconds;
  const struct hd_pipeline *p = &c->options.session->pipeline;
  for (uint32_t i = 1; i <= hd_instruments_count(&p->instruments); i++) {
    uint64_t written = atomic_load_explicit(&hd_pipeline_board(p)->cells[i].version, memory_order_relaxed) / 2;
    // Smoothed, so that the busiest rows of a table do not jump about.
    c->busy[i] = (uint32_t)((c->busy[i] * 3 + (double)(written - c->seen[i]) / seconds) / 4);
    c->seen[i] = written;
  }
  c->tally = now;
}
