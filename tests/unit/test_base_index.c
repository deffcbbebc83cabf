// Promise: an index finds every row that is in it and none that is not, whatever is added and removed, also where hashes collide and
// runs wrap around the table's end. A plain list of rows says what is right.
#include "support/test.h"

#include "base/index.h"

#define ROWS 200u

struct table {
  struct hd_index index;
  uint32_t hashes[ROWS + 1];
  bool in[ROWS + 1];
};

static uint32_t found(const struct table *t, uint32_t row) {
  uint32_t hash = t->hashes[row], times = 0;
  for (uint32_t at = hash, found_row; (found_row = hd_index_next(&t->index, hash, &at)) != 0;) {
    assert_int_equal(t->hashes[found_row], hash);
    assert_true(t->in[found_row]);
    times += found_row == row;
  }
  return times;
}

// `spread`: how many different hashes there are; few make long runs. Their high bits put the runs around the end of the table.
static void against_a_list(uint32_t spread) {
  struct hd_random r = test_random();
  struct table t = {.hashes = {0}};
  assert_int_equal(hd_index_init(&t.index, ROWS), HADRON_OK);
  for (uint32_t step = 0; step < 20000; step++) {
    uint32_t row = 1 + (uint32_t)hd_random_below(&r, ROWS);
    if (t.in[row]) {
      assert_true(hd_index_remove(&t.index, t.hashes[row], row));
      t.in[row] = false;
      assert_false(hd_index_remove(&t.index, t.hashes[row], row));
    } else {
      t.hashes[row] = t.index.mask - 2 + (uint32_t)hd_random_below(&r, spread) * 3;
      hd_index_add(&t.index, t.hashes[row], row);
      t.in[row] = true;
    }
    if (step % 64 == 0)
      for (uint32_t i = 1; i <= ROWS; i++) assert_int_equal(found(&t, i), t.in[i]);
  }
  hd_index_fini(&t.index);
}

static void few_hashes(void **state) { (void)state, against_a_list(7); }
static void many_hashes(void **state) { (void)state, against_a_list(100000); }

static void full(void **state) {
  struct table t = {.hashes = {0}};
  (void)state;
  assert_int_equal(hd_index_init(&t.index, ROWS), HADRON_OK);
  for (uint32_t i = 1; i <= ROWS; i++) {
    t.hashes[i] = hd_index_hash(&i, sizeof i);
    t.in[i] = true;
    hd_index_add(&t.index, t.hashes[i], i);
  }
  for (uint32_t i = 1; i <= ROWS; i++) assert_int_equal(found(&t, i), 1);
  hd_index_fini(&t.index);
}

// Every byte of a key counts, whatever its size.
static void hashes_of_keys(void **state) {
  unsigned char key[48] = {0};
  (void)state;
  for (size_t size = 1; size <= sizeof key; size++)
    for (size_t i = 0; i < size; i++) {
      uint32_t before = hd_index_hash(key, size);
      key[i] ^= 1;
      assert_int_not_equal(hd_index_hash(key, size), before);
      key[i] ^= 1;
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(few_hashes), cmocka_unit_test(many_hashes), cmocka_unit_test(full),
                                     cmocka_unit_test(hashes_of_keys)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
