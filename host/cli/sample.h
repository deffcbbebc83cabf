// A backtest or replay without data still runs: the sample that the configuration describes (`sample`) is generated once and kept in
// data_dir under a name made of its settings.
#ifndef HD_CLI_SAMPLE_H
#define HD_CLI_SAMPLE_H

#include "cli/setup.h"

// If a `replay` venue of the loaded configuration has no files: makes the sample unless it is there, says so on standard error, gives
// it to the venue and loads the configuration again. Returns an exit code.
int hd_sample_if_needed(struct hd_setup *s, const char *command);

#endif
