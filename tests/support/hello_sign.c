#include "support/hello_sign.h"

#include <mbedtls/base64.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <string.h>

#include "base/file.h"

int32_t test_hello_sign(const char *key, const struct hadron_hello_facts *facts, char signature[HADRON_HELLO_SIGNATURE_SIZE]) {
  char text[HADRON_HELLO_TEXT_SIZE];
  unsigned char digest[32], der[MBEDTLS_PK_SIGNATURE_MAX_SIZE], encoded[HADRON_HELLO_SIGNATURE_SIZE];
  size_t size = 0, used = 0, length = hadron_hello_text(facts, text);
  mbedtls_pk_context pk;
  if (!length) return HADRON_ERR_ARGUMENT;
  if (mbedtls_sha256_ret((const unsigned char *)text, length, digest, 0)) return HADRON_ERR_IO;
  mbedtls_pk_init(&pk);
  int32_t code = HADRON_OK;
  if (mbedtls_pk_parse_key(&pk, (const unsigned char *)key, strlen(key) + 1, NULL, 0) || mbedtls_pk_get_type(&pk) != MBEDTLS_PK_ECKEY || mbedtls_pk_ec(pk)->grp.id != MBEDTLS_ECP_DP_SECP256R1)
    code = HADRON_ERR_PARSE;
  else if (mbedtls_pk_sign(&pk, MBEDTLS_MD_SHA256, digest, sizeof digest, der, &size, hd_secret_chance, NULL) || mbedtls_base64_encode(encoded, sizeof encoded, &used, der, size))
    code = HADRON_ERR_IO;
  else memcpy(signature, encoded, used + 1);
  mbedtls_pk_free(&pk);
  return code;
}
