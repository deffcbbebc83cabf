#include "cli/table.h"

#include <math.h>
#include <stdarg.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

#define WORD_MIN 12 // columns that are worth showing a part of a text in

void hd_table_init(struct hd_table *t, const struct hd_table_column *columns, uint32_t count) {
  HD_ASSERT(count > 0 && count <= HD_TABLE_COLUMNS);
  *t = (struct hd_table){.columns = columns, .column_count = count};
}

void hd_table_fini(struct hd_table *t) { free(t->cells); }

void hd_table_row(struct hd_table *t) {
  if (t->row_count == t->row_room) {
    uint32_t room = t->row_room ? t->row_room * 2 : 64;
    void *grown = realloc(t->cells, (size_t)room * t->column_count * sizeof *t->cells);
    if (!grown) {
      t->failed = true;
      return;
    }
    t->cells = grown;
    t->row_room = room;
  }
  memset(t->cells + (size_t)t->row_count * t->column_count, 0, t->column_count * sizeof *t->cells);
  t->row_count++;
  t->at = 0;
}

void hd_table_cell(struct hd_table *t, const char *format, ...) {
  if (t->failed || t->row_count == 0 || t->at == t->column_count) return;
  char *cell = t->cells[(size_t)(t->row_count - 1) * t->column_count + t->at++];
  va_list arguments;
  va_start(arguments, format);
  if (vsnprintf(cell, HD_TABLE_CELL, format, arguments) >= HD_TABLE_CELL) memcpy(cell + HD_TABLE_CELL - 4, "...", 4);
  va_end(arguments);
  hd_text_printable(cell);
}

// Commas between the thousands of a whole part.
static void with_commas(char *to, size_t size, const char *digits) {
  size_t whole = strcspn(digits, "."), at = 0;
  for (size_t i = 0; digits[i] && at + 2 < size; i++) {
    if (i > 0 && i < whole && (whole - i) % 3 == 0) to[at++] = ',';
    to[at++] = digits[i];
  }
  to[at] = 0;
}

void hd_number_format(char *to, size_t size, double value, int decimals_min, int decimals_max) {
  char digits[64], grouped[96];
  snprintf(digits, sizeof digits, "%.*f", decimals_max, fabs(value));
  char *point = strchr(digits, '.');
  for (size_t n = strlen(digits); point && n > (size_t)(point - digits) + 1 + (size_t)decimals_min && digits[n - 1] == '0'; n--) digits[n - 1] = 0;
  if (point && !point[1]) *point = 0;
  with_commas(grouped, sizeof grouped, digits);
  bool zero = strspn(digits, "0.") == strlen(digits);
  snprintf(to, size, "%s%s", value < 0 && !zero ? "-" : "", grouped);
}

void hd_table_number(struct hd_table *t, double value, int decimals) {
  char text[HD_TABLE_CELL];
  hd_number_format(text, sizeof text, value, decimals, fabs(value) >= 1 || value == 0 ? (decimals > 4 ? decimals : 4) : 8);
  hd_table_cell(t, "%s", text);
}

static uint32_t width_of(const struct hd_table *t, uint32_t column, uint32_t rows) {
  size_t width = strlen(t->columns[column].title);
  for (uint32_t r = 0; r < rows; r++) {
    size_t n = strlen(t->cells[(size_t)r * t->column_count + column]);
    if (n > width) width = n;
  }
  return (uint32_t)width;
}

// No blanks behind the last one of a line.
static void print_cell(const struct hd_table *t, FILE *to, uint32_t column, uint32_t width, const char *text, bool last, bool dim) {
  bool right = t->columns[column].right, cut = strlen(text) > width;
  fprintf(to, "%s%s", column ? "  " : "", dim ? "\033[2m" : "");
  if (cut) fprintf(to, "%.*s...", (int)width - 3, text);
  else fprintf(to, "%*s", last && !right ? 0 : (int)width * (right ? 1 : -1), text);
  if (dim) fputs("\033[0m", to);
}

void hd_table_print(const struct hd_table *t, FILE *to, uint32_t columns, uint32_t rows, bool colours, const char *end) {
  uint32_t shown = t->row_count < rows ? t->row_count : rows, widths[HD_TABLE_COLUMNS], fit = 0, used = 0;
  for (; fit < t->column_count; fit++) {
    widths[fit] = width_of(t, fit, shown);
    used += widths[fit] + (fit ? 2 : 0);
    if (fit > 0 && used > columns) {
      uint32_t room = columns + widths[fit] - used; // may be below zero, and so very large
      if (used - widths[fit] <= columns && room >= WORD_MIN && room >= strlen(t->columns[fit].title) && !t->columns[fit].right) widths[fit++] = room;
      break;
    }
  }
  for (uint32_t c = 0; c < fit; c++) print_cell(t, to, c, widths[c], t->columns[c].title, c + 1 == fit, colours);
  fputs(end, to);
  for (uint32_t r = 0; r < shown; r++) {
    for (uint32_t c = 0; c < fit; c++) print_cell(t, to, c, widths[c], t->cells[(size_t)r * t->column_count + c], c + 1 == fit, false);
    fputs(end, to);
  }
  if (t->row_count > shown) fprintf(to, "... and %u more%s", t->row_count - shown, end);
}
