// Does a listener of this machine still let somebody in? NNG 1.5.2 takes an ipc connection that ends in the middle of its greeting for the end of the listener, and accepts
// nobody any more, without a word (nng issue 1518, mended in 1.6.0): a program that is killed in its first milliseconds would close the door for all others. So the host
// knocks at its own doors once a second, and whoever owns one that does not open listens anew.
//
// thread of its owner
#ifndef HD_BUS_DOOR_H
#define HD_BUS_DOOR_H

#include <stdbool.h>
#include <stdint.h>

struct hd_door {
  int fd;             // of a knock; 0: none
  bool greeted;
  uint64_t accepted;  // before it
  int64_t next_ns, looked_ns, waited_ns;
};

// To be called again and again. protocol: SP's number of who comes. accepted: connections that the listener has had so far. True: it is stuck.
bool hd_door_stuck(struct hd_door *d, const char *url, uint16_t protocol, uint64_t accepted, int64_t now_ns);
void hd_door_close(struct hd_door *d);

#endif
