// What the files of the certificates share. Nobody else includes it.
#ifndef HD_BUS_CERT_INTERNAL_H
#define HD_BUS_CERT_INTERNAL_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <sys/types.h>
#include <time.h>

#include "bus/cert.h"

#define HD_CERT_PATH_SIZE 1024
#define HD_CERT_CURVE MBEDTLS_ECP_DP_SECP256R1
#define HD_CERT_PEM_SIZE 8192 // of one certificate or key
#define HD_CERT_STRATEGY_SUFFIX ".strategy.hadron.internal"
#define HD_CERT_SECOND INT64_C(1000000000)

// "PATH: WHAT: the library's words".
int32_t hd_cert_library_fault(struct hd_fault *fault, int32_t code, const char *path, const char *what, int error);
int hd_cert_key_make(mbedtls_pk_context *key);
// A text file of at most max bytes, with a NUL behind it; owned by the caller.
int32_t hd_cert_text_read(const char *path, size_t max, char **text, size_t *size, struct hd_fault *fault);
int32_t hd_cert_key_read(const char *path, mbedtls_pk_context *key, struct hd_fault *fault);
void hd_cert_describe(const mbedtls_x509_crt *crt, struct hd_cert *out);
// "20261121185544", as mbedTLS takes times; and back.
void hd_cert_time_format(char to[16], int64_t ns);
int64_t hd_cert_time_of(const mbedtls_x509_time *t);

// ---- checking (cert_check.c)

struct hd_cert_seen { // of a file: does it look as it did?
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec changed;
};
struct hd_cert_seen hd_cert_look(const char *path); // "": a file that is never there
bool hd_cert_same(const struct hd_cert_seen *a, const struct hd_cert_seen *b);
// The authorities that are trusted as PEM, owned by the caller.
int32_t hd_cert_trust_text(const struct hd_cert_trust *trust, char **out, struct hd_fault *fault);

// ---- writing (cert_write.c)

struct hd_cert_signer { // an authority
  mbedtls_x509_crt crt;
  mbedtls_pk_context key;
};
struct hd_cert_draft {
  const char *subject;          // "CN=...,OU=...,O=Hadron"
  mbedtls_pk_context *key;      // its own
  struct hd_cert_signer *issuer; // NULL: itself
  char serial[HD_CERT_SERIAL_SIZE];
  int64_t not_before_ns, not_after_ns;
  int depth;                                 // authorities below it; -1: it is none
  const char *hosts[HD_CERT_HOSTS_MAX + 1 + HD_CERT_STRATEGIES_MAX]; // DNS names among the alternatives
  uint32_t host_count;
  uint8_t addresses[HD_CERT_HOSTS_MAX][16];
  uint8_t address_sizes[HD_CERT_HOSTS_MAX]; // 4 or 16
  uint32_t address_count;
  bool server;
};
// PEM with a NUL. 0 or an error of mbedTLS.
int hd_cert_write(const struct hd_cert_draft *draft, char *pem, size_t size);
int hd_cert_serial_make(char serial[HD_CERT_SERIAL_SIZE]);

// The list of what `signer` has revoked: the rows of its role that are; PEM with a NUL, owned by the caller.
int hd_cert_list_write(struct hd_cert_signer *signer, const struct hd_cert_ledger *ledger, enum hd_cert_role role, uint64_t number, int64_t now_ns, char **pem);

// ---- the ledger (cert_ledger.c)
int32_t hd_cert_ledger_add(struct hd_cert_ledger *ledger, const struct hd_cert_row *row, struct hd_fault *fault);
int32_t hd_cert_ledger_write(const char *dir, const struct hd_cert_ledger *ledger, struct hd_fault *fault);
// One writer at a time: a lock on the directory. Close the descriptor to let go.
int32_t hd_cert_lock(const char *dir, int *fd, struct hd_fault *fault);

#endif
