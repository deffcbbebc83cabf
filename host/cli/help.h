// What `hadron --help` and `hadron COMMAND --help` print, as wide as the terminal is, and 80 columns where there is none.
#ifndef HD_CLI_HELP_H
#define HD_CLI_HELP_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/cli.h"

void hd_help_overview(FILE *to);
// The commands that begin with this word. False: there are none.
bool hd_help_group(const char *word, FILE *to);
void hd_help_command(const struct hd_command *command);

#endif
