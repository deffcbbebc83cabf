// Promise: a callback with a meter ends within its budget whatever way it takes to run for ever, without a hook; the budget is the same
// in every run and after any other callbacks; the woven code changes nothing else: results, lines, words of errors; a text that cannot
// have a meter runs under the hook, and ends too.
#include <stdlib.h>

#include "lua/meter.h"
#include "lua/sandbox.h"
#include "support/test.h"

#define BUDGET 100000

// Runs the text from the top and leaves what it returns on the stack.
static void box_open(struct hd_lua_sandbox *s, const char *text, size_t size) {
  struct hd_fault fault = {0};
  assert_int_equal(hd_lua_sandbox_open(s, NULL, &fault), 0);
  if (hd_lua_sandbox_load_metered(s, "test.lua", text, size, &fault)) fail_msg("%s: %s", fault.text, text);
  if (hd_lua_sandbox_call(s, 0, 1, 1000000)) fail_msg("%s: %s", s->error, text);
}

static int32_t call(struct hd_lua_sandbox *s, lua_Integer argument, uint64_t budget) {
  lua_pushvalue(s->L, 1);
  lua_pushinteger(s->L, argument);
  return hd_lua_sandbox_call_metered(s, hd_lua_meter_of(s->L, 1), 1, 0, budget);
}

// Bodies of a callback. `t` is a table with every metamethod `again`, which calls `f`; f is what a row makes it.
static const char *const endless[] = {
    "while true do end", "while n do n = n + 1 end", "for i = 1, math.maxinteger do end", "for i = 1, 1e300 do end", "for i = 1, 2, 0.0000000000001 do end",
    "repeat until false", "repeat local x = 1 until x == 2", "::top:: goto top", "::a:: do goto b end ::b:: if n then goto a end",
    "do ::again:: n = n + 1 do goto again end end", "while true do goto continue ::continue:: end", "for _ in function() return 1 end do end",
    "for _ in rawlen, 'x' do end", "for _ in rawequal do end", "while true do if n then else break end end",
    "f = function() f() end f()", "f = function() return f() end f()", "f = function() return (f()) end pcall(f) while true do pcall(f) end",
    "local g f = function() return g() end g = function() return f() end f()", "function f(k) if k == 0 then return end f(k - 1) f(k - 1) end f(60)",
    "f = function(...) return f(...) end f(1, 2, 3)", "f = function(...) return f(1, ...) end f()", "local o = { m = function(self) return self:m() end } o:m()",
    "local Y = function(g) return g(g) end Y(function(g) return g(g) end)", "f = function() return (function() return f() end)() end f()",
    "f = function() local x = t.x return f() end while true do pcall(f) end", "f = function() t.x = 1 end while true do pcall(f) end", "f = function() return t + 1 end while true do pcall(f) end",
    "f = function() return -t end while true do pcall(f) end", "f = function() return #t end while true do pcall(f) end",
    "f = function() return t .. 'x' end while true do pcall(f) end", "f = function() return t == u end while true do pcall(f) end",
    "f = function() return t < u end while true do pcall(f) end", "f = function() return t() end t()", "f = function() return t() end while true do pcall(t) end", "f = function() return tostring(t) end while true do pcall(f) end",
    "f = function() while true do end end return t.x", "f = function() while true do end end return t < u", "f = function() while true do end end return t .. ''",
    "table.sort({ 3, 2, 1 }, function() while true do end end)", "f = function() return f() end table.sort({ 1, 2 }, f)",
    "('x'):gsub('x', function() while true do end end)", "while true do ('x'):gsub('.', function() end) end", "while true do pcall(error) end",
    "while true do xpcall(error, function() while true do end end) end", "xpcall(function() while true do end end, function() while true do end end)",
    "while true do pcall(function() while true do end end) end", "local k = 0 f = function() k = k + 1 pcall(f) return f() end f()",
    "string.find(('a'):rep(28), ('a?'):rep(28) .. ('a'):rep(28))", "for _ in pairs({ 1 }) do while true do end end", "local e = hadron f = setmetatable({}, { __call = function(self) return self() end }) f()",
    "local s = '' repeat s = #s .. '' until false", "while math.huge > 0 do local a = { 1, 2, 3 } end"};

static const char frame[] = "local hadron, f, t, u, n = nil, nil, {}, {}, 0\n"
                            "local again = function(...) return f(...) end\n"
                            "local mt = {}\n"
                            "for _, k in ipairs{'__index','__newindex','__add','__unm','__len','__concat','__eq','__lt','__call','__tostring'} do mt[k] = again end\n"
                            "setmetatable(t, mt) setmetatable(u, mt)\n"
                            "return function(argument) %s\nend";

static void test_endless(void **state) {
  char text[2048];
  (void)state;
  for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
    struct hd_lua_sandbox s;
    int n = snprintf(text, sizeof text, frame, endless[i]);
    box_open(&s, text, (size_t)n);
    assert_true(hd_lua_meter_of(s.L, 1) != 0);
    assert_null(lua_gethook(s.L));
    for (int k = 0; k < 3; k++) { // the state is good for the next call
      int32_t err = call(&s, 0, BUDGET);
      if (err != HADRON_ERR_BUDGET || !s.metered) fail_msg("expected %d, found %d (%s) for: %s", HADRON_ERR_BUDGET, err, s.error, endless[i]);
      assert_null(lua_gethook(s.L));
    }
    hd_lua_sandbox_close(&s);
  }
}

// The most rounds of a loop that a budget allows, found by halving.
static lua_Integer most_rounds(struct hd_lua_sandbox *s, uint64_t budget) {
  lua_Integer good = 0, bad = 1 << 20;
  while (bad - good > 1) {
    lua_Integer middle = (good + bad) / 2;
    if (call(s, middle, budget) == HADRON_OK) good = middle;
    else bad = middle;
  }
  return good;
}

static void test_repeats(void **state) {
  static const char text[] = "local sum = 0 return function(n) for i = 1, n do sum = sum + i end end";
  struct hd_random r = test_random();
  struct hd_lua_sandbox s;
  (void)state;
  box_open(&s, text, sizeof text - 1);
  lua_Integer small = most_rounds(&s, 50), rounds = most_rounds(&s, BUDGET);
  assert_in_range(small, 1, 50);
  assert_in_range(rounds, BUDGET / 20, BUDGET);
  for (int i = 0; i < 200; i++) {
    call(&s, (lua_Integer)hd_random_below(&r, 3000), 1 + hd_random_below(&r, 5000)); // whatever was before
    assert_int_equal(call(&s, rounds, BUDGET), HADRON_OK);
    assert_int_equal(call(&s, rounds + 1, BUDGET), HADRON_ERR_BUDGET);
  }
  hd_lua_sandbox_close(&s);
}

// What C functions charge and what the text charges come from one budget.
static void test_one_budget(void **state) {
  static const char text[] = "return function(n) for i = 1, n do end ('x'):rep(900) end";
  struct hd_lua_sandbox s;
  (void)state;
  box_open(&s, text, sizeof text - 1);
  assert_int_equal(call(&s, 1, 1000), HADRON_OK);
  assert_int_equal(call(&s, 1, 800), HADRON_ERR_BUDGET);
  hd_lua_sandbox_close(&s);
}

// Words that look like the beginning of a body and are none, and all that a body can begin with.
static const char *const same[] = {
    "return 'do end function() repeat while'", "return \"\\\"do\\\" \\\\\" .. 'it\\'s do'", "return 'a\\z   \n   do'", "return 'a\\\ndo'", "return [[do function() end]]",
    "return [==[ ]] do ]=] function() ]==]", "return [[\nrepeat\n]]", "local x = 1 --[[ do ]] return x --[==[ ]] function() ]==]", "--do\nreturn 1--[[x]]--end", "return 1 --", "--[=do\nreturn 2",
    "local t = { ['do'] = 1, doit = 2, ending = 3, [ [[end]] ] = 4 } return t.doit + t.ending + t['do'] + t[ [[end]] ]", "local function f() return 7 end return f()",
    "local t = {} function t.a() return 1 end function t:b(x) return x end t.c = { d = {} } function t.c.d.e(...) return select('#', ...) end return t.a() + t:b(2) + t.c.d.e(1, 2, 3)",
    "return (function(...) local a, b = ... return a .. b end)('x', 'y')", "return select('#', ...)", "local f = function(a, --[[ ) ]] b) return a - b end return f(5, 3)",
    "local s = 0 for i = 1, 5 do if i == 3 then goto continue end s = s + i ::continue:: end return s",
    "local s = 0 for i = 1, 3 do for j = 1, 3 do if j == 2 then goto continue end s = s + i * j ::continue:: end local k = 1 s = s + k end return s",
    "local i = 0 ::top:: i = i + 1 if i < 5 then goto top end return i", "local i = 0 while (function() i = i + 1 return i < 5 end)() do end return i",
    "local i = 0 repeat local j = i i = i + 1 until j == 4 return i", "local i = 0 repeat i = i + 1 until (function() do return i > 3 end end)() local j = i; (print)(j) return j",
    "do local a <const> = 3 do return a end end", "local n = 0 for k, v in pairs({ 1, 2 }) do n = n + v; end; return n", "local a = 0x1p4 + 1e+2 + .5 + 3. + 0xA.8p0 return a", "return 1 ..2 .. 'x'",
    "local f = function() end return tostring((f()))", "local ok, e = pcall(function()\n\nerror('here') end) return e", "local ok, e = pcall(function() local t\nfor i = 1, 2 do\n t.x = 1 end end) return e",
    "local ok, e = pcall(function() return missing.field end) return e", "if true then return 'a' else return 'b' end", "return ({ f = function() return 5 end }).f()", "return;", ""};

static void test_same(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    struct hd_lua_sandbox s, plain;
    struct hd_fault fault = {0};
    box_open(&s, same[i], strlen(same[i]));
    assert_int_equal(hd_lua_sandbox_open(&plain, NULL, &fault), 0);
    assert_int_equal(hd_lua_sandbox_load(&plain, "test.lua", same[i], strlen(same[i]), &fault), 0);
    assert_int_equal(hd_lua_sandbox_call(&plain, 0, 1, 1000000), 0);
    const char *found = lua_tostring(s.L, -1), *expected = lua_tostring(plain.L, -1);
    if (!found != !expected || (found && strcmp(found, expected) != 0)) fail_msg("expected %s, found %s for: %s", expected, found, same[i]);
    hd_lua_sandbox_close(&s);
    hd_lua_sandbox_close(&plain);
  }
}

// Lua's words about a text that it does not take are about the author's text.
static void test_refused(void **state) {
  static const char *const rows[] = {"x = = 1", "local x\nfor", "end do local f = function()", "return 1 2", "goto nowhere", "break", "function", "until x", "local t = '"};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct hd_lua_sandbox s;
    struct hd_fault a = {0}, b = {0};
    assert_int_equal(hd_lua_sandbox_open(&s, NULL, &a), 0);
    assert_int_equal(hd_lua_sandbox_load(&s, "test.lua", rows[i], strlen(rows[i]), &a), HADRON_ERR_SCRIPT);
    assert_int_equal(hd_lua_sandbox_load_metered(&s, "test.lua", rows[i], strlen(rows[i]), &b), HADRON_ERR_SCRIPT);
    assert_string_equal(a.text, b.text);
    hd_lua_sandbox_close(&s);
  }
}

// 199 locals and a body that needs more: the woven code would be one too many. And names that the woven code uses.
static void test_hooked(void **state) {
  struct hd_lua_sandbox s;
  char text[8192] = "return function() ";
  (void)state;
  for (int i = 0; i < 200; i++) snprintf(text + strlen(text), sizeof text - strlen(text), "local v%d ", i);
  strcat(text, "while true do end end");
  box_open(&s, text, strlen(text));
  assert_int_equal(hd_lua_meter_of(s.L, 1), 0);
  assert_int_equal(call(&s, 0, BUDGET), HADRON_ERR_BUDGET);
  hd_lua_sandbox_close(&s);
  static const char cheat[] = "local __hd_left = math.maxinteger return function() __hd_left = math.maxinteger while true do __hd_left = __hd_left + 1 end end";
  assert_null(hd_meter_weave(cheat, sizeof cheat - 1, &(size_t){0}));
  box_open(&s, cheat, sizeof cheat - 1);
  assert_int_equal(hd_lua_meter_of(s.L, 1), 0);
  assert_int_equal(call(&s, 0, BUDGET), HADRON_ERR_BUDGET);
  hd_lua_sandbox_close(&s);
  box_open(&s, "return math.abs", 15); // no text at all
  assert_int_equal(hd_lua_meter_of(s.L, 1), 0);
  assert_int_equal(call(&s, 0, BUDGET), HADRON_OK);
  hd_lua_sandbox_close(&s);
}

// Noise never makes the reader read past its text.
static void test_noise(void **state) {
  static const char *const words[] = {"function", "do", "end", "(", ")", "...", "while", "for", "repeat", "until", "goto", "::", "x", "'", "\"", "[[", "]]", "[==[", "--", "\n", "if", "\\", "1.", ".", " "};
  struct hd_random r = test_random();
  (void)state;
  for (int i = 0; i < 20000; i++) {
    char text[256] = "";
    for (uint64_t n = hd_random_below(&r, 24); n > 0; n--) strcat(strcat(text, words[hd_random_below(&r, sizeof words / sizeof *words)]), hd_random_below(&r, 2) ? " " : "");
    size_t size = strlen(text), woven_size = 0;
    char *own = malloc(size ? size : 1), *woven; // its end is the end of the block, for the sanitizer
    if (!own) fail_msg("out of memory");
    memcpy(own, text, size);
    woven = hd_meter_weave(own, size, &woven_size);
    if (woven) assert_int_equal(strlen(woven), woven_size);
    free(woven);
    free(own);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_endless), cmocka_unit_test(test_repeats), cmocka_unit_test(test_one_budget), cmocka_unit_test(test_same),
                                     cmocka_unit_test(test_refused), cmocka_unit_test(test_hooked),  cmocka_unit_test(test_noise)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
