// What is asked of a service: made and thrown away at any point; started, stepped over a small journal until it has nothing to do,
// stopped twice.
#include "base/banned.h"
#include "hadron/ext/journal.h"
#include "sdk/validate/trial.h"

#define RECORDS 64
#define STEPS_MAX 500

// A journal in memory: record i is at position (i + 1) * 64.
struct reader {
  struct trial *trial;
  struct hadron_instance instance;
  struct {
    struct hadron_message_header message;
    struct hadron_tick tick;
  } records[RECORDS];
  uint64_t next, reads;
  int64_t now_ns;
  bool kept_unread; // said that it stored what it had not read
  bool kept;        // has said a place
  uint64_t kept_position;
  char note[HADRON_JOURNAL_NOTE_SIZE];
};

static struct reader *reader_of(struct hadron_instance *instance) { return instance->owner; }

static int32_t journal_seek(struct hadron_instance *instance, uint64_t position) {
  if (position % 64 != 0 || position > 64 * (RECORDS + 1)) return HADRON_ERR_NOT_FOUND;
  reader_of(instance)->next = position ? position / 64 - 1 : 0;
  return HADRON_OK;
}

static int32_t journal_next(struct hadron_instance *instance, struct hadron_record *record) {
  struct reader *r = reader_of(instance);
  if (r->next >= RECORDS) return HADRON_ERR_AGAIN;
  *record = (struct hadron_record){.position = (r->next + 1) * 64, .next = (r->next + 2) * 64, .time_ns = r->records[r->next].tick.event_ns, .template_id = HADRON_MSG_TICK,
                                   .block_length = sizeof(struct hadron_tick), .size = sizeof(struct hadron_tick), .bytes = &r->records[r->next].tick,
                                   .message = &r->records[r->next].message, .sequence = r->next + 1};
  r->next++, r->reads++;
  return HADRON_OK;
}

static void journal_id(struct hadron_instance *instance, uint8_t id[16]) {
  (void)instance;
  memset(id, 0x5a, 16);
}

static uint64_t journal_end(struct hadron_instance *instance) {
  (void)instance;
  return 64 * (RECORDS + 1);
}

static int32_t journal_keep_note(struct hadron_instance *instance, uint64_t position, const char *note) {
  struct reader *r = reader_of(instance);
  if (strlen(note) >= sizeof r->note || strpbrk(note, "\r\n")) return HADRON_ERR_ARGUMENT;
  if (position > (r->next + 1) * 64) r->kept_unread = true;
  r->kept = true;
  r->kept_position = position;
  snprintf(r->note, sizeof r->note, "%s", note);
  return HADRON_OK;
}

static int32_t journal_keep(struct hadron_instance *instance, uint64_t position) { return journal_keep_note(instance, position, ""); }

static int32_t journal_kept(struct hadron_instance *instance, uint64_t *position, char note[HADRON_JOURNAL_NOTE_SIZE]) {
  const struct reader *r = reader_of(instance);
  if (!r->kept) return HADRON_ERR_NOT_FOUND;
  *position = r->kept_position;
  memcpy(note, r->note, sizeof r->note);
  return HADRON_OK;
}

static int64_t host_now(void *owner) { return ((struct reader *)owner)->now_ns; }

static const struct hadron_journal journal_table = {sizeof journal_table, 0, journal_seek, journal_next, journal_id, journal_end, journal_keep, journal_keep_note, journal_kept};
static const struct hd_capability everything[] = {{HADRON_CAP_JOURNAL, &journal_table}, {NULL, NULL}};

static int32_t open_reader(struct reader *r, struct trial *t, struct hd_fault *fault) {
  memset(r, 0, sizeof *r);
  r->trial = t;
  r->now_ns = INT64_C(1704207600000000000);
  for (int i = 0; i < RECORDS; i++) {
    r->records[i].message = (struct hadron_message_header){sizeof(struct hadron_tick), HADRON_MSG_TICK, HADRON_SCHEMA_ID, HADRON_SCHEMA_MAJOR * 256 + HADRON_SCHEMA_MINOR};
    r->records[i].tick = (struct hadron_tick){.event_ns = r->now_ns + i, .recv_ns = r->now_ns + i, .sequence = (uint64_t)i + 1, .instrument = 1, .venue = 1, .kind = HADRON_TICK_TRADE,
                                       .value.trade = {.price = {HADRON_PRICE_SCALE}, .quantity = {HADRON_QUANTITY_SCALE}}};
  }
  struct hd_instance_options o = {.plugin = t->plugin, .capabilities = everything, .owner = r, .now = host_now, .metrics = hd_metrics_create(256), .name = t->plugin->manifest.name,
                                  .seed = t->options->seed};
  int32_t err = hd_instance_init(&r->instance, &o, fault);
  trial_step(t, "create");
  return err ? err : hd_instance_create_service(&r->instance, fault);
}

struct hadron_instance *validate_service_open(struct trial *t, int32_t *err, struct hd_fault *fault) {
  struct reader *r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  *err = open_reader(r, t, fault);
  return &r->instance;
}

static void close_reader(struct reader *r) {
  trial_step(r->trial, "destroy");
  hd_instance_fini(&r->instance);
}

static void run_service(struct reader *r) {
  struct trial *t = r->trial;
  const struct hadron_service_api *api = t->plugin->api;
  int steps = 0;
  for (; steps < STEPS_MAX; steps++) {
    uint64_t begun = trial_begin(t, CALLBACK_STEP);
    int64_t again = api->step(r->instance.self, r->now_ns);
    trial_end(t, CALLBACK_STEP, begun, HADRON_OK);
    if (again == INT64_MAX && r->next >= RECORDS) break;
    if (again > r->now_ns) r->now_ns = again == INT64_MAX ? r->now_ns + 1000000 : again;
  }
  if (r->kept_unread) trial_fail(t, "keep", "it said that it had stored records which it had not read yet");
  trial_pass(t, "step", "%d steps, %llu of %d journal records were read", steps, (unsigned long long)r->reads, RECORDS);
  trial_step(t, "stop");
  api->stop(r->instance.self);
  api->stop(r->instance.self);
  trial_pass(t, "stop_twice", "stops, and stops again");
}

void validate_service(struct trial *t) {
  struct reader *r = calloc(1, sizeof *r);
  struct hd_fault fault = {0};
  if (r == NULL) return;
  int32_t err = open_reader(r, t, &fault);
  close_reader(r);
  if (err) trial_fail(t, "create_destroy", "%s", fault.text);
  else trial_pass(t, "create_destroy", "is made and thrown away without parameters and start");
  if (!err && t->options->param_count == 0) {
    // What a service does when it starts reaches outside: files, databases, ports. Only where the user says where.
    trial_skip(t, "start", "a service reaches outside when it starts; give its parameters with --set NAME=VALUE to run the rest");
  } else if (!err && open_reader(r, t, &fault) == HADRON_OK && trial_params(t, &r->instance)) {
    trial_step(t, "start");
    err = hd_instance_start(&r->instance, &fault);
    if (err) trial_fail(t, "start", "%s", fault.text);
    else {
      trial_pass(t, "start", "parameters are taken, start succeeds");
      run_service(r);
      trial_conduct(t, false);
    }
  }
  close_reader(r);
  free(r);
}
