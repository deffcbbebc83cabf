// What each version came to in a session, told to the registry at its end: `hadron registry show` has it beside what its probe found.
#include "base/banned.h"
#include "base/log.h"
#include "registry/database.h"
#include "registry/registry.h"
#include "runtime/session_internal.h"

struct figure {
  const char *name;
  double value;
};

#define FIGURES_MAX 10

// Of the version alone: how often its callbacks failed, and what those took that were measured.
static uint32_t of_version(const struct hd_session *s, const struct hd_session_arm *seat, struct figure *out) {
  struct hd_histogram latency = {0};
  for (uint32_t i = 0; i < s->pipeline.options.shards; i++) hd_histogram_merge(&latency, &seat->occupant->latency[i]);
  const struct figure f[] = {{"errors", (double)atomic_load(&seat->occupant->faults)},
                             {"callbacks_measured", (double)latency.count},
                             {"callback_ns_p50", (double)hd_histogram_quantile(&latency, 0.5)},
                             {"callback_ns_p99", (double)hd_histogram_quantile(&latency, 0.99)},
                             {"callback_ns_max", (double)latency.max}};
  memcpy(out, f, sizeof f);
  return latency.count ? sizeof f / sizeof *f : 2;
}

// Of its seat, in units of the account's money: the version's own while nobody else has sat there.
static uint32_t of_seat(const struct hd_session *s, const struct hd_session_arm *seat, struct figure *out) {
  const struct hd_book *b = &s->pipeline.portfolio.books[seat->id];
  if (seat->swap.time_ns != 0 || b->role == 0) return 0;
  const struct figure f[] = {{"pnl", (double)(hd_book_equity(b).micros - b->initial.micros) * 1e-6},
                             {"fees", (double)b->fees.micros * 1e-6},
                             {"turnover", (double)b->turnover.micros * 1e-6},
                             {"wins", (double)b->wins},
                             {"losses", (double)b->losses}};
  memcpy(out, f, sizeof f);
  return sizeof f / sizeof *f;
}

static int32_t tell(struct hd_session *s, const struct hd_session_arm *seat, struct hd_fault *fault) {
  static const char *const modes[] = {"", "dry_run", "paper", "live", "backtest"}, *const roles[] = {"", "live", "canary", "shadow"};
  const struct hadron_manifest *m = &seat->occupant->plugin->manifest;
  struct figure figures[FIGURES_MAX];
  char source[HADRON_NAME_SIZE + 32];
  uint32_t count = of_version(s, seat, figures);
  count += of_seat(s, seat, figures + count);
  snprintf(source, sizeof source, "%s, %s %s", seat->config->base.name, modes[s->config->mode], roles[seat->role]);
  int32_t code = HADRON_OK;
  for (uint32_t i = 0; i < count && !code; i++) code = hd_registry_metric_set(s->options.registry, m->name, m->version, source, figures[i].name, figures[i].value, fault);
  return code;
}

void hd_session_figures(struct hd_session *s) {
  struct hd_fault fault;
  if (!s->open || !s->options.registry || !s->options.versions || s->options.is_virtual) return;
  struct hd_database *d = hd_registry_database(s->options.registry);
  int32_t code = hd_database_begin(d, &fault);
  if (!code) {
    for (uint32_t i = 0; i < s->arm_count && !code; i++)
      if (s->arms[i].occupant && s->arms[i].role) code = tell(s, &s->arms[i], &fault);
    if (code) hd_database_rollback(d);
    else code = hd_database_commit(d, &fault);
  }
  if (code) hd_log_warn("REGISTRY_AWAY", "the registry could not be told what the versions came to: %s", fault.text);
}
