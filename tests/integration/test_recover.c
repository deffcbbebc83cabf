// Promise: what is folded from the journal is what the host had when it wrote it: at any record between two ticks the books, open orders, ids,
// risk's watches and the states of strategies (C and Lua, with and without `save`) are equal, field by field; cut at any record at all a session
// opens on it, its books add up, no execution counts twice and no order of its past is sent again; a strategy that is no longer there leaves
// what it held to the house; instruments keep their ids. Random sessions: the seed is printed.
#include "support/session_run.h"

#include "base/assert.h"
#include "journal/journal.h"
#include "pipeline/fold.h"
#include "pipeline/gateway_internal.h"
#include "plugin/state.h"
#include "runtime/recover.h"
#include "runtime/snapshot.h"

#define SAMPLES 48
#define STATE_MAX 65536

// Everything that must be equal, as bytes.
struct image {
  unsigned char *bytes;
  size_t size, room;
  struct { size_t at; const char *name; uint32_t of; } *fields; // for the message
  uint32_t count, field_room, of;
};

static void put_named(struct image *m, const char *name, const void *from, size_t size) {
  if (m->count == m->field_room) {
    m->field_room = (m->field_room + 64) * 2;
    m->fields = realloc(m->fields, m->field_room * sizeof *m->fields);
    assert_non_null(m->fields);
  }
  m->fields[m->count].at = m->size, m->fields[m->count].of = m->of, m->fields[m->count++].name = name;
  if (m->size + size > m->room) {
    m->room = (m->room + size) * 2;
    m->bytes = realloc(m->bytes, m->room);
    assert_non_null(m->bytes);
  }
  memcpy(m->bytes + m->size, from, size);
  m->size += size;
}
#define PUT(m, field) put_named(m, #field, &(field), sizeof(field))

static void image_free(struct image *m) {
  free(m->bytes);
  free(m->fields);
}

static void put_book(struct image *m, const struct hd_portfolio *p, uint32_t arm) {
  const struct hd_book *b = &p->books[arm];
  m->of = arm;
  if (!b->role) return;
  PUT(m, b->initial), PUT(m, b->cash), PUT(m, b->cost), PUT(m, b->realized), PUT(m, b->fees), PUT(m, b->dividends);
  PUT(m, b->turnover), PUT(m, b->wins), PUT(m, b->losses), PUT(m, b->gain), PUT(m, b->loss);
  for (uint32_t id = 1; id <= p->instruments->count; id++) {
    struct hd_position q = *hd_portfolio_position(p, arm > p->arm_max ? 0 : arm, id);
    if (arm > p->arm_max) q = b->index[id] ? b->positions[b->index[id] - 1] : (struct hd_position){0};
    q.instrument = 0; // of a flat one that has no row
    q.unrealized.micros = 0; // books are marked between two records as well
    PUT(m, q);
  }
}

static void put_order(struct image *m, const struct hd_order *o) {
  PUT(m, o->request.client_order_id), PUT(m, o->request.quantity), PUT(m, o->request.limit), PUT(m, o->request.instrument), PUT(m, o->request.slot);
  PUT(m, o->average), PUT(m, o->filled), PUT(m, o->filled_value), PUT(m, o->venue_order_id), PUT(m, o->replaced_by), PUT(m, o->opportunity);
  PUT(m, o->sent_ns), PUT(m, o->expire_at_ns), PUT(m, o->doubt_ns), PUT(m, o->told_e8);
  PUT(m, o->state), PUT(m, o->resume), PUT(m, o->held), PUT(m, o->acked), PUT(m, o->gap), PUT(m, o->cancel_wanted), PUT(m, o->expiring), PUT(m, o->successor), PUT(m, o->resent);
  for (uint32_t i = 0; i < o->share_count; i++) PUT(m, o->shares[i].arm), PUT(m, o->shares[i].ordered), PUT(m, o->shares[i].filled);
}

static void put_strategies(struct image *m, struct hd_session *s) {
  static _Alignas(16) unsigned char state[STATE_MAX];
  for (uint32_t a = 0; a < s->arm_count && (m->of = a + 1); a++)
    for (uint32_t i = 0; i < s->arms[a].occupant->instance_count; i++) {
      struct hd_fault fault;
      uint32_t size;
      PUT(m, s->arms[a].seats[i].timers);
      if (!s->arms[a].occupant->plugin->state) continue;
      if (hd_state_save(&s->arms[a].occupant->instances[i], state, sizeof state, &size, &fault)) fail_msg("%s", fault.text);
      put_named(m, "state", state, size);
    }
}

static void image_of(struct hd_session *s, struct image *m) {
  struct hd_pipeline *p = &s->pipeline;
  m->size = m->count = 0;
  for (uint32_t arm = 0; arm <= p->portfolio.arm_max + 1; arm++) put_book(m, &p->portfolio, arm);
  for (const struct hd_order *o = hd_gateway_first(p->gateway); o; o = hd_gateway_next(p->gateway, o)) put_order(m, o);
  PUT(m, p->gateway->event_id), PUT(m, p->gateway->execution_id), PUT(m, p->gateway->id_count), PUT(m, p->gateway->counts.open);
  PUT(m, p->portfolio.sides[0].allocations), PUT(m, p->desk.decisions), PUT(m, p->coordinator.opportunities), PUT(m, p->coordinator.intents);
  PUT(m, p->coordinator.waiting_count);
  for (uint32_t i = 0; i < p->coordinator.waiting_count; i++) PUT(m, p->coordinator.waiting[i]);
  uint64_t last = hd_engine_last(p->engines[0]);
  PUT(m, last);
  PUT(m, p->risk.killed), PUT(m, p->risk.day_ns);
  for (uint32_t arm = 0; arm <= p->options.arm_max; arm++) PUT(m, p->risk.watches[arm].day);
  for (uint32_t id = 1; id <= p->instruments.count; id++) {
    struct hd_mark mark = hd_mark_read(&p->marks, id);
    PUT(m, mark.last), PUT(m, mark.bid), PUT(m, mark.ask), PUT(m, mark.sequence), PUT(m, mark.volatility);
  }
  put_strategies(m, s);
}

// ---- a life --------------------------------------------------------------------------------------------------------------------------

static const char config_text[] =
    "return { mode = 'paper', universe = { max = 64 }, account = { cash = '10000000' }, journal = { segment = '1MiB' }, gateway = { orders_max = 4096, ids_max = 16384, unknown_after = '40ms', query_every = '20ms' },\n"
    "  venues = { sim = { params = { flow = 'random', instruments = 4, rate = 400, size = 100 } } },\n"
    "  strategies = {\n"
    "    cross = { plugin = 'zero_cross', params = { length = 3, band = 0, size = 5 } },\n"
    "    lua = { plugin = 'zero_cross_lua', params = { length = 4, band = 0, size = 3 } },\n"
    "    maker = { plugin = 'market_maker', universe = { 'SIM0*' } },\n"
    "    sma = { params = { fast = 2, slow = 3, size = 3 } },\n"
    "    two = { plugin = 'pairs', universe = { 'SIM00', 'SIM01' }, params = { window = 5, sample = '10ms', entry = 0.5, leave = 0.1, size = 10 } } } }\n";

struct sample {
  uint64_t records; // in the journal before this state
  struct image image;
  struct hd_snapshot snapshot;
};

struct life {
  struct session_run run;
  struct hd_random random;
  uint64_t records, next;
  uint64_t orders, executions;
  struct sample samples[SAMPLES];
  uint32_t count;
};

// Between two ticks everything that came before has been done.
static void observe(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct life *l = observer;
  (void)block, (void)tail, (void)tail_size;
  if (template_id == HADRON_MSG_TICK && l->records >= l->next && l->count < SAMPLES) {
    struct sample *sample = &l->samples[l->count++];
    sample->records = l->records;
    image_of(&l->run.session, &sample->image);
    struct hd_fault fault;
    if (hd_snapshot_take(&l->run.session, &sample->snapshot, &fault)) fail_msg("%s", fault.text);
    l->next = l->records + 20 + hd_random_below(&l->random, 900);
  }
  l->records++;
  l->orders += template_id == HADRON_MSG_ORDER;
  l->executions += template_id == HADRON_MSG_EXECUTION;
}

static void change_role(struct life *l) {
  struct hd_pipeline *p = &l->run.session.pipeline;
  struct hd_fault fault = {0};
  uint32_t arm = 1 + (uint32_t)hd_random_below(&l->random, p->arm_count);
  struct hd_arm_change change = {.role = 1 + (uint32_t)hd_random_below(&l->random, 2), .weight = 0.5 + (double)hd_random_below(&l->random, 2)};
  if (arm == 1 && hd_random_below(&l->random, 2)) change.split_high = 500000, change.heir = 4;
  if (hd_pipeline_role(p, arm, &change, p->now_ns, &fault)) fail_msg("%s", fault.text);
  if (hd_random_below(&l->random, 4) == 0) hd_pipeline_kill(p, "test", 0, p->now_ns);
  else if (p->risk.killed) hd_pipeline_release(p, "test", 0, p->now_ns);
}

static void live(struct life *l, uint64_t seed, int steps, const char *const *sets) {
  struct hd_fault fault = {0};
  memset(l, 0, sizeof *l);
  hd_random_init(&l->random, seed);
  session_run_load(&l->run, config_text, sets);
  l->run.config.seed = seed;
  l->run.opened = true;
  const struct hd_session_options options = {.journal = true, .is_virtual = true, .recover = true, .observer = l, .observe = observe};
  if (hd_session_open(&l->run.session, &l->run.config, &options, &fault)) fail_msg("%s", fault.text);
  struct hd_runner *r = &l->run.session.runner;
  hd_runner_advance(r, INT64_C(1700000000000000000));
  for (int i = 0; i < steps; i++) {
    hd_runner_advance(r, r->now_ns + INT64_C(40000000));
    if (hd_random_below(&l->random, 12) == 0) change_role(l);
    hd_runner_settle(r);
  }
}

static void life_end(struct life *l) {
  for (uint32_t i = 0; i < l->count; i++) {
    image_free(&l->samples[i].image);
    hd_snapshot_fini(&l->samples[i].snapshot);
  }
  session_run_close(&l->run);
}

// ---- cut journals ----------------------------------------------------------------------------------------------------------------------

// The first `records` of a journal as a journal of its own.
static void cut(const char *from, const char *to, uint64_t records) {
  struct hd_journal_cursor *cursor;
  struct hd_journal *journal;
  struct hadron_record r;
  struct hd_fault fault;
  const struct hd_journal_options options = {.segment_bytes = 1u << 20};
  if (hd_journal_open(to, &options, &journal, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_journal_cursor_open(from, &cursor, &fault), HADRON_OK);
  for (uint64_t n = 0; n < records; n++) {
    assert_int_equal(hd_journal_cursor_next(cursor, &r, &fault), HADRON_OK);
    assert_int_equal(hd_journal_append(journal, r.template_id, r.bytes, r.block_length, (const char *)r.bytes + r.block_length, r.size - r.block_length, r.time_ns, NULL), HADRON_OK);
  }
  hd_journal_cursor_close(cursor);
  hd_journal_close(journal);
}

struct folding {
  struct session_run run;
  struct hd_fold fold;
};

static bool gone(void *user, uint16_t venue) { return (void)user, venue == 1; }

static void fold_open(struct folding *f, uint64_t seed, const char *const *sets) {
  static const char *const venues[] = {"sim"};
  struct hd_fault fault = {0};
  session_run_load(&f->run, config_text, sets);
  f->run.config.seed = seed;
  f->run.opened = true;
  if (hd_session_open(&f->run.session, &f->run.config, &(struct hd_session_options){.journal = true, .is_virtual = true, .recover = true}, &fault)) fail_msg("%s", fault.text);
  const struct hd_fold_options options = {.venues = venues, .venue_count = 1, .gone = gone};
  f->run.session.recovering = true;
  if (hd_fold_begin(&f->fold, &f->run.session.pipeline, &options, &fault)) fail_msg("%s", fault.text);
}

static void fold_is(struct folding *f, const struct sample *sample) {
  struct hd_fault fault = {0};
  struct hd_folded folded;
  struct image image = {0};
  assert_int_equal(f->fold.differences, 0);
  assert_int_equal(f->fold.timers_lost, 0);
  if (hd_fold_adopt(&f->fold, 0, &folded, &fault)) fail_msg("%s", fault.text);
  f->run.session.recovering = false;
  assert_int_equal(folded.arms_lost, 0);
  image_of(&f->run.session, &image);
  for (uint32_t i = 0; i < image.count && i < sample->image.count; i++) {
    size_t at = image.fields[i].at, to = i + 1 < image.count ? image.fields[i + 1].at : image.size;
    if (image.fields[i].name != sample->image.fields[i].name || at != sample->image.fields[i].at || memcmp(image.bytes + at, sample->image.bytes + at, to - at) != 0)
      fail_msg("after %llu records: field %u, %s of %u: expected %s %lld, found %lld", (unsigned long long)sample->records, i, image.fields[i].name, image.fields[i].of,
               sample->image.fields[i].name, *(const long long *)(const void *)(sample->image.bytes + at), *(const long long *)(const void *)(image.bytes + at));
  }
  assert_int_equal(image.size, sample->image.size);
  image_free(&image);
  hd_fold_fini(&f->fold);
  session_run_close(&f->run);
}

// from: a snapshot to begin with; NULL: the journal's beginning.
static void fold_first(const char *dir, uint64_t seed, const char *const *sets, const struct sample *sample, struct sample *from) {
  static struct folding f;
  struct hd_journal_cursor *cursor;
  struct hadron_record r;
  struct hd_fault fault;
  fold_open(&f, seed, sets);
  if (from && hd_snapshot_load(&f.run.session, &f.fold, &from->snapshot, &fault)) fail_msg("%s", fault.text);
  assert_int_equal(hd_journal_cursor_open(dir, &cursor, &fault), HADRON_OK);
  for (uint64_t n = 0; n < sample->records; n++) {
    assert_int_equal(hd_journal_cursor_next(cursor, &r, &fault), HADRON_OK);
    if ((!from || n >= from->records) && hd_fold_record(&f.fold, &r, &fault)) fail_msg("%s", fault.text);
  }
  hd_journal_cursor_close(cursor);
  fold_is(&f, sample);
}

static void what_is_folded_is_what_was(void **state) {
  (void)state;
  struct hd_random random = test_random();
  static const char *const forms[][4] = {{NULL}, {"strategies.sma.role=canary", NULL}, {"venues.sim.params.entry_latency=15ms", "venues.sim.params.response_latency=25ms", NULL}};
  for (int n = 0; n < 3; n++) {
    static struct life l;
    char dir[TEST_PATH_SIZE];
    uint64_t seed = hd_random_next(&random);
    live(&l, seed, 150, forms[n]);
    test_path(dir, l.run.dir, "data/journal");
    assert_true(l.count > 10 && l.orders > 100 && l.executions > 50);
    for (uint32_t i = 0; i < l.count; i++) fold_first(dir, seed, forms[n], &l.samples[i], NULL);
    for (uint32_t i = 0; i < 16; i++) {
      uint32_t from = (uint32_t)hd_random_below(&random, l.count), to = from + (uint32_t)hd_random_below(&random, l.count - from);
      fold_first(dir, seed, forms[n], &l.samples[to], &l.samples[from]);
    }
    life_end(&l);
  }
}

// ---- sessions on cut journals -------------------------------------------------------------------------------------------------------------

struct counted {
  uint64_t orders, ended, executions, allocations;
};

static void count_after(void *observer, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct counted *c = observer;
  (void)block, (void)tail, (void)tail_size;
  c->orders += template_id == HADRON_MSG_ORDER;
  c->executions += template_id == HADRON_MSG_EXECUTION;
}

static void session_on(const char *from, uint64_t records, uint64_t seed, const char *text) {
  struct session_run run;
  struct hd_fault fault = {0};
  struct counted counted = {0};
  char to[TEST_PATH_SIZE];
  session_run_load(&run, text, NULL);
  run.config.seed = seed;
  test_path(to, run.dir, "data/journal");
  cut(from, to, records);
  const struct hd_session_options options = {.journal = true, .is_virtual = true, .recover = true, .observer = &counted, .observe = count_after};
  run.opened = true;
  if (hd_session_open(&run.session, &run.config, &options, &fault)) fail_msg("cut at %llu: %s", (unsigned long long)records, fault.text);
  const struct hd_recovered *recovered = hd_session_recovered(&run.session);
  assert_int_equal(recovered->records, records);
  assert_int_equal(recovered->differences, 0);
  assert_int_equal(counted.orders, 0);
  assert_true(counted.executions <= 1); // a report that was recorded and not handled
  session_run_identity(&run);
  for (const struct hd_order *o = hd_gateway_first(run.session.pipeline.gateway); o; o = hd_gateway_next(run.session.pipeline.gateway, o))
    assert_true(o->held == HD_HOLD_WAITING); // all others were in the market that is gone
  session_run_close(&run);
}

static void any_record_is_a_place_to_die(void **state) {
  (void)state;
  struct hd_random random = test_random();
  static struct life l;
  char dir[TEST_PATH_SIZE];
  uint64_t seed = hd_random_next(&random);
  live(&l, seed, 25, NULL);
  test_path(dir, l.run.dir, "data/journal");
  for (uint64_t n = 0; n < l.records; n += 1 + hd_random_below(&random, 1 + l.records / 24)) session_on(dir, n, seed, config_text);
  life_end(&l);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_folded_is_what_was), cmocka_unit_test(any_record_is_a_place_to_die)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
