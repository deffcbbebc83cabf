// The peers' sessions: who may come, what each request is answered, who has fallen silent.
#include <fnmatch.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "bus/hangup.h"
#include "bus/server_internal.h"
#include "pipeline/engine.h"

// ---- answers -------------------------------------------------------------------------------------------------------------------------------

static void answer(struct hd_bus *bus, struct hd_request *r, uint32_t session, enum hadron_frame_kind kind, uint64_t sequence, const void *payload, size_t size) {
  uint8_t bytes[4096 + sizeof(struct hadron_frame)];
  struct hd_packet packet;
  hd_packet_init(&packet, bytes, sizeof bytes);
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, session, bus->epoch, kind, 0, sequence);
  if (size > 4096) size = 0;
  hd_frame_put(&packet, &head, payload, (uint32_t)size);
  hd_request_answer(r, packet.bytes, packet.size);
}

// nonce: NULL, or what is to be signed.
static void say_no(struct hd_bus *bus, struct hd_request *r, const struct hd_fault *fault, const char *nonce) {
  hd_lobby_heard(bus->lobby, r->pipe);
  static const char spare[] = "{\"code\":\"HADRON_ERR_MEMORY\",\"text\":\"the host could not say why\"}";
  char *json = hd_refused_write(fault, nonce);
  answer(bus, r, 0, HADRON_FRAME_REFUSED, 0, json ? json : spare, strlen(json ? json : spare));
  free(json);
}

// Logged once a minute for each address. Whoever is refused again and again loses its connection, which costs it more than it costs the host;
// who can prove itself is heard from the same address all the same.
#define REFUSED_A_MINUTE 60

void hd_bus_refuse(struct hd_bus *bus, struct hd_request *r, struct hd_fault *fault) {
  char peer[64];
  hd_request_peer(r, peer, sizeof peer);
  hd_text_printable(fault->text);
  uint32_t count = hd_refusals_add(&bus->refusals, peer, bus->now_ns);
  if (count == 1) hd_log_warn("BUS_REFUSED", "%s: %s; more from there within a minute are only counted", peer, fault->text);
  if (count > REFUSED_A_MINUTE) hd_request_hang_up(r);
  else say_no(bus, r, fault, NULL);
}

static bool same(const uint8_t a[32], const uint8_t b[32]) { // in a time that says nothing of where they differ
  uint8_t differs = 0;
  for (int i = 0; i < 32; i++) differs |= a[i] ^ b[i];
  return differs == 0;
}

// ---- changes -------------------------------------------------------------------------------------------------------------------------------

__attribute__((format(printf, 3, 4))) static void change(struct hd_bus_peer *p, uint32_t state, const char *format, ...) {
  char words[256];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(words, sizeof words, format, arguments);
  va_end(arguments);
  p->state = state;
  if (!p->seat) return;
  if (p->seat->changed) p->seat->changed(p->seat->self, state, words);
}

static void drop_ticket(void *self, uint64_t ticket) {
  (void)self;
  hd_request_drop((struct hd_request *)(uintptr_t)ticket);
}

void hd_peer_figures(const struct hd_bus_peer *p, struct hd_bus_figures *out) {
  const struct hd_session_counts *c = &p->session.counts;
  out->sent += c->sent;
  out->acknowledged += c->acknowledged;
  out->repaired += c->repeated;
  out->decisions += c->decisions;
  out->refused += c->refused;
}

void hd_peer_end(struct hd_bus_peer *p, const char *words) {
  struct hd_bus *bus = p->bus;
  hd_bus_session_drop(&p->session, drop_ticket);
  hd_questions_drop(p);
  hd_admin_drop(p);
  if (p->pipe) hd_lobby_seat(bus->lobby, p->pipe, false);
  if (p->seat) {
    change(p, HADRON_PLACED_LEFT, "%s %s: %s", p->name, p->peer, words);
    hd_peer_figures(p, &p->seat->figures);
    p->seat->figures.state = HADRON_PLACED_LEFT;
    p->seat->peer = NULL;
    hd_stream_begin(&p->seat->stream);
  }
  hd_log_info("BUS_LEFT", "%s (%s): %s", p->name, p->peer, words);
  hd_bus_session_fini(&p->session);
  for (uint32_t i = 0; i < bus->peer_count; i++)
    if (bus->peers[i] == p) bus->peers[i] = bus->peers[--bus->peer_count];
  free(p->admin_answer);
  free(p);
}

void hd_peer_shut(struct hd_bus_peer *p, const char *words) {
  nng_pipe pipe = {.id = p->pipe};
  hd_peer_end(p, words);
  if (pipe.id) hd_pipe_hang_up(pipe);
}

static struct hd_bus_peer *peer_of(struct hd_bus *bus, const struct hd_request *r) {
  for (uint32_t i = 0; i < bus->peer_count; i++)
    if (bus->peers[i]->pipe == r->pipe && bus->peers[i]->socket == r->socket) return bus->peers[i];
  return NULL;
}

void hd_peer_gone(struct hd_bus *bus, uint32_t pipe) {
  for (uint32_t i = 0; i < bus->socket_count; i++)
    if (bus->sockets[i].proof) hd_proof_gone(bus->sockets[i].proof, pipe);
  for (uint32_t i = 0; i < bus->peer_count; i++) {
    struct hd_bus_peer *p = bus->peers[i];
    if (p->pipe != pipe) continue;
    p->pipe = 0;
    p->gone_ns = bus->now_ns;
    hd_bus_session_drop(&p->session, drop_ticket); // their answers would go nowhere
    hd_questions_drop(p);
    hd_admin_drop(p);
  }
}

// ---- what a session asks of the server -------------------------------------------------------------------------------------------------------

static uint32_t port_fill(void *self, struct hd_packet *packet, uint64_t number) {
  struct hd_bus_peer *p = self;
  return p->seat ? hd_stream_fill(&p->seat->stream, packet, p->session.number, p->bus->epoch, number) : 0;
}

static void port_handled(void *self, uint64_t before) {
  struct hd_bus_peer *p = self;
  if (p->seat) hd_stream_handled(&p->seat->stream, before);
}

static void port_answer(void *self, uint64_t ticket, const void *packet, uint32_t size) {
  (void)self;
  hd_request_answer((struct hd_request *)(uintptr_t)ticket, packet, size);
}

// All decisions go back by the first channel: that is where the trading side takes them. A worker ends with this host, and a shard in lock-step takes
// nothing before it has its answer: for those the channel is as good as the journal.
static uint64_t port_settled(void *self, uint64_t handled) {
  const struct hd_bus_peer *p = self;
  const struct hd_bus_seat *seat = p->seat;
  if (!seat || seat->is_worker || seat->lock_step) return handled;
  uint64_t decided = atomic_load_explicit(&seat->stream.channels[0]->decided, memory_order_acquire);
  if (decided >= seat->given) return handled;
  return decided > seat->base ? decided - seat->base : 0;
}

// As many decisions a second as may be, and as many at once.
static bool allowed(struct hd_bus_peer *p) {
  const int64_t second = 1000000000;
  int64_t cost = second / p->bus->options.decisions_per_second;
  p->allowance_ns += p->bus->now_ns - p->allowed_ns;
  p->allowed_ns = p->bus->now_ns;
  if (p->allowance_ns > second) p->allowance_ns = second;
  if (p->allowance_ns < cost) return false;
  p->allowance_ns -= cost;
  return true;
}

static int32_t check(struct hd_bus_peer *p, const struct hadron_decision *d, bool stale) {
  const struct hd_stream *s = &p->seat->stream;
  if (p->rights < HD_BUS_TRADE) return HADRON_ERR_PERMISSION;
  uint32_t arm = atomic_load(&p->seat->arm);
  if (!arm && !p->seat->is_worker) return HADRON_ERR_STATE; // not deployed yet
  if (d->arm && d->arm != arm) return HADRON_ERR_PERMISSION;
  if (p->state == HADRON_PLACED_SILENT) return HADRON_ERR_STATE;
  const struct hd_stream_row *row = hd_stream_row(s, d->instrument);
  struct hadron_decision complete = *d;
  if (!row || row->left_out || !hd_decision_complete(&complete) || d->cause > s->last) return HADRON_ERR_ARGUMENT;
  if (atomic_load(&s->channels[0]->broken) || atomic_load(&s->channels[0]->closed) || stale) return HADRON_ERR_STATE;
  return p->seat->is_worker || p->seat->lock_step || allowed(p) ? HADRON_OK : HADRON_ERR_FULL;
}

static void tell_refused(struct hd_bus_peer *p, const struct hadron_decision *d, uint64_t number, int32_t code, bool stale) {
  if (p->told) return;
  p->told = true;
  hd_log_warn("BUS_REFUSED", "%s (%s): decision %" PRIu64 " for instrument %u was refused: %s%s; others are counted", p->name, p->peer, number, d->instrument,
              hadron_error_text(code), stale && code == HADRON_ERR_STATE ? " (newer ticks have been there for too long)" : "");
}

static int32_t port_decide(void *self, const struct hadron_decision *decisions, uint32_t count, uint64_t number, int32_t *codes) {
  struct hd_bus_peer *p = self;
  struct hd_bus_seat *seat = p->seat;
  uint32_t last = count;
  if (!seat) {
    for (uint32_t i = 0; i < count; i++) codes[i] = HADRON_ERR_PERMISSION;
    return HADRON_OK;
  }
  struct hd_channel *c = seat->stream.channels[0];
  if (hd_ring_capacity(&c->decisions) - hd_ring_size(&c->decisions) < count) return HADRON_ERR_AGAIN;
  bool stale = !seat->lock_step && !p->bus->options.is_virtual && hd_stream_stale(&seat->stream, decisions[0].cause, p->bus->wall_ns, p->bus->options.stale_after_ns);
  for (uint32_t i = 0; i < count; i++) {
    codes[i] = check(p, &decisions[i], stale);
    if (codes[i]) tell_refused(p, &decisions[i], number + i, codes[i], stale);
    else last = i;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (codes[i]) continue;
    struct hadron_decision d = decisions[i];
    d.arm = atomic_load(&seat->arm);
    if (!d.cause && !p->exact) d.cause = seat->stream.last;
    seat->given = seat->base + number + i;
    bool taken = hd_channel_decide(c, &d, seat->given, i == last);
    HD_ASSERT(taken);
  }
  return HADRON_OK;
}

// ---- HELLO -----------------------------------------------------------------------------------------------------------------------------------

// A seat for any version that has been replaced by one of a version of its own, and is only kept warm: nobody new comes into its book.
static bool is_left(const struct hd_bus *bus, const struct hd_bus_seat *any) {
  bool versions = false;
  for (const struct hd_bus_seat *s = bus->seats; s && !versions; s = s->next) versions = !s->is_worker && s->version[0] && strcmp(s->name, any->name) == 0;
  return versions && strcmp(atomic_load(&any->role), "shadow") == 0;
}

// How well a seat fits who comes; 0: not at all. Of its own version before any; of two arms of one version the one where it was, then the empty one.
static uint32_t fits(const struct hd_bus_seat *s, const struct hd_hello *h) {
  if (h->is_worker || s->is_worker) return h->is_worker && s->is_worker && same(s->token, h->worker);
  if (strcmp(s->name, h->name) || (s->version[0] ? strcmp(s->version, h->version) != 0 : is_left(s->bus, s))) return 0;
  return (s->version[0] ? 4u : 1u) + (!s->peer ? 1u : h->resume && s->peer->session.number == h->resume ? 2u : 0u);
}

// Those that have a seat under this name: "1.0.0 (live), 2.0.0 (shadow)".
static bool list_seats(const struct hd_bus *bus, const char *name, char *to, size_t size) {
  size_t at = 0;
  for (const struct hd_bus_seat *s = bus->seats; s; s = s->next) {
    if (s->is_worker || strcmp(s->name, name) || !s->version[0]) continue;
    const char *role = atomic_load(&s->role);
    if (at < size) at += (size_t)snprintf(to + at, size - at, "%s%s%s%s%s", at ? ", " : "", s->version, *role ? " (" : "", role, *role ? ")" : "");
  }
  return at > 0;
}

static struct hd_bus_seat *seat_for(struct hd_bus *bus, const struct hd_hello *h, struct hd_fault *fault) {
  struct hd_bus_seat *found = NULL;
  char there[300];
  uint32_t best = 0;
  bool known = false;
  // Seats are made and their parameters set until the host has started; what WELCOME says has to be what holds.
  if (!h->is_worker && atomic_load(&bus->starting)) {
    hd_fault_set(fault, HADRON_ERR_AGAIN, "HELLO: this host is starting, and does not know yet whom it expects; come again in a moment");
    return NULL;
  }
  for (struct hd_bus_seat *s = bus->seats; s; s = s->next) { // all of them, however early one is found
    uint32_t how = fits(s, h);
    if (how > best) best = how, found = s;
  }
  for (uint32_t i = 0; i < bus->known_count; i++) known |= strcmp(bus->known[i], h->name) == 0;
  if (found) return found;
  if (h->is_worker) hd_fault_set(fault, HADRON_ERR_PERMISSION, "HELLO: worker: this host has not started it");
  else if (list_seats(bus, h->name, there, sizeof there))
    hd_fault_set(fault, HADRON_ERR_STATE, "HELLO: version: %s: expected one that is deployed now (%s), found %s; deploy it: `hadron ab %s`, `hadron promote %s@%s`", h->name, there, h->version, h->name, h->name,
                 h->version);
  else if (known) hd_fault_set(fault, HADRON_ERR_STATE, "HELLO: name: %s: expected a deployment that is enabled, found that it is not now; `hadron enable %s` when it shall go on", h->name, h->name);
  else hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "HELLO: name: this host expects no strategy \"%s\"; it needs a section strategies.%s with external = true, or a deployment of an external version", h->name, h->name);
  return NULL;
}

static void bind(struct hd_bus_peer *p, const struct hd_request *r, const struct hd_hello *h, const uint8_t digest[32]) {
  if (p->pipe) hd_lobby_seat(p->bus->lobby, p->pipe, false); // it has come back before the old connection was known to be gone
  p->socket = r->socket;
  p->pipe = r->pipe;
  p->pid = h->pid ? h->pid : hd_request_pid(r);
  p->heard_ns = p->bus->now_ns;
  p->gone_ns = 0;
  p->exact = h->exact;
  hd_request_peer(r, p->peer, sizeof p->peer);
  memcpy(p->hello, digest, sizeof p->hello);
  hd_lobby_seat(p->bus->lobby, p->pipe, true);
}

static void welcome(struct hd_bus_peer *p, struct hd_request *r) {
  struct hd_bus *bus = p->bus;
  const struct hd_bus_options *o = &bus->options;
  const struct hd_bus_seat *seat = p->seat;
  const struct hd_welcome w = {p->session.number, p->rights, seat ? atomic_load(&seat->arm) : 0, seat ? seat->stream.row_count : 0, p->session.window, o->mode, bus->epoch, p->session.sent,
                               p->session.handled, o->heartbeat_ns, o->stale_after_ns, seat ? atomic_load(&seat->role) : NULL, o->host, seat ? seat->params : NULL, seat ? seat->bars : NULL,
                               seat ? seat->bar_count : 0, p->packed};
  char *json = hd_welcome_write(&w);
  if (json) answer(bus, r, p->session.number, HADRON_FRAME_WELCOME, p->session.sent, json, strlen(json));
  else hd_request_drop(r);
  free(json);
}

static bool wants(const struct hd_hello *h, const char *instrument) {
  bool wanted = h->universe_count == 0;
  for (uint32_t k = 0; k < h->universe_count && !wanted; k++) wanted = fnmatch(h->universe[k], instrument, 0) == 0;
  return wanted;
}

static void choose_universe(struct hd_stream *s, const struct hd_hello *h) {
  for (uint32_t i = 0; i < s->row_count; i++) s->rows[i].left_out = !wants(h, s->rows[i].definition.name);
}

// Who wants nothing of what its seat has would wait for ever.
static int32_t universe_fits(const struct hd_stream *s, const struct hd_hello *h, struct hd_fault *fault) {
  bool any = s->row_count == 0;
  for (uint32_t i = 0; i < s->row_count && !any; i++) any = wants(h, s->rows[i].definition.name);
  return any ? HADRON_OK
             : hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: universe: %s %s: expected names or patterns of some of its %u instruments (%s%s), found none of them, the first is \"%s\"; correct them, or the universe of "
                            "strategies.%s", h->name, h->version, s->row_count, s->rows[0].definition.name, s->row_count > 1 ? ", ..." : "", h->universe[0], h->name);
}

static uint32_t fresh_number(const struct hd_bus *bus) {
  for (;;) {
    uint32_t number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number) continue;
    bool taken = number == 0;
    for (uint32_t i = 0; i < bus->peer_count; i++) taken |= bus->peers[i]->session.number == number;
    if (!taken) return number;
  }
}

static struct hd_bus_peer *begin(struct hd_bus *bus, struct hd_bus_seat *seat, struct hd_fault *fault) {
  const struct hd_bus_options *o = &bus->options;
  const struct hd_hello *h = &bus->coming.hello;
  if (bus->peer_count == o->sessions_max) {
    hd_fault_set(fault, HADRON_ERR_FULL, "HELLO: this host has %u sessions, and bus.sessions_max allows no more", bus->peer_count);
    return NULL;
  }
  struct hd_bus_peer *p = calloc(1, sizeof *p);
  if (!p) {
    hd_fault_set(fault, HADRON_ERR_MEMORY, "HELLO: no memory for a session");
    return NULL;
  }
  p->bus = bus;
  p->seat = seat;
  p->rights = bus->coming.rights;
  p->packed = h->packed;
  p->allowed_ns = bus->now_ns;
  p->allowance_ns = 1000000000;
  hd_text_copy(p->name, sizeof p->name, seat ? seat->name : h->name);
  hd_text_copy(p->version, sizeof p->version, h->version);
  memcpy(p->identity, bus->coming.identity, sizeof p->identity);
  const struct hd_session_port port = {p, port_fill, port_decide, port_settled, port_answer, port_handled};
  hd_bus_session_init(&p->session, &port, fresh_number(bus), bus->epoch, o->window, o->heartbeat_ns);
  bus->peers[bus->peer_count++] = p;
  if (!seat) return p;
  seat->peer = p;
  seat->joined = true;
  seat->base = seat->given;
  hd_stream_begin(&seat->stream);
  seat->stream.packed = h->packed;
  choose_universe(&seat->stream, h);
  return p;
}

// The session that it wants to go on with, if it is its own, of the rights that it has here, and still there.
static struct hd_bus_peer *resumed(struct hd_bus *bus, const struct hd_bus_seat *seat) {
  const struct hd_bus_coming *c = &bus->coming;
  const struct hd_hello *h = &c->hello;
  for (uint32_t i = 0; h->resume && i < bus->peer_count; i++) {
    struct hd_bus_peer *p = bus->peers[i];
    if (p->session.number != h->resume || p->seat != seat || h->resume_epoch != bus->epoch || !same(p->identity, c->identity)) continue;
    if (p->rights != c->rights || strcmp(p->name, seat ? seat->name : h->name) || strcmp(p->version, h->version) || p->packed != h->packed || hd_bus_session_resume(&p->session, h->resume_next)) return NULL;
    hd_bus_session_drop(&p->session, drop_ticket); // what waited on the old connection
    hd_questions_drop(p);
    hd_admin_drop(p);
    return p;
  }
  return NULL;
}

// Does this HELLO have to be signed by the key of a certificate?
static bool is_signed(const struct hd_request *r, const struct hd_hello *h) {
  return r->socket->proof && !h->is_worker && !(h->token[0] && r->socket->listen.tokens);
}

// The first HELLO of a connection knows no nonce yet.
static void ask_signature(struct hd_bus *bus, struct hd_request *r) {
  char nonce[HD_CERT_NONCE_SIZE];
  struct hd_fault fault;
  if (hd_proof_nonce(r->socket->proof, r->pipe, nonce, &fault)) {
    hd_bus_refuse(bus, r, &fault);
    return;
  }
  hd_fault_set(&fault, HADRON_ERR_PERMISSION, "HELLO: this host wants it signed; say it again with certificate, nonce, server and signature (docs/remote.md)");
  say_no(bus, r, &fault, nonce);
}

static int32_t prove(const struct hd_request *r, struct hd_bus_coming *c, struct hd_fault *fault) {
  const struct hd_hello *h = &c->hello;
  const struct hd_cert_hello said = {h->certificate, h->signature, h->nonce, h->server, h->name, h->version, hd_bus_class_name(h->rights), h->session_text, h->epoch_text};
  int32_t code = hd_proof_check(r->socket->proof, r->pipe, &said, &c->cert, fault);
  if (code) return hd_fault_prefix(fault, "HELLO: ");
  c->by_cert = true;
  hd_sha256(c->cert.fingerprint, strlen(c->cert.fingerprint), c->identity);
  return HADRON_OK;
}

static int32_t identify(const struct hd_request *r, struct hd_bus_coming *c, struct hd_fault *fault) {
  const struct hd_hello *h = &c->hello;
  c->by_cert = c->by_token = false;
  if (h->is_worker) {
    hd_sha256(h->worker, sizeof h->worker, c->identity);
    c->rights = HD_BUS_TRADE;
    return HADRON_OK;
  }
  if (r->socket->listen.only_workers) return hd_fault_set(fault, HADRON_ERR_PERMISSION, "HELLO: this address is for workers that the host has started");
  c->rights = h->rights;
  if (h->rights > r->socket->listen.rights)
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "HELLO: class: this address is for class %s, found %s", hd_bus_class_name(r->socket->listen.rights), hd_bus_class_name(h->rights));
  if (is_signed(r, h)) return prove(r, c, fault);
  hd_sha256(h->token, strlen(h->token), c->identity);
  if (!r->socket->tokens) return HADRON_OK;
  uint32_t most = hd_rights_of_digest(r->socket->tokens, c->identity, h->name);
  if (!most) return hd_fault_set(fault, HADRON_ERR_PERMISSION, "HELLO: token: expected one that may speak for %s, found %s", h->name, h->token[0] ? "another" : "none");
  if (h->rights > most)
    return hd_fault_set(fault, HADRON_ERR_PERMISSION, "HELLO: class: this token is for class %s, found %s", hd_bus_class_name(most), hd_bus_class_name(h->rights));
  c->by_token = true;
  return HADRON_OK;
}

// Who says it, where it sits (NULL: it only looks), and whether the two fit.
static int32_t admit(struct hd_bus *bus, const struct hd_request *r, struct hd_bus_seat **out, struct hd_fault *fault) {
  struct hd_bus_coming *c = &bus->coming;
  struct hd_bus_seat *seat = NULL;
  int32_t code = identify(r, c, fault);
  if (!code && (c->hello.is_worker || c->rights == HD_BUS_TRADE) && !(seat = seat_for(bus, &c->hello, fault))) code = fault->code;
  if (!code && seat && !c->hello.is_worker) code = universe_fits(&seat->stream, &c->hello, fault);
  if (!code && seat && !c->hello.is_worker) code = hd_hello_fits(&c->hello, seat->params, seat->declared, seat->bars, seat->bar_count, fault);
  *out = seat;
  return code;
}

// The session that it goes on with, or a new one.
static struct hd_bus_peer *session_for(struct hd_bus *bus, struct hd_bus_seat *seat, bool *back, struct hd_fault *fault) {
  struct hd_bus_peer *p = resumed(bus, seat);
  if ((*back = p != NULL)) return p;
  if (seat && seat->peer) {
    if (seat->peer->pipe && seat->peer->state != HADRON_PLACED_SILENT) {
      hd_fault_set(fault, HADRON_ERR_EXISTS, "HELLO: %s is here already, as %s", seat->name, seat->peer->peer);
      return NULL;
    }
    hd_peer_end(seat->peer, "another one took its place");
  }
  return begin(bus, seat, fault);
}

static void on_hello(struct hd_bus *bus, struct hd_request *r, const struct hd_frame *frame) {
  struct hd_bus_coming *c = &bus->coming;
  struct hd_bus_seat *seat = NULL;
  struct hd_fault fault = {0};
  uint8_t digest[32];
  bool back;
  hd_sha256(frame->payload, frame->head.size, digest);
  struct hd_bus_peer *p = peer_of(bus, r);
  if (p && same(p->hello, digest)) { // asked again: its answer was lost
    welcome(p, r);
    return;
  }
  int32_t code = hd_hello_read(frame->payload, frame->head.size, &c->hello, &fault);
  bool asks = !code && is_signed(r, &c->hello) && !c->hello.signature[0];
  if (!code && !asks) code = admit(bus, r, &seat, &fault);
  hd_hello_fini(&c->hello);
  explicit_bzero(c->hello.token, sizeof c->hello.token);
  explicit_bzero(c->hello.worker, sizeof c->hello.worker);
  if (asks) {
    ask_signature(bus, r);
    return;
  }
  if (!code && p) hd_peer_end(p, "it began anew on its connection");
  if (code || !(p = session_for(bus, seat, &back, &fault))) {
    hd_bus_refuse(bus, r, &fault);
    return;
  }
  bind(p, r, &c->hello, digest);
  p->by_token = c->by_token;
  p->by_cert = c->by_cert;
  p->cert = c->cert;
  change(p, back ? HADRON_PLACED_BACK : HADRON_PLACED_JOINED, "%s %s from %s%s", p->name, p->version, p->peer, back ? ", goes on where it was" : "");
  hd_log_info("BUS_JOINED", "%s %s (%s), class %s%s", p->name, p->version, p->peer, hd_bus_class_name(p->rights), back ? ", goes on where it was" : "");
  welcome(p, r);
}

// ---- requests --------------------------------------------------------------------------------------------------------------------------------

static void on_answer(struct hd_bus_peer *p, struct hd_request *r, const struct hd_frame *frame) {
  struct hadron_answer head;
  memcpy(&head, frame->payload, sizeof head);
  int32_t code = p->seat ? hd_stream_answer(&p->seat->stream, &head, frame->payload + sizeof head, frame->head.size - (uint32_t)sizeof head) : HADRON_ERR_PERMISSION;
  if (code == HADRON_OK || code == HADRON_ERR_NOT_FOUND) { // not found: it has its answer, or nobody waits for it any more
    answer(p->bus, r, p->session.number, HADRON_FRAME_ACK, head.number, NULL, 0);
    return;
  }
  struct hd_fault fault;
  hd_fault_set(&fault, code, "ANSWER: piece at %u of ask %" PRIu64 ": %s", head.offset, head.number, hadron_error_text(code));
  hd_bus_refuse(p->bus, r, &fault);
}

static void on_bye(struct hd_bus_peer *p, struct hd_request *r) {
  answer(p->bus, r, p->session.number, HADRON_FRAME_ACK, p->session.handled, NULL, 0);
  hd_peer_end(p, "it said goodbye");
}

static void heard(struct hd_bus_peer *p, uint32_t kind) {
  p->heard_ns = p->bus->now_ns;
  if (p->state != HADRON_PLACED_SILENT || kind != HADRON_FRAME_NEXT) return; // what it has still to hear decides whether it may speak
  change(p, HADRON_PLACED_BACK, "%s (%s) is heard again", p->name, p->peer);
}

// What it says of its callbacks counts for its own arm's figures alone.
static void measured(const struct hd_bus_peer *p, const struct hd_frame *frame) {
  struct hadron_measured row;
  if (!p->seat || !p->seat->latency) return;
  for (uint32_t at = 0; at + sizeof row <= frame->head.size; at += (uint32_t)sizeof row) {
    memcpy(&row, frame->payload + at, sizeof row);
    if (row.count <= UINT32_MAX) hd_histogram_add(p->seat->latency, row.ns, row.count);
  }
}

static void on_session(struct hd_bus_peer *p, struct hd_request *r, const struct hd_frame *frame) {
  struct hd_bus *bus = p->bus;
  struct hd_fault fault;
  heard(p, frame->head.kind);
  if (frame->head.kind == HADRON_FRAME_NEXT) measured(p, frame);
  switch (frame->head.kind) {
  case HADRON_FRAME_NEXT:
  case HADRON_FRAME_DECIDE: hd_bus_session_request(&p->session, (uint64_t)(uintptr_t)r, frame, bus->now_ns, bus->wall_ns); return;
  case HADRON_FRAME_ANSWER: on_answer(p, r, frame); return;
  case HADRON_FRAME_BYE: on_bye(p, r); return;
  case HADRON_FRAME_ADMIN: hd_admin_ask(p, r, frame); return;
  case HADRON_FRAME_REPAIR:
  case HADRON_FRAME_SNAPSHOT: hd_question_ask(p, r, frame); return;
  default:
    hd_fault_set(&fault, HADRON_ERR_UNSUPPORTED, "kind %u is no request that this host answers", frame->head.kind);
    hd_bus_refuse(bus, r, &fault);
  }
}

void hd_peer_request(struct hd_bus *bus, struct hd_request *r) {
  struct hd_fault fault;
  struct hd_frame frame;
  size_t at = 0, size = nng_msg_len(r->message);
  int32_t code = hd_frame_next(nng_msg_body(r->message), size, &at, &frame, &fault);
  if (!code && at != size) code = hd_fault_set(&fault, HADRON_ERR_ARGUMENT, "a request is one frame, found %zu bytes behind it", size - at);
  if (!code && !hd_frame_topic_is(frame.head.topic, HADRON_TOPIC_SESSION)) code = hd_fault_set(&fault, HADRON_ERR_ARGUMENT, "a request has the topic \"session\"");
  if (!code && frame.head.kind == HADRON_FRAME_HELLO) {
    on_hello(bus, r, &frame);
    return;
  }
  struct hd_bus_peer *p = code ? NULL : peer_of(bus, r);
  if (!code && !p) code = hd_fault_set(&fault, HADRON_ERR_STATE, "there is no session on this connection; say HELLO first");
  if (!code && (frame.head.stream != p->session.number || frame.head.epoch != bus->epoch))
    code = hd_fault_set(&fault, HADRON_ERR_PERMISSION, "session %u of another connection or another life of this host; say HELLO again", frame.head.stream);
  if (code) hd_bus_refuse(bus, r, &fault);
  else on_session(p, r, &frame);
}

// ---- what is due -------------------------------------------------------------------------------------------------------------------------------

// False: the session has ended.
static bool look(struct hd_bus_peer *p) {
  struct hd_bus *bus = p->bus;
  const struct hd_bus_options *o = &bus->options;
  int64_t quiet_ns = bus->now_ns - p->heard_ns;
  bool lock_step = p->seat && p->seat->lock_step;
  if (p->state != HADRON_PLACED_SILENT && quiet_ns > o->stale_after_ns && !lock_step)
    change(p, HADRON_PLACED_SILENT, "nothing was heard of %s (%s) for %" PRId64 " ms%s", p->name, p->peer, quiet_ns / 1000000, p->pipe ? "" : "; its connection is gone");
  bool away = !p->pipe || p->state == HADRON_PLACED_SILENT;
  if (away && quiet_ns > o->session_keep_ns && !(lock_step && p->pipe)) {
    hd_peer_end(p, "it did not come back in time");
    return false;
  }
  if (away && p->seat && hd_stream_crowded(&p->seat->stream)) {
    hd_peer_end(p, "it was away while more happened than is kept for it");
    return false;
  }
  return true;
}

// Whoever sits where any version may, and has a seat of its own now: it comes again, and is given that.
static void move_to_own(struct hd_bus *bus) {
  for (const struct hd_bus_seat *own = bus->seats; own; own = own->next) {
    if (own->is_worker || own->peer || !own->version[0] || atomic_load(&own->arm) == 0) continue;
    for (const struct hd_bus_seat *s = bus->seats; s; s = s->next)
      if (s->peer && !s->is_worker && !s->version[0] && strcmp(s->name, own->name) == 0 && strcmp(s->peer->version, own->version) == 0) {
        hd_peer_end(s->peer, "its version has a seat of its own now");
        break;
      }
  }
}

int64_t hd_peers_work(struct hd_bus *bus) {
  move_to_own(bus);
  if (bus->question_count) hd_questions_work(bus);
  int64_t due_ns = bus->now_ns + 100000000;
  hd_bus_renew(bus);
  hd_bus_doors(bus);
  for (uint32_t i = 0; i < bus->peer_count; i++) {
    struct hd_bus_peer *p = bus->peers[i];
    if (!look(p)) {
      i--;
      continue;
    }
    int64_t next = hd_bus_session_due(&p->session);
    if (p->session.decide_count || next <= bus->now_ns || (p->session.waiting_count && p->seat && hd_stream_look(&p->seat->stream))) {
      hd_bus_session_work(&p->session, bus->now_ns, bus->wall_ns);
      next = hd_bus_session_due(&p->session);
    }
    if (next < due_ns) due_ns = next;
    if (p->state != HADRON_PLACED_SILENT && p->heard_ns + bus->options.stale_after_ns + 1 < due_ns) due_ns = p->heard_ns + bus->options.stale_after_ns + 1;
  }
  // A worker that has not come yet gets everything from the beginning; an external strategy gets the state of things when it comes.
  // In lock-step everything waits for who comes.
  for (struct hd_bus_seat *s = bus->seats; s; s = s->next) {
    if (s->peer) continue;
    if (s->joined || (!s->is_worker && !s->lock_step)) hd_stream_skip(&s->stream, HADRON_ERR_CLOSED);
    else hd_stream_early(&s->stream);
  }
  return due_ns;
}
