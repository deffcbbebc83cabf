// Promise: a record's subject is what docs/bridge.md says, for every kind of the schema; a name goes into a token and comes out the same,
// whatever its bytes; no name becomes two tokens or a wildcard; a message id is read back as it was written, and nothing else is taken for one.
#include "support/test.h"

#include "../../plugins/nats/subject.c"
#include "plugins/nats_out_subject_kinds.c"
#include "journal/fields.h"

static void kinds_of_the_schema(void **state) {
  (void)state;
  for (uint32_t i = 0; i < hd_message_count; i++) {
    const struct hd_message_fields *m = &hd_messages[i];
    char subject[SUBJECT_SIZE], expected[SUBJECT_SIZE];
    unsigned char block[512] = {0};
    bool has;
    const struct hd_field *f = hd_field_find(m, "instrument", block, m->block_length);
    if (f) memcpy(block + f->offset, &(uint32_t){77}, 4);
    uint32_t instrument = subject_instrument(m->id, block, m->block_length, &has);
    snprintf(expected, sizeof expected, "h.%s%s", m->name, has ? ".X" : "");
    subject_write(subject, "h", m->id, has ? "X" : NULL);
    assert_string_equal(subject, expected);
    if (has) assert_int_equal(instrument, 77);
    bool foreign = m->id == HADRON_MSG_TICK_REJECT || m->id == HADRON_MSG_VENUE_REPORT; // theirs is the venue's own handle
    if (!has && f && !foreign) fail_msg("%s has an instrument that its subject does not name", m->name);
  }
  char subject[SUBJECT_SIZE];
  bool has;
  assert_int_equal(subject_instrument(9999, "", 0, &has), 0);
  assert_false(has);
  subject_write(subject, "a.b", 9999, NULL);
  assert_string_equal(subject, "a.b.message_9999");
  assert_int_equal(subject_instrument(HADRON_MSG_TICK, "", 0, &has), 0); // a block that is too short
}

static void tokens(void **state) {
  (void)state;
  static const char *const pairs[][2] = {{"AAPL", "AAPL"}, {"BRK.B", "BRK%2EB"}, {"EUR/USD", "EUR/USD"}, {"BTC-USD", "BTC-USD"}, {"a b", "a%20b"}, {"*", "%2A"}, {">", "%3E"},
                                         {"_x_", "%5Fx_"}, {"50%", "50%25"}, {"\xc3\xa9", "%C3%A9"}};
  char token[TOKEN_SIZE], name[HADRON_SYMBOL_SIZE];
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    subject_token(token, pairs[i][0], strlen(pairs[i][0]));
    assert_string_equal(token, pairs[i][1]);
    assert_true(subject_name(name, token));
    assert_string_equal(name, pairs[i][0]);
  }
  static const char *const none[] = {"", "_", "_7", "a.b", "%", "%4", "%GG", "%00", "a b", ">", "0123456789012345678901234567890123456789"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (subject_name(name, none[i])) fail_msg("\"%s\" was taken for a name", none[i]);
}

static void random_names(void **state) {
  (void)state;
  struct hd_random random = test_random();
  for (int i = 0; i < 20000; i++) {
    char name[HADRON_SYMBOL_SIZE] = {0}, back[HADRON_SYMBOL_SIZE], token[TOKEN_SIZE];
    uint64_t size = 1 + hd_random_below(&random, sizeof name - 1);
    for (uint64_t k = 0; k < size; k++) name[k] = (char)(1 + hd_random_below(&random, 255));
    subject_token(token, name, sizeof name);
    assert_null(strpbrk(token, ".*> \t\r\n"));
    assert_true(subject_name(back, token));
    assert_string_equal(back, name);
  }
}

static void prefixes_and_patterns(void **state) {
  (void)state;
  static const char *const good[] = {"hadron", "a.b.c", "prod-1.hadron"}, *const bad[] = {"", ".", "a.", ".a", "a..b", "a.*", "a.>", "a b", "$JS.x", "a\n"};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) assert_true(subject_prefix_valid(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (subject_prefix_valid(bad[i])) fail_msg("\"%s\" was taken for a prefix", bad[i]);
  assert_true(subject_covers("hadron.>", "hadron"));
  assert_true(subject_covers(">", "hadron"));
  assert_true(subject_covers("a.>", "a.b"));
  assert_true(subject_covers("*.b.>", "a.b"));
  assert_false(subject_covers("hadron", "hadron"));
  assert_false(subject_covers("hadron.*", "hadron"));
  assert_false(subject_covers("hadron.tick.>", "hadron"));
  assert_false(subject_covers("other.>", "hadron"));
  assert_false(subject_covers("had.>", "hadron"));
  assert_false(subject_covers("", "hadron"));
}

static void ids(void **state) {
  (void)state;
  uint8_t journal[16], back[16];
  uint64_t position = 0;
  char id[MESSAGE_ID_SIZE];
  for (int i = 0; i < 16; i++) journal[i] = (uint8_t)(i * 17);
  message_id_write(id, journal, UINT64_MAX);
  assert_string_equal(id, "00112233445566778899aabbccddeeff-18446744073709551615");
  assert_true(message_id_read(id, back, &position));
  assert_memory_equal(journal, back, 16);
  assert_true(position == UINT64_MAX);
  static const char *const none[] = {"", "0011", "00112233445566778899aabbccddeeff", "00112233445566778899aabbccddeeff-", "00112233445566778899aabbccddeeff-x",
                                     "00112233445566778899aabbccddeefg-1", "00112233445566778899aabbccddeeff-1x", "00112233445566778899aabbccddeeff--1"};
  for (size_t i = 0; i < sizeof none / sizeof *none; i++)
    if (message_id_read(none[i], back, &position)) fail_msg("\"%s\" was taken for an id", none[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_the_schema), cmocka_unit_test(tokens), cmocka_unit_test(random_names),
                                     cmocka_unit_test(prefixes_and_patterns), cmocka_unit_test(ids)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
