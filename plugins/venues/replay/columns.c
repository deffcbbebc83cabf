#include "columns.h"

#include <ctype.h>
#include <stdio.h>

#include "symbols.h"

static const char *const roles[ROLES] = {"time", "date", "clock", "recv",  "symbol", "price",       "size",   "side",     "id",      "bid",        "ask", "bid_size",
                                         "ask_size", "open", "high",  "low",  "close", "volume", "is_snapshot", "action", "first_id", "last_id", "previous_id"};

// What headers of the wild call the roles; lower case. The first that is there wins.
static const struct {
  const char *name;
  enum role role;
} names[] = {
    {"timestamp", ROLE_TIME}, {"datetime", ROLE_TIME}, {"date_time", ROLE_TIME}, {"time", ROLE_TIME}, {"open_time", ROLE_TIME}, {"ts", ROLE_TIME},
    {"ts_event", ROLE_TIME}, {"event_time", ROLE_TIME}, {"transact_time", ROLE_TIME}, {"date", ROLE_DATE}, {"day", ROLE_DATE},
    {"local_timestamp", ROLE_RECV}, {"ts_recv", ROLE_RECV}, {"recv", ROLE_RECV}, {"receive_time", ROLE_RECV},
    {"symbol", ROLE_SYMBOL}, {"ticker", ROLE_SYMBOL}, {"instrument", ROLE_SYMBOL}, {"pair", ROLE_SYMBOL},
    {"price", ROLE_PRICE}, {"last", ROLE_PRICE}, {"trade_price", ROLE_PRICE},
    {"size", ROLE_SIZE}, {"amount", ROLE_SIZE}, {"qty", ROLE_SIZE}, {"quantity", ROLE_SIZE},
    {"side", ROLE_SIDE}, {"id", ROLE_ID}, {"trade_id", ROLE_ID}, {"tradeid", ROLE_ID},
    {"bid", ROLE_BID}, {"bid_price", ROLE_BID}, {"bidprice", ROLE_BID}, {"ask", ROLE_ASK}, {"ask_price", ROLE_ASK}, {"askprice", ROLE_ASK},
    {"bid_size", ROLE_BID_SIZE}, {"bid_amount", ROLE_BID_SIZE}, {"bid_qty", ROLE_BID_SIZE}, {"bidsize", ROLE_BID_SIZE},
    {"ask_size", ROLE_ASK_SIZE}, {"ask_amount", ROLE_ASK_SIZE}, {"ask_qty", ROLE_ASK_SIZE}, {"asksize", ROLE_ASK_SIZE},
    {"open", ROLE_OPEN}, {"high", ROLE_HIGH}, {"low", ROLE_LOW}, {"close", ROLE_CLOSE}, {"volume", ROLE_VOLUME}, {"vol", ROLE_VOLUME},
    {"is_snapshot", ROLE_IS_SNAPSHOT}, {"update_type", ROLE_ACTION}, {"action", ROLE_ACTION},
    {"first_update_id", ROLE_FIRST_ID}, {"last_update_id", ROLE_LAST_ID}, {"pu", ROLE_PREVIOUS_ID}};

int columns_split(const struct columns *c, struct scan line, struct scan fields[COLUMNS_MAX]) {
  int n = 0;
  struct scan field;
  while (scan_field(&line, c->separator, &field)) {
    if (n == COLUMNS_MAX) return COLUMNS_MAX + 1;
    fields[n++] = field;
  }
  return n;
}

static size_t field_lower(char *to, size_t size, const struct scan *field) {
  size_t n = 0;
  const char *at = field->at;
  while (at < field->end && *at == ' ') at++;
  for (; at < field->end && n < size - 1; at++) to[n++] = (char)tolower((unsigned char)*at);
  while (n > 0 && to[n - 1] == ' ') n--;
  to[n] = '\0';
  return n;
}

static char separator_find(struct scan first) {
  static const char candidates[] = ",;\t|";
  char best = ',';
  int most = 0;
  for (const char *s = candidates; *s; s++) {
    int count = 0;
    for (const char *at = first.at; at < first.end; at++) count += *at == *s;
    if (count > most) {
      most = count;
      best = *s;
    }
  }
  return best;
}

// "asks[12].price" and its kin.
static void level_find(struct columns *c, const char *name, int column) {
  unsigned n;
  char side[5], what[8];
  if (sscanf(name, "%4[a-z][%u].%7[a-z]", side, &n, what) != 3 || n >= LEVELS_MAX) return;
  int ask = strcmp(side, "asks") == 0, size = strcmp(what, "amount") == 0;
  if ((!ask && strcmp(side, "bids") != 0) || (!size && strcmp(what, "price") != 0)) return;
  c->level[n][ask][size] = (int16_t)column;
  if ((int)n >= c->levels) c->levels = (int)n + 1;
}

static void header_names(struct columns *c, const struct scan *fields, int count) {
  char name[64];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    for (int n = 0; n < count && c->of[names[i].role] < 0; n++) {
      field_lower(name, sizeof name, &fields[n]);
      if (strcmp(name, names[i].name) == 0) {
        c->of[names[i].role] = (int16_t)n;
        c->header = true;
      }
    }
  for (int n = 0; n < count; n++) {
    field_lower(name, sizeof name, &fields[n]);
    level_find(c, name, n);
  }
}

static int32_t map_refused(struct fault *fault, const char *path, const char *line, const char *expected) {
  char found[128];
  snprintf(found, sizeof found, "\"%.100s\"", line);
  return fault_set(fault, HADRON_ERR_PARSE, "cannot use the parameter `columns`", path, expected, found, "correct the column map");
}

static int column_named(const char *name, const struct scan *fields, int count) {
  char lower[64], wanted[64];
  const struct scan text = {name, name + strlen(name)};
  field_lower(wanted, sizeof wanted, &text);
  for (int n = 0; n < count; n++) {
    field_lower(lower, sizeof lower, &fields[n]);
    if (strcmp(lower, wanted) == 0) return n;
  }
  return -1;
}

// The settings beside the roles. false: none of them; *fine: its value was good.
static bool map_setting(struct columns *c, const char *key, const char *value, bool *fine) {
  static const struct {
    const char *name;
    int64_t number;
  } values[] = {{"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}, {"equity", ASSET_EQUITY}, {"forex", ASSET_FOREX},
                {"crypto", ASSET_CRYPTO}, {"future", ASSET_FUTURE}, {"tab", '\t'}, {"pipe", '|'}, {"comma", ','}, {"semicolon", ';'}};
  bool unit = strcmp(key, "unit") == 0, asset = strcmp(key, "asset") == 0, separator = strcmp(key, "separator") == 0;
  *fine = false;
  size_t from = unit ? 0 : asset ? 4 : 8, to = unit ? 4 : asset ? 8 : 12;
  if (unit || asset || separator) {
    for (size_t i = from; i < to; i++) {
      if (strcmp(value, values[i].name) != 0) continue;
      *fine = true;
      if (unit) c->unit_ns = values[i].number;
      else if (asset) c->asset = (uint32_t)values[i].number;
      else c->separator = (char)values[i].number;
    }
    if (separator && strlen(value) == 1 && ispunct((unsigned char)value[0])) {
      *fine = true;
      c->separator = value[0];
    }
    return true;
  }
  if (strcmp(key, "scale") == 0) {
    int places = 9;
    *fine = value[0] == '1' && strspn(value + 1, "0") == strlen(value + 1) && strlen(value) <= 10;
    c->price_places = places - (int)strlen(value) + 1;
    return true;
  }
  if (strcmp(key, "stamp") != 0) return false;
  c->stamp_end = strcmp(value, "end") == 0;
  *fine = c->stamp_end || strcmp(value, "start") == 0;
  return true;
}

static int32_t map_line(struct columns *c, char *line, const struct scan *fields, int count, bool settings, const char *path, struct fault *fault) {
  char whole[160];
  text_copy(whole, sizeof whole, line, strlen(line));
  char *value = strchr(line, '=');
  if (!value) return map_refused(fault, path, whole, "role=column");
  *value++ = '\0';
  bool fine;
  if (map_setting(c, line, value, &fine)) return fine ? HADRON_OK : map_refused(fault, path, whole, "a value as the manual lists them");
  if (settings) return HADRON_OK;
  for (int role = 0; role < ROLES; role++) {
    if (strcmp(line, roles[role]) != 0) continue;
    struct scan s = {value, value + strlen(value)};
    int64_t number;
    int column;
    if (scan_unsigned(&s, &number) && scan_done(&s)) column = number < COLUMNS_MAX ? (int)number : -1;
    else {
      column = column_named(value, fields, count);
      c->header = true;
    }
    if (column < 0) return map_refused(fault, path, whole, "the name of a column in the first line, or its number from 0");
    c->of[role] = (int16_t)column;
    return HADRON_OK;
  }
  return map_refused(fault, path, whole, "a role as the manual lists them");
}

static int32_t map_lines(struct columns *c, const char *map, const struct scan *fields, int count, bool settings, const char *path,
                         struct fault *fault) {
  char line[256];
  int32_t result = HADRON_OK;
  for (const char *at = map; *at && !result;) {
    size_t size = strcspn(at, "\n");
    text_copy(line, sizeof line, at, size);
    at += size + (at[size] == '\n');
    if (line[0]) result = map_line(c, line, fields, count, settings, path, fault);
  }
  return result;
}

static void shape_find(struct columns *c) {
  bool time = c->of[ROLE_TIME] >= 0 || c->of[ROLE_DATE] >= 0;
  bool bar = c->of[ROLE_OPEN] >= 0 && c->of[ROLE_HIGH] >= 0 && c->of[ROLE_LOW] >= 0 && c->of[ROLE_CLOSE] >= 0;
  bool price = c->of[ROLE_PRICE] >= 0 || c->of[ROLE_CLOSE] >= 0;
  bool book = c->of[ROLE_SIDE] >= 0 && c->of[ROLE_PRICE] >= 0 && c->of[ROLE_SIZE] >= 0;
  book &= c->of[ROLE_IS_SNAPSHOT] >= 0 || c->of[ROLE_ACTION] >= 0;
  c->shape = c->levels           ? SHAPE_LEVELS
             : book              ? SHAPE_BOOK
             : bar               ? SHAPE_BAR
             : c->of[ROLE_BID] >= 0 && c->of[ROLE_ASK] >= 0 ? SHAPE_QUOTE
             : price             ? SHAPE_TRADE
                                 : SHAPE_NONE;
  const char *missing = !time ? "a column of times" : c->shape == SHAPE_NONE ? "columns of prices" : "";
  text_copy(c->missing, sizeof c->missing, missing, strlen(missing));
  if (!time) c->shape = SHAPE_NONE;
  if (c->of[ROLE_PRICE] < 0) c->of[ROLE_PRICE] = c->of[ROLE_CLOSE];
  if (c->of[ROLE_SIZE] < 0) c->of[ROLE_SIZE] = c->of[ROLE_VOLUME];
}

int32_t columns_find(struct columns *c, const char *map, struct scan first, const char *path, struct fault *fault) {
  struct scan fields[COLUMNS_MAX];
  memset(c, 0, sizeof *c);
  memset(c->of, 0xff, sizeof c->of);
  memset(c->level, 0xff, sizeof c->level);
  c->separator = separator_find(first);
  c->price_places = 9;
  int32_t result = map_lines(c, map, NULL, 0, true, path, fault); // the separator, before the line is split by it
  if (result) return result;
  int count = columns_split(c, first, fields);
  if (count > COLUMNS_MAX) count = COLUMNS_MAX;
  if (map[0]) result = map_lines(c, map, fields, count, false, path, fault);
  if (result) return result;
  bool mapped = false;
  for (int role = 0; role < ROLES; role++) mapped |= c->of[role] >= 0;
  if (!mapped) header_names(c, fields, count);
  // With a date beside it a "time" is the clock of that day.
  if (c->of[ROLE_DATE] >= 0 && c->of[ROLE_TIME] >= 0 && c->of[ROLE_CLOCK] < 0) {
    c->of[ROLE_CLOCK] = c->of[ROLE_TIME];
    c->of[ROLE_TIME] = -1;
  }
  shape_find(c);
  for (int role = 0; role < ROLES; role++)
    if (c->of[role] > c->last) c->last = c->of[role];
  for (int n = 0; n < c->levels; n++)
    for (int i = 0; i < 4; i++)
      if (c->level[n][i / 2][i % 2] > c->last) c->last = c->level[n][i / 2][i % 2];
  return HADRON_OK;
}
