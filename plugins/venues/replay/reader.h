// One recording being read: bytes in, ticks out, row by row. A format is a table of functions; the core knows none of them.
//
//   reader_open(&r, &setup, path, NULL)  finds the format by the file itself (or takes setup->options->format), READY to be read
//   reader_fill(&r)                  with an empty queue: parses rows until some ticks wait in r->queue; HADRON_ERR_END, or a fault in r->fault
//   reader_take(&r, n)               the first n of the queue were used
//   reader_close(&r)                 may be called twice
//
// A broken row is counted, told by setup->bad, and skipped. A broken file ends the reader with a fault. Ticks come in the order
// of the file. Memory: the source's buffer and a queue that holds the ticks of one row (at most QUEUE_MAX).
#ifndef REPLAY_READER_H
#define REPLAY_READER_H

#include "calendar.h"
#include "fault.h"
#include "hadron/venue.h"
#include "source.h"
#include "symbols.h"

#define QUEUE_MAX (1u << 18) // ticks of one row: a row of SOURCE_LINE_MAX bytes cannot name more levels
#define READER_FILL 256u     // ticks a fill aims at

struct tick_queue {
  struct hadron_tick *ticks;
  uint32_t head, tail, capacity;
};

struct reader_counts {
  uint64_t rows, bad, ticks, ignored, gaps;
};

// What the user asked for; the same for all files of an instance.
struct reader_options {
  char format[32];     // "auto" or a name
  char symbol[HADRON_SYMBOL_SIZE]; // override; "" none
  char columns[2048];  // "role=column" lines
  char lean[96];       // "equity/usa/minute" where the path does not say it
  char map_files[SOURCE_PATH_MAX];
  struct zone zone;    // of CSV times without an offset
  bool zone_set;
  int64_t from_ns, to_ns; // by receive time: from <= t < to
  int64_t period_ns;   // of CSV bars; 0: by the file
  struct hadron_quantity size; // of CSV prices without one
  bool verify;         // native files and journals: check the checksums
  uint64_t until;      // journals: position of the first record that is left out; 0: all that is there
  int64_t session;     // journals: 0 all, n > 0 the nth that is kept, n < 0 counted from the last
};

struct reader_setup {
  struct reader_options options;
  struct symbols *symbols;
  uint16_t venue;
  void *user;
  void (*bad)(void *user, const char *path, uint64_t row, const char *text); // may be NULL
};

struct format;

struct reader {
  const struct format *format;
  const struct reader_setup *setup; // borrowed(until close)
  struct source source;
  struct tick_queue queue;
  struct reader_counts counts;
  struct fault fault;
  char path[SOURCE_PATH_MAX], pair[SOURCE_PATH_MAX];
  char label[48];                    // "LEAN equity tick trade"
  char symbol[HADRON_SYMBOL_SIZE];   // the first one
  uint32_t symbols;                  // how many
  bool ended;
  int32_t broken;                    // the fault that waits until the queue is used up
  uint64_t size;                     // of the file
  uint64_t done;                     // used so far, where the format does not use `source`
  void *state;                       // the format's own
};

// The beginning of a file, for formats to recognise.
struct file_probe {
  const char *path, *entry;
  const uint8_t *bytes; // unpacked
  size_t size;
};

struct format {
  const char *name;
  const char *help;
  bool raw; // reads the file by itself: recognised by its packed bytes, no source
  bool (*sniff)(const struct file_probe *probe);

  // Prepares state and listings. The source stands at the first byte.
  int32_t (*open)(struct reader *r);

  // Reads one row and pushes its ticks, maybe none. HADRON_ERR_END at the end, or a fault.
  int32_t (*row)(struct reader *r);
  void (*close)(struct reader *r);
};

// @param pair  the ask file that goes with a bid file, or NULL
int32_t reader_open(struct reader *r, const struct reader_setup *setup, const char *path, const char *pair);
void reader_close(struct reader *r);
int32_t reader_fill(struct reader *r);
uint64_t reader_done(const struct reader *r);
const struct format *const *reader_formats(uint32_t *count);

static inline uint32_t reader_waiting(const struct reader *r) { return r->queue.tail - r->queue.head; }
static inline void reader_take(struct reader *r, uint32_t n) { r->queue.head += n; }

// For formats: a tick of a listing; refuses nothing, drops what is outside from..to. false: no memory, or the row is too large.
bool reader_push(struct reader *r, const struct hadron_tick *tick);

// For formats: takes back what a row pushed before it turned out to be bad.
struct reader_mark {
  uint32_t tail;
  uint64_t ticks;
};
static inline struct reader_mark reader_mark(const struct reader *r) { return (struct reader_mark){r->queue.tail, r->counts.ticks}; }
static inline void reader_rewind(struct reader *r, struct reader_mark mark) {
  r->queue.tail = mark.tail;
  r->counts.ticks = mark.ticks;
}

// For formats: this row is bad. Returns HADRON_OK, so that a row can `return reader_bad(r, ...)`.
int32_t reader_bad(struct reader *r, const char *text);

// For formats: a fault of the whole file.
int32_t reader_fault(struct reader *r, int32_t code, const char *expected, const char *found, const char *todo);

// For formats: handle of a symbol (SYMBOL_UNWANTED if the host does not want it) and its entry.
int32_t reader_resolve(struct reader *r, const char *symbol, size_t size, uint32_t asset, struct symbol **out);

extern const struct format format_lean, format_hdt, format_dbn, format_binance, format_csv, format_journal;

#endif
