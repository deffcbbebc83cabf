// The gate for versions that run elsewhere: nothing of them can be replayed here, but what they decided beside the live one is in the journal.
#include <stdlib.h>

#include "base/banned.h"
#include "base/text.h"
#include "journal/journal.h"
#include "runtime/compare_arms.h"
#include "runtime/gate.h"

struct beginnings {
  int64_t times[HD_GATE_SESSIONS_MAX]; // a ring
  uint64_t count;
};

static void see_session(struct beginnings *b, const struct hadron_record *r) {
  const struct hadron_session *s = r->bytes;
  if (r->template_id == HADRON_MSG_SESSION && r->block_length >= sizeof *s && !(s->flags & 1)) b->times[b->count++ % HD_GATE_SESSIONS_MAX] = s->time_ns;
}

// Every record; of some the beginnings of sessions too.
static int32_t walk(const char *journal, struct hd_compare_arms *c, struct beginnings *b, struct hd_fault *fault) {
  struct hd_journal_cursor *cursor;
  struct hadron_record record;
  int32_t code = hd_journal_cursor_open(journal, &cursor, fault);
  if (code) return code;
  while (!code && !(code = hd_journal_cursor_next(cursor, &record, fault))) {
    if (b) see_session(b, &record);
    if ((code = hd_compare_arms_add(c, record.template_id, record.bytes, record.block_length))) hd_fault_set(fault, code, "gate: %s: more than %d versions in it", journal, HD_COMPARE_VERSIONS_MAX);
  }
  hd_journal_cursor_close(cursor);
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

static int32_t verdict(const struct hd_gate_request *r, const struct hd_compare *d, uint32_t sessions, const char *version, struct hd_gate_result *out, struct hd_fault *fault) {
  char pairs[40], differing[40];
  *out = (struct hd_gate_result){.decisions = hd_compare_pairs(d), .differing = hd_compare_differing(d), .sessions = sessions, .share = 1 - hd_compare_agreement(d)};
  hd_count_format(pairs, sizeof pairs, out->decisions);
  hd_count_format(differing, sizeof differing, out->differing);
  snprintf(out->words, sizeof out->words, "%s of %s decisions (%.4g %%) that it made beside the live version differ from that one's over the last %u session%s, at most %.4g %% are accepted", differing, pairs,
           100 * out->share, sessions, sessions == 1 ? "" : "s", 100 * r->accept);
  if (out->share <= r->accept) return HADRON_OK;
  return hd_fault_set(fault, HADRON_ERR_STATE, "gate: %s; look at `hadron ab report %s`, and accept the difference if it is meant (%s)", out->words, r->strategy, version);
}

static int32_t compare(const struct hd_gate_request *r, const char *journal, const struct hd_compare_arms *survey, const struct beginnings *b, const char *live, const char *version,
                       struct hd_gate_result *out, struct hd_fault *fault) {
  struct hd_compare_arms c;
  const uint32_t baseline = hd_compare_arms_find(survey, live), sessions = b->count < r->sessions ? (uint32_t)b->count : r->sessions;
  if (baseline != HD_COMPARE_NONE && hd_compare_arms_init(&c, &r->strategy, 1, 1) == HADRON_OK) {
    c.from_ns = b->times[(b->count - sessions) % HD_GATE_SESSIONS_MAX];
    hd_compare_arms_baseline(&c, survey->versions[baseline].label);
    int32_t code = walk(journal, &c, NULL, fault);
    const uint32_t at = code ? HD_COMPARE_NONE : hd_compare_arms_find(&c, version);
    bool both = at != HD_COMPARE_NONE && c.pairs[at].open;
    if (both) hd_compare_flush(&c.pairs[at].decisions);
    both = both && c.versions[at].decisions > 0 && hd_compare_pairs(&c.pairs[at].decisions) > 0;
    if (both) code = verdict(r, &c.pairs[at].decisions, sessions, version, out, fault);
    hd_compare_arms_fini(&c);
    if (code || both) return code;
  }
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "gate: expected decisions that it made beside %s within the last %u sessions, found none: what runs elsewhere cannot be replayed; let it run as a shadow first "
                      "(`hadron ab %s %s=1 --shadow %s`), or set gate = 0", live, r->sessions, r->strategy, live, version);
}

int32_t hd_gate_beside(const struct hd_gate_request *r, const char *live, const char *version, struct hd_gate_result *out, struct hd_fault *fault) {
  char journal[sizeof r->config->data_dir + 16];
  struct beginnings *b = calloc(1, sizeof *b);
  struct hd_compare_arms survey;
  snprintf(journal, sizeof journal, "%s/journal", r->config->data_dir);
  if (!b || hd_compare_arms_init(&survey, &r->strategy, 1, 0)) {
    free(b);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "gate: out of memory");
  }
  int32_t code = walk(r->journal ? r->journal : journal, &survey, b, fault);
  if (!code && b->count == 0) code = hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "gate: %s has no session", journal);
  if (!code) code = compare(r, r->journal ? r->journal : journal, &survey, b, live, version, out, fault);
  hd_compare_arms_fini(&survey);
  free(b);
  return code;
}
