// Databento Binary Encoding, versions 1 to 3, plain or zstd: metadata with the symbols of each instrument id by day, then records.
//
//   mbo (0xa0)      BOOK by order: Add, Cancel, Modify, cleaR; Trade gives TRADE with the aggressor's side. A Fill tells the resting
//                   side of the same trade and changes nothing: the Cancel or Modify behind it does.
//   trades (0x00)   TRADE
//   mbp-1 (0x01)    QUOTE; before it a TRADE where the action is one. mbp-10 (0x0a) likewise, by its best level.
//   ohlcv (0x20..)  bars of 1 s, 1 m, 1 h, 1 d
//   status (0x12)   STATUS; other records are counted and left out
//
// Prices are 1e-9 as they come. Receive time is ts_recv, event time ts_event. The sequence number is the channel's packet, not the
// listing's, so ticks carry 0; a record marked as the last of its event carries HADRON_TICK_LAST. Numbers are read byte by byte: the
// file's own alignment is nobody's promise.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"
#include "reader.h"

#define METADATA_MAX (64u << 20) // bytes: a million symbols
#define HEADER 16u               // of a record
#define PRICE_NONE INT64_MAX

enum { FLAG_LAST = 0x80, FLAG_SNAPSHOT = 0x20, FLAG_BAD_BOOK = 0x04 };

// One interval of days in which an instrument id meant a symbol.
struct dbn_name {
  uint32_t id;
  int64_t from_ns, to_ns; // [from, to)
  struct symbol *symbol;
};

struct dbn {
  int version;
  size_t text_size;     // bytes of a symbol
  uint16_t schema;
  uint32_t asset;
  struct dbn_name *names; // sorted by id, then time
  uint32_t count;
  uint32_t last;        // index of the last one found
};

static uint64_t little(const uint8_t *at, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; i--) value = value << 8 | at[i];
  return value;
}

static bool dbn_sniff(const struct file_probe *probe) {
  return probe->size >= 8 && memcmp(probe->bytes, "DBN", 3) == 0 && probe->bytes[3] >= 1 && probe->bytes[3] <= 9;
}

static int32_t dbn_damaged(struct reader *r, const char *expected, const char *found) {
  return reader_fault(r, HADRON_ERR_CORRUPT, expected, found, "fetch it again");
}

// A cursor over the metadata that cannot leave it.
struct part {
  const uint8_t *at, *end;
  bool broken;
};

static uint64_t part_number(struct part *p, int bytes) {
  if (p->broken || p->end - p->at < bytes) {
    p->broken = true;
    return 0;
  }
  uint64_t value = little(p->at, bytes);
  p->at += bytes;
  return value;
}

static const char *part_text(struct part *p, size_t size) {
  if (p->broken || (size_t)(p->end - p->at) < size || !memchr(p->at, '\0', size)) {
    p->broken = true;
    return "";
  }
  const char *text = (const char *)p->at;
  p->at += size;
  return text;
}

static bool date_ns(uint64_t yyyymmdd, int64_t *ns) {
  int64_t days;
  if (!day_from_date((int64_t)(yyyymmdd / 10000), (int64_t)(yyyymmdd / 100 % 100), (int64_t)(yyyymmdd % 100), &days)) return false;
  *ns = days * DAY_NS;
  return true;
}

static int name_order(const void *a, const void *b) {
  const struct dbn_name *x = a, *y = b;
  if (x->id != y->id) return x->id < y->id ? -1 : 1;
  return x->from_ns < y->from_ns ? -1 : x->from_ns > y->from_ns;
}

static int32_t dbn_name(struct reader *r, struct dbn *d, uint32_t id, int64_t from_ns, int64_t to_ns, const char *text) {
  struct dbn_name *larger = realloc(d->names, (d->count + 1) * sizeof *larger);
  if (!larger) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  d->names = larger;
  d->names[d->count] = (struct dbn_name){id, from_ns, to_ns, NULL};
  int32_t result = reader_resolve(r, text, strlen(text), d->asset, &d->names[d->count].symbol);
  if (!result) d->count++;
  return result;
}

// Symbol by symbol, its intervals of days with the instrument id as text.
static int32_t dbn_mappings(struct reader *r, struct dbn *d, struct part *p) {
  uint64_t mappings = part_number(p, 4);
  for (uint64_t i = 0; i < mappings && !p->broken; i++) {
    const char *symbol = part_text(p, d->text_size);
    uint64_t intervals = part_number(p, 4);
    for (uint64_t n = 0; n < intervals && !p->broken; n++) {
      uint64_t from = part_number(p, 4), to = part_number(p, 4);
      const char *id = part_text(p, d->text_size);
      struct scan s = {id, id + strlen(id)};
      int64_t number, from_ns, to_ns;
      if (p->broken || scan_done(&s)) continue; // no instrument in that interval
      if (!scan_unsigned(&s, &number) || !scan_done(&s) || number > UINT32_MAX || !date_ns(from, &from_ns) || !date_ns(to, &to_ns))
        return dbn_damaged(r, "symbol mappings from dates to instrument ids", "others");
      int32_t result = dbn_name(r, d, (uint32_t)number, from_ns, to_ns, symbol);
      if (result) return result;
    }
  }
  if (p->broken) return dbn_damaged(r, "metadata as long as it says", "an end inside the symbols");
  if (d->count) qsort(d->names, d->count, sizeof *d->names, name_order);
  return HADRON_OK;
}

static void dbn_label(struct reader *r, const struct dbn *d, const char *dataset) {
  static const char *const schemas[] = {"mbo", "mbp-1", "mbp-10", "tbbo", "trades", "ohlcv-1s", "ohlcv-1m", "ohlcv-1h", "ohlcv-1d"};
  const char *schema = d->schema < sizeof schemas / sizeof *schemas ? schemas[d->schema] : "other";
  snprintf(r->label, sizeof r->label, "DBN v%d %s %.16s", d->version, schema, dataset);
}

// The fixed part: dataset, schema, times, kinds of symbols; then lists of texts.
static int32_t dbn_metadata(struct reader *r, struct dbn *d, struct part *p) {
  char dataset[17] = "";
  const uint8_t *start = p->at;
  memcpy(dataset, p->at, 16);
  p->at += 16;
  d->schema = (uint16_t)part_number(p, 2);
  // start 8, end 8, limit 8, in version 1 a record count 8; stype_in 1, stype_out 1, ts_out 1; since version 2 the text size.
  p->at += d->version == 1 ? 35 : 27;
  d->text_size = d->version == 1 ? 22 : (size_t)part_number(p, 2);
  p->at = start + 100;
  if (d->text_size == 0 || d->text_size > 1024) return dbn_damaged(r, "a size of symbols up to 1,024", "another");
  bool futures = strncmp(dataset, "GLBX", 4) == 0 || strncmp(dataset, "IFEU", 4) == 0 || strncmp(dataset, "NDEX", 4) == 0;
  d->asset = futures ? ASSET_FUTURE : ASSET_EQUITY;
  dbn_label(r, d, dataset);
  uint64_t definitions = part_number(p, 4);
  if (definitions > (uint64_t)(p->end - p->at)) return dbn_damaged(r, "metadata as long as it says", "an end inside the schema");
  p->at += definitions;
  for (int list = 0; list < 3; list++) { // symbols asked for, partly found, not found
    uint64_t count = part_number(p, 4);
    if (count > (uint64_t)(p->end - p->at) / d->text_size) return dbn_damaged(r, "metadata as long as it says", "an end inside the symbols");
    p->at += count * d->text_size;
  }
  return dbn_mappings(r, d, p);
}

static int32_t dbn_open(struct reader *r) {
  struct dbn *d = calloc(1, sizeof *d);
  const uint8_t *bytes;
  if (!d) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  r->state = d;
  int32_t result = source_bytes(&r->source, 8, &bytes);
  if (result) return result == HADRON_ERR_END ? dbn_damaged(r, "a header of 8 bytes", "a shorter file") : result;
  if (memcmp(bytes, "DBN", 3) != 0) return dbn_damaged(r, "the magic DBN", "other bytes");
  d->version = bytes[3];
  if (d->version > 3) return reader_fault(r, HADRON_ERR_UNSUPPORTED, "DBN version 1, 2 or 3", "a newer one", "update Hadron, or convert the file");
  uint64_t size = little(bytes + 4, 4);
  if (size < 100 || size > METADATA_MAX) return dbn_damaged(r, "from 100 bytes to 64 MiB of metadata", "another size");
  // In pieces into a buffer of its own: metadata may be longer than any record.
  uint8_t *metadata = NULL;
  uint64_t have = 0;
  while (have < size && !result) {
    uint64_t piece = size - have < SOURCE_LINE_MAX / 2 ? size - have : SOURCE_LINE_MAX / 2;
    uint8_t *larger = realloc(metadata, have + piece);
    if (!larger) result = reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
    else metadata = larger;
    if (!result) result = source_bytes(&r->source, piece, &bytes);
    if (!result) memcpy(metadata + have, bytes, piece);
    have += piece;
  }
  if (result == HADRON_ERR_END) result = dbn_damaged(r, "metadata as long as it says", "the end of the file");
  struct part p = {metadata, metadata + size, false};
  if (!result) result = dbn_metadata(r, d, &p);
  free(metadata);
  return result;
}

static void dbn_close(struct reader *r) {
  struct dbn *d = r->state;
  free(d->names);
  free(d);
}

// The listing of an instrument id at a time; an id without a mapping is a listing of its own, named by its number.
static int32_t dbn_listing(struct reader *r, struct dbn *d, uint32_t id, int64_t ns, uint32_t *handle) {
  const struct dbn_name *n = d->count ? &d->names[d->last] : NULL;
  if (n && n->id == id && ns >= n->from_ns && ns < n->to_ns) {
    *handle = n->symbol->handle;
    return HADRON_OK;
  }
  uint32_t low = 0, high = d->count;
  while (low < high) { // first entry of the id
    uint32_t middle = low + (high - low) / 2;
    if (d->names[middle].id < id) low = middle + 1;
    else high = middle;
  }
  uint32_t best = low;
  if (low == d->count || d->names[low].id != id) {
    char text[16];
    snprintf(text, sizeof text, "%u", id);
    int32_t result = dbn_name(r, d, id, INT64_MIN, INT64_MAX, text);
    if (result) return result;
    qsort(d->names, d->count, sizeof *d->names, name_order);
    return dbn_listing(r, d, id, ns, handle);
  }
  // Intervals of an id follow each other; a record outside all of them (a session begins the evening before) takes the nearest before.
  for (; low < d->count && d->names[low].id == id; low++)
    if (d->names[low].from_ns <= ns) best = low;
  d->last = best;
  *handle = d->names[best].symbol->handle;
  return HADRON_OK;
}

struct record {
  const uint8_t *at;
  size_t size;
  uint8_t type;
  int64_t event_ns;
  uint32_t handle;
};

static uint8_t side_of(uint8_t letter) { return letter == 'B' ? HADRON_SIDE_BUY : letter == 'A' ? HADRON_SIDE_SELL : HADRON_SIDE_INVALID; }

static struct hadron_tick record_tick(const struct record *rec, uint8_t kind, uint8_t flags, uint64_t recv) {
  struct hadron_tick tick = {.event_ns = rec->event_ns, .instrument = rec->handle, .kind = kind};
  tick.recv_ns = recv > 0 && recv <= INT64_MAX ? (int64_t)recv : rec->event_ns;
  if (tick.event_ns <= 0) tick.event_ns = tick.recv_ns;
  if (flags & FLAG_LAST) tick.flags |= HADRON_TICK_LAST;
  if (flags & FLAG_SNAPSHOT) tick.flags |= HADRON_TICK_SNAPSHOT;
  if (flags & FLAG_BAD_BOOK) tick.flags |= HADRON_TICK_GAP;
  return tick;
}

static int32_t record_push(struct reader *r, const struct hadron_tick *tick) {
  return reader_push(r, tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

static int32_t record_trade(struct reader *r, struct hadron_tick *tick, int64_t price, uint32_t size, uint8_t side) {
  if (price == PRICE_NONE) return reader_bad(r, "the trade has no price");
  tick->kind = HADRON_TICK_TRADE;
  memset(&tick->value, 0, sizeof tick->value);
  tick->value.trade.price.nanos = price;
  tick->value.trade.quantity.e8 = (int64_t)size * HADRON_QUANTITY_SCALE;
  tick->value.trade.aggressor = side_of(side);
  return record_push(r, tick);
}

// order_id 8, price 8, size 4, flags 1, channel 1, action 1, side 1, ts_recv 8, delta 4, sequence 4
static int32_t record_order(struct reader *r, const struct record *rec) {
  static const struct {
    char letter;
    uint8_t action;
  } actions[] = {{'A', HADRON_BOOK_ADD}, {'C', HADRON_BOOK_CANCEL}, {'M', HADRON_BOOK_MODIFY}, {'R', HADRON_BOOK_CLEAR}};
  const uint8_t *b = rec->at + HEADER;
  uint8_t action = b[22], side = b[23];
  int64_t price = (int64_t)little(b + 8, 8);
  uint32_t size = (uint32_t)little(b + 16, 4);
  struct hadron_tick tick = record_tick(rec, HADRON_TICK_BOOK, b[20], little(b + 24, 8));
  if (action == 'T') return record_trade(r, &tick, price, size, side);
  if (action == 'F' || action == 'N') { // a fill's resting side, or a mere flag
    r->counts.ignored++;
    return HADRON_OK;
  }
  struct hadron_book_change *book = &tick.value.book;
  for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
    if (action == (uint8_t)actions[i].letter) book->action = actions[i].action;
  if (book->action == HADRON_BOOK_INVALID) return reader_bad(r, "the action is not one of A, C, M, R, T, F, N");
  if (book->action != HADRON_BOOK_CLEAR) {
    book->side = side_of(side);
    if (book->side == HADRON_SIDE_INVALID) return reader_bad(r, "the side of an order is not A or B");
    if (price == PRICE_NONE) return reader_bad(r, "the order has no price");
    book->price.nanos = price;
    book->quantity.e8 = (int64_t)size * HADRON_QUANTITY_SCALE;
    book->order_id = little(b, 8);
  }
  return record_push(r, &tick);
}

// price 8, size 4, action 1, side 1, flags 1, depth 1, ts_recv 8, delta 4, sequence 4; then levels of 32 bytes, best first
static int32_t record_level(struct reader *r, const struct record *rec) {
  const uint8_t *b = rec->at + HEADER, *level = rec->at + 48;
  struct hadron_tick tick = record_tick(rec, HADRON_TICK_TRADE, b[14], little(b + 16, 8));
  bool levels = rec->type != 0x00;
  if (!levels || b[12] == 'T') {
    int32_t result = record_trade(r, &tick, (int64_t)little(b, 8), (uint32_t)little(b + 8, 4), b[13]);
    if (result || !levels) return result;
  }
  tick.kind = HADRON_TICK_QUOTE;
  int64_t bid = (int64_t)little(level, 8), ask = (int64_t)little(level + 8, 8);
  int64_t bid_size = (int64_t)little(level + 16, 4), ask_size = (int64_t)little(level + 20, 4);
  if (bid == PRICE_NONE) bid = bid_size = 0;
  if (ask == PRICE_NONE) ask = ask_size = 0;
  tick.value.quote = (struct hadron_quote){{bid}, {ask}, {bid_size * HADRON_QUANTITY_SCALE}, {ask_size * HADRON_QUANTITY_SCALE}};
  return record_push(r, &tick);
}

// open 8, high 8, low 8, close 8, volume 8; the record's time is the bar's start
static int32_t record_bar(struct reader *r, const struct record *rec) {
  static const int64_t periods[] = {SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS};
  const uint8_t *b = rec->at + HEADER;
  struct bar bar = {(int64_t)little(b, 8), (int64_t)little(b + 8, 8), (int64_t)little(b + 16, 8), (int64_t)little(b + 24, 8)};
  int64_t volume;
  if (rec->event_ns > INT64_MAX - DAY_NS) return reader_bad(r, "the bar's time does not fit");
  if (__builtin_mul_overflow(little(b + 32, 8), HADRON_QUANTITY_SCALE, &volume)) return reader_bad(r, "the volume does not fit");
  struct bar_time time = {rec->event_ns, rec->event_ns + periods[rec->type - 0x20]};
  return bar_trades(r, rec->handle, &time, &bar, volume);
}

// ts_recv 8, action 2, reason 2, ...
static int32_t record_status(struct reader *r, const struct record *rec) {
  static const uint8_t states[16] = {0, HADRON_MARKET_AUCTION, HADRON_MARKET_AUCTION, HADRON_MARKET_AUCTION, HADRON_MARKET_AUCTION,
                                     HADRON_MARKET_AUCTION, HADRON_MARKET_AUCTION, HADRON_MARKET_OPEN, HADRON_MARKET_HALTED, HADRON_MARKET_HALTED,
                                     HADRON_MARKET_HALTED, HADRON_MARKET_CLOSED, HADRON_MARKET_CLOSED, 0, 0, HADRON_MARKET_CLOSED};
  const uint8_t *b = rec->at + HEADER;
  uint64_t action = little(b + 8, 2);
  if (action >= 16 || states[action] == 0) {
    r->counts.ignored++;
    return HADRON_OK;
  }
  struct hadron_tick tick = record_tick(rec, HADRON_TICK_STATUS, 0, little(b, 8));
  tick.value.status.state = states[action];
  tick.value.status.reason = little(b + 10, 2);
  return record_push(r, &tick);
}

static const struct {
  uint8_t type;
  size_t size;
  int32_t (*read)(struct reader *r, const struct record *rec);
} records[] = {{0xa0, 56, record_order}, {0x00, 48, record_level}, {0x01, 80, record_level}, {0x0a, 80, record_level}, {0x12, 28, record_status},
               {0x20, 56, record_bar},   {0x21, 56, record_bar},   {0x22, 56, record_bar},   {0x23, 56, record_bar}};

static int32_t dbn_row(struct reader *r) {
  const uint8_t *bytes;
  size_t size;
  int32_t result = source_peek(&r->source, 1, &bytes, &size);
  if (result) return result;
  if (size == 0) return HADRON_ERR_END;
  struct record rec = {NULL, 4u * bytes[0], 0, 0, 0};
  r->source.row = ++r->counts.rows; // a record's number stands for a line's
  if (rec.size < HEADER) return dbn_damaged(r, "a record of at least 16 bytes", "a shorter one");
  result = source_bytes(&r->source, rec.size, &rec.at);
  if (result) return result;
  rec.type = rec.at[1];
  uint64_t event = little(rec.at + 8, 8);
  rec.event_ns = event <= INT64_MAX ? (int64_t)event : 0;
  for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
    if (rec.type != records[i].type) continue;
    if (rec.size < records[i].size) return reader_bad(r, "the record is shorter than its kind");
    result = dbn_listing(r, r->state, (uint32_t)little(rec.at + 4, 4), rec.event_ns, &rec.handle);
    return result ? result : records[i].read(r, &rec);
  }
  r->counts.ignored++;
  return HADRON_OK;
}

const struct format format_dbn = {"dbn", "Databento DBN: mbo, trades, mbp-1, mbp-10, ohlcv, status", false, dbn_sniff, dbn_open, dbn_row, dbn_close};
