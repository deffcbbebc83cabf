#include "runtime/live_journal.h"

#include <inttypes.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "runtime/live.h"

#define TURN_NS INT64_C(2000000)
#define TRIM_NS INT64_C(1000000000)  // between two looks at what may be deleted
#define SLOW_NS INT64_C(1000000000)  // a flush that is under way for so long alerts
#define LAST_NS INT64_C(2000000000)  // after a failed flush: for cancels, and for what the venues still tell

struct keeper {
  struct hd_live *live;
  struct hd_journal *journal;
  int32_t last;         // what maintenance said
  bool slow, failing;
  int64_t trim_ns, end_ns; // monotonic
};

// The alert is a record as well: its space is reserved, and it needs no flush.
static void keeper_alert(struct keeper *k, int32_t code, const char *text) {
  struct hd_session *s = k->live->session;
  const struct hadron_alert block = {.time_ns = hd_clock_wall_ns(), .code = code, .severity = 3};
  struct {
    uint32_t size;
    char bytes[HD_FAULT_SIZE];
  } tail;
  int n = snprintf(tail.bytes, sizeof tail.bytes, "%s", text);
  tail.size = (uint32_t)n < sizeof tail.bytes ? (uint32_t)n : (uint32_t)sizeof tail.bytes - 1;
  hd_log_error("ALERT", "%s", text);
  atomic_fetch_add(&s->alerts, 1);
  if (hd_journal_append(k->journal, HADRON_MSG_ALERT | HD_JOURNAL_RESERVED, &block, sizeof block, &tail, (uint32_t)sizeof tail.size + tail.size, block.time_ns, NULL) == HADRON_OK)
    atomic_fetch_add_explicit(&s->records[HADRON_MSG_ALERT], 1, memory_order_relaxed);
}

static void keeper_slow(struct keeper *k, const struct hd_journal_health *h) {
  char text[256];
  bool slow = h->flushing_ns > SLOW_NS;
  if (slow && !k->slow) {
    snprintf(text, sizeof text, "journal: a flush is under way for %" PRId64 " ms; %s, ticks go on", h->flushing_ns / 1000000,
             k->live->session->config->journal_fsync ? "orders wait for it" : "no order waits for it");
    keeper_alert(k, HADRON_ERR_TIMEOUT, text);
  }
  k->slow = slow || (k->slow && h->flushing_ns > 0);
}

// A flush that failed is never tried again: nobody knows what the disk kept. The next start finds out.
static void keeper_fail(struct keeper *k, int64_t now_ns) {
  struct hd_live *live = k->live;
  if (!k->failing) {
    k->failing = true;
    k->end_ns = now_ns + LAST_NS;
    hd_fault_set(&live->failure, HADRON_ERR_IO, "journal %s: a flush to disk failed; no order was sent after it. Check the disk, then start again: the start recovers and "
                 "reconciles with the venues", hd_journal_dir(k->journal));
    keeper_alert(k, HADRON_ERR_IO, live->failure.text);
  }
  if (now_ns < k->end_ns || atomic_load(&live->failed)) return;
  atomic_store(&live->failed, HADRON_ERR_IO);
  hd_live_stop(live);
}

static void keeper_trim(struct keeper *k, int64_t now_ns) {
  const struct hd_config *c = k->live->session->config;
  if ((!c->journal_keep && !c->journal_keep_ns) || now_ns < k->trim_ns) return;
  const struct hd_journal_policy policy = {.bytes = c->journal_keep, .age_ns = c->journal_keep_ns, .now_ns = hd_clock_wall_ns(), .for_recovery = true};
  struct hd_fault fault;
  uint32_t deleted = 0;
  k->trim_ns = now_ns + TRIM_NS;
  if (hd_journal_trim(k->journal, &policy, &deleted, &fault) != HADRON_OK) hd_log_warn("JOURNAL_TRIM", "%s", fault.text);
  if (deleted) hd_log_info("JOURNAL_TRIM", "journal: %" PRIu32 " segments were no longer needed and deleted", deleted);
}

void *hd_live_journal(void *argument) {
  struct hd_live *live = argument;
  struct keeper k = {.live = live, .journal = live->session->journal};
  struct hd_fault fault;
  while (!atomic_load_explicit(&live->stop, memory_order_acquire)) {
    struct hd_journal_health health;
    hd_journal_health(k.journal, &health);
    int64_t now_ns = hd_clock_monotonic_ns();
    keeper_slow(&k, &health);
    if (health.failed) {
      keeper_fail(&k, now_ns);
    } else if (!health.flushing_ns || health.flushing_ns < SLOW_NS) { // its own flushes would wait for the slow one, and nobody would tell
      int32_t code = hd_journal_maintain(k.journal, &fault);
      if (code && code != k.last && code != HADRON_ERR_FULL) hd_log_error("JOURNAL_MAINTAIN", "%s", fault.text);
      if (code == HADRON_ERR_FULL && code != k.last) keeper_alert(&k, code, "journal: the disk is full; new orders are refused, cancels and fills have space of their own");
      k.last = code;
      keeper_trim(&k, now_ns);
    }
    hd_bell_wait(&live->journal_bell, TURN_NS);
  }
  return NULL;
}
