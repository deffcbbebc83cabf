// All that the fold makes, as an image: arms and books, both gateways, numbers, risk's watches, marks, engines.
#include "base/assert.h"
#include "base/banned.h"
#include "pipeline/desk.h"
#include "pipeline/fold_internal.h"

#define MARK 0x444c4f46u // "FOLD"

uint64_t hd_image_layout(void) {
  const size_t sizes[] = {sizeof(struct hd_order), sizeof(struct hd_gateway_counts), sizeof(struct hd_book), sizeof(struct hd_position), sizeof(struct hd_holding),
                          sizeof(struct hadron_market), sizeof(struct hadron_bar), sizeof(struct hd_mark), sizeof(struct hadron_arm_definition), sizeof(struct hd_risk_watch), sizeof(struct hd_waiting),
                          HADRON_STATE_UNKNOWN, HD_SHARES_MAX, HADRON_SCHEMA_MINOR};
  uint64_t h = UINT64_C(14695981039346656037);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) h = (h ^ sizes[i]) * UINT64_C(1099511628211);
  return h;
}

// ---- books -------------------------------------------------------------------------------------------------------------------------

static bool empty(const struct hd_position *q) {
  const struct hd_position nothing = {.instrument = q->instrument};
  return memcmp(q, &nothing, sizeof nothing) == 0;
}

static void save_book(const struct hd_book *b, struct hd_image *m) {
  uint32_t rows = 0;
  for (uint32_t i = 0; i < b->position_count; i++) rows += !empty(&b->positions[i]);
  HD_IMAGE_PUT(m, *b);
  HD_IMAGE_PUT(m, rows);
  for (uint32_t i = 0; i < b->position_count; i++)
    if (!empty(&b->positions[i])) HD_IMAGE_PUT(m, b->positions[i]);
}

// Into a book that is open over every instrument; `all`: the house and the sum, which have rows as they are needed.
static void load_book(struct hd_book *to, uint32_t instruments, bool all, struct hd_image *m) {
  struct hd_book saved;
  uint32_t rows;
  HD_IMAGE_GET(m, saved);
  HD_IMAGE_GET(m, rows);
  if (m->bad) return;
  saved.arm = to->arm, saved.role = to->role, saved.index = to->index, saved.positions = to->positions, saved.position_count = to->position_count;
  *to = saved;
  for (uint32_t i = 0; i < rows && !m->bad; i++) {
    struct hd_position q;
    HD_IMAGE_GET(m, q);
    m->bad |= q.instrument == 0 || q.instrument > instruments || (!all && to->index[q.instrument] == 0);
    if (m->bad) return;
    if (to->index[q.instrument] == 0) to->index[q.instrument] = ++to->position_count;
    to->positions[to->index[q.instrument] - 1] = q;
  }
}

static void save_books(const struct hd_pipeline *p, struct hd_image *m) {
  const struct hd_portfolio *b = &p->portfolio;
  save_book(&b->books[0], m);
  save_book(&b->books[b->arm_max + 1], m);
  for (uint32_t arm = 1; arm <= p->arm_count; arm++)
    if (p->arms[arm].role) save_book(&b->books[arm], m);
  for (int i = 0; i < HD_SIDE_COUNT; i++) {
    HD_IMAGE_PUT(m, b->sides[i].allocations);
    for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++) HD_IMAGE_PUT(m, b->sides[i].holdings[id]);
  }
}

static void load_sides(struct hd_portfolio *b, uint32_t instruments, struct hd_image *m) {
  for (int i = 0; i < HD_SIDE_COUNT; i++) {
    HD_IMAGE_GET(m, b->sides[i].allocations);
    for (uint32_t id = 1; id <= instruments; id++) {
      struct hd_holding saved;
      HD_IMAGE_GET(m, saved);
      b->sides[i].holdings[id].valued = saved.valued;
      b->sides[i].holdings[id].split_stale = saved.split_stale;
    }
  }
  for (uint32_t arm = 1; arm <= b->arm_max + 1 && !m->bad; arm++)
    if (b->books[arm].role) hd_portfolio_holders(b, arm);
}

// ---- arms --------------------------------------------------------------------------------------------------------------------------

static void save_arms(const struct hd_pipeline *p, const char *const *venues, uint32_t venue_count, struct hd_image *m) {
  HD_IMAGE_PUT(m, venue_count);
  for (uint32_t i = 0; i < venue_count; i++) {
    char name[HADRON_NAME_SIZE] = {0};
    memcpy(name, venues[i], strnlen(venues[i], sizeof name - 1));
    HD_IMAGE_PUT(m, name);
  }
  HD_IMAGE_PUT(m, p->arm_count);
  for (uint32_t arm = 1; arm <= p->arm_count; arm++) {
    struct hadron_arm_definition d = p->definitions[arm];
    d.arm = arm;
    if (!d.waits) d.role = (uint8_t)p->arms[arm].role;
    HD_IMAGE_PUT(m, d);
  }
}

static void load_venues(struct hd_fold *f, struct hd_image *m) {
  uint32_t count;
  HD_IMAGE_GET(m, count);
  m->bad |= count > HD_VENUES_MAX;
  memset(f->venue_map, 0, sizeof f->venue_map);
  for (uint32_t number = 1; number <= count && !m->bad; number++) {
    char name[HADRON_NAME_SIZE];
    HD_IMAGE_GET(m, name);
    for (uint32_t i = 0; i < f->options.venue_count; i++)
      if (strncmp(f->options.venues[i], name, sizeof name) == 0) f->venue_map[number] = (uint16_t)(i + 1);
  }
  if (!m->bad) f->venue_map[count + 1] = f->options.shadow_venue;
}

static int32_t load_arms(struct hd_fold *f, struct hd_image *m) {
  uint32_t count;
  HD_IMAGE_GET(m, count);
  m->bad |= count > f->p->options.arm_max;
  for (uint32_t arm = 1; arm <= count && !m->bad; arm++) {
    struct hadron_arm_definition d;
    HD_IMAGE_GET(m, d);
    m->bad |= d.arm != arm || d.role > HD_ROLE_SHADOW;
    int32_t code = m->bad || !hd_fold_open(&d) ? HADRON_OK : hd_fold_take_arm(f, &d);
    if (code) return code;
  }
  if (!m->bad) f->p->arm_count = count; // the last ones may have left
  return HADRON_OK;
}

// ---- numbers and risk --------------------------------------------------------------------------------------------------------------

static void save_desk(const struct hd_pipeline *p, const struct hd_desk *desk, struct hd_image *m) {
  HD_IMAGE_PUT(m, desk->decisions);
  HD_IMAGE_PUT(m, desk->coordinator->opportunities);
  HD_IMAGE_PUT(m, desk->coordinator->intents);
  HD_IMAGE_PUT(m, desk->risk->day_ns);
  for (uint32_t arm = 0; arm <= p->arm_count; arm++) HD_IMAGE_PUT(m, desk->risk->watches[arm]);
  hd_coordinator_save(desk->coordinator, m);
  hd_gateway_save(desk->gateway, m);
}

// `here`: the session has such a desk; else the image's is read past.
static int32_t load_desk(struct hd_fold *f, struct hd_desk *desk, bool here, uint32_t arms, struct hd_image *m) {
  uint64_t decisions, opportunities, intents;
  int64_t day_ns;
  HD_IMAGE_GET(m, decisions);
  HD_IMAGE_GET(m, opportunities);
  HD_IMAGE_GET(m, intents);
  HD_IMAGE_GET(m, day_ns);
  if (here) desk->decisions = decisions, desk->coordinator->opportunities = opportunities, desk->coordinator->intents = intents, desk->risk->day_ns = day_ns;
  for (uint32_t arm = 0; arm <= arms; arm++) {
    struct hd_risk_watch watch;
    HD_IMAGE_GET(m, watch);
    if (here) desk->risk->watches[arm] = watch;
  }
  if (here) hd_coordinator_load(desk->coordinator, m);
  return here ? hd_gateway_load(desk->gateway, m, f->venue_map, HD_VENUES_MAX + 1) : HADRON_OK;
}

// ---- the whole ---------------------------------------------------------------------------------------------------------------------

void hd_fold_save(const struct hd_pipeline *p, const char *const *venues, uint32_t venue_count, struct hd_image *m) {
  bool shadows = p->shadow.gateway != NULL;
  hd_image_mark(m, MARK);
  const uint32_t instruments = hd_instruments_count(&p->instruments); // [io] adds them, and waits while this is made
  HD_IMAGE_PUT(m, instruments);
  save_arms(p, venues, venue_count, m);
  save_books(p, m);
  HD_IMAGE_PUT(m, p->risk.killed);
  HD_IMAGE_PUT(m, p->normalize.sequence);
  HD_IMAGE_PUT(m, p->next_mark_ns);
  save_desk(p, &p->desk, m);
  for (uint32_t id = 1; id <= hd_instruments_count(&p->instruments); id++) {
    const struct hd_mark mark = hd_mark_read(hd_pipeline_board(p), id);
    HD_IMAGE_PUT(m, mark);
  }
  HD_IMAGE_PUT(m, p->options.shards);
  for (uint32_t s = 0; s < p->options.shards; s++) hd_engine_save(p->engines[s], m);
  HD_IMAGE_PUT(m, shadows); // last: who has no desk for shadows need not read on
  if (shadows) save_desk(p, &p->shadow, m);
  hd_image_mark(m, MARK);
}

static int32_t load(struct hd_fold *f, struct hd_image *m) {
  struct hd_pipeline *p = f->p;
  uint32_t instruments, shards;
  bool killed, shadows;
  hd_image_expect(m, MARK);
  HD_IMAGE_GET(m, instruments);
  m->bad |= instruments > hd_instruments_count(&p->instruments);
  load_venues(f, m);
  int32_t code = load_arms(f, m);
  if (code || m->bad) return code;
  load_book(&p->portfolio.books[0], instruments, true, m);
  load_book(&p->portfolio.books[p->portfolio.arm_max + 1], instruments, true, m);
  for (uint32_t arm = 1; arm <= p->arm_count && !m->bad; arm++)
    if (p->arms[arm].role) load_book(&p->portfolio.books[arm], instruments, false, m);
  load_sides(&p->portfolio, instruments, m);
  HD_IMAGE_GET(m, killed);
  HD_IMAGE_GET(m, p->normalize.sequence);
  HD_IMAGE_GET(m, p->next_mark_ns);
  if (killed && !m->bad) hd_risk_kill(&p->risk);
  if ((code = load_desk(f, &p->desk, true, p->arm_count, m))) return code;
  for (uint32_t id = 1; id <= instruments && !m->bad; id++) {
    struct hd_mark mark;
    HD_IMAGE_GET(m, mark);
    if (mark.sequence) hd_mark_write(&p->marks.cells[id], &mark);
  }
  HD_IMAGE_GET(m, shards);
  hd_fold_feed(f);
  size_t here = m->at;
  m->at = 0;
  if (f->states && (code = f->states(f->states_user, m))) return code;
  m->at = here;
  for (uint32_t s = 0; s < p->options.shards && !m->bad; s++) hd_engine_forget(p->engines[s], f->map, p->arm_count);
  for (uint32_t s = 0; s < shards && !m->bad; s++) hd_engine_load(p->engines, p->options.shards, m, f->map, p->arm_count);
  HD_IMAGE_GET(m, shadows);
  if (!shadows || !p->shadow.gateway || m->bad) return HADRON_OK;
  return load_desk(f, &p->shadow, true, p->arm_count, m);
}

int32_t hd_fold_load(struct hd_fold *f, struct hd_image *m, struct hd_fault *fault) {
  HD_ASSERT(f->records == 0 && f->p->arm_count == 0);
  int32_t code = load(f, m);
  if (code) return hd_fault_set(fault, code, "recovery: the snapshot does not fit this configuration: %s", hadron_error_text(code));
  if (m->bad) return hd_fault_set(fault, HADRON_ERR_CORRUPT, "recovery: the snapshot is whole and makes no sense at byte %zu of %zu", m->at, m->size);
  return HADRON_OK;
}
