// TLS of a listener: its own certificate, and whom it lets in. A peer must show a certificate of an authority whose role is the listener's or
// above (bus/cert.h), valid and not revoked, or the handshake ends; a session then proves by its HELLO which certificate it has. NNG 1.5 reads no
// more of a configuration once it listens: after a change the listener is opened anew, and whoever is still let in comes back by itself. Where every
// peer has said a HELLO, a list of revocations needs no new listener: the sessions that it ends are ended one by one (bus/proof.h).
//
// bound  files of HD_CERT_FILE_MAX, lists of HD_CERT_CRL_MAX bytes; looking for changes: four stat calls
// thread one at a time
#ifndef HD_BUS_TLS_H
#define HD_BUS_TLS_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

#include "bus/cert.h"

struct hd_tls;

struct hd_tls_files {
  const char *certificate, *key; // its own: PEM, the key's file for its owner alone
  const char *ca, *crl;          // whom it trusts; crl NULL: nobody was revoked
};

// HADRON_ERR_PERMISSION: others may read the key; HADRON_ERR_STATE: its own certificate has ended or is no server's; HADRON_ERR_PARSE, _NOT_FOUND,
// _IO, _MEMORY. HADRON_ERR_UNSUPPORTED: NNG was built without TLS.
int32_t hd_tls_open(const struct hd_tls_files *files, enum hd_cert_role least, struct hd_tls **out, struct hd_fault *fault);
void hd_tls_close(struct hd_tls *tls); // NULL is fine; listeners keep the configuration that they were given
// For NNG_OPT_TLS_CONFIG. borrowed(until refresh or close)
nng_tls_config *hd_tls_config(const struct hd_tls *tls);
const struct hd_cert *hd_tls_own(const struct hd_tls *tls);
struct hd_cert_trust *hd_tls_trust(struct hd_tls *tls);
// Did a file change? Then there is a new configuration. What cannot be read leaves the old one in force and is an error, said once per change.
enum hd_tls_change { HD_TLS_SAME = 0, HD_TLS_REVOKED = 1, HD_TLS_RENEWED = 2 }; // REVOKED: only the list of revocations
int32_t hd_tls_refresh(struct hd_tls *tls, enum hd_tls_change *changed, struct hd_fault *fault);

#endif
