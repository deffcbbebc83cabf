// Once a second: what has changed about tokens and TLS since the listeners were opened.
#include "base/banned.h"
#include "base/log.h"
#include "bus/server_internal.h"

#define RENEW_NS INT64_C(1000000000)
#define REQ_PROTOCOL 0x30 // SP's number of who dials a session's listener

// A session whose certificate was revoked, or has ended, ends with it.
static void end_unproved(struct hd_bus *bus) {
  struct hd_fault fault;
  for (uint32_t i = 0; i < bus->peer_count; i++) {
    struct hd_bus_peer *p = bus->peers[i];
    if (!p->by_cert || !p->socket->proof || hd_proof_holds(p->socket->proof, &p->cert, bus->wall_ns, &fault)) continue;
    hd_log_warn("BUS_REVOKED", "%s (%s): %s", p->name, p->peer, fault.text);
    hd_peer_shut(p, "its certificate is no longer good");
    i--;
  }
}

// The same for a token that is no longer in the file, or allows less.
static void end_unallowed(struct hd_bus *bus) {
  for (uint32_t i = 0; i < bus->peer_count; i++) {
    struct hd_bus_peer *p = bus->peers[i];
    if (!p->by_token || !p->socket->tokens || hd_rights_of_digest(p->socket->tokens, p->identity, p->name) >= p->rights) continue;
    hd_log_warn("BUS_REVOKED", "%s (%s): its token is no longer in the file, or allows less", p->name, p->peer);
    hd_peer_shut(p, "its token is no longer good");
    i--;
  }
}

static void reopen(struct hd_socket *s) {
  struct hd_fault fault = {0};
  bool was_shut = s->shut;
  s->shut = hd_socket_reopen(s, &fault) != HADRON_OK;
  s->failed_certificate = s->failed_other = 0; // NNG counts anew
  s->door.own = 0;
  if (s->shut && !was_shut) hd_log_error("BUS_TLS", "%s; trying again", fault.text);
  if (!s->shut) hd_log_info("BUS_TLS", "%s: listens anew, with the certificates of now", s->listen.url);
}

// NNG says of a connection that never became one only that it was: counted by it, told from here.
static void count_failures(struct hd_bus *bus, struct hd_socket *s) {
  struct hd_door_failures now;
  hd_door_failures(s->listener, &now);
  now.certificate -= s->door.own < now.certificate ? s->door.own : now.certificate;
  uint64_t certificate = now.certificate - s->failed_certificate, other = now.other - s->failed_other;
  if (now.certificate < s->failed_certificate || now.other < s->failed_other || certificate + other == 0) return;
  hd_log_warn("BUS_TLS_REFUSED", "%s: connections that never became one: %llu for want of a good certificate, %llu broke off or said nothing of use", s->listen.url, (unsigned long long)certificate, (unsigned long long)other);
  s->failed_certificate = now.certificate, s->failed_other = now.other;
  bus->failed_certificate += certificate, bus->failed_other += other;
}

void hd_bus_doors(struct hd_bus *bus) {
  for (uint32_t i = 0; i < bus->socket_count; i++) {
    struct hd_socket *s = &bus->sockets[i];
    struct hd_fault fault = {0};
    if (!hd_door_stuck(&s->door, s->listen.url, s->listener, REQ_PROTOCOL, atomic_load(&s->accepted), bus->now_ns)) continue;
    s->shut = hd_socket_reopen(s, &fault) != HADRON_OK;
    s->failed_certificate = s->failed_other = 0;
    if (s->shut) hd_log_error("BUS_DOOR", "%s; trying again", fault.text);
    else hd_log_warn("BUS_DOOR", "%s: let nobody in any more, since somebody went in the middle of a greeting (nng issue 1518); it listens anew, and sessions go on", s->listen.url);
  }
}

void hd_bus_renew(struct hd_bus *bus) {
  enum hd_tls_change changed;
  struct hd_fault fault = {0};
  if (bus->renewed_ns && bus->now_ns - bus->renewed_ns < RENEW_NS) return;
  bus->renewed_ns = bus->now_ns;
  for (uint32_t i = 0; i < bus->socket_count; i++) {
    struct hd_socket *s = &bus->sockets[i];
    if (s->tokens && hd_rights_refresh(s->tokens, &fault)) hd_log_error("BUS_TOKENS", "%s: %s; what was read before stays in force", s->listen.url, fault.text);
    if (!s->proof && s->shut) reopen(s);
    if (!s->proof) continue;
    count_failures(bus, s);
    if (hd_proof_refresh(s->proof, bus->now_ns, &changed, &fault)) hd_log_error("BUS_TLS", "%s: %s; what was read before stays in force", s->listen.url, fault.text);
    else if (changed == HD_TLS_REVOKED) hd_log_info("BUS_TLS", "%s: read a new list of revocations", s->listen.url);
    if (changed == HD_TLS_RENEWED || s->shut) reopen(s);
  }
  end_unproved(bus);
  end_unallowed(bus);
}

struct refusals_errand {
  struct hd_bus *bus;
  struct hd_bus_refusals *out;
};

static void refusals_now(void *argument) {
  const struct refusals_errand *e = argument;
  struct hd_proof_figures figures;
  *e->out = (struct hd_bus_refusals){.certificate = e->bus->failed_certificate, .other = e->bus->failed_other, .requests = e->bus->refusals.total};
  struct hd_lobby_figures lobby;
  hd_lobby_figures(e->bus->lobby, &lobby);
  e->out->silent = lobby.strangers + lobby.guests;
  if (e->bus->feed) {
    struct hd_feed_figures feed;
    hd_feed_figures(e->bus->feed, &feed);
    e->out->turned_away = feed.turned_away;
  }
  for (uint32_t i = 0; i < e->bus->socket_count; i++) {
    const struct hd_socket *s = &e->bus->sockets[i];
    e->out->turned_away += atomic_load(&s->turned_away);
    if (!s->proof) continue;
    hd_proof_figures(s->proof, &figures);
    e->out->hellos_good += figures.accepted;
    for (int k = 0; k < HD_CERT_REASONS; k++) e->out->hellos[k] += figures.refused[k];
  }
}

void hd_bus_refusals(struct hd_bus *bus, struct hd_bus_refusals *out) {
  struct refusals_errand e = {bus, out};
  hd_bus_ask(bus, refusals_now, &e);
}
