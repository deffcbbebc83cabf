// Breaks: a leg is the sum of its shares.
#include <stdlib.h>

#include "hadron/allocator.h"

static int32_t create(const struct hadron_host *host, void **self) {
  (void)host;
  *self = malloc(1);
  return *self ? HADRON_OK : HADRON_ERR_MEMORY;
}
static void destroy(void *self) { free(self); }
static int32_t merge(void *self, const struct hadron_merge_input *in, struct hadron_merge_output *out) {
  (void)self;
  for (uint32_t i = 0; i < in->count; i++) {
    const struct hadron_decision *d = &in->decisions[i];
    if (d->kind != HADRON_DECISION_SIDE) continue;
    out->shares[out->share_count] = (struct hadron_share){.decision = i, .quantity = d->quantity};
    out->legs[out->leg_count] = (struct hadron_leg){.quantity = {d->quantity.e8 + 1}, .limit = d->limit, .lead = i, .share_first = out->share_count, .share_count = 1, .side = d->side,
                                                    .order_type = d->order_type, .time_in_force = d->time_in_force};
    out->leg_count++, out->share_count++;
  }
  return HADRON_OK;
}
static const struct hadron_allocator_api api = {.struct_size = sizeof api, .create = create, .destroy = destroy, .merge = merge};
HADRON_PLUGIN(ALLOCATOR, "short_shares", "1.0.0", "one leg per decision", "", &api, NULL);
