// Promise: CRC-32C and SHA-256 give the published answers, and the processor's path and the portable path agree on every input.
#include "support/test.h"

#include "base/hash.h"
#include "base/hash_paths.h"
#include "base/text.h"

static void crc_known_answers(void **state) {
  (void)state;
  uint8_t bytes[32];
  assert_int_equal(hd_crc32c(0, "", 0), 0);
  assert_int_equal(hd_crc32c(0, "123456789", 9), 0xe3069283);
  memset(bytes, 0, 32); // RFC 3720, B.4
  assert_int_equal(hd_crc32c(0, bytes, 32), 0x8a9136aa);
  memset(bytes, 0xff, 32);
  assert_int_equal(hd_crc32c(0, bytes, 32), 0x62a8ab43);
  for (uint8_t i = 0; i < 32; i++) bytes[i] = i;
  assert_int_equal(hd_crc32c(0, bytes, 32), 0x46dd794e);
  for (uint8_t i = 0; i < 32; i++) bytes[i] = (uint8_t)(31 - i);
  assert_int_equal(hd_crc32c(0, bytes, 32), 0x113fdb5c);
}

static void fill(struct hd_random *r, uint8_t *bytes, size_t size) {
  for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)hd_random_next(r);
}

// One bit at a time, straight from the definition.
static uint32_t crc_by_definition(uint32_t crc, const uint8_t *p, size_t size) {
  for (crc = ~crc; size > 0; p++, size--) {
    crc ^= *p;
    for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

static void crc_paths_agree(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static uint8_t bytes[8192];
  fill(&r, bytes, sizeof bytes);
  bool hardware = hd_hash_hardware(HD_HASH_CRC32C);
  if (!hardware) print_message("no SSE 4.2 here: the hardware path was not run\n");
  for (int i = 0; i < 4000; i++) {
    // Every size around the edges of the three streams, then random ones; every alignment.
    size_t size = i < 2000 ? (size_t)i : (size_t)hd_random_below(&r, sizeof bytes - 8), at = (size_t)hd_random_below(&r, 8);
    uint32_t start = (uint32_t)hd_random_next(&r), expected = crc_by_definition(start, bytes + at, size);
    assert_int_equal(hd_crc32c_table(start, bytes + at, size), expected);
    if (hardware) assert_int_equal(hd_crc32c_hardware(start, bytes + at, size), expected);
    assert_int_equal(hd_crc32c(start, bytes + at, size), expected);
    size_t cut = (size_t)hd_random_below(&r, size + 1);
    assert_int_equal(hd_crc32c(hd_crc32c(start, bytes + at, cut), bytes + at + cut, size - cut), expected);
  }
}

static void assert_sha(const void *bytes, size_t size, const char *expected) {
  uint8_t digest[32];
  char hex[65];
  hd_sha256(bytes, size, digest);
  hd_hex_format(hex, digest, 32);
  assert_string_equal(hex, expected);
}

static void sha_known_answers(void **state) {
  (void)state;
  // FIPS 180-4 examples: empty, one block, two blocks, a million times 'a'.
  assert_sha("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  assert_sha("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  const char *two = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  assert_sha(two, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  const char *long_two = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
  assert_sha(long_two, 112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
  char *million = malloc(1000000);
  assert_non_null(million);
  memset(million, 'a', 1000000);
  assert_sha(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  free(million);
}

static void sha_paths_agree(void **state) {
  (void)state;
  if (!hd_hash_hardware(HD_HASH_SHA256)) {
    print_message("no SHA extensions here: there is one path only\n");
    skip();
  }
  struct hd_random r = test_random();
  uint8_t blocks[64 * 9];
  for (int i = 0; i < 2000; i++) {
    fill(&r, blocks, sizeof blocks);
    uint32_t one[8], other[8];
    for (int w = 0; w < 8; w++) one[w] = other[w] = (uint32_t)hd_random_next(&r);
    size_t count = (size_t)hd_random_below(&r, 10);
    hd_sha256_blocks_hardware(one, blocks, count);
    hd_sha256_blocks_library(other, blocks, count);
    assert_memory_equal(one, other, sizeof one);
  }
}

static void sha_in_pieces_is_sha_in_one(void **state) {
  (void)state;
  struct hd_random r = test_random();
  uint8_t bytes[1000], one[32], pieces[32];
  for (int i = 0; i < 1000; i++) {
    size_t size = (size_t)hd_random_below(&r, sizeof bytes + 1);
    fill(&r, bytes, size);
    hd_sha256(bytes, size, one);
    struct hd_sha256 h;
    hd_sha256_init(&h);
    for (size_t at = 0; at < size;) {
      size_t piece = 1 + (size_t)hd_random_below(&r, 130);
      if (piece > size - at) piece = size - at;
      hd_sha256_update(&h, bytes + at, piece);
      at += piece;
    }
    hd_sha256_final(&h, pieces);
    assert_memory_equal(one, pieces, 32);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(crc_known_answers), cmocka_unit_test(crc_paths_agree),           cmocka_unit_test(sha_known_answers),
      cmocka_unit_test(sha_paths_agree),   cmocka_unit_test(sha_in_pieces_is_sha_in_one),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
