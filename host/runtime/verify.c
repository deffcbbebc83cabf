#include "runtime/verify.h"

#include <dirent.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "runtime/setting.h"
#include "runtime/verify_internal.h"

#define LOOK_NS INT64_C(100000000)
#define LOOK_RECORDS 4096

// ---- queues ------------------------------------------------------------------------------------------------------------------------

void *hd_verify_push(struct hd_verify *v, struct hd_verify_queue *q) {
  if (q->first > 0 && q->first == q->count) q->first = q->count = 0;
  if (q->count == q->room) {
    size_t room = q->room ? q->room * 2 : 64;
    void *grown = realloc(q->bytes, room * q->size);
    if (!grown) {
      v->code = hd_fault_set(v->fault, HADRON_ERR_MEMORY, "events that wait for their turn: out of memory");
      return NULL;
    }
    q->bytes = grown;
    q->room = room;
  }
  return q->bytes + q->count++ * q->size;
}

const void *hd_verify_front(const struct hd_verify_queue *q) { return q->first < q->count ? q->bytes + q->first * q->size : NULL; }

void hd_verify_pop(struct hd_verify_queue *q) {
  HD_ASSERT(q->first < q->count);
  if (++q->first < 1024 || q->first * 2 < q->count) return;
  memmove(q->bytes, q->bytes + q->first * q->size, (q->count - q->first) * q->size);
  q->count -= q->first;
  q->first = 0;
}

// ---- records -----------------------------------------------------------------------------------------------------------------------

int32_t hd_verify_read(struct hd_verify *v, struct hd_journal_cursor *c, struct hd_verify_record *out) {
  int32_t code = hd_journal_cursor_next(c, &out->r, v->fault);
  if (!code) out->sequence = hd_journal_cursor_sequence(c) - 1;
  else if (code != HADRON_ERR_AGAIN) v->code = code;
  return code;
}

const char *hd_verify_text(const struct hd_verify_record *r, uint32_t *size) {
  const unsigned char *tail = (const unsigned char *)r->r.bytes + r->r.block_length;
  uint32_t room = r->r.size - r->r.block_length, length = 0;
  *size = 0;
  if (room < sizeof length) return "";
  memcpy(&length, tail, sizeof length);
  *size = length <= room - sizeof length ? length : room - (uint32_t)sizeof length;
  return (const char *)tail + sizeof length;
}

static bool begins_session(const struct hd_verify_record *r) {
  const struct hadron_session *s = r->r.template_id == HADRON_MSG_SESSION ? HD_VERIFY_BLOCK(r, struct hadron_session) : NULL;
  return s && !(s->flags & 1);
}

// ---- the journal -------------------------------------------------------------------------------------------------------------------

static uint64_t bytes_of(const char *dir) {
  DIR *d = opendir(dir);
  uint64_t sum = 0;
  for (struct dirent *e; d && (e = readdir(d));) {
    char path[1400];
    struct stat st;
    size_t n = strlen(e->d_name);
    if (n > 4 && strcmp(e->d_name + n - 4, ".hdj") == 0 && snprintf(path, sizeof path, "%s/%s", dir, e->d_name) > 0 && stat(path, &st) == 0)
      sum += (uint64_t)st.st_blocks * 512 < (uint64_t)st.st_size ? (uint64_t)st.st_blocks * 512 : (uint64_t)st.st_size;
  }
  if (d) closedir(d);
  return sum;
}

static int32_t journal_open(struct hd_verify *v) {
  hd_text_copy(v->dir, sizeof v->dir, v->options->journal);
  int32_t code = hd_journal_cursor_open(v->dir, &v->in, v->fault);
  struct hd_fault second;
  if (code == HADRON_ERR_NOT_FOUND && snprintf(v->dir, sizeof v->dir, "%s/journal", v->options->journal) < (int)sizeof v->dir &&
      hd_journal_cursor_open(v->dir, &v->in, &second) == HADRON_OK)
    code = HADRON_OK;
  if (!code) code = hd_journal_cursor_open(v->dir, &v->out, v->fault);
  if (!code) v->total = bytes_of(v->dir);
  return code;
}

static void tell(struct hd_verify *v, bool now) {
  const struct hd_verify_options *o = v->options;
  if (!o->progress || (!now && (v->result->records % LOOK_RECORDS) != 0)) return;
  int64_t wall_ns = hd_clock_monotonic_ns();
  if (!now && wall_ns - v->told_ns < LOOK_NS) return;
  v->told_ns = wall_ns;
  const struct hd_verify_progress p = {hd_journal_cursor_position(v->in), v->total, v->result->ticks, v->now_ns, wall_ns - v->start_ns};
  o->progress(o->user, &p);
}

// ---- sessions ----------------------------------------------------------------------------------------------------------------------

// Runs one session; the record that ends it (a SESSION of either kind) is in *r, or there is none: HADRON_ERR_AGAIN.
static int32_t run_session(struct hd_verify *v, struct hd_verify_record *r) {
  int32_t code = HADRON_OK;
  v->running = true;
  while (!hd_verify_over(v)) {
    if (v->options->until && hd_journal_cursor_position(v->in) >= v->options->until) {
      v->running = false;
      return HADRON_ERR_AGAIN;
    }
    code = hd_verify_read(v, v->in, r);
    if (code || r->r.template_id == HADRON_MSG_SESSION) break;
    v->result->records++;
    // What an operator had set holds for a version that is enabled again, as it did.
    hd_settings_see(v->session->settings, r->r.template_id, r->r.position, r->r.bytes, r->r.block_length, (const char *)r->r.bytes + r->r.block_length, r->r.size - r->r.block_length);
    hd_verify_feed(v, r);
    tell(v, false);
  }
  if (!hd_verify_over(v)) hd_verify_finish(v);
  v->running = false;
  v->result->sessions++;
  return code;
}

static void skip(struct hd_verify *v, uint32_t number) {
  if (v->result->skipped++ == 0) snprintf(v->result->why, sizeof v->result->why, "session %u: %.480s", number, v->fault->text);
  v->code = HADRON_OK;
}

static int32_t run_all(struct hd_verify *v) {
  struct hd_verify_record r;
  uint32_t number = 0;
  int32_t code = HADRON_OK;
  bool has = false;
  while (!hd_verify_over(v) && (has || !(code = hd_verify_read(v, v->in, &r)))) {
    has = false;
    v->result->records++;
    if (!begins_session(&r)) continue;
    number++;
    if (v->options->session && number != v->options->session) continue;
    v->number = number;
    code = hd_verify_open(v, &r);
    if (!code) {
      code = run_session(v, &r);
      has = !code && r.r.template_id == HADRON_MSG_SESSION;
      if (code == HADRON_ERR_AGAIN && v->options->until) break;
    } else if (code == HADRON_ERR_UNSUPPORTED) {
      skip(v, number);
      code = HADRON_OK;
    }
    hd_verify_close(v);
    if (v->options->session) break;
  }
  hd_verify_close(v);
  return v->code;
}

int32_t hd_verify_run(const struct hd_verify_options *options, struct hd_verify_result *result, struct hd_fault *fault) {
  struct hd_verify *v = calloc(1, sizeof *v);
  *result = (struct hd_verify_result){.records = 0};
  if (!v) return hd_fault_set(fault, HADRON_ERR_MEMORY, "verification: out of memory");
  v->options = options;
  v->result = result;
  v->fault = fault;
  v->start_ns = hd_clock_monotonic_ns();
  int32_t code = journal_open(v);
  if (!code) code = run_all(v);
  if (!code) tell(v, true);
  if (!code && result->sessions == 0 && !result->first.kind)
    code = hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: nothing in it can be run again: %s", v->dir, result->skipped ? result->why : "no session begins in what is kept of it");
  result->elapsed_ns = hd_clock_monotonic_ns() - v->start_ns;
  hd_journal_cursor_close(v->in);
  hd_journal_cursor_close(v->out);
  free(v->given_up);
  free(v);
  return code;
}
