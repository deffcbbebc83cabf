// Ends a peer's connection from below, so that NNG itself finds it broken. NNG 1.5 has a hole in nng_pipe_close: a pipe that is closed in the moment
// in which a message is half received leaves an operation that nobody ends, and the one thread that clears away the pipes of the process waits for
// it for ever: nobody is let in any more (sdk/client/hangup.c, the same from the other side).
//
// thread  [any]; looks through the descriptors of the process: some milliseconds at most. For who is shown out, not for the ordinary
#ifndef HD_BUS_HANGUP_H
#define HD_BUS_HANGUP_H

#include <nng/nng.h>

void hd_pipe_hang_up(nng_pipe pipe);

#endif
