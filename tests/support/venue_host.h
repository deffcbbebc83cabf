// A small fake host that drives one venue plugin through its vtable, for tests:
//
//   struct venue_host *h = venue_host_open("replay");                 // HADRON_PLUGIN_DIR/replay.so
//   venue_host_set(h, "files", path);  ...                            // parameters, as the config would write them
//   int32_t result = venue_host_start(h);                             // changed(), start()
//   while (venue_host_poll(h)) ...                                    // until it wants no more polls
//   h->ticks, h->tick_count; h->reports; h->state, h->words; h->fault // what it said
//   venue_host_close(h);
//
// Handles of listings are given from 1 up. The clock is `now_ns`; a poll sets it to the time that the venue asked for. Ticks and
// reports are kept unless a callback takes them. Asserts with cmocka where a plugin breaks the contract.
#ifndef TEST_VENUE_HOST_H
#define TEST_VENUE_HOST_H

#include <stdbool.h>

#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define VENUE_HOST_LISTINGS 4096u
#define VENUE_HOST_METRICS 64u

struct venue_host {
  struct hadron_host host;
  void *library;
  const struct hadron_plugin *plugin;
  const struct hadron_venue_api *api;
  void *self;
  int64_t now_ns, next_ns;
  uint64_t seed;

  // Settings of the test.
  bool closed;              // refuse listings that are not in `universe`
  const char *universe;     // symbols parted by blanks
  uint32_t take_max;        // ticks taken a call; 0: all
  bool discard;             // do not keep ticks
  void (*on_ticks)(void *user, const struct hadron_tick *ticks, uint32_t count);
  void (*on_report)(void *user, const struct hadron_venue_report *report);
  void *user;
  struct hadron_instrument_definition *definitions; // by listing - 1; filled from listings
  bool started;

  // What the venue said.
  struct hadron_tick *ticks;
  uint64_t tick_count, tick_capacity, ticks_taken;
  struct hadron_venue_report *reports;
  uint64_t report_count, report_capacity;
  struct hadron_listing listings[VENUE_HOST_LISTINGS];
  uint32_t listing_count;
  struct hadron_adjustment adjustments[4096];
  uint64_t adjusted_at[4096]; // ticks taken before it
  uint32_t adjustment_count;
  uint32_t state;             // enum hadron_venue_state, the last one
  uint32_t states;            // bits of all that were told
  char words[512];
  char fault[1200];
  uint64_t progress_done, progress_total, progress_calls;
  uint64_t log_count;
  char log[32][600];          // the first lines: "ID text"
  struct {
    const struct hadron_metric *metric;
    int64_t cell;
  } metrics[VENUE_HOST_METRICS];
  uint32_t metric_count;
};

// Loads and creates. Fails the test if the plugin cannot be loaded.
struct venue_host *venue_host_open(const char *plugin);
void venue_host_close(struct venue_host *h);

// Writes a parameter's value by its row. Fails the test for an unknown name or a value that does not parse.
void venue_host_set(struct venue_host *h, const char *name, const char *value);

int32_t venue_host_start(struct venue_host *h);

// One poll at the time the venue asked for. false: it does not want to be polled by time.
bool venue_host_poll(struct venue_host *h);

// Polls until that.
void venue_host_run(struct venue_host *h);

// Value of a metric; fails the test if there is none of that name.
int64_t venue_host_metric(const struct venue_host *h, const char *name);

// Path of a file below HADRON_SHARED_DIR; skips the test with a message when the folder is absent. static until the next call
const char *shared_file(const char *path);

#endif
