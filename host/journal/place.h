// Where a position of a journal lies, for words to people: the segment's file and the offset in it. [any]
#ifndef HD_JOURNAL_PLACE_H
#define HD_JOURNAL_PLACE_H

#include <stddef.h>
#include <stdint.h>

// file: "" and offset 0 where no segment holds it.
void hd_journal_place(const char *dir, uint64_t position, char *file, size_t size, uint64_t *offset);

#endif
