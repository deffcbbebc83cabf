// The hosts of a registry: their rows, their signs of life, what they say they run.
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/rollout.h"

#define NOW "(SELECT now_ns FROM v_clock)"

// ---- processes ----------------------------------------------------------------------------------------------------------------------------

// One line of a file of /proc.
static bool proc_line(const char *path, char *to, size_t size) {
  FILE *file = fopen(path, "re");
  bool read = file && fgets(to, (int)size, file);
  if (file) fclose(file);
  if (read) to[strcspn(to, "\n")] = 0;
  return read;
}

// The 22nd field of /proc/PID/stat: when it started; a pid that was given again has another one. The second field may hold anything; the
// third says whether it is dead and waits for its parent to notice.
static bool start_of(long pid, char *to, size_t size) {
  char path[64], line[1024];
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  if (!proc_line(path, line, sizeof line)) return false;
  const char *at = strrchr(line, ')');
  if (at && (strncmp(at, ") Z", 3) == 0 || strncmp(at, ") X", 3) == 0)) return false;
  for (int field = 2; at && field < 22; field++) at = strchr(at + 1, ' ');
  if (!at) return false;
  snprintf(to, size, "%.*s", (int)strcspn(at + 1, " "), at + 1);
  return true;
}

// Processes of two kernels, or of two pid namespaces of one, know nothing of each other.
static bool world(char *to, size_t size) {
  char boot[64], space[64];
  ssize_t n = readlink("/proc/self/ns/pid", space, sizeof space - 1);
  if (n <= 0 || !proc_line("/proc/sys/kernel/random/boot_id", boot, sizeof boot)) return false;
  space[n] = 0;
  return snprintf(to, size, "%s %s", boot, space) < (int)size;
}

void hd_host_process_self(char *to, size_t size) {
  char here[100], start[32];
  *to = 0;
  if (world(here, sizeof here) && start_of(getpid(), start, sizeof start)) snprintf(to, size, "%s %ld %s", here, (long)getpid(), start);
}

// For certain: of this world, and not there.
static bool process_gone(const char *process) {
  char here[100], start[32], now[32];
  long pid;
  size_t n;
  if (!world(here, sizeof here) || (n = strlen(here), strncmp(process, here, n) != 0) || sscanf(process + n, " %ld %31s", &pid, start) != 2) return false;
  return !start_of(pid, now, sizeof now) || strcmp(now, start) != 0;
}

// ---- rows ---------------------------------------------------------------------------------------------------------------------------------

static int32_t end(struct hd_database *d, int32_t code, struct hd_fault *fault) {
  if (!code) return hd_database_commit(d, fault);
  hd_database_rollback(d);
  return code;
}

// Others hear of it by the registry's bell.
static int32_t tell(struct hd_database *d, const char *host, const char *what, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_INTEGER(hd_clock_wall_ns()), HD_SQL_TEXT(host), HD_SQL_TEXT(what)};
  return hd_database_run(d, "INSERT INTO registry_changes (time_ns, topic, name, detail, who) VALUES ($1, 'host', $2, $3, $2)", v, 3, fault);
}

static int32_t row_write(struct hd_database *d, const struct hd_host *self, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(self->host), HD_SQL_TEXT(self->hadron), HD_SQL_TEXT(self->control), HD_SQL_INTEGER(self->stale_ns), HD_SQL_TEXT(self->address),
                                   HD_SQL_TEXT(self->data_dir), HD_SQL_TEXT(self->process)};
  int32_t code = hd_database_run(d, "INSERT INTO registry_hosts (host, started_ns, seen_ns, hadron, control, state, stale_ns, address, data_dir, process) "
                                 "VALUES ($1, " NOW ", " NOW ", $2, $3, 1, $4, $5, $6, $7) ON CONFLICT (host) DO UPDATE SET started_ns = " NOW ", seen_ns = " NOW ", "
                                 "hadron = $2, control = $3, state = 1, stale_ns = $4, address = $5, data_dir = $6, process = $7", v, 7, fault);
  return code ? code : tell(d, self->host, "running", fault);
}

int32_t hd_host_begin(struct hd_database *d, const struct hd_host *self, struct hd_fault *fault) {
  const struct hd_sql_value host = HD_SQL_TEXT(self->host);
  int32_t code = hd_database_begin(d, fault);
  if (code) return hd_fault_prefix(fault, "registering this host: ");
  code = row_write(d, self, fault);
  if (!code)
    code = hd_database_run(d, "UPDATE deployment_parties SET state = 4, error = 'it went down while it was asked', time_ns = " NOW " WHERE host = $1 AND state <> 4 "
                           "AND EXISTS (SELECT 1 FROM v_deployments v WHERE v.name = deployment_parties.name AND v.revision = deployment_parties.revision AND v.state = 1)",
                           &host, 1, fault);
  if (!code) code = hd_database_run(d, "DELETE FROM registry_reports WHERE host = $1", &host, 1, fault);
  code = end(d, code, fault);
  return code ? hd_fault_prefix(fault, "registering this host: ") : HADRON_OK;
}

int32_t hd_host_beat(struct hd_database *d, const struct hd_host *self, bool *back, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(self->host), HD_SQL_TEXT(self->process)};
  *back = false;
  int32_t code = hd_database_run(d, "UPDATE registry_hosts SET seen_ns = " NOW " WHERE host = $1 AND process = $2 AND state = 1", v, 2, fault);
  if (code || hd_database_changed(d)) return code;
  code = hd_database_begin(d, fault);
  if (code) return code;
  code = end(d, row_write(d, self, fault), fault);
  *back = !code;
  return code;
}

int32_t hd_host_end(struct hd_database *d, const struct hd_host *self, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(self->host), HD_SQL_TEXT(self->process)};
  int32_t code = hd_database_begin(d, fault);
  if (code) return code;
  code = hd_database_run(d, "UPDATE registry_hosts SET state = 2, seen_ns = " NOW " WHERE host = $1 AND process = $2", v, 2, fault);
  if (!code && hd_database_changed(d)) code = tell(d, self->host, "stopped", fault);
  return end(d, code, fault);
}

int32_t hd_host_runs(struct hd_database *d, const char *host, const struct hd_deployment *what, const char *error, struct hd_fault *fault) {
  char digest[HD_ARTIFACTS_SIZE];
  hd_rollout_artifacts(what, digest);
  const struct hd_sql_value v[] = {HD_SQL_TEXT(host), HD_SQL_TEXT(what->name), HD_SQL_INTEGER(what->revision), HD_SQL_TEXT(digest), HD_SQL_TEXT(what->enabled ? "enabled" : "disabled"),
                                   HD_SQL_TEXT(error ? error : "")};
  int32_t code = hd_database_begin(d, fault);
  if (code) return code;
  code = hd_database_run(d, "INSERT INTO registry_reports (host, deployment, revision, digest, state, time_ns, error) VALUES ($1, $2, $3, $4, $5, " NOW ", $6) "
                         "ON CONFLICT (host, deployment) DO UPDATE SET revision = $3, digest = $4, state = $5, time_ns = " NOW ", error = $6", v, 6, fault);
  if (!code)
    code = hd_database_run(d, "INSERT INTO deployment_parties (name, revision, host, state, digest, error, time_ns) "
                           "SELECT v.name, v.revision, CAST($1 AS TEXT), 1, '', '', " NOW " FROM v_deployments v WHERE v.name = $2 AND v.state = 1 "
                           "AND EXISTS (SELECT 1 FROM deployment_parties p WHERE p.name = v.name AND p.revision = v.revision) ON CONFLICT (name, revision, host) DO NOTHING",
                           v, 2, fault);
  return end(d, code, fault);
}

int32_t hd_host_runs_no_more(struct hd_database *d, const char *host, const char *deployment, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(host), HD_SQL_TEXT(deployment)};
  return hd_database_run(d, "DELETE FROM registry_reports WHERE host = $1 AND deployment = $2", v, 2, fault);
}

// ---- all of them --------------------------------------------------------------------------------------------------------------------------

struct listing {
  hd_host_fn *take;
  void *user;
};

static int32_t host_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  const struct listing *l = user;
  struct hd_host h = {.started_ns = hd_row_integer(row, 5), .seen_ns = hd_row_integer(row, 6), .stale_ns = hd_row_integer(row, 7), .state = (uint32_t)hd_row_integer(row, 8),
                      .silent_ns = hd_row_integer(row, 10) - hd_row_integer(row, 6)};
  hd_text_copy(h.host, sizeof h.host, hd_row_text(row, 0));
  hd_text_copy(h.address, sizeof h.address, hd_row_text(row, 1));
  hd_text_copy(h.data_dir, sizeof h.data_dir, hd_row_text(row, 2));
  hd_text_copy(h.hadron, sizeof h.hadron, hd_row_text(row, 3));
  hd_text_copy(h.control, sizeof h.control, hd_row_text(row, 4));
  hd_text_copy(h.process, sizeof h.process, hd_row_text(row, 9));
  h.stale = h.state == HD_HOST_RUNNING && h.silent_ns > h.stale_ns;
  return l->take(l->user, &h, fault);
}

int32_t hd_host_list(struct hd_database *d, hd_host_fn *take, void *user, struct hd_fault *fault) {
  struct listing l = {take, user};
  return hd_database_rows(d, "SELECT host, address, data_dir, hadron, control, started_ns, seen_ns, stale_ns, state, process, " NOW " FROM registry_hosts ORDER BY host", NULL, 0,
                          host_take, &l, fault);
}

struct sweeping {
  const char *self;
  uint32_t others, count;
  struct { char host[HD_HOST_SIZE], process[128]; } gone[16]; // more wait for the next time
};

static int32_t sweep_take(void *user, const struct hd_host *h, struct hd_fault *fault) {
  struct sweeping *s = user;
  (void)fault;
  if (h->state != HD_HOST_RUNNING || strcmp(h->host, s->self) == 0) return HADRON_OK;
  bool gone = s->count < 16 && process_gone(h->process);
  s->others += !gone;
  if (!gone) return HADRON_OK;
  hd_text_copy(s->gone[s->count].host, HD_HOST_SIZE, h->host);
  hd_text_copy(s->gone[s->count++].process, sizeof s->gone->process, h->process);
  return HADRON_OK;
}

int32_t hd_host_sweep(struct hd_database *d, const struct hd_host *self, uint32_t *others, struct hd_fault *fault) {
  struct sweeping s = {.self = self ? self->host : ""};
  int32_t code = hd_host_list(d, sweep_take, &s, fault);
  for (uint32_t i = 0; i < s.count && !code; i++) {
    const struct hd_sql_value v[] = {HD_SQL_TEXT(s.gone[i].host), HD_SQL_TEXT(s.gone[i].process)};
    if ((code = hd_database_begin(d, fault))) break;
    code = hd_database_run(d, "UPDATE registry_hosts SET state = 3 WHERE host = $1 AND process = $2 AND state = 1", v, 2, fault);
    if (!code && hd_database_changed(d)) code = tell(d, s.gone[i].host, "gone", fault);
    code = end(d, code, fault);
  }
  if (others) *others = s.others;
  return code;
}

int32_t hd_host_forget(struct hd_database *d, const char *host, const char *who, struct hd_fault *fault) {
  const struct hd_sql_value v[] = {HD_SQL_TEXT(host), HD_SQL_INTEGER(hd_clock_wall_ns()), HD_SQL_TEXT(who)};
  int32_t code = hd_database_begin(d, fault);
  if (code) return code;
  code = hd_database_run(d, "DELETE FROM registry_reports WHERE host = $1", v, 1, fault);
  if (!code)
    code = hd_database_run(d, "UPDATE deployment_parties SET state = 4, error = 'it was forgotten', time_ns = " NOW " WHERE host = $1 AND state <> 4 AND EXISTS "
                           "(SELECT 1 FROM v_deployments v WHERE v.name = deployment_parties.name AND v.revision = deployment_parties.revision AND v.state = 1)", v, 1, fault);
  if (!code) code = hd_database_run(d, "DELETE FROM registry_hosts WHERE host = $1", v, 1, fault);
  if (!code && !hd_database_changed(d)) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no host \"%.63s\" in the registry; `hadron registry hosts` lists them", host);
  if (!code) code = hd_database_run(d, "INSERT INTO registry_changes (time_ns, topic, name, detail, who) VALUES ($2, 'host', $1, 'forgotten', $3)", v, 3, fault);
  return end(d, code, fault);
}

struct reporting {
  hd_host_report_fn *take;
  void *user;
};

static int32_t report_take(void *user, const struct hd_row *row, struct hd_fault *fault) {
  const struct reporting *r = user;
  struct hd_host_report h = {.revision = (uint32_t)hd_row_integer(row, 2), .active = (uint32_t)hd_row_integer(row, 5)};
  hd_text_copy(h.host, sizeof h.host, hd_row_text(row, 0));
  hd_text_copy(h.deployment, sizeof h.deployment, hd_row_text(row, 1));
  hd_text_copy(h.digest, sizeof h.digest, hd_row_text(row, 3));
  hd_text_copy(h.error, sizeof h.error, hd_row_text(row, 4));
  h.drift = h.revision != h.active || *h.error;
  return r->take(r->user, &h, fault);
}

int32_t hd_host_reports(struct hd_database *d, hd_host_report_fn *take, void *user, struct hd_fault *fault) {
  struct reporting r = {take, user};
  return hd_database_rows(d, "SELECT r.host, r.deployment, r.revision, r.digest, r.error, v.revision FROM registry_reports r "
                          "LEFT JOIN v_deployments v ON v.name = r.deployment AND v.state = 2 ORDER BY r.host, r.deployment", NULL, 0, report_take, &r, fault);
}
