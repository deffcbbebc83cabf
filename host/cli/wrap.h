// Text broken between its words to fit a terminal. Bytes of UTF-8 that go on a letter, and a terminal's colours, take no room.
#ifndef HD_CLI_WRAP_H
#define HD_CLI_WRAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define HD_WRAP_GLUE '\037' // in a text: a blank that is not broken at

// Columns that a text of `size` bytes takes.
uint32_t hd_wrap_width(const char *text, size_t size);
// Prints `text` from column `at` on; a line that follows begins with `indent` blanks. A word that is longer than a line stays whole. end: of a
// line ("\n", or with a terminal's code in front); the last one has none. Returns the column behind the text. Takes a run of blanks for one.
uint32_t hd_wrap(FILE *to, const char *text, uint32_t at, uint32_t indent, uint32_t columns, const char *end);

#endif
