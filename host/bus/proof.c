#include "bus/proof.h"

#include "base/banned.h"
#include "base/text.h"

#define LOOK_NS INT64_C(1000000000)

struct nonce {
  uint32_t connection; // 0: a free place
  uint64_t number;     // when it was given
  char text[HD_CERT_NONCE_SIZE];
};

struct hd_proof {
  struct hd_tls *tls;
  struct nonce *nonces; // owned; [connections]
  uint32_t connections;
  uint64_t given;
  int64_t looked_ns;
  _Atomic uint64_t accepted, refused[HD_CERT_REASONS];
};

int32_t hd_proof_open(const struct hd_tls_files *files, enum hd_cert_role least, uint32_t connections, struct hd_proof **out, struct hd_fault *fault) {
  struct hd_proof *p = calloc(1, sizeof *p);
  if (!p || !(p->nonces = calloc(connections, sizeof *p->nonces))) {
    hd_proof_close(p);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "TLS: no memory for %u connections", connections);
  }
  p->connections = connections;
  int32_t code = hd_tls_open(files, least, &p->tls, fault);
  if (code) hd_proof_close(p);
  else *out = p;
  return code;
}

void hd_proof_close(struct hd_proof *p) {
  if (!p) return;
  hd_tls_close(p->tls);
  free(p->nonces);
  free(p);
}

nng_tls_config *hd_proof_config(const struct hd_proof *p) { return hd_tls_config(p->tls); }

// connection 0: a free place.
static struct nonce *place_of(struct hd_proof *p, uint32_t connection) {
  for (uint32_t i = 0; i < p->connections; i++)
    if (p->nonces[i].connection == connection) return &p->nonces[i];
  return NULL;
}

void hd_proof_gone(struct hd_proof *p, uint32_t connection) {
  struct nonce *n = connection ? place_of(p, connection) : NULL;
  if (n) n->connection = 0;
}

int32_t hd_proof_nonce(struct hd_proof *p, uint32_t connection, char nonce[HD_CERT_NONCE_SIZE], struct hd_fault *fault) {
  struct nonce *n = place_of(p, connection);
  if (!n) {
    if (!(n = place_of(p, 0))) {
      n = p->nonces;
      for (uint32_t i = 1; i < p->connections; i++)
        if (p->nonces[i].number < n->number) n = &p->nonces[i];
      n->connection = 0;
    }
    int32_t code = hd_cert_nonce(n->text, fault);
    if (code) return code;
    n->connection = connection;
    n->number = ++p->given;
  }
  memcpy(nonce, n->text, HD_CERT_NONCE_SIZE);
  return HADRON_OK;
}

int32_t hd_proof_check(struct hd_proof *p, uint32_t connection, const struct hd_cert_hello *hello, struct hd_cert *out, struct hd_fault *fault) {
  enum hd_cert_reason reason = HD_CERT_REASON_NONE;
  struct nonce *n = place_of(p, connection);
  int32_t code = hd_cert_check_hello(hd_tls_trust(p->tls), hello, n ? n->text : NULL, hd_tls_own(p->tls), out, &reason, fault);
  if (n) n->connection = 0;
  atomic_fetch_add_explicit(code ? &p->refused[reason] : &p->accepted, 1, memory_order_relaxed);
  return code;
}

int32_t hd_proof_refresh(struct hd_proof *p, int64_t now_ns, enum hd_tls_change *changed, struct hd_fault *fault) {
  *changed = HD_TLS_SAME;
  if (p->looked_ns && now_ns - p->looked_ns < LOOK_NS) return HADRON_OK;
  p->looked_ns = now_ns;
  return hd_tls_refresh(p->tls, changed, fault);
}

bool hd_proof_holds(const struct hd_proof *p, const struct hd_cert *cert, int64_t wall_ns, struct hd_fault *fault) {
  enum hd_cert_state state = hd_cert_still(hd_tls_trust(p->tls), cert, wall_ns);
  if (state != HD_CERT_GOOD)
    hd_fault_set(fault, HADRON_ERR_PERMISSION, "the certificate of %s, serial %s: %s; issue another one with `hadron cert issue`", cert->name, cert->serial, hd_cert_state_name(state));
  return state == HD_CERT_GOOD;
}

void hd_proof_figures(const struct hd_proof *p, struct hd_proof_figures *out) {
  out->accepted = atomic_load_explicit(&p->accepted, memory_order_relaxed);
  for (int i = 0; i < HD_CERT_REASONS; i++) out->refused[i] = atomic_load_explicit(&p->refused[i], memory_order_relaxed);
}
