#include "cli/screen.h"

#include <sys/ioctl.h>
#include <stdarg.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/table.h"
#include "cli/wrap.h"

#define ROWS_MIN 3 // of a table, however low the terminal is

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

// Items of a line, two blanks apart; what has no room goes to the next line, behind the label's column.
struct row {
  const struct pen *p;
  uint32_t at, indent;
};

static struct row row_begin(const struct pen *p, const char *label) {
  if (*label) fprintf(p->to, "%-8s", label);
  return (struct row){p, *label ? 8 : 0, *label ? 8 : 2};
}

__attribute__((format(printf, 2, 3))) static void item(struct row *r, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  uint32_t width = hd_wrap_width(text, strlen(text)), gap = r->at > r->indent || (r->at && r->indent == 2) ? 2 : 0;
  if (gap && r->at + gap + width > r->p->screen->columns) {
    fprintf(r->p->to, "%s%*s", r->p->end, (int)r->indent, "");
    r->at = r->indent, gap = 0;
  }
  fprintf(r->p->to, "%*s", (int)gap, "");
  r->at = hd_wrap(r->p->to, text, r->at + gap, r->indent, r->p->screen->columns, r->p->end);
}

static void row_end(const struct row *r) { fputs(r->p->end, r->p->to); }

// ---- parts ---------------------------------------------------------------------------------------------------------------------------

static void draw_head(const struct pen *p, const json_t *s) {
  char up[32];
  hd_duration_format(up, sizeof up, (int64_t)(number_of(s, "uptime_s") * 1e9));
  double pnl = number_of(s, "pnl");
  struct row r = row_begin(p, "");
  item(&r, "%shadron%s %s %s", p->bold, p->plain, text_of(s, "mode"), text_of(s, "form"));
  item(&r, "%s%s%s", p->dim, text_of(s, "config"), p->plain);
  item(&r, "up %s", up);
  if (json_is_true(json_object_get(s, "killed"))) item(&r, "%s%sKILLED: %s%s", p->bold, p->red, text_of(s, "kill_reason"), p->plain);
  row_end(&r);
  r = row_begin(p, "");
  item(&r, "P&L %s%s%s %s", pnl < 0 ? p->red : p->green, money(pnl), p->plain, text_of(s, "currency"));
  static const char *const sums[] = {"equity", "cash", "fees", "gross"};
  for (int i = 0; i < 4; i++) item(&r, "%s %s", sums[i], money(number_of(s, sums[i])));
  row_end(&r);
  r = row_begin(p, "");
  item(&r, "ticks %s (%s/s)", counted(count_of(s, "ticks")), rated(s, "ticks"));
  item(&r, "rejected %s", counted(count_of(s, "rejected_ticks")));
  item(&r, "decisions %s (%s/s)", counted(count_of(s, "decisions")), rated(s, "decisions"));
  row_end(&r);
  r = row_begin(p, "");
  item(&r, "orders %s (%s/s)", counted(count_of(s, "orders")), rated(s, "orders"));
  item(&r, "open %s", counted(count_of(s, "open_orders")));
  item(&r, "denied %s", counted(count_of(s, "denied")));
  item(&r, "unknown %s", counted(count_of(s, "unknown_orders")));
  item(&r, "fills %s (%s/s)", counted(count_of(s, "executions")), rated(s, "executions"));
  row_end(&r);
  fputs(p->end, p->to);
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

static void draw_strategies(const struct pen *p, const json_t *s, uint32_t rows) {
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
  if (t.row_count) hd_table_print(&t, p->to, p->screen->columns, rows, p->screen->colours, p->end);
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
  struct row r = row_begin(p, "hosts");
  if (json_is_true(json_object_get(registry, "away"))) item(&r, "%sthe registry does not answer%s", p->red, p->plain);
  json_array_foreach(json_object_get(registry, "hosts"), i, host) {
    const char *state = text_of(host, "state");
    if (strcmp(state, "stopped") == 0 || strcmp(state, "gone") == 0) continue;
    item(&r, "%s: %s%s%s", text_of(host, "host"), strcmp(state, "stale") == 0 ? p->red : "", state, p->plain);
    json_array_foreach(json_object_get(host, "runs"), k, row)
      if (json_is_true(json_object_get(row, "drift")))
        item(&r, "%s%s runs %lld, not %lld%s", p->red, text_of(row, "deployment"), (long long)count_of(row, "revision"), (long long)count_of(row, "active"), p->plain);
  }
  row_end(&r);
}

static void draw_follower(struct row *r, const char *name, const json_t *f) {
  if (!json_is_object(f)) return;
  const char *state = json_is_true(json_object_get(f, "parked")) ? "parked" : json_is_true(json_object_get(f, "connected")) ? "connected" : "waiting";
  item(r, "%s %s, %s bytes behind", name, state, counted(count_of(f, "lag_bytes")));
}

static void draw_foot(const struct pen *p, const json_t *s) {
  const json_t *lanes = json_object_get(s, "lanes");
  size_t i;
  json_t *v;
  struct row r = row_begin(p, "venues");
  json_array_foreach(json_object_get(s, "venues"), i, v) item(&r, "%s: %s%s%s", text_of(v, "name"), text_of(v, "state"), *text_of(v, "words") ? ", " : "", text_of(v, "words"));
  row_end(&r);
  static const char *const names[] = {"fast", "warm", "cold", "drop", "conflated", "lost"};
  r = row_begin(p, "lanes");
  for (int k = 0; k < 6; k++) item(&r, "%s %s", names[k], counted(count_of(lanes, names[k])));
  row_end(&r);
  if (json_is_object(json_object_get(s, "recorder")) || json_is_object(json_object_get(s, "bridge"))) {
    r = row_begin(p, "readers");
    draw_follower(&r, "recorder", json_object_get(s, "recorder"));
    draw_follower(&r, "bridge", json_object_get(s, "bridge"));
    row_end(&r);
  }
  draw_hosts(p, json_object_get(s, "registry"));
  if (!count_of(s, "alerts")) return;
  r = row_begin(p, "alerts");
  item(&r, "%s%s%s%s%s", p->red, counted(count_of(s, "alerts")), p->plain, *text_of(s, "alert") ? ", the last: " : "", text_of(s, "alert"));
  row_end(&r);
}

// ---- what there is room for ------------------------------------------------------------------------------------------------------------

static uint32_t lines_of(const char *text) {
  uint32_t lines = 0;
  for (; (text = strchr(text, '\n')); text++) lines++;
  return lines;
}

// Rows of a table that has `room` lines for its title, its rows, a line that says how many more there are, and a blank one.
static uint32_t rows_in(uint32_t count, uint32_t room) { return count + 2 <= room ? count : room > ROWS_MIN + 3 ? room - 3 : ROWS_MIN; }

struct drawn {
  char *text; // owned
  size_t size;
};

static struct drawn drawn_apart(const struct pen *p, const json_t *s, void (*draw)(const struct pen *p, const json_t *s)) {
  struct drawn d = {0};
  struct pen apart = *p;
  if (!(apart.to = open_memstream(&d.text, &d.size))) return d;
  draw(&apart, s);
  fclose(apart.to);
  return d;
}

// A terminal that is too low leaves out the latencies first, then the last rows of the tables.
static void draw_parts(const struct pen *p, const json_t *s) {
  struct drawn head = drawn_apart(p, s, draw_head), latency = drawn_apart(p, s, draw_latency), foot = drawn_apart(p, s, draw_foot);
  uint32_t arms = (uint32_t)json_array_size(json_object_get(s, "strategies")) + (json_object_get(s, "house") ? 1 : 0), arm_rows = UINT32_MAX, instrument_rows = UINT32_MAX;
  if (p->screen->rows && head.text && latency.text && foot.text) {
    const uint32_t least = ROWS_MIN + 3; // of a table with its title, the line for the rest and a blank one
    uint32_t taken = 1 + lines_of(head.text) + lines_of(foot.text), room = p->screen->rows > taken ? p->screen->rows - taken : 0, more = lines_of(latency.text);
    if (room < arms + 2 + least + more) *latency.text = 0;
    else room -= more;
    arm_rows = rows_in(arms, room > least ? room - least : 0);
    uint32_t used = arms ? arm_rows + 2 + (arm_rows < arms) : 1;
    instrument_rows = rows_in((uint32_t)json_array_size(json_object_get(s, "instruments")), room > used ? room - used : 0);
  }
  if (head.text) fputs(head.text, p->to);
  draw_instruments(p, s, instrument_rows);
  draw_strategies(p, s, arm_rows);
  if (latency.text) fputs(latency.text, p->to);
  if (foot.text) fputs(foot.text, p->to);
  free(head.text);
  free(latency.text);
  free(foot.text);
}

void hd_screen_draw(const struct hd_screen *screen, const json_t *status, FILE *to) {
  char *bytes = NULL;
  size_t size = 0;
  FILE *memory = open_memstream(&bytes, &size); // one write: nothing flickers
  if (!memory) return;
  struct pen p = pen_of(screen, memory);
  if (screen->redraw) fputs("\033[H", memory);
  draw_parts(&p, status);
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
