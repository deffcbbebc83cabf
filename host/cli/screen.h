// What a running host shows: drawn from the answer to "status", so that `hadron run` and `hadron status` show the same.
#ifndef HD_CLI_SCREEN_H
#define HD_CLI_SCREEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct hd_screen {
  uint32_t columns, rows; // rows: of the whole; 0: no bound
  bool colours;
  bool redraw;            // over what was drawn before
};

void hd_screen_draw(const struct hd_screen *screen, const json_t *status, FILE *to);
// One line with the numbers that matter.
void hd_screen_line(const json_t *status, FILE *to);
// What a run came to: printed once it is over.
void hd_screen_summary(const json_t *summary, bool colours, FILE *to);
// Makes a terminal ready for drawing over, and leaves it as it was.
void hd_screen_begin(FILE *to);
void hd_screen_end(FILE *to);
// Lines of a terminal; 24 if it is none.
uint32_t hd_screen_rows(int fd);

#endif
