#include "runtime/worker.h"

#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "hadron/client.h"
#include "lua/runtime.h"
#include "plugin/sandbox.h"
#include "runtime/crash.h"
#include "runtime/far.h"
#include "runtime/last_words.h"
#include "runtime/worker_wire.h"

#define DESCRIPTORS_MAX 128
#define JOIN_MS 10000
#define ARENAS_MAX 2 // each takes 64 MiB of the address space that is counted
#define CAUGHT_UP_NS INT64_C(1000000000) // ticks no older than this are the present
#define QUIET_NS INT64_C(250000000)      // nothing more comes: the present, however old the last tick is

// What goes back and did not fit into the client yet: decisions and answers, in their order.
struct parcel {
  bool answers;
  union {
    struct hadron_decision decision;
    struct {
      uint64_t number;
      int32_t code;
      uint32_t size;
      void *bytes; // owned
    } answer;
  } of;
};

struct worker {
  const struct hd_worker_boot *boot;
  const struct hd_plugin_language *lua;
  struct hadron_client *client;
  const struct hd_plugin *plugin;
  struct hd_far *far;
  bool steps;                       // lock-step: time comes by STEP alone
  bool stopped;
  int64_t tick_ns, heard_ns;        // of the last tick; when something came, monotonic
  struct hadron_position *views;    // [instrument]: the newest; owned
  const struct hadron_tick *rings;  // [ring_count * HD_CHANNEL_TICKS]: what the host writes; borrowed
  uint32_t ring_count;
  struct parcel *parcels;           // [first .. first + count) of `room`; owned
  uint32_t first, count, room;
  struct hd_far_measure measure;    // of its callbacks
  struct hd_fault fault;
};

static const char *step = "its start"; // static texts; for the last words
static const struct hd_far *speaker;

// ---- the boot file

static int32_t map_boot(struct worker *w) {
  struct stat st;
  void *at = MAP_FAILED;
  if (fstat(HD_WORKER_FD_BOOT, &st) == 0 && (size_t)st.st_size >= sizeof *w->boot) at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, HD_WORKER_FD_BOOT, 0);
  if (at == MAP_FAILED) return hd_fault_set(&w->fault, HADRON_ERR_IO, "hadron worker --child is started by a host, which hands it what it needs; found nothing of that");
  const struct hd_worker_boot *b = w->boot = at;
  if (b->magic != HD_WORKER_MAGIC || b->size != sizeof *b || strcmp(b->build, HD_VERSION) != 0)
    return hd_fault_set(&w->fault, HADRON_ERR_ABI, "a worker's boot file: expected one of Hadron %s, found %.31s; host and worker are one program", HD_VERSION, b->build);
  return HADRON_OK;
}

// None where the host has none: then ticks come by the connection.
static int32_t map_rings(struct worker *w) {
  struct stat st;
  if (fstat(HD_WORKER_FD_RINGS, &st) || !S_ISREG(st.st_mode)) return HADRON_OK;
  size_t one = HD_CHANNEL_TICKS * sizeof *w->rings;
  void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, HD_WORKER_FD_RINGS, 0);
  close(HD_WORKER_FD_RINGS);
  if (at == MAP_FAILED || st.st_size % (off_t)one) return hd_fault_set(&w->fault, HADRON_ERR_IO, "a worker's rings: expected memory of %zu bytes each to map, found %lld", one, (long long)st.st_size);
  w->rings = at;
  w->ring_count = (uint32_t)((size_t)st.st_size / one);
  return HADRON_OK;
}

static int32_t wall_in(struct worker *w) {
  const struct hd_sandbox sandbox = {.parent = w->boot->parent, .first_unknown = HD_WORKER_FD_END, .memory_max = w->boot->memory_max, .descriptors_max = DESCRIPTORS_MAX};
  mallopt(M_ARENA_MAX, ARENAS_MAX);
  return hd_sandbox_enter(&sandbox, &w->fault);
}

// ---- the connection

static void say(struct worker *w, const struct hadron_event *event) {
  switch (event->kind) {
  case HADRON_EVENT_REFUSED:
    hd_log_warn("WORKER_REFUSED", "decision %llu was not taken: %s", (unsigned long long)event->sequence, hadron_error_text(event->code));
    break;
  case HADRON_EVENT_CLOSED:
    hd_fault_set(&w->fault, event->code, "the host has ended the session: %s", event->text ? event->text : hadron_error_text(event->code));
    break;
  default: break;
  }
}

static int32_t join(struct worker *w) {
  char hello[2 * HD_WORKER_TOKEN_SIZE + 96], token[2 * HD_WORKER_TOKEN_SIZE + 1];
  hd_hex_format(token, w->boot->token, HD_WORKER_TOKEN_SIZE);
  snprintf(hello, sizeof hello, "{\"worker\":\"%s\",\"pid\":%d,\"cause\":\"exact\"}", token, (int)getpid());
  const struct hadron_client_options options = {.struct_size = sizeof options, .url = w->boot->url, .name = w->boot->name, .version = w->boot->version, .rights = "trade", .hello = hello,
                                                .connect_ms = JOIN_MS};
  struct hadron_event event = {0};
  int32_t code = hadron_client_open(&options, &w->client);
  explicit_bzero(token, sizeof token);
  explicit_bzero(hello, sizeof hello);
  if (code) return hd_fault_set(&w->fault, code, "connecting to %s: %s", w->boot->url, hadron_client_words());
  int64_t until = hd_clock_monotonic_ns() + JOIN_MS * INT64_C(1000000);
  while (event.kind != HADRON_EVENT_JOINED) {
    code = hadron_client_poll(w->client, 100, &event);
    if (code == HADRON_ERR_CLOSED) return say(w, &event), code;
    if (hd_clock_monotonic_ns() > until) return hd_fault_set(&w->fault, HADRON_ERR_TIMEOUT, "connecting to %s: expected a welcome within 10 s", w->boot->url);
  }
  return HADRON_OK;
}

// ---- what goes back

// Decisions of one cause go together.
static bool send_decisions(struct worker *w) {
  struct hadron_decision some[HD_TICK_DECISIONS_MAX];
  uint32_t n = 0;
  const struct parcel *p = w->parcels + w->first;
  while (n < w->count && n < HD_TICK_DECISIONS_MAX && !p[n].answers && p[n].of.decision.cause == p[0].of.decision.cause) some[n] = p[n].of.decision, n++;
  if (hadron_client_decide(w->client, some, n, NULL) != HADRON_OK) return false;
  w->first += n;
  w->count -= n;
  return true;
}

static bool send_answer(struct worker *w) {
  struct parcel *p = w->parcels + w->first;
  if (hadron_client_answer(w->client, p->of.answer.number, p->of.answer.code, p->of.answer.bytes, p->of.answer.size) != HADRON_OK) return false;
  free(p->of.answer.bytes);
  w->first++;
  w->count--;
  return true;
}

static void flush(struct worker *w) {
  while (w->count > 0 && (w->parcels[w->first].answers ? send_answer(w) : send_decisions(w))) continue;
  if (w->count == 0) w->first = 0;
}

static struct parcel *reserve(struct worker *w, uint32_t count) {
  if (w->first > 0 && w->first + w->count + count > w->room) {
    memmove(w->parcels, w->parcels + w->first, w->count * sizeof *w->parcels);
    w->first = 0;
  }
  if (w->first + w->count + count > w->room) {
    uint32_t room = 2 * (w->count + count);
    void *more = w->count + count <= HD_WORKER_WAITING ? realloc(w->parcels, room * sizeof *w->parcels) : NULL;
    if (more == NULL) {
      fprintf(stderr, "%u decisions wait for the host: it decides without end\n", w->count);
      _exit(HD_WORKER_EXIT_FAILED);
    }
    w->parcels = more;
    w->room = room;
  }
  struct parcel *p = w->parcels + w->first + w->count;
  w->count += count;
  return p;
}

// The arm is the connection's: a version that is kept warm has another one than it was made for.
static void on_decided(void *self, const struct hadron_decision *decisions, uint32_t count) {
  struct worker *w = self;
  struct hadron_decision some[HD_TICK_DECISIONS_MAX];
  HD_ASSERT(count <= HD_TICK_DECISIONS_MAX);
  memcpy(some, decisions, count * sizeof *some);
  for (uint32_t i = 0; i < count; i++) some[i].arm = 0;
  if (w->count == 0 && hadron_client_decide(w->client, some, count, NULL) == HADRON_OK) return;
  struct parcel *p = reserve(w, count);
  for (uint32_t i = 0; i < count; i++) p[i] = (struct parcel){.of.decision = some[i]};
}

// bytes: moved.
static void answer(struct worker *w, uint64_t number, int32_t code, void *bytes, uint32_t size) {
  *reserve(w, 1) = (struct parcel){.answers = true, .of.answer = {number, code, size, bytes}};
  flush(w);
}

// ---- the plugin

static int32_t load(struct worker *w, const char *json, size_t size) {
  struct hd_lua_limits limits = {0};
  uint64_t memory = 0, instructions = 0;
  int32_t code = hd_far_lua(json, size, &memory, &instructions, &w->fault);
  if (code) return code;
  limits.memory_max = memory;
  limits.instructions_max = instructions;
  hd_lua_limits_set(&limits);
  step = "its load";
  code = hd_plugin_open_digest(HD_WORKER_FD_PLUGIN, w->boot->path, w->boot->digest, w->lua, &w->plugin, &w->fault);
  return code ? code : hd_sandbox_filter(HD_SANDBOX_LOADED, &w->fault);
}

static int32_t create(struct worker *w, const char *json, size_t size) {
  const struct hd_far_listener listener = {.self = w, .decided = on_decided, .latency = &w->measure.now};
  // What was asked of one that ended a moment ago may still be on its way: its CREATE first, then this one's. The last one holds, and what follows it.
  speaker = NULL;
  hd_far_destroy(w->far);
  w->far = NULL;
  int32_t code = w->plugin ? HADRON_OK : load(w, json, size);
  step = "create";
  if (!code) code = hd_far_create(json, size, w->plugin, &listener, &w->far, &w->fault);
  if (code) return code;
  json_t *all = json_loadb(json, size, 0, NULL);
  w->steps = json_is_true(json_object_get(all, "virtual"));
  json_decref(all);
  speaker = w->far;
  return HADRON_OK;
}

static const char *verb_name(uint32_t verb) {
  static const char *const names[] = {[HADRON_ASK_CREATE] = "create", [HADRON_ASK_PARAMS] = "params", [HADRON_ASK_LOAD] = "load", [HADRON_ASK_SAVE] = "save",
                                      [HADRON_ASK_START] = "start",   [HADRON_ASK_STEP] = "step",     [HADRON_ASK_STOP] = "stop", [HADRON_ASK_ROWS] = "rows",     [HADRON_ASK_TIMERS] = "timers"};
  return verb < sizeof names / sizeof *names && names[verb] ? names[verb] : "an ask";
}

static void on_ask(struct worker *w, const struct hadron_event *event) {
  const struct hadron_ask *ask = event->data;
  void *bytes = NULL;
  uint32_t size = 0;
  int32_t code;
  if (ask->verb == HADRON_ASK_CREATE) code = create(w, event->text, event->text_size);
  else if (w->far == NULL) code = hd_fault_set(&w->fault, HADRON_ERR_STATE, "a worker: it is not made yet");
  else {
    step = verb_name(ask->verb);
    code = hd_far_ask(w->far, ask->verb, ask->instance, event->text, event->text_size, ask->now_ns, &bytes, &size);
    w->fault.text[0] = 0;
  }
  if (code && bytes == NULL && w->fault.text[0]) {
    size = (uint32_t)strlen(w->fault.text) + 1;
    bytes = strdup(w->fault.text);
    if (bytes == NULL) size = 0;
  }
  step = "its loop";
  w->stopped |= ask->verb == HADRON_ASK_STOP;
  answer(w, ask->number, code, bytes, size);
}

// ---- the stream

static void on_position(struct hd_far *far, struct hadron_position *views, const struct hadron_position *p) {
  const struct hd_channel_note note = {.kind = HADRON_MSG_POSITION, .view = *p};
  if (p->instrument > HD_INSTRUMENTS_MAX) return;
  views[p->instrument] = *p;
  hd_far_note(far, &note);
}

// What the arm had afterwards was said just before.
static struct hadron_position view_of(const struct hadron_position *views, uint32_t instrument, uint32_t arm) {
  struct hadron_position view = instrument <= HD_INSTRUMENTS_MAX ? views[instrument] : (struct hadron_position){0};
  if (view.instrument == 0) view.instrument = instrument, view.arm = arm;
  return view;
}

static void on_message(struct hd_far *far, struct hadron_position *views, uint32_t kind, const void *data) {
  struct hd_channel_note note = {.kind = 0};
  switch (kind) {
  case HADRON_EVENT_POSITIONS: on_position(far, views, data); return;
  case HADRON_EVENT_ALLOCATIONS:
    note.kind = HADRON_MSG_ALLOCATION;
    memcpy(&note.of.allocation, data, sizeof note.of.allocation);
    note.view = view_of(views, note.of.allocation.instrument, note.of.allocation.arm);
    break;
  case HADRON_EVENT_ORDERS:
    note.kind = HADRON_MSG_ORDER_EVENT;
    memcpy(&note.of.order_event, data, sizeof note.of.order_event);
    note.view = view_of(views, note.of.order_event.instrument, note.of.order_event.arm);
    break;
  case HADRON_EVENT_INSTRUMENTS:
    note.kind = HADRON_MSG_INSTRUMENT;
    memcpy(&note.of.instrument, data, sizeof note.of.instrument);
    break;
  case HADRON_EVENT_MARKS:
    note.kind = HADRON_MSG_MARK;
    memcpy(&note.of.mark, data, sizeof note.of.mark);
    break;
  case HADRON_EVENT_LOST:
    note.kind = HADRON_MSG_LOST;
    memcpy(&note.of.lost, data, sizeof note.of.lost);
    break;
  default: return;
  }
  hd_far_note(far, &note);
}

void hd_worker_messages(struct hd_far *far, struct hadron_position *views, const struct hadron_event *event) {
  for (uint32_t i = 0; i < event->count; i++) on_message(far, views, event->kind, (const char *)event->data + (size_t)i * event->stride);
}

static void on_ticks(struct worker *w, const struct hadron_tick *ticks, uint32_t count) {
  w->tick_ns = ticks[count - 1].recv_ns;
  hd_far_ticks(w->far, ticks, count);
}

static void tell_measured(struct worker *w) {
  struct hadron_measured rows[HADRON_MEASURED_MAX];
  hadron_client_measured(w->client, rows, hd_far_measured(&w->measure, w->heard_ns, rows, HADRON_MEASURED_MAX));
}

// Ticks that lie where the host has put them: they stay until the next poll says that they are handled.
static void on_run(struct worker *w, const struct hd_channel_run *run) {
  uint64_t first = run->from % HD_CHANNEL_TICKS;
  HD_ASSERT(run->ring < w->ring_count && run->count > 0 && run->count <= HD_CHANNEL_TICKS - first);
  on_ticks(w, w->rings + run->ring * (uint64_t)HD_CHANNEL_TICKS + first, run->count);
}

static void on_event(struct worker *w, const struct hadron_event *event) {
  w->heard_ns = hd_clock_monotonic_ns();
  if (w->far) tell_measured(w);
  if (event->kind == HADRON_EVENT_ASK) on_ask(w, event);
  else if (event->kind > HADRON_EVENT_MESSAGE) say(w, event);
  else if (w->far == NULL || event->data == NULL) return; // a stream begins with what there is; it is for those who are made
  else if (event->kind == HADRON_EVENT_MESSAGE && event->template_id == HD_CHANNEL_RUN && event->stride == sizeof(struct hd_channel_run)) on_run(w, event->data);
  else if (event->kind == HADRON_EVENT_TICKS && event->stride == sizeof(struct hadron_tick) && event->count > 0) on_ticks(w, event->data, event->count);
  else hd_worker_messages(w->far, w->views, event);
}

// A host that recovers feeds what is long past: until it has come to the present, or to the end of it, ticks are the clock.
static int64_t now_of(const struct worker *w) {
  int64_t now_ns = hd_clock_wall_ns();
  bool present = now_ns - w->tick_ns < CAUGHT_UP_NS || hd_clock_monotonic_ns() - w->heard_ns >= QUIET_NS;
  return present ? now_ns : w->tick_ns;
}

// Until its next timer is due; -1: for ever.
static int32_t wait_ms(const struct worker *w) {
  int64_t due = w->far && !w->steps ? hd_far_due(w->far) : INT64_MAX;
  if (w->count > 0) return 1;
  if (due == INT64_MAX) return -1;
  int64_t now_ns = now_of(w), left = due - now_ns;
  if (left > 0 && now_ns == w->tick_ns && left < QUIET_NS) left = QUIET_NS;
  return left <= 0 ? 0 : left > INT64_C(3600000000000) ? 3600000 : (int32_t)((left + 999999) / 1000000);
}

static int over(struct worker *w, const struct hadron_event *event) {
  if (w->stopped) return HD_WORKER_EXIT_OK;
  if (event->kind == HADRON_EVENT_AWAY) return HD_WORKER_EXIT_AWAY; // there is no way back
  say(w, event);
  fprintf(stderr, "%s\n", w->fault.text);
  return HD_WORKER_EXIT_AWAY;
}

// Time passes only while nothing waits to be handled: what happened before now comes first.
static int run(struct worker *w) {
  struct hadron_event event;
  for (;;) {
    int32_t code = hadron_client_poll(w->client, 0, &event);
    if (code == HADRON_ERR_AGAIN) {
      if (w->far && !w->steps) hd_far_time(w->far, now_of(w));
      flush(w);
      code = hadron_client_poll(w->client, wait_ms(w), &event);
    }
    if (code == HADRON_ERR_CLOSED || event.kind == HADRON_EVENT_AWAY) return over(w, &event);
    if (code == HADRON_OK) on_event(w, &event);
    if (w->count > 0) flush(w);
  }
}

// ---- the child

static const char *name_speaker(struct hd_crash *c) {
  if (speaker) hd_far_crash(speaker, c);
  if (!c->callback[0]) hd_text_copy(c->callback, sizeof c->callback, step);
  return NULL;
}

static int32_t begin(struct worker *w) {
  int32_t code = map_boot(w);
  if (code) return code;
  hd_log_level(w->boot->log_level);
  code = map_rings(w);
  if (!code) code = wall_in(w);
  if (code) return code;
  hd_last_words_worker(name_speaker);
  code = join(w);
  if (!code) code = hd_sandbox_filter(HD_SANDBOX_WORKER, &w->fault);
  return code;
}

int hd_worker_child(const struct hd_plugin_language *lua) {
  struct worker w = {.lua = lua};
  w.views = calloc(HD_INSTRUMENTS_MAX + 1, sizeof *w.views);
  int32_t code = w.views ? begin(&w) : hd_fault_set(&w.fault, HADRON_ERR_MEMORY, "a worker: out of memory");
  if (!code) return run(&w); // nothing is freed: the plugin's own end would be the first thing to crash
  fprintf(stderr, "%s\n", w.fault.text);
  return w.boot ? HD_WORKER_EXIT_FAILED : HD_WORKER_EXIT_BOOT;
}
