// Options of a command group: one row each says where its value goes and which of the group's commands take it.
#ifndef HD_CLI_OPTIONS_H
#define HD_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HD_CLI_OPTIONS_MAX 32

struct hd_cli_option {
  const char *name;
  size_t offset; // in the call: of a bool for a flag, else of a const char *
  bool flag;
  uint32_t of;   // bits of the commands that take it; 0: all
  char letter;   // short form; 0: none
};

struct hd_cli_words { // what is left of the command line
  char **words;
  int count;
};

// taken: bits of this command. An exit code; the words are behind the options. [control]
int hd_cli_options(const char *command, const struct hd_cli_option *rows, uint32_t count, uint32_t taken, void *call, int argc, char **argv, struct hd_cli_words *words);

#endif
