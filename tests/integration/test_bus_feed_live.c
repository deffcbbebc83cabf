// Promise: every record that the journal has is published in its stream, numbered without a hole; what a subscriber missed comes by REPAIR byte for byte,
// as far back as the journal goes, and TOO_OLD says where it begins now; a SNAPSHOT stands for all messages before the number that it names; events
// are for class admin alone; of one session and stream one question is heard at a time, and others' are not kept waiting by it;
// a repair that has far to read holds up nothing that is new; an ipc address that nobody gets into any more is opened anew. How: a journal in memory
// that can be made to stand still, a real SUB socket that throws packets away, and sessions that ask.
#include <pthread.h>
#include <sys/stat.h>

#include <nng/nng.h>

#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

#include "base/clock.h"
#include "bus/bus.h"
#include "bus/feed.h"
#include "bus/hangup.h"
#include "support/bus_peer.h"
#include "support/directory.h"
#include "support/test.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define RECORDS_MAX 60000
#define SHARDS 2
#define SESSIONS 4

struct row {
  uint16_t template_id;
  union {
    struct hadron_tick tick;
    struct hadron_allocation allocation;
    struct hadron_instrument_definition definition;
    struct {
      struct hadron_alert alert;
      uint32_t size;
      char text[12];
    } alert;
  } of;
  uint32_t size, block;
};

struct journal {
  pthread_mutex_t lock;
  pthread_cond_t moves;
  bool stands; // who looks for a place in it waits
  struct row *rows;
  uint64_t count, kept_from;
  uint64_t truth[1 + SHARDS]; // messages of each stream
  const void *reader;         // the cursor that was read by last, and how often in a row
  uint64_t in_a_row, in_a_row_max;
};

static void add(struct journal *j, struct row row) {
  pthread_mutex_lock(&j->lock);
  assert_true(j->count < RECORDS_MAX);
  j->rows[j->count++] = row;
  if (row.template_id == HADRON_MSG_TICK) j->truth[1 + row.of.tick.instrument % SHARDS]++;
  else if (row.template_id != HADRON_MSG_MARK) j->truth[0]++;
  pthread_mutex_unlock(&j->lock);
}

static int32_t j_open(void *self, void **cursor) {
  (void)self;
  return (*cursor = calloc(1, sizeof(uint64_t))) ? HADRON_OK : HADRON_ERR_MEMORY;
}
static void j_close(void *self, void *cursor) {
  (void)self;
  free(cursor);
}
static int32_t j_seek(void *self, void *cursor, uint64_t position) {
  struct journal *j = self;
  pthread_mutex_lock(&j->lock);
  while (j->stands) pthread_cond_wait(&j->moves, &j->lock);
  bool there = position >= j->kept_from;
  pthread_mutex_unlock(&j->lock);
  if (there) *(uint64_t *)cursor = position;
  return there ? HADRON_OK : HADRON_ERR_NOT_FOUND;
}
static int32_t j_next(void *self, void *cursor, struct hadron_record *r) {
  struct journal *j = self;
  uint64_t *at = cursor;
  int32_t code = HADRON_ERR_AGAIN;
  pthread_mutex_lock(&j->lock);
  j->in_a_row = j->reader == cursor ? j->in_a_row + 1 : 1;
  j->reader = cursor;
  if (j->in_a_row > j->in_a_row_max && *at < j->count) j->in_a_row_max = j->in_a_row;
  if (*at < j->count) {
    const struct row *row = &j->rows[*at];
    *r = (struct hadron_record){.position = *at, .next = *at + 1, .template_id = row->template_id, .block_length = (uint16_t)row->block, .size = row->size, .bytes = &row->of};
    ++*at;
    code = HADRON_OK;
  }
  pthread_mutex_unlock(&j->lock);
  return code;
}
static uint32_t j_shard(void *self, uint32_t instrument) {
  (void)self;
  return instrument % SHARDS;
}

static struct row tick(uint64_t sequence) {
  return (struct row){HADRON_MSG_TICK, {.tick = {.sequence = sequence, .instrument = 1 + (uint32_t)(sequence % 3), .kind = HADRON_TICK_TRADE, .value.trade.price = {(int64_t)sequence}}},
                      sizeof(struct hadron_tick), sizeof(struct hadron_tick)};
}
static struct row allocation(uint64_t id) {
  return (struct row){HADRON_MSG_ALLOCATION, {.allocation = {.id = id, .arm = 2, .instrument = 1, .position = {(int64_t)id * 10}}}, sizeof(struct hadron_allocation), sizeof(struct hadron_allocation)};
}
static struct row alert(void) {
  struct row r = {HADRON_MSG_ALERT, {.alert = {.size = 12, .text = "hello world"}}, sizeof(struct hadron_alert) + 4 + 12, sizeof(struct hadron_alert)};
  return r;
}
static struct row definition(uint32_t instrument) {
  struct row r = {HADRON_MSG_INSTRUMENT, {.definition = {.instrument = instrument, .listing = instrument}}, sizeof(struct hadron_instrument_definition), sizeof(struct hadron_instrument_definition)};
  snprintf(r.of.definition.name, sizeof r.of.definition.name, "SYM%u", instrument);
  return r;
}

struct rig {
  char directory[TEST_PATH_SIZE], session_url[TEST_PATH_SIZE + 32], ticks_url[TEST_PATH_SIZE + 32], events_url[TEST_PATH_SIZE + 32];
  struct journal journal;
  struct hd_bus *bus;
  nng_socket ticks, events;
  struct bus_peer peer;
};

static nng_socket subscribe(const char *url, const char *topic) {
  nng_socket s;
  assert_int_equal(nng_sub0_open(&s), 0);
  nng_socket_set_int(s, NNG_OPT_RECVBUF, 8192);
  nng_socket_set_ms(s, NNG_OPT_RECVTIMEO, 10000);
  assert_int_equal(nng_socket_set(s, NNG_OPT_SUB_SUBSCRIBE, topic, strlen(topic)), 0);
  assert_int_equal(nng_dial(s, url, NULL, 0), 0);
  return s;
}

static void open_rig(struct rig *g, const char *class) {
  struct hd_fault fault = {0};
  char hello[128];
  memset(g, 0, sizeof *g);
  pthread_mutex_init(&g->journal.lock, NULL);
  pthread_cond_init(&g->journal.moves, NULL);
  g->journal.rows = calloc(RECORDS_MAX, sizeof *g->journal.rows);
  for (uint32_t i = 1; i <= 3; i++) add(&g->journal, definition(i)); // before anybody listens
  test_directory_make(g->directory);
  snprintf(g->session_url, sizeof g->session_url, "ipc://%s/s", g->directory);
  snprintf(g->ticks_url, sizeof g->ticks_url, "ipc://%s/t", g->directory);
  snprintf(g->events_url, sizeof g->events_url, "ipc://%s/e", g->directory);
  const struct hd_bus_listen sessions = {.url = g->session_url, .rights = HD_BUS_ADMIN};
  const struct hd_bus_listen feeds[] = {{.url = g->ticks_url, .rights = HD_BUS_READ}, {.url = g->events_url, .rights = HD_BUS_ADMIN}};
  const struct hd_bus_options options = {.listeners = &sessions, .listener_count = 1, .sessions_max = SESSIONS, .heartbeat_ns = 20000000, .stale_after_ns = INT64_C(20000000000)};
  assert_int_equal(hd_bus_create(&options, &g->bus, &fault), HADRON_OK);
  const struct hd_feed_options feed = {.journal = {&g->journal, j_open, j_close, j_seek, j_next, j_shard}, .listeners = feeds, .listener_count = 2, .shards = SHARDS};
  int32_t code = hd_bus_publish(g->bus, &feed, &fault);
  if (code) print_message("%s\n", fault.text);
  assert_int_equal(code, HADRON_OK);
  g->ticks = subscribe(g->ticks_url, "ticks");
  g->events = subscribe(g->events_url, "events");
  bus_peer_open(&g->peer, g->session_url);
  snprintf(hello, sizeof hello, "{\"protocol\":1,\"name\":\"looker\",\"class\":\"%s\"}", class);
  assert_int_equal(bus_peer_hello(&g->peer, hello).head.kind, HADRON_FRAME_WELCOME);
}

static void close_rig(struct rig *g) {
  bus_peer_close(&g->peer);
  hd_nng_close(g->ticks);
  hd_nng_close(g->events);
  hd_bus_destroy(g->bus);
  free(g->journal.rows);
  test_directory_remove(g->directory);
}

struct seen {
  uint64_t next, messages, gaps; // of one stream
  struct hadron_repair missing;
};

// Takes packets until the stream's next number is `to`; drop: per mille of packets that are thrown away. Every message is held against the truth.
static void follow(struct rig *g, nng_socket socket, const char *topic, uint32_t stream, uint64_t to, struct seen *seen) {
  while (seen->next < to) {
    nng_msg *m;
    assert_int_equal(nng_recvmsg(socket, &m, 0), 0);
    struct hd_frame f;
    struct hd_frame_messages messages;
    for (size_t at = 0; hd_frame_next(nng_msg_body(m), nng_msg_len(m), &at, &f, NULL) == HADRON_OK;) {
      assert_true(hd_frame_topic_is(f.head.topic, topic));
      assert_true(f.head.epoch == hd_bus_epoch(g->bus));
      if (f.head.stream != stream) continue;
      if (f.head.kind == HADRON_FRAME_DATA && seen->next == 0) seen->next = f.head.sequence; // late: it begins here
      if (f.head.kind == HADRON_FRAME_HEARTBEAT) {
        if (seen->next == 0) seen->next = f.head.sequence;
        assert_int_equal(f.head.sequence, seen->next);
        continue;
      }
      assert_int_equal(hd_frame_messages(&f, &messages, NULL), HADRON_OK);
      assert_int_equal(f.head.sequence, seen->next);
      seen->next += messages.count;
      seen->messages += messages.count;
    }
    nng_msg_free(m);
  }
}

// The n-th message of a stream, from 1.
static const struct row *truth(const struct journal *j, bool events, uint32_t shard, uint64_t number) {
  for (uint64_t i = 0; i < j->count; i++) {
    const struct row *r = &j->rows[i];
    bool is_tick = r->template_id == HADRON_MSG_TICK;
    if (events ? is_tick || r->template_id == HADRON_MSG_MARK : !is_tick || r->of.tick.instrument % SHARDS != shard) continue;
    if (--number == 0) return r;
  }
  return NULL;
}

static struct hd_frame ask(struct rig *g, const char *topic, uint32_t stream, uint64_t from, uint64_t to) {
  struct hadron_repair what = {.stream = stream, .epoch = hd_bus_epoch(g->bus), .from = from, .to = to};
  memcpy(what.topic, topic, strlen(topic));
  return bus_peer_ask(&g->peer, from ? HADRON_FRAME_REPAIR : HADRON_FRAME_SNAPSHOT, 0, 0, &what, sizeof what);
}

// Asks until everything is there; returns how many answers it took.
static uint32_t repair(struct rig *g, const char *topic, uint32_t stream, uint64_t from, uint64_t to) {
  uint32_t answers = 0;
  while (from < to) {
    struct hd_frame f = ask(g, topic, stream, from, to);
    answers++;
    do {
      struct hd_frame_messages m;
      if (f.head.kind == HADRON_FRAME_BUSY) continue;
      assert_int_equal(f.head.kind, HADRON_FRAME_DATA);
      assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
      assert_int_equal(f.head.sequence, from);
      assert_in_range(m.count, 1, to - from); // no more than was asked for
      for (uint32_t i = 0; i < m.count; i++) {
        const struct row *r = truth(&g->journal, topic[0] == 'e', stream - 1, from + i);
        assert_non_null(r);
        assert_int_equal(m.template_id, r->template_id);
        assert_memory_equal(m.blocks + i * m.block_length, &r->of, r->block);
        if (m.tail_size) assert_memory_equal(m.tail, (const char *)&r->of + r->block, m.tail_size);
        assert_int_equal(m.tail_size, r->size - r->block);
      }
      from += m.count;
    } while (bus_peer_more(&g->peer, &f));
  }
  return answers;
}

static void everything_is_published_and_repaired(void **state) {
  (void)state;
  struct rig g;
  struct seen ticks[SHARDS] = {{0}}, events = {0};
  struct hd_random random = test_random();
  open_rig(&g, "admin");
  // Whoever joined late begins with the next number that is said, before anything of this.
  follow(&g, g.ticks, "ticks", 1, 1, &ticks[0]);
  follow(&g, g.events, "events", 1, 4, &events);
  for (uint64_t i = 1; i <= 5000; i++) {
    add(&g.journal, tick(i));
    if (hd_random_below(&random, 10) == 0) add(&g.journal, hd_random_below(&random, 2) ? allocation(i) : alert());
    if (hd_random_below(&random, 20) == 0) add(&g.journal, (struct row){HADRON_MSG_MARK, {.tick = {0}}, 64, 64}); // is not told
  }
  ticks[0].next = 1;
  follow(&g, g.ticks, "ticks", 1, g.journal.truth[1] + 1, &ticks[0]);
  assert_int_equal(ticks[0].messages, g.journal.truth[1]);
  follow(&g, g.events, "events", 1, g.journal.truth[0] + 1, &events);
  for (int i = 0; i < 50; i++) { // any piece of it, as if it had been lost
    uint32_t shard = (uint32_t)hd_random_below(&random, SHARDS);
    uint64_t from = 1 + hd_random_below(&random, g.journal.truth[1 + shard]), to = from + 1 + hd_random_below(&random, 100);
    repair(&g, "ticks", shard + 1, from, to < g.journal.truth[1 + shard] ? to : g.journal.truth[1 + shard] + 1);
    from = 1 + hd_random_below(&random, g.journal.truth[0]);
    repair(&g, "events", 1, from, g.journal.truth[0] + 1);
  }
  assert_true(repair(&g, "ticks", 2, 1, g.journal.truth[2] + 1) >= 1);
  struct hd_feed_figures figures;
  hd_feed_figures(hd_bus_feed(g.bus), &figures);
  assert_int_equal(figures.messages, g.journal.truth[0] + g.journal.truth[1] + g.journal.truth[2]);
  while (figures.subscribers != 2) hd_feed_figures(hd_bus_feed(g.bus), &figures); // the host knocks at its own doors: for a moment that is one more
  close_rig(&g);
}

// Two events with 50,000 ticks between them: who asks for them holds up nobody who waits for what is new.
static void far_apart(void **state) {
  (void)state;
  struct rig g;
  struct seen events = {0};
  open_rig(&g, "admin");
  add(&g.journal, alert());
  for (uint64_t i = 1; i <= 50000; i++) add(&g.journal, tick(i));
  add(&g.journal, alert());
  uint64_t count = g.journal.truth[0];
  follow(&g, g.events, "events", 1, count + 1, &events);
  pthread_mutex_lock(&g.journal.lock);
  g.journal.in_a_row = g.journal.in_a_row_max = 0;
  pthread_mutex_unlock(&g.journal.lock);
  assert_int_equal(repair(&g, "events", 1, count - 1, count + 1), 1); // whole, in one answer
  pthread_mutex_lock(&g.journal.lock);
  assert_in_range(g.journal.in_a_row_max, 1, 4096 + 1);
  pthread_mutex_unlock(&g.journal.lock);
  close_rig(&g);
}

static void what_is_gone_is_said(void **state) {
  (void)state;
  struct rig g;
  struct seen seen = {0};
  open_rig(&g, "read");
  for (uint64_t i = 1; i <= 3000; i++) add(&g.journal, tick(i));
  uint64_t all = g.journal.truth[2];
  follow(&g, g.ticks, "ticks", 2, all + 1, &seen);
  pthread_mutex_lock(&g.journal.lock);
  g.journal.kept_from = 1500;
  pthread_mutex_unlock(&g.journal.lock);
  struct hd_frame f = ask(&g, "ticks", 2, 1, 100);
  assert_int_equal(f.head.kind, HADRON_FRAME_TOO_OLD);
  uint64_t oldest = f.head.sequence;
  assert_in_range(oldest, all / 3, all);
  assert_int_equal(oldest % HD_FEED_STEP, 1);
  repair(&g, "ticks", 2, oldest, oldest + 50);
  assert_int_equal(ask(&g, "ticks", 2, all + 1, all + 5).head.kind, HADRON_FRAME_HEARTBEAT); // not there yet
  assert_int_equal(ask(&g, "ticks", 9, 1, 2).head.kind, HADRON_FRAME_REFUSED);
  assert_int_equal(ask(&g, "ticks", 1, 5, 5).head.kind, HADRON_FRAME_REFUSED);
  assert_int_equal(ask(&g, "events", 1, 1, 2).head.kind, HADRON_FRAME_REFUSED); // not for class read
  assert_int_equal(ask(&g, "events", 1, 0, 0).head.kind, HADRON_FRAME_REFUSED);
  close_rig(&g);
}

static void a_snapshot_stands_for_what_was(void **state) {
  (void)state;
  struct rig g;
  struct seen seen = {0};
  open_rig(&g, "admin");
  for (uint64_t i = 1; i <= 100; i++) add(&g.journal, tick(i));
  add(&g.journal, allocation(7));
  add(&g.journal, allocation(8));
  follow(&g, g.events, "events", 1, 6, &seen);
  struct hd_frame f = ask(&g, "ticks", 2, 0, 0); // instruments 1 and 3
  struct hd_frame_messages m;
  struct hadron_mark mark;
  struct hadron_position position;
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_INSTRUMENT);
  assert_int_equal(m.count, 2);
  assert_true(bus_peer_more(&g.peer, &f));
  assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
  assert_int_equal(m.template_id, HADRON_MSG_MARK);
  memcpy(&mark, m.blocks, sizeof mark);
  assert_int_equal(mark.instrument, 1);
  assert_int_equal(mark.last.nanos, 99);
  assert_true(bus_peer_more(&g.peer, &f));
  assert_int_equal(f.head.kind, HADRON_FRAME_HEARTBEAT);
  assert_int_equal(f.head.sequence, g.journal.truth[2] + 1);
  f = ask(&g, "events", 1, 0, 0);
  do {
    if (f.head.kind != HADRON_FRAME_DATA) continue;
    assert_int_equal(hd_frame_messages(&f, &m, NULL), HADRON_OK);
    if (m.template_id == HADRON_MSG_POSITION) memcpy(&position, m.blocks, sizeof position);
  } while (bus_peer_more(&g.peer, &f));
  assert_int_equal(position.arm, 2);
  assert_int_equal(position.position.e8, 80);
  close_rig(&g);
}

static void stand(struct rig *g, bool still) {
  pthread_mutex_lock(&g->journal.lock);
  g->journal.stands = still;
  pthread_cond_broadcast(&g->journal.moves);
  pthread_mutex_unlock(&g->journal.lock);
}

static void send_repair(const struct rig *g, struct bus_peer *p, uint32_t which, uint32_t stream) {
  struct hadron_repair what = {.topic = HADRON_TOPIC_TICKS, .stream = stream, .epoch = hd_bus_epoch(g->bus), .from = 1, .to = 2};
  nng_ctx_set_ms(p->contexts[which], NNG_OPT_REQ_RESENDTIME, 60000); // asked once: a repetition would be a question of its own
  bus_peer_send(p, which, HADRON_FRAME_REPAIR, 0, 0, &what, sizeof what);
}

// A reader that is behind asks the same again and again, or everything at once: it gets one answer at a time, and others theirs.
static void one_question_at_a_time(void **state) {
  (void)state;
  struct rig g;
  struct bus_peer other;
  struct seen seen = {0};
  int64_t wait_ns;
  open_rig(&g, "admin");
  bus_peer_open(&other, g.session_url);
  assert_int_equal(bus_peer_hello(&other, "{\"protocol\":1,\"name\":\"other\",\"class\":\"read\"}").head.kind, HADRON_FRAME_WELCOME);
  for (uint64_t i = 1; i <= 100; i++) add(&g.journal, tick(i));
  follow(&g, g.ticks, "ticks", 2, g.journal.truth[2] + 1, &seen);
  stand(&g, true);
  send_repair(&g, &g.peer, 0, 2);
  for (uint32_t i = 0; i < 3; i++) {
    send_repair(&g, &g.peer, 1, 2);
    struct hd_frame f = bus_peer_take(&g.peer, 1);
    assert_int_equal(f.head.kind, HADRON_FRAME_BUSY);
    assert_int_equal(f.head.stream, 2);
    assert_int_equal(f.head.size, sizeof wait_ns);
    memcpy(&wait_ns, f.payload, sizeof wait_ns);
    assert_in_range(wait_ns, 1000000, 1000000000);
  }
  send_repair(&g, &g.peer, 2, 1); // another stream
  send_repair(&g, &other, 0, 2);  // another reader
  stand(&g, false);
  assert_int_equal(bus_peer_take(&g.peer, 0).head.kind, HADRON_FRAME_DATA);
  assert_int_equal(bus_peer_take(&g.peer, 2).head.kind, HADRON_FRAME_DATA);
  assert_int_equal(bus_peer_take(&other, 0).head.kind, HADRON_FRAME_DATA);
  repair(&g, "ticks", 2, 1, 3); // the next one
  struct hd_feed_figures figures;
  hd_feed_figures(hd_bus_feed(g.bus), &figures);
  assert_int_equal(figures.repaired, 5); // what was said to be busy was not read
  bus_peer_close(&other);
  close_rig(&g);
}

// Whoever goes while its question is being looked into leaves nothing behind: as many times as would use up all that the host hears with.
static void who_goes_with_a_question(void **state) {
  (void)state;
  struct rig g;
  struct bus_peer other;
  struct seen seen = {0};
  open_rig(&g, "admin");
  bus_peer_open(&other, g.session_url);
  for (uint64_t i = 1; i <= 100; i++) add(&g.journal, tick(i));
  follow(&g, g.ticks, "ticks", 2, g.journal.truth[2] + 1, &seen);
  for (uint32_t i = 0; i < 8 * SESSIONS + 16 + 4; i++) {
    assert_int_equal(bus_peer_hello(&other, "{\"protocol\":1,\"name\":\"other\",\"class\":\"read\"}").head.kind, HADRON_FRAME_WELCOME);
    stand(&g, true);
    send_repair(&g, &other, 1, 2);
    assert_int_equal(bus_peer_ask(&other, HADRON_FRAME_NEXT, 0, 1, NULL, 0).head.kind, HADRON_FRAME_HEARTBEAT); // behind the question on the same connection
    assert_int_equal(bus_peer_ask(&other, HADRON_FRAME_BYE, 0, 0, NULL, 0).head.kind, HADRON_FRAME_ACK);
    stand(&g, false);
    nng_aio_cancel(other.waits[1]); // nobody answers that any more
    nng_aio_wait(other.waits[1]);
  }
  repair(&g, "ticks", 2, 1, 3);
  bus_peer_close(&other);
  close_rig(&g);
}

static void its_sockets_are_its_users_alone(void **state) {
  (void)state;
  struct rig g;
  struct stat is;
  mode_t before = umask(0);
  open_rig(&g, "read");
  umask(before);
  const char *const urls[] = {g.ticks_url, g.events_url};
  for (size_t i = 0; i < 2; i++) {
    assert_int_equal(stat(urls[i] + strlen("ipc://"), &is), 0);
    assert_int_equal(is.st_mode & 07777, 0600);
  }
  close_rig(&g);
}

// NNG takes a connection that ends within its greeting for the end of the listener. The feed notices, listens anew, who was there comes back, and who waits is let in.
static void gone_in_the_middle_of_a_greeting(void **state) {
  (void)state;
  struct rig g;
  struct seen seen = {0}, late = {0};
  open_rig(&g, "read");
  for (int turn = 0; turn < 2; turn++) bus_peer_break_off(g.ticks_url, 0x21);
  nng_socket other = subscribe(g.ticks_url, "ticks");
  nng_socket_set_ms(other, NNG_OPT_RECVTIMEO, 60000); // a greeting that the end of the listener has cut is given up after ten seconds
  nng_socket_set_ms(g.ticks, NNG_OPT_RECVTIMEO, 60000);
  for (uint64_t i = 1; i <= 100; i++) add(&g.journal, tick(i));
  follow(&g, other, "ticks", 2, g.journal.truth[2] + 1, &late);
  while (seen.next < late.next) { // what it missed meanwhile is a gap, which the next heartbeat shows
    seen = (struct seen){0};
    follow(&g, g.ticks, "ticks", 2, 1, &seen);
  }
  hd_nng_close(other);
  close_rig(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(everything_is_published_and_repaired), cmocka_unit_test(far_apart), cmocka_unit_test(what_is_gone_is_said), cmocka_unit_test(a_snapshot_stands_for_what_was),
                                     cmocka_unit_test(one_question_at_a_time), cmocka_unit_test(who_goes_with_a_question), cmocka_unit_test(its_sockets_are_its_users_alone),
                                     cmocka_unit_test(gone_in_the_middle_of_a_greeting)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
