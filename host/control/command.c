#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/control_internal.h"

// ---- where the trading side may be touched -----------------------------------------------------------------------------------------

int64_t hd_control_now(const struct hd_control *c) {
  const struct hd_live *live = c->options.live;
  return live && live->threads ? hd_clock_wall_ns() : c->options.session->runner.now_ns;
}

typedef void live_call(struct hd_live *live, void (*function)(void *argument), void *argument);

static int32_t call(struct hd_control *c, live_call *by, void (*function)(void *argument), void *argument, struct hd_fault *fault) {
  struct hd_runner *runner = &c->options.session->runner;
  struct hd_live *live = c->options.live;
  if (c->ended || !live) {
    function(argument);
    if (!c->ended && runner->now_ns > 0) hd_runner_settle(runner);
    return HADRON_OK;
  }
  // The flag is set on this thread alone: while it is clear the trading thread answers.
  if (atomic_load(&live->stop)) return hd_fault_set(fault, HADRON_ERR_CLOSED, "the host is stopping");
  int64_t now_ns = hd_clock_wall_ns();
  if (!live->threads && now_ns > runner->now_ns) hd_runner_advance(runner, now_ns);
  by(live, function, argument);
  return HADRON_OK;
}

int32_t hd_control_trade(struct hd_control *c, void (*function)(void *argument), void *argument, struct hd_fault *fault) {
  return call(c, hd_live_call, function, argument, fault);
}

int32_t hd_control_quiet(struct hd_control *c, void (*function)(void *argument), void *argument, struct hd_fault *fault) {
  return call(c, hd_live_quiet, function, argument, fault);
}

int32_t hd_control_journal(struct hd_control *c, uint32_t uid, const char *text, struct hd_fault *fault) {
  int64_t now_ns = hd_control_now(c);
  const struct hadron_operator operator = {now_ns, uid, 0};
  int32_t code = hd_record_text(&c->options.session->pipeline.sink, HADRON_MSG_OPERATOR, &operator, sizeof operator, text, now_ns);
  return code ? hd_fault_set(fault, code, "the command could not be journaled, so it was not carried out: %s", hadron_error_text(code)) : HADRON_OK;
}

// ---- commands that act ---------------------------------------------------------------------------------------------------------------

struct act {
  struct hd_control *c;
  const char *text;
  uint32_t uid, canceled;
  int32_t code;
  struct hd_fault *fault;
};

const char *hd_request_text(const json_t *request, const char *key, const char *initial) {
  const char *text = json_string_value(json_object_get(request, key));
  return text && *text ? text : initial;
}

static void kill_now(void *argument) {
  struct act *a = argument;
  a->canceled = hd_pipeline_kill(&a->c->options.session->pipeline, a->text, a->uid, hd_control_now(a->c));
}

int32_t hd_control_kill(struct hd_control *c, const char *why, uint32_t uid, uint32_t *canceled, struct hd_fault *fault) {
  struct act act = {.c = c, .text = why, .uid = uid};
  int32_t code = hd_control_trade(c, kill_now, &act, fault);
  if (code) return code;
  snprintf(c->kill_why, sizeof c->kill_why, "%s (uid %u)", why, uid);
  hd_log_error("KILL", "%s (uid %u): %u cancels sent; new orders are denied until `hadron release`", why, uid, act.canceled);
  if (canceled) *canceled = act.canceled;
  return HADRON_OK;
}

static json_t *run_kill(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  uint32_t canceled = 0;
  if (hd_control_kill(c, hd_request_text(request, "reason", "by an operator"), uid, &canceled, fault)) return NULL;
  return json_pack("{s:b, s:s, s:I}", "killed", 1, "reason", c->kill_why, "cancels_sent", (json_int_t)canceled);
}

static void release_now(void *argument) {
  struct act *a = argument;
  a->code = a->c->options.session->pipeline.risk.killed ? HADRON_OK : HADRON_ERR_STATE;
  if (!a->code) hd_pipeline_release(&a->c->options.session->pipeline, a->text, a->uid, hd_control_now(a->c));
}

static json_t *run_release(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  if (c->kill_file_seen) {
    hd_fault_set(fault, HADRON_ERR_STATE, "release: the file %s still asks for a kill; remove it first", c->kill_file);
    return NULL;
  }
  struct act act = {.c = c, .text = hd_request_text(request, "reason", "by an operator"), .uid = uid};
  if (hd_control_trade(c, release_now, &act, fault)) return NULL;
  if (act.code) {
    hd_fault_set(fault, act.code, "release: the kill switch is not on; there is nothing to release");
    return NULL;
  }
  c->kill_why[0] = 0;
  hd_log_warn("RELEASE", "%s (uid %u): orders are allowed again", act.text, uid);
  return json_pack("{s:b}", "killed", 0);
}

static void journal_now(void *argument) {
  struct act *a = argument;
  a->code = hd_control_journal(a->c, a->uid, a->text, a->fault);
}

static json_t *run_stop(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  char text[300];
  snprintf(text, sizeof text, "stop: %s", hd_request_text(request, "reason", "by an operator"));
  struct act act = {.c = c, .text = text, .uid = uid, .fault = fault};
  if (hd_control_trade(c, journal_now, &act, fault) || act.code) return NULL;
  hd_log_info("STOP", "%s (uid %u)", text, uid);
  if (c->options.live) hd_live_stop(c->options.live);
  else hd_replay_stop(c->options.replay);
  return json_pack("{s:b}", "stopping", 1);
}

// ---- replay --------------------------------------------------------------------------------------------------------------------------

static json_t *where(struct hd_control *c) {
  struct hd_replay_progress at;
  char time[40] = "";
  hd_replay_where(c->options.replay, &at);
  if (at.now_ns > 0) hd_time_format(time, sizeof time, at.now_ns, 6);
  return json_pack("{s:I, s:I, s:I, s:s, s:b, s:f}", "ticks", (json_int_t)at.ticks, "done", (json_int_t)at.done, "total", (json_int_t)at.total,
                   "time", time, "paused", at.paused, "speed", c->options.replay->options.speed);
}

static json_t *run_pause(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid, (void)fault;
  hd_replay_pause(c->options.replay);
  return where(c);
}

static json_t *run_resume(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid, (void)fault;
  hd_replay_resume(c->options.replay);
  return where(c);
}

static json_t *run_step(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)uid;
  const json_t *ticks = json_object_get(request, "ticks");
  json_int_t n = ticks ? json_integer_value(ticks) : 1;
  if (n < 1 || (ticks && !json_is_integer(ticks))) {
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "step: ticks: expected a whole number from 1 on");
    return NULL;
  }
  hd_replay_step(c->options.replay, (uint64_t)n);
  return where(c);
}

static json_t *run_seek(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)uid;
  int64_t to_ns;
  const char *text = hd_request_text(request, "to", "");
  if (hd_time_parse(text, &to_ns)) {
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "seek: to: expected a time like 2024-01-02T14:30:00Z, found \"%s\"", text);
    return NULL;
  }
  if (hd_replay_seek(c->options.replay, to_ns)) {
    char now[40];
    hd_time_format(now, sizeof now, c->options.session->runner.now_ns, 6);
    hd_fault_set(fault, HADRON_ERR_RANGE, "seek: expected a time after %s, where the replay is, found %s; to go back, start it again with --seek", now, text);
    return NULL;
  }
  return where(c);
}

static json_t *run_speed(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)uid;
  const json_t *speed = json_object_get(request, "speed");
  if (!json_is_number(speed) || json_number_value(speed) < 0 || json_number_value(speed) > 1e9) {
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "speed: expected a number from 0 (as fast as it goes) to 1e9");
    return NULL;
  }
  hd_replay_speed(c->options.replay, json_number_value(speed));
  return where(c);
}

// ---- the table -----------------------------------------------------------------------------------------------------------------------

static json_t *run_help(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);

struct verb {
  const char *name, *fields; // fields: what a request may carry besides "command", separated by blanks
  uint32_t right, forms;
  json_t *(*run)(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
  const char *help;
};

static const struct verb verbs[] = {
    {"help", "", HD_RIGHT_LOOK, HD_FORM_ANY, run_help, "lists the commands"},
    {"status", "instruments", HD_RIGHT_LOOK, HD_FORM_ANY, hd_show_status, "what the host is doing; instruments: rows at most"},
    {"positions", "", HD_RIGHT_LOOK, HD_FORM_ANY, hd_show_positions, "what it holds"},
    {"orders", "", HD_RIGHT_LOOK, HD_FORM_ANY, hd_show_orders, "its open orders"},
    {"metrics", "", HD_RIGHT_LOOK, HD_FORM_ANY, hd_show_metrics, "counters and gauges of the host and its plugins"},
    {"kill", "reason", HD_RIGHT_OPERATE, HD_FORM_ANY, run_kill, "cancels everything and denies new orders until release"},
    {"release", "reason", HD_RIGHT_OPERATE, HD_FORM_ANY, run_release, "allows orders again"},
    {"set", "values", HD_RIGHT_OPERATE, HD_FORM_ANY, hd_change_set, "changes limits, rules and parameters; values: [\"key=value\", ...]"},
    {"deploy", "deployment why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "makes a deployment what it says"},
    {"enable", "name version placement why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "lets a deployment go on, with another version if one is named"},
    {"disable", "name version why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "stops a deployment, or one arm of it"},
    {"reload", "name why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "takes the newest version"},
    {"ab", "name arms shadows split why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "runs versions side by side"},
    {"promote", "name version why accept_difference", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "lets a version trade alone"},
    {"rollback", "name to why", HD_RIGHT_OPERATE, HD_FORM_LIVE, hd_deploying_ask, "goes back to an earlier revision"},
    {"history", "name", HD_RIGHT_LOOK, HD_FORM_LIVE, hd_deploying_history, "the revisions of a deployment, or of all"},
    {"stop", "reason", HD_RIGHT_OPERATE, HD_FORM_ANY, run_stop, "ends the run cleanly"},
    {"pause", "", HD_RIGHT_OPERATE, HD_FORM_REPLAY, run_pause, "holds the replay"},
    {"resume", "", HD_RIGHT_OPERATE, HD_FORM_REPLAY, run_resume, "lets it go on"},
    {"step", "ticks", HD_RIGHT_OPERATE, HD_FORM_REPLAY, run_step, "handles so many ticks more, then holds"},
    {"seek", "to", HD_RIGHT_OPERATE, HD_FORM_REPLAY, run_seek, "runs on to a later time"},
    {"speed", "speed", HD_RIGHT_OPERATE, HD_FORM_REPLAY, run_speed, "virtual seconds per second; 0: as fast as it goes"},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static json_t *run_help(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault) {
  (void)request, (void)uid, (void)fault;
  json_t *rows = json_array();
  for (size_t i = 0; i < VERB_COUNT; i++)
    if (verbs[i].forms & (c->options.live ? HD_FORM_LIVE : HD_FORM_REPLAY))
      json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "command", verbs[i].name, "fields", verbs[i].fields, "help", verbs[i].help));
  return json_pack("{s:o}", "commands", rows);
}

static const struct verb *find(const struct hd_control *c, const char *name, struct hd_fault *fault) {
  const char *best = NULL;
  size_t distance = 4;
  for (size_t i = 0; i < VERB_COUNT; i++) {
    if (strcmp(verbs[i].name, name) == 0) {
      if (verbs[i].forms & (c->options.live ? HD_FORM_LIVE : HD_FORM_REPLAY)) return &verbs[i];
      hd_fault_set(fault, HADRON_ERR_STATE, "%s: only a replay can do that; this host runs on the wall clock", name);
      return NULL;
    }
    size_t edits = hd_text_distance(verbs[i].name, name);
    if (edits < distance) distance = edits, best = verbs[i].name;
  }
  char shown[64];
  hd_text_copy(shown, sizeof shown, name);
  hd_text_printable(shown);
  hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "there is no command \"%s\"%s%s%s; {\"command\":\"help\"} lists them", shown, best ? "; did you mean \"" : "",
               best ? best : "", best ? "\"?" : "");
  return NULL;
}

static bool is_field(const char *fields, const char *key) {
  size_t length = strlen(key);
  for (const char *at = fields; *at;) {
    size_t n = strcspn(at, " ");
    if (n == length && memcmp(at, key, n) == 0) return true;
    at += n + (at[n] == ' ');
  }
  return false;
}

static bool check_fields(const struct verb *verb, json_t *request, struct hd_fault *fault) {
  const char *key;
  json_t *value;
  json_object_foreach(request, key, value) {
    if (strcmp(key, "command") == 0 || is_field(verb->fields, key)) continue;
    hd_fault_set(fault, HADRON_ERR_ARGUMENT, "%s: there is no field \"%.64s\"; it takes: %s", verb->name, key, *verb->fields ? verb->fields : "none");
    hd_text_printable(fault->text);
    return false;
  }
  return true;
}

json_t *hd_control_ask(struct hd_control *c, json_t *request, uint32_t uid, struct hd_fault *fault) {
  const char *name = json_string_value(json_object_get(request, "command"));
  c->requests++;
  if (!json_is_object(request) || !name) {
    hd_fault_set(fault, HADRON_ERR_PARSE, "expected an object like {\"command\":\"status\"}");
    return NULL;
  }
  const struct verb *verb = find(c, name, fault);
  if (!verb || !check_fields(verb, request, fault)) return NULL;
  uint32_t rights = uid == 0 || uid == c->owner_uid ? HD_RIGHT_LOOK | HD_RIGHT_OPERATE : 0;
  if (!(verb->right & rights)) {
    hd_fault_set(fault, HADRON_ERR_PERMISSION, "%s: uid %u may not; root and uid %u, who runs the host, may", verb->name, uid, c->owner_uid);
    return NULL;
  }
  fault->code = HADRON_OK;
  json_t *result = verb->run(c, request, uid, fault);
  if (!result && !fault->code) hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory for the answer", verb->name);
  return result;
}

json_t *hd_control_tell(struct hd_control *c, const char *command) {
  struct hd_fault fault;
  json_t *request = json_pack("{s:s}", "command", command), *result = hd_control_ask(c, request, c->owner_uid, &fault);
  json_decref(request);
  return result;
}

json_t *hd_control_final(struct hd_control *c) {
  c->ended = true;
  return hd_control_tell(c, "status");
}
