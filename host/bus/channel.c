#include "bus/channel.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "hadron/error.h"

#define RING_BYTES (HD_CHANNEL_TICKS * sizeof(struct hadron_tick))

int32_t hd_channel_memory_open(struct hd_channel_memory *m, uint32_t rings) {
  size_t size = rings * RING_BYTES;
  void *base = MAP_FAILED;
  int fd = memfd_create("hadron-ticks", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  // This mapping can be written, every later one only read.
  if (fd >= 0 && ftruncate(fd, (off_t)size) == 0) base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (base != MAP_FAILED && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0) {
    *m = (struct hd_channel_memory){base, size, fd};
    return HADRON_OK;
  }
  if (base != MAP_FAILED) munmap(base, size);
  if (fd >= 0) close(fd);
  return HADRON_ERR_MEMORY;
}

void hd_channel_memory_close(struct hd_channel_memory *m) {
  if (!m->base) return;
  munmap(m->base, m->size);
  close(m->fd);
  *m = (struct hd_channel_memory){0};
}

int32_t hd_channel_init(struct hd_channel *c, uint32_t arm, uint32_t shard) { return hd_channel_init_in(c, arm, shard, &(struct hd_channel_memory){0}); }

int32_t hd_channel_init_in(struct hd_channel *c, uint32_t arm, uint32_t shard, const struct hd_channel_memory *m) {
  memset(c, 0, sizeof *c);
  c->arm = arm;
  c->shard = shard;
  HD_ASSERT(!m->base || (shard + 1) * RING_BYTES <= m->size);
  int32_t code = m->base ? hd_ring_init_in(&c->ticks, sizeof(struct hadron_tick), HD_CHANNEL_TICKS, m->base + shard * RING_BYTES)
                         : hd_ring_init_lazy(&c->ticks, sizeof(struct hadron_tick), HD_CHANNEL_TICKS);
  if (!code) code = hd_ring_init_lazy(&c->notes, sizeof(struct hd_channel_note), HD_CHANNEL_NOTES);
  if (!code) code = hd_ring_init_lazy(&c->decisions, sizeof(struct hd_channel_decision), HD_CHANNEL_DECISIONS);
  if (code) hd_channel_fini(c);
  return code;
}

void hd_channel_fini(struct hd_channel *c) {
  const struct hd_channel_note *n;
  while (c->notes.memory && (n = hd_ring_peek(&c->notes))) {
    if (n->kind == HADRON_MSG_ASK) hd_channel_answer(c, n->of.ask, HADRON_ERR_STATE, NULL, 0);
    hd_ring_release(&c->notes);
  }
  hd_ring_fini(&c->ticks);
  hd_ring_fini(&c->notes);
  hd_ring_fini(&c->decisions);
}

// ---- [shard] ---------------------------------------------------------------------------------------------------------------------------

bool hd_channel_note(struct hd_channel *c, const struct hd_channel_note *note) {
  if (atomic_load_explicit(&c->broken, memory_order_relaxed)) return false;
  struct hd_channel_note *slot = hd_ring_reserve(&c->notes);
  if (!slot) {
    atomic_store(&c->broken, true);
    return false;
  }
  *slot = *note;
  slot->after = atomic_load_explicit(&c->ticks.head, memory_order_relaxed);
  hd_ring_publish(&c->notes);
  return true;
}

static bool lose(struct hd_channel *c, const struct hadron_tick *tick) {
  if (c->lost_count++ == 0) c->lost_first = tick->sequence;
  c->lost_last = tick->sequence;
  atomic_fetch_add_explicit(&c->lost, 1, memory_order_relaxed);
  return false;
}

bool hd_channel_tick(struct hd_channel *c, const struct hadron_tick *tick) {
  if (__builtin_expect(atomic_load_explicit(&c->broken, memory_order_relaxed), 0)) return lose(c, tick);
  struct hadron_tick *slot = hd_ring_reserve(&c->ticks);
  if (__builtin_expect(!slot, 0)) return lose(c, tick);
  if (__builtin_expect(c->lost_count > 0, 0)) {
    const struct hd_channel_note lost = {.kind = HADRON_MSG_LOST, .of.lost = {c->lost_first, c->lost_last, c->lost_count, c->arm, 0}};
    if (!hd_channel_note(c, &lost)) return lose(c, tick);
    c->lost_count = 0;
  }
  *slot = *tick;
  // Before it can be answered; lanes reorder, so what comes may be lower than what went.
  if (tick->sequence > atomic_load_explicit(&c->sent, memory_order_relaxed)) atomic_store_explicit(&c->sent, tick->sequence, memory_order_release);
  hd_ring_publish(&c->ticks);
  return true;
}

void hd_channel_ring(struct hd_channel *c) {
  struct hd_bell *bell = atomic_load_explicit(&c->far_bell, memory_order_acquire); // a worker that is started again has none for a moment
  if (bell) hd_bell_ring(bell);
}

void hd_channel_let_go(struct hd_channel_ask *ask) {
  if (!ask) return;
  if (atomic_exchange(&ask->state, 2) == 0) return; // the far end frees it
  free(ask->bytes);
  free(ask->answer);
  free(ask);
}

static struct hd_channel_ask *ask_send(struct hd_channel *c, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns, uint32_t state) {
  struct hd_channel_ask *ask = calloc(1, sizeof *ask);
  if (!ask || (size && !(ask->bytes = malloc(size)))) {
    free(ask);
    return NULL;
  }
  if (size) memcpy(ask->bytes, bytes, size);
  *ask = (struct hd_channel_ask){.verb = verb, .instance = instance, .now_ns = now_ns, .bytes = ask->bytes, .size = size, .state = state};
  const struct hd_channel_note note = {.kind = HADRON_MSG_ASK, .of.ask = ask};
  if (hd_channel_note(c, &note)) {
    hd_channel_ring(c);
    return ask;
  }
  atomic_store(&ask->state, 1);
  hd_channel_let_go(ask);
  return NULL;
}

bool hd_channel_post(struct hd_channel *c, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns) {
  return ask_send(c, verb, instance, bytes, size, now_ns, 2) != NULL;
}

struct hd_channel_ask *hd_channel_ask(struct hd_channel *c, uint32_t verb, uint32_t instance, const void *bytes, uint32_t size, int64_t now_ns, int64_t timeout_ns) {
  struct hd_channel_ask *ask = ask_send(c, verb, instance, bytes, size, now_ns, 0);
  if (!ask) return NULL;
  int64_t until = timeout_ns ? hd_clock_monotonic_ns() + timeout_ns : INT64_MAX;
  while (atomic_load(&ask->state) == 0) {
    int64_t left = until - hd_clock_monotonic_ns();
    if (left <= 0 || atomic_load(&c->broken)) break;
    hd_bell_wait(&c->answered, left < 100000000 ? left : 100000000);
  }
  if (atomic_load(&ask->state) == 1) return ask;
  hd_channel_let_go(ask);
  return NULL;
}

// ---- [far] -----------------------------------------------------------------------------------------------------------------------------

uint32_t hd_channel_next(struct hd_channel *c, uint32_t max, const struct hadron_tick **ticks, const struct hd_channel_note **note) {
  const struct hd_channel_note *n = hd_ring_peek(&c->notes);
  uint64_t at = atomic_load_explicit(&c->at, memory_order_relaxed);
  *note = NULL;
  if (n && n->after <= at) {
    *note = n;
    return 0;
  }
  // A note that is published after the look above belongs behind every tick that is counted here only if it says so: look at the ticks that were
  // there, then at the notes again.
  uint64_t there = atomic_load_explicit(&c->ticks.head, memory_order_acquire);
  n = hd_ring_peek(&c->notes);
  if (n && n->after <= at) {
    *note = n;
    return 0;
  }
  if (n && n->after < there) there = n->after;
  uint64_t count = there - at, to_end = c->ticks.mask + 1 - (at & c->ticks.mask);
  if (count > to_end) count = to_end;
  if (count > max) count = max;
  *ticks = (const struct hadron_tick *)(c->ticks.slots + (at & c->ticks.mask) * sizeof(struct hadron_tick));
  return (uint32_t)count;
}

void hd_channel_release_ticks(struct hd_channel *c, uint32_t count) {
  hd_channel_take_ticks(c, count);
  atomic_store_explicit(&c->ticks.tail, atomic_load_explicit(&c->at, memory_order_relaxed), memory_order_release);
}

void hd_channel_take_ticks(struct hd_channel *c, uint32_t count) {
  uint64_t at = atomic_load_explicit(&c->at, memory_order_relaxed) + count;
  HD_ASSERT(at <= atomic_load_explicit(&c->ticks.head, memory_order_acquire));
  atomic_store_explicit(&c->at, at, memory_order_release);
  atomic_fetch_add_explicit(&c->handled, count, memory_order_relaxed);
}

void hd_channel_free_ticks(struct hd_channel *c, uint64_t position) {
  if (position <= atomic_load_explicit(&c->ticks.tail, memory_order_relaxed) || position > atomic_load_explicit(&c->at, memory_order_relaxed)) return;
  atomic_store_explicit(&c->ticks.tail, position, memory_order_release);
}

void hd_channel_release_note(struct hd_channel *c) { hd_ring_release(&c->notes); }

void hd_channel_answer(struct hd_channel *c, struct hd_channel_ask *ask, int32_t code, void *answer, uint32_t size) {
  ask->code = code;
  ask->answer = answer;
  ask->answer_size = size;
  uint32_t waits = 0;
  if (atomic_compare_exchange_strong(&ask->state, &waits, 1)) {
    hd_bell_ring(&c->answered); // the ask may be gone by now
    return;
  }
  if (code) hd_log_warn("PLACED", "arm %u: an ask of kind %u that nobody waits for: %s%s%.*s", c->arm, ask->verb, hadron_error_text(code), size ? ": " : "", (int)size, size ? (const char *)answer : "");
  free(ask->bytes);
  free(ask->answer);
  free(ask);
}

bool hd_channel_decide(struct hd_channel *c, const struct hadron_decision *decision, uint64_t number, bool last) {
  struct hd_channel_decision *slot = hd_ring_reserve(&c->decisions);
  if (!slot) return false;
  *slot = (struct hd_channel_decision){*decision, number, last};
  hd_ring_publish(&c->decisions);
  if (last && c->wake) c->wake(c->wake_self);
  return true;
}

uint64_t hd_channel_given(const struct hd_channel *c) {
  uint64_t decided = atomic_load_explicit(&c->decided, memory_order_acquire), head = atomic_load_explicit(&c->decisions.head, memory_order_acquire);
  if (head == 0) return decided;
  const struct hd_channel_decision *last = (const void *)(c->decisions.slots + ((head - 1) & c->decisions.mask) * sizeof *last); // it stays there when it is taken
  return last->number > decided ? last->number : decided;
}

// ---- [trade] ---------------------------------------------------------------------------------------------------------------------------

uint32_t hd_channel_take(struct hd_channel *c, struct hadron_decision *out, uint64_t *number) {
  uint64_t tail = atomic_load_explicit(&c->decisions.tail, memory_order_relaxed);
  uint64_t there = atomic_load_explicit(&c->decisions.head, memory_order_acquire) - tail;
  for (uint32_t i = 0; i < there && i < HD_TICK_DECISIONS_MAX; i++) {
    const struct hd_channel_decision *d = (const void *)(c->decisions.slots + ((tail + i) & c->decisions.mask) * sizeof *d);
    out[i] = d->decision;
    *number = d->number;
    if (!d->last && i + 1 < HD_TICK_DECISIONS_MAX) continue;
    atomic_store_explicit(&c->decisions.tail, tail + i + 1, memory_order_release);
    return i + 1;
  }
  return 0;
}

void hd_channel_took(struct hd_channel *c, uint64_t number) {
  atomic_store_explicit(&c->decided, number, memory_order_release);
  hd_channel_ring(c); // who waits for the ACK is at the far end
}
