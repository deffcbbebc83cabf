// hadron registry keygen, sign, verify FILE, trust, revoke, keys: keys and signatures.
#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/registry_command.h"
#include "registry/source.h"

const char hd_registry_keygen_help[] =
    "  --json           print one JSON object\n"
    "\nWrites NAME.key, the secret half (mode 0600: keep it off the host that trades), and NAME.pub, for `hadron registry trust`.\n"
    "ECDSA on the curve P-256.\n";
const char hd_registry_sign_help[] =
    "  --key FILE       the secret key; needed\n" HD_REGISTRY_TARGET_HELP
    "\nA file: writes FILE.sig, or adds a signature to it. NAME@VERSION: adds the signature to the registry. Signed are name, version,\n"
    "kind, ABI, digest and size.\n";
const char hd_registry_trust_help[] = HD_REGISTRY_TARGET_HELP "\nFrom now on this host takes what was signed with the key. Each host trusts for itself.\n";
const char hd_registry_revoke_help[] =
    "  --reason TEXT    why\n" HD_REGISTRY_TARGET_HELP "\nFrom now on, and for ever, no host of the registry takes what was signed with the key, under any policy but off.\n";
const char hd_registry_keys_help[] = HD_REGISTRY_TARGET_HELP;

// ---- keygen --------------------------------------------------------------------------------------------------------------------------

int hd_registry_keygen_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_public_key key;
  char secret[1024], public[1024];
  int code = hd_registry_call_begin(&c, "registry keygen", argc, argv, 0, 1, 1, "NAME", false);
  if (code) return hd_registry_call_end(&c, code);
  if ((size_t)snprintf(secret, sizeof secret, "%s.key", c.words[0]) >= sizeof secret || (size_t)snprintf(public, sizeof public, "%s.pub", c.words[0]) >= sizeof public)
    return hd_cli_usage(c.command, "the name is too long");
  if (hd_key_generate(secret, public, &key, &fault)) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:s, s:s, s:s}", "secret", secret, "public", public, "key_id", key.id));
  else printf("Wrote %s (secret: keep it) and %s\nKey %s\n", secret, public, key.id);
  return hd_registry_call_end(&c, code);
}

// ---- sign ----------------------------------------------------------------------------------------------------------------------------

static int32_t claim_of_file(const char *path, struct hd_claim *claim, struct hd_fault *fault) {
  struct hd_source file;
  struct hadron_manifest m;
  enum hd_language language;
  int32_t code = hd_source_read(path, hd_source_max(path), &file, fault);
  if (code) return code;
  code = hd_manifest_read(path, file.bytes, file.size, &m, &language, fault);
  if (!code) code = hd_manifest_check(path, &m, fault);
  if (!code) {
    *claim = (struct hd_claim){.kind = m.kind, .abi_major = m.abi_major, .abi_minor = m.abi_minor, .size = file.size};
    hd_text_copy(claim->name, sizeof claim->name, m.name);
    hd_text_copy(claim->version, sizeof claim->version, m.version);
    hd_sha256(file.bytes, file.size, claim->digest);
  }
  hd_source_free(&file);
  return code;
}

// Signatures of the same artifact stay; those of another one that lay there are of no use.
static int32_t sign_file(const char *path, const char *key, struct hd_signatures *s, struct hd_fault *fault) {
  char beside[1024], a[HD_CLAIM_TEXT_SIZE], b[HD_CLAIM_TEXT_SIZE];
  struct hd_signature one;
  struct hd_claim claim;
  if ((size_t)snprintf(beside, sizeof beside, "%s.sig", path) >= sizeof beside) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "the path is too long");
  int32_t code = claim_of_file(path, &claim, fault);
  if (!code) code = hd_claim_sign(&claim, key, &one, fault);
  if (code) return code;
  bool there = hd_signatures_read(beside, s, NULL) == HADRON_OK;
  hd_claim_format(&claim, a);
  if (there) hd_claim_format(&s->claim, b);
  if (!there || strcmp(a, b) != 0) *s = (struct hd_signatures){.claim = claim};
  code = hd_signatures_add(s, &one, fault);
  return code ? code : hd_signatures_write(beside, s, fault);
}

static int32_t sign_version(struct hd_registry_call *c, struct hd_signatures *s, struct hd_fault *fault) {
  struct hd_version v;
  int32_t code = hd_registry_find_spec(c->r, c->words[0], &v, fault);
  if (code) return code;
  *s = (struct hd_signatures){.count = 1};
  hd_version_claim(&v, &s->claim);
  code = hd_claim_sign(&s->claim, c->key, &s->rows[0], fault);
  return code ? code : hd_registry_sign(c->r, s, c->who, fault);
}

int hd_registry_sign_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_signatures s;
  int code = hd_registry_call_begin(&c, "registry sign", argc, argv, HD_OPTION_KEY, 1, 1, "FILE or NAME@VERSION", false);
  if (!code && !c.key) code = hd_cli_usage(c.command, "expected --key FILE, the secret key");
  bool file = !code && (!strchr(c.words[0], '@') || strchr(c.words[0], '/'));
  if (!code && !file) code = hd_registry_target_open(&c.target, c.command, &c.r);
  if (code) return hd_registry_call_end(&c, code);
  int32_t err = file ? sign_file(c.words[0], c.key, &s, &fault) : sign_version(&c, &s, &fault);
  if (err) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:s, s:s, s:s, s:i}", "name", s.claim.name, "version", s.claim.version, "key_id", s.rows[s.count - 1].key_id, "signatures", (int)s.count));
  else printf("Signed %s@%s%s%s\n", s.claim.name, s.claim.version, file ? ": " : " in the registry", file ? c.words[0] : ""), file ? (void)printf("Wrote %s.sig\n", c.words[0]) : (void)0;
  return hd_registry_call_end(&c, code);
}

// ---- verify FILE ---------------------------------------------------------------------------------------------------------------------

int hd_registry_verify_file(struct hd_registry_call *c, const char *path) {
  struct hd_fault fault = {0};
  struct hd_claim claim;
  struct hd_signatures s = {0};
  struct hd_keyring ring;
  const struct hd_key *key;
  char beside[1024], digest[65];
  snprintf(beside, sizeof beside, "%.1000s.sig", path);
  int32_t err = claim_of_file(path, &claim, &fault);
  if (!err) err = hd_signatures_read(c->signature ? c->signature : beside, &s, &fault);
  if (!err) err = hd_claim_compare(path, &s.claim, &claim, &fault);
  if (!err) err = hd_registry_keys(c->r, &ring, &fault);
  if (err) return hd_registry_call_fail(c, &fault);
  enum hd_trust trust = hd_keyring_judge(&ring, &claim, s.rows, s.count, &key);
  const char *whose = key ? key->name : "";
  hd_hex_format(digest, claim.digest, 32);
  if (c->json)
    hd_registry_call_print(json_pack("{s:b, s:s, s:s, s:s, s:s, s:s}", "ok", trust == HD_TRUST_SIGNED, "name", claim.name, "version", claim.version, "digest", digest, "signature", hd_trust_name(trust),
                                     "key", whose));
  else printf("%s@%s  sha256 %.16s...  %s%s%s\n", claim.name, claim.version, digest, hd_trust_name(trust), *whose ? " by " : "", whose);
  hd_keyring_fini(&ring);
  return trust == HD_TRUST_SIGNED ? HD_EXIT_OK : HD_EXIT_REFUSED;
}

// ---- trust, revoke, keys -------------------------------------------------------------------------------------------------------------

int hd_registry_trust_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  int code = hd_registry_call_begin(&c, "registry trust", argc, argv, 0, 2, 2, "NAME and a public key's FILE", true);
  if (code) return hd_registry_call_end(&c, code);
  if (hd_registry_trust(c.r, c.words[0], c.words[1], c.who, &fault)) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:b, s:s}", "ok", 1, "name", c.words[0]));
  else printf("This host trusts what %s signs\n", c.words[0]);
  return hd_registry_call_end(&c, code);
}

int hd_registry_revoke_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  int code = hd_registry_call_begin(&c, "registry revoke", argc, argv, HD_OPTION_REASON, 1, 1, "the NAME or the id of a key", true);
  if (code) return hd_registry_call_end(&c, code);
  if (hd_registry_revoke(c.r, c.words[0], c.who, c.reason ? c.reason : "", &fault)) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:b, s:s}", "ok", 1, "name", c.words[0]));
  else printf("Revoked: what %s signed is refused from now on\n", c.words[0]);
  return hd_registry_call_end(&c, code);
}

int hd_registry_keys_command(int argc, char **argv) {
  static const struct hd_table_column columns[] = {{"name", false}, {"key", false}, {"state", false}, {"revoked (UTC)", false}, {"reason", false}};
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_keyring ring;
  struct hd_table t;
  int code = hd_registry_call_begin(&c, "registry keys", argc, argv, 0, 0, 0, "no words", true);
  if (code) return hd_registry_call_end(&c, code);
  if (hd_registry_keys(c.r, &ring, &fault)) return hd_registry_call_end(&c, hd_registry_call_fail(&c, &fault));
  json_t *all = json_array();
  hd_table_init(&t, columns, 5);
  for (uint32_t i = 0; i < ring.count; i++) {
    const struct hd_key *k = &ring.keys[i];
    const char *state = k->revoked ? "revoked" : "trusted";
    char time[24];
    hd_registry_time(time, k->revoked_ns);
    json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:I, s:s}", "name", k->name, "key_id", k->key.id, "state", state, "revoked_ns", (json_int_t)k->revoked_ns, "reason", k->reason));
    hd_table_row(&t);
    hd_table_cell(&t, "%s", k->name[0] ? k->name : "-");
    hd_table_cell(&t, "%.16s...", k->key.id);
    hd_table_cell(&t, "%s", state);
    hd_table_cell(&t, "%s", time);
    hd_table_cell(&t, "%s", k->reason);
  }
  if (c.json) hd_registry_call_print(json_pack("{s:O}", "keys", all)), hd_table_fini(&t);
  else if (t.row_count == 0) fprintf(stderr, "This host trusts no key; `hadron registry trust NAME FILE` adds one.\n"), hd_table_fini(&t);
  else hd_registry_call_table(&t);
  json_decref(all);
  hd_keyring_fini(&ring);
  return hd_registry_call_end(&c, HD_EXIT_OK);
}
