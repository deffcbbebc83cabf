// What the journal says of a life, held against the truth: every order that left is in it, every execution once, nothing was guessed, and
// what it said before it says still. [parent, while no process has the journal open]
#ifndef HD_RUNTIME_SIMULATE_AUDIT_H
#define HD_RUNTIME_SIMULATE_AUDIT_H

#include "runtime/simulate/disk.h"

// over: the seed is; then executions must be whole.
void hd_audit(struct hd_world *w, struct hd_sim_disk *disk, const char *dir, bool over);
// Has the journal the record of this change?
bool hd_audit_swap(struct hd_world *w, struct hd_sim_disk *disk, const char *dir, const char *name, uint32_t revision);

#endif
