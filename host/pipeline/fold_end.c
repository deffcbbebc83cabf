// The journal is read: the session's arms take over, and what was under way goes on.
#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"
#include "pipeline/desk.h"
#include "pipeline/fold_internal.h"

// ---- arms without a successor ------------------------------------------------------------------------------------------------------

// The instruments of which the book of an arm of the journal says anything.
static uint32_t universe_of(const struct hd_book *book, uint32_t *out) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < book->position_count; i++) {
    const struct hd_position *q = &book->positions[i], nothing = {.instrument = q->instrument};
    if (memcmp(q, &nothing, sizeof nothing) != 0) out[count++] = q->instrument;
  }
  return count;
}

// It gets a number behind those of the session, and leaves like any arm that is closed: its orders end, its positions go to the house.
static int32_t orphan_open(struct hd_fold *f, const struct hadron_arm_definition *d, const struct hd_book *book, uint32_t *number, struct hd_fault *fault) {
  struct hd_pipeline *p = f->p;
  struct hd_arm arm = {.id = p->arm_count + 1, .role = hd_fold_role(d), .weight = d->weight, .revision = d->revision};
  uint32_t *instruments = calloc(book->position_count + 1, sizeof *instruments);
  hd_text_copy(arm.name, sizeof arm.name, d->name);
  int32_t code = instruments ? HADRON_OK : HADRON_ERR_MEMORY;
  if (!code) code = hd_pipeline_arm(p, &arm, book->initial, instruments, universe_of(book, instruments), d->digest, d->version);
  free(instruments);
  if (code) return hd_fault_set(fault, code, "recovery: %s is no longer there, and its book could not be opened to be closed: %s", d->name, hadron_error_text(code));
  *number = arm.id;
  return HADRON_OK;
}

static int32_t orphans_open(struct hd_fold *f, const struct hd_portfolio *before, const struct hadron_arm_definition *old, uint32_t old_count, uint32_t *map, struct hd_folded *out,
                            struct hd_fault *fault) {
  int32_t code = HADRON_OK;
  for (uint32_t arm = 1; arm <= old_count && !code; arm++) {
    bool trades = hd_fold_open(&old[arm]) && old[arm].role != HD_ROLE_SHADOW && before->books[arm].role != 0;
    if (!trades || map[arm] != 0) continue;
    code = orphan_open(f, &old[arm], &before->books[arm], &map[arm], fault);
    out->arms_lost++;
  }
  return code;
}

// ---- taking over -------------------------------------------------------------------------------------------------------------------

static bool gone(void *user, uint16_t venue) {
  const struct hd_fold *f = user;
  return f->options.gone(f->options.user, venue);
}

static bool always(void *user, uint16_t venue) { return (void)user, (void)venue, true; }

// The session's tables in place, the journal's in the caller's hands.
static void tables_back(struct hd_fold *f, struct hd_portfolio *before, struct hadron_arm_definition *old, uint32_t *old_count) {
  struct hd_pipeline *p = f->p;
  uint32_t rows = p->options.arm_max + 1;
  memcpy(old, p->definitions, rows * sizeof *old);
  *old_count = p->arm_count;
  *before = p->portfolio;
  p->portfolio = f->fresh;
  f->fresh = (struct hd_portfolio){0};
  memcpy(p->arms, f->arms, rows * sizeof *f->arms);
  memcpy(p->definitions, f->definitions, rows * sizeof *f->definitions);
  p->arm_count = f->arm_count;
}

int32_t hd_fold_adopt(struct hd_fold *f, int64_t now_ns, struct hd_folded *out, struct hd_fault *fault) {
  struct hd_pipeline *p = f->p;
  struct hd_portfolio before;
  struct hadron_arm_definition *old = calloc(p->options.arm_max + 1, sizeof *old);
  uint32_t old_count, map[HD_ARMS_MAX + 1] = {0};
  if (!old) return hd_fault_set(fault, HADRON_ERR_MEMORY, "recovery: out of memory");
  *out = (struct hd_folded){0};
  hd_fold_heard(f);
  f->threads = false;
  tables_back(f, &before, old, &old_count);
  p->now_ns = now_ns;
  hd_fold_match(old, old_count, p->definitions, p->arm_count, map);
  int32_t code = orphans_open(f, &before, old, old_count, map, out, fault);
  if (!code && (code = hd_portfolio_adopt(&p->portfolio, &before, map))) hd_fault_set(fault, code, "recovery: the books: %s", hadron_error_text(code));
  hd_portfolio_fini(&before);
  free(old);
  if (code) return code;
  hd_gateway_renumber(p->gateway, map, old_count);
  if (p->shadow.gateway) hd_gateway_renumber(p->shadow.gateway, map, old_count);
  hd_fold_watches(f, map);
  f->ended = 0;
  for (uint32_t arm = 1; arm <= old_count; arm++)
    if (map[arm] > f->arm_count) map[arm] = 0; // it is there to be closed
  hd_fold_waiting_as(f, map, old_count, NULL);
  hd_gateway_resume_look(p->gateway, gone, f, &out->orders);
  for (uint32_t arm = 1; arm <= f->arm_count; arm++)
    for (uint32_t s = 0; s < p->options.shards; s++) hd_engine_mute(p->engines[s], arm, false);
  return HADRON_OK;
}

// ---- what was under way ------------------------------------------------------------------------------------------------------------

// The last execution was written and what it means was not, or not all of it.
static void finish_execution(struct hd_fold *f, int64_t now_ns) {
  struct hd_pipeline *p = f->p;
  struct hd_desk *desk = f->executed_shadow ? &p->shadow : &p->desk;
  struct hadron_allocation rest[HD_SHARES_MAX];
  if (!f->executed_open || !desk->gateway) return;
  uint32_t count = hd_gateway_fold_unshared(desk->gateway, &f->execution, f->told, rest);
  const struct hd_intent_listener listener = hd_desk_intent_listener(desk);
  for (uint32_t i = 0; i < count; i++) {
    rest[i].time_ns = now_ns;
    if (listener.allocate(listener.self, &rest[i])) continue; // told by then
    (void)hd_desk_record(p, HADRON_MSG_ALLOCATION, &rest[i], sizeof rest[i], now_ns);
    listener.allocated(listener.self, &rest[i]);
  }
  hd_gateway_fold_finish(desk->gateway, &f->executed, f->executed_bust, now_ns);
}

static void finish_report(struct hd_fold *f, int64_t now_ns) {
  if (!f->report_open || f->report.change == HADRON_CHANGE_POSITION) return;
  struct hd_gateway *g = f->report.flags & HADRON_ORDER_SHADOW ? f->p->shadow.gateway : f->p->gateway;
  if (g) hd_gateway_report(g, &f->report, now_ns);
}

static int32_t orphans_close(struct hd_fold *f, int64_t now_ns, struct hd_fault *fault) {
  struct hd_pipeline *p = f->p;
  int32_t code = HADRON_OK;
  for (uint32_t arm = p->arm_count; arm > f->arm_count && !code; arm--) {
    char text[256];
    snprintf(text, sizeof text, "strategy %s is no longer there: what it held is the house's now", p->arms[arm].name);
    hd_desk_alert(p, 3, 0, 0, 0, text);
    code = hd_pipeline_close(p, arm, 0, now_ns, fault);
  }
  return code;
}

// Of an arm whose universe has become smaller: nobody watches these instruments for it.
static void strays_close(struct hd_fold *f, uint32_t arm, int64_t now_ns) {
  struct hd_pipeline *p = f->p;
  struct hd_book *book = &p->portfolio.books[arm];
  for (uint32_t i = 0; i < book->position_count; i++) {
    uint32_t instrument = book->positions[i].instrument;
    if (book->positions[i].quantity.e8 == 0 || p->arms[arm].role == HD_ROLE_SHADOW || hd_engine_sits(p->engines[p->instruments.rows[instrument].shard], arm, instrument)) continue;
    struct hd_fault fault;
    if (hd_desk_give_up(p, arm, 0, instrument, now_ns, &fault)) hd_desk_alert(p, 3, fault.code, arm, instrument, fault.text);
  }
}

static void views(struct hd_pipeline *p) {
  for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++) hd_desk_fact(p, id);
  for (uint32_t arm = 1; arm <= p->arm_count; arm++) {
    const struct hd_book *book = &p->portfolio.books[arm];
    for (uint32_t i = 0; i < book->position_count; i++) {
      uint32_t id = book->positions[i].instrument;
      const struct hd_arm_view view = hd_desk_view_of(p, arm, id);
      hd_engine_view(p->engines[p->instruments.rows[id].shard], arm, id, &view);
    }
  }
}

static void waiting_tell(struct hd_fold *f) {
  char text[160];
  if (f->ended == 0) return;
  snprintf(text, sizeof text, "%u decisions waited for an order to end when the host went down, and nobody is there who wants them: they are not taken up again", f->ended);
  hd_desk_alert(f->p, 2, 0, 0, 0, text);
}

int32_t hd_fold_resume(struct hd_fold *f, int64_t now_ns, struct hd_fault *fault) {
  struct hd_pipeline *p = f->p;
  struct hd_gateway_recovered ended;
  p->now_ns = now_ns;
  // Decisions that wait for an order go on once their venue has been asked what became of it.
  for (uint16_t venue = 1; venue <= f->options.venue_count; venue++) p->reconcile.hold[venue] = p->port.features(p->port.self, venue) & HADRON_VENUE_RECONCILES;
  finish_execution(f, now_ns);
  finish_report(f, now_ns);
  hd_gateway_resume(p->gateway, gone, f, now_ns, &ended);
  if (p->shadow.gateway) hd_gateway_resume(p->shadow.gateway, always, f, now_ns, &ended); // a shadow's market is always the host's
  int32_t code = orphans_close(f, now_ns, fault);
  for (uint32_t arm = 1; !code && arm <= f->arm_count; arm++)
    if (p->portfolio.books[arm].role && p->definitions[arm].role) strays_close(f, arm, now_ns); // a book that waits has nobody who watches, and stays
  hd_coordinator_wake(&p->coordinator, now_ns);
  if (p->shadow.gateway) hd_coordinator_wake(p->shadow.coordinator, now_ns);
  waiting_tell(f);
  hd_portfolio_mark_all(&p->portfolio);
  views(p);
  return code;
}
