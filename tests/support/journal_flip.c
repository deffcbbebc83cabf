#include "support/journal_flip.h"

#include <fcntl.h>
#include <unistd.h>

#include "journal/format.h"
#include "journal/place.h"
#include "support/directory.h"
#include "support/test.h"

void journal_flip(const char *dir, uint64_t position, uint32_t at, uint8_t bit) {
  char file[64], path[TEST_PATH_SIZE];
  uint64_t offset, commit;
  hd_journal_place(dir, position, file, sizeof file, &offset);
  test_path(path, dir, file);
  int fd = open(path, O_RDWR);
  assert_true(fd >= 0);
  assert_int_equal(pread(fd, &commit, sizeof commit, (off_t)offset), sizeof commit);
  uint32_t size = hd_commit_size(commit), stride = hd_record_stride(size);
  unsigned char *record = calloc(1, stride);
  assert_int_equal(pread(fd, record, stride, (off_t)offset), stride);
  assert_true(hd_record_valid(record, commit, stride));
  assert_true(sizeof(struct hd_record_head) + at < size);
  record[sizeof(struct hd_record_head) + at] ^= bit;
  commit = hd_record_commit(record, size, HD_MARK_RECORD);
  memcpy(record, &commit, sizeof commit);
  assert_int_equal(pwrite(fd, record, stride, (off_t)offset), stride);
  close(fd);
  free(record);
}
