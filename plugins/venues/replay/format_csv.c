// CSV with a header that names its columns, or with a column map (columns.h): trades, quotes, bars, book changes and whole books; among
// them FXCM minute bars, TrueFX ticks, Tardis trades, books and snapshots, Binance depth tables.
//
// Times without an offset are of the zone `timezone` (UTC). Bars begin at their time and last `period`, or the least distance
// between the first rows; daily bars of equities (asset=equity) span 09:30-16:00 New York. A bar file with "bid" or "ask" in its
// name and no volume is one side of quotes; bid and ask files given together become whole quotes. Prices without a size trade
// `size` units; quotes without sizes carry 0.
//
// Rows of a book that share time (and update ids) are one message: the last carries HADRON_TICK_LAST. A snapshot begins with CLEAR.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bars.h"
#include "columns.h"
#include "reader.h"

struct csv_row {
  struct scan fields[COLUMNS_MAX];
  int64_t event_ns, recv_ns;
  bool there;
};

struct csv {
  struct columns columns;
  struct csv_row row;
  char stem[HADRON_SYMBOL_SIZE];
  uint32_t asset;
  int64_t period_ns;
  char side;             // 'b', 'a': a bar file of one side; 0: trades
  struct symbol *symbol; // of the last row
  char symbol_text[HADRON_SYMBOL_SIZE];
  // Books.
  struct hadron_tick held; // waits for the next row to know whether it is the last of its message
  bool holding, snapshot;
  int64_t last_id;
  // The ask file of a pair.
  struct source ask;
  struct columns ask_columns;
  struct csv_row ask_row;
  bool paired, ask_ended, bid_ended;
};

static bool csv_sniff(const struct file_probe *probe) {
  size_t line = 0;
  int separators = 0;
  for (; line < probe->size && probe->bytes[line] != '\n'; line++) {
    uint8_t c = probe->bytes[line];
    if (c < 0x20 && c != '\t' && c != '\r') return false;
    separators += c == ',' || c == ';' || c == '\t' || c == '|';
  }
  return separators > 0 && probe->bytes[0] != '{' && probe->bytes[0] != '<';
}

static const struct zone *csv_zone(const struct reader *r) { return &r->setup->options.zone; }

static bool row_field_time(const struct reader *r, const struct columns *c, const struct scan *fields, enum role role, int64_t *ns) {
  return time_scan(&fields[c->of[role]], csv_zone(r), c->unit_ns, ns);
}

static bool row_time(const struct reader *r, const struct columns *c, struct csv_row *row) {
  const struct scan *f = row->fields;
  bool fine;
  if (c->of[ROLE_DATE] >= 0 && c->of[ROLE_CLOCK] >= 0) {
    char both[80];
    const struct scan *date = &f[c->of[ROLE_DATE]], *clock = &f[c->of[ROLE_CLOCK]];
    int n = snprintf(both, sizeof both, "%.*s %.*s", (int)(date->end - date->at), date->at, (int)(clock->end - clock->at), clock->at);
    if (n < 0 || n >= (int)sizeof both) return false;
    const struct scan whole = {both, both + n};
    fine = time_scan(&whole, csv_zone(r), 0, &row->event_ns);
  } else {
    fine = row_field_time(r, c, f, c->of[ROLE_TIME] >= 0 ? ROLE_TIME : ROLE_DATE, &row->event_ns);
  }
  row->recv_ns = row->event_ns;
  if (fine && c->of[ROLE_RECV] >= 0) fine = row_field_time(r, c, f, ROLE_RECV, &row->recv_ns);
  return fine && row->event_ns > INT64_MIN / 2 && row->event_ns < INT64_MAX / 2;
}

// The least distance between rows at the beginning of the file.
static int64_t csv_period(struct reader *r, const struct columns *c) {
  const uint8_t *bytes;
  size_t size;
  int64_t least = INT64_MAX, before = 0;
  bool any = false;
  if (r->setup->options.period_ns > 0) return r->setup->options.period_ns;
  if (source_peek(&r->source, 8192, &bytes, &size) != HADRON_OK) return MINUTE_NS;
  const char *at = (const char *)bytes, *end = at + size;
  struct csv_row *row = malloc(sizeof *row);
  for (const char *stop; row && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
    struct scan line = {at, stop};
    if (line.end > line.at && line.end[-1] == '\r') line.end--;
    if (columns_split(c, line, row->fields) <= c->last || !row_time(r, c, row)) continue;
    if (any && row->event_ns > before && row->event_ns - before < least) least = row->event_ns - before;
    before = row->event_ns;
    any = true;
  }
  free(row);
  return least <= 366 * DAY_NS ? least : c->of[ROLE_TIME] < 0 && c->of[ROLE_CLOCK] < 0 ? DAY_NS : MINUTE_NS;
}

// Letters and digits at the beginning of the file's name: "usdjpy-m1-bid-2013.csv" is USDJPY.
static void csv_stem(struct reader *r, struct csv *v) {
  const char *base = strrchr(r->path, '/');
  base = base ? base + 1 : r->path;
  text_copy(v->stem, sizeof v->stem, base, strcspn(base, "-_. "));
  v->asset = v->columns.asset;
  bool six = strlen(v->stem) == 6;
  for (int half = 0; half < 2 && six; half++) {
    static const char majors[] = "eur usd jpy gbp chf aud nzd cad sek nok dkk sgd hkd mxn zar try cnh pln huf czk ";
    char code[5] = {0, 0, 0, ' ', 0};
    for (int i = 0; i < 3; i++) code[i] = (char)(v->stem[3 * half + i] | 0x20);
    six = strstr(majors, code) != NULL;
  }
  if (!v->asset && six) v->asset = ASSET_FOREX;
  if (v->columns.shape == SHAPE_BOOK || v->columns.shape == SHAPE_LEVELS)
    if (!v->asset) v->asset = ASSET_CRYPTO;
  if (v->columns.shape == SHAPE_BAR && v->columns.of[ROLE_VOLUME] < 0)
    v->side = strstr(base, "bid") ? 'b' : strstr(base, "ask") ? 'a' : 0;
}

static int32_t csv_unknown(struct reader *r, const struct columns *c, struct scan first) {
  char found[96];
  snprintf(found, sizeof found, "\"%.*s\"", (int)(first.end - first.at > 70 ? 70 : first.end - first.at), first.at);
  return reader_fault(r, HADRON_ERR_UNSUPPORTED, c->missing[0] ? c->missing : "columns of times and prices", found,
                      "name the columns: columns = {\"time=0\", \"price=1\", ...}");
}

// Column map from the first line, which is taken if it is a header.
static int32_t csv_header(struct reader *r, struct source *source, struct columns *c, struct csv_row *row) {
  const uint8_t *bytes;
  size_t size;
  int32_t result = source_peek(source, 8192, &bytes, &size);
  if (result) return result;
  if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) { // a byte order mark
    const uint8_t *mark;
    source_bytes(source, 3, &mark);
    bytes += 3;
    size -= 3;
  }
  const uint8_t *stop = memchr(bytes, '\n', size);
  struct scan first = {(const char *)bytes, (const char *)(stop ? stop : bytes + size)};
  if (first.end > first.at && first.end[-1] == '\r') first.end--;
  result = columns_find(c, r->setup->options.columns, first, r->path, &r->fault);
  if (result) return result;
  if (c->shape == SHAPE_NONE) return csv_unknown(r, c, first);
  // A map by numbers does not say whether there is a header: a first line without a time is one.
  if (!c->header) c->header = columns_split(c, first, row->fields) <= c->last || !row_time(r, c, row);
  const char *line;
  result = c->header ? source_line(source, &line, &size) : HADRON_OK;
  return result == HADRON_ERR_END ? HADRON_OK : result; // an empty entry of an archive
}

static int32_t csv_open(struct reader *r) {
  static const char *const shapes[] = {"", "trades", "quotes", "bars", "book changes", "books"};
  struct csv *v = calloc(1, sizeof *v);
  if (!v) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  r->state = v;
  int32_t result = csv_header(r, &r->source, &v->columns, &v->row);
  if (!result && r->pair[0]) {
    v->paired = true;
    result = source_open(&v->ask, r->pair, &r->fault);
    if (!result) result = csv_header(r, &v->ask, &v->ask_columns, &v->ask_row);
  }
  if (result) return result;
  csv_stem(r, v);
  if (v->columns.shape == SHAPE_BAR) v->period_ns = csv_period(r, &v->columns);
  const char *shape = v->paired ? "bid and ask bars" : v->side == 'b' ? "bid bars" : v->side == 'a' ? "ask bars" : shapes[v->columns.shape];
  snprintf(r->label, sizeof r->label, "CSV %s", shape);
  // Files without a symbol column have one listing: known before the first tick.
  struct symbol *symbol;
  return v->columns.of[ROLE_SYMBOL] < 0 ? reader_resolve(r, v->stem, strlen(v->stem), v->asset, &symbol) : HADRON_OK;
}

static void csv_close(struct reader *r) {
  struct csv *v = r->state;
  if (v->paired) source_close(&v->ask);
  free(v);
}

static int32_t row_symbol(struct reader *r, struct csv *v, uint32_t *handle) {
  struct scan text = {v->stem, v->stem + strlen(v->stem)};
  if (v->columns.of[ROLE_SYMBOL] >= 0) text = v->row.fields[v->columns.of[ROLE_SYMBOL]];
  size_t size = (size_t)(text.end - text.at);
  if (!symbol_valid(text.at, size)) return HADRON_ERR_PARSE;
  if (!v->symbol || strlen(v->symbol_text) != size || memcmp(v->symbol_text, text.at, size) != 0) {
    uint32_t known = r->setup->symbols->count;
    uint32_t named = r->symbols;
    int32_t result = reader_resolve(r, text.at, size, v->asset, &v->symbol);
    if (result) {
      v->symbol = NULL;
      return result;
    }
    if (known == r->setup->symbols->count && named) r->symbols = named;
    text_copy(v->symbol_text, sizeof v->symbol_text, text.at, size);
  }
  *handle = v->symbol->handle;
  return HADRON_OK;
}

static bool field_number(const struct csv_row *row, int column, int places, int64_t *out) {
  *out = 0;
  if (column < 0) return true;
  struct scan s = row->fields[column];
  while (s.at < s.end && *s.at == ' ') s.at++;
  while (s.at < s.end && s.end[-1] == ' ') s.end--;
  return scan_decimal(&s, places, out) && scan_done(&s);
}

static uint8_t field_side(const struct csv_row *row, int column) {
  if (column < 0 || scan_done(&row->fields[column])) return HADRON_SIDE_INVALID;
  switch (*row->fields[column].at | 0x20) {
  case 'b': return HADRON_SIDE_BUY; // b, bid, buy
  case 'a':
  case 's': return HADRON_SIDE_SELL; // a, ask, s, sell
  default: return HADRON_SIDE_INVALID;
  }
}

static struct hadron_tick row_tick(const struct csv_row *row, uint32_t handle, uint8_t kind) {
  struct hadron_tick tick = {.event_ns = row->event_ns, .recv_ns = row->recv_ns, .instrument = handle, .kind = kind};
  return tick;
}

static int32_t row_push(struct reader *r, const struct hadron_tick *tick) {
  return reader_push(r, tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

// A number as it is, any other text by its hash.
static uint64_t field_id(const struct scan *field) {
  struct scan s = *field;
  int64_t number;
  if (scan_unsigned(&s, &number) && scan_done(&s)) return (uint64_t)number;
  uint64_t hash = UINT64_C(14695981039346656037);
  for (const char *c = field->at; c < field->end; c++) hash = (hash ^ (uint8_t)*c) * UINT64_C(1099511628211);
  return field->at == field->end ? 0 : hash;
}

static int32_t csv_trade(struct reader *r, struct csv *v, uint32_t handle) {
  const struct columns *c = &v->columns;
  struct hadron_tick tick = row_tick(&v->row, handle, HADRON_TICK_TRADE);
  struct hadron_trade *trade = &tick.value.trade;
  if (!field_number(&v->row, c->of[ROLE_PRICE], c->price_places, &trade->price.nanos)) return reader_bad(r, "the price is not a number");
  if (!field_number(&v->row, c->of[ROLE_SIZE], 8, &trade->quantity.e8)) return reader_bad(r, "the size is not a number");
  if (c->of[ROLE_SIZE] < 0) trade->quantity = r->setup->options.size;
  if (c->of[ROLE_ID] >= 0) trade->trade_id = field_id(&v->row.fields[c->of[ROLE_ID]]);
  trade->aggressor = field_side(&v->row, c->of[ROLE_SIDE]);
  return row_push(r, &tick);
}

static int32_t csv_quote(struct reader *r, struct csv *v, uint32_t handle) {
  const struct columns *c = &v->columns;
  struct hadron_tick tick = row_tick(&v->row, handle, HADRON_TICK_QUOTE);
  struct hadron_quote *quote = &tick.value.quote;
  if (!field_number(&v->row, c->of[ROLE_BID], c->price_places, &quote->bid.nanos) ||
      !field_number(&v->row, c->of[ROLE_ASK], c->price_places, &quote->ask.nanos))
    return reader_bad(r, "the bid or ask is not a number");
  if (!field_number(&v->row, c->of[ROLE_BID_SIZE], 8, &quote->bid_size.e8) || !field_number(&v->row, c->of[ROLE_ASK_SIZE], 8, &quote->ask_size.e8))
    return reader_bad(r, "a size of the quote is not a number");
  return row_push(r, &tick);
}

static bool row_bar(const struct columns *c, const struct csv_row *row, struct bar *bar) {
  return field_number(row, c->of[ROLE_OPEN], c->price_places, &bar->open) && field_number(row, c->of[ROLE_HIGH], c->price_places, &bar->high) &&
         field_number(row, c->of[ROLE_LOW], c->price_places, &bar->low) && field_number(row, c->of[ROLE_CLOSE], c->price_places, &bar->close);
}

static struct bar_time row_span(const struct csv *v) {
  const struct zone new_york = {true, 0};
  int64_t start = v->row.event_ns - (v->columns.stamp_end ? v->period_ns : 0);
  if (v->asset == ASSET_EQUITY && v->period_ns >= DAY_NS) {
    int64_t day = start / DAY_NS - (start % DAY_NS < 0);
    return (struct bar_time){zone_utc(&new_york, day, 9 * HOUR_NS + 30 * MINUTE_NS), zone_utc(&new_york, day, 16 * HOUR_NS)};
  }
  return (struct bar_time){start, start + v->period_ns};
}

static int32_t csv_bar(struct reader *r, struct csv *v, uint32_t handle) {
  const struct bar none = {0, 0, 0, 0};
  struct bar bar;
  int64_t volume;
  struct bar_time time = row_span(v);
  if (!row_bar(&v->columns, &v->row, &bar)) return reader_bad(r, "open, high, low or close is not a number");
  if (v->side == 'b') return bar_quotes(r, handle, &time, &bar, 0, &none, 0);
  if (v->side == 'a') return bar_quotes(r, handle, &time, &none, 0, &bar, 0);
  if (!field_number(&v->row, v->columns.of[ROLE_VOLUME], 8, &volume)) return reader_bad(r, "the volume is not a number");
  return bar_trades(r, handle, &time, &bar, volume);
}

// Lets the held tick go; `last` if its message ends with it.
static bool book_release(struct reader *r, struct csv *v, bool last) {
  if (!v->holding) return true;
  if (last) v->held.flags |= HADRON_TICK_LAST;
  v->holding = false;
  return reader_push(r, &v->held);
}

static int32_t csv_book(struct reader *r, struct csv *v, uint32_t handle) {
  const struct columns *c = &v->columns;
  struct hadron_tick tick = row_tick(&v->row, handle, HADRON_TICK_BOOK);
  struct hadron_book_change *book = &tick.value.book;
  int64_t last_id, previous_id;
  book->side = field_side(&v->row, c->of[ROLE_SIDE]);
  book->action = HADRON_BOOK_SET;
  if (book->side == HADRON_SIDE_INVALID) return reader_bad(r, "the side is not bid or ask");
  if (!field_number(&v->row, c->of[ROLE_PRICE], c->price_places, &book->price.nanos) || book->price.nanos <= 0)
    return reader_bad(r, "the price is not a number above 0");
  if (!field_number(&v->row, c->of[ROLE_SIZE], 8, &book->quantity.e8) || book->quantity.e8 < 0)
    return reader_bad(r, "the size is not a number from 0");
  if (!field_number(&v->row, c->of[ROLE_LAST_ID], 0, &last_id) || !field_number(&v->row, c->of[ROLE_PREVIOUS_ID], 0, &previous_id))
    return reader_bad(r, "an update id is not a number");
  const struct scan *mark = c->of[ROLE_IS_SNAPSHOT] >= 0 ? &v->row.fields[c->of[ROLE_IS_SNAPSHOT]] : &v->row.fields[c->of[ROLE_ACTION]];
  bool snapshot = scan_is(mark, "true") || scan_is(mark, "1") || scan_is(mark, "snap") || scan_is(mark, "snapshot");
  tick.sequence = last_id > 0 ? (uint64_t)last_id : 0;
  bool same = v->holding && v->held.recv_ns == tick.recv_ns && v->held.sequence == tick.sequence && v->held.instrument == handle &&
              snapshot == v->snapshot;
  if (!book_release(r, v, !same)) return reader_bad(r, "no memory for its tick");
  if (!same && !snapshot && c->of[ROLE_PREVIOUS_ID] >= 0) {
    if (v->last_id > 0 && previous_id > 0 && previous_id != v->last_id) {
      tick.flags |= HADRON_TICK_GAP;
      r->counts.gaps++;
    }
    v->last_id = last_id;
  }
  if (snapshot) {
    tick.flags |= HADRON_TICK_SNAPSHOT;
    struct hadron_tick clear = tick;
    memset(&clear.value, 0, sizeof clear.value);
    clear.value.book.action = HADRON_BOOK_CLEAR;
    if (!v->snapshot && !reader_push(r, &clear)) return reader_bad(r, "no memory for its tick");
    v->last_id = last_id;
  }
  v->snapshot = snapshot;
  v->held = tick;
  v->holding = true;
  return HADRON_OK;
}

static int32_t csv_levels(struct reader *r, struct csv *v, uint32_t handle) {
  struct hadron_tick tick = row_tick(&v->row, handle, HADRON_TICK_BOOK);
  struct hadron_book_change *book = &tick.value.book;
  struct reader_mark mark = reader_mark(r);
  tick.flags = HADRON_TICK_SNAPSHOT;
  book->action = HADRON_BOOK_CLEAR;
  bool fine = reader_push(r, &tick);
  book->action = HADRON_BOOK_SET;
  for (int n = 0; n < 2 * v->columns.levels && fine; n++) {
    const int16_t *level = v->columns.level[n / 2][n % 2];
    if (level[0] < 0 || level[1] < 0 || scan_done(&v->row.fields[level[0]])) continue; // a thin book has fewer levels
    book->side = n % 2 ? HADRON_SIDE_SELL : HADRON_SIDE_BUY;
    fine = field_number(&v->row, level[0], v->columns.price_places, &book->price.nanos) && book->price.nanos > 0 &&
           field_number(&v->row, level[1], 8, &book->quantity.e8) && book->quantity.e8 >= 0 && reader_push(r, &tick);
  }
  if (!fine) {
    reader_rewind(r, mark);
    return reader_bad(r, "a level is not a price above 0 and a size from 0");
  }
  if (r->queue.tail > mark.tail) r->queue.ticks[r->queue.tail - 1].flags |= HADRON_TICK_LAST;
  return HADRON_OK;
}

// Takes a line of one source apart. HADRON_OK with row->there false: a bad row, told.
static int32_t row_read(struct reader *r, struct source *source, const struct columns *c, struct csv_row *row) {
  struct scan line;
  size_t size;
  row->there = false;
  int32_t result = source_line(source, &line.at, &size);
  if (result && result != HADRON_ERR_RANGE) return result;
  r->counts.rows++;
  if (result) return reader_bad(r, "the line is longer than 1 MiB");
  line.end = line.at + size;
  int count = columns_split(c, line, row->fields);
  if (count > COLUMNS_MAX) return reader_bad(r, "more than 256 columns");
  if (count <= c->last) return reader_bad(r, "fewer columns than the file's header or the map names");
  if (!row_time(r, c, row)) return reader_bad(r, "the time is in no form that is known");
  row->there = true;
  return HADRON_OK;
}

// Bid and ask rows of the same time make one quote bar; a row without its other half is bad.
static int32_t csv_pair(struct reader *r, struct csv *v) {
  uint32_t handle;
  struct bar bid, ask;
  if (!v->row.there && !v->bid_ended) {
    int32_t result = row_read(r, &r->source, &v->columns, &v->row);
    if (result == HADRON_ERR_END) v->bid_ended = true;
    else if (result || !v->row.there) return result;
  }
  if (!v->ask_row.there && !v->ask_ended) {
    int32_t result = row_read(r, &v->ask, &v->ask_columns, &v->ask_row);
    if (result == HADRON_ERR_END) v->ask_ended = true;
    else if (result || !v->ask_row.there) return result;
  }
  if (v->bid_ended && v->ask_ended && !v->row.there && !v->ask_row.there) return HADRON_ERR_END;
  bool bid_first = v->row.there && (!v->ask_row.there || v->row.event_ns < v->ask_row.event_ns);
  bool ask_first = v->ask_row.there && (!v->row.there || v->ask_row.event_ns < v->row.event_ns);
  if (bid_first) v->row.there = false;
  if (ask_first) v->ask_row.there = false;
  if (bid_first || ask_first) return reader_bad(r, bid_first ? "the ask file has no row of this time" : "the bid file has no row of this time");
  bool fine = row_bar(&v->columns, &v->row, &bid) && row_bar(&v->ask_columns, &v->ask_row, &ask);
  v->row.there = v->ask_row.there = false;
  if (!fine) return reader_bad(r, "open, high, low or close is not a number");
  if (row_symbol(r, v, &handle)) return reader_bad(r, "the symbol is not 1 to 31 printable bytes");
  struct bar_time time = row_span(v);
  return bar_quotes(r, handle, &time, &bid, 0, &ask, 0);
}

// The next file of an archive, with a header of its own.
static int32_t csv_next_entry(struct reader *r, struct csv *v) {
  if (!book_release(r, v, true)) return reader_bad(r, "no memory for its tick");
  int32_t result = source_next_entry(&r->source);
  return result ? result : csv_header(r, &r->source, &v->columns, &v->row);
}

static int32_t csv_row(struct reader *r) {
  static int32_t (*const shapes[])(struct reader *r, struct csv *v, uint32_t handle) = {NULL, csv_trade, csv_quote, csv_bar, csv_book, csv_levels};
  struct csv *v = r->state;
  uint32_t handle;
  if (v->paired) return csv_pair(r, v);
  int32_t result = row_read(r, &r->source, &v->columns, &v->row);
  if (result == HADRON_ERR_END) return csv_next_entry(r, v);
  if (result || !v->row.there) return result;
  result = row_symbol(r, v, &handle);
  if (result == HADRON_ERR_PARSE) return reader_bad(r, "the symbol is not 1 to 31 printable bytes");
  if (result) return result;
  return shapes[v->columns.shape](r, v, handle);
}

const struct format format_csv = {"csv", "CSV with a header or a column map", false, csv_sniff, csv_open, csv_row, csv_close};
