#include "cli/progress.h"

#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/locale.h"

#define BAR_MIN 8
#define BAR_MAX 40
#define PART_SIZE 64
#define ROOM_MAX 200 // columns of the line at most

void hd_progress_init(struct hd_progress *p, const char *title, bool on) {
  *p = (struct hd_progress){.title = title, .on = on && isatty(STDERR_FILENO), .colours = hd_cli_colours(STDERR_FILENO), .utf8 = hd_locale_utf8()};
}

static int64_t left_ns(const struct hd_progress_state *s) {
  return (int64_t)((double)s->elapsed_ns * (double)(s->total - s->done) / (double)s->done);
}

static size_t bar_print(const struct hd_progress *p, const struct hd_progress_state *s, uint32_t width, char *to, size_t size) {
  uint32_t full = (uint32_t)((double)s->done / (double)s->total * width);
  size_t n = 0;
  for (uint32_t i = 0; i < width; i++)
    n += (size_t)snprintf(to + n, size - n, "%s", i < full ? (p->utf8 ? "\xe2\x96\x88" : "#") : (p->utf8 ? "\xe2\x96\x91" : "."));
  return n;
}

// What the line may hold besides title and bar, in the order in which they are given up, last first.
enum part { PART_PERCENT, PART_RATE, PART_LEFT, PART_TIME, PART_COUNT };

static void parts_fill(const struct hd_progress_state *s, const char *noun, char parts[PART_COUNT][PART_SIZE]) {
  char text[PART_SIZE];
  bool known = s->total > 0;
  if (known) snprintf(parts[PART_PERCENT], PART_SIZE, "%3u %%", (unsigned)((double)s->done / (double)s->total * 100));
  else hd_count_format(text, sizeof text, s->ticks), snprintf(parts[PART_PERCENT], PART_SIZE, "%.30s %.20s", text, noun);
  if (s->elapsed_ns > 0) {
    hd_rate_format(text, sizeof text, (double)s->ticks * 1e9 / (double)s->elapsed_ns);
    snprintf(parts[PART_RATE], PART_SIZE, "%.30s %.20s/s", text, noun);
  }
  if (known && s->done > 0) {
    hd_duration_format(text, sizeof text, left_ns(s));
    snprintf(parts[PART_LEFT], PART_SIZE, "%.40s left", text);
  }
  if (s->now_ns > 0) {
    hd_time_format(text, sizeof text, s->now_ns, 0);
    snprintf(parts[PART_TIME], PART_SIZE, "%.10s %.5s", text, text + 11);
  }
}

uint32_t hd_progress_line(const struct hd_progress *p, const struct hd_progress_state *given, uint32_t columns, char to[HD_PROGRESS_LINE]) {
  struct hd_progress_state s = *given;
  char parts[PART_COUNT][PART_SIZE] = {0};
  if (s.done > s.total) s.done = s.total;
  if (columns > ROOM_MAX) columns = ROOM_MAX;
  parts_fill(&s, p->noun ? p->noun : "ticks", parts);
  size_t width = strlen(p->title);
  int count = 0;
  for (; count < PART_COUNT; count++) { // as many parts as there is room for
    size_t more = *parts[count] ? 2 + strlen(parts[count]) : 0;
    if (width + more > columns) break;
    width += more;
  }
  uint32_t bar = s.total > 0 && count == PART_COUNT && columns > width + 2 ? columns - (uint32_t)width - 2 : 0;
  bar = bar > BAR_MAX ? BAR_MAX : bar < BAR_MIN ? 0 : bar;
  size_t n = (size_t)snprintf(to, HD_PROGRESS_LINE, "%.*s", (int)columns, p->title);
  for (int i = 0; i < count; i++) {
    if (*parts[i]) n += (size_t)snprintf(to + n, HD_PROGRESS_LINE - n, "  %s", parts[i]);
    if (i != PART_PERCENT || !bar) continue;
    n += (size_t)snprintf(to + n, HD_PROGRESS_LINE - n, "  ");
    n += bar_print(p, &s, bar, to + n, HD_PROGRESS_LINE - n);
  }
  return width > columns ? columns : (uint32_t)width + (bar ? bar + 2 : 0);
}

// One write, so that no terminal ever shows half a line.
static void line_put(const char *text, uint32_t width, uint32_t columns, bool escapes) {
  char all[HD_PROGRESS_LINE + ROOM_MAX + 8];
  uint32_t blanks = !escapes && columns > width ? (columns > ROOM_MAX ? ROOM_MAX : columns) - width : 0;
  int n = snprintf(all, sizeof all, "\r%s%s%*s\r", text, escapes ? "\033[K" : "", (int)blanks, "");
  ssize_t written = write(STDERR_FILENO, all, (size_t)n);
  (void)written; // a terminal that went away is no reason to stop
}

void hd_progress_show(struct hd_progress *p, uint64_t done, uint64_t total, uint64_t ticks, int64_t now_ns, int64_t elapsed_ns) {
  if (!p->on) return;
  const struct hd_progress_state state = {done, total, ticks, now_ns, elapsed_ns};
  uint32_t columns = hd_cli_columns(STDERR_FILENO);
  columns = columns > 1 ? columns - 1 : 1; // the last column makes some terminals wrap
  char line[HD_PROGRESS_LINE];
  uint32_t width = hd_progress_line(p, &state, columns, line);
  if (p->shown && strcmp(line, p->line) == 0) return;
  hd_text_copy(p->line, sizeof p->line, line);
  line_put(line, width, columns, p->colours);
  p->shown = true;
}

void hd_progress_end(struct hd_progress *p) {
  if (p->shown) line_put("", 0, hd_cli_columns(STDERR_FILENO) - 1, p->colours);
  p->shown = false;
}
