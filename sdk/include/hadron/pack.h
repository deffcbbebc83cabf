// Hadron SDK: packed messages, for links on which a byte costs more than the time to save it (docs/wire.md, section 2; decision 020). Messages of one
// template whose block is made of words of eight bytes follow each other; each is told by what differs from the one before it, the first one
// from zeros:
//
//   control  for each word four bits, the first word's in the lower half of the first byte: how many bytes follow for it, 0 to 8. An odd number of
//            words leaves the last four bits 0
//   bytes    word for word the lowest so many bytes, little-endian, of the word exclusive-or the same word of the message before
//
// Ticks are a third to a fifth of their size. Nothing here allocates, and what is read is believed nothing. [any]
#ifndef HADRON_PACK_H
#define HADRON_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HADRON_PACK_WORD 8u

// Bytes that a message of so many words takes, packed, at most.
static inline size_t hadron_pack_bound(size_t words) { return (words + 1) / 2 + HADRON_PACK_WORD * words; }

static inline uint64_t hadron_pack_word(const uint8_t *block, size_t word) {
  uint64_t value;
  memcpy(&value, block + HADRON_PACK_WORD * word, HADRON_PACK_WORD);
  return value;
}

// A message and the one before it (NULL: none), blocks of `words` words. Returns how many bytes it has become at `to`, where hadron_pack_bound(words) of them may be
// written: there is no branch in it that depends on the message.
static inline size_t hadron_pack(uint8_t *to, const void *before, const void *block, size_t words) {
  uint8_t *at = to + (words + 1) / 2;
  unsigned last = 0;
  for (size_t i = 0; i < words; i++) {
    uint64_t word = hadron_pack_word((const uint8_t *)block, i) ^ (before ? hadron_pack_word((const uint8_t *)before, i) : 0);
    unsigned bytes = ((71u - (unsigned)__builtin_clzll(word | 1)) >> 3) - (word == 0);
    memcpy(at, &word, HADRON_PACK_WORD); // what is too much is written over by the next word
    at += bytes;
    last |= bytes << (i % 2 * 4);
    if (i % 2 == 0 && i + 1 < words) continue;
    to[i / 2] = (uint8_t)last;
    last = 0;
  }
  return (size_t)(at - to);
}

// Bytes of the words that a control announces; SIZE_MAX: it is not what it should be.
static inline size_t hadron_packed_bytes(const uint8_t *control, size_t words) {
  size_t sum = 0, wrong = 0;
  for (size_t i = 0; i < (words + 1) / 2; i++) {
    size_t low = control[i] & 15u, high = (size_t)control[i] >> 4;
    wrong |= (low > HADRON_PACK_WORD) | (high > HADRON_PACK_WORD);
    sum += low + high;
  }
  if (words % 2) wrong |= (size_t)control[words / 2] >> 4;
  return wrong ? SIZE_MAX : sum;
}

// Are these bytes `count` messages of `words` words, all of them and nothing else?
static inline bool hadron_packed_valid(const uint8_t *from, size_t size, size_t count, size_t words) {
  const size_t control = (words + 1) / 2;
  for (; count > 0; count--) {
    size_t bytes = size < control ? SIZE_MAX : hadron_packed_bytes(from, words);
    if (bytes == SIZE_MAX || bytes > size - control) return false;
    from += control + bytes;
    size -= control + bytes;
  }
  return size == 0;
}

// Makes them again: count * words * 8 bytes at `to`. False: they are not valid; `to` may have been written, nothing behind it. No byte behind `from` is read.
static inline bool hadron_unpack(const uint8_t *from, size_t size, size_t count, size_t words, void *to) {
  static const uint64_t masks[9] = {0, 0xff, 0xffff, 0xffffff, 0xffffffff, 0xffffffffff, 0xffffffffffff, 0xffffffffffffff, UINT64_MAX};
  const size_t control = (words + 1) / 2;
  const uint8_t *before = NULL;
  uint8_t *block = (uint8_t *)to;
  for (; count > 0; count--, before = block, block += HADRON_PACK_WORD * words) {
    size_t bytes = size < control ? SIZE_MAX : hadron_packed_bytes(from, words);
    if (bytes == SIZE_MAX || bytes > size - control) return false;
    const uint8_t *at = from + control;
    const bool wide = size >= hadron_pack_bound(words); // all but the last ones: eight bytes can be read, and masked
    for (size_t i = 0; i < words; i++) {
      size_t n = (size_t)from[i / 2] >> (i % 2 * 4) & 15u;
      uint64_t word = 0;
      if (wide) word = hadron_pack_word(at, 0) & masks[n];
      else memcpy(&word, at, n);
      at += n;
      if (before) word ^= hadron_pack_word(before, i);
      memcpy(block + HADRON_PACK_WORD * i, &word, HADRON_PACK_WORD);
    }
    from += control + bytes;
    size -= control + bytes;
  }
  return size == 0;
}

#endif
