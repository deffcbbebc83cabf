// Promise: no certificate, list of revocations or signed HELLO makes the host crash, overrun or leak, and nothing but the bytes that an authority has signed is let
// in. The library that parses is not instrumented, so an input is first of all a list of changes to what is good: in the certificate, in the list, in the words of a HELLO.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/pem.h>

#include "base/file.h"
#include "bus/cert.h"
#include "support/cert_party.h"
#include "support/hello_sign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DER_MAX 4096

static struct test_party party;
static struct hd_cert_trust *trust;
static char nonce[HD_CERT_NONCE_SIZE], *alpha_pem, *crl_text;
static uint8_t alpha[DER_MAX];
static size_t alpha_size;
static struct hd_cert own;

static void check(int yes) {
  if (!yes) abort();
}

static void remove_party(void) { test_party_remove(&party); }

static size_t der_of(const char *pem, uint8_t to[DER_MAX]) {
  const char *begin = strstr(pem, "-----\n") + 6, *end = strstr(begin, "-----END");
  size_t size = 0;
  check(mbedtls_base64_decode(to, DER_MAX, &size, (const unsigned char *)begin, (size_t)(end - begin)) == 0);
  return size;
}

static void begin(void) {
  struct hd_fault fault = {0};
  test_party_make(&party);
  atexit(remove_party);
  check(hd_cert_trust_open(test_party_file(&party, "ours/ca.crt"), test_party_file(&party, "ours/ca.crl"), HD_CERT_ROLE_INVALID, &trust, &fault) == HADRON_OK);
  check(hd_cert_read(test_party_file(&party, "ours/host.crt"), &own, &fault) == HADRON_OK);
  check(hd_cert_nonce(nonce, &fault) == HADRON_OK);
  alpha_pem = test_party_text(&party, "ours/alpha.crt");
  crl_text = test_party_text(&party, "ours/ca.crl");
  alpha_size = der_of(alpha_pem, alpha);
}

// Pairs of place (2 bytes) and value, the rest of the input.
static bool change(uint8_t *bytes, size_t room, const uint8_t *data, size_t size) {
  bool changed = false;
  for (size_t i = 0; i + 2 < size; i += 3) {
    size_t at = ((size_t)data[i] << 8 | data[i + 1]) % room;
    changed |= bytes[at] != data[i + 2];
    bytes[at] = data[i + 2];
  }
  return changed;
}

static void certificate(const uint8_t *data, size_t size, bool whole) {
  uint8_t der[DER_MAX];
  char pem[2 * DER_MAX];
  struct hd_fault fault = {0};
  struct hd_cert said;
  enum hd_cert_reason reason;
  size_t der_size = alpha_size, written;
  bool changed = true;
  if (whole) {
    if (size > sizeof der) return;
    memcpy(der, data, der_size = size);
  } else {
    memcpy(der, alpha, alpha_size);
    changed = change(der, der_size, data, size) && memcmp(der, alpha, alpha_size) != 0;
  }
  if (mbedtls_pem_write_buffer("-----BEGIN CERTIFICATE-----\n", "-----END CERTIFICATE-----\n", der, der_size, (unsigned char *)pem, sizeof pem, &written)) return;
  int32_t code = hd_cert_check(trust, pem, HD_CERT_READ, &said, &reason, &fault);
  check(changed ? code != HADRON_OK && reason != HD_CERT_REASON_NONE && fault.text[0] : code == HADRON_OK);
  check(memchr(said.name, 0, sizeof said.name) && memchr(said.serial, 0, sizeof said.serial));
  (void)hd_cert_speaks_for(&said, "alpha");
  (void)hd_cert_still(trust, &said, 0);
}

static void revocations(const uint8_t *data, size_t size) {
  char path[TEST_PARTY_PATH];
  struct hd_fault fault = {0};
  struct hd_cert_trust *t = NULL;
  size_t length = strlen(crl_text);
  char *text = strdup(crl_text);
  if (!text) return;
  change((uint8_t *)text, length, data, size);
  snprintf(path, sizeof path, "%s/fuzz.crl", party.dir);
  test_file_write(path, text, length);
  if (hd_cert_trust_open(test_party_file(&party, "ours/ca.crt"), path, HD_CERT_READ, &t, &fault) == HADRON_OK) hd_cert_trust_close(t);
  else check(fault.text[0] != 0);
  free(text);
}

// Signature, name and nonce as the input has them, each cut at a zero.
static void hello(const uint8_t *data, size_t size) {
  char texts[4][256];
  struct hd_fault fault = {0};
  struct hd_cert said;
  enum hd_cert_reason reason;
  for (int i = 0; i < 4; i++) {
    size_t length = 0;
    while (length < size && data[length] && length + 1 < sizeof texts[i]) length++;
    memcpy(texts[i], data, length);
    texts[i][length] = 0;
    size_t skip = length < size ? length + 1 : length;
    data += skip, size -= skip;
  }
  const struct hd_cert_hello h = {alpha_pem, texts[0], nonce, "127.0.0.1", texts[1][0] ? texts[1] : "alpha", "1.0.0", texts[2][0] ? texts[2] : "trade", texts[3], texts[3]};
  check(hd_cert_check_hello(trust, &h, nonce, &own, &said, &reason, &fault) != HADRON_OK && reason != HD_CERT_REASON_NONE); // nobody guesses a signature
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (!trust) begin();
  if (size < 1) return 0;
  switch (data[0] % 4) {
  case 0: certificate(data + 1, size - 1, true); break;
  case 1: certificate(data + 1, size - 1, false); break;
  case 2: revocations(data + 1, size - 1); break;
  default: hello(data + 1, size - 1);
  }
  return 0;
}
