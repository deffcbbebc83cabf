// A table of text for a terminal: columns as wide as their cells, the last ones left out where the terminal is too narrow. Of a text column that
// does not fit, the beginning is shown, if there is room for a word.
#ifndef HD_CLI_TABLE_H
#define HD_CLI_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define HD_TABLE_COLUMNS 16
#define HD_TABLE_CELL 160 // bytes of a cell with its NUL; longer ones are cut

struct hd_table_column {
  const char *title; // static
  bool right;        // numbers
};

struct hd_table {
  const struct hd_table_column *columns;
  uint32_t column_count, row_count, row_room, at; // at: next cell of the last row
  char (*cells)[HD_TABLE_CELL];                   // [row_count][column_count]; owned
  bool failed;                                    // out of memory: rows are missing
};

void hd_table_init(struct hd_table *t, const struct hd_table_column *columns, uint32_t count);
void hd_table_row(struct hd_table *t); // begins one
__attribute__((format(printf, 2, 3))) void hd_table_cell(struct hd_table *t, const char *format, ...);
// rows: at most so many are printed, then how many more there are. end: of each line ("\n", or with a terminal's code in front).
void hd_table_print(const struct hd_table *t, FILE *to, uint32_t columns, uint32_t rows, bool colours, const char *end);
void hd_table_fini(struct hd_table *t);

// Numbers for people: "1,234.50", "-0.00012"; decimals: at least so many, at most 8 that count.
void hd_table_number(struct hd_table *t, double value, int decimals);
void hd_number_format(char *to, size_t size, double value, int decimals_min, int decimals_max);

#endif
