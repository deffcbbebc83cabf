#include "base/text.h"

#include "base/assert.h"
#include "base/banned.h"
#include "hadron/decimal.h"

#define SECOND_NS INT64_C(1000000000)
#define DAY_S INT64_C(86400)

// Writes into a bounded buffer; counts on when it is full, so that the caller sees the length.
struct writer {
  char *to;
  size_t size, used;
};

static void put(struct writer *w, char c) {
  if (w->used + 1 < w->size) w->to[w->used] = c;
  w->used++;
}

static void put_text(struct writer *w, const char *text) {
  while (*text) put(w, *text++);
}

// At least `digits` digits, with leading zeros.
static void put_number(struct writer *w, uint64_t value, int digits) {
  char reversed[20];
  int n = 0;
  do {
    reversed[n++] = (char)('0' + value % 10);
    value /= 10;
  } while (value > 0);
  for (int i = n; i < digits; i++) put(w, '0');
  while (n > 0) put(w, reversed[--n]);
}

static size_t finish(struct writer *w) {
  size_t length = w->used < w->size ? w->used : (w->size ? w->size - 1 : 0);
  if (w->size > 0) w->to[length] = 0;
  return length;
}

static uint64_t magnitude(int64_t value) { return value < 0 ? 0 - (uint64_t)value : (uint64_t)value; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool hd_text_copy(char *to, size_t size, const char *from) {
  HD_ASSERT(size > 0);
  size_t length = strlen(from);
  bool whole = length < size;
  if (!whole) length = size - 1;
  memmove(to, from, length);
  to[length] = 0;
  return whole;
}

void hd_text_field(char *to, const char *field, size_t field_size) {
  size_t length = strnlen(field, field_size);
  memcpy(to, field, length);
  to[length] = 0;
}

// Bytes of the UTF-8 sequence at `s` that is safe to print; 0 if it is broken or a control character. C1 controls (U+0080 to
// U+009F) are commands to some terminals; the bidirectional controls turn text around.
static size_t printable_length(const unsigned char *s) {
  if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
  size_t length = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
  if (length == 0) return 0;
  uint32_t point = s[0] & (0xffu >> (length + 1));
  for (size_t i = 1; i < length; i++) {
    if ((s[i] & 0xc0) != 0x80) return 0;
    point = point << 6 | (s[i] & 0x3fu);
  }
  static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
  if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000)) return 0;
  bool turns = (point >= 0x202a && point <= 0x202e) || (point >= 0x2066 && point <= 0x2069) || point == 0x200e || point == 0x200f;
  return turns || point < 0xa0 ? 0 : length;
}

void hd_text_printable(char *text) {
  for (unsigned char *s = (unsigned char *)text; *s;) {
    size_t length = printable_length(s);
    if (length == 0) *s = '?', length = 1;
    s += length;
  }
}

size_t hd_text_distance(const char *a, const char *b) {
  size_t row[64], rows = strnlen(a, 63), columns = strnlen(b, 63);
  for (size_t j = 0; j <= columns; j++) row[j] = j;
  for (size_t i = 1; i <= rows; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= columns; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[columns];
}

// ---- decimals

size_t hd_decimal_format(char *to, size_t size, int64_t value, int64_t scale, int decimals_min) {
  HD_ASSERT(scale > 0);
  struct writer w = {to, size, 0};
  uint64_t absolute = magnitude(value), whole = absolute / (uint64_t)scale, rest = absolute % (uint64_t)scale;
  if (value < 0) put(&w, '-');
  put_number(&w, whole, 1);
  uint64_t unit = (uint64_t)scale / 10;
  for (int written = 0; unit > 0 && (rest > 0 || written < decimals_min); unit /= 10, written++) {
    if (written == 0) put(&w, '.');
    put(&w, (char)('0' + rest / unit));
    rest %= unit;
  }
  return finish(&w);
}

int32_t hd_decimal_read(const char *text, int64_t scale, int64_t *out) {
  return hadron_decimal_parse(text, strlen(text), scale, out);
}

// ---- times

struct civil {
  int64_t year;
  int month, day;
};

// The proleptic Gregorian calendar, counted in years that begin on 1 March, so that the leap day is the last of its year; an era
// is 400 of them, 146097 days, and 719468 days lie between 0000-03-01 and 1970-01-01.
static int64_t days_of(struct civil c) {
  int64_t year = c.year - (c.month <= 2);
  int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
  int64_t of_year = (153 * (c.month + (c.month > 2 ? -3 : 9)) + 2) / 5 + c.day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static struct civil civil_of(int64_t days) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097, day = days - era * 146097;
  int64_t of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
  int64_t of_year = day - (365 * of_era + of_era / 4 - of_era / 100), month = (5 * of_year + 2) / 153;
  struct civil c = {.day = (int)(of_year - (153 * month + 2) / 5 + 1), .month = (int)(month < 10 ? month + 3 : month - 9)};
  c.year = of_era + era * 400 + (c.month <= 2);
  return c;
}

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

size_t hd_time_format(char *to, size_t size, int64_t ns, int digits) {
  HD_ASSERT(digits >= 0 && digits <= 9);
  struct writer w = {to, size, 0};
  int64_t seconds = floor_divide(ns, SECOND_NS), day = floor_divide(seconds, DAY_S);
  // The whole second below the earliest time does not fit in 64 bits signed; the difference does.
  uint64_t fraction = (uint64_t)ns - (uint64_t)seconds * (uint64_t)SECOND_NS, of_day = (uint64_t)(seconds - day * DAY_S);
  struct civil c = civil_of(day);
  put_number(&w, (uint64_t)c.year, 4);
  put(&w, '-'), put_number(&w, (uint64_t)c.month, 2);
  put(&w, '-'), put_number(&w, (uint64_t)c.day, 2);
  put(&w, 'T'), put_number(&w, of_day / 3600, 2);
  put(&w, ':'), put_number(&w, of_day / 60 % 60, 2);
  put(&w, ':'), put_number(&w, of_day % 60, 2);
  if (digits > 0) {
    for (int i = digits; i < 9; i++) fraction /= 10;
    put(&w, '.'), put_number(&w, fraction, digits);
  }
  put(&w, 'Z');
  return finish(&w);
}

// Reads exactly `digits` digits.
static bool take_digits(const char **p, int digits, int *out) {
  int value = 0;
  for (int i = 0; i < digits; i++) {
    if (!is_digit((*p)[i])) return false;
    value = value * 10 + ((*p)[i] - '0');
  }
  *p += digits;
  *out = value;
  return true;
}

static bool take(const char **p, char c) {
  if (**p != c) return false;
  (*p)++;
  return true;
}

static int days_in_month(int year, int month) {
  static const int days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return days[month - 1] + (month == 2 && leap);
}

// ":14.123456789" behind hours and minutes; both parts may be missing.
static bool take_seconds(const char **p, int *seconds, int64_t *fraction) {
  if (!take(p, ':')) return true;
  if (!take_digits(p, 2, seconds) || *seconds > 59) return false;
  if (!take(p, '.')) return true;
  int64_t unit = SECOND_NS / 10;
  if (!is_digit(**p)) return false;
  for (; is_digit(**p); (*p)++, unit /= 10) {
    if (unit == 0 && **p != '0') return false; // finer than a nanosecond
    *fraction += unit * (**p - '0');
  }
  return true;
}

// "Z", "+hh:mm", "-hhmm" or nothing.
static bool take_zone(const char **p, int *minutes) {
  if (**p == 0 || take(p, 'Z')) return true;
  int sign = **p == '-' ? -1 : 1, hh, mm;
  if (!take(p, '+') && !take(p, '-')) return false;
  if (!take_digits(p, 2, &hh)) return false;
  take(p, ':');
  if (!take_digits(p, 2, &mm) || hh > 14 || mm > 59) return false;
  *minutes = sign * (hh * 60 + mm);
  return true;
}

static int32_t parse_civil(const char *p, int64_t *ns) {
  int year, month, day, hour = 0, minute = 0, second = 0, zone = 0;
  int64_t fraction = 0;
  if (!take_digits(&p, 4, &year) || !take(&p, '-') || !take_digits(&p, 2, &month) || !take(&p, '-') || !take_digits(&p, 2, &day))
    return HADRON_ERR_PARSE;
  if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return HADRON_ERR_PARSE;
  if (*p != 0) {
    if (!take(&p, 'T') && !take(&p, ' ')) return HADRON_ERR_PARSE;
    if (!take_digits(&p, 2, &hour) || !take(&p, ':') || !take_digits(&p, 2, &minute) || hour > 23 || minute > 59) return HADRON_ERR_PARSE;
    if (!take_seconds(&p, &second, &fraction) || !take_zone(&p, &zone) || *p != 0) return HADRON_ERR_PARSE;
  }
  int64_t days = days_of((struct civil){year, month, day});
  int64_t seconds = days * DAY_S + hour * 3600 + minute * 60 + second - zone * 60;
  return hadron_narrow((hadron_int128)seconds * SECOND_NS + fraction, ns);
}

// Seconds of the years 1653 to 2286 have at most ten digits; ms thirteen, us sixteen, ns nineteen.
static int32_t parse_epoch(const char *text, int64_t *ns) {
  static const struct {
    uint64_t below;
    int64_t unit;
  } magnitudes[] = {{UINT64_C(100000000000), SECOND_NS}, {UINT64_C(100000000000000), 1000000}, {UINT64_C(100000000000000000), 1000}, {UINT64_MAX, 1}};
  int64_t value;
  int32_t err = hd_decimal_read(text, 1, &value);
  if (err) return err;
  size_t i = 0;
  while (magnitude(value) >= magnitudes[i].below) i++;
  return hadron_narrow((hadron_int128)value * magnitudes[i].unit, ns);
}

int32_t hd_time_parse(const char *text, int64_t *ns) {
  const char *p = text;
  if (*p == '-') p++;
  if (!is_digit(*p)) return HADRON_ERR_PARSE;
  while (is_digit(*p)) p++;
  return *p == 0 ? parse_epoch(text, ns) : parse_civil(text, ns);
}

// Longest first where one begins another.
static const struct {
  const char *name;
  int64_t ns;
} duration_units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", SECOND_NS}, {"m", 60 * SECOND_NS}, {"h", 3600 * SECOND_NS}, {"d", DAY_S * SECOND_NS}};

static int64_t take_unit(const char **p) {
  for (size_t i = 0; i < sizeof duration_units / sizeof *duration_units; i++) {
    size_t size = strlen(duration_units[i].name);
    if (strncmp(*p, duration_units[i].name, size) != 0) continue;
    *p += size;
    return duration_units[i].ns;
  }
  return 0;
}

int32_t hd_duration_parse(const char *text, int64_t *ns) {
  int64_t total = 0;
  const char *p = text;
  if (strcmp(text, "0") == 0) return *ns = 0, HADRON_OK; // the one number that needs no unit
  if (*p == 0) return HADRON_ERR_PARSE;
  while (*p) {
    int64_t value = 0;
    if (!is_digit(*p)) return HADRON_ERR_PARSE;
    for (; is_digit(*p); p++)
      if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p - '0', &value)) return HADRON_ERR_OVERFLOW;
    int64_t unit = take_unit(&p);
    if (unit == 0) return HADRON_ERR_PARSE;
    if (__builtin_mul_overflow(value, unit, &value) || __builtin_add_overflow(total, value, &total)) return HADRON_ERR_OVERFLOW;
  }
  *ns = total;
  return HADRON_OK;
}

// ---- for people

// value / unit with three significant digits. False if that rounds up to `limit` units or more: the next unit is for it.
static bool put_three(struct writer *w, uint64_t value, uint64_t unit, uint64_t limit) {
  static const uint64_t scales[] = {100, 10, 1};
  for (int decimals = 2; decimals >= 0; decimals--) {
    uint64_t scale = scales[2 - decimals];
    uint64_t scaled = (uint64_t)(((unsigned __int128)value * scale + unit / 2) / unit);
    if (decimals > 0 && scaled >= 1000) continue;
    if (scaled >= limit * scale) return false;
    put_number(w, scaled / scale, 1);
    if (decimals > 0) put(w, '.'), put_number(w, scaled % scale, decimals);
    return true;
  }
  return false;
}

static void put_two_units(struct writer *w, uint64_t ns) {
  static const struct {
    uint64_t seconds, below;
    char name, rest_name;
    uint64_t rest;
  } rows[] = {{60, 3600, 'm', 's', 1}, {3600, 86400, 'h', 'm', 60}, {86400, UINT64_MAX, 'd', 'h', 3600}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    uint64_t unit = rows[i].rest * (uint64_t)SECOND_NS, rounded = (ns + unit / 2) / unit * rows[i].rest;
    if (rounded >= rows[i].below) continue;
    put_number(w, rounded / rows[i].seconds, 1);
    put(w, rows[i].name), put(w, ' ');
    put_number(w, rounded % rows[i].seconds / rows[i].rest, 1);
    put(w, rows[i].rest_name);
    return;
  }
}

size_t hd_duration_format(char *to, size_t size, int64_t ns) {
  static const struct {
    const char *name;
    uint64_t unit, limit;
  } rows[] = {{" us", 1000, 1000}, {" ms", 1000000, 1000}, {" s", (uint64_t)SECOND_NS, 60}};
  struct writer w = {to, size, 0};
  uint64_t absolute = magnitude(ns);
  if (ns < 0) put(&w, '-');
  if (absolute < 1000) {
    put_number(&w, absolute, 1);
    put_text(&w, " ns");
    return finish(&w);
  }
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (put_three(&w, absolute, rows[i].unit, rows[i].limit)) {
      put_text(&w, rows[i].name);
      return finish(&w);
    }
  put_two_units(&w, absolute);
  return finish(&w);
}

size_t hd_count_format(char *to, size_t size, uint64_t count) {
  struct writer w = {to, size, 0};
  uint64_t unit = 1;
  while (count / unit >= 1000) unit *= 1000;
  put_number(&w, count / unit, 1);
  for (unit /= 1000; unit > 0; unit /= 1000) put(&w, ','), put_number(&w, count / unit % 1000, 3);
  return finish(&w);
}

size_t hd_rate_format(char *to, size_t size, double per_second) {
  static const char *const names[] = {"", " k", " M", " G", " T"};
  struct writer w = {to, size, 0};
  if (!(per_second > 0)) per_second = 0;
  if (per_second > 999e12) per_second = 999e12;
  // In thousandths, so that small rates keep their digits.
  uint64_t thousandths = (uint64_t)(per_second * 1000 + 0.5), unit = 1000;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++, unit *= 1000)
    if (put_three(&w, thousandths, unit, 1000)) {
      put_text(&w, names[i]);
      break;
    }
  return finish(&w);
}

// ---- hex and names

void hd_hex_format(char *to, const void *bytes, size_t size) {
  static const char digits[] = "0123456789abcdef";
  const uint8_t *p = bytes;
  for (size_t i = 0; i < size; i++) {
    to[2 * i] = digits[p[i] >> 4];
    to[2 * i + 1] = digits[p[i] & 15];
  }
  to[2 * size] = 0;
}

static int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool hd_hex_parse(void *to, const char *text, size_t size) {
  if (strnlen(text, 2 * size + 1) != 2 * size) return false;
  for (size_t i = 0; i < 2 * size; i++)
    if (hex_digit(text[i]) < 0) return false;
  uint8_t *p = to;
  for (size_t i = 0; i < size; i++) p[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
  return true;
}

bool hd_name_valid(const char *name) {
  size_t length = strnlen(name, HADRON_NAME_SIZE);
  if (length == 0 || length >= HADRON_NAME_SIZE) return false;
  for (const char *c = name; *c; c++)
    if (!(is_digit(*c) || (*c >= 'a' && *c <= 'z') || *c == '_' || *c == '-')) return false;
  return true;
}

uint32_t hd_choice_parse(const char *choices, const char *text) {
  uint32_t number = 1;
  for (const char *at = choices; *at; number++) {
    size_t length = strcspn(at, " ");
    if (length == strlen(text) && memcmp(at, text, length) == 0) return number;
    at += length + (at[length] == ' ');
  }
  return 0;
}

size_t hd_choice_format(char *to, size_t size, const char *choices, uint32_t number) {
  for (const char *at = choices; *at;) {
    size_t length = strcspn(at, " ");
    if (--number == 0) return (size_t)snprintf(to, size, "%.*s", (int)length, at);
    at += length + (at[length] == ' ');
  }
  return (size_t)snprintf(to, size, "invalid");
}
