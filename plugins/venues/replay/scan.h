// Numbers out of text, fast: a cursor over one line, no locale, no allocation, no float. [any]
//
//   struct scan s = {line, line + size};
//   if (scan_unsigned(&s, &ms) && scan_byte(&s, ',') && scan_decimal(&s, 9, &price)) ...
//
// Every function returns false and leaves the cursor somewhere inside the line when the text is not what it expects.
#ifndef REPLAY_SCAN_H
#define REPLAY_SCAN_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct scan {
  const char *at, *end;
};

static inline bool scan_byte(struct scan *s, char byte) {
  if (s->at == s->end || *s->at != byte) return false;
  s->at++;
  return true;
}

static inline bool scan_done(const struct scan *s) { return s->at == s->end; }

// Digits only, at most 18 of them.
static inline bool scan_unsigned(struct scan *s, int64_t *out) {
  const char *start = s->at;
  int64_t value = 0;
  while (s->at < s->end && (unsigned)(*s->at - '0') < 10u && s->at - start < 18) value = value * 10 + (*s->at++ - '0');
  if (s->at == start || (s->at < s->end && (unsigned)(*s->at - '0') < 10u)) return false;
  *out = value;
  return true;
}

// Exactly `count` digits.
static inline bool scan_digits(struct scan *s, int count, int64_t *out) {
  int64_t value = 0;
  if (s->end - s->at < count) return false;
  for (int i = 0; i < count; i++) {
    unsigned digit = (unsigned)(s->at[i] - '0');
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  s->at += count;
  *out = value;
  return true;
}

// A decimal with sign, fraction and power of ten ("-12.34", "1e-05") in units of 10^-places. What lies beyond the last place is
// rounded half away from zero: files hold the noise of somebody's doubles ("0.34307688999999997"). scan.c.
bool scan_decimal(struct scan *s, int places, int64_t *out);

// The next field of a line: up to `separator` or the end; the cursor goes past the separator. false at the end of the line.
// A field in double quotes is given without them; quotes inside quotes are not undone.
bool scan_field(struct scan *s, char separator, struct scan *field);

static inline bool scan_is(const struct scan *field, const char *word) {
  size_t size = strlen(word);
  return (size_t)(field->end - field->at) == size && memcmp(field->at, word, size) == 0;
}

#endif
