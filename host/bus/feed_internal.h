// What the feed's files share. feed.c: life, the thread, publishing. feed_repair.c: answers. feed_state.c: what a snapshot is made of.
#ifndef HD_BUS_FEED_INTERNAL_H
#define HD_BUS_FEED_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <nng/nng.h>

#include "base/bell.h"
#include "base/map.h"
#include "bus/door.h"
#include "bus/feed.h"
#include "bus/lobby.h"
#include "bus/proof.h"

#define HD_FEED_POSITIONS_MAX 65536 // (arm, instrument) pairs that a snapshot knows

struct hd_feed_stream {
  const char *topic;
  uint32_t id;
  bool events;
  uint64_t next;             // number of the next message
  uint64_t *places;          // of the messages 1 + (skipped + i) * HD_FEED_STEP; owned
  uint32_t place_count, place_room;
  uint64_t skipped;          // places that were forgotten
  struct hd_packet packet;   // what goes out next
  uint8_t bytes[HD_FEED_PACKET];
  uint16_t template_id, count; // of its last frame, which is open
  int64_t sent_ns;           // monotonic
};

struct hd_feed_writer {
  struct hd_packet *packet;
  const char *topic;
  uint32_t stream;
  uint64_t epoch;
  uint16_t template_id, count; // of the open frame; count 0: none is
};

struct hd_feed_job {
  enum { HD_JOB_FREE = 0, HD_JOB_ASKED, HD_JOB_AT_IT, HD_JOB_READY } state;
  struct hadron_repair what;
  bool snapshot;
  uint64_t who;
  uint8_t *bytes;            // HADRON_PACKET_MAX; owned; made with the first use
  uint32_t size;
  // [feed] A repair that is not whole yet: what is next to be read, and its number if it is one of the stream.
  struct hd_packet packet;
  struct hd_feed_writer writer;
  uint64_t position, number, to;
};

struct hd_feed_listener {
  struct hd_bus_listen listen; // texts owned
  struct hd_lobby *lobby; // borrowed
  nng_socket socket;
  nng_listener listener;
  bool open, events;
  struct hd_proof *proof;
  _Atomic uint32_t pipes;
  _Atomic uint64_t turned_away;
  _Atomic uint64_t accepted; // connections so far
  struct hd_door door;
  bool shut;                    // it should listen and could not
  int64_t again_ns;             // monotonic; then it is tried again
};

struct hd_feed {
  struct hd_feed_options options;
  struct hd_feed_listener listeners[HD_BUS_LISTENERS_MAX];
  uint32_t listener_count;
  struct hd_feed_stream **streams; // [0]: events; [1 + shard]: ticks; owned
  uint32_t stream_count;
  void *cursor, *repair_cursor;
  // What a snapshot is made of.
  struct hadron_instrument_definition *definitions; // owned; in the order of listings
  uint32_t definition_count, definition_room;
  struct hadron_mark *marks;       // [instrument]; owned
  struct hadron_arm_definition *arms; // [arm]; owned
  struct hadron_position *positions;  // owned
  uint32_t position_count, position_room;
  struct hd_map position_of;
  pthread_t thread;
  bool running;
  _Atomic bool stop;
  struct hd_bell bell;
  pthread_mutex_t lock;            // of the jobs
  struct hd_feed_job jobs[HD_FEED_JOBS];
  uint32_t job_turn;               // [feed] which is looked at first
  _Atomic uint64_t messages, packets, heartbeats, repairs, repaired, snapshots, too_old, busy;
};

// feed.c
bool hd_feed_is_event(uint16_t template_id);
// The frame of a record behind what is in the packet: the last frame goes on where it can. False: no room.
bool hd_feed_write(struct hd_feed_writer *w, const struct hadron_record *r, uint64_t number);
void hd_feed_write_end(struct hd_feed_writer *w);
struct hd_feed_stream *hd_feed_stream_of(struct hd_feed *f, const struct hadron_record *r); // NULL: it is not published

// feed_state.c
int32_t hd_feed_state_init(struct hd_feed *f);
void hd_feed_state_fini(struct hd_feed *f);
void hd_feed_state_fold(struct hd_feed *f, const struct hadron_record *r);
void hd_feed_state_write(struct hd_feed *f, const struct hd_feed_stream *s, uint64_t from, struct hd_packet *packet, int64_t wall_ns);

// feed_repair.c
void hd_feed_jobs_work(struct hd_feed *f, int64_t wall_ns);

#endif
