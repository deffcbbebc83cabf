// One version of a strategy over an engine, as a shard runs it inline, with every decision kept; and a market of random walks to feed it with.
// What runs elsewhere is held against it.
#ifndef TEST_SUPPORT_INLINE_RIG_H
#define TEST_SUPPORT_INLINE_RIG_H

#include "pipeline/engine.h"
#include "plugin/instance.h"
#include "plugin/params.h"
#include "runtime/far.h"
#include "support/market.h"
#include "support/test.h"

#define INLINE_ARM 3
#define INLINE_SEED UINT64_C(42)
#define INLINE_SESSION UINT64_C(0x1122334455667788)

struct decision_list {
  struct hadron_decision *rows; // owned
  uint32_t count, room;
};
void decision_list_add(struct decision_list *l, const struct hadron_decision *d, uint32_t count);
void decision_list_fini(struct decision_list *l);
// Byte for byte; fails the test with the first difference.
void decision_list_same(const struct decision_list *expected, const struct decision_list *found);

struct inline_rig {
  struct test_market market;
  const struct hd_plugin *plugin;
  struct hd_param_value params[8];
  uint32_t param_count;
  uint32_t universe[TEST_INSTRUMENTS];
  uint32_t universe_count;
  struct hd_engine *engine;
  struct hd_engine_instance seats[TEST_INSTRUMENTS];
  struct hadron_instance instances[TEST_INSTRUMENTS];
  uint32_t count;
  struct decision_list decisions;
};

// plugin: "sma.so" or "pairs.so" of HADRON_PLUGIN_DIR, a path that begins with "/", or the text of a script (it begins with "--"). params: pairs, ended by NULL.
void inline_rig_open(struct inline_rig *rig, const char *plugin, uint32_t instruments, const char *const *params);
void inline_rig_start(struct inline_rig *rig);
void inline_rig_close(struct inline_rig *rig);
void inline_rig_tick(struct inline_rig *rig, const struct hadron_tick *tick);       // what is due first
void inline_rig_note(struct inline_rig *rig, const struct hd_channel_note *note);   // ALLOCATION, ORDER_EVENT, POSITION
void inline_rig_time(struct inline_rig *rig, int64_t now_ns);
// What a far engine of the same is made of; to be freed.
char *inline_rig_describe(const struct inline_rig *rig);

// The next event of a market: a tick (true) or a note about the arm (false).
struct walk {
  struct hd_random random;
  uint32_t instruments;
  int64_t now_ns;
  uint64_t sequence;
  int64_t prices[TEST_INSTRUMENTS + 1];
  int64_t positions[TEST_INSTRUMENTS + 1];
};
void walk_init(struct walk *w, uint64_t seed, uint32_t instruments);
bool walk_next(struct walk *w, struct hadron_tick *tick, struct hd_channel_note *note);

#endif
