// Any bytes as a journal's directory: nothing that reads one, or goes on with one, may crash, hang or read beyond a file. The input is one or two
// segments over a good journal's: 2 bytes say where it begins, the rest replaces what stands there, with CRCs mended where the input asks for it,
// so that the fuzzer gets behind them.
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "hadron/message.h"
#include "journal/fields.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "journal/verify.h"
#include "support/memory_disk.h"

enum { SEGMENT = 16384 };
static struct memory_disk whole, disk;
static const struct hd_journal_options options = {.segment_bytes = SEGMENT, .reserve_bytes = 1024, .disk = &disk.disk, .seed = 1, .now_ns = 1};
static FILE *nowhere;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc, (void)argv;
  struct hd_journal_options o = options;
  struct hd_journal *j = NULL;
  hd_log_level(HADRON_LOG_ERROR + 1);
  nowhere = fopen("/dev/null", "we");
  memory_disk_init(&whole, SEGMENT);
  memory_disk_init(&disk, SEGMENT);
  o.disk = &whole.disk;
  HD_ASSERT(nowhere && hd_journal_open("journal", &o, &j, NULL) == HADRON_OK);
  for (uint64_t n = 0; n < 200; n++) {
    struct hadron_operator op = {.uid = (uint32_t)n};
    struct { uint32_t size; char text[20]; } tail = {(uint32_t)(n % 20), "the words of someone"};
    HD_ASSERT(hd_journal_append(j, HADRON_MSG_OPERATOR, &op, sizeof op, &tail, 4 + tail.size, 1, NULL) == HADRON_OK);
    hd_journal_maintain(j, NULL);
  }
  hd_journal_close(j);
  return 0;
}

// Makes the records of a segment good again, as far as their sizes lead.
static void mend(unsigned char *bytes) {
  struct hd_segment_header *h = (void *)bytes;
  h->crc = hd_segment_header_crc(h);
  for (uint64_t at = HD_JOURNAL_HEADER_BYTES; at + sizeof(struct hd_record_head) <= SEGMENT;) {
    uint64_t commit = hd_commit_load(bytes + at);
    if (!hd_commit_plausible(commit, SEGMENT - at)) return;
    hd_commit_store(bytes + at, hd_record_commit(bytes + at, hd_commit_size(commit), (enum hd_record_mark)hd_commit_mark(commit)));
    at += hd_record_stride(hd_commit_size(commit));
  }
}

static void read_it(void) {
  struct hd_journal_cursor *c = NULL;
  struct hadron_record r;
  if (hd_journal_cursor_open_on(&disk.disk, "journal", &c, NULL) != HADRON_OK) return;
  for (int n = 0; n < 2000 && hd_journal_cursor_next(c, &r, NULL) == HADRON_OK; n++) {
    const struct hd_message_fields *m = hd_message_find(r.template_id);
    if (n > 20) continue;
    hd_record_print(nowhere, &r, 1, true);
    hd_record_print_json(nowhere, &r, 1);
    if (m) hd_record_csv_row(nowhere, m, &r, 1);
  }
  hd_journal_cursor_seek(c, HD_JOURNAL_HEADER_BYTES + 64, NULL);
  hd_journal_cursor_seek_sequence(c, 150, NULL);
  hd_journal_cursor_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 3) return 0;
  memory_disk_copy(&disk, &whole);
  unsigned char *bytes = memory_disk_file(&disk, data[0] & 1 ? "journal-0000000000000001.hdj" : "journal-0000000000000081.hdj", NULL);
  if (!bytes) bytes = memory_disk_file(&disk, "journal-0000000000000001.hdj", NULL);
  uint64_t at = ((uint64_t)data[1] << 6) % SEGMENT, n = size - 3 < SEGMENT - at ? size - 3 : SEGMENT - at;
  memcpy(bytes + at, data + 3, n);
  if (data[2] & 1) mend(bytes);
  disk.boot += data[2] >> 1 & 1;
  struct hd_journal_verdict v;
  struct hd_journal_salvage s;
  struct hd_journal *j = NULL;
  hd_journal_verify(&disk.disk, "journal", NULL, &v, NULL);
  read_it();
  hd_journal_salvage(&disk.disk, "journal", "saved", NULL, NULL, NULL, &s, NULL);
  if (hd_journal_open("journal", &options, &j, NULL) == HADRON_OK) {
    hd_journal_append(j, HADRON_MSG_TIMER, &(struct hadron_timer_fired){.id = 1}, sizeof(struct hadron_timer_fired), NULL, 0, 1, NULL);
    hd_journal_close(j);
    read_it();
  }
  return 0;
}
