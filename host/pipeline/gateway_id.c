// Client order ids. On the way from tick to order, so the text is built digit by digit into one buffer and hashed once; the id is
// asked for twice in a row (has it been used? then: send it), so the last one is kept with what it was made of.
#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "pipeline/gateway_internal.h"

#define TEXT_SIZE 256

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748495051525354555657585960"
                            "616263646566676869707172737475767778798081828384858687888990919293949596979899";

static char *put_unsigned(char *to, uint64_t value) {
  char reversed[20], *p = reversed + sizeof reversed;
  for (; value >= 100; value /= 100) memcpy(p -= 2, pairs + value % 100 * 2, 2);
  if (value >= 10) memcpy(p -= 2, pairs + value * 2, 2);
  else *--p = (char)('0' + value);
  size_t size = (size_t)(reversed + sizeof reversed - p);
  memcpy(to, p, size);
  return to + size;
}

// `digits` decimals (8 or 9) at most, without trailing zeros.
static inline char *put_decimal(char *to, int64_t value, const uint64_t scale, int digits) {
  HD_ASSERT(scale > 0 && digits <= 9);
  uint64_t absolute = value < 0 ? 0 - (uint64_t)value : (uint64_t)value, rest = absolute % scale;
  if (value < 0) *to++ = '-';
  to = put_unsigned(to, absolute / scale);
  if (rest == 0) return to;
  *to++ = '.';
  for (; rest % 10 == 0; rest /= 10) digits--;
  for (int i = digits; i > 0; i--, rest /= 10) to[i - 1] = (char)('0' + rest % 10);
  HD_ASSERT(rest == 0);
  return to + digits;
}

// Letter by letter: names are short, and the library's functions are far away.
static char *put_text(char *to, const char *text, size_t bound) {
  for (size_t i = 0; i < bound && text[i]; i++) *to++ = text[i];
  return to;
}

// 32 bits as eight hex digits.
static void put_hex(char *to, uint32_t bits) {
  uint64_t x = bits;
  x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
  x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
  x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
  uint64_t letters = (x + UINT64_C(0x0606060606060606)) >> 4 & UINT64_C(0x0101010101010101); // 10 to 15
  x = __builtin_bswap64(x + UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10));
  memcpy(to, &x, sizeof x);
}

static char *put_date(struct hd_id_cache *cache, char *to, int64_t day) {
  if (day != cache->day) {
    char text[40];
    hd_time_format(text, sizeof text, day * HD_DAY_NS, 0);
    memcpy(cache->date, text, sizeof cache->date);
    cache->day = day;
  }
  memcpy(to, cache->date, sizeof cache->date);
  return to + sizeof cache->date;
}

static size_t id_text(const struct hd_gateway *g, const struct hadron_intent *intent, const char *strategy, int64_t day, char text[TEXT_SIZE]) {
  const char *symbol = intent->instrument <= hd_instruments_count(g->instruments) ? g->instruments->rows[intent->instrument].name : "";
  char *to = put_text(text, symbol, HADRON_SYMBOL_SIZE);
  to = put_text(to, intent->side == HADRON_SIDE_BUY ? "|BUY|" : "|SELL|", 6);
  to = put_decimal(to, intent->quantity.e8, HADRON_QUANTITY_SCALE, 8);
  *to++ = '|';
  to = put_decimal(to, intent->limit.nanos, HADRON_PRICE_SCALE, 9);
  *to++ = '|';
  to = put_text(to, strategy, HADRON_NAME_SIZE);
  *to++ = '|';
  to = put_date(g->id_cache, to, day);
  if (intent->key != 0) {
    *to++ = '|';
    to = put_unsigned(to, intent->key);
  }
  HD_ASSERT((size_t)(to - text) < TEXT_SIZE);
  return (size_t)(to - text);
}

void hd_gateway_order_id(const struct hd_gateway *g, const struct hadron_intent *intent, const char *strategy, int64_t now_ns,
                         struct hadron_client_order_id *out) {
  HD_ASSERT(g != NULL && strategy != NULL);
  struct hd_id_cache *cache = g->id_cache;
  const struct hd_id_key key = {intent->instrument, intent->side, intent->quantity.e8, intent->limit.nanos,
                                now_ns / HD_DAY_NS - (now_ns % HD_DAY_NS < 0), intent->key};
  if (memcmp(&key, &cache->key, sizeof key) == 0 && strncmp(strategy, cache->strategy, sizeof cache->strategy) == 0) {
    *out = cache->id;
    return;
  }
  char text[TEXT_SIZE];
  uint8_t digest[32];
  hd_sha256(text, id_text(g, intent, strategy, key.day, text), digest);
  uint64_t high;
  uint32_t low;
  memcpy(&high, digest, sizeof high);
  memcpy(&low, digest + sizeof high, sizeof low);
  high = __builtin_bswap64(high);
  low = __builtin_bswap32(low);
  put_hex(out->hex, (uint32_t)(high >> 32));
  put_hex(out->hex + 8, (uint32_t)high);
  put_hex(out->hex + 16, low);
  cache->key = key;
  if (intent->instrument > hd_instruments_count(g->instruments)) cache->key.day = INT64_MIN; // not there yet: it may get a name
  hd_text_copy(cache->strategy, sizeof cache->strategy, strategy);
  hd_ids_ask(g, out, high, low); // the set of used ids outgrows the cache, and risk asks next
}
