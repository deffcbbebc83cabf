// A session from its first records: the configuration as it was in effect, the definitions of instruments, and which artifact sat where.
#include "lua/runtime.h"
#include "runtime/setting.h"
#include "runtime/verify_internal.h"

// ---- what the records say ------------------------------------------------------------------------------------------------------------

int32_t hd_verify_part_add(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_deployment *block = HD_VERIFY_BLOCK(r, struct hadron_deployment);
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  if (!block) return HADRON_OK;
  struct hd_verify_part *grown = realloc(v->parts, (v->part_count + 1) * sizeof *grown);
  char *copy = grown ? strndup(text, size) : NULL;
  if (grown) v->parts = grown;
  if (!copy) return v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "parts of the session: out of memory");
  v->parts[v->part_count++] = (struct hd_verify_part){*block, copy};
  return HADRON_OK;
}

static int32_t definition_add(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_instrument_definition *d = HD_VERIFY_BLOCK(r, struct hadron_instrument_definition);
  if (!d || d->listing != v->definition_count + 1) return HADRON_OK; // told again
  if ((v->definition_count & (v->definition_count + 1)) == 0) {
    void *grown = realloc(v->definitions, (2 * (size_t)v->definition_count + 2) * sizeof *v->definitions);
    if (!grown) return v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "instruments of the session: out of memory");
    v->definitions = grown;
  }
  v->definitions[v->definition_count++] = *d;
  return HADRON_OK;
}

// What has brought earlier runs down gets no ticks (session_crashed.c): not while the journal is read again either.
static void bar(struct hd_verify *v, const struct hd_verify_record *r) {
  static const char words[] = " brought the host down ";
  const struct hadron_alert *a = HD_VERIFY_BLOCK(r, struct hadron_alert);
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  if (a && a->arm > 0 && a->arm <= HD_ARMS_MAX && size > 9 && memcmp(text, "strategy ", 9) == 0 && memmem(text, size, words, sizeof words - 1)) v->barred[a->arm / 64] |= UINT64_C(1) << (a->arm % 64);
}

// Takes what a session says of itself before anything happens in it. False: this record is the first that is run.
static bool take_setup(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_deployment *d;
  switch (r->r.template_id) {
  case HADRON_MSG_INSTRUMENT: definition_add(v, r); return true;
  case HADRON_MSG_VENUE_STATUS: hd_verify_state(v, r); return true;
  case HADRON_MSG_ALERT: bar(v, r); return true;
  case HADRON_MSG_ARM: case HADRON_MSG_OPERATOR: return true;
  case HADRON_MSG_DEPLOYMENT:
    d = HD_VERIFY_BLOCK(r, struct hadron_deployment);
    if (!d || d->stage != HADRON_DEPLOYMENT_START) return false;
    hd_verify_part_add(v, r);
    return true;
  default: return false;
  }
}

// Whether it recovers is said behind what was deployed before the first event.
static int32_t find_recovery(struct hd_verify *v) {
  struct hd_verify_record r;
  int32_t code = HADRON_OK;
  for (bool more = true; more && !(code = hd_verify_read(v, v->in, &r));) {
    const struct hadron_recovered *block = r.r.template_id == HADRON_MSG_RECOVERED ? HD_VERIFY_BLOCK(&r, struct hadron_recovered) : NULL;
    switch (r.r.template_id) {
    case HADRON_MSG_ARM: case HADRON_MSG_ALERT: case HADRON_MSG_OPERATOR: case HADRON_MSG_INSTRUMENT: case HADRON_MSG_VENUE_STATUS:
    case HADRON_MSG_DEPLOYMENT: case HADRON_MSG_SWAP: case HADRON_MSG_ALLOCATION: break;
    default: more = false;
    }
    if (!block) continue;
    v->recorded.recovers = true;
    v->recorded.recover_to = block->position;
    v->recorded.snapshot = block->snapshot;
    v->recorded.journal = v->dir;
  }
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

// Both cursors stand at the first record that is run afterwards.
static int32_t read_setup(struct hd_verify *v) {
  struct hd_verify_record r;
  int32_t code;
  while (!(code = hd_verify_read(v, v->in, &r)) && !v->code) {
    v->begin = r.r.position;
    if (!take_setup(v, &r)) break;
    v->result->records++;
    v->begin = r.r.next;
  }
  if (v->code) return v->code;
  code = hd_journal_cursor_seek(v->in, v->begin, v->fault);
  if (!code) code = find_recovery(v);
  if (!code) code = hd_journal_cursor_seek(v->in, v->begin, v->fault);
  if (!code) code = hd_journal_cursor_seek(v->out, v->begin, v->fault);
  return v->code = code;
}

// ---- versions by digest --------------------------------------------------------------------------------------------------------------

// The plugin that the section names, as a hint where its file may lie.
static const char *plugin_named(const struct hd_verify *v, uint32_t kind, const char *name) {
  const struct hd_config *c = &v->config;
  for (uint32_t i = 0; kind == HADRON_KIND_STRATEGY && i < c->strategy_count; i++)
    if (strcmp(c->strategies[i].base.name, name) == 0) return c->strategies[i].base.plugin;
  return kind == HADRON_KIND_ALLOCATOR ? c->allocator.plugin : name;
}

int32_t hd_verify_plugin(struct hd_verify *v, uint32_t kind, const char *name, const char *version, const uint8_t digest[32], const struct hd_plugin **out) {
  char path[HD_PLUGIN_PATH_SIZE], wanted[65], found[65] = "";
  struct hd_fault unused;
  bool replaced = v->options->instead && kind == HADRON_KIND_STRATEGY && strncmp(name, v->options->instead_of, HADRON_NAME_SIZE) == 0;
  const struct hd_plugin *p = replaced ? v->options->instead : hd_plugin_loaded(digest);
  if (!p && v->options->registry && hd_session_open_digest(v->options->registry, digest, &p, &unused)) p = NULL;
  const char *plugin = plugin_named(v, kind, name);
  if (!p && hd_session_plugin_path(&v->config, plugin, path, sizeof path, &unused) == HADRON_OK && hd_plugin_open(path, &hd_lua_language, &p, &unused) == HADRON_OK &&
      memcmp(p->digest, digest, 32) != 0) {
    hd_hex_format(found, p->digest, 32);
    p = NULL;
  }
  if (p) {
    *out = p;
    return HADRON_OK;
  }
  hd_hex_format(wanted, digest, 32);
  return v->code = hd_fault_set(v->fault, HADRON_ERR_NOT_FOUND, "%s %s: the journal was made with version %s, digest %s, which is not to be had: %s%s%s; register that file, or give it by --plugin",
                                hd_kind_name(kind), name, *version ? version : "?", wanted, v->options->registry ? "the registry does not have it" : "there is no registry here",
                                *found ? ", and the plugin path has " : ", nor has the plugin path", found);
}

static const struct hadron_deployment *part_of(void *self, uint32_t kind, const char *name, const char **text) {
  const struct hd_verify *v = self;
  for (uint32_t i = v->part_count; i-- > 0;)
    if (v->parts[i].block.kind == kind && v->parts[i].block.stage == HADRON_DEPLOYMENT_START && strncmp(v->parts[i].block.name, name, sizeof v->parts[i].block.name) == 0) {
      *text = v->parts[i].text;
      return &v->parts[i].block;
    }
  return NULL;
}

static const struct hadron_deployment *part_at(void *self, uint32_t index, const char **text) {
  const struct hd_verify *v = self;
  if (index >= v->part_count) return NULL;
  *text = v->parts[index].text;
  return &v->parts[index].block;
}

static int32_t plugin_of(void *self, const struct hadron_deployment *part, const struct hd_plugin **out, struct hd_fault *fault) {
  struct hd_verify *v = self;
  int32_t code = hd_verify_plugin(v, part->kind, part->name, part->version, part->digest, out);
  if (code && fault != v->fault) *fault = *v->fault;
  return code;
}

// ---- the session ---------------------------------------------------------------------------------------------------------------------

static int32_t configure(struct hd_verify *v, const struct hd_verify_record *first) {
  static struct hd_config_error errors[HD_CONFIG_ERRORS_MAX];
  char name[64];
  uint32_t size, wrong;
  const char *text = hd_verify_text(first, &size);
  snprintf(name, sizeof name, "the configuration in record %llu", (unsigned long long)first->sequence);
  wrong = hd_config_load_text(&v->config, name, text, size, NULL, 0, errors);
  v->configured = true;
  if (wrong) return v->code = hd_fault_set(v->fault, HADRON_ERR_CONFIG, "%s, line %d: %s", name, errors[0].line, errors[0].text);
  if (v->options->plugin_path) hd_text_copy(v->config.plugin_path, sizeof v->config.plugin_path, v->options->plugin_path);
  v->config.measure_every = 0; // nobody reads the times of this run
  if (!v->config.journal_ticks) return v->code = hd_fault_set(v->fault, HADRON_ERR_UNSUPPORTED, "it was recorded without ticks (journal.ticks = false)");
  return HADRON_OK;
}

static int32_t queues_make(struct hd_verify *v) {
  uint32_t shards = v->config.shards;
  v->decided = calloc(shards, sizeof *v->decided);
  v->heard = calloc(shards, sizeof *v->heard);
  if (!v->decided || !v->heard) return v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "queues of %u shards: out of memory", shards);
  for (uint32_t i = 0; i < shards; i++) {
    v->decided[i].size = sizeof(struct hd_verify_batch);
    v->heard[i].size = sizeof(struct hd_feedback);
  }
  return HADRON_OK;
}

static bool has_start(const struct hd_verify *v) { return v->part_count > 0; }

int32_t hd_verify_open(struct hd_verify *v, const struct hd_verify_record *first) {
  const struct hadron_session *begin = first->r.bytes;
  v->recorded = (struct hd_session_recorded){.self = v, .session = *begin, .part = part_of, .at = part_at, .plugin = plugin_of, .write = hd_verify_write, .runs_again = hd_verify_runs_again};
  v->end = (struct hd_verify_end){.dead = false};
  memset(v->barred, 0, sizeof v->barred);
  v->threads = (begin->flags & 2) != 0;
  v->is_virtual = (begin->flags & 4) != 0;
  v->now_ns = begin->time_ns;
  v->has_next = v->out_ended = v->recovered = false;
  v->adopts_to = 0;
  for (size_t i = 0; i < sizeof v->states / sizeof *v->states; i++) v->states[i] = HADRON_VENUE_CONNECTING;
  hd_verify_look_ahead(v, first);
  int32_t code = configure(v, first);
  if (!code) code = read_setup(v);
  if (!code && !has_start(v)) code = hd_fault_set(v->fault, HADRON_ERR_UNSUPPORTED, "it does not say which versions ran; it was written by an older host");
  if (!code) code = queues_make(v);
  if (code) return v->code = code;
  v->recorded.definitions = v->definitions;
  v->recorded.definition_count = v->definition_count;
  for (uint32_t i = 0; i < v->part_count; i++) v->recorded_source |= v->parts[i].block.kind == HADRON_KIND_VENUE && (v->parts[i].block.features & HADRON_VENUE_RECORDED);
  v->session = calloc(1, sizeof *v->session);
  if (!v->session) return v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "a session: out of memory");
  const struct hd_session_options options = {.is_virtual = true, .versions = true, .recorded = &v->recorded, .set = v->options->set};
  if ((code = hd_session_open(v->session, &v->config, &options, v->fault))) return v->code = code;
  v->session->runner.now_ns = v->now_ns;
  for (uint32_t i = 0; i < v->session->arm_count; i++)
    for (uint32_t k = 0; v->barred[v->session->arms[i].id / 64] >> (v->session->arms[i].id % 64) & 1 && k < v->session->arms[i].seat_count; k++) v->session->arms[i].seats[k].fenced = 1;
  hd_verify_look_around(v);
  const struct hd_pipeline *p = &v->session->pipeline;
  for (uint32_t arm = 1; arm <= p->arm_count; arm++) // its records are among those that made the session
    hd_settings_see(v->session->settings, HADRON_MSG_ARM, v->begin, &p->definitions[arm], sizeof p->definitions[arm], NULL, 0);
  hd_verify_listen(v);
  return v->code;
}

void hd_verify_close(struct hd_verify *v) {
  while (v->changes) {
    struct hd_verify_change *c = v->changes;
    v->changes = c->next;
    if (c->met) hd_change_taken(c->change); // the journal ends between the change and what the trading side makes of it
    hd_change_destroy(c->change);
    free(c);
  }
  if (v->session) hd_session_close(v->session);
  free(v->session);
  v->session = NULL;
  for (uint32_t i = 0; v->configured && i < v->config.shards; i++) {
    if (v->decided) free(v->decided[i].bytes);
    if (v->heard) free(v->heard[i].bytes);
  }
  free(v->decided);
  free(v->heard);
  v->decided = v->heard = NULL;
  for (uint32_t i = 0; i < v->part_count; i++) free(v->parts[i].text);
  free(v->parts);
  free(v->end.rows);
  v->end.rows = NULL;
  free(v->definitions);
  v->parts = NULL;
  v->definitions = NULL;
  v->part_count = v->definition_count = 0;
  v->recorded_source = false;
  if (v->configured) hd_config_fini(&v->config);
  v->configured = false;
}
