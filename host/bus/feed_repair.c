#include <string.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/log.h"
#include "bus/feed_internal.h"

#define WAIT_NS INT64_C(20000000) // what BUSY says
#define REPAIR_READS 4096 // records of the journal in one go

static struct hd_feed_stream *stream_named(const struct hd_feed *f, const struct hadron_repair *what) {
  if (hd_frame_topic_is(what->topic, HADRON_TOPIC_EVENTS)) return what->stream == 1 ? f->streams[0] : NULL;
  if (!hd_frame_topic_is(what->topic, HADRON_TOPIC_TICKS) || what->stream == 0 || what->stream >= f->stream_count) return NULL;
  return f->streams[what->stream];
}

// ---- [bus] -----------------------------------------------------------------------------------------------------------------------------------

int32_t hd_feed_ask(struct hd_feed *f, const struct hadron_repair *what, bool snapshot, uint64_t who) {
  if (!stream_named(f, what)) return HADRON_ERR_NOT_FOUND;
  if (what->epoch != f->options.epoch && !(snapshot && what->epoch == 0)) return HADRON_ERR_NOT_FOUND;
  if (!snapshot && (what->from == 0 || what->from >= what->to)) return HADRON_ERR_ARGUMENT;
  pthread_mutex_lock(&f->lock);
  int32_t code = HADRON_ERR_FULL;
  for (uint32_t i = 0; i < HD_FEED_JOBS && code; i++) {
    struct hd_feed_job *j = &f->jobs[i];
    if (j->state != HD_JOB_FREE || (!j->bytes && !(j->bytes = malloc(HADRON_PACKET_MAX)))) continue;
    j->what = *what;
    j->snapshot = snapshot;
    j->who = who;
    j->state = HD_JOB_ASKED;
    code = HADRON_OK;
  }
  pthread_mutex_unlock(&f->lock);
  if (code) atomic_fetch_add(&f->busy, 1);
  else hd_bell_ring(&f->bell);
  return code;
}

bool hd_feed_take(struct hd_feed *f, uint64_t *who, uint8_t *packet, uint32_t *size) {
  bool found = false;
  pthread_mutex_lock(&f->lock);
  for (uint32_t i = 0; i < HD_FEED_JOBS && !found; i++) {
    struct hd_feed_job *j = &f->jobs[i];
    if (j->state != HD_JOB_READY) continue;
    *who = j->who;
    *size = j->size;
    memcpy(packet, j->bytes, j->size);
    j->state = HD_JOB_FREE;
    found = true;
  }
  pthread_mutex_unlock(&f->lock);
  return found;
}

// ---- [feed] ------------------------------------------------------------------------------------------------------------------------------------

static void say(const struct hd_feed *f, const struct hd_feed_stream *s, struct hd_packet *packet, enum hadron_frame_kind kind, uint64_t sequence, const void *payload, uint32_t size) {
  const struct hadron_frame head = hd_frame_head(s->topic, s->id, f->options.epoch, kind, 0, sequence);
  hd_frame_put(packet, &head, payload, size);
}

// The oldest number whose place is known and still in the journal: looked for from the oldest place on.
static uint64_t oldest(struct hd_feed *f, const struct hd_feed_stream *s) {
  uint32_t low = 0, high = s->place_count;
  while (low < high) { // segments go oldest first: what is kept is a run to the end
    uint32_t middle = (low + high) / 2;
    if (f->options.journal.seek(f->options.journal.self, f->repair_cursor, s->places[middle]) == HADRON_OK) high = middle;
    else low = middle + 1;
  }
  return low == s->place_count ? s->next : 1 + (s->skipped + low) * HD_FEED_STEP;
}

static void too_old(struct hd_feed *f, const struct hd_feed_stream *s, struct hd_feed_job *j) {
  atomic_fetch_add(&f->too_old, 1);
  say(f, s, &j->packet, HADRON_FRAME_TOO_OLD, oldest(f, s), NULL, 0);
}

// Messages [from, to), as many as fit into a packet. False: it has its answer already.
static bool repair_begin(struct hd_feed *f, struct hd_feed_stream *s, struct hd_feed_job *j, int64_t wall_ns) {
  uint64_t step = (j->what.from - 1) / HD_FEED_STEP;
  j->to = j->what.to < s->next ? j->what.to : s->next;
  if (j->what.from >= s->next) { // not there yet: what there is
    say(f, s, &j->packet, HADRON_FRAME_HEARTBEAT, s->next, &wall_ns, sizeof wall_ns);
    return false;
  }
  if (step < s->skipped || step - s->skipped >= s->place_count) {
    too_old(f, s, j);
    return false;
  }
  j->number = 1 + step * HD_FEED_STEP;
  j->position = s->places[step - s->skipped];
  j->writer = (struct hd_feed_writer){.packet = &j->packet, .topic = s->topic, .stream = s->id, .epoch = f->options.epoch};
  return true;
}

// What is far apart in the journal takes as many rounds as it needs: what is new goes out between them. True: it is whole.
static bool repair_on(struct hd_feed *f, struct hd_feed_stream *s, struct hd_feed_job *j) {
  const struct hd_feed_journal *journal = &f->options.journal;
  struct hadron_record r;
  if (journal->seek(journal->self, f->repair_cursor, j->position)) {
    hd_feed_write_end(&j->writer);
    if (j->packet.size == 0) too_old(f, s, j);
    return true;
  }
  for (uint32_t count = 0; j->number < j->to; count++) {
    if (count == REPAIR_READS) return false;
    if (journal->next(journal->self, f->repair_cursor, &r)) break;
    j->position = r.next;
    if (hd_feed_stream_of(f, &r) != s) continue;
    if (j->number >= j->what.from && !hd_feed_write(&j->writer, &r, j->number)) break;
    j->number++;
  }
  hd_feed_write_end(&j->writer);
  if (j->number > j->what.from) atomic_fetch_add(&f->repaired, j->number - j->what.from);
  if (j->packet.size == 0) say(f, s, &j->packet, HADRON_FRAME_BUSY, s->next, &(int64_t){WAIT_NS}, sizeof(int64_t));
  return true;
}

// False: there is more to do for it.
static bool work(struct hd_feed *f, struct hd_feed_job *j, bool begins, int64_t wall_ns) {
  struct hd_feed_stream *s = stream_named(f, &j->what);
  HD_ASSERT(s);
  if (begins) {
    hd_packet_init(&j->packet, j->bytes, HADRON_PACKET_MAX);
    atomic_fetch_add(j->snapshot ? &f->snapshots : &f->repairs, 1);
  }
  bool done = true;
  if (j->snapshot) hd_feed_state_write(f, s, j->what.from, &j->packet, wall_ns);
  else if (!begins || repair_begin(f, s, j, wall_ns)) done = repair_on(f, s, j);
  j->size = j->packet.size;
  return done;
}

// A piece of one of them, in turn, between two looks at the journal: what is new does not wait for what is old.
void hd_feed_jobs_work(struct hd_feed *f, int64_t wall_ns) {
  struct hd_feed_job *found = NULL;
  bool more = false, begins = false;
  uint32_t turn = f->job_turn;
  pthread_mutex_lock(&f->lock);
  for (uint32_t i = 0; i < HD_FEED_JOBS; i++) {
    struct hd_feed_job *j = &f->jobs[(turn + i) % HD_FEED_JOBS];
    if (j->state != HD_JOB_ASKED && j->state != HD_JOB_AT_IT) continue;
    more |= found != NULL;
    if (found) continue;
    found = j;
    begins = j->state == HD_JOB_ASKED;
    j->state = HD_JOB_AT_IT;
    f->job_turn = (turn + i + 1) % HD_FEED_JOBS;
  }
  pthread_mutex_unlock(&f->lock);
  if (!found) return;
  bool done = work(f, found, begins, wall_ns);
  if (done) {
    pthread_mutex_lock(&f->lock);
    found->state = HD_JOB_READY;
    pthread_mutex_unlock(&f->lock);
    hd_bell_ring(f->options.answered);
  }
  if (more || !done) hd_bell_ring(&f->bell);
}
