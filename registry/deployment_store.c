#include "registry/deployment_store.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "registry/rollout.h"

const char *hd_revision_state_name(uint32_t state) {
  static const char *const names[] = {"?", "pending", "active", "failed", "superseded"};
  return names[state <= HD_REVISION_SUPERSEDED ? state : 0];
}

// ---- writing ------------------------------------------------------------------------------------------------------------------------------

static int32_t state_add(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, int64_t now_ns, const char *host, const char *error,
                         struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision), HD_SQL_INTEGER(state), HD_SQL_INTEGER(now_ns), HD_SQL_TEXT(host),
                                        HD_SQL_TEXT(error ? error : "")};
  return hd_database_run(d, "INSERT INTO deployment_states (name, revision, number, state, time_ns, host, error) "
                         "SELECT CAST($1 AS TEXT), CAST($2 AS INTEGER), COALESCE(max(number), 0) + 1, CAST($3 AS INTEGER), CAST($4 AS BIGINT), CAST($5 AS TEXT), CAST($6 AS TEXT) "
                         "FROM deployment_states WHERE name = $1 AND revision = $2", values, 6, fault);
}

// The bell of the registry: other hosts read what has changed.
static int32_t change_add(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, const char *who, int64_t now_ns, struct hd_fault *fault) {
  char detail[48];
  snprintf(detail, sizeof detail, "%u %s", revision, hd_revision_state_name(state));
  const struct hd_sql_value values[] = {HD_SQL_INTEGER(now_ns), HD_SQL_TEXT(name), HD_SQL_TEXT(detail), HD_SQL_TEXT(who)};
  return hd_database_run(d, "INSERT INTO registry_changes (time_ns, topic, name, detail, who) VALUES ($1, 'deployment', $2, $3, $4)", values, 4, fault);
}

static int32_t take_number(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  *(uint32_t *)user = (uint32_t)hd_row_integer(row, 0);
  return HADRON_OK;
}

static int32_t supersede(struct hd_database *d, const char *name, int64_t now_ns, const char *host, struct hd_fault *fault) {
  const struct hd_sql_value value = HD_SQL_TEXT(name);
  uint32_t active = 0;
  int32_t code = hd_database_rows(d, "SELECT revision FROM v_deployments WHERE name = $1 AND state = 2 ORDER BY revision DESC LIMIT 1", &value, 1, take_number, &active, fault);
  return code || !active ? code : state_add(d, name, active, HD_REVISION_SUPERSEDED, now_ns, host, NULL, fault);
}

static int32_t end(struct hd_database *d, int32_t code, struct hd_fault *fault) {
  if (!code) return hd_database_commit(d, fault);
  hd_database_rollback(d);
  return code;
}

static int32_t revision_insert(struct hd_database *d, const struct hd_deployment *what, const char *text, const struct hd_revision *r, uint32_t *revision,
                               struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(what->name), HD_SQL_TEXT(what->plugin), HD_SQL_INTEGER(r->time_ns), HD_SQL_TEXT(r->who), HD_SQL_TEXT(r->host),
                                        HD_SQL_TEXT(r->command), HD_SQL_TEXT(r->why), HD_SQL_INTEGER(r->equals), HD_SQL_TEXT(text)};
  int32_t code = hd_database_rows(d, "INSERT INTO deployment_revisions (name, revision, plugin, time_ns, who, host, command, why, equals, what) "
                                  "SELECT CAST($1 AS TEXT), COALESCE(max(revision), 0) + 1, CAST($2 AS TEXT), CAST($3 AS BIGINT), CAST($4 AS TEXT), CAST($5 AS TEXT), "
                                  "CAST($6 AS TEXT), CAST($7 AS TEXT), CAST($8 AS INTEGER), CAST($9 AS TEXT) FROM deployment_revisions WHERE name = $1 RETURNING revision",
                                  values, 9, take_number, revision, fault);
  return code;
}

// One change of a deployment at a time, on all hosts; and what was planned on one state is not made of another.
static int32_t check_turn(struct hd_database *d, const char *name, const struct hd_revision *r, struct hd_fault *fault) {
  const struct hd_sql_value value = HD_SQL_TEXT(name);
  struct hd_revision other;
  uint32_t pending = 0, active = 0;
  int32_t code = hd_database_rows(d, "SELECT revision FROM v_deployments WHERE name = $1 AND state = 1 ORDER BY revision DESC LIMIT 1", &value, 1, take_number, &pending, fault);
  if (!code && pending && !(code = hd_revision_get(d, name, pending, &other, NULL, fault)))
    return hd_fault_set(fault, HADRON_ERR_STATE, "another change is under way: revision %u (%s by %s on %s); ask again when it is done", pending, other.command, other.who, other.host);
  if (!code && r->planned) code = hd_database_rows(d, "SELECT revision FROM v_deployments WHERE name = $1 AND state = 2 ORDER BY revision DESC LIMIT 1", &value, 1, take_number, &active, fault);
  if (!code && r->planned && active != r->base)
    return hd_fault_set(fault, HADRON_ERR_STATE, "expected revision %u to be active, found %u: another change came in between; look and ask again", r->base, active);
  return code;
}

// Who has to agree: the hosts that run it, if there are others than the one that asks.
static int32_t ask_hosts(struct hd_database *d, const struct hd_deployment *what, uint32_t revision, struct hd_revision *r, struct hd_fault *fault) {
  int32_t code = hd_rollout_ask(d, what, revision, r->host, &r->asked, fault);
  if (!code && r->asked) r->state = HD_REVISION_PENDING;
  return code;
}

static int32_t check_alone(struct hd_database *d, const char *name, const struct hd_revision *r, struct hd_fault *fault) {
  uint32_t others = 0;
  int32_t code = r->alone ? hd_rollout_others(d, name, r->host, &others, fault) : HADRON_OK;
  return code || !others ? code : hd_fault_set(fault, HADRON_ERR_EXISTS, "expected no other host to run it, found %u", others);
}

int32_t hd_revision_add(struct hd_database *d, const struct hd_deployment *what, struct hd_revision *r, struct hd_fault *fault) {
  HD_ASSERT(r->state == HD_REVISION_PENDING || r->state == HD_REVISION_ACTIVE);
  uint32_t revision = 0;
  char *text = hd_deployment_text(what);
  if (!text) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", what->name);
  int32_t code = hd_database_begin(d, fault);
  if (!code) {
    code = check_alone(d, what->name, r, fault);
    if (!code) code = check_turn(d, what->name, r, fault);
    if (!code) code = revision_insert(d, what, text, r, &revision, fault);
    if (!code) code = ask_hosts(d, what, revision, r, fault);
    if (!code && r->state == HD_REVISION_ACTIVE) code = supersede(d, what->name, r->time_ns, r->host, fault);
    if (!code) code = state_add(d, what->name, revision, r->state, r->time_ns, r->host, NULL, fault);
    if (!code) code = change_add(d, what->name, revision, r->state, r->who, r->time_ns, fault);
    code = end(d, code, fault);
  }
  free(text);
  if (code) return hd_fault_prefix(fault, "deployment %s: its new revision was not stored: ", what->name);
  hd_text_copy(r->name, sizeof r->name, what->name);
  r->revision = revision;
  r->state_ns = r->time_ns;
  return HADRON_OK;
}

int32_t hd_revision_settle_within(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, const char *error, const char *host, int64_t now_ns,
                                  struct hd_fault *fault) {
  const struct hd_sql_value values[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision)};
  uint32_t was = 0;
  int32_t code = hd_database_rows(d, "SELECT state FROM v_deployments WHERE name = $1 AND revision = $2", values, 2, take_number, &was, fault);
  if (!code && was != HD_REVISION_PENDING)
    code = hd_fault_set(fault, was ? HADRON_ERR_STATE : HADRON_ERR_NOT_FOUND, "deployment %s, revision %u: expected it to be pending, found %s", name, revision,
                        was ? hd_revision_state_name(was) : "no such revision");
  if (!code && state == HD_REVISION_ACTIVE) code = supersede(d, name, now_ns, host, fault);
  if (!code) code = state_add(d, name, revision, state, now_ns, host, error, fault);
  return code ? code : change_add(d, name, revision, state, host, now_ns, fault);
}

int32_t hd_revision_settle(struct hd_database *d, const char *name, uint32_t revision, uint32_t state, const char *error, const char *host, int64_t now_ns,
                           struct hd_fault *fault) {
  int32_t code = hd_database_begin(d, fault);
  return code ? code : end(d, hd_revision_settle_within(d, name, revision, state, error, host, now_ns, fault), fault);
}

// ---- reading ------------------------------------------------------------------------------------------------------------------------------

#define COLUMNS "name, revision, state, equals, time_ns, state_ns, who, host, command, why, error, what"

static void row_read(const struct hd_row *row, struct hd_revision *r) {
  memset(r, 0, sizeof *r);
  hd_text_copy(r->name, sizeof r->name, hd_row_text(row, 0));
  r->revision = (uint32_t)hd_row_integer(row, 1);
  r->state = (uint32_t)hd_row_integer(row, 2);
  r->equals = (uint32_t)hd_row_integer(row, 3);
  r->time_ns = hd_row_integer(row, 4);
  r->state_ns = hd_row_integer(row, 5);
  hd_text_copy(r->who, sizeof r->who, hd_row_text(row, 6));
  hd_text_copy(r->host, sizeof r->host, hd_row_text(row, 7));
  hd_text_copy(r->command, sizeof r->command, hd_row_text(row, 8));
  hd_text_copy(r->why, sizeof r->why, hd_row_text(row, 9));
  hd_text_copy(r->error, sizeof r->error, hd_row_text(row, 10));
}

static int32_t what_read(const struct hd_revision *r, const char *text, struct hd_deployment *what, struct hd_fault *fault) {
  int32_t code = hd_deployment_parse(text, what, fault);
  if (code) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "revision %u of %s in the registry cannot be read: %.700s", r->revision, r->name, fault->text);
  what->revision = r->revision;
  return HADRON_OK;
}

struct one {
  struct hd_revision *out;
  struct hd_deployment *what;
  bool found;
};

static int32_t take_one(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct one *one = user;
  struct hd_revision r;
  row_read(row, &r);
  int32_t code = one->what ? what_read(&r, hd_row_text(row, 11), one->what, fault) : HADRON_OK;
  if (code) return code;
  one->found = true;
  if (one->out) *one->out = r;
  return HADRON_OK;
}

int32_t hd_revision_get(struct hd_database *d, const char *name, uint32_t revision, struct hd_revision *out, struct hd_deployment *what, struct hd_fault *fault) {
  struct one one = {out, what, false};
  const struct hd_sql_value values[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision)};
  int32_t code;
  if (revision) code = hd_database_rows(d, "SELECT " COLUMNS " FROM v_deployments WHERE name = $1 AND revision = $2", values, 2, take_one, &one, fault);
  else code = hd_database_rows(d, "SELECT " COLUMNS " FROM v_deployments WHERE name = $1 AND state = 2 ORDER BY revision DESC LIMIT 1", values, 1, take_one, &one, fault);
  if (code || one.found) return code;
  if (revision) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "deployment %s has no revision %u; `hadron history %s` lists those it has", name, revision, name);
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no active deployment \"%s\" in the registry; `hadron history` lists those that are there", name);
}

struct listing {
  hd_revision_fn *take;
  void *user;
};

static int32_t take_listed(void *user, const struct hd_row *row, struct hd_fault *fault) {
  const struct listing *l = user;
  struct hd_revision r;
  row_read(row, &r);
  return l->take(l->user, &r, hd_row_text(row, 11), fault);
}

int32_t hd_revision_list(struct hd_database *d, const char *name, uint32_t state, hd_revision_fn *take, void *user, struct hd_fault *fault) {
  struct listing l = {take, user};
  const struct hd_sql_value values[] = {HD_SQL_TEXT(name ? name : ""), HD_SQL_INTEGER(state)};
  return hd_database_rows(d, "SELECT " COLUMNS " FROM v_deployments WHERE (CAST($1 AS TEXT) = '' OR name = $1) AND (CAST($2 AS INTEGER) = 0 OR state = $2) ORDER BY name, revision",
                          values, 2, take_listed, &l, fault);
}

// ---- what a rollback goes to ------------------------------------------------------------------------------------------------------------------

struct walk {
  uint32_t before;         // revisions from here on do not count
  const char *different;   // what the active one says
  struct hd_revision *out;
  struct hd_deployment *what;
  bool found;
};

// Ascending: the last one that fits is the one.
static int32_t take_walked(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct walk *w = user;
  if (r->revision >= w->before || strcmp(what, w->different) == 0) return HADRON_OK;
  int32_t code = what_read(r, what, w->what, fault);
  if (code) return code;
  *w->out = *r;
  w->found = true;
  return HADRON_OK;
}

struct active {
  struct hd_revision r;
  char *what; // owned
};

static int32_t take_active(void *user, const struct hd_revision *r, const char *what, struct hd_fault *fault) {
  struct active *a = user;
  free(a->what);
  a->r = *r;
  a->what = strdup(what);
  return a->what ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", r->name);
}

int32_t hd_revision_before(struct hd_database *d, const char *name, struct hd_revision *out, struct hd_deployment *what, struct hd_fault *fault) {
  struct active a = {.what = NULL};
  int32_t code = hd_revision_list(d, name, HD_REVISION_ACTIVE, take_active, &a, fault);
  if (!code && !a.what) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no active deployment \"%s\" in the registry; `hadron history` lists those that are there", name);
  if (code) {
    free(a.what);
    return code;
  }
  uint32_t stands = a.r.equals ? a.r.equals : a.r.revision;
  struct walk w = {stands, a.what, out, what, false};
  code = hd_revision_list(d, name, HD_REVISION_SUPERSEDED, take_walked, &w, fault);
  free(a.what);
  if (code || w.found) {
    if (!code && out->equals && hd_revision_get(d, name, out->equals, out, what, fault)) return fault->code; // where that one stands
    return code;
  }
  return hd_fault_set(fault, HADRON_ERR_STATE, "deployment %s: revision %u%s is the first, nothing different ran before it; name one with --to, `hadron history %s` lists them", name,
                      stands, a.r.equals ? " (where the last rollback went)" : "", name);
}
