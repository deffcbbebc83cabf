// What is asked of a strategy: that it can be made and thrown away at any point, that its callbacks keep to their rules, that the
// same script gives the same decisions whoever else runs beside it, and that its state is the whole of what it remembers.
#include "base/banned.h"
#include "plugin/state.h"
#include "sdk/validate/market.h"

#define HOSTILE_STATES 300

static struct market *make(struct trial *t, uint64_t seed, bool started, const char *check) {
  struct market *m = calloc(1, sizeof *m);
  struct hd_fault fault = {0};
  if (m == NULL) return NULL;
  int32_t err = market_open(m, t, &(struct market_setup){.seed = seed, .optional = true}, &fault);
  bool ready = err == HADRON_OK;
  if (!ready) trial_fail(t, check, "%s", fault.text);
  else if (!trial_params(t, &m->instance)) ready = false;
  else if (started) {
    trial_step(t, "start");
    ready = hd_instance_start(&m->instance, &fault) == HADRON_OK;
    if (!ready) trial_fail(t, check, "%s", fault.text);
  }
  if (ready) return m;
  market_close(m);
  free(m);
  return NULL;
}

static void drop(struct market *m) {
  if (m == NULL) return;
  market_close(m);
  free(m);
}

static void check_half_built(struct trial *t) {
  struct hd_fault fault = {0};
  for (int optional = 0; optional < 2; optional++) {
    struct market *m = calloc(1, sizeof *m);
    if (m == NULL) return;
    int32_t err = market_open(m, t, &(struct market_setup){.seed = t->options->seed, .optional = optional}, &fault);
    market_close(m); // without parameters, without start
    free(m);
    const char *name = optional ? "create_destroy" : "required_alone";
    if (err) trial_fail(t, name, "%s", fault.text);
    else trial_pass(t, name, optional ? "is made and thrown away without parameters and start" : "is made with the required capabilities alone");
  }
}

static void check_script(struct trial *t, struct market *m) {
  m->measured = true;
  market_play(m, MARKET_TICKS);
  t->report.decisions = m->decisions;
  if (m->refused > 0) trial_fail(t, "decisions", "%llu of %llu were out of their range; the first: %s", (unsigned long long)m->refused, (unsigned long long)(m->refused + m->decisions), m->refusal);
  else trial_pass(t, "decisions", "%llu decisions in %d ticks, all in their range", (unsigned long long)m->decisions, MARKET_TICKS);
  trial_conduct(t, true);
}

static void check_repeat(struct trial *t, const struct market *first) {
  struct market *again = make(t, t->options->seed, true, "determinism");
  if (again == NULL) return;
  market_play(again, MARKET_TICKS);
  bool same = again->digest == first->digest && again->decisions == first->decisions;
  if (same) trial_pass(t, "determinism", "a second run of the script gives the same decisions");
  else trial_fail(t, "determinism", "a second run of the same script: expected %llu decisions with checksum %08x, found %llu with %08x; keep all state in the instance, take time and chance from the host",
                  (unsigned long long)first->decisions, first->digest, (unsigned long long)again->decisions, again->digest);
  drop(again);
}

// An instance beside another one, which sees another market, decides as if it were alone.
static void check_isolation(struct trial *t, const struct market *alone) {
  struct market *one = make(t, t->options->seed, true, "isolation"), *other = make(t, t->options->seed + 1, true, "isolation");
  if (one != NULL && other != NULL) {
    for (int i = 0; i < MARKET_TICKS; i++) {
      market_play(other, 1);
      market_play(one, 1);
    }
    if (one->digest == alone->digest) trial_pass(t, "isolation", "two instances side by side do not see each other");
    else trial_fail(t, "isolation", "beside another instance: expected decisions with checksum %08x, found %08x; keep no state outside of the instance", alone->digest, one->digest);
  }
  drop(one);
  drop(other);
}

// ---- state

struct saved {
  unsigned char *bytes;
  uint32_t size;
};

static bool save(struct trial *t, struct market *m, struct saved *to) {
  struct hd_fault fault = {0};
  uint32_t capacity = hd_state_size_max(t->plugin);
  to->bytes = aligned_alloc(64, (capacity + 63u) / 64 * 64);
  trial_step(t, "save");
  if (to->bytes != NULL && hd_state_save(&m->instance, to->bytes, capacity, &to->size, &fault) == HADRON_OK) return true;
  trial_fail(t, "state_save", "%s", fault.text);
  return false;
}

// The script goes on with an instance that took the state over: market, positions and timers are the host's and stay.
static struct market *take_over(struct trial *t, const struct market *from, const struct saved *state) {
  struct market *m = make(t, t->options->seed, false, "state_load");
  struct hd_fault fault = {0};
  if (m == NULL) return NULL;
  trial_step(t, "load state");
  int32_t err = hd_state_load(&m->instance, state->bytes, state->size, &fault);
  if (!err) trial_step(t, "start"), err = hd_instance_start(&m->instance, &fault);
  if (err) {
    trial_fail(t, "state_load", "%s", fault.text);
    drop(m);
    return NULL;
  }
  market_follow(m, from);
  return m;
}

// Offsets are told as the plugin knows them: without the host's header.
static void compare_saved(struct trial *t, const struct saved *a, const struct saved *b) {
  uint32_t head = sizeof(struct hadron_state_header), at = head;
  while (at < a->size && at < b->size && a->bytes[at] == b->bytes[at]) at++;
  if (a->size == b->size && at == a->size) trial_pass(t, "state_identity", "save, load, save gives the same %u bytes", a->size - head);
  else trial_fail(t, "state_identity", "save, load, save: expected the same %u bytes, found %u that differ from offset %u on", a->size - head, b->size - head, at - head);
}

static void check_hostile_states(struct trial *t, const struct saved *good) {
  struct hd_random r;
  hd_random_init(&r, t->options->seed);
  const struct hadron_state *table = t->plugin->state;
  uint32_t payload = good->size - (uint32_t)sizeof(struct hadron_state_header), taken = 0;
  for (int i = 0; i < HOSTILE_STATES; i++) {
    struct market *m = make(t, t->options->seed, false, "state_hostile");
    // A buffer of its own for each, so that a sanitizer sees reads beyond it.
    uint32_t size = i % 2 && payload > 0 ? (uint32_t)hd_random_below(&r, payload) : payload;
    unsigned char *bytes = malloc(size ? size : 1);
    if (m == NULL || bytes == NULL) {
      drop(m), free(bytes);
      return;
    }
    memcpy(bytes, good->bytes + sizeof(struct hadron_state_header), size);
    for (uint32_t flips = i % 2 ? 0 : 1 + (uint32_t)hd_random_below(&r, 4); size > 0 && flips > 0; flips--)
      bytes[hd_random_below(&r, size)] = (unsigned char)(hd_random_next(&r) & 0xff);
    trial_step(t, "load of a damaged state");
    t->at->call = (uint64_t)i + 1;
    if (table->load(m->instance.self, table->schema, bytes, size) == HADRON_OK && ++taken)
      if (hd_instance_start(&m->instance, NULL) == HADRON_OK) market_play(m, 50); // what it took, it must be able to live with
    drop(m);
    free(bytes);
  }
  trial_pass(t, "state_hostile", "%d damaged states: %u refused, %u taken, none crashed it", HOSTILE_STATES, HOSTILE_STATES - taken, taken);
}

static void check_state(struct trial *t, const struct market *whole) {
  if (t->plugin->state == NULL) {
    trial_skip(t, "state_identity", "it does not offer hadron.state/1: a restart begins from nothing");
    return;
  }
  struct saved first = {0}, second = {0};
  struct market *m = make(t, t->options->seed, true, "state_save"), *heir = NULL;
  if (m != NULL) market_play(m, MARKET_TICKS / 2);
  if (m != NULL && save(t, m, &first)) heir = take_over(t, m, &first);
  if (heir != NULL && save(t, heir, &second)) {
    compare_saved(t, &first, &second);
    market_play(m, MARKET_TICKS / 2);
    if (m->digest == whole->digest) trial_pass(t, "state_const", "saving does not change the instance");
    else trial_fail(t, "state_const", "after a save: expected decisions with checksum %08x, found %08x; save must not change the instance", whole->digest, m->digest);
    market_play(heir, MARKET_TICKS / 2);
    if (heir->digest == whole->digest) trial_pass(t, "state_handover", "an instance that took the state over decides as the first would have");
    else trial_fail(t, "state_handover", "after a hand-over: expected decisions with checksum %08x, found %08x; the state must hold all that decisions depend on", whole->digest, heir->digest);
    drop(heir);
    heir = NULL;
    check_hostile_states(t, &first);
  }
  drop(heir);
  drop(m);
  free(first.bytes);
  free(second.bytes);
}

void validate_strategy(struct trial *t) {
  check_half_built(t);
  struct market *m = make(t, t->options->seed, true, "start");
  if (m == NULL) return;
  trial_pass(t, "start", "parameters are taken, start succeeds");
  check_script(t, m);
  check_repeat(t, m);
  check_isolation(t, m);
  check_state(t, m);
  drop(m);
}
