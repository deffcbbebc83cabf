// A line on the terminal that says how far a run is: per cent, a bar, ticks (or what else is counted) a second, the virtual time, the time left. It is rewritten in
// place, in one write, and only when it has changed. Nothing at all where standard error is no terminal. [control]
#ifndef HD_CLI_PROGRESS_H
#define HD_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HD_PROGRESS_LINE 1024

struct hd_progress {
  const char *title; // borrowed
  const char *noun;  // what is counted; NULL: ticks
  bool on;           // asked for, and there is a terminal
  bool colours;      // the terminal takes escapes; false: blanks wipe what was there
  bool utf8;
  bool shown;        // a line stands there
  char line[HD_PROGRESS_LINE];
};

struct hd_progress_state {
  uint64_t done, total; // of the sources; total 0: not known
  uint64_t ticks;
  int64_t now_ns;       // virtual clock; 0: not begun
  int64_t elapsed_ns;   // wall time
};

void hd_progress_init(struct hd_progress *p, const char *title, bool on);
void hd_progress_show(struct hd_progress *p, uint64_t done, uint64_t total, uint64_t ticks, int64_t now_ns, int64_t elapsed_ns);
// Wipes the line: what follows begins on a clean one. May be called twice.
void hd_progress_end(struct hd_progress *p);

// The line's text, at most `columns` wide; parts that do not fit are left out, the bar first. Returns its columns.
uint32_t hd_progress_line(const struct hd_progress *p, const struct hd_progress_state *s, uint32_t columns, char to[HD_PROGRESS_LINE]);

#endif
