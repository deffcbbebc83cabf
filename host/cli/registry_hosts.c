// hadron registry hosts: who runs what of a registry, and who differs.
#include "base/banned.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/registry_command.h"
#include "registry/rollout.h"

const char hd_registry_hosts_help[] =
    "  --forget HOST    a host that will not come back: no change waits for it any more. One that is alive comes back by itself\n" HD_REGISTRY_TARGET_HELP
    "\nA host is `stale` if it has not said for ten seconds that it is alive: nobody knows what it does, and changes of what it runs are\n"
    "refused until it is back or forgotten. `gone`: its process is not there any more. Drift: it runs another revision than the active one.\n";

static int32_t take_host(void *user, const struct hd_host *h, struct hd_fault *fault) {
  static const char *const states[] = {"?", "running", "stopped", "gone"};
  json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:f, s:[]}", "host", h->host, "state", h->stale ? "stale" : states[h->state <= HD_HOST_GONE ? h->state : 0], "address",
                          h->address, "data_dir", h->data_dir, "hadron", h->hadron, "control", h->control, "started_ns", (json_int_t)h->started_ns, "seen_ns", (json_int_t)h->seen_ns,
                          "silent_s", (double)h->silent_ns / 1e9, "runs");
  if (!row) return hd_fault_set(fault, HADRON_ERR_MEMORY, "hosts: out of memory");
  json_array_append_new(user, row);
  return HADRON_OK;
}

static int32_t take_report(void *user, const struct hd_host_report *r, struct hd_fault *fault) {
  size_t i;
  json_t *host;
  (void)fault;
  json_array_foreach((json_t *)user, i, host) {
    if (strcmp(json_string_value(json_object_get(host, "host")), r->host) != 0) continue;
    json_t *row = json_pack("{s:s, s:I, s:I, s:b, s:s}", "deployment", r->deployment, "revision", (json_int_t)r->revision, "active", (json_int_t)r->active, "drift", r->drift, "artifacts", r->digest);
    if (row && *r->error) json_object_set_new(row, "error", json_string(r->error));
    json_array_append_new(json_object_get(host, "runs"), row);
  }
  return HADRON_OK;
}

// What a host that has stopped ran last is no drift.
static bool is_up(const json_t *host) {
  const char *state = json_string_value(json_object_get(host, "state"));
  return strcmp(state, "running") == 0 || strcmp(state, "stale") == 0;
}

static void print_runs(struct hd_table *t, const json_t *host, bool drift) {
  char text[600] = "";
  size_t at = 0, i;
  const json_t *row;
  json_array_foreach(json_object_get(host, "runs"), i, row) {
    const char *name = json_string_value(json_object_get(row, "deployment")), *error = json_string_value(json_object_get(row, "error"));
    long long revision = (long long)json_integer_value(json_object_get(row, "revision")), active = (long long)json_integer_value(json_object_get(row, "active"));
    int n = 0;
    if (!drift) n = snprintf(text + at, sizeof text - at, "%s%s %lld", at ? ", " : "", name, revision);
    else if (is_up(host) && json_is_true(json_object_get(row, "drift")))
      n = snprintf(text + at, sizeof text - at, "%s%s: runs %lld, not %lld%s%s", at ? "; " : "", name, revision, active, error ? ": " : "", error ? error : "");
    if (n < 0 || (size_t)n >= sizeof text - at) break;
    at += (size_t)n;
  }
  hd_table_cell(t, "%s", text);
}

static void print_hosts(const json_t *hosts) {
  static const struct hd_table_column columns[] = {{"host", false}, {"state", false}, {"seen", true}, {"program", false}, {"data directory", false}, {"runs", false}, {"drift", false}};
  struct hd_table t;
  size_t i;
  json_t *host;
  hd_table_init(&t, columns, 7);
  json_array_foreach((json_t *)(uintptr_t)hosts, i, host) {
    char ago[32];
    hd_duration_format(ago, sizeof ago, (int64_t)(json_number_value(json_object_get(host, "silent_s")) * 1e9));
    hd_table_row(&t);
    hd_table_cell(&t, "%s", json_string_value(json_object_get(host, "host")));
    hd_table_cell(&t, "%s", json_string_value(json_object_get(host, "state")));
    hd_table_cell(&t, "%s ago", ago);
    hd_table_cell(&t, "%s", json_string_value(json_object_get(host, "hadron")));
    hd_table_cell(&t, "%s", json_string_value(json_object_get(host, "data_dir")));
    print_runs(&t, host, false);
    print_runs(&t, host, true);
  }
  if (t.row_count == 0) printf("No hosts yet.\n"), hd_table_fini(&t);
  else hd_registry_call_table(&t);
}

int hd_registry_hosts_command(int argc, char **argv) {
  struct hd_registry_call c;
  struct hd_fault fault = {0};
  int code = hd_registry_call_begin(&c, "registry hosts", argc, argv, HD_OPTION_FORGET, 0, 0, "no words", true);
  if (code) return hd_registry_call_end(&c, code);
  struct hd_database *d = hd_registry_database(c.r);
  json_t *hosts = json_array();
  int32_t err = c.forget ? hd_host_forget(d, c.forget, c.who, &fault) : HADRON_OK;
  if (!err) err = hd_host_sweep(d, NULL, NULL, &fault);
  if (!err) err = hd_host_list(d, take_host, hosts, &fault);
  if (!err) err = hd_host_reports(d, take_report, hosts, &fault);
  if (err) code = hd_registry_call_fail(&c, &fault);
  else if (c.json) hd_registry_call_print(json_pack("{s:O}", "hosts", hosts));
  else print_hosts(hosts);
  json_decref(hosts);
  return hd_registry_call_end(&c, code);
}
