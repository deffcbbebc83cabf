// A session as one host of its registry: it says that it runs, and what, before the first tick and at the end. What happens in between is
// control's (control/hosts.c).
#include <limits.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/log.h"
#include "base/text.h"
#include "registry/rollout.h"
#include "runtime/session_deploy.h"
#include "runtime/session_internal.h"

void hd_session_host_row(const struct hd_config *config, struct hd_host *out) {
  struct utsname machine;
  char path[PATH_MAX];
  *out = (struct hd_host){.state = HD_HOST_RUNNING, .stale_ns = HD_HOST_STALE_NS};
  hd_session_host(config, out->host, sizeof out->host);
  hd_host_process_self(out->process, sizeof out->process);
  bool known = uname(&machine) == 0;
  hd_text_copy(out->address, sizeof out->address, known ? machine.nodename : "localhost");
  snprintf(out->hadron, sizeof out->hadron, "%s, ABI %d.%d, %.20s", HD_VERSION, HADRON_ABI_MAJOR, HADRON_ABI_MINOR, known ? machine.machine : "?");
  hd_text_copy(out->data_dir, sizeof out->data_dir, realpath(config->data_dir, path) ? path : config->data_dir);
  if (*config->control) hd_text_copy(out->control, sizeof out->control, config->control);
  else snprintf(out->control, sizeof out->control, "%.230s/hadron.sock", out->data_dir);
}

bool hd_session_reports(const struct hd_session_deployed *row) { return !row->fixed && !row->apart; }

int32_t hd_session_host_begin(struct hd_session *s, struct hd_fault *fault) {
  uint32_t others;
  if (!s->options.registry || !s->options.versions) return HADRON_OK;
  if (!(s->host = malloc(sizeof *s->host))) return hd_fault_set(fault, HADRON_ERR_MEMORY, "registry: out of memory");
  hd_session_host_row(s->config, s->host);
  struct hd_database *d = hd_registry_database(s->options.registry);
  int32_t code = hd_host_begin(d, s->host, fault);
  if (code) *s->host->process = 0; // it has no row to end
  return code ? code : hd_host_sweep(d, s->host, &others, fault);
}

int32_t hd_session_host_reports(struct hd_session *s, struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; s->host && i < s->deployed_count && !code; i++)
    if (hd_session_reports(s->deployed[i])) code = hd_host_runs(hd_registry_database(s->options.registry), s->host->host, &s->deployed[i]->now, NULL, fault);
  return code;
}

// A registry that is away does not hold the end up: the others find that the process has gone, or that it is silent.
void hd_session_host_end(struct hd_session *s) {
  struct hd_fault fault;
  if (s->host && *s->host->process && hd_host_end(hd_registry_database(s->options.registry), s->host, &fault))
    hd_log_warn("REGISTRY_AWAY", "the registry could not be told that this host stops: %s", fault.text);
  free(s->host);
  s->host = NULL;
}
