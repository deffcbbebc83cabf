#include "support/cert_party.h"

#include "base/clock.h"
#include "base/file.h"
#include "bus/cert_internal.h"
#include "support/test.h"

const char *test_party_file(const struct test_party *p, const char *file) {
  static char paths[8][TEST_PARTY_PATH];
  static unsigned next;
  char *to = paths[next++ % 8];
  snprintf(to, TEST_PARTY_PATH, "%s/%s", p->dir, file);
  return to;
}

char *test_party_text(const struct test_party *p, const char *file) {
  size_t size;
  unsigned char *bytes = test_file_read(test_party_file(p, file), &size);
  bytes[size] = 0;
  return (char *)bytes;
}

static void issue(const struct test_party *p, const char *authority, const char *name, enum hd_cert_role role, const char *host) {
  struct hd_fault fault = {0};
  struct hd_cert_wish wish = {.name = name, .role = role, .days = 30, .hosts = {host, "localhost"}, .host_count = host ? 2 : 0};
  if (hd_cert_issue(test_party_file(p, authority), &wish, NULL, &fault)) fail_msg("%s", fault.text);
}

void test_party_craft(const struct test_party *p, const char *name, const char *role, const char *ou, int from_days, int until_days) {
  const int64_t day = INT64_C(86400) * HD_CERT_SECOND, now = hd_clock_wall_ns() / HD_CERT_SECOND * HD_CERT_SECOND;
  struct hd_cert_signer signer;
  struct hd_fault fault = {0};
  mbedtls_pk_context key;
  char subject[64], file[64], pem[HD_CERT_PEM_SIZE];
  struct hd_cert_draft draft = {.subject = subject, .key = &key, .issuer = role ? &signer : NULL, .not_before_ns = now + from_days * day, .not_after_ns = now + until_days * day, .depth = -1};
  snprintf(subject, sizeof subject, "CN=%s,OU=%s,O=Hadron", name, ou);
  mbedtls_pk_init(&key);
  mbedtls_pk_init(&signer.key);
  mbedtls_x509_crt_init(&signer.crt);
  assert_int_equal(hd_cert_key_make(&key), 0);
  if (role) {
    snprintf(file, sizeof file, "ours/authority/%s.key", role);
    if (hd_cert_key_read(test_party_file(p, file), &signer.key, &fault)) fail_msg("%s", fault.text);
    snprintf(file, sizeof file, "ours/authority/%s.crt", role);
    assert_int_equal(mbedtls_x509_crt_parse_file(&signer.crt, test_party_file(p, file)), 0);
  }
  assert_int_equal(hd_cert_serial_make(draft.serial), 0);
  assert_int_equal(hd_cert_write(&draft, pem, sizeof pem), 0);
  snprintf(file, sizeof file, "%s.crt", name);
  test_file_write(test_party_file(p, file), pem, strlen(pem));
  assert_int_equal(mbedtls_pk_write_key_pem(&key, (unsigned char *)pem, sizeof pem), 0);
  snprintf(file, sizeof file, "%s.key", name);
  if (hd_file_create(test_party_file(p, file), pem, strlen(pem), 0600, &fault)) fail_msg("%s", fault.text);
  mbedtls_pk_free(&key);
  mbedtls_pk_free(&signer.key);
  mbedtls_x509_crt_free(&signer.crt);
}

void test_party_make(struct test_party *p) {
  struct hd_fault fault = {0};
  test_directory_make(p->dir);
  if (hd_cert_authority_make(test_party_file(p, "ours"), "acme", 100, &fault) || hd_cert_authority_make(test_party_file(p, "theirs"), "acme", 100, &fault)) fail_msg("%s", fault.text);
  issue(p, "ours", "host", HD_CERT_READ, "127.0.0.1");
  issue(p, "ours", "reader", HD_CERT_READ, NULL);
  issue(p, "ours", "alpha", HD_CERT_TRADE, NULL);
  issue(p, "ours", "eve", HD_CERT_TRADE, NULL);
  issue(p, "ours", "boss", HD_CERT_ADMIN, NULL);
  issue(p, "ours", "gone", HD_CERT_TRADE, NULL);
  issue(p, "theirs", "alpha", HD_CERT_TRADE, NULL);
  if (hd_cert_revoke(test_party_file(p, "ours"), "gone", NULL, &fault)) fail_msg("%s", fault.text);
  test_party_craft(p, "self", NULL, "trade", -1, 1);
  test_party_craft(p, "expired", "trade", "trade", -2, -1);
  test_party_craft(p, "early", "trade", "trade", 1, 2);
}

void test_party_remove(struct test_party *p) { test_directory_remove(p->dir); }
