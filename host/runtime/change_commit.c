// The commit of a change: what sits where afterwards, the exchanges that lead there, the meeting of the shards in which they happen,
// and what the trading side makes of it. The one record of the meeting is what counts: before it nothing has changed, after it all has.
#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/change_internal.h"
#include "runtime/session_deploy.h"
#include "runtime/standin.h"

// ---- who sits where afterwards ---------------------------------------------------------------------------------------------------------

static struct hd_placing *placing_of(struct hd_change *c, const struct hd_session_arm *seat) {
  for (uint32_t i = 0; i < c->placing_count; i++)
    if (c->placings[i].seat == seat) return &c->placings[i];
  return NULL;
}

static void place(struct hd_change *c, struct hd_session_arm *seat) {
  HD_ASSERT(c->placing_count < HD_CHANGE_SEATS);
  c->placings[c->placing_count++] = (struct hd_placing){.seat = seat, .before = seat->occupant, .role_before = seat->role, .opened = !seat->occupant};
}

// A seat of the deployment that nobody is meant to sit in; if there is none, the next row of the table.
static struct hd_placing *free_seat(struct hd_change *c, struct hd_fault *fault) {
  for (uint32_t i = 1; i < c->placing_count; i++)
    if (!c->placings[i].occupant) return &c->placings[i];
  struct hd_session *s = c->s;
  if (s->arm_count == s->arm_max || c->placing_count == HD_CHANGE_SEATS) {
    hd_fault_set(fault, HADRON_ERR_FULL, "deployment \"%s\": all %u seats of the session are taken; retire a version first", c->want.name, s->arm_max);
    return NULL;
  }
  struct hd_session_arm *seat = &s->arms[s->arm_count];
  *seat = (struct hd_session_arm){.config = c->home->config, .id = s->arm_count + 1, .home = c->home->id, .instrument_count = c->home->instrument_count,
                                  .seat_count = c->home->seat_count};
  seat->instruments = malloc(seat->instrument_count * sizeof *seat->instruments);
  seat->seats = calloc(seat->seat_count, sizeof *seat->seats);
  if (!seat->instruments || !seat->seats) {
    free(seat->instruments);
    free(seat->seats);
    hd_fault_set(fault, HADRON_ERR_MEMORY, "a seat for \"%s\": out of memory", c->want.name);
    return NULL;
  }
  memcpy(seat->instruments, c->home->instruments, seat->instrument_count * sizeof *seat->instruments);
  for (uint32_t i = 0; i < seat->seat_count; i++) {
    const struct hd_engine_instance *like = &c->home->seats[i];
    seat->seats[i] = (struct hd_engine_instance){.instruments = seat->instruments + (like->instruments - c->home->instruments), .instrument_count = like->instrument_count,
                                                 .arm = seat->id, .engine = like->engine};
  }
  s->arm_count++;
  place(c, seat);
  return &c->placings[c->placing_count - 1];
}

static struct hd_occupant *wanted(const struct hd_change *c, uint32_t arm) {
  return c->found[arm] ? c->found[arm]->occupant : c->staged[arm].occupant;
}

static void take_seat(struct hd_placing *p, struct hd_occupant *o, uint32_t role, double weight, int64_t warm_until_ns) {
  p->occupant = o;
  p->role = role;
  p->weight = weight;
  p->warm_until_ns = warm_until_ns;
}

// Where a wanted arm sits already and may stay, or where it changes places with the live one; NULL: it needs a seat.
static struct hd_placing *seat_for(struct hd_change *c, uint32_t arm) {
  if (wanted(c, arm) == c->home->occupant && c->found[0]) return placing_of(c, c->found[0]); // they change places
  return c->found[arm] && c->found[arm] != c->home ? placing_of(c, c->found[arm]) : NULL;
}

// A version that is kept warm stays through changes that do not concern it.
static void keep_warm(struct hd_change *c) {
  for (uint32_t i = 1; i < c->placing_count; i++) {
    struct hd_placing *p = &c->placings[i];
    bool wanted_elsewhere = false;
    for (uint32_t k = 0; k < c->want.arm_count; k++) wanted_elsewhere |= wanted(c, k) == p->before;
    if (p->before && !p->occupant && !wanted_elsewhere && p->seat->warm_until_ns > c->now_ns) take_seat(p, p->before, HD_ROLE_SHADOW, p->seat->weight, p->seat->warm_until_ns);
  }
}

// The live one takes the home seat; what sits there now goes to where that one came from, or to a warm seat. The others stay where they
// are, then those who are new take what is free. Who is named nowhere leaves, but for a warm one whose time is not over.
static int32_t plan(struct hd_change *c, struct hd_fault *fault) {
  for (uint32_t i = 0; i < c->s->arm_count; i++)
    if (c->s->arms[i].home == c->home->id && &c->s->arms[i] == c->home) place(c, &c->s->arms[i]);
  for (uint32_t i = 0; i < c->s->arm_count; i++)
    if (c->s->arms[i].home == c->home->id && &c->s->arms[i] != c->home) place(c, &c->s->arms[i]);
  struct hd_occupant *before = c->home->occupant, *live = c->want.arm_count ? wanted(c, 0) : NULL;
  bool displaced = before && before != live, kept = false;
  if (live) take_seat(&c->placings[0], live, HD_ROLE_LIVE, c->want.arms[0].weight, 0);
  for (uint32_t i = 1; i < c->want.arm_count; i++) {
    struct hd_placing *p = seat_for(c, i);
    kept |= wanted(c, i) == before;
    if (p) take_seat(p, wanted(c, i), c->want.arms[i].role, c->want.arms[i].weight, 0);
  }
  bool warms = displaced && !kept && live && c->want.warm_ns > 0;
  if (live && !warms) keep_warm(c);
  for (uint32_t i = 1; i < c->want.arm_count; i++) {
    if (seat_for(c, i)) continue;
    struct hd_placing *p = free_seat(c, fault);
    if (!p) return fault->code;
    take_seat(p, wanted(c, i), c->want.arms[i].role, c->want.arms[i].weight, 0);
  }
  if (!warms) return HADRON_OK;
  struct hd_placing *warm = c->found[0] ? placing_of(c, c->found[0]) : NULL;
  if (!warm || warm->occupant) warm = free_seat(c, fault);
  if (!warm) return fault->code;
  take_seat(warm, before, HD_ROLE_SHADOW, 1, c->now_ns + c->want.warm_ns);
  return HADRON_OK;
}

// ---- the exchanges that lead there -----------------------------------------------------------------------------------------------------

// Where the instances of each occupant lie, while the exchanges are planned.
struct whereabouts {
  struct hd_occupant *who[HD_CHANGE_SEATS + HD_DEPLOYMENT_ARMS_MAX];
  struct hd_engine_instance *at[HD_CHANGE_SEATS + HD_DEPLOYMENT_ARMS_MAX];
  uint32_t count;
};

static void lies(struct whereabouts *w, struct hd_occupant *who, struct hd_engine_instance *at) {
  w->who[w->count] = who;
  w->at[w->count++] = at;
}

static uint32_t where_is(const struct whereabouts *w, const struct hd_occupant *who) {
  uint32_t i = 0;
  while (i < w->count && w->who[i] != who) i++;
  HD_ASSERT(i < w->count);
  return i;
}

static uint32_t index_of(const struct whereabouts *w, const struct hd_engine_instance *at) {
  uint32_t i = 0;
  while (i < w->count && w->at[i] != at) i++;
  HD_ASSERT(i < w->count);
  return i;
}

static bool sits(const struct hd_change *c, const struct hd_occupant *o) {
  for (uint32_t i = 0; i < c->placing_count; i++)
    if (c->placings[i].occupant == o) return true;
  return false;
}

// Every exchange brings one occupant to its seat. Layouts are built before them: `next` says who will sit where.
static void plan_moves(struct hd_change *c) {
  struct whereabouts w = {.count = 0};
  for (uint32_t i = 0; i < c->placing_count; i++) lies(&w, c->placings[i].before, c->placings[i].seat->seats);
  for (uint32_t i = 0; i < c->want.arm_count; i++)
    if (c->staged[i].occupant) lies(&w, c->staged[i].occupant, c->staged[i].places);
  for (uint32_t i = 0; i < c->placing_count; i++) {
    struct hd_placing *p = &c->placings[i];
    if (!p->occupant || p->occupant == p->before) continue;
    const struct hd_engine_instance *from = w.at[where_is(&w, p->occupant)];
    for (uint32_t k = 0; k < p->seat->seat_count; k++) p->seat->seats[k].next = &from[k];
  }
  for (uint32_t i = 0; i < c->placing_count; i++) {
    struct hd_placing *p = &c->placings[i];
    if (!p->occupant) continue;
    uint32_t here = index_of(&w, p->seat->seats), there = where_is(&w, p->occupant);
    if (here == there) continue;
    c->moves[c->move_count++] = (struct hd_move){w.at[here], w.at[there]};
    w.who[there] = w.who[here];
    w.who[here] = p->occupant;
  }
  for (uint32_t i = 0; i < w.count; i++)
    if (w.who[i] && !sits(c, w.who[i])) {
      c->left[c->leaving_count] = w.at[i];
      c->leaving[c->leaving_count++] = w.who[i];
    }
}

static bool same_wishes(const struct hd_engine_instance *a, const struct hd_engine_instance *b) {
  if (a->api->triggers != b->api->triggers || a->bar_count != b->bar_count) return false;
  for (uint32_t i = 0; i < a->bar_count; i++)
    if (a->bars[i].kind != b->bars[i].kind || a->bars[i].interval != b->bars[i].interval) return false;
  return true;
}

// Seats that come or go, or an occupant that wants other ticks or bars than the one before.
static bool layout_changes(const struct hd_change *c) {
  for (uint32_t i = 0; i < c->placing_count; i++) {
    const struct hd_placing *p = &c->placings[i];
    if ((p->occupant == NULL) != (p->before == NULL)) return true;
    for (uint32_t k = 0; p->occupant && k < p->seat->seat_count; k++)
      if (p->seat->seats[k].next && !same_wishes(&p->seat->seats[k], p->seat->seats[k].next)) return true;
  }
  return false;
}

static int32_t plan_layouts(struct hd_change *c, struct hd_fault *fault) {
  if (!layout_changes(c)) return HADRON_OK;
  uint32_t room = c->home->seat_count * c->placing_count;
  struct hd_engine_instance **add = calloc(room, sizeof(struct hd_engine_instance *)), **drop = calloc(room, sizeof(struct hd_engine_instance *));
  int32_t code = add && drop ? HADRON_OK : HADRON_ERR_MEMORY;
  for (uint32_t shard = 0; !code && shard < c->s->pipeline.options.shards; shard++) {
    struct hd_engine *e = c->s->pipeline.engines[shard];
    uint32_t added = 0, dropped = 0;
    for (uint32_t i = 0; i < c->placing_count; i++)
      for (uint32_t k = 0; k < c->placings[i].seat->seat_count; k++) {
        const struct hd_placing *p = &c->placings[i];
        if (p->seat->seats[k].engine != e) continue;
        if (p->occupant && !p->before) add[added++] = &p->seat->seats[k];
        if (!p->occupant && p->before) drop[dropped++] = &p->seat->seats[k];
      }
    code = hd_engine_layout_create(e, add, added, drop, dropped, &c->layouts[shard]);
  }
  free(add);
  free(drop);
  return code ? hd_fault_set(fault, code, "%s: seats of the new version: %s", c->want.name, hadron_error_text(code)) : HADRON_OK;
}

// ---- the meeting: [shard] --------------------------------------------------------------------------------------------------------------

static bool of_shard(const struct hd_change *c, uint32_t i, uint32_t shard) {
  return c->home->seats[i].engine == c->s->pipeline.engines[shard];
}

// The state is in: the new one is started, and must want what it wanted when it was tried.
static int32_t load_one(struct hd_change *c, struct hd_staged *g, uint32_t i, uint32_t shard, uint32_t size) {
  struct hadron_instance *instance = &g->occupant->instances[i];
  struct hd_engine_instance *at = &g->places[i];
  int32_t code = size ? hd_state_load(instance, c->buffers[shard], size, &c->faults[shard]) : HADRON_OK;
  if (code) return code;
  at->bar_count = 0;
  if ((code = hd_instance_start(instance, &c->faults[shard]))) return code;
  if (at->bar_count == g->bar_counts[i] && memcmp(at->bars, &g->bars[(size_t)i * HD_BAR_KINDS_MAX], at->bar_count * sizeof *at->bars) == 0) return HADRON_OK;
  return hd_fault_set(&c->faults[shard], HADRON_ERR_PLUGIN, "%s: started with the old state it asks for other bars than without", instance->name);
}

// What was fenced is not trusted to say what it knows; what has been given up elsewhere cannot.
static bool speaks(const struct hd_change *c, uint32_t i) {
  const struct hd_placed *p = c->home->occupant->placed;
  return !c->home->seats[i].fenced && !(p && atomic_load(&p->state) == HADRON_PLACED_FENCED);
}

static int32_t hand_over(struct hd_change *c, uint32_t i, uint32_t shard) {
  uint32_t size = 0;
  int32_t code = HADRON_OK;
  if (speaks(c, i)) // else the new one begins without
    code = hd_state_save(&c->home->occupant->instances[i], c->buffers[shard], c->buffer_size, &size, &c->faults[shard]);
  for (uint32_t a = 0; !code && a < c->want.arm_count; a++)
    if (c->staged[a].loads) code = load_one(c, &c->staged[a], i, shard, size);
  c->handed[shard] += size;
  return code;
}

// ---- the sample for the probe ----------------------------------------------------------------------------------------------------------

static void sample_prepare(void *self, uint32_t shard) {
  struct hd_change *c = self;
  if (of_shard(c, 0, shard))
    c->codes[shard] = hd_state_save(&c->home->occupant->instances[0], c->sample, hd_state_size_max(c->home->occupant->plugin), &c->sample_size, &c->faults[shard]);
}

static bool sample_decide(void *self) {
  (void)self;
  return true;
}

static void sample_finish(void *self, uint32_t shard, bool agreed) { (void)self, (void)shard, (void)agreed; }

int32_t hd_change_sample(struct hd_change *c, struct hd_fault *fault) {
  bool wanted_by_any = false;
  for (uint32_t i = 0; i < c->want.arm_count; i++) wanted_by_any |= !c->found[i] && hd_change_hands_over(c, c->plugins[i]);
  if (!wanted_by_any || !speaks(c, 0)) return HADRON_OK;
  c->sample = aligned_alloc(64, ((size_t)hd_state_size_max(c->home->occupant->plugin) + 63) & ~(size_t)63);
  if (!c->sample) return hd_fault_set(fault, HADRON_ERR_MEMORY, "a state of \"%s\": out of memory", c->want.name);
  struct hd_meeting m = {.self = c, .prepare = sample_prepare, .decide = sample_decide, .finish = sample_finish};
  int32_t code = hd_session_meet(c->s, &m);
  if (code) return hd_fault_set(fault, code, "%s: the session is stopping", c->want.name);
  for (uint32_t i = 0; !code && i < c->s->pipeline.options.shards; i++)
    if ((code = c->codes[i])) *fault = c->faults[i];
  return code;
}

// ---- the meeting: [shard] --------------------------------------------------------------------------------------------------------------

static int32_t check_timers(struct hd_change *c, uint32_t shard) {
  uint32_t wished = 0, room = hd_engine_timer_room(c->s->pipeline.engines[shard]);
  for (uint32_t a = 0; a < c->want.arm_count; a++)
    for (uint32_t i = 0; c->staged[a].occupant && i < c->home->seat_count; i++)
      if (of_shard(c, i, shard)) wished += c->staged[a].wishes[i].timer_count;
  return wished <= room ? HADRON_OK : hd_fault_set(&c->faults[shard], HADRON_ERR_FULL, "%s: timers of the new version: expected at most %u on shard %u, found %u", c->want.name, room, shard, wished);
}

static int64_t handover_max(const struct hd_change *c) {
  bool elsewhere = c->home->occupant && c->home->occupant->placed;
  for (uint32_t a = 0; a < c->want.arm_count; a++) elsewhere |= c->staged[a].occupant && c->staged[a].occupant->placed;
  const int64_t most_ns = c->s->config->handover_max_ns;
  return elsewhere && most_ns < HD_HANDOVER_ELSEWHERE_NS ? HD_HANDOVER_ELSEWHERE_NS : most_ns;
}

static void on_prepare(void *self, uint32_t shard) {
  struct hd_change *c = self;
  const int64_t most_ns = handover_max(c);
  c->from[shard] = hd_cycles();
  c->last[shard] = hd_engine_last(c->s->pipeline.engines[shard]);
  for (uint32_t i = 0; c->buffer_size && !c->codes[shard] && i < c->home->seat_count; i++) {
    if (!of_shard(c, i, shard)) continue;
    c->codes[shard] = hand_over(c, i, shard);
    int64_t took = hd_cycles_to_ns(hd_cycles() - c->from[shard]);
    if (!c->codes[shard] && took > most_ns && !c->s->options.recorded)
      c->codes[shard] = hd_fault_set(&c->faults[shard], HADRON_ERR_TIMEOUT, "%s: handing the state over: expected at most %d ms, found %d ms after %u of %u instances", c->want.name,
                                     (int)(most_ns / 1000000), (int)(took / 1000000), i + 1, c->home->seat_count);
  }
  if (!c->codes[shard]) c->codes[shard] = check_timers(c, shard);
}

static int32_t write_commit(struct hd_change *c) {
  const struct hd_placing *home = &c->placings[0];
  struct hadron_swap *r = &c->record;
  *r = (struct hadron_swap){.time_ns = c->now_ns, .revision = c->want.revision, .arm = c->home->id, .stage = HADRON_SWAP_COMMIT, .kind = HADRON_KIND_STRATEGY};
  for (uint32_t i = 0; i < c->s->pipeline.options.shards; i++) {
    r->state_size += c->handed[i];
    if (c->last[i] > r->last_sequence) r->last_sequence = c->last[i];
  }
  if (c->s->options.recorded && home->before && home->before->placed) r->state_size = c->said_handed;
  for (uint32_t i = 1; i < c->placing_count; i++)
    if (home->before && c->placings[i].occupant == home->before) r->other = c->placings[i].seat->id;
  hd_text_copy(r->name, sizeof r->name, c->want.name);
  if (home->before) {
    memcpy(r->from_digest, home->before->plugin->digest, sizeof r->from_digest);
    hd_text_copy(r->from_version, sizeof r->from_version, home->before->plugin->manifest.version);
  }
  if (home->occupant) {
    memcpy(r->digest, home->occupant->plugin->digest, sizeof r->digest);
    hd_text_copy(r->version, sizeof r->version, home->occupant->plugin->manifest.version);
  }
  return hd_record(&c->s->pipeline.sink, HADRON_MSG_SWAP, r, sizeof *r, c->now_ns, HD_RECORD_RESERVED);
}

static bool on_decide(void *self) {
  struct hd_change *c = self;
  for (uint32_t i = 0; i < c->s->pipeline.options.shards; i++)
    if (c->codes[i]) return false;
  hd_crash_point(HD_CRASH_CHANGE_AGREED);
  if ((c->codes[0] = write_commit(c))) {
    hd_fault_set(&c->faults[0], c->codes[0], "%s: the journal did not take the record of the change: %s", c->want.name, hadron_error_text(c->codes[0]));
    return false;
  }
  hd_crash_point(HD_CRASH_CHANGE_RECORDED);
  for (uint32_t i = 0; i < c->placing_count; i++) {
    struct hd_placing *p = &c->placings[i];
    p->seat->occupant = p->occupant;
    p->seat->warm_until_ns = p->warm_until_ns;
    if (!p->warm_until_ns) p->seat->revision = c->want.revision; // a warm seat is of the revision that put its version in
  }
  c->home->swap = c->record;
  atomic_store(&c->home->swap_pause_ns, 0);
  atomic_store(&c->home->swap_told, c->placings[0].occupant == c->placings[0].before);
  return c->committed = true;
}

// Whose bars run on in this seat; NULL: they are the host's engine's.
static struct hd_standin *predecessor(const struct hd_change *c, const struct hd_placing *p, uint32_t i) {
  const struct hd_occupant *before = p->before ? p->before : c->placings[0].before;
  return before && before->placed ? before->placed->standins[i] : NULL;
}

static void on_finish(void *self, uint32_t shard, bool agreed) {
  struct hd_change *c = self;
  if (!agreed) return;
  for (uint32_t i = 0; i < c->home->seat_count; i++) {
    if (!of_shard(c, i, shard)) continue;
    for (uint32_t m = 0; m < c->move_count; m++) {
      int32_t code = hd_engine_exchange(&c->moves[m].a[i], &c->moves[m].b[i]);
      HD_ASSERT(code == HADRON_OK); // check_timers
    }
    for (uint32_t k = 0; k < c->leaving_count; k++) {
      hd_engine_leave(&c->left[k][i], &c->last_wishes);
      hd_occupant_sits(c->leaving[k], 0);
      c->leaving[k]->instances[i].owner = &c->left[k][i];
    }
    for (uint32_t k = 0; k < c->placing_count; k++) {
      const struct hd_placing *p = &c->placings[k];
      p->seat->seats[i].next = NULL;
      if (!p->occupant || p->occupant == p->before) continue;
      p->occupant->instances[i].owner = &p->seat->seats[i];
      p->occupant->instances[i].arm = p->seat->id;
      hd_occupant_sits(p->occupant, p->seat->id);
      if (p->occupant->placed) hd_standin_joins(p->occupant->placed->standins[i], predecessor(c, p, i));
      p->seat->seats[i].fresh = k == 0;
    }
  }
  for (uint32_t a = 0; a < c->want.arm_count; a++)
    for (uint32_t k = 0; c->regoverned[a] && k < c->placing_count; k++)
      for (uint32_t i = 0; c->placings[k].occupant == c->regoverned[a] && i < c->home->seat_count; i++)
        if (of_shard(c, i, shard)) hd_occupant_regovern(c->regoverned[a], c->governors[a], i, shard, &c->placings[k].seat->seats[i]);
  if (c->layouts[shard]) hd_engine_layout_install(c->layouts[shard]);
  int64_t took = hd_cycles_to_ns(hd_cycles() - c->from[shard]), longest = atomic_load(&c->home->swap_pause_ns);
  while (took > longest && !atomic_compare_exchange_weak(&c->home->swap_pause_ns, &longest, took)) continue;
}

// ---- [trade] ---------------------------------------------------------------------------------------------------------------------------

static int32_t open_seat(struct hd_change *c, struct hd_placing *p) {
  struct hd_pipeline *pipeline = &c->s->pipeline;
  const struct hd_plugin *plugin = p->occupant->plugin;
  struct hd_arm row = pipeline->arms[c->home->id];
  row.id = p->seat->id;
  row.role = p->role;
  row.weight = p->weight;
  row.placement = hd_occupant_recorded_placement(p->occupant);
  pipeline->risk.strategy[row.id] = pipeline->risk.strategy[c->home->id];
  // A seat of its own begins with the money that its share of the deployment stands for; shadows with all of it.
  const struct hadron_money cash = pipeline->portfolio.books[c->home->id].initial;
  return hd_pipeline_arm(pipeline, &row, p->role == HD_ROLE_SHADOW ? cash : (struct hadron_money){0}, p->seat->instruments, p->seat->instrument_count,
                         plugin->digest, plugin->manifest.version);
}

struct trade_part {
  struct hd_change *c;
  struct hd_fault *fault;
  int32_t code;
};

// What is wanted, or that the trading side settles it: in its own order of events, for who runs this again.
static int32_t write_wanted(struct hd_change *c, uint8_t stage, struct hd_fault *fault) {
  struct hadron_deployment part = {.time_ns = c->now_ns, .revision = c->want.revision, .number = c->home->id, .kind = HADRON_KIND_STRATEGY, .stage = stage};
  bool opens = stage == HADRON_DEPLOYMENT_OPEN;
  uint32_t wanted_count = c->want.arm_count;
  c->want.arm_count = c->said_count;
  char *text = opens ? hd_deployment_text(&c->want) : NULL;
  c->want.arm_count = wanted_count;
  hd_text_copy(part.name, sizeof part.name, c->want.name);
  const struct hd_occupant *live = c->placings[0].occupant;
  part.placement = live ? (uint8_t)hd_occupant_recorded_placement(live) : 0;
  if (c->want.arm_count) {
    memcpy(part.digest, c->want.arms[0].digest, sizeof part.digest);
    hd_text_copy(part.version, sizeof part.version, c->want.arms[0].version);
  }
  int32_t code = opens && !text ? HADRON_ERR_MEMORY : hd_session_write_part(c->s, &part, text);
  free(text);
  return code ? hd_fault_set(fault, code, "%s: the journal did not take what is wanted: %s", c->want.name, hadron_error_text(code)) : HADRON_OK;
}

// Before the meeting: books for new seats. A seat whose change fails afterwards stays, empty, for the next one.
static void open_seats(void *argument) {
  struct trade_part *t = argument;
  struct hd_change *c = t->c;
  t->code = write_wanted(c, HADRON_DEPLOYMENT_OPEN, t->fault);
  for (uint32_t i = 0; !t->code && i < c->placing_count; i++) {
    struct hd_placing *p = &c->placings[i];
    if (!p->occupant || c->s->pipeline.portfolio.books[p->seat->id].role) continue;
    t->code = open_seat(c, p);
    if (t->code) hd_fault_set(t->fault, t->code, "%s: a book for %s: %s", c->want.name, p->occupant->plugin->manifest.version, hadron_error_text(t->code));
  }
}

// Which instruments a version trades, where versions share them: one after the other, in proportion to their weights.
static void split_of(const struct hd_change *c, uint32_t at, uint32_t *low, uint32_t *high) {
  double sum = 0, before = 0, own = c->placings[at].weight;
  *low = *high = 0;
  if (c->want.split != HD_SPLIT_INSTRUMENT || c->placings[at].role == HD_ROLE_SHADOW) return;
  for (uint32_t i = 0; i < c->placing_count; i++) {
    const struct hd_placing *p = &c->placings[i];
    if (!p->occupant || p->role == HD_ROLE_SHADOW) continue;
    sum += p->weight;
    if (i < at) before += p->weight;
  }
  if (!(sum > 0) || own == sum) return; // alone: all of them
  *low = (uint32_t)(before / sum * 1e6 + 0.5);
  *high = (uint32_t)((before + own) / sum * 1e6 + 0.5);
  if (*low == *high) *low = 1000000 - 1, *high = 1000000; // a weight of nothing: as little as there is
}

static void settle_seat(struct hd_change *c, uint32_t at, struct hd_fault *fault) {
  struct hd_placing *p = &c->placings[at];
  struct hd_pipeline *pipeline = &c->s->pipeline;
  uint32_t id = p->seat->id;
  struct hadron_arm_definition *d = &pipeline->definitions[id];
  int32_t code = HADRON_OK;
  if (p->occupant) {
    struct hd_arm_change change = {.role = p->role, .weight = c->want.split == HD_SPLIT_INSTRUMENT && p->role != HD_ROLE_SHADOW ? 1 : p->weight,
                                   .revision = c->want.revision, .heir = c->want.split == HD_SPLIT_INSTRUMENT ? HD_HEIR_SPLIT : p->seat == c->home ? 0 : c->home->id};
    const struct hd_plugin *plugin = p->occupant->plugin;
    split_of(c, at, &change.split_low, &change.split_high);
    pipeline->arms[id].placement = hd_occupant_recorded_placement(p->occupant);
    memcpy(d->digest, plugin->digest, sizeof d->digest);
    memset(d->version, 0, sizeof d->version);
    hd_text_copy(d->version, sizeof d->version, plugin->manifest.version);
    code = hd_pipeline_role(pipeline, id, &change, c->now_ns, fault);
    // Who comes from the live seat goes on from what it held there.
    bool displaced = p->role == HD_ROLE_SHADOW && at > 0 && p->occupant == c->placings[0].before && p->occupant != p->before;
    if (!code && displaced) code = hd_pipeline_mirror(pipeline, c->home->id, id, c->now_ns, fault);
  } else if (p->seat == c->home) { // its book waits for who comes next
    hd_gateway_cancel_all(pipeline->gateway, id, 0, c->now_ns);
    d->role = 0;
    d->waits = 1;
    d->revision = c->want.revision;
    code = hd_record(&pipeline->sink, HADRON_MSG_ARM, d, sizeof *d, c->now_ns, HD_RECORD_RESERVED);
    if (code) hd_fault_set(fault, code, "the record of who left was not written: %s", hadron_error_text(code));
  } else {
    code = hd_pipeline_close(pipeline, id, c->home->id, c->now_ns, fault);
  }
  if (code) hd_log_error("CHANGE_SEAT", "%s: %s", c->want.name, fault->text);
  p->seat->role = p->role;
  p->seat->weight = p->weight;
  if (p->occupant && p->occupant->placed) hd_placed_role(p->occupant->placed, p->role);
}

// After it: roles, weights and splits; who has left trades no more. Splits first: what one gives up goes to the one that has it then.
static void settle_seats(void *argument) {
  struct trade_part *t = argument;
  struct hd_change *c = t->c;
  if (write_wanted(c, HADRON_DEPLOYMENT_SETTLE, t->fault)) hd_log_error("CHANGE_SETTLE", "%s", t->fault->text); // it has happened
  for (uint32_t i = 0; i < c->placing_count; i++)
    if (c->placings[i].occupant && c->placings[i].role != HD_ROLE_SHADOW) {
      struct hd_arm *arm = &c->s->pipeline.arms[c->placings[i].seat->id];
      split_of(c, i, &arm->split_low, &arm->split_high);
    }
  for (uint32_t i = 0; i < c->placing_count; i++)
    if (c->placings[i].occupant || c->placings[i].before) settle_seat(c, i, t->fault);
}

static void plan_fini(struct hd_change *c) {
  for (uint32_t i = 0; i < c->placing_count; i++)
    for (uint32_t k = 0; k < c->placings[i].seat->seat_count; k++) c->placings[i].seat->seats[k].next = NULL;
  while (c->s->arm_count > c->s->pipeline.arm_count) { // rows without a book
    struct hd_session_arm *seat = &c->s->arms[--c->s->arm_count];
    free(seat->instruments);
    free(seat->seats);
    *seat = (struct hd_session_arm){0};
  }
  c->leaving_count = 0; // still where they were
}

static int32_t meet(struct hd_change *c, struct hd_fault *fault) {
  struct hd_session *s = c->s;
  c->now_ns = s->options.is_virtual ? s->runner.now_ns : hd_clock_wall_ns();
  c->meeting = (struct hd_meeting){.self = c, .prepare = on_prepare, .decide = on_decide, .finish = on_finish};
  int32_t code = hd_session_meet(s, &c->meeting);
  if (code) return hd_fault_set(fault, code, "%s: the session is stopping", c->want.name);
  for (uint32_t i = 0; i < s->pipeline.options.shards; i++)
    if (c->codes[i]) {
      *fault = c->faults[i];
      return c->codes[i];
    }
  return HADRON_OK;
}

// Versions that sit now are their seats'; those that left are the change's.
void hd_change_taken(struct hd_change *c) {
  for (uint32_t a = 0; a < c->want.arm_count; a++) {
    c->staged[a].occupant = NULL;
    if (!c->regoverned[a]) continue;
    struct hd_governor *before = c->regoverned[a]->governor;
    c->regoverned[a]->governor = c->governors[a];
    c->regoverned[a]->budget = c->want.budget;
    c->governors[a] = before;
  }
}

static void hand_in(struct hd_change *c, struct hd_changed *out) {
  hd_change_taken(c);
  *out = (struct hd_changed){.last_sequence = c->record.last_sequence, .state_size = c->record.state_size,
                             .pause_ns = c->s->options.is_virtual ? 0 : atomic_load(&c->meeting.pause_ns)};
  for (uint32_t i = 0; i < c->placing_count; i++) {
    const struct hd_placing *p = &c->placings[i];
    out->swapped += p->occupant && p->before && p->occupant != p->before;
    out->opened += p->occupant && !p->before;
    out->closed += !p->occupant && p->before;
  }
}

int32_t hd_change_open(struct hd_change *c, struct hd_fault *fault) {
  struct trade_part t = {c, fault, HADRON_OK};
  int32_t code = plan(c, fault);
  if (!code) {
    plan_moves(c);
    code = plan_layouts(c, fault);
  }
  for (uint32_t i = 0; !code && i < c->placing_count; i++)
    if (c->placings[i].occupant && c->placings[i].role == HD_ROLE_SHADOW) code = hd_session_shadow(c->s, c->placings[i].seat->id, fault);
  if (!code) hd_session_trade(c->s, open_seats, &t);
  if (!code) code = t.code;
  if (code) plan_fini(c);
  return code;
}

void hd_change_handed(struct hd_change *c, uint32_t size) { c->said_handed = size; }

int32_t hd_change_meet(struct hd_change *c, struct hd_fault *fault) {
  int32_t code = meet(c, fault);
  if (code) plan_fini(c);
  return code;
}

void hd_change_settle(struct hd_change *c, struct hd_fault *fault) {
  struct trade_part t = {c, fault, HADRON_OK};
  hd_session_trade(c->s, settle_seats, &t);
}

int32_t hd_change_commit(struct hd_change *c, struct hd_changed *out, struct hd_fault *fault) {
  HD_ASSERT(!c->committed);
  bool wants_new = !c->part && c->want.arm_count && !c->home->occupant && hd_session_wants_new(c->s, c->home);
  if (c->part) {
    *out = (struct hd_changed){.swapped = 1};
    return hd_part_commit(c->part, c->want.revision, &out->pause_ns, fault);
  }
  int32_t code = hd_change_open(c, fault);
  if (!code) code = hd_change_meet(c, fault);
  if (code) return code;
  hd_crash_point(HD_CRASH_CHANGE_EXCHANGED);
  if (wants_new) hd_session_subscribe_new(c->s, c->home);
  hd_change_settle(c, fault);
  hd_crash_point(HD_CRASH_CHANGE_SETTLED);
  hand_in(c, out);
  hd_log_info("CHANGE", "%s: revision %u: %u swapped, %u opened, %u closed, %u bytes of state, pause %lld ns", c->want.name, c->want.revision, out->swapped, out->opened, out->closed,
              out->state_size, (long long)out->pause_ns);
  return HADRON_OK;
}
