#include <string.h>

#include "base/banned.h"
#include "base/limits.h"
#include "bus/feed_internal.h"

int32_t hd_feed_state_init(struct hd_feed *f) {
  f->marks = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *f->marks);
  f->arms = calloc(HD_ARMS_MAX + 1, sizeof *f->arms);
  return !f->marks || !f->arms ? HADRON_ERR_MEMORY : hd_map_init(&f->position_of, 8, 64);
}

void hd_feed_state_fini(struct hd_feed *f) {
  free(f->definitions);
  free(f->marks);
  free(f->arms);
  free(f->positions);
  if (f->position_of.slots) hd_map_fini(&f->position_of);
}

// Room for one more row; NULL: there is no memory, and the snapshot is poorer by it.
static void *grown(void *rows, uint32_t count, uint32_t *room, size_t size) {
  if (count < *room) return rows;
  void *more = realloc(rows, (size_t)(*room ? *room * 2 : 64) * size);
  if (more) *room = *room ? *room * 2 : 64;
  return more;
}

static void fold_definition(struct hd_feed *f, const struct hadron_record *r) {
  struct hadron_instrument_definition d;
  memcpy(&d, r->bytes, sizeof d);
  for (uint32_t i = 0; i < f->definition_count; i++)
    if (f->definitions[i].listing == d.listing) {
      f->definitions[i] = d;
      return;
    }
  void *rows = grown(f->definitions, f->definition_count, &f->definition_room, sizeof d);
  if (!rows) return;
  f->definitions = rows;
  f->definitions[f->definition_count++] = d;
}

static void fold_tick(struct hd_feed *f, const struct hadron_record *r) {
  struct hadron_tick t;
  memcpy(&t, r->bytes, sizeof t);
  if (t.instrument > HD_INSTRUMENTS_MAX) return;
  struct hadron_mark *m = &f->marks[t.instrument];
  switch (t.kind) {
  case HADRON_TICK_TRADE: m->last = t.value.trade.price; break;
  case HADRON_TICK_QUOTE: m->bid = t.value.quote.bid, m->ask = t.value.quote.ask; break;
  case HADRON_TICK_STATUS: m->state = (uint32_t)t.value.status.state; break;
  default: break;
  }
  m->instrument = t.instrument;
  m->event_ns = t.event_ns;
  m->recv_ns = t.recv_ns;
  m->sequence = t.sequence;
}

static void fold_allocation(struct hd_feed *f, const struct hadron_record *r) {
  struct hadron_allocation a;
  memcpy(&a, r->bytes, sizeof a);
  const uint32_t key[2] = {a.arm, a.instrument};
  uint64_t at = f->position_count;
  if (!hd_map_get(&f->position_of, key, &at)) {
    void *rows = f->position_count < HD_FEED_POSITIONS_MAX ? grown(f->positions, f->position_count, &f->position_room, sizeof *f->positions) : NULL;
    if (!rows) return;
    f->positions = rows;
    if (hd_map_put(&f->position_of, key, at)) return;
    f->position_count++;
  }
  f->positions[at] = (struct hadron_position){.position = a.position, .arm = a.arm, .instrument = a.instrument};
}

void hd_feed_state_fold(struct hd_feed *f, const struct hadron_record *r) {
  struct hadron_arm_definition arm;
  switch (r->template_id) {
  case HADRON_MSG_TICK:
    if (r->block_length >= sizeof(struct hadron_tick)) fold_tick(f, r);
    return;
  case HADRON_MSG_INSTRUMENT:
    if (r->block_length >= sizeof(struct hadron_instrument_definition)) fold_definition(f, r);
    return;
  case HADRON_MSG_ALLOCATION:
    if (r->block_length >= sizeof(struct hadron_allocation)) fold_allocation(f, r);
    return;
  case HADRON_MSG_ARM:
    if (r->block_length < sizeof arm) return;
    memcpy(&arm, r->bytes, sizeof arm);
    if (arm.arm <= HD_ARMS_MAX) f->arms[arm.arm] = arm;
    return;
  default: return;
  }
}

struct rows {
  struct hd_packet *packet;
  uint64_t from, at; // rows that are wanted begin at `from`
  bool cut;
};

// One row of the snapshot, in the frame that is open.
static void put(struct rows *rows, const void *block, uint32_t size, uint16_t *count) {
  if (rows->cut || rows->at++ < rows->from) return;
  void *to = hd_frame_left(rows->packet) > size + 128 ? hd_frame_more(rows->packet, size) : NULL; // the heartbeat comes behind
  if ((rows->cut = to == NULL)) {
    rows->at--;
    return;
  }
  memcpy(to, block, size);
  ++*count;
}

static void table(struct hd_feed *f, const struct hd_feed_stream *s, struct rows *rows, uint16_t template_id) {
  static const uint16_t sizes[] = {[HADRON_MSG_INSTRUMENT] = sizeof(struct hadron_instrument_definition), [HADRON_MSG_MARK] = sizeof(struct hadron_mark),
                                   [HADRON_MSG_ARM] = sizeof(struct hadron_arm_definition), [HADRON_MSG_POSITION] = sizeof(struct hadron_position)};
  const struct hadron_frame head = hd_frame_head(s->topic, s->id, f->options.epoch, HADRON_FRAME_DATA, 0, 0);
  const struct hadron_message_header header = hd_frame_header(template_id, sizes[template_id]);
  uint16_t count = 0;
  if (rows->cut || hd_frame_left(rows->packet) < 512) {
    rows->cut = true;
    return;
  }
  hd_frame_begin(rows->packet, &head);
  memcpy(hd_frame_more(rows->packet, sizeof header), &header, sizeof header);
  if (template_id == HADRON_MSG_INSTRUMENT)
    for (uint32_t i = 0; i < f->definition_count; i++) {
      bool here = s->events || f->options.journal.shard_of(f->options.journal.self, f->definitions[i].instrument) + 1 == s->id;
      if (here) put(rows, &f->definitions[i], sizes[template_id], &count);
    }
  for (uint32_t i = 0; template_id == HADRON_MSG_MARK && i <= HD_INSTRUMENTS_MAX; i++)
    if (f->marks[i].sequence && f->options.journal.shard_of(f->options.journal.self, i) + 1 == s->id) put(rows, &f->marks[i], sizes[template_id], &count);
  for (uint32_t i = 0; template_id == HADRON_MSG_ARM && i <= HD_ARMS_MAX; i++)
    if (f->arms[i].arm) put(rows, &f->arms[i], sizes[template_id], &count);
  for (uint32_t i = 0; template_id == HADRON_MSG_POSITION && i < f->position_count; i++) put(rows, &f->positions[i], sizes[template_id], &count);
  if (count) hd_frame_end(rows->packet, count);
  else hd_frame_drop(rows->packet);
}

// Its last frame says which messages it stands for: all before `sequence`. Its count is 1 if there are more rows, to be asked for from `from` +
// the rows of this part on.
void hd_feed_state_write(struct hd_feed *f, const struct hd_feed_stream *s, uint64_t from, struct hd_packet *packet, int64_t wall_ns) {
  struct rows rows = {packet, from, 0, false};
  table(f, s, &rows, HADRON_MSG_INSTRUMENT);
  if (s->events) table(f, s, &rows, HADRON_MSG_ARM);
  table(f, s, &rows, s->events ? HADRON_MSG_POSITION : HADRON_MSG_MARK);
  const struct hadron_frame head = hd_frame_head(s->topic, s->id, f->options.epoch, HADRON_FRAME_HEARTBEAT, rows.cut, s->next);
  hd_frame_put(packet, &head, &wall_ns, sizeof wall_ns);
}
