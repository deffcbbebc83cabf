// Ends a peer's connection from below, so that NNG itself finds it broken. NNG 1.5 has a hole in nng_pipe_close: a pipe that is closed in the moment
// in which a message is half received leaves an operation that nobody ends, and the one thread that clears away the pipes of the process waits for
// it for ever: nobody is let in any more (sdk/client/hangup.c, the same from the other side).
//
// thread  [any]; looks through the descriptors of the process: some milliseconds at most. For who is shown out, not for the ordinary
#ifndef HD_BUS_HANGUP_H
#define HD_BUS_HANGUP_H

#include <nng/nng.h>
#include <stdbool.h>

void hd_pipe_hang_up(nng_pipe pipe);

// Ends the connection behind a descriptor if it is the one that is meant, in the eyes of `is`: false for what is no socket. The descriptor is another thread's,
// who may close it at any moment, and its number may be another file's then: so it is duplicated, and the duplicate, which nobody else closes, is looked at.
bool hd_fd_shut(int fd, bool (*is)(int fd, const void *meant), const void *meant);

// All connections that came by this listener, also those that have not greeted yet; waits until NNG has let go of them, for HD_HANG_UP_NS at most. It
// accepts nobody from then on. Before a listener is closed: nng_listener_close and nng_close have the same hole.
#define HD_HANG_UP_NS INT64_C(1000000000)
void hd_listener_hang_up(nng_listener listener);

// nng_close that does not wait for ever, whatever else NNG forgets. A host that has ended its books would stay. After
// HD_CLOSE_NS it is left to a thread of its own, and a warning says so. The caller has taken back its notifications: nothing of its own is called any more.
#define HD_CLOSE_NS INT64_C(3000000000)
void hd_nng_close(nng_socket socket);

#endif
