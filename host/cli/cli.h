// The command line: one table of commands, one file per group. Every command takes --help and, where it prints something, --json: then
// standard output holds one JSON object and nothing else. Progress and words for people go to standard error.
#ifndef HD_CLI_CLI_H
#define HD_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

// Exit codes, stable.
enum hd_exit {
  HD_EXIT_OK = 0,
  HD_EXIT_FAILED = 1,      // it was tried and failed
  HD_EXIT_USAGE = 2,       // the command line is wrong
  HD_EXIT_CONFIG = 3,      // the configuration is wrong
  HD_EXIT_DATA = 4,        // the input data is missing or broken
  HD_EXIT_NOT_RUNNING = 5, // no host answers on the control socket
  HD_EXIT_REFUSED = 6,     // the host refused the command
  HD_EXIT_DIFFERS = 7,     // a journal run again gives something else
};

struct hd_command {
  const char *name;     // "data inspect": up to two words
  const char *arguments; // "CONFIG [--duration 30s] ..."
  const char *summary;  // one line
  const char *example;  // one or several, a line each, without the program's name
  const char *help;     // the options, one line each; ends the help
  int (*run)(int argc, char **argv); // argv[0] is the command's last word
};

// The program's main: finds the command, answers --help and --version. [control]
int hd_cli_main(int argc, char **argv);

extern const struct hd_command hd_commands[];
extern const uint32_t hd_command_count;

// Prints "hadron COMMAND: TEXT" and the hint to standard error; returns `code`.
int hd_cli_fail(const char *command, int code, const struct hd_fault *fault);
__attribute__((format(printf, 2, 3))) int hd_cli_usage(const char *command, const char *format, ...);
// The exit code that an error belongs to.
int hd_cli_exit(int32_t code);
// Is standard error / output a terminal that takes colours? (NO_COLOR is respected.)
bool hd_cli_colours(int fd);
// Columns of the terminal, 80 if it is none.
uint32_t hd_cli_columns(int fd);

#endif
