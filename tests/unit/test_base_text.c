// Promise: what text.h writes, it reads back exactly; what does not fit or is not in the grammar is refused and leaves the
// result untouched; nothing that a terminal would act upon gets through hd_text_printable.
#include "support/test.h"

#include <time.h>

#include "base/text.h"
#include "hadron/decimal.h"

static void assert_read(const char *text, int64_t scale, int64_t expected) {
  int64_t value = 0;
  if (hd_decimal_read(text, scale, &value) != HADRON_OK) fail_msg("\"%s\" was refused", text);
  assert_int_equal(value, expected);
}

static void assert_refused(const char *text, int64_t scale, int32_t code) {
  int64_t value = 4711;
  int32_t got = hd_decimal_read(text, scale, &value);
  if (got != code) fail_msg("\"%s\": expected %s, found %s", text, hadron_error_name(code), hadron_error_name(got));
  assert_int_equal(value, 4711);
}

static void decimals_known(void **state) {
  (void)state;
  assert_read("0", HADRON_PRICE_SCALE, 0);
  assert_read("-0", HADRON_PRICE_SCALE, 0);
  assert_read("+1.5", HADRON_PRICE_SCALE, 1500000000);
  assert_read("1234.5", HADRON_PRICE_SCALE, INT64_C(1234500000000));
  assert_read("0.000000001", HADRON_PRICE_SCALE, 1);
  assert_read("0.0000000010000", HADRON_PRICE_SCALE, 1);
  assert_read("-.5", HADRON_QUANTITY_SCALE, -50000000);
  assert_read("7.", 1, 7);
  assert_read("9223372036.854775807", HADRON_PRICE_SCALE, INT64_MAX);
  assert_read("-9223372036.854775807", HADRON_PRICE_SCALE, -INT64_MAX);
  assert_refused("9223372036.854775808", HADRON_PRICE_SCALE, HADRON_ERR_OVERFLOW);
  assert_refused("9223372037", HADRON_PRICE_SCALE, HADRON_ERR_OVERFLOW);
  assert_refused("9223372036854775808", 1, HADRON_ERR_OVERFLOW);
  assert_refused("99999999999999999999999", 1, HADRON_ERR_OVERFLOW);
  static const char *const bad[] = {"", "-", "+", ".", "1e5", "1,5", " 1", "1 ", "0x10", "1.2.3", "--1", "nan", "inf", "0.0000000001", "1-"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_refused(bad[i], HADRON_PRICE_SCALE, HADRON_ERR_PARSE);
}

static void assert_written(int64_t value, int64_t scale, int decimals, const char *expected) {
  char text[32];
  size_t length = hd_decimal_format(text, sizeof text, value, scale, decimals);
  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
}

static void decimals_written(void **state) {
  (void)state;
  assert_written(INT64_C(1234500000000), HADRON_PRICE_SCALE, 0, "1234.5");
  assert_written(INT64_C(1234500000000), HADRON_PRICE_SCALE, 2, "1234.50");
  assert_written(0, HADRON_PRICE_SCALE, 0, "0");
  assert_written(0, HADRON_PRICE_SCALE, 2, "0.00");
  assert_written(-1, HADRON_PRICE_SCALE, 0, "-0.000000001");
  assert_written(INT64_MIN, HADRON_PRICE_SCALE, 2, "-9223372036.854775808");
  assert_written(INT64_MAX, HADRON_MONEY_SCALE, 9, "9223372036854.775807");
  assert_written(42, 1, 3, "42");
  char small[4];
  assert_int_equal(hd_decimal_format(small, sizeof small, 123456, 1, 0), 3);
  assert_string_equal(small, "123");
}

// Uniform over magnitudes: as many short numbers as long ones.
static int64_t any_number(struct hd_random *r) {
  uint64_t value = hd_random_next(r) >> (1 + hd_random_below(r, 63));
  return hd_random_below(r, 2) ? (int64_t)value : -(int64_t)value;
}

static void decimals_round_trip(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static const int64_t scales[] = {1, HADRON_MONEY_SCALE, HADRON_QUANTITY_SCALE, HADRON_PRICE_SCALE};
  for (int i = 0; i < 200000; i++) {
    int64_t value = any_number(&r), scale = scales[i % 4], back;
    char text[32];
    hd_decimal_format(text, sizeof text, value, scale, (int)hd_random_below(&r, 10));
    if (hd_decimal_read(text, scale, &back) != HADRON_OK || back != value) fail_msg("%lld became %s", (long long)value, text);
  }
}

static void decimals_survive_noise(void **state) {
  (void)state;
  struct hd_random r = test_random();
  static const char alphabet[] = "0123456789.-+eE ,x";
  for (int i = 0; i < 200000; i++) {
    char text[24], again[32];
    size_t size = (size_t)hd_random_below(&r, sizeof text);
    for (size_t c = 0; c < size; c++) text[c] = alphabet[hd_random_below(&r, sizeof alphabet - 1)];
    text[size] = 0;
    int64_t value, back;
    if (hd_decimal_read(text, HADRON_PRICE_SCALE, &value) != HADRON_OK) continue;
    hd_decimal_format(again, sizeof again, value, HADRON_PRICE_SCALE, 0);
    assert_int_equal(hd_decimal_read(again, HADRON_PRICE_SCALE, &back), HADRON_OK);
    assert_int_equal(back, value);
  }
}

static void assert_time(const char *text, int64_t expected) {
  int64_t ns = 0;
  if (hd_time_parse(text, &ns) != HADRON_OK) fail_msg("\"%s\" was refused", text);
  if (ns != expected) fail_msg("\"%s\": expected %lld, found %lld", text, (long long)expected, (long long)ns);
}

static void times_known(void **state) {
  (void)state;
  const int64_t second = INT64_C(1000000000), at = INT64_C(1723161254) * second; // 2024-08-08T23:54:14Z
  assert_time("2024-08-08T23:54:14.123456789Z", at + 123456789);
  assert_time("2024-08-08 23:54:14", at);
  assert_time("2024-08-08T23:54", at - 14 * second);
  assert_time("2024-08-08", INT64_C(1723075200) * second);
  assert_time("2024-08-08T19:54:14-04:00", at);
  assert_time("2024-08-09T05:24:14.5+0530", at + second / 2);
  assert_time("1969-12-31T23:59:59.999999999Z", -1);
  assert_time("1723161254", at);
  assert_time("1723161254123", at + 123000000);
  assert_time("1723161254123456", at + 123456000);
  assert_time("1723161254123456789", at + 123456789);
  assert_time("-1", -second);
  assert_time("2262-04-11T23:47:16.854775807Z", INT64_MAX);
  assert_time("2000-02-29", INT64_C(951782400) * second);
  static const char *const bad[] = {"",           "now",        "2024",  "2024-13-01", "2024-02-30", "2023-02-29", "1900-02-29", "2024-8-8",
                                    "2024-08-08T24:00", "2024-08-08T23:60", "2024-08-08T23:54:60", "2024-08-08T23", "2024-08-08T23:54:14.",
                                    "2024-08-08T23:54:14.1234567891", "2024-08-08T23:54:14 Z", "2024-08-08T23:54:14+0", "2024-08-08x", "12.5", "-"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    if (strcmp(bad[i], "2024") == 0) continue; // an integer: 2024 seconds
    int64_t ns = 4711;
    if (hd_time_parse(bad[i], &ns) != HADRON_ERR_PARSE) fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(ns, 4711);
  }
  int64_t ns = 4711;
  assert_int_equal(hd_time_parse("2262-04-11T23:47:16.854775808Z", &ns), HADRON_ERR_OVERFLOW);
  assert_int_equal(hd_time_parse("9999-12-31", &ns), HADRON_ERR_OVERFLOW);
  assert_int_equal(ns, 4711);
}

static void times_written(void **state) {
  (void)state;
  char text[40];
  assert_int_equal(hd_time_format(text, sizeof text, INT64_C(1723161254123456789), 9), 30);
  assert_string_equal(text, "2024-08-08T23:54:14.123456789Z");
  hd_time_format(text, sizeof text, INT64_C(1723161254123456789), 3);
  assert_string_equal(text, "2024-08-08T23:54:14.123Z");
  hd_time_format(text, sizeof text, -1, 0);
  assert_string_equal(text, "1969-12-31T23:59:59Z");
  hd_time_format(text, sizeof text, INT64_MIN, 9);
  assert_string_equal(text, "1677-09-21T00:12:43.145224192Z");
}

static void times_agree_with_the_c_library(void **state) {
  (void)state;
  struct hd_random r = test_random();
  for (int i = 0; i < 100000; i++) {
    int64_t ns = (int64_t)hd_random_next(&r), back;
    char text[40], expected[40];
    hd_time_format(text, sizeof text, ns, 9);
    time_t seconds = (time_t)(ns / 1000000000 - (ns % 1000000000 < 0));
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S", &tm);
    assert_memory_equal(text, expected, 19);
    assert_int_equal(hd_time_parse(text, &back), HADRON_OK);
    assert_int_equal(back, ns);
  }
}

static void durations(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ns;
  } good[] = {{"0", 0},           {"7ns", 7},          {"10us", 10000},          {"250ms", 250000000}, {"30s", INT64_C(30000000000)},
              {"5m", INT64_C(300000000000)}, {"1h30m", INT64_C(5400000000000)}, {"1d", INT64_C(86400000000000)}, {"1m1ms", INT64_C(60001000000)}};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    int64_t ns = -1;
    assert_int_equal(hd_duration_parse(good[i].text, &ns), HADRON_OK);
    assert_int_equal(ns, good[i].ns);
  }
  static const char *const bad[] = {"", "5", "s", "5 s", "-5s", "1.5s", "5x", "5s3", "5S", "1h 30m"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    int64_t ns = 4711;
    if (hd_duration_parse(bad[i], &ns) != HADRON_ERR_PARSE) fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(ns, 4711);
  }
  int64_t ns = 4711;
  assert_int_equal(hd_duration_parse("106752d", &ns), HADRON_ERR_OVERFLOW);
  assert_int_equal(hd_duration_parse("99999999999999999999ns", &ns), HADRON_ERR_OVERFLOW);
  assert_int_equal(ns, 4711);
}

static void for_people(void **state) {
  (void)state;
  static const struct {
    int64_t ns;
    const char *text;
  } rows[] = {{0, "0 ns"},           {830, "830 ns"},       {999, "999 ns"},         {1000, "1.00 us"},       {1254000, "1.25 ms"},
              {12540000, "12.5 ms"}, {125400000, "125 ms"}, {999400000, "999 ms"},   {999600000, "1.00 s"},   {INT64_C(59940000000), "59.9 s"},
              {INT64_C(59960000000), "1m 0s"}, {INT64_C(200000000000), "3m 20s"}, {INT64_C(3599600000000), "1h 0m"},
              {INT64_C(7500000000000), "2h 5m"}, {INT64_C(90000000000000), "1d 1h"}, {-1500, "-1.50 us"}};
  char text[32];
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    hd_duration_format(text, sizeof text, rows[i].ns);
    assert_string_equal(text, rows[i].text);
  }
  hd_count_format(text, sizeof text, 0);
  assert_string_equal(text, "0");
  hd_count_format(text, sizeof text, 1234567);
  assert_string_equal(text, "1,234,567");
  hd_count_format(text, sizeof text, UINT64_MAX);
  assert_string_equal(text, "18,446,744,073,709,551,615");
  hd_rate_format(text, sizeof text, 12345678);
  assert_string_equal(text, "12.3 M");
  hd_rate_format(text, sizeof text, 999.7);
  assert_string_equal(text, "1.00 k");
  hd_rate_format(text, sizeof text, 0);
  assert_string_equal(text, "0.00");
}

static void printable(void **state) {
  (void)state;
  char escape[] = "a\x1b[31mb\nc\td\x7f", utf8[] = "\xc2\xb5 \xe2\x82\xac \xf0\x9f\x98\x80", c1[] = "x\xc2\x9b" "31m", bidi[] = "a\xe2\x80\xae" "b",
       broken[] = "\xe2\x82", overlong[] = "\xc0\x80", surrogate[] = "\xed\xa0\x80";
  hd_text_printable(escape);
  assert_string_equal(escape, "a?[31mb?c?d?");
  hd_text_printable(utf8);
  assert_string_equal(utf8, "\xc2\xb5 \xe2\x82\xac \xf0\x9f\x98\x80");
  hd_text_printable(c1);
  assert_string_equal(c1, "x??31m");
  hd_text_printable(bidi);
  assert_string_equal(bidi, "a???b");
  hd_text_printable(broken);
  assert_string_equal(broken, "??");
  hd_text_printable(overlong);
  assert_string_equal(overlong, "??");
  hd_text_printable(surrogate);
  assert_string_equal(surrogate, "???");
}

static void copies_fields_hex_names(void **state) {
  (void)state;
  char to[8];
  assert_true(hd_text_copy(to, sizeof to, "1234567"));
  assert_string_equal(to, "1234567");
  assert_false(hd_text_copy(to, sizeof to, "12345678"));
  assert_string_equal(to, "1234567");
  char field[4] = {'A', 'B', 'C', 'D'}, text[5];
  hd_text_field(text, field, 4);
  assert_string_equal(text, "ABCD");
  uint8_t bytes[3] = {0x00, 0xab, 0xff}, back[3] = {9, 9, 9};
  char hex[7];
  hd_hex_format(hex, bytes, 3);
  assert_string_equal(hex, "00abff");
  assert_true(hd_hex_parse(back, "00ABff", 3));
  assert_memory_equal(back, bytes, 3);
  uint8_t untouched[3] = {1, 2, 3}, same[3] = {1, 2, 3};
  assert_false(hd_hex_parse(untouched, "00abf", 3));
  assert_false(hd_hex_parse(untouched, "00abff0", 3));
  assert_false(hd_hex_parse(untouched, "00abfg", 3));
  assert_memory_equal(untouched, same, 3);
  assert_true(hd_name_valid("sma_cross-2"));
  static const char *const bad[] = {"", "Sma", "a b", "a/b", "a.so", "\xc3\xa4", "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(hd_name_valid(bad[i]));
  assert_true(hd_name_valid("aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff123"));
}

static void distances(void **state) {
  (void)state;
  assert_int_equal(hd_text_distance("", ""), 0);
  assert_int_equal(hd_text_distance("period", "period"), 0);
  assert_int_equal(hd_text_distance("perod", "period"), 1);
  assert_int_equal(hd_text_distance("", "abc"), 3);
  assert_int_equal(hd_text_distance("kitten", "sitting"), 3);
  char a[200], b[200];
  memset(a, 'a', sizeof a), memset(b, 'b', sizeof b);
  a[199] = b[199] = 0;
  assert_int_equal(hd_text_distance(a, b), 63);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(decimals_known),    cmocka_unit_test(decimals_written), cmocka_unit_test(decimals_round_trip),
      cmocka_unit_test(decimals_survive_noise), cmocka_unit_test(times_known), cmocka_unit_test(times_written),
      cmocka_unit_test(times_agree_with_the_c_library), cmocka_unit_test(durations), cmocka_unit_test(for_people),
      cmocka_unit_test(printable), cmocka_unit_test(distances), cmocka_unit_test(copies_fields_hex_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
