// `set services.NAME.params.X=...`: a service has a thread of its own and may be waiting for a database there, so nobody waits for it here.
// The change is an errand that its thread does between two steps; the answer comes when it is done, or was not taken in time.
#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "control/control_internal.h"

#define PATIENCE_NS INT64_C(30000000000)

struct hd_service_change {
  struct hd_service_change *next;
  struct hd_live_errand errand;
  struct hd_control *c;
  uint64_t asker;
  int64_t until_ns; // monotonic
  uint32_t index;   // of the service
  uint32_t count;
  struct hd_param_value *values; // owned, with their texts
  json_t *answer;                // owned
  int32_t code;
  struct hd_fault fault;
};

static void change_free(struct hd_service_change *x) {
  for (uint32_t i = 0; x->values && i < x->count; i++) {
    free((char *)(uintptr_t)x->values[i].name);
    free((char *)(uintptr_t)x->values[i].text);
  }
  free(x->values);
  json_decref(x->answer);
  free(x);
}

static const char *name_of(const struct hd_service_change *x) { return x->c->options.session->services[x->index].config->name; }

// [the service's thread, between two steps]
static void apply(void *argument) {
  struct hd_service_change *x = argument;
  struct hd_params_change *prepared = NULL;
  struct hadron_instance *instance = x->c->options.session->services[x->index].instance; // another one, if it was exchanged meanwhile
  x->code = hd_params_prepare_live(instance->plugin, x->values, x->count, &prepared, &x->fault);
  if (!x->code) x->code = hd_params_commit(prepared, instance, &x->fault);
  if (prepared) hd_params_free(prepared);
}

static void end(struct hd_service_change *x) {
  struct hd_service_change **at = &x->c->service_changes;
  while (*at != x) at = &(*at)->next;
  *at = x->next;
  if (x->asker) hd_control_answer(x->c, x->asker, x->code ? NULL : json_incref(x->answer), &x->fault);
  change_free(x);
}

void hd_service_changes_tick(struct hd_control *c) {
  struct hd_live *live = c->options.live;
  for (struct hd_service_change *x = c->service_changes, *next; x; x = next) {
    next = x->next;
    if (!atomic_load(&x->errand.done)) {
      if (hd_clock_monotonic_ns() < x->until_ns || !hd_live_service_withdraw(live, x->index, &x->errand)) continue;
      x->code = hd_fault_set(&x->fault, HADRON_ERR_TIMEOUT, "set: service %s did not come to it within %d s: it is in the middle of a step (waiting for a database?); ask again", name_of(x),
                             (int)(PATIENCE_NS / 1000000000));
    }
    end(x);
  }
}

// Its threads are gone.
void hd_service_changes_close(struct hd_control *c) {
  while (c->service_changes) {
    struct hd_service_change *x = c->service_changes;
    if (!atomic_load(&x->errand.done)) x->code = hd_fault_set(&x->fault, HADRON_ERR_CLOSED, "set: the host is stopping");
    end(x);
  }
}

json_t *hd_service_set(struct hd_control *c, uint32_t index, const struct hd_param_value *values, uint32_t count, json_t *answer, struct hd_fault *fault) {
  struct hd_service_change *x = calloc(1, sizeof *x);
  if (x) x->values = calloc(count, sizeof *x->values), x->answer = answer;
  bool whole = x && x->values && answer;
  for (uint32_t i = 0; whole && i < count; i++, x->count++) {
    x->values[i] = (struct hd_param_value){strdup(values[i].name), strdup(values[i].text), "set"};
    whole = x->values[i].name && x->values[i].text;
  }
  if (!whole) {
    if (x) change_free(x);
    else json_decref(answer);
    hd_fault_set(fault, HADRON_ERR_MEMORY, "set: out of memory");
    return NULL;
  }
  x->c = c;
  x->index = index;
  x->errand = (struct hd_live_errand){apply, x, false};
  x->until_ns = hd_clock_monotonic_ns() + PATIENCE_NS;
  if (!c->options.live) { // a replay steps its services on this thread
    apply(x);
    json_t *result = x->code ? NULL : json_incref(x->answer);
    if (x->code) *fault = x->fault;
    change_free(x);
    return result;
  }
  if (!hd_live_service_ask(c->options.live, index, &x->errand)) {
    hd_fault_set(fault, HADRON_ERR_STATE, "set: another change of service %s is under way; ask again when it is done", name_of(x));
    change_free(x);
    return NULL;
  }
  x->asker = hd_control_defer(c);
  x->next = c->service_changes;
  c->service_changes = x;
  hd_fault_set(fault, HADRON_ERR_AGAIN, "the answer comes later");
  return NULL;
}
