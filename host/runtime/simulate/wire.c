// What is under way between host and venue: messages with the time at which they arrive.
#include <string.h>

#include "base/banned.h"
#include "runtime/simulate/world.h"

void hd_wire_put(struct hd_world *w, struct hd_world_venue *v, struct hd_wire *wire, int64_t due_ns, bool in_place, const struct hd_wire_message *message) {
  if (wire->count == HD_WORLD_WIRE) { // nobody reads so far behind: the session is given up
    v->clogged = true;
    return;
  }
  if (in_place && due_ns < wire->last_ns) due_ns = wire->last_ns;
  if (in_place) wire->last_ns = due_ns;
  struct hd_wire_message *m = &wire->messages[wire->count++];
  *m = *message;
  m->due_ns = due_ns;
  m->number = ++w->wire_number;
  m->session = v->session;
}

static uint32_t first_of(const struct hd_wire *wire) {
  uint32_t first = 0;
  for (uint32_t i = 1; i < wire->count; i++) {
    const struct hd_wire_message *a = &wire->messages[i], *b = &wire->messages[first];
    if (a->due_ns < b->due_ns || (a->due_ns == b->due_ns && a->number < b->number)) first = i;
  }
  return first;
}

int64_t hd_wire_due(const struct hd_wire *wire) { return wire->count ? wire->messages[first_of(wire)].due_ns : INT64_MAX; }

bool hd_wire_take(struct hd_wire *wire, int64_t now_ns, struct hd_wire_message *out) {
  if (!wire->count) return false;
  uint32_t first = first_of(wire);
  if (wire->messages[first].due_ns > now_ns) return false;
  *out = wire->messages[first];
  wire->messages[first] = wire->messages[--wire->count];
  return true;
}
