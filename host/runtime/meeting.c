#include "runtime/meeting.h"

#include "base/assert.h"
#include "base/clock.h"
#include "runtime/live.h"

static void pause_was(struct hd_meeting *m, uint64_t from) {
  int64_t took = hd_cycles_to_ns(hd_cycles() - from), longest = atomic_load(&m->pause_ns);
  while (took > longest && !atomic_compare_exchange_weak(&m->pause_ns, &longest, took)) continue;
}

static void decide(struct hd_meeting *m) {
  atomic_store(&m->verdict, m->decide(m->self) ? HD_MEETING_AGREED : HD_MEETING_REFUSED);
}

void hd_meeting_attend(struct hd_meeting *m, uint32_t shard, void (*wait)(void *user), void *user) {
  uint64_t from = hd_cycles();
  m->prepare(m->self, shard);
  if (atomic_fetch_add(&m->arrived, 1) + 1 == m->shards) decide(m);
  while (atomic_load(&m->verdict) == HD_MEETING_OPEN) wait(user);
  m->finish(m->self, shard, atomic_load(&m->verdict) == HD_MEETING_AGREED);
  pause_was(m, from);
  atomic_fetch_add(&m->left, 1);
}

// One thread has every shard: none of them waits for another.
static void meet_alone(struct hd_meeting *m) {
  uint64_t from = hd_cycles();
  for (uint32_t i = 0; i < m->shards; i++) m->prepare(m->self, i);
  decide(m);
  for (uint32_t i = 0; i < m->shards; i++) m->finish(m->self, i, atomic_load(&m->verdict) == HD_MEETING_AGREED);
  pause_was(m, from);
}

int32_t hd_session_meet(struct hd_session *s, struct hd_meeting *m) {
  m->shards = s->pipeline.options.shards;
  HD_ASSERT(atomic_load(&m->verdict) == HD_MEETING_OPEN);
  if (s->live && atomic_load(&s->live->stop)) return HADRON_ERR_CLOSED;
  if (s->live && s->live->threads) hd_live_meet(s->live, m);
  else meet_alone(m);
  return HADRON_OK;
}

void hd_session_trade(struct hd_session *s, void (*function)(void *argument), void *argument) {
  if (s->options.recorded || !s->open) { // what it sets off comes when the records say so; nothing is set off before what was is recovered
    function(argument);
    return;
  }
  if (s->live) {
    hd_live_call(s->live, function, argument);
    return;
  }
  function(argument);
  hd_runner_settle(&s->runner);
}
