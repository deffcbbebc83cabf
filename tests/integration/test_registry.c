// Promise: a file becomes a version of the registry by one way: hash, signature, static checks, manifest, probe, store; SQLite and PostgreSQL
// alike. name@version is bound to one digest for ever. What the policy asks of signatures holds when a version is added and when it is
// to be used. Not one instruction of a plugin runs before its signature is good: its constructor would leave a file. Stored files are whole,
// read-only, and seen through when they were changed. Retired versions are found no more as the newest; `gc` takes what nothing names.
#include "support/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/loader.h"
#include "registry/registry_internal.h"
#include "support/craft.h"
#include "support/database.h"
#include "support/room.h"


struct rig {
  char directory[TEST_PATH_SIZE], url[TEST_PATH_SIZE + 16], store[TEST_PATH_SIZE], keys[TEST_PATH_SIZE];
  struct hd_registry *r;
};

static void in(const struct rig *g, char to[TEST_PATH_SIZE], const char *name) { test_path(to, g->directory, name); }

static void open_with(struct rig *g, uint32_t policy) {
  struct hd_fault fault = {0};
  hd_registry_close(g->r);
  g->r = NULL;
  if (hd_registry_open(&(struct hd_registry_options){.url = g->url, .store = g->store, .keys = g->keys, .policy = policy}, &g->r, &fault)) fail_msg("%s", fault.text);
}

// A fresh registry; PostgreSQL's tables are made anew.
static void rig_make(struct rig *g, bool postgres, uint32_t policy) {
  static int serial;
  char name[32];
  memset(g, 0, sizeof *g);
  snprintf(name, sizeof name, "rig%d", ++serial);
  test_path(g->directory, test_room.root, name);
  assert_int_equal(mkdir(g->directory, 0755), 0);
  in(g, g->store, "artifacts");
  in(g, g->keys, "keys");
  if (postgres) {
    free(test_database_ask(test_room.server.url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public"));
    snprintf(g->url, sizeof g->url, "%.500s", test_room.server.url);
  } else {
    snprintf(g->url, sizeof g->url, "sqlite:%.480s/registry.db", g->directory);
  }
  open_with(g, policy);
}

static void rig_drop(struct rig *g) { hd_registry_close(g->r); }

static int32_t add(struct rig *g, const char *path, struct hd_version *v, struct hd_registry_added *added, struct hd_fault *fault) {
  return hd_registry_add(g->r, path, &(struct hd_registry_add){.who = "tester", .keep_rejection = true}, v, added, fault);
}

static void must(int32_t code, const struct hd_fault *fault) {
  if (code) fail_msg("%s", fault->text);
}

static void refused(int32_t code, int32_t expected, const struct hd_fault *fault, const char *words) {
  if (code != expected || !strstr(fault->text, words)) fail_msg("expected %d \"%s\", found %d: %s", expected, words, code, fault->text);
}

static const char script[] = "-- hadron: strategy %s %s\n-- description: a script\n-- requires: hadron.strategy/1\nreturn hadron.strategy { on_trade = function() end }\n";

static void write_script(const char *path, const char *name, const char *version) {
  char text[512];
  int n = snprintf(text, sizeof text, script, name, version);
  test_file_write(path, text, (size_t)n);
}

static bool there(const char *path) { return access(path, F_OK) == 0; }

static int32_t count_versions(void *user, const struct hd_version *v, struct hd_fault *fault) {
  (void)fault;
  struct { uint32_t count; char order[256]; } *seen = user;
  seen->count++;
  snprintf(seen->order + strlen(seen->order), sizeof seen->order - strlen(seen->order), "%s@%s ", v->name, v->version);
  return HADRON_OK;
}

// ---- the way in, and back out

static void versions(bool postgres) {
  struct rig g;
  struct hd_fault fault = {0};
  struct hd_version v, w;
  struct hd_registry_added added;
  char path[TEST_PATH_SIZE], stored[HD_STORE_PATH_SIZE];
  struct stat st;
  rig_make(&g, postgres, HD_REGISTRY_WARN);
  in(&g, path, "one.lua");
  static const char *const all[] = {"1.9.0", "1.10.0", "2.0.0-rc.1", "2.0.0-rc.2", "1.10.0-beta"};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    write_script(path, "one", all[i]);
    must(add(&g, path, &v, &added, &fault), &fault);
    assert_true(added.fresh && strstr(added.warning, "unsigned"));
    assert_string_equal(v.version, all[i]);
  }
  must(add(&g, path, &w, &added, &fault), &fault); // again: nothing new
  assert_true(!added.fresh && w.added_ns == v.added_ns);
  must(hd_registry_find(g.r, "one", NULL, &v, &fault), &fault);
  assert_string_equal(v.version, "1.10.0");
  assert_true(v.kind == HADRON_KIND_STRATEGY && v.language == HD_LANGUAGE_LUA && v.state == HD_VERSION_REGISTERED && v.trust == HD_TRUST_UNSIGNED);
  assert_string_equal(v.added_by, "tester");
  struct { uint32_t count; char order[256]; } seen = {0};
  must(hd_registry_list(g.r, NULL, count_versions, &seen, &fault), &fault);
  assert_string_equal(seen.order, "one@2.0.0-rc.2 one@2.0.0-rc.1 one@1.10.0 one@1.10.0-beta one@1.9.0 ");
  refused(hd_registry_find_spec(g.r, "one@3.0.0", &v, &fault), HADRON_ERR_NOT_FOUND, &fault, "expected version 3.0.0 in the registry, found 2.0.0-rc.2");
  refused(hd_registry_find_spec(g.r, "two", &v, &fault), HADRON_ERR_NOT_FOUND, &fault, "found one");
  refused(hd_registry_find_spec(g.r, "../x", &v, &fault), HADRON_ERR_ARGUMENT, &fault, "expected NAME or NAME@VERSION");

  // The same name and version with other bytes: never.
  test_file_write(path, "-- hadron: strategy one 1.9.0\n-- requires: hadron.strategy/1\nreturn hadron.strategy {}\n", 86);
  refused(add(&g, path, &v, &added, &fault), HADRON_ERR_DUPLICATE, &fault, "one@1.9.0 is bound to SHA-256");
  assert_int_equal(test_database_number(g.url, "SELECT count(*) FROM registry_rejections WHERE reason LIKE '%bound to SHA-256%'"), 1);

  // The file in the store: read-only, whole, and seen through if it is not.
  must(hd_registry_find_spec(g.r, "one@1.9.0", &v, &fault), &fault);
  must(hd_registry_artifact(g.r, v.digest, stored, sizeof stored, &fault), &fault);
  assert_int_equal(stat(stored, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0444);
  must(hd_registry_admit(g.r, &v, &fault), &fault);
  int fd;
  must(hd_registry_artifact_fd(g.r, v.digest, &fd, &fault), &fault);
  assert_true(write(fd, "x", 1) < 0 && lseek(fd, 0, SEEK_END) == (off_t)v.size);
  close(fd);
  assert_int_equal(chmod(stored, 0644), 0);
  fd = open(stored, O_WRONLY);
  assert_true(pwrite(fd, "X", 1, 3) == 1);
  close(fd);
  refused(hd_registry_artifact(g.r, v.digest, stored, sizeof stored, &fault), HADRON_ERR_CORRUPT, &fault, "the stored artifact was changed");
  refused(hd_registry_admit(g.r, &v, &fault), HADRON_ERR_CORRUPT, &fault, "was changed");
  write_script(path, "one", "1.9.0"); // added again, it is whole again; the damaged one is put aside
  must(add(&g, path, &v, &added, &fault), &fault);
  must(hd_registry_admit(g.r, &v, &fault), &fault);
  rig_drop(&g);
}

static void nothing(void *user, const struct hd_version *v, int32_t code, const char *words) {
  (void)user, (void)v, (void)code, (void)words;
}

static void retiring(bool postgres) {
  struct rig g;
  struct hd_fault fault = {0};
  struct hd_version v;
  struct hd_registry_gc_result gone;
  struct hd_registry_check check;
  char path[TEST_PATH_SIZE], stored[HD_STORE_PATH_SIZE], stray[HD_STORE_PATH_SIZE + 16];
  rig_make(&g, postgres, HD_REGISTRY_OFF);
  in(&g, path, "two.lua");
  for (int i = 1; i <= 3; i++) {
    char version[16];
    snprintf(version, sizeof version, "1.0.%d", i);
    write_script(path, "two", version);
    must(add(&g, path, &v, NULL, &fault), &fault);
  }
  must(hd_registry_state_set(g.r, "two", "1.0.3", HD_VERSION_RETIRED, "alice", "loses money", &fault), &fault);
  must(hd_registry_find(g.r, "two", NULL, &v, &fault), &fault);
  assert_string_equal(v.version, "1.0.2");
  must(hd_registry_find(g.r, "two", "1.0.3", &v, &fault), &fault);
  assert_true(v.state == HD_VERSION_RETIRED && strcmp(v.reason, "loses money") == 0 && strcmp(v.changed_by, "alice") == 0);
  refused(hd_registry_admit(g.r, &v, &fault), HADRON_ERR_STATE, &fault, "found a retired one (by alice: loses money)");
  must(add(&g, path, &v, NULL, &fault), &fault); // the same file dropped in again does not bring it back
  assert_int_equal(v.state, HD_VERSION_RETIRED);

  // Dry run, too young, then for good; the name stays bound.
  hd_store_path(&g.r->store, v.digest, HD_LANGUAGE_LUA, stored);
  snprintf(stray, sizeof stray, "%.*s/.new-1-1", (int)(strrchr(stored, '/') - stored), stored);
  test_file_write(stray, "x", 1);
  must(hd_registry_gc(g.r, &(struct hd_registry_gc){.dry_run = true}, "bob", NULL, NULL, &gone, &fault), &fault);
  assert_true(gone.artifacts == 1 && gone.strays == 1 && there(stored) && there(stray));
  must(hd_registry_gc(g.r, &(struct hd_registry_gc){.retired_for_ns = INT64_C(3600) * 1000000000}, "bob", NULL, NULL, &gone, &fault), &fault);
  assert_true(gone.artifacts == 0 && gone.kept_young == 1 && there(stored) && !there(stray));
  must(hd_registry_gc(g.r, &(struct hd_registry_gc){0}, "bob", NULL, NULL, &gone, &fault), &fault);
  assert_true(gone.artifacts == 1 && gone.bytes == v.size && !there(stored));
  must(hd_registry_verify(g.r, NULL, nothing, NULL, &check, &fault), &fault);
  assert_true(check.artifacts == 2 && check.missing == 0 && check.damaged == 0 && check.strays == 0);
  refused(hd_registry_state_set(g.r, "two", "1.0.3", HD_VERSION_REGISTERED, "alice", "", &fault), HADRON_ERR_STATE, &fault, "removed by `gc`");
  test_file_write(path, "-- hadron: strategy two 1.0.3\n-- requires: hadron.strategy/1\nreturn hadron.strategy {}\n", 86);
  refused(add(&g, path, &v, NULL, &fault), HADRON_ERR_DUPLICATE, &fault, "bound to");
  write_script(path, "two", "1.0.3");
  must(add(&g, path, &v, NULL, &fault), &fault);
  assert_true(v.state == HD_VERSION_REGISTERED && there(stored));
  must(hd_registry_metric_set(g.r, "two", "1.0.3", "backtest:1", "sharpe", 1.5, &fault), &fault);
  must(hd_registry_metric_set(g.r, "two", "1.0.3", "backtest:1", "sharpe", 1.25, &fault), &fault);
  assert_int_equal(test_database_number(g.url, "SELECT count(*) FROM registry_metrics WHERE value = 1.25"), 1);
  rig_drop(&g);
}

// ---- signatures

struct keys {
  char alice[TEST_PATH_SIZE], alice_pub[TEST_PATH_SIZE], mallory[TEST_PATH_SIZE], mallory_pub[TEST_PATH_SIZE];
  struct hd_public_key alice_key;
};

static void keys_make(const struct rig *g, struct keys *k) {
  struct hd_fault fault = {0};
  in(g, k->alice, "alice.key"), in(g, k->alice_pub, "alice.pub"), in(g, k->mallory, "mallory.key"), in(g, k->mallory_pub, "mallory.pub");
  must(hd_key_generate(k->alice, k->alice_pub, &k->alice_key, &fault), &fault);
  must(hd_key_generate(k->mallory, k->mallory_pub, NULL, &fault), &fault);
  assert_int_equal(hd_key_generate(k->alice, k->mallory_pub, NULL, &fault), HADRON_ERR_EXISTS);
  struct stat st;
  assert_int_equal(stat(k->alice, &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
}

static void signatures(bool postgres) {
  struct rig g;
  struct keys k;
  struct hd_fault fault = {0};
  struct hd_version v;
  struct hd_registry_added added;
  char path[TEST_PATH_SIZE], sig[TEST_PATH_SIZE], other[TEST_PATH_SIZE], other_sig[TEST_PATH_SIZE];
  rig_make(&g, postgres, HD_REGISTRY_REQUIRE);
  keys_make(&g, &k);
  in(&g, path, "three.lua"), in(&g, sig, "three.lua.sig"), in(&g, other, "four.lua"), in(&g, other_sig, "four.lua.sig");
  write_script(path, "three", "1.0.0");
  refused(add(&g, path, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "policy require expects a signature by a trusted key, found: unsigned");
  test_craft_sign(path, k.alice);
  refused(add(&g, path, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "unknown key");
  must(hd_registry_trust(g.r, "alice", k.alice_pub, "tester", &fault), &fault);
  refused(hd_registry_trust(g.r, "alice", k.mallory_pub, "tester", &fault), HADRON_ERR_EXISTS, &fault, "another key");
  refused(hd_registry_trust(g.r, "carol", k.alice_pub, "tester", &fault), HADRON_ERR_EXISTS, &fault, "trusted already, as alice");
  must(add(&g, path, &v, &added, &fault), &fault);
  assert_true(v.trust == HD_TRUST_SIGNED && strcmp(v.key, "alice") == 0 && !*added.warning);

  // A signature of another file, of another name or version, by another key, changed, or cut.
  write_script(other, "four", "1.0.0");
  assert_int_equal(rename(sig, other_sig), 0);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "the signature is of another artifact");
  size_t size;
  test_craft_sign(other, k.alice);
  char *text = (char *)test_file_read(other_sig, &size);
  char *name = strstr(text, "name: four");
  memcpy(name, "name: five", 10);
  test_file_write(other_sig, text, size);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "bad signature");
  memcpy(name, "name: four", 10);
  for (size_t cut = 0; cut < size; cut++) {
    test_file_write(other_sig, text, cut);
    if (add(&g, other, &v, &added, &fault) == HADRON_OK) fail_msg("a signature cut at %zu was taken", cut);
  }
  free(text);
  test_craft_sign(other, k.mallory);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "unknown key");
  assert_int_equal(unlink(other_sig), 0);

  // `warn` takes what has no signature, and says so; a signature that somebody changed it does not take either.
  open_with(&g, HD_REGISTRY_WARN);
  test_craft_sign(other, k.alice);
  text = (char *)test_file_read(other_sig, &size);
  char *mark = strstr(text, "signature: ") + 40;
  *mark = *mark == 'A' ? 'B' : 'A';
  test_file_write(other_sig, text, size);
  free(text);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "bad signature of alice");
  assert_int_equal(unlink(other_sig), 0);
  must(add(&g, other, &v, &added, &fault), &fault);
  assert_true(v.trust == HD_TRUST_UNSIGNED && strstr(added.warning, "unsigned"));
  open_with(&g, HD_REGISTRY_REQUIRE);
  refused(hd_registry_admit(g.r, &v, &fault), HADRON_ERR_PERMISSION, &fault, "four@1.0.0: policy require expects");
  test_craft_sign(other, k.alice); // signed later
  struct hd_signatures s;
  must(hd_signatures_read(other_sig, &s, &fault), &fault);
  must(hd_registry_sign(g.r, &s, "tester", &fault), &fault);
  must(hd_registry_admit(g.r, &v, &fault), &fault);

  // Revoked: from now on, for what is registered and for what comes, whatever the policy; and for ever.
  must(hd_registry_revoke(g.r, "alice", "tester", "laptop stolen", &fault), &fault);
  refused(hd_registry_admit(g.r, &v, &fault), HADRON_ERR_PERMISSION, &fault, "found: revoked key of alice");
  open_with(&g, HD_REGISTRY_WARN);
  must(hd_registry_find_spec(g.r, "three@1.0.0", &v, &fault), &fault);
  assert_true(v.trust == HD_TRUST_REVOKED && strcmp(v.key, "alice") == 0);
  refused(hd_registry_admit(g.r, &v, &fault), HADRON_ERR_PERMISSION, &fault, "revoked key");
  write_script(other, "four", "1.0.1");
  test_craft_sign(other, k.alice);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "revoked key of alice");
  refused(hd_registry_trust(g.r, "alice2", k.alice_pub, "tester", &fault), HADRON_ERR_STATE, &fault, "was revoked, and that is for ever");
  struct hd_keyring ring;
  must(hd_registry_keys(g.r, &ring, &fault), &fault);
  const struct hd_key *key = hd_keyring_find(&ring, "alice");
  assert_true(key && key->revoked && strcmp(key->reason, "laptop stolen") == 0 && key->revoked_ns > 0);
  hd_keyring_fini(&ring);
  // The database forgets, the host does not; and the other way round.
  free(test_database_ask(g.url, "UPDATE registry_keys SET revoked_ns = NULL"));
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "revoked key");
  free(test_database_ask(g.url, "UPDATE registry_keys SET revoked_ns = 1"));
  snprintf(path, sizeof path, "%.400s/%s.revoked", g.keys, k.alice_key.id);
  assert_int_equal(unlink(path), 0);
  refused(add(&g, other, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "revoked key");
  rig_drop(&g);
}

static void secret_keys(void **state) {
  (void)state;
  struct rig g;
  struct keys k;
  struct hd_fault fault = {0};
  struct hd_signature s;
  const struct hd_claim claim = {.name = "x", .version = "1.0.0", .kind = HADRON_KIND_STRATEGY, .abi_major = 1, .size = 5};
  rig_make(&g, false, HD_REGISTRY_WARN);
  keys_make(&g, &k);
  must(hd_claim_sign(&claim, k.alice, &s, &fault), &fault);
  must(hd_claim_verify(&claim, &k.alice_key, &s, &fault), &fault);
  struct hd_claim changed = claim;
  changed.size++;
  assert_int_equal(hd_claim_verify(&changed, &k.alice_key, &s, &fault), HADRON_ERR_PERMISSION);
  assert_int_equal(chmod(k.alice, 0640), 0);
  refused(hd_claim_sign(&claim, k.alice, &s, &fault), HADRON_ERR_PERMISSION, &fault, "mode 0600");
  assert_int_equal(chmod(k.alice, 0600), 0);
  refused(hd_claim_sign(&claim, k.alice_pub, &s, &fault), HADRON_ERR_PERMISSION, &fault, "mode 0600");
  assert_int_equal(chmod(k.alice_pub, 0600), 0);
  assert_int_equal(hd_claim_sign(&claim, k.alice_pub, &s, &fault), HADRON_ERR_PARSE);
  struct hd_public_key p;
  assert_int_equal(hd_key_read(k.alice, &p, &fault), HADRON_ERR_PARSE); // the secret one given for the public one
  // Directories that others may write to are not trusted.
  assert_int_equal(mkdir(g.keys, 0755), 0);
  assert_int_equal(chmod(g.keys, 0777), 0);
  struct hd_keyring ring;
  refused(hd_registry_keys(g.r, &ring, &fault), HADRON_ERR_PERMISSION, &fault, "writable by its owner alone");
  assert_int_equal(chmod(g.store, 0777), 0);
  struct hd_registry *r = NULL;
  refused(hd_registry_open(&(struct hd_registry_options){.url = g.url, .store = g.store, .keys = g.keys}, &r, &fault), HADRON_ERR_PERMISSION, &fault, "writable by its owner alone");
  rig_drop(&g);
}

// ---- the canary: a constructor that leaves a file

static void canary(void **state) {
  (void)state;
  if (!test_craft_possible()) skip();
  struct rig g;
  struct keys k;
  struct hd_fault fault = {0};
  struct hd_version v;
  struct hd_registry_added added;
  char so[TEST_PATH_SIZE], file[TEST_PATH_SIZE], source[1024];
  rig_make(&g, false, HD_REGISTRY_REQUIRE);
  keys_make(&g, &k);
  in(&g, so, "canary.so"), in(&g, file, "canary.txt");
  snprintf(source, sizeof source, "#include <fcntl.h>\n#include <unistd.h>\n__attribute__((constructor)) static void sing(void) { close(open(\"%.400s\", O_CREAT | O_WRONLY, 0644)); }", file);
  test_craft(so, "canary", "1.0.0", source, "");
  refused(add(&g, so, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "unsigned");
  test_craft_sign(so, k.mallory);
  refused(add(&g, so, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "unknown key");
  must(hd_registry_trust(g.r, "alice", k.alice_pub, "tester", &fault), &fault);
  test_craft_sign(so, k.alice);
  // Signed, but changed afterwards by one bit.
  size_t size;
  unsigned char *bytes = test_file_read(so, &size);
  bytes[size / 2] ^= 1;
  test_file_write(so, bytes, size);
  refused(add(&g, so, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "the signature is of another artifact");
  bytes[size / 2] ^= 1;
  test_file_write(so, bytes, size);
  free(bytes);
  // Well signed: the static checks refuse the constructor before anything is run.
  refused(add(&g, so, &v, &added, &fault), HADRON_ERR_PERMISSION, &fault, "constructors: expected none");
  if (there(file)) fail_msg("a constructor ran before its plugin was accepted");
  // And the canary does sing when it is loaded: the test would see it.
  const struct hd_plugin *p;
  must(hd_plugin_open(so, NULL, &p, &fault), &fault);
  assert_true(there(file));
  rig_drop(&g);
}

static void sqlite(void **state) {
  (void)state;
  versions(false);
  retiring(false);
  signatures(false);
}

static void postgres(void **state) {
  (void)state;
  test_room_server();
  versions(true);
  retiring(true);
  signatures(true);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(sqlite), cmocka_unit_test(postgres), cmocka_unit_test(secret_keys), cmocka_unit_test(canary)};
  return cmocka_run_group_tests(tests, test_room_make, test_room_drop);
}
