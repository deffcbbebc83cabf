// The commands, each with its help: what the table in cli.c is made of. One file per group implements them.
#ifndef HD_CLI_COMMANDS_H
#define HD_CLI_COMMANDS_H

#include <stdbool.h>

#define HD_COMMANDS(X)                                                                                                            \
  X(run) X(worker) X(backtest) X(replay) X(status) X(top) X(positions) X(orders) X(kill) X(release) X(set)                                        \
  X(deploy) X(enable) X(disable) X(reload) X(ab_report) X(ab) X(promote) X(rollback) X(history)                                  \
  X(diff) X(explain) X(simulate)                                                                                                             \
  X(journal_verify) X(journal_dump) X(journal_tail) X(journal_export) X(journal_salvage)                                            \
  X(inspect) X(generate) X(convert) X(validate) X(doctor)                                                                         \
  X(registry_add) X(registry_list) X(registry_show) X(registry_verify) X(registry_retire) X(registry_gc) X(registry_export)        \
  X(registry_import) X(registry_keygen) X(registry_sign) X(registry_trust) X(registry_revoke) X(registry_keys) X(registry_hosts)  \
  X(token) X(cert_ca) X(cert_issue) X(cert_revoke) X(cert_list) X(cert_show)

#define HD_COMMAND_DECLARE(name)        \
  extern const char hd_##name##_help[]; \
  int hd_##name##_command(int argc, char **argv);
HD_COMMANDS(HD_COMMAND_DECLARE)
#undef HD_COMMAND_DECLARE

// The child of a probe (plugin/probe.h): no command of the table, and its `run` does not come back.
bool hd_cli_is_rehearsal(int argc, char **argv);
_Noreturn void hd_cli_rehearse(void);
// `hadron worker --child`: a host's worker (runtime/worker.h); what it exits with.
bool hd_cli_is_worker_child(int argc, char **argv);
int hd_cli_worker_child(void);

#endif
