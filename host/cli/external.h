// Strategies in Python: what a file has, and for `hadron backtest --strategy FILE` those that a run starts itself. Each is a child that joins over the run's own address and goes in
// step with it (runtime/standin.h); one that ends before the run does takes itself out of it, and the run fails.
#ifndef HD_CLI_EXTERNAL_H
#define HD_CLI_EXTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "runtime/session.h"

#define HD_EXTERNAL_MAX 16

struct hd_external_row {
  const char *file;            // borrowed
  char name[HADRON_NAME_SIZE]; // of its section
  pid_t pid;                   // 0: not started
  int status;                  // of waitpid
  bool gone;                   // it had ended before the run did
  pthread_t watcher;           // waits for it to end
  struct hd_external *of;
};

struct hd_external {
  struct hd_external_row rows[HD_EXTERNAL_MAX];
  uint32_t count;
  struct hd_session *session;  // borrowed
  _Atomic bool ending;         // they were asked to
};

bool hd_external_add(struct hd_external *e, const char *file); // false: too many
// Asks each file for its strategy's name. Prints what is wrong; an exit code.
int hd_external_describe(struct hd_external *e, const char *command);
// What Python says of a strategy's file, as the card that registers it (runtime/card.h): a text from malloc. It runs the file in a child.
int32_t hd_external_card(const char *file, char **out, struct hd_fault *fault);
// Before the session opens: sections with external = true whose program is not given are left out, and it is said. e: NULL: none is given.
void hd_external_leave_out(const struct hd_external *e, struct hd_config *config);
// Once it is open: nobody would answer for a card that a section names by its version, and the run would wait for ever. HADRON_ERR_CONFIG
int32_t hd_external_alone(const struct hd_external *e, const struct hd_session *session, struct hd_fault *fault);
// Before the session opens: they try until its address is there.
int32_t hd_external_start(struct hd_external *e, const struct hd_config *config, struct hd_session *session, struct hd_fault *fault);
// Asks them to end and waits. HADRON_ERR_PLUGIN: one had ended by itself. fault: may be NULL.
int32_t hd_external_end(struct hd_external *e, struct hd_fault *fault);

#endif
