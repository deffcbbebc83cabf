#include "runtime/session_deploy.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "lua/runtime.h"
#include "registry/deployment_store.h"
#include "registry/source.h"
#include "runtime/card.h"
#include "runtime/change.h"
#include "runtime/session_internal.h"

#define WHO "config"

// ---- which registry -------------------------------------------------------------------------------------------------------------------------

static void path_of(char *to, size_t size, const char *configured, const char *prefix, const char *data_dir, const char *name) {
  if (*configured) hd_text_copy(to, size, configured);
  else snprintf(to, size, "%s%.500s/%s", prefix, data_dir, name);
}

void hd_registry_paths(const struct hd_config *config, struct hd_registry_paths *out) {
  path_of(out->url, sizeof out->url, config->registry_url, "sqlite:", config->data_dir, "registry.db");
  path_of(out->store, sizeof out->store, config->registry_store, "", config->data_dir, "artifacts");
  path_of(out->keys, sizeof out->keys, config->registry_keys, "", config->data_dir, "keys");
  path_of(out->drop, sizeof out->drop, config->registry_drop, "", config->data_dir, "plugins");
  if (strcmp(out->drop, "none") == 0) out->drop[0] = 0;
}

int32_t hd_session_registry_open(const struct hd_config *config, struct hd_registry **out, struct hd_fault *fault) {
  struct hd_registry_paths paths;
  *out = NULL;
  if (!config->registry) return HADRON_OK;
  hd_registry_paths(config, &paths);
  const struct hd_registry_options options = {.url = paths.url, .store = paths.store, .keys = paths.keys, .policy = config->registry_policy};
  int32_t code = hd_registry_open(&options, out, fault);
  return code ? hd_fault_prefix(fault, "registry: ") : HADRON_OK;
}

void hd_session_host(const struct hd_config *config, char *to, size_t size) {
  char host[48] = "localhost", path[PATH_MAX];
  uint8_t digest[32];
  if (gethostname(host, sizeof host - 1)) hd_text_copy(host, sizeof host, "localhost");
  host[sizeof host - 1] = 0;
  if (!realpath(config->data_dir, path)) hd_text_copy(path, sizeof path, config->data_dir);
  hd_sha256(path, strlen(path), digest);
  snprintf(to, size, "%.40s-%02x%02x%02x", host, digest[0], digest[1], digest[2]);
}

// ---- a section's plugin -----------------------------------------------------------------------------------------------------------------------

static int32_t open_version(struct hd_registry *r, const struct hd_version *v, const char *name, const struct hd_plugin **out, struct hd_fault *fault) {
  char path[HD_PLUGIN_PATH_SIZE];
  int fd = -1;
  int32_t code = hd_registry_artifact(r, v->digest, path, sizeof path, fault);
  if (!code) code = hd_registry_artifact_fd(r, v->digest, &fd, fault);
  if (!code) code = hd_plugin_open_digest(fd, name ? name : path, v->digest, &hd_lua_language, out, fault);
  if (fd >= 0) close(fd);
  return code;
}

int32_t hd_session_open_digest(struct hd_registry *r, const uint8_t digest[32], const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_version v;
  int32_t code = hd_registry_find_digest(r, digest, &v, fault);
  return code ? code : open_version(r, &v, NULL, out, fault);
}

// Of what is in the file now; what is loaded is compared with it.
static int32_t file_digest(const char *path, uint8_t digest[32], struct hd_fault *fault) {
  static const size_t step = 65536;
  struct hd_sha256 h;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO does not hold it up
  struct stat st;
  unsigned char *bytes = malloc(step);
  ssize_t n = fd >= 0 && bytes && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? 1 : -1;
  hd_sha256_init(&h);
  while (n > 0 && (n = read(fd, bytes, step)) > 0) hd_sha256_update(&h, bytes, (size_t)n);
  int32_t code = n < 0 ? hd_fault_set(fault, HADRON_ERR_IO, "%s: expected a plugin file, found one that cannot be read: %s", path, strerror(errno ? errno : EINVAL)) : HADRON_OK;
  hd_sha256_final(&h, digest);
  free(bytes);
  if (fd >= 0) close(fd);
  return code;
}

// The version of a file, registered if it is new. HADRON_ERR_DUPLICATE: its name and version belong to another file.
static int32_t version_of(struct hd_registry *r, const char *path, struct hd_version *out, struct hd_fault *fault) {
  uint8_t digest[32];
  char stored_at[HD_STORE_PATH_SIZE];
  struct hd_fault missing;
  const struct hd_registry_add options = {.who = WHO};
  struct hd_registry_added added = {0};
  int32_t code = file_digest(path, digest, fault);
  if (code) return code;
  code = hd_registry_find_digest(r, digest, out, fault);
  // Another host of the registry has told of it, and this one's own store is without the file: here it is.
  bool stored = code == HADRON_OK && hd_registry_artifact(r, digest, stored_at, sizeof stored_at, &missing) == HADRON_OK;
  if (code == HADRON_OK && out->state != HD_VERSION_COLLECTED && (stored || out->state != HD_VERSION_REGISTERED)) return hd_registry_admit(r, out, fault);
  if (code != HADRON_OK && code != HADRON_ERR_NOT_FOUND) return code;
  code = hd_registry_add(r, path, &options, out, &added, fault);
  if (code) return code;
  if (*added.warning) hd_log_warn("REGISTRY", "%s@%s: %s", out->name, out->version, added.warning);
  else hd_log_info("REGISTRY", "%s@%s was registered from %s", out->name, out->version, path);
  return HADRON_OK;
}

static int32_t load_file(const struct hd_session_plugins *from, const char *path, const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_registry *r = from->registry;
  struct hd_version v;
  uint8_t digest[32];
  *out = NULL;
  if (!r && from->looks && from->config->registry && from->config->registry_policy == HD_REGISTRY_REQUIRE) return HADRON_OK; // nothing runs that nobody vouches for
  if (!r) return hd_plugin_open(path, &hd_lua_language, out, fault);
  if (from->looks) { // what is new stays new
    int32_t known = file_digest(path, digest, fault);
    if (!known) known = hd_registry_find_digest(r, digest, &v, fault);
    if (known == HADRON_ERR_NOT_FOUND) return hd_registry_policy(r) == HD_REGISTRY_REQUIRE ? HADRON_OK : hd_plugin_open(path, &hd_lua_language, out, fault);
    if (known) return known;
  }
  int32_t code = version_of(r, path, &v, fault);
  if (code == HADRON_OK) return open_version(r, &v, path, out, fault);
  if (code != HADRON_ERR_DUPLICATE || hd_registry_policy(r) == HD_REGISTRY_REQUIRE) return code;
  // Somebody builds it again and again under one version: that has to work, but it is no version.
  hd_log_warn("REGISTRY_BOUND", "%s; it runs, but cannot be gone back to", fault->text);
  return hd_plugin_open(path, &hd_lua_language, out, fault);
}

static int32_t load_version(struct hd_registry *r, const char *spec, const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_version v;
  if (!r) return hd_fault_set(fault, HADRON_ERR_STATE, "plugin \"%s\" names a version of the registry, and there is none; set registry.enabled = true, or name a file", spec);
  int32_t code = hd_registry_find_spec(r, spec, &v, fault);
  if (!code) code = hd_registry_admit(r, &v, fault);
  return code ? code : open_version(r, &v, NULL, out, fault);
}

static bool is_version(const char *plugin) { return strchr(plugin, '@') && !strchr(plugin, '/'); }

int32_t hd_session_load_plugin(const struct hd_session_plugins *from, const struct hd_config_plugin *c, uint32_t kind, char *file, const struct hd_plugin **out,
                               struct hd_fault *fault) {
  char path[HD_PLUGIN_PATH_SIZE] = "";
  struct hd_version v;
  struct hd_fault unknown;
  int32_t code;
  if (from->builtin && (*out = from->builtin(c->plugin))) code = HADRON_OK;
  else if (is_version(c->plugin)) code = load_version(from->registry, c->plugin, out, fault);
  else {
    code = hd_session_plugin_path(from->config, c->plugin, path, sizeof path, fault);
    if (!code) code = load_file(from, path, out, fault);
    else if (code == HADRON_ERR_NOT_FOUND && from->registry && hd_registry_find_spec(from->registry, c->plugin, &v, &unknown) == HADRON_OK)
      code = load_version(from->registry, c->plugin, out, fault); // no file: the newest that was registered
  }
  if (!code && *out) code = hd_plugin_expect_kind(*out, kind, fault);
  if (!code && file) hd_text_copy(file, HD_PLUGIN_PATH_SIZE, path);
  return code;
}

static bool named_version(const struct hd_config_plugin *rows, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (rows[i].enabled && is_version(rows[i].plugin)) return true;
  return false;
}

bool hd_session_names_versions(const struct hd_config *c) {
  bool found = named_version(c->venues, c->venue_count) || named_version(c->services, c->service_count) || is_version(c->allocator.plugin);
  for (uint32_t i = 0; i < c->strategy_count && !found; i++) found = named_version(&c->strategies[i].base, 1);
  return found;
}

bool hd_session_registry_there(const struct hd_config *config) {
  struct hd_registry_paths paths;
  hd_registry_paths(config, &paths);
  return config->registry && (strncmp(paths.url, "sqlite:", 7) != 0 || access(paths.url + 7, F_OK) == 0);
}

int32_t hd_session_open_artifact(struct hd_registry *r, const struct hd_deployment *d, uint32_t arm, const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_version v;
  int32_t code = hd_registry_find_digest(r, d->arms[arm].digest, &v, fault);
  if (!code) code = open_version(r, &v, NULL, out, fault);
  if (!code) code = hd_plugin_expect_kind(*out, d->kind, fault);
  return code ? hd_fault_prefix(fault, "deployment %s: %s@%s: ", d->name, d->plugin, d->arms[arm].version) : HADRON_OK;
}

// ---- revisions that were under way ------------------------------------------------------------------------------------------------------------

// Did the change take effect? The journal's record is what counts.
static int32_t committed(const struct hd_session *s, const struct hd_revision *r, bool *found, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  *found = false;
  if (!s->journal) return HADRON_OK;
  int32_t code = hd_journal_cursor_open_on(s->options.disk, hd_journal_dir(s->journal), &cursor, fault);
  if (code) return code == HADRON_ERR_NOT_FOUND ? HADRON_OK : code;
  while (!*found && (code = hd_journal_cursor_next(cursor, &record, fault)) == HADRON_OK) {
    if (record.template_id != HADRON_MSG_SWAP || record.block_length < sizeof(struct hadron_swap)) continue;
    const struct hadron_swap *swap = record.bytes;
    *found = swap->stage == HADRON_SWAP_COMMIT && swap->revision == r->revision && strncmp(swap->name, r->name, sizeof swap->name) == 0;
  }
  hd_journal_cursor_close(cursor);
  return *found || code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

struct under_way {
  struct hd_revision rows[16];
  uint32_t count;
  const char *host, *name;
};

static int32_t take_under_way(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct under_way *u = user;
  (void)what, (void)fault;
  if (strcmp(r->host, u->host) == 0 && u->count < sizeof u->rows / sizeof *u->rows) u->rows[u->count++] = *r;
  return HADRON_OK;
}

// One that this host began and asked nobody about is the journal's matter.
static int32_t resolve_own(struct hd_session *s, const struct hd_revision *r, const char *host, struct hd_fault *fault) {
  bool found;
  int32_t code = committed(s, r, &found, fault);
  if (!code)
    code = hd_revision_settle(hd_registry_database(s->options.registry), r->name, r->revision, found ? HD_REVISION_ACTIVE : HD_REVISION_FAILED,
                              found ? NULL : "the host went down before it took effect: the journal has no record of it", host, hd_clock_wall_ns(), fault);
  if (!code) hd_log_warn("DEPLOY_RESOLVED", "%s: revision %u was under way when the host went down: %s", r->name, r->revision,
                         found ? "the journal says that it took effect; it is active" : "the journal has no record of it; it failed");
  return code;
}

int32_t hd_session_resolve(struct hd_session *s, const char *name, const char *host, struct hd_fault *fault) {
  struct under_way u = {.host = host, .name = name};
  struct hd_database *d = hd_registry_database(s->options.registry);
  int32_t code = hd_revision_list(d, name, HD_REVISION_PENDING, take_under_way, &u, fault);
  for (uint32_t i = 0; i < u.count && !code; i++) {
    json_t *asked = hd_rollout_parties(d, name, u.rows[i].revision, fault);
    if (!asked) code = fault->code;
    else if (json_array_size(asked) == 0) code = resolve_own(s, &u.rows[i], host, fault);
    json_decref(asked);
  }
  return code ? code : hd_rollout_clear(d, name, host, fault); // of what others began and will not end
}

// ---- a strategy's deployment --------------------------------------------------------------------------------------------------------------------

struct hd_session_deployed *hd_session_deployed(const struct hd_session *s, const char *name) {
  for (uint32_t i = 0; i < s->deployed_count; i++)
    if (strcmp(s->deployed[i]->now.name, name) == 0) return s->deployed[i];
  return NULL;
}

static void first_arm(struct hd_deployment *d, const struct hd_plugin *plugin, double weight) {
  d->arm_count = 1;
  d->arms[0] = (struct hd_deployment_arm){.role = HD_DEPLOYMENT_LIVE, .weight = weight};
  hd_text_copy(d->arms[0].version, sizeof d->arms[0].version, plugin->manifest.version);
  memcpy(d->arms[0].digest, plugin->digest, sizeof d->arms[0].digest);
}

// What the section says.
static void from_section(struct hd_deployment *d, const struct hd_config_strategy *c, const struct hd_plugin *plugin) {
  hd_deployment_init(d, c->base.name, plugin->manifest.name);
  d->split = c->split;
  d->arrival = c->arrival;
  d->canary_weight = c->canary_weight > 0 && c->canary_weight < 1 ? c->canary_weight : d->canary_weight;
  d->warm_ns = c->warm_ns;
  d->gate_sessions = c->gate_sessions;
  d->gate_accept = c->gate_accept;
  d->guard = c->guard;
  d->budget = c->budget;
  first_arm(d, plugin, c->weight);
}

// base: the revision that is active; 0: none. HADRON_ERR_EXISTS: other hosts run it, and they are not asked by a start.
static int32_t add_revision(struct hd_session *s, struct hd_deployment *d, uint32_t base, const char *host, const char *why, struct hd_fault *fault) {
  struct hd_revision r = {.state = HD_REVISION_ACTIVE, .time_ns = hd_clock_wall_ns(), .who = WHO, .command = WHO, .base = base, .planned = true, .alone = true};
  hd_text_copy(r.host, sizeof r.host, host);
  hd_text_copy(r.why, sizeof r.why, why);
  int32_t code = hd_revision_add(hd_registry_database(s->options.registry), d, &r, fault);
  if (!code) d->revision = r.revision;
  return code;
}

static void count_line(void *user, const char *text) { (void)user, (void)text; }

// Other hosts run the deployment, and a start changes nothing for them: this one goes with them.
static int32_t join(struct hd_session_deployed *row, const struct hd_deployment *active, struct hd_fault *fault) {
  struct hd_deployment *section = &row->now;
  bool same_plugin = strcmp(active->plugin, section->plugin) == 0;
  if (!same_plugin && section->kind == HADRON_KIND_STRATEGY)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "deployment %s: expected plugin %s, which other hosts of this registry run by this name (revision %u), found %s; give the section another name, "
                        "or stop them first", section->name, active->plugin, active->revision, section->plugin);
  if (!same_plugin) {
    row->apart = true;
    hd_log_warn("DEPLOY_APART", "%s: other hosts of this registry run %s by this name; this one runs %s, as configured, and is no part of their deployment", section->name, active->plugin,
                section->plugin);
    return HADRON_OK;
  }
  hd_log_warn("DEPLOY_CONFIG", "%s: the configuration's section differs from revision %u, which other hosts of this registry run; this one runs it too. `hadron deploy` changes it for all",
              section->name, active->revision);
  *section = *active;
  return HADRON_OK;
}

// The section and the registry's active revision: which of them rules?
static int32_t choose_between(struct hd_session *s, struct hd_session_deployed *row, struct hd_deployment *active, const char *host, struct hd_fault *fault) {
  struct hd_deployment *section = &row->now;
  struct hd_revision r;
  int32_t code = hd_revision_get(hd_registry_database(s->options.registry), section->name, 0, &r, active, fault);
  if (code == HADRON_ERR_NOT_FOUND) return add_revision(s, section, 0, host, "the configuration's section", fault);
  if (code) return code;
  bool same_plugin = strcmp(active->plugin, section->plugin) == 0, by_config = strcmp(r.who, WHO) == 0;
  if (hd_deployment_diff(active, section, count_line, NULL) == 0) {
    section->revision = r.revision;
    return HADRON_OK;
  }
  if (by_config || !same_plugin) {
    code = add_revision(s, section, r.revision, host, same_plugin ? "the configuration has changed" : "the configuration names another plugin", fault);
    return code == HADRON_ERR_EXISTS ? join(row, active, fault) : code;
  }
  if (memcmp(active->arms[0].digest, section->arms[0].digest, 32) != 0)
    hd_log_warn("DEPLOY_CONFIG", "%s: the configuration names %s@%s, but revision %u (%s: %s) runs %s; `hadron reload %s` takes the newest version", section->name, section->plugin,
                section->arms[0].version, r.revision, r.who, r.command, active->arms[0].version, section->name);
  *section = *active;
  return HADRON_OK;
}

// Another host may come in between once, and twice; what it did is what counts then.
static int32_t choose(struct hd_session *s, struct hd_session_deployed *row, const char *host, struct hd_fault *fault) {
  struct hd_deployment *active = malloc(sizeof *active);
  if (!active) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", row->now.name);
  int32_t code = choose_between(s, row, active, host, fault);
  for (int i = 0; i < 3 && code == HADRON_ERR_STATE; i++) code = choose_between(s, row, active, host, fault);
  free(active);
  return code;
}

// A file that was built again under its version cannot be a revision: it runs as it is.
static bool is_registered(struct hd_registry *r, const struct hd_plugin *plugin) {
  struct hd_version v;
  struct hd_fault fault;
  return hd_registry_find_digest(r, plugin->digest, &v, &fault) == HADRON_OK && strcmp(v.name, plugin->manifest.name) == 0;
}

int32_t hd_session_new_row(struct hd_session *s, struct hd_session_deployed **out, struct hd_fault *fault) {
  struct hd_session_deployed **grown = realloc(s->deployed, (s->deployed_count + 1) * sizeof *grown);
  struct hd_session_deployed *row = calloc(1, sizeof *row);
  if (grown) s->deployed = grown;
  if (!grown || !row) {
    free(row);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployments: out of memory");
  }
  s->deployed[s->deployed_count++] = *out = row;
  return HADRON_OK;
}

// The row of a section, once its plugin is loaded: what rules it, and the plugin of that.
static int32_t settle_row(struct hd_session *s, struct hd_session_deployed *row, const struct hd_plugin **plugin, struct hd_fault *fault) {
  struct hd_registry *r = s->options.registry;
  char host[64];
  if (row->fixed || !is_registered(r, *plugin)) return HADRON_OK;
  hd_session_host(s->config, host, sizeof host);
  int32_t code = hd_session_resolve(s, row->now.name, host, fault);
  if (!code) code = choose(s, row, host, fault);
  if (!code && row->now.kind == HADRON_KIND_STRATEGY) code = hd_session_spare(s, &row->now, host, fault);
  if (!code && memcmp((*plugin)->digest, row->now.arms[0].digest, 32) != 0) code = hd_session_open_artifact(r, &row->now, 0, plugin, fault);
  return code;
}

static int32_t recorded_strategy(struct hd_session *s, const struct hd_config_strategy *c, const struct hd_plugin **plugin, const struct hd_deployment **as,
                                 struct hd_fault *fault) {
  struct hd_session_deployed *row = NULL;
  bool deployed = false;
  int32_t code = hd_session_new_row(s, &row, fault);
  if (!code) code = hd_session_recorded_strategy(s, c->base.name, plugin, row, &deployed, fault);
  if (!code && deployed) *as = &row->now;
  return code;
}

// The host's own card of a section is a version like any other, so that others can take its place. Nobody vouches for it, and nothing of it runs.
static int32_t register_any(struct hd_registry *r, const char *name, char file[HD_PLUGIN_PATH_SIZE], struct hd_fault *fault) {
  char text[HD_CARD_SIZE], source[HADRON_NAME_SIZE + 8];
  struct hd_fault refused;
  hd_card_write(text, name, HD_CARD_ANY);
  snprintf(source, sizeof source, "%s.lua", name);
  const struct hd_source bytes = {(unsigned char *)text, strlen(text)};
  const struct hd_registry_add options = {.who = WHO, .source = source, .unprobed = true};
  int32_t code = hd_registry_add_bytes(r, &bytes, NULL, &options, NULL, NULL, &refused);
  *file = 0;
  if (code != HADRON_ERR_DUPLICATE && code != HADRON_ERR_PERMISSION) return code ? (*fault = refused, code) : HADRON_OK;
  hd_log_warn("REGISTRY", "%s: %s; it is no deployment, and has no other versions", name, refused.text);
  return HADRON_OK;
}

// Without a registry, by whoever made the session.
static int32_t given_strategy(struct hd_session *s, const struct hd_config_strategy *c, const struct hd_plugin **plugin, const struct hd_deployment **as,
                              struct hd_fault *fault) {
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX];
  struct hd_session_deployed *row = NULL;
  int32_t code = hd_session_new_row(s, &row, fault);
  if (code) return code;
  if ((code = s->options.deployment(s->options.deployments, c->base.name, &row->now, plugins)))
    return hd_fault_set(fault, code, "deployment %s: %s", c->base.name, hadron_error_text(code));
  *plugin = plugins[0];
  *as = &row->now;
  return HADRON_OK;
}

int32_t hd_session_strategy(struct hd_session *s, const struct hd_config_strategy *c, const struct hd_plugin **plugin, const struct hd_deployment **as,
                            struct hd_fault *fault) {
  const struct hd_session_plugins from = {s->config, s->options.registry, false, s->options.builtin};
  char file[HD_PLUGIN_PATH_SIZE];
  struct hd_session_deployed *row = NULL;
  *as = NULL;
  if (c->external) { // it is loaded before records name it
    int32_t opened = hd_card_open_any(c->base.name, plugin, fault);
    if (opened) return opened;
  }
  if (s->options.recorded) return recorded_strategy(s, c, plugin, as, fault);
  if (s->options.deployment) return given_strategy(s, c, plugin, as, fault);
  if (!from.registry || !s->options.versions) return c->external ? HADRON_OK : hd_session_load(s, &c->base, HADRON_KIND_STRATEGY, plugin, fault);
  int32_t code = c->external ? register_any(from.registry, c->base.name, file, fault) : hd_session_load_plugin(&from, &c->base, HADRON_KIND_STRATEGY, file, plugin, fault);
  if (!code) code = hd_session_new_row(s, &row, fault);
  if (!code) {
    hd_text_copy(row->file, sizeof row->file, file);
    from_section(&row->now, c, *plugin);
    row->fixed = c->role != HD_DEPLOYMENT_LIVE;
    code = settle_row(s, row, plugin, fault);
  }
  if (code) return hd_fault_prefix(fault, "%s:%d: %s: ", s->config->path, c->base.line, c->base.name);
  if (row->now.revision) *as = &row->now;
  return HADRON_OK;
}

// Two sections of one name: the strategy's is the deployment.
static bool named_like_a_strategy(const struct hd_config *c, const char *name) {
  for (uint32_t i = 0; i < c->strategy_count; i++)
    if (strcmp(c->strategies[i].base.name, name) == 0) return true;
  return false;
}

int32_t hd_session_part(struct hd_session *s, const struct hd_config_plugin *c, uint32_t kind, const struct hd_plugin **plugin, struct hd_fault *fault) {
  const struct hd_session_plugins from = {s->config, s->options.registry, !s->options.versions, s->options.builtin};
  char file[HD_PLUGIN_PATH_SIZE];
  struct hd_session_deployed *row = NULL;
  *plugin = NULL;
  int32_t code = hd_session_load_plugin(&from, c, kind, file, plugin, fault);
  if (!code && !*plugin) code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "plugin \"%s\" is not in the registry, and registry.policy is require; `hadron registry add` it first", c->plugin);
  if (!code && from.registry && s->options.versions && !named_like_a_strategy(s->config, c->name) && !hd_session_deployed(s, c->name)) {
    code = hd_session_new_row(s, &row, fault);
    if (!code) {
      hd_text_copy(row->file, sizeof row->file, file);
      hd_deployment_init(&row->now, c->name, (*plugin)->manifest.name);
      row->now.kind = kind;
      first_arm(&row->now, *plugin, 1);
      code = settle_row(s, row, plugin, fault);
    }
  }
  return code ? hd_fault_prefix(fault, "%s:%d: %s: ", s->config->path, c->line, c->name) : HADRON_OK;
}

// ---- arms beside the live one ---------------------------------------------------------------------------------------------------------------------

static int32_t deploy_one(struct hd_session *s, const struct hd_deployment *d, struct hd_fault *fault) {
  const struct hd_plugin *plugins[HD_DEPLOYMENT_ARMS_MAX] = {NULL};
  struct hd_change *change = NULL;
  struct hd_changed changed;
  int32_t code = HADRON_OK;
  struct hd_deployment again;
  if (s->options.deployment) code = s->options.deployment(s->options.deployments, d->name, &again, plugins);
  else
    for (uint32_t i = 0; i < d->arm_count && !code; i++) code = hd_session_open_artifact(s->options.registry, d, i, &plugins[i], fault);
  if (!code) code = hd_change_create(s, d, plugins, &change, fault);
  if (!code) code = hd_change_stage(change, fault);
  if (!code) code = hd_change_commit(change, &changed, fault);
  hd_change_destroy(change);
  return code ? hd_fault_prefix(fault, "deployment %s, revision %u: ", d->name, d->revision) : HADRON_OK;
}

int32_t hd_session_deploy(struct hd_session *s, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < s->deployed_count && !code; i++) {
    const struct hd_deployment *d = &s->deployed[i]->now;
    if (d->revision && (d->arm_count > 1 || !d->enabled)) code = deploy_one(s, d, fault);
  }
  return code;
}
