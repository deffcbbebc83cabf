// Certificates and keys as files, and what a certificate says.
#include <errno.h>
#include <fcntl.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/platform_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "bus/cert_internal.h"

int32_t hd_cert_library_fault(struct hd_fault *fault, int32_t code, const char *path, const char *what, int error) {
  char words[128];
  mbedtls_strerror(error, words, sizeof words);
  return hd_fault_set(fault, code, "%s: %s: %s", path, what, words);
}

const char *hd_cert_state_name(enum hd_cert_state state) {
  static const char *const names[] = {"invalid", "good", "expired", "revoked", "not yet valid", "of another authority"};
  return names[state <= HD_CERT_UNTRUSTED ? state : 0];
}

int hd_cert_key_make(mbedtls_pk_context *key) {
  int error = mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  return error ? error : mbedtls_ecp_gen_key(HD_CERT_CURVE, mbedtls_pk_ec(*key), hd_secret_chance, NULL);
}

// ---- files

int32_t hd_cert_text_read(const char *path, size_t max, char **text, size_t *size, struct hd_fault *fault) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return hd_fault_set(fault, errno == ENOENT ? HADRON_ERR_NOT_FOUND : HADRON_ERR_IO, "%s: opening the file: %s", path, strerror(errno));
  int32_t code = HADRON_OK;
  char *bytes = NULL;
  size_t used = 0;
  ssize_t n = 1;
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: expected a regular file", path);
  else if ((size_t)st.st_size > max) code = hd_fault_set(fault, HADRON_ERR_RANGE, "%s: expected a file of at most %zu bytes, found %lld", path, max, (long long)st.st_size);
  else if (!(bytes = malloc((size_t)st.st_size + 1))) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory to read the file", path);
  while (!code && n > 0 && used < (size_t)st.st_size) {
    n = read(fd, bytes + used, (size_t)st.st_size - used);
    if (n < 0 && errno == EINTR) n = 1;
    else if (n < 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: reading the file: %s", path, strerror(errno));
    else used += (size_t)n;
  }
  close(fd);
  if (code) {
    free(bytes);
    return code;
  }
  bytes[used] = 0;
  *text = bytes, *size = used;
  return HADRON_OK;
}

int32_t hd_cert_key_read(const char *path, mbedtls_pk_context *key, struct hd_fault *fault) {
  char text[HD_CERT_PEM_SIZE];
  int32_t code = hd_secret_read(path, text, sizeof text, fault);
  if (code) return code;
  int error = mbedtls_pk_parse_key(key, (const unsigned char *)text, strlen(text) + 1, NULL, 0);
  mbedtls_platform_zeroize(text, sizeof text);
  if (error) return hd_cert_library_fault(fault, HADRON_ERR_PARSE, path, "expected a secret key as PEM, as `hadron cert` writes it", error);
  bool fits = mbedtls_pk_get_type(key) == MBEDTLS_PK_ECKEY && mbedtls_pk_ec(*key)->grp.id == HD_CERT_CURVE;
  return fits ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a secret key on the curve P-256, found another kind; `hadron cert issue` makes one", path);
}

// ---- times

void hd_cert_time_format(char to[16], int64_t ns) {
  char text[40]; // 2026-11-21T18:55:44Z
  hd_time_format(text, sizeof text, ns, 0);
  size_t used = 0;
  for (const char *p = text; *p && used < 14; p++)
    if (*p >= '0' && *p <= '9') to[used++] = *p;
  to[used] = 0;
}

int64_t hd_cert_time_of(const mbedtls_x509_time *t) {
  char text[40];
  int64_t ns = 0;
  snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02dZ", t->year, t->mon, t->day, t->hour, t->min, t->sec);
  hd_time_parse(text, &ns);
  return ns;
}

// ---- what one says

static void subject_part(const mbedtls_x509_name *subject, const char *oid, size_t oid_size, char *to, size_t size) {
  *to = 0;
  for (const mbedtls_x509_name *n = subject; n; n = n->next)
    if (n->oid.len == oid_size && memcmp(n->oid.p, oid, oid_size) == 0) {
      snprintf(to, size, "%.*s", (int)n->val.len, (const char *)n->val.p);
      hd_text_printable(to);
      return;
    }
}

static void host_describe(const mbedtls_x509_buf *name, struct hd_cert *c) {
  char text[HD_CERT_HOST_SIZE];
  size_t suffix = sizeof HD_CERT_STRATEGY_SUFFIX - 1;
  if (name->len >= sizeof text || memchr(name->p, 0, name->len)) return; // none of ours
  memcpy(text, name->p, name->len);
  text[name->len] = 0;
  hd_text_printable(text);
  if (name->len > suffix && strcmp(text + name->len - suffix, HD_CERT_STRATEGY_SUFFIX) == 0) {
    text[name->len - suffix] = 0;
    if (c->strategy_count < HD_CERT_STRATEGIES_MAX) hd_text_copy(c->strategies[c->strategy_count++], HD_CERT_NAME_SIZE, text);
  } else if (c->host_count <= HD_CERT_HOSTS_MAX) hd_text_copy(c->hosts[c->host_count++], HD_CERT_HOST_SIZE, text);
}

static void hosts_describe(const mbedtls_x509_crt *crt, struct hd_cert *c) {
  if (!(crt->ext_types & MBEDTLS_X509_EXT_SUBJECT_ALT_NAME)) return;
  for (const mbedtls_x509_sequence *s = &crt->subject_alt_names; s; s = s->next)
    if (s->buf.p && (s->buf.tag & 31) == 2) host_describe(&s->buf, c); // a DNS name
}

bool hd_cert_speaks_for(const struct hd_cert *cert, const char *name) {
  if (strcmp(cert->name, name) == 0) return true;
  for (uint32_t i = 0; i < cert->strategy_count; i++)
    if (strcmp(cert->strategies[i], "*") == 0 || strcmp(cert->strategies[i], name) == 0) return true;
  return false;
}

void hd_cert_describe(const mbedtls_x509_crt *crt, struct hd_cert *out) {
  struct hd_cert c = {.authority = crt->ca_istrue != 0};
  uint8_t digest[32];
  char role[32];
  subject_part(&crt->subject, MBEDTLS_OID_AT_CN, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_CN), c.name, sizeof c.name);
  subject_part(&crt->subject, MBEDTLS_OID_AT_ORG_UNIT, MBEDTLS_OID_SIZE(MBEDTLS_OID_AT_ORG_UNIT), role, sizeof role);
  c.role = hd_choice_parse(HD_CERT_ROLES, role);
  mbedtls_x509_dn_gets(c.issuer, sizeof c.issuer, &crt->issuer);
  hd_text_printable(c.issuer);
  hd_hex_format(c.serial, crt->serial.p, crt->serial.len > 16 ? 16 : crt->serial.len);
  hd_sha256(crt->raw.p, crt->raw.len, digest);
  hd_hex_format(c.fingerprint, digest, sizeof digest);
  c.not_before_ns = hd_cert_time_of(&crt->valid_from);
  c.not_after_ns = hd_cert_time_of(&crt->valid_to);
  c.server = !c.authority && !mbedtls_x509_crt_check_extended_key_usage(crt, MBEDTLS_OID_SERVER_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_SERVER_AUTH));
  c.client = !c.authority && !mbedtls_x509_crt_check_extended_key_usage(crt, MBEDTLS_OID_CLIENT_AUTH, MBEDTLS_OID_SIZE(MBEDTLS_OID_CLIENT_AUTH));
  hosts_describe(crt, &c);
  *out = c;
}

int32_t hd_cert_read(const char *path, struct hd_cert *out, struct hd_fault *fault) {
  mbedtls_x509_crt crt;
  char *text;
  size_t size;
  int32_t code = hd_cert_text_read(path, HD_CERT_FILE_MAX, &text, &size, fault);
  if (code) return code;
  mbedtls_x509_crt_init(&crt);
  int error = mbedtls_x509_crt_parse(&crt, (const unsigned char *)text, size + 1);
  if (error < 0) code = hd_cert_library_fault(fault, HADRON_ERR_PARSE, path, "expected a certificate as PEM, as `hadron cert issue` writes it", error);
  else if (error > 0) code = hd_fault_set(fault, HADRON_ERR_PARSE, "%s: %d of its certificates cannot be read; fetch the file again", path, error);
  else hd_cert_describe(&crt, out);
  mbedtls_x509_crt_free(&crt);
  free(text);
  return code;
}
