// Books that were made elsewhere (by recovery, in the numbers of an earlier run) become these.
#include "base/assert.h"
#include "base/banned.h"
#include "pipeline/portfolio.h"

static bool position_empty(const struct hd_position *q) {
  struct hd_position nothing = {.instrument = q->instrument};
  return memcmp(q, &nothing, sizeof nothing) == 0;
}

// An arm's rows are as many as its universe: one more needs room. The sum and the house have room for every instrument.
static struct hd_position *book_row(struct hd_book *book, uint32_t instrument, bool roomy) {
  if (book->index[instrument]) return &book->positions[book->index[instrument] - 1];
  if (!roomy) {
    struct hd_position *grown = realloc(book->positions, (book->position_count + 1) * sizeof *grown);
    if (!grown) return NULL;
    book->positions = grown;
  }
  struct hd_position *row = &book->positions[book->position_count];
  *row = (struct hd_position){.instrument = instrument};
  book->index[instrument] = ++book->position_count;
  return row;
}

static int32_t book_copy(struct hd_book *to, const struct hd_book *from, bool roomy) {
  struct hd_book taken = *from;
  taken.arm = to->arm, taken.role = to->role, taken.position_count = to->position_count, taken.index = to->index, taken.positions = to->positions;
  *to = taken;
  for (uint32_t i = 0; i < from->position_count; i++) {
    if (position_empty(&from->positions[i])) continue;
    struct hd_position *row = book_row(to, from->positions[i].instrument, roomy);
    if (!row) return HADRON_ERR_MEMORY;
    *row = from->positions[i];
  }
  return HADRON_OK;
}

void hd_portfolio_holders(struct hd_portfolio *p, uint32_t arm) {
  const struct hd_book *book = &p->books[arm];
  struct hd_portfolio_side *side = &p->sides[hd_role_side(book->role)];
  for (uint32_t i = 0; i < book->position_count; i++) {
    uint32_t instrument = book->positions[i].instrument;
    uint64_t *word = &side->holders[(size_t)instrument * p->words + arm / 64], bit = UINT64_C(1) << (arm % 64);
    if (book->positions[i].quantity.e8 == 0 || (*word & bit)) continue;
    *word |= bit;
    side->holdings[instrument].books++;
  }
}

static void sides_copy(struct hd_portfolio *p, const struct hd_portfolio *from) {
  for (int i = 0; i < HD_SIDE_COUNT; i++) {
    p->sides[i].allocations = from->sides[i].allocations;
    for (uint32_t id = 1; id <= hd_instruments_count(p->instruments); id++) {
      p->sides[i].holdings[id].valued = from->sides[i].holdings[id].valued;
      p->sides[i].holdings[id].split_stale = from->sides[i].holdings[id].split_stale;
    }
  }
}

int32_t hd_portfolio_adopt(struct hd_portfolio *p, const struct hd_portfolio *from, const uint32_t *arms) {
  HD_ASSERT(p->instruments == from->instruments && arms[0] == 0);
  int32_t code = book_copy(&p->books[0], &from->books[0], true);
  if (!code) code = book_copy(&p->books[p->arm_max + 1], &from->books[from->arm_max + 1], true);
  for (uint32_t old = 1; !code && old <= from->arm_max; old++) {
    uint32_t arm = from->books[old].role ? arms[old] : 0;
    if (arm == 0) continue;
    HD_ASSERT(arm <= p->arm_max && hd_role_side(p->books[arm].role) == hd_role_side(from->books[old].role));
    code = book_copy(&p->books[arm], &from->books[old], false);
    for (uint32_t i = 0; !code && p->books[arm].role != HD_ROLE_SHADOW && i < p->books[arm].position_count; i++)
      (void)book_row(&p->books[0], p->books[arm].positions[i].instrument, true);
  }
  if (code) return code;
  sides_copy(p, from);
  for (uint32_t arm = 1; arm <= p->arm_max + 1; arm++)
    if (p->books[arm].role) hd_portfolio_holders(p, arm);
  return HADRON_OK;
}
