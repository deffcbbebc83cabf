// hadron registry add, list, show, verify, retire, gc, export, import: versions. Keys and signatures: registry_keys.c.
#include <sys/stat.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/registry_command.h"
#include "cli/external.h"
#include "registry/archive.h"
#include "registry/source.h"
#include "runtime/card.h"

#define EXITS "\nExit status here: 1 could not be tried (no file, no database), 4 damaged, 6 refused by a check or by the policy.\n"

const char hd_registry_add_help[] =
    "  --signature FILE its signature; default: FILE.sig, if there is one\n"
    "  --no-probe       leave out the trial in a throw-away child\n"
    "  --external       NAME@VERSION instead of FILE: a version whose program runs elsewhere and has no parameters to be told\n" HD_REGISTRY_TARGET_HELP
    "\nHash, signature, static checks, manifest, trial, store, in this order. NAME@VERSION is bound to this file for ever.\n"
    "FILE.py, an external strategy: Python says its name, version, parameters and bars, and that card is registered (docs/remote.md).\n" EXITS;
const char hd_registry_list_help[] = "  --all            also what is retired or collected\n" HD_REGISTRY_TARGET_HELP EXITS;
const char hd_registry_show_help[] = HD_REGISTRY_TARGET_HELP "\nWithout a version: the newest that is registered.\n" EXITS;
const char hd_registry_verify_help[] = HD_REGISTRY_TARGET_HELP
    "\nWithout FILE: hashes every artifact again and judges every signature. With FILE: judges FILE.sig, without adding it.\n" EXITS;
const char hd_registry_retire_help[] =
    "  --reason TEXT    why\n"
    "  --undo           registered again\n" HD_REGISTRY_TARGET_HELP "\nNo new deployment takes a retired version; what runs it goes on.\n" EXITS;
const char hd_registry_gc_help[] =
    "  --dry-run        only say what would go\n"
    "  --retired-for T  versions retired for at least so long; default: 30d\n"
    "  --revisions N    of each deployment that keep what they name, newest first; default: all\n" HD_REGISTRY_TARGET_HELP
    "\nRemoves the files of retired versions that no deployment names, and files that belong to nothing. A journal that such a\n"
    "version ran in can no longer be replayed with it. Names stay bound.\n" EXITS;
const char hd_registry_export_help[] = HD_REGISTRY_TARGET_HELP "\nWithout names: everything that has its file. Keys do not travel.\n" EXITS;
const char hd_registry_import_help[] = HD_REGISTRY_TARGET_HELP "\nEach version goes through the checks of `registry add`, under this registry's policy.\n" EXITS;

// ---- add -----------------------------------------------------------------------------------------------------------------------------

static json_t *added_json(const struct hd_version *v, const struct hd_registry_added *added) {
  json_t *o = hd_registry_version_json(v);
  json_object_set_new(o, "ok", json_true());
  json_object_set_new(o, "fresh", json_boolean(added->fresh));
  json_object_set_new(o, "warning", json_string(added->warning));
  return o;
}

// The card of a version that runs elsewhere: of what Python says of a file, or of a name and version alone. *text: from malloc.
static int32_t card_of(const struct hd_registry_call *c, char **text, struct hd_fault *fault) {
  char name[HADRON_NAME_SIZE], room[HD_CARD_SIZE];
  const char *word = c->words[0], *at = strchr(word, '@');
  if (!c->external) return hd_external_card(word, text, fault);
  if (!at || (size_t)(at - word) >= sizeof name || !hd_version_valid(at + 1)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "--external: expected NAME@VERSION like trend@1.0.0, found \"%s\"", word);
  snprintf(name, sizeof name, "%.*s", (int)(at - word), word);
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "--external: expected a name of a-z, 0-9, _ and -, found \"%s\"", name);
  hd_card_write(room, name, at + 1);
  return (*text = strdup(room)) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "--external: out of memory");
}

static int32_t add_card(struct hd_registry_call *c, struct hd_registry_add *options, struct hd_version *v, struct hd_registry_added *added, struct hd_fault *fault) {
  char *text = NULL, source[1100];
  struct hd_signatures signatures = {0};
  int32_t code = card_of(c, &text, fault);
  if (!code && options->signature) code = hd_signatures_read(options->signature, &signatures, fault);
  snprintf(source, sizeof source, "%.1000s: card.lua", c->words[0]); // what is registered is not the file
  options->source = source;
  const struct hd_source bytes = {(unsigned char *)text, text ? strlen(text) : 0};
  if (!code) code = hd_registry_add_bytes(c->r, &bytes, &signatures, options, v, added, fault);
  free(text);
  return code;
}

int hd_registry_add_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_version v;
  struct hd_registry_added added;
  int code = hd_registry_call_begin(&c, "registry add", argc, argv, HD_OPTION_SIGNATURE | HD_OPTION_UNPROBED | HD_OPTION_EXTERNAL, 1, 1, "FILE", true);
  if (code) return hd_registry_call_end(&c, code);
  struct hd_registry_add options = {.signature = c.signature, .who = c.who, .unprobed = c.unprobed, .keep_rejection = true};
  bool card = c.external || hd_source_suffix(c.words[0], ".py");
  if (card ? add_card(&c, &options, &v, &added, &fault) : hd_registry_add(c.r, c.words[0], &options, &v, &added, &fault))
    return hd_registry_call_end(&c, hd_registry_call_fail(&c, &fault));
  if (added.warning[0]) fprintf(stderr, "hadron registry add: warning: %s\n", added.warning);
  if (c.json) hd_registry_call_print(added_json(&v, &added));
  else printf("%s %s@%s  %s  sha256 %.16s...  %s%s%s\n", added.fresh ? "Registered" : "Known already:", v.name, v.version, hd_kind_name(v.kind), v.digest_text, hd_trust_name(v.trust),
              v.key[0] ? " by " : "", v.key);
  return hd_registry_call_end(&c, HD_EXIT_OK);
}

// ---- list ----------------------------------------------------------------------------------------------------------------------------

struct listing {
  bool all;
  json_t *array;       // NULL: a table
  struct hd_table table;
};

static int32_t list_take(void *user, const struct hd_version *v, struct hd_fault *fault) {
  struct listing *l = user;
  char time[24], size[24];
  (void)fault;
  if (!l->all && v->state != HD_VERSION_REGISTERED) return HADRON_OK;
  if (l->array) {
    json_array_append_new(l->array, hd_registry_version_json(v));
    return HADRON_OK;
  }
  hd_registry_time(time, v->added_ns);
  hd_registry_size(size, v->size);
  struct hd_table *t = &l->table;
  hd_table_row(t);
  hd_table_cell(t, "%s", v->name);
  hd_table_cell(t, "%s", v->version);
  hd_table_cell(t, "%s", hd_kind_name(v->kind));
  hd_table_cell(t, "%s", v->language == HD_LANGUAGE_LUA ? "lua" : "native");
  hd_table_cell(t, "%s", hd_version_state_name(v->state));
  hd_table_cell(t, "%s%s%s", hd_trust_name(v->trust), v->key[0] ? ": " : "", v->key);
  hd_table_cell(t, "%s", size);
  hd_table_cell(t, "%s", time);
  hd_table_cell(t, "%s", v->added_by);
  hd_table_cell(t, "%.12s", v->digest_text);
  hd_table_cell(t, "%s", v->description);
  return HADRON_OK;
}

int hd_registry_list_command(int argc, char **argv) {
  static const struct hd_table_column columns[] = {{"name", false}, {"version", false}, {"kind", false}, {"language", false}, {"state", false}, {"signature", false},
                                                   {"size", true}, {"added (UTC)", false}, {"by", false}, {"sha256", false}, {"description", false}};
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  int code = hd_registry_call_begin(&c, "registry list", argc, argv, HD_OPTION_ALL, 0, 1, "at most one NAME", true);
  if (code) return hd_registry_call_end(&c, code);
  struct listing l = {.all = c.all, .array = c.json ? json_array() : NULL};
  hd_table_init(&l.table, columns, 11);
  int32_t err = hd_registry_list(c.r, c.word_count ? c.words[0] : NULL, list_take, &l, &fault);
  if (err) code = hd_registry_call_fail(&c, &fault);
  if (!err && c.json) hd_registry_call_print(json_pack("{s:O}", "versions", l.array));
  else if (!err && l.table.row_count == 0) fprintf(stderr, "No versions%s; `hadron registry add FILE` registers one.\n", c.all ? "" : " that are registered");
  else if (!err) hd_registry_call_table(&l.table), l.table = (struct hd_table){0};
  hd_table_fini(&l.table);
  json_decref(l.array);
  return hd_registry_call_end(&c, code);
}

// ---- show ----------------------------------------------------------------------------------------------------------------------------

static json_t *document(struct hd_registry_call *c, const struct hd_version *v, enum hd_version_document which, struct hd_fault *fault) {
  char *text = NULL;
  if (hd_registry_document(c->r, v->name, v->version, which, &text, fault)) return NULL;
  json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
  free(text);
  return o ? o : json_null();
}

static int32_t metric_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  json_array_append_new(user, json_pack("{s:s, s:s, s:f, s:I}", "source", hd_row_text(row, 0), "metric", hd_row_text(row, 1), "value", hd_row_real(row, 2), "time_ns",
                                        (json_int_t)hd_row_integer(row, 3)));
  return HADRON_OK;
}

static json_t *metrics(struct hd_registry_call *c, const struct hd_version *v, struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(v->name), HD_SQL_TEXT(v->version)};
  json_t *all = json_array();
  if (hd_database_rows(hd_registry_database(c->r), "SELECT source, metric, value, time_ns FROM registry_metrics WHERE name = $1 AND version = $2 AND value IS NOT NULL ORDER BY source, metric",
                       values, 2, metric_take, all, fault) == HADRON_OK)
    return all;
  json_decref(all);
  return NULL;
}

static json_t *signatures_json(struct hd_registry_call *c, const struct hd_version *v, struct hd_fault *fault) {
  struct hd_signatures s;
  struct hd_keyring ring;
  const struct hd_key *key;
  if (hd_registry_signatures(c->r, v, &s, fault) || hd_registry_keys(c->r, &ring, fault)) return NULL;
  json_t *all = json_array();
  for (uint32_t i = 0; i < s.count; i++) {
    enum hd_trust trust = hd_keyring_judge(&ring, &s.claim, &s.rows[i], 1, &key);
    json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "key_id", s.rows[i].key_id, "key", key ? key->name : "", "verdict", hd_trust_name(trust)));
  }
  hd_keyring_fini(&ring);
  return all;
}

static const char *word(const json_t *o, const char *key) {
  const char *text = json_string_value(json_object_get(o, key));
  return text ? text : "-";
}

static void show_parameters(const json_t *rows) {
  static const struct hd_table_column columns[] = {{"parameter", false}, {"type", false}, {"default", true}, {"unit", false}, {"live", false}, {"range", false}, {"help", false}};
  struct hd_table t;
  size_t i;
  json_t *row;
  if (json_array_size(rows) == 0) return;
  hd_table_init(&t, columns, 7);
  json_array_foreach(rows, i, row) {
    const char *initial = json_string_value(json_object_get(row, "default"));
    hd_table_row(&t);
    hd_table_cell(&t, "%s", word(row, "name"));
    hd_table_cell(&t, "%s", word(row, "type"));
    hd_table_cell(&t, "%s", initial ? initial : "required");
    hd_table_cell(&t, "%s", word(row, "unit"));
    hd_table_cell(&t, "%s", json_is_true(json_object_get(row, "live")) ? "yes" : "no");
    hd_table_cell(&t, "%s", word(row, "range"));
    hd_table_cell(&t, "%s", word(row, "help"));
  }
  putchar('\n');
  hd_registry_call_table(&t);
}

static void show_metrics(const json_t *rows) {
  static const struct hd_table_column columns[] = {{"source", false}, {"metric", false}, {"value", true}};
  struct hd_table t;
  size_t i;
  json_t *row;
  if (json_array_size(rows) == 0) return;
  hd_table_init(&t, columns, 3);
  json_array_foreach(rows, i, row) {
    hd_table_row(&t);
    hd_table_cell(&t, "%s", word(row, "source"));
    hd_table_cell(&t, "%s", word(row, "metric"));
    hd_table_number(&t, json_number_value(json_object_get(row, "value")), 2);
  }
  putchar('\n');
  hd_registry_call_table(&t);
}

static void show(const struct hd_version *v, const json_t *o) {
  char added[24], changed[24], size[24];
  size_t i;
  json_t *row;
  hd_registry_time(added, v->added_ns);
  hd_registry_time(changed, v->changed_ns);
  hd_registry_size(size, v->size);
  printf("%s@%s  %s, %s\n%s\n\n", v->name, v->version, hd_kind_name(v->kind), v->language == HD_LANGUAGE_LUA ? "Lua" : "native", v->description);
  printf("sha256     %s\nsize       %s\nabi        %u.%u\nstate      %s since %s by %s%s%s\nadded      %s by %s\nsignature  %s%s%s\n", v->digest_text, size, v->abi_major, v->abi_minor,
         hd_version_state_name(v->state), changed, v->changed_by, v->reason[0] ? ": " : "", v->reason, added, v->added_by, hd_trust_name(v->trust), v->key[0] ? " by " : "", v->key);
  json_array_foreach(json_object_get(o, "signatures"), i, row) printf("           %.16s...  %s  %s\n", word(row, "key_id"), word(row, "verdict"), word(row, "key"));
  const json_t *needs = json_object_get(json_object_get(o, "manifest"), "requires"), *probe = json_object_get(o, "probe");
  printf("requires  ");
  json_array_foreach(needs, i, row) printf(" %s", json_string_value(row) ? json_string_value(row) : "?");
  printf("\n");
  if (json_object_size(probe) > 0)
    printf("probe      %lld callbacks, %lld decisions, %lld errors; a tick %lld ns (median); state %lld bytes, schema %lld\n", (long long)json_integer_value(json_object_get(probe, "callbacks")),
           (long long)json_integer_value(json_object_get(probe, "decisions")), (long long)json_integer_value(json_object_get(probe, "errors")),
           (long long)json_integer_value(json_object_get(probe, "tick_ns_p50")), (long long)json_integer_value(json_object_get(probe, "state_bytes")),
           (long long)json_integer_value(json_object_get(probe, "state_schema")));
  show_parameters(json_object_get(o, "parameters"));
  show_metrics(json_object_get(o, "metrics"));
}

int hd_registry_show_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_version v;
  int code = hd_registry_call_begin(&c, "registry show", argc, argv, 0, 1, 1, "NAME or NAME@VERSION", true);
  if (code) return hd_registry_call_end(&c, code);
  if (hd_registry_find_spec(c.r, c.words[0], &v, &fault)) return hd_registry_call_end(&c, hd_registry_call_fail(&c, &fault));
  json_t *o = hd_registry_version_json(&v), *parts[] = {document(&c, &v, HD_VERSION_MANIFEST, &fault), document(&c, &v, HD_VERSION_PARAMETERS, &fault),
                                                        document(&c, &v, HD_VERSION_PROBE, &fault), metrics(&c, &v, &fault), signatures_json(&c, &v, &fault)};
  static const char *const names[] = {"manifest", "parameters", "probe", "metrics", "signatures"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) json_object_set_new(o, names[i], parts[i] ? parts[i] : json_null());
  if (fault.code) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_incref(o));
  else show(&v, o);
  json_decref(o);
  return hd_registry_call_end(&c, code);
}

// ---- verify --------------------------------------------------------------------------------------------------------------------------

struct verifying {
  json_t *array; // NULL: lines
  int worst;     // exit code
};

static void verify_take(void *user, const struct hd_version *v, int32_t code, const char *words) {
  struct verifying *s = user;
  if (code && s->worst != HD_EXIT_DATA) s->worst = code == HADRON_ERR_PERMISSION ? HD_EXIT_REFUSED : HD_EXIT_DATA;
  if (s->array) {
    json_t *o = v ? hd_registry_version_json(v) : json_pack("{s:s}", "stray", words);
    json_object_set_new(o, "ok", json_boolean(!code));
    if (code) json_object_set_new(o, "error", json_string(words));
    json_array_append_new(s->array, o);
    return;
  }
  if (!v) printf("stray  %s (`hadron registry gc` removes it)\n", words);
  else if (code) printf("BAD    %s@%s: %s\n", v->name, v->version, words);
  else if (v->state == HD_VERSION_COLLECTED) printf("gone   %s@%s: collected\n", v->name, v->version);
  else printf("ok     %s@%s  %.16s...  %s%s%s\n", v->name, v->version, v->digest_text, hd_trust_name(v->trust), v->key[0] ? " by " : "", v->key);
}

static int verify_all(struct hd_registry_call *c) {
  struct hd_fault fault = {0};
  struct hd_registry_check found;
  struct verifying s = {.array = c->json ? json_array() : NULL};
  int32_t err = hd_registry_verify(c->r, NULL, verify_take, &s, &found, &fault);
  if (!err && c->json)
    hd_registry_call_print(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "ok", s.worst == HD_EXIT_OK, "artifacts", (json_int_t)found.artifacts, "bytes", (json_int_t)found.bytes,
                                     "damaged", (json_int_t)found.damaged, "missing", (json_int_t)found.missing, "signed", (json_int_t)found.signed_well, "badly_signed",
                                     (json_int_t)found.signed_badly, "unsigned", (json_int_t)found.unsigned_count, "strays", (json_int_t)found.strays, "versions", s.array));
  else if (!err)
    printf("%llu artifacts, %llu bytes: %llu damaged, %llu missing; %llu well signed, %llu badly, %llu not at all; policy %s\n", (unsigned long long)found.artifacts, (unsigned long long)found.bytes,
           (unsigned long long)found.damaged, (unsigned long long)found.missing, (unsigned long long)found.signed_well, (unsigned long long)found.signed_badly, (unsigned long long)found.unsigned_count,
           hd_registry_policy_name(hd_registry_policy(c->r)));
  json_decref(s.array);
  return err ? hd_registry_call_fail(c, &fault) : s.worst;
}

int hd_registry_verify_command(int argc, char **argv) {
  struct hd_registry_call c;
  int code = hd_registry_call_begin(&c, "registry verify", argc, argv, HD_OPTION_SIGNATURE, 0, 1, "at most one FILE", true);
  if (!code) code = c.word_count ? hd_registry_verify_file(&c, c.words[0]) : verify_all(&c);
  return hd_registry_call_end(&c, code);
}

// ---- retire --------------------------------------------------------------------------------------------------------------------------

int hd_registry_retire_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_version v;
  int code = hd_registry_call_begin(&c, "registry retire", argc, argv, HD_OPTION_REASON | HD_OPTION_UNDO, 1, 1, "NAME@VERSION", true);
  if (!code && !strchr(c.words[0], '@')) code = hd_cli_usage(c.command, "expected NAME@VERSION, found \"%s\"", c.words[0]);
  if (code) return hd_registry_call_end(&c, code);
  int32_t err = hd_registry_find_spec(c.r, c.words[0], &v, &fault);
  if (!err) err = hd_registry_state_set(c.r, v.name, v.version, c.undo ? HD_VERSION_REGISTERED : HD_VERSION_RETIRED, c.who, c.reason ? c.reason : "", &fault);
  if (!err) err = hd_registry_find(c.r, v.name, v.version, &v, &fault);
  if (err) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(hd_registry_version_json(&v));
  else printf("%s@%s is %s\n", v.name, v.version, hd_version_state_name(v.state));
  return hd_registry_call_end(&c, code);
}

// ---- gc ------------------------------------------------------------------------------------------------------------------------------

static void gc_take(void *user, const char *path, const struct hd_version *v, uint64_t size) {
  const struct hd_registry_call *c = user;
  char text[24];
  hd_registry_size(text, size);
  if (c->json) return;
  if (v) printf("%s %s@%s  %s  retired by %s\n", c->dry_run ? "would remove" : "removed", v->name, v->version, text, v->changed_by);
  else printf("%s %s  %s\n", c->dry_run ? "would remove" : "removed", path, text);
}

int hd_registry_gc_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_registry_gc_result out;
  struct hd_registry_gc options = {.retired_for_ns = INT64_C(30) * 86400 * 1000000000};
  char *end = "";
  int code = hd_registry_call_begin(&c, "registry gc", argc, argv, HD_OPTION_DRY_RUN | HD_OPTION_RETIRED_FOR | HD_OPTION_REVISIONS, 0, 0, "no words", false);
  if (!code && c.retired_for && hd_duration_parse(c.retired_for, &options.retired_for_ns)) code = hd_cli_usage(c.command, "--retired-for: expected a duration such as 30d, found \"%s\"", c.retired_for);
  if (!code && c.revisions) options.revisions = (uint32_t)strtoul(c.revisions, &end, 10);
  if (!code && c.revisions && (*end || options.revisions == 0)) code = hd_cli_usage(c.command, "--revisions: expected a number from 1, found \"%s\"", c.revisions);
  if (!code) code = hd_registry_target_open(&c.target, c.command, &c.r);
  if (code) return hd_registry_call_end(&c, code);
  options.dry_run = c.dry_run;
  if (hd_registry_gc(c.r, &options, c.who, gc_take, &c, &out, &fault)) return hd_registry_call_end(&c, hd_registry_call_fail(&c, &fault));
  if (c.json)
    hd_registry_call_print(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I}", "dry_run", c.dry_run, "artifacts", (json_int_t)out.artifacts, "strays", (json_int_t)out.strays, "bytes",
                                     (json_int_t)out.bytes, "kept_for_deployments", (json_int_t)out.kept_deployed, "kept_as_retired_lately", (json_int_t)out.kept_young));
  else
    printf("%s %llu artifact%s and %llu stray file%s, %llu bytes; kept %llu that deployments name, %llu retired lately\n", c.dry_run ? "Would remove" : "Removed",
           (unsigned long long)out.artifacts, out.artifacts == 1 ? "" : "s", (unsigned long long)out.strays, out.strays == 1 ? "" : "s", (unsigned long long)out.bytes,
           (unsigned long long)out.kept_deployed, (unsigned long long)out.kept_young);
  return hd_registry_call_end(&c, HD_EXIT_OK);
}

// ---- export, import ------------------------------------------------------------------------------------------------------------------

int hd_registry_export_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_archive_result out;
  int code = hd_registry_call_begin(&c, "registry export", argc, argv, 0, 1, HD_ARCHIVE_VERSIONS_MAX, "FILE [NAME[@VERSION]]...", true);
  if (code) return hd_registry_call_end(&c, code);
  if (hd_registry_export(c.r, c.words[0], (const char *const *)c.words + 1, (uint32_t)c.word_count - 1, &out, &fault)) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:s, s:i, s:I}", "file", c.words[0], "versions", (int)out.versions, "bytes", (json_int_t)out.bytes));
  else printf("Wrote %u version%s, %llu bytes of artifacts, to %s\n", out.versions, out.versions == 1 ? "" : "s", (unsigned long long)out.bytes, c.words[0]);
  return hd_registry_call_end(&c, code);
}

static void import_tell(void *user, const char *name, const char *version, bool fresh, int32_t code, const char *words) {
  char shown[160];
  snprintf(shown, sizeof shown, "%.63s@%.31s", name, version);
  hd_text_printable(shown);
  if (user) json_array_append_new(user, json_pack("{s:s, s:s, s:b, s:b, s:s, s:s}", "name", name, "version", version, "ok", !code, "fresh", fresh, "code", code ? hadron_error_name(code) : "",
                                                  "words", words));
  else if (code) printf("refused  %s: %s\n", shown, words);
  else printf("%s  %s%s%s\n", fresh ? "taken  " : "known  ", shown, *words ? "  warning: " : "", words);
}

int hd_registry_import_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  struct hd_archive_result out;
  int code = hd_registry_call_begin(&c, "registry import", argc, argv, 0, 1, 1, "FILE", true);
  if (code) return hd_registry_call_end(&c, code);
  json_t *array = c.json ? json_array() : NULL;
  if (hd_registry_import(c.r, c.words[0], c.who, import_tell, array, &out, &fault)) {
    code = hd_registry_call_fail(&c, &fault);
  } else {
    if (c.json) hd_registry_call_print(json_pack("{s:b, s:i, s:i, s:i, s:O}", "ok", out.refused == 0, "versions", (int)out.versions, "fresh", (int)out.fresh, "refused", (int)out.refused, "rows", array));
    else printf("%u of %u version%s taken, %u known, %u refused\n", out.fresh, out.versions, out.versions == 1 ? "" : "s", out.versions - out.fresh - out.refused, out.refused);
    if (out.refused) code = HD_EXIT_REFUSED;
  }
  json_decref(array);
  return hd_registry_call_end(&c, code);
}
