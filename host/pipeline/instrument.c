// Rows and listings are arrays that never move; a row is complete before the count, or the chain of listings, that leads to it.
#include "pipeline/instrument.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

#define INSTRUMENTS_LIMIT (UINT32_C(1) << 24)
#define LISTINGS_PER_INSTRUMENT 4
#define SYMBOL_KEY_SIZE (2 + HADRON_SYMBOL_SIZE)

static bool name_valid(const char *name) {
  char copy[HADRON_SYMBOL_SIZE];
  if (name[0] == 0 || !hd_text_copy(copy, sizeof copy, name)) return false;
  hd_text_printable(copy);
  return strcmp(copy, name) == 0 && strchr(name, '|') == NULL;
}

static void symbol_key(unsigned char key[SYMBOL_KEY_SIZE], uint16_t venue, const char *symbol) {
  HD_ASSERT(strnlen(symbol, HADRON_SYMBOL_SIZE) < HADRON_SYMBOL_SIZE);
  memset(key, 0, SYMBOL_KEY_SIZE);
  memcpy(key, &venue, sizeof venue);
  memcpy(key + 2, symbol, strlen(symbol));
}

int32_t hd_instruments_init(struct hd_instruments *t, uint32_t max, bool open) {
  memset(t, 0, sizeof *t);
  if (max == 0 || max > INSTRUMENTS_LIMIT) return HADRON_ERR_ARGUMENT;
  t->max = max;
  t->listing_max = max * LISTINGS_PER_INSTRUMENT;
  t->open = open;
  t->default_increment.nanos = HADRON_PRICE_SCALE / 100;
  t->default_lot.e8 = HADRON_QUANTITY_SCALE;
  t->rows = calloc((size_t)max + 1, sizeof *t->rows);
  t->listings = calloc((size_t)t->listing_max + 1, sizeof *t->listings);
  int32_t err = t->rows && t->listings ? HADRON_OK : HADRON_ERR_MEMORY;
  if (!err) err = hd_map_init(&t->by_name, HADRON_SYMBOL_SIZE, max);
  if (!err) err = hd_map_init(&t->by_symbol, SYMBOL_KEY_SIZE, t->listing_max);
  if (err) hd_instruments_fini(t);
  return err;
}

void hd_instruments_fini(struct hd_instruments *t) {
  if (t == NULL) return;
  free(t->rows);
  free(t->listings);
  hd_map_fini(&t->by_name);
  hd_map_fini(&t->by_symbol);
  memset(t, 0, sizeof *t);
}

static bool definition_valid(const struct hd_instrument *d) {
  if (strnlen(d->name, sizeof d->name) == sizeof d->name || !name_valid(d->name)) return false;
  if (strnlen(d->currency, sizeof d->currency) == sizeof d->currency) return false;
  if (d->increment.nanos < 0 || d->lot.e8 < 0 || d->multiplier.e8 < 0 || d->size_max.e8 < 0) return false;
  return d->price_max.nanos == 0 || d->price_min.nanos <= d->price_max.nanos;
}

// Zero fields become defaults and are marked as assumed.
static void assume(const struct hd_instruments *t, struct hd_instrument *row) {
  HD_ASSERT(t->default_increment.nanos > 0 && t->default_lot.e8 > 0);
  row->assumed = (row->increment.nanos == 0 ? HD_INSTRUMENT_INCREMENT : 0u) | (row->lot.e8 == 0 ? HD_INSTRUMENT_LOT : 0u) |
                 (row->multiplier.e8 == 0 ? HD_INSTRUMENT_MULTIPLIER : 0u) | (row->asset == 0 ? HD_INSTRUMENT_ASSET : 0u) |
                 (row->currency[0] == 0 ? HD_INSTRUMENT_CURRENCY : 0u);
  if (row->increment.nanos == 0) row->increment = t->default_increment;
  if (row->lot.e8 == 0) row->lot = t->default_lot;
  if (row->multiplier.e8 == 0) row->multiplier.e8 = HADRON_QUANTITY_SCALE;
  HD_ASSERT(row->increment.nanos > 0 && row->lot.e8 > 0 && row->multiplier.e8 > 0);
}

int32_t hd_instruments_add(struct hd_instruments *t, const struct hd_instrument *definition, uint32_t *id) {
  HD_ASSERT(t->rows != NULL && t->count <= t->max);
  if (!definition_valid(definition)) return HADRON_ERR_ARGUMENT;
  if (hd_map_get_text(&t->by_name, definition->name, NULL)) return HADRON_ERR_EXISTS;
  if (t->count == t->max) return HADRON_ERR_FULL;
  uint32_t made = t->count + 1;
  struct hd_instrument *row = &t->rows[made];
  *row = *definition;
  row->id = made;
  row->listing = row->shard = 0;
  assume(t, row);
  int32_t err = hd_map_put_text(&t->by_name, row->name, made);
  if (err) return err;
  __atomic_store_n(&t->count, made, __ATOMIC_RELEASE);
  *id = made;
  return HADRON_OK;
}

int32_t hd_instruments_restate(struct hd_instruments *t, const struct hd_instrument *definition, uint32_t *id) {
  if (!definition_valid(definition)) return HADRON_ERR_ARGUMENT;
  uint32_t known = hd_instruments_find(t, definition->name);
  if (known == 0) return HADRON_ERR_NOT_FOUND;
  struct hd_instrument *row = &t->rows[known], before = *row;
  *row = *definition;
  row->id = known, row->listing = before.listing, row->shard = before.shard;
  memcpy(row->name, before.name, sizeof row->name); // the map's key
  assume(t, row);
  *id = known;
  return HADRON_OK;
}

// Puts a listing at the end of its instrument's chain, so that the first one stays the first.
static void chain(struct hd_instruments *t, struct hd_listing *listing) {
  HD_ASSERT(listing->instrument >= 1 && listing->instrument <= t->count);
  HD_ASSERT(listing->next == 0);
  uint32_t *link = &t->rows[listing->instrument].listing;
  while (*link != 0) link = &t->listings[*link].next;
  __atomic_store_n(link, listing->handle, __ATOMIC_RELEASE);
}

int32_t hd_instruments_list(struct hd_instruments *t, uint32_t id, uint16_t venue, const char *symbol, uint32_t *handle) {
  HD_ASSERT(t->listings != NULL && t->listing_count <= t->listing_max);
  if (venue == 0 || !name_valid(symbol)) return HADRON_ERR_ARGUMENT;
  if (id == 0 || id > t->count) return HADRON_ERR_NOT_FOUND;
  unsigned char key[SYMBOL_KEY_SIZE];
  symbol_key(key, venue, symbol);
  uint64_t known;
  if (hd_map_get(&t->by_symbol, key, &known)) {
    if (t->listings[known].instrument != id) return HADRON_ERR_EXISTS;
    *handle = (uint32_t)known;
    return HADRON_OK;
  }
  if (t->listing_count == t->listing_max) return HADRON_ERR_FULL;
  uint32_t made = t->listing_count + 1;
  struct hd_listing *listing = &t->listings[made];
  *listing = (struct hd_listing){.handle = made, .instrument = id, .venue = venue};
  hd_text_copy(listing->symbol, sizeof listing->symbol, symbol);
  int32_t err = hd_map_put(&t->by_symbol, key, made);
  if (err) return err;
  chain(t, listing);
  __atomic_store_n(&t->listing_count, made, __ATOMIC_RELEASE);
  *handle = made;
  return HADRON_OK;
}

// The venue knows what was only assumed.
static void refine(struct hd_instrument *row, const struct hadron_listing *listing) {
  HD_ASSERT(row->id != 0);
  uint32_t known = (listing->increment.nanos > 0 ? HD_INSTRUMENT_INCREMENT : 0u) | (listing->lot.e8 > 0 ? HD_INSTRUMENT_LOT : 0u) |
                   (listing->multiplier.e8 > 0 ? HD_INSTRUMENT_MULTIPLIER : 0u) | (listing->asset != 0 ? HD_INSTRUMENT_ASSET : 0u) |
                   (listing->currency[0] != 0 ? HD_INSTRUMENT_CURRENCY : 0u);
  known &= row->assumed;
  if (known & HD_INSTRUMENT_INCREMENT) row->increment = listing->increment;
  if (known & HD_INSTRUMENT_LOT) row->lot = listing->lot;
  if (known & HD_INSTRUMENT_MULTIPLIER) row->multiplier = listing->multiplier;
  if (known & HD_INSTRUMENT_ASSET) row->asset = listing->asset;
  if (known & HD_INSTRUMENT_CURRENCY) memcpy(row->currency, listing->currency, sizeof row->currency);
  row->assumed &= ~known;
  HD_ASSERT(row->increment.nanos > 0 && row->lot.e8 > 0 && row->multiplier.e8 > 0);
}

static bool listing_valid(const struct hadron_listing *l) {
  if (strnlen(l->symbol, sizeof l->symbol) == sizeof l->symbol || !name_valid(l->symbol)) return false;
  if (strnlen(l->name, sizeof l->name) == sizeof l->name || (l->name[0] != 0 && !name_valid(l->name))) return false;
  if (strnlen(l->currency, sizeof l->currency) == sizeof l->currency) return false;
  return l->increment.nanos >= 0 && l->lot.e8 >= 0 && l->multiplier.e8 >= 0;
}

// The listing's canonical name: its own, or the symbol in upper case.
static void canonical_name(char name[HADRON_SYMBOL_SIZE], const struct hadron_listing *listing) {
  hd_text_copy(name, HADRON_SYMBOL_SIZE, listing->name[0] ? listing->name : listing->symbol);
  if (listing->name[0] == 0)
    for (char *c = name; *c; c++)
      if (*c >= 'a' && *c <= 'z') *c = (char)(*c - 'a' + 'A');
  HD_ASSERT(name[0] != 0);
}

int32_t hd_instruments_resolve(struct hd_instruments *t, uint16_t venue, const struct hadron_listing *listing, uint32_t *handle) {
  HD_ASSERT(t->rows != NULL);
  if (venue == 0 || !listing_valid(listing)) return HADRON_ERR_ARGUMENT;
  uint32_t known = hd_instruments_find_symbol(t, venue, listing->symbol);
  if (known) {
    refine(&t->rows[t->listings[known].instrument], listing);
    *handle = known;
    return HADRON_OK;
  }
  if (t->listing_count == t->listing_max) return HADRON_ERR_FULL; // before an instrument is made that nobody lists
  struct hd_instrument definition = {0};
  canonical_name(definition.name, listing);
  uint32_t id = hd_instruments_find(t, definition.name);
  if (id == 0) {
    if (!t->open) return HADRON_ERR_NOT_FOUND;
    int32_t err = hd_instruments_add(t, &definition, &id);
    if (err) return err;
  }
  if (t->rows[id].retired) { // an earlier run's word is no better than an assumption
    if (!t->open) return HADRON_ERR_NOT_FOUND;
    t->rows[id].retired = false;
    t->rows[id].assumed = HD_INSTRUMENT_INCREMENT | HD_INSTRUMENT_LOT | HD_INSTRUMENT_MULTIPLIER | HD_INSTRUMENT_ASSET | HD_INSTRUMENT_CURRENCY;
  }
  refine(&t->rows[id], listing);
  return hd_instruments_list(t, id, venue, listing->symbol, handle);
}

uint32_t hd_instruments_find(const struct hd_instruments *t, const char *name) {
  uint64_t id = 0;
  if (!hd_map_get_text(&t->by_name, name, &id)) return 0;
  HD_ASSERT(id >= 1 && id <= t->count);
  return (uint32_t)id;
}

uint32_t hd_instruments_find_symbol(const struct hd_instruments *t, uint16_t venue, const char *symbol) {
  if (strnlen(symbol, HADRON_SYMBOL_SIZE) == HADRON_SYMBOL_SIZE) return 0;
  unsigned char key[SYMBOL_KEY_SIZE];
  symbol_key(key, venue, symbol);
  uint64_t handle = 0;
  if (!hd_map_get(&t->by_symbol, key, &handle)) return 0;
  HD_ASSERT(handle >= 1 && handle <= t->listing_count);
  return (uint32_t)handle;
}

uint32_t hd_instruments_at(const struct hd_instruments *t, uint32_t id, uint16_t venue) {
  if (id == 0 || id > __atomic_load_n(&t->count, __ATOMIC_ACQUIRE)) return 0;
  uint32_t handle = __atomic_load_n(&t->rows[id].listing, __ATOMIC_ACQUIRE);
  while (handle != 0 && t->listings[handle].venue != venue) handle = __atomic_load_n(&t->listings[handle].next, __ATOMIC_ACQUIRE);
  HD_ASSERT(handle <= t->listing_max);
  return handle;
}

void hd_instruments_definition(const struct hd_instruments *t, uint32_t id, uint32_t handle, struct hadron_instrument_definition *out) {
  HD_ASSERT(id >= 1 && id <= t->count);
  HD_ASSERT(handle <= t->listing_count);
  const struct hd_instrument *row = &t->rows[id];
  const struct hd_listing *listing = &t->listings[handle]; // [0] is empty
  HD_ASSERT(handle == 0 || listing->instrument == id);
  *out = (struct hadron_instrument_definition){
      .instrument = id,
      .listing = handle,
      .venue = listing->venue,
      .asset = (uint8_t)row->asset,
      .increment = row->increment,
      .lot = row->lot,
      .multiplier = row->multiplier,
  };
  memcpy(out->name, row->name, sizeof out->name);
  memcpy(out->symbol, listing->symbol, sizeof out->symbol);
  memcpy(out->currency, row->currency, sizeof out->currency);
}
