// Capability "hadron.io/1", host side, for venues: the host's loop waits for a venue's descriptors, and any thread may ring for it.
// Both mean the same: `poll` is called soon, however far away the time is that it last asked for. Several causes may become one call.
#ifndef HADRON_EXT_IO_H
#define HADRON_EXT_IO_H

#include "hadron/plugin.h"

#define HADRON_CAP_IO "hadron.io/1"

// Bits of `events` of watch.
enum hadron_io_event {
  HADRON_IO_READ = 1,  // there is something to read, or the other end is gone
  HADRON_IO_WRITE = 2, // there is room to write
};

struct hadron_io {
  uint32_t struct_size;
  uint32_t pad;

  // Watches a descriptor until unwatch; a second call for the same one changes the events. The state counts, not its change: as long as
  // the descriptor is ready, or in error, `poll` is called again and again, so the venue reads until nothing is left. [io & created, active]
  // @param fd      open, of a kind that can be waited for: socket, pipe, eventfd, timerfd; the venue's own (source: the venue)
  // @param events  enum hadron_io_event bits, at least one
  // @err   HADRON_ERR_ARGUMENT     no such descriptor, or no such event
  // @err   HADRON_ERR_UNSUPPORTED  a file, which is always ready; or the session runs on a recorded clock, which waits for nothing outside
  // @err   HADRON_ERR_MEMORY       the system has no room for one more
  // @since 1.0
  int32_t (*watch)(struct hadron_instance *instance, int32_t fd, uint32_t events);

  // Forgets a descriptor; one that is not watched is no error. To be called before the descriptor is closed. [io & created, active]
  // @since 1.0
  void (*unwatch)(struct hadron_instance *instance, int32_t fd);

  // Has `poll` called soon; rings before that call are one. The only function of the host that a thread of the venue's own may call,
  // from create until that thread ends, which must be before `destroy` returns. In replay the venue is due at the present virtual time;
  // where that is between two ticks depends on the thread, so a run that has to repeat must not use it. A RECORDED venue is polled
  // by its own rule and gains nothing. [any] [nonblocking]
  // @since 1.0
  void (*wake)(struct hadron_instance *instance);
};

#endif
