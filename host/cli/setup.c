#include "cli/setup.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "lua/runtime.h"
#include "runtime/session_deploy.h"

bool hd_setup_set(struct hd_setup *s, const char *assignment) {
  if (s->set_count == HD_SETS_MAX) return false;
  s->sets[s->set_count++] = assignment;
  return true;
}

bool hd_setup_setf(struct hd_setup *s, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  char *text;
  int n = vasprintf(&text, format, arguments);
  va_end(arguments);
  if (n < 0 || s->owned_count == HD_SETS_MAX) return false;
  s->owned[s->owned_count++] = text;
  return hd_setup_set(s, text);
}

bool hd_setup_data(struct hd_setup *s, const char *const *files, uint32_t count) {
  size_t size = 1;
  for (uint32_t i = 0; i < count; i++) size += strlen(files[i]) + 1;
  char *list = calloc(1, size);
  if (!list) return false;
  for (uint32_t i = 0, at = 0; i < count; i++) at += (uint32_t)snprintf(list + at, size - at, "%s%s", i ? "\n" : "", files[i]);
  bool added = hd_setup_setf(s, "venues.replay.plugin=replay") && hd_setup_setf(s, "venues.replay.params.files=%s", list);
  free(list);
  s->data = true;
  return added;
}

// Plugins lie beside the program in a build tree, or below lib/hadron where it is installed; and in the data directory.
void hd_setup_plugins(struct hd_config *c) {
  char program[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
  if (n <= 0) return;
  program[n] = 0;
  char *directory = dirname(program);
  snprintf(c->plugin_path, sizeof c->plugin_path, "%.400s/plugins:%.400s/../lib/hadron/plugins:%.160s/plugins", directory, directory, c->data_dir);
}

// ---- recordings as the market ------------------------------------------------------------------------------------------------------

// Does this venue fill against a market that others bring? A plugin that cannot be opened is left to the session, which says why.
static bool follows(const struct hd_config *c, const struct hd_config_plugin *v) {
  char path[HD_PLUGIN_PATH_SIZE];
  const struct hd_plugin *plugin;
  if (hd_session_plugin_path(c, v->plugin, path, sizeof path, NULL) || hd_plugin_open(path, &hd_lua_language, &plugin, NULL)) return true;
  return plugin->manifest.kind != HADRON_KIND_VENUE || (((const struct hadron_venue_api *)plugin->api)->features & HADRON_VENUE_FOLLOWS);
}

static bool is_left_out(const struct hd_config *c, const char *venue) {
  for (uint32_t i = 0; i < c->venue_count; i++)
    if (strcmp(c->venues[i].name, venue) == 0) return !c->venues[i].enabled;
  return false;
}

// Two markets in one run would be neither: venues that bring one of their own stay out, or follow the recorded one.
static void venue_settle(struct hd_config *c, struct hd_config_plugin *v) {
  if (!v->enabled || strcmp(v->plugin, "replay") == 0) return;
  if (!follows(c, v)) {
    v->enabled = false;
    fprintf(stderr, "Venue %s is left out: the ticks are those of the recording\n", v->name);
    return;
  }
  for (uint32_t k = 0; k < v->param_count; k++) {
    if (strcmp(v->plugin, "sim") != 0 || strcmp(v->params[k].name, "flow") != 0 || strcmp(v->params[k].text, "none") == 0) continue;
    v->params[k].text = "none";
    fprintf(stderr, "Venue %s makes no market of its own: the ticks are those of the recording\n", v->name);
  }
}

static bool has_orders(const struct hd_config *c) {
  for (uint32_t i = 0; i < c->venue_count; i++)
    if (c->venues[i].enabled && strcmp(c->venues[i].plugin, "replay") != 0) return true;
  return false;
}

// What names a venue that is left out does so no more: instruments then go by their own names, orders to who fills them here.
static void market_settle(struct hd_config *c) {
  for (uint32_t i = 0; i < c->venue_count; i++) venue_settle(c, &c->venues[i]);
  if (is_left_out(c, c->orders_to)) c->orders_to[0] = 0;
  for (uint32_t i = 0; i < c->instrument_count; i++) {
    struct hd_config_instrument *row = &c->instruments[i];
    uint32_t kept = 0;
    for (uint32_t k = 0; k < row->symbol_count; k++)
      if (!is_left_out(c, row->symbols[k].venue)) row->symbols[kept++] = row->symbols[k];
    row->symbol_count = kept;
  }
}

// ---- a journal as its own configuration ----------------------------------------------------------------------------------------------

static int32_t journal_cursor(const char *path, struct hd_journal_cursor **cursor, struct hd_fault *fault) {
  char inside[PATH_MAX];
  int32_t code = hd_journal_cursor_open(path, cursor, fault);
  if (code != HADRON_ERR_NOT_FOUND || snprintf(inside, sizeof inside, "%s/journal", path) >= (int)sizeof inside) return code;
  struct hd_fault second;
  return hd_journal_cursor_open(inside, cursor, &second) == HADRON_OK ? HADRON_OK : code;
}

void hd_setup_alone(struct hd_setup *s) { s->config.bus.session_count = s->config.bus.feed_count = 0; }

bool hd_setup_is_journal(const char *path) {
  struct stat st;
  struct hd_journal_cursor *cursor;
  struct hd_fault fault;
  if (stat(path, &st) || !S_ISDIR(st.st_mode) || journal_cursor(path, &cursor, &fault)) return false;
  hd_journal_cursor_close(cursor);
  return true;
}

// The text of the session's first record; *text: owned by the caller.
static int32_t journal_text(const struct hd_setup *s, char **text, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record r;
  uint32_t number = 0;
  *text = NULL;
  int32_t code = journal_cursor(s->path, &cursor, fault);
  while (!code && !(s->session && number == s->session) && !(code = hd_journal_cursor_next(cursor, &r, fault))) {
    const struct hadron_session *session = r.bytes;
    uint32_t size;
    if (r.template_id != HADRON_MSG_SESSION || r.block_length < sizeof *session || (session->flags & 1) || r.size < r.block_length + sizeof size) continue;
    number++;
    if (s->session && number != s->session) continue;
    memcpy(&size, (const char *)r.bytes + r.block_length, sizeof size);
    if (size > r.size - r.block_length - sizeof size) size = (uint32_t)(r.size - r.block_length - sizeof size);
    free(*text);
    *text = strndup((const char *)r.bytes + r.block_length + sizeof size, size);
  }
  if (code == HADRON_ERR_AGAIN) code = HADRON_OK;
  hd_journal_cursor_close(cursor);
  if (!code && !*text) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: there is no session %u in it", s->path, s->session);
  return code;
}

static uint32_t load(struct hd_setup *s, struct hd_config_error *errors) {
  char *text;
  struct hd_fault fault = {0};
  if (!hd_setup_is_journal(s->path)) return hd_config_load(&s->config, s->path, s->sets, s->set_count, errors);
  if (journal_text(s, &text, &fault)) {
    errors[0].line = 0;
    hd_text_copy(errors[0].text, sizeof errors[0].text, fault.text);
    return 1;
  }
  uint32_t count = hd_config_load_text(&s->config, s->path, text, strlen(text), s->sets, s->set_count, errors);
  free(text);
  return count;
}

int hd_setup_load(struct hd_setup *s, const char *command) {
  static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  uint32_t count = load(s, errors);
  for (uint32_t i = 0; i < count; i++) {
    if (errors[i].line) fprintf(stderr, "%s:%d: %s\n", s->path, errors[i].line, errors[i].text);
    else fprintf(stderr, "%s: %s\n", s->path, errors[i].text);
  }
  if (count) {
    fprintf(stderr, "hadron %s: %u error%s in the configuration\n", command, count, count == 1 ? "" : "s");
    return HD_EXIT_CONFIG;
  }
  if (!s->config.plugin_path[0]) hd_setup_plugins(&s->config);
  if (!s->config.control[0]) snprintf(s->config.control, sizeof s->config.control, "%.490s/hadron.sock", s->config.data_dir);
  if (!s->data) return HD_EXIT_OK;
  market_settle(&s->config);
  if (has_orders(&s->config) || s->fills) return HD_EXIT_OK;
  s->fills = hd_setup_setf(s, "venues.sim.plugin=sim"); // live, orders went to a venue that is left out
  hd_config_fini(&s->config);
  return hd_setup_load(s, command);
}

int hd_setup_registry(struct hd_setup *s, const char *command) {
  struct hd_fault fault = {0};
  if (!hd_session_names_versions(&s->config)) return HD_EXIT_OK;
  int32_t code = hd_session_registry_there(&s->config) ? hd_session_registry_open(&s->config, &s->registry, &fault) : HADRON_OK;
  return code ? hd_cli_fail(command, hd_cli_exit(code), &fault) : HD_EXIT_OK; // without one the session says which section wants it
}

int32_t hd_setup_directory(const struct hd_config *config, struct hd_fault *fault) {
  char part[sizeof config->data_dir];
  hd_text_copy(part, sizeof part, config->data_dir);
  for (char *at = part + (*part != 0);; at++) {
    if (*at && *at != '/') continue;
    char kept = *at;
    *at = 0;
    if (mkdir(part, 0750) && errno != EEXIST) return hd_fault_set(fault, HADRON_ERR_IO, "data_dir %s: %s: %s", config->data_dir, part, strerror(errno));
    *at = kept;
    if (!kept) return HADRON_OK;
  }
}

void hd_setup_fini(struct hd_setup *s) {
  hd_registry_close(s->registry);
  s->registry = NULL;
  hd_config_fini(&s->config);
  for (uint32_t i = 0; i < s->owned_count; i++) free(s->owned[i]);
  s->owned_count = s->set_count = 0;
}
