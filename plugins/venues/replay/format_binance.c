// Binance socket captures: lines of "<receive time, ns> <JSON frame>", gzip or plain; spot, USD-M and COIN-M futures.
//
//   trade, aggTrade   TRADE, aggressor by the maker flag, sequence and trade id the venue's
//   bookTicker        QUOTE, sequence its update id
//   depthUpdate       BOOK SET a level, sequence its update id, HADRON_TICK_LAST on the last
//   {"lastUpdateId"}  the REST snapshot (or a partial depth stream): BOOK CLEAR, then SET a level, all HADRON_TICK_SNAPSHOT
//
// Changes are put in sequence as the venue says: those older than the snapshot are dropped (spot u <= id, futures u < id); the first
// after it must span the id; then spot U = last u + 1, futures pu = last u. A break is a gap: counted, and flagged on the tick after
// it. A level says its whole quantity, so changes before the first snapshot are given too; as the snapshot may be older than the
// last of them, those that it does not contain are given once more behind it, at the snapshot's receive time.
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "reader.h"

#define FEEDS_MAX 1024u      // symbols of one capture
#define BACKLOG_MAX 16384u   // ticks kept until the first snapshot

struct depth_event {
  int64_t first, last, before; // U, u, pu (-1: spot)
  uint32_t ticks;
};

struct feed {
  struct symbol *symbol;
  char name[HADRON_SYMBOL_SIZE]; // as in the frames
  int64_t last_id;               // of the last change; 0: none yet
  int64_t snapshot_id;           // > 0: the next change is the first after a snapshot
  bool futures, snapshot_seen;
  struct hadron_tick *backlog;
  struct depth_event *events;
  uint32_t backlog_count, event_count;
};

struct binance {
  struct feed *feeds;
  uint32_t count, last;
};

struct frame {
  int64_t recv_ns;
  struct scan event, symbol, price, quantity, bid, bid_size, ask, ask_size;
  struct json bids, asks; // at '['
  int64_t event_time, trade_time, first, last, before, id, snapshot, aggregate;
  bool nested, maker, has_bids, has_asks, has_before, has_maker;
};

static bool binance_sniff(const struct file_probe *probe) {
  struct scan s = {(const char *)probe->bytes, (const char *)probe->bytes + probe->size};
  const char *start = s.at;
  while (s.at < s.end && s.at - start < 20 && *s.at >= '0' && *s.at <= '9') s.at++;
  return s.at - start == 19 && scan_byte(&s, ' ') && scan_byte(&s, '{');
}

// One member of a frame. The names are the venue's; upper and lower case are different fields.
static bool frame_member(struct json *j, const struct scan *key, struct frame *f);

static bool frame_object(struct json *j, struct frame *f) {
  struct scan key;
  if (!json_open(j, '{')) return false;
  while (json_key(j, &key))
    if (!frame_member(j, &key, f)) return false;
  return !j->broken;
}

static bool frame_levels(struct json *j, struct json *levels, bool *has) {
  *levels = *j;
  *has = true;
  return json_skip(j);
}

static bool frame_letter(struct json *j, char letter, struct frame *f) {
  char next = json_peek(j);
  bool text = next == '"';
  switch (letter) {
  case 'e': return text ? json_string(j, &f->event) : json_skip(j);
  case 's': return text ? json_string(j, &f->symbol) : json_skip(j);
  case 'p': return text ? json_string(j, &f->price) : json_skip(j);
  case 'q': return text ? json_string(j, &f->quantity) : json_skip(j);
  case 'B': return text ? json_string(j, &f->bid_size) : json_skip(j);
  case 'A': return text ? json_string(j, &f->ask_size) : json_skip(j);
  case 'b':
    if (next == '[') return frame_levels(j, &f->bids, &f->has_bids);
    return text ? json_string(j, &f->bid) : json_skip(j);
  case 'a':
    if (next == '[') return frame_levels(j, &f->asks, &f->has_asks);
    return text ? json_string(j, &f->ask) : json_integer(j, &f->aggregate);
  case 'E': return json_integer(j, &f->event_time);
  case 'T': return json_integer(j, &f->trade_time);
  case 'U': return json_integer(j, &f->first);
  case 'u': return json_integer(j, &f->last);
  case 't': return json_integer(j, &f->id);
  case 'm':
    f->has_maker = true;
    f->maker = next == 't';
    return json_skip(j);
  default: return json_skip(j);
  }
}

static bool frame_member(struct json *j, const struct scan *key, struct frame *f) {
  if (key->end - key->at == 1) return frame_letter(j, *key->at, f);
  if (scan_is(key, "pu")) return f->has_before = json_integer(j, &f->before);
  if (scan_is(key, "data") && json_peek(j) == '{' && !f->nested) { // of a combined stream; one level, so that depth costs no stack
    f->nested = true;
    return frame_object(j, f);
  }
  if (scan_is(key, "lastUpdateId")) return json_integer(j, &f->snapshot);
  if (scan_is(key, "symbol")) return json_string(j, &f->symbol);
  if (scan_is(key, "bids")) return frame_levels(j, &f->bids, &f->has_bids);
  if (scan_is(key, "asks")) return frame_levels(j, &f->asks, &f->has_asks);
  return json_skip(j);
}

static int32_t binance_open(struct reader *r) {
  struct binance *b = calloc(1, sizeof *b);
  if (!b) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  r->state = b;
  memcpy(r->label, "Binance capture", sizeof "Binance capture");
  return HADRON_OK;
}

static void binance_close(struct reader *r) {
  struct binance *b = r->state;
  for (uint32_t i = 0; i < b->count; i++) {
    free(b->feeds[i].backlog);
    free(b->feeds[i].events);
  }
  free(b->feeds);
  free(b);
}

static int32_t feed_add(struct reader *r, struct binance *b, const struct scan *name, struct feed **out) {
  if (b->count == FEEDS_MAX) return reader_fault(r, HADRON_ERR_FULL, "at most 1,024 symbols", "more", "split the capture");
  struct feed *larger = realloc(b->feeds, (b->count + 1) * sizeof *larger);
  if (!larger) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  b->feeds = larger;
  struct feed *feed = &b->feeds[b->count];
  memset(feed, 0, sizeof *feed);
  text_copy(feed->name, sizeof feed->name, name->at, (size_t)(name->end - name->at));
  int32_t result = reader_resolve(r, name->at, (size_t)(name->end - name->at), ASSET_CRYPTO, &feed->symbol);
  if (result) return result;
  b->last = b->count++;
  *out = feed;
  return HADRON_OK;
}

static int32_t feed_named(struct reader *r, struct binance *b, const struct scan *name, struct feed **out) {
  size_t size = (size_t)(name->end - name->at);
  for (uint32_t n = 0; n < b->count; n++) {
    uint32_t i = (b->last + n) % b->count; // most often the last one
    if (strlen(b->feeds[i].name) != size || memcmp(b->feeds[i].name, name->at, size) != 0) continue;
    b->last = i;
    *out = &b->feeds[i];
    return HADRON_OK;
  }
  return feed_add(r, b, name, out);
}

// A REST snapshot of spot and USD-M names no symbol: it is the capture's only one, or the first word of the file's name.
static int32_t feed_unnamed(struct reader *r, struct binance *b, struct feed **out) {
  *out = b->count == 1 ? &b->feeds[0] : NULL;
  if (b->count > 0) return HADRON_OK;
  char name[HADRON_SYMBOL_SIZE];
  const char *base = strrchr(r->path, '/');
  base = base ? base + 1 : r->path;
  text_copy(name, sizeof name, base, strcspn(base, "_."));
  for (char *c = name; *c; c++)
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  const struct scan s = {name, name + strlen(name)};
  return feed_add(r, b, &s, out);
}

static int64_t frame_time(const struct frame *f) {
  int64_t t = f->trade_time > 0 ? f->trade_time : f->event_time;
  if (t > 0 && t < INT64_C(9000000000000)) return t * 1000000; // ms, until the year 2255
  if (t > INT64_C(100000000000000) && t < INT64_C(9000000000000000)) return t * 1000; // us
  return f->recv_ns;
}

static bool number_whole(struct scan text, int places, int64_t *out) { return scan_decimal(&text, places, out) && scan_done(&text); }

// Levels of one side as SET ticks.
static bool levels_push(struct reader *r, struct json levels, struct hadron_tick *tick, uint8_t side) {
  struct scan price, quantity;
  tick->value.book.side = side;
  if (!json_open(&levels, '[')) return false;
  while (json_item(&levels, ']')) {
    if (!json_open(&levels, '[') || !json_item(&levels, ']') || !json_string(&levels, &price)) return false;
    if (!json_item(&levels, ']') || !json_string(&levels, &quantity)) return false;
    while (json_item(&levels, ']'))
      if (!json_skip(&levels)) return false;
    if (!number_whole(price, 9, &tick->value.book.price.nanos) || !number_whole(quantity, 8, &tick->value.book.quantity.e8)) return false;
    if (tick->value.book.price.nanos <= 0 || tick->value.book.quantity.e8 < 0) return false;
    if (!reader_push(r, tick)) return false;
  }
  return !levels.broken;
}

static bool book_push(struct reader *r, const struct frame *f, struct hadron_tick *tick) {
  uint32_t before = r->queue.tail;
  tick->value.book.action = HADRON_BOOK_SET;
  if (f->has_bids && !levels_push(r, f->bids, tick, HADRON_SIDE_BUY)) return false;
  if (f->has_asks && !levels_push(r, f->asks, tick, HADRON_SIDE_SELL)) return false;
  if (r->queue.tail > before) r->queue.ticks[r->queue.tail - 1].flags |= HADRON_TICK_LAST;
  return true;
}

static struct hadron_tick frame_tick(const struct frame *f, const struct feed *feed, uint8_t kind) {
  struct hadron_tick tick = {.event_ns = frame_time(f), .recv_ns = f->recv_ns, .instrument = feed->symbol->handle, .kind = kind};
  return tick;
}

// Is the change next in sequence? *drop: it is older than what is known. Advances.
static bool feed_follows(struct feed *feed, const struct depth_event *e, bool *drop) {
  bool follows = true;
  *drop = false;
  if (feed->snapshot_id > 0) {
    *drop = feed->futures ? e->last < feed->snapshot_id : e->last <= feed->snapshot_id;
    if (*drop) return true;
    follows = e->first <= feed->snapshot_id + 1 || (feed->futures && e->before == feed->snapshot_id);
    feed->snapshot_id = 0;
  } else if (feed->last_id > 0) {
    *drop = e->last <= feed->last_id;
    if (*drop) return true;
    follows = feed->futures ? e->before == feed->last_id : e->first == feed->last_id + 1;
  }
  feed->last_id = e->last;
  return follows;
}

static void backlog_shift(struct feed *feed) {
  uint32_t ticks = 0, events = 0;
  for (; events < feed->event_count && ticks < BACKLOG_MAX / 2; events++) ticks += feed->events[events].ticks;
  feed->event_count -= events;
  feed->backlog_count -= ticks;
  memmove(feed->events, feed->events + events, feed->event_count * sizeof *feed->events);
  memmove(feed->backlog, feed->backlog + ticks, feed->backlog_count * sizeof *feed->backlog);
}

// Keeps a change for the snapshot that may come. Without memory it is not kept, and the gap will show.
static void backlog_keep(struct reader *r, struct feed *feed, struct depth_event *e, uint32_t mark) {
  e->ticks = r->queue.tail - mark;
  if (feed->snapshot_seen || e->ticks > BACKLOG_MAX / 2) return;
  if (!feed->backlog) feed->backlog = malloc(BACKLOG_MAX * sizeof *feed->backlog);
  if (!feed->events) feed->events = malloc(BACKLOG_MAX * sizeof *feed->events);
  if (!feed->backlog || !feed->events) return;
  if (feed->backlog_count + e->ticks > BACKLOG_MAX || feed->event_count == BACKLOG_MAX) backlog_shift(feed);
  if (feed->backlog_count + e->ticks > BACKLOG_MAX || feed->event_count == BACKLOG_MAX) return;
  // A change without levels counts too: it carries the sequence on.
  if (e->ticks) memcpy(feed->backlog + feed->backlog_count, r->queue.ticks + mark, e->ticks * sizeof *feed->backlog);
  feed->backlog_count += e->ticks;
  feed->events[feed->event_count++] = *e;
}

static void backlog_drop(struct feed *feed) {
  free(feed->backlog);
  free(feed->events);
  feed->backlog = NULL;
  feed->events = NULL;
  feed->backlog_count = feed->event_count = 0;
}

// What the snapshot does not contain, once more behind it.
static bool backlog_push(struct reader *r, struct feed *feed, int64_t recv_ns) {
  uint32_t at = 0;
  bool drop, fine = true;
  for (uint32_t i = 0; i < feed->event_count && fine; at += feed->events[i++].ticks) {
    bool follows = feed_follows(feed, &feed->events[i], &drop);
    if (drop) continue;
    for (uint32_t n = 0; n < feed->events[i].ticks && fine; n++) {
      struct hadron_tick tick = feed->backlog[at + n];
      tick.recv_ns = recv_ns;
      tick.flags &= (uint8_t)~HADRON_TICK_GAP;
      if (!follows && n == 0) tick.flags |= HADRON_TICK_GAP;
      fine = reader_push(r, &tick);
    }
    if (!follows) r->counts.gaps++;
  }
  backlog_drop(feed);
  return fine;
}

static int32_t binance_depth(struct reader *r, struct feed *feed, const struct frame *f) {
  struct depth_event e = {f->first, f->last, f->has_before ? f->before : -1, 0};
  struct feed old = *feed;
  struct reader_mark mark = reader_mark(r);
  bool drop;
  if (f->last <= 0 || f->first <= 0 || f->last < f->first) return reader_bad(r, "update ids U and u are absent or run backward");
  feed->futures = f->has_before;
  bool follows = feed_follows(feed, &e, &drop);
  if (drop) {
    r->counts.ignored++;
    return HADRON_OK;
  }
  struct hadron_tick tick = frame_tick(f, feed, HADRON_TICK_BOOK);
  tick.sequence = (uint64_t)f->last;
  if (!book_push(r, f, &tick)) {
    *feed = old;
    reader_rewind(r, mark);
    return reader_bad(r, "a level is not [price, quantity]");
  }
  if (!follows) {
    r->counts.gaps++;
    if (r->queue.tail > mark.tail) r->queue.ticks[mark.tail].flags |= HADRON_TICK_GAP;
  }
  backlog_keep(r, feed, &e, mark.tail);
  return HADRON_OK;
}

static int32_t binance_snapshot(struct reader *r, struct feed *feed, const struct frame *f) {
  struct reader_mark mark = reader_mark(r);
  if (f->snapshot <= 0 || !f->has_bids || !f->has_asks) return reader_bad(r, "the snapshot has no id, bids or asks");
  // A book that is whole and newer than the snapshot must not be set back by it.
  if (feed->snapshot_seen && f->snapshot <= feed->last_id) {
    r->counts.ignored++;
    return HADRON_OK;
  }
  struct hadron_tick tick = frame_tick(f, feed, HADRON_TICK_BOOK);
  tick.sequence = (uint64_t)f->snapshot;
  tick.flags = HADRON_TICK_SNAPSHOT;
  tick.value.book.action = HADRON_BOOK_CLEAR;
  if (!reader_push(r, &tick) || !book_push(r, f, &tick)) {
    reader_rewind(r, mark);
    return reader_bad(r, "a level of the snapshot is not [price, quantity]");
  }
  feed->snapshot_seen = true;
  feed->snapshot_id = f->snapshot;
  feed->last_id = 0;
  return backlog_push(r, feed, f->recv_ns) ? HADRON_OK : reader_bad(r, "no memory for its ticks");
}

static int32_t binance_trade(struct reader *r, struct feed *feed, const struct frame *f) {
  struct hadron_tick tick = frame_tick(f, feed, HADRON_TICK_TRADE);
  struct hadron_trade *trade = &tick.value.trade;
  if (!number_whole(f->price, 9, &trade->price.nanos) || !number_whole(f->quantity, 8, &trade->quantity.e8))
    return reader_bad(r, "price or quantity of the trade is not a number");
  int64_t id = f->id > 0 ? f->id : f->aggregate;
  tick.sequence = trade->trade_id = id > 0 ? (uint64_t)id : 0;
  if (f->has_maker) trade->aggressor = f->maker ? HADRON_SIDE_SELL : HADRON_SIDE_BUY; // m: the buyer was the maker
  return reader_push(r, &tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

static int32_t binance_quote(struct reader *r, struct feed *feed, const struct frame *f) {
  struct hadron_tick tick = frame_tick(f, feed, HADRON_TICK_QUOTE);
  struct hadron_quote *quote = &tick.value.quote;
  if (!number_whole(f->bid, 9, &quote->bid.nanos) || !number_whole(f->bid_size, 8, &quote->bid_size.e8) ||
      !number_whole(f->ask, 9, &quote->ask.nanos) || !number_whole(f->ask_size, 8, &quote->ask_size.e8))
    return reader_bad(r, "a price or size of the quote is not a number");
  tick.sequence = f->last > 0 ? (uint64_t)f->last : 0;
  return reader_push(r, &tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

static int32_t binance_frame(struct reader *r, const struct frame *f) {
  struct feed *feed = NULL;
  bool depth = scan_is(&f->event, "depthUpdate"), quote = scan_is(&f->event, "bookTicker"), snapshot = f->snapshot > 0;
  bool trade = scan_is(&f->event, "trade") || scan_is(&f->event, "aggTrade");
  quote |= f->event.at == f->event.end && f->bid.at != f->bid.end && f->ask_size.at != f->ask_size.end; // spot says no event
  if (!depth && !quote && !trade && !snapshot) {
    r->counts.ignored++; // a stream of no use here, or the answer to a command
    return HADRON_OK;
  }
  bool named = f->symbol.end > f->symbol.at;
  if (named && !symbol_valid(f->symbol.at, (size_t)(f->symbol.end - f->symbol.at))) return reader_bad(r, "the symbol is not 1 to 31 printable bytes");
  int32_t result = named ? feed_named(r, r->state, &f->symbol, &feed) : feed_unnamed(r, r->state, &feed);
  if (result) return result;
  if (!feed || (!named && !snapshot)) return reader_bad(r, "the frame names no symbol");
  if (feed->symbol->handle == SYMBOL_UNWANTED) {
    r->counts.ignored++;
    return HADRON_OK;
  }
  if (snapshot) return binance_snapshot(r, feed, f);
  if (depth) return binance_depth(r, feed, f);
  return trade ? binance_trade(r, feed, f) : binance_quote(r, feed, f);
}

static int32_t binance_row(struct reader *r) {
  struct frame f;
  const char *line;
  size_t size;
  int32_t result = source_line(&r->source, &line, &size);
  if (result == HADRON_ERR_END) return source_next_entry(&r->source);
  if (result && result != HADRON_ERR_RANGE) return result;
  r->counts.rows++;
  if (result) return reader_bad(r, "the line is longer than 1 MiB");
  memset(&f, 0, sizeof f);
  struct scan s = {line, line + size};
  if (!scan_digits(&s, 18, &f.recv_ns)) return reader_bad(r, "no receive time of 19 digits at its start");
  int64_t last;
  if (!scan_digits(&s, 1, &last) || !scan_byte(&s, ' ') || f.recv_ns > INT64_C(900000000000000000))
    return reader_bad(r, "no receive time of 19 digits at its start");
  f.recv_ns = f.recv_ns * 10 + last;
  struct json j = {s.at, s.end, false};
  if (!frame_object(&j, &f) || !json_closed(&j)) return reader_bad(r, "the frame is not a whole JSON object");
  return binance_frame(r, &f);
}

const struct format format_binance = {
    "binance", "Binance socket captures: spot, USD-M, COIN-M", false, binance_sniff, binance_open, binance_row, binance_close};
