// Promise: hosts of one registry hear of every change once and in order, by SQLite's file and by PostgreSQL's notices, also when the server
// was away; an archive carries versions with their signatures, and nothing in it is believed: what is changed, cut, renamed or leads out of
// it is refused; `gc` keeps what a deployment's revision names.
#include "support/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/archive.h"
#include "registry/watch.h"
#include "support/craft.h"
#include "support/database.h"
#include "support/room.h"


static void must(int32_t code, const struct hd_fault *fault) {
  if (code) fail_msg("%s", fault->text);
}

static void place(char to[TEST_PATH_SIZE], const char *name) { test_path(to, test_room.root, name); }

static struct hd_registry *open_registry(const char *name, const char *url, uint32_t policy) {
  struct hd_fault fault = {0};
  struct hd_registry *r = NULL;
  char directory[TEST_PATH_SIZE], own[TEST_PATH_SIZE + 16], store[TEST_PATH_SIZE], keys[TEST_PATH_SIZE];
  place(directory, name);
  mkdir(directory, 0755);
  snprintf(own, sizeof own, "sqlite:%.480s/registry.db", directory);
  test_path(store, directory, "artifacts");
  test_path(keys, directory, "keys");
  must(hd_registry_open(&(struct hd_registry_options){.url = url ? url : own, .store = store, .keys = keys, .policy = policy}, &r, &fault), &fault);
  return r;
}

static void add(struct hd_registry *r, const char *name, const char *version, const char *secret, struct hd_version *v) {
  struct hd_fault fault = {0};
  struct hd_version own;
  char path[TEST_PATH_SIZE], text[256], file[64];
  snprintf(file, sizeof file, "%s.lua", name);
  place(path, file);
  int n = snprintf(text, sizeof text, "-- hadron: strategy %s %s\n-- requires: hadron.strategy/1\nreturn hadron.strategy { on_trade = function() end }\n", name, version);
  test_file_write(path, text, (size_t)n);
  if (secret) test_craft_sign(path, secret);
  must(hd_registry_add(r, path, &(struct hd_registry_add){.who = "alice"}, v ? v : &own, NULL, &fault), &fault);
  snprintf(file, sizeof file, "%s.lua.sig", name);
  place(path, file);
  unlink(path);
}

// ---- watch

struct heard {
  uint32_t count;
  int64_t last;
  char all[1024];
};

static void hear(void *user, const struct hd_registry_change *c) {
  struct heard *h = user;
  if (c->id <= h->last) fail_msg("change %lld after %lld", (long long)c->id, (long long)h->last);
  h->last = c->id;
  h->count++;
  snprintf(h->all + strlen(h->all), sizeof h->all - strlen(h->all), "%s %s %s by %s; ", c->topic, c->name, c->detail, c->who);
}

// Waits on the descriptor, not on time: it is told.
static void until(struct hd_registry_watch *w, struct heard *h, uint32_t count) {
  struct pollfd p = {.fd = hd_registry_watch_fd(w), .events = POLLIN};
  struct hd_fault fault;
  for (int i = 0; i < 100 && h->count < count; i++) {
    assert_true(poll(&p, 1, 20000) == 1);
    int32_t code = hd_registry_watch_read(w, hear, h, &fault);
    assert_true(code == HADRON_OK || code == HADRON_ERR_AGAIN || code == HADRON_ERR_DATABASE);
  }
  assert_int_equal(h->count, count);
}

static void watch(const char *name, const char *url) {
  struct hd_registry *r = open_registry(name, url, HD_REGISTRY_OFF), *other = open_registry(name, url, HD_REGISTRY_OFF);
  struct hd_registry_watch *w = NULL, *late = NULL;
  struct heard h = {0}, again = {0};
  struct hd_fault fault = {0};
  const char *place_of = hd_database_url(hd_registry_database(r));
  add(r, "before", "1.0.0", NULL, NULL);
  must(hd_registry_watch_open(place_of, -1, &w, &fault), &fault);
  assert_int_equal(hd_registry_watch_read(w, hear, &h, &fault), HADRON_ERR_AGAIN);
  add(r, "one", "1.0.0", NULL, NULL);
  until(w, &h, 1);
  assert_string_equal(h.all, "version one 1.0.0 by alice; ");
  add(other, "one", "1.1.0", NULL, NULL);
  must(hd_registry_state_set(r, "one", "1.0.0", HD_VERSION_RETIRED, "bob", "", &fault), &fault);
  until(w, &h, 3);
  assert_string_equal(h.all, "version one 1.0.0 by alice; version one 1.1.0 by alice; retired one 1.0.0 by bob; ");
  if (url) { // the server goes away and comes back; what happened since is told
    test_postgres_stop(&test_room.server, "immediate");
    test_postgres_start(&test_room.server);
    add(other, "two", "1.0.0", NULL, NULL);
    until(w, &h, 4);
    add(other, "two", "1.1.0", NULL, NULL); // and it listens again
    until(w, &h, 5);
  }
  must(hd_registry_watch_open(place_of, 1, &late, &fault), &fault); // from a change that is known
  add(r, "three", "1.0.0", NULL, NULL);
  until(late, &again, url ? 6 : 4);
  hd_registry_watch_close(late);
  hd_registry_watch_close(w);
  hd_registry_close(other);
  hd_registry_close(r);
}

static void watch_sqlite(void **state) {
  (void)state;
  watch("watch", NULL);
}

static void watch_postgres(void **state) {
  (void)state;
  test_room_server();
  watch("watch_server", test_room.server.url);
}

// ---- archives

static void keys_make(char secret[TEST_PATH_SIZE], char public[TEST_PATH_SIZE]) {
  struct hd_fault fault = {0};
  static int serial;
  char name[32];
  snprintf(name, sizeof name, "k%d.key", ++serial);
  place(secret, name);
  snprintf(name, sizeof name, "k%d.pub", serial);
  place(public, name);
  must(hd_key_generate(secret, public, NULL, &fault), &fault);
}

static char told[4096];
static void tell(void *user, const char *name, const char *version, bool fresh, int32_t code, const char *words) {
  (void)user;
  snprintf(told + strlen(told), sizeof told - strlen(told), "%s@%s %s %d %s\n", name, version, fresh ? "fresh" : "-", code, words);
}

static void archives(void **state) {
  (void)state;
  char secret[TEST_PATH_SIZE], public[TEST_PATH_SIZE], path[TEST_PATH_SIZE], cut[TEST_PATH_SIZE];
  struct hd_fault fault = {0};
  struct hd_archive_result out;
  struct hd_version v, w;
  keys_make(secret, public);
  struct hd_registry *from = open_registry("from", NULL, HD_REGISTRY_OFF), *to = open_registry("to", NULL, HD_REGISTRY_REQUIRE);
  struct hd_registry *signing = open_registry("from", NULL, HD_REGISTRY_WARN);
  must(hd_registry_trust(to, "alice", public, "test", &fault), &fault);
  add(signing, "one", "1.0.0", secret, &v);
  add(signing, "one", "1.1.0", secret, NULL);
  add(from, "two", "1.0.0", NULL, NULL);
  place(path, "all.hra");
  must(hd_registry_export(from, path, NULL, 0, &out, &fault), &fault);
  assert_int_equal(out.versions, 3);
  assert_int_equal(hd_registry_export(from, path, NULL, 0, &out, &fault), HADRON_ERR_EXISTS);

  // The unsigned one is refused where signatures are required; the others arrive with theirs.
  must(hd_registry_import(to, path, "bob", tell, NULL, &out, &fault), &fault);
  if (!(out.versions == 3 && out.fresh == 2 && out.refused == 1)) fail_msg("%s", told);
  assert_non_null(strstr(told, "two@1.0.0 - -27 two@1.0.0.lua: policy require expects"));
  must(hd_registry_find_spec(to, "one@1.0.0", &w, &fault), &fault);
  assert_true(w.trust == HD_TRUST_SIGNED && memcmp(w.digest, v.digest, 32) == 0 && strcmp(w.added_by, "bob") == 0);
  must(hd_registry_admit(to, &w, &fault), &fault);
  must(hd_registry_import(to, path, "bob", NULL, NULL, &out, &fault), &fault);
  assert_true(out.fresh == 0 && out.refused == 1);

  // A part of it, by name and by version.
  char part[TEST_PATH_SIZE];
  place(part, "part.hra");
  must(hd_registry_export(from, part, (const char *const[]){"one@1.1.0", "two"}, 2, &out, &fault), &fault);
  assert_int_equal(out.versions, 2);
  place(cut, "none.hra");
  assert_int_equal(hd_registry_export(from, cut, (const char *const[]){"nobody"}, 1, &out, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(access(cut, F_OK), -1);

  // Cut anywhere, or with any byte changed: an error, or the versions as they were.
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  struct hd_registry *empty = open_registry("empty", NULL, HD_REGISTRY_REQUIRE);
  place(cut, "cut.hra");
  for (size_t at = 0; at < size; at += size / 200 + 1) {
    test_file_write(cut, bytes, at);
    if (hd_registry_import(empty, cut, "bob", NULL, NULL, &out, &fault) == HADRON_OK) fail_msg("cut at %zu of %zu: taken", at, size);
    unsigned char *copy = malloc(size);
    memcpy(copy, bytes, size);
    copy[at] ^= 0x40;
    test_file_write(cut, copy, size);
    free(copy);
    if (hd_registry_import(empty, cut, "bob", NULL, NULL, &out, &fault) == HADRON_OK) assert_int_equal(out.fresh, 0); // no key is trusted there
  }
  free(bytes);
  hd_registry_close(empty), hd_registry_close(signing), hd_registry_close(from), hd_registry_close(to);
}

struct entry {
  const char *name, *text;
  int type; // AE_IFREG, ...
};

static void archive_write_entries(const char *path, const struct entry *entries, size_t count) {
  struct archive *a = archive_write_new();
  archive_write_set_format_pax_restricted(a);
  archive_write_add_filter_zstd(a);
  assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
  for (size_t i = 0; i < count; i++) {
    struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, entries[i].name);
    archive_entry_set_filetype(e, (unsigned)entries[i].type);
    archive_entry_set_perm(e, 0644);
    if (entries[i].type == AE_IFLNK) archive_entry_set_symlink(e, entries[i].text);
    archive_entry_set_size(e, entries[i].type == AE_IFREG ? (la_int64_t)strlen(entries[i].text) : 0);
    assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
    if (entries[i].type == AE_IFREG) archive_write_data(a, entries[i].text, strlen(entries[i].text));
    archive_entry_free(e);
  }
  archive_write_close(a);
  archive_write_free(a);
}

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void hostile_archives(void **state) {
  (void)state;
  static const char index[] = "{\"format\": 1, \"versions\": []}";
  static const char lua[] = "-- hadron: strategy other 1.0.0\n-- requires: hadron.strategy/1\nreturn hadron.strategy { on_trade = function() end }\n";
  const struct { struct entry entries[3]; size_t count; const char *words; } bad[] = {
    {{{"../../escape.lua", lua, AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "found \"../../escape.lua\""},
    {{{"/etc/hadron.lua", lua, AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "found \"/etc/hadron.lua\""},
    {{{"artifacts/" ZEROS ".so", "/etc/passwd", AE_IFLNK}, {"hadron-registry.json", index, AE_IFREG}}, 2, "regular files"},
    {{{"artifacts/../x.so", lua, AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "found \"artifacts/../x.so\""},
    {{{"signatures/../../x.sig", lua, AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "found \"signatures/"},
    {{{"artifacts", "", AE_IFDIR}, {"hadron-registry.json", index, AE_IFREG}}, 2, "regular files"},
    {{{"hadron-registry.json", index, AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "twice"},
    {{{"hadron-registry.json", "{\"format\": 2}", AE_IFREG}}, 1, "another format"},
    {{{"hadron-registry.json", "{", AE_IFREG}}, 1, "hadron-registry.json:1"},
    {{{"artifacts/" ZEROS ".lua", lua, AE_IFREG}}, 1, "found none"},
    {{{"signatures/x.sig", "nonsense", AE_IFREG}, {"hadron-registry.json", index, AE_IFREG}}, 2, "expected \"hadron artifact 1\""},
  };
  struct hd_registry *r = open_registry("hostile", NULL, HD_REGISTRY_OFF);
  char path[TEST_PATH_SIZE];
  struct hd_archive_result out;
  struct hd_fault fault = {0};
  place(path, "bad.hra");
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    archive_write_entries(path, bad[i].entries, bad[i].count);
    if (hd_registry_import(r, path, "bob", NULL, NULL, &out, &fault) == HADRON_OK || !strstr(fault.text, bad[i].words)) fail_msg("%zu: expected \"%s\", found: %s", i, bad[i].words, fault.text);
  }
  // An artifact under another name than its own, under a digest that it does not have, or that is not there.
  const struct { const char *index, *words; } rows[] = {
    {"{\"format\":1,\"versions\":[{\"name\":\"mine\",\"version\":\"1.0.0\",\"language\":\"lua\",\"digest\":\"" ZEROS "\"}]}", "found other@1.0.0 in its manifest"},
    {"{\"format\":1,\"versions\":[{\"name\":\"other\",\"version\":\"1.0.0\",\"language\":\"lua\",\"digest\":\"1" ZEROS "\"}]}", "is not in the archive"},
    {"{\"format\":1,\"versions\":[{\"name\":\"../x\",\"version\":\"1.0.0\",\"language\":\"lua\",\"digest\":\"" ZEROS "\"}]}", "found another row"},
    {"{\"format\":1,\"versions\":[{\"name\":\"other\",\"version\":\"1.0.0\",\"language\":\"so\",\"digest\":\"" ZEROS "\"}]}", "not a plugin"},
    {"{\"format\":1,\"versions\":[7]}", "found another row"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    const struct entry entries[] = {{"artifacts/" ZEROS ".lua", lua, AE_IFREG}, {"hadron-registry.json", rows[i].index, AE_IFREG}};
    archive_write_entries(path, entries, 2);
    told[0] = 0;
    must(hd_registry_import(r, path, "bob", tell, NULL, &out, &fault), &fault);
    if (out.fresh != 0 || out.refused != 1 || !strstr(told, rows[i].words)) fail_msg("%zu: expected \"%s\", found: %s", i, rows[i].words, told);
  }
  hd_registry_close(r);
}

// ---- gc and deployments

static void deployed(const char *name, const char *url) {
  struct hd_registry *r = open_registry(name, url, HD_REGISTRY_OFF);
  struct hd_fault fault = {0};
  struct hd_registry_gc_result out;
  struct hd_version v[3];
  char sql[1024];
  for (int i = 0; i < 3; i++) {
    char version[16];
    snprintf(version, sizeof version, "1.0.%d", i);
    add(r, "kept", version, NULL, &v[i]);
    snprintf(sql, sizeof sql, "INSERT INTO deployment_revisions (name, revision, plugin, time_ns, who, host, command, why, equals, what) VALUES ('d', %d, 'kept', 1, 'a', 'h', 'deploy', '', 0,"
             " '{\"arms\":[{\"digest\":\"%s\"}]}')", i + 1, v[i].digest_text);
    free(test_database_ask(hd_database_url(hd_registry_database(r)), sql));
    snprintf(sql, sizeof sql, "INSERT INTO deployment_states (name, revision, number, state, time_ns, host, error) VALUES ('d', %d, 1, %d, 1, 'h', '')", i + 1, i == 0 ? 2 : 4);
    free(test_database_ask(hd_database_url(hd_registry_database(r)), sql));
    must(hd_registry_state_set(r, "kept", version, HD_VERSION_RETIRED, "a", "", &fault), &fault);
  }
  must(hd_registry_gc(r, &(struct hd_registry_gc){0}, "a", NULL, NULL, &out, &fault), &fault);
  assert_true(out.artifacts == 0 && out.kept_deployed == 3);
  // The newest revision keeps the last version, and what is active keeps the first, however old; the one between goes.
  must(hd_registry_gc(r, &(struct hd_registry_gc){.revisions = 1}, "a", NULL, NULL, &out, &fault), &fault);
  assert_true(out.artifacts == 1 && out.kept_deployed == 2);
  must(hd_registry_find(r, "kept", "1.0.1", &v[1], &fault), &fault);
  assert_int_equal(v[1].state, HD_VERSION_COLLECTED);
  hd_registry_close(r);
}

static void deployed_versions(void **state) {
  (void)state;
  deployed("deployed", NULL);
  if (test_room.have_server) deployed("deployed_server", test_room.server.url);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(watch_sqlite), cmocka_unit_test(watch_postgres), cmocka_unit_test(archives), cmocka_unit_test(hostile_archives),
                                     cmocka_unit_test(deployed_versions)};
  return cmocka_run_group_tests(tests, test_room_make, test_room_drop);
}
