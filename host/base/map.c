// Linear probing with the hash kept beside the value, so that most misses never touch a key. Removal shifts the run back
// instead of leaving a tombstone: a reserved table never needs to be rebuilt, however often keys come and go.
#include "base/map.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/random.h"
#include "hadron/error.h"

#define CAPACITY_MIN 16
#define KEY_SIZE_MAX 4096

struct hd_map_slot {
  uint64_t hash; // 0: empty
  uint64_t value;
};

static uint64_t word_at(const unsigned char *at) {
  uint64_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

static uint64_t hash_of(const struct hd_map *map, const unsigned char *key) {
  uint64_t hash = map->key_size;
  uint32_t i = 0;
  for (; i + 8 <= map->key_size; i += 8) hash = (hash ^ word_at(key + i)) * UINT64_C(0x9e3779b97f4a7c15), hash ^= hash >> 32;
  for (uint64_t rest = 0; i < map->key_size; i++) {
    rest = rest << 8 | key[i];
    if (i + 1 == map->key_size) hash ^= rest;
  }
  hash = hd_random_mix(hash);
  return hash ? hash : 1;
}

// A call of memcmp costs more than the few words of most keys.
static bool is_same(const unsigned char *a, const unsigned char *b, uint32_t size) {
  uint32_t i = 0;
  for (; i + 8 <= size; i += 8)
    if (word_at(a + i) != word_at(b + i)) return false;
  for (; i < size; i++)
    if (a[i] != b[i]) return false;
  return true;
}

static unsigned char *key_at(const struct hd_map *map, uint64_t index) { return map->keys + index * map->key_size; }

// Index of the key's slot, or of the empty slot where it would go. The table always has an empty slot.
static uint64_t find(const struct hd_map *map, const void *key, uint64_t hash) {
  uint64_t i = hash & map->mask;
  while (map->slots[i].hash != 0 && (map->slots[i].hash != hash || !is_same(key_at(map, i), key, map->key_size)))
    i = (i + 1) & map->mask;
  return i;
}

// Smallest power of two that holds `count` at three quarters full; 0 if there is none.
static uint64_t capacity_for(uint64_t count) {
  uint64_t capacity = CAPACITY_MIN;
  while (capacity / 4 * 3 < count) {
    if (capacity > UINT64_MAX / 64) return 0;
    capacity *= 2;
  }
  return capacity;
}

static int32_t resize(struct hd_map *map, uint64_t capacity) {
  if (capacity == 0 || capacity > SIZE_MAX / sizeof(struct hd_map_slot) || capacity > SIZE_MAX / map->key_size)
    return HADRON_ERR_MEMORY;
  struct hd_map bigger = *map;
  bigger.slots = calloc(capacity, sizeof *bigger.slots);
  bigger.keys = calloc(capacity, map->key_size);
  bigger.mask = capacity - 1;
  if (bigger.slots == NULL || bigger.keys == NULL) {
    free(bigger.slots);
    free(bigger.keys);
    return HADRON_ERR_MEMORY;
  }
  for (uint64_t i = 0; map->slots != NULL && i <= map->mask; i++) {
    if (map->slots[i].hash == 0) continue;
    uint64_t to = find(&bigger, key_at(map, i), map->slots[i].hash);
    bigger.slots[to] = map->slots[i];
    memcpy(key_at(&bigger, to), key_at(map, i), map->key_size);
  }
  free(map->slots);
  free(map->keys);
  *map = bigger;
  return HADRON_OK;
}

int32_t hd_map_init(struct hd_map *map, uint32_t key_size, uint64_t reserve) {
  if (key_size == 0 || key_size > KEY_SIZE_MAX) return HADRON_ERR_ARGUMENT;
  memset(map, 0, sizeof *map);
  map->key_size = key_size;
  return resize(map, capacity_for(reserve));
}

void hd_map_fini(struct hd_map *map) {
  if (map == NULL) return;
  free(map->slots);
  free(map->keys);
  memset(map, 0, sizeof *map);
}

int32_t hd_map_reserve(struct hd_map *map, uint64_t count) {
  uint64_t capacity = capacity_for(count);
  if (capacity != 0 && capacity <= map->mask + 1) return HADRON_OK;
  return resize(map, capacity);
}

int32_t hd_map_put(struct hd_map *map, const void *key, uint64_t value) {
  HD_ASSERT(map->slots != NULL);
  uint64_t hash = hash_of(map, key), i = find(map, key, hash);
  if (map->slots[i].hash != 0) return HADRON_ERR_EXISTS;
  if (map->count + 1 > (map->mask + 1) / 4 * 3) {
    int32_t err = resize(map, (map->mask + 1) * 2);
    if (err) return err;
    i = find(map, key, hash);
  }
  map->slots[i] = (struct hd_map_slot){.hash = hash, .value = value};
  memcpy(key_at(map, i), key, map->key_size);
  map->count++;
  return HADRON_OK;
}

bool hd_map_get(const struct hd_map *map, const void *key, uint64_t *value) {
  HD_ASSERT(map->slots != NULL);
  uint64_t i = find(map, key, hash_of(map, key));
  if (map->slots[i].hash == 0) return false;
  if (value != NULL) *value = map->slots[i].value;
  return true;
}

bool hd_map_remove(struct hd_map *map, const void *key) {
  HD_ASSERT(map->slots != NULL);
  uint64_t hole = find(map, key, hash_of(map, key));
  if (map->slots[hole].hash == 0) return false;
  for (uint64_t i = (hole + 1) & map->mask; map->slots[i].hash != 0; i = (i + 1) & map->mask) {
    // An entry may fill the hole only if its home is not inside (hole, i].
    uint64_t home = map->slots[i].hash & map->mask;
    if (((i - home) & map->mask) < ((i - hole) & map->mask)) continue;
    map->slots[hole] = map->slots[i];
    memcpy(key_at(map, hole), key_at(map, i), map->key_size);
    hole = i;
  }
  map->slots[hole].hash = 0;
  HD_ASSERT(map->count > 0);
  map->count--;
  return true;
}

// Pads a text key. False if it does not fit.
static bool pad_key(const struct hd_map *map, const char *key, char padded[KEY_SIZE_MAX]) {
  size_t size = strnlen(key, map->key_size);
  if (size >= map->key_size) return false;
  memcpy(padded, key, size);
  memset(padded + size, 0, map->key_size - size);
  return true;
}

int32_t hd_map_put_text(struct hd_map *map, const char *key, uint64_t value) {
  char padded[KEY_SIZE_MAX];
  return pad_key(map, key, padded) ? hd_map_put(map, padded, value) : HADRON_ERR_ARGUMENT;
}

bool hd_map_get_text(const struct hd_map *map, const char *key, uint64_t *value) {
  char padded[KEY_SIZE_MAX];
  return pad_key(map, key, padded) && hd_map_get(map, padded, value);
}
