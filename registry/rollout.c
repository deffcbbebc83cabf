// Who is asked about a revision, what they answer, and what comes of it: one transaction, whoever asks for it.
#include "registry/rollout.h"

#include <stdarg.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"

#define NOW "(SELECT now_ns FROM v_clock)"
#define PARTIES_MAX 64 // hosts asked by one revision

void hd_rollout_artifacts(const struct hd_deployment *d, char to[HD_ARTIFACTS_SIZE]) {
  size_t at = 0;
  hd_text_copy(to, HD_ARTIFACTS_SIZE, d->enabled ? "" : "disabled");
  for (uint32_t i = 0; d->enabled && i < d->arm_count && at < HD_ARTIFACTS_SIZE; i++) {
    char hex[65];
    hd_hex_format(hex, d->arms[i].digest, 32);
    at += (size_t)snprintf(to + at, HD_ARTIFACTS_SIZE - at, "%s%s=%s", i ? " " : "", d->arms[i].version, hex);
  }
}

// ---- asking -------------------------------------------------------------------------------------------------------------------------------

struct asking {
  const char *self;
  uint32_t count, others;
  char hosts[PARTIES_MAX][HD_HOST_SIZE];
};

static int32_t take_host(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct asking *a = user;
  if (a->count == PARTIES_MAX) return hd_fault_set(fault, HADRON_ERR_FULL, "expected at most %d hosts that run it, found more", PARTIES_MAX);
  hd_text_copy(a->hosts[a->count], HD_HOST_SIZE, hd_row_text(row, 0));
  a->others += strcmp(a->hosts[a->count++], a->self) != 0;
  return HADRON_OK;
}

struct matching {
  const struct hd_deployment *what;
  struct asking *asking;
};

static int32_t find_hosts(struct hd_database *d, const char *name, struct asking *a, struct hd_fault *fault) {
  const struct hd_sql_value v = HD_SQL_TEXT(name);
  return hd_database_rows(d, "SELECT h.host FROM registry_hosts h JOIN registry_reports r ON r.host = h.host WHERE h.state = 1 AND r.deployment = $1 ORDER BY h.host", &v, 1,
                          take_host, a, fault);
}

static int32_t take_match(void *user, const struct hd_host *h, struct hd_fault *fault) {
  struct matching *m = user;
  if (h->state != HD_HOST_RUNNING || !hd_deployment_here(m->what, h->host)) return HADRON_OK;
  for (uint32_t i = 0; i < m->asking->count; i++)
    if (strcmp(m->asking->hosts[i], h->host) == 0) return HADRON_OK;
  if (m->asking->count == PARTIES_MAX) return hd_fault_set(fault, HADRON_ERR_FULL, "expected at most %d hosts that run it, found more", PARTIES_MAX);
  hd_text_copy(m->asking->hosts[m->asking->count], HD_HOST_SIZE, h->host);
  m->asking->others += strcmp(m->asking->hosts[m->asking->count++], m->asking->self) != 0;
  return HADRON_OK;
}

int32_t hd_rollout_others(struct hd_database *d, const char *name, const char *self, uint32_t *count, struct hd_fault *fault) {
  struct asking a = {.self = self};
  int32_t code = find_hosts(d, name, &a, fault);
  *count = a.others;
  return code;
}

int32_t hd_rollout_ask(struct hd_database *d, const struct hd_deployment *what, uint32_t revision, const char *asker, uint32_t *count, struct hd_fault *fault) {
  struct asking a = {.self = asker};
  struct matching m = {what, &a};
  *count = 0;
  int32_t code = find_hosts(d, what->name, &a, fault);
  if (!code && *what->hosts) code = hd_host_list(d, take_match, &m, fault); // they will
  if (code || a.others == 0) return code;
  for (uint32_t i = 0; i < a.count && !code; i++) {
    const struct hd_sql_value v[] = {HD_SQL_TEXT(what->name), HD_SQL_INTEGER(revision), HD_SQL_TEXT(a.hosts[i])};
    code = hd_database_run(d, "INSERT INTO deployment_parties (name, revision, host, state, digest, error, time_ns) VALUES ($1, $2, $3, 1, '', '', " NOW ")", v, 3, fault);
  }
  if (!code) *count = a.count;
  return code;
}

int32_t hd_rollout_report(struct hd_database *d, const char *name, uint32_t revision, const char *host, uint32_t state, const char *digest, const char *error,
                          struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision), HD_SQL_TEXT(host), HD_SQL_INTEGER(state), HD_SQL_TEXT(digest ? digest : ""),
                                   HD_SQL_TEXT(error ? error : "")};
  return hd_database_run(d, "UPDATE deployment_parties SET state = $4, digest = $5, error = $6, time_ns = " NOW " WHERE name = $1 AND revision = $2 AND host = $3 AND state <> 4 "
                         "AND ($4 <> 2 OR state IN (1, 2))", v, 6,
                         fault);
}

// ---- deciding -----------------------------------------------------------------------------------------------------------------------------

struct deciding {
  const char *expected;     // artifacts
  bool hurries;             // what stops something does not wait for who is away
  struct hd_rollout *out;
  uint32_t staged;
};

__attribute__((format(printf, 2, 3))) static void refuse(struct deciding *g, const char *format, ...) {
  va_list arguments;
  if (*g->out->error) return; // the first reason is the reason
  va_start(arguments, format);
  vsnprintf(g->out->error, sizeof g->out->error, format, arguments);
  va_end(arguments);
}

// "1.1.0=9f86d081884c...": enough to tell two of them apart. Two texts at once.
static const char *brief(const char *artifacts, char to[256]) {
  size_t at = 0;
  for (const char *p = artifacts; *p && at < 255;) {
    const char *equal = strchr(p, '=');
    size_t word = strcspn(p, " "), shown = equal && (size_t)(equal - p) < word ? (size_t)(equal - p) + 17 : word;
    if (shown > word) shown = word;
    int n = snprintf(to + at, 256 - at, "%s%.*s", at ? " " : "", (int)shown, p);
    if (n < 0 || (size_t)n >= 256 - at) break;
    at += (size_t)n;
    p += word + (p[word] == ' ');
  }
  if (at == 0) hd_text_copy(to, 256, "nothing");
  return to;
}

// One host that was asked. Columns: host, state, digest, error, time; of the host: state, seen, stale after; now.
static int32_t take_party(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct deciding *g = user;
  const char *host = hd_row_text(row, 0), *digest = hd_row_text(row, 2);
  uint32_t state = (uint32_t)hd_row_integer(row, 1), host_state = (uint32_t)hd_row_integer(row, 5);
  int64_t now_ns = hd_row_integer(row, 8), silent_ns = now_ns - hd_row_integer(row, 6), stale_ns = hd_row_integer(row, 7), since_ns = now_ns - hd_row_integer(row, 4);
  char expected[256], found[256];
  (void)fault;
  g->out->asked++;
  bool away = host_state == HD_HOST_GONE || host_state == 0 || silent_ns > stale_ns;
  if (host_state == HD_HOST_STOPPED || (away && g->hurries)) return HADRON_OK; // takes what is active when it starts, or is back
  if (state == HD_PARTY_FAILED) refuse(g, "host %s: %s", host, hd_row_text(row, 3));
  else if (host_state == HD_HOST_GONE || host_state == 0) refuse(g, "host %s: expected it to stage this, found that it has gone: its process is not there any more", host);
  else if (away)
    refuse(g, "host %s: expected a sign of life within %lld s, found none for %lld s; what it runs is not known. If it will not come back: hadron registry hosts --forget %s", host,
           (long long)(stale_ns / 1000000000), (long long)(silent_ns / 1000000000), host);
  else if (state == HD_PARTY_STAGED && strcmp(digest, g->expected) != 0)
    refuse(g, "host %s: expected artifact %s, found %s", host, brief(g->expected, expected), brief(digest, found));
  else if (state != HD_PARTY_STAGED && since_ns > HD_ROLLOUT_ANSWER_NS)
    refuse(g, "host %s: expected an answer within %lld s, found none", host, (long long)(HD_ROLLOUT_ANSWER_NS / 1000000000));
  else if (state == HD_PARTY_STAGED) g->staged++;
  else g->out->waiting++;
  return HADRON_OK;
}

struct standing {
  uint32_t state;
  char command[32], host[HD_HOST_SIZE], error[512];
};

static int32_t take_standing(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct standing *s = user;
  (void)fault;
  s->state = (uint32_t)hd_row_integer(row, 0);
  hd_text_copy(s->command, sizeof s->command, hd_row_text(row, 1));
  hd_text_copy(s->host, sizeof s->host, hd_row_text(row, 2));
  hd_text_copy(s->error, sizeof s->error, hd_row_text(row, 3));
  return HADRON_OK;
}

static int32_t take_state(void *user, const struct hd_row *row, struct hd_fault *fault) {
  (void)fault;
  *(uint32_t *)user = (uint32_t)hd_row_integer(row, 0);
  return HADRON_OK;
}

// It asked nobody, so its host alone says what became of it: unless that will never speak again.
static int32_t decide_alone(struct hd_database *d, const struct standing *s, struct hd_rollout *out, struct hd_fault *fault) {
  const struct hd_sql_value host = HD_SQL_TEXT(s->host);
  uint32_t state = 0;
  int32_t code = hd_database_rows(d, "SELECT state FROM registry_hosts WHERE host = $1", &host, 1, take_state, &state, fault);
  if (!code && state != HD_HOST_RUNNING) snprintf(out->error, sizeof out->error, "host %.63s, which began it, %s before it said what became of it", s->host,
                                                  state == HD_HOST_STOPPED ? "stopped" : "has gone");
  return code;
}

static int32_t judge(struct hd_database *d, const char *name, uint32_t revision, const struct standing *s, struct hd_rollout *out, bool *active, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision)};
  char expected[HD_ARTIFACTS_SIZE];
  struct hd_deployment *what = malloc(sizeof *what);
  struct deciding g = {.expected = expected, .out = out, .hurries = strcmp(s->command, "disable") == 0 || strcmp(s->command, "demote") == 0};
  if (!what) return hd_fault_set(fault, HADRON_ERR_MEMORY, "deployment %s: out of memory", name);
  int32_t code = hd_revision_get(d, name, revision, NULL, what, fault);
  if (!code) hd_rollout_artifacts(what, expected);
  free(what);
  if (!code)
    code = hd_database_rows(d, "SELECT p.host, p.state, p.digest, p.error, p.time_ns, h.state, h.seen_ns, h.stale_ns, " NOW " FROM deployment_parties p "
                            "LEFT JOIN registry_hosts h ON h.host = p.host WHERE p.name = $1 AND p.revision = $2 ORDER BY p.host", v, 2, take_party, &g, fault);
  if (!code && out->asked == 0) return decide_alone(d, s, out, fault);
  if (!code && !*out->error && !out->waiting && !g.staged && !g.hurries) refuse(&g, "expected a host that stages this, found that all who were asked have stopped");
  *active = !code && !*out->error && !out->waiting;
  return code;
}

int32_t hd_rollout_decide(struct hd_database *d, const char *name, uint32_t revision, const char *by, struct hd_rollout *out, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision)};
  struct standing s = {0};
  bool active = false;
  *out = (struct hd_rollout){0};
  int32_t code = hd_database_begin(d, fault);
  if (code) return code;
  code = hd_database_rows(d, "SELECT state, command, host, error FROM v_deployments WHERE name = $1 AND revision = $2", v, 2, take_standing, &s, fault);
  if (!code && s.state == 0) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "deployment %s has no revision %u; `hadron history %s` lists those it has", name, revision, name);
  out->state = s.state;
  if (!code && s.state == HD_REVISION_PENDING) code = judge(d, name, revision, &s, out, &active, fault);
  else hd_text_copy(out->error, sizeof out->error, s.error);
  bool decided = !code && s.state == HD_REVISION_PENDING && (active || *out->error);
  if (decided) code = hd_revision_settle_within(d, name, revision, active ? HD_REVISION_ACTIVE : HD_REVISION_FAILED, out->error, by, hd_clock_wall_ns(), fault);
  if (!decided || code) hd_database_rollback(d);
  else code = hd_database_commit(d, fault);
  if (decided && !code) {
    out->state = active ? HD_REVISION_ACTIVE : HD_REVISION_FAILED;
    out->fresh = true;
  }
  return code;
}

struct pending {
  uint32_t revisions[16], count; // more: the next time
};

static int32_t take_pending(void *user, const struct hd_row *row, struct hd_fault *fault) {
  struct pending *p = user;
  (void)fault;
  if (p->count < 16) p->revisions[p->count++] = (uint32_t)hd_row_integer(row, 0);
  return HADRON_OK;
}

int32_t hd_rollout_clear(struct hd_database *d, const char *name, const char *by, struct hd_fault *fault) {
  const struct hd_sql_value v = HD_SQL_TEXT(name);
  struct pending p = {.count = 0};
  struct hd_rollout out;
  int32_t code = hd_database_rows(d, "SELECT revision FROM v_deployments WHERE name = $1 AND state = 1 ORDER BY revision", &v, 1, take_pending, &p, fault);
  for (uint32_t i = 0; i < p.count && !code; i++) code = hd_rollout_decide(d, name, p.revisions[i], by, &out, fault);
  return code;
}

// ---- looking ------------------------------------------------------------------------------------------------------------------------------

struct listing {
  hd_rollout_fn *take;
  void *user;
  const char *self;
};

static bool runs_here(const char *text, const char *host) {
  struct hd_deployment *what = malloc(sizeof *what);
  struct hd_fault fault;
  bool here = what && hd_deployment_parse(text, what, &fault) == HADRON_OK && hd_deployment_here(what, host);
  free(what);
  return here;
}

static int32_t take_row(void *user, const struct hd_row *row, struct hd_fault *fault) {
  const struct listing *l = user;
  struct hd_rollout_row r = {.revision = (uint32_t)hd_row_integer(row, 1), .state = (uint32_t)hd_row_integer(row, 2), .asked = (uint32_t)hd_row_integer(row, 6)};
  hd_text_copy(r.name, sizeof r.name, hd_row_text(row, 0));
  hd_text_copy(r.host, sizeof r.host, hd_row_text(row, 3));
  hd_text_copy(r.command, sizeof r.command, hd_row_text(row, 4));
  hd_text_copy(r.who, sizeof r.who, hd_row_text(row, 5));
  r.here = strstr(hd_row_text(row, 7), "\"hosts\":") && runs_here(hd_row_text(row, 7), l->self);
  return l->take(l->user, &r, fault);
}

int32_t hd_rollout_list(struct hd_database *d, const char *self, hd_rollout_fn *take, void *user, struct hd_fault *fault) {
  struct listing l = {take, user, self};
  const struct hd_sql_value v = HD_SQL_TEXT(self);
  return hd_database_rows(d, "SELECT v.name, v.revision, v.state, v.host, v.command, v.who, p.state, v.what FROM v_deployments v LEFT JOIN deployment_parties p "
                          "ON p.name = v.name AND p.revision = v.revision AND p.host = $1 WHERE v.state IN (1, 2) ORDER BY v.name, v.revision", &v, 1, take_row, &l, fault);
}

static int32_t add_party(void *user, const struct hd_row *row, struct hd_fault *fault) {
  static const char *const states[] = {"?", "asked", "staging", "staged", "failed"};
  uint32_t state = (uint32_t)hd_row_integer(row, 1);
  json_t *o = json_pack("{s:s, s:s, s:s}", "host", hd_row_text(row, 0), "state", states[state <= HD_PARTY_FAILED ? state : 0], "artifacts", hd_row_text(row, 2));
  if (!o) return hd_fault_set(fault, HADRON_ERR_MEMORY, "parties: out of memory");
  if (*hd_row_text(row, 3)) json_object_set_new(o, "error", json_string(hd_row_text(row, 3)));
  json_array_append_new(user, o);
  return HADRON_OK;
}

json_t *hd_rollout_parties(struct hd_database *d, const char *name, uint32_t revision, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(name), HD_SQL_INTEGER(revision)};
  json_t *rows = json_array();
  if (rows && !hd_database_rows(d, "SELECT host, state, digest, error FROM deployment_parties WHERE name = $1 AND revision = $2 ORDER BY host", v, 2, add_party, rows, fault)) return rows;
  json_decref(rows);
  return NULL;
}
