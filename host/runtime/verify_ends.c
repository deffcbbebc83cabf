// How sessions ended, looked up before they are run. A strategy that took the host down with it would do the same to this process, and one that never
// came back would keep it. The journal says where that was without naming it: who was called there left nothing behind. So the last thing that a
// thread was called with is not called again once all has come out that the journal has of it: nothing that is compared can follow from it.
// What ran in a thread of its own or in a worker and was given up there is not run at all: its decisions are the journal's.
#include <dirent.h>
#include <sys/stat.h>

#include "runtime/crash.h"
#include "runtime/verify_internal.h"

// ---- reading ahead -------------------------------------------------------------------------------------------------------------------

struct looking {
  struct hd_verify *v;
  struct hadron_arm_definition *arms; // [arm]; owned
  uint64_t placed_left;               // decisions to come of an arm that ran elsewhere
  uint32_t placed_arm;
  bool behind;                        // the session is over: who says why?
};

static uint64_t *row_of(struct hd_verify_end *e, uint32_t instrument, bool decisions) {
  if (instrument >= e->instruments) {
    uint32_t count = instrument + 64;
    uint64_t *grown = instrument < (1u << 24) ? realloc(e->rows, 2 * (size_t)count * sizeof *grown) : NULL;
    if (!grown) return NULL;
    memset(grown + 2 * (size_t)e->instruments, 0, 2 * (size_t)(count - e->instruments) * sizeof *grown);
    e->rows = grown;
    e->instruments = count;
  }
  return &e->rows[2 * (size_t)instrument + decisions];
}

// A worker that somebody has ended from outside, or that lost its connection, did nothing wrong.
static bool is_own_fault(const char *words) {
  static const char *const faults[] = {"killed by signal ", "it ended with exit code ", "; killed"}, *const others[] = {"killed by signal 9 ", "killed by signal 15 "};
  bool yes = false;
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) yes |= strstr(words, faults[i]) != NULL;
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) yes &= strncmp(words, others[i], strlen(others[i])) != 0;
  return yes;
}

static bool is_given_up(const struct hd_verify *v, const char *name, const uint8_t digest[32]) {
  for (uint32_t i = 0; i < v->given_up_count; i++)
    if (memcmp(v->given_up[i].digest, digest, 32) == 0 && strncmp(v->given_up[i].name, name, HADRON_NAME_SIZE) == 0) return true;
  return false;
}

bool hd_verify_runs_again(void *self, const char *name, const uint8_t digest[32]) { return !is_given_up(self, name, digest); }

static void say(struct hd_verify *v, uint64_t sequence, const char *words) {
  uint32_t at = v->result->fell_count++;
  if (at >= HD_VERIFY_FELL_MAX) return;
  v->result->fell[at].session = v->number;
  v->result->fell[at].sequence = sequence;
  hd_text_copy(v->result->fell[at].words, sizeof v->result->fell[at].words, words);
}

static void give_up(struct looking *l, const struct hd_verify_record *r, uint32_t arm, const char *why) {
  struct hd_verify *v = l->v;
  const struct hadron_arm_definition *d = arm > 0 && arm <= HD_ARMS_MAX ? &l->arms[arm] : NULL;
  if (!d || !d->name[0] || is_given_up(v, d->name, d->digest)) return;
  struct hd_verify_given_up *grown = realloc(v->given_up, (v->given_up_count + 1) * sizeof *grown);
  if (!grown) return;
  v->given_up = grown;
  memcpy(grown[v->given_up_count].name, d->name, sizeof d->name);
  memcpy(grown[v->given_up_count++].digest, d->digest, 32);
  char words[420];
  snprintf(words, sizeof words, "%.64s@%.32s, which ran elsewhere, was given up: %.200s; it is not run again, its decisions are the journal's", d->name, d->version, why);
  say(v, r->sequence, words);
}

static void see_placed(struct looking *l, const struct hd_verify_record *r) {
  const struct hadron_placed *p = HD_VERIFY_BLOCK(r, struct hadron_placed);
  char words[256];
  uint32_t size;
  const char *text = hd_verify_text(r, &size);
  if (!p) return;
  snprintf(words, sizeof words, "%.*s", (int)(size < 255 ? size : 255), text);
  if (p->change == HADRON_PLACED_TAKEN) l->placed_left = p->count, l->placed_arm = p->arm;
  if (p->change == HADRON_PLACED_FENCED || (p->change == HADRON_PLACED_LEFT && is_own_fault(words))) give_up(l, r, p->arm, words);
}

static void see_decision(struct looking *l, const struct hadron_decision *d) {
  if (l->placed_left && d->arm == l->placed_arm) {
    l->placed_left--;
    return;
  }
  uint64_t *count = row_of(&l->v->end, d->instrument, true);
  if (count) ++*count;
}

static void see_call(struct looking *l, const struct hd_verify_record *r, uint32_t instrument) {
  uint64_t *last = instrument ? row_of(&l->v->end, instrument, false) : NULL;
  if (last) *last = r->r.position;
}

static void see(struct looking *l, const struct hd_verify_record *r) {
  struct hd_verify_end *e = &l->v->end;
  const struct hadron_arm_definition *d;
  const struct hadron_heard *h;
  switch (r->r.template_id) {
  case HADRON_MSG_TICK: if (r->r.block_length >= sizeof(struct hadron_tick)) see_call(l, r, ((const struct hadron_tick *)r->r.bytes)->instrument); break;
  case HADRON_MSG_TIMER: if (r->r.block_length >= sizeof(struct hadron_timer_fired)) see_call(l, r, ((const struct hadron_timer_fired *)r->r.bytes)->instrument); break;
  case HADRON_MSG_HEARD:
    h = HD_VERIFY_BLOCK(r, struct hadron_heard);
    if (h && h->shard < HD_SHARDS_MAX) e->shard_last[h->shard] = r->r.position;
    break;
  case HADRON_MSG_DECISION: if (r->r.block_length >= sizeof(struct hadron_decision)) see_decision(l, r->r.bytes); return;
  case HADRON_MSG_PLACED: see_placed(l, r); return;
  case HADRON_MSG_ARM:
    d = HD_VERIFY_BLOCK(r, struct hadron_arm_definition);
    if (d && d->arm > 0 && d->arm <= HD_ARMS_MAX) l->arms[d->arm] = *d;
    return;
  case HADRON_MSG_VENUE_REPORT: case HADRON_MSG_ADJUSTMENT: case HADRON_MSG_OPERATOR: case HADRON_MSG_DEPLOYMENT: case HADRON_MSG_SWAP: case HADRON_MSG_RECOVERED: break;
  default: return;
  }
  e->last = r->r.position;
}

// ---- who says why --------------------------------------------------------------------------------------------------------------------

// Behind the session: a later start says it before anything happens in it. True: it is known now, or nobody will say it.
static bool ask(struct looking *l, const struct hd_verify_record *r) {
  static const char begins[] = "an earlier run was stopped at ";
  struct hd_verify_end *e = &l->v->end;
  uint32_t size;
  const char *text;
  switch (r->r.template_id) {
  case HADRON_MSG_ALERT:
    text = hd_verify_text(r, &size);
    if (size < sizeof begins || memcmp(text, begins, sizeof begins - 1) != 0) return false;
    snprintf(e->words, sizeof e->words, "%.*s", (int)size, text);
    return e->dead = true;
  case HADRON_MSG_SESSION: case HADRON_MSG_ARM: case HADRON_MSG_INSTRUMENT: case HADRON_MSG_VENUE_STATUS: case HADRON_MSG_DEPLOYMENT: case HADRON_MSG_OPERATOR: return false;
  default: return true;
  }
}

// There was no later start: its crash record lies beside the journal.
static void ask_folder(struct hd_verify *v) {
  char path[1200];
  struct hd_crash c;
  snprintf(path, sizeof path, "%s/..", v->dir);
  if (!hd_crash_last(path, v->recorded.session.time_ns, &c)) return;
  v->end.dead = true;
  if (*c.plugin) snprintf(v->end.words, sizeof v->end.words, "%.95s, plugin %.63s %.31s: %.140s (sequence %llu)", c.instance, c.plugin, c.version, c.reason, (unsigned long long)c.sequence);
  else snprintf(v->end.words, sizeof v->end.words, "the host's own code: %.200s", c.reason);
}

// A plugin's words follow a time: "an earlier run was stopped at 2026-11-21T14:30:00.000Z: stuck/AAA, plugin misbehave 1.0.0: ...; see FILE".
static void shorten(struct hd_verify_end *e) {
  char *from = strstr(e->words, "Z: "), *see_file = strstr(e->words, "; see ");
  if (see_file) *see_file = 0;
  if (from) memmove(e->words, from + 3, strlen(from + 3) + 1);
}

void hd_verify_look_ahead(struct hd_verify *v, const struct hd_verify_record *first) {
  struct looking l = {.v = v, .arms = calloc(HD_ARMS_MAX + 1, sizeof *l.arms)};
  struct hd_verify_record r;
  struct hd_fault ignored;
  struct hd_journal_cursor *c = NULL;
  bool known = false;
  int32_t code = l.arms ? hd_journal_cursor_open(v->dir, &c, &ignored) : HADRON_ERR_MEMORY;
  if (!code) code = hd_journal_cursor_seek(c, first->r.next, &ignored);
  while (!code && !known && !(code = hd_journal_cursor_next(c, &r.r, &ignored))) {
    r.sequence = hd_journal_cursor_sequence(c) - 1;
    const struct hadron_session *s = r.r.template_id == HADRON_MSG_SESSION ? HD_VERIFY_BLOCK(&r, struct hadron_session) : NULL;
    if (l.behind) known = ask(&l, &r);
    else if (s && s->flags & 1) known = true;
    else if (s) l.behind = true;
    else see(&l, &r);
  }
  if (code == HADRON_ERR_AGAIN && !v->end.dead) ask_folder(v);
  shorten(&v->end);
  hd_journal_cursor_close(c);
  free(l.arms);
}

// "NAME/INSTRUMENT, plugin ..."; who looks at all instruments has none in its name, and fell on the shard that was called last.
static uint32_t fallen_shard(const struct hd_verify *v) {
  const struct hd_verify_end *e = &v->end;
  char instance[96];
  uint32_t last = 0;
  snprintf(instance, sizeof instance, "%.*s", (int)(strcspn(e->words, ",") % sizeof instance), e->words);
  const char *name = strchr(instance, '/');
  uint32_t id = name ? hd_instruments_find(&v->session->pipeline.instruments, name + 1) : 0;
  if (id) return v->session->pipeline.instruments.rows[id].shard;
  for (uint32_t i = 1; i < v->config.shards; i++)
    if (e->shard_last[i] > e->shard_last[last]) last = i;
  return last;
}

// By shard, once it is known which instrument is on which.
void hd_verify_look_around(struct hd_verify *v) {
  struct hd_verify_end *e = &v->end;
  const struct hd_pipeline *p = &v->session->pipeline;
  for (uint32_t i = 1; i < e->instruments && i <= p->instruments.max; i++) {
    uint32_t shard = i <= p->instruments.count ? p->instruments.rows[i].shard : (uint32_t)(hd_random_mix(i) % v->config.shards);
    if (e->rows[2 * i] > e->shard_last[shard]) e->shard_last[shard] = e->rows[2 * i];
    e->shard_decisions[shard] += e->rows[2 * i + 1];
  }
  if (e->dead && v->threads) e->shard = fallen_shard(v);
}

// ---- not called again ------------------------------------------------------------------------------------------------------------------

static void fell_here(struct hd_verify *v, const struct hd_verify_record *r) {
  char words[420];
  if (v->end.said) return;
  v->end.said = true;
  snprintf(words, sizeof words, "%.300s: the session ended there, and what is called there is not called again", v->end.words);
  say(v, r->sequence, words);
}

bool hd_verify_was_last(struct hd_verify *v, const struct hd_verify_record *r, uint32_t shard) {
  struct hd_verify_end *e = &v->end;
  if (!e->dead) return false;
  bool all = v->threads ? r->r.position == e->shard_last[shard] && e->shard_made[shard] >= e->shard_decisions[shard] : r->r.position == e->last && !hd_verify_expected(v);
  if (all && (!v->threads || shard == e->shard)) fell_here(v, r);
  return all;
}

// One thread: what the last event has set off is heard by strategies, and somebody may have fallen over that.
bool hd_verify_is_still(struct hd_verify *v) {
  if (!v->end.dead || v->threads || hd_verify_expected(v)) return false;
  const struct hd_verify_record at = {.sequence = hd_journal_cursor_sequence(v->in) - 1};
  fell_here(v, &at);
  return true;
}
