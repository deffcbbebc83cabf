// What the fold's files share: fold.c reads records, fold_arm.c knows whose they are, fold_end.c hands over.
#ifndef HD_PIPELINE_FOLD_INTERNAL_H
#define HD_PIPELINE_FOLD_INTERNAL_H

#include "pipeline/fold.h"

// An arm whose book is open: somebody trades with it, or it waits for the live version that comes next.
static inline bool hd_fold_open(const struct hadron_arm_definition *d) { return d->role || d->waits; }
static inline uint8_t hd_fold_role(const struct hadron_arm_definition *d) { return d->waits ? HD_ROLE_LIVE : d->role; }

// fold.c: strategies hear all that waits in their shards' queues.
void hd_fold_heard(struct hd_fold *f);

// fold_arm.c
// Which arm of `to` each arm of `from` is, by name, role and version; tables by number, 1 to count; role 0: nobody. map[from]: 0 for none.
void hd_fold_match(const struct hadron_arm_definition *from, uint32_t from_count, const struct hadron_arm_definition *to, uint32_t to_count, uint32_t *map);
void hd_fold_session(struct hd_fold *f);                                                // a run begins
int32_t hd_fold_arm(struct hd_fold *f, const struct hadron_arm_definition *d, struct hd_fault *fault);
int32_t hd_fold_settle(struct hd_fold *f, struct hd_fault *fault);                      // its arms hold from here on
int32_t hd_fold_take_arm(struct hd_fold *f, const struct hadron_arm_definition *d);       // opens its book, in the journal's numbers
void hd_fold_feed(struct hd_fold *f);                                                   // who hears what is fed now
// Decisions that wait for an order: after a change of an arm; and in other numbers (changed NULL: all are looked at).
void hd_fold_waiting(struct hd_fold *f, const struct hadron_arm_definition *changed);
void hd_fold_waiting_as(struct hd_fold *f, const uint32_t *map, uint32_t count, const struct hadron_arm_definition *changed);
void hd_fold_watches(struct hd_fold *f, const uint32_t *map);                           // risk's, in other numbers

#endif
