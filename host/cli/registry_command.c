#include "cli/registry_command.h"

#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/options.h"

#define AT(field) offsetof(struct hd_registry_call, field)
static const struct hd_cli_option rows[] = {
  {"config", AT(target.config), false, 0, 0}, {"data-dir", AT(target.data_dir), false, 0, 0}, {"url", AT(target.url), false, 0, 0}, {"store", AT(target.store), false, 0, 0},
  {"keys", AT(target.keys), false, 0, 0}, {"policy", AT(target.policy), false, 0, 0}, {"json", AT(json), true, 0, 0}, {"dry-run", AT(dry_run), true, HD_OPTION_DRY_RUN, 0},
  {"undo", AT(undo), true, HD_OPTION_UNDO, 0}, {"no-probe", AT(unprobed), true, HD_OPTION_UNPROBED, 0}, {"all", AT(all), true, HD_OPTION_ALL, 0},
  {"external", AT(external), true, HD_OPTION_EXTERNAL, 0},
  {"signature", AT(signature), false, HD_OPTION_SIGNATURE, 0}, {"reason", AT(reason), false, HD_OPTION_REASON, 0}, {"key", AT(key), false, HD_OPTION_KEY, 0},
  {"public", AT(public_key), false, HD_OPTION_PUBLIC, 0}, {"retired-for", AT(retired_for), false, HD_OPTION_RETIRED_FOR, 0}, {"revisions", AT(revisions), false, HD_OPTION_REVISIONS, 0},
  {"forget", AT(forget), false, HD_OPTION_FORGET, 0}};

static int options_read(struct hd_registry_call *c, int argc, char **argv, uint32_t taken) {
  struct hd_cli_words left;
  int code = hd_cli_options(c->command, rows, sizeof rows / sizeof *rows, taken, c, argc, argv, &left);
  if (!code) c->words = left.words, c->word_count = left.count;
  return code;
}

int hd_registry_call_begin(struct hd_registry_call *c, const char *command, int argc, char **argv, uint32_t options, int words_min, int words_max, const char *words, bool open) {
  *c = (struct hd_registry_call){.command = command};
  hd_registry_who(c->who, sizeof c->who);
  int code = options_read(c, argc, argv, options);
  if (!code && (c->word_count < words_min || c->word_count > words_max)) code = hd_cli_usage(command, "expected %s, found %d word%s", words, c->word_count, c->word_count == 1 ? "" : "s");
  return code || !open ? code : hd_registry_target_open(&c->target, command, &c->r);
}

int hd_registry_call_end(struct hd_registry_call *c, int code) {
  hd_registry_close(c->r);
  c->r = NULL;
  fflush(stdout);
  return code;
}

int hd_registry_call_fail(const struct hd_registry_call *c, const struct hd_fault *fault) {
  if (c->json) hd_registry_call_print(json_pack("{s:b, s:s, s:s}", "ok", 0, "code", hadron_error_name(fault->code), "error", fault->text));
  return hd_cli_fail(c->command, hd_registry_exit(fault->code), fault);
}

void hd_registry_call_print(json_t *o) {
  json_dumpf(o, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
  putchar('\n');
  json_decref(o);
}

void hd_registry_call_table(struct hd_table *t) {
  uint32_t columns = isatty(STDOUT_FILENO) ? hd_cli_columns(STDOUT_FILENO) : 200;
  hd_table_print(t, stdout, columns, UINT32_MAX, hd_cli_colours(STDOUT_FILENO), "\n");
  hd_table_fini(t);
}

void hd_registry_time(char to[24], int64_t ns) {
  char text[40];
  if (ns) hd_time_format(text, sizeof text, ns, 0);
  else snprintf(text, sizeof text, "-");
  text[16] = ns ? 0 : text[16]; // to the minute
  if (ns) text[10] = ' ';
  hd_text_copy(to, 24, text);
}

void hd_registry_size(char to[24], uint64_t bytes) {
  if (bytes < 10240) snprintf(to, 24, "%llu B", (unsigned long long)bytes);
  else if (bytes < UINT64_C(10) << 20) snprintf(to, 24, "%.1f kB", (double)bytes / 1024);
  else snprintf(to, 24, "%.1f MB", (double)bytes / 1048576);
}

json_t *hd_registry_version_json(const struct hd_version *v) {
  char abi[16];
  snprintf(abi, sizeof abi, "%u.%u", v->abi_major, v->abi_minor);
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I, s:s, s:I, s:s, s:s, s:s}", "name", v->name, "version", v->version, "kind", hd_kind_name(v->kind), "language",
                   v->language == HD_LANGUAGE_LUA ? "lua" : "native", "digest", v->digest_text, "size", (json_int_t)v->size, "abi", abi, "state", hd_version_state_name(v->state), "signature",
                   hd_trust_name(v->trust), "key", v->key, "added_ns", (json_int_t)v->added_ns, "added_by", v->added_by, "changed_ns", (json_int_t)v->changed_ns, "changed_by", v->changed_by,
                   "reason", v->reason, "description", v->description);
}
