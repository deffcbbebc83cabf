// The listings of an instance: symbol to handle, each asked from the host once. At most SYMBOLS_MAX; a table by hash, entries never move.
#ifndef REPLAY_SYMBOLS_H
#define REPLAY_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "hadron/venue.h"

#define SYMBOLS_MAX 65536u
#define SYMBOL_UNWANTED UINT32_MAX // the universe is closed and does not have it

struct symbol {
  struct hadron_listing listing;
  uint32_t handle;
  uint32_t next;     // in the bucket, +1
  void *adjustments; // adjust.h; NULL: none
};

struct symbols {
  struct symbol **entries;
  uint32_t count, capacity;
  uint32_t buckets[4096]; // index + 1
  void *user;
  // Gives the handle; HADRON_ERR_NOT_FOUND: not wanted.
  int32_t (*resolve)(void *user, const struct hadron_listing *listing, uint32_t *handle);
};

void symbols_init(struct symbols *s, void *user,
                  int32_t (*resolve)(void *user, const struct hadron_listing *listing, uint32_t *handle));
void symbols_fini(struct symbols *s);

// The entry of a listing; resolves it the first time. Only `listing.symbol` is compared.
int32_t symbols_get(struct symbols *s, const struct hadron_listing *listing, struct symbol **out);

// Fills asset and currency from what a symbol looks like: "EURUSD" forex is quoted in USD, "BTCUSDT" crypto in USDT.
void listing_describe(struct hadron_listing *listing, const char *symbol, size_t size, uint32_t asset);

// A symbol that a host takes: 1 to 31 printable bytes without blanks and '|'.
bool symbol_valid(const char *symbol, size_t size);

enum listing_asset { ASSET_UNKNOWN = 0, ASSET_EQUITY = 1, ASSET_FOREX = 2, ASSET_CRYPTO = 3, ASSET_FUTURE = 4 };

#endif
