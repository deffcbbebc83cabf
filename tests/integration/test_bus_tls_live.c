// Promise: on a TLS listener of the bus a session belongs to whose certificate has signed its HELLO, and nobody else gets anything: peers without a
// certificate, signed by themselves, by another authority, expired, not valid yet, revoked; a certificate of too low a role; one that claims another's strategy;
// a HELLO that was overheard and is said again; a frame of another's session, or of one's own that was had before; frames of random bytes; a length
// of 16 GB; a thousand connections that never become one. All are refused (who goes on is hung up on), told in the log, counted by their reason, and memory stays bounded;
// meanwhile the good one is served. Who is revoked is gone within two seconds; when the host's own certificate is renewed, sessions go on
// where they were. How: the bus with real sockets, peers by hand (TLS by mbedTLS, SP and frames as bytes).
#include "support/test.h"

#include <mbedtls/ssl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "bus/frame.h"
#include "hadron/client.h"
#include "support/bus_rig.h"
#include "support/cert_party.h"
#include "support/hello_sign.h"
#include "support/machine.h"
#include "support/tls_peer.h"

#define PACKET 65536

static struct test_party party;

struct rig {
  struct bus_rig bus;
  char url[64], certificate[TEST_PARTY_PATH], key[TEST_PARTY_PATH], ca[TEST_PARTY_PATH], crl[TEST_PARTY_PATH];
  uint16_t port;
};

static void open_rig(struct rig *g) {
  *g = (struct rig){.port = test_port_free()};
  snprintf(g->url, sizeof g->url, "tls+tcp://127.0.0.1:%u", g->port);
  snprintf(g->certificate, sizeof g->certificate, "%s/ours/host.crt", party.dir);
  snprintf(g->key, sizeof g->key, "%s/ours/host.key", party.dir);
  snprintf(g->ca, sizeof g->ca, "%s/ours/ca.crt", party.dir);
  snprintf(g->crl, sizeof g->crl, "%s/ours/ca.crl", party.dir);
  const struct hd_bus_listen listen = {.url = g->url, .rights = HD_BUS_TRADE, .certificate = g->certificate, .key = g->key, .ca = g->ca, .crl = g->crl};
  bus_rig_open(&g->bus, &(struct hd_bus_options){.listeners = &listen, .listener_count = 1, .stale_after_ns = INT64_C(60000000000)}, &(struct hd_bus_expected){.name = "alpha"});
}

// ---- a peer

struct peer {
  struct test_peer *wire;
  uint32_t request, session;
  uint64_t epoch;
  uint8_t packet[PACKET]; // what came last
  struct hd_frame frame;  // its first frame
};

static struct test_peer *connect_as(const struct rig *g, const char *who, int *handshake) {
  char crt[TEST_PARTY_PATH], key[TEST_PARTY_PATH];
  snprintf(crt, sizeof crt, "%s/%s.crt", party.dir, who);
  snprintf(key, sizeof key, "%s/%s.key", party.dir, who);
  const struct test_peer_files files = {.certificate = *who ? crt : NULL, .key = *who ? key : NULL, .ca = g->ca, .server = "127.0.0.1"};
  return test_peer_open(g->port, &files, handshake);
}

static void peer_open(struct peer *p, const struct rig *g, const char *who) {
  int handshake;
  *p = (struct peer){.wire = connect_as(g, who, &handshake)};
  if (handshake) fail_msg("%s: handshake: -0x%04x", who, (unsigned)-handshake);
  assert_true(test_peer_greet(p->wire, TEST_SP_REQ));
}

static void peer_close(struct peer *p) { test_peer_close(p->wire); }

// 0: no answer came, or it is none.
static uint16_t answer(struct peer *p) {
  size_t at = 0;
  int64_t size = test_peer_answer(p->wire, NULL, p->packet, sizeof p->packet, 10000);
  if (size < 0 || hd_frame_next(p->packet, (size_t)size, &at, &p->frame, NULL)) return 0;
  return p->frame.head.kind;
}

static uint16_t ask(struct peer *p, enum hadron_frame_kind kind, uint64_t sequence, const void *payload, size_t size) {
  uint8_t bytes[PACKET];
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, p->session, p->epoch, kind, kind == HADRON_FRAME_DECIDE ? 1 : 0, sequence);
  assert_true(hd_frame_put(&packet, &head, payload, (uint32_t)size));
  if (!test_peer_request(p->wire, ++p->request, packet.bytes, packet.size)) return 0;
  return answer(p);
}

static const char *word_of(const struct peer *p, const char *key) { // of a JSON answer; static
  static char value[256];
  char name[32];
  snprintf(name, sizeof name, "\"%s\":", key);
  const char *at = memmem(p->frame.payload, p->frame.head.size, name, strlen(name)), *end = (const char *)p->frame.payload + p->frame.head.size;
  value[0] = 0;
  if (!at) return value;
  at += strlen(name);
  bool quoted = *at == '"';
  at += quoted;
  size_t n = 0;
  while (at + n < end && n < sizeof value - 1 && (quoted ? at[n] != '"' : at[n] != ',' && at[n] != '}')) value[n] = at[n], n++;
  value[n] = 0;
  return value;
}

struct words { // what a HELLO says
  const char *who, *name, *class_name, *server, *nonce;
  uint32_t session;
  uint64_t epoch, next;
};

// A signed HELLO as JSON; owned.
static char *signed_hello(const struct words *w) {
  char path[64], signature[HADRON_HELLO_SIGNATURE_SIZE], session[24] = "", epoch[24] = "", resume[128] = "";
  snprintf(path, sizeof path, "%s.crt", w->who);
  char *pem = test_party_text(&party, path), *json = malloc(PACKET), *escaped = malloc(2 * strlen(pem) + 1), *to = escaped;
  snprintf(path, sizeof path, "%s.key", w->who);
  char *key = test_party_text(&party, path);
  if (w->session) {
    snprintf(session, sizeof session, "%u", w->session);
    snprintf(epoch, sizeof epoch, "%llu", (unsigned long long)w->epoch);
    snprintf(resume, sizeof resume, ",\"resume\":{\"session\":%u,\"epoch\":\"%s\",\"next\":\"%llu\"}", w->session, epoch, (unsigned long long)w->next);
  }
  const struct hadron_hello_facts facts = {w->nonce, w->server, w->name, "1.0.0", w->class_name, session, epoch};
  assert_int_equal(test_hello_sign(key, &facts, signature), HADRON_OK);
  for (const char *c = pem; *c; c++)
    if (*c == '\n') *to++ = '\\', *to++ = 'n';
    else *to++ = *c;
  *to = 0;
  snprintf(json, PACKET, "{\"protocol\":1,\"name\":\"%s\",\"version\":\"1.0.0\",\"class\":\"%s\"%s,\"certificate\":\"%s\",\"nonce\":\"%s\",\"server\":\"%s\",\"signature\":\"%s\"}", w->name,
           w->class_name, resume, escaped, w->nonce, w->server, signature);
  free(pem), free(key), free(escaped);
  return json;
}

// Asks for a nonce and says a signed HELLO. said (may be NULL): the JSON, owned by the caller.
static uint16_t hello(struct peer *p, struct words w, char **said) {
  char unsigned_one[256], nonce[80];
  snprintf(unsigned_one, sizeof unsigned_one, "{\"protocol\":1,\"name\":\"%s\",\"version\":\"1.0.0\",\"class\":\"%s\"}", w.name, w.class_name);
  uint16_t kind = ask(p, HADRON_FRAME_HELLO, 0, unsigned_one, strlen(unsigned_one));
  if (kind != HADRON_FRAME_REFUSED) return kind;
  snprintf(nonce, sizeof nonce, "%s", word_of(p, "nonce"));
  if (strlen(nonce) != 64) return kind;
  if (!w.nonce) w.nonce = nonce;
  char *json = signed_hello(&w);
  kind = ask(p, HADRON_FRAME_HELLO, 0, json, strlen(json));
  if (kind == HADRON_FRAME_WELCOME) {
    p->session = p->frame.head.stream;
    p->epoch = p->frame.head.epoch;
  }
  if (said) *said = json;
  else free(json);
  return kind;
}

static const struct words alpha = {.who = "ours/alpha", .name = "alpha", .class_name = "trade", .server = "127.0.0.1"};

// The good one is served, whatever else goes on.
static void alpha_is_served(struct rig *g) {
  struct peer p;
  peer_open(&p, g, "ours/alpha");
  if (hello(&p, alpha, NULL) != HADRON_FRAME_WELCOME) fail_msg("alpha: %s", word_of(&p, "text"));
  assert_int_equal(ask(&p, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_DATA);
  assert_int_equal(ask(&p, HADRON_FRAME_BYE, 0, NULL, 0), HADRON_FRAME_ACK);
  peer_close(&p);
}

// ---- the tests

static void handshakes(void **state) {
  static const char *const strangers[] = {"", "self", "theirs/alpha", "expired", "early", "ours/gone"};
  enum { COUNT = sizeof strangers / sizeof *strangers };
  struct rig g;
  (void)state;
  open_rig(&g);
  for (size_t i = 0; i < COUNT; i++) {
    int error;
    struct test_peer *p = connect_as(&g, strangers[i], &error);
    // TLS 1.2: the server's answer to a certificate comes before the handshake is done.
    if (!error && test_peer_greet(p, TEST_SP_REQ)) fail_msg("\"%s\" was let in", strangers[i]);
    test_peer_close(p);
    alpha_is_served(&g); // and NNG has time to count: of two that fail at once it may count one
  }
  int64_t start = hd_clock_monotonic_ns();
  while (bus_rig_refusals(&g.bus).certificate < COUNT) { // it counts once a second
    if (hd_clock_monotonic_ns() - start > INT64_C(20000000000)) fail_msg("%llu of %d counted", (unsigned long long)bus_rig_refusals(&g.bus).certificate, COUNT);
    sched_yield();
  }
  assert_int_equal(bus_rig_refusals(&g.bus).certificate, COUNT);
  assert_int_equal(bus_rig_refusals(&g.bus).hellos_good, COUNT);
  bus_rig_close(&g.bus);
}

static void hellos(void **state) {
  static const struct { struct words words; enum hd_cert_reason reason; const char *text; } rows[] = {
      {{.who = "ours/eve", .name = "alpha", .class_name = "trade", .server = "127.0.0.1"}, HD_CERT_REASON_NAME, "does not speak for the strategy alpha"},
      {{.who = "ours/reader", .name = "reader", .class_name = "trade", .server = "127.0.0.1"}, HD_CERT_REASON_ROLE, "expected the role trade or above, found read"},
      {{.who = "theirs/alpha", .name = "alpha", .class_name = "trade", .server = "127.0.0.1"}, HD_CERT_REASON_UNTRUSTED, "expected one of this host"},
      {{.who = "self", .name = "self", .class_name = "read", .server = "127.0.0.1"}, HD_CERT_REASON_UNTRUSTED, "expected one of this host"},
      {{.who = "ours/gone", .name = "gone", .class_name = "trade", .server = "127.0.0.1"}, HD_CERT_REASON_REVOKED, "it was revoked"},
      {{.who = "expired", .name = "expired", .class_name = "trade", .server = "127.0.0.1"}, HD_CERT_REASON_EXPIRED, "it has expired"},
      {{.who = "ours/alpha", .name = "alpha", .class_name = "trade", .server = "10.0.0.1"}, HD_CERT_REASON_SERVER, "meant for the host 10.0.0.1"},
      {{.who = "ours/alpha", .name = "alpha", .class_name = "trade", .server = "127.0.0.1", .nonce = "00000000000000000000000000000000000000000000000000000000000000ff"}, HD_CERT_REASON_NONCE, "the nonce is not"},
  };
  struct rig g;
  (void)state;
  open_rig(&g);
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct peer p;
    struct hd_bus_refusals before = bus_rig_refusals(&g.bus), after;
    peer_open(&p, &g, "ours/eve"); // TLS lets it in: it has a good certificate
    assert_int_equal(hello(&p, rows[i].words, NULL), HADRON_FRAME_REFUSED);
    if (!strstr(word_of(&p, "text"), rows[i].text)) fail_msg("row %zu: expected \"%s\", found \"%s\"", i, rows[i].text, word_of(&p, "text"));
    assert_string_equal(word_of(&p, "nonce"), "");
    after = bus_rig_refusals(&g.bus);
    for (int k = 0; k < HD_CERT_REASONS; k++) assert_int_equal(after.hellos[k], before.hellos[k] + (k == (int)rows[i].reason));
    assert_int_equal(after.requests, before.requests + 1);
    assert_int_equal(ask(&p, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_REFUSED); // no session came of it
    peer_close(&p);
  }
  // One that is good, for what it does not have: a class above the listener's.
  struct peer boss;
  peer_open(&boss, &g, "ours/boss");
  assert_int_equal(hello(&boss, (struct words){.who = "ours/boss", .name = "boss", .class_name = "admin", .server = "127.0.0.1"}, NULL), HADRON_FRAME_REFUSED);
  assert_non_null(strstr(word_of(&boss, "text"), "this address is for class trade"));
  peer_close(&boss);
  // A reader may look.
  struct peer reader;
  peer_open(&reader, &g, "ours/reader");
  assert_int_equal(hello(&reader, (struct words){.who = "ours/reader", .name = "reader", .class_name = "read", .server = "127.0.0.1"}, NULL), HADRON_FRAME_WELCOME);
  struct hadron_decision d = {.kind = HADRON_DECISION_TARGET, .instrument = 2, .confidence = 1};
  uint8_t payload[8 + sizeof d];
  const struct hadron_message_header header = hd_frame_header(HADRON_MSG_DECISION, sizeof d);
  memcpy(payload, &header, sizeof header);
  memcpy(payload + sizeof header, &d, sizeof d);
  assert_int_equal(ask(&reader, HADRON_FRAME_DECIDE, 1, payload, sizeof payload), HADRON_FRAME_ACK);
  assert_int_equal(reader.frame.head.count, 1); // refused
  assert_int_equal(hd_ring_size(&g.bus.channel->decisions), 0);
  peer_close(&reader);
  alpha_is_served(&g);
  bus_rig_close(&g.bus);
}

static void said_again(void **state) {
  struct rig g;
  struct peer good, thief;
  char *overheard;
  struct hadron_decision d = {.kind = HADRON_DECISION_TARGET, .instrument = 2, .confidence = 1, .quantity = {100000000}}, out[HD_CHANNEL_DECISIONS];
  uint8_t payload[8 + sizeof d];
  uint64_t number;
  const struct hadron_message_header header = hd_frame_header(HADRON_MSG_DECISION, sizeof d);
  (void)state;
  open_rig(&g);
  memcpy(payload, &header, sizeof header);
  memcpy(payload + sizeof header, &d, sizeof d);
  peer_open(&good, &g, "ours/alpha");
  assert_int_equal(hello(&good, alpha, &overheard), HADRON_FRAME_WELCOME);
  bus_rig_say(&g.bus, 1);
  assert_int_equal(ask(&good, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_DATA);
  // Of the same session once more: the same answer, one decision.
  uint8_t bytes[512];
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, good.session, good.epoch, HADRON_FRAME_DECIDE, 1, 1);
  assert_true(hd_frame_put(&packet, &head, payload, sizeof payload));
  assert_true(test_peer_request(good.wire, 100, packet.bytes, packet.size));
  bus_rig_take(&g.bus, out, &number);
  hd_channel_took(g.bus.channel, number);
  assert_int_equal(answer(&good), HADRON_FRAME_ACK);
  for (int i = 0; i < 100; i++) {
    assert_true(test_peer_request(good.wire, 101, packet.bytes, packet.size));
    assert_int_equal(answer(&good), HADRON_FRAME_ACK);
    assert_int_equal(good.frame.head.sequence, 1);
  }
  assert_int_equal(hd_ring_size(&g.bus.channel->decisions), 0);
  // By another, with a good certificate of its own: HELLO and frames that it has overheard.
  peer_open(&thief, &g, "ours/eve");
  struct hd_bus_refusals before = bus_rig_refusals(&g.bus);
  assert_int_equal(ask(&thief, HADRON_FRAME_HELLO, 0, overheard, strlen(overheard)), HADRON_FRAME_REFUSED);
  assert_int_equal(bus_rig_refusals(&g.bus).hellos[HD_CERT_REASON_NONCE], before.hellos[HD_CERT_REASON_NONCE] + 1);
  assert_true(test_peer_request(thief.wire, 7, packet.bytes, packet.size));
  assert_int_equal(answer(&thief), HADRON_FRAME_REFUSED);
  thief.session = good.session, thief.epoch = good.epoch;
  assert_int_equal(ask(&thief, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_REFUSED);
  assert_int_equal(ask(&thief, HADRON_FRAME_BYE, 1, NULL, 0), HADRON_FRAME_REFUSED);
  assert_int_equal(hd_ring_size(&g.bus.channel->decisions), 0);
  assert_int_equal(ask(&good, HADRON_FRAME_NEXT, 2 + BUS_RIG_INSTRUMENTS, NULL, 0), HADRON_FRAME_HEARTBEAT); // and the good one has noticed nothing
  peer_close(&thief);
  peer_close(&good);
  free(overheard);
  bus_rig_close(&g.bus);
}

static void random_frames(void **state) {
  struct hd_random r = test_random();
  struct rig g;
  struct peer p;
  (void)state;
  open_rig(&g);
  peer_open(&p, &g, "ours/alpha");
  assert_int_equal(hello(&p, alpha, NULL), HADRON_FRAME_WELCOME);
  uint64_t start = test_resident_bytes();
  uint32_t hung_up = 0;
  for (int i = 0; i < 150; i++) {
    uint8_t bytes[512];
    size_t size = hd_random_below(&r, sizeof bytes);
    for (size_t k = 0; k < size; k++) bytes[k] = (uint8_t)hd_random_next(&r);
    if (i % 2) { // a frame with one field changed, its CRC good or not
      struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, p.session, p.epoch, HADRON_FRAME_REPAIR, 0, hd_random_next(&r));
      struct hd_packet packet;
      head.kind = (uint16_t)(hd_random_below(&r, 2) ? hd_random_below(&r, 64) : hd_random_next(&r));
      if (head.kind == HADRON_FRAME_BYE || head.kind == HADRON_FRAME_NEXT || head.kind == HADRON_FRAME_DECIDE) continue; // not refused, or not at once
      hd_packet_init(&packet, bytes, sizeof bytes);
      if (!hd_frame_put(&packet, &head, bytes + 256, (uint32_t)hd_random_below(&r, 200))) continue;
      size = packet.size;
      if (i % 4 == 1) bytes[hd_random_below(&r, size)] ^= 1;
    }
    assert_true(test_peer_request(p.wire, (uint32_t)i + 1000, bytes, size));
    uint16_t kind = answer(&p);
    if (kind == HADRON_FRAME_REFUSED || kind == HADRON_FRAME_ACK) continue;
    if (kind || !test_peer_gone(p.wire, 10000)) fail_msg("request %d: answer of kind %u", i, kind);
    // Whoever is refused again and again is hung up on; who can prove itself is heard again at once.
    hung_up++;
    struct words back = alpha; // it goes on with its session: the host may not have noticed yet that the connection is gone
    back.session = p.session, back.epoch = p.epoch, back.next = 1;
    peer_close(&p);
    peer_open(&p, &g, "ours/alpha");
    if (hello(&p, back, NULL) != HADRON_FRAME_WELCOME) fail_msg("alpha is back: %s", word_of(&p, "text"));
  }
  print_message("%u of 150 ended the connection\n", hung_up);
  assert_in_range(hung_up, 1, 150);
  const char *sanitizer = getenv("HADRON_SANITIZE");
  if (!sanitizer || !*sanitizer) assert_true(test_resident_bytes() < start + (UINT64_C(8) << 20));
  peer_close(&p);
  // 16 GB are claimed, in the middle of a session.
  peer_open(&p, &g, "ours/eve");
  static const unsigned char claim[12] = {0, 0, 0, 4, 0, 0, 0, 0, 0x80, 0, 0, 1};
  assert_true(test_peer_write(p.wire, claim, sizeof claim));
  assert_true(test_peer_gone(p.wire, 10000));
  peer_close(&p);
  if (!sanitizer || !*sanitizer) assert_true(test_resident_bytes() < start + (UINT64_C(16) << 20));
  bus_rig_close(&g.bus);
}

static void half_open(void **state) {
  enum { COUNT = 1000 };
  static struct test_peer *peers[COUNT];
  struct rig g;
  (void)state;
  open_rig(&g);
  alpha_is_served(&g);
  uint64_t start = test_resident_bytes();
  for (int i = 0; i < COUNT; i++) {
    peers[i] = test_peer_open(g.port, NULL, NULL);
    if (i % 2) test_peer_write(peers[i], "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27);
  }
  alpha_is_served(&g);
  for (int i = 0; i < COUNT; i++) test_peer_close(peers[i]);
  alpha_is_served(&g);
  uint64_t end = test_resident_bytes();
  for (int64_t until = hd_clock_monotonic_ns() + INT64_C(20000000000); bus_rig_refusals(&g.bus).other + bus_rig_refusals(&g.bus).certificate == 0; sched_yield()) // NNG counts about ten a second, the host looks once
    if (hd_clock_monotonic_ns() > until) fail_msg("nothing of it was counted");
  print_message("1,000 connections that never became one: %+.1f MB resident\n", ((double)end - (double)start) / 1e6);
  const char *sanitizer = getenv("HADRON_SANITIZE");
  if (!sanitizer || !*sanitizer) assert_true(end < start + (UINT64_C(128) << 20));
  bus_rig_close(&g.bus);
}

static void revoked_meanwhile(void **state) {
  struct rig g;
  struct peer p, kept;
  struct hd_fault fault = {0};
  (void)state;
  open_rig(&g);
  struct hd_cert_wish wish = {.name = "late", .role = HD_CERT_TRADE, .days = 30, .strategies = {"alpha"}, .strategy_count = 1};
  assert_int_equal(hd_cert_issue(test_party_file(&party, "ours"), &wish, NULL, &fault), HADRON_OK);
  peer_open(&p, &g, "ours/late");
  assert_int_equal(hello(&p, (struct words){.who = "ours/late", .name = "alpha", .class_name = "trade", .server = "127.0.0.1"}, NULL), HADRON_FRAME_WELCOME);
  peer_open(&kept, &g, "ours/reader");
  assert_int_equal(hello(&kept, (struct words){.who = "ours/reader", .name = "reader", .class_name = "read", .server = "127.0.0.1"}, NULL), HADRON_FRAME_WELCOME);
  int64_t start = hd_clock_monotonic_ns();
  assert_int_equal(hd_cert_revoke(test_party_file(&party, "ours"), "late", NULL, &fault), HADRON_OK);
  assert_true(test_peer_gone(p.wire, 10000));
  print_message("a revoked certificate's session ended after %.2f s\n", (double)(hd_clock_monotonic_ns() - start) / 1e9);
  peer_close(&p);
  // It dials again; NNG still lets it in, for it listens with the list of the start; the session is refused.
  peer_open(&p, &g, "ours/late");
  assert_int_equal(hello(&p, (struct words){.who = "ours/late", .name = "alpha", .class_name = "trade", .server = "127.0.0.1"}, NULL), HADRON_FRAME_REFUSED);
  assert_non_null(strstr(word_of(&p, "text"), "it was revoked"));
  peer_close(&p);
  assert_int_equal(ask(&kept, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_HEARTBEAT); // the others notice nothing
  peer_close(&kept);
  alpha_is_served(&g);
  bus_rig_close(&g.bus);
}

static void renewed_meanwhile(void **state) {
  struct rig g;
  struct peer p, again;
  struct hd_fault fault = {0};
  (void)state;
  open_rig(&g);
  peer_open(&p, &g, "ours/alpha");
  assert_int_equal(hello(&p, alpha, NULL), HADRON_FRAME_WELCOME);
  assert_int_equal(ask(&p, HADRON_FRAME_NEXT, 1, NULL, 0), HADRON_FRAME_DATA); // the instruments: 1 to 3
  bus_rig_say(&g.bus, 5);
  assert_int_equal(ask(&p, HADRON_FRAME_NEXT, 1 + BUS_RIG_INSTRUMENTS, NULL, 0), HADRON_FRAME_DATA);
  struct hd_cert_wish wish = {.name = "host", .role = HD_CERT_READ, .days = 60, .hosts = {"127.0.0.1"}, .host_count = 1, .renew = true};
  assert_int_equal(hd_cert_issue(test_party_file(&party, "ours"), &wish, NULL, &fault), HADRON_OK);
  assert_true(test_peer_gone(p.wire, 10000));
  // It comes back and goes on: the five ticks were not acknowledged, so they are said once more, by their numbers.
  struct words resume = alpha;
  resume.session = p.session, resume.epoch = p.epoch, resume.next = 1 + BUS_RIG_INSTRUMENTS;
  int64_t start = hd_clock_monotonic_ns();
  for (int handshake = 1;; peer_close(&again)) { // it listens anew a moment later; who comes just before that is cut once more
    again = (struct peer){.wire = connect_as(&g, "ours/alpha", &handshake)};
    if (handshake == 0 && test_peer_greet(again.wire, TEST_SP_REQ) && hello(&again, resume, NULL) == HADRON_FRAME_WELCOME) break;
    if (hd_clock_monotonic_ns() - start > INT64_C(20000000000)) fail_msg("it does not come back");
  }
  assert_int_equal(again.session, p.session);
  assert_int_equal(ask(&again, HADRON_FRAME_NEXT, 1 + BUS_RIG_INSTRUMENTS, NULL, 0), HADRON_FRAME_DATA);
  assert_int_equal(again.frame.head.sequence, 1 + BUS_RIG_INSTRUMENTS);
  assert_int_equal(again.frame.head.count, 5);
  peer_close(&again);
  peer_close(&p);
  bus_rig_close(&g.bus);
}

// ---- the client library, as its users have it

// What comes until one of this kind does.
static struct hadron_event until(struct hadron_client *c, uint32_t kind, uint64_t *ticks) {
  struct hadron_event e;
  int64_t start = hd_clock_monotonic_ns();
  for (;;) {
    int32_t code = hadron_client_poll(c, 100, &e);
    if (!code && e.kind == HADRON_EVENT_LOST) fail_msg("it has lost something");
    for (uint32_t i = 0; !code && e.kind == HADRON_EVENT_TICKS && i < e.count; i++) {
      struct hadron_tick t;
      memcpy(&t, (const char *)e.data + (size_t)i * e.stride, sizeof t);
      assert_int_equal(t.sequence, ++*ticks); // each once, in order
    }
    if (e.kind == kind) return e;
    if (e.kind == HADRON_EVENT_CLOSED) fail_msg("closed: %s", e.text);
    if (hd_clock_monotonic_ns() - start > INT64_C(20000000000)) fail_msg("no event of kind %u", kind);
  }
}

// With another authority, or another name for the host, it finds nobody whom it trusts, and gives up.
static void not_joined(const struct hadron_client_options *options, const char *ca, const char *server_name) {
  struct hadron_client_options o = *options;
  struct hadron_client *c;
  struct hadron_client_figures figures;
  struct hadron_event e = {0};
  o.connect_ms = 400;
  if (ca) o.ca = ca;
  o.server_name = server_name;
  assert_int_equal(hadron_client_open(&o, &c), HADRON_OK);
  while (e.kind != HADRON_EVENT_CLOSED) {
    hadron_client_poll(c, 50, &e);
    assert_int_not_equal(e.kind, HADRON_EVENT_JOINED);
  }
  assert_int_equal(e.code, HADRON_ERR_TIMEOUT);
  hadron_client_figures(c, &figures);
  assert_int_equal(figures.packets, 0); // not a word was said to it
  hadron_client_close(c);
}

static void client_library(void **state) {
  struct rig g;
  struct hadron_client *c;
  struct hd_fault fault = {0};
  struct hadron_event e;
  struct hadron_decision d = {.kind = HADRON_DECISION_TARGET, .instrument = 2, .confidence = 1, .quantity = {100000000}}, out[HD_CHANNEL_DECISIONS];
  char certificate[TEST_PARTY_PATH], key[TEST_PARTY_PATH], eve_certificate[TEST_PARTY_PATH], eve_key[TEST_PARTY_PATH], other_ca[TEST_PARTY_PATH];
  uint64_t number, ticks = 0;
  (void)state;
  open_rig(&g);
  snprintf(certificate, sizeof certificate, "%s/ours/alpha.crt", party.dir);
  snprintf(key, sizeof key, "%s/ours/alpha.key", party.dir);
  snprintf(eve_certificate, sizeof eve_certificate, "%s/ours/eve.crt", party.dir);
  snprintf(eve_key, sizeof eve_key, "%s/ours/eve.key", party.dir);
  snprintf(other_ca, sizeof other_ca, "%s/theirs/ca.crt", party.dir);
  struct hadron_client_options o = {.struct_size = sizeof o, .url = g.url, .name = "alpha", .version = "1.0.0", .ca = g.ca, .certificate = certificate, .key = key};
  assert_int_equal(chmod(key, 0640), 0);
  assert_int_equal(hadron_client_open(&o, &c), HADRON_ERR_PERMISSION);
  assert_non_null(strstr(hadron_client_words(), "mode 0640"));
  assert_int_equal(chmod(key, 0600), 0);
  // In alpha's name, by another's key: closed, with the reason.
  struct hadron_client_options thief = o;
  thief.certificate = eve_certificate, thief.key = eve_key;
  uint64_t refused = bus_rig_refusals(&g.bus).hellos[HD_CERT_REASON_NAME];
  assert_int_equal(hadron_client_open(&thief, &c), HADRON_OK);
  for (int64_t start = hd_clock_monotonic_ns(); bus_rig_refusals(&g.bus).hellos[HD_CERT_REASON_NAME] == refused; hadron_client_poll(c, 20, &e))
    if (hd_clock_monotonic_ns() - start > INT64_C(20000000000)) fail_msg("it was not refused");
  hadron_client_close(c);
  not_joined(&o, other_ca, NULL);        // this host is none of that authority
  not_joined(&o, NULL, "elsewhere.example"); // nor of that name
  assert_int_equal(hadron_client_open(&o, &c), HADRON_OK);
  e = until(c, HADRON_EVENT_JOINED, &ticks);
  assert_int_equal(e.flags & HADRON_EVENT_RESUMED, 0);
  bus_rig_say(&g.bus, 1000);
  while (ticks < 1000) until(c, HADRON_EVENT_TICKS, &ticks);
  assert_int_equal(hadron_client_decide(c, &d, 1, &number), HADRON_OK);
  while (!hd_channel_take(g.bus.channel, out, &number)) hadron_client_poll(c, 1, &e);
  assert_int_equal(out[0].cause, 1000);
  hd_channel_took(g.bus.channel, number);
  // The host's certificate is renewed: every connection ends, the session does not.
  struct hd_cert_wish wish = {.name = "host", .role = HD_CERT_READ, .days = 60, .hosts = {"127.0.0.1"}, .host_count = 1, .renew = true};
  assert_int_equal(hd_cert_issue(test_party_file(&party, "ours"), &wish, NULL, &fault), HADRON_OK);
  until(c, HADRON_EVENT_AWAY, &ticks);
  bus_rig_say(&g.bus, 500);
  e = until(c, HADRON_EVENT_JOINED, &ticks);
  assert_int_equal(e.flags & HADRON_EVENT_RESUMED, HADRON_EVENT_RESUMED);
  while (ticks < 1500) until(c, HADRON_EVENT_TICKS, &ticks);
  struct hadron_client_figures figures;
  hadron_client_figures(c, &figures);
  assert_int_equal(figures.lost, 0);
  assert_int_equal(figures.acknowledged, 1);
  assert_int_equal(figures.resumed, 1);
  hadron_client_close(c);
  bus_rig_close(&g.bus);
}

static int setup(void **state) {
  (void)state;
  test_party_make(&party);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  test_party_remove(&party);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(handshakes), cmocka_unit_test(hellos), cmocka_unit_test(said_again), cmocka_unit_test(random_frames), cmocka_unit_test(half_open),
                                     cmocka_unit_test(revoked_meanwhile), cmocka_unit_test(renewed_meanwhile), cmocka_unit_test(client_library)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
