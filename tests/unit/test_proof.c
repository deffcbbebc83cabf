// Promise: a connection is given a nonce that is its own and good for one answer; who answers is known by its certificate, or counted by why it was
// refused; a certificate that was good is not, once it is revoked; of a thousand connections that never answer the oldest are forgotten.
#include "support/test.h"

#include "base/clock.h"
#include "bus/proof.h"
#include "support/cert_party.h"
#include "support/hello_sign.h"

#define CONNECTIONS 16

static struct test_party party;

static const char *file(const char *name) { return test_party_file(&party, name); }

static struct hd_proof *proof_open(void) {
  struct hd_proof *proof;
  struct hd_fault fault = {0};
  const struct hd_tls_files files = {file("ours/host.crt"), file("ours/host.key"), file("ours/ca.crt"), file("ours/ca.crl")};
  if (hd_proof_open(&files, HD_CERT_READ, CONNECTIONS, &proof, &fault)) fail_msg("%s", fault.text);
  return proof;
}

// `who` says HELLO as `name` with this nonce.
static int32_t say(struct hd_proof *proof, uint32_t connection, const char *nonce, const char *who, const char *name, struct hd_cert *cert) {
  char path[64], signature[HADRON_HELLO_SIGNATURE_SIZE];
  snprintf(path, sizeof path, "%s.crt", who);
  char *pem = test_party_text(&party, path);
  snprintf(path, sizeof path, "%s.key", who);
  char *key = test_party_text(&party, path);
  const struct hadron_hello_facts facts = {nonce, "127.0.0.1", name, "1.0.0", "trade", NULL, NULL};
  const struct hd_cert_hello hello = {pem, signature, nonce, "127.0.0.1", name, "1.0.0", "trade", NULL, NULL};
  assert_int_equal(test_hello_sign(key, &facts, signature), HADRON_OK);
  int32_t code = hd_proof_check(proof, connection, &hello, cert, NULL);
  free(pem), free(key);
  return code;
}

static void one_answer(void **state) {
  char one[HD_CERT_NONCE_SIZE], two[HD_CERT_NONCE_SIZE], again[HD_CERT_NONCE_SIZE];
  struct hd_proof *proof = proof_open();
  struct hd_cert cert;
  struct hd_proof_figures figures;
  (void)state;
  assert_int_equal(hd_proof_nonce(proof, 1, one, NULL), HADRON_OK);
  assert_int_equal(hd_proof_nonce(proof, 2, two, NULL), HADRON_OK);
  assert_int_equal(hd_proof_nonce(proof, 1, again, NULL), HADRON_OK);
  assert_string_equal(one, again);
  assert_string_not_equal(one, two);
  assert_int_equal(say(proof, 2, one, "ours/alpha", "alpha", &cert), HADRON_ERR_PERMISSION); // another connection's
  assert_int_equal(say(proof, 2, two, "ours/alpha", "alpha", &cert), HADRON_ERR_PERMISSION); // and its own is used up
  assert_int_equal(say(proof, 1, one, "ours/alpha", "alpha", &cert), HADRON_OK);
  assert_string_equal(cert.name, "alpha");
  assert_int_equal(say(proof, 1, one, "ours/alpha", "alpha", &cert), HADRON_ERR_PERMISSION); // said once more
  assert_int_equal(say(proof, 9, one, "ours/alpha", "alpha", &cert), HADRON_ERR_PERMISSION); // never asked
  hd_proof_figures(proof, &figures);
  assert_int_equal(figures.accepted, 1);
  assert_int_equal(figures.refused[HD_CERT_REASON_NONCE], 4);
  hd_proof_close(proof);
}

static void counted_by_reason(void **state) {
  static const struct { const char *who, *name; enum hd_cert_reason reason; } rows[] = {
      {"ours/eve", "alpha", HD_CERT_REASON_NAME},    {"ours/reader", "reader", HD_CERT_REASON_ROLE}, {"self", "self", HD_CERT_REASON_UNTRUSTED},   {"theirs/alpha", "alpha", HD_CERT_REASON_UNTRUSTED},
      {"expired", "expired", HD_CERT_REASON_EXPIRED}, {"early", "early", HD_CERT_REASON_EARLY},       {"ours/gone", "gone", HD_CERT_REASON_REVOKED}};
  struct hd_proof *proof = proof_open();
  struct hd_proof_figures before, after;
  char nonce[HD_CERT_NONCE_SIZE];
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    hd_proof_figures(proof, &before);
    assert_int_equal(hd_proof_nonce(proof, 5, nonce, NULL), HADRON_OK);
    assert_int_equal(say(proof, 5, nonce, rows[i].who, rows[i].name, NULL), HADRON_ERR_PERMISSION);
    hd_proof_figures(proof, &after);
    for (int k = 0; k < HD_CERT_REASONS; k++)
      if (after.refused[k] != before.refused[k] + (k == (int)rows[i].reason)) fail_msg("%s as %s: %s counted", rows[i].who, rows[i].name, hd_cert_reason_name((enum hd_cert_reason)k));
  }
  hd_proof_close(proof);
}

static void bounded(void **state) {
  struct hd_proof *proof = proof_open();
  char nonce[HD_CERT_NONCE_SIZE];
  struct hd_fault fault = {0};
  (void)state;
  char nonces[1001][HD_CERT_NONCE_SIZE];
  for (uint32_t c = 1; c <= 1000; c++) assert_int_equal(hd_proof_nonce(proof, c, nonces[c], &fault), HADRON_OK);
  for (uint32_t c = 1001 - CONNECTIONS; c <= 1000; c++) {
    assert_int_equal(hd_proof_nonce(proof, c, nonce, &fault), HADRON_OK);
    assert_string_equal(nonce, nonces[c]);
  }
  hd_proof_gone(proof, 995); // its place is the first to be taken
  hd_proof_gone(proof, 3);
  hd_proof_gone(proof, 0);
  assert_int_equal(hd_proof_nonce(proof, 2000, nonce, &fault), HADRON_OK);
  assert_int_equal(hd_proof_nonce(proof, 1001 - CONNECTIONS, nonce, &fault), HADRON_OK);
  assert_string_equal(nonce, nonces[1001 - CONNECTIONS]);
  assert_int_equal(hd_proof_nonce(proof, 500, nonce, &fault), HADRON_OK);
  assert_string_not_equal(nonce, nonces[500]);
  hd_proof_close(proof);
}

static void no_longer(void **state) {
  struct hd_proof *proof = proof_open();
  char nonce[HD_CERT_NONCE_SIZE];
  struct hd_cert eve, alpha;
  struct hd_fault fault = {0};
  enum hd_tls_change changed;
  const int64_t second = 1000000000;
  int64_t now = 5 * second;
  (void)state;
  assert_int_equal(hd_proof_nonce(proof, 1, nonce, NULL), HADRON_OK);
  assert_int_equal(say(proof, 1, nonce, "ours/eve", "eve", &eve), HADRON_OK);
  assert_int_equal(hd_proof_nonce(proof, 1, nonce, NULL), HADRON_OK);
  assert_int_equal(say(proof, 1, nonce, "ours/alpha", "alpha", &alpha), HADRON_OK);
  assert_int_equal(hd_proof_refresh(proof, now, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_SAME);
  assert_int_equal(hd_cert_revoke(file("ours"), "eve", NULL, &fault), HADRON_OK);
  assert_int_equal(hd_proof_refresh(proof, now + second - 1, &changed, &fault), HADRON_OK); // not a second has passed
  assert_int_equal(changed, HD_TLS_SAME);
  assert_true(hd_proof_holds(proof, &eve, hd_clock_wall_ns(), &fault));
  assert_int_equal(hd_proof_refresh(proof, now + second, &changed, &fault), HADRON_OK);
  assert_int_equal(changed, HD_TLS_REVOKED);
  assert_false(hd_proof_holds(proof, &eve, hd_clock_wall_ns(), &fault));
  assert_non_null(strstr(fault.text, "revoked"));
  assert_true(hd_proof_holds(proof, &alpha, hd_clock_wall_ns(), &fault));
  assert_false(hd_proof_holds(proof, &alpha, alpha.not_after_ns, &fault));
  assert_non_null(strstr(fault.text, "expired"));
  hd_proof_close(proof);
}

static int setup(void **state) {
  (void)state;
  test_party_make(&party);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  test_party_remove(&party);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(one_answer), cmocka_unit_test(counted_by_reason), cmocka_unit_test(bounded), cmocka_unit_test(no_longer)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
