// Hears of changes in the registry that anybody made, on this host or another: what was added, retired, signed, revoked, deployed. A bell
// rings (PostgreSQL: LISTEN; SQLite: the file is watched), and then the rows of registry_changes after the last one known are read. So
// nothing is lost when the bell or the connection was away, and nothing is told twice.
//
// takes  the registry's URL
// gives  a descriptor for an event loop (uv_poll_t, poll, epoll), readable when hd_registry_watch_read has something to look at, and every
//        5 s in any case: a server that went away without a word, a file system without notices
// thread one at a time; it has a connection of its own, so not the registry's
#ifndef HD_REGISTRY_WATCH_H
#define HD_REGISTRY_WATCH_H

#include <stdint.h>

#include "base/fault.h"
#include "hadron/types.h"

struct hd_registry_watch; // watch.c

struct hd_registry_change {
  int64_t id, time_ns;         // ids ascend in the order of the commits; wall
  char topic[32];              // "version", "retired", "registered", "collected", "signature", "key trusted", "key revoked", "deployment", ...
  char name[HADRON_NAME_SIZE]; // of the plugin, the key, the deployment
  char detail[128];            // version, key id, revision
  char who[64];
};
typedef void (*hd_registry_change_fn)(void *user, const struct hd_registry_change *change);

// after: the id of the last change that is known; -1: whatever there is now is known.
int32_t hd_registry_watch_open(const char *url, int64_t after, struct hd_registry_watch **out, struct hd_fault *fault);
void hd_registry_watch_close(struct hd_registry_watch *w); // NULL is fine
int hd_registry_watch_fd(const struct hd_registry_watch *w); // the same for life

// Tells what is new, in order. HADRON_ERR_AGAIN: nothing. HADRON_ERR_DATABASE: the database is away; the descriptor becomes readable again
// for the next try. Does not wait for news, but for the database's answer (5 s at most): not for a thread that has ticks to serve.
int32_t hd_registry_watch_read(struct hd_registry_watch *w, hd_registry_change_fn take, void *user, struct hd_fault *fault);

#endif
