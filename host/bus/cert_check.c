// Whom a host lets in.
#include <mbedtls/base64.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/x509_crl.h>
#include <sys/stat.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "bus/cert_internal.h"
#include "hadron/hello.h"

struct hd_cert_trust {
  char ca_path[HD_CERT_PATH_SIZE], crl_path[HD_CERT_PATH_SIZE];
  enum hd_cert_role least;
  mbedtls_x509_crt ca;
  mbedtls_x509_crl crl;
  struct hd_cert_seen ca_seen, crl_seen;
};

const char *hd_cert_reason_name(enum hd_cert_reason reason) {
  static const char *const names[] = {"none",
#define HD_CERT_REASON_NAME(name, word) word,
                                      HD_CERT_REASON_MAP(HD_CERT_REASON_NAME)
#undef HD_CERT_REASON_NAME
  };
  return reason < HD_CERT_REASONS ? names[reason] : "none";
}

// ---- what is trusted

struct hd_cert_seen hd_cert_look(const char *path) {
  struct stat st;
  if (!path[0] || stat(path, &st) != 0) return (struct hd_cert_seen){0};
  return (struct hd_cert_seen){.device = st.st_dev, .inode = st.st_ino, .size = st.st_size, .changed = st.st_ctim};
}

bool hd_cert_same(const struct hd_cert_seen *a, const struct hd_cert_seen *b) {
  return a->device == b->device && a->inode == b->inode && a->size == b->size && a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

// Of all authorities in the file those whose role suffices.
static int32_t authorities_choose(const char *path, enum hd_cert_role least, const mbedtls_x509_crt *all, mbedtls_x509_crt *chosen, struct hd_fault *fault) {
  struct hd_cert said;
  uint32_t count = 0;
  for (const mbedtls_x509_crt *c = all; c && c->raw.p; c = c->next) {
    hd_cert_describe(c, &said);
    if (!said.authority || said.role < least) continue;
    int error = mbedtls_x509_crt_parse_der(chosen, c->raw.p, c->raw.len);
    if (error) return hd_cert_library_fault(fault, HADRON_ERR_PARSE, path, "reading an authority's certificate", error);
    count++;
  }
  if (count) return HADRON_OK;
  char role[16] = "any";
  if (least) hd_choice_format(role, sizeof role, HD_CERT_ROLES, least);
  return hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected the authorities' certificates, one of the role %s among them, found none; give the ca.crt that `hadron cert ca` wrote", path, role);
}

static int32_t authorities_read(const char *path, enum hd_cert_role least, mbedtls_x509_crt *out, struct hd_fault *fault) {
  mbedtls_x509_crt all;
  char *text;
  size_t size;
  int32_t code = hd_cert_text_read(path, HD_CERT_FILE_MAX, &text, &size, fault);
  if (code) return code;
  mbedtls_x509_crt_init(&all);
  int error = mbedtls_x509_crt_parse(&all, (const unsigned char *)text, size + 1);
  if (error) code = error < 0 ? hd_cert_library_fault(fault, HADRON_ERR_PARSE, path, "expected certificates as PEM", error)
                              : hd_fault_set(fault, HADRON_ERR_PARSE, "%s: %d of its certificates cannot be read; fetch the file again", path, error);
  else code = authorities_choose(path, least, &all, out, fault);
  mbedtls_x509_crt_free(&all);
  free(text);
  return code;
}

static int32_t list_read(const char *path, mbedtls_x509_crl *out, struct hd_fault *fault) {
  char *text;
  size_t size;
  if (!path[0]) return HADRON_OK;
  int32_t code = hd_cert_text_read(path, HD_CERT_CRL_MAX, &text, &size, fault);
  if (code) return code;
  int error = mbedtls_x509_crl_parse(out, (const unsigned char *)text, size + 1);
  free(text);
  return error ? hd_cert_library_fault(fault, HADRON_ERR_PARSE, path, "expected revocation lists as PEM; fetch ca.crl again", error) : HADRON_OK;
}

int32_t hd_cert_trust_open(const char *ca, const char *crl, enum hd_cert_role least, struct hd_cert_trust **out, struct hd_fault *fault) {
  struct hd_cert_trust *t = calloc(1, sizeof *t);
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for the authorities", ca);
  t->least = least;
  mbedtls_x509_crt_init(&t->ca);
  mbedtls_x509_crl_init(&t->crl);
  int32_t code = HADRON_OK;
  if (!hd_text_copy(t->ca_path, sizeof t->ca_path, ca) || !hd_text_copy(t->crl_path, sizeof t->crl_path, crl ? crl : "")) code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: the path is too long", ca);
  t->ca_seen = hd_cert_look(t->ca_path); // before reading: what changes meanwhile is seen later
  t->crl_seen = hd_cert_look(t->crl_path);
  if (!code) code = authorities_read(t->ca_path, least, &t->ca, fault);
  if (!code) code = list_read(t->crl_path, &t->crl, fault);
  if (code) hd_cert_trust_close(t);
  else *out = t;
  return code;
}

void hd_cert_trust_close(struct hd_cert_trust *t) {
  if (!t) return;
  mbedtls_x509_crt_free(&t->ca);
  mbedtls_x509_crl_free(&t->crl);
  free(t);
}

int32_t hd_cert_trust_refresh(struct hd_cert_trust *t, bool *changed, struct hd_fault *fault) {
  struct hd_cert_seen ca = hd_cert_look(t->ca_path), crl = hd_cert_look(t->crl_path);
  struct hd_cert_trust *fresh;
  if (changed) *changed = false;
  if (hd_cert_same(&ca, &t->ca_seen) && hd_cert_same(&crl, &t->crl_seen)) return HADRON_OK;
  int32_t code = hd_cert_trust_open(t->ca_path, t->crl_path[0] ? t->crl_path : NULL, t->least, &fresh, fault);
  if (code) return code;
  struct hd_cert_trust old = *t;
  *t = *fresh;
  *fresh = old;
  hd_cert_trust_close(fresh);
  if (changed) *changed = true;
  return HADRON_OK;
}

int32_t hd_cert_trust_text(const struct hd_cert_trust *t, char **out, struct hd_fault *fault) {
  size_t room = 1, used = 0, written;
  for (const mbedtls_x509_crt *c = &t->ca; c && c->raw.p; c = c->next) room += 2 * c->raw.len + 128;
  char *text = calloc(1, room);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for the authorities", t->ca_path);
  for (const mbedtls_x509_crt *c = &t->ca; c && c->raw.p; c = c->next) {
    int error = mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", c->raw.p, c->raw.len, (unsigned char *)text + used, room - used, &written);
    if (error) {
      free(text);
      return hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, t->ca_path, "writing the authorities", error);
    }
    used += written - 1; // without its NUL
  }
  *out = text;
  return HADRON_OK;
}

// ---- a certificate

static enum hd_cert_reason reason_of(uint32_t flags) {
  static const struct { uint32_t flags; enum hd_cert_reason reason; } rows[] = {
      {MBEDTLS_X509_BADCERT_REVOKED, HD_CERT_REASON_REVOKED}, {MBEDTLS_X509_BADCERT_EXPIRED, HD_CERT_REASON_EXPIRED}, {MBEDTLS_X509_BADCERT_FUTURE, HD_CERT_REASON_EARLY}};
  // A stranger's certificate is a stranger's, whatever else it is.
  if (flags & (MBEDTLS_X509_BADCERT_NOT_TRUSTED | MBEDTLS_X509_BADCRL_NOT_TRUSTED)) return HD_CERT_REASON_UNTRUSTED;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (flags & rows[i].flags) return rows[i].reason;
  return flags ? HD_CERT_REASON_UNTRUSTED : HD_CERT_REASON_NONE;
}

static uint32_t verify_flags(struct hd_cert_trust *t, mbedtls_x509_crt *crt) {
  uint32_t flags = 0;
  int error = mbedtls_x509_crt_verify_with_profile(crt, &t->ca, &t->crl, &mbedtls_x509_crt_profile_suiteb, NULL, &flags, NULL, NULL);
  return error && !flags ? MBEDTLS_X509_BADCERT_OTHER : flags;
}

// The role of the authority that signed it.
static enum hd_cert_role issuer_role(const struct hd_cert_trust *t, const mbedtls_x509_crt *crt) {
  struct hd_cert said;
  for (const mbedtls_x509_crt *c = &t->ca; c && c->raw.p; c = c->next)
    if (c->subject_raw.len == crt->issuer_raw.len && memcmp(c->subject_raw.p, crt->issuer_raw.p, c->subject_raw.len) == 0) {
      hd_cert_describe(c, &said);
      return said.role;
    }
  return HD_CERT_ROLE_INVALID;
}

static int32_t refuse(enum hd_cert_reason *reason, enum hd_cert_reason why, const struct hd_cert *c, struct hd_fault *fault, const char *words) {
  if (reason) *reason = why;
  return hd_fault_set(fault, HADRON_ERR_PERMISSION, "the certificate of %s%.63s%s%s: %s", c->name[0] ? "" : "somebody", c->name, c->serial[0] ? ", serial " : "", c->serial, words);
}

static int32_t check(struct hd_cert_trust *t, mbedtls_x509_crt *crt, enum hd_cert_role least, struct hd_cert *c, enum hd_cert_reason *reason, struct hd_fault *fault) {
  char words[256], role[16], wanted[16];
  hd_cert_describe(crt, c);
  enum hd_cert_reason why = reason_of(verify_flags(t, crt));
  if (why == HD_CERT_REASON_UNTRUSTED) return refuse(reason, why, c, fault, "expected one of this host's authorities, found another's; issue one with `hadron cert issue`");
  if (why == HD_CERT_REASON_REVOKED) return refuse(reason, why, c, fault, "it was revoked; issue another one");
  if (why) return refuse(reason, why, c, fault, why == HD_CERT_REASON_EXPIRED ? "it has expired; issue another one" : "it is not valid yet; compare the clocks of both machines");
  if (c->authority || !c->client) return refuse(reason, HD_CERT_REASON_PURPOSE, c, fault, "expected a client's certificate, found one for another purpose");
  enum hd_cert_role signed_as = issuer_role(t, crt);
  if (c->role != signed_as || c->role < least || !c->role) {
    hd_text_copy(role, sizeof role, "none");
    if (c->role) hd_choice_format(role, sizeof role, HD_CERT_ROLES, c->role);
    hd_text_copy(wanted, sizeof wanted, "any");
    if (least) hd_choice_format(wanted, sizeof wanted, HD_CERT_ROLES, least);
    snprintf(words, sizeof words, "expected the role %s%s, found %s%s; issue one of that role", wanted, least == HD_CERT_ADMIN ? "" : " or above", role,
             c->role != signed_as ? ", which is not its authority's" : "");
    return refuse(reason, HD_CERT_REASON_ROLE, c, fault, words);
  }
  return HADRON_OK;
}

// crt: initialised by the caller, who frees it.
static int32_t check_pem(struct hd_cert_trust *t, const char *pem, enum hd_cert_role least, mbedtls_x509_crt *crt, struct hd_cert *c, enum hd_cert_reason *reason, struct hd_fault *fault) {
  size_t size = strnlen(pem, HD_CERT_FILE_MAX + 1);
  int error = size > HD_CERT_FILE_MAX ? MBEDTLS_ERR_X509_INVALID_FORMAT : mbedtls_x509_crt_parse(crt, (const unsigned char *)pem, size + 1);
  if (error) return refuse(reason, HD_CERT_REASON_UNREADABLE, c, fault, "it cannot be read; expected PEM");
  return check(t, crt, least, c, reason, fault);
}

int32_t hd_cert_check(struct hd_cert_trust *t, const char *pem, enum hd_cert_role least, struct hd_cert *out, enum hd_cert_reason *reason, struct hd_fault *fault) {
  mbedtls_x509_crt crt;
  struct hd_cert c = {0};
  if (reason) *reason = HD_CERT_REASON_NONE;
  mbedtls_x509_crt_init(&crt);
  int32_t code = check_pem(t, pem, least, &crt, &c, reason, fault);
  mbedtls_x509_crt_free(&crt);
  if (out) *out = c;
  return code;
}

enum hd_cert_state hd_cert_still(const struct hd_cert_trust *t, const struct hd_cert *cert, int64_t now_ns) {
  uint8_t serial[16];
  if (now_ns >= cert->not_after_ns) return HD_CERT_EXPIRED;
  if (!hd_hex_parse(serial, cert->serial, sizeof serial)) return HD_CERT_UNTRUSTED;
  char issuer[sizeof cert->issuer];
  for (const mbedtls_x509_crl *l = &t->crl; l; l = l->next) {
    if (!l->raw.p || mbedtls_x509_dn_gets(issuer, sizeof issuer, &l->issuer) < 0 || strcmp(issuer, cert->issuer) != 0) continue;
    for (const mbedtls_x509_crl_entry *e = &l->entry; e && e->serial.p; e = e->next)
      if (e->serial.len == sizeof serial && memcmp(e->serial.p, serial, sizeof serial) == 0) return HD_CERT_REVOKED;
  }
  return HD_CERT_GOOD;
}

// ---- a signed HELLO

int32_t hd_cert_nonce(char nonce[HD_CERT_NONCE_SIZE], struct hd_fault *fault) {
  unsigned char bytes[32];
  if (hd_secret_chance(NULL, bytes, sizeof bytes)) return hd_fault_set(fault, HADRON_ERR_IO, "the system gives no random numbers for a nonce");
  hd_hex_format(nonce, bytes, sizeof bytes);
  return HADRON_OK;
}

static bool is_own(const struct hd_cert *own, const char *server) {
  for (uint32_t i = 0; i < own->host_count; i++)
    if (strcmp(own->hosts[i], server) == 0) return true;
  return false;
}

static bool signature_fits(mbedtls_x509_crt *crt, const struct hd_cert_hello *h) {
  const struct hadron_hello_facts facts = {h->nonce, h->server, h->name, h->version, h->class_name, h->session, h->epoch};
  char text[HADRON_HELLO_TEXT_SIZE];
  unsigned char der[HADRON_HELLO_SIGNATURE_SIZE];
  uint8_t digest[32];
  size_t size = 0, length = hadron_hello_text(&facts, text), given = strnlen(h->signature, HADRON_HELLO_SIGNATURE_SIZE);
  if (!length || given >= HADRON_HELLO_SIGNATURE_SIZE || mbedtls_base64_decode(der, sizeof der, &size, (const unsigned char *)h->signature, given)) return false;
  hd_sha256(text, length, digest);
  return mbedtls_pk_verify(&crt->pk, MBEDTLS_MD_SHA256, digest, sizeof digest, der, size) == 0;
}

int32_t hd_cert_check_hello(struct hd_cert_trust *t, const struct hd_cert_hello *h, const char *nonce, const struct hd_cert *own, struct hd_cert *out, enum hd_cert_reason *reason,
                            struct hd_fault *fault) {
  mbedtls_x509_crt crt;
  struct hd_cert c = {0};
  char words[256];
  enum hd_cert_role wanted = h->class_name ? hd_choice_parse(HD_CERT_ROLES, h->class_name) : HD_CERT_ROLE_INVALID;
  if (reason) *reason = HD_CERT_REASON_NONE;
  if (!h->certificate || !h->signature || !h->nonce || !h->name || !h->version || !wanted)
    return refuse(reason, HD_CERT_REASON_UNREADABLE, &c, fault, "expected a HELLO with certificate, nonce, signature, name, version and class");
  mbedtls_x509_crt_init(&crt);
  int32_t code = check_pem(t, h->certificate, wanted, &crt, &c, reason, fault);
  if (!code && !hd_cert_speaks_for(&c, h->name)) {
    snprintf(words, sizeof words, "it does not speak for the strategy %.63s; issue one with --strategy %.63s", h->name, h->name);
    code = refuse(reason, HD_CERT_REASON_NAME, &c, fault, words);
  }
  if (!code && (!nonce || strcmp(nonce, h->nonce) != 0)) code = refuse(reason, HD_CERT_REASON_NONCE, &c, fault, "the nonce is not the one that this connection was given; say HELLO anew");
  if (!code && own && (!h->server || !is_own(own, h->server))) {
    snprintf(words, sizeof words, "its HELLO is meant for the host %.63s, found %.63s; dial this host by a name of its certificate", h->server ? h->server : "-", own->name);
    code = refuse(reason, HD_CERT_REASON_SERVER, &c, fault, words);
  }
  if (!code && !signature_fits(&crt, h)) code = refuse(reason, HD_CERT_REASON_SIGNATURE, &c, fault, "the signature does not fit what was said; use the key of this certificate");
  mbedtls_x509_crt_free(&crt);
  if (out) *out = c;
  return code;
}

// ---- for people

int32_t hd_cert_judge(const char *path, const char *ca, const char *crl, enum hd_cert_state *out, struct hd_fault *fault) {
  static const enum hd_cert_state states[HD_CERT_REASONS] = {[HD_CERT_REASON_NONE] = HD_CERT_GOOD, [HD_CERT_REASON_EXPIRED] = HD_CERT_EXPIRED, [HD_CERT_REASON_EARLY] = HD_CERT_EARLY,
                                                             [HD_CERT_REASON_REVOKED] = HD_CERT_REVOKED};
  struct hd_cert_trust *trust;
  mbedtls_x509_crt crt;
  char *text;
  size_t size;
  int32_t code = hd_cert_text_read(path, HD_CERT_FILE_MAX, &text, &size, fault);
  if (code) return code;
  code = hd_cert_trust_open(ca, crl, HD_CERT_ROLE_INVALID, &trust, fault);
  if (!code) {
    mbedtls_x509_crt_init(&crt);
    int error = mbedtls_x509_crt_parse(&crt, (const unsigned char *)text, size + 1);
    if (error) code = hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a certificate as PEM", path);
    else *out = states[reason_of(verify_flags(trust, &crt))] ? states[reason_of(verify_flags(trust, &crt))] : HD_CERT_UNTRUSTED;
    mbedtls_x509_crt_free(&crt);
    hd_cert_trust_close(trust);
  }
  free(text);
  return code;
}
