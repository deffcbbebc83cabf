#include "registry/deployment_request.h"

#include <math.h>

#include "base/banned.h"
#include "base/text.h"
#include "registry/rollout.h"

static const struct {
  const char *name;
  uint32_t verb;
  bool takes_version, needs_version;
} verbs[] = {
    {"enable", HD_VERB_ENABLE, true, false}, {"disable", HD_VERB_DISABLE, true, false}, {"reload", HD_VERB_RELOAD, false, false},
    {"deploy", HD_VERB_DEPLOY, false, false}, {"ab", HD_VERB_AB, false, false}, {"promote", HD_VERB_PROMOTE, true, true},
    {"rollback", HD_VERB_ROLLBACK, false, false}, {"arrive", HD_VERB_ARRIVE, true, true}, {"demote", HD_VERB_DEMOTE, true, true},
    {"follow", HD_VERB_FOLLOW, false, false},
};

const char *hd_deployment_verb_name(uint32_t verb) {
  for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
    if (verbs[i].verb == verb) return verbs[i].name;
  return "?";
}

// ---- reading --------------------------------------------------------------------------------------------------------------------------------

static int32_t wrong(struct hd_fault *fault, const char *command, const char *field, const char *expected) {
  return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: %s: expected %s", command, field, expected);
}

static bool text_of(const json_t *json, const char *key, char *to, size_t size) {
  const json_t *v = json_object_get(json, key);
  if (!v || json_is_null(v)) return *to = 0, true;
  return json_is_string(v) && hd_text_copy(to, size, json_string_value(v));
}

static int32_t read_share(const char *command, const json_t *row, struct hd_deployment_share *out, struct hd_fault *fault) {
  const json_t *weight = json_object_get(row, "weight");
  if (!text_of(row, "version", out->version, sizeof out->version) || !hd_version_valid(out->version)) return wrong(fault, command, "arms", "versions like \"1.2.0\"");
  if (!json_is_number(weight) || !(json_number_value(weight) > 0) || !isfinite(json_number_value(weight))) return wrong(fault, command, "arms", "weights above 0");
  out->weight = json_number_value(weight);
  return HADRON_OK;
}

static int32_t read_ab(struct hd_deployment_request *q, const json_t *json, struct hd_fault *fault) {
  const json_t *arms = json_object_get(json, "arms"), *shadows = json_object_get(json, "shadows");
  char split[16];
  if (!json_is_array(arms) || json_array_size(arms) > HD_DEPLOYMENT_ARMS_MAX) return wrong(fault, "ab", "arms", "a list of at most 8 like {\"version\":\"1.0.0\",\"weight\":0.5}");
  if (shadows && (!json_is_array(shadows) || json_array_size(shadows) > HD_DEPLOYMENT_ARMS_MAX)) return wrong(fault, "ab", "shadows", "a list of at most 8 versions");
  if (!text_of(json, "split", split, sizeof split)) return wrong(fault, "ab", "split", "capital or instrument");
  q->split = !*split || strcmp(split, "capital") == 0 ? HD_SPLIT_CAPITAL : strcmp(split, "instrument") == 0 ? HD_SPLIT_INSTRUMENT : 0;
  if (!q->split) return wrong(fault, "ab", "split", "capital or instrument");
  for (size_t i = 0; i < json_array_size(arms); i++) {
    int32_t code = read_share("ab", json_array_get(arms, i), &q->shares[q->share_count++], fault);
    if (code) return code;
  }
  for (size_t i = 0; i < json_array_size(shadows); i++) {
    const char *version = json_string_value(json_array_get(shadows, i));
    if (!version || !hd_version_valid(version)) return wrong(fault, "ab", "shadows", "versions like \"1.2.0\"");
    hd_text_copy(q->shadows[q->shadow_count++].version, sizeof q->shadows->version, version);
  }
  return HADRON_OK;
}

struct mistakes {
  struct hd_fault *fault;
  uint32_t count;
};
static void on_wrong(void *user, const char *path, const char *text) {
  struct mistakes *m = user;
  if (m->count++ == 0) hd_fault_set(m->fault, HADRON_ERR_ARGUMENT, "deploy: %s%s%s", path, *path ? ": " : "", text);
}

static int32_t read_deployment(struct hd_deployment_request *q, const json_t *json, struct hd_fault *fault) {
  struct mistakes m = {fault, 0};
  q->deployment = malloc(sizeof *q->deployment);
  if (!q->deployment) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deploy: out of memory");
  if (hd_deployment_read(json_object_get(json, "deployment"), q->deployment, on_wrong, &m)) return HADRON_ERR_ARGUMENT;
  hd_text_copy(q->name, sizeof q->name, q->deployment->name);
  return HADRON_OK;
}

static int32_t read_common(struct hd_deployment_request *q, const json_t *json, bool takes, bool needs, struct hd_fault *fault) {
  const char *command = hd_deployment_verb_name(q->verb);
  if (!text_of(json, "why", q->why, sizeof q->why)) return wrong(fault, command, "why", "a text of at most 255 bytes");
  if (q->verb == HD_VERB_DEPLOY) return read_deployment(q, json, fault);
  if (!text_of(json, "name", q->name, sizeof q->name) || !hd_name_valid(q->name)) return wrong(fault, command, "name", "the name of a deployment: a-z, 0-9, _ and -");
  if (!text_of(json, "version", q->version, sizeof q->version) || (*q->version && (!takes || !hd_version_valid(q->version))))
    return wrong(fault, command, "version", takes ? "a version like \"1.2.0\"" : "none");
  if (needs && !*q->version) return wrong(fault, command, "version", "a version like \"1.2.0\"");
  return q->verb == HD_VERB_AB ? read_ab(q, json, fault) : HADRON_OK;
}

int32_t hd_deployment_request_init(struct hd_deployment_request *q, const json_t *json, struct hd_fault *fault) {
  const char *command = json_string_value(json_object_get(json, "command"));
  const json_t *to = json_object_get(json, "to");
  memset(q, 0, sizeof *q);
  size_t i = 0;
  while (command && i < sizeof verbs / sizeof *verbs && strcmp(verbs[i].name, command) != 0) i++;
  if (!command || i == sizeof verbs / sizeof *verbs || verbs[i].verb >= HD_VERB_ARRIVE) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "there is no such command for a deployment");
  q->verb = verbs[i].verb;
  const json_t *accept = json_object_get(json, "accept_difference");
  if (accept && !(json_is_number(accept) && json_number_value(accept) >= 0 && json_number_value(accept) <= 1)) return wrong(fault, command, "accept_difference", "a share from 0 to 1");
  q->accept = json_number_value(accept);
  if (to && (!json_is_integer(to) || json_integer_value(to) < 1 || json_integer_value(to) > INT32_MAX)) return wrong(fault, command, "to", "the number of a revision, from 1 on");
  q->to = (uint32_t)json_integer_value(to);
  const json_t *placement = json_object_get(json, "placement");
  if (placement && !(q->verb == HD_VERB_ENABLE && json_is_string(placement) && (q->placement = hd_choice_parse(HD_DEPLOYMENT_PLACEMENTS, json_string_value(placement)))))
    return wrong(fault, command, "placement", q->verb == HD_VERB_ENABLE ? "one of: " HD_DEPLOYMENT_PLACEMENTS : "none");
  int32_t code = read_common(q, json, verbs[i].takes_version, verbs[i].needs_version, fault);
  if (code) hd_deployment_request_fini(q);
  return code;
}

void hd_deployment_request_fini(struct hd_deployment_request *q) {
  free(q->deployment);
  q->deployment = NULL;
}

void hd_deployment_request_words(const struct hd_deployment_request *q, char *to, size_t size) {
  int n = snprintf(to, size, "%s %s%s%s", hd_deployment_verb_name(q->verb), q->name, *q->version ? "@" : "", q->version);
  size_t at = n > 0 ? (size_t)n : 0;
  for (uint32_t i = 0; i < q->share_count && at < size; i++) at += (size_t)snprintf(to + at, size - at, " %s=%g", q->shares[i].version, q->shares[i].weight);
  for (uint32_t i = 0; i < q->shadow_count && at < size; i++) at += (size_t)snprintf(to + at, size - at, " --shadow %s", q->shadows[i].version);
  char placement[16];
  if (q->placement && at < size) hd_choice_format(placement, sizeof placement, HD_DEPLOYMENT_PLACEMENTS, q->placement), at += (size_t)snprintf(to + at, size - at, " --placement %s", placement);
  if (q->to && at < size) at += (size_t)snprintf(to + at, size - at, " --to %u", q->to);
  if (*q->why && at < size) snprintf(to + at, size - at, ": %s", q->why);
}

// ---- what comes of it -------------------------------------------------------------------------------------------------------------------------

static int32_t find_base(struct hd_registry *r, const char *name, const struct hd_deployment *runs, struct hd_deployment *base, struct hd_fault *fault) {
  memset(base, 0, sizeof *base);
  int32_t code = hd_revision_get(hd_registry_database(r), name, 0, NULL, base, fault);
  if (code != HADRON_ERR_NOT_FOUND) return code;
  if (runs) *base = *runs;
  return HADRON_OK;
}

// A version that has been in a revision is no newcomer: whoever took it out meant it.
struct newcomer {
  char words[HADRON_VERSION_SIZE + 16];
  bool known;
};

static int32_t look_for(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct newcomer *n = user;
  (void)r, (void)fault;
  n->known |= strstr(what, n->words) != NULL;
  return HADRON_OK;
}

static int32_t arrive(struct hd_registry *r, const struct hd_deployment_request *q, struct hd_deployment *d, struct hd_fault *fault) {
  struct newcomer n = {.known = false};
  snprintf(n.words, sizeof n.words, "\"version\":\"%s\"", q->version);
  int32_t code = hd_revision_list(hd_registry_database(r), q->name, 0, look_for, &n, fault);
  if (!code && !n.known) hd_deployment_arrive(d, q->version);
  return code;
}

static int32_t apply(struct hd_registry *r, const struct hd_deployment_request *q, struct hd_deployment *d, uint32_t *equals, struct hd_fault *fault) {
  const char *version = *q->version ? q->version : NULL;
  struct hd_revision to;
  struct hd_version newest;
  int32_t code;
  switch (q->verb) {
  case HD_VERB_ENABLE:
    if (!(code = hd_deployment_enable(d, version, fault)) && q->placement) d->placement = q->placement;
    return code;
  case HD_VERB_DISABLE: return hd_deployment_disable(d, version, fault);
  case HD_VERB_PROMOTE: return hd_deployment_promote(d, version, fault);
  case HD_VERB_DEMOTE: return hd_deployment_demote(d, version, q->shares[0].version[0] ? q->shares[0].version : NULL, fault);
  case HD_VERB_ARRIVE: return arrive(r, q, d, fault);
  case HD_VERB_AB: return hd_deployment_ab(d, q->shares, q->share_count, q->split, q->shadows, q->shadow_count, fault);
  case HD_VERB_DEPLOY: *d = *q->deployment; return HADRON_OK;
  case HD_VERB_RELOAD:
    code = hd_registry_find(r, d->plugin, NULL, &newest, fault);
    if (code || strcmp(newest.version, d->arms[0].version) == 0) return code;
    return hd_deployment_promote(d, newest.version, fault);
  case HD_VERB_ROLLBACK:
    if (q->to) code = hd_revision_get(hd_registry_database(r), q->name, q->to, &to, d, fault);
    else code = hd_revision_before(hd_registry_database(r), q->name, &to, d, fault);
    if (code) return code;
    *equals = to.equals ? to.equals : to.revision;
    return HADRON_OK;
  default: return hd_fault_set(fault, HADRON_ERR_INTERNAL, "no such verb");
  }
}

static const struct hd_deployment_arm *same_artifact(const struct hd_deployment *base, const uint8_t digest[32]) {
  for (uint32_t i = 0; i < base->arm_count; i++)
    if (memcmp(base->arms[i].digest, digest, 32) == 0) return &base->arms[i];
  return NULL;
}

// Every arm gets the digest that its version is bound to; what is not there already must be allowed today.
int32_t hd_deployment_admit(struct hd_registry *r, const struct hd_deployment *base, struct hd_deployment *d, struct hd_fault *fault) {
  static const uint8_t none[32];
  for (uint32_t i = 0; i < d->arm_count; i++) {
    struct hd_deployment_arm *arm = &d->arms[i];
    struct hd_version v;
    if (memcmp(arm->digest, none, 32) != 0 && strcmp(base->plugin, d->plugin) == 0 && same_artifact(base, arm->digest)) continue; // it runs
    int32_t code = hd_registry_find(r, d->plugin, arm->version, &v, fault);
    if (code) return hd_fault_prefix(fault, "deployment %s: ", d->name);
    if (memcmp(arm->digest, none, 32) != 0 && memcmp(arm->digest, v.digest, 32) != 0)
      return hd_fault_set(fault, HADRON_ERR_CORRUPT, "deployment %s: %s@%s has another artifact in the registry (%.12s) than in the deployment; leave `digest` out to take the registry's",
                          d->name, d->plugin, arm->version, v.digest_text);
    if ((code = hd_registry_admit(r, &v, fault))) return hd_fault_prefix(fault, "deployment %s: %s@%s: ", d->name, d->plugin, arm->version);
    if (i == 0) d->kind = v.kind;
    if (v.kind != d->kind) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "deployment %s: %s@%s is a %s, expected a %s", d->name, d->plugin, arm->version, hd_kind_name(v.kind), hd_kind_name(d->kind));
    memcpy(arm->digest, v.digest, 32);
  }
  return HADRON_OK;
}

// `enable` of a strategy that no configuration and no deployment has: the newest version of the plugin of this name, or the one that was named.
static int32_t open_registered(struct hd_registry *r, const struct hd_deployment_request *q, struct hd_deployment *want, struct hd_fault *fault) {
  struct hd_version v;
  int32_t code = hd_registry_find(r, q->name, *q->version ? q->version : NULL, &v, fault);
  if (code == HADRON_ERR_NOT_FOUND && !*q->version)
    return hd_fault_set(fault, code, "there is no deployment \"%s\", no section of the configuration, and no plugin of this name in the registry; `hadron registry add FILE` registers one, "
                        "`hadron history` lists the deployments", q->name);
  if (code) return code;
  if (v.kind != HADRON_KIND_STRATEGY)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s@%s is a %s, expected a strategy; others run as the configuration says", v.name, v.version, hd_kind_name(v.kind));
  hd_deployment_init(want, q->name, q->name);
  want->arm_count = 1;
  want->arms[0] = (struct hd_deployment_arm){.role = HD_DEPLOYMENT_LIVE, .weight = 1};
  hd_text_copy(want->arms[0].version, sizeof want->arms[0].version, v.version);
  return HADRON_OK;
}

// What was left out: as before, else this host and the share that it offers.
static void seat_defaults(const struct hd_deployment_request *q, const struct hd_deployment *base, struct hd_deployment *want) {
  bool before = *base->name != 0;
  if (!*want->hosts) hd_text_copy(want->hosts, sizeof want->hosts, before ? base->hosts : q->host);
  if (want->cash.micros == 0) want->cash = before && base->cash.micros ? base->cash : q->cash;
}

int32_t hd_deployment_plan(struct hd_registry *r, const struct hd_deployment_request *q, const struct hd_deployment *runs, struct hd_deployment *base,
                           struct hd_deployment *want, uint32_t *equals, struct hd_fault *fault) {
  *equals = 0;
  int32_t code = find_base(r, q->name, runs, base, fault);
  if (code) return code;
  bool opens = !*base->name && q->verb == HD_VERB_ENABLE && *q->host;
  if (!*base->name && q->verb != HD_VERB_DEPLOY && !opens)
    return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no deployment \"%s\"; a strategy of the configuration becomes one when `hadron run` has started with it, others come by "
                        "`hadron enable NAME` of a registered strategy, or `hadron deploy FILE`; `hadron history` lists them", q->name);
  *want = *base;
  code = opens ? open_registered(r, q, want, fault) : apply(r, q, want, equals, fault);
  if (!code && *q->host && want->kind == HADRON_KIND_STRATEGY) seat_defaults(q, base, want);
  if (!code) code = hd_deployment_admit(r, base, want, fault);
  if (!code) code = hd_deployment_good(want, fault);
  want->revision = base->revision;
  return code;
}

// ---- history ------------------------------------------------------------------------------------------------------------------------------------

static void add_line(void *user, const char *text) { json_array_append_new(user, json_string(text)); }

json_t *hd_deployment_changes(const struct hd_deployment *from, const struct hd_deployment *to) {
  json_t *lines = json_array();
  struct hd_deployment *nothing = lines && !*from->name ? malloc(sizeof *nothing) : NULL; // what a new one says beyond the defaults
  if (nothing) hd_deployment_init(nothing, to->name, to->plugin);
  if (lines) hd_deployment_diff(nothing ? nothing : from, to, add_line, lines);
  free(nothing);
  return lines;
}

struct history {
  struct hd_database *database;
  json_t *rows;
  struct hd_deployment *last, *this; // owned; last->name "": none
};

static json_t *time_json(int64_t ns) {
  char text[40];
  hd_time_format(text, sizeof text, ns, 3);
  return json_string(text);
}

static int32_t history_row(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct history *h = user;
  json_t *json = json_loads(what, 0, NULL);
  int32_t code = hd_deployment_parse(what, h->this, fault);
  if (code) return hd_fault_prefix(fault, "revision %u of %s: ", r->revision, r->name);
  if (strcmp(h->last->name, h->this->name) != 0) memset(h->last, 0, sizeof *h->last);
  json_t *row = json_pack("{s:s, s:I, s:s, s:o, s:s, s:s, s:s, s:s}", "name", r->name, "revision", (json_int_t)r->revision, "state", hd_revision_state_name(r->state),
                          "time", time_json(r->time_ns), "who", r->who, "host", r->host, "command", r->command, "why", r->why);
  if (r->equals) json_object_set_new(row, "equals", json_integer(r->equals));
  if (*r->error) json_object_set_new(row, "error", json_string(r->error));
  json_t *asked = hd_rollout_parties(h->database, r->name, r->revision, fault);
  if (asked && json_array_size(asked)) json_object_set(row, "hosts", asked);
  json_decref(asked);
  json_object_set_new(row, "settled", time_json(r->state_ns));
  json_object_set_new(row, "changes", *h->last->name ? hd_deployment_changes(h->last, h->this) : json_array());
  json_object_set_new(row, "what", json);
  json_array_append_new(h->rows, row);
  if (r->state == HD_REVISION_ACTIVE || r->state == HD_REVISION_SUPERSEDED) *h->last = *h->this; // what it ran after
  return HADRON_OK;
}

json_t *hd_deployment_history(struct hd_database *d, const char *name, struct hd_fault *fault) {
  struct history h = {d, json_array(), calloc(1, sizeof *h.last), calloc(1, sizeof *h.this)};
  int32_t code = h.rows && h.last && h.this ? hd_revision_list(d, name, 0, history_row, &h, fault) : hd_fault_set(fault, HADRON_ERR_MEMORY, "history: out of memory");
  if (!code && name && json_array_size(h.rows) == 0)
    code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no deployment \"%s\" in the registry; `hadron history` lists those that are there", name);
  free(h.last);
  free(h.this);
  if (!code) return h.rows;
  json_decref(h.rows);
  return NULL;
}
