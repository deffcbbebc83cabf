// Many recordings as one stream, by receive time; files with the same time go in the order in which they were named.
//
//   merge_open(&m, &files, &setup, &fault)   looks at every file: its format and its first tick
//   merge_next(&m, max, &ticks, &count)      a run of ticks that come next; HADRON_ERR_END, or a fault. borrowed(until merge_take)
//   merge_take(&m, n)                        the first n of them were used; the rest comes again
//   merge_close(&m)
//
// A run is handed out of the reader's own queue (or the mapped file) where it is long, else gathered in `batch`. With more than
// MERGE_OPEN_MAX files a file is opened when the stream comes to its first tick: memory and descriptors follow the overlap.
#ifndef REPLAY_MERGE_H
#define REPLAY_MERGE_H

#include "files.h"
#include "reader.h"

#define MERGE_BATCH 256u
#define MERGE_OPEN_MAX 16u

struct merge_file {
  struct reader *reader; // NULL: not open
  int64_t key;           // receive time of its next tick
  uint64_t size, done;
  char label[48];
};

struct merge {
  const struct files *files;
  const struct reader_setup *setup;
  struct merge_file *list;
  uint32_t *heap, heap_count; // indices into list, the least key first
  struct hadron_tick batch[MERGE_BATCH];
  uint32_t batch_head, batch_tail;
  bool direct;                // the last run came from the top reader's queue
  struct reader_counts counts; // of the files that are closed
  uint64_t bytes;
  struct fault *fault;
};

int32_t merge_open(struct merge *m, const struct files *files, const struct reader_setup *setup, struct fault *fault);
int32_t merge_next(struct merge *m, uint32_t max, const struct hadron_tick **ticks, uint32_t *count);
void merge_take(struct merge *m, uint32_t count);
void merge_progress(const struct merge *m, uint64_t *done, uint64_t *total);
void merge_counts(const struct merge *m, struct reader_counts *out);
void merge_close(struct merge *m);

#endif
