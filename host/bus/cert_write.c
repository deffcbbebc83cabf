// Certificates and revocation lists as bytes. DER is written from its end to its beginning, as mbedTLS does. The lists are made by hand: mbedTLS
// reads them and does not write them. RFC 5280.
#include <mbedtls/asn1write.h>
#include <mbedtls/oid.h>
#include <mbedtls/pem.h>
#include <mbedtls/sha1.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "bus/cert_internal.h"

#define SAN_DNS 2     // [2] IA5String
#define SAN_ADDRESS 7 // [7] OCTET STRING
#define OID(x) x, MBEDTLS_OID_SIZE(x)

// What every writing function of mbedTLS returns is added up; an error ends the function.
#define PUT(call)                  \
  do {                             \
    int put_ = (call);             \
    if (put_ < 0) return put_;     \
    used += put_;                  \
  } while (0)

static int put_header(unsigned char **p, unsigned char *start, int length, int tag) {
  int used = length;
  PUT(mbedtls_asn1_write_len(p, start, (size_t)length));
  PUT(mbedtls_asn1_write_tag(p, start, (unsigned char)tag));
  return used;
}

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)

static int put_raw(unsigned char **p, unsigned char *start, const void *bytes, size_t size, int tag) {
  int n = mbedtls_asn1_write_raw_buffer(p, start, bytes, size);
  return n < 0 ? n : put_header(p, start, n, tag);
}

int hd_cert_serial_make(char serial[HD_CERT_SERIAL_SIZE]) {
  unsigned char bytes[16];
  if (hd_secret_chance(NULL, bytes, sizeof bytes)) return MBEDTLS_ERR_PK_BAD_INPUT_DATA;
  bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); // positive, and always of the same length
  hd_hex_format(serial, bytes, sizeof bytes);
  return 0;
}

// ---- a certificate

static int alternatives(const struct hd_cert_draft *d, mbedtls_x509write_cert *w) {
  unsigned char bytes[4096], *p = bytes + sizeof bytes;
  int used = 0;
  for (uint32_t i = d->address_count; i-- > 0;) PUT(put_raw(&p, bytes, d->addresses[i], d->address_sizes[i], MBEDTLS_ASN1_CONTEXT_SPECIFIC | SAN_ADDRESS));
  for (uint32_t i = d->host_count; i-- > 0;) PUT(put_raw(&p, bytes, d->hosts[i], strlen(d->hosts[i]), MBEDTLS_ASN1_CONTEXT_SPECIFIC | SAN_DNS));
  used = put_header(&p, bytes, used, SEQUENCE);
  return used < 0 ? used : mbedtls_x509write_crt_set_extension(w, OID(MBEDTLS_OID_SUBJECT_ALT_NAME), 0, p, (size_t)used);
}

static int purposes(const struct hd_cert_draft *d, mbedtls_x509write_cert *w) {
  unsigned char bytes[64], *p = bytes + sizeof bytes;
  int used = 0;
  PUT(mbedtls_asn1_write_oid(&p, bytes, OID(MBEDTLS_OID_CLIENT_AUTH)));
  if (d->server) PUT(mbedtls_asn1_write_oid(&p, bytes, OID(MBEDTLS_OID_SERVER_AUTH)));
  used = put_header(&p, bytes, used, SEQUENCE);
  return used < 0 ? used : mbedtls_x509write_crt_set_extension(w, OID(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, p, (size_t)used);
}

static int extensions(const struct hd_cert_draft *d, mbedtls_x509write_cert *w) {
  bool authority = d->depth >= 0;
  int error = mbedtls_x509write_crt_set_basic_constraints(w, authority, d->depth);
  if (!error) error = mbedtls_x509write_crt_set_key_usage(w, authority ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN : MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
  if (!error) error = mbedtls_x509write_crt_set_subject_key_identifier(w);
  if (!error) error = mbedtls_x509write_crt_set_authority_key_identifier(w);
  if (!error && !authority) error = purposes(d, w);
  if (!error && d->host_count) error = alternatives(d, w);
  return error;
}

int hd_cert_write(const struct hd_cert_draft *d, char *pem, size_t size) {
  mbedtls_x509write_cert w;
  mbedtls_mpi serial;
  char from[16], to[16], issuer[256];
  HD_ASSERT(d->not_after_ns > d->not_before_ns);
  mbedtls_x509write_crt_init(&w);
  mbedtls_mpi_init(&serial);
  hd_cert_time_format(from, d->not_before_ns);
  hd_cert_time_format(to, d->not_after_ns);
  mbedtls_x509write_crt_set_version(&w, MBEDTLS_X509_CRT_VERSION_3);
  mbedtls_x509write_crt_set_md_alg(&w, MBEDTLS_MD_SHA256);
  mbedtls_x509write_crt_set_subject_key(&w, d->key);
  mbedtls_x509write_crt_set_issuer_key(&w, d->issuer ? &d->issuer->key : d->key);
  int error = mbedtls_mpi_read_string(&serial, 16, d->serial);
  if (!error) error = mbedtls_x509write_crt_set_serial(&w, &serial);
  if (!error) error = mbedtls_x509write_crt_set_validity(&w, from, to);
  if (!error) error = mbedtls_x509write_crt_set_subject_name(&w, d->subject);
  if (!error && d->issuer) {
    int n = mbedtls_x509_dn_gets(issuer, sizeof issuer, &d->issuer->crt.subject);
    error = n < 0 ? n : 0;
  }
  if (!error) error = mbedtls_x509write_crt_set_issuer_name(&w, d->issuer ? issuer : d->subject);
  if (!error) error = extensions(d, &w);
  if (!error) error = mbedtls_x509write_crt_pem(&w, (unsigned char *)pem, size, hd_secret_chance, NULL);
  mbedtls_mpi_free(&serial);
  mbedtls_x509write_crt_free(&w);
  return error;
}

// ---- a revocation list

// UTCTime until 2049, GeneralizedTime from then on.
static int put_time(unsigned char **p, unsigned char *start, int64_t ns) {
  char text[16];
  hd_cert_time_format(text, ns);
  text[14] = 'Z';
  bool early = memcmp(text, "2050", 4) < 0;
  return put_raw(p, start, text + 2 * early, 15u - 2u * early, early ? MBEDTLS_ASN1_UTC_TIME : MBEDTLS_ASN1_GENERALIZED_TIME);
}

static int put_algorithm(unsigned char **p, unsigned char *start) { // without parameters: RFC 5758
  int used = 0;
  PUT(mbedtls_asn1_write_oid(p, start, OID(MBEDTLS_OID_ECDSA_SHA256)));
  return put_header(p, start, used, SEQUENCE);
}

static int put_extension(unsigned char **p, unsigned char *start, int value_size, const char *oid, size_t oid_size) { // the value is there already
  int used = 0;
  PUT(put_header(p, start, value_size, MBEDTLS_ASN1_OCTET_STRING));
  PUT(mbedtls_asn1_write_oid(p, start, oid, oid_size));
  return put_header(p, start, used, SEQUENCE);
}

static int put_list_extensions(unsigned char **p, unsigned char *start, struct hd_cert_signer *signer, uint64_t number) {
  unsigned char key[256], *k = key + sizeof key, id[20], digits[9] = {0};
  int used = 0, n = mbedtls_pk_write_pubkey(&k, key, &signer->key);
  if (n < 0 || (n = mbedtls_sha1_ret(k, (size_t)n, id)) != 0) return n;
  n = put_raw(p, start, id, sizeof id, MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0);
  if (n >= 0) n = put_header(p, start, n, SEQUENCE);
  PUT(n < 0 ? n : put_extension(p, start, n, OID(MBEDTLS_OID_AUTHORITY_KEY_IDENTIFIER)));
  for (int i = 0; i < 8; i++) digits[8 - i] = (unsigned char)(number >> 8 * i);
  int skip = 0;
  while (skip < 8 && digits[skip] == 0 && digits[skip + 1] < 0x80) skip++; // the shortest form
  n = put_raw(p, start, digits + skip, sizeof digits - (size_t)skip, MBEDTLS_ASN1_INTEGER);
  PUT(n < 0 ? n : put_extension(p, start, n, OID(MBEDTLS_OID_CRL_NUMBER)));
  used = put_header(p, start, used, SEQUENCE);
  return used < 0 ? used : put_header(p, start, used, MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_CONTEXT_SPECIFIC | 0);
}

static int put_revoked(unsigned char **p, unsigned char *start, const struct hd_cert_ledger *ledger, enum hd_cert_role role) {
  int used = 0;
  for (uint32_t i = ledger->count; i-- > 0;) {
    const struct hd_cert_row *row = &ledger->rows[i];
    unsigned char serial[16];
    if (row->role != role || !row->revoked_ns) continue;
    if (!hd_hex_parse(serial, row->serial, sizeof serial)) return MBEDTLS_ERR_ASN1_INVALID_DATA;
    int n = put_time(p, start, row->revoked_ns), s = n < 0 ? n : put_raw(p, start, serial, sizeof serial, MBEDTLS_ASN1_INTEGER);
    PUT(s < 0 ? s : put_header(p, start, n + s, SEQUENCE));
  }
  return used ? put_header(p, start, used, SEQUENCE) : 0; // an empty list is left out
}

// What is signed.
static int put_body(unsigned char **p, unsigned char *start, struct hd_cert_signer *signer, const struct hd_cert_ledger *ledger, enum hd_cert_role role, uint64_t number, int64_t now_ns) {
  int used = 0;
  PUT(put_list_extensions(p, start, signer, number));
  PUT(put_revoked(p, start, ledger, role));
  // A list that ran out would shut everybody out: it holds as long as its authority. Whoever could hold a new one back could do so anyway.
  PUT(put_time(p, start, hd_cert_time_of(&signer->crt.valid_to)));
  PUT(put_time(p, start, now_ns));
  PUT(mbedtls_asn1_write_raw_buffer(p, start, signer->crt.subject_raw.p, signer->crt.subject_raw.len));
  PUT(put_algorithm(p, start));
  PUT(mbedtls_asn1_write_int(p, start, 1)); // version 2
  return put_header(p, start, used, SEQUENCE);
}

static int list_sign(unsigned char *bytes, size_t room, struct hd_cert_signer *signer, int body, int *total) {
  unsigned char digest[32], signature[MBEDTLS_PK_SIGNATURE_MAX_SIZE], *p = bytes + room;
  size_t size = 0;
  hd_sha256(p - body, (size_t)body, digest);
  int used = mbedtls_pk_sign(&signer->key, MBEDTLS_MD_SHA256, digest, sizeof digest, signature, &size, hd_secret_chance, NULL);
  if (used) return used;
  // The body moves to the front to make room for what follows it.
  unsigned char *copy = malloc((size_t)body);
  if (!copy) return MBEDTLS_ERR_ASN1_ALLOC_FAILED;
  memcpy(copy, p - body, (size_t)body);
  used = 0;
  int n = mbedtls_asn1_write_bitstring(&p, bytes, signature, 8 * size);
  if (n >= 0) used += n, n = put_algorithm(&p, bytes);
  if (n >= 0) used += n, n = mbedtls_asn1_write_raw_buffer(&p, bytes, copy, (size_t)body);
  if (n >= 0) n = put_header(&p, bytes, used + n, SEQUENCE);
  free(copy);
  if (n < 0) return n;
  *total = n;
  return 0;
}

int hd_cert_list_write(struct hd_cert_signer *signer, const struct hd_cert_ledger *ledger, enum hd_cert_role role, uint64_t number, int64_t now_ns, char **pem) {
  size_t room = 2048 + (size_t)ledger->count * 48, size = room * 2, length;
  unsigned char *bytes = malloc(room), *p = bytes + room;
  char *text = malloc(size);
  int total = 0, error = MBEDTLS_ERR_ASN1_ALLOC_FAILED;
  if (bytes && text) {
    int body = put_body(&p, bytes, signer, ledger, role, number, now_ns);
    error = body < 0 ? body : list_sign(bytes, room, signer, body, &total);
  }
  if (!error) error = mbedtls_pem_write_buffer("-----BEGIN X509 CRL-----\n", "-----END X509 CRL-----\n", bytes + room - total, (size_t)total, (unsigned char *)text, size, &length);
  free(bytes);
  if (error) free(text);
  else *pem = text;
  return error;
}
