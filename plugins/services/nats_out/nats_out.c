// The bridge, outward: the journal's records as messages of a NATS JetStream, each exactly once and in order. It reads
// `hadron.journal/1` by cursor. The stream itself says what it has: after every connection its last message is asked for, and the cursor
// goes behind that message's record, however long ago it was. Where the last message is gone (expired, purged), the note beside the
// cursor says which sequence of the stream a place of the journal belongs to, and the records since then are counted off.
//
// A step publishes until the window is full or the journal has no more, then waits for an acknowledgement. After any failure it closes,
// waits, connects again and asks anew. What a person must mend (link_parks) parks the bridge: said once, loudly; it tries again with one
// record at a time and goes on by itself once what it stumbled over is in the stream. docs/bridge.md is the user's page.
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/ext/log.h"
#include "hadron/ext/metrics.h"
#include "hadron/service.h"
#include "names.h"
#include "stream.h"

#define BACKOFF_MIN_NS INT64_C(100000000)
#define BACKOFF_MAX_NS INT64_C(10000000000)
#define SECOND_NS INT64_C(1000000000)
#define MS_NS INT64_C(1000000)
#define START_MS 2000                // how long a host's start may wait for a server
#define WINDOW_MAX 65536             // records under way, at most
#define WINDOW_BYTES (8u << 20)      // and bytes of them, whatever the parameter says
#define SHRINK_MAX 16                // after failures the window is window >> shrink, down to one record
#define WORTH_TELLING 100000         // records of a catching up that follows no failure

enum cell { CELL_LAG, CELL_LAG_MS, CELL_RECORDS, CELL_RATE, CELL_CATCH_UP, CELL_UNDER_WAY, CELL_RECONNECTS, CELL_CONNECTED, CELL_PARKED, CELL_COUNT };
static const struct hadron_metric metrics[CELL_COUNT] = {
    [CELL_LAG] = {"nats_out_lag_bytes", "journal bytes that the stream has not acknowledged yet", "bytes", HADRON_METRIC_GAUGE, 0},
    [CELL_LAG_MS] = {"nats_out_lag_ms", "age of the last record that the stream has, while there are younger ones", "ms", HADRON_METRIC_GAUGE, 0},
    [CELL_RECORDS] = {"nats_out_records_total", "records acknowledged", "records", HADRON_METRIC_COUNTER, 0},
    [CELL_RATE] = {"nats_out_records_per_second", "records acknowledged per second", "records/s", HADRON_METRIC_GAUGE, 0},
    [CELL_CATCH_UP] = {"nats_out_catch_up_records_per_second", "records per second when it last caught up after a connection", "records/s",
                       HADRON_METRIC_GAUGE, 0},
    [CELL_UNDER_WAY] = {"nats_out_under_way", "records that were sent and are not acknowledged yet", "records", HADRON_METRIC_GAUGE, 0},
    [CELL_RECONNECTS] = {"nats_out_reconnects_total", "connections lost or refused", "connections", HADRON_METRIC_COUNTER, 0},
    [CELL_CONNECTED] = {"nats_out_connected", "1 while the stream answers", "flag", HADRON_METRIC_GAUGE, 0},
    [CELL_PARKED] = {"nats_out_parked", "1 while a person must mend something before it goes on", "flag", HADRON_METRIC_GAUGE, 0},
};

struct sent { // a record under way
  uint64_t next;
  int64_t time_ns;
  uint32_t size;
};

struct bridge {
  const struct hadron_host *host;
  const struct hadron_journal *journal;
  const struct hadron_log *log;
  int64_t *cells[CELL_COUNT], spare[CELL_COUNT];
  struct link_options link_options; // parameters
  struct stream_options stream_options;
  int64_t window, hold_ns, alert_ns, patience_ns;
  char client[80];
  struct link link;
  struct stream stream;
  bool connected;
  struct names names;
  bool searched;          // the journal has been searched for names once
  struct sent *sent;      // ring of WINDOW_MAX, by number of the message
  uint64_t done, bytes;   // messages taken off the ring; bytes under way
  uint64_t place;         // behind the last acknowledged record
  uint64_t place_sequence; // of the stream, at that place
  int64_t stored_ns;      // when the last acknowledged record was appended
  int64_t created_ns;     // of the stream
  struct {
    uint64_t position, sequence;
    int64_t since_ns;     // by link_clock_ns
  } held;                 // what becomes the durable place once it is hold_ns old
  int64_t retry_ns, backoff_ns;
  uint32_t shrink;
  int64_t rate_ns;
  uint64_t rate_records;
  struct {
    bool on, lost;        // since a connection; after a failure
    int64_t begin_ns;
    uint64_t records;
  } catching;
  int64_t away_ns;        // since when nothing was stored because of failures; 0: all is well
  bool alerted, parked, damaged, stopped, started;
  uint64_t stuck;         // parked: it goes on when the place has come behind this
  uint64_t trouble;       // behind the record that the last failure was about; 0: it was about none
  char told[LINK_ERROR_SIZE]; // said last, not to say it every time
  int32_t told_code;
};

#define FIELD(name, help, unit, initial, type, field, live, min, max) \
  {name, help, unit, initial, type, offsetof(struct bridge, field), sizeof(((struct bridge *)0)->field), live, min, max, 1, 0}
static const struct hadron_param params_rows[] = {
    LINK_PARAMS(bridge, link_options),
    FIELD("stream", "the stream to publish into; it belongs to this journal alone", "", "HADRON", HADRON_PARAM_TEXT, stream_options.name, 0, 1, 0),
    FIELD("prefix", "of all subjects: PREFIX.tick.AAPL", "", "hadron", HADRON_PARAM_TEXT, stream_options.prefix, 0, 1, 0),
    FIELD("create", "makes the stream if it is not there", "", "false", HADRON_PARAM_BOOL, stream_options.create, 0, 1, 0),
    FIELD("replicas", "create: servers that keep a copy", "servers", "1", HADRON_PARAM_INTEGER, stream_options.replicas, 0, 1, 5),
    FIELD("max_bytes", "create: the stream refuses more than this; 0: no bound", "bytes", "0", HADRON_PARAM_INTEGER, stream_options.max_bytes, 0, 0, INT64_MAX),
    FIELD("max_age", "create: older messages expire; 0s: never", "", "0s", HADRON_PARAM_DURATION, stream_options.max_age_ns, 0, 0, INT64_MAX),
    FIELD("duplicate_window", "create: how long the server itself remembers message ids", "", "2m", HADRON_PARAM_DURATION, stream_options.window_ns, 0, 100 * MS_NS,
          INT64_MAX),
    FIELD("window", "records under way at once, at most", "records", "4096", HADRON_PARAM_INTEGER, window, 1, 1, WINDOW_MAX),
    FIELD("hold", "the journal keeps what was acknowledged for this long: a server may lose what it has not flushed", "", "5m", HADRON_PARAM_DURATION, hold_ns, 1, 0,
          INT64_MAX / 4),
    FIELD("alert_after", "a server that has been away for this long alerts a person", "", "1m", HADRON_PARAM_DURATION, alert_ns, 1, 0, INT64_MAX),
    FIELD("patience", "how long a stop of the host waits for what is not acknowledged yet", "", "10s", HADRON_PARAM_DURATION, patience_ns, 0, 0, 600 * SECOND_NS),
};

static void say(struct bridge *b, uint32_t level, const char *id, const char *text) {
  if (b->log) b->log->write(b->host->instance, level, id, text);
}

static void cell_set(struct bridge *b, enum cell cell, int64_t value) { __atomic_store_n(b->cells[cell], value, __ATOMIC_RELAXED); }
static void cell_add(struct bridge *b, enum cell cell, int64_t more) { cell_set(b, cell, *b->cells[cell] + more); }
static int64_t clock_ns(const struct bridge *b) { return link_clock_ns(&b->link); }
static uint64_t under_way(const struct bridge *b) { return b->connected ? b->stream.sent - b->done : 0; }

static void lag_show(struct bridge *b, int64_t now_ns) {
  uint64_t end = b->journal->end(b->host->instance);
  bool behind = end > b->place;
  cell_set(b, CELL_LAG, behind ? (int64_t)(end - b->place) : 0);
  cell_set(b, CELL_LAG_MS, behind && now_ns > b->stored_ns ? (now_ns - b->stored_ns) / MS_NS : 0);
  cell_set(b, CELL_UNDER_WAY, (int64_t)under_way(b));
}

static void rate_show(struct bridge *b, uint64_t records) {
  int64_t now_ns = clock_ns(b);
  b->rate_records += records;
  if (now_ns - b->rate_ns < SECOND_NS) return;
  if (b->rate_ns) cell_set(b, CELL_RATE, (int64_t)((double)b->rate_records * 1e9 / (double)(now_ns - b->rate_ns)));
  b->rate_ns = now_ns;
  b->rate_records = 0;
}

// ---- The durable place: position, and which sequence of which stream belongs to it.

static void place_keep(struct bridge *b, uint64_t position, uint64_t sequence) {
  char note[HADRON_JOURNAL_NOTE_SIZE];
  snprintf(note, sizeof note, "%" PRId64 " %" PRIu64 " %s", b->created_ns, sequence, b->stream_options.name);
  b->journal->keep_note(b->host->instance, position, note); // a failure is logged by the host, and holds more than it must
}

// The place of the note, if it is of this very stream.
static bool place_kept(struct bridge *b, const struct stream_last *last, uint64_t *position, uint64_t *sequence) {
  char note[HADRON_JOURNAL_NOTE_SIZE], name[HADRON_JOURNAL_NOTE_SIZE];
  int64_t created_ns;
  if (b->journal->kept(b->host->instance, position, note) != HADRON_OK) return false;
  return sscanf(note, "%" SCNd64 " %" SCNu64 " %127s", &created_ns, sequence, name) == 3 && created_ns == last->created_ns && *sequence <= last->sequence &&
         strcmp(name, b->stream_options.name) == 0;
}

// What is held becomes durable once it is old enough: until then the server may lose it, and would get it again.
static void place_hold(struct bridge *b) {
  int64_t now_ns = clock_ns(b);
  if (now_ns - b->held.since_ns < (b->hold_ns > SECOND_NS ? b->hold_ns : SECOND_NS) || b->held.position == b->place) return; // writing takes the disk its time
  place_keep(b, b->held.position, b->held.sequence);
  b->held.position = b->place;
  b->held.sequence = b->place_sequence;
  b->held.since_ns = now_ns;
}

static int32_t mismatch(struct bridge *b, const char *expected, const char *found, const char *way) {
  snprintf(b->link.error, sizeof b->link.error, "stream %s on %.60s: expected %s, found %s; %s", b->stream_options.name, b->link.server, expected, found, way);
  return HADRON_ERR_STATE;
}

// The stream's last message is a record of this journal: is it the one that stands there? A journal that has lost its end in a power cut,
// or was restored from an older copy, has others at the same positions.
static int32_t place_compare(struct bridge *b, const struct stream_last *last) {
  struct hadron_record r;
  if (b->journal->seek(b->host->instance, last->position) == HADRON_OK) {
    int32_t rc = b->journal->next(b->host->instance, &r);
    if (rc == HADRON_OK && r.next == last->next && r.sequence == last->record_sequence && r.time_ns == last->time_ns) return HADRON_OK;
    return mismatch(b, "its last record to be the journal's", "another one at that position", "the journal has lost its end, or is an older copy: publish into a new stream");
  }
  // Only a record that is no longer kept may be missing: one before all that there is. What follows it was held.
  bool dropped = b->journal->seek(b->host->instance, 0) == HADRON_OK && (b->journal->next(b->host->instance, &r) != HADRON_OK || r.position > last->position);
  if (dropped && b->journal->seek(b->host->instance, last->next) == HADRON_OK && last->next <= b->journal->end(b->host->instance)) return HADRON_OK;
  return mismatch(b, "its last record to be in the journal", "a journal that no longer has, or never had, it", "restore the deleted segments, or publish into a new stream");
}

static int32_t place_count(struct bridge *b, uint64_t position, uint64_t count) {
  struct hadron_record r = {.next = position};
  int32_t rc = b->journal->seek(b->host->instance, position);
  while (rc == HADRON_OK && count > 0 && (rc = b->journal->next(b->host->instance, &r)) == HADRON_OK) {
    names_see(&b->names, &r);
    count--;
  }
  b->place = r.next;
  if (rc == HADRON_OK) return rc;
  return mismatch(b, "the journal to have what the stream has", "fewer records", "restore the deleted segments, or publish into a new stream");
}

// Where to go on. A stream that has never seen this journal gets all that the journal has kept.
static int32_t place_find(struct bridge *b, const struct stream_last *last) {
  uint8_t id[16];
  uint64_t position = 0, sequence = 0;
  int32_t rc;
  b->journal->id(b->host->instance, id);
  bool kept = place_kept(b, last, &position, &sequence);
  if (last->present && last->ours && memcmp(last->journal, id, sizeof id) == 0) {
    if ((rc = place_compare(b, last)) != HADRON_OK) return rc;
    b->place = last->next;
    if (last->session[0]) memcpy(b->names.session, last->session, sizeof b->names.session);
  } else if (last->present && kept && last->sequence > sequence) {
    return mismatch(b, "nobody else to write into it", "a message of another journal behind ours", "give each host a stream of its own");
  } else if (kept) {
    if ((rc = place_count(b, position, last->sequence - sequence)) != HADRON_OK) return rc;
  } else {
    b->place = 0;
  }
  if (b->journal->seek(b->host->instance, b->place) != HADRON_OK)
    return mismatch(b, "the journal to have what the stream needs next", "segments that are gone", "restore them, or publish into a new stream");
  b->place_sequence = last->sequence;
  b->created_ns = last->created_ns;
  if (!kept) place_keep(b, b->place, b->place_sequence);
  b->held.position = b->place;
  b->held.sequence = b->place_sequence;
  b->held.since_ns = clock_ns(b);
  return HADRON_OK;
}

// ---- Losing and finding the server.

static void bridge_disconnect(struct bridge *b) {
  link_hang_up(&b->link);
  stream_close(&b->stream);
  link_close(&b->link);
  b->connected = false;
  b->bytes = 0;
  b->catching.on = false;
  cell_set(b, CELL_CONNECTED, 0);
  cell_set(b, CELL_RATE, 0);
}

static int32_t bridge_connect(struct bridge *b, int64_t most_ms) {
  struct stream_last last;
  int32_t rc = link_open(&b->link, b->client, most_ms);
  if (rc == HADRON_OK) rc = stream_open(&b->stream, &b->link, &b->stream_options, &last);
  if (rc == HADRON_OK) rc = place_find(b, &last);
  if (rc != HADRON_OK) return rc;
  b->done = b->bytes = 0;
  b->connected = true;
  b->catching.on = true;
  b->catching.begin_ns = clock_ns(b);
  b->catching.records = 0;
  cell_set(b, CELL_CONNECTED, 1);
  return HADRON_OK;
}

static void lose_tell(struct bridge *b, int32_t rc, int64_t now_ns) {
  char text[LINK_ERROR_SIZE + 160];
  bool parks = link_parks(rc), late = !b->alerted && now_ns - b->away_ns >= b->alert_ns;
  if (!late && (strcmp(b->link.error, b->told) == 0 || (b->alerted && rc == b->told_code))) return;
  bool loud = (parks || late) && !b->alerted;
  memcpy(b->told, b->link.error, sizeof b->told);
  b->told_code = rc;
  if (parks || late) b->alerted = true;
  snprintf(text, sizeof text, "%.340s; %s", b->link.error,
           parks ? "the bridge is parked, the journal keeps everything, and it goes on by itself once that is mended" : "the journal keeps everything, trying again");
  say(b, loud ? HADRON_LOG_ERROR : HADRON_LOG_WARN, parks ? "NATS_PARKED" : "NATS_AWAY", text);
}

// The server, or the stream, failed: let go, and try again later. The same words are said once.
static void bridge_lose(struct bridge *b, int32_t rc, int64_t now_ns) {
  bool parks = link_parks(rc);
  uint64_t stuck = b->trouble ? b->trouble : b->place + 1;
  if (parks && (!b->parked || b->stuck <= b->place)) b->stuck = stuck;
  if (parks) b->parked = true;
  b->trouble = 0;
  if (b->connected) b->shrink = parks ? SHRINK_MAX : b->shrink < SHRINK_MAX ? b->shrink + 1 : b->shrink;
  cell_set(b, CELL_PARKED, b->parked);
  cell_add(b, CELL_RECONNECTS, 1);
  bridge_disconnect(b);
  if (!b->away_ns) b->away_ns = now_ns;
  b->catching.lost = true;
  b->backoff_ns = b->backoff_ns ? b->backoff_ns * 2 : BACKOFF_MIN_NS;
  if (b->backoff_ns > BACKOFF_MAX_NS) b->backoff_ns = BACKOFF_MAX_NS;
  b->retry_ns = now_ns + b->backoff_ns;
  lose_tell(b, rc, now_ns);
}

// Something was stored, or nothing was to be stored: what failed before is over, unless it lies ahead.
static void bridge_well(struct bridge *b, bool all) {
  b->backoff_ns = 0;
  if (b->parked && !all && b->place < b->stuck) return;
  if (b->parked) say(b, HADRON_LOG_INFO, "NATS_MENDED", "what it was parked for is mended; publishing goes on");
  b->parked = b->alerted = false;
  b->away_ns = 0;
  b->told[0] = '\0';
  cell_set(b, CELL_PARKED, 0);
}

// All that there was is in the stream: how fast that went.
static void caught_up(struct bridge *b) {
  if (!b->catching.on) return;
  b->catching.on = false;
  double seconds = (double)(clock_ns(b) - b->catching.begin_ns) / 1e9, rate = seconds > 0 ? (double)b->catching.records / seconds : 0;
  if (b->catching.records) cell_set(b, CELL_CATCH_UP, (int64_t)rate);
  if (b->catching.records && (b->catching.lost || b->catching.records >= WORTH_TELLING)) {
    char text[160];
    snprintf(text, sizeof text, "the stream has everything: %" PRIu64 " records in %.2f s, %.0f records/s", b->catching.records, seconds, rate);
    say(b, HADRON_LOG_INFO, "NATS_CAUGHT_UP", text);
  }
  b->catching.lost = false;
}

// ---- Publishing.

// Once, where a record names an instrument that was defined before the place: all definitions that the journal still has, those of later
// sessions too, for an instrument keeps its number as long as its journal lasts.
static int32_t names_search(struct bridge *b, struct hadron_record *r) {
  uint64_t back = r->position;
  struct hadron_record old;
  b->searched = true;
  int32_t rc = b->journal->seek(b->host->instance, 0);
  while (rc == HADRON_OK && (rc = b->journal->next(b->host->instance, &old)) == HADRON_OK)
    if (old.template_id == HADRON_MSG_INSTRUMENT) names_see(&b->names, &old);
  rc = b->journal->seek(b->host->instance, back);
  return rc == HADRON_OK ? b->journal->next(b->host->instance, r) : rc;
}

static int32_t record_send(struct bridge *b, struct hadron_record *r, const uint8_t journal[16]) {
  char subject[SUBJECT_SIZE], spare[TOKEN_SIZE];
  const char *token = NULL;
  bool has, known = true;
  names_see(&b->names, r);
  uint32_t instrument = subject_instrument(r->template_id, r->bytes, r->block_length, &has);
  if (has) token = names_token(&b->names, instrument, spare, &known);
  if (!known && !b->searched) {
    int32_t rc = names_search(b, r);
    if (rc != HADRON_OK) return rc;
    token = names_token(&b->names, instrument, spare, &known);
  }
  subject_write(subject, b->stream_options.prefix, r->template_id, token);
  const struct stream_message m = {.subject = subject, .journal = journal, .bytes = r->message, .size = r->size + (uint32_t)sizeof *r->message, .position = r->position,
                                   .next = r->next, .sequence = r->sequence, .time_ns = r->time_ns, .session = b->names.session,
                                   .tick = r->template_id == HADRON_MSG_TICK};
  uint64_t slot = b->stream.sent % WINDOW_MAX;
  int32_t rc = stream_send(&b->stream, &m);
  b->trouble = r->next;
  if (rc != HADRON_OK) return rc;
  b->trouble = 0;
  b->sent[slot] = (struct sent){r->next, r->time_ns, m.size};
  b->bytes += m.size;
  return HADRON_OK;
}

// Publishes until the window is full (OK) or the journal has no more (AGAIN).
static int32_t window_fill(struct bridge *b) {
  uint64_t most = (uint64_t)b->window >> b->shrink;
  uint8_t journal[16];
  if (most == 0) most = 1;
  b->journal->id(b->host->instance, journal);
  while (under_way(b) < most && b->bytes < WINDOW_BYTES) {
    struct hadron_record r;
    int32_t rc = b->damaged ? HADRON_ERR_AGAIN : b->journal->next(b->host->instance, &r);
    if (rc == HADRON_ERR_CORRUPT) b->damaged = true; // what was good before it is still published
    if (rc != HADRON_OK) return HADRON_ERR_AGAIN;
    rc = record_send(b, &r, journal);
    if (rc != HADRON_OK) return rc;
  }
  return HADRON_OK;
}

// Takes off the ring what the stream has.
static void window_drain(struct bridge *b) {
  uint64_t records = b->stream.done - b->done;
  for (; b->done < b->stream.done; b->done++) {
    const struct sent *s = &b->sent[b->done % WINDOW_MAX];
    b->place = s->next;
    b->place_sequence = b->stream.base + b->done + 1;
    b->stored_ns = s->time_ns;
    b->bytes -= s->size;
  }
  if (!records) return;
  b->catching.records += records;
  if (b->shrink) b->shrink--;
  cell_add(b, CELL_RECORDS, (int64_t)records);
  rate_show(b, records);
  place_hold(b);
  bridge_well(b, false);
}

// One try: connects if it must, publishes, waits for an acknowledgement. AGAIN: the stream has all that there is.
static int32_t bridge_work(struct bridge *b, int64_t most_ms) {
  if (!b->connected) return bridge_connect(b, most_ms); // connecting was this try's request
  int32_t filled = window_fill(b);
  if (filled != HADRON_OK && filled != HADRON_ERR_AGAIN) return filled;
  if (under_way(b) > 0) {
    int64_t wait_ms = b->link_options.request_ns / MS_NS;
    int32_t rc = stream_acks(&b->stream, wait_ms < most_ms ? wait_ms : most_ms);
    window_drain(b); // also what came before a failure
    if (rc != HADRON_OK && under_way(b) > 0) b->trouble = b->sent[(b->stream.sent - 1) % WINDOW_MAX].next; // one more that fits a full stream mends nothing
    if (rc != HADRON_OK) return rc;
  }
  if (filled == HADRON_OK || under_way(b) > 0) return HADRON_OK;
  bridge_well(b, true);
  place_hold(b);
  caught_up(b);
  return HADRON_ERR_AGAIN;
}

static int64_t bridge_step(void *self, int64_t now_ns) {
  struct bridge *b = self;
  if (b->stopped) return INT64_MAX;
  if (!b->connected && now_ns < b->retry_ns) {
    lag_show(b, now_ns);
    return b->retry_ns;
  }
  int32_t rc = bridge_work(b, INT64_MAX);
  if (rc != HADRON_OK && rc != HADRON_ERR_AGAIN) bridge_lose(b, rc, now_ns);
  lag_show(b, now_ns);
  if (rc == HADRON_OK) return now_ns;
  return rc == HADRON_ERR_AGAIN ? INT64_MAX : b->retry_ns;
}

// ---- The plugin's life.

static int32_t bridge_create(const struct hadron_host *host, const char *name, void **self) {
  struct bridge *b = calloc(1, sizeof *b);
  if (!b) return HADRON_ERR_MEMORY;
  int32_t rc = link_init(&b->link, &b->link_options);
  b->sent = calloc(WINDOW_MAX, sizeof *b->sent);
  if (rc != HADRON_OK || !b->sent) {
    if (rc == HADRON_OK) link_fini(&b->link);
    free(b->sent);
    free(b);
    return rc != HADRON_OK ? rc : HADRON_ERR_MEMORY;
  }
  names_init(&b->names);
  snprintf(b->client, sizeof b->client, "hadron %s", name);
  b->host = host;
  b->journal = host->capability(host->instance, HADRON_CAP_JOURNAL);
  b->log = host->capability(host->instance, HADRON_CAP_LOG);
  const struct hadron_metrics *m = host->capability(host->instance, HADRON_CAP_METRICS);
  for (int i = 0; i < CELL_COUNT; i++) {
    b->cells[i] = &b->spare[i];
    if (m) m->open(host->instance, &metrics[i], &b->cells[i]);
  }
  *self = b;
  return HADRON_OK;
}

static void bridge_destroy(void *self) {
  struct bridge *b = self;
  bridge_disconnect(b);
  link_fini(&b->link);
  names_fini(&b->names);
  free(b->sent);
  free(b);
}

static int32_t bridge_changed(void *self) {
  struct bridge *b = self;
  int32_t rc = link_check(&b->link_options, b->link.error);
  const char *name = b->stream_options.name;
  if (rc == HADRON_OK && (!name[0] || strpbrk(name, " .*>/\\\t"))) {
    snprintf(b->link.error, sizeof b->link.error, "stream: expected a name without blanks, '.', '*', '>' and slashes, found \"%.60s\"; correct it", name);
    rc = HADRON_ERR_CONFIG;
  }
  if (rc == HADRON_OK && !subject_prefix_valid(b->stream_options.prefix)) {
    snprintf(b->link.error, sizeof b->link.error, "prefix: expected tokens joined by '.', without '*', '>', blanks and a '$' in front, found \"%.60s\"; correct it",
             b->stream_options.prefix);
    rc = HADRON_ERR_CONFIG;
  }
  if (rc != HADRON_OK) say(b, HADRON_LOG_ERROR, "NATS_PARAMETERS", b->link.error);
  return rc;
}

static int32_t bridge_start(void *self) {
  struct bridge *b = self;
  int64_t now_ns = b->host->now_ns(b->host->instance);
  uint64_t position;
  char note[HADRON_JOURNAL_NOTE_SIZE];
  if (b->journal->struct_size < sizeof *b->journal) {
    say(b, HADRON_LOG_ERROR, "NATS_START", "hadron.journal/1: expected a host that keeps a note beside the cursor, found an older one; use a newer host");
    return HADRON_ERR_CAPABILITY;
  }
  b->stopped = false;
  b->started = true;
  b->stored_ns = now_ns;
  // Until the stream has said where it is, everything may be needed.
  if (b->journal->kept(b->host->instance, &position, note) == HADRON_ERR_NOT_FOUND) b->journal->keep(b->host->instance, 0);
  int32_t rc = bridge_connect(b, START_MS);
  if (rc != HADRON_OK) bridge_lose(b, rc, now_ns); // a server that is away, or a stream not as it should be, is no reason not to trade
  return HADRON_OK;
}

// Until the stream has all that was journaled, or patience is at its end, whatever the server does meanwhile.
static void bridge_stop(void *self) {
  struct bridge *b = self;
  if (b->stopped || !b->started) return;
  int64_t now_ns = b->host->now_ns(b->host->instance), end_ns = clock_ns(b) + b->patience_ns, left_ns;
  int32_t rc = HADRON_OK;
  while (rc != HADRON_ERR_AGAIN && (left_ns = end_ns - clock_ns(b)) > 0) {
    rc = bridge_work(b, left_ns / MS_NS + 1);
    if (rc == HADRON_OK || rc == HADRON_ERR_AGAIN) continue;
    bridge_lose(b, rc, now_ns);
    left_ns = end_ns - clock_ns(b);
    if (left_ns > 0) poll(NULL, 0, (int)((b->backoff_ns < left_ns ? b->backoff_ns : left_ns) / MS_NS));
  }
  lag_show(b, now_ns);
  if (rc != HADRON_ERR_AGAIN) {
    char text[128];
    snprintf(text, sizeof text, "%" PRId64 " bytes of the journal are not in the stream; they will be when it is opened again", *b->cells[CELL_LAG]);
    say(b, HADRON_LOG_WARN, "NATS_BEHIND", text);
  }
  bridge_disconnect(b);
  b->stopped = true;
}

static const struct hadron_service_api api = {
    .struct_size = sizeof api, .create = bridge_create, .destroy = bridge_destroy, .start = bridge_start, .step = bridge_step, .stop = bridge_stop};

static const struct hadron_params params = {
    .struct_size = sizeof params, .count = sizeof params_rows / sizeof *params_rows, .params = params_rows, .changed = bridge_changed};

static const void *bridge_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

HADRON_PLUGIN(SERVICE, "nats_out", "1.0.0", "publishes the journal's records into a NATS JetStream, each exactly once", HADRON_CAP_JOURNAL, &api, bridge_capability);
