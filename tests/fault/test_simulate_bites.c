// Promise: the torturer bites. A bug of each class is put between the host and its world, by wrapping one of its tables and never in the host,
// and some seed among a bounded number finds it; the same seeds without the bug find nothing.
#include <sqlite3.h>

#include "pipeline/gateway_internal.h"
#include "plugin/params.h"
#include "runtime/simulate/simulate.h"
#include "support/test.h"

#define SEEDS 150
#define MORE 1500 // of faults that need luck

// In the child: what the wrappers pass on to.
static struct {
  struct hd_session *session;
  struct hd_record_sink sink;
  struct hd_venue_port port;
  struct hd_disk_api disk;
  struct hd_gateway_listener gateway;
  struct hadron_client_order_id first;
} real;

static void wrap_port(struct hd_session *s, int32_t (**entry)(void *, const struct hadron_order *), int32_t (*with)(void *, const struct hadron_order *)) {
  *entry = with;
  hd_gateway_port(s->pipeline.gateway, &s->pipeline.port);
}

static void remember(struct hd_session *s) {
  real.session = s;
  real.sink = s->pipeline.sink;
  real.port = s->pipeline.port;
}

// ---- the bugs ----------------------------------------------------------------------------------------------------------------------

// Sends orders that are not in the journal.
static int32_t sink_without_orders(void *self, uint16_t template_id, const void *block, uint16_t size, const void *tail, uint32_t tail_size, int64_t now_ns,
                                   uint32_t flags) {
  return template_id == HADRON_MSG_ORDER ? HADRON_OK : real.sink.write(self, template_id, block, size, tail, tail_size, now_ns, flags);
}
static void skip_journal(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  s->pipeline.gateway->sink.write = sink_without_orders;
}

// Takes silence for a rejection: where it should ask it answers itself.
static int32_t query_guesses(void *self, const struct hadron_order *order) {
  const struct hadron_venue_report r = {.client_order_id = order->client_order_id, .change = HADRON_CHANGE_REJECT, .cumulative = {-1}, .listing = order->listing,
                                        .venue = order->venue, .flags = 1};
  (void)self;
  hd_runner_reported(&real.session->runner, &real.session->venues[0], &r);
  return HADRON_OK;
}
static void guess(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.query, query_guesses);
}

// Changes seats without a record of it.
static int32_t sink_without_swaps(void *self, uint16_t template_id, const void *block, uint16_t size, const void *tail, uint32_t tail_size, int64_t now_ns,
                                  uint32_t flags) {
  return template_id == HADRON_MSG_SWAP ? HADRON_OK : real.sink.write(self, template_id, block, size, tail, tail_size, now_ns, flags);
}
static void half_swap(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  s->pipeline.sink.write = sink_without_swaps;
}

// Leaves the new version where it was staged, and says that it sits.
static void sit_nowhere(void *user, const struct hadron_venue_report *r, void (*pass)(const struct hadron_venue_report *)) {
  struct hd_session *s = real.session;
  (void)user;
  for (uint32_t i = 1; i < s->arm_count; i++)
    if (s->arms[i].role == HD_ROLE_CANARY) s->arms[i].role = HD_ROLE_SHADOW;
  pass(r);
}

// Books what the old version's orders have filled to whoever came last.
static int32_t allocate_to_last(void *self, struct hadron_allocation *a) {
  if (a->execution && a->arm) a->arm = real.session->arm_count;
  return real.gateway.allocate(self, a);
}
static void book_to_new(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  real.gateway = s->pipeline.gateway->listener;
  s->pipeline.gateway->listener.allocate = allocate_to_last;
}

// Takes the fee of what it closes out of what that has earned, and leaves it in what the rest has cost: every sum still adds up.
static void shift(struct hadron_money *cost, struct hadron_money *realized, struct hadron_money *unrealized, int64_t fee) {
  cost->micros -= fee;
  realized->micros -= fee;
  unrealized->micros += fee;
}
static int32_t allocate_net(void *self, struct hadron_allocation *a) {
  struct hd_portfolio *p = &real.session->pipeline.portfolio;
  int32_t code = real.gateway.allocate(self, a);
  if (code || a->realized.micros == 0 || a->position.e8 == 0) return code;
  for (int i = 0; i < 2; i++) {
    struct hd_book *book = &p->books[i ? a->arm : 0];
    if (a->arm == 0) return code;
    struct hd_position *position = &book->positions[book->index[a->instrument] - 1];
    shift(&book->cost, &book->realized, &book->unrealized, a->fee.micros);
    shift(&position->cost, &position->realized, &position->unrealized, a->fee.micros);
  }
  return code;
}
static void earn_net(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  real.gateway = s->pipeline.gateway->listener;
  s->pipeline.gateway->listener.allocate = allocate_net;
}

// Writes down a gain as a loss, and the other way round.
static int32_t allocate_wrong_side(void *self, struct hadron_allocation *a) {
  int32_t code = real.gateway.allocate(self, a);
  a->realized.micros = -a->realized.micros;
  return code;
}
static void earn_backwards(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  real.gateway = s->pipeline.gateway->listener;
  s->pipeline.gateway->listener.allocate = allocate_wrong_side;
}

// Asks one venue about the other's orders.
static int32_t query_elsewhere(void *self, const struct hadron_order *order) {
  struct hadron_order o = *order;
  o.venue = (uint16_t)(real.session->venue_count + 1 - o.venue);
  return real.port.query(self, &o);
}
static void ask_elsewhere(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.query, query_elsewhere);
}

// Sends every ninth order to the other venue.
static int32_t submit_elsewhere(void *self, const struct hadron_order *order) {
  static uint32_t count;
  struct hadron_order o = *order;
  if (++count % 9 == 0) o.venue = (uint16_t)(real.session->venue_count + 1 - o.venue);
  return real.port.submit(self, &o);
}
static void send_elsewhere(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.submit, submit_elsewhere);
}

// Believes that a cancel was sent.
static int32_t cancel_nothing(void *self, const struct hadron_order *order) {
  (void)self, (void)order;
  return HADRON_OK;
}
static void lose_cancel(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.cancel, cancel_nothing);
}

// Gives every ninth order the id of the first.
static int32_t submit_same(void *self, const struct hadron_order *order) {
  static uint32_t count;
  struct hadron_order o = *order;
  if (count++ == 0) real.first = o.client_order_id;
  if (count % 9 == 0) o.client_order_id = real.first;
  return real.port.submit(self, &o);
}
static void reuse_id(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.submit, submit_same);
}

// Sends an order twice, to be sure.
static int32_t submit_twice(void *self, const struct hadron_order *order) {
  int32_t code = real.port.submit(self, order);
  return code ? code : real.port.submit(self, order);
}
static void send_twice(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.submit, submit_twice);
}

// Sends ten times what risk has seen.
static int32_t submit_more(void *self, const struct hadron_order *order) {
  struct hadron_order o = *order;
  o.quantity.e8 *= 10;
  return real.port.submit(self, &o);
}
static void send_more(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
  wrap_port(s, &s->pipeline.port.submit, submit_more);
}

// Books a fill twice, under two ids.
static void hear_twice(void *user, const struct hadron_venue_report *r, void (*pass)(const struct hadron_venue_report *)) {
  struct hadron_venue_report again = *r;
  (void)user;
  pass(r);
  if (r->change != HADRON_CHANGE_FILL || r->flags) return;
  again.execution_id[0] = 'Y';
  pass(&again);
}

static void hear_no_bust(void *user, const struct hadron_venue_report *r, void (*pass)(const struct hadron_venue_report *)) {
  (void)user;
  if (r->change != HADRON_CHANGE_BUST) pass(r);
}

// Forgets that it was killed.
static void hear_release(void *user, const struct hadron_venue_report *r, void (*pass)(const struct hadron_venue_report *)) {
  (void)user;
  hd_risk_release(&real.session->pipeline.risk);
  pass(r);
}

static void hear_no_overfill(void *user, const struct hadron_venue_report *r, void (*pass)(const struct hadron_venue_report *)) {
  const struct hd_order *o = hd_gateway_order(real.session->pipeline.gateway, &r->client_order_id);
  (void)user;
  if (r->change == HADRON_CHANGE_FILL && o && o->filled.e8 >= o->request.quantity.e8) return; // "it cannot be"
  pass(r);
}
static void session_known(void *user, struct hd_session *s) {
  (void)user;
  remember(s);
}

// Takes a failed sync for a bad moment.
static int sync_again(void *self, int file) {
  int error = real.disk.sync(self, file);
  return error ? real.disk.sync(self, file) : 0;
}
static int sync_never(void *self, int file) {
  (void)self, (void)file;
  return 0;
}
static void wrap_sync(struct hd_disk *disk, int (*sync)(void *, int)) {
  static struct hd_disk_api api;
  real.disk = api = *disk->api;
  api.sync = sync;
  disk->api = &api;
}
static void retry_sync(void *user, struct hd_disk *disk) {
  (void)user;
  wrap_sync(disk, sync_again);
}
static void skip_sync(void *user, struct hd_disk *disk) {
  (void)user;
  wrap_sync(disk, sync_never);
}

// Leaves at the venue what the journal has lost.
static void leave_strays(void *user, struct hd_session *s) {
  (void)user;
  s->pipeline.gateway->options.takes_over = false;
  s->pipeline.reconcile.on_difference = HD_DIFFERENCE_ALARM;
}

// Does not know any more how far the database has come.
static void forget_place(void *user, struct hd_session *s) {
  sqlite3 *db;
  (void)user;
  if (s->service_count == 0 || sqlite3_open(s->config->services[0].params[0].text + sizeof "sqlite:" - 1, &db) != SQLITE_OK) return;
  sqlite3_exec(db, "UPDATE recorder_cursor SET position = 0, records = 0", NULL, NULL, NULL);
  sqlite3_close(db);
}

// Records what the power can still take back.
static void read_ahead(void *user, struct hd_session *s) {
  const struct hd_param_value soon = {.name = "flush_interval", .text = "1ms"}; // what it reads is stored at once: else orders have flushed it meanwhile
  struct hd_params_change *change;
  struct hd_fault fault;
  (void)user;
  for (uint32_t i = 0; i < s->service_count; i++) {
    struct hadron_instance *recorder = s->services[i].instance;
    s->services[i].reader.durable = UINT64_MAX;
    if (hd_params_prepare_live(recorder->plugin, &soon, 1, &change, &fault)) continue;
    (void)hd_params_commit(change, recorder, &fault);
    hd_params_free(change);
  }
}

#define BIT(name) (UINT64_C(1) << HD_FAULT_##name)

static const struct bug {
  const char *name;
  struct hd_life_hooks hooks;
  uint64_t faults; // bits: these alone, and often; 0: all, as they come
} bugs[] = {
    {"skip the journal before send", {.opened = skip_journal}, 0},
    {"guess Unknown as Rejected", {.opened = guess}, 0},
    {"retry a failed fsync", {.disk = retry_sync}, BIT(SYNC_FAILED) | BIT(POWER_CUT) | BIT(CRASH)},
    {"no fsync at all", {.disk = skip_sync}, BIT(POWER_CUT) | BIT(CRASH)},
    {"take a full segment for written", {.disk = skip_sync}, BIT(POWER_CUT_LOOSE) | BIT(CRASH)},
    {"ask the wrong venue", {.opened = ask_elsewhere}, BIT(VENUE_AWAY) | BIT(REQUEST_LOST) | BIT(ANSWER_LOST)},
    {"send to the wrong venue", {.opened = send_elsewhere}, BIT(VENUE_AWAY)},
    {"change seats without a record", {.opened = half_swap}, BIT(SWAP)},
    {"change a role behind its deployment", {.opened = session_known, .hear = sit_nowhere}, BIT(AB) | BIT(SWAP)},
    {"book the old arm's fills to the new", {.opened = book_to_new}, BIT(AB) | BIT(SWAP)},
    {"take fees out of what was earned", {.opened = earn_net}, 0},
    {"take a gain for a loss", {.opened = earn_backwards}, 0},
    {"double a fill", {.hear = hear_twice}, 0},
    {"lose a cancel", {.opened = lose_cancel}, 0},
    {"reuse a client order id", {.opened = reuse_id}, 0},
    {"send an order twice", {.opened = send_twice}, 0},
    {"send more than risk has seen", {.opened = send_more}, 0},
    {"trade while killed", {.opened = session_known, .hear = hear_release}, BIT(KILL_SWITCH)},
    {"ignore a bust", {.hear = hear_no_bust}, 0},
    {"leave lost orders at the venue", {.opened = leave_strays}, BIT(POWER_CUT_LOOSE) | BIT(CRASH)},
    {"forget how far the database has come", {.opened = forget_place}, BIT(COMMIT_LOST) | BIT(CRASH)},
    {"record what the power can take back", {.opened = read_ahead}, BIT(POWER_CUT) | BIT(CRASH) | BIT(COMMIT_LOST)},
    {"follow the machine's clock", {.follows_clock = true}, BIT(CLOCK_SET) | BIT(REQUEST_LOST) | BIT(ANSWER_LOST)},
    {"ignore an overfill", {.opened = session_known, .hear = hear_no_overfill}, 0},
};

// ---- the test ------------------------------------------------------------------------------------------------------------------------

static void run(const struct hd_life_hooks *hooks, uint64_t faults, uint64_t seeds, uint32_t stop, struct hd_simulate_result *out) {
  struct hd_fault fault = {0};
  const struct hd_simulate_options o = {.first_seed = 1, .seeds = seeds, .faults = faults, .often = faults, .failures_max = stop, .plugin_path = getenv("HADRON_PLUGIN_DIR"), .hooks = hooks};
  if (hd_simulate(&o, out, &fault)) fail_msg("%s", fault.text);
}

static void each_bug_is_found(void **state) {
  static struct hd_simulate_result r;
  uint32_t missed = 0;
  const char *only = getenv("HADRON_SIMULATE_BUG"); // a part of its name
  (void)state;
  for (size_t i = 0; i < sizeof bugs / sizeof *bugs; i++) {
    if (only && !strstr(bugs[i].name, only)) continue;
    run(&bugs[i].hooks, bugs[i].faults, bugs[i].faults ? MORE : SEEDS, 1, &r);
    print_message("%-32s %s%llu seeds: %s\n", bugs[i].name, r.failed ? "found within " : "NOT FOUND in ", (unsigned long long)r.seeds, r.failures[0].text);
    missed += r.failed == 0;
    if (!bugs[i].faults) continue;
    run(NULL, bugs[i].faults, r.seeds, 0, &r); // the same worlds without it
    for (uint32_t k = 0; k < r.failure_count; k++) print_message("seed %llu: %s\n", (unsigned long long)r.failures[k].seed, r.failures[k].text);
    missed += r.failed > 0;
  }
  assert_int_equal(missed, 0);
}

static void nothing_without_a_bug(void **state) {
  static struct hd_simulate_result r;
  (void)state;
  run(NULL, 0, SEEDS, 0, &r);
  for (uint32_t i = 0; i < r.failure_count; i++) print_message("seed %llu: %s\n", (unsigned long long)r.failures[i].seed, r.failures[i].text);
  assert_int_equal(r.failed, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(each_bug_is_found), cmocka_unit_test(nothing_without_a_bug)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
