// Who a peer of a TLS listener is: the nonce that its connection is given, the signed HELLO that answers it, and whether its certificate is still good
// later on. NNG's handshake has let in by then only who has a certificate of the listener's role or above.
//
// bound  one nonce per connection, `connections` of them: one more, and the oldest is forgotten; a nonce is good for one answer
// thread [bus] but for hd_proof_figures
#ifndef HD_BUS_PROOF_H
#define HD_BUS_PROOF_H

#include <stdatomic.h>

#include "bus/tls.h"

struct hd_proof;

int32_t hd_proof_open(const struct hd_tls_files *files, enum hd_cert_role least, uint32_t connections, struct hd_proof **out, struct hd_fault *fault);
void hd_proof_close(struct hd_proof *proof); // NULL is fine
nng_tls_config *hd_proof_config(const struct hd_proof *proof);

// The nonce of a connection: the same until it was answered. HADRON_ERR_IO.
int32_t hd_proof_nonce(struct hd_proof *proof, uint32_t connection, char nonce[HD_CERT_NONCE_SIZE], struct hd_fault *fault);
// The answer; its nonce is used up, good or not. HADRON_ERR_PERMISSION; counted by its reason.
int32_t hd_proof_check(struct hd_proof *proof, uint32_t connection, const struct hd_cert_hello *hello, struct hd_cert *out, struct hd_fault *fault);
void hd_proof_gone(struct hd_proof *proof, uint32_t connection);

// Looks for files that changed, once a second at most. changed RENEWED: the listener wants to be opened anew with hd_proof_config. An error is for the log.
int32_t hd_proof_refresh(struct hd_proof *proof, int64_t now_ns, enum hd_tls_change *changed, struct hd_fault *fault);
// Is a certificate that was good still good? Says why not.
bool hd_proof_holds(const struct hd_proof *proof, const struct hd_cert *cert, int64_t wall_ns, struct hd_fault *fault);

struct hd_proof_figures {
  uint64_t accepted, refused[HD_CERT_REASONS]; // HELLOs
};
void hd_proof_figures(const struct hd_proof *proof, struct hd_proof_figures *out); // [any]

#endif
