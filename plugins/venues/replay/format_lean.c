// LEAN: zips of CSV without a header. What a file holds is told by its path, .../equity/usa/tick/ibm/20131007_trade.zip, and by
// the entry inside, 20131007_ibm_Trade_Tick.csv. Where the path does not say the asset class the parameter `lean` does.
//
//   tick    trade  ms, price, size[, exchange, condition (hex), suspicious]
//           quote  ms, bid, bid size, ask, ask size[, exchange, condition, suspicious]; forex: ms, bid, ask
//   bars    trade  time, O, H, L, C, volume
//           quote  time, bid O, H, L, C, size, ask O, H, L, C, size
//
// Prices are 1/10,000 for equities, decimals else. Time is ms since midnight, or "YYYYMMDD HH:MM" in hour and daily files, of the
// file's zone: New York for equities, UTC-05 for FXCM, UTC else. A daily bar spans 09:30-16:00 for equities, the zone's day else.
//
// Equity quote ticks name one side of one exchange a line. The reader keeps the last seen bid and ask of the file and gives whole
// quotes, as a consolidated tape would; a side that the new one crosses is out of date and goes empty. A suspicious line is given
// with its flag and not kept.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "adjust.h"
#include "bars.h"

enum lean_resolution { LEAN_TICK, LEAN_SECOND, LEAN_MINUTE, LEAN_HOUR, LEAN_DAILY, LEAN_RESOLUTIONS };
static const char *const resolutions[] = {"tick", "second", "minute", "hour", "daily"};
static const int64_t periods[] = {0, SECOND_NS, MINUTE_NS, HOUR_NS, DAY_NS};

static const struct lean_asset {
  const char *name;
  uint32_t asset;
  int price_places; // of 1e-9 that a unit of the text stands for
} assets[] = {{"equity", ASSET_EQUITY, 5}, {"forex", ASSET_FOREX, 9}, {"crypto", ASSET_CRYPTO, 9}, {"cryptofuture", ASSET_CRYPTO, 9}, {"cfd", ASSET_UNKNOWN, 9}};

struct lean {
  const struct lean_asset *asset;
  enum lean_resolution resolution;
  bool quote;
  struct zone zone;
  char ticker[HADRON_SYMBOL_SIZE];
  int64_t day;            // of tick, second and minute files
  int64_t midnight_ns;    // its beginning, UTC
  bool plain_day;         // no change of the clock in it: UTC is midnight plus time
  struct symbol *symbol;
  int64_t mapped_until;   // last day for which `symbol` holds
  struct hadron_quote kept;
};

#define WORDS 12
struct words {
  char text[SOURCE_PATH_MAX];
  const char *word[WORDS]; // the last ones
  int count;
};

// Splits at any of `separators` and lowers the case; keeps the last WORDS.
static void words_split(struct words *w, const char *text, const char *separators) {
  text_copy(w->text, sizeof w->text, text, strlen(text));
  w->count = 0;
  char *save = NULL;
  for (char *c = w->text; *c; c++) *c = (char)tolower((unsigned char)*c);
  for (char *word = strtok_r(w->text, separators, &save); word; word = strtok_r(NULL, separators, &save)) {
    if (w->count == WORDS) memmove(w->word, w->word + 1, (WORDS - 1) * sizeof *w->word);
    else w->count++;
    w->word[w->count - 1] = word;
  }
}

static int resolution_named(const char *word) {
  for (int i = 0; i < LEAN_RESOLUTIONS; i++)
    if (strcmp(word, resolutions[i]) == 0) return i;
  return -1;
}

static const struct lean_asset *asset_named(const char *word) {
  for (size_t i = 0; i < sizeof assets / sizeof *assets; i++)
    if (strcmp(word, assets[i].name) == 0) return &assets[i];
  return NULL;
}

// Index of the asset class in a path whose second next word is a resolution; -1 if there is none.
static int words_asset(const struct words *w) {
  for (int i = w->count - 3; i >= 0; i--)
    if (asset_named(w->word[i]) && resolution_named(w->word[i + 2]) >= 0) return i;
  return -1;
}

// Is it YYYYMMDD_symbol_..._(trade|quote)... ?
static bool entry_dated(const struct words *w) {
  if (w->count < 4 || strlen(w->word[0]) != 8) return false;
  struct scan s = {w->word[0], w->word[0] + 8};
  int64_t day;
  bool resolution = false, kind = false;
  for (int i = 2; i < w->count; i++) {
    resolution |= resolution_named(w->word[i]) >= 0;
    kind |= strcmp(w->word[i], "trade") == 0 || strcmp(w->word[i], "quote") == 0;
  }
  return resolution && kind && day_scan(&s, &day);
}

static bool lean_sniff(const struct file_probe *probe) {
  struct words path, entry;
  words_split(&path, probe->path, "/");
  words_split(&entry, probe->entry, "/_.");
  if (entry.count < 2 || strcmp(entry.word[entry.count - 1], "csv") != 0) return false;
  return entry_dated(&entry) || words_asset(&path) >= 0;
}

static int32_t lean_unknown(struct reader *r, const char *found) {
  return reader_fault(r, HADRON_ERR_UNSUPPORTED, "a LEAN path (.../equity/usa/minute/spy/20131007_trade.zip)", found,
                      "keep LEAN's folders, or set lean = \"equity/usa/minute\"");
}

static void lean_zone(struct lean *l, const char *market) {
  l->zone = (struct zone){l->asset->asset == ASSET_EQUITY, 0};
  if (l->asset->asset == ASSET_FOREX && strcmp(market, "fxcm") == 0) l->zone.offset_ns = -5 * HOUR_NS;
}

// Takes asset, zone and resolution from the path, or from the parameter.
static int32_t lean_place(struct reader *r, struct lean *l) {
  struct words path;
  words_split(&path, r->path, "/");
  int at = words_asset(&path);
  if (r->setup->options.lean[0]) {
    words_split(&path, r->setup->options.lean, "/");
    at = words_asset(&path);
  }
  if (at < 0) return lean_unknown(r, "no asset class in it");
  l->asset = asset_named(path.word[at]);
  lean_zone(l, path.word[at + 1]);
  l->resolution = (enum lean_resolution)resolution_named(path.word[at + 2]);
  return HADRON_OK;
}

// Takes kind, ticker and day from the names of the zip and of its entry.
static int32_t lean_entry(struct reader *r, struct lean *l) {
  struct words file, entry;
  const char *base = strrchr(r->path, '/');
  words_split(&file, base ? base + 1 : r->path, "_.");
  words_split(&entry, r->source.entry, "/_.");
  l->quote = l->asset->asset == ASSET_FOREX || l->asset->asset == ASSET_UNKNOWN;
  for (int i = 0; i < file.count; i++) l->quote |= strcmp(file.word[i], "quote") == 0;
  bool dated = entry_dated(&entry);
  if (dated) {
    for (int i = 2; i < entry.count; i++) {
      l->quote |= strcmp(entry.word[i], "quote") == 0;
      int resolution = resolution_named(entry.word[i]);
      if (resolution >= 0) l->resolution = (enum lean_resolution)resolution;
    }
    struct scan s = {entry.word[0], entry.word[0] + 8};
    day_scan(&s, &l->day);
    l->midnight_ns = zone_utc(&l->zone, l->day, 0);
    l->plain_day = zone_utc(&l->zone, l->day + 1, 0) - l->midnight_ns == DAY_NS;
  } else if (l->resolution < LEAN_HOUR) {
    return lean_unknown(r, r->source.entry);
  }
  const char *ticker = dated ? entry.word[1] : entry.count > 1 ? entry.word[entry.count - 2] : "";
  text_copy(l->ticker, sizeof l->ticker, ticker, strlen(ticker));
  l->symbol = NULL;
  l->mapped_until = INT64_MIN;
  memset(&l->kept, 0, sizeof l->kept);
  snprintf(r->label, sizeof r->label, "LEAN %s %s %s", l->asset->name, resolutions[l->resolution], l->quote ? "quote" : "trade");
  return HADRON_OK;
}

// The listing that the ticker meant on a day; by the map files, where they are given.
static int32_t lean_listing(struct reader *r, struct lean *l, int64_t day) {
  char name[HADRON_SYMBOL_SIZE];
  text_copy(name, sizeof name, l->ticker, strlen(l->ticker));
  l->mapped_until = INT64_MAX;
  if (l->asset->asset == ASSET_EQUITY && r->setup->options.map_files[0])
    map_ticker(r->setup->options.map_files, l->ticker, day, name, sizeof name, &l->mapped_until);
  return reader_resolve(r, name, strlen(name), l->asset->asset, &l->symbol);
}

static int32_t lean_open(struct reader *r) {
  struct lean *l = calloc(1, sizeof *l);
  if (!l) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  r->state = l;
  int32_t result = lean_place(r, l);
  if (!result) result = lean_entry(r, l);
  if (!result && l->resolution < LEAN_HOUR) result = lean_listing(r, l, l->day);
  // Hour and daily files name their days themselves: the first row tells which listing it is.
  const uint8_t *bytes;
  size_t size;
  int64_t day;
  if (!result && l->resolution >= LEAN_HOUR && source_peek(&r->source, 8, &bytes, &size) == HADRON_OK) {
    struct scan s = {(const char *)bytes, (const char *)bytes + size};
    if (day_scan(&s, &day)) result = lean_listing(r, l, day);
  }
  return result;
}

static bool lean_time(const struct lean *l, struct scan *s, int64_t *ns) {
  int64_t ns_of_day;
  if (!scan_decimal(s, 6, &ns_of_day) || ns_of_day < 0 || ns_of_day >= DAY_NS) return false;
  *ns = l->plain_day ? l->midnight_ns + ns_of_day : zone_utc(&l->zone, l->day, ns_of_day);
  return true;
}

// "YYYYMMDD HH:MM" and the period of the bar.
static bool lean_span(const struct lean *l, struct scan *s, struct bar_time *time, int64_t *day) {
  if (l->resolution < LEAN_HOUR) {
    if (!lean_time(l, s, &time->start_ns)) return false;
    time->end_ns = time->start_ns + periods[l->resolution];
    return true;
  }
  int64_t hours, minutes;
  if (!day_scan(s, day) || !scan_byte(s, ' ') || !scan_digits(s, 2, &hours) || !scan_byte(s, ':') || !scan_digits(s, 2, &minutes))
    return false;
  if (hours > 23 || minutes > 59) return false;
  bool session = l->resolution == LEAN_DAILY && l->asset->asset == ASSET_EQUITY;
  if (session) {
    time->start_ns = zone_utc(&l->zone, *day, 9 * HOUR_NS + 30 * MINUTE_NS);
    time->end_ns = zone_utc(&l->zone, *day, 16 * HOUR_NS);
  } else {
    time->start_ns = zone_utc(&l->zone, *day, hours * HOUR_NS + minutes * MINUTE_NS);
    time->end_ns = time->start_ns + periods[l->resolution];
  }
  return true;
}

static bool lean_comma_decimal(struct scan *s, int places, int64_t *out) { return scan_byte(s, ',') && scan_decimal(s, places, out); }

// ",O,H,L,C,size"; a side may be empty: ",,,,," or ",,,,,0".
static bool lean_bar(const struct lean *l, struct scan *s, struct bar *bar, int64_t *size) {
  if (s->end - s->at >= 2 && s->at[0] == ',' && s->at[1] == ',') {
    *bar = (struct bar){0, 0, 0, 0};
    *size = 0;
    for (int i = 0; i < 5; i++)
      if (!scan_byte(s, ',')) return false;
    return scan_done(s) || *s->at == ',' || scan_decimal(s, 8, size);
  }
  int places = l->asset->price_places;
  return lean_comma_decimal(s, places, &bar->open) && lean_comma_decimal(s, places, &bar->high) &&
         lean_comma_decimal(s, places, &bar->low) && lean_comma_decimal(s, places, &bar->close) && lean_comma_decimal(s, 8, size);
}

static int32_t lean_row_bar(struct reader *r, struct lean *l, struct scan *s) {
  struct bar_time time;
  struct bar bid, ask;
  int64_t bid_size, ask_size, day = l->day;
  if (!lean_span(l, s, &time, &day)) return reader_bad(r, "the time is not of this format");
  if (!l->symbol || day > l->mapped_until) {
    int32_t result = lean_listing(r, l, day);
    if (result) return result;
  }
  if (!lean_bar(l, s, &bid, &bid_size)) return reader_bad(r, "a price or size is not a number");
  if (!l->quote) {
    if (!scan_done(s)) return reader_bad(r, "more columns than time, open, high, low, close, volume");
    return bar_trades(r, l->symbol->handle, &time, &bid, bid_size);
  }
  if (!lean_bar(l, s, &ask, &ask_size) || !scan_done(s)) return reader_bad(r, "the ask side is not open, high, low, close, size");
  return bar_quotes(r, l->symbol->handle, &time, &bid, bid_size, &ask, ask_size);
}

// ",exchange,condition,suspicious" or nothing.
static bool lean_marks(struct scan *s, uint32_t *conditions, uint8_t *flags) {
  if (scan_done(s)) return true;
  if (!scan_byte(s, ',')) return false;
  while (s->at < s->end && *s->at != ',') s->at++; // the exchange's letter, or its number
  if (!scan_byte(s, ',')) return false;
  uint32_t bits = 0;
  for (; s->at < s->end && isxdigit((unsigned char)*s->at); s->at++)
    bits = bits << 4 | (uint32_t)(*s->at <= '9' ? *s->at - '0' : (*s->at | 32) - 'a' + 10);
  *conditions = bits;
  if (!scan_byte(s, ',') || scan_done(s)) return false;
  if (*s->at != '0' && *s->at != '1') return false;
  if (*s->at++ == '1') *flags |= HADRON_TICK_SUSPICIOUS;
  return scan_done(s);
}

static int32_t lean_row_trade(struct reader *r, struct lean *l, struct scan *s) {
  struct hadron_tick tick = {.instrument = l->symbol->handle, .kind = HADRON_TICK_TRADE};
  struct hadron_trade *trade = &tick.value.trade;
  if (!lean_time(l, s, &tick.event_ns)) return reader_bad(r, "the time is not ms since midnight");
  if (!lean_comma_decimal(s, l->asset->price_places, &trade->price.nanos)) return reader_bad(r, "the price is not a number");
  if (!lean_comma_decimal(s, 8, &trade->quantity.e8)) return reader_bad(r, "the size is not a number");
  if (!lean_marks(s, &trade->conditions, &tick.flags)) return reader_bad(r, "not exchange, condition, suspicious after the size");
  tick.recv_ns = tick.event_ns;
  return reader_push(r, &tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

// The line's side over the kept one.
static void lean_merge(struct lean *l, struct hadron_quote *quote, bool suspicious) {
  struct hadron_quote whole = l->kept;
  if (quote->bid.nanos > 0) {
    whole.bid = quote->bid;
    whole.bid_size = quote->bid_size;
    if (whole.ask.nanos > 0 && whole.ask.nanos < whole.bid.nanos && quote->ask.nanos == 0) whole.ask.nanos = whole.ask_size.e8 = 0;
  }
  if (quote->ask.nanos > 0) {
    whole.ask = quote->ask;
    whole.ask_size = quote->ask_size;
    if (whole.bid.nanos > whole.ask.nanos && quote->bid.nanos == 0) whole.bid.nanos = whole.bid_size.e8 = 0;
  }
  if (!suspicious) l->kept = whole;
  *quote = whole;
}

static int32_t lean_row_quote(struct reader *r, struct lean *l, struct scan *s) {
  struct hadron_tick tick = {.instrument = l->symbol->handle, .kind = HADRON_TICK_QUOTE};
  struct hadron_quote *quote = &tick.value.quote;
  uint32_t conditions = 0;
  int places = l->asset->price_places;
  bool sizes = l->asset->asset != ASSET_FOREX && l->asset->asset != ASSET_UNKNOWN;
  if (!lean_time(l, s, &tick.event_ns)) return reader_bad(r, "the time is not ms since midnight");
  if (!lean_comma_decimal(s, places, &quote->bid.nanos)) return reader_bad(r, "the bid is not a number");
  if (sizes && !lean_comma_decimal(s, 8, &quote->bid_size.e8)) return reader_bad(r, "the bid size is not a number");
  if (!lean_comma_decimal(s, places, &quote->ask.nanos)) return reader_bad(r, "the ask is not a number");
  if (sizes && !lean_comma_decimal(s, 8, &quote->ask_size.e8)) return reader_bad(r, "the ask size is not a number");
  if (!lean_marks(s, &conditions, &tick.flags)) return reader_bad(r, "not exchange, condition, suspicious after the sizes");
  if (quote->bid.nanos < 0 || quote->ask.nanos < 0) return reader_bad(r, "a price is negative");
  if (quote->bid.nanos == 0 && quote->ask.nanos == 0) return reader_bad(r, "neither side has a price");
  if (l->asset->asset == ASSET_EQUITY) lean_merge(l, quote, tick.flags & HADRON_TICK_SUSPICIOUS);
  tick.recv_ns = tick.event_ns;
  return reader_push(r, &tick) ? HADRON_OK : reader_bad(r, "no memory for its tick");
}

static int32_t lean_next_entry(struct reader *r, struct lean *l) {
  int32_t result = source_next_entry(&r->source);
  if (!result) result = lean_entry(r, l);
  if (!result && l->resolution < LEAN_HOUR) result = lean_listing(r, l, l->day);
  return result;
}

static int32_t lean_row(struct reader *r) {
  struct lean *l = r->state;
  struct scan s;
  size_t size;
  int32_t result = source_line(&r->source, &s.at, &size);
  if (result == HADRON_ERR_END) return lean_next_entry(r, l);
  if (result && result != HADRON_ERR_RANGE) return result;
  r->counts.rows++;
  if (result) return reader_bad(r, "the line is longer than 1 MiB");
  s.end = s.at + size;
  if (l->resolution != LEAN_TICK) return lean_row_bar(r, l, &s);
  return l->quote ? lean_row_quote(r, l, &s) : lean_row_trade(r, l, &s);
}

static void lean_close(struct reader *r) { free(r->state); }

const struct format format_lean = {"lean", "LEAN zips: equity, forex, crypto; tick to daily", false, lean_sniff, lean_open, lean_row, lean_close};
