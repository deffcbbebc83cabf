// backtest_lua: tests/bench/sma.lua (fast 10, slow 50) through the whole pipeline, as in backtest, against one bare lua_pcall per tick of
// a function with the same arithmetic (tests/bench/sma_bare.lua), in a plain state. The two take turns; the ratio is of thread CPU time.
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "support/bench.h"

#define TICKS 1000000u
#define INSTRUMENTS 4u
#define ROUNDS 7

static const char config[] = "mode = \"backtest\", engine = { measure_every = 0 }, report = { equity_every = \"1d\" },\n"
                             "universe = { max = 16 },\n"
                             "venues = { memory = { params = { count = 1000000, instruments = 4 } }, sim = {} },\n"
                             "strategies = { sma = { plugin = \"sma.lua\", params = { fast = 10, slow = 50, size = \"100\" } } },\n";

struct bare {
  lua_State *L;
  int function, selves[INSTRUMENTS];
};

static void bare_open(struct bare *b) {
  char path[TEST_PATH_SIZE];
  bench_source_path(path, "tests/bench/sma_bare.lua");
  if (!(b->L = luaL_newstate())) bench_die("out of memory");
  luaL_openlibs(b->L);
  if (luaL_dofile(b->L, path)) bench_die("%s", lua_tostring(b->L, -1));
  lua_getfield(b->L, -1, "on_trade");
  b->function = luaL_ref(b->L, LUA_REGISTRYINDEX);
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    lua_getfield(b->L, -1, "new");
    lua_pushinteger(b->L, 10);
    lua_pushinteger(b->L, 50);
    lua_pushinteger(b->L, 100 * HADRON_QUANTITY_SCALE);
    if (lua_pcall(b->L, 3, 1, 0)) bench_die("%s", lua_tostring(b->L, -1));
    b->selves[i] = luaL_ref(b->L, LUA_REGISTRYINDEX);
  }
}

static uint64_t bare_decisions(struct bare *b) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < INSTRUMENTS; i++) {
    lua_rawgeti(b->L, LUA_REGISTRYINDEX, b->selves[i]);
    lua_getfield(b->L, -1, "decisions");
    sum += (uint64_t)lua_tointeger(b->L, -1);
    lua_pop(b->L, 2);
  }
  return sum;
}

static struct bench_time round_bare(const struct hadron_tick *ticks, uint64_t *decisions) {
  struct bare b;
  bare_open(&b);
  struct bench_time start = bench_now();
  for (uint64_t i = 0; i < TICKS; i++) {
    lua_rawgeti(b.L, LUA_REGISTRYINDEX, b.function);
    lua_rawgeti(b.L, LUA_REGISTRYINDEX, b.selves[ticks[i].instrument - 1]);
    lua_pushinteger(b.L, ticks[i].value.trade.price.nanos);
    lua_pushinteger(b.L, ticks[i].value.trade.quantity.e8);
    if (lua_pcall(b.L, 3, 0, 0)) bench_die("%s", lua_tostring(b.L, -1));
  }
  struct bench_time took = bench_since(start);
  *decisions = bare_decisions(&b);
  lua_close(b.L);
  return took;
}

static struct bench_time round_whole(uint64_t *decisions, uint64_t *orders) {
  static struct bench_session b;
  const struct hd_session_options options = {.is_virtual = true};
  bench_session_open(&b, config, &options);
  struct bench_time start = bench_now();
  bench_session_run(&b);
  struct bench_time took = bench_since(start);
  if (b.session.runner.ticks != TICKS || b.session.pipeline.sink_errors) bench_die("not every tick was handled and recorded");
  *decisions = hd_session_count(&b.session, HADRON_MSG_DECISION);
  *orders = hd_session_count(&b.session, HADRON_MSG_ORDER);
  bench_session_close(&b);
  return took;
}

int main(int argc, char **argv) {
  struct bench_rounds whole = {.count = 0}, bare = {.count = 0};
  uint64_t decisions = 0, orders = 0, expected = 0;
  hd_log_level(HADRON_LOG_ERROR);
  hd_cycles_calibrate();
  struct hadron_tick *ticks = bench_ticks(TICKS, INSTRUMENTS);
  for (int i = -1; i < ROUNDS; i++) { // the first warms up
    struct bench_time w = round_whole(&decisions, &orders), b = round_bare(ticks, &expected);
    if (i < 0) continue;
    bench_round(&whole, w);
    bench_round(&bare, b);
  }
  free(ticks);
  if (decisions != expected) bench_die("%llu decisions, but %llu in the bare loop", (unsigned long long)decisions, (unsigned long long)expected);
  struct bench_time w = bench_median(&whole), b = bench_median(&bare);
  double ratio = b.cpu_ns / w.cpu_ns;
  const struct bench_result result = {.name = "backtest_lua", .unit = "ticks/s", .value = TICKS * 1e9 / w.cpu_ns, .baseline = TICKS * 1e9 / b.cpu_ns,
                                      .ratio = ratio, .goal = 0.7, .ok = ratio >= 0.7, .json = bench_wants_json(argc, argv)};
  bench_print(&result,
              "\"wall_value\": %.6g, \"wall_baseline\": %.6g, \"wall_ratio\": %.4g, \"ns_per_tick\": %.1f, \"ticks\": %u, \"instruments\": %u, "
              "\"rounds\": %d, \"decisions\": %llu, \"orders\": %llu, \"lua\": \"" LUA_RELEASE "\", \"clock\": \"thread CPU time, medians\", "
              "\"on\": \"sandbox with instruction budget, checks, lanes, one shard, net allocator, risk, hashed order ids, sim venue following the "
              "ticks, books\", \"off\": \"journal, digest of the records, stage latencies\"",
              TICKS * 1e9 / w.wall_ns, TICKS * 1e9 / b.wall_ns, b.wall_ns / w.wall_ns, w.cpu_ns / TICKS, TICKS, INSTRUMENTS, ROUNDS,
              (unsigned long long)decisions, (unsigned long long)orders);
  return 0;
}
