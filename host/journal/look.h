// A segment as those see it who only read and judge: mapped read-only, and a walk over its records. The cursor has its own, which follows a
// writer; this one is for verification and salvage.
#ifndef HD_JOURNAL_LOOK_H
#define HD_JOURNAL_LOOK_H

#include "journal/segment.h"

struct hd_look {
  const struct hd_disk *disk; // borrowed(until close)
  unsigned char *base;
  uint64_t size;              // bytes of the file that are mapped
  uint64_t data_end;          // behind it only zeros
  struct hd_segment_header header;
  char name[HD_SEGMENT_NAME_SIZE];
};

// The segment with this first sequence, under its own name or the prepared one's. @err NOT_FOUND, CORRUPT (its header), UNSUPPORTED, IO
int32_t hd_look_open(const struct hd_disk *disk, int dir, uint64_t first_sequence, struct hd_look *l, struct hd_fault *fault);
// Any file as a segment, its header unread. @err NOT_FOUND, IO; CORRUPT: it is empty
int32_t hd_look_map(const struct hd_disk *disk, int dir, const char *name, struct hd_look *l, struct hd_fault *fault);
void hd_look_close(struct hd_look *l);

// First offset in [from, to) with a byte that is not zero; `to`: none.
uint64_t hd_look_nonzero(const struct hd_look *l, uint64_t from, uint64_t to);
uint64_t hd_look_data_end(const struct hd_look *l);
// The first good record at or behind `from` that can follow one with `sequence` expected at `offset`; 0: none.
uint64_t hd_look_next_good(const struct hd_look *l, uint64_t from, uint64_t offset, uint64_t sequence);
void hd_look_release(const struct hd_look *l, uint64_t from, uint64_t to); // these pages were read

struct hd_walk {
  uint64_t position;  // of the segment
  uint64_t offset;    // of what comes next
  uint64_t sequence;  // that it must have
  uint64_t swallowed; // of the last record, if it was a void
  int64_t time_ns;    // of the last record
  uint32_t mark;      // of the last record
  bool sealed;
};

void hd_walk_init(struct hd_walk *w, const struct hd_look *l);
// Goes over one good record, void or seal. False: there is none; commit: the word that stands there.
bool hd_walk_next(const struct hd_look *l, struct hd_walk *w, uint64_t *commit);

#endif
