// Promise: a session that was recorded comes out of its journal again, byte for byte: a backtest, live on one thread, live with a thread per
// shard and one for trading; with limits that deny, a market that rejects, kills and releases, shadows. Nothing is compared in vain: every
// decision, opportunity, intent, order, event, execution and allocation of the journal was made again. One bit that is another in one of these
// records, with its checksum mended, is found and named; so is a strategy with one other rule, at its first other decision; and a version that is
// not to be had is asked for by its digest. Under the thread sanitizer too: the live runs call pthread_create() (recorded_run.c).
#include "base/clock.h"
#include "base/text.h"
#include "cli/verify.h"
#include "lua/runtime.h"
#include "runtime/verify.h"
#include "support/journal_flip.h"
#include "support/recorded_run.h"

// ---- sessions that are recorded ------------------------------------------------------------------------------------------------------

static const char backtest_text[] =
    "return { mode = 'backtest', universe = { max = 16 }, risk = { position_max = '20', order_rate_max = 50 }, journal = { segment = '1MiB' },\n"
    "  venues = { memory = { params = { count = 20000, instruments = 6 } }, sim = { params = { entry_latency = '1ms', response_latency = '2ms', reject_rate = 0.05 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker' },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 }, risk = { position_max = '6' } }, twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static const char live_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, risk = { position_max = '40' }, gateway = { ids_max = 16384, unknown_after = '2ms', query_every = '1ms' },\n"
    "  report = { equity_every = '50ms' },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 12, rate = 2000, size = 100, entry_latency = '1ms', reject_rate = 0.02 } } },\n"
    "  strategies = { cross = { plugin = 'zero_cross', params = { length = 2, band = 0, size = 5 } }, maker = { plugin = 'market_maker', universe = { 'SIM0*' } },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 } }, two = { plugin = 'pairs', universe = { 'SIM00', 'SIM01' } },\n"
    "    twin = { plugin = 'sma', role = 'shadow', params = { fast = 2, slow = 5 } } } }\n";

static void record_backtest(struct session_run *run, const char *const *sets, bool changes) {
  recorded_run(run, &(struct recorded_run){.text = backtest_text, .sets = sets, .every = changes ? 900 : 0, .kills = 4, .cuts = 4});
}

static void record_live(struct session_run *run, const char *const *sets, uint64_t ticks) {
  recorded_run(run, &(struct recorded_run){.text = live_text, .sets = sets, .live = true, .ticks = ticks, .every = ticks / 6, .kills = 8, .cuts = 4});
}

// ---- running them again --------------------------------------------------------------------------------------------------------------

static struct hd_verify_result result;

static int32_t verify(const struct session_run *run, struct hd_fault *fault) {
  char journal[TEST_PATH_SIZE];
  test_path(journal, run->dir, "data/journal");
  const struct hd_verify_options options = {.journal = journal};
  return hd_verify_run(&options, &result, fault);
}

static const char *const names[HD_TEMPLATE_COUNT] = {[HADRON_MSG_DECISION] = "decision", [HADRON_MSG_OPPORTUNITY] = "opportunity", [HADRON_MSG_INTENT] = "intent",
                                                     [HADRON_MSG_ORDER] = "order", [HADRON_MSG_ORDER_EVENT] = "order_event", [HADRON_MSG_EXECUTION] = "execution",
                                                     [HADRON_MSG_ALLOCATION] = "allocation"};

static void same(const struct session_run *run) {
  struct hd_fault fault = {0};
  if (verify(run, &fault)) fail_msg("%s", fault.text);
  if (result.first.kind) {
    hd_verify_print(&result, run->dir, stderr);
    fail_msg("it came out another way");
  }
  assert_int_equal(result.skipped, 0);
  assert_int_equal(result.behind, 0);
}

// All that the journal has of these kinds was compared.
static void all_compared(const struct session_run *run) {
  struct hd_journal_cursor *cursor;
  struct hd_fault fault;
  struct hadron_record r;
  char journal[TEST_PATH_SIZE];
  uint64_t counts[HD_TEMPLATE_COUNT] = {0};
  test_path(journal, run->dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(journal, &cursor, &fault), HADRON_OK);
  while (hd_journal_cursor_next(cursor, &r, &fault) == HADRON_OK) counts[r.template_id]++;
  hd_journal_cursor_close(cursor);
  for (int i = 0; i < HD_TEMPLATE_COUNT; i++) {
    if (!names[i]) continue;
    if (counts[i] == 0) fail_msg("there was no %s: the run shows nothing", names[i]);
    if (counts[i] != result.compared[i]) fail_msg("%s: %llu in the journal, %llu compared", names[i], (unsigned long long)counts[i], (unsigned long long)result.compared[i]);
  }
  assert_int_equal(counts[HADRON_MSG_TICK], result.ticks);
}

static void test_backtest(void **state) {
  static struct session_run run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    record_backtest(&run, (const char *const[]){shards[i], NULL}, false);
    same(&run);
    all_compared(&run);
    session_run_close(&run);
  }
}

static void test_changes(void **state) {
  static struct session_run run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    record_backtest(&run, (const char *const[]){shards[i], NULL}, true);
    same(&run);
    all_compared(&run);
    assert_true(result.compared[HADRON_MSG_SWAP] > 14 && result.compared[HADRON_MSG_ARM] > 20);
    session_run_close(&run);
  }
}

// ---- what is not the same -------------------------------------------------------------------------------------------------------------

// The n-th record of a kind.
static uint64_t position_of(const struct session_run *run, uint16_t template_id, uint64_t n, uint64_t *sequence) {
  struct hd_journal_cursor *cursor;
  struct hd_fault fault;
  struct hadron_record r;
  char journal[TEST_PATH_SIZE];
  uint64_t position = 0;
  test_path(journal, run->dir, "data/journal");
  assert_int_equal(hd_journal_cursor_open(journal, &cursor, &fault), HADRON_OK);
  while (!position && hd_journal_cursor_next(cursor, &r, &fault) == HADRON_OK)
    if (r.template_id == template_id && n-- == 0) position = r.position;
  *sequence = hd_journal_cursor_sequence(cursor) - 1;
  hd_journal_cursor_close(cursor);
  assert_true(position > 0);
  return position;
}

static void test_one_bit(void **state) {
  static struct session_run run;
  static const uint16_t kinds[] = {HADRON_MSG_DECISION, HADRON_MSG_OPPORTUNITY, HADRON_MSG_INTENT, HADRON_MSG_ORDER, HADRON_MSG_ORDER_EVENT, HADRON_MSG_EXECUTION, HADRON_MSG_ALLOCATION};
  static const uint32_t blocks[] = {sizeof(struct hadron_decision), sizeof(struct hadron_opportunity), sizeof(struct hadron_intent), sizeof(struct hadron_order),
                                    sizeof(struct hadron_order_event), sizeof(struct hadron_execution), sizeof(struct hadron_allocation)};
  struct hd_random random = test_random();
  struct hd_fault fault = {0};
  char journal[TEST_PATH_SIZE];
  (void)state;
  record_backtest(&run, NULL, false);
  test_path(journal, run.dir, "data/journal");
  for (int i = 0; i < 70; i++) {
    uint64_t sequence, n = hd_random_below(&random, 100), position = position_of(&run, kinds[i % 7], n, &sequence);
    uint32_t at = (uint32_t)hd_random_below(&random, blocks[i % 7]);
    uint8_t bit = (uint8_t)(1u << hd_random_below(&random, 8));
    journal_flip(journal, position, at, bit);
    if (verify(&run, &fault)) fail_msg("%s", fault.text);
    if (result.first.kind == HD_VERIFY_SAME || result.first.sequence != sequence)
      fail_msg("byte %u of %s %llu, record %llu: found %u at %llu", at, names[kinds[i % 7]], (unsigned long long)n, (unsigned long long)sequence, result.first.kind, (unsigned long long)result.first.sequence);
    assert_int_equal(result.first.position, position);
    journal_flip(journal, position, at, bit);
  }
  same(&run);
  session_run_close(&run);
}

// ---- another rule -----------------------------------------------------------------------------------------------------------------------

static void change_word(unsigned char *bytes, const char *from, const char *to) {
  char *at = strstr((char *)bytes, from);
  assert_non_null(at);
  assert_int_equal(strlen(from), strlen(to));
  memcpy(at, to, strlen(to));
}

static void test_another_rule(void **state) {
  static struct session_run run;
  struct hd_fault fault = {0};
  char journal[TEST_PATH_SIZE], from[TEST_PATH_SIZE], to[TEST_PATH_SIZE], set[TEST_PATH_SIZE + 64];
  const struct hd_plugin *other;
  size_t size;
  (void)state;
  snprintf(set, sizeof set, "strategies.cross.plugin=%s", recorded_run_plugin(from, "zero_cross_lua.lua"));
  record_backtest(&run, (const char *const[]){set, NULL}, false);
  same(&run);
  unsigned char *bytes = test_file_read(from, &size);
  bytes = realloc(bytes, size + 1);
  bytes[size] = 0;
  change_word(bytes, "gap > band and 1", "gap > 2e7  and 1"); // two cents above the trend, where any crossing was enough
  test_path(to, run.dir, "other.lua");
  test_file_write(to, bytes, size);
  free(bytes);
  if (hd_plugin_open(to, &hd_lua_language, &other, &fault)) fail_msg("%s", fault.text);
  test_path(journal, run.dir, "data/journal");
  const struct hd_verify_options options = {.journal = journal, .instead_of = "cross", .instead = other};
  if (hd_verify_run(&options, &result, &fault)) fail_msg("%s", fault.text);
  // Whatever came before is the same; the first thing that is not is a decision of the strategy that was changed, and a tick led to it.
  const struct hd_verify_difference *d = &result.first;
  assert_true(d->kind != HD_VERIFY_SAME);
  const struct hd_verify_side *side = d->kind == HD_VERIFY_MISSING ? &d->expected : &d->found;
  assert_int_equal(side->template_id, HADRON_MSG_DECISION);
  struct hadron_decision decision;
  memcpy(&decision, side->bytes, sizeof decision);
  assert_int_equal(decision.arm, 1);
  assert_int_equal(d->cause.sequence, decision.cause);
  session_run_close(&run);
}

// ---- a version that is gone ---------------------------------------------------------------------------------------------------------------

static void test_missing_version(void **state) {
  static struct session_run run;
  struct hd_fault fault = {0};
  char journal[TEST_PATH_SIZE], digest[65];
  uint64_t sequence;
  (void)state;
  record_backtest(&run, NULL, false);
  test_path(journal, run.dir, "data/journal");
  // The allocator's record is the first after those of the two venues: its digest becomes another one.
  uint64_t position = position_of(&run, HADRON_MSG_DEPLOYMENT, 3, &sequence);
  journal_flip(journal, position, offsetof(struct hadron_deployment, digest), 1);
  assert_int_equal(verify(&run, &fault), HADRON_ERR_NOT_FOUND);
  const struct hd_plugin *allocator = NULL;
  char path[TEST_PATH_SIZE];
  assert_int_equal(hd_plugin_open(recorded_run_plugin(path, "net.so"), NULL, &allocator, &fault), HADRON_OK);
  uint8_t flipped[32];
  memcpy(flipped, allocator->digest, sizeof flipped);
  flipped[0] ^= 1;
  hd_hex_format(digest, flipped, sizeof flipped);
  assert_int_equal(verify(&run, &fault), HADRON_ERR_NOT_FOUND);
  if (!strstr(fault.text, digest) || !strstr(fault.text, "allocator")) fail_msg("%s", fault.text);
  session_run_close(&run);
}

static void test_live(void **state) {
  static struct session_run run;
  (void)state;
  record_live(&run, (const char *const[]){"engine.threads=false", "engine.shards=2", NULL}, 20000);
  same(&run);
  all_compared(&run);
  session_run_close(&run);
}

static void test_threads(void **state) {
  static struct session_run run;
  static const char *const shards[] = {"engine.shards=1", "engine.shards=4"};
  (void)state;
  for (int i = 0; i < 2; i++) {
    record_live(&run, (const char *const[]){"engine.threads=true", shards[i], NULL}, 20000);
    same(&run);
    all_compared(&run);
    session_run_close(&run);
  }
}

// Answers do not come: orders are unknown when trading is killed and released: the release cancels them once more.
static void test_no_answers(void **state) {
  static struct session_run run;
  (void)state;
  record_live(&run, (const char *const[]){"engine.threads=true", "engine.shards=2", "venues.sim.params.response_latency=1h", NULL}, 20000);
  same(&run);
  session_run_close(&run);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_backtest), cmocka_unit_test(test_changes), cmocka_unit_test(test_one_bit), cmocka_unit_test(test_another_rule),
                                     cmocka_unit_test(test_missing_version), cmocka_unit_test(test_live), cmocka_unit_test(test_threads), cmocka_unit_test(test_no_answers)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
