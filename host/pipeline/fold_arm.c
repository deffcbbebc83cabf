// Whose is what: arms of the journal, from run to run and into this session.
#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "pipeline/desk.h"
#include "pipeline/fold_internal.h"

// ---- which arm is which ----------------------------------------------------------------------------------------------------------

static bool same_name(const struct hadron_arm_definition *a, const struct hadron_arm_definition *b) { return strncmp(a->name, b->name, sizeof a->name) == 0; }
static bool same_version(const struct hadron_arm_definition *a, const struct hadron_arm_definition *b) { return memcmp(a->digest, b->digest, sizeof a->digest) == 0; }

// From the closest likeness to the loosest.
static bool alike(const struct hadron_arm_definition *a, const struct hadron_arm_definition *b, int pass) {
  uint8_t role = hd_fold_role(a), other = hd_fold_role(b);
  if (!hd_fold_open(a) || !hd_fold_open(b) || !same_name(a, b) || hd_role_side(role) != hd_role_side(other)) return false;
  switch (pass) {
  case 0: return role == other && same_version(a, b);
  case 1: return same_version(a, b);
  case 2: return role == other;
  default: return role != HD_ROLE_SHADOW;
  }
}

void hd_fold_match(const struct hadron_arm_definition *from, uint32_t from_count, const struct hadron_arm_definition *to, uint32_t to_count, uint32_t *map) {
  bool taken[HD_ARMS_MAX + 1] = {false};
  HD_ASSERT(from_count <= HD_ARMS_MAX && to_count <= HD_ARMS_MAX);
  for (uint32_t a = 0; a <= from_count; a++) map[a] = 0;
  for (int pass = 0; pass < 4; pass++)
    for (uint32_t b = 1; b <= to_count; b++)
      for (uint32_t a = 1; a <= from_count && !taken[b]; a++)
        if (map[a] == 0 && alike(&from[a], &to[b], pass)) {
          map[a] = b;
          taken[b] = true;
        }
}

// ---- a run of the journal --------------------------------------------------------------------------------------------------------

void hd_fold_session(struct hd_fold *f) {
  f->begun = true;
  memset(f->pending, 0, (f->p->options.arm_max + 1) * sizeof *f->pending);
  f->pending_count = 0;
}

// What a strategy begins with is what this session gives it: the account's cash is the configuration's to say.
static struct hadron_money cash_of(const struct hd_fold *f, const struct hadron_arm_definition *d) {
  const struct hd_book *books = f->fresh.books;
  struct hadron_money cash = {0};
  for (uint32_t arm = f->arm_count; arm >= 1; arm--)
    if (books[arm].role && same_name(&f->definitions[arm], d) && hd_role_side(books[arm].role) == hd_role_side(hd_fold_role(d))) cash = books[arm].initial;
  return cash;
}

static int32_t book_open(struct hd_fold *f, const struct hadron_arm_definition *d) {
  uint32_t count = hd_instruments_count(&f->p->instruments), *all = calloc(count + 1, sizeof *all);
  if (!all) return HADRON_ERR_MEMORY;
  for (uint32_t i = 0; i < count; i++) all[i] = i + 1;
  int32_t code = hd_portfolio_open(&f->p->portfolio, d->arm, hd_fold_role(d), cash_of(f, d), all, count);
  free(all);
  return code;
}

static void arm_set(struct hd_pipeline *p, const struct hadron_arm_definition *d) {
  struct hd_arm *a = &p->arms[d->arm];
  a->id = d->arm;
  a->role = hd_fold_role(d);
  a->weight = d->weight;
  a->split_low = d->split_low;
  a->split_high = d->split_high;
  a->revision = d->revision;
  hd_text_copy(a->name, sizeof a->name, d->name);
  if (d->arm > p->arm_count) p->arm_count = d->arm;
  p->definitions[d->arm] = *d;
}

int32_t hd_fold_take_arm(struct hd_fold *f, const struct hadron_arm_definition *d) {
  int32_t code = book_open(f, d);
  if (!code) arm_set(f->p, d);
  return code;
}

// A change of an arm while the run went on.
static int32_t arm_change(struct hd_fold *f, const struct hadron_arm_definition *d) {
  struct hd_pipeline *p = f->p;
  const struct hd_book *book = &p->portfolio.books[d->arm];
  int32_t code = HADRON_OK;
  bool open = hd_fold_open(d), side = book->role && open && hd_role_side(book->role) != hd_role_side(hd_fold_role(d));
  if (book->role && !open) code = hd_portfolio_close(&p->portfolio, d->arm);
  else if (!book->role && open) code = book_open(f, d);
  else if (book->role) code = hd_portfolio_role(&p->portfolio, d->arm, hd_fold_role(d));
  if (side || !open) hd_risk_restart(&p->risk, d->arm);
  hd_fold_waiting(f, d);
  if (code) f->differences++; // its transfers are not in the journal: the books below are what was booked
  arm_set(p, d);
  hd_fold_feed(f);
  return HADRON_OK;
}

int32_t hd_fold_arm(struct hd_fold *f, const struct hadron_arm_definition *d, struct hd_fault *fault) {
  if (d->arm == 0 || d->arm > f->p->options.arm_max || d->role > HD_ROLE_SHADOW)
    return hd_fault_set(fault, HADRON_ERR_FULL, "recovery: the journal has arm %u with role %u; expected numbers from 1 to %u and roles to 3: the session was opened with too few arms", d->arm,
                        d->role, f->p->options.arm_max);
  if (!f->begun) return arm_change(f, d);
  f->pending[d->arm] = *d;
  if (d->arm > f->pending_count) f->pending_count = d->arm;
  return HADRON_OK;
}

void hd_fold_watches(struct hd_fold *f, const uint32_t *map) {
  struct hd_risk *r = &f->p->risk;
  struct hd_risk_watch before[HD_ARMS_MAX + 1];
  memcpy(before, r->watches, (r->arm_max + 1) * sizeof *before);
  memset(r->watches + 1, 0, r->arm_max * sizeof *r->watches);
  for (uint32_t arm = 1; arm <= r->arm_max; arm++)
    if (map[arm] && map[arm] <= r->arm_max) r->watches[map[arm]] = before[arm];
}

// The books in the numbers of the run that begins.
static int32_t books_again(struct hd_fold *f, const uint32_t *map) {
  struct hd_pipeline *p = f->p;
  struct hd_portfolio before = p->portfolio;
  int32_t code = hd_portfolio_init(&p->portfolio, before.instruments, before.marks, before.arm_max, p->options.cash);
  for (uint32_t arm = 1; !code && arm <= f->pending_count; arm++)
    if (hd_fold_open(&f->pending[arm])) code = book_open(f, &f->pending[arm]);
  if (!code) code = hd_portfolio_adopt(&p->portfolio, &before, map);
  hd_portfolio_fini(&before);
  return code;
}

// ---- what waits for an order to end ----------------------------------------------------------------------------------------------------

struct waiting {
  struct hd_fold *f;
  const struct hadron_arm_definition *changed; // its arm; NULL: all
  bool shadow;
};

// As when the host gave it up: an arm that leaves, changes its side or no longer trades an instrument wants nothing of it any more.
static bool waits_on(void *user, const struct hadron_decision *d) {
  const struct waiting *w = user;
  struct hd_pipeline *p = w->f->p;
  if (w->changed) {
    const struct hd_arm arm = {.split_low = w->changed->split_low, .split_high = w->changed->split_high};
    return d->arm != w->changed->arm || (w->changed->role && (w->changed->role == HD_ROLE_SHADOW) == w->shadow && hd_desk_trades(p, &arm, d->instrument));
  }
  const struct hd_book *book = &p->portfolio.books[d->arm];
  return book->role && book->index[d->instrument] > 0 && (p->arms[d->arm].role == HD_ROLE_SHADOW) == w->shadow && p->arms[d->arm].role;
}

void hd_fold_waiting(struct hd_fold *f, const struct hadron_arm_definition *changed) {
  uint32_t same[HD_ARMS_MAX + 1];
  for (uint32_t arm = 0; arm <= HD_ARMS_MAX; arm++) same[arm] = arm;
  hd_fold_waiting_as(f, same, HD_ARMS_MAX, changed);
}

void hd_fold_waiting_as(struct hd_fold *f, const uint32_t *map, uint32_t count, const struct hadron_arm_definition *changed) {
  struct waiting live = {f, changed, false}, shadow = {f, changed, true};
  f->ended += hd_coordinator_renumber(&f->p->coordinator, map, count, waits_on, &live);
  if (f->p->shadow.gateway) hd_coordinator_renumber(f->p->shadow.coordinator, map, count, waits_on, &shadow);
}

int32_t hd_fold_settle(struct hd_fold *f, struct hd_fault *fault) {
  struct hd_pipeline *p = f->p;
  uint32_t map[HD_ARMS_MAX + 1] = {0};
  uint32_t before = p->arm_count;
  f->begun = false;
  hd_fold_match(p->definitions, p->arm_count, f->pending, f->pending_count, map);
  int32_t code = books_again(f, map);
  if (code) return hd_fault_set(fault, code, "recovery: the books of %u arms: %s", f->pending_count, hadron_error_text(code));
  hd_gateway_renumber(p->gateway, map, p->arm_count);
  if (p->shadow.gateway) hd_gateway_renumber(p->shadow.gateway, map, p->arm_count);
  hd_fold_watches(f, map);
  memset(p->arms, 0, (p->options.arm_max + 1) * sizeof *p->arms);
  memset(p->definitions, 0, (p->options.arm_max + 1) * sizeof *p->definitions);
  p->arm_count = 0;
  for (uint32_t arm = 1; arm <= f->pending_count; arm++)
    if (hd_fold_open(&f->pending[arm])) arm_set(p, &f->pending[arm]);
  hd_fold_waiting_as(f, map, before, NULL);
  f->ended = 0; // told by the run that they were ended in
  hd_fold_feed(f);
  return HADRON_OK;
}

// An instance is fed what the arm of its name and version was fed; the others wait.
void hd_fold_feed(struct hd_fold *f) {
  struct hd_pipeline *p = f->p;
  bool fed[HD_ARMS_MAX + 1] = {false};
  hd_fold_match(p->definitions, p->arm_count, f->definitions, f->arm_count, f->map);
  for (uint32_t old = 1; old <= p->arm_count; old++) {
    if (f->map[old] == 0) continue;
    const struct hadron_arm_definition *was = &p->definitions[old], *is = &f->definitions[f->map[old]];
    if (was->role && is->role && same_version(was, is)) fed[f->map[old]] = true;
    else f->map[old] = 0;
  }
  for (uint32_t arm = 1; arm <= f->arm_count; arm++)
    for (uint32_t s = 0; s < p->options.shards; s++) hd_engine_mute(p->engines[s], arm, !fed[arm]);
}
