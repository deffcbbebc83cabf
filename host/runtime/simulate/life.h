// One life of the host in a world: a child process with the real session on one thread under the world's clock. It ends at rest, or as
// the world has planned: between two events, in a call, at a crash point. Its parent only waits and looks.
#ifndef HD_RUNTIME_SIMULATE_LIFE_H
#define HD_RUNTIME_SIMULATE_LIFE_H

#include "runtime/session.h"
#include "runtime/simulate/database.h"

// What a test puts between the host and its world, to see that the torturer notices. All of them are called in the child.
struct hd_life_hooks {
  void *user;
  void (*disk)(void *user, struct hd_disk *disk);          // before it is open
  void (*opened)(void *user, struct hd_session *session);  // the session is open, nothing has happened yet
  hd_venue_hear *hear;                                     // what the venue says
  bool follows_clock;                                      // the host takes over what the machine's clock is set to while it runs
};

struct hd_life_setup {
  struct hd_config config;           // of all lives; each world sets what differs
  const struct hd_plugin *allocator, *recorder; // loaded once, before any life
  struct hd_sim_database database;   // of the worlds that have one
  const struct hd_life_hooks *hooks; // NULL: none
  struct hd_sim_disk *disk;          // of the worlds of this process
  int words;                         // where what a life prints goes; -1: standard error
};

enum hd_life_end {
  HD_LIFE_AT_REST = 1, // the seed is over: nothing moves any more
  HD_LIFE_CRASH,       // as planned
  HD_LIFE_STOPPED,     // the host has stopped by itself, for a reason that it was given
  HD_LIFE_BROKEN,      // it died of something else: a finding
};

// Loads what all lives share. The allocator comes from plugin_path; NULL: beside the program.
int32_t hd_life_setup_open(struct hd_life_setup *setup, const char *plugin_path, struct hd_fault *fault);
void hd_life_setup_close(struct hd_life_setup *setup);

// Plans the next life and lives it. [parent]
enum hd_life_end hd_life(struct hd_life_setup *setup, struct hd_world *w);

// rest.c [child]
bool hd_life_rests(struct hd_world *w, const struct hd_session *s, const char **why);
// Holds the host's books and orders against the truth.
void hd_life_judge(struct hd_world *w, struct hd_session *s);

#endif
