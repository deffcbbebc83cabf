// recovery: how long a start takes that has one million, and ten million, records of an earlier run to fold, against a plain walk over the same
// journal by the same cursor (every record read and checked, nothing done with it). The journal is that of a strategy that trades: ticks,
// decisions, orders, executions, books.
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "journal/journal.h"
#include "runtime/recover.h"
#include "runtime/snapshot.h"
#include "support/bench.h"

#define GOAL_S 2.0
#define ROUNDS 3

static const char config[] = "mode = \"paper\", universe = { max = 64 }, gateway = { orders_max = 65536, ids_max = 16777216 }, journal = { segment = \"64MiB\" },\n"
                             "venues = { sim = { params = { flow = \"random\", instruments = 4, rate = 1000, size = 100 } } },\n"
                             "strategies = { cross = { plugin = \"zero_cross\", params = { length = 12, band = 0, size = 5 } } },\n";

static uint64_t records_of(const struct hd_session *s) {
  uint64_t sum = 0;
  for (uint16_t i = 0; i < HD_TEMPLATE_COUNT; i++) sum += hd_session_count(s, i);
  return sum;
}

// A run on a virtual clock that writes so many records, and leaves its directory.
static void life(struct bench_session *b, uint64_t records) {
  struct hd_fault fault;
  struct hd_runner *r = &b->session.runner;
  hd_runner_advance(r, INT64_C(1700000000000000000));
  while (records_of(&b->session) < records) {
    hd_runner_advance(r, r->now_ns + INT64_C(1000000000));
    hd_runner_settle(r);
    if (hd_journal_maintain(b->session.journal, &fault)) bench_die("%s", fault.text);
  }
}

static double walk_s(const char *dir) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  struct hd_fault fault;
  struct bench_time start = bench_now();
  if (hd_journal_cursor_open(dir, &cursor, &fault)) bench_die("%s", fault.text);
  while (hd_journal_cursor_next(cursor, &record, &fault) == HADRON_OK) continue;
  hd_journal_cursor_close(cursor);
  return bench_since(start).wall_ns * 1e-9;
}

struct figures {
  double recover_s, walk_s;
  uint64_t records;
  double pause_us; // of a snapshot of what there is in the end: shortest of the rounds
};

static struct figures measure(uint64_t records) {
  static struct bench_session b;
  const struct hd_session_options options = {.journal = true, .is_virtual = true, .recover = true};
  struct figures best = {1e9, 1e9, 0, 1e9};
  struct hd_fault fault = {0};
  char dir[TEST_PATH_SIZE];
  bench_session_open(&b, config, &options);
  life(&b, records);
  for (int i = 0; i < ROUNDS; i++) {
    hd_session_close(&b.session);
    snprintf(dir, sizeof dir, "%.400s/journal", b.config.data_dir);
    double walked = walk_s(dir);
    if (hd_session_open(&b.session, &b.config, &options, &fault)) bench_die("%s", fault.text);
    const struct hd_recovered *r = hd_session_recovered(&b.session);
    if (r->records < records || r->differences) bench_die("recovered %llu records with %llu differences", (unsigned long long)r->records, (unsigned long long)r->differences);
    double took = (double)r->took_ns * 1e-9;
    if (took < best.recover_s) best.recover_s = took;
    if (walked < best.walk_s) best.walk_s = walked;
    best.records = r->records;
    struct hd_snapshot snapshot = {0};
    struct bench_time start = bench_now();
    if (hd_snapshot_take(&b.session, &snapshot, &fault)) bench_die("%s", fault.text);
    double pause_us = bench_since(start).wall_ns * 1e-3;
    if (pause_us < best.pause_us) best.pause_us = pause_us;
    hd_snapshot_fini(&snapshot);
  }
  bench_session_close(&b);
  return best;
}

int main(int argc, char **argv) {
  hd_cycles_calibrate();
  struct figures one = measure(1000000), ten = measure(10000000);
  const struct bench_result result = {.name = "recovery", .unit = "s", .value = one.recover_s, .baseline = one.walk_s, .ratio = one.recover_s / one.walk_s, .goal = GOAL_S,
                                      .ok = one.recover_s < GOAL_S, .json = bench_wants_json(argc, argv)};
  bench_print(&result, "\"records\": %llu, \"ten_value\": %.3f, \"ten_baseline\": %.3f, \"ten_ratio\": %.2f, \"ten_records\": %llu, \"snapshot_pause_us\": %.1f, \"ten_snapshot_pause_us\": %.1f, \"rounds\": %d, "
                       "\"on\": \"one strategy that trades; from the journal's beginning; the best of the rounds\"",
              (unsigned long long)one.records, ten.recover_s, ten.walk_s, ten.recover_s / ten.walk_s, (unsigned long long)ten.records, one.pause_us, ten.pause_us, ROUNDS);
  return 0;
}
