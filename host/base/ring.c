#include "base/ring.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "hadron/error.h"

int32_t hd_ring_init_lazy(struct hd_ring *ring, uint32_t element_size, uint64_t capacity) {
  if (element_size == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0) return HADRON_ERR_ARGUMENT;
  uint64_t size;
  if (__builtin_mul_overflow(capacity, (uint64_t)element_size, &size) || size > SIZE_MAX - 63) return HADRON_ERR_ARGUMENT;
  unsigned char *memory = calloc(1, size + 63);
  if (memory == NULL) return HADRON_ERR_MEMORY;
  memset(ring, 0, sizeof *ring);
  ring->memory = memory;
  ring->slots = memory + (-(uintptr_t)memory & 63);
  ring->mask = capacity - 1;
  ring->element_size = element_size;
  return HADRON_OK;
}

int32_t hd_ring_init(struct hd_ring *ring, uint32_t element_size, uint64_t capacity) {
  int32_t code = hd_ring_init_lazy(ring, element_size, capacity);
  if (code) return code;
  // Touched now: a page fault on first use would be a system call on the tick path. Written, not read: a page that was only read is
  // still the page of zeros.
  for (uint64_t at = 0; at < capacity * element_size; at += 4096) *(volatile unsigned char *)(ring->slots + at) = 0;
  return HADRON_OK;
}

int32_t hd_ring_init_in(struct hd_ring *ring, uint32_t element_size, uint64_t capacity, void *slots) {
  if (element_size == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0 || ((uintptr_t)slots & 63) != 0) return HADRON_ERR_ARGUMENT;
  *ring = (struct hd_ring){.slots = slots, .mask = capacity - 1, .element_size = element_size};
  return HADRON_OK;
}

void hd_ring_fini(struct hd_ring *ring) {
  if (ring == NULL) return;
  free(ring->memory);
  memset(ring, 0, sizeof *ring);
}
