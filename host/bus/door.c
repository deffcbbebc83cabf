#include "bus/door.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/banned.h"

#define EVERY_NS INT64_C(1000000000)
#define STUCK_NS INT64_C(3000000000) // of its owner's own time: a machine that stood still does not count
#define STEP_NS INT64_C(200000000)

void hd_door_close(struct hd_door *d) {
  if (d->fd > 0) close(d->fd);
  d->fd = 0;
}

// The whole greeting at once: nobody may go in the middle of it, we least of all.
static void knock(struct hd_door *d, const char *path, uint16_t protocol, uint64_t accepted, int64_t now_ns) {
  const uint8_t greeting[8] = {0, 'S', 'P', 0, (uint8_t)(protocol >> 8), (uint8_t)protocol, 0, 0};
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  d->next_ns = now_ns + EVERY_NS;
  if (strlen(path) >= sizeof at.sun_path) return;
  memcpy(at.sun_path, path, strlen(path));
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  if (connect(fd, (const struct sockaddr *)&at, sizeof at) != 0 || send(fd, greeting, sizeof greeting, MSG_NOSIGNAL) != sizeof greeting) {
    close(fd); // it is shut, or full
    return;
  }
  *d = (struct hd_door){.fd = fd, .accepted = accepted, .next_ns = d->next_ns, .looked_ns = now_ns};
}

bool hd_door_stuck(struct hd_door *d, const char *url, uint16_t protocol, uint64_t accepted, int64_t now_ns) {
  uint8_t theirs[8];
  if (strncmp(url, "ipc://", 6) != 0) return false;
  if (d->fd <= 0) {
    if (now_ns >= d->next_ns) knock(d, url + 6, protocol, accepted, now_ns);
    return false;
  }
  int64_t passed = now_ns - d->looked_ns;
  d->looked_ns = now_ns;
  d->waited_ns += passed < STEP_NS ? passed : STEP_NS;
  if (!d->greeted) d->greeted = recv(d->fd, theirs, sizeof theirs, MSG_DONTWAIT) == sizeof theirs;
  bool open = d->greeted && accepted != d->accepted, stuck = !open && d->waited_ns > STUCK_NS;
  if (open || stuck) hd_door_close(d);
  return stuck;
}
