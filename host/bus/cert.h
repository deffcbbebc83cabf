// Certificates of machines that trade together: a private authority in a directory, made and kept with mbedTLS. [any]
//
//   DIR/ca.crt       what everybody trusts: the root and an authority per role, PEM. Public.
//   DIR/ca.crl       what was revoked: a list per authority, PEM. Public; goes to every machine again after a revoke.
//   DIR/NAME.crt     a certificate and the authority that signed it, PEM. Public.
//   DIR/NAME.key     its secret key, mode 0600: for that machine alone.
//   DIR/ledger       one line per certificate that was ever issued; written before the certificate is.
//   DIR/authority/   the keys of the authorities, mode 0600. They belong on no machine that trades.
//
// A certificate says a name (CN, and a DNS name among the alternatives), a role (OU), the hosts that it may serve as (without one it is a client's
// only) and the strategies that it may speak for besides its own name (DNS names NAME.strategy.hadron.internal, which no machine has). Each role has an authority of its own below the root, so that a listener that trusts the authorities of a role and those
// above it refuses all others in the TLS handshake itself: NNG 1.5 does not tell whom it talks to. ECDSA on P-256 with SHA-256 throughout.
#ifndef HD_BUS_CERT_H
#define HD_BUS_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/types.h"

// What a peer may do. A higher one may all that a lower one may.
enum hd_cert_role { HD_CERT_ROLE_INVALID = 0, HD_CERT_READ = 1, HD_CERT_TRADE = 2, HD_CERT_ADMIN = 3 };
#define HD_CERT_ROLES "read trade admin" // for hd_choice_parse

#define HD_CERT_SERIAL_SIZE 33  // hex, with its NUL
#define HD_CERT_NAME_SIZE 64
#define HD_CERT_HOST_SIZE 96    // a DNS name or an address; longer ones are refused
#define HD_CERT_HOSTS_MAX 8     // of one certificate
#define HD_CERT_STRATEGIES_MAX 16
#define HD_CERT_FILE_MAX 65536  // bytes of a certificate file, a bundle or a key
#define HD_CERT_CRL_MAX (1 << 22)
#define HD_CERT_DAYS_MAX 7300

enum hd_cert_state { HD_CERT_GOOD = 1, HD_CERT_EXPIRED = 2, HD_CERT_REVOKED = 3, HD_CERT_EARLY = 4, HD_CERT_UNTRUSTED = 5 };
const char *hd_cert_state_name(enum hd_cert_state state);

struct hd_cert {
  char name[HD_CERT_NAME_SIZE];
  char issuer[128]; // "CN=..., OU=..."
  char serial[HD_CERT_SERIAL_SIZE];
  char fingerprint[65];                            // SHA-256 of the DER form, hex
  enum hd_cert_role role;                          // INVALID: it says none
  bool server, client, authority;                  // what it may be used for
  int64_t not_before_ns, not_after_ns, revoked_ns; // UTC; revoked_ns 0: it is not, as far as is known
  uint32_t host_count;
  char hosts[HD_CERT_HOSTS_MAX + 1][HD_CERT_HOST_SIZE]; // the name first
  uint32_t strategy_count;
  char strategies[HD_CERT_STRATEGIES_MAX][HD_CERT_NAME_SIZE]; // besides the name; "*": any
};

// ---- the authority

// Makes one in a directory that holds none. name: for people, [a-z0-9_-]. HADRON_ERR_EXISTS, _ARGUMENT, _IO.
int32_t hd_cert_authority_make(const char *dir, const char *name, uint32_t days, struct hd_fault *fault);

struct hd_cert_wish {
  const char *name;                     // [a-z0-9_-]
  enum hd_cert_role role;
  uint32_t days;                        // cut where the authority's own end comes first
  const char *hosts[HD_CERT_HOSTS_MAX]; // DNS names and addresses to serve as; none: a client's certificate
  uint32_t host_count;
  const char *strategies[HD_CERT_STRATEGIES_MAX]; // that it speaks for besides its name; "*": any
  uint32_t strategy_count;
  bool renew; // replace the files of a name that has a good certificate; that one stays good until it ends
};
// Writes NAME.crt and NAME.key and, first, the ledger. HADRON_ERR_EXISTS: the name has a good certificate and renew was not said.
int32_t hd_cert_issue(const char *dir, const struct hd_cert_wish *wish, struct hd_cert *out, struct hd_fault *fault);

// Revokes a certificate by its serial, or all of a name, and writes the list, also when they were revoked before (count: 0).
// HADRON_ERR_NOT_FOUND.
int32_t hd_cert_revoke(const char *dir, const char *name_or_serial, uint32_t *count, struct hd_fault *fault);

// ---- the ledger

struct hd_cert_row {
  char serial[HD_CERT_SERIAL_SIZE], name[HD_CERT_NAME_SIZE];
  enum hd_cert_role role;
  int64_t not_before_ns, not_after_ns, revoked_ns;
};
struct hd_cert_ledger {
  uint64_t crl_number; // of the last list that was written
  uint32_t count;
  struct hd_cert_row *rows; // owned; in the order of issue
};
int32_t hd_cert_ledger_read(const char *dir, struct hd_cert_ledger *out, struct hd_fault *fault);
void hd_cert_ledger_free(struct hd_cert_ledger *ledger);
enum hd_cert_state hd_cert_row_state(const struct hd_cert_row *row, int64_t now_ns);

// ---- looking at one

// The first certificate of a PEM file. HADRON_ERR_PARSE: there is none.
int32_t hd_cert_read(const char *path, struct hd_cert *out, struct hd_fault *fault);
// May it speak for the strategy `name`?
bool hd_cert_speaks_for(const struct hd_cert *cert, const char *name);

// ---- judging what a peer shows

struct hd_cert_trust; // authorities and revocations, by their files

// Only authorities of the role `least` and above are trusted; INVALID: all, also the root. crl NULL: nothing is known to be revoked.
int32_t hd_cert_trust_open(const char *ca, const char *crl, enum hd_cert_role least, struct hd_cert_trust **out, struct hd_fault *fault);
void hd_cert_trust_close(struct hd_cert_trust *trust); // NULL is fine
// Reads what changed on the disk. What cannot be read leaves the old in force and is an error. changed (may be NULL): something did.
int32_t hd_cert_trust_refresh(struct hd_cert_trust *trust, bool *changed, struct hd_fault *fault);

// Why somebody is not let in, for counters and words.
#define HD_CERT_REASON_MAP(X) \
  X(UNREADABLE, "unreadable") X(UNTRUSTED, "untrusted") X(EXPIRED, "expired") X(EARLY, "early") X(REVOKED, "revoked") X(ROLE, "role") X(PURPOSE, "purpose") X(NAME, "name") \
  X(NONCE, "nonce") X(SERVER, "server") X(SIGNATURE, "signature")
enum hd_cert_reason {
  HD_CERT_REASON_NONE = 0,
#define HD_CERT_REASON_ENUM(name, word) HD_CERT_REASON_##name,
  HD_CERT_REASON_MAP(HD_CERT_REASON_ENUM)
#undef HD_CERT_REASON_ENUM
  HD_CERT_REASONS
};
const char *hd_cert_reason_name(enum hd_cert_reason reason);

// Is the first certificate of a PEM text a client's, from an authority that is trusted, valid now, not revoked, and of the role `least` or above?
// HADRON_ERR_PERMISSION; out and reason are set as far as they are known.
int32_t hd_cert_check(struct hd_cert_trust *trust, const char *pem, enum hd_cert_role least, struct hd_cert *out, enum hd_cert_reason *reason, struct hd_fault *fault);
// Was it revoked meanwhile, or has it ended? For sessions that have been there for a while.
enum hd_cert_state hd_cert_still(const struct hd_cert_trust *trust, const struct hd_cert *cert, int64_t now_ns);

// A HELLO that is signed (hadron/hello.h). Good: the certificate is (see above), it may speak for `name` and for `class_name`, the nonce is the
// one that this host gave to this connection, the peer meant this host, and the signature over all of it is by the certificate's key.
struct hd_cert_hello {
  const char *certificate, *signature;          // PEM; base64
  const char *nonce, *server;                   // as the peer says them
  const char *name, *version, *class_name;
  const char *session, *epoch;                  // decimal texts; NULL or "": no resume
};
// own: this host's certificate; NULL: it has none.
int32_t hd_cert_check_hello(struct hd_cert_trust *trust, const struct hd_cert_hello *hello, const char *nonce, const struct hd_cert *own, struct hd_cert *out, enum hd_cert_reason *reason,
                            struct hd_fault *fault);
// A fresh nonce, as hex.
#define HD_CERT_NONCE_SIZE 65
int32_t hd_cert_nonce(char nonce[HD_CERT_NONCE_SIZE], struct hd_fault *fault);

// What `hadron cert show` says: the state of a file by others. HADRON_ERR_PARSE, _NOT_FOUND.
int32_t hd_cert_judge(const char *path, const char *ca, const char *crl, enum hd_cert_state *out, struct hd_fault *fault);

#endif
