#include "calendar.h"

#include <stddef.h>

// Civil calendar by eras of 400 years, which begin in March so that the leap day comes last.
static int64_t days_of(int64_t y, int64_t m, int64_t d) {
  y -= m <= 2;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t year_of_era = y - era * 400;
  int64_t day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

void day_to_date(int64_t days, int *year, int *month, int *day) {
  days += 719468;
  int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  int64_t day_of_era = days - era * 146097;
  int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t m = (5 * day_of_year + 2) / 153;
  *day = (int)(day_of_year - (153 * m + 2) / 5 + 1);
  *month = (int)(m < 10 ? m + 3 : m - 9);
  *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

bool day_from_date(int64_t year, int64_t month, int64_t day, int64_t *out) {
  if (year < 1900 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31) return false;
  int64_t days = days_of(year, month, day);
  int y, m, d;
  day_to_date(days, &y, &m, &d);
  if (m != month) return false; // 31 February has rolled over
  *out = days;
  return true;
}

bool day_scan(struct scan *s, int64_t *out) {
  int64_t y, m, d;
  return scan_digits(s, 4, &y) && scan_digits(s, 2, &m) && scan_digits(s, 2, &d) && day_from_date(y, m, d, out);
}

static int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

// Day of the nth Sunday of a month; the last if n is 0.
static int64_t sunday(int year, int month, int n) {
  if (n == 0) {
    int64_t last = days_of(month == 12 ? year + 1 : year, month == 12 ? 1 : month + 1, 1) - 1;
    return last - ((last + 4) % 7 + 7) % 7; // 1970-01-01 was a Thursday: (days + 4) % 7 is 0 on Sundays
  }
  int64_t first = days_of(year, month, 1);
  return first + (7 - ((first + 4) % 7 + 7) % 7) % 7 + 7 * (n - 1);
}

// The days on which daylight saving begins and ends in New York, at 02:00 of the wall clock.
static void daylight_of(int year, int64_t *begin, int64_t *end) {
  if (year >= 2007) {
    *begin = sunday(year, 3, 2);
    *end = sunday(year, 11, 1);
    return;
  }
  *end = sunday(year, 10, 0);
  if (year >= 1987) *begin = sunday(year, 4, 1);
  else if (year == 1974) *begin = days_of(1974, 1, 6);
  else if (year == 1975) *begin = days_of(1975, 2, 23);
  else *begin = sunday(year, 4, 0);
}

int64_t zone_utc(const struct zone *zone, int64_t days, int64_t ns_of_day) {
  int64_t local = days * DAY_NS + ns_of_day;
  if (!zone->new_york) return local - zone->offset_ns;
  int year, month, day;
  int64_t begin, end;
  day_to_date(floor_divide(local, DAY_NS), &year, &month, &day);
  daylight_of(year, &begin, &end);
  bool daylight = local >= begin * DAY_NS + 2 * HOUR_NS && local < end * DAY_NS + 2 * HOUR_NS;
  // 02:00..03:00 of the first day does not exist: read as standard time it is 03:00..04:00 of the new clock.
  if (daylight && local < begin * DAY_NS + 3 * HOUR_NS) daylight = false;
  return local + (daylight ? 4 : 5) * HOUR_NS;
}

int64_t zone_local(const struct zone *zone, int64_t utc_ns) {
  if (!zone->new_york) return utc_ns + zone->offset_ns;
  int year, month, day;
  int64_t begin, end, standard = utc_ns - 5 * HOUR_NS;
  day_to_date(floor_divide(standard, DAY_NS), &year, &month, &day);
  daylight_of(year, &begin, &end);
  bool daylight = standard >= begin * DAY_NS + 2 * HOUR_NS && standard < end * DAY_NS + HOUR_NS;
  return standard + (daylight ? HOUR_NS : 0);
}

// "+09:00", "-0500", "+09", "Z".
static bool offset_scan(struct scan *s, int64_t *offset_ns) {
  if (scan_byte(s, 'Z')) {
    *offset_ns = 0;
    return true;
  }
  bool minus = s->at < s->end && *s->at == '-';
  if (!scan_byte(s, '-') && !scan_byte(s, '+')) return false;
  int64_t hours, minutes = 0;
  if (!scan_digits(s, 2, &hours) || hours > 14) return false;
  scan_byte(s, ':');
  if (s->at < s->end && (!scan_digits(s, 2, &minutes) || minutes > 59)) return false;
  *offset_ns = (minus ? -1 : 1) * (hours * HOUR_NS + minutes * MINUTE_NS);
  return true;
}

bool zone_parse(const char *text, struct zone *zone) {
  struct scan s = {text, text + strlen(text)};
  *zone = (struct zone){false, 0};
  if (scan_done(&s) || scan_is(&s, "UTC") || scan_is(&s, "Etc/UTC")) return true;
  if (scan_is(&s, "America/New_York") || scan_is(&s, "New York")) {
    zone->new_york = true;
    return true;
  }
  return offset_scan(&s, &zone->offset_ns) && scan_done(&s);
}

static bool fraction_scan(struct scan *s, int64_t *ns) {
  int64_t unit = SECOND_NS / 10;
  bool any = false;
  *ns = 0;
  for (; s->at < s->end && (unsigned)(*s->at - '0') < 10u; s->at++, unit /= 10, any = true) *ns += unit * (*s->at - '0');
  return any;
}

// "HH:MM[:SS[.fraction]]".
static bool clock_scan(struct scan *s, int64_t *ns_of_day) {
  int64_t hours, minutes, seconds = 0, fraction = 0;
  if (!scan_digits(s, 2, &hours) || !scan_byte(s, ':') || !scan_digits(s, 2, &minutes)) return false;
  if (scan_byte(s, ':')) {
    if (!scan_digits(s, 2, &seconds)) return false;
    if ((scan_byte(s, '.') || scan_byte(s, ',')) && !fraction_scan(s, &fraction)) return false;
  }
  if (hours > 23 || minutes > 59 || seconds > 60) return false;
  *ns_of_day = hours * HOUR_NS + minutes * MINUTE_NS + seconds * SECOND_NS + fraction;
  return true;
}

static bool epoch_scan(const struct scan *field, int64_t unit_ns, int64_t *ns) {
  struct scan s = *field;
  int64_t value;
  if (!scan_decimal(&s, 0, &value) || !scan_done(&s)) return false;
  if (unit_ns == 0) { // seconds from 1973 until the year 5138, ms, us, ns; what is less is no time but some other number
    int64_t size = value < 0 ? -value : value;
    if (size < 100000000) return false;
    unit_ns = size < INT64_C(100000000000) ? SECOND_NS : size < INT64_C(100000000000000) ? 1000000
            : size < INT64_C(100000000000000000)                                         ? 1000
                                                                                         : 1;
  }
  // A fraction of a second counts too: "1583020803.145".
  s = *field;
  int places = unit_ns == SECOND_NS ? 9 : unit_ns == 1000000 ? 6 : unit_ns == 1000 ? 3 : 0;
  return scan_decimal(&s, places, ns) && scan_done(&s);
}

static bool month_scan(struct scan *s, int64_t *month) {
  static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (s->end - s->at < 3) return false;
  for (int i = 0; i < 12; i++)
    if (memcmp(s->at, names + 3 * i, 3) == 0) {
      *month = i + 1;
      s->at += 3;
      return true;
    }
  return false;
}

static bool date_scan(struct scan *s, int64_t *days) {
  int64_t y, m, d;
  if (month_scan(s, &m)) // "Jan 1 2000"
    return scan_byte(s, ' ') && scan_unsigned(s, &d) && scan_byte(s, ' ') && scan_digits(s, 4, &y) &&
           day_from_date(y, m, d, days);
  if (!scan_digits(s, 4, &y)) return false;
  char separator = s->at < s->end ? *s->at : '\0';
  bool separated = separator == '-' || separator == '/' || separator == '.';
  if (separated) s->at++;
  if (!scan_digits(s, 2, &m) || (separated && !scan_byte(s, separator)) || !scan_digits(s, 2, &d)) return false;
  return day_from_date(y, m, d, days);
}

bool time_scan(const struct scan *field, const struct zone *zone, int64_t unit_ns, int64_t *ns) {
  struct scan s = *field;
  while (s.at < s.end && *s.at == ' ') s.at++;
  while (s.at < s.end && s.end[-1] == ' ') s.end--;
  struct scan number = s;
  int64_t days, ns_of_day = 0, offset;
  if (unit_ns != 0) return epoch_scan(&number, unit_ns, ns);
  bool plain = s.end - s.at != 8; // eight digits are a day
  for (const char *c = s.at; c < s.end; c++) plain &= (*c >= '0' && *c <= '9') || *c == '.' || (*c == '-' && c == s.at);
  if (plain && !(s.end - s.at == 10 && s.at[4] == '.')) return epoch_scan(&number, 0, ns);
  if (!date_scan(&s, &days)) return false;
  if (s.at < s.end && (*s.at == ' ' || *s.at == 'T' || *s.at == 't')) {
    s.at++;
    if (!clock_scan(&s, &ns_of_day)) return false;
    if (scan_done(&s)) {
      *ns = zone_utc(zone, days, ns_of_day);
      return true;
    }
    if (!offset_scan(&s, &offset) || !scan_done(&s)) return false;
    *ns = days * DAY_NS + ns_of_day - offset;
    return true;
  }
  if (!scan_done(&s)) return false;
  *ns = zone_utc(zone, days, 0);
  return true;
}
