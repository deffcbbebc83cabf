// Signatures of artifacts: detached, ECDSA over P-256 with SHA-256. What is signed is a text that names the artifact; the file FILE.sig holds
// it, followed by one or more signatures of it:
//
//   hadron artifact 1
//   name: my_strategy
//   version: 1.2.0
//   kind: strategy
//   abi: 1.0
//   digest: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//   size: 18104
//   key: SHA-256 of the signer's public key (DER, SubjectPublicKeyInfo), hex
//   signature: base64 of the DER signature
//
// The signed text is the first seven lines, each with its newline, in exactly this form: no other blanks, no other order. So a signature of
// one file, name or version is of no use for another. Key files are PEM; a secret one has mode 0600 and is read from a file alone. [any]
#ifndef HD_REGISTRY_SIGNATURE_H
#define HD_REGISTRY_SIGNATURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/types.h"

#define HD_CLAIM_TEXT_SIZE 384
#define HD_SIGNATURE_SIZE 128      // base64 of a DER signature, with its NUL: at most 97
#define HD_SIGNATURES_MAX 8        // of one artifact; more: refused
#define HD_SIGNATURE_FILE_MAX 4096 // bytes
#define HD_KEY_ID_SIZE 65          // hex, with its NUL
#define HD_KEY_TEXT_SIZE 512       // PEM of a public key

// What a signature says.
struct hd_claim {
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE];
  uint32_t kind; // enum hadron_plugin_kind
  uint16_t abi_major, abi_minor;
  uint8_t digest[32];
  uint64_t size;
};

struct hd_signature {
  char key_id[HD_KEY_ID_SIZE];
  char text[HD_SIGNATURE_SIZE];
};

struct hd_signatures {
  struct hd_claim claim;
  uint32_t count;
  struct hd_signature rows[HD_SIGNATURES_MAX];
};

void hd_claim_format(const struct hd_claim *claim, char text[HD_CLAIM_TEXT_SIZE]);
// Names every field in which two claims differ. HADRON_ERR_PERMISSION.
int32_t hd_claim_compare(const char *path, const struct hd_claim *signed_claim, const struct hd_claim *found, struct hd_fault *fault);

// The text of a signature file. HADRON_ERR_PARSE, with the line.
int32_t hd_signatures_parse(const char *path, const char *text, size_t size, struct hd_signatures *out, struct hd_fault *fault);
size_t hd_signatures_format(const struct hd_signatures *signatures, char text[HD_SIGNATURE_FILE_MAX]); // its length
int32_t hd_signatures_read(const char *path, struct hd_signatures *out, struct hd_fault *fault);
// Writes the file anew, whole or not at all.
int32_t hd_signatures_write(const char *path, const struct hd_signatures *signatures, struct hd_fault *fault);
// Adds one, or replaces that of the same key. HADRON_ERR_FULL.
int32_t hd_signatures_add(struct hd_signatures *signatures, const struct hd_signature *signature, struct hd_fault *fault);

struct hd_public_key {
  char id[HD_KEY_ID_SIZE];
  char text[HD_KEY_TEXT_SIZE]; // PEM
};

// Makes a pair. Neither file may be there. The secret one is written with mode 0600.
int32_t hd_key_generate(const char *secret_path, const char *public_path, struct hd_public_key *out, struct hd_fault *fault);
// HADRON_ERR_PARSE: no public key on P-256.
int32_t hd_key_parse(const char *path, const char *text, size_t size, struct hd_public_key *out, struct hd_fault *fault);
int32_t hd_key_read(const char *path, struct hd_public_key *out, struct hd_fault *fault);

// HADRON_ERR_PERMISSION: the secret key's file may be read by others.
int32_t hd_claim_sign(const struct hd_claim *claim, const char *secret_path, struct hd_signature *out, struct hd_fault *fault);
// HADRON_ERR_PERMISSION: the signature is not of this claim, or not by this key.
int32_t hd_claim_verify(const struct hd_claim *claim, const struct hd_public_key *key, const struct hd_signature *signature, struct hd_fault *fault);

#endif
