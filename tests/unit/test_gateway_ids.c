// Promise: the client order id is the first 24 hex digits of SHA-256 over the documented text, whatever the numbers; the vectors
// were made by another implementation:
//   python3 -c 'import hashlib; print(hashlib.sha256(b"AAPL|BUY|10|100.5|sma|2024-08-08").hexdigest()[:24])'
#include "support/gateway_rig.h"

static const struct {
  uint32_t instrument;
  uint8_t side;
  int64_t quantity, limit;
  uint64_t key;
  const char *strategy;
  int64_t days;
  const char *id;
} vectors[] = {
    {1, 1, INT64_C(1000000000), INT64_C(100500000000), UINT64_C(0), "sma", 0, "df1c3b1637879cf10e74a12b"}, // AAPL|BUY|10|100.5|sma|2024-08-08
    {1, 2, INT64_C(1000000000), INT64_C(0), UINT64_C(0), "sma", 0, "e4dc7140282e0652924fa840"}, // AAPL|SELL|10|0|sma|2024-08-08
    {2, 1, INT64_C(1), INT64_C(1), UINT64_C(0), "market_maker", 1, "91e41ebaed36dd698d314f5c"}, // BTC-USD|BUY|0.00000001|0.000000001|market_maker|2024-08-09
    {2, 2, INT64_C(9223372036854775807), INT64_C(9223372036854775807), UINT64_C(18446744073709551615), "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 366, "d1926a10021843e38cd948b8"}, // BTC-USD|SELL|92233720368.54775807|9223372036.854775807|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|2025-08-09|18446744073709551615
    {1, 1, INT64_C(123456789), INT64_C(987654321012345678), UINT64_C(42), "pairs", 145, "69467b7a40f3def197671e44"}, // AAPL|BUY|1.23456789|987654321.012345678|pairs|2024-12-31|42
    {1, 1, INT64_C(100), INT64_C(1000000000), UINT64_C(7), "a", -219, "f7331729d2934c207616dd47"}, // AAPL|BUY|0.000001|1|a|2024-01-02|7
    {2, 1, INT64_C(150000000), INT64_C(64000010000000), UINT64_C(100), "sma-2", 9999, "aa03334812b20fbdbbfeb884"}, // BTC-USD|BUY|1.5|64000.01|sma-2|2051-12-24|100
    {1, 1, INT64_C(9900000000), INT64_C(12340000000), UINT64_C(9), "b", 0, "9a5213a802a6ef66cf3c2ef5"}, // AAPL|BUY|99|12.34|b|2024-08-08|9
};

static void vectors_hold(void **state) {
  (void)state;
  struct rig rig;
  rig_open(&rig, NULL);
  for (int round = 0; round < 2; round++) // the second time some come out of the cache
    for (size_t n = 0; n < sizeof vectors / sizeof *vectors; n++) {
      struct hadron_intent i = {.instrument = vectors[n].instrument, .side = vectors[n].side, .key = vectors[n].key};
      i.quantity.e8 = vectors[n].quantity, i.limit.nanos = vectors[n].limit;
      for (int64_t part = 0; part < 3; part++) { // begin, middle and end of the UTC day
        struct hadron_client_order_id id;
        hd_gateway_order_id(rig.g, &i, vectors[n].strategy, RIG_T0 + vectors[n].days * 86400 * RIG_S + part * 43199 * RIG_S + part, &id);
        if (memcmp(id.hex, vectors[n].id, 24) != 0) fail_msg("vector %zu: expected %s, found %.24s", n, vectors[n].id, id.hex);
      }
    }
  rig_close(&rig);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(vectors_hold)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
