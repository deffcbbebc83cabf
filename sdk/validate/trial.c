#include "sdk/validate/trial.h"

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"

static const char *const callback_names[CALLBACK_COUNT] = {"on_tick", "on_bar", "on_timer", "on_execution", "on_order", "merge", "poll", "step"};

__attribute__((format(printf, 4, 0))) static void note(struct trial *t, uint32_t outcome, const char *name, const char *format, va_list args) {
  struct hd_validation *r = &t->report;
  if (r->check_count == HD_CHECKS_MAX) return;
  struct hd_check *c = &r->checks[r->check_count];
  c->outcome = outcome;
  hd_text_copy(c->name, sizeof c->name, name);
  vsnprintf(c->words, sizeof c->words, format, args);
  r->check_count++; // last: the parent reads whole rows only
}

#define NOTE(function, outcome)                                                      \
  void function(struct trial *t, const char *name, const char *format, ...) {        \
    va_list args;                                                                    \
    va_start(args, format);                                                          \
    note(t, outcome, name, format, args);                                            \
    va_end(args);                                                                    \
  }
NOTE(trial_pass, HD_CHECK_PASS)
NOTE(trial_fail, HD_CHECK_FAIL)
NOTE(trial_skip, HD_CHECK_SKIP)

void trial_step(struct trial *t, const char *step) {
  char name[sizeof t->at->step];
  snprintf(name, sizeof name, "%s%s", t->prefix ? t->prefix : "", step);
  memcpy(t->at->step, name, sizeof name); // at once: the parent reads it when this process is gone
  t->at->call = 1;
}

uint64_t trial_begin(struct trial *t, enum callback which) {
  if (strcmp(t->at->step, callback_names[which]) != 0) hd_text_copy(t->at->step, sizeof t->at->step, callback_names[which]);
  t->at->call = t->cost[which].count + 1;
  t->allocations[which] -= t->watched.allocations; // wraps, and back when the call has ended
  watch_start(&t->watched);
  return hd_cycles();
}

void trial_end(struct trial *t, enum callback which, uint64_t begun, int32_t code) {
  uint64_t cycles = hd_cycles() - begun;
  watch_stop();
  t->allocations[which] += t->watched.allocations;
  hd_histogram_record(&t->cost[which], (uint64_t)hd_cycles_to_ns(cycles));
  if (code == HADRON_OK) return;
  t->errors[which]++;
  t->last_error[which] = code;
  t->failed = *t->at;
  t->failed_code = code;
}

uint64_t trial_errors(const struct trial *t) {
  uint64_t sum = 0;
  for (int i = 0; i < CALLBACK_COUNT; i++) sum += t->errors[i];
  return sum;
}

bool trial_params(struct trial *t, struct hadron_instance *instance) {
  struct hd_fault fault = {0};
  trial_step(t, "params changed");
  int32_t err = hd_params_apply(instance, t->options->params, t->options->param_count, &fault);
  if (err == HADRON_OK) return true;
  // A parameter without a default is the user's to give, not the plugin's fault.
  if (err == HADRON_ERR_CONFIG) trial_skip(t, "params", "%s; give it with --set NAME=VALUE to run the rest", fault.text);
  else trial_fail(t, "params", "%s", fault.text);
  return false;
}

static void check_errors(struct trial *t) {
  char words[400] = "";
  size_t used = 0;
  for (int i = 0; i < CALLBACK_COUNT && used < sizeof words; i++)
    if (t->errors[i] > 0)
      used += (size_t)snprintf(words + used, sizeof words - used, "%s%s returned %d (%s) in %llu of %llu calls", used ? "; " : "", callback_names[i], t->last_error[i],
                               hadron_error_text(t->last_error[i]), (unsigned long long)t->errors[i], (unsigned long long)t->cost[i].count);
  if (used > 0) trial_fail(t, "callbacks", "%s", words);
  else trial_pass(t, "callbacks", "none returned an error");
}

static void check_watched(struct trial *t) {
  const struct {
    const char *name, *rule;
    uint64_t count;
    const char *first;
  } rows[] = {{"no_allocation", "must not allocate: make what is needed in create or start", t->watched.allocations, t->watched.first[0]},
              {"host_clock", "must take the time from the host (now_ns): replay owns it", t->watched.clocks, t->watched.first[1]},
              {"host_random", "must take random numbers from the host (random): replay owns them", t->watched.randoms, t->watched.first[2]},
              {"no_blocking", "must not lock, sleep, read or write", t->watched.blocks, t->watched.first[3]}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    if (rows[i].count == 0) trial_pass(t, rows[i].name, "no such call was seen in callbacks");
    else trial_fail(t, rows[i].name, "callbacks %s; found %llu calls, the first of %s()", rows[i].rule, (unsigned long long)rows[i].count, rows[i].first);
  }
}

void trial_conduct(struct trial *t, bool nonblocking) {
  for (int i = 0; i < CALLBACK_COUNT && t->report.cost_count < HD_CALLBACKS_MAX; i++) {
    const struct hd_histogram *h = &t->cost[i];
    if (h->count == 0) continue;
    struct hd_callback_cost *c = &t->report.costs[t->report.cost_count++];
    hd_text_copy(c->name, sizeof c->name, callback_names[i]);
    c->calls = h->count;
    c->errors = t->errors[i];
    c->allocations = t->allocations[i];
    c->p50_ns = hd_histogram_quantile(h, 0.5);
    c->p99_ns = hd_histogram_quantile(h, 0.99);
    c->max_ns = h->max;
  }
  check_errors(t);
  if (!nonblocking) return;
  if (t->plugin->language == HD_LANGUAGE_NATIVE) check_watched(t);
  else trial_skip(t, "no_allocation", "scripts are held to their memory cap and instruction budget instead");
}
