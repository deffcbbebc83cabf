// Keeps what finished backtests came to: one row of `backtest_results` per run, with the figures as columns, the effective configuration
// and the whole report as JSON. The tables are made when they are not there. [control]
#ifndef HD_CLI_RESULTS_H
#define HD_CLI_RESULTS_H

#include "cli/report.h"

// url: sqlite:PATH or postgresql://...; NULL or "": sqlite:DATA_DIR/hadron.sqlite.
int32_t hd_results_write(const struct hd_report *r, const struct hd_config *config, const char *url, struct hd_fault *fault);

#endif
