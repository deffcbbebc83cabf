// Answers that only look. Money, prices and quantities are JSON numbers in whole units: for people and plots; exact ones are in the journal.
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "control/control_internal.h"
#include "runtime/session_bus.h"
#include "runtime/recover.h"
#include "runtime/snapshot.h"
#include "runtime/governor.h"
#include "runtime/placed.h"

static json_t *money(struct hadron_money m) { return json_real((double)m.micros / (double)HADRON_MONEY_SCALE); }
static json_t *price(struct hadron_price p) { return json_real((double)p.nanos / (double)HADRON_PRICE_SCALE); }
static json_t *quantity(struct hadron_quantity q) { return json_real((double)q.e8 / (double)HADRON_QUANTITY_SCALE); }
static json_t *count(uint64_t n) { return json_integer((json_int_t)n); }

static json_t *time_text(int64_t ns) {
  char text[40];
  if (ns <= 0) return json_null();
  hd_time_format(text, sizeof text, ns, 6);
  return json_string(text);
}

static const char *name_of(const struct hd_control *c, uint32_t instrument) {
  const struct hd_instruments *t = &c->options.session->pipeline.instruments;
  return instrument > 0 && instrument <= t->count ? t->rows[instrument].name : "?";
}

static const char *strategy_of(const struct hd_control *c, uint32_t arm) {
  const struct hd_session *s = c->options.session;
  return arm > 0 && arm <= s->arm_count ? s->arms[arm - 1].config->base.name : "?";
}

static const char *venue_of(const struct hd_control *c, uint16_t venue) {
  const struct hd_session *s = c->options.session;
  if (venue > 0 && venue == s->runner.shadow_venue) return "shadow";
  return venue > 0 && venue <= s->venue_count ? s->venues[venue - 1].name : "";
}

// ---- status --------------------------------------------------------------------------------------------------------------------------

static json_t *book_object(const struct hd_book *b) {
  struct hadron_money equity = hd_book_equity(b), pnl = {equity.micros - b->initial.micros};
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pnl", money(pnl), "equity", money(equity), "cash", money(b->cash),
                   "realized", money(b->realized), "unrealized", money(b->unrealized), "fees", money(b->fees), "dividends", money(b->dividends),
                   "gross", money(b->gross), "turnover", money(b->turnover));
}

static json_t *reasons(const uint64_t *counts, uint32_t size, const char *(*name)(uint32_t)) {
  json_t *object = json_object();
  for (uint32_t i = 1; i < size; i++)
    if (counts[i]) json_object_set_new(object, name(i), count(counts[i]));
  return object;
}

static json_t *histogram_object(const char *name, const struct hd_histogram *h) {
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "stage", name, "count", count(h->count), "p50_ns", count(hd_histogram_quantile(h, 0.5)), "p99_ns",
                   count(hd_histogram_quantile(h, 0.99)), "p999_ns", count(hd_histogram_quantile(h, 0.999)), "max_ns", count(h->max));
}

static json_t *latency_rows(const struct hd_control *c) {
  json_t *rows = json_array();
  if (c->options.live && c->options.live->threads) {
    // Each stage on the thread that it is on; what waits in the rings between them is in tick_to_order alone.
    struct hd_histogram engine = c->options.live->engine;
    for (uint32_t i = 0; c->options.live->shards && i < c->options.session->config->shards; i++) hd_histogram_merge(&engine, &c->options.live->shards[i].engine);
    json_array_append_new(rows, histogram_object(hd_stage_names[HD_STAGE_NORMALIZE], &c->options.live->normalize));
    json_array_append_new(rows, histogram_object(hd_stage_names[HD_STAGE_ENGINE], &engine));
    for (uint32_t i = 0; i < 3; i++) json_array_append_new(rows, histogram_object(hd_stage_names[HD_STAGE_MERGE + i], &c->view.trading[i]));
    json_array_append_new(rows, histogram_object(hd_stage_names[HD_STAGE_TICK_TO_ORDER], &c->view.tick_to_order));
    return rows;
  }
  for (uint32_t i = 0; i < HD_STAGE_COUNT; i++)
    json_array_append_new(rows, histogram_object(hd_stage_names[i], &c->options.session->pipeline.latency[i]));
  return rows;
}

static json_t *lane_object(const struct hd_control *c) {
  const struct hd_router *r = &c->options.session->pipeline.router;
  json_t *object = json_pack("{s:o, s:o, s:o}", "conflated", count(r->conflated), "lost", count(r->lost), "lane_changes", count(r->lane_changes));
  for (uint32_t lane = HADRON_LANE_FAST; lane <= HADRON_LANE_DROP; lane++) json_object_set_new(object, hd_lane_name(lane), count(r->routed[lane]));
  return object;
}

static json_t *venue_rows(const struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  json_t *rows = json_array();
  for (uint32_t i = 0; i < s->venue_count; i++) {
    const struct hd_venue *v = &s->venues[i];
    const struct hadron_manifest *m = &v->instance->plugin->manifest;
    json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:b}", "name", v->name, "plugin", m->name, "version", m->version, "state", hd_venue_state_name(v->state), "words", v->words,
                                          "ticks", count(v->ticks), "takes_orders", hd_venue_is(v, HADRON_VENUE_ORDERS)));
  }
  return rows;
}

// Services and the allocator.
static json_t *part_rows(const struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  json_t *rows = json_array();
  for (uint32_t i = 0; i <= s->service_count; i++) {
    const struct hadron_instance *instance = i < s->service_count ? s->services[i].instance : s->allocator;
    if (instance)
      json_array_append_new(rows, json_pack("{s:s, s:s, s:s, s:s}", "name", i < s->service_count ? s->services[i].config->name : s->config->allocator.name, "kind", i < s->service_count ? "service" : "allocator",
                                            "plugin", instance->plugin->manifest.name, "version", instance->plugin->manifest.version));
  }
  return rows;
}

static json_t *governor_object(const struct hd_governor *g) {
  static const char *const actions[] = {"warn", "warn", "fence", "disable"};
  struct hd_governor_figures f;
  if (!g) return json_null();
  hd_governor_read(g, &f);
  const struct hd_budget *b = &f.budget;
  json_t *over = json_object();
  for (uint32_t i = 0; i < HD_BUDGET_KINDS; i++) json_object_set_new(over, hd_budget_kind_names[i], count(f.over[i]));
  return json_pack("{s:{s:I, s:o, s:o, s:I, s:i, s:s}, s:o, s:o, s:o, s:o, s:b, s:b}", "budget", "time_ns", (json_int_t)b->time_max_ns, "allocations",
                   count(b->allocations_max), "errors", count(b->errors_max), "watchdog_ns", (json_int_t)b->watchdog_ns, "over", (int)b->over_max, "action",
                   actions[b->action & 3], "over", over, "slowest_ns", count(f.slowest_ns), "most_allocations", count(f.most_allocations), "fenced",
                   count(f.fenced), "disabled", f.disabled, "blind", f.blind);
}

// Where it runs, and how that goes.
static json_t *placed_object(const struct hd_placed *p) {
  static const char *const states[] = {"away", "there", "silent", "there", "left", "away", "fenced"};
  char words[128] = "";
  uint32_t state = atomic_load(&p->state);
  if (p->api && p->api->words) p->api->words((struct hd_placed *)(uintptr_t)p, words, sizeof words);
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s}", "state", states[state < 7 ? state : 0], "lost", count(hd_placed_lost(p)), "waiting", count(hd_placed_backlog(p)), "restarts",
                   count(atomic_load(&p->counts.restarts)), "decisions", count(atomic_load(&p->counts.decisions)), "refused", count(atomic_load(&p->counts.refused)), "peer", words);
}

static json_t *strategy_rows(const struct hd_control *c) {
  static const char *const roles[] = {"", "live", "canary", "shadow"};
  const struct hd_session *s = c->options.session;
  json_t *rows = json_array();
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *arm = &s->arms[i];
    if (!arm->occupant) continue;
    const struct hd_book *b = &c->view.books[arm->id];
    json_t *row = book_object(b);
    struct hd_histogram latency = {0};
    const struct hd_occupant *o = arm->occupant;
    for (uint32_t shard = 0; shard < s->pipeline.options.shards; shard++) hd_histogram_merge(&latency, &o->latency[shard]);
    json_object_update_new(row, json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "name", arm->config->base.name, "plugin", o->plugin->manifest.name,
                                          "version", o->plugin->manifest.version, "role", roles[arm->role & 3], "instances", count(o->instance_count),
                                          "wins", count(b->wins), "losses", count(b->losses), "errors", count(atomic_load(&o->faults)), "fenced",
                                          count(atomic_load(&o->fenced)), "latency", histogram_object(arm->config->base.name, &latency)));
    if (s->deployed_count) {
      int64_t left_ns = arm->warm_until_ns ? arm->warm_until_ns - c->view.now_ns : 0;
      json_object_update_new(row, json_pack("{s:I, s:f, s:b, s:f}", "revision", (json_int_t)arm->revision, "weight", arm->weight, "warm", arm->warm_until_ns != 0,
                                            "warm_left_s", left_ns > 0 ? (double)left_ns / 1e9 : 0.0));
    }
    const struct hd_view_split *split = &c->view.splits[arm->id];
    if (split->high) json_object_set_new(row, "split", json_pack("[f, f]", split->low / 1e6, split->high / 1e6));
    json_object_set_new(row, "placement", json_string(hd_placement_name(o->placement)));
    if (o->placed) json_object_set_new(row, "placed", placed_object(o->placed));
    json_object_set_new(row, "governor", governor_object(o->governor));
    json_array_append_new(rows, row);
  }
  return rows;
}

// NULL: it holds nothing and has never had anything.
static json_t *house_object(const struct hd_control *c) {
  const struct hd_book *b = &c->view.house;
  json_t *held = json_object();
  for (uint32_t id = 1; id <= c->view.instrument_count; id++)
    if (c->view.house_quantity[id].e8) json_object_set_new(held, name_of(c, id), quantity(c->view.house_quantity[id]));
  bool empty = json_object_size(held) == 0 && !b->cash.micros && !b->realized.micros && !b->fees.micros && !b->dividends.micros;
  json_t *house = empty ? NULL : book_object(b);
  if (house) json_object_set(house, "positions", held);
  json_decref(held);
  return house;
}

static json_t *instrument_row(const struct hd_control *c, uint32_t id) {
  struct hd_mark mark = hd_mark_read(hd_pipeline_board(&c->options.session->pipeline), id);
  const struct hd_position *at = &c->view.positions[id];
  return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", name_of(c, id), "last", price(mark.last), "bid", price(mark.bid), "ask",
                   price(mark.ask), "position", quantity(at->quantity), "unrealized", money(at->unrealized), "realized", money(at->realized), "ticks_per_s",
                   count(c->busy[id]), "volatility", json_real((double)mark.volatility));
}

static const struct hd_control *sorted; // of the sort in progress; one thread
static int busier(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  if (sorted->busy[x] != sorted->busy[y]) return sorted->busy[x] < sorted->busy[y] ? 1 : -1;
  return x < y ? -1 : 1;
}

// The busiest, at most `most`; those with a position come whatever they do.
static json_t *instrument_rows(const struct hd_control *c, uint32_t most) {
  uint32_t n = c->view.instrument_count, *ids = calloc(n + 1, sizeof *ids);
  json_t *rows = json_array();
  for (uint32_t i = 0; ids && i < n; i++) ids[i] = i + 1;
  sorted = c;
  if (ids) qsort(ids, n, sizeof *ids, busier);
  for (uint32_t i = 0; ids && i < n; i++)
    if (i < most || (most > 0 && c->view.positions[ids[i]].quantity.e8 != 0)) json_array_append_new(rows, instrument_row(c, ids[i]));
  free(ids);
  return rows;
}

// What the services that follow the journal say of themselves, by metrics of the same names behind their own prefix.
struct lag_search {
  const char *prefix;
  int64_t lag_bytes, lag_ms, connected, parked, rate, catch_up;
};
static void find_lag(void *user, const char *owner, const struct hadron_metric *metric, int64_t value) {
  static const struct { const char *name; size_t offset; } wanted[] = {
      {"lag_bytes", offsetof(struct lag_search, lag_bytes)},       {"lag_ms", offsetof(struct lag_search, lag_ms)},
      {"connected", offsetof(struct lag_search, connected)},       {"parked", offsetof(struct lag_search, parked)},
      {"rows_per_second", offsetof(struct lag_search, rate)},      {"catch_up_rows_per_second", offsetof(struct lag_search, catch_up)},
      {"records_per_second", offsetof(struct lag_search, rate)},   {"catch_up_records_per_second", offsetof(struct lag_search, catch_up)},
  };
  const struct lag_search *search = user;
  size_t prefix = strlen(search->prefix);
  (void)owner;
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
    if (strncmp(metric->name, search->prefix, prefix) == 0 && strcmp(metric->name + prefix, wanted[i].name) == 0)
      memcpy((char *)user + wanted[i].offset, &value, sizeof value);
}

// units: "rows" or "records". Null without such a service.
static json_t *follower_object(const struct hd_control *c, const char *prefix, const char *units) {
  struct lag_search found = {.prefix = prefix, .lag_bytes = -1};
  char rate[32], catch_up[48];
  hd_metrics_walk(c->options.session->metrics, find_lag, &found);
  if (found.lag_bytes < 0) return json_null();
  snprintf(rate, sizeof rate, "%s_per_second", units);
  snprintf(catch_up, sizeof catch_up, "catch_up_%s_per_second", units);
  return json_pack("{s:I, s:I, s:b, s:b, s:I, s:I}", "lag_bytes", (json_int_t)found.lag_bytes, "lag_ms", (json_int_t)found.lag_ms, "connected", found.connected > 0,
                   "parked", found.parked > 0, rate, (json_int_t)found.rate, catch_up, (json_int_t)found.catch_up);
}

static json_t *limit_object(const struct hd_limits *limits) {
  static const int64_t scales[] = {[HD_LIMIT_QUANTITY] = HADRON_QUANTITY_SCALE, [HD_LIMIT_MONEY] = HADRON_MONEY_SCALE, [HD_LIMIT_BPS] = 1,
                                   [HD_LIMIT_COUNT] = 1, [HD_LIMIT_DURATION_MS] = 1000000};
  json_t *object = json_object();
  for (uint32_t i = 0; i < hd_limit_key_count; i++) {
    int64_t value;
    memcpy(&value, (const char *)limits + hd_limit_keys[i].offset, sizeof value);
    if (value) json_object_set_new(object, hd_limit_keys[i].key, json_real((double)value / (double)scales[hd_limit_keys[i].unit]));
  }
  return object;
}

static json_t *count_object(const struct hd_control *c) {
  const struct hd_session *s = c->options.session;
  const struct hd_pipeline *p = &s->pipeline;
  const struct hd_view *v = &c->view;
  uint64_t ticks = 0;
  if (p->options.record_ticks) ticks = hd_session_count(s, HADRON_MSG_TICK); // a count that other threads may read
  else for (uint32_t i = 0; i < p->options.shards; i++) ticks += hd_engine_count(p->engines[i])->ticks;
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "ticks", count(ticks), "offered_ticks", count(s->runner.ticks), "gaps", count(p->normalize.gaps), "rejected_ticks",
                   count(hd_normalize_refused(&p->normalize)), "rejected", reasons(p->normalize.refused, HADRON_TICK_REASON_COUNT, hd_tick_reason_name),
                   "decisions", count(hd_session_count(s, HADRON_MSG_DECISION)), "intents", count(hd_session_count(s, HADRON_MSG_INTENT)), "orders",
                   count(v->orders.orders), "denied", count(v->orders.denied), "denied_by", reasons(v->orders.denied_by, HADRON_RISK_REASON_COUNT, hd_risk_reason_name),
                   "executions", count(v->orders.executions), "open_orders", count(v->orders.open), "unknown_orders", count(v->orders.unknown), "impossible_reports",
                   count(v->orders.impossible), "alerts", count(atomic_load(&s->alerts)));
}

static json_t *host_object(const struct hd_control *c) {
  static const char *const modes[] = {"", "dry_run", "paper", "live", "backtest"};
  struct hd_session *s = c->options.session;
  char config[1024], alert[sizeof s->alert];
  hd_session_alarm_text(s, alert, sizeof alert);
  hd_text_copy(config, sizeof config, s->config->path);
  return json_pack("{s:s, s:i, s:s, s:s, s:b, s:o, s:f, s:s, s:s, s:s, s:o, s:s*, s:b, s:s}", "version", HD_VERSION, "pid", (int)getpid(), "mode",
                   modes[s->config->mode % 5], "form", c->options.live ? "live" : "replay", "threads", c->options.live && c->options.live->threads, "started",
                   time_text(c->start_ns), "uptime_s", (double)(hd_clock_monotonic_ns() - c->start_monotonic_ns) / 1e9, "config", config, "data_dir",
                   s->config->data_dir, "currency", s->config->currency, "time", time_text(c->view.now_ns), "alert", alert[0] ? alert : NULL,
                   "killed", c->view.killed, "kill_reason", c->kill_why);
}

// Where it is, and how its disk does. state: good; full: new orders are refused; failed: the host is about to stop.
static json_t *journal_object(const struct hd_session *s) {
  if (!s->journal) return json_null();
  struct hd_journal_health h;
  hd_journal_health(s->journal, &h);
  return json_pack("{s:s, s:o, s:o, s:f, s:f}", "state", h.failed ? "failed" : h.starved ? "full" : "good", "position", count(hd_journal_end(s->journal)), "flushes",
                   count(h.flushes), "flush_ms_max", (double)h.flush_ns_max / 1e6, "flushing_ms", (double)h.flushing_ns / 1e6);
}

// How this run began: what it was made of.
static json_t *recovered_object(const struct hd_session *s) {
  const struct hd_recovered *r = hd_session_recovered(s);
  if (!r) return NULL;
  return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "records", count(r->records), "ticks", count(r->ticks), "position", count(r->position), "snapshot",
                   count(r->snapshot), "took_ns", count((uint64_t)r->took_ns), "orders_open", count(r->orders_open), "orders_unknown", count(r->orders_unknown), "orders_ended",
                   count(r->orders_ended), "strategies_lost", count(r->arms_lost), "states_lost", count(r->stateless), "differences", count(r->differences));
}

json_t *hd_show_status(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  const json_t *most = json_object_get(request, "instruments");
  (void)uid;
  if (most && (!json_is_integer(most) || json_integer_value(most) < 0 || json_integer_value(most) > 1000000)) {
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "status: instruments: expected a whole number from 0 to 1000000");
    return NULL;
  }
  if (hd_view_take(c, fault)) return NULL;
  json_t *status = host_object(c);
  json_object_update_new(status, count_object(c));
  json_object_update_new(status, book_object(&c->view.books[0]));
  json_object_set_new(status, "rates", json_pack("{s:f, s:f, s:f, s:f}", "ticks", c->rates[0], "decisions", c->rates[1], "orders", c->rates[2], "executions", c->rates[3]));
  json_object_set_new(status, "instruments_known", count(c->view.instrument_count));
  json_object_set_new(status, "instruments", instrument_rows(c, most ? (uint32_t)json_integer_value(most) : 50));
  json_object_set_new(status, "strategies", strategy_rows(c));
  json_t *recovered = recovered_object(c->options.session);
  if (recovered) json_object_set_new(status, "recovered", recovered);
  const struct hd_snapshots *n = c->options.session->snapshots;
  if (n)
    json_object_set_new(status, "snapshot", json_pack("{s:o, s:o, s:o, s:o, s:o}", "count", count(atomic_load(&n->count)), "failed", count(atomic_load(&n->failed)), "position",
                                                      count(atomic_load(&n->position)), "pause_ns", count((uint64_t)atomic_load(&n->pause_ns)), "pause_ns_max",
                                                      count((uint64_t)atomic_load(&n->pause_ns_max))));
  json_t *house = house_object(c);
  if (house) json_object_set_new(status, "house", house);
  const struct hd_gateway_counts *shadow = &c->view.shadow_orders;
  json_object_set_new(status, "shadow", json_pack("{s:o, s:o, s:o, s:o}", "orders", count(shadow->orders), "executions", count(shadow->executions), "denied",
                                                  count(shadow->denied), "open_orders", count(shadow->open)));
  json_object_set_new(status, "venues", venue_rows(c));
  json_object_set_new(status, "parts", part_rows(c));
  json_object_set_new(status, "lanes", lane_object(c));
  json_object_set_new(status, "latency", latency_rows(c));
  json_object_set_new(status, "recorder", follower_object(c, "recorder_", "rows"));
  json_object_set_new(status, "bridge", follower_object(c, "nats_out_", "records"));
  json_object_set_new(status, "journal", journal_object(c->options.session));
  json_object_set_new(status, "limits", limit_object(&c->view.limits));
  json_t *changes = hd_deploying_status(c);
  if (changes) json_object_set_new(status, "changes", changes);
  json_t *hosts = hd_deploying_hosts(c);
  if (hosts) json_object_set_new(status, "registry", hosts);
  return status;
}

// ---- positions, orders, metrics --------------------------------------------------------------------------------------------------------

json_t *hd_show_positions(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid;
  if (hd_view_take(c, fault)) return NULL;
  json_t *rows = json_array();
  for (uint32_t id = 1; id <= c->view.instrument_count; id++) {
    const struct hd_position *p = &c->view.positions[id];
    if (p->quantity.e8 == 0 && p->bought_e8 == 0 && p->sold_e8 == 0) continue;
    const struct hd_instrument *row = &c->options.session->pipeline.instruments.rows[id];
    struct hd_mark mark = hd_mark_read(hd_pipeline_board(&c->options.session->pipeline), id);
    double units = (double)p->quantity.e8 / (double)HADRON_QUANTITY_SCALE * ((double)row->multiplier.e8 / (double)HADRON_QUANTITY_SCALE);
    double average = units != 0 ? (double)p->cost.micros / (double)HADRON_MONEY_SCALE / units : 0;
    struct hadron_money worth = {p->cost.micros + p->unrealized.micros};
    json_array_append_new(rows, json_pack("{s:s, s:o, s:f, s:o, s:o, s:o, s:o, s:o, s:o, s:i}", "instrument", name_of(c, id), "quantity", quantity(p->quantity),
                                          "average", average, "price", price(hd_mark_reference(&mark)), "value", money(worth), "unrealized", money(p->unrealized),
                                          "realized", money(p->realized), "fees", money(p->fees), "dividends", money(p->dividends), "trades", (int)p->trades));
    if (c->view.house_quantity[id].e8) json_object_set_new(json_array_get(rows, json_array_size(rows) - 1), "house", quantity(c->view.house_quantity[id]));
  }
  json_t *answer = book_object(&c->view.books[0]);
  json_object_set_new(answer, "positions", rows);
  return answer;
}

static json_t *order_row(const struct hd_control *c, const struct hd_view_order *o) {
  static const char *const types[] = {"?", "market", "limit", "stop", "stop_limit"};
  return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:i}", "shadow", o->shadow, "id", o->id, "venue_id", o->venue_id, "instrument",
                   name_of(c, o->instrument), "side", o->side == HADRON_SIDE_BUY ? "buy" : "sell", "type", types[o->type < 5 ? o->type : 0], "state",
                   hd_order_state_name(o->state), "venue", venue_of(c, o->venue), "quantity", quantity(o->quantity), "filled", quantity(o->filled), "limit",
                   o->limit.nanos ? price(o->limit) : json_null(), "stop", o->stop.nanos ? price(o->stop) : json_null(), "time", time_text(o->time_ns), "held",
                   o->held == HD_HOLD_WAITING || o->held == HD_HOLD_TRIGGERED, "strategy", json_string(strategy_of(c, o->arm)), "strategies", (int)o->arms);
}

json_t *hd_show_orders(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid;
  if (hd_view_take(c, fault)) return NULL;
  json_t *rows = json_array();
  for (uint32_t i = 0; i < c->view.open_count; i++) json_array_append_new(rows, order_row(c, &c->view.open[i]));
  return json_pack("{s:o, s:o}", "open_orders", count(c->view.orders.open), "orders", rows);
}

static void add_metric(void *user, const char *owner, const struct hadron_metric *metric, int64_t value) {
  json_array_append_new(user, json_pack("{s:s, s:s, s:I, s:s, s:s, s:s}", "owner", owner, "name", metric->name, "value", (json_int_t)value, "unit", metric->unit, "type",
                                        metric->type == HADRON_METRIC_COUNTER ? "counter" : "gauge", "help", metric->help));
}

json_t *hd_show_metrics(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid, (void)fault;
  json_t *rows = json_array();
  hd_session_bus_figures(c->options.session);
  hd_metrics_walk(c->options.session->metrics, add_metric, rows);
  return json_pack("{s:o}", "metrics", rows);
}
