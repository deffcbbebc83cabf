// What scripts call: the table `hadron`, and the methods of `self`.
#include "base/banned.h"
#include "base/text.h"
#include "lua/script.h"

static const char self_key = 0; // registry: metatable of what hadron.strategy returns

struct hd_lua_group *hd_lua_group_of(lua_State *L) { return hd_lua_sandbox_of(L)->world.user; }

// ---- hadron.*: units and time

static int unit_parse(lua_State *L, const char *what, int64_t scale) {
  int64_t value = 0;
  int32_t err = HADRON_ERR_PARSE;
  if (lua_isinteger(L, 1)) err = __builtin_mul_overflow(lua_tointeger(L, 1), scale, &value) ? HADRON_ERR_OVERFLOW : HADRON_OK;
  else if (lua_type(L, 1) == LUA_TSTRING) err = hd_decimal_read(lua_tostring(L, 1), scale, &value);
  if (err)
    hd_lua_raise(L, "hadron.%s: expected a decimal text such as \"12.34\" or an integer, found %s; a float is never exact", what,
                 lua_type(L, 1) == LUA_TSTRING ? lua_tostring(L, 1) : luaL_typename(L, 1));
  lua_pushinteger(L, value);
  return 1;
}
static int api_price(lua_State *L) { return unit_parse(L, "price", HADRON_PRICE_SCALE); }
static int api_quantity(lua_State *L) { return unit_parse(L, "quantity", HADRON_QUANTITY_SCALE); }
static int api_money(lua_State *L) { return unit_parse(L, "money", HADRON_MONEY_SCALE); }

static int api_duration(lua_State *L) {
  int64_t ns;
  if (hd_duration_parse(luaL_checkstring(L, 1), &ns)) hd_lua_raise(L, "hadron.duration: expected a text such as \"250ms\" or \"1h30m\", found \"%s\"", lua_tostring(L, 1));
  lua_pushinteger(L, ns);
  return 1;
}

static int unit_number(lua_State *L, int64_t scale) {
  lua_pushnumber(L, (double)luaL_checkinteger(L, 1) / (double)scale);
  return 1;
}
static int api_to_number(lua_State *L) { return unit_number(L, HADRON_PRICE_SCALE); }
static int api_quantity_number(lua_State *L) { return unit_number(L, HADRON_QUANTITY_SCALE); }
static int api_money_number(lua_State *L) { return unit_number(L, HADRON_MONEY_SCALE); }

static int api_format(lua_State *L) {
  char text[48];
  size_t n = hd_decimal_format(text, sizeof text, luaL_checkinteger(L, 1), HADRON_PRICE_SCALE, 2);
  lua_pushlstring(L, text, n);
  return 1;
}

static int api_round(lua_State *L) {
  if (lua_isinteger(L, 1)) return lua_settop(L, 1), 1;
  double x = luaL_checknumber(L, 1);
  if (!(x > -9.2e18 && x < 9.2e18)) hd_lua_raise(L, "hadron.round: expected a number that fits 64 bits, found %g", x);
  lua_pushinteger(L, (lua_Integer)__builtin_round(x));
  return 1;
}

static int api_notional(lua_State *L) {
  struct hadron_money money;
  if (hadron_notional((struct hadron_price){luaL_checkinteger(L, 1)}, (struct hadron_quantity){luaL_checkinteger(L, 2)}, (struct hadron_quantity){HADRON_QUANTITY_SCALE}, &money))
    hd_lua_raise(L, "hadron.notional: the product does not fit 64 bits");
  lua_pushinteger(L, money.micros);
  return 1;
}

static int api_now(lua_State *L) {
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  lua_pushinteger(L, s->world.now ? s->world.now(s->world.user) : 0);
  return 1;
}

static int api_log(lua_State *L) {
  static const char *const levels[] = {"debug", "info", "warn", "error", NULL};
  struct hd_lua_sandbox *s = hd_lua_sandbox_of(L);
  int level = luaL_checkoption(L, 1, NULL, levels);
  const char *id = luaL_checkstring(L, 2);
  hd_lua_tostring(L, 3, NULL);
  hd_lua_charge(L, 100);
  if (s->world.print) s->world.print(s->world.user, (uint32_t)level + HADRON_LOG_DEBUG, id, lua_tostring(L, -1));
  return 0;
}

static int api_strategy(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  if (lua_getmetatable(L, 1)) hd_lua_raise(L, "hadron.strategy: expected a plain table, found one with a metatable");
  lua_settop(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &self_key);
  lua_setmetatable(L, 1);
  return 1;
}

void hd_lua_script_check(lua_State *L) {
  bool made = lua_istable(L, -1) && lua_getmetatable(L, -1);
  if (made) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &self_key);
    made = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
  }
  if (!made) hd_lua_raise(L, "expected `return hadron.strategy { ... }` at the end of the script, found a %s", luaL_typename(L, -1));
}

// ---- methods of self

static struct hd_lua_instance *self_of(lua_State *L) {
  struct hd_lua_group *group = hd_lua_group_of(L);
  struct hd_lua_instance *i = group ? group->current : NULL;
  if (!i || lua_topointer(L, 1) != i->self_pointer) hd_lua_raise(L, "expected the callback's own `self` before the colon: self:buy(...)");
  return i;
}

static int64_t exact(lua_State *L, int index, const char *what) {
  if (!lua_isinteger(L, index))
    hd_lua_raise(L, "%s: expected an integer in the host's units, found a %s; hadron.price(\"12.34\"), hadron.quantity(\"1.5\") and hadron.round(x) make one", what,
                 lua_type(L, index) == LUA_TNUMBER ? "float" : luaL_typename(L, index));
  return lua_tointeger(L, index);
}

static double real(lua_State *L, int index, const char *what) {
  if (lua_type(L, index) != LUA_TNUMBER) hd_lua_raise(L, "%s: expected a number, found a %s", what, luaL_typename(L, index));
  return lua_tonumber(L, index);
}

static uint8_t option_name(lua_State *L, const char *what, const char *const *names) {
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : luaL_typename(L, -1);
  for (uint8_t i = 0; names[i]; i++)
    if (strcmp(names[i], text) == 0) return (uint8_t)(i + 1);
  hd_lua_raise(L, "%s: there is no \"%s\"; docs/lua.md lists them", what, text);
}

// One row per field of the options table; the value is on top of the stack.
static void option_limit(lua_State *L, struct hadron_decision *d) { d->limit.nanos = exact(L, -1, "limit"); }
static void option_stop(lua_State *L, struct hadron_decision *d) { d->stop.nanos = exact(L, -1, "stop"); }
static void option_mean(lua_State *L, struct hadron_decision *d) { d->mean_return = real(L, -1, "mean"); }
static void option_uncertainty(lua_State *L, struct hadron_decision *d) { d->uncertainty = real(L, -1, "uncertainty"); }
static void option_confidence(lua_State *L, struct hadron_decision *d) { d->confidence = real(L, -1, "confidence"); }
static void option_horizon(lua_State *L, struct hadron_decision *d) { d->horizon_ns = exact(L, -1, "horizon"); }
static void option_expire(lua_State *L, struct hadron_decision *d) { d->expire_ns = exact(L, -1, "expire"); }
static void option_key(lua_State *L, struct hadron_decision *d) { d->key = (uint64_t)exact(L, -1, "key"); }
static void option_instrument(lua_State *L, struct hadron_decision *d) { d->instrument = (uint32_t)exact(L, -1, "instrument"); }
static void option_regime(lua_State *L, struct hadron_decision *d) {
  int64_t regime = exact(L, -1, "regime");
  if (regime < 0 || regime > 255) hd_lua_raise(L, "regime: expected 0 to 255, found %lld", (long long)regime);
  d->regime = (uint8_t)regime;
}
static void option_type(lua_State *L, struct hadron_decision *d) {
  static const char *const names[] = {"market", "limit", "stop", "stop_limit", NULL};
  d->order_type = option_name(L, "type", names);
}
static void option_tif(lua_State *L, struct hadron_decision *d) {
  static const char *const names[] = {"day", "gtc", "ioc", "fok", "gtd", NULL};
  d->time_in_force = option_name(L, "tif", names);
}
static void option_post_only(lua_State *L, struct hadron_decision *d) {
  if (lua_toboolean(L, -1)) d->flags |= HADRON_ORDER_POST_ONLY;
}
static void option_reduce_only(lua_State *L, struct hadron_decision *d) {
  if (lua_toboolean(L, -1)) d->flags |= HADRON_ORDER_REDUCE_ONLY;
}

static const struct {
  const char *name;
  void (*read)(lua_State *L, struct hadron_decision *d);
} options[] = {{"limit", option_limit}, {"stop", option_stop}, {"mean", option_mean}, {"uncertainty", option_uncertainty},
               {"confidence", option_confidence}, {"horizon", option_horizon}, {"expire", option_expire}, {"key", option_key},
               {"instrument", option_instrument}, {"regime", option_regime}, {"type", option_type}, {"tif", option_tif},
               {"post_only", option_post_only}, {"reduce_only", option_reduce_only}};

static void options_read(lua_State *L, int index, struct hadron_decision *d) {
  if (lua_isnoneornil(L, index)) return;
  luaL_checktype(L, index, LUA_TTABLE);
  lua_settop(L, index);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    size_t i = 0, n = sizeof options / sizeof *options;
    const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    while (i < n && (options[i].name[0] != name[0] || strcmp(options[i].name, name) != 0)) i++; // the first letter tells most of them apart
    if (i == n) hd_lua_raise(L, "options of a decision: there is no \"%s\"; docs/lua.md lists them", name);
    options[i].read(L, d);
    lua_pop(L, 1);
  }
}

// A decision that the host finds wrong is the script's error; one that finds no room is a code that it may look at.
static int decide(lua_State *L, struct hd_lua_instance *i, int options_index, struct hadron_decision *d) {
  d->instrument = i->instrument;
  options_read(L, options_index, d);
  if (!i->active) hd_lua_raise(L, "a decision: expected one of the callbacks that follow on_start, found none in progress");
  int32_t err = i->engine->decide(i->host->instance, d);
  if (err == HADRON_ERR_ARGUMENT)
    hd_lua_raise(L, "the host refused the decision (instrument %u, quantity %lld, limit %lld, stop %lld): a field is out of its range, or the instrument is not of the universe", d->instrument,
                 (long long)d->quantity.e8, (long long)d->limit.nanos, (long long)d->stop.nanos);
  lua_pushinteger(L, err);
  return 1;
}

static int side_decide(lua_State *L, uint8_t side, const char *what) {
  struct hd_lua_instance *i = self_of(L);
  struct hadron_decision d = {.kind = HADRON_DECISION_SIDE, .side = side, .quantity = {exact(L, 2, what)}};
  return decide(L, i, 3, &d);
}
static int self_buy(lua_State *L) { return side_decide(L, HADRON_SIDE_BUY, "buy: quantity"); }
static int self_sell(lua_State *L) { return side_decide(L, HADRON_SIDE_SELL, "sell: quantity"); }

static int self_target(lua_State *L) {
  struct hd_lua_instance *i = self_of(L);
  struct hadron_decision d = {.kind = HADRON_DECISION_TARGET, .quantity = {exact(L, 2, "target: quantity")}};
  return decide(L, i, 3, &d);
}

// slot, side, quantity, limit [, options]
static int self_work(lua_State *L) {
  static const char *const sides[] = {"buy", "sell", NULL};
  struct hd_lua_instance *i = self_of(L);
  int64_t slot = exact(L, 2, "work: slot");
  if (slot < 1 || slot > HD_SLOTS_MAX) hd_lua_raise(L, "work: slot: expected 1 to %d, found %lld", HD_SLOTS_MAX, (long long)slot);
  struct hadron_decision d = {.kind = HADRON_DECISION_WORK, .slot = (uint16_t)slot, .side = (uint8_t)(luaL_checkoption(L, 3, NULL, sides) + 1),
                              .quantity = {exact(L, 4, "work: quantity")}, .limit = {exact(L, 5, "work: limit")}};
  return decide(L, i, 6, &d);
}

// slot, side [, options]
static int self_withdraw(lua_State *L) {
  static const char *const sides[] = {"buy", "sell", NULL};
  struct hd_lua_instance *i = self_of(L);
  int64_t slot = exact(L, 2, "withdraw: slot");
  if (slot < 1 || slot > HD_SLOTS_MAX) hd_lua_raise(L, "withdraw: slot: expected 1 to %d, found %lld", HD_SLOTS_MAX, (long long)slot);
  struct hadron_decision d = {.kind = HADRON_DECISION_WORK, .slot = (uint16_t)slot, .side = (uint8_t)(luaL_checkoption(L, 3, NULL, sides) + 1)};
  return decide(L, i, 4, &d);
}

static bool owns(const struct hd_lua_instance *i, int64_t instrument) {
  for (uint32_t k = 0; k < i->instrument_count; k++)
    if (i->instruments[k] == instrument) return true;
  return false;
}

static int self_market(lua_State *L) {
  struct hd_lua_instance *i = self_of(L);
  int64_t instrument = lua_isnoneornil(L, 2) ? i->instrument : exact(L, 2, "market: instrument");
  hd_lua_charge(L, i->instrument_count / 8);
  if (!owns(i, instrument)) hd_lua_raise(L, "market: expected an instrument of self.instruments, found %lld", (long long)instrument);
  hd_lua_market_push(L, i->group, (uint32_t)instrument);
  return 1;
}

static int self_name(lua_State *L) {
  struct hd_lua_instance *i = self_of(L);
  int64_t instrument = lua_isnoneornil(L, 2) ? i->instrument : exact(L, 2, "name: instrument");
  hd_lua_charge(L, i->instrument_count / 8);
  lua_pushstring(L, owns(i, instrument) ? i->engine->name(i->host->instance, (uint32_t)instrument) : NULL);
  return 1;
}

static int self_feature(lua_State *L) {
  static const char *const names[] = {"volatility", "spread", "imbalance", "mid", NULL};
  struct hd_lua_instance *i = self_of(L);
  uint32_t feature = (uint32_t)luaL_checkoption(L, 2, NULL, names) + 1;
  int64_t instrument = lua_isnoneornil(L, 3) ? i->instrument : exact(L, 3, "feature: instrument");
  double value = 0;
  if (!i->features) hd_lua_raise(L, "feature: this host offers no hadron.features/1; add it to `-- requires:`");
  if (i->features->read(i->host->instance, (uint32_t)instrument, feature, &value)) hd_lua_raise(L, "feature: expected an instrument of self.instruments, found %lld", (long long)instrument);
  lua_pushnumber(L, value);
  return 1;
}

static int timer_set(lua_State *L, int64_t base) {
  struct hd_lua_instance *i = self_of(L);
  int64_t due, id = lua_isnoneornil(L, 3) ? 0 : exact(L, 3, "timer: id");
  if (!i->timer) hd_lua_raise(L, "timers: this host offers no hadron.timer/1; add it to `-- requires:`");
  if (!(i->script->present & (1u << HD_LUA_TIMER))) hd_lua_raise(L, "timers: expected a function on_timer, found none");
  if (__builtin_add_overflow(base, exact(L, 2, "timer: time"), &due)) hd_lua_raise(L, "timers: the time does not fit 64 bits");
  lua_pushinteger(L, i->timer->at(i->host->instance, due, (uint64_t)id));
  return 1;
}
static int self_at(lua_State *L) { return timer_set(L, 0); }
static int self_after(lua_State *L) {
  struct hd_lua_instance *i = self_of(L);
  return timer_set(L, i->host->now_ns(i->host->instance));
}
static int self_cancel_timer(lua_State *L) {
  struct hd_lua_instance *i = self_of(L);
  if (i->timer) i->timer->cancel(i->host->instance, (uint64_t)(lua_isnoneornil(L, 2) ? 0 : exact(L, 2, "cancel_timer: id")));
  return 0;
}

static void errors_push(lua_State *L) {
  lua_newtable(L);
#define ERROR_SET(name, code, text, hint) lua_pushinteger(L, code), lua_setfield(L, -2, #name);
  HADRON_ERROR_MAP(ERROR_SET)
#undef ERROR_SET
  lua_pushinteger(L, 0);
  lua_setfield(L, -2, "OK");
  hd_lua_lock(L, "hadron.err");
}

static int api_build(lua_State *L) {
  static const luaL_Reg api[] = {{"strategy", api_strategy}, {"price", api_price}, {"quantity", api_quantity}, {"money", api_money},
                                 {"duration", api_duration}, {"to_number", api_to_number}, {"quantity_number", api_quantity_number},
                                 {"money_number", api_money_number}, {"format_price", api_format}, {"round", api_round}, {"notional", api_notional},
                                 {"now", api_now}, {"log", api_log}, {NULL, NULL}};
  static const luaL_Reg methods[] = {{"buy", self_buy}, {"sell", self_sell}, {"target", self_target}, {"work", self_work}, {"withdraw", self_withdraw},
                                     {"market", self_market}, {"name", self_name}, {"feature", self_feature}, {"at", self_at}, {"after", self_after},
                                     {"cancel_timer", self_cancel_timer}, {NULL, NULL}};
  lua_createtable(L, 0, 2);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &self_key);
  luaL_newlib(L, api);
  errors_push(L);
  lua_setfield(L, -2, "err");
  hd_lua_ta_push(L);
  lua_setfield(L, -2, "ta");
  hd_lua_lock(L, "hadron");
  hd_lua_sandbox_set(hd_lua_sandbox_of(L), "hadron");
  return 0;
}

void hd_lua_api_add(lua_State *L) {
  lua_pushcfunction(L, api_build);
  lua_call(L, 0, 0);
}
