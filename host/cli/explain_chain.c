// Which orders are one order to the market: an order, what it took the place of, what took its place, and the intents that did it. The links
// are read in one pass over the session, because a decision comes before the intent that says whom it meant.
#include "base/banned.h"
#include "cli/explain.h"
#include "journal/journal.h"
#include "pipeline/record.h"

struct link { // an intent that means an order
  uint64_t intent;
  struct hadron_client_order_id order, made; // meant; made of it: zero: none
};

struct links {
  struct link *rows; // owned; ascending by intent
  uint32_t count, room;
};

static bool same_order(const struct hadron_client_order_id *a, const struct hadron_client_order_id *b) { return memcmp(a, b, sizeof *a) == 0; }

bool hd_explain_has_order(const struct hd_explain *e, const struct hadron_client_order_id *id) {
  for (uint32_t i = 0; i < e->order_count; i++)
    if (same_order(&e->orders[i], id)) return true;
  return false;
}

struct hd_explain_intent *hd_explain_intent(struct hd_explain *e, uint64_t id) {
  for (uint32_t i = 0; i < e->intent_count; i++)
    if (e->intents[i].id == id) return &e->intents[i];
  return NULL;
}

bool hd_explain_has_intent(const struct hd_explain *e, uint64_t id) { return hd_explain_intent((struct hd_explain *)(uintptr_t)e, id) != NULL; }

const struct hd_explain_intent *hd_explain_first(const struct hd_explain *e) {
  for (uint32_t i = 0; i < e->intent_count; i++)
    if (e->intents[i].kind != HADRON_INTENT_CANCEL) return e->intents[i].ran ? &e->intents[i] : NULL;
  return NULL;
}

bool hd_explain_has_trace(const struct hd_explain *e, const struct hadron_trace *trace) {
  for (uint32_t i = 0; i < e->trace_count; i++)
    if (memcmp(&e->traces[i], trace, sizeof *trace) == 0) return true;
  return false;
}

static void add_order(struct hd_explain *e, const struct hadron_client_order_id *id) {
  if (!id->hex[0] || hd_explain_has_order(e, id)) return;
  if (e->order_count == HD_EXPLAIN_ORDERS_MAX) e->cut = true;
  else e->orders[e->order_count++] = *id;
}

static struct hd_explain_intent *add_intent(struct hd_explain *e, uint64_t id) {
  if (e->intent_count == HD_EXPLAIN_INTENTS_MAX) {
    e->cut = true;
    return NULL;
  }
  struct hd_explain_intent *in = &e->intents[e->intent_count++];
  *in = (struct hd_explain_intent){.id = id};
  return in;
}

static void add_trace(struct hd_explain *e, const struct hadron_trace *trace) {
  if (!hd_explain_has_trace(e, trace) && e->trace_count < HD_EXPLAIN_INTENTS_MAX) e->traces[e->trace_count++] = *trace;
}

// ---- links -------------------------------------------------------------------------------------------------------------------------------

static int32_t link_add(struct links *l, const struct hadron_intent *in, struct hd_fault *fault) {
  if (l->count == l->room) {
    uint32_t room = l->room ? l->room * 2 : 256;
    void *grown = realloc(l->rows, room * sizeof *l->rows);
    if (!grown) return hd_fault_set(fault, HADRON_ERR_MEMORY, "explain: %u intents: out of memory", room);
    l->rows = grown;
    l->room = room;
  }
  l->rows[l->count++] = (struct link){.intent = in->id, .order = in->order};
  return HADRON_OK;
}

static void link_made(struct links *l, const struct hadron_order *o) {
  uint32_t low = 0, high = l->count;
  while (low < high) {
    uint32_t middle = low + (high - low) / 2;
    if (l->rows[middle].intent < o->intent) low = middle + 1;
    else high = middle;
  }
  if (low < l->count && l->rows[low].intent == o->intent) l->rows[low].made = o->client_order_id;
}

static int32_t links_take(const struct hd_explain *e, struct links *l, const struct hadron_record *r, struct hd_fault *fault) {
  if (r->template_id == HADRON_MSG_INTENT && r->block_length >= sizeof(struct hadron_intent)) {
    const struct hadron_intent *in = r->bytes;
    bool meant = in->kind != HADRON_INTENT_NEW && in->instrument == e->instrument && hd_record_shadow(r->template_id, in) == e->shadow;
    return meant ? link_add(l, in, fault) : HADRON_OK;
  }
  if (r->template_id != HADRON_MSG_ORDER || r->block_length < sizeof(struct hadron_order)) return HADRON_OK;
  const struct hadron_order *o = r->bytes;
  if (o->instrument == e->instrument && hd_record_shadow(r->template_id, o) == e->shadow) link_made(l, o);
  return HADRON_OK;
}

// A chain of a hundred comes out in two rounds: forward by the first, backward by the rows from behind.
static void links_close(struct hd_explain *e, const struct links *l) {
  for (uint32_t before = 0; before != e->order_count;) {
    before = e->order_count;
    for (uint32_t i = 0; i < l->count; i++)
      if (hd_explain_has_order(e, &l->rows[i].order)) add_order(e, &l->rows[i].made);
    for (uint32_t i = l->count; i-- > 0;)
      if (l->rows[i].made.hex[0] && hd_explain_has_order(e, &l->rows[i].made)) add_order(e, &l->rows[i].order);
  }
}

static bool links_mean(const struct hd_explain *e, const struct links *l, uint64_t intent) {
  for (uint32_t low = 0, high = l->count; low < high;) {
    uint32_t middle = low + (high - low) / 2;
    if (l->rows[middle].intent == intent) return hd_explain_has_order(e, &l->rows[middle].order);
    if (l->rows[middle].intent < intent) low = middle + 1;
    else high = middle;
  }
  return false;
}

// ---- the passes ----------------------------------------------------------------------------------------------------------------------------

typedef int32_t take_record(struct hd_explain *e, struct links *l, const struct hadron_record *r, struct hd_fault *fault);

static int32_t pass(struct hd_explain *e, struct hd_journal_cursor *c, uint64_t begin, struct links *l, take_record *take, struct hd_fault *fault) {
  struct hadron_record r;
  bool first = true;
  int32_t code = hd_journal_cursor_seek(c, begin, fault);
  while (!code && !(code = hd_journal_cursor_next(c, &r, fault))) {
    e->scanned++;
    if (r.template_id == HADRON_MSG_SESSION && !first) break;
    first = false;
    code = take(e, l, &r, fault);
  }
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

static int32_t take_link(struct hd_explain *e, struct links *l, const struct hadron_record *r, struct hd_fault *fault) {
  const struct hadron_client_order_id *id = NULL;
  if (r->template_id == HADRON_MSG_ORDER && r->block_length >= sizeof(struct hadron_order)) id = &((const struct hadron_order *)r->bytes)->client_order_id;
  if (r->template_id == HADRON_MSG_ORDER_EVENT && r->block_length >= sizeof(struct hadron_order_event)) id = &((const struct hadron_order_event *)r->bytes)->client_order_id;
  if (id && !e->order.hex[0] && memcmp(r->bytes, &e->trace, sizeof e->trace) == 0) { // it was asked for by its trace
    e->order = *id;
    add_order(e, id);
  }
  return links_take(e, l, r, fault);
}

// An order names the intent that made it; other intents name the order that they mean. Of what was asked for by its trace: all that it set off.
static int32_t take_intent(struct hd_explain *e, struct links *l, const struct hadron_record *r, struct hd_fault *fault) {
  (void)fault;
  if (r->template_id == HADRON_MSG_INTENT && r->block_length >= sizeof(struct hadron_intent)) {
    const struct hadron_intent *in = r->bytes;
    bool here = hd_record_shadow(r->template_id, in) == e->shadow && (links_mean(e, l, in->id) || memcmp(&in->trace, &e->trace, sizeof e->trace) == 0);
    struct hd_explain_intent *row = here ? add_intent(e, in->id) : NULL;
    if (!row) return HADRON_OK;
    row->next = r->next;
    row->kind = in->kind;
    add_trace(e, &in->trace);
    return HADRON_OK;
  }
  if (r->template_id != HADRON_MSG_ORDER || r->block_length < sizeof(struct hadron_order)) return HADRON_OK;
  const struct hadron_order *o = r->bytes;
  if (hd_explain_has_order(e, &o->client_order_id) && !hd_explain_has_intent(e, o->intent) && e->missed_count < HD_EXPLAIN_ORDERS_MAX) e->missed[e->missed_count++] = o->intent;
  return HADRON_OK;
}

// What was asked for is a later order of the chain: the first one's intent has gone by when the order says whose it is.
static int32_t take_missed(struct hd_explain *e, struct links *l, const struct hadron_record *r, struct hd_fault *fault) {
  (void)l, (void)fault;
  if (r->template_id != HADRON_MSG_INTENT || r->block_length < sizeof(struct hadron_intent)) return HADRON_OK;
  const struct hadron_intent *in = r->bytes;
  if (hd_record_shadow(r->template_id, in) != e->shadow || in->instrument != e->instrument || hd_explain_has_intent(e, in->id)) return HADRON_OK;
  bool missed = false;
  for (uint32_t i = 0; i < e->missed_count; i++) missed |= e->missed[i] == in->id;
  struct hd_explain_intent *row = missed ? add_intent(e, in->id) : NULL;
  if (!row) return HADRON_OK;
  row->next = r->next;
  row->kind = in->kind;
  add_trace(e, &in->trace);
  return HADRON_OK;
}

static int by_id(const void *a, const void *b) {
  uint64_t x = ((const struct hd_explain_intent *)a)->id, y = ((const struct hd_explain_intent *)b)->id;
  return x < y ? -1 : x > y;
}

int32_t hd_explain_follow(struct hd_explain *e, struct hd_journal_cursor *c, uint64_t begin, struct hd_fault *fault) {
  struct links l = {.rows = NULL};
  add_order(e, &e->order);
  add_trace(e, &e->trace);
  int32_t code = pass(e, c, begin, &l, take_link, fault);
  if (!code) links_close(e, &l);
  if (!code) code = pass(e, c, begin, &l, take_intent, fault);
  if (!code && e->missed_count) code = pass(e, c, begin, &l, take_missed, fault);
  free(l.rows);
  if (!code) qsort(e->intents, e->intent_count, sizeof *e->intents, by_id);
  return code;
}
