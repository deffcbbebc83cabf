// Promise: every indicator of hadron.ta gives nil until it is full and then what its definition says: over random walks each value is
// compared with one computed anew in C from the whole history, near 1 and near 1e11. size_by_risk is exact; the table cannot be changed.
#include <float.h>
#include <math.h>

#include "base/text.h"
#include "lua/script.h"
#include "support/test.h"

#define STEPS 1500
#define N 20

struct series {
  double x[STEPS], high[STEPS], low[STEPS], size[STEPS]; // x: the close
};

struct box {
  struct hd_lua_sandbox s;
  int push; // reference
};

static int add_api(lua_State *L) {
  hd_lua_api_add(L);
  return 0;
}

static void box_open(struct box *b) {
  struct hd_fault fault = {0};
  assert_int_equal(hd_lua_sandbox_open(&b->s, NULL, &fault), 0);
  lua_pushcfunction(b->s.L, add_api);
  if (hd_lua_sandbox_call(&b->s, 0, 0, 1000000)) fail_msg("%s", b->s.error);
}

static int32_t box_run(struct box *b, const char *text, int results) {
  struct hd_fault fault = {0};
  assert_int_equal(hd_lua_sandbox_load(&b->s, "ta.test", text, strlen(text), &fault), 0);
  return hd_lua_sandbox_call(&b->s, 0, results, 1000000);
}

static void box_make(struct box *b, const char *constructor) {
  char text[256];
  box_open(b);
  snprintf(text, sizeof text, "local o = hadron.ta.%s return function(...) return o:push(...) end", constructor);
  if (box_run(b, text, 1)) fail_msg("%s: %s", constructor, b->s.error);
  b->push = luaL_ref(b->s.L, LUA_REGISTRYINDEX);
}

// Leaves three results on the stack.
static void box_push(struct box *b, int count, const double *values) {
  lua_settop(b->s.L, 0);
  lua_rawgeti(b->s.L, LUA_REGISTRYINDEX, b->push);
  for (int i = 0; i < count; i++) lua_pushnumber(b->s.L, values[i]);
  if (hd_lua_sandbox_call(&b->s, count, 3, 1000)) fail_msg("%s", b->s.error); // also: no push is long
}

// ---- the definitions, from the whole history

static double mean_of(const double *x, int from, int to) {
  long double sum = 0;
  for (int i = from; i <= to; i++) sum += x[i];
  return (double)(sum / (to - from + 1));
}

static double deviation_of(const double *x, int from, int to) {
  long double squares = 0, mean = mean_of(x, from, to);
  for (int i = from; i <= to; i++) squares += (x[i] - mean) * (x[i] - mean);
  return (double)sqrtl(squares / (to - from + 1));
}

// Exponential from the mean of the first n; `start`: the first element there is.
static double smooth_of(const double *x, int start, int at, int n, double alpha) {
  long double value = mean_of(x, start, start + n - 1);
  for (int i = start + n; i <= at; i++) value = alpha * x[i] + (1 - alpha) * value;
  return (double)value;
}

static bool sma_value(const struct series *s, int t, double *to) { return t >= N - 1 && (to[0] = mean_of(s->x, t - N + 1, t), true); }
static bool ema_value(const struct series *s, int t, double *to) { return t >= N - 1 && (to[0] = smooth_of(s->x, 0, t, N, 2.0 / (N + 1)), true); }
static bool wilder_value(const struct series *s, int t, double *to) { return t >= N - 1 && (to[0] = smooth_of(s->x, 0, t, N, 1.0 / N), true); }
static bool stddev_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  to[0] = deviation_of(s->x, t - N + 1, t), to[1] = mean_of(s->x, t - N + 1, t);
  return true;
}
static bool zscore_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  to[0] = (s->x[t] - mean_of(s->x, t - N + 1, t)) / deviation_of(s->x, t - N + 1, t);
  return true;
}
static bool bollinger_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  double mean = mean_of(s->x, t - N + 1, t), width = 2 * deviation_of(s->x, t - N + 1, t);
  to[0] = mean - width, to[1] = mean, to[2] = mean + width;
  return true;
}
static bool highest_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  to[0] = -DBL_MAX;
  for (int i = t - N + 1; i <= t; i++) to[0] = fmax(to[0], s->x[i]);
  return true;
}
static bool lowest_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  to[0] = DBL_MAX;
  for (int i = t - N + 1; i <= t; i++) to[0] = fmin(to[0], s->x[i]);
  return true;
}
static bool rsi_value(const struct series *s, int t, double *to) {
  static double up[STEPS], down[STEPS];
  if (t < N) return false;
  for (int i = 1; i <= t; i++) up[i] = fmax(s->x[i] - s->x[i - 1], 0), down[i] = fmax(s->x[i - 1] - s->x[i], 0);
  to[0] = 100 - 100 / (1 + smooth_of(up, 1, t, N, 1.0 / N) / smooth_of(down, 1, t, N, 1.0 / N));
  return true;
}
static bool atr_value(const struct series *s, int t, double *to) {
  static double range[STEPS];
  if (t < N - 1) return false;
  for (int i = 0; i <= t; i++) range[i] = (i ? fmax(s->high[i], s->x[i - 1]) : s->high[i]) - (i ? fmin(s->low[i], s->x[i - 1]) : s->low[i]);
  to[0] = smooth_of(range, 0, t, N, 1.0 / N);
  return true;
}
static bool macd_value(const struct series *s, int t, double *to) {
  static double line[STEPS];
  if (t < 25 + 8) return false;
  for (int i = 25; i <= t; i++) line[i] = smooth_of(s->x, 0, i, 12, 2.0 / 13) - smooth_of(s->x, 0, i, 26, 2.0 / 27);
  to[0] = line[t], to[1] = smooth_of(line, 25, t, 9, 2.0 / 10), to[2] = to[0] - to[1];
  return true;
}
static bool vwap_value(const struct series *s, int t, double *to) {
  long double value = 0, size = 0;
  for (int i = 0; i <= t; i++) value += (long double)s->x[i] * s->size[i], size += s->size[i];
  to[0] = (double)(value / size);
  return true;
}
static bool slope_value(const struct series *s, int t, double *to) {
  if (t < N - 1) return false;
  long double xy = 0, xx = 0, mean = mean_of(s->x, t - N + 1, t);
  for (int i = 0; i < N; i++) xy += (i - (N - 1) / 2.0L) * (s->x[t - N + 1 + i] - mean), xx += (i - (N - 1) / 2.0L) * (i - (N - 1) / 2.0L);
  to[0] = (double)(xy / xx);
  return true;
}

static const struct {
  const char *constructor;
  bool (*value)(const struct series *s, int t, double *to); // false: not full
  int results;
  int arguments; // 1: x; 2: x, size; 3: high, low, x
  int stride;    // compare every so many steps: some definitions are long
  double unit;   // 1: of the size of the values' moves; 0: a plain number
} rows[] = {{"sma(20)", sma_value, 1, 1, 1, 1},           {"ema(20)", ema_value, 1, 1, 1, 1},         {"wilder(20)", wilder_value, 1, 1, 1, 1},
            {"stddev(20)", stddev_value, 2, 1, 1, 1},     {"zscore(20)", zscore_value, 1, 1, 1, 0},   {"bollinger(20, 2)", bollinger_value, 3, 1, 1, 1},
            {"highest(20)", highest_value, 1, 1, 1, 1},   {"lowest(20)", lowest_value, 1, 1, 1, 1},   {"rsi(20)", rsi_value, 1, 1, 1, 0},
            {"atr(20)", atr_value, 1, 3, 1, 1},           {"macd(12, 26, 9)", macd_value, 3, 1, 31, 1}, {"vwap()", vwap_value, 1, 2, 1, 1},
            {"slope(20)", slope_value, 1, 1, 1, 1}};

static void series_make(struct series *s, struct hd_random *r, double scale) {
  double x = 100 * scale;
  for (int i = 0; i < STEPS; i++) {
    x += ((double)hd_random_below(r, 2001) - 1000) * 1e-4 * scale;
    s->x[i] = x;
    s->high[i] = x + (double)hd_random_below(r, 1000) * 1e-4 * scale;
    s->low[i] = x - (double)hd_random_below(r, 1000) * 1e-4 * scale;
    s->size[i] = 1 + (double)hd_random_below(r, 1000);
  }
}

static void test_definitions(void **state) {
  static struct series s;
  static const double scales[] = {1, 1e9};
  struct hd_random r = test_random();
  (void)state;
  for (size_t k = 0; k < 2 * sizeof rows / sizeof *rows; k++) {
    size_t row = k / 2;
    struct box b;
    series_make(&s, &r, scales[k % 2]);
    box_make(&b, rows[row].constructor);
    for (int t = 0; t < STEPS; t++) {
      double expected[3] = {0}, one[] = {s.x[t], s.size[t]}, three[] = {s.high[t], s.low[t], s.x[t]};
      double tolerance = 1e-8 * (rows[row].unit > 0 ? scales[k % 2] : 10);
      box_push(&b, rows[row].arguments, rows[row].arguments == 3 ? three : one);
      if (t > 60 && t % rows[row].stride) continue;
      bool full = rows[row].value(&s, t, expected);
      if (full == lua_isnil(b.s.L, 1)) fail_msg("%s: step %d: expected %s", rows[row].constructor, t, full ? "a value" : "nil");
      for (int i = 0; full && i < rows[row].results; i++)
        if (!(fabs(lua_tonumber(b.s.L, i + 1) - expected[i]) <= tolerance))
          fail_msg("%s: step %d, result %d: expected %.17g, found %.17g", rows[row].constructor, t, i + 1, expected[i], lua_tonumber(b.s.L, i + 1));
    }
    hd_lua_sandbox_close(&b.s);
  }
}

static void expect(const char *text, int32_t code, const char *words) {
  struct box b;
  box_open(&b);
  int32_t err = box_run(&b, text, 0);
  if (err != code || (words && !strstr(b.s.error, words))) fail_msg("expected %d, found %d (%s) for: %s", code, err, b.s.error, text);
  hd_lua_sandbox_close(&b.s);
}

static void test_small(void **state) {
  (void)state;
  expect("local r = hadron.ta.ring(3) assert(r:at(1) == nil and not r:full()) for i = 1, 3 do assert(r:push(i) == nil) end\n"
         "assert(r:full() and r:push(4) == 1 and r:at(1) == 4 and r:at(3) == 2 and r:at(4) == nil and r:at(0) == nil)", 0, NULL);
  expect("local up, down = hadron.ta.crossover(), hadron.ta.crossunder()\n"
         "local a = { 1, 2, 3, 3, 2, 1, 2, 3 } local t = {}\n"
         "for i = 1, 8 do local u, d = up:push(a[i], 2), down:push(a[i], 2) t[i] = u == nil and 'n' or u and 'u' or d and 'd' or '-' end\n"
         "local s = table.concat(t) assert(s == 'n-u--d-u', s)", 0, NULL);
  expect("local z, b, r = hadron.ta.zscore(3), hadron.ta.bollinger(3, 2), hadron.ta.rsi(2)\n" // a market that stands still
         "for i = 1, 9 do local x, l, m, h, y = z:push(5), 0, 0, 0, r:push(5) l, m, h = b:push(5) if i >= 3 then assert(x == 0 and l == 5 and m == 5 and h == 5 and y == 50) end end", 0, NULL);
  expect("local r = hadron.ta.rsi(2) local v for i = 1, 9 do v = r:push(i) end assert(v == 100) for i = 9, 0, -1 do v = r:push(i) end assert(v < 1)", 0, NULL);
  expect("local v = hadron.ta.vwap() assert(v:push(5, 0) == nil and v:push(10, 3) == 10) v:reset() assert(v:push(7, 1) == 7)", 0, NULL);
  expect("local h = hadron.ta.highest(1) assert(h:push(5) == 5 and h:push(3) == 3)", 0, NULL);
  expect("local s = hadron.ta.sma(2) s:push(math.maxinteger) assert(s:push(math.maxinteger) > 9.2e18)", 0, NULL); // no sum wraps
}

// cash 10000.00, 1 %: 100.00 to lose, 0.30 per unit: 333.33 units, 333 whole ones.
static void test_size(void **state) {
  (void)state;
  expect("local M, P, Q = hadron.money, hadron.price, hadron.quantity local f = hadron.ta.size_by_risk\n"
         "assert(f(M('10000'), 100, P('50.30'), P('50'), Q('1')) == Q('333'))\n"
         "assert(f(M('10000'), 100, P('50'), P('50.30'), Q('0.01')) == Q('333.33'))\n"
         "assert(f(M('10000'), 100, P('50'), P('50.30'), Q('1000')) == 0 and f(0, 100, 1, 2, 1) == 0)\n"
         "assert(f(M('300'), 10000, P('3'), P('0'), 1) == Q('100') and f(math.maxinteger, 10000, math.maxinteger, math.mininteger, 1) == 49999999999)\n"
         "assert(math.type(f(M('1'), 1, 1, 2, 1)) == 'integer')", 0, NULL);
  expect("hadron.ta.size_by_risk(1, 1, 5, 5, 1)", HADRON_ERR_SCRIPT, "away from the entry");
  expect("hadron.ta.size_by_risk(1.0, 1, 5, 6, 1)", HADRON_ERR_SCRIPT, "cash");
  expect("hadron.ta.size_by_risk(1, 0, 5, 6, 1)", HADRON_ERR_SCRIPT, "risk_bps");
  expect("hadron.ta.size_by_risk(1, 1, 5, 6, 0)", HADRON_ERR_SCRIPT, "lot");
  expect("hadron.ta.size_by_risk(-1, 1, 5, 6, 1)", HADRON_ERR_SCRIPT, "cash");
  expect("hadron.ta.size_by_risk(math.maxinteger, 10000, 5, 6, 1)", HADRON_ERR_SCRIPT, "64 bits");
}

static void test_refused(void **state) {
  static const char *const bad[][2] = {
      {"hadron.ta.sma = 1", "read-only"}, {"hadron.ta = 1", "read-only"}, {"rawset(hadron.ta, 'sma', 1)", "read-only"}, {"setmetatable(hadron.ta.sma(3), {})", "protected"},
      {"hadron.ta.sma(0)", "ta.test:1: hadron.ta.sma: expected an integer from 1 to 10000"}, {"hadron.ta.sma(10001)", "10001"}, {"hadron.ta.ema(2.5)", "2.5"}, {"hadron.ta.stddev(1)", "from 2"},
      {"local v = hadron.ta.sma(3) v:push(0 / 0)", "finite"}, {"local v = hadron.ta.sma(3)\nv:push(nil)", "ta.test:2: hadron.ta: push"}, {"hadron.ta.ema(3):push('1')", "finite"},
      {"hadron.ta.highest(3):push(math.huge)", "finite"}, {"hadron.ta.atr(3):push(1, 2, 1)", "high"}, {"hadron.ta.macd(26, 12, 9)", "below"}, {"hadron.ta.bollinger(3, 0)", "above 0"},
      {"hadron.ta.vwap():push(1, -1)", "size"}, {"hadron.ta.ring(2):push(nil)", "nil"}};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect(bad[i][0], HADRON_ERR_SCRIPT, bad[i][1]);
  expect("local a = hadron.ta.sma(3) assert(getmetatable(a) == nil) a.push = error assert(hadron.ta.sma(1):push(4) == 4)", 0, NULL); // its own object only
  expect("while true do hadron.ta.sma(3):push(1) end", HADRON_ERR_BUDGET, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_definitions), cmocka_unit_test(test_small), cmocka_unit_test(test_size), cmocka_unit_test(test_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
