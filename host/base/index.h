// Index of rows that hold their own keys: open addressing over (hash, row) in 8 bytes, so that a table of thousands stays in the
// cache, where a map with copies of its keys does not. The caller hashes, and compares keys. Rows count from 1; sized at start: there
// may never be more rows in it than were said. Removal shifts the run back, as in map.c. [one thread]
#ifndef HD_BASE_INDEX_H
#define HD_BASE_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "hadron/error.h"

struct hd_index_cell {
  uint32_t hash, row; // row 0: empty
};
struct hd_index {
  struct hd_index_cell *cells; // owned, or borrowed (hd_index_init_in)
  uint32_t mask, count;
};

// rows: at most 2^30.
static inline size_t hd_index_cells(uint32_t rows) {
  size_t size = 16;
  HD_ASSERT(rows <= 1u << 30);
  while (size < (size_t)rows * 2) size *= 2;
  return size;
}
// cells: hd_index_cells(rows) of them, zeroed; borrowed until the index is no longer used, and there is no fini.
static inline void hd_index_init_in(struct hd_index *index, uint32_t rows, struct hd_index_cell *cells) {
  *index = (struct hd_index){.cells = cells, .mask = (uint32_t)(hd_index_cells(rows) - 1)};
}
static inline int32_t hd_index_init(struct hd_index *index, uint32_t rows) {
  hd_index_init_in(index, rows, calloc(hd_index_cells(rows), sizeof *index->cells));
  return index->cells ? HADRON_OK : HADRON_ERR_MEMORY;
}
static inline void hd_index_fini(struct hd_index *index) { free(index->cells); }

// The hash of a key that lies in memory. [any]
static inline uint32_t hd_index_hash(const void *key, size_t size) {
  const unsigned char *p = key;
  uint64_t hash = size, word = 0;
  for (; size >= sizeof word; p += sizeof word, size -= sizeof word) {
    memcpy(&word, p, sizeof word);
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    hash ^= hash >> 32;
  }
  for (word = 0; size > 0; size--) word = word << 8 | p[size - 1];
  hash = (hash ^ word) * UINT64_C(0x94d049bb133111eb);
  return (uint32_t)(hash >> 32);
}

// The next row of this hash; 0: no more. `at` begins as the hash.
static inline uint32_t hd_index_next(const struct hd_index *index, uint32_t hash, uint32_t *at) {
  for (;;) {
    const struct hd_index_cell *cell = &index->cells[(*at)++ & index->mask];
    if (cell->row == 0 || cell->hash == hash) return cell->row;
  }
}

// This hash will be looked for, added or removed soon: where is random, so the cell is in no cache.
static inline void hd_index_expect(const struct hd_index *index, uint32_t hash) { __builtin_prefetch(&index->cells[hash & index->mask], 1); }

static inline void hd_index_add(struct hd_index *index, uint32_t hash, uint32_t row) {
  HD_ASSERT(row != 0 && index->count <= index->mask / 2);
  uint32_t at = hash & index->mask;
  while (index->cells[at].row != 0) at = (at + 1) & index->mask;
  index->cells[at] = (struct hd_index_cell){hash, row};
  index->count++;
}

// False: it was not there.
static inline bool hd_index_remove(struct hd_index *index, uint32_t hash, uint32_t row) {
  uint32_t hole = hash & index->mask;
  while (index->cells[hole].row != row) {
    if (index->cells[hole].row == 0) return false;
    hole = (hole + 1) & index->mask;
  }
  for (uint32_t i = (hole + 1) & index->mask; index->cells[i].row != 0; i = (i + 1) & index->mask) {
    // An entry may fill the hole only if its home is not inside (hole, i].
    if (((i - index->cells[i].hash) & index->mask) < ((i - hole) & index->mask)) continue;
    index->cells[hole] = index->cells[i];
    hole = i;
  }
  index->cells[hole].row = 0;
  index->count--;
  return true;
}

#endif
