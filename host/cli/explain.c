// hadron explain: finds an order, an execution or a trace in a journal, gathers all that belongs to it, and runs the session again up to
// there for what no record says: each check of risk with its numbers, the market and the positions right then.
#include "cli/explain.h"

#include <ctype.h>
#include <getopt.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/setup.h"
#include "control/control.h"
#include "journal/journal.h"
#include "lua/runtime.h"
#include "pipeline/record.h"
#include "runtime/session_deploy.h"
#include "runtime/verify.h"

#define DIR_DEFAULT "data"
#define PREFIX_MIN 6

const char hd_explain_help[] =
    "  --journal DIR   a journal's directory, or the data directory that it lies in; default: data\n"
    "  --session N     look in the N-th session of the journal alone\n"
    "  --no-checks     what the records say, without running the session again for the checks of risk\n"
    "  --plugin FILE   a version that ran and that the registry does not have; may be given several times\n"
    "  --json          print one JSON object\n"
    "\n"
    "ID is a client order id or a venue's (its first characters suffice), an execution's id (the venue's, or the host's number), or a\n"
    "trace id of 32 hex digits (its first ones suffice). An order that was replaced or cancelled is told with all its intents, and what took its\n"
    "place with it. Times are those of the records; what the stages cost is what the host measured when it sent the order.\n";

struct call {
  struct hd_explain e;
  struct hd_setup setup;
  const char *files[64];
  uint32_t file_count, only;
  bool no_checks;
  char dir[1100];
  struct hd_journal_cursor *cursor;
  struct hd_progress progress;
  uint64_t until;                        // the place behind the last intent that was checked
};

// ---- the command line ----------------------------------------------------------------------------------------------------------------

static int parse(struct call *c, int argc, char **argv) {
  enum { JOURNAL = 256, SESSION, NO_CHECKS, PLUGIN, JSON };
  static const struct option options[] = {{"journal", required_argument, NULL, JOURNAL}, {"session", required_argument, NULL, SESSION},
                                          {"no-checks", no_argument, NULL, NO_CHECKS}, {"plugin", required_argument, NULL, PLUGIN}, {"json", no_argument, NULL, JSON}, {0}};
  optind = 0;
  opterr = 0;
  c->e.journal = DIR_DEFAULT;
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (o) {
    case JOURNAL: c->e.journal = optarg; break;
    case SESSION: c->only = (uint32_t)strtoul(optarg, NULL, 10); break;
    case NO_CHECKS: c->no_checks = true; break;
    case PLUGIN:
      if (c->file_count < sizeof c->files / sizeof *c->files) c->files[c->file_count++] = optarg;
      break;
    case JSON: c->setup.json = true; break;
    default: return hd_cli_usage("explain", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  if (argc - optind != 1) return hd_cli_usage("explain", "expected an order, an execution or a trace");
  c->e.wanted = argv[optind];
  return HD_EXIT_OK;
}

// ---- does a record belong to it? -------------------------------------------------------------------------------------------------------

static bool has_trace(uint16_t template_id) {
  return template_id == HADRON_MSG_DECISION || template_id == HADRON_MSG_OPPORTUNITY || template_id == HADRON_MSG_INTENT || template_id == HADRON_MSG_ORDER ||
         template_id == HADRON_MSG_ORDER_EVENT || template_id == HADRON_MSG_EXECUTION;
}

static const struct hadron_client_order_id *order_of(const struct hadron_record *r) {
  switch (r->template_id) {
  case HADRON_MSG_ORDER: return &((const struct hadron_order *)r->bytes)->client_order_id;
  case HADRON_MSG_ORDER_EVENT: return &((const struct hadron_order_event *)r->bytes)->client_order_id;
  case HADRON_MSG_EXECUTION: return &((const struct hadron_execution *)r->bytes)->client_order_id;
  case HADRON_MSG_VENUE_REPORT: return &((const struct hadron_venue_report *)r->bytes)->client_order_id;
  case HADRON_MSG_COST: return &((const struct hadron_cost *)r->bytes)->client_order_id;
  default: return NULL;
  }
}

static bool begins(const char *with, const char *text, size_t size) {
  size_t n = strlen(with);
  return n >= PREFIX_MIN && n <= size && strncmp(with, text, n) == 0;
}

// Is this record named by what was asked for?
static bool is_named(const struct call *c, const struct hadron_record *r) {
  const char *w = c->e.wanted;
  const struct hadron_client_order_id *order = order_of(r);
  if (order && has_trace(r->template_id) && begins(w, order->hex, sizeof order->hex)) return true;
  if (r->template_id == HADRON_MSG_ORDER_EVENT) {
    const struct hadron_order_event *e = r->bytes;
    if (e->venue_order_id[0] && strncmp(e->venue_order_id, w, sizeof e->venue_order_id) == 0) return true;
  }
  if (r->template_id == HADRON_MSG_EXECUTION) {
    const struct hadron_execution *x = r->bytes;
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)x->id);
    if (strcmp(number, w) == 0 || strncmp(x->execution_id, w, sizeof x->execution_id) == 0) return true;
  }
  if (!has_trace(r->template_id) || strlen(w) < 8 || strlen(w) > 32) return false;
  char hex[33];
  hd_hex_format(hex, r->bytes, 16);
  return strncmp(hex, w, strlen(w)) == 0;
}

// ---- reading ---------------------------------------------------------------------------------------------------------------------------

static bool long_enough(const struct hadron_record *r) {
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  return m && r->block_length >= m->block_length;
}

static bool session_begins(const struct hadron_record *r) {
  return r->template_id == HADRON_MSG_SESSION && r->block_length >= sizeof(struct hadron_session) && !(((const struct hadron_session *)r->bytes)->flags & 1);
}

static int32_t journal_open(struct call *c, struct hd_fault *fault) {
  hd_text_copy(c->dir, sizeof c->dir, c->e.journal);
  int32_t code = hd_journal_cursor_open(c->dir, &c->cursor, fault);
  struct hd_fault second;
  if (code == HADRON_ERR_NOT_FOUND && snprintf(c->dir, sizeof c->dir, "%s/journal", c->e.journal) < (int)sizeof c->dir && hd_journal_cursor_open(c->dir, &c->cursor, &second) == HADRON_OK)
    code = HADRON_OK;
  return code;
}

static void take_found(struct call *c, const struct hadron_record *r) {
  struct hd_explain *e = &c->e;
  const struct hadron_client_order_id *order = order_of(r);
  e->shadow = hd_record_shadow(r->template_id, r->bytes);
  memcpy(&e->trace, r->bytes, sizeof e->trace);
  memcpy(&e->cause, (const char *)r->bytes + sizeof e->trace, sizeof e->cause);
  if (order) e->order = *order;
  const struct hd_message_fields *m = hd_message_find(r->template_id);
  const struct hd_field *f = hd_field_find(m, "instrument", r->bytes, r->block_length);
  if (f) memcpy(&e->instrument, (const char *)r->bytes + f->offset, sizeof e->instrument);
}

// The first record that is named. begin: of its session.
static int32_t find(struct call *c, uint64_t *begin, struct hd_fault *fault) {
  struct hadron_record r;
  uint32_t session = 0;
  int32_t code;
  *begin = 0;
  while (!(code = hd_journal_cursor_next(c->cursor, &r, fault))) {
    c->e.scanned++;
    if (session_begins(&r)) {
      session++;
      *begin = r.position;
    }
    if ((c->only && session != c->only) || !long_enough(&r) || !is_named(c, &r)) continue;
    c->e.session = session;
    take_found(c, &r);
    return HADRON_OK;
  }
  if (code != HADRON_ERR_AGAIN) return code;
  return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: expected an order, execution or trace that begins with \"%s\" in it, found none in %llu records; `hadron journal dump --kind order` lists them",
                      c->e.journal, c->e.wanted, (unsigned long long)c->e.scanned);
}

static int32_t keep(struct call *c, const struct hadron_record *r, uint64_t sequence, struct hd_fault *fault) {
  struct hd_explain *e = &c->e;
  if (e->count == HD_EXPLAIN_RECORDS_MAX) {
    e->cut = true;
    return HADRON_OK;
  }
  if (!e->records) e->records = calloc(HD_EXPLAIN_RECORDS_MAX, sizeof *e->records);
  void *bytes = e->records ? malloc(r->size + 1) : NULL;
  if (!bytes) return hd_fault_set(fault, HADRON_ERR_MEMORY, "explain: out of memory");
  memcpy(bytes, r->bytes, r->size);
  e->records[e->count] = (struct hd_explain_record){*r, sequence};
  e->records[e->count++].r.bytes = bytes;
  return HADRON_OK;
}

static bool is_taken_execution(const struct hd_explain *e, const struct hadron_allocation *a) {
  for (uint32_t i = e->count; i-- > 0;) {
    const struct hadron_record *r = &e->records[i].r;
    if (a->execution && r->template_id == HADRON_MSG_EXECUTION && ((const struct hadron_execution *)r->bytes)->id == a->execution) return true;
    if (!a->execution && a->opportunity && r->template_id == HADRON_MSG_OPPORTUNITY && ((const struct hadron_opportunity *)r->bytes)->id == a->opportunity) return true;
  }
  return false;
}

static void take_tick(struct hd_explain *e, const struct hadron_tick *t) {
  if (t->sequence == e->cause) e->tick = *t;
  if (t->instrument != e->instrument || t->sequence >= e->cause) return;
  if (t->kind == HADRON_TICK_QUOTE) e->quote = *t;
  if (t->kind == HADRON_TICK_TRADE) e->trade = *t;
}

static void take_name(struct hd_explain *e, const struct hadron_record *r) {
  if (r->template_id == HADRON_MSG_INSTRUMENT) {
    const struct hadron_instrument_definition *d = r->bytes;
    if (d->instrument >= 65536) return;
    if (d->instrument >= e->instrument_count) {
      void *grown = realloc(e->instruments, (d->instrument + 64) * sizeof *e->instruments);
      if (!grown) return;
      e->instruments = grown;
      memset(e->instruments + e->instrument_count, 0, (d->instrument + 64 - e->instrument_count) * sizeof *e->instruments);
      e->instrument_count = d->instrument + 64;
    }
    memcpy(e->instruments[d->instrument], d->name, sizeof d->name);
    return;
  }
  const struct hadron_arm_definition *d = r->bytes;
  if (d->arm >= 65536) return;
  if (d->arm >= e->arm_count) {
    void *grown = realloc(e->arms, (d->arm + 16) * sizeof *e->arms);
    if (!grown) return;
    e->arms = grown;
    memset(e->arms + e->arm_count, 0, (d->arm + 16 - e->arm_count) * sizeof *e->arms);
    e->arm_count = d->arm + 16;
  }
  if (e->count == 0 || !e->arms[d->arm].arm) e->arms[d->arm] = *d; // as it was when it began
}

// Of its own trace all; of the others' what led to their intents.
static bool belongs(const struct hd_explain *e, const struct hadron_record *r) {
  if (has_trace(r->template_id) && memcmp(r->bytes, &e->trace, sizeof e->trace) == 0) return true;
  const struct hadron_client_order_id *order = order_of(r);
  if (order && hd_explain_has_order(e, order)) return true;
  if (r->template_id == HADRON_MSG_ALLOCATION) return is_taken_execution(e, r->bytes);
  if (!has_trace(r->template_id) || order || hd_record_shadow(r->template_id, r->bytes) != e->shadow) return false;
  if (r->template_id == HADRON_MSG_INTENT) return hd_explain_has_intent(e, ((const struct hadron_intent *)r->bytes)->id);
  uint32_t instrument = r->template_id == HADRON_MSG_DECISION ? ((const struct hadron_decision *)r->bytes)->instrument : ((const struct hadron_opportunity *)r->bytes)->instrument;
  return instrument == e->instrument && hd_explain_has_trace(e, r->bytes);
}

// All of its session that belongs to it.
static int32_t gather(struct call *c, uint64_t begin, struct hd_fault *fault) {
  struct hadron_record r;
  int32_t code = hd_journal_cursor_seek(c->cursor, begin, fault);
  bool first = true;
  while (!code && !(code = hd_journal_cursor_next(c->cursor, &r, fault))) {
    c->e.scanned++;
    if (r.template_id == HADRON_MSG_SESSION && !first) break;
    if (first && r.block_length >= sizeof(struct hadron_session)) {
      c->e.threads = ((const struct hadron_session *)r.bytes)->flags & 2;
      c->e.is_virtual = ((const struct hadron_session *)r.bytes)->flags & 4;
    }
    first = false;
    if (!long_enough(&r)) continue;
    if (r.template_id == HADRON_MSG_TICK) take_tick(&c->e, r.bytes);
    else if (r.template_id == HADRON_MSG_INSTRUMENT || r.template_id == HADRON_MSG_ARM) take_name(&c->e, &r);
    else if (belongs(&c->e, &r)) code = keep(c, &r, hd_journal_cursor_sequence(c->cursor) - 1, fault);
  }
  return code == HADRON_ERR_AGAIN ? HADRON_OK : code;
}

// ---- the run again -----------------------------------------------------------------------------------------------------------------------

static void on_risk(void *user, struct hd_session *s, struct hd_risk *risk, const struct hd_risk_request *q) {
  struct call *c = user;
  struct hd_explain_intent *in = hd_explain_intent(&c->e, q->intent->id);
  if (!in || in->ran || ((q->intent->flags & HADRON_ORDER_SHADOW) != 0) != c->e.shadow) return;
  in->ran = true;
  in->row_count = hd_risk_explain(risk, q, in->rows, HD_RISK_ROWS_MAX);
  in->mark = hd_mark_read(&s->pipeline.marks, q->intent->instrument);
  in->venue_state = q->venue_state;
  for (uint32_t i = 0; i < q->share_count && in->position_count < HD_EXPLAIN_POSITIONS_MAX; i++) {
    struct hd_explain_position *p = &in->positions[in->position_count++];
    p->arm = q->shares[i].arm;
    p->held = hd_portfolio_position(&s->pipeline.portfolio, p->arm, q->intent->instrument)->quantity;
    hd_gateway_working(risk->gateway, p->arm, q->intent->instrument, true, &p->working_buy, &p->working_sell);
  }
}

static void on_progress(void *user, const struct hd_verify_progress *p) {
  struct call *c = user;
  hd_progress_show(&c->progress, p->done, c->until, p->ticks, p->now_ns, p->elapsed_ns);
}

static void run_again(struct call *c) {
  static struct hd_verify_result result;
  struct hd_fault fault = {0};
  struct hd_explain *e = &c->e;
  const struct hd_plugin *plugin;
  c->setup.path = e->journal;
  c->setup.session = e->session;
  if (hd_setup_load(&c->setup, "explain")) {
    hd_text_copy(e->why, sizeof e->why, "its configuration cannot be read");
    return;
  }
  snprintf(c->setup.config.data_dir, sizeof c->setup.config.data_dir, "%.500s/..", c->dir);
  int32_t code = hd_session_registry_there(&c->setup.config) ? hd_session_registry_open(&c->setup.config, &c->setup.registry, &fault) : HADRON_OK;
  for (uint32_t i = 0; !code && i < c->file_count; i++) code = hd_plugin_open(c->files[i], &hd_lua_language, &plugin, &fault);
  const struct hd_verify_options options = {.journal = e->journal, .registry = c->setup.registry, .plugin_path = c->setup.config.plugin_path, .session = e->session, .until = c->until,
                                            .set = hd_control_set_again, .progress = on_progress, .risk = on_risk, .user = c};
  hd_progress_init(&c->progress, "explain", !c->setup.json);
  if (!code) code = hd_verify_run(&options, &result, &fault);
  hd_progress_end(&c->progress);
  e->run_s = (double)result.elapsed_ns / 1e9;
  e->run_ticks = result.ticks;
  bool ran = true;
  for (uint32_t i = 0; i < e->intent_count; i++) ran &= e->intents[i].ran || e->intents[i].kind == HADRON_INTENT_CANCEL;
  if (code && !ran) snprintf(e->why, sizeof e->why, "%.500s", fault.text);
  else if (!ran) snprintf(e->why, sizeof e->why, "run again, the session does not come to it%s", result.first.kind ? ": it differs before; `hadron replay --verify` says where" : "");
}

// ---- the command -------------------------------------------------------------------------------------------------------------------------

static int exit_of(int32_t code) { return code == HADRON_ERR_CORRUPT || code == HADRON_ERR_NOT_FOUND ? HD_EXIT_DATA : hd_cli_exit(code); }

static void fini(struct call *c) {
  for (uint32_t i = 0; i < c->e.count; i++) free((void *)(uintptr_t)c->e.records[i].r.bytes);
  free(c->e.records);
  free(c->e.instruments);
  free(c->e.arms);
  hd_journal_cursor_close(c->cursor);
  hd_setup_fini(&c->setup);
}

int hd_explain_command(int argc, char **argv) {
  static struct call c;
  struct hd_fault fault = {0};
  uint64_t begin;
  int code = parse(&c, argc, argv);
  if (code) return code;
  hd_log_level(HADRON_LOG_ERROR);
  int64_t start_ns = hd_clock_monotonic_ns();
  int32_t err = journal_open(&c, &fault);
  if (!err) err = find(&c, &begin, &fault);
  if (!err) err = hd_explain_follow(&c.e, c.cursor, begin, &fault);
  if (!err) err = gather(&c, begin, &fault);
  for (uint32_t i = 0; i < c.e.intent_count; i++)
    if (c.e.intents[i].kind != HADRON_INTENT_CANCEL && c.e.intents[i].next > c.until) c.until = c.e.intents[i].next;
  c.e.scan_s = (double)(hd_clock_monotonic_ns() - start_ns) / 1e9;
  if (!err && c.no_checks) hd_text_copy(c.e.why, sizeof c.e.why, "not asked for (--no-checks)");
  else if (!err && c.until) run_again(&c);
  else if (!err) hd_text_copy(c.e.why, sizeof c.e.why, "there is no intent of it");
  if (err) code = hd_cli_fail("explain", exit_of(err), &fault);
  else if (c.setup.json) hd_explain_print_json(&c.e, stdout);
  else hd_explain_print(&c.e, stdout, hd_cli_colours(STDOUT_FILENO));
  fini(&c);
  return code;
}
