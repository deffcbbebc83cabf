#include "runtime/compare_replay.h"

#include <errno.h>
#include <math.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "runtime/replay.h"

struct side_run {
  struct hd_compare_replay *c;
  const struct hd_compare_replay_options *options;
  struct hd_replay *replay;
  FILE *spool;             // the first side's decisions
  uint32_t side;
  struct hadron_decision waiting; // the next of the first side
  bool has_waiting, late;
  int32_t code;            // the first trouble
};

int32_t hd_compare_replay_init(struct hd_compare_replay *c, uint32_t keep) {
  *c = (struct hd_compare_replay){.ticks = 0};
  return hd_compare_init(&c->decisions, keep);
}

void hd_compare_replay_fini(struct hd_compare_replay *c) {
  hd_compare_fini(&c->decisions);
  for (int i = 0; i < 2; i++) hd_compare_arms_fini(&c->arms[i]);
  free(c->differences);
  c->differences = NULL;
}

// ---- one side ----------------------------------------------------------------------------------------------------------------------

static void spool_next(struct side_run *r) {
  r->has_waiting = fread(&r->waiting, sizeof r->waiting, 1, r->spool) == 1;
  if (!r->has_waiting && ferror(r->spool)) r->code = HADRON_ERR_IO;
}

// The first side's decisions up to this cause go in first: then little waits for its counterpart.
static void spool_until(struct side_run *r, uint64_t cause) {
  for (; !r->code && r->has_waiting && r->waiting.cause <= cause; spool_next(r)) r->code = hd_compare_add(&r->c->decisions, 0, &r->waiting);
}

static void take_decision(struct side_run *r, const struct hadron_decision *d) {
  if (r->side == 0) {
    if (fwrite(d, sizeof *d, 1, r->spool) != 1) r->code = HADRON_ERR_IO;
    return;
  }
  spool_until(r, d->cause);
  if (!r->code) r->code = hd_compare_add(&r->c->decisions, 1, d);
}

static void on_record(void *user, uint16_t template_id, const void *block, const void *tail, uint32_t tail_size) {
  struct side_run *r = user;
  (void)tail, (void)tail_size;
  if (r->code) return;
  // The session's own records carry their whole block.
  r->code = hd_compare_arms_add(&r->c->arms[r->side], template_id, block, UINT16_MAX);
  if (!r->code && template_id == HADRON_MSG_DECISION) take_decision(r, block);
}

static void on_progress(void *user, const struct hd_replay_progress *p) {
  struct side_run *r = user;
  if (r->options->progress) r->options->progress(r->options->user, r->side, p->done, p->total);
  if (r->options->deadline_ns == 0 || hd_clock_monotonic_ns() < r->options->deadline_ns) return;
  r->late = true;
  hd_replay_stop(r->replay);
}

static int32_t side_trouble(const struct side_run *r, struct hd_fault *fault) {
  if (r->late) return hd_fault_set(fault, HADRON_ERR_TIMEOUT, "the replay did not end in its time; take fewer sessions or more time");
  if (r->code == HADRON_ERR_IO) return hd_fault_set(fault, r->code, "the temporary file for decisions: %s; make room in the temporary directory", strerror(errno));
  return r->code ? hd_fault_set(fault, r->code, "comparing decisions: %s", hadron_error_text(r->code)) : HADRON_OK;
}

static int32_t side_replay(struct side_run *r, struct hd_config *config, struct hd_fault *fault) {
  struct hd_session *session = calloc(1, sizeof *session);
  if (!session) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a session: out of memory");
  const struct hd_session_options options = {.is_virtual = true, .registry = r->options->registry, .observer = r, .observe = on_record};
  int32_t code = hd_session_open(session, config, &options, fault);
  if (!code) {
    struct hd_replay replay;
    const struct hd_replay_options how = {.duration_ns = r->options->duration_ns, .progress = on_progress, .user = r};
    r->replay = &replay;
    hd_replay_init(&replay, session, &how);
    code = hd_replay_run(&replay, fault);
    hd_replay_fini(&replay);
    if (r->side == 0) r->c->ticks += session->pipeline.normalize.accepted;
    for (uint32_t i = 0; i < session->arm_count; i++)
      if (session->arms[i].occupant) r->c->errors[r->side] += atomic_load(&session->arms[i].occupant->faults);
  }
  hd_session_close(session);
  free(session);
  return code ? code : side_trouble(r, fault);
}

// ---- the configuration of a side -----------------------------------------------------------------------------------------------------

struct side_config {
  struct hd_config_strategy strategy;
  struct hd_param_value *params; // owned
};

static int32_t side_configure(struct side_config *to, const struct hd_config_strategy *section, const struct hd_compare_side *side, struct hd_fault *fault) {
  to->strategy = *section;
  to->params = calloc(section->base.param_count + side->param_count + 1, sizeof *to->params);
  if (!to->params) return hd_fault_set(fault, HADRON_ERR_MEMORY, "parameters: out of memory");
  if (!hd_text_copy(to->strategy.base.plugin, sizeof to->strategy.base.plugin, side->plugin))
    return hd_fault_set(fault, HADRON_ERR_RANGE, "%s: a path of at most %zu bytes is expected", side->plugin, sizeof to->strategy.base.plugin - 1);
  uint32_t count = section->base.param_count;
  memcpy(to->params, section->base.params, count * sizeof *to->params);
  for (uint32_t i = 0; i < side->param_count; i++) {
    uint32_t at = 0;
    while (at < count && strcmp(to->params[at].name, side->params[i].name) != 0) at++;
    to->params[at] = (struct hd_param_value){side->params[i].name, side->params[i].text, "version"};
    count += at == count;
  }
  to->strategy.base.params = to->params;
  to->strategy.base.param_count = count;
  to->strategy.base.enabled = true;
  to->strategy.role = HD_ROLE_LIVE;
  to->strategy.weight = 1;
  return HADRON_OK;
}

static int32_t run_sides(struct hd_compare_replay *c, struct hd_config *config, const struct hd_config_strategy *section, const struct hd_compare_side sides[2],
                         const struct hd_compare_replay_options *options, FILE *spool, struct hd_fault *fault) {
  struct side_run r = {.c = c, .options = options, .spool = spool};
  int32_t code = HADRON_OK;
  for (; !code && r.side < 2; r.side++) {
    struct side_config own = {.params = NULL};
    code = side_configure(&own, section, &sides[r.side], fault);
    config->strategies = &own.strategy;
    config->strategy_count = 1;
    if (!code && r.side == 1) {
      if (fflush(spool) || fseek(spool, 0, SEEK_SET)) r.code = HADRON_ERR_IO;
      else spool_next(&r);
    }
    if (!code) code = side_replay(&r, config, fault);
    if (code) hd_fault_prefix(fault, "%s: ", sides[r.side].plugin);
    free(own.params);
  }
  spool_until(&r, UINT64_MAX);
  if (!code && r.code) code = side_trouble(&r, fault);
  hd_compare_flush(&c->decisions);
  return code;
}

int32_t hd_compare_replay_run(struct hd_compare_replay *c, struct hd_config *config, const char *strategy, const struct hd_compare_side sides[2],
                              const struct hd_compare_replay_options *options, struct hd_fault *fault) {
  struct hd_config_strategy *all = config->strategies, *section = NULL;
  uint32_t count = config->strategy_count;
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(all[i].base.name, strategy) == 0) section = &all[i];
  if (!section) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: strategies: there is no section \"%s\"", config->path, strategy);
  const char *const names[] = {section->base.name};
  for (int i = 0; c->sessions == 0 && i < 2; i++) hd_compare_arms_init(&c->arms[i], NULL, 1, 0);
  for (int i = 0; i < 2; i++) c->arms[i].names = names;
  FILE *spool = tmpfile();
  if (!spool) return hd_fault_set(fault, HADRON_ERR_IO, "a temporary file: %s; make room, or set TMPDIR", strerror(errno));
  int32_t code = run_sides(c, config, section, sides, options, spool, fault);
  fclose(spool);
  for (int i = 0; i < 2; i++) c->arms[i].names = NULL;
  config->strategies = all;
  config->strategy_count = count;
  c->sessions++;
  return code;
}

// ---- the end -----------------------------------------------------------------------------------------------------------------------

static const struct hd_compare_period *period_at(const struct hd_compare_arms *c, size_t i) {
  const struct hd_compare_period *p = i < c->period_count && c->version_count ? &c->versions[0].periods[i] : NULL;
  return p && !isnan(p->result) ? p : NULL;
}

int32_t hd_compare_replay_finish(struct hd_compare_replay *c, double alpha, uint32_t resamples, uint64_t seed) {
  const struct hd_compare_arms_options options = {.alpha = alpha, .resamples = resamples, .seed = seed};
  for (int i = 0; i < 2; i++) {
    int32_t code = hd_compare_arms_finish(&c->arms[i], &options);
    if (code) return code;
  }
  c->differences = calloc(c->arms[0].period_count + 1, sizeof *c->differences);
  if (!c->differences) return HADRON_ERR_MEMORY;
  size_t j = 0; // identical ticks give samples at identical times; a session that one side ended early has fewer
  for (size_t i = 0; i < c->arms[0].period_count; i++) {
    while (j < c->arms[1].period_count && c->arms[1].times[j] < c->arms[0].times[i]) j++;
    const struct hd_compare_period *a = period_at(&c->arms[0], i), *b = period_at(&c->arms[1], j);
    if (!a || !b || c->arms[1].times[j] != c->arms[0].times[i]) continue;
    c->differences[c->count++] = b->result - a->result;
    c->pnl += b->pnl - a->pnl;
  }
  const struct hd_paired_options how = {.alpha = alpha, .resamples = resamples, .seed = seed};
  if (!hd_paired_bootstrap(c->differences, c->count, &how, &c->paired) && c->count >= HD_PAIRED_MIN) return HADRON_ERR_MEMORY;
  hd_paired_sequential(c->differences, c->count, alpha, &c->sequential);
  return HADRON_OK;
}

int32_t hd_compare_sessions(const char *journal, uint32_t most, int64_t *numbers, uint32_t *count, uint64_t *end, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  int64_t session = 0;
  bool told = true; // ticks before the first session that is kept belong to none
  *count = 0;
  char inside[1100];
  int32_t code = hd_journal_cursor_open(journal, &cursor, fault);
  if (code == HADRON_ERR_NOT_FOUND && snprintf(inside, sizeof inside, "%s/journal", journal) < (int)sizeof inside) code = hd_journal_cursor_open(inside, &cursor, fault);
  if (code) return code;
  while (!(code = hd_journal_cursor_next(cursor, &record, fault))) {
    if (record.template_id == HADRON_MSG_SESSION && record.size >= sizeof(struct hadron_session) && !(((const struct hadron_session *)record.bytes)->flags & 1)) {
      session++;
      told = false;
    }
    if (told || record.template_id != HADRON_MSG_TICK) continue;
    told = true;
    if (most == 0) continue;
    if (*count == most) memmove(numbers, numbers + 1, --*count * sizeof *numbers);
    numbers[(*count)++] = session;
  }
  *end = hd_journal_cursor_position(cursor);
  hd_journal_cursor_close(cursor);
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}
