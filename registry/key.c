#include <mbedtls/base64.h>
#include <mbedtls/error.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "registry/file.h"
#include "registry/signature.h"

#define CURVE MBEDTLS_ECP_DP_SECP256R1
#define SECRET_SIZE 1024

static int32_t library_fault(struct hd_fault *fault, int32_t code, const char *path, const char *what, int error) {
  char words[128];
  mbedtls_strerror(error, words, sizeof words);
  return hd_fault_set(fault, code, "%s: %s: %s", path, what, words);
}

static bool on_curve(const mbedtls_pk_context *k) { return mbedtls_pk_get_type(k) == MBEDTLS_PK_ECKEY && mbedtls_pk_ec(*k)->grp.id == CURVE; }

// Id and text of the public half.
static int32_t public_describe(const char *path, mbedtls_pk_context *k, struct hd_public_key *out, struct hd_fault *fault) {
  unsigned char der[256];
  uint8_t digest[32];
  int size = mbedtls_pk_write_pubkey_der(k, der, sizeof der); // at the end of the room
  if (size <= 0) return library_fault(fault, HADRON_ERR_INTERNAL, path, "writing the public key", size);
  hd_sha256(der + sizeof der - size, (size_t)size, digest);
  hd_hex_format(out->id, digest, 32);
  int error = mbedtls_pk_write_pubkey_pem(k, (unsigned char *)out->text, sizeof out->text);
  return error ? library_fault(fault, HADRON_ERR_INTERNAL, path, "writing the public key", error) : HADRON_OK;
}

// ---- making

static int key_make(mbedtls_pk_context *k) {
  int error = mbedtls_pk_setup(k, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
  return error ? error : mbedtls_ecp_gen_key(CURVE, mbedtls_pk_ec(*k), hd_secret_chance, NULL);
}

int32_t hd_key_generate(const char *secret_path, const char *public_path, struct hd_public_key *out, struct hd_fault *fault) {
  mbedtls_pk_context k;
  struct hd_public_key made = {0};
  unsigned char secret[SECRET_SIZE];
  struct stat st;
  if (lstat(public_path, &st) == 0) return hd_fault_set(fault, HADRON_ERR_EXISTS, "%s: the file is there already; choose another name", public_path);
  mbedtls_pk_init(&k);
  int error = key_make(&k);
  if (!error) error = mbedtls_pk_write_key_pem(&k, secret, sizeof secret);
  int32_t code = error ? library_fault(fault, HADRON_ERR_INTERNAL, secret_path, "making a key", error) : public_describe(secret_path, &k, &made, fault);
  if (!code) code = hd_file_create(secret_path, secret, strlen((const char *)secret), 0600, fault);
  if (!code) {
    code = hd_file_create(public_path, made.text, strlen(made.text), 0644, fault);
    if (code) unlink(secret_path);
  }
  mbedtls_platform_zeroize(secret, sizeof secret);
  mbedtls_pk_free(&k);
  if (!code && out) *out = made;
  return code;
}

// ---- reading

int32_t hd_key_parse(const char *path, const char *text, size_t size, struct hd_public_key *out, struct hd_fault *fault) {
  char copy[HD_KEY_TEXT_SIZE];
  mbedtls_pk_context k;
  struct hd_public_key found = {0};
  if (size >= sizeof copy) return hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a public key of at most %zu bytes, found %zu", path, sizeof copy - 1, size);
  memcpy(copy, text, size);
  copy[size] = 0;
  mbedtls_pk_init(&k);
  int error = mbedtls_pk_parse_public_key(&k, (const unsigned char *)copy, size + 1);
  int32_t code = HADRON_OK;
  if (error) code = library_fault(fault, HADRON_ERR_PARSE, path, "expected a public key as PEM, as `hadron registry keygen` writes it", error);
  else if (!on_curve(&k)) code = hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a public key on the curve P-256, found another kind; make one with `hadron registry keygen`", path);
  if (!code) code = public_describe(path, &k, &found, fault);
  mbedtls_pk_free(&k);
  if (!code) *out = found;
  return code;
}

int32_t hd_key_read(const char *path, struct hd_public_key *out, struct hd_fault *fault) {
  struct hd_source file;
  int32_t code = hd_source_read(path, HD_KEY_TEXT_SIZE - 1, &file, fault);
  if (code) return code;
  code = hd_key_parse(path, (const char *)file.bytes, file.size, out, fault);
  mbedtls_platform_zeroize(file.bytes, file.size); // somebody may have given the secret one by mistake
  hd_source_free(&file);
  return code;
}

static int32_t secret_read(const char *path, mbedtls_pk_context *k, struct hd_fault *fault) {
  char text[SECRET_SIZE];
  int32_t code = hd_secret_read(path, text, sizeof text, fault);
  if (code) return code;
  int error = mbedtls_pk_parse_key(k, (const unsigned char *)text, strlen(text) + 1, NULL, 0);
  mbedtls_platform_zeroize(text, sizeof text);
  if (error) return library_fault(fault, HADRON_ERR_PARSE, path, "expected a secret key as PEM, as `hadron registry keygen` writes it", error);
  return on_curve(k) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_PARSE, "%s: expected a secret key on the curve P-256, found another kind", path);
}

// ---- signing and verifying

static void claim_hash(const struct hd_claim *claim, uint8_t digest[32]) {
  char text[HD_CLAIM_TEXT_SIZE];
  hd_claim_format(claim, text);
  hd_sha256(text, strlen(text), digest);
}

int32_t hd_claim_sign(const struct hd_claim *claim, const char *secret_path, struct hd_signature *out, struct hd_fault *fault) {
  mbedtls_pk_context k;
  struct hd_public_key own;
  uint8_t digest[32];
  unsigned char der[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t size = 0, length = 0;
  mbedtls_pk_init(&k);
  int32_t code = secret_read(secret_path, &k, fault);
  if (!code) code = public_describe(secret_path, &k, &own, fault);
  if (!code) {
    claim_hash(claim, digest);
    int error = mbedtls_pk_sign(&k, MBEDTLS_MD_SHA256, digest, sizeof digest, der, &size, hd_secret_chance, NULL);
    if (!error) error = mbedtls_base64_encode((unsigned char *)out->text, sizeof out->text, &length, der, size);
    if (error) code = library_fault(fault, HADRON_ERR_INTERNAL, secret_path, "signing", error);
  }
  if (!code) memcpy(out->key_id, own.id, sizeof out->key_id);
  mbedtls_pk_free(&k);
  return code;
}

int32_t hd_claim_verify(const struct hd_claim *claim, const struct hd_public_key *key, const struct hd_signature *signature, struct hd_fault *fault) {
  mbedtls_pk_context k;
  uint8_t digest[32];
  unsigned char der[HD_SIGNATURE_SIZE];
  size_t size = 0;
  mbedtls_pk_init(&k);
  claim_hash(claim, digest);
  int error = mbedtls_base64_decode(der, sizeof der, &size, (const unsigned char *)signature->text, strlen(signature->text));
  if (!error) error = mbedtls_pk_parse_public_key(&k, (const unsigned char *)key->text, strlen(key->text) + 1);
  if (!error && !on_curve(&k)) error = MBEDTLS_ERR_PK_TYPE_MISMATCH;
  if (!error) error = mbedtls_pk_verify(&k, MBEDTLS_MD_SHA256, digest, sizeof digest, der, size);
  mbedtls_pk_free(&k);
  if (!error) return HADRON_OK;
  char what[128];
  snprintf(what, sizeof what, "%s %s", claim->name, claim->version);
  return library_fault(fault, HADRON_ERR_PERMISSION, what, "the signature does not fit the artifact and the key", error);
}
