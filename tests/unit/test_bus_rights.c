// Promise: a token lets in who has it, as what the file says and for the strategies that it names, and nobody else; a file that others may read, or with
// a wrong line, is refused with its place; a file that changed counts from then on, and a wrong one leaves the old rights in force. Refusals are
// counted by address, without the port, in bounded memory.
#include <sys/stat.h>

#include "bus/bus.h"
#include "bus/rights.h"
#include "support/directory.h"
#include "support/test.h"

static char directory[TEST_PATH_SIZE], path[TEST_PATH_SIZE];

static void write_file(const char *text, unsigned mode) {
  test_file_write(path, text, strlen(text));
  assert_int_equal(chmod(path, mode), 0);
}

static void tokens_say_what_may_be_done(void **state) {
  (void)state;
  char one[HD_TOKEN_SIZE], two[HD_TOKEN_SIZE], all[2048], line[512];
  struct hd_fault fault;
  struct hd_rights *r;
  assert_int_equal(hd_token_make("trade", "trend,pairs", one, line, sizeof line, &fault), HADRON_OK);
  assert_null(strstr(line, one)); // the file does not know it
  snprintf(all, sizeof all, "# who may come\n\n%s", line);
  assert_int_equal(hd_token_make("admin", "*", two, line, sizeof line, &fault), HADRON_OK);
  snprintf(all + strlen(all), sizeof all - strlen(all), "%.*s  # the office\n", (int)strlen(line) - 1, line);
  write_file(all, 0600);
  assert_int_equal(hd_rights_open(path, &r, &fault), HADRON_OK);
  assert_int_equal(hd_rights_of(r, one, "trend"), HD_BUS_TRADE);
  assert_int_equal(hd_rights_of(r, one, "pairs"), HD_BUS_TRADE);
  assert_int_equal(hd_rights_of(r, one, "tren"), 0);
  assert_int_equal(hd_rights_of(r, one, "trend2"), 0);
  assert_int_equal(hd_rights_of(r, two, "whoever"), HD_BUS_ADMIN);
  assert_int_equal(hd_rights_of(r, "", "trend"), 0);
  one[5] ^= 1;
  assert_int_equal(hd_rights_of(r, one, "trend"), 0);
  one[5] ^= 1;
  write_file("nonsense\n", 0600); // the old ones hold
  assert_int_equal(hd_rights_refresh(r, &fault), HADRON_ERR_PARSE);
  assert_int_equal(hd_rights_refresh(r, &fault), HADRON_OK); // told once
  assert_int_equal(hd_rights_of(r, one, "trend"), HD_BUS_TRADE);
  write_file("# nobody\n", 0600);
  assert_int_equal(hd_rights_refresh(r, &fault), HADRON_OK);
  assert_int_equal(hd_rights_of(r, one, "trend"), 0);
  hd_rights_close(r);
}

static void wrong_files_are_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {"abc trade x\n", "0000000000000000000000000000000000000000000000000000000000000000 god x\n",
                                      "0000000000000000000000000000000000000000000000000000000000000000 trade\n",
                                      "0000000000000000000000000000000000000000000000000000000000000000 trade a,,b\n",
                                      "0000000000000000000000000000000000000000000000000000000000000000 trade Big\n",
                                      "0000000000000000000000000000000000000000000000000000000000000000 trade a b\n"};
  struct hd_fault fault;
  struct hd_rights *r;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    write_file(wrong[i], 0600);
    assert_int_equal(hd_rights_open(path, &r, &fault), HADRON_ERR_PARSE);
    assert_non_null(strstr(fault.text, ":1: expected"));
  }
  write_file("", 0640);
  assert_int_equal(hd_rights_open(path, &r, &fault), HADRON_ERR_PERMISSION);
  remove(path);
  assert_int_equal(hd_rights_open(path, &r, &fault), HADRON_ERR_IO);
  char token[HD_TOKEN_SIZE], line[128];
  assert_int_equal(hd_token_make("trade", "a b", token, line, sizeof line, &fault), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_token_make("root", "*", token, line, sizeof line, &fault), HADRON_ERR_ARGUMENT);
}

static void refusals_are_counted_by_address(void **state) {
  (void)state;
  static struct hd_refusals r;
  char peer[64];
  assert_int_equal(hd_refusals_add(&r, "10.0.0.1:1000", 1), 1);
  assert_int_equal(hd_refusals_add(&r, "10.0.0.1:2000", 2), 2);
  assert_int_equal(hd_refusals_add(&r, "10.0.0.2:1000", 3), 1);
  assert_int_equal(hd_refusals_add(&r, "10.0.0.1:1", INT64_C(61000000000)), 1); // a minute later
  for (int i = 0; i < 10000; i++) {
    snprintf(peer, sizeof peer, "10.1.%d.%d:9", i / 250, i % 250);
    hd_refusals_add(&r, peer, INT64_C(62000000000) + i);
  }
  assert_int_equal(r.count, HD_REFUSALS_MAX);
  assert_int_equal(r.total, 10004);
}

// Whoever reaches a plain address is heard: that is this machine, unless somebody has said in so many words that it may be more.
static void plain_listeners_stay_on_this_machine(void **state) {
  static const struct { const char *url; bool insecure, files; int32_t code; } rows[] = {
      {"ipc:///run/hadron/s", false, false, HADRON_OK},          {"tcp://127.0.0.1:7007", false, false, HADRON_OK},  {"tcp://localhost:7007", false, false, HADRON_OK},
      {"tcp://[::1]:7007", false, false, HADRON_OK},             {"ws://127.0.0.1:7008/bus", false, false, HADRON_OK}, {"tcp://0.0.0.0:7007", false, false, HADRON_ERR_ARGUMENT},
      {"tcp://10.0.0.1:7007", false, false, HADRON_ERR_ARGUMENT}, {"ws://10.0.0.1:7008", false, false, HADRON_ERR_ARGUMENT}, {"tcp://[::]:7007", false, false, HADRON_ERR_ARGUMENT},
      {"tcp://*:7007", false, false, HADRON_ERR_ARGUMENT},       {"tcp://localhost.example:7007", false, false, HADRON_ERR_ARGUMENT},
      {"tcp://127.example:7007", false, false, HADRON_ERR_ARGUMENT}, {"tcp://10.0.0.1:7007", true, false, HADRON_OK},
      {"tls+tcp://10.0.0.1:7007", false, true, HADRON_OK},       {"tls+tcp://10.0.0.1:7007", true, false, HADRON_ERR_ARGUMENT}, {"wss://10.0.0.1:7007", false, false, HADRON_ERR_ARGUMENT},
      {"udp://127.0.0.1:7007", false, false, HADRON_ERR_ARGUMENT}};
  (void)state;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct hd_fault fault = {0};
    const char *file = rows[i].files ? "a.pem" : NULL;
    const struct hd_bus_listen listen = {.url = rows[i].url, .rights = HD_BUS_READ, .insecure = rows[i].insecure, .certificate = file, .key = file, .ca = file};
    if (hd_listen_check(&listen, &fault) != rows[i].code) fail_msg("%s: expected %s: %s", rows[i].url, hadron_error_text(rows[i].code), fault.text);
  }
}

static int make(void **state) {
  (void)state;
  test_directory_make(directory);
  test_path(path, directory, "tokens");
  return 0;
}
static int drop(void **state) {
  (void)state;
  test_directory_remove(directory);
  return 0;
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(tokens_say_what_may_be_done), cmocka_unit_test(wrong_files_are_refused), cmocka_unit_test(refusals_are_counted_by_address),
                                     cmocka_unit_test(plain_listeners_stay_on_this_machine)};
  return cmocka_run_group_tests(tests, make, drop);
}
