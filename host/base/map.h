// Hash map from text, or from fixed-size keys, to a 64-bit value; open addressing, owned copies of the keys. For the control path
// and for tables that are sized at start: `hd_map_reserve` makes later puts free of allocation. [one thread]
#ifndef HD_BASE_MAP_H
#define HD_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hd_map_slot;
struct hd_map {
  struct hd_map_slot *slots; // owned
  unsigned char *keys;       // owned: key_size bytes per slot
  uint64_t mask;
  uint64_t count;
  uint32_t key_size;         // bytes of a key; text keys are NUL-padded to it
};

int32_t hd_map_init(struct hd_map *map, uint32_t key_size, uint64_t reserve);
void hd_map_fini(struct hd_map *map);
int32_t hd_map_reserve(struct hd_map *map, uint64_t count);
// HADRON_ERR_EXISTS, HADRON_ERR_MEMORY. key: key_size bytes.
int32_t hd_map_put(struct hd_map *map, const void *key, uint64_t value);
bool hd_map_get(const struct hd_map *map, const void *key, uint64_t *value);
bool hd_map_remove(struct hd_map *map, const void *key);
// The same with C strings shorter than key_size; a longer one is HADRON_ERR_ARGUMENT or not found.
int32_t hd_map_put_text(struct hd_map *map, const char *key, uint64_t value);
bool hd_map_get_text(const struct hd_map *map, const char *key, uint64_t *value);

#endif
