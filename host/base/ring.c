#include "base/ring.h"

#include "base/assert.h"
#include "base/banned.h"
#include "hadron/error.h"

int32_t hd_ring_init(struct hd_ring *ring, uint32_t element_size, uint64_t capacity) {
  if (element_size == 0 || capacity == 0 || (capacity & (capacity - 1)) != 0) return HADRON_ERR_ARGUMENT;
  uint64_t size;
  if (__builtin_mul_overflow(capacity, (uint64_t)element_size, &size) || size > SIZE_MAX - 63) return HADRON_ERR_ARGUMENT;
  unsigned char *slots = aligned_alloc(64, (size + 63) & ~UINT64_C(63));
  if (slots == NULL) return HADRON_ERR_MEMORY;
  // Touched now: a page fault on first use would be a system call on the tick path.
  memset(slots, 0, (size + 63) & ~UINT64_C(63));
  memset(ring, 0, sizeof *ring);
  ring->slots = slots;
  ring->mask = capacity - 1;
  ring->element_size = element_size;
  return HADRON_OK;
}

void hd_ring_fini(struct hd_ring *ring) {
  if (ring == NULL) return;
  free(ring->slots);
  memset(ring, 0, sizeof *ring);
}
