#include "bus/tls.h"

#include <mbedtls/platform_util.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "bus/cert_internal.h"

enum { CERTIFICATE, KEY, CA, CRL, FILES };

struct hd_tls {
  char paths[FILES][HD_CERT_PATH_SIZE]; // "": none
  struct hd_cert_seen seen[FILES];
  enum hd_cert_role least;
  struct hd_cert own;
  struct hd_cert_trust *trust;
  nng_tls_config *config;
};

static int32_t nng_fault(struct hd_fault *fault, const char *path, const char *what, int error) {
  int32_t code = error == NNG_ENOMEM ? HADRON_ERR_MEMORY : error == NNG_ENOTSUP ? HADRON_ERR_UNSUPPORTED : HADRON_ERR_PARSE;
  return hd_fault_set(fault, code, "%s: %s: %s", path, what, nng_strerror(error));
}

// The certificate must be the key's, a server's, and of today.
static int32_t own_check(const char *path, const char *pem, size_t size, const char *key_path, struct hd_cert *own, struct hd_fault *fault) {
  mbedtls_x509_crt crt;
  mbedtls_pk_context key;
  int64_t now = hd_clock_wall_ns();
  char until[40];
  mbedtls_x509_crt_init(&crt);
  mbedtls_pk_init(&key);
  int error = mbedtls_x509_crt_parse(&crt, (const unsigned char *)pem, size + 1);
  int32_t code = error ? hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a certificate as PEM, as `hadron cert issue` writes it", path) : hd_cert_key_read(key_path, &key, fault);
  if (!code) {
    hd_cert_describe(&crt, own);
    hd_time_format(until, sizeof until, own->not_after_ns, 0);
    if (mbedtls_pk_check_pair(&crt.pk, &key)) code = hd_fault_set(fault, HADRON_ERR_PARSE, "%s: the key does not belong to the certificate %s; copy both files again", key_path, path);
    else if (!own->server) code = hd_fault_set(fault, HADRON_ERR_STATE, "%s: expected a server's certificate, found one of a client (%s); issue one with `hadron cert issue --host HOST`", path, own->name);
    else if (now >= own->not_after_ns) code = hd_fault_set(fault, HADRON_ERR_STATE, "%s: the certificate of %s has ended on %s; issue another one with `hadron cert issue --renew`", path, own->name, until);
  }
  mbedtls_x509_crt_free(&crt);
  mbedtls_pk_free(&key);
  return code;
}

static int32_t own_load(struct hd_tls *t, nng_tls_config *config, struct hd_fault *fault) {
  char *pem, key[HD_CERT_PEM_SIZE];
  size_t size;
  int32_t code = hd_cert_text_read(t->paths[CERTIFICATE], HD_CERT_FILE_MAX, &pem, &size, fault);
  if (code) return code;
  code = own_check(t->paths[CERTIFICATE], pem, size, t->paths[KEY], &t->own, fault);
  if (!code) code = hd_secret_read(t->paths[KEY], key, sizeof key, fault);
  if (!code) {
    int error = nng_tls_config_own_cert(config, pem, key, NULL);
    if (error) code = nng_fault(fault, t->paths[CERTIFICATE], "NNG takes neither certificate nor key", error);
    mbedtls_platform_zeroize(key, sizeof key);
  }
  free(pem);
  return code;
}

static int32_t trust_load(struct hd_tls *t, nng_tls_config *config, struct hd_fault *fault) {
  const char *list_path = t->paths[CRL][0] ? t->paths[CRL] : NULL;
  char *authorities = NULL, *list = NULL;
  size_t size;
  int32_t code = hd_cert_trust_open(t->paths[CA], list_path, t->least, &t->trust, fault);
  if (!code) code = hd_cert_trust_text(t->trust, &authorities, fault);
  if (!code && list_path) code = hd_cert_text_read(list_path, HD_CERT_CRL_MAX, &list, &size, fault);
  if (!code) {
    int error = nng_tls_config_ca_chain(config, authorities, list);
    if (error) code = nng_fault(fault, t->paths[CA], "NNG does not take the authorities", error);
  }
  free(authorities);
  free(list);
  return code;
}

static int32_t load(struct hd_tls *t, struct hd_fault *fault) {
  int error = nng_tls_config_alloc(&t->config, NNG_TLS_MODE_SERVER);
  if (error) return nng_fault(fault, t->paths[CERTIFICATE], "NNG gives no TLS configuration; the package libnng1 of Debian has TLS", error);
  for (int i = 0; i < FILES; i++) t->seen[i] = hd_cert_look(t->paths[i]); // before reading: what changes meanwhile is seen later
  // NNG's own default lets a peer in that shows no certificate at all.
  error = nng_tls_config_auth_mode(t->config, NNG_TLS_AUTH_MODE_REQUIRED);
  if (!error) error = nng_tls_config_version(t->config, NNG_TLS_1_2, NNG_TLS_1_2); // 1.5.2 knows no later one
  if (error) return nng_fault(fault, t->paths[CERTIFICATE], "NNG refuses to ask for certificates", error);
  int32_t code = own_load(t, t->config, fault);
  return code ? code : trust_load(t, t->config, fault);
}

int32_t hd_tls_open(const struct hd_tls_files *files, enum hd_cert_role least, struct hd_tls **out, struct hd_fault *fault) {
  const char *const paths[FILES] = {files->certificate, files->key, files->ca, files->crl};
  static const char *const names[] = {"certificate", "key", "ca"};
  for (int i = 0; i < CRL; i++)
    if (!paths[i] || !paths[i][0]) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "TLS: expected the files certificate, key and ca, found no %s; `hadron cert issue` makes them", names[i]);
  struct hd_tls *t = calloc(1, sizeof *t);
  if (!t) return hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for TLS", files->certificate);
  int32_t code = HADRON_OK;
  t->least = least;
  for (int i = 0; i < FILES && !code; i++)
    if (!hd_text_copy(t->paths[i], sizeof t->paths[i], paths[i] ? paths[i] : "")) code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "TLS: %.64s...: the path is too long", paths[i]);
  if (!code) code = load(t, fault);
  if (code) hd_tls_close(t);
  else *out = t;
  return code;
}

void hd_tls_close(struct hd_tls *t) {
  if (!t) return;
  hd_cert_trust_close(t->trust);
  if (t->config) nng_tls_config_free(t->config);
  free(t);
}

nng_tls_config *hd_tls_config(const struct hd_tls *t) { return t->config; }
const struct hd_cert *hd_tls_own(const struct hd_tls *t) { return &t->own; }
struct hd_cert_trust *hd_tls_trust(struct hd_tls *t) { return t->trust; }

int32_t hd_tls_refresh(struct hd_tls *t, enum hd_tls_change *changed, struct hd_fault *fault) {
  struct hd_cert_seen now[FILES];
  enum hd_tls_change found = HD_TLS_SAME;
  *changed = HD_TLS_SAME;
  for (int i = 0; i < FILES; i++) {
    now[i] = hd_cert_look(t->paths[i]);
    if (hd_cert_same(&now[i], &t->seen[i])) continue;
    if (i != CRL || !found) found = i == CRL ? HD_TLS_REVOKED : HD_TLS_RENEWED;
  }
  if (!found) return HADRON_OK;
  memcpy(t->seen, now, sizeof now); // said once
  struct hd_tls *fresh, old;
  const struct hd_tls_files files = {t->paths[CERTIFICATE], t->paths[KEY], t->paths[CA], t->paths[CRL]};
  int32_t code = hd_tls_open(&files, t->least, &fresh, fault);
  if (code) return code;
  old = *t, *t = *fresh, *fresh = old;
  hd_tls_close(fresh);
  *changed = found;
  return HADRON_OK;
}
