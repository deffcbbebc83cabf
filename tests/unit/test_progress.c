// Promise: the progress line never is wider than the terminal, loses its parts in order as the terminal narrows, and does not appear at
// all where standard error is no terminal; on one it is wiped at the end.
#include "support/test.h"

#include <poll.h>
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/progress.h"

#define SECOND INT64_C(1000000000)
static const struct hd_progress_state half = {50, 100, 30000000, INT64_C(1709510400000000000), 10 * SECOND};

static void full_line(void **state) {
  (void)state;
  struct hd_progress p = {.title = "Backtest"};
  char line[HD_PROGRESS_LINE];
  uint32_t columns = hd_progress_line(&p, &half, 79, line);
  assert_string_equal(line, "Backtest   50 %  #######........  3.00 M ticks/s  10.0 s left  2024-03-04 00:00");
  assert_int_equal(columns, strlen(line));
  p.utf8 = true;
  assert_int_equal(hd_progress_line(&p, &half, 79, line), 79);
  assert_non_null(strstr(line, "\xe2\x96\x88\xe2\x96\x91"));
}

static void without_total(void **state) {
  (void)state;
  struct hd_progress p = {.title = "Replay"};
  char line[HD_PROGRESS_LINE];
  hd_progress_line(&p, &(struct hd_progress_state){7, 0, 1234567, 0, SECOND}, 79, line);
  assert_string_equal(line, "Replay  1,234,567 ticks  1.23 M ticks/s");
  hd_progress_line(&p, &(struct hd_progress_state){0}, 79, line);
  assert_string_equal(line, "Replay  0 ticks");
  hd_progress_line(&p, &(struct hd_progress_state){200, 100, 5, 0, SECOND}, 40, line); // a source that grew
  assert_non_null(strstr(line, "100 %"));
}

static void every_width(void **state) {
  (void)state;
  struct hd_random random = test_random();
  struct hd_progress p = {.title = "Backtest"};
  char line[HD_PROGRESS_LINE];
  for (uint32_t columns = 1; columns < 400; columns++) {
    struct hd_progress_state s = {hd_random_next(&random) >> 1, hd_random_next(&random), hd_random_next(&random), half.now_ns,
                                  (int64_t)(hd_random_next(&random) >> 1)};
    uint32_t width = hd_progress_line(&p, &s, columns, line);
    assert_true(width <= columns);
    assert_int_equal(width, strlen(line));
  }
}

static void no_terminal(void **state) {
  (void)state;
  int pipe_of[2], saved = dup(STDERR_FILENO);
  assert_int_equal(pipe(pipe_of), 0);
  dup2(pipe_of[1], STDERR_FILENO);
  struct hd_progress p;
  hd_progress_init(&p, "Backtest", true);
  hd_progress_show(&p, 1, 2, 3, 4, 5);
  hd_progress_end(&p);
  dup2(saved, STDERR_FILENO);
  close(saved), close(pipe_of[1]);
  char c;
  assert_int_equal(read(pipe_of[0], &c, 1), 0);
  close(pipe_of[0]);
}

// What a terminal of 60 columns gets.
static void on_terminal(void **state) {
  (void)state;
  int master, slave, saved = dup(STDERR_FILENO);
  struct winsize size = {.ws_row = 24, .ws_col = 60};
  if (openpty(&master, &slave, NULL, NULL, &size) != 0) skip();
  unsetenv("NO_COLOR");
  setenv("TERM", "xterm", 1);
  dup2(slave, STDERR_FILENO);
  struct hd_progress p;
  hd_progress_init(&p, "Backtest", true);
  hd_progress_show(&p, half.done, half.total, half.ticks, half.now_ns, half.elapsed_ns);
  hd_progress_show(&p, half.done, half.total, half.ticks, half.now_ns, half.elapsed_ns); // the same again is not written again
  hd_progress_end(&p);
  hd_progress_end(&p);
  struct hd_progress off;
  hd_progress_init(&off, "Backtest", false);
  hd_progress_show(&off, 1, 2, 3, 4, 5);
  dup2(saved, STDERR_FILENO);
  close(saved);
  char text[2048];
  static const char expected[] = "\rBacktest   50 %  3.00 M ticks/s  10.0 s left\033[K\r\r\033[K\r";
  size_t at = 0;
  struct pollfd ready = {.fd = master, .events = POLLIN};
  while (at < sizeof expected - 1 && poll(&ready, 1, 10000) == 1) { // the kernel hands a terminal's bytes over piece by piece
    ssize_t n = read(master, text + at, sizeof text - 1 - at);
    if (n <= 0) break;
    at += (size_t)n;
  }
  text[at] = 0;
  assert_string_equal(text, expected);
  close(slave), close(master);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(full_line), cmocka_unit_test(without_total), cmocka_unit_test(every_width),
                                     cmocka_unit_test(no_terminal), cmocka_unit_test(on_terminal)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
