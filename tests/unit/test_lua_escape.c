// Promise: a script cannot leave its box. Names that reach the system are not there; metatables, globals and library tables cannot be
// turned against the host or another instance; endless loops, patterns, recursion and allocations end within their budget, also inside
// of pcall; and the host goes on, the state too unless its memory is gone. Every text runs twice: under the hook, and with its meter.
#include "lua/sandbox.h"
#include "support/test.h"

static const struct hd_lua_limits limits = {.memory_max = 64u << 20, .start_instructions_max = 2000000};

static int32_t run(struct hd_lua_sandbox *s, const char *text, bool metered) {
  struct hd_fault fault = {0};
  int32_t err = hd_lua_sandbox_open(s, &limits, &fault);
  assert_int_equal(err, 0);
  err = metered ? hd_lua_sandbox_load_metered(s, "test.lua", text, strlen(text), &fault) : hd_lua_sandbox_load(s, "test.lua", text, strlen(text), &fault);
  if (err) return err;
  int meter = hd_lua_meter_of(s->L, -1);
  if (!metered) assert_int_equal(meter, 0);
  return hd_lua_sandbox_call_metered(s, meter, 0, 0, limits.start_instructions_max);
}

static void expect(const char *text, int32_t code) {
  for (int metered = 0; metered < 2; metered++) {
    struct hd_lua_sandbox s;
    int32_t err = run(&s, text, metered);
    if (err != code) fail_msg("expected %d, found %d (%s) %s for: %s", code, err, s.error, metered ? "by the meter" : "by the hook", text);
    hd_lua_sandbox_close(&s);
  }
}

static void test_names(void **state) {
  static const char *const names[] = {"os", "io", "debug", "package", "require", "load", "loadstring", "dofile", "loadfile", "collectgarbage",
                                      "coroutine", "string.dump", "module", "newproxy", "rawset_", "utf8", "_G", "math.randomseed", "bit", "jit", "ffi"};
  char text[128];
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    snprintf(text, sizeof text, "assert(%s == nil)", names[i]);
    expect(text, 0);
  }
}

static void test_tampering(void **state) {
  static const char *const good[] = {
      "assert(getmetatable('') == nil)", "assert(('x'):rep(3) == 'xxx')", "assert(getmetatable(math) == nil)",
      "local mt = { __index = function(_, k) return k end }  local t = setmetatable({}, mt)  assert(t.a == 'a' and getmetatable(t) == mt)",
      "local C = {}  C.__index = C  local o = setmetatable({}, C)  function C.f() return 5 end  assert(o.f() == 5)",
      "local mt = {}  setmetatable({}, mt)  mt.__gc = error  mt.__mode = 'k'  setmetatable({}, mt)", // frozen: without effect
      "local ok, words = pcall(error, 'x')  assert(not ok and words == 'x')", "assert(tostring({}) == 'table' and tostring(print) == 'function')",
      "assert(select('#', xpcall(function() error('a') end, function(e) return e end)) == 2)", "assert(not string.format('%s', {}):find('0x'))"};
  static const char *const bad[] = {
      "x = 1", "math.floor = nil", "string.rep = nil", "table.sort = 1", "_ENV.y = 2", "rawset(math, 'floor', 1)", "rawset(_ENV, 'x', 1)",
      "setmetatable(math, {})", "setmetatable(_ENV, {})", "setmetatable({}, { __gc = print })", "setmetatable({}, { __mode = 'k' })",
      "setmetatable({}, { __close = print })", "setmetatable({}, { __metatable = 1 })", "table.insert(math, 1)", "string.format('%p', {})",
      "getmetatable('').__index.rep = nil", "local t, mt = {}, {} mt.__call = t setmetatable(t, mt) t()", "('x').rep.y = 1", "math.random(2, 1)", "local t = setmetatable({}, { __len = function() return 1 << 60 end }) table.concat(t)",
      "for k in pairs({ [{}] = 1 }) do end", "table.unpack({}, 1, 1e8)", "string.byte(('x'):rep(1000), 1, -1)"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) expect(good[i], 0);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) expect(bad[i], HADRON_ERR_SCRIPT);
}

static void test_budget(void **state) {
  static const char *const rows[] = {
      "while true do end", "while true do pcall(function() while true do end end) end", "repeat pcall(error) until false",
      "local function f() return f() end f()", "while true do xpcall(function() while true do end end, function() while true do end end) end",
      "string.find(('a'):rep(28), ('a?'):rep(28) .. ('a'):rep(28))", "string.find(('a'):rep(4096), '.-.-.-b')", "string.match(('a'):rep(30000), '.-.-x')",
      "for i in ('x'):rep(60000):gmatch('.-y') do end", "string.gsub(('a'):rep(60000), '.-.-b', '')",
      "local t = {} for i = 1, 1e5 do t[i] = 'x' end while true do pcall(table.concat, t) end", "local s = ('x'):rep(60000) while true do local t = s .. 'y' end",
      "local t = {} for i = 1, 1e5 do t[i] = i end while true do table.sort(t) end", "local t = {} for i = 1, 5e4 do t[i] = i end while true do next(t) end",
      "local t = {} for i = 1, 1e5 do t[i] = i end while true do for k in pairs(t) do break end end",
      "local t = setmetatable({}, { __index = function(t, k) while true do end end }) return t.x", "table.move({}, 1, 1 << 60, 2)",
      "table.sort({ 3, 2, 1 }, function() while true do end end)", "while true do string.upper(('x'):rep(60000)) end",
      "local function f(...) return f(1, ...) end f()", "for i = 1, 1e15 do end", "while true do string.find(('x'):rep(60000), 'y', 1, true) end"};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i], HADRON_ERR_BUDGET);
}

static void test_memory(void **state) {
  static const char *const rows[] = {"local t, s = {}, ('x'):rep(60000) while true do t[#t + 1] = s .. #t end",
                                     "local t, s = {}, ('x'):rep(60000) while true do pcall(function() t[#t + 1] = s .. #t end) end"};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i], HADRON_ERR_MEMORY);
  // A string past its limit is an error; the full collections that it causes are charged.
  expect("local s = 'x' while true do s = s .. s end", HADRON_ERR_SCRIPT);
  expect("local ok, words = pcall(function() local s = 'x' while true do s = s .. s end end) assert(not ok and words:find('65536')) assert(#(('x'):rep(30000) .. 'y') == 30001)", HADRON_OK);
  expect("local s = ('x'):rep(60000) while true do pcall(function() return s .. s end) end", HADRON_ERR_BUDGET);
  expect("pcall(function() local s = 'x' while true do s = s .. s end end) local t, s = {}, ('x'):rep(60000) while true do t[#t + 1] = s .. #t end", HADRON_ERR_MEMORY);
  expect("('x'):rep(1e9)", HADRON_ERR_SCRIPT);
  expect("local function f() return 1 + f() end f()", HADRON_ERR_SCRIPT); // before its frames use up the memory
  expect("local function f() return 1 + f() end assert(not pcall(f)) assert(not pcall(f))", HADRON_OK);
  expect("local function f() return 1 + f() end while true do pcall(f) end", HADRON_ERR_BUDGET);
  expect("local s = 'return ' .. ('('):rep(250) error(s)", HADRON_ERR_SCRIPT);
}

static void test_bytecode(void **state) {
  struct hd_random r = test_random();
  (void)state;
  expect("\033Lua\x54", HADRON_ERR_SCRIPT);
  expect("return 1 -- \033", HADRON_ERR_SCRIPT);
  for (int i = 0; i < 2000; i++) { // noise is refused or ends; it never crashes
    char text[65] = "";
    struct hd_lua_sandbox s;
    if (i % 2) text[0] = 0x1b;
    for (int k = i % 2; k < 64; k++) text[k] = (char)(1 + hd_random_below(&r, 255));
    run(&s, text, i / 2 % 2);
    hd_lua_sandbox_close(&s);
  }
}

// The state is good for the next call after an error and after an overrun.
static void test_usable(void **state) {
  struct hd_lua_sandbox s;
  struct hd_fault fault = {0};
  (void)state;
  assert_int_equal(run(&s, "while true do end", false), HADRON_ERR_BUDGET);
  for (int i = 0; i < 3; i++) {
    const char *text = i == 1 ? "error({})" : "local t = {} for i = 1, 1000 do t[i] = i end assert(#t == 1000)";
    assert_int_equal(hd_lua_sandbox_load(&s, "again.lua", text, strlen(text), &fault), 0);
    assert_int_equal(hd_lua_sandbox_call(&s, 0, 0, 100000), i == 1 ? HADRON_ERR_SCRIPT : 0);
  }
  assert_int_equal(lua_gettop(s.L), 0);
  hd_lua_sandbox_close(&s);
}

// The patterns and the library are Lua's: results as its manual says.
static void test_library(void **state) {
  static const char *const rows[] = {
      "assert(('hello world'):find('o w') == 5)", "local a, b, c = ('key = value'):find('(%w+) = %w+') assert(a == 1 and b == 11 and c == 'key')",
      "assert(('  trim  '):match('^%s*(.-)%s*$') == 'trim')", "assert(('abc'):gsub('%w', '%0%0') == 'aabbcc')", "assert(('x(a(b)c)y'):match('%b()') == '(a(b)c)')",
      "assert(('THE (quick) fox'):find('%((%a+)%)') == 5)", "assert(('hello'):gsub('', '-') == '-h-e-l-l-o-')", "assert(('abc'):find('b', 1, true) == 2)",
      "assert(('a,b,,c'):gsub(',', ';', 2) == 'a;b;,c')", "local n = 0 for w in ('one two three'):gmatch('%a+') do n = n + #w end assert(n == 11)",
      "assert(('[]'):match('[]]') == ']' and ('a-b'):match('[a%-]+') == 'a-' and ('^x'):match('[%^x]+') == '^x')", "assert(('THE'):match('%f[%a]%a+') == 'THE')",
      "assert(('aXb'):match('()X()') == 2)", "assert(('$name'):gsub('%$(%w+)', { name = 'v' }) == 'v')", "assert(('abab'):match('(ab)%1') == 'ab')",
      "assert(('x'):rep(3, ',') == 'x,x,x')", "assert(string.format('%5.2f|%d|%s|%%|%q', 1.5, 3, nil, 'a') == ' 1.50|3|nil|%|\"a\"')",
      "local t = { 3, 1, 2 } table.sort(t) assert(t[1] == 1 and t[3] == 3) table.sort(t, function(a, b) return a > b end) assert(t[1] == 3)",
      "local t = { 1, 2, 3 } table.insert(t, 2, 9) assert(table.concat(t, ',') == '1,9,2,3' and table.remove(t, 1) == 1 and #t == 3)",
      "local t = {} for k in pairs({ b = 1, a = 1, [3] = 1, [1] = 1, [true] = 1 }) do t[#t + 1] = tostring(k) end assert(table.concat(t, ' ') == '1 3 a b true')",
      "local t = table.move({ 1, 2, 3 }, 1, 3, 2) assert(table.concat(t, ',') == '1,1,2,3')", "assert(next({}) == nil and next({ 5 }) == 1)",
      "local t = { 1, 2, 3 } for k in pairs(t) do t[k] = nil end assert(next(t) == nil)", "local r = math.random(6) assert(r >= 1 and r <= 6)"};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) expect(rows[i], 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_names),    cmocka_unit_test(test_tampering), cmocka_unit_test(test_budget), cmocka_unit_test(test_memory),
                                     cmocka_unit_test(test_bytecode), cmocka_unit_test(test_usable),    cmocka_unit_test(test_library)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
