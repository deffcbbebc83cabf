// Hadron SDK: exact arithmetic on prices, quantities and money. Products go through 128 bits; an overflow is an error and
// leaves the result untouched. No function here allocates, locks or reads a clock. [any]
#ifndef HADRON_DECIMAL_H
#define HADRON_DECIMAL_H

#include <stdbool.h>

#include "hadron/error.h"
#include "hadron/types.h"

__extension__ typedef __int128 hadron_int128;

// Rounded half away from zero. den > 0.
static inline hadron_int128 hadron_divide_round(hadron_int128 num, hadron_int128 den) {
  if (num == (int64_t)num && den == (int64_t)den) { // one instruction instead of a call
    int64_t quotient = (int64_t)num / (int64_t)den, rest = (int64_t)num % (int64_t)den;
    uint64_t left = rest < 0 ? 0 - (uint64_t)rest : (uint64_t)rest, half = (uint64_t)den / 2;
    return (hadron_int128)quotient + (left + half >= (uint64_t)den ? (num < 0 ? -1 : 1) : 0);
  }
  hadron_int128 half = den / 2;
  return num >= 0 ? (num + half) / den : -((-num + half) / den);
}

// A price in 1e-9 times a quantity in 1e-8 in 1e-6 of money: num / 1e11, rounded half away from zero.
static inline hadron_int128 hadron_divide_quanta(hadron_int128 num) {
  // 1e11 is 2^11 times 5^11: after the shift almost all amounts are 64 bits wide, and a division by a constant is a multiplication.
  __extension__ typedef unsigned __int128 wide;
  const uint64_t fives = 48828125;
  wide size = (num < 0 ? -(wide)num : (wide)num) + 50000000000u;
  wide shifted = size >> 11;
  hadron_int128 quotient = shifted == (uint64_t)shifted ? (hadron_int128)((uint64_t)shifted / fives) : (hadron_int128)(shifted / fives);
  return num < 0 ? -quotient : quotient;
}

static inline int32_t hadron_narrow(hadron_int128 wide, int64_t *out) {
  if (wide > INT64_MAX || wide < INT64_MIN) return HADRON_ERR_OVERFLOW;
  *out = (int64_t)wide;
  return HADRON_OK;
}

// out = price x quantity x multiplier (contract size, 1e-8 units, > 0), rounded to 1e-6 half away from zero, once.
static inline int32_t hadron_notional(struct hadron_price price, struct hadron_quantity quantity,
                                      struct hadron_quantity multiplier, struct hadron_money *out) {
  hadron_int128 product = (hadron_int128)price.nanos * quantity.e8;     // at most 2^126
  if (multiplier.e8 != HADRON_QUANTITY_SCALE) {
    // Whole units and the rest are scaled apart, as price x quantity x multiplier could pass 2^127. The digits cut off here are
    // below those that decide the rounding: half of the last divisor is a whole number.
    const hadron_int128 bound = ((hadron_int128)1 << 125) / (multiplier.e8 > 0 ? multiplier.e8 : 1);
    hadron_int128 whole = product / HADRON_QUANTITY_SCALE, rest = product % HADRON_QUANTITY_SCALE;
    if (multiplier.e8 <= 0) return HADRON_ERR_ARGUMENT;
    if (whole > bound || whole < -bound) return HADRON_ERR_OVERFLOW;
    product = whole * multiplier.e8 + rest * multiplier.e8 / HADRON_QUANTITY_SCALE;
  }
  return hadron_narrow(hadron_divide_quanta(product), &out->micros);
}

static inline int32_t hadron_money_add(struct hadron_money a, struct hadron_money b, struct hadron_money *out) {
  int64_t sum;
  if (__builtin_add_overflow(a.micros, b.micros, &sum)) return HADRON_ERR_OVERFLOW;
  out->micros = sum;
  return HADRON_OK;
}

static inline int32_t hadron_quantity_add(struct hadron_quantity a, struct hadron_quantity b, struct hadron_quantity *out) {
  int64_t sum;
  if (__builtin_add_overflow(a.e8, b.e8, &sum)) return HADRON_ERR_OVERFLOW;
  out->e8 = sum;
  return HADRON_OK;
}

// For statistics and signals only; never back into an order's price or size.
static inline double hadron_price_double(struct hadron_price p) { return (double)p.nanos / (double)HADRON_PRICE_SCALE; }
static inline double hadron_quantity_double(struct hadron_quantity q) { return (double)q.e8 / (double)HADRON_QUANTITY_SCALE; }
static inline double hadron_money_double(struct hadron_money m) { return (double)m.micros / (double)HADRON_MONEY_SCALE; }

// Parses a decimal text ("-12.3400", "1e-5" is refused) of exactly `size` bytes into units of 1/scale, scale a power of ten.
// @err HADRON_ERR_PARSE    not a decimal number, or more digits than the scale holds that are not zero
// @err HADRON_ERR_OVERFLOW does not fit
static inline int32_t hadron_decimal_parse(const char *text, size_t size, int64_t scale, int64_t *out) {
  size_t i = 0;
  bool minus = false, digits = false;
  if (size > 0 && (text[0] == '-' || text[0] == '+')) minus = text[i++] == '-';
  int64_t value = 0;
  for (; i < size && text[i] >= '0' && text[i] <= '9'; i++, digits = true)
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, text[i] - '0', &value))
      return HADRON_ERR_OVERFLOW;
  if (__builtin_mul_overflow(value, scale, &value)) return HADRON_ERR_OVERFLOW;
  if (i < size && text[i] == '.') {
    int64_t unit = scale / 10;
    for (i++; i < size && text[i] >= '0' && text[i] <= '9'; i++, unit /= 10, digits = true) {
      if (unit == 0 && text[i] != '0') return HADRON_ERR_PARSE;
      if (__builtin_add_overflow(value, unit * (text[i] - '0'), &value)) return HADRON_ERR_OVERFLOW;
    }
  }
  if (!digits || i != size) return HADRON_ERR_PARSE;
  *out = minus ? -value : value;
  return HADRON_OK;
}

#endif
