// What the commands that open a session share: options that go into the configuration, and its errors for people.
#ifndef HD_CLI_SETUP_H
#define HD_CLI_SETUP_H

#include "runtime/session.h"

#define HD_SETS_MAX 256

struct hd_setup {
  struct hd_config config;
  const char *path;            // of the configuration
  const char *sets[HD_SETS_MAX]; // "key=value"; borrowed, or one of `owned`
  uint32_t set_count;
  char *owned[HD_SETS_MAX];
  uint32_t owned_count;
  bool data, fills;            // recordings were given: they are the market; a simulated venue was added to fill against it
  bool json;
  uint32_t session;            // where `path` is a journal: whose configuration of its sessions, from 1; 0: the last one's
  struct hd_registry *registry; // hd_setup_registry; NULL: none
};

// Adds a --set; the last one of a key wins. False: too many.
bool hd_setup_set(struct hd_setup *s, const char *assignment);
__attribute__((format(printf, 2, 3))) bool hd_setup_setf(struct hd_setup *s, const char *format, ...);
// --data FILE: gives the files to the venue that replays, adding one if the configuration has none. Venues that bring a
// market of their own are left out, or fill against the recorded one instead.
bool hd_setup_data(struct hd_setup *s, const char *const *files, uint32_t count);
// Is this the directory of a journal, or a data directory with one?
bool hd_setup_is_journal(const char *path);
// Loads; a journal stands for the configuration that it was made with. Prints every error with file and line; an exit code.
int hd_setup_load(struct hd_setup *s, const char *command);
// A run over recorded data opens no address for others: the host that made the data may be at work, and nobody who joins could keep step.
void hd_setup_alone(struct hd_setup *s);
// Opens the registry where a section names a version of it ("sma@1.2.0"); else plugins are files. An exit code.
int hd_setup_registry(struct hd_setup *s, const char *command);
// The default plugin path, for commands that work without a configuration.
void hd_setup_plugins(struct hd_config *c);
// Makes data_dir and what leads to it.
int32_t hd_setup_directory(const struct hd_config *config, struct hd_fault *fault);
void hd_setup_fini(struct hd_setup *s);

#endif
