// What is asked of an allocator: the same input gives the same output, and the output adds up: every leg is the sum of its shares,
// every share is of a decision that went in, nothing is negative, and the input is left alone.
#include "base/banned.h"
#include "sdk/validate/trial.h"

#define MERGES 2000
#define DECISIONS_MAX 12

static int64_t fixed_now(void *owner) {
  (void)owner;
  return INT64_C(1704207600000000000);
}

struct merge_case {
  struct hadron_decision decisions[DECISIONS_MAX];
  struct hadron_standing standings[DECISIONS_MAX];
  struct hadron_market market;
  struct hadron_merge_input input;
};

static int64_t units(struct hd_random *r, uint64_t below) { return (int64_t)hd_random_below(r, below) * HADRON_QUANTITY_SCALE; }

static void fill_case(struct hd_random *r, struct merge_case *c, uint64_t id) {
  memset(c, 0, sizeof *c);
  uint32_t count = 1 + (uint32_t)hd_random_below(r, DECISIONS_MAX);
  int64_t price = (int64_t)(9000 + hd_random_below(r, 2000)) * (HADRON_PRICE_SCALE / 100);
  c->market = (struct hadron_market){.instrument = 1, .last = {price}, .bid = {price - 10000000}, .ask = {price + 10000000}, .increment = {10000000}, .lot = {HADRON_QUANTITY_SCALE}, .state = HADRON_MARKET_OPEN};
  for (uint32_t i = 0; i < count; i++) {
    struct hadron_decision *d = &c->decisions[i];
    d->id = id + i, d->arm = 1 + i, d->instrument = 1;
    d->kind = hd_random_below(r, 2) ? HADRON_DECISION_TARGET : HADRON_DECISION_SIDE;
    d->side = d->kind == HADRON_DECISION_SIDE ? (hd_random_below(r, 2) ? HADRON_SIDE_BUY : HADRON_SIDE_SELL) : 0;
    d->quantity.e8 = d->kind == HADRON_DECISION_SIDE ? units(r, 500) + HADRON_QUANTITY_SCALE : units(r, 1000) - 500 * HADRON_QUANTITY_SCALE;
    d->order_type = hd_random_below(r, 3) ? HADRON_ORDER_MARKET : HADRON_ORDER_LIMIT;
    if (d->order_type == HADRON_ORDER_LIMIT) d->limit.nanos = price;
    d->time_in_force = d->order_type == HADRON_ORDER_MARKET ? HADRON_TIF_IOC : HADRON_TIF_DAY;
    d->mean_return = hd_random_unit(r) / 100, d->uncertainty = hd_random_unit(r) / 50, d->confidence = hd_random_unit(r);
    c->standings[i] = (struct hadron_standing){.weight = hd_random_unit(r), .position = {units(r, 200) - 100 * HADRON_QUANTITY_SCALE}, .role = 1};
  }
  c->input = (struct hadron_merge_input){sizeof c->input, count, c->decisions, c->standings, &c->market, fixed_now(NULL)};
}

// What is wrong with an output; NULL: nothing.
static const char *output_wrong(const struct merge_case *c, const struct hadron_merge_output *o) {
  if (o->leg_count > HADRON_MERGE_LEGS_MAX) return "leg_count is above HADRON_MERGE_LEGS_MAX";
  if (o->share_count > 2 * HADRON_MERGE_DECISIONS_MAX) return "share_count is above twice HADRON_MERGE_DECISIONS_MAX";
  for (uint32_t i = 0; i < o->leg_count; i++) {
    const struct hadron_leg *leg = &o->legs[i];
    if (leg->quantity.e8 <= 0) return "a leg's quantity is not positive";
    if (leg->side != HADRON_SIDE_BUY && leg->side != HADRON_SIDE_SELL) return "a leg's side is neither BUY nor SELL";
    if (leg->lead >= c->input.count) return "a leg's lead is no decision of the input";
    if (leg->share_count == 0 || leg->share_first > o->share_count || leg->share_count > o->share_count - leg->share_first) return "a leg's shares lie outside of the table";
    hadron_int128 sum = 0;
    for (uint32_t s = leg->share_first; s < leg->share_first + leg->share_count; s++) {
      if (o->shares[s].decision >= c->input.count) return "a share's decision is not of the input";
      if (o->shares[s].quantity.e8 <= 0) return "a share's quantity is not positive";
      sum += o->shares[s].quantity.e8;
    }
    // Where arms of the house meet, both sides have their shares.
    if (sum != leg->quantity.e8 && !(leg->crossed == 1 && sum == (hadron_int128)2 * leg->quantity.e8)) return "a leg's quantity is not the sum of its shares";
  }
  return NULL;
}

static void check_merges(struct trial *t, struct hadron_instance *instance) {
  const struct hadron_allocator_api *api = t->plugin->api;
  struct hd_random r;
  hd_random_init(&r, t->options->seed);
  struct merge_case *c = calloc(2, sizeof *c);
  struct hadron_merge_output *o = calloc(2, sizeof *o);
  uint64_t legs = 0, different = 0, touched = 0, wrong = 0;
  const char *first_wrong = NULL;
  for (uint64_t i = 0; c != NULL && o != NULL && i < MERGES; i++) {
    fill_case(&r, &c[0], 1 + i * DECISIONS_MAX);
    memcpy(&c[1], &c[0], sizeof *c);
    memset(o, 0, 2 * sizeof *o);
    o[0].struct_size = o[1].struct_size = sizeof *o;
    uint64_t begun = trial_begin(t, CALLBACK_MERGE);
    int32_t code = api->merge(instance->self, &c[0].input, &o[0]);
    trial_end(t, CALLBACK_MERGE, begun, code);
    if (api->merge(instance->self, &c[0].input, &o[1]) != code || memcmp(&o[0], &o[1], sizeof *o) != 0) different++;
    touched += memcmp(&c[0], &c[1], sizeof *c) != 0;
    if (code != HADRON_OK) continue;
    const char *what = output_wrong(&c[0], &o[0]);
    if (what != NULL && wrong++ == 0) first_wrong = what;
    else if (what == NULL) legs += o[0].leg_count;
  }
  free(c), free(o);
  if (wrong > 0) trial_fail(t, "adds_up", "%llu of %d merges are wrong; the first: %s", (unsigned long long)wrong, MERGES, first_wrong);
  else trial_pass(t, "adds_up", "%d merges made %llu legs, each the sum of its shares", MERGES, (unsigned long long)legs);
  if (different > 0) trial_fail(t, "determinism", "%llu of %d merges gave another output for the same input; keep no state and leave unused bytes alone", (unsigned long long)different, MERGES);
  else trial_pass(t, "determinism", "the same input gives the same output");
  if (touched > 0) trial_fail(t, "input_const", "%llu of %d merges changed their input", (unsigned long long)touched, MERGES);
  else trial_pass(t, "input_const", "the input is left alone");
}

static int32_t open_allocator(struct hadron_instance *instance, struct trial *t, struct hd_fault *fault) {
  struct hd_instance_options o = {.plugin = t->plugin, .owner = t, .now = fixed_now, .metrics = hd_metrics_create(256), .name = t->plugin->manifest.name, .seed = t->options->seed};
  int32_t err = hd_instance_init(instance, &o, fault);
  trial_step(t, "create");
  return err ? err : hd_instance_create_allocator(instance, fault);
}

struct hadron_instance *validate_allocator_open(struct trial *t, int32_t *err, struct hd_fault *fault) {
  struct hadron_instance *instance = calloc(1, sizeof *instance);
  if (instance != NULL) *err = open_allocator(instance, t, fault);
  return instance;
}

void validate_allocator(struct trial *t) {
  struct hadron_instance instance;
  struct hd_fault fault = {0};
  for (int i = 0; i < 2; i++) {
    if (open_allocator(&instance, t, &fault)) {
      trial_fail(t, "create_destroy", "%s", fault.text);
      return;
    }
    if (i == 1) break;
    trial_step(t, "destroy");
    hd_instance_fini(&instance); // without parameters
  }
  trial_pass(t, "create_destroy", "is made and thrown away without parameters");
  if (trial_params(t, &instance)) {
    hd_instance_start(&instance, NULL);
    check_merges(t, &instance);
    trial_conduct(t, true);
  }
  trial_step(t, "destroy");
  hd_instance_fini(&instance);
}
