#include "scan.h"

#define POWER_MAX 18
static const int64_t powers[POWER_MAX + 1] = {1,
                                              10,
                                              100,
                                              1000,
                                              10000,
                                              100000,
                                              1000000,
                                              10000000,
                                              100000000,
                                              1000000000,
                                              10000000000,
                                              100000000000,
                                              1000000000000,
                                              10000000000000,
                                              100000000000000,
                                              1000000000000000,
                                              10000000000000000,
                                              100000000000000000,
                                              1000000000000000000};

static bool scan_power(struct scan *s, int *power) {
  *power = 0;
  if (s->at == s->end || (*s->at != 'e' && *s->at != 'E')) return true;
  s->at++;
  bool minus = s->at < s->end && *s->at == '-';
  if (s->at < s->end && (*s->at == '-' || *s->at == '+')) s->at++;
  int64_t value;
  if (!scan_unsigned(s, &value) || value > 60) return false;
  *power = minus ? -(int)value : (int)value;
  return true;
}

// value x 10^shift, rounded half away from zero; value >= 0.
static bool scan_shift(int64_t value, int shift, int64_t *out) {
  if (value == 0 || shift == 0) {
    *out = value;
    return true;
  }
  if (shift > 0) return shift <= POWER_MAX && !__builtin_mul_overflow(value, powers[shift], out);
  if (shift < -POWER_MAX) {
    *out = 0;
    return true;
  }
  int64_t unit = powers[-shift];
  *out = value / unit + (value % unit >= unit - value % unit ? 1 : 0);
  return true;
}

bool scan_decimal(struct scan *s, int places, int64_t *out) {
  bool minus = s->at < s->end && *s->at == '-';
  if (s->at < s->end && (*s->at == '-' || *s->at == '+')) s->at++;
  int64_t value = 0;
  int digits = 0, fraction = 0, dropped = 0;
  bool point = false, any = false;
  for (; s->at < s->end; s->at++) {
    unsigned digit = (unsigned)(*s->at - '0');
    if (digit > 9) {
      if (*s->at != '.' || point) break;
      point = true;
      continue;
    }
    any = true;
    // Eighteen digits always fit; a nineteenth cannot matter to a value that does.
    if (digits < 18) {
      value = value * 10 + digit;
      digits += value != 0;
      fraction += point;
    } else {
      dropped += !point;
    }
  }
  int power;
  if (!any || !scan_power(s, &power) || !scan_shift(value, places + power + dropped - fraction, &value)) return false;
  *out = minus ? -value : value;
  return true;
}

bool scan_field(struct scan *s, char separator, struct scan *field) {
  if (s->at > s->end) return false;
  const char *start = s->at;
  if (start < s->end && *start == '"') {
    const char *close = memchr(start + 1, '"', (size_t)(s->end - start - 1));
    if (close && (close + 1 == s->end || close[1] == separator)) {
      *field = (struct scan){start + 1, close};
      s->at = close + 2; // past the separator; past the end after the last field
      return true;
    }
  }
  const char *stop = start < s->end ? memchr(start, separator, (size_t)(s->end - start)) : NULL;
  if (!stop) stop = s->end;
  *field = (struct scan){start, stop};
  s->at = stop + 1;
  return true;
}
