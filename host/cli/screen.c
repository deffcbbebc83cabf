#include "cli/screen.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/table.h"

static const char *text_of(const json_t *o, const char *key) {
  const char *text = json_string_value(json_object_get(o, key));
  return text ? text : "";
}
static double number_of(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }
static uint64_t count_of(const json_t *o, const char *key) { return (uint64_t)json_integer_value(json_object_get(o, key)); }

static const char *money(double value) { // for one printf with at most eight of them
  static char texts[8][48];
  static uint32_t at;
  char *to = texts[at++ % 8];
  hd_number_format(to, sizeof texts[0], value, 2, 2);
  return to;
}

static const char *counted(uint64_t n) {
  static char texts[16][32];
  static uint32_t at;
  char *to = texts[at++ % 16];
  hd_count_format(to, sizeof texts[0], n);
  return to;
}

static const char *rated(const json_t *status, const char *key) {
  static char texts[8][32];
  static uint32_t at;
  char *to = texts[at++ % 8];
  hd_rate_format(to, sizeof texts[0], number_of(json_object_get(status, "rates"), key));
  return to;
}

struct pen {
  const struct hd_screen *screen;
  FILE *to;
  const char *end;         // of a line
  const char *bold, *red, *green, *dim, *plain;
};

static struct pen pen_of(const struct hd_screen *screen, FILE *to) {
  bool c = screen->colours;
  return (struct pen){screen, to, screen->redraw ? "\033[K\n" : "\n", c ? "\033[1m" : "", c ? "\033[31m" : "", c ? "\033[32m" : "", c ? "\033[2m" : "", c ? "\033[0m" : ""};
}

// ---- parts ---------------------------------------------------------------------------------------------------------------------------

static void draw_head(const struct pen *p, const json_t *s) {
  char up[32];
  hd_duration_format(up, sizeof up, (int64_t)(number_of(s, "uptime_s") * 1e9));
  double pnl = number_of(s, "pnl");
  fprintf(p->to, "%shadron%s %s %s  %s%s%s  up %s", p->bold, p->plain, text_of(s, "mode"), text_of(s, "form"), p->dim, text_of(s, "config"), p->plain, up);
  if (json_is_true(json_object_get(s, "killed"))) fprintf(p->to, "  %s%sKILLED: %s%s", p->bold, p->red, text_of(s, "kill_reason"), p->plain);
  fprintf(p->to, "%sP&L %s%s%s %s  equity %s  cash %s  fees %s  gross %s%s", p->end, pnl < 0 ? p->red : p->green, money(pnl), p->plain, text_of(s, "currency"),
          money(number_of(s, "equity")), money(number_of(s, "cash")), money(number_of(s, "fees")), money(number_of(s, "gross")), p->end);
  fprintf(p->to, "ticks %s (%s/s)  rejected %s  decisions %s (%s/s)%s", counted(count_of(s, "ticks")), rated(s, "ticks"), counted(count_of(s, "rejected_ticks")),
          counted(count_of(s, "decisions")), rated(s, "decisions"), p->end);
  fprintf(p->to, "orders %s (%s/s)  open %s  denied %s  unknown %s  fills %s (%s/s)%s%s", counted(count_of(s, "orders")), rated(s, "orders"), counted(count_of(s, "open_orders")),
          counted(count_of(s, "denied")), counted(count_of(s, "unknown_orders")), counted(count_of(s, "executions")), rated(s, "executions"), p->end, p->end);
}

static void draw_instruments(const struct pen *p, const json_t *s, uint32_t rows) {
  static const struct hd_table_column columns[] = {{"instrument", false}, {"last", true}, {"bid", true}, {"ask", true}, {"position", true},
                                                   {"unrealised", true}, {"realised", true}, {"ticks/s", true}};
  struct hd_table t;
  size_t i;
  json_t *row;
  hd_table_init(&t, columns, 8);
  json_array_foreach(json_object_get(s, "instruments"), i, row) {
    hd_table_row(&t);
    hd_table_cell(&t, "%s", text_of(row, "name"));
    static const char *const prices[] = {"last", "bid", "ask"};
    for (int k = 0; k < 3; k++) {
      if (number_of(row, prices[k]) != 0) hd_table_number(&t, number_of(row, prices[k]), 2);
      else hd_table_cell(&t, "-");
    }
    hd_table_number(&t, number_of(row, "position"), 0);
    hd_table_cell(&t, "%s", money(number_of(row, "unrealized")));
    hd_table_cell(&t, "%s", money(number_of(row, "realized")));
    hd_table_cell(&t, "%s", counted(count_of(row, "ticks_per_s")));
  }
  hd_table_print(&t, p->to, p->screen->columns, rows, p->screen->colours, p->end);
  hd_table_fini(&t);
  fputs(p->end, p->to);
}

// " OFF": its governor has switched the version off; " FENCED": an instance gets no more calls; " OVER": it was over its budget.
static const char *limits_of(const json_t *row) {
  const json_t *governor = json_object_get(row, "governor"), *over = json_object_get(governor, "over");
  if (json_is_true(json_object_get(governor, "disabled"))) return " OFF";
  if (count_of(row, "fenced")) return " FENCED";
  return count_of(over, "time") + count_of(over, "allocations") + count_of(over, "errors") > 0 ? " OVER" : "";
}

// "live", "canary 0.1", "canary 25 %" (of the instruments), "warm 9m 58s": a warm one is a shadow that can be gone back to.
static void role_cell(struct hd_table *t, const json_t *row) {
  char left[32];
  hd_duration_format(left, sizeof left, (int64_t)(number_of(row, "warm_left_s") * 1e9));
  bool canary = strcmp(text_of(row, "role"), "canary") == 0;
  const json_t *split = json_object_get(row, "split");
  double share = json_number_value(json_array_get(split, 1)) - json_number_value(json_array_get(split, 0));
  if (json_is_true(json_object_get(row, "warm"))) hd_table_cell(t, "warm %s", left);
  else if (split) hd_table_cell(t, "%s %.3g %%", text_of(row, "role"), share * 100);
  else if (canary && json_object_get(row, "weight")) hd_table_cell(t, "canary %g", number_of(row, "weight"));
  else hd_table_cell(t, "%s", text_of(row, "role"));
}

// "inline", "thread", "process, 12 lost", "remote, silent"
static void where_cell(struct hd_table *t, const json_t *row) {
  const json_t *placed = json_object_get(row, "placed");
  const char *state = text_of(placed, "state");
  uint64_t lost = count_of(placed, "lost");
  char words[40] = "";
  if (placed && strcmp(state, "there") != 0) snprintf(words, sizeof words, ", %s", state);
  else if (lost) snprintf(words, sizeof words, ", %s lost", counted(lost));
  hd_table_cell(t, "%s%s", text_of(row, "placement"), words);
}

static void draw_strategies(const struct pen *p, const json_t *s) {
  static const struct hd_table_column columns[] = {{"strategy", false}, {"version", false}, {"role", false}, {"where", false}, {"P&L", true}, {"errors", true}, {"realised", true}, {"unrealised", true},
                                                   {"fees", true}, {"wins", true}, {"losses", true}, {"p50", true}, {"p99", true}}; // a narrow terminal has the first ones
  struct hd_table t;
  size_t i;
  json_t *row;
  hd_table_init(&t, columns, 13);
  json_array_foreach(json_object_get(s, "strategies"), i, row) {
    const json_t *latency = json_object_get(row, "latency");
    char p50[32], p99[32];
    hd_duration_format(p50, sizeof p50, (int64_t)count_of(latency, "p50_ns"));
    hd_duration_format(p99, sizeof p99, (int64_t)count_of(latency, "p99_ns"));
    bool measured = count_of(latency, "p99_ns") > 0; // one elsewhere may tell nothing of it
    hd_table_row(&t);
    hd_table_cell(&t, "%s", text_of(row, "name"));
    hd_table_cell(&t, "%s", text_of(row, "version"));
    role_cell(&t, row);
    where_cell(&t, row);
    hd_table_cell(&t, "%s", money(number_of(row, "pnl")));
    hd_table_cell(&t, "%s%s", counted(count_of(row, "errors")), limits_of(row));
    hd_table_cell(&t, "%s", money(number_of(row, "realized")));
    hd_table_cell(&t, "%s", money(number_of(row, "unrealized")));
    hd_table_cell(&t, "%s", money(number_of(row, "fees")));
    hd_table_cell(&t, "%s", counted(count_of(row, "wins")));
    hd_table_cell(&t, "%s", counted(count_of(row, "losses")));
    hd_table_cell(&t, "%s", measured ? p50 : "-");
    hd_table_cell(&t, "%s", measured ? p99 : "-");
  }
  if ((row = json_object_get(s, "house"))) { // what no arm owns any more
    static const char *const keys[] = {"pnl", "realized", "unrealized", "fees"};
    hd_table_row(&t);
    for (int k = 0; k < 4; k++) hd_table_cell(&t, "%s", k ? "" : "(the house)");
    for (int k = 0; k < 4; k++) {
      hd_table_cell(&t, "%s", money(number_of(row, keys[k])));
      if (k == 0) hd_table_cell(&t, "%s", ""); // errors
    }
    for (int k = 0; k < 4; k++) hd_table_cell(&t, "%s", "");
  }
  if (t.row_count) hd_table_print(&t, p->to, p->screen->columns, t.row_count, p->screen->colours, p->end);
  hd_table_fini(&t);
  fputs(p->end, p->to);
}

static void draw_latency(const struct pen *p, const json_t *s) {
  static const struct hd_table_column columns[] = {{"latency", false}, {"p50", true}, {"p99", true}, {"p99.9", true}, {"max", true}, {"measured", true}};
  static const char *const keys[] = {"p50_ns", "p99_ns", "p999_ns", "max_ns"};
  struct hd_table t;
  size_t i;
  json_t *row;
  hd_table_init(&t, columns, 6);
  json_array_foreach(json_object_get(s, "latency"), i, row) {
    if (count_of(row, "count") == 0) continue;
    hd_table_row(&t);
    hd_table_cell(&t, "%s", text_of(row, "stage"));
    for (int k = 0; k < 4; k++) {
      char text[32];
      hd_duration_format(text, sizeof text, (int64_t)count_of(row, keys[k]));
      hd_table_cell(&t, "%s", text);
    }
    hd_table_cell(&t, "%s", counted(count_of(row, "count")));
  }
  if (t.row_count) hd_table_print(&t, p->to, p->screen->columns, t.row_count, p->screen->colours, p->end);
  if (t.row_count) fputs(p->end, p->to);
  hd_table_fini(&t);
}

// Only where there is something to say: other hosts, or a registry that is away.
static void draw_hosts(const struct pen *p, const json_t *registry) {
  size_t i, k;
  json_t *host, *row;
  if (!count_of(registry, "others") && !json_is_true(json_object_get(registry, "away"))) return;
  fprintf(p->to, "hosts   ");
  if (json_is_true(json_object_get(registry, "away"))) fprintf(p->to, "%sthe registry does not answer%s  ", p->red, p->plain);
  json_array_foreach(json_object_get(registry, "hosts"), i, host) {
    const char *state = text_of(host, "state");
    if (strcmp(state, "stopped") == 0 || strcmp(state, "gone") == 0) continue;
    fprintf(p->to, "%s%s: %s%s%s", i ? "  " : "", text_of(host, "host"), strcmp(state, "stale") == 0 ? p->red : "", state, p->plain);
    json_array_foreach(json_object_get(host, "runs"), k, row)
      if (json_is_true(json_object_get(row, "drift")))
        fprintf(p->to, ", %s%s runs %lld, not %lld%s", p->red, text_of(row, "deployment"), (long long)count_of(row, "revision"), (long long)count_of(row, "active"), p->plain);
  }
  fputs(p->end, p->to);
}

static void draw_follower(const struct pen *p, const char *name, const json_t *f) {
  if (!json_is_object(f)) return;
  const char *state = json_is_true(json_object_get(f, "parked")) ? "parked" : json_is_true(json_object_get(f, "connected")) ? "connected" : "waiting";
  fprintf(p->to, "  %s %s, %s bytes behind", name, state, counted(count_of(f, "lag_bytes")));
}

static void draw_foot(const struct pen *p, const json_t *s) {
  const json_t *lanes = json_object_get(s, "lanes");
  size_t i;
  json_t *v;
  fprintf(p->to, "venues");
  json_array_foreach(json_object_get(s, "venues"), i, v)
    fprintf(p->to, "  %s: %s%s%s", text_of(v, "name"), text_of(v, "state"), *text_of(v, "words") ? ", " : "", text_of(v, "words"));
  fprintf(p->to, "%slanes   fast %s  warm %s  cold %s  drop %s  conflated %s  lost %s", p->end, counted(count_of(lanes, "fast")), counted(count_of(lanes, "warm")),
          counted(count_of(lanes, "cold")), counted(count_of(lanes, "drop")), counted(count_of(lanes, "conflated")), counted(count_of(lanes, "lost")));
  draw_follower(p, "recorder", json_object_get(s, "recorder"));
  draw_follower(p, "bridge", json_object_get(s, "bridge"));
  fputs(p->end, p->to);
  draw_hosts(p, json_object_get(s, "registry"));
  if (count_of(s, "alerts")) fprintf(p->to, "%salerts %s%s%s%s%s", p->red, counted(count_of(s, "alerts")), p->plain, *text_of(s, "alert") ? "  last: " : "", text_of(s, "alert"), p->end);
}

static uint32_t lines_without_instruments(const json_t *s) {
  size_t latency = 0, i;
  json_t *row;
  json_array_foreach(json_object_get(s, "latency"), i, row) latency += count_of(row, "count") > 0;
  return (uint32_t)(5 + 3 + json_array_size(json_object_get(s, "strategies")) + (json_object_get(s, "house") ? 1 : 0) + 2 + (latency ? latency + 2 : 0) + 4);
}

void hd_screen_draw(const struct hd_screen *screen, const json_t *status, FILE *to) {
  char *bytes = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&bytes, &size); // one write: nothing flickers
  if (!memory) return;
  struct pen p = pen_of(screen, memory);
  uint32_t others = lines_without_instruments(status);
  if (screen->redraw) fputs("\033[H", memory);
  draw_head(&p, status);
  draw_instruments(&p, status, screen->rows == 0 ? UINT32_MAX : screen->rows > others + 3 ? screen->rows - others : 3);
  draw_strategies(&p, status);
  draw_latency(&p, status);
  draw_foot(&p, status);
  if (screen->redraw) fputs("\033[J", memory);
  fclose(memory);
  fwrite(bytes, 1, size, to);
  fflush(to);
  free(bytes);
}

void hd_screen_line(const json_t *s, FILE *to) {
  fprintf(to, "%s  %sticks %s (%s/s)  decisions %s  orders %s  open %s  fills %s  P&L %s %s  equity %s  alerts %s\n", text_of(s, "time"),
          json_is_true(json_object_get(s, "killed")) ? "KILLED  " : "", counted(count_of(s, "ticks")), rated(s, "ticks"), counted(count_of(s, "decisions")),
          counted(count_of(s, "orders")), counted(count_of(s, "open_orders")), counted(count_of(s, "executions")), money(number_of(s, "pnl")), text_of(s, "currency"),
          money(number_of(s, "equity")), counted(count_of(s, "alerts")));
  fflush(to);
}

// ---- the end -------------------------------------------------------------------------------------------------------------------------

static void reason_list(const json_t *object, FILE *to) {
  const char *key;
  json_t *value;
  bool first = true;
  json_object_foreach((json_t *)(uintptr_t)object, key, value) {
    fprintf(to, "%s%s %s", first ? "  (" : ", ", key, counted((uint64_t)json_integer_value(value)));
    first = false;
  }
  fputs(first ? "\n" : ")\n", to);
}

void hd_screen_summary(const json_t *s, bool colours, FILE *to) {
  const char *bold = colours ? "\033[1m" : "", *plain = colours ? "\033[0m" : "";
  char took[32];
  size_t i;
  json_t *row;
  hd_duration_format(took, sizeof took, (int64_t)(number_of(s, "elapsed_s") * 1e9));
  fprintf(to, "\n%sSummary%s  %s %s, %s, ended by %s\n", bold, plain, text_of(s, "mode"), text_of(s, "config"), took, text_of(s, "ended_by"));
  fprintf(to, "  ticks       %s\n", counted(count_of(s, "ticks")));
  fprintf(to, "  rejected    %s", counted(count_of(s, "rejected_ticks")));
  reason_list(json_object_get(s, "rejected"), to);
  fprintf(to, "  decisions   %s\n  intents     %s\n", counted(count_of(s, "decisions")), counted(count_of(s, "intents")));
  fprintf(to, "  orders      %s, %s denied", counted(count_of(s, "orders")), counted(count_of(s, "denied")));
  reason_list(json_object_get(s, "denied_by"), to);
  fprintf(to, "  executions  %s\n", counted(count_of(s, "executions")));
  fprintf(to, "  P&L         %s %s after %s fees; equity %s\n", money(number_of(s, "pnl")), text_of(s, "currency"), money(number_of(s, "fees")), money(number_of(s, "equity")));
  json_array_foreach(json_object_get(s, "strategies"), i, row) fprintf(to, "    %-16s  %s\n", text_of(row, "name"), money(number_of(row, "pnl")));
  fprintf(to, "  alerts      %s%s%s\n", counted(count_of(s, "alerts")), count_of(s, "alerts") ? ", the last: " : "", text_of(s, "alert"));
  fprintf(to, "  journal     %s\n", *text_of(s, "journal") ? text_of(s, "journal") : "off");
  json_array_foreach(json_object_get(s, "databases"), i, row) fprintf(to, "  database    %s\n", json_string_value(row));
  fprintf(to, "  books       %s\n", json_is_true(json_object_get(s, "identity")) ? "add up to the last unit" : text_of(s, "identity_error"));
}

// ---- the terminal --------------------------------------------------------------------------------------------------------------------

void hd_screen_begin(FILE *to) {
  fputs("\033[?25l\033[2J", to);
  fflush(to);
}

void hd_screen_end(FILE *to) {
  fputs("\033[?25h", to);
  fflush(to);
}

uint32_t hd_screen_rows(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 ? size.ws_row : 24;
}
