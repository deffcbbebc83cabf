#include "runtime/replay.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

#define LOOK_NS INT64_C(100000000) // how often the loop and the progress get their turn, wall time
#define LOOK_TICKS 4096            // ticks between two looks at the wall clock

static bool is_paused(const struct hd_replay *r) { return r->session->runner.ticks >= r->session->runner.tick_limit; }

void hd_replay_where(const struct hd_replay *r, struct hd_replay_progress *out) {
  const struct hd_session *s = r->session;
  *out = (struct hd_replay_progress){.ticks = s->runner.ticks, .now_ns = s->runner.now_ns, .paused = is_paused(r),
                                     .elapsed_ns = hd_clock_monotonic_ns() - r->wall_start_ns};
  for (uint32_t i = 0; i < s->venue_count; i++) {
    out->done += s->venues[i].done;
    out->total += s->venues[i].total;
  }
  if (out->total == 0 && r->end_ns != INT64_MAX && r->first_ns > 0) {
    out->done = (uint64_t)(s->runner.now_ns - r->first_ns);
    out->total = (uint64_t)(r->end_ns - r->first_ns);
  }
}

static void on_timer(uv_timer_t *timer) { ((struct hd_replay *)timer->data)->woken = true; }

int32_t hd_replay_init(struct hd_replay *r, struct hd_session *session, const struct hd_replay_options *options) {
  *r = (struct hd_replay){.session = session, .options = *options, .wall_start_ns = hd_clock_monotonic_ns(), .end_ns = INT64_MAX};
  if (options->loop && uv_timer_init(options->loop, &r->timer) == 0) {
    r->timer.data = r;
    r->timer_open = true;
  }
  session->runner.duration_ns = options->duration_ns;
  if (options->paused) session->runner.tick_limit = 0;
  return HADRON_OK;
}

void hd_replay_fini(struct hd_replay *r) {
  if (!r->timer_open) return;
  uv_close((uv_handle_t *)&r->timer, NULL);
  uv_run(r->options.loop, UV_RUN_NOWAIT);
  r->timer_open = false;
}

void hd_replay_stop(struct hd_replay *r) { r->stopped = r->session->runner.stop = true; }
void hd_replay_pause(struct hd_replay *r) { r->session->runner.tick_limit = r->session->runner.ticks; }
void hd_replay_step(struct hd_replay *r, uint64_t ticks) { r->session->runner.tick_limit = r->session->runner.ticks + ticks; }

static void pace_from_here(struct hd_replay *r) {
  r->pace_wall_ns = hd_clock_monotonic_ns();
  r->pace_ns = r->session->runner.now_ns;
}

void hd_replay_resume(struct hd_replay *r) {
  r->session->runner.tick_limit = UINT64_MAX;
  pace_from_here(r);
}

void hd_replay_speed(struct hd_replay *r, double speed) {
  r->options.speed = speed;
  pace_from_here(r);
}

int32_t hd_replay_seek(struct hd_replay *r, int64_t to_ns) {
  if (to_ns < r->session->runner.now_ns) return HADRON_ERR_RANGE;
  r->options.seek_ns = to_ns;
  r->session->runner.tick_limit = UINT64_MAX;
  return HADRON_OK;
}

// Up to which virtual time ticks may be taken now.
static int64_t pace_limit(struct hd_replay *r) {
  const struct hd_runner *runner = &r->session->runner;
  if (r->options.seek_ns > 0) {
    if (runner->now_ns < r->options.seek_ns) return r->options.seek_ns;
    r->options.seek_ns = 0;
    pace_from_here(r);
  }
  if (r->options.speed <= 0) return r->end_ns;
  if (r->pace_ns == 0) {
    if (runner->now_ns == 0) return r->end_ns; // the clock begins with the first tick
    pace_from_here(r);
  }
  double elapsed = (double)(hd_clock_monotonic_ns() - r->pace_wall_ns) * r->options.speed;
  int64_t limit = r->pace_ns + (int64_t)elapsed + 1;
  return limit < r->end_ns ? limit : r->end_ns;
}

// The loop gets its turn: without waiting while ticks flow, else until something happens or `ms` have passed.
static void look(struct hd_replay *r, uint64_t ms) {
  if (r->options.progress) {
    struct hd_replay_progress progress;
    hd_replay_where(r, &progress);
    r->options.progress(r->options.user, &progress);
  }
  if (r->session->journal) hd_session_services(r->session, hd_clock_wall_ns(), false);
  if (!r->options.loop) return;
  if (ms == 0 || !r->timer_open) {
    uv_run(r->options.loop, UV_RUN_NOWAIT);
    return;
  }
  r->woken = false;
  uv_timer_start(&r->timer, on_timer, ms, 0);
  uv_run(r->options.loop, UV_RUN_ONCE);
  uv_timer_stop(&r->timer);
}

// ---- sources ---------------------------------------------------------------------------------------------------------------------

static bool is_source(const struct hd_venue *v) { return v->started && hd_venue_is(v, HADRON_VENUE_RECORDED); }
static bool is_dry(const struct hd_venue *v) {
  return v->queue_at == v->queue_count && (v->state == HADRON_VENUE_FINISHED || v->state == HADRON_VENUE_DOWN);
}

// Several recorded sources: the earliest tick of all, ties by the order of the venues. False: nothing was taken.
static bool merge_one(struct hd_replay *r) {
  struct hd_venue *first = NULL;
  for (uint32_t i = 0; i < r->session->venue_count; i++) {
    struct hd_venue *v = &r->session->venues[i];
    if (!is_source(v)) continue;
    if (v->queue_at == v->queue_count && v->state != HADRON_VENUE_FINISHED) {
      v->queue_at = v->queue_count = 0;
      hd_venue_poll(v, r->session->runner.now_ns);
    }
    if (v->queue_at == v->queue_count) continue;
    if (!first || v->queue[v->queue_at].recv_ns < first->queue[first->queue_at].recv_ns) first = v;
  }
  if (!first) return false;
  struct hadron_tick tick = first->queue[first->queue_at];
  if (!hd_runner_tick(&r->session->runner, &tick)) return false;
  first->queue_at++;
  return true;
}

// Handles up to a batch. False: nothing could be taken.
static bool advance(struct hd_replay *r) {
  struct hd_runner *runner = &r->session->runner;
  uint64_t before = runner->ticks;
  if (runner->recorded == 1) {
    for (uint32_t i = 0; i < r->session->venue_count; i++)
      if (is_source(&r->session->venues[i]) && !is_dry(&r->session->venues[i])) hd_venue_poll(&r->session->venues[i], runner->now_ns);
  } else if (runner->recorded > 1) {
    for (int i = 0; i < HD_VENUE_BATCH && merge_one(r); i++) continue;
  } else { // a venue that makes its own market: time itself is the source
    if (is_paused(r)) return false;
    int64_t due = hd_runner_due(runner);
    if (due >= runner->tick_limit_ns && runner->tick_limit_ns < r->end_ns) return false;
    if (due >= r->end_ns) due = r->end_ns; // nothing more before the end: the clock goes there all the same
    hd_runner_advance(runner, due > runner->now_ns ? due : runner->now_ns);
    return true;
  }
  return runner->ticks != before;
}

static bool is_over(const struct hd_replay *r) {
  const struct hd_session *s = r->session;
  if (r->stopped || s->runner.now_ns >= r->end_ns) return true;
  for (uint32_t i = 0; i < s->venue_count; i++)
    if (is_source(&s->venues[i]) && !is_dry(&s->venues[i])) return false;
  return s->runner.recorded > 0;
}

// What is still under way (acknowledgements, the close of the last bar) gets a second of the virtual clock to arrive.
static void finish(struct hd_replay *r) {
  struct hd_runner *runner = &r->session->runner;
  if (!r->stopped && runner->now_ns > 0) hd_runner_advance(runner, runner->now_ns + 1000000000);
  hd_pipeline_sample_last(&r->session->pipeline, runner->now_ns);
  look(r, 0);
}

int32_t hd_replay_run(struct hd_replay *r, struct hd_fault *fault) {
  struct hd_runner *runner = &r->session->runner;
  if (runner->recorded == 0 && r->options.duration_ns <= 0)
    return hd_fault_set(fault, HADRON_ERR_CONFIG, "no venue brings recorded ticks, so the run would never end; give --duration, or --data FILE");
  if (runner->recorded == 0 && runner->now_ns == 0) hd_runner_advance(runner, r->session->config->start_ns);
  int64_t last_look_ns = r->wall_start_ns;
  uint64_t last_ticks = 0;
  while (!is_over(r)) {
    if (r->first_ns == 0 && runner->now_ns > 0) {
      r->first_ns = runner->first_ns ? runner->first_ns : runner->now_ns;
      if (r->options.duration_ns > 0) r->end_ns = r->first_ns + r->options.duration_ns;
    }
    runner->tick_limit_ns = pace_limit(r);
    runner->held = false;
    bool moved = advance(r);
    if (runner->held && !is_paused(r) && r->options.seek_ns > 0 && runner->tick_limit_ns == r->options.seek_ns) {
      r->options.seek_ns = 0; // the next tick lies behind the place: it is reached, whatever the clock says
      pace_from_here(r);
      continue;
    }
    if (moved && runner->ticks - last_ticks < LOOK_TICKS && runner->recorded > 0) continue;
    last_ticks = runner->ticks;
    // Pages ahead of the writer; what goes wrong is told when the services have their turn.
    if (r->session->journal) (void)hd_journal_maintain(r->session->journal, fault);
    int64_t wall_ns = hd_clock_monotonic_ns();
    if (!moved && !is_over(r)) {
      if (runner->held && runner->tick_limit_ns >= r->end_ns && !is_paused(r)) break; // the first tick beyond the end
      look(r, is_paused(r) ? 100 : runner->held || runner->recorded == 0 ? 5 : 0);
    } else if (wall_ns - last_look_ns >= LOOK_NS) {
      look(r, 0);
      last_look_ns = wall_ns;
    }
  }
  finish(r);
  for (uint32_t i = 0; i < r->session->venue_count; i++) {
    const struct hd_venue *v = &r->session->venues[i];
    if (is_source(v) && v->state == HADRON_VENUE_DOWN)
      return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: the source ended with an error: %s", v->name, v->words);
  }
  return HADRON_OK;
}
