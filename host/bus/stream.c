#include "bus/stream.h"

#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"
#include "hadron/pack.h"

#define PIECE_MAX (96u * 1024)  // of an ask's argument, a message
#define RUN_MAX 8000u           // ticks in a frame: 500 KiB, also of a packed one when it is made out again
#define TICK_WORDS (sizeof(struct hadron_tick) / HADRON_PACK_WORD)
#define SHARED_MAX 4096u        // ticks that a packet tells of: two packets are half a ring
#define ASK_BYTES_MAX (HD_HANDOVER_BYTES + 65536u)

enum { PHASE_INSTRUMENT = 0, PHASE_MARK, PHASE_POSITION, PHASE_DONE };

// Nobody reads the rings any more.
static void free_all(struct hd_stream *s) {
  s->run_first = s->run_end;
  for (uint32_t i = 0; i < s->channel_count; i++) hd_channel_free_ticks(s->channels[i], atomic_load_explicit(&s->channels[i]->at, memory_order_relaxed));
}

int32_t hd_stream_init(struct hd_stream *s, const struct hd_stream_options *options) {
  memset(s, 0, sizeof *s);
  s->worker = options->worker;
  s->lock_step = options->lock_step;
  s->shares = options->shares;
  s->channels = calloc(options->channel_count + 1, sizeof(struct hd_channel *));
  s->rows = calloc(options->universe_count + 1, sizeof *s->rows);
  s->row_of = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *s->row_of);
  if (!s->channels || !s->rows || !s->row_of) {
    hd_stream_fini(s);
    return HADRON_ERR_MEMORY;
  }
  s->row_room = options->universe_count + 1;
  s->channel_count = options->channel_count;
  memcpy(s->channels, options->channels, options->channel_count * sizeof(struct hd_channel *));
  free_all(s); // of the worker before
  for (uint32_t i = 0; i < options->universe_count; i++) {
    uint32_t instrument = options->universe[i].instrument;
    if (instrument == 0 || instrument > HD_INSTRUMENTS_MAX || s->row_of[instrument]) continue; // of several listings the first
    s->rows[s->row_count].definition = options->universe[i];
    s->row_of[instrument] = (uint16_t)++s->row_count;
  }
  return HADRON_OK;
}

static void ask_end(struct hd_stream_ask *a, int32_t code) {
  hd_channel_answer(a->channel, a->ask, code, a->answer, a->answer ? a->total : 0);
  *a = (struct hd_stream_ask){0};
}

static void asks_end(struct hd_stream *s, int32_t code) {
  for (uint32_t i = 0; i < HD_STREAM_ASKS; i++) {
    if (!s->asks[i].number) continue;
    free(s->asks[i].answer);
    s->asks[i].answer = NULL;
    ask_end(&s->asks[i], code);
  }
  s->giving = s->given = 0;
}

void hd_stream_fini(struct hd_stream *s) {
  asks_end(s, HADRON_ERR_CLOSED);
  free(s->channels);
  free(s->rows);
  free(s->row_of);
  memset(s, 0, sizeof *s);
}

void hd_stream_begin(struct hd_stream *s) {
  asks_end(s, HADRON_ERR_CLOSED); // who was asked is not there any more
  free_all(s);
  s->phase = PHASE_INSTRUMENT;
  s->phase_at = 0;
  s->time_count = 0;
  s->last = 0;
}

const struct hd_stream_row *hd_stream_row(const struct hd_stream *s, uint32_t instrument) {
  return instrument <= HD_INSTRUMENTS_MAX && s->row_of[instrument] ? &s->rows[s->row_of[instrument] - 1] : NULL;
}

// ---- what is remembered ------------------------------------------------------------------------------------------------------------------

static struct hd_stream_row *row_for(struct hd_stream *s, uint32_t instrument) { return (struct hd_stream_row *)hd_stream_row(s, instrument); }

static void fold_tick(struct hd_stream *s, const struct hadron_tick *t) {
  struct hd_stream_row *row = row_for(s, t->instrument);
  if (!row) return;
  struct hadron_mark *m = &row->mark;
  switch (t->kind) {
  case HADRON_TICK_TRADE: m->last = t->value.trade.price; break;
  case HADRON_TICK_QUOTE: m->bid = t->value.quote.bid, m->ask = t->value.quote.ask; break;
  case HADRON_TICK_STATUS: m->state = (uint32_t)t->value.status.state; break;
  default: break;
  }
  m->instrument = t->instrument;
  m->event_ns = t->event_ns;
  m->recv_ns = t->recv_ns;
  m->sequence = t->sequence;
  row->marked = true;
}

static void fold_instrument(struct hd_stream *s, const struct hadron_instrument_definition *d) {
  if (d->instrument == 0 || d->instrument > HD_INSTRUMENTS_MAX) return;
  if (s->row_of[d->instrument]) {
    s->rows[s->row_of[d->instrument] - 1].definition = *d;
    return;
  }
  if (s->row_count == s->row_room) {
    struct hd_stream_row *grown = realloc(s->rows, s->row_room * 2 * sizeof *grown);
    if (!grown) return;
    s->rows = grown;
    s->row_room *= 2;
  }
  s->rows[s->row_count] = (struct hd_stream_row){.definition = *d};
  s->row_of[d->instrument] = (uint16_t)++s->row_count;
}

static void fold_note(struct hd_stream *s, const struct hd_channel_note *n) {
  struct hd_stream_row *row = NULL;
  switch (n->kind) {
  case HADRON_MSG_POSITION:
  case HADRON_MSG_ALLOCATION:
  case HADRON_MSG_ORDER_EVENT:
    if (!(row = row_for(s, n->view.instrument))) return;
    row->position = n->view;
    row->placed = true;
    return;
  case HADRON_MSG_MARK:
    if (!(row = row_for(s, n->of.mark.instrument))) return;
    row->mark = n->of.mark;
    row->marked = true;
    return;
  case HADRON_MSG_INSTRUMENT: fold_instrument(s, &n->of.instrument); return;
  case HADRON_MSG_LOST: s->lost += n->of.lost.count; return;
  default: return;
  }
}

// ---- out -----------------------------------------------------------------------------------------------------------------------------------

struct filling {
  struct hd_stream *s;
  struct hd_packet *packet;
  uint32_t session;
  uint64_t epoch, number, first;
  uint32_t told; // ticks that the packet tells of
};

#define FRAME_COST ((uint32_t)(sizeof(struct hadron_frame) + sizeof(struct hadron_message_header)))

static bool open_frame(struct filling *f, enum hadron_frame_kind kind, uint16_t template_id, uint16_t block) {
  const struct hadron_frame head = hd_frame_head(HADRON_TOPIC_SESSION, f->session, f->epoch, kind, 0, f->number);
  const struct hadron_message_header header = hd_frame_header(template_id, block);
  if (hd_frame_left(f->packet) < FRAME_COST || !hd_frame_begin(f->packet, &head)) return false;
  memcpy(hd_frame_more(f->packet, sizeof header), &header, sizeof header);
  return true;
}

static void *frame_of(struct filling *f, uint16_t template_id, uint16_t block, uint32_t size) {
  if (hd_frame_left(f->packet) < FRAME_COST + size || !open_frame(f, HADRON_FRAME_DATA, template_id, block)) return NULL;
  return hd_frame_more(f->packet, size);
}

static bool one(struct filling *f, uint16_t template_id, const void *block, uint16_t size) {
  void *to = frame_of(f, template_id, size, size);
  if (!to) return false;
  memcpy(to, block, size);
  hd_frame_end(f->packet, 1);
  f->number++;
  return true;
}

// Rows of the snapshot, as many as fit; true: its last one is in.
static bool snapshot(struct filling *f) {
  static const struct { uint16_t template_id, size; } phases[] = {{HADRON_MSG_INSTRUMENT, sizeof(struct hadron_instrument_definition)},
                                                                  {HADRON_MSG_MARK, sizeof(struct hadron_mark)},
                                                                  {HADRON_MSG_POSITION, sizeof(struct hadron_position)}};
  struct hd_stream *s = f->s;
  for (; s->phase < PHASE_DONE; s->phase++, s->phase_at = 0) {
    uint16_t size = phases[s->phase].size, count = 0;
    if (!frame_of(f, phases[s->phase].template_id, size, 0)) return false;
    for (; s->phase_at < s->row_count; s->phase_at++) {
      const struct hd_stream_row *row = &s->rows[s->phase_at];
      if (row->left_out || (s->phase == PHASE_MARK && !row->marked) || (s->phase == PHASE_POSITION && !row->placed)) continue;
      const void *block = s->phase == PHASE_INSTRUMENT ? (const void *)&row->definition : s->phase == PHASE_MARK ? (const void *)&row->mark : (const void *)&row->position;
      void *to = hd_frame_more(f->packet, size);
      if (!to) break;
      memcpy(to, block, size);
      count++;
    }
    bool cut = s->phase_at < s->row_count;
    if (count) hd_frame_end(f->packet, count);
    else hd_frame_drop(f->packet);
    f->number += count;
    if (cut) return false;
  }
  return true;
}

// Those that the peer wants of a run.
static uint32_t wanted(const struct hd_stream *s, const struct hadron_tick *run, uint32_t count, uint8_t *to) {
  uint32_t n = 0;
  for (uint32_t i = 0; i < count; i++) {
    const struct hd_stream_row *row = hd_stream_row(s, run[i].instrument);
    if (!row || row->left_out) continue;
    memcpy(to + (size_t)n++ * sizeof *run, &run[i], sizeof *run);
  }
  return n;
}

static void remember_times(struct hd_stream *s, const struct hadron_tick *run, uint32_t count) {
  uint64_t low = run[0].sequence, high = low; // lanes: a tick may come behind one of a higher sequence
  for (uint32_t i = 1; i < count; i++) {
    if (run[i].sequence < low) low = run[i].sequence;
    if (run[i].sequence > high) high = run[i].sequence;
  }
  if (high > s->last) s->last = high;
  s->times[s->time_count % HD_STREAM_TIMES].low = low;
  s->times[s->time_count % HD_STREAM_TIMES].high = high;
  s->times[s->time_count++ % HD_STREAM_TIMES].recv_ns = run[count - 1].recv_ns;
}

// Where they lie, for a worker. It begins with rows of the shard's engine, so that marks are nothing to it.
static bool tell_run(struct filling *f, uint32_t channel, const struct hadron_tick *run, uint32_t count) {
  struct hd_stream *s = f->s;
  struct hd_channel *c = s->channels[channel];
  const struct hd_channel_run where = {atomic_load_explicit(&c->at, memory_order_relaxed), count < SHARED_MAX - f->told ? count : SHARED_MAX - f->told, c->shard};
  if (where.count == 0 || s->run_end - s->run_first == HD_STREAM_RUNS || !one(f, HD_CHANNEL_RUN, &where, sizeof where)) return false;
  s->runs[s->run_end % HD_STREAM_RUNS].number = f->number - 1;
  s->runs[s->run_end % HD_STREAM_RUNS].end = where.from + where.count;
  s->runs[s->run_end++ % HD_STREAM_RUNS].channel = channel;
  remember_times(s, run, where.count);
  s->ticks += where.count;
  f->told += where.count;
  hd_channel_take_ticks(c, where.count);
  return true;
}

void hd_stream_handled(struct hd_stream *s, uint64_t before) {
  for (; s->run_first < s->run_end && s->runs[s->run_first % HD_STREAM_RUNS].number < before; s->run_first++)
    hd_channel_free_ticks(s->channels[s->runs[s->run_first % HD_STREAM_RUNS].channel], s->runs[s->run_first % HD_STREAM_RUNS].end);
}

// As they lie. Returns how many of the run were looked at, as far as there was room; *out: how many of them went into the frame.
static uint32_t put_plain(struct filling *f, const struct hadron_tick *run, uint32_t count, uint32_t *out) {
  uint32_t fit = hd_frame_left(f->packet) / (uint32_t)sizeof *run;
  if (count > fit) count = fit;
  *out = wanted(f->s, run, count, f->packet->bytes + f->packet->size);
  hd_frame_more(f->packet, *out * (uint32_t)sizeof *run);
  return count;
}

// The same, packed where the packet is made.
static uint32_t put_packed(struct filling *f, const struct hadron_tick *run, uint32_t count, uint32_t *out) {
  uint8_t *to = f->packet->bytes + f->packet->size;
  const uint32_t left = hd_frame_left(f->packet), bound = (uint32_t)hadron_pack_bound(TICK_WORDS);
  const struct hadron_tick *before = NULL;
  uint32_t size = 0, i = 0;
  for (*out = 0; i < count && left - size >= bound; i++) {
    const struct hd_stream_row *row = hd_stream_row(f->s, run[i].instrument);
    if (!row || row->left_out) continue;
    size += (uint32_t)hadron_pack(to + size, before, &run[i], TICK_WORDS);
    before = &run[i];
    ++*out;
  }
  hd_frame_more(f->packet, size);
  return i;
}

static bool ticks(struct filling *f, uint32_t channel, const struct hadron_tick *run, uint32_t count) {
  struct hd_stream *s = f->s;
  uint32_t n = 0;
  if (!open_frame(f, s->packed ? HADRON_FRAME_PACKED : HADRON_FRAME_DATA, HADRON_MSG_TICK, sizeof *run)) return false;
  count = s->packed ? put_packed(f, run, count, &n) : put_plain(f, run, count, &n);
  if (n) hd_frame_end(f->packet, (uint16_t)n);
  else hd_frame_drop(f->packet);
  if (count == 0) return false;
  for (uint32_t i = 0; i < count; i++) fold_tick(s, &run[i]);
  remember_times(s, run, count);
  s->ticks += n;
  f->number += n;
  hd_channel_release_ticks(s->channels[channel], count);
  return true;
}

// Pieces of the ask that is being given out; true: it is whole.
static bool ask_pieces(struct filling *f) {
  struct hd_stream *s = f->s;
  struct hd_stream_ask *a = &s->asks[s->giving - 1];
  do {
    uint32_t piece = a->ask->size - s->given, left = hd_frame_left(f->packet), cost = FRAME_COST + sizeof(struct hadron_ask) + sizeof(uint32_t);
    if (piece > PIECE_MAX) piece = PIECE_MAX;
    if (left < cost + piece) return false; // the next packet has room for it
    const struct hadron_ask head = {a->number, a->ask->now_ns, a->ask->verb, a->ask->instance, s->given, a->ask->size};
    uint8_t *to = frame_of(f, HADRON_MSG_ASK, sizeof head, (uint32_t)(sizeof head + sizeof piece) + piece);
    memcpy(to, &head, sizeof head);
    memcpy(to + sizeof head, &piece, sizeof piece);
    if (piece) memcpy(to + sizeof head + sizeof piece, (const uint8_t *)a->ask->bytes + s->given, piece);
    hd_frame_end(f->packet, 1);
    f->number++;
    s->given += piece;
  } while (s->given < a->ask->size);
  s->giving = s->given = 0;
  return true;
}

// An external strategy has made itself: only changes of parameters, and the step of a virtual clock, are for it.
static bool for_peer(const struct hd_stream *s, uint32_t verb) {
  return s->worker || verb == HADRON_ASK_PARAMS || (s->lock_step && verb == HADRON_ASK_STEP);
}

static void take_ask(struct hd_stream *s, uint32_t channel, struct hd_channel_ask *ask, int32_t code) {
  if (code || !for_peer(s, ask->verb)) {
    hd_channel_answer(s->channels[channel], ask, code, NULL, 0);
    return;
  }
  uint32_t at = 0, oldest = 0;
  while (at < HD_STREAM_ASKS && s->asks[at].number) {
    if (s->asks[at].number < s->asks[oldest].number) oldest = at;
    at++;
  }
  if (at == HD_STREAM_ASKS) {
    free(s->asks[at = oldest].answer);
    s->asks[at].answer = NULL;
    ask_end(&s->asks[at], HADRON_ERR_FULL);
  }
  s->asks[at] = (struct hd_stream_ask){++s->ask_number, s->channels[channel], ask, NULL, 0, 0, 0};
  s->giving = at + 1;
  s->given = 0;
}

// False: there is no room for it.
static bool note(struct filling *f, uint32_t channel, const struct hd_channel_note *n) {
  struct hd_stream *s = f->s;
  bool viewed = n->kind == HADRON_MSG_ALLOCATION || n->kind == HADRON_MSG_ORDER_EVENT;
  if (hd_frame_left(f->packet) < 2 * FRAME_COST + sizeof n->view + sizeof n->of) return false;
  if (viewed) one(f, HADRON_MSG_POSITION, &n->view, sizeof n->view);
  switch (n->kind) {
  case HADRON_MSG_POSITION: one(f, HADRON_MSG_POSITION, &n->view, sizeof n->view); break;
  case HADRON_MSG_ALLOCATION: one(f, HADRON_MSG_ALLOCATION, &n->of.allocation, sizeof n->of.allocation); break;
  case HADRON_MSG_ORDER_EVENT: one(f, HADRON_MSG_ORDER_EVENT, &n->of.order_event, sizeof n->of.order_event); break;
  case HADRON_MSG_BAR: one(f, HADRON_MSG_BAR, &n->of.bar, sizeof n->of.bar); break;
  case HADRON_MSG_LOST: one(f, HADRON_MSG_LOST, &n->of.lost, sizeof n->of.lost); break;
  case HADRON_MSG_MARK: one(f, HADRON_MSG_MARK, &n->of.mark, sizeof n->of.mark); break;
  case HADRON_MSG_INSTRUMENT: one(f, HADRON_MSG_INSTRUMENT, &n->of.instrument, sizeof n->of.instrument); break;
  case HADRON_MSG_ASK: take_ask(s, channel, n->of.ask, HADRON_OK); break;
  default: HD_ASSERT(false);
  }
  fold_note(s, n);
  hd_channel_release_note(s->channels[channel]);
  return true;
}

// What one channel has; false: the packet is full, or an ask begins.
static bool drain(struct filling *f, uint32_t channel) {
  struct hd_channel *c = f->s->channels[channel];
  for (;;) {
    const struct hadron_tick *run = NULL;
    const struct hd_channel_note *n = NULL;
    uint32_t count = hd_channel_next(c, RUN_MAX, &run, &n);
    if (count == 0 && !n) return true;
    if (n ? !note(f, channel, n) : f->s->shares ? !tell_run(f, channel, run, count) : !ticks(f, channel, run, count)) return false;
    if (f->s->giving && !ask_pieces(f)) return false;
  }
}

uint32_t hd_stream_fill(struct hd_stream *s, struct hd_packet *packet, uint32_t session, uint64_t epoch, uint64_t number) {
  struct filling f = {s, packet, session, epoch, number, number, 0};
  if (s->phase < PHASE_DONE && !snapshot(&f)) return (uint32_t)(f.number - f.first);
  if (s->giving && !ask_pieces(&f)) return (uint32_t)(f.number - f.first);
  for (uint32_t i = 0; i < s->channel_count; i++) {
    uint32_t channel = (s->next_channel + i) % s->channel_count;
    if (drain(&f, channel)) continue;
    s->next_channel = channel; // the others come first the next time
    break;
  }
  if (s->channel_count) s->next_channel = (s->next_channel + 1) % s->channel_count;
  return (uint32_t)(f.number - f.first);
}

// ---- nobody is there -------------------------------------------------------------------------------------------------------------------------

void hd_stream_skip(struct hd_stream *s, int32_t code) {
  for (uint32_t i = 0; i < s->channel_count; i++) {
    struct hd_channel *c = s->channels[i];
    const struct hadron_tick *run = NULL;
    const struct hd_channel_note *n = NULL;
    uint32_t count;
    while ((count = hd_channel_next(c, RUN_MAX, &run, &n)) || n) {
      for (uint32_t k = 0; k < count; k++) fold_tick(s, &run[k]);
      if (count) hd_channel_release_ticks(c, count);
      if (!n) continue;
      if (n->kind == HADRON_MSG_ASK) take_ask(s, i, n->of.ask, for_peer(s, n->of.ask->verb) ? code : HADRON_OK);
      fold_note(s, n);
      hd_channel_release_note(c);
    }
  }
  s->giving = s->given = 0;
}

void hd_stream_early(struct hd_stream *s) {
  for (uint32_t i = 0; i < s->channel_count; i++) {
    const struct hadron_tick *run;
    const struct hd_channel_note *n;
    while (hd_channel_next(s->channels[i], 1, &run, &n) == 0 && n && n->kind == HADRON_MSG_ASK && !for_peer(s, n->of.ask->verb)) {
      take_ask(s, i, n->of.ask, HADRON_OK);
      hd_channel_release_note(s->channels[i]);
    }
  }
}

bool hd_stream_look(const struct hd_stream *s) {
  bool any = s->phase < PHASE_DONE || s->giving;
  for (uint32_t i = 0; i < s->channel_count && !any; i++) any = hd_channel_waiting(s->channels[i]) || hd_ring_size(&s->channels[i]->notes);
  return any;
}

bool hd_stream_crowded(const struct hd_stream *s) {
  for (uint32_t i = 0; i < s->channel_count; i++)
    if (hd_ring_size(&s->channels[i]->notes) > HD_CHANNEL_NOTES / 2) return true;
  return false;
}

bool hd_stream_stale(struct hd_stream *s, uint64_t cause, int64_t wall_ns, int64_t after_ns) {
  uint64_t oldest = s->time_count > HD_STREAM_TIMES ? s->time_count - HD_STREAM_TIMES : 0, at = s->time_count;
  while (cause && at > oldest && (cause < s->times[(at - 1) % HD_STREAM_TIMES].low || cause > s->times[(at - 1) % HD_STREAM_TIMES].high)) at--;
  if (at == oldest && s->time_count > oldest && cause) return wall_ns - s->times[at % HD_STREAM_TIMES].recv_ns > after_ns; // older than all that is known
  if (at < s->time_count) return wall_ns - s->times[at % HD_STREAM_TIMES].recv_ns > after_ns; // the batch behind the one that it answers to
  for (uint32_t i = 0; i < s->channel_count; i++) {
    const struct hd_ring *ring = &s->channels[i]->ticks; // not hd_ring_peek: the channel reads runs, and leaves its copy of the head behind
    uint64_t next = atomic_load_explicit(&s->channels[i]->at, memory_order_relaxed);
    const struct hadron_tick *waits = (const void *)(ring->slots + (next & ring->mask) * sizeof *waits);
    if (hd_ring_head(ring) > next && wall_ns - waits->recv_ns > after_ns) return true;
  }
  return false;
}

// ---- answers -----------------------------------------------------------------------------------------------------------------------------------

int32_t hd_stream_answer(struct hd_stream *s, const struct hadron_answer *head, const uint8_t *bytes, uint32_t size) {
  struct hd_stream_ask *a = NULL;
  for (uint32_t i = 0; i < HD_STREAM_ASKS && !a; i++)
    if (s->asks[i].number && s->asks[i].number == head->number) a = &s->asks[i];
  if (!a) return HADRON_ERR_NOT_FOUND;
  if (head->total > ASK_BYTES_MAX || size > head->total || head->offset > head->total - size || (head->total > 0 && size == 0)) return HADRON_ERR_ARGUMENT;
  if (a->have && (head->total != a->total || head->code != a->code)) return HADRON_ERR_ARGUMENT;
  if (head->offset + size <= a->have && a->have) return HADRON_OK; // it was here before
  if (head->offset != a->have) return HADRON_ERR_STATE;
  if (!a->answer && head->total && !(a->answer = malloc(head->total))) return HADRON_ERR_MEMORY;
  if (size) memcpy(a->answer + a->have, bytes, size);
  a->have += size;
  a->total = head->total;
  a->code = head->code;
  if (a->have < a->total) return HADRON_OK;
  if (s->giving && a == &s->asks[s->giving - 1]) s->giving = s->given = 0; // it needs no more
  ask_end(a, head->code);
  return HADRON_OK;
}
