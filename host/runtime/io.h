// Capability "hadron.io/1": what makes a venue due besides time. Descriptors of venues and the doorbell that any thread may ring are in
// one epoll set, which the live loop watches; replay has no set and sees only that somebody rang.
//
// thread  open, close [control]; look, take [io]; the capability's wake [any]
#ifndef HD_RUNTIME_IO_H
#define HD_RUNTIME_IO_H

#include <stdatomic.h>

#include "hadron/ext/io.h"

struct hd_runner;

struct hd_io {
  int set;              // epoll; -1: not open
  int bell;             // eventfd in the set; -1: not open
  _Atomic bool woken;   // some venue's `woken` is set
};

extern const struct hadron_io hd_venue_io; // the capability table

int32_t hd_io_open(struct hd_io *io); // HADRON_ERR_IO, with errno
void hd_io_close(struct hd_io *io);   // after the venues are destroyed: their threads ring until then

// The set is readable: notes whose descriptors are ready, stills the bell.
void hd_io_look(struct hd_runner *r);
// Makes the venues due that were rung for.
void hd_io_take(struct hd_runner *r);

#endif
