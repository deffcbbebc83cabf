// A stream: what the shards say to one strategy elsewhere, made into numbered messages. It is the far end of the channels of an occupant: takes
// ticks and notes out of them in their order, remembers what each instrument's market and position are, and begins every new stream with that
// (INSTRUMENT, MARK, POSITION), so that nobody who joins has to know what was before.
//
// Asks go out in pieces and come back in pieces. Those that only make sense to a worker are answered here for an external strategy: it has made
// itself.
//
// bound  HD_STREAM_ASKS asks under way: one more, and the oldest is answered FULL. HD_HANDOVER_BYTES of argument or answer
// thread [bus]
#ifndef HD_BUS_STREAM_H
#define HD_BUS_STREAM_H

#include "base/limits.h"
#include "bus/channel.h"
#include "bus/frame.h"

#define HD_STREAM_RUNS 1024  // runs of ticks that a worker has not handled yet
#define HD_STREAM_TIMES 1024 // batches of ticks of which is known how old they are

// What a stream is made of; arrays are copied, channels borrowed.
struct hd_stream_options {
  struct hd_channel *const *channels;
  uint32_t channel_count;
  const struct hadron_instrument_definition *universe;
  uint32_t universe_count;
  bool worker;    // it answers asks
  bool lock_step; // it answers STEP
  bool shares;    // a worker that maps the rings: it is told where ticks lie, and gets every one of them
};

struct hd_stream_row { // an instrument
  struct hadron_instrument_definition definition;
  struct hadron_mark mark;
  struct hadron_position position;
  bool marked, placed; // mark, position are known
  bool left_out;       // its peer does not want it
};

struct hd_stream_ask {
  uint64_t number;      // 0: free
  struct hd_channel *channel;
  struct hd_channel_ask *ask;
  uint8_t *answer;      // as far as it has come; owned
  uint32_t have, total;
  int32_t code;
};

struct hd_stream {
  struct hd_channel **channels; // owned list
  uint32_t channel_count, next_channel;
  bool worker, lock_step, shares;
  bool packed;                  // ticks go out packed: its peer has asked for it
  struct { uint64_t number, end; uint32_t channel; } runs[HD_STREAM_RUNS]; // shares: message, and where its ticks end, in order
  uint64_t run_first, run_end;  // [run_first .. run_end) of them, modulo
  struct hd_stream_row *rows;   // owned
  uint32_t row_count, row_room;
  uint16_t *row_of;             // [instrument]: row + 1; owned
  uint32_t phase, phase_at;     // of the snapshot that a new stream begins with
  struct hd_stream_ask asks[HD_STREAM_ASKS];
  uint64_t ask_number;
  uint32_t giving, given;       // the ask that is being given out, + 1, and how much of it was
  struct { uint64_t low, high; int64_t recv_ns; } times[HD_STREAM_TIMES]; // sequences in each batch, and when its last tick was received
  uint64_t time_count;
  uint64_t last;                // the highest sequence that was given out
  uint64_t ticks, lost;         // given out; lost by the channels
};

int32_t hd_stream_init(struct hd_stream *s, const struct hd_stream_options *options); // HADRON_ERR_MEMORY
void hd_stream_fini(struct hd_stream *s); // asks that are under way are answered CLOSED

void hd_stream_begin(struct hd_stream *s); // a new stream: the snapshot comes first
// What comes next, as DATA frames into a packet; number: of the first message. Returns how many.
uint32_t hd_stream_fill(struct hd_stream *s, struct hd_packet *packet, uint32_t session, uint64_t epoch, uint64_t number);
bool hd_stream_look(const struct hd_stream *s); // is there something to fill in?
// All messages before this number have been handled by the peer: a ring that it reads may be written again.
void hd_stream_handled(struct hd_stream *s, uint64_t before);
// Nobody is there: what waits is only remembered. Asks are answered with `code`.
void hd_stream_skip(struct hd_stream *s, int32_t code);
// Nobody has come yet, and everything waits for who will: asks that are not for an external strategy are answered all the same.
void hd_stream_early(struct hd_stream *s);
// Nobody has looked for so long that a channel will be given up.
bool hd_stream_crowded(const struct hd_stream *s);
// A piece of an answer. HADRON_ERR_ARGUMENT, HADRON_ERR_NOT_FOUND (no such ask: it was answered, or never made), HADRON_ERR_STATE (an
// earlier piece is missing).
int32_t hd_stream_answer(struct hd_stream *s, const struct hadron_answer *head, const uint8_t *bytes, uint32_t size);

const struct hd_stream_row *hd_stream_row(const struct hd_stream *s, uint32_t instrument); // NULL: not in its universe
// Has the host had newer ticks than this one for longer than `after_ns`? cause 0: the last one that was given out. A tick that is old because
// nothing newer came is not stale. wall_ns: the clock that stamps recv_ns.
bool hd_stream_stale(struct hd_stream *s, uint64_t cause, int64_t wall_ns, int64_t after_ns);

#endif
