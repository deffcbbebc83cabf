#include "journal/place.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "journal/format.h"

static int read_header(int dir, const char *name, struct hd_segment_header *h) {
  int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t n = fd < 0 ? -1 : pread(fd, h, sizeof *h, 0);
  if (fd >= 0) close(fd);
  return n == (ssize_t)sizeof *h ? 0 : -1;
}

void hd_journal_place(const char *dir, uint64_t position, char *file, size_t size, uint64_t *offset) {
  DIR *d = opendir(dir);
  uint64_t best = 0;
  bool found = false;
  *offset = 0;
  hd_text_copy(file, size, "");
  for (struct dirent *e; d && (e = readdir(d));) {
    struct hd_segment_header h;
    size_t n = strlen(e->d_name);
    if (n < 5 || strcmp(e->d_name + n - 4, ".hdj") != 0 || read_header(dirfd(d), e->d_name, &h)) continue;
    if (memcmp(h.magic, HD_JOURNAL_MAGIC, sizeof h.magic) != 0 || h.position > position || (found && h.position < best)) continue;
    best = h.position;
    found = true;
    hd_text_copy(file, size, e->d_name);
    *offset = position - h.position;
  }
  if (d) closedir(d);
}
