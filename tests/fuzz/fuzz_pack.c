// Promise: whatever is said to be packed messages is made out within its bounds or refused, and both who only look at it and who makes it out say the same of it; what is made
// out can be packed and made out again, and a decoder that goes byte by byte, as docs/wire.md tells it, comes to the same. The input is the length of a
// block, how many, and the bytes; memory ends with the last of them.
#include <stdlib.h>

#include "hadron/pack.h"
#include "hadron/wire.h"
#include "sdk/client/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int yes) {
  if (!yes) abort();
}

static uint8_t *copy_of(const uint8_t *bytes, size_t size) {
  uint8_t *copy = malloc(size ? size : 1);
  check(copy != NULL);
  if (size) memcpy(copy, bytes, size);
  return copy;
}

// As the page says it, one byte after the other. False: it is not valid.
static bool by_the_page(const uint8_t *from, size_t size, size_t count, size_t words, uint8_t *to) {
  size_t at = 0;
  for (size_t i = 0; i < count; i++) {
    const uint8_t *control = from + at;
    at += (words + 1) / 2;
    if (at > size || (words % 2 && control[words / 2] >> 4)) return false;
    for (size_t w = 0; w < words; w++) {
      size_t n = control[w / 2] >> (w % 2 * 4) & 15;
      if (n > 8 || n > size - at) return false;
      for (size_t b = 0; b < 8; b++) to[(i * words + w) * 8 + b] = (uint8_t)((b < n ? from[at + b] : 0) ^ (i ? to[((i - 1) * words + w) * 8 + b] : 0));
      at += n;
    }
  }
  return at == size;
}

static void made_out(const uint8_t *bytes, size_t size, size_t count, size_t words) {
  uint8_t *from = copy_of(bytes, size), *to = malloc(count * words * 8), *other = malloc(count * words * 8);
  check(to && other);
  bool good = hadron_packed_valid(from, size, count, words);
  check(hadron_unpack(from, size, count, words, to) == good);
  check(by_the_page(from, size, count, words, other) == good);
  if (good) {
    check(memcmp(to, other, count * words * 8) == 0);
    uint8_t *again = malloc(count * hadron_pack_bound(words));
    size_t at = 0;
    check(again != NULL);
    for (size_t i = 0; i < count; i++) at += hadron_pack(again + at, i ? to + (i - 1) * words * 8 : NULL, to + i * words * 8, words);
    check(at <= size); // it may have said more bytes than a word needs
    check(hadron_unpack(again, at, count, words, other) && memcmp(to, other, count * words * 8) == 0);
    free(again);
  }
  free(from), free(to), free(other);
}

// The same bytes behind a header, as a client reads them.
static void framed(const uint8_t *bytes, size_t size, uint16_t count, uint16_t block) {
  const struct hadron_message_header header = {block, HADRON_MSG_TICK, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256};
  const struct hadron_frame f = {.kind = HADRON_FRAME_PACKED, .count = count, .size = (uint32_t)(sizeof header + size)};
  struct hc_messages m;
  uint8_t *payload = malloc(f.size);
  check(payload != NULL);
  memcpy(payload, &header, sizeof header);
  if (size) memcpy(payload + sizeof header, bytes, size);
  if (hc_messages_read(&f, payload, &m)) {
    const size_t whole = (size_t)m.header.block_length * m.count;
    check(m.packed == size && whole > 0 && whole <= HADRON_PACKET_MAX);
    void *room = malloc(whole);
    check(room != NULL);
    check(hc_messages_unpack(&m, room) == hc_messages_valid(&m));
    free(room);
  }
  free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 4 || size > 8192) return 0;
  uint16_t block, count;
  memcpy(&block, data, 2);
  memcpy(&count, data + 2, 2);
  framed(data + 4, size - 4, count, block);
  size_t words = block % 2 ? 8 : 1 + block / 2 % 40;
  made_out(data + 4, size - 4, 1 + count % 200, words);
  return 0;
}
