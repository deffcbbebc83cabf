#include "support/journal_rows.h"

#include <inttypes.h>

#include "support/database.h"
#include "support/test.h"

#define MINUTE INT64_C(60000000000)
enum { ORDERS = 40, ARMS = 3, INSTRUMENTS = 5 };

// ---- What goes in.

static void append(struct hd_journal *j, uint16_t id, const void *block, size_t size, int64_t time_ns) {
  assert_int_equal(hd_journal_append(j, id, block, (uint16_t)size, NULL, 0, time_ns, NULL), HADRON_OK);
}

static void order_id(struct hadron_client_order_id *id, uint64_t n) {
  char text[32];
  snprintf(text, sizeof text, "%024" PRIx64, n);
  memcpy(id->hex, text, sizeof id->hex);
}

static void append_tick(struct hd_journal *j, struct hd_random *r, uint64_t n, int64_t now) {
  struct hadron_tick t = {.event_ns = now, .recv_ns = now + 5, .sequence = n, .venue = 3};
  t.instrument = (uint32_t)hd_random_below(r, INSTRUMENTS);
  t.kind = (uint8_t)(1 + hd_random_below(r, 4));
  for (int i = 0; i < 4; i++) t.value.raw[i] = (int64_t)(hd_random_next(r) >> (i == 2 ? 0 : 20));
  append(j, HADRON_MSG_TICK, &t, sizeof t, now);
}

static void append_order_event(struct hd_journal *j, struct hd_random *r, uint64_t n, int64_t now) {
  struct hadron_order_event e = {.id = n, .time_ns = now, .intent = n / 2, .limit = {-5}, .quantity = {INT64_MAX}, .venue = 9};
  memset(&e.trace, (int)(n & 255), sizeof e.trace);
  order_id(&e.client_order_id, hd_random_below(r, ORDERS));
  e.to = (uint8_t)(1 + hd_random_below(r, 13));
  snprintf(e.venue_order_id, sizeof e.venue_order_id, "v%" PRIu64, n);
  if (n % 3)
    memcpy(e.text, "caf\xc3\xa9", 5);
  else
    memcpy(e.text, "bad \xff byte", 10);
  append(j, HADRON_MSG_ORDER_EVENT, &e, sizeof e, now);
}

static void append_allocation(struct hd_journal *j, struct hd_random *r, uint64_t n, int64_t now) {
  struct hadron_allocation a = {.id = n, .execution = n, .time_ns = now, .price = {100}, .quantity = {5}, .side = 1};
  a.arm = (uint32_t)hd_random_below(r, ARMS);
  a.instrument = (uint32_t)hd_random_below(r, INSTRUMENTS);
  a.fee.micros = (int64_t)hd_random_below(r, 1000) - 100;
  a.realized.micros = (int64_t)hd_random_below(r, 1000000) - 500000;
  a.position.e8 = (int64_t)hd_random_next(r) >> 24;
  a.cost.micros = (int64_t)hd_random_next(r) >> 8;
  append(j, HADRON_MSG_ALLOCATION, &a, sizeof a, now);
}

static void append_adjustment(struct hd_journal *j, struct hd_random *r, int64_t now) {
  static const int64_t terms[][2] = {{2, 1}, {1, 3}, {7, 2}, {1, 1}, {3, 10}};
  uint64_t k = hd_random_below(r, 5);
  struct hadron_adjustment a = {.time_ns = now, .dividend = {k == 3 ? 250000 : 0}, .numerator = terms[k][0], .denominator = terms[k][1]};
  a.instrument = (uint32_t)hd_random_below(r, INSTRUMENTS);
  append(j, HADRON_MSG_ADJUSTMENT, &a, sizeof a, now);
}

static void append_swap(struct hd_journal *j, uint64_t n, int64_t now) {
  struct hadron_swap w = {.time_ns = now, .last_sequence = n, .first_sequence = n + 1, .revision = 3, .arm = 2, .other = 5, .state_size = 77, .pause_ns = 4321, .kind = 1, .name = "sma",
                          .from_version = "1.0.0", .version = "1.1.0"};
  w.stage = (uint8_t)(1 + n % 2);
  memset(w.digest, 0xcd, sizeof w.digest);
  append(j, HADRON_MSG_SWAP, &w, sizeof w, now);
}

static void append_rare(struct hd_journal *j, uint64_t n, int64_t now) {
  struct hadron_instrument_definition d = {.instrument = (uint32_t)(n % INSTRUMENTS), .listing = 1, .venue = 3, .asset = 1};
  d.increment.nanos = 10000000, d.lot.e8 = 1, d.multiplier.e8 = 100000000;
  snprintf(d.name, sizeof d.name, "I%" PRIu64, n);
  append(j, HADRON_MSG_INSTRUMENT, &d, sizeof d, now);
  struct hadron_arm_definition a = {.arm = (uint32_t)(n % ARMS), .revision = (uint32_t)n, .role = 1, .placement = 1, .weight = 0.5, .name = "sma", .version = "1.2.3", .split_low = 250000, .split_high = 1000000};
  memset(a.digest, 0xab, sizeof a.digest);
  append(j, HADRON_MSG_ARM, &a, sizeof a, now);
  struct hadron_equity q = {.time_ns = now, .cash = {1}, .cost = {-2}, .gross = {INT64_MIN}};
  append(j, HADRON_MSG_EQUITY, &q, sizeof q, now);
  struct hadron_session s = {.time_ns = now, .seed = UINT64_MAX, .shards = 4, .mode = HADRON_MODE_BACKTEST};
  append(j, HADRON_MSG_SESSION, &s, sizeof s, now);
  struct hadron_alert alert = {.time_ns = now}; // of a kind that is not stored
  append(j, HADRON_MSG_ALERT, &alert, sizeof alert, now);
}

static void append_chain(struct hd_journal *j, uint64_t kind, uint64_t n, int64_t now) {
  struct hadron_decision d = {.id = n, .time_ns = now, .mean_return = 0.001 * (double)n, .quantity = {-3}, .key = UINT64_MAX, .kind = 2};
  struct hadron_intent i = {.id = n, .time_ns = now, .quantity = {3}, .kind = 1};
  struct hadron_execution x = {.id = n, .time_ns = now, .price = {123456789}, .quantity = {987654321}, .fee = {-1}, .side = 2, .liquidity = 1};
  memset(&x.trace, 0xfe, sizeof x.trace);
  snprintf(x.execution_id, sizeof x.execution_id, "it's-%" PRIu64, n);
  order_id(&i.order, n);
  order_id(&x.client_order_id, n);
  if (kind == 0) append(j, HADRON_MSG_DECISION, &d, sizeof d, now);
  if (kind == 1) append(j, HADRON_MSG_INTENT, &i, sizeof i, now);
  if (kind == 2) append(j, HADRON_MSG_EXECUTION, &x, sizeof x, now);
}

void journal_rows_append(struct hd_journal *j, struct hd_random *r, uint64_t count, int64_t *now_ns) { journal_rows_flow(j, r, count, 2 * MINUTE, now_ns); }

void journal_rows_flow(struct hd_journal *j, struct hd_random *r, uint64_t count, int64_t step_ns, int64_t *now_ns) {
  for (uint64_t n = 0; n < count; n++) {
    *now_ns += (int64_t)hd_random_below(r, (uint64_t)step_ns);
    uint64_t kind = hd_random_below(r, 16);
    switch (kind) {
    case 0:
    case 1:
    case 2: append_chain(j, kind, n, *now_ns); break;
    case 3: append_order_event(j, r, n, *now_ns); break;
    case 4: append_allocation(j, r, n, *now_ns); break;
    case 5: append_rare(j, n, *now_ns); break;
    case 6: // a few: quantities of half the range survive some splits
      if (n % 8 == 0) append_adjustment(j, r, *now_ns);
      else append_swap(j, n, *now_ns);
      break;
    default: append_tick(j, r, n, *now_ns); break;
    }
  }
}

// ---- What must come out.

enum { TICKS, DECISIONS, INTENTS, EVENTS, EXECUTIONS, ALLOCATIONS, EQUITY, ORDER_ROWS, POSITIONS, SNAPSHOTS, INSTRUMENT_ROWS, ARM_ROWS, SESSIONS, SWAPS, ADJUSTMENTS, QUERIES };
static const char *const queries[QUERIES] = {
    [TICKS] = "SELECT position, event_ns, recv_ns, sequence, instrument, venue, kind, flags, value_1, value_2, value_3, value_4 FROM hadron_ticks",
    [DECISIONS] = "SELECT position, id, quantity, key, kind FROM hadron_strategy_decisions",
    [INTENTS] = "SELECT position, id, quantity, client_order_id FROM hadron_order_intents",
    [EVENTS] = "SELECT position, id, client_order_id, venue_order_id, state, limit_price, quantity, text FROM order_events",
    [EXECUTIONS] = "SELECT position, id, price, quantity, fee, execution_id FROM hadron_order_executions",
    [ALLOCATIONS] = "SELECT position, id, arm, instrument, fee, realized FROM hadron_allocations",
    [EQUITY] = "SELECT position, cash, cost, gross FROM hadron_equity",
    [ORDER_ROWS] = "SELECT client_order_id, position, events, state, venue_order_id FROM orders",
    [POSITIONS] = "SELECT arm, instrument, position, quantity, cost, realized, fees, allocations FROM positions",
    [SNAPSHOTS] = "SELECT instrument, time_ns, position, last_price, last_size, bid, ask, bid_size, ask_size FROM market_snapshots",
    [INSTRUMENT_ROWS] = "SELECT instrument, listing, position, name FROM hadron_instruments",
    [ARM_ROWS] = "SELECT position, arm, revision, name, version, digest, split_low, split_high FROM deployments",
    [SWAPS] = "SELECT position, stage, kind, revision, arm, other, name, from_version, version, from_digest, digest, last_sequence, first_sequence, state_size, pause_ns FROM hadron_swaps",
    [ADJUSTMENTS] = "SELECT position, instrument, numerator, denominator, dividend FROM hadron_adjustments",
    [SESSIONS] = "SELECT position, seed, shards, mode FROM hadron_sessions",
};

struct market_state {
  int64_t start, last, last_size, bid, ask, bid_size, ask_size;
  uint64_t position;
  bool open;
};
struct holding {
  struct hadron_allocation last;
  uint64_t position;
  int64_t realized, fees, count;
};
struct expected {
  struct test_text rows[QUERIES];
  uint64_t records, order_position[ORDERS], order_events[ORDERS], instrument_position[INSTRUMENTS];
  struct hadron_order_event order[ORDERS];
  struct holding held[ARMS][INSTRUMENTS];
  struct market_state market[INSTRUMENTS];
  char instrument_name[INSTRUMENTS][HADRON_SYMBOL_SIZE];
};

static void expect_snapshot(struct expected *e, uint32_t i) {
  const struct market_state *m = &e->market[i];
  if (!m->open) return;
  test_text_add(&e->rows[SNAPSHOTS], "%u|%" PRId64 "|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "\n", i, m->start, m->position,
                m->last, m->last_size, m->bid, m->ask, m->bid_size, m->ask_size);
}

static void expect_tick(struct expected *e, const struct hadron_record *r) {
  struct hadron_tick t;
  memcpy(&t, r->bytes, sizeof t);
  const int64_t *v = t.value.raw;
  test_text_add(&e->rows[TICKS], "%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRIu64 "|%u|%u|%u|%u|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "\n", r->position, t.event_ns,
                t.recv_ns, t.sequence, t.instrument, t.venue, t.kind, t.flags, v[0], v[1], v[2], v[3]);
  if (t.kind != HADRON_TICK_TRADE && t.kind != HADRON_TICK_QUOTE) return;
  struct market_state *m = &e->market[t.instrument];
  int64_t start = t.event_ns - t.event_ns % MINUTE;
  if (m->open && start > m->start) expect_snapshot(e, t.instrument);
  m->start = start, m->open = true, m->position = r->position;
  if (t.kind == HADRON_TICK_TRADE)
    m->last = v[0], m->last_size = v[1];
  else
    m->bid = v[0], m->ask = v[1], m->bid_size = v[2], m->ask_size = v[3];
}

static void expect_order_event(struct expected *e, const struct hadron_record *r) {
  struct hadron_order_event o;
  memcpy(&o, r->bytes, sizeof o);
  char last[5] = {0};
  memcpy(last, o.client_order_id.hex + 20, 4);
  uint64_t k = strtoull(last, NULL, 16);
  test_text_add(&e->rows[EVENTS], "%" PRIu64 "|%" PRIu64 "|%.24s|%s|%u|%" PRId64 "|%" PRId64 "|%s\n", r->position, o.id, o.client_order_id.hex, o.venue_order_id, o.to,
                o.limit.nanos, o.quantity.e8, o.text[0] == 'b' ? "bad ? byte" : "caf\xc3\xa9");
  e->order[k] = o, e->order_position[k] = r->position, e->order_events[k]++;
}

static void expect_allocation(struct expected *e, const struct hadron_record *r) {
  struct hadron_allocation a;
  memcpy(&a, r->bytes, sizeof a);
  test_text_add(&e->rows[ALLOCATIONS], "%" PRIu64 "|%" PRIu64 "|%u|%u|%" PRId64 "|%" PRId64 "\n", r->position, a.id, a.arm, a.instrument, a.fee.micros, a.realized.micros);
  struct holding *h = &e->held[a.arm][a.instrument];
  h->last = a, h->position = r->position, h->count++;
  h->realized += a.realized.micros, h->fees += a.fee.micros;
}

static void expect_definition(struct expected *e, const struct hadron_record *r) {
  struct hadron_instrument_definition d;
  struct hadron_arm_definition a;
  struct hadron_session s;
  if (r->template_id == HADRON_MSG_INSTRUMENT) {
    memcpy(&d, r->bytes, sizeof d);
    e->instrument_position[d.instrument] = r->position;
    memcpy(e->instrument_name[d.instrument], d.name, sizeof d.name);
  } else if (r->template_id == HADRON_MSG_ARM) {
    memcpy(&a, r->bytes, sizeof a);
    test_text_add(&e->rows[ARM_ROWS], "%" PRIu64 "|%u|%u|%s|%s|abababababababababababababababababababababababababababababababab|250000|1000000\n", r->position, a.arm, a.revision, a.name, a.version);
  } else {
    memcpy(&s, r->bytes, sizeof s);
    test_text_add(&e->rows[SESSIONS], "%" PRIu64 "|%" PRId64 "|%u|%u\n", r->position, (int64_t)s.seed, s.shards, s.mode);
  }
}

static void expect_adjustment(struct expected *e, const struct hadron_record *r) {
  struct hadron_adjustment a;
  memcpy(&a, r->bytes, sizeof a);
  test_text_add(&e->rows[ADJUSTMENTS], "%" PRIu64 "|%u|%" PRId64 "|%" PRId64 "|%" PRId64 "\n", r->position, a.instrument, a.numerator, a.denominator, a.dividend.micros);
  for (int arm = 0; arm < ARMS && a.numerator != a.denominator; arm++) {
    struct holding *h = &e->held[arm][a.instrument];
    if (!h->count) continue;
    h->last.position.e8 = (int64_t)((__int128)h->last.position.e8 * a.numerator / a.denominator);
    h->position = r->position;
  }
}

static void expect_swap(struct expected *e, const struct hadron_record *r) {
  struct hadron_swap w;
  char digest[65];
  memcpy(&w, r->bytes, sizeof w);
  for (int i = 0; i < 32; i++) snprintf(digest + 2 * i, 3, "%02x", w.digest[i]);
  test_text_add(&e->rows[SWAPS], "%" PRIu64 "|%u|1|3|2|5|sma|1.0.0|1.1.0|%064d|%s|%" PRIu64 "|%" PRIu64 "|77|4321\n", r->position, w.stage, 0, digest, w.last_sequence, w.first_sequence);
}

static void expect_record(struct expected *e, const struct hadron_record *r) {
  struct hadron_decision d;
  struct hadron_intent i;
  struct hadron_execution x;
  e->records++;
  switch (r->template_id) {
  case HADRON_MSG_TICK: expect_tick(e, r); break;
  case HADRON_MSG_ORDER_EVENT: expect_order_event(e, r); break;
  case HADRON_MSG_ALLOCATION: expect_allocation(e, r); break;
  case HADRON_MSG_ADJUSTMENT: expect_adjustment(e, r); break;
  case HADRON_MSG_SWAP: expect_swap(e, r); break;
  case HADRON_MSG_INSTRUMENT:
  case HADRON_MSG_ARM:
  case HADRON_MSG_SESSION: expect_definition(e, r); break;
  case HADRON_MSG_DECISION:
    memcpy(&d, r->bytes, sizeof d);
    test_text_add(&e->rows[DECISIONS], "%" PRIu64 "|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%u\n", r->position, d.id, d.quantity.e8, (int64_t)d.key, d.kind);
    break;
  case HADRON_MSG_INTENT:
    memcpy(&i, r->bytes, sizeof i);
    test_text_add(&e->rows[INTENTS], "%" PRIu64 "|%" PRIu64 "|%" PRId64 "|%.24s\n", r->position, i.id, i.quantity.e8, i.order.hex);
    break;
  case HADRON_MSG_EXECUTION:
    memcpy(&x, r->bytes, sizeof x);
    test_text_add(&e->rows[EXECUTIONS], "%" PRIu64 "|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%s\n", r->position, x.id, x.price.nanos, x.quantity.e8, x.fee.micros,
                  x.execution_id);
    break;
  case HADRON_MSG_EQUITY: test_text_add(&e->rows[EQUITY], "%" PRIu64 "|1|-2|%" PRId64 "\n", r->position, INT64_MIN); break;
  default: break;
  }
}

static void expect_ends(struct expected *e) {
  for (uint32_t i = 0; i < INSTRUMENTS; i++) expect_snapshot(e, i);
  for (uint32_t i = 0; i < INSTRUMENTS; i++)
    if (e->instrument_position[i])
      test_text_add(&e->rows[INSTRUMENT_ROWS], "%u|1|%" PRIu64 "|%s\n", i, e->instrument_position[i], e->instrument_name[i]);
  for (int k = 0; k < ORDERS; k++)
    if (e->order_events[k])
      test_text_add(&e->rows[ORDER_ROWS], "%.24s|%" PRIu64 "|%" PRIu64 "|%u|%s\n", e->order[k].client_order_id.hex, e->order_position[k], e->order_events[k],
                    e->order[k].to, e->order[k].venue_order_id);
  for (int a = 0; a < ARMS; a++)
    for (int i = 0; i < INSTRUMENTS; i++) {
      const struct holding *h = &e->held[a][i];
      if (h->count)
        test_text_add(&e->rows[POSITIONS], "%d|%d|%" PRIu64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "|%" PRId64 "\n", a, i, h->position, h->last.position.e8,
                      h->last.cost.micros, h->realized, h->fees, h->count);
    }
}

static int line_compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

// The lines of a text in byte order: the two sides need not agree on an ORDER BY.
static char *lines_sorted(const char *text) {
  size_t count = 0, n = 0;
  for (const char *p = text; *p; p++) count += *p == '\n';
  char *copy = strdup(text), **lines = calloc(count + 1, sizeof *lines), *rest = NULL;
  assert_true(copy && lines);
  for (char *line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) lines[n++] = line;
  if (n) qsort(lines, n, sizeof *lines, line_compare);
  struct test_text t = {0};
  test_text_add(&t, "%s", "");
  for (size_t i = 0; i < n; i++) test_text_add(&t, "%s\n", lines[i]);
  free(lines);
  free(copy);
  return t.text;
}

static void same_rows(const char *url, const char *sql, const char *expected) {
  char *found = test_database_ask(url, sql), *a = lines_sorted(found), *b = lines_sorted(expected);
  size_t i = 0;
  while (a[i] && a[i] == b[i]) i++;
  if (a[i] != b[i]) {
    while (i && a[i - 1] != '\n') i--;
    fail_msg("%s\nfound    %.*s\nexpected %.*s", sql, (int)strcspn(a + i, "\n"), a + i, (int)strcspn(b + i, "\n"), b + i);
  }
  free(found), free(a), free(b);
}

void journal_rows_equal(const char *dir, const char *url) {
  struct expected *e = calloc(1, sizeof *e);
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  assert_non_null(e);
  assert_int_equal(hd_journal_cursor_open(dir, &c, NULL), HADRON_OK);
  while (hd_journal_cursor_next(c, &r, NULL) == HADRON_OK) expect_record(e, &r);
  hd_journal_cursor_close(c);
  expect_ends(e);
  for (int q = 0; q < QUERIES; q++) {
    test_text_add(&e->rows[q], "%s", "");
    same_rows(url, queries[q], e->rows[q].text);
    free(e->rows[q].text);
  }
  assert_int_equal(test_database_number(url, "SELECT records FROM recorder_cursor"), e->records);
  free(e);
}
