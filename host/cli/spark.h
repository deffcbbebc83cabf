// A series of numbers drawn in one line of blocks; plain ASCII where the locale has no UTF-8.
#ifndef HD_CLI_SPARK_H
#define HD_CLI_SPARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

// level: 0 nothing, 1 .. 8.
void hd_spark_block(FILE *to, int level, bool utf8);

// At most `columns` blocks, each the last value of its part, from the lowest to the highest value.
void hd_spark_print(FILE *to, const double *values, size_t count, int columns);

#endif
