#include "adjust.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 4096u // of a factor or map file: one event a week for eighty years
#define FACTOR_MAX INT64_C(1000000000000000) // a million: products of two fit 128 bits, sums of two 64
#define MAP_FILES_MAX 65536u

static const struct zone new_york = {true, 0};

struct factor_row {
  int64_t day;
  int64_t price, split, close; // 1e-9
  int64_t split_error;         // half a unit of the last printed digit, 1e-9 x 2
};

void fraction_simplest(int64_t low_n, int64_t low_d, int64_t high_n, int64_t high_d, int64_t *p, int64_t *q) {
  int64_t whole = low_n / low_d;
  if (whole * low_d == low_n && whole > 0) {
    *p = whole;
    *q = 1;
  } else if (whole < high_n / high_d) {
    *p = whole + 1;
    *q = 1;
  } else {
    // Both lie between whole and whole + 1: the rest's reciprocals are the same question with smaller numbers.
    int64_t inner_p, inner_q;
    fraction_simplest(high_d, high_n - whole * high_d, low_d, low_n - whole * low_d, &inner_p, &inner_q);
    *p = whole * inner_p + inner_q;
    *q = inner_p;
  }
}

// Half a unit of the last digit that is not zero, doubled, in 1e-9; 0 for a whole number.
static int64_t field_error(const struct scan *field) {
  const char *point = memchr(field->at, '.', (size_t)(field->end - field->at));
  const char *end = field->end;
  while (point && end > point + 1 && end[-1] == '0') end--;
  if (!point || end == point + 1) return 0;
  int64_t unit = 1000000000;
  for (const char *c = point + 1; c < end && unit > 1; c++) unit /= 10;
  return unit;
}

static bool factor_scan(struct scan *line, struct factor_row *row) {
  struct scan day, price, split, close;
  if (!scan_field(line, ',', &day) || !scan_field(line, ',', &price) || !scan_field(line, ',', &split)) return false;
  row->split_error = field_error(&split);
  row->close = 0;
  if (scan_field(line, ',', &close) && !scan_done(&close) && !scan_decimal(&close, 9, &row->close)) return false;
  return day_scan(&day, &row->day) && scan_decimal(&price, 9, &row->price) && scan_decimal(&split, 9, &row->split) &&
         row->price > 0 && row->price <= FACTOR_MAX && row->split > 0 && row->split <= FACTOR_MAX && row->close >= 0 && row->close <= FACTOR_MAX;
}

// Split between two rows: new shares per old.
static void action_split(const struct factor_row *row, const struct factor_row *next, struct hadron_adjustment *out) {
  fraction_simplest(2 * next->split - next->split_error, 2 * row->split + row->split_error, 2 * next->split + next->split_error,
                    2 * row->split - row->split_error, &out->numerator, &out->denominator);
  out->dividend.micros = 0;
}

// Dividend between two rows: close x (1 - this / next), rounded to cents.
static void action_dividend(const struct factor_row *row, const struct factor_row *next, struct hadron_adjustment *out) {
  hadron_int128 share = (hadron_int128)row->close * (next->price - row->price);
  int64_t cents = (int64_t)hadron_divide_round(share, (hadron_int128)next->price * 10000000);
  out->numerator = out->denominator = 1;
  out->dividend.micros = cents * 10000;
}

static bool adjust_grow(struct adjust **a, uint32_t *capacity) {
  if (*a && (*a)->count < *capacity) return true;
  uint32_t larger = *capacity ? 2 * *capacity : 16;
  struct adjust *bigger = realloc(*a, sizeof *bigger + larger * sizeof bigger->actions[0]);
  if (!bigger) return false;
  if (!*a) bigger->count = bigger->next = 0;
  *a = bigger;
  *capacity = larger;
  return true;
}

static bool adjust_between(struct adjust **a, uint32_t *capacity, enum adjust_mode mode, const struct factor_row *row,
                           const struct factor_row *next) {
  for (int dividend = 0; dividend < 2; dividend++) {
    bool changed = dividend ? row->price != next->price && mode == ADJUST_FULL && row->close > 0 : row->split != next->split;
    if (!changed) continue;
    if (!adjust_grow(a, capacity)) return false;
    struct adjust_action *action = &(*a)->actions[(*a)->count];
    memset(action, 0, sizeof *action);
    action->day = row->day;
    action->due_ns = zone_utc(&new_york, row->day + 1, 0);
    if (dividend) action_dividend(row, next, &action->adjustment);
    else action_split(row, next, &action->adjustment);
    if (dividend && action->adjustment.dividend.micros == 0) continue;
    (*a)->count++;
  }
  return true;
}

static FILE *table_open(const char *dir, const char *name, char path[1200]) {
  char lower[64];
  size_t i = 0;
  for (; name[i] && i < sizeof lower - 1; i++) lower[i] = (char)tolower((unsigned char)name[i]);
  lower[i] = '\0';
  snprintf(path, 1200, "%s/%s.csv", dir, lower);
  return fopen(path, "re");
}

static struct scan line_trim(const char *line) {
  size_t size = strcspn(line, "\r\n");
  return (struct scan){line, line + size};
}

int32_t adjust_load(const char *dir, enum adjust_mode mode, const char *symbol, struct adjust **out, struct fault *fault) {
  char path[1200], line[512], where[1300];
  *out = NULL;
  if (mode == ADJUST_NONE || strchr(symbol, '/')) return HADRON_OK;
  FILE *file = table_open(dir, symbol, path);
  if (!file) return HADRON_OK;
  struct adjust *a = NULL;
  struct factor_row row, before = {0, 0, 0, 0, 0};
  uint32_t rows = 0, capacity = 0;
  int32_t result = HADRON_OK;
  while (!result && fgets(line, sizeof line, file)) {
    struct scan s = line_trim(line);
    if (scan_done(&s)) continue;
    snprintf(where, sizeof where, "%s line %u", path, rows + 1);
    if (!factor_scan(&s, &row) || (rows > 0 && row.day <= before.day) || rows >= ROWS_MAX)
      result = fault_set(fault, HADRON_ERR_CORRUPT, "cannot read the factor file", where,
                         "rising days with price factor, split factor and close", line, "restore the file or set adjust = \"none\"");
    else if (rows > 0 && !adjust_between(&a, &capacity, mode, &before, &row))
      result = fault_set(fault, HADRON_ERR_MEMORY, "cannot read the factor file", where, "memory", "none", "give the process more memory");
    before = row;
    rows++;
  }
  fclose(file);
  if (result || (a && a->count == 0)) {
    free(a);
    a = NULL;
  }
  *out = a;
  return result;
}

void adjust_skip(struct adjust *a, int64_t before_ns) {
  while (a && a->next < a->count && a->actions[a->next].due_ns <= before_ns) a->next++;
}

// Does the map file give its listing this ticker on that day? Until when?
static bool map_holds(FILE *file, const char *ticker, int64_t day, int64_t *until) {
  char line[512];
  uint32_t rows = 0;
  while (fgets(line, sizeof line, file) && rows < ROWS_MAX) {
    struct scan s = line_trim(line), day_field, name;
    int64_t last;
    if (!scan_field(&s, ',', &day_field) || !scan_field(&s, ',', &name) || !day_scan(&day_field, &last)) continue;
    bool before_first = rows++ == 0 && day < last; // the first row's day is the first of the listing
    if (before_first) return false;
    if (day > last) continue;
    *until = last;
    return (size_t)(name.end - name.at) == strlen(ticker) && strncasecmp(name.at, ticker, strlen(ticker)) == 0;
  }
  return false;
}

void map_ticker(const char *dir, const char *ticker, int64_t day, char *name, size_t size, int64_t *until) {
  char path[1200], best[64] = "";
  FILE *file = table_open(dir, ticker, path);
  bool found = file && map_holds(file, ticker, day, until);
  if (file) fclose(file);
  if (found) return;
  DIR *folder = opendir(dir);
  if (!folder) return;
  // Several listings may have had a ticker, but one a day; the least name decides where files contradict each other.
  int64_t best_until = INT64_MAX;
  uint32_t seen = 0;
  for (struct dirent *entry; (entry = readdir(folder)) && seen < MAP_FILES_MAX; seen++) {
    size_t length = strlen(entry->d_name);
    if (length < 5 || length > 60 || strcmp(entry->d_name + length - 4, ".csv") != 0) continue;
    snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
    int64_t last;
    file = fopen(path, "re");
    if (file && map_holds(file, ticker, day, &last) && (best[0] == '\0' || strncmp(entry->d_name, best, length - 4) < 0)) {
      text_copy(best, sizeof best, entry->d_name, length - 4);
      best_until = last;
    }
    if (file) fclose(file);
  }
  closedir(folder);
  *until = day; // unknown today may be known tomorrow
  if (best[0] == '\0') return;
  text_copy(name, size, best, strlen(best));
  *until = best_until;
}
