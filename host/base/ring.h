// Bounded single-producer single-consumer ring of fixed-size elements. Power-of-two capacity, cached indices, no locks, no
// allocation after init. Full: `hd_ring_reserve` returns NULL and the caller applies the policy that limits.h names.
// Positions count from 0 and never wrap (a ring of one thread may be rewound): head is what was written, tail what was read, so "has everything up to position p been
// read?" is one comparison. [one thread each side]
#ifndef HD_BASE_RING_H
#define HD_BASE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct hd_ring {
  _Alignas(64) _Atomic uint64_t head; // producer
  uint64_t tail_seen;                 // producer's copy of tail
  _Alignas(64) _Atomic uint64_t tail; // consumer
  uint64_t head_seen;                 // consumer's copy of head
  _Alignas(64) unsigned char *slots;  // in `memory`, aligned
  unsigned char *memory;              // owned; NULL: the caller's
  uint64_t mask;
  uint32_t element_size;
};

// capacity: a power of two. HADRON_ERR_MEMORY or HADRON_ERR_ARGUMENT.
int32_t hd_ring_init(struct hd_ring *ring, uint32_t element_size, uint64_t capacity);
// The same, but memory is used when a slot is: for a ring that is rewound, which uses few of them.
int32_t hd_ring_init_lazy(struct hd_ring *ring, uint32_t element_size, uint64_t capacity);
// The same in memory of the caller: capacity * element_size zero bytes on a boundary of 64; borrowed(until fini).
int32_t hd_ring_init_in(struct hd_ring *ring, uint32_t element_size, uint64_t capacity, void *slots);
void hd_ring_fini(struct hd_ring *ring);

// Producer: the next free slot, or NULL when full; then publish it.
static inline void *hd_ring_reserve(struct hd_ring *ring) {
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  if (head - ring->tail_seen > ring->mask) {
    ring->tail_seen = atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (head - ring->tail_seen > ring->mask) return NULL;
  }
  return ring->slots + (head & ring->mask) * ring->element_size;
}
static inline void hd_ring_publish(struct hd_ring *ring) {
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  atomic_store_explicit(&ring->head, head + 1, memory_order_release);
}

// Consumer: the oldest element, or NULL when empty; then release it.
static inline void *hd_ring_peek(struct hd_ring *ring) {
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  if (tail == ring->head_seen) {
    ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
    if (tail == ring->head_seen) return NULL;
  }
  return ring->slots + (tail & ring->mask) * ring->element_size;
}
static inline void hd_ring_release(struct hd_ring *ring) {
  uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
  atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
}

// One thread on both sides: an empty ring begins at its first slot again, so that the few slots in use stay in the cache.
static inline void hd_ring_rewind(struct hd_ring *ring) {
  uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
  if (head == 0 || head != atomic_load_explicit(&ring->tail, memory_order_relaxed)) return;
  ring->tail_seen = ring->head_seen = 0;
  atomic_store_explicit(&ring->head, 0, memory_order_relaxed);
  atomic_store_explicit(&ring->tail, 0, memory_order_relaxed);
}

// Either side.
static inline uint64_t hd_ring_head(const struct hd_ring *ring) { return atomic_load_explicit(&ring->head, memory_order_acquire); }
static inline uint64_t hd_ring_tail(const struct hd_ring *ring) { return atomic_load_explicit(&ring->tail, memory_order_acquire); }
static inline uint64_t hd_ring_size(const struct hd_ring *ring) { return hd_ring_head(ring) - hd_ring_tail(ring); }
static inline uint64_t hd_ring_capacity(const struct hd_ring *ring) { return ring->mask + 1; }

#endif
