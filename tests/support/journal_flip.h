// A journal that somebody has changed with care: one bit of a record is another, and its checksum is right again.
#ifndef TEST_SUPPORT_JOURNAL_FLIP_H
#define TEST_SUPPORT_JOURNAL_FLIP_H

#include <stdint.h>

// Flips a bit of the record at `position`: of byte `at` of its message's root block. dir: of the journal.
void journal_flip(const char *dir, uint64_t position, uint32_t at, uint8_t bit);

#endif
