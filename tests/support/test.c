#include "support/test.h"

#include "base/clock.h"

struct hd_random test_random(void) {
  const char *text = getenv("HADRON_TEST_SEED");
  uint64_t seed = text ? strtoull(text, NULL, 0) : (uint64_t)hd_clock_wall_ns();
  fprintf(stderr, "seed: HADRON_TEST_SEED=%llu\n", (unsigned long long)seed);
  struct hd_random r;
  hd_random_init(&r, seed);
  return r;
}
