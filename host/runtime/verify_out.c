// What must come out: the journal's own records of what was decided, one after the other, and what the run makes held against them.
#include "runtime/verify_internal.h"

// ---- what counts ---------------------------------------------------------------------------------------------------------------------

static bool counts(uint16_t template_id, const void *block, uint32_t block_length) {
  const struct hadron_swap *swap = block;
  switch (template_id) {
  case HADRON_MSG_DECISION: case HADRON_MSG_OPPORTUNITY: case HADRON_MSG_INTENT: case HADRON_MSG_ORDER: case HADRON_MSG_ORDER_EVENT:
  case HADRON_MSG_EXECUTION: case HADRON_MSG_ALLOCATION: case HADRON_MSG_EQUITY: case HADRON_MSG_ARM: case HADRON_MSG_SHARE: return true;
  case HADRON_MSG_SWAP:
    return block_length >= sizeof *swap && swap->stage == HADRON_SWAP_COMMIT && (swap->kind == HADRON_KIND_STRATEGY || swap->kind == HADRON_KIND_ALLOCATOR);
  default: return false;
  }
}

// A shard writes it, whatever the trading thread is in the middle of: it is held against the record at its own place.
static bool is_apart(const struct hd_verify *v, uint16_t template_id, const void *block) {
  return v->threads && template_id == HADRON_MSG_SWAP && ((const struct hadron_swap *)block)->kind == HADRON_KIND_STRATEGY;
}

bool hd_verify_is_apart(const struct hd_verify *v, const struct hd_verify_record *r) {
  return counts(r->r.template_id, r->r.bytes, r->r.block_length) && is_apart(v, r->r.template_id, r->r.bytes);
}

bool hd_verify_is_output(const struct hd_verify *v, const struct hd_verify_record *r) {
  return counts(r->r.template_id, r->r.bytes, r->r.block_length) && !is_apart(v, r->r.template_id, r->r.bytes);
}

// A cancel that could not be sent is known by its alert alone.
static void notice_alert(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_alert *a = HD_VERIFY_BLOCK(r, struct hadron_alert);
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  if (!a || size < 30 || memcmp(text, "order ", 6) != 0 || !memmem(text, size, "the cancel could not be sent", 28)) return;
  snprintf(v->cancel_words, sizeof v->cancel_words, "%.24s", text + 6);
  v->cancel_code = a->code;
}

void hd_verify_state(struct hd_verify *v, const struct hd_verify_record *r) {
  const struct hadron_venue_status *s = HD_VERIFY_BLOCK(r, struct hadron_venue_status);
  if (s && s->seen && s->venue < sizeof v->states / sizeof *v->states) v->states[s->venue] = s->state;
}

const struct hd_verify_record *hd_verify_expected(struct hd_verify *v) {
  while (!v->has_next && !v->out_ended && !v->code) {
    if (hd_verify_read(v, v->out, &v->next) || v->next.r.template_id == HADRON_MSG_SESSION) v->out_ended = true;
    else if (v->next.r.template_id == HADRON_MSG_ALERT) notice_alert(v, &v->next);
    else if (v->next.r.template_id == HADRON_MSG_VENUE_STATUS && !v->threads) hd_verify_state(v, &v->next);
    else v->has_next = hd_verify_is_output(v, &v->next);
  }
  return v->has_next ? &v->next : NULL;
}

// ---- differences ---------------------------------------------------------------------------------------------------------------------

static uint64_t cause_of(uint16_t template_id, const void *block) {
  uint64_t cause = 0;
  switch (template_id) {
  case HADRON_MSG_DECISION: case HADRON_MSG_OPPORTUNITY: case HADRON_MSG_INTENT: case HADRON_MSG_ORDER: case HADRON_MSG_ORDER_EVENT:
  case HADRON_MSG_EXECUTION: memcpy(&cause, (const char *)block + sizeof(struct hadron_trace), sizeof cause); break;
  default: break;
  }
  return cause;
}

static void keep_expected(struct hd_verify *v, const struct hd_verify_record *r) {
  struct hd_verify_difference *d = &v->result->first;
  d->sequence = r->sequence;
  d->position = r->r.position;
  d->expected.template_id = r->r.template_id;
  d->expected.block_length = r->r.block_length;
  d->expected.size = r->r.size;
  d->expected.time_ns = r->r.time_ns;
  memcpy(d->expected.bytes, r->r.bytes, r->r.size < HD_VERIFY_RECORD_MAX ? r->r.size : HD_VERIFY_RECORD_MAX);
  hd_journal_place(v->dir, r->r.position, d->file, sizeof d->file, &d->offset);
}

static void keep_found(struct hd_verify *v, uint16_t template_id, const void *block, uint16_t size, const void *tail, uint32_t tail_size, int64_t now_ns) {
  struct hd_verify_side *f = &v->result->first.found;
  f->template_id = template_id;
  f->block_length = size;
  f->size = size + tail_size;
  f->time_ns = now_ns;
  memcpy(f->bytes, block, size);
  uint32_t room = HD_VERIFY_RECORD_MAX - size;
  if (tail_size) memcpy(f->bytes + size, tail, tail_size < room ? tail_size : room);
}

// The tick that it goes back to: of the two sides' causes the earlier one, where something happened that should not have, or did not.
static void keep_cause(struct hd_verify *v) {
  struct hd_verify_difference *d = &v->result->first;
  uint64_t expected = d->expected.size ? cause_of(d->expected.template_id, d->expected.bytes) : 0;
  uint64_t found = d->found.size ? cause_of(d->found.template_id, d->found.bytes) : 0;
  uint64_t cause = expected && (!found || expected < found) ? expected : found;
  const struct hadron_tick *t = &v->ticks[cause & (HD_VERIFY_TICKS - 1)];
  if (cause && t->sequence == cause) d->cause = *t;
}

void hd_verify_missing(struct hd_verify *v, const struct hd_verify_record *r) {
  if (hd_verify_over(v)) return;
  v->result->first.kind = HD_VERIFY_MISSING;
  keep_expected(v, r);
  keep_cause(v);
}

void hd_verify_differs(struct hd_verify *v, const struct hd_verify_record *expected, uint16_t template_id, const void *block, uint16_t size) {
  if (hd_verify_over(v)) return;
  v->result->first.kind = HD_VERIFY_DIFFERS;
  keep_expected(v, expected);
  keep_found(v, template_id, block, size, NULL, 0, v->now_ns);
  keep_cause(v);
}

// Two records that belong to different causes are not two versions of one: one side has something that the other one has not.
static uint32_t kind_of(const struct hd_verify_record *e, uint16_t template_id, const void *block) {
  uint64_t expected = cause_of(e->r.template_id, e->r.bytes), found = cause_of(template_id, block);
  if (!expected || !found || expected == found) return HD_VERIFY_DIFFERS;
  return found < expected ? HD_VERIFY_EXTRA : HD_VERIFY_MISSING;
}

// ---- comparing -----------------------------------------------------------------------------------------------------------------------

static bool same(const struct hd_verify *v, const struct hd_verify_record *e, uint16_t template_id, const void *block, uint16_t size, const void *tail,
                 uint32_t tail_size, int64_t now_ns) {
  const unsigned char *bytes = e->r.bytes;
  if (e->r.template_id != template_id || e->r.block_length != size || e->r.size != size + tail_size || memcmp(bytes, block, size) != 0) return false;
  if (tail_size && memcmp(bytes + size, tail, tail_size) != 0) return false;
  return !v->is_virtual || e->r.time_ns == now_ns;
}

// A strategy that is no longer there gets its old book, to close it, before the recovery says that it is done: among what a session begins with,
// unless a change came before it.
static bool belongs_to_start(struct hd_verify *v, uint16_t template_id) {
  if (template_id == HADRON_MSG_RECOVERED) v->adopts_to = 0;
  const struct hd_verify_record *e = v->adopts_to && template_id == HADRON_MSG_ARM ? hd_verify_expected(v) : NULL;
  return v->adopts_to && template_id == HADRON_MSG_ARM && !(e && e->r.template_id == HADRON_MSG_ARM && e->sequence < v->adopts_to);
}

int32_t hd_verify_write(void *self, uint16_t template_id, const void *block, uint16_t block_size, const void *tail, uint32_t tail_size, int64_t now_ns, uint32_t flags) {
  struct hd_verify *v = self;
  (void)flags;
  if (!v->running || hd_verify_over(v) || v->session->recovering) return HADRON_OK;
  if (v->options->observe) v->options->observe(v->options->user, v->session, template_id, block, block_size, tail, tail_size, now_ns);
  if (template_id == HADRON_MSG_TIMER) {
    v->timer = *(const struct hadron_timer_fired *)block;
    v->timer_fired = true;
  }
  if (belongs_to_start(v, template_id) || !counts(template_id, block, block_size)) return HADRON_OK;
  bool apart = is_apart(v, template_id, block);
  const struct hd_verify_record *e = apart ? v->apart : hd_verify_expected(v);
  if (v->code) return HADRON_OK;
  if (!e) {
    v->result->behind++;
    return HADRON_OK;
  }
  if (same(v, e, template_id, block, block_size, tail, tail_size, now_ns)) {
    v->result->compared[template_id]++;
    if (apart) v->apart = NULL;
    else v->has_next = false;
    return HADRON_OK;
  }
  v->result->first.kind = kind_of(e, template_id, block);
  keep_expected(v, e);
  keep_found(v, template_id, block, block_size, tail, tail_size, now_ns);
  keep_cause(v);
  return HADRON_OK;
}

// ---- the way to the venues -------------------------------------------------------------------------------------------------------------

static int32_t code_named(const char *name) {
  for (int32_t code = -1; code > -4096; code--)
    if (strcmp(hadron_error_name(code), name) == 0) return code;
  return HADRON_ERR_IO;
}

// What the venue said at the door is in the event that followed.
static int32_t port_submit(void *self, const struct hadron_order *order) {
  struct hd_verify *v = self;
  const struct hd_verify_record *e = hd_verify_expected(v);
  const struct hadron_order_event *event = e && e->r.template_id == HADRON_MSG_ORDER_EVENT ? HD_VERIFY_BLOCK(e, struct hadron_order_event) : NULL;
  if (!event || event->change != HADRON_CHANGE_SEND_FAIL || memcmp(&event->client_order_id, &order->client_order_id, sizeof order->client_order_id) != 0) return HADRON_OK;
  char name[65] = "";
  memcpy(name, event->text, sizeof event->text);
  return code_named(name);
}

static int32_t port_cancel(void *self, const struct hadron_order *order) {
  struct hd_verify *v = self;
  (void)hd_verify_expected(v);
  if (strncmp(v->cancel_words, order->client_order_id.hex, sizeof order->client_order_id.hex) != 0 || !v->cancel_words[0]) return HADRON_OK;
  v->cancel_words[0] = 0;
  return v->cancel_code;
}

static int32_t port_query(void *self, const struct hadron_order *order) {
  (void)self, (void)order;
  return HADRON_OK;
}

static uint32_t port_features(void *self, uint16_t venue) { return hd_runner_port.features(&((struct hd_verify *)self)->session->runner, venue); }

static uint32_t port_state(void *self, uint16_t venue) {
  struct hd_verify *v = self;
  if (v->running && !v->threads) (void)hd_verify_expected(v);
  return venue < sizeof v->states / sizeof *v->states ? v->states[venue] : HADRON_VENUE_DOWN;
}

const struct hd_venue_port hd_verify_port = {.submit = port_submit, .cancel = port_cancel, .replace = port_submit, .query = port_query,
                                             .features = port_features, .state = port_state};
