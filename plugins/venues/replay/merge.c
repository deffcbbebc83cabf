#include "merge.h"

#include <stdlib.h>
#include <string.h>

#define RUN_MIN 32u // ticks from which a run is handed out where it lies

static bool merge_before(const struct merge *m, uint32_t a, uint32_t b) {
  int64_t ka = m->list[a].key, kb = m->list[b].key;
  return ka < kb || (ka == kb && a < b);
}

static void heap_down(struct merge *m, uint32_t at) {
  for (;;) {
    uint32_t least = at;
    for (uint32_t child = 2 * at + 1; child <= 2 * at + 2 && child < m->heap_count; child++)
      if (merge_before(m, m->heap[child], m->heap[least])) least = child;
    if (least == at) return;
    uint32_t swap = m->heap[at];
    m->heap[at] = m->heap[least];
    m->heap[least] = swap;
    at = least;
  }
}

static void counts_add(struct reader_counts *to, const struct reader_counts *from) {
  to->rows += from->rows;
  to->bad += from->bad;
  to->ticks += from->ticks;
  to->ignored += from->ignored;
  to->gaps += from->gaps;
}

static void file_retire(struct merge *m, struct merge_file *f, bool count) {
  if (count) {
    counts_add(&m->counts, &f->reader->counts);
    f->done = f->size;
  }
  reader_close(f->reader);
  free(f->reader);
  f->reader = NULL;
}

// Opens a file and reads up to its first ticks. HADRON_ERR_END: it has none.
static int32_t file_open(struct merge *m, uint32_t index, const struct reader_setup *setup) {
  struct merge_file *f = &m->list[index];
  const struct file *file = &m->files->list[index];
  f->reader = calloc(1, sizeof *f->reader);
  if (!f->reader)
    return fault_set(m->fault, HADRON_ERR_MEMORY, "cannot open the recording", file->path, "memory", "none", "give the process more memory");
  int32_t result = reader_open(f->reader, setup, file->path, file->pair);
  if (!result) result = reader_fill(f->reader);
  if (result && result != HADRON_ERR_END) *m->fault = f->reader->fault;
  f->size = f->reader->size;
  memcpy(f->label, f->reader->label, sizeof f->label);
  if (!result) f->key = f->reader->queue.ticks[f->reader->queue.head].recv_ns;
  return result;
}

int32_t merge_open(struct merge *m, const struct files *files, const struct reader_setup *setup, struct fault *fault) {
  memset(m, 0, sizeof *m);
  m->files = files;
  m->setup = setup;
  m->fault = fault;
  m->list = calloc(files->count, sizeof *m->list);
  m->heap = calloc(files->count, sizeof *m->heap);
  if (!m->list || !m->heap)
    return fault_set(fault, HADRON_ERR_MEMORY, "cannot open the recordings", "list of files", "memory", "none", "split the run");
  // A file that is looked at and parked will be read again: its bad rows are told then.
  struct reader_setup quiet = *setup;
  quiet.bad = NULL;
  bool park = files->count > MERGE_OPEN_MAX;
  for (uint32_t i = 0; i < files->count; i++) {
    int32_t result = file_open(m, i, park ? &quiet : setup);
    if (result && result != HADRON_ERR_END) return result;
    m->bytes += m->list[i].size;
    if (!result) m->heap[m->heap_count++] = i;
    if (park || result) file_retire(m, &m->list[i], result != 0);
  }
  for (uint32_t i = m->heap_count / 2; i-- > 0;) heap_down(m, i);
  return HADRON_OK;
}

// After ticks of the top file were used: its next key, or away with it.
static int32_t top_renew(struct merge *m) {
  struct merge_file *f = &m->list[m->heap[0]];
  int32_t result = reader_waiting(f->reader) ? HADRON_OK : reader_fill(f->reader);
  if (result && result != HADRON_ERR_END) {
    *m->fault = f->reader->fault;
    return result;
  }
  if (result == HADRON_ERR_END) {
    file_retire(m, f, true);
    m->heap[0] = m->heap[--m->heap_count];
  } else {
    f->key = f->reader->queue.ticks[f->reader->queue.head].recv_ns;
  }
  if (m->heap_count) heap_down(m, 0);
  return HADRON_OK;
}

// How many of the top file's waiting ticks come before any other file's, at most `max`.
static uint32_t top_run(const struct merge *m, uint32_t max) {
  uint32_t top = m->heap[0], n = 0;
  const struct tick_queue *q = &m->list[top].reader->queue;
  if (max > q->tail - q->head) max = q->tail - q->head;
  if (m->heap_count == 1) return max;
  uint32_t second = m->heap[1];
  if (m->heap_count > 2 && merge_before(m, m->heap[2], second)) second = m->heap[2];
  int64_t key = m->list[second].key;
  for (; n < max; n++) {
    int64_t ns = q->ticks[q->head + n].recv_ns;
    if (ns > key || (ns == key && top > second)) break;
  }
  return n;
}

static int32_t top_ready(struct merge *m) {
  struct merge_file *f = &m->list[m->heap[0]];
  if (f->reader) return HADRON_OK;
  int32_t result = file_open(m, m->heap[0], m->setup);
  if (result == HADRON_ERR_END)
    return fault_set(m->fault, HADRON_ERR_CORRUPT, "cannot read the recording", m->files->list[m->heap[0]].path,
                     "the ticks that it had at the start of the run", "none", "do not change files that are being replayed");
  return result;
}

int32_t merge_next(struct merge *m, uint32_t max, const struct hadron_tick **ticks, uint32_t *count) {
  if (max > MERGE_BATCH) max = MERGE_BATCH;
  if (m->batch_head == m->batch_tail) m->batch_head = m->batch_tail = 0;
  m->direct = false;
  while (m->heap_count && m->batch_tail < max) {
    int32_t result = top_ready(m);
    if (result) return result;
    struct merge_file *f = &m->list[m->heap[0]];
    if (!reader_waiting(f->reader)) {
      result = top_renew(m);
      if (result && m->batch_tail == 0) return result;
      if (result) break; // what came before the fault goes first; the reader gives it again
      continue;
    }
    uint32_t run = top_run(m, max - m->batch_tail);
    if (m->batch_tail == 0 && run >= RUN_MIN) {
      m->direct = true;
      *ticks = f->reader->queue.ticks + f->reader->queue.head;
      *count = run;
      return HADRON_OK;
    }
    if (run == 0) run = 1; // the file runs backward: its tick has waited for its turn already
    memcpy(m->batch + m->batch_tail, f->reader->queue.ticks + f->reader->queue.head, run * sizeof *m->batch);
    m->batch_tail += run;
    reader_take(f->reader, run);
    result = top_renew(m);
    if (result) break;
  }
  *ticks = m->batch + m->batch_head;
  *count = m->batch_tail - m->batch_head;
  return *count ? HADRON_OK : m->heap_count ? m->fault->code : HADRON_ERR_END;
}

void merge_take(struct merge *m, uint32_t count) {
  if (!m->direct) {
    m->batch_head += count;
    return;
  }
  struct merge_file *f = &m->list[m->heap[0]];
  reader_take(f->reader, count);
  if (!reader_waiting(f->reader)) return; // merge_next renews it, and meets its fault
  f->key = f->reader->queue.ticks[f->reader->queue.head].recv_ns;
  heap_down(m, 0);
}

void merge_progress(const struct merge *m, uint64_t *done, uint64_t *total) {
  *done = 0;
  *total = m->bytes;
  for (uint32_t i = 0; i < m->files->count; i++) *done += m->list[i].reader ? reader_done(m->list[i].reader) : m->list[i].done;
}

void merge_counts(const struct merge *m, struct reader_counts *out) {
  *out = m->counts;
  for (uint32_t i = 0; m->list && i < m->files->count; i++)
    if (m->list[i].reader) counts_add(out, &m->list[i].reader->counts);
}

void merge_close(struct merge *m) {
  for (uint32_t i = 0; m->list && i < m->files->count; i++)
    if (m->list[i].reader) file_retire(m, &m->list[i], false);
  free(m->list);
  free(m->heap);
  m->list = NULL;
  m->heap = NULL;
  m->heap_count = 0;
}
