// What the registry's commands share: their options, and how they print.
#ifndef HD_CLI_REGISTRY_COMMAND_H
#define HD_CLI_REGISTRY_COMMAND_H

#include <jansson.h>

#include "cli/cli.h"
#include "cli/registry_target.h"
#include "cli/table.h"

struct hd_registry_call {
  const char *command; // "registry add"
  struct hd_registry_target target;
  bool json, dry_run, undo, unprobed, all, external;
  const char *signature, *reason, *key, *public_key, *retired_for, *revisions, *forget;
  char **words;        // what is no option
  int word_count;
  char who[HD_REGISTRY_WHO_SIZE];
  struct hd_registry *r; // owned; NULL: not opened
};

// Which options of its own a command takes, besides those that say which registry.
enum hd_registry_option {
  HD_OPTION_DRY_RUN = 1, HD_OPTION_UNDO = 2, HD_OPTION_UNPROBED = 4, HD_OPTION_SIGNATURE = 8, HD_OPTION_REASON = 16, HD_OPTION_KEY = 32, HD_OPTION_PUBLIC = 64,
  HD_OPTION_RETIRED_FOR = 128, HD_OPTION_REVISIONS = 256, HD_OPTION_ALL = 512, HD_OPTION_FORGET = 1024,
  HD_OPTION_EXTERNAL = 2048,
};

// Reads the command line; words_min to words_max words must be left (words: what they are, for the message). open: also opens the registry.
// An exit code. Whatever it is, hd_registry_call_end must follow.
int hd_registry_call_begin(struct hd_registry_call *c, const char *command, int argc, char **argv, uint32_t options, int words_min, int words_max, const char *words, bool open);
int hd_registry_call_end(struct hd_registry_call *c, int code);

// Prints the failure: words for people, with --json also an object with "ok": false, the code's name and the words.
int hd_registry_call_fail(const struct hd_registry_call *c, const struct hd_fault *fault);
// Prints an object; the reference is taken.
void hd_registry_call_print(json_t *o);
void hd_registry_call_table(struct hd_table *t); // prints and frees it
json_t *hd_registry_version_json(const struct hd_version *v);
int hd_registry_verify_file(struct hd_registry_call *c, const char *path); // registry_keys.c
void hd_registry_time(char to[24], int64_t ns); // "2024-08-08 23:54"; "-" for 0
void hd_registry_size(char to[24], uint64_t bytes);

#endif
