#include "runtime/compare_arms.h"

#include <math.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/statistics.h"
#include "base/text.h"
#include "hadron/decimal.h"
#include "pipeline/portfolio.h"

#define TRANSFERRED 2 // flag of an allocation: from one arm to another, not a trade
#define DAY_NS INT64_C(86400000000000)
#define YEAR_NS (365.25 * 86400e9)
#define DAYS_A_YEAR 252

int32_t hd_compare_arms_init(struct hd_compare_arms *c, const char *const *names, uint32_t name_count, uint32_t keep) {
  *c = (struct hd_compare_arms){.names = names, .name_count = name_count, .baseline = HD_COMPARE_NONE, .keep = keep, .periods_per_year = NAN};
  return HADRON_OK;
}

void hd_compare_arms_fini(struct hd_compare_arms *c) {
  for (uint32_t i = 0; i < HD_COMPARE_VERSIONS_MAX; i++) {
    free(c->versions[i].periods);
    free(c->pairs[i].differences);
    if (c->pairs[i].open) hd_compare_fini(&c->pairs[i].decisions);
  }
  free(c->seats);
  free(c->times);
  free(c->multipliers);
  free(c->instruments);
  *c = (struct hd_compare_arms){.baseline = HD_COMPARE_NONE};
}

void hd_compare_arms_baseline(struct hd_compare_arms *c, const char *label) { hd_text_copy(c->wanted, sizeof c->wanted, label); }

// ---- tables that grow --------------------------------------------------------------------------------------------------------------

static bool grow(void *table, uint32_t *count, uint32_t index, size_t size) {
  void **rows = table;
  if (index < *count) return true;
  uint32_t larger = index < 16 ? 32 : 2 * index;
  char *grown = realloc(*rows, larger * size);
  if (!grown) return false;
  memset(grown + *count * size, 0, (larger - *count) * size);
  *rows = grown;
  *count = larger;
  return true;
}

static struct hd_compare_seat *seat_of(struct hd_compare_arms *c, uint32_t arm) {
  uint32_t from = c->seat_count;
  if (arm > 1u << 20 || !grow(&c->seats, &c->seat_count, arm, sizeof *c->seats)) return NULL;
  for (uint32_t i = from; i < c->seat_count; i++) c->seats[i].version = c->seats[i].before = HD_COMPARE_NONE;
  return &c->seats[arm];
}

// Room for one more period in every version's series.
static int32_t periods_grow(struct hd_compare_arms *c) {
  if (c->period_count < c->period_room) return HADRON_OK;
  size_t room = c->period_room ? 2 * c->period_room : 512;
  int64_t *times = realloc(c->times, room * sizeof *times);
  if (!times) return HADRON_ERR_MEMORY;
  c->times = times;
  for (uint32_t i = 0; i < c->version_count; i++) {
    struct hd_compare_period *p = realloc(c->versions[i].periods, room * sizeof *p);
    if (!p) return HADRON_ERR_MEMORY;
    c->versions[i].periods = p;
  }
  c->period_room = room;
  return HADRON_OK;
}

// ---- who sits where ----------------------------------------------------------------------------------------------------------------

static bool name_wanted(const struct hd_compare_arms *c, const char *name) {
  for (uint32_t i = 0; i < c->name_count; i++)
    if (strcmp(c->names[i], name) == 0) return true;
  return false;
}

static bool is_seated(const struct hd_compare_arms *c, uint32_t version, uint32_t beside) {
  for (uint32_t i = 0; i < c->seat_count; i++)
    if (i != beside && c->seats[i].version == version) return true;
  return false;
}

static void label_make(struct hd_compare_arms *c, struct hd_compare_version *v, uint32_t arm, bool twice) {
  char plain[HADRON_NAME_SIZE + HADRON_VERSION_SIZE + 24];
  if (c->name_count > 1) snprintf(plain, sizeof plain, "%s@%s", v->name, v->version);
  else snprintf(plain, sizeof plain, "%s", v->version);
  if (twice) snprintf(plain + strlen(plain), sizeof plain - strlen(plain), "/arm%u", arm);
  hd_text_copy(v->label, sizeof v->label, plain);
}

static void pair_open(struct hd_compare_arms *c, uint32_t version, int32_t *code) {
  struct hd_compare_pair *p = &c->pairs[version];
  if (c->baseline == HD_COMPARE_NONE || version == c->baseline || p->open) return;
  *code = hd_compare_init(&p->decisions, c->keep);
  p->open = *code == HADRON_OK;
}

static int32_t version_add(struct hd_compare_arms *c, const char *name, const char *version, const uint8_t digest[32], uint32_t arm, bool twice,
                           uint32_t *out) {
  int32_t code = HADRON_OK;
  if (c->version_count == HD_COMPARE_VERSIONS_MAX) return HADRON_ERR_FULL;
  struct hd_compare_version *v = &c->versions[c->version_count];
  *v = (struct hd_compare_version){.sharpe = NAN, .drawdown = NAN, .hit_rate = NAN, .turnover = NAN};
  hd_text_copy(v->name, sizeof v->name, name);
  hd_text_copy(v->version, sizeof v->version, version);
  memcpy(v->digest, digest, sizeof v->digest);
  label_make(c, v, arm, twice);
  if (c->period_room && !(v->periods = calloc(c->period_room, sizeof *v->periods))) return HADRON_ERR_MEMORY;
  for (size_t i = 0; i < c->period_count; i++) v->periods[i].result = NAN;
  *out = c->version_count++;
  if (strcmp(v->label, c->wanted) == 0) c->baseline = *out;
  for (uint32_t i = 0; i < c->version_count && !code; i++) pair_open(c, i, &code);
  return code;
}

static bool is_version(const struct hd_compare_arms *c, uint32_t at, const char *name, const char *version, const uint8_t digest[32]) {
  if (at >= c->version_count) return false;
  const struct hd_compare_version *v = &c->versions[at];
  return strcmp(v->name, name) == 0 && strcmp(v->version, version) == 0 && memcmp(v->digest, digest, 32) == 0;
}

// The version of an artifact; where it has another seat already (the same one twice, with other parameters), the one of this seat.
static int32_t version_of(struct hd_compare_arms *c, const char *name, const char *version, const uint8_t digest[32], uint32_t arm, uint32_t *out) {
  bool twice = false;
  char own[32];
  if (arm < c->seat_count && is_version(c, c->seats[arm].version, name, version, digest)) {
    *out = c->seats[arm].version;
    return HADRON_OK;
  }
  snprintf(own, sizeof own, "/arm%u", arm);
  for (uint32_t i = 0; i < c->version_count; i++) {
    if (!is_version(c, i, name, version, digest)) continue;
    const char *tail = strstr(c->versions[i].label, "/arm");
    bool mine = tail ? strcmp(tail, own) == 0 : !is_seated(c, i, arm);
    if (mine) {
      *out = i;
      return HADRON_OK;
    }
    twice = true;
  }
  return version_add(c, name, version, digest, arm, twice, out);
}

static void sit_down(struct hd_compare_seat *seat, uint32_t version, uint64_t boundary) {
  if (seat->version == version) return;
  seat->mixed = seat->version != HD_COMPARE_NONE || seat->sampled;
  seat->before = seat->version;
  seat->version = version;
  seat->boundary = boundary;
}

static void on_session(struct hd_compare_arms *c, const struct hadron_session *s) {
  if (s->flags & 1) return;
  c->sessions++;
  for (uint32_t i = 0; i < c->seat_count; i++) c->seats[i] = (struct hd_compare_seat){.version = HD_COMPARE_NONE, .before = HD_COMPARE_NONE};
  for (uint32_t i = 0; i < c->version_count; i++) {
    c->versions[i].role = 0;
    if (c->pairs[i].open) hd_compare_flush(&c->pairs[i].decisions);
  }
}

static int32_t on_arm(struct hd_compare_arms *c, const struct hadron_arm_definition *d) {
  char name[sizeof d->name + 1], version[sizeof d->version + 1];
  uint32_t at = HD_COMPARE_NONE;
  hd_text_field(name, d->name, sizeof d->name);
  hd_text_field(version, d->version, sizeof d->version);
  if (!name_wanted(c, name)) return HADRON_OK;
  struct hd_compare_seat *seat = seat_of(c, d->arm);
  if (!seat) return HADRON_ERR_MEMORY;
  bool empty = d->role == 0;
  int32_t code = empty ? HADRON_OK : version_of(c, name, version, d->digest, d->arm, &at);
  if (code) return code;
  uint32_t left = seat->version;
  sit_down(seat, at, 0);
  if (left != HD_COMPARE_NONE && left != at && !is_seated(c, left, d->arm)) c->versions[left].role = 0;
  if (empty) return HADRON_OK;
  struct hd_compare_version *v = &c->versions[at];
  v->role = d->role;
  v->weight = d->weight;
  v->seat = d->arm;
  v->revision = d->revision;
  return HADRON_OK;
}

// Occupants change places; the arm definitions that follow tell roles and weights.
static int32_t on_swap(struct hd_compare_arms *c, const struct hadron_swap *s) {
  char name[sizeof s->name + 1], from[sizeof s->from_version + 1], to[sizeof s->version + 1];
  uint32_t in, out = HD_COMPARE_NONE;
  hd_text_field(name, s->name, sizeof s->name);
  hd_text_field(from, s->from_version, sizeof s->from_version);
  hd_text_field(to, s->version, sizeof s->version);
  if (s->stage != HADRON_SWAP_COMMIT || s->kind != HADRON_KIND_STRATEGY || !name_wanted(c, name)) return HADRON_OK;
  struct hd_compare_seat *seat = seat_of(c, s->arm > s->other ? s->arm : s->other); // both, before either is used
  if (!seat) return HADRON_ERR_MEMORY;
  seat = &c->seats[s->arm];
  c->swaps++;
  uint32_t old = seat->version, warm = s->other ? c->seats[s->other].version : HD_COMPARE_NONE;
  int32_t code = HADRON_OK;
  // Who sits in the one goes to the other, also where both are the same artifact; else somebody new comes.
  if (is_version(c, warm, name, to, s->digest)) in = warm;
  else {
    seat->version = HD_COMPARE_NONE; // free for who comes
    code = version_of(c, name, to, s->digest, s->arm, &in);
    seat->version = old;
  }
  if (!code && s->other) {
    if (is_version(c, old, name, from, s->from_digest)) out = old;
    else code = version_of(c, name, from, s->from_digest, s->other, &out);
  }
  if (code) return code;
  sit_down(seat, in, s->last_sequence);
  if (s->other) sit_down(&c->seats[s->other], out, s->last_sequence);
  return HADRON_OK;
}

// ---- what they did -----------------------------------------------------------------------------------------------------------------

static void seen_at(struct hd_compare_arms *c, int64_t time_ns) {
  if (c->first_ns == 0) c->first_ns = time_ns;
  c->last_ns = time_ns;
}

static bool counted(const struct hd_compare_arms *c, int64_t time_ns) { return time_ns >= c->from_ns && (c->to_ns == 0 || time_ns < c->to_ns); }

static uint32_t occupant(const struct hd_compare_arms *c, uint32_t arm, uint64_t cause) {
  if (arm >= c->seat_count) return HD_COMPARE_NONE;
  const struct hd_compare_seat *seat = &c->seats[arm];
  return cause <= seat->boundary && seat->boundary ? seat->before : seat->version;
}

static int32_t on_decision(struct hd_compare_arms *c, const struct hadron_decision *d) {
  uint32_t by = occupant(c, d->arm, d->cause);
  int32_t code = HADRON_OK;
  if (by == HD_COMPARE_NONE || !counted(c, d->time_ns)) return HADRON_OK;
  c->versions[by].decisions++;
  seen_at(c, d->time_ns);
  if (c->baseline == HD_COMPARE_NONE || !is_seated(c, c->baseline, HD_COMPARE_NONE)) return HADRON_OK;
  if (by != c->baseline) return hd_compare_add(&c->pairs[by].decisions, 1, d);
  for (uint32_t i = 0; i < c->version_count && !code; i++)
    if (c->pairs[i].open && is_seated(c, i, HD_COMPARE_NONE)) code = hd_compare_add(&c->pairs[i].decisions, 0, d);
  return code;
}

static void on_allocation(struct hd_compare_arms *c, const struct hadron_allocation *a) {
  uint32_t by = a->arm < c->seat_count ? c->seats[a->arm].version : HD_COMPARE_NONE;
  struct hadron_money notional = {0};
  struct hadron_quantity multiplier = {HADRON_QUANTITY_SCALE};
  if (by == HD_COMPARE_NONE || !counted(c, a->time_ns)) return;
  struct hd_compare_version *v = &c->versions[by];
  if (a->instrument < c->instrument_count && c->multipliers[a->instrument].e8 > 0) multiplier = c->multipliers[a->instrument];
  if (hadron_notional(a->price, a->quantity, multiplier, &notional)) notional.micros = 0; // the books have refused it as well
  int64_t sign = a->flags & 1 ? -1 : 1, moved = a->side == HADRON_SIDE_BUY ? a->quantity.e8 : -a->quantity.e8, held = a->position.e8 - moved;
  seen_at(c, a->time_ns);
  v->allocations++;
  v->fees += sign * a->fee.micros;
  if (!(a->flags & TRANSFERRED)) v->traded += sign * notional.micros;
  if (sign < 0 || (a->flags & TRANSFERRED) || !((held > 0 && moved < 0) || (held < 0 && moved > 0))) return;
  int64_t result = a->realized.micros - a->fee.micros; // as the books count
  v->wins += result > 0;
  v->losses += result < 0;
}

static int32_t period_begin(struct hd_compare_arms *c, int64_t time_ns) {
  int32_t code = periods_grow(c);
  if (code) return code;
  c->times[c->period_count] = time_ns;
  for (uint32_t i = 0; i < c->version_count; i++) {
    struct hd_compare_version *v = &c->versions[i];
    if (!v->periods && !(v->periods = calloc(c->period_room, sizeof *v->periods))) return HADRON_ERR_MEMORY;
    v->periods[c->period_count] = (struct hd_compare_period){NAN, 0};
  }
  c->period_count++;
  return HADRON_OK;
}

// Books the change of a seat's equity in this period to its occupant; a later word on the same period replaces it.
static void period_book(struct hd_compare_arms *c, const struct hd_compare_seat *seat, size_t period) {
  if (seat->version == HD_COMPARE_NONE || seat->capital <= 0) return;
  struct hd_compare_version *v = &c->versions[seat->version];
  struct hd_compare_period *p = &v->periods[period];
  bool again = seat->sampled && seat->period == period;
  if (!isnan(p->result) && !again) return; // it has two seats: the first one's, which trades, counts
  int64_t pnl = seat->equity - seat->previous;
  v->capital = seat->capital;
  v->period_count += isnan(p->result) ? 1 : 0;
  *p = (struct hd_compare_period){(double)pnl / (double)seat->capital, pnl};
}

// What there is at cost, less what was earned.
static int64_t book_beginning(const struct hadron_equity *e) { return e->cash.micros + e->cost.micros - e->realized.micros + e->fees.micros; }

static int32_t on_equity(struct hd_compare_arms *c, const struct hadron_equity *e) {
  if (e->arm == 0 || e->arm >= c->seat_count || c->seats[e->arm].version == HD_COMPARE_NONE) return HADRON_OK;
  struct hd_compare_seat *seat = &c->seats[e->arm];
  int64_t equity = e->cash.micros + e->cost.micros + e->unrealized.micros;
  if (!counted(c, e->time_ns)) { // only where the next period begins
    if (!seat->sampled) seat->capital = book_beginning(e);
    seat->equity = seat->previous = equity;
    seat->sampled = true;
    seat->mixed = false;
    seat->period = SIZE_MAX;
    return HADRON_OK;
  }
  if (c->period_count == 0 || c->times[c->period_count - 1] != e->time_ns) {
    int32_t code = period_begin(c, e->time_ns);
    if (code) return code;
  }
  size_t period = c->period_count - 1;
  seen_at(c, e->time_ns);
  if (!seat->sampled) {
    seat->previous = seat->capital = book_beginning(e);
  } else if (seat->period != period) {
    seat->previous = seat->equity;
  }
  seat->equity = equity;
  if (seat->mixed) {
    c->mixed += seat->left_out != period + 1;
    seat->left_out = period + 1;
  }
  if (seat->left_out != period + 1) period_book(c, seat, period);
  seat->mixed = false;
  seat->sampled = true;
  seat->period = period;
  return HADRON_OK;
}

static int32_t on_instrument(struct hd_compare_arms *c, const struct hadron_instrument_definition *d) {
  uint32_t names = c->instrument_count;
  if (d->instrument > 1u << 22) return HADRON_OK;
  if (!grow(&c->instruments, &names, d->instrument, sizeof *c->instruments) ||
      !grow(&c->multipliers, &c->instrument_count, d->instrument, sizeof *c->multipliers))
    return HADRON_ERR_MEMORY;
  c->multipliers[d->instrument] = d->multiplier;
  memcpy(c->instruments[d->instrument], d->name, sizeof d->name);
  c->instruments[d->instrument][sizeof d->name - 1] = 0;
  return HADRON_OK;
}

#define BLOCK_MAX 512

// Journals of older writers have shorter blocks: what they do not say is zero.
static const void *whole(const void *block, uint32_t block_length, size_t size, uint64_t room[BLOCK_MAX / 8]) {
  HD_ASSERT(size <= BLOCK_MAX);
  return block_length >= size ? block : memcpy(room, block, block_length);
}

int32_t hd_compare_arms_add(struct hd_compare_arms *c, uint16_t template_id, const void *block, uint32_t block_length) {
  if (template_id == HADRON_MSG_TICK) return HADRON_OK; // most of a journal
  uint64_t room[BLOCK_MAX / 8] = {0};
#define WHOLE(type) whole(block, block_length, sizeof(struct type), room)
  switch (template_id) {
  case HADRON_MSG_DECISION: return on_decision(c, WHOLE(hadron_decision));
  case HADRON_MSG_EQUITY: return on_equity(c, WHOLE(hadron_equity));
  case HADRON_MSG_ALLOCATION: on_allocation(c, WHOLE(hadron_allocation)); return HADRON_OK;
  case HADRON_MSG_ARM: return on_arm(c, WHOLE(hadron_arm_definition));
  case HADRON_MSG_SWAP: return on_swap(c, WHOLE(hadron_swap));
  case HADRON_MSG_SESSION: on_session(c, WHOLE(hadron_session)); return HADRON_OK;
  case HADRON_MSG_INSTRUMENT: return on_instrument(c, WHOLE(hadron_instrument_definition));
  default: return HADRON_OK;
  }
#undef WHOLE
}

uint32_t hd_compare_arms_live(const struct hd_compare_arms *c) {
  for (uint32_t arm = 0; arm < c->seat_count; arm++) {
    uint32_t v = c->seats[arm].version;
    if (v != HD_COMPARE_NONE && c->versions[v].role == HD_ROLE_LIVE) return v;
  }
  return HD_COMPARE_NONE;
}

uint32_t hd_compare_arms_find(const struct hd_compare_arms *c, const char *label) {
  for (uint32_t i = 0; i < c->version_count; i++)
    if (strcmp(c->versions[i].label, label) == 0) return i;
  for (uint32_t i = 0; i < c->version_count; i++)
    if (strcmp(c->versions[i].version, label) == 0) return i;
  return HD_COMPARE_NONE;
}

// ---- the end -----------------------------------------------------------------------------------------------------------------------

static int by_size(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

// From the middle one of the distances between samples: a session's end or a pause is no period.
static double samples_per_year(const struct hd_compare_arms *c, int64_t *distances) {
  size_t n = 0;
  for (size_t i = 1; i < c->period_count; i++)
    if (c->times[i] > c->times[i - 1]) distances[n++] = c->times[i] - c->times[i - 1];
  if (n == 0) return NAN;
  qsort(distances, n, sizeof *distances, by_size);
  int64_t usual = distances[n / 2];
  return usual == DAY_NS ? DAYS_A_YEAR : YEAR_NS / (double)usual;
}

static double over(double a, double b) { return b > 0 ? a / b : NAN; }

static void version_finish(const struct hd_compare_arms *c, struct hd_compare_version *v, double *returns) {
  double level = 0, peak = 0, deepest = 0;
  v->pnl = 0;
  if (!is_seated(c, (uint32_t)(v - c->versions), HD_COMPARE_NONE)) v->role = 0; // whoever came last to its seat
  v->idle = v->role == 0 && v->decisions == 0 && v->allocations == 0 && v->period_count == 0;
  for (size_t i = 0; i < c->period_count; i++) {
    returns[i] = v->periods ? v->periods[i].result : NAN;
    if (isnan(returns[i])) continue;
    v->pnl += v->periods[i].pnl;
    level += returns[i];
    peak = fmax(peak, level);
    deepest = fmin(deepest, level - peak);
  }
  v->sharpe = v->period_count < HD_PAIRED_MIN ? NAN : hd_series_sharpe(returns, c->period_count, 0, c->periods_per_year);
  v->drawdown = v->period_count ? deepest : NAN;
  v->hit_rate = over((double)v->wins, (double)(v->wins + v->losses));
  v->turnover = over((double)v->traded, (double)v->capital);
}

static uint32_t challengers(const struct hd_compare_arms *c) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < c->version_count; i++) n += hd_compare_arms_paired(c, i);
  return n;
}

static int32_t pair_finish(struct hd_compare_arms *c, uint32_t index, const struct hd_compare_arms_options *o) {
  struct hd_compare_pair *p = &c->pairs[index];
  const struct hd_compare_version *live = &c->versions[c->baseline], *other = &c->versions[index];
  double alpha = o->alpha / challengers(c);
  if (!(p->differences = calloc(c->period_count + 1, sizeof *p->differences))) return HADRON_ERR_MEMORY;
  for (size_t i = 0; i < c->period_count; i++) {
    double a = live->periods[i].result, b = other->periods[i].result;
    if (isnan(a) || isnan(b)) continue;
    p->differences[p->count++] = b - a;
    p->pnl += other->periods[i].pnl - live->periods[i].pnl;
  }
  const struct hd_paired_options options = {.alpha = alpha, .resamples = o->resamples, .seed = o->seed};
  if (!hd_paired_bootstrap(p->differences, p->count, &options, &p->paired) && p->count >= HD_PAIRED_MIN) return HADRON_ERR_MEMORY;
  hd_paired_sequential(p->differences, p->count, alpha, &p->sequential);
  hd_compare_flush(&p->decisions);
  struct hd_compare_facts facts = {.role = other->role ? other->role : HD_ROLE_SHADOW, .alpha = alpha, .decisions = hd_compare_pairs(&p->decisions),
                                   .differing = hd_compare_differing(&p->decisions), .paired = p->paired, .sequential = p->sequential,
                                   .guard = o->guards ? o->guards[index] : NULL};
  hd_text_copy(facts.live, sizeof facts.live, live->label);
  hd_text_copy(facts.challenger, sizeof facts.challenger, other->label);
  hd_compare_advise(&facts, &p->advice);
  return HADRON_OK;
}

int32_t hd_compare_arms_finish(struct hd_compare_arms *c, const struct hd_compare_arms_options *options) {
  double *scratch = calloc(c->period_count + 1, sizeof *scratch);
  int32_t code = HADRON_OK;
  if (!scratch) return HADRON_ERR_MEMORY;
  _Static_assert(sizeof(int64_t) == sizeof(double), "one scratch for both");
  c->periods_per_year = options->periods_per_year > 0 ? options->periods_per_year : samples_per_year(c, (int64_t *)(void *)scratch);
  for (uint32_t i = 0; i < c->version_count; i++) version_finish(c, &c->versions[i], scratch);
  for (uint32_t i = 0; i < c->version_count && !code; i++)
    if (hd_compare_arms_paired(c, i)) code = pair_finish(c, i, options);
  free(scratch);
  return code;
}
