// Promise: packed or not is nothing that a strategy sees: over tcp, where its client asks for packed messages by itself, over ipc, where it does not, and with what it says in its
// own hello, its messages are the same, bit for bit, also when its connection is cut again and again; and it is only bytes that are fewer. To who has not asked nothing is packed;
// what a session was given it is given again as it was, and who comes back with another wish begins a new one. How: four seats that are told the same, clients of
// the library and a peer without logic. Random market by a printed seed.
#include "base/clock.h"
#include "bus/bus.h"
#include "hadron/client.h"
#include "hadron/pack.h"
#include "support/bus_peer.h"
#include "support/bus_rig.h"
#include "support/chaos.h"
#include "support/directory.h"
#include "support/test.h"

// NNG 1.5 loses what belongs to a connection that is broken in the middle of something: its own.
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void); // or the sanitizer does not see it
const char *__lsan_default_suppressions(void) { return "leak:libnng.so\n"; }

#define TICKS UINT64_C(120000)
#define INSTRUMENTS 5u
#define SEATS 4u
#define ROOM (TICKS * 2 * sizeof(struct hadron_tick))
#define PATIENCE_NS INT64_C(60000000000)

static struct hadron_instrument_definition universe[INSTRUMENTS];

struct seat {
  struct hd_channel *channel;
  struct hd_bus_seat *seat;
  struct hadron_client *client;
  uint8_t *said; // template and block of every message; owned
  size_t size;
  uint64_t ticks, next;
  bool packed, resumed, away;
};

struct rig {
  char directory[TEST_PATH_SIZE], ipc[TEST_PATH_SIZE + 32], tcp[64];
  uint16_t port;
  struct hd_bus *bus;
  struct seat seats[SEATS];
};

static void attach(struct rig *g, struct seat *s, const char *name) {
  struct hd_fault fault = {0};
  s->channel = aligned_alloc(64, sizeof *s->channel);
  assert_non_null(s->channel);
  assert_int_equal(hd_channel_init(s->channel, 5, 0), HADRON_OK);
  const struct hd_bus_expected who = {.name = name, .channels = &s->channel, .channel_count = 1, .arm = 5, .universe = universe, .universe_count = INSTRUMENTS};
  if (hd_bus_attach(g->bus, &who, &s->seat, &fault)) fail_msg("%s", fault.text);
}

static void open_rig(struct rig *g) {
  struct hd_fault fault = {0};
  memset(g, 0, sizeof *g);
  test_directory_make(g->directory);
  snprintf(g->ipc, sizeof g->ipc, "ipc://%s/s", g->directory);
  snprintf(g->tcp, sizeof g->tcp, "tcp://127.0.0.1:%u", g->port = chaos_free_port());
  const struct hd_bus_listen listen[] = {{.url = g->ipc, .rights = HD_BUS_TRADE}, {.url = g->tcp, .rights = HD_BUS_TRADE}};
  const struct hd_bus_options options = {.listeners = listen, .listener_count = 2, .host = "test", .stale_after_ns = PATIENCE_NS, .session_keep_ns = PATIENCE_NS};
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    universe[i] = (struct hadron_instrument_definition){.instrument = i + 1, .listing = i + 1};
    snprintf(universe[i].name, sizeof universe[i].name, "SYM%u", i);
  }
  if (hd_bus_create(&options, &g->bus, &fault)) fail_msg("%s", fault.text);
}

static void close_rig(struct rig *g) {
  for (uint32_t i = 0; i < SEATS; i++) {
    struct seat *s = &g->seats[i];
    hadron_client_close(s->client);
    if (s->seat) hd_bus_detach(g->bus, s->seat);
    if (s->channel) hd_channel_fini(s->channel);
    free(s->channel), free(s->said);
  }
  hd_bus_destroy(g->bus);
  test_directory_remove(g->directory);
}

// ---- clients -------------------------------------------------------------------------------------------------------------------------------------

static void join(struct seat *s, const char *url, const char *name, const char *hello) {
  struct hadron_event e = {0};
  const struct hadron_client_options o = {.struct_size = sizeof o, .url = url, .name = name, .version = "1.0.0", .hello = hello};
  if (hadron_client_open(&o, &s->client)) fail_msg("%s", hadron_client_words());
  while (e.kind != HADRON_EVENT_JOINED) assert_int_equal(hadron_client_poll(s->client, 20000, &e), HADRON_OK);
  s->packed = strstr(e.text, "\"packed\":true") != NULL;
  s->next = e.sequence;
  s->said = malloc(ROOM);
  assert_non_null(s->said);
}

static void take(struct seat *s) {
  struct hadron_event e;
  while (hadron_client_poll(s->client, 0, &e) == HADRON_OK) {
    if (e.kind == HADRON_EVENT_JOINED) s->resumed |= (e.flags & HADRON_EVENT_RESUMED) != 0;
    if (e.kind == HADRON_EVENT_JOINED && !(e.flags & HADRON_EVENT_RESUMED)) fail_msg("another session");
    if (e.kind == HADRON_EVENT_AWAY || e.kind == HADRON_EVENT_JOINED) s->away = e.kind == HADRON_EVENT_AWAY;
    assert_int_not_equal(e.kind, HADRON_EVENT_LOST);
    if (!e.template_id) continue;
    assert_int_equal(e.sequence, s->next);
    assert_int_equal((uintptr_t)e.data % 8, 0);
    s->next += e.count;
    s->ticks += e.kind == HADRON_EVENT_TICKS ? e.count : 0;
    for (uint32_t i = 0; i < e.count; i++, s->size += 4 + e.stride) {
      assert_true(s->size + 4 + e.stride <= ROOM);
      memcpy(s->said + s->size, &e.template_id, 4);
      memcpy(s->said + s->size + 4, (const uint8_t *)e.data + (size_t)i * e.stride, e.stride);
    }
  }
}

static void say(struct rig *g, struct hd_random *random, uint64_t *given) { // [shard]
  uint64_t room = HD_CHANNEL_TICKS;
  for (uint32_t i = 0; i < SEATS; i++)
    if (HD_CHANNEL_TICKS - hd_ring_size(&g->seats[i].channel->ticks) < room) room = HD_CHANNEL_TICKS - hd_ring_size(&g->seats[i].channel->ticks);
  for (uint64_t n = hd_random_below(random, 4000); n > 0 && room > 0 && *given < TICKS; n--, room--) {
    const bool quote = hd_random_below(random, 3) == 0;
    struct hadron_tick t = {.event_ns = (int64_t)(*given * 5000 + hd_random_below(random, 5000)), .sequence = ++*given, .instrument = 1 + (uint32_t)hd_random_below(random, INSTRUMENTS),
                            .kind = quote ? HADRON_TICK_QUOTE : HADRON_TICK_TRADE};
    t.recv_ns = t.event_ns + 1000;
    t.value.trade.price.nanos = 100000000000 + (int64_t)hd_random_below(random, 1000) * 10000000;
    t.value.trade.quantity.e8 = (int64_t)(hd_random_next(random) >> hd_random_below(random, 64));
    const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = {.instrument = t.instrument, .after = t.sequence}};
    for (uint32_t i = 0; i < SEATS; i++) {
      assert_true(hd_channel_tick(g->seats[i].channel, &t));
      if (t.sequence % 1000 == 0) assert_true(hd_channel_note(g->seats[i].channel, &note));
    }
  }
  for (uint32_t i = 0; i < SEATS; i++) hd_channel_ring(g->seats[i].channel);
}

static void the_same_for_everybody(void **state) {
  (void)state;
  static struct rig g;
  static const char *const names[SEATS] = {"near", "far", "wild", "plain"};
  struct hd_random random = test_random();
  struct chaos wire;
  char wild[64];
  uint64_t given = 0;
  open_rig(&g);
  chaos_start(&wire, g.port, hd_random_next(&random));
  snprintf(wild, sizeof wild, "tcp://127.0.0.1:%u", wire.port);
  for (uint32_t i = 0; i < SEATS; i++) attach(&g, &g.seats[i], names[i]);
  join(&g.seats[0], g.ipc, names[0], NULL);
  join(&g.seats[1], g.tcp, names[1], NULL);
  join(&g.seats[2], wild, names[2], NULL);
  join(&g.seats[3], g.tcp, names[3], "{\"packed\":false}");
  const bool packed[SEATS] = {false, true, true, false};
  for (uint32_t i = 0; i < SEATS; i++) assert_int_equal(g.seats[i].packed, packed[i]);
  bool there = false;
  uint64_t cuts = 0;
  for (int64_t until = hd_clock_monotonic_ns() + PATIENCE_NS; !there && hd_clock_monotonic_ns() < until;) {
    there = given == TICKS;
    for (uint32_t i = 0; i < SEATS; i++) {
      take(&g.seats[i]);
      there = there && g.seats[i].ticks == TICKS;
    }
    // In the middle of them, whenever it is back and has had more.
    if (g.seats[2].away) atomic_store(&wire.state->down, false);
    else if (cuts < 3 && g.seats[2].ticks > TICKS / 5 * (cuts + 1) && !atomic_load(&wire.state->down)) atomic_store(&wire.state->down, true), cuts++;
    say(&g, &random, &given);
  }
  chaos_stop(&wire);
  if (!there) fail_msg("%llu cuts; ticks: %llu, %llu, %llu, %llu of %llu", (unsigned long long)cuts, (unsigned long long)g.seats[0].ticks, (unsigned long long)g.seats[1].ticks,
                       (unsigned long long)g.seats[2].ticks, (unsigned long long)g.seats[3].ticks, (unsigned long long)given);
  struct hadron_client_figures figures[SEATS];
  for (uint32_t i = 0; i < SEATS; i++) {
    hadron_client_figures(g.seats[i].client, &figures[i]);
    print_message("%s: %llu bytes in %llu packets, joined %llu times\n", names[i], (unsigned long long)figures[i].bytes, (unsigned long long)figures[i].packets,
                  (unsigned long long)figures[i].joined);
    assert_int_equal(g.seats[i].size, g.seats[0].size);
    assert_memory_equal(g.seats[i].said, g.seats[0].said, g.seats[0].size);
    assert_int_equal(figures[i].damaged, 0);
  }
  assert_true(g.seats[2].resumed);
  assert_true(figures[0].bytes > TICKS * 64 && figures[3].bytes > TICKS * 64);
  assert_true(figures[1].bytes < TICKS * 40);
  close_rig(&g);
}

// ---- a peer without logic -----------------------------------------------------------------------------------------------------------------------------

#define HELLO "{\"protocol\":1,\"name\":\"trend\",\"version\":\"1.0.0\""

// Takes what comes until it has seen `until` ticks, each of them next; says of what kind their frames were.
static uint32_t kinds_until(struct bus_peer *p, uint64_t *seen, uint64_t until) {
  static uint8_t blocks[HADRON_PACKET_MAX];
  uint32_t kinds = 0;
  while (*seen < until) {
    struct hd_frame f = bus_peer_ask(p, HADRON_FRAME_NEXT, 0, p->next, NULL, 0);
    do {
      struct hadron_message_header header;
      if (f.head.kind != HADRON_FRAME_DATA && f.head.kind != HADRON_FRAME_PACKED) continue;
      memcpy(&header, f.payload, sizeof header);
      if (f.head.sequence < p->next) continue; // what stands before it in a packet that is given again
      assert_int_equal(f.head.sequence, p->next);
      p->next += f.head.count;
      if (header.template_id != HADRON_MSG_TICK) continue;
      kinds |= 1u << f.head.kind;
      const uint8_t *payload = f.payload + sizeof header;
      uint32_t size = f.head.size - (uint32_t)sizeof header;
      if (f.head.kind == HADRON_FRAME_PACKED) assert_true(hadron_unpack(payload, size, f.head.count, sizeof(struct hadron_tick) / 8, blocks));
      else memcpy(blocks, payload, size);
      for (uint32_t i = 0; i < f.head.count; i++) assert_int_equal(hadron_pack_word(blocks + i * sizeof(struct hadron_tick), 2), ++*seen);
    } while (bus_peer_more(p, &f));
  }
  return kinds;
}

static void hello_again(struct bus_peer *p, const struct bus_rig *g, const char *wish, const char *resume) {
  char hello[512];
  snprintf(hello, sizeof hello, HELLO "%s%s}", wish, resume);
  bus_peer_open(p, g->url);
  assert_int_equal(bus_peer_hello(p, hello).head.kind, HADRON_FRAME_WELCOME);
}

static void only_who_asks_and_as_it_was(void **state) {
  (void)state;
  struct bus_rig g;
  struct bus_peer p;
  char resume[128];
  uint64_t seen = 0;
  bus_rig_open(&g, &(struct hd_bus_options){.stale_after_ns = INT64_C(300000000), .session_keep_ns = PATIENCE_NS}, NULL);
  bus_peer_open(&p, g.url);
  assert_int_equal(bus_peer_hello(&p, HELLO ",\"packed\":1}").head.kind, HADRON_FRAME_REFUSED);
  struct hd_frame f = bus_peer_hello(&p, HELLO ",\"packed\":true}");
  assert_int_equal(f.head.kind, HADRON_FRAME_WELCOME);
  assert_non_null(memmem(f.payload, f.head.size, "\"packed\":true", 13));
  bus_rig_say(&g, 100);
  assert_int_equal(kinds_until(&p, &seen, g.ticks), 1u << HADRON_FRAME_PACKED);
  uint32_t session = p.session;
  for (int again = 0; again < 2; again++) { // the same wish: the session goes on, and what is given again is so; another: a new one
    snprintf(resume, sizeof resume, ",\"resume\":{\"session\":%u,\"epoch\":\"%llu\",\"next\":\"%llu\"}", p.session, (unsigned long long)p.epoch, (unsigned long long)p.next - 100);
    bus_peer_close(&p);
    bus_rig_wait(&g, HADRON_PLACED_SILENT); // or it is still here, for the host
    hello_again(&p, &g, again ? "" : ",\"packed\":true", resume);
    assert_int_equal(p.session == session, !again);
    seen = again ? g.ticks : g.ticks - 100;
    bus_rig_say(&g, 100);
    assert_int_equal(kinds_until(&p, &seen, g.ticks), 1u << (again ? HADRON_FRAME_DATA : HADRON_FRAME_PACKED));
  }
  bus_peer_close(&p);
  bus_rig_close(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_for_everybody), cmocka_unit_test(only_who_asks_and_as_it_was)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
