#include "symbols.h"

#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define BUCKETS (sizeof((struct symbols *)0)->buckets / sizeof(uint32_t))

void symbols_init(struct symbols *s, void *user,
                  int32_t (*resolve)(void *user, const struct hadron_listing *listing, uint32_t *handle)) {
  memset(s, 0, sizeof *s);
  s->user = user;
  s->resolve = resolve;
}

void symbols_fini(struct symbols *s) {
  for (uint32_t i = 0; i < s->count; i++) {
    free(s->entries[i]->adjustments);
    free(s->entries[i]);
  }
  free(s->entries);
  s->entries = NULL;
  s->count = s->capacity = 0;
}

static uint32_t symbol_bucket(const char *symbol) {
  uint64_t hash = UINT64_C(14695981039346656037); // FNV-1a
  for (; *symbol; symbol++) hash = (hash ^ (uint8_t)*symbol) * UINT64_C(1099511628211);
  return (uint32_t)((hash >> 32) % BUCKETS);
}

static int32_t symbols_grow(struct symbols *s) {
  if (s->count < s->capacity) return HADRON_OK;
  if (s->count >= SYMBOLS_MAX) return HADRON_ERR_FULL;
  uint32_t capacity = s->capacity ? 2 * s->capacity : 16;
  struct symbol **larger = realloc(s->entries, capacity * sizeof *larger);
  if (!larger) return HADRON_ERR_MEMORY;
  s->entries = larger;
  s->capacity = capacity;
  return HADRON_OK;
}

int32_t symbols_get(struct symbols *s, const struct hadron_listing *listing, struct symbol **out) {
  uint32_t bucket = symbol_bucket(listing->symbol);
  for (uint32_t i = s->buckets[bucket]; i; i = s->entries[i - 1]->next)
    if (strcmp(s->entries[i - 1]->listing.symbol, listing->symbol) == 0) {
      *out = s->entries[i - 1];
      return HADRON_OK;
    }
  int32_t result = symbols_grow(s);
  if (result) return result;
  struct symbol *symbol = calloc(1, sizeof *symbol);
  if (!symbol) return HADRON_ERR_MEMORY;
  symbol->listing = *listing;
  result = s->resolve(s->user, listing, &symbol->handle);
  if (result == HADRON_ERR_NOT_FOUND) symbol->handle = SYMBOL_UNWANTED;
  else if (result) {
    free(symbol);
    return result;
  }
  symbol->next = s->buckets[bucket];
  s->entries[s->count++] = symbol;
  s->buckets[bucket] = s->count;
  *out = symbol;
  return HADRON_OK;
}

bool symbol_valid(const char *symbol, size_t size) {
  if (size == 0 || size >= HADRON_SYMBOL_SIZE) return false;
  for (size_t i = 0; i < size; i++)
    if (symbol[i] <= ' ' || symbol[i] > '~' || symbol[i] == '|') return false;
  return true;
}

void listing_describe(struct hadron_listing *listing, const char *symbol, size_t size, uint32_t asset) {
  static const char *const quotes[] = {"FDUSD", "USDT", "USDC", "BUSD", "TUSD", "USD", "EUR", "GBP", "TRY", "JPY", "BTC", "ETH", "BNB"};
  memset(listing, 0, sizeof *listing);
  text_copy(listing->symbol, sizeof listing->symbol, symbol, size);
  for (char *c = listing->symbol; *c; c++)
    if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  listing->asset = asset;
  size = strlen(listing->symbol);
  if (asset == ASSET_EQUITY) text_copy(listing->currency, sizeof listing->currency, "USD", 3);
  if (asset == ASSET_FOREX && size >= 6) text_copy(listing->currency, sizeof listing->currency, listing->symbol + size - 3, 3);
  if (asset != ASSET_CRYPTO) return;
  for (size_t i = 0; i < sizeof quotes / sizeof *quotes; i++) {
    size_t length = strlen(quotes[i]);
    if (size > length && strcmp(listing->symbol + size - length, quotes[i]) == 0) {
      text_copy(listing->currency, sizeof listing->currency, quotes[i], length);
      return;
    }
  }
}
