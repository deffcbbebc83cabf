// Promise: the short ways of the SDK's exact arithmetic give what the definition in 128 bits gives, for every operand: at the edges,
// around halves, and for random numbers of every width.
#include "support/test.h"

#include "hadron/allocator.h"
#include "hadron/decimal.h"

static hadron_int128 rounded(hadron_int128 num, hadron_int128 den) {
  hadron_int128 half = den / 2;
  return num >= 0 ? (num + half) / den : -((-num + half) / den);
}

__extension__ typedef unsigned __int128 unsigned_wide;

// A random number of up to `bits` bits, of either sign.
static hadron_int128 wide(struct hd_random *r, uint32_t bits) {
  unsigned_wide x = (unsigned_wide)hd_random_next(r) << 64 | hd_random_next(r);
  uint32_t keep = 1 + (uint32_t)hd_random_below(r, bits);
  hadron_int128 n = (hadron_int128)(x >> (128 - keep));
  return hd_random_next(r) & 1 ? -n : n;
}

static void quotients(void **state) {
  struct hd_random r = test_random();
  (void)state;
  for (int i = 0; i < 1000000; i++) {
    hadron_int128 den = wide(&r, i & 1 ? 63 : 100), num = wide(&r, i & 2 ? 63 : 120);
    den = den < 0 ? -den : den ? den : 1;
    assert_true(hadron_divide_round(num, den) == rounded(num, den));
  }
  const int64_t edges[] = {INT64_MIN, INT64_MIN + 1, -3, -2, -1, 0, 1, 2, 3, INT64_MAX - 1, INT64_MAX};
  for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
    for (size_t k = 6; k < sizeof edges / sizeof *edges; k++) assert_true(hadron_divide_round(edges[i], edges[k]) == rounded(edges[i], edges[k]));
}

static void quanta(void **state) {
  struct hd_random r = test_random();
  const hadron_int128 one = (hadron_int128)HADRON_QUANTITY_SCALE * (HADRON_PRICE_SCALE / HADRON_MONEY_SCALE);
  (void)state;
  for (int i = 0; i < 1000000; i++) {
    hadron_int128 num = wide(&r, 126);
    assert_true(hadron_divide_quanta(num) == rounded(num, one));
    hadron_int128 half = num / one * one + one / 2; // and what lies around a half
    for (int k = -1; k <= 1; k++) assert_true(hadron_divide_quanta(half + k) == rounded(half + k, one));
  }
}

static void weights(void **state) {
  struct hd_random r = test_random();
  (void)state;
  for (int i = 0; i < 1000000; i++) {
    int64_t quantity = (int64_t)wide(&r, 63), ppm = (int64_t)hd_random_below(&r, i & 1 ? 3000000 : UINT64_C(1000000000000)), lot = 1 + (int64_t)hd_random_below(&r, i & 2 ? 1 : 1000000000);
    hadron_int128 weighed = (hadron_int128)quantity * (int64_t)((double)ppm / 1e6 * 1e6 + 0.5) / 1000000;
    if (weighed > INT64_MAX) weighed = INT64_MAX;
    if (weighed < -INT64_MAX) weighed = -INT64_MAX;
    assert_true(hadron_weigh(quantity, (double)ppm / 1e6, lot) == (int64_t)(weighed - weighed % lot));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(quotients), cmocka_unit_test(quanta), cmocka_unit_test(weights)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
