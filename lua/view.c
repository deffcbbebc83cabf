// What a callback is shown: market, tick, bar, execution and order are objects whose fields are read from the host's structs on
// demand, so that a tick makes no garbage. They show something only while the callback runs.
#include "base/banned.h"
#include "lua/script.h"

enum field_type { I64 = 1, U32, U16, U8, REAL, TEXT, NAME, HEX, MID };

struct field {
  const char *name;
  size_t offset;
  enum field_type type;
  uint32_t size;            // TEXT, HEX: bytes
  const char *const *names; // NAME: of the values 0, 1, ...; ended by NULL
  uint32_t kinds;           // ticks: bit per kind that has the field; 0: all
};

static const char *const kind_names[] = {"", "trade", "quote", "book", "status", NULL};
static const char *const side_names[] = {"", "buy", "sell", NULL};
static const char *const action_names[] = {"", "set", "add", "modify", "cancel", "clear", NULL};
static const char *const state_names[] = {"", "open", "halted", "closed", "auction", NULL};
static const char *const bar_names[] = {"", "time", "tick", "volume", NULL};
static const char *const order_states[] = {"", "initialized", "denied", "pending_submit", "submitted", "accepted", "partially_filled", "pending_cancel",
                                           "pending_replace", "filled", "canceled", "rejected", "expired", "unknown", NULL};
static const char *const change_names[] = {"", "deny", "queue", "send", "send_fail", "lose", "cancel", "replace", "accept", "reject", "fill", "canceled",
                                           "cancel_reject", "replaced", "replace_reject", "expire", "absent", "trigger", "bust", NULL};

#define F(type_, field, kind) {#field, offsetof(struct type_, field), kind, 0, NULL, 0}
static const struct field market_fields[] = {
    F(hadron_market, sequence, I64), F(hadron_market, event_ns, I64), F(hadron_market, last, I64), F(hadron_market, last_size, I64),
    F(hadron_market, bid, I64), F(hadron_market, ask, I64), F(hadron_market, bid_size, I64), F(hadron_market, ask_size, I64),
    F(hadron_market, position, I64), F(hadron_market, working_buy, I64), F(hadron_market, working_sell, I64),
    F(hadron_market, average_entry, I64), F(hadron_market, increment, I64), F(hadron_market, lot, I64), F(hadron_market, volatility, REAL),
    F(hadron_market, instrument, U32), {"state", offsetof(struct hadron_market, state), NAME, 0, state_names, 0}, {"mid", 0, MID, 0, NULL, 0},
    {NULL, 0, 0, 0, NULL, 0}};

#define T(name, path, kind, kinds) {name, offsetof(struct hadron_tick, path), kind, 0, NULL, kinds}
#define ON(kind) (1u << HADRON_TICK_##kind)
static const struct field tick_fields[] = {
    F(hadron_tick, event_ns, I64), F(hadron_tick, recv_ns, I64), F(hadron_tick, sequence, I64), F(hadron_tick, instrument, U32),
    F(hadron_tick, venue, U16), {"kind", offsetof(struct hadron_tick, kind), NAME, 0, kind_names, 0}, F(hadron_tick, flags, U8),
    T("price", value.trade.price, I64, ON(TRADE) | ON(BOOK)), T("size", value.trade.quantity, I64, ON(TRADE) | ON(BOOK)),
    T("trade_id", value.trade.trade_id, I64, ON(TRADE)), T("conditions", value.trade.conditions, U32, ON(TRADE)),
    {"aggressor", offsetof(struct hadron_tick, value.trade.aggressor), NAME, 0, side_names, ON(TRADE)},
    T("bid", value.quote.bid, I64, ON(QUOTE)), T("ask", value.quote.ask, I64, ON(QUOTE)), T("bid_size", value.quote.bid_size, I64, ON(QUOTE)),
    T("ask_size", value.quote.ask_size, I64, ON(QUOTE)), T("order_id", value.book.order_id, I64, ON(BOOK)),
    {"side", offsetof(struct hadron_tick, value.book.side), NAME, 0, side_names, ON(BOOK)},
    {"action", offsetof(struct hadron_tick, value.book.action), NAME, 0, action_names, ON(BOOK)},
    {"state", offsetof(struct hadron_tick, value.status.state), NAME, 0, state_names, ON(STATUS)},
    T("reason", value.status.reason, I64, ON(STATUS)), {NULL, 0, 0, 0, NULL, 0}};

static const struct field bar_fields[] = {
    F(hadron_bar, open_ns, I64), F(hadron_bar, close_ns, I64), F(hadron_bar, sequence, I64), F(hadron_bar, instrument, U32), F(hadron_bar, venue, U16),
    {"kind", offsetof(struct hadron_bar, kind), NAME, 0, bar_names, 0}, F(hadron_bar, open, I64), F(hadron_bar, high, I64), F(hadron_bar, low, I64),
    F(hadron_bar, close, I64), F(hadron_bar, volume, I64), F(hadron_bar, vwap, I64), F(hadron_bar, interval, I64), F(hadron_bar, ticks, U32),
    {NULL, 0, 0, 0, NULL, 0}};

static const struct field execution_fields[] = {
    F(hadron_allocation, id, I64), F(hadron_allocation, execution, I64), F(hadron_allocation, time_ns, I64), F(hadron_allocation, price, I64),
    {"size", offsetof(struct hadron_allocation, quantity), I64, 0, NULL, 0}, F(hadron_allocation, fee, I64), F(hadron_allocation, realized, I64),
    F(hadron_allocation, position, I64), F(hadron_allocation, cost, I64), F(hadron_allocation, instrument, U32),
    {"side", offsetof(struct hadron_allocation, side), NAME, 0, side_names, 0}, F(hadron_allocation, flags, U8), {NULL, 0, 0, 0, NULL, 0}};

static const struct field order_fields[] = {
    F(hadron_order_event, id, I64), F(hadron_order_event, time_ns, I64), F(hadron_order_event, venue_ns, I64),
    {"client_order_id", offsetof(struct hadron_order_event, client_order_id), HEX, 24, NULL, 0}, F(hadron_order_event, limit, I64),
    F(hadron_order_event, stop, I64), F(hadron_order_event, average, I64), {"size", offsetof(struct hadron_order_event, quantity), I64, 0, NULL, 0},
    F(hadron_order_event, filled, I64), F(hadron_order_event, actual, I64), F(hadron_order_event, bound, I64), F(hadron_order_event, instrument, U32),
    F(hadron_order_event, venue, U16), F(hadron_order_event, reason, U16), {"from", offsetof(struct hadron_order_event, from), NAME, 0, order_states, 0},
    {"to", offsetof(struct hadron_order_event, to), NAME, 0, order_states, 0}, {"change", offsetof(struct hadron_order_event, change), NAME, 0, change_names, 0},
    {"side", offsetof(struct hadron_order_event, side), NAME, 0, side_names, 0}, F(hadron_order_event, slot, U8),
    {"text", offsetof(struct hadron_order_event, text), TEXT, 64, NULL, 0}, {NULL, 0, 0, 0, NULL, 0}};

static const struct {
  const char *name;
  const struct field *fields;
} views[HD_LUA_VIEWS] = {[HD_LUA_VIEW_MARKET] = {"market", market_fields},
                         [HD_LUA_VIEW_TICK] = {"tick", tick_fields},
                         [HD_LUA_VIEW_BAR] = {"bar", bar_fields},
                         [HD_LUA_VIEW_EXECUTION] = {"execution", execution_fields},
                         [HD_LUA_VIEW_ORDER] = {"order", order_fields}};

// The object itself: an instrument, for markets of others; 0: what the callback is about.
struct view {
  uint32_t instrument;
};

static void push_field(lua_State *L, const struct field *f, const unsigned char *at) {
  const unsigned char *p = at + f->offset;
  const struct hadron_market *m = (const void *)at;
  uint32_t u32, n = 0;
  uint16_t u16;
  int64_t i64;
  double real;
  switch (f->type) {
  case I64: memcpy(&i64, p, 8), lua_pushinteger(L, i64); return;
  case U32: memcpy(&u32, p, 4), lua_pushinteger(L, u32); return;
  case U16: memcpy(&u16, p, 2), lua_pushinteger(L, u16); return;
  case U8: lua_pushinteger(L, *p); return;
  case REAL: memcpy(&real, p, 8), lua_pushnumber(L, real); return;
  case TEXT: lua_pushlstring(L, (const char *)p, strnlen((const char *)p, f->size)); return;
  case HEX: lua_pushlstring(L, (const char *)p, f->size); return;
  case NAME:
    while (f->names[n] && n < *p) n++;
    lua_pushstring(L, f->names[n] ? f->names[n] : "");
    return;
  case MID: lua_pushinteger(L, m->bid.nanos && m->ask.nanos ? m->bid.nanos + (m->ask.nanos - m->bid.nanos) / 2 : m->last.nanos); return;
  }
}

// Upvalues: what the view is (hd_lua_shown), map of field names to rows. Lua calls it with the object and the key; scripts cannot.
static int view_index(lua_State *L) {
  const struct hd_lua_shown *shown = lua_touserdata(L, lua_upvalueindex(1));
  const struct hd_lua_group *group = shown->group;
  const struct view *v = lua_touserdata(L, 1);
  const unsigned char *at = v->instrument == 0    ? group->shown[shown->number]
                            : group->current ? (const void *)group->current->engine->market(group->current->host->instance, v->instrument)
                                             : NULL;
  if (!at) hd_lua_raise(L, "%s: it shows something only during the callback it was given to; copy the fields that are needed later", views[shown->number].name);
  lua_rawget(L, lua_upvalueindex(2));
  const struct field *f = lua_touserdata(L, 2);
  if (!f) hd_lua_raise(L, "%s: there is no such field; docs/lua.md lists them", views[shown->number].name);
  if (f->kinds && !(f->kinds & (1u << ((const struct hadron_tick *)(const void *)at)->kind))) lua_pushnil(L);
  else push_field(L, f, at);
  return 1;
}

static int view_write(lua_State *L) {
  hd_lua_raise(L, "%s is read-only", views[lua_tointeger(L, lua_upvalueindex(1))].name);
}

static void view_push(lua_State *L, struct hd_lua_group *group, uint32_t number) {
  struct view *v = lua_newuserdatauv(L, sizeof *v, 0);
  v->instrument = 0;
  group->shows[number] = (struct hd_lua_shown){group, number};
  lua_createtable(L, 0, 3);
  lua_pushlightuserdata(L, &group->shows[number]);
  lua_newtable(L);
  for (const struct field *f = views[number].fields; f->name; f++) {
    lua_pushlightuserdata(L, (void *)(uintptr_t)f);
    lua_setfield(L, -2, f->name);
  }
  lua_pushcclosure(L, view_index, 2);
  lua_setfield(L, -2, "__index");
  lua_pushinteger(L, number);
  lua_pushcclosure(L, view_write, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

static const char markets_key = 0; // registry: instrument -> its market object

void hd_lua_views_add(struct hd_lua_group *group) {
  lua_State *L = group->box.L;
  for (uint32_t i = 0; i < HD_LUA_VIEWS; i++) {
    view_push(L, group, i);
    group->views[i] = luaL_ref(L, LUA_REGISTRYINDEX);
  }
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &markets_key);
}

void hd_lua_market_push(lua_State *L, struct hd_lua_group *group, uint32_t instrument) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &markets_key);
  if (lua_rawgeti(L, -1, instrument) == LUA_TNIL) {
    lua_pop(L, 1);
    struct view *v = lua_newuserdatauv(L, sizeof *v, 0);
    v->instrument = instrument;
    lua_rawgeti(L, LUA_REGISTRYINDEX, group->views[HD_LUA_VIEW_MARKET]);
    lua_getmetatable(L, -1);
    lua_setmetatable(L, -3);
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, instrument);
  }
  lua_remove(L, -2);
}
