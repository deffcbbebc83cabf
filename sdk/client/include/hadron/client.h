// libhadron: a strategy, or whoever looks, outside the host. It speaks the wire of hadron/wire.h (docs/wire.md) over NNG and leaves
// to its user what matters: ticks, bars, fills in; decisions out. docs/client.md is the guide, sdk/template/client.c a starter to copy.
//
//   session  one strategy, or one reader: its stream comes in order, once; a cut connection is taken up where it broke. What the host could not
//            give it is told (LOST), never passed over
//   feed     what a host publishes for everybody: gaps are found, repaired over a session, or declared (LOST, RESET)
//
// Threads: a session or a feed belongs to one thread at a time, whichever calls it; wake and the file descriptor are for any. Nothing here calls
// back. Ownership: what a call is given it copies; what an event points to lives until the next poll or close of the same object.
// Results: 0 or a negative enum hadron_error; the words of the last failure on this thread are hadron_client_words().
//
// Link with -lhadron, or `pkg-config --cflags --libs hadron`.
#ifndef HADRON_CLIENT_H
#define HADRON_CLIENT_H

#include "hadron/error.h"
#include "hadron/message.h"
#include "hadron/wire.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define HADRON_CLIENT_API __attribute__((visibility("default")))
#else
#define HADRON_CLIENT_API
#endif

#define HADRON_CLIENT_DECISIONS_MAX 4096 // decided and not acknowledged; one more is HADRON_ERR_FULL
#define HADRON_CLIENT_ANSWERS_MAX 256    // answers, repairs and commands that wait for their acknowledgement

struct hadron_client;
struct hadron_feed;

// Where to go and who comes. Zero the struct, set struct_size and what is needed; strings are copied.
struct hadron_client_options {
  uint32_t struct_size;    // sizeof(struct hadron_client_options)
  uint32_t window;         // NEXT requests at a time, [1, HADRON_WINDOW_MAX]; 0: as the host says
  const char *url;         // ipc:///..., tcp://, tls+tcp://, ws://, wss://
  const char *name;        // of the strategy, as the host's configuration has it; NULL: a reader
  const char *version;     // NULL: "0.0.0"
  const char *rights;      // "read", "trade" or "admin"; NULL: "trade" with a name, "read" without
  const char *token;       // what `hadron token` printed; NULL: none
  const char *ca;          // PEM file: who is trusted; tls+tcp, wss
  const char *certificate; // PEM file: this side's; also signs the hello where a host asks for it
  const char *key;         // PEM file of its secret key
  const char *server_name; // that the host's certificate must carry; NULL: the host part of the url
  const char *universe;    // globs separated by blanks: "BTC-* ETH-USD"; NULL: as configured
  const char *params;      // JSON object: parameters that the strategy has, by name; the host's values (WELCOME) hold; NULL: not said
  const char *bars;        // JSON array: ["1m","tick:100"]; NULL: none
  const char *hello;       // JSON object: further members of the HELLO, such as "pid", "cause" and "packed" (true where the url is not of this machine); NULL: none
  uint32_t batch;          // messages of a packet, at most; 0: what fits
  uint32_t connect_ms;     // how long a host may be away before the session is given up; 0: for ever
};

enum hadron_event_kind {
  HADRON_EVENT_NONE = 0,
  // Messages: `data` is `count` structs of the template, `stride` bytes apart; numbers [sequence, sequence + count).
  HADRON_EVENT_TICKS = 1,       // struct hadron_tick
  HADRON_EVENT_BARS = 2,        // struct hadron_bar
  HADRON_EVENT_POSITIONS = 3,   // struct hadron_position: comes before what made it so
  HADRON_EVENT_ALLOCATIONS = 4, // struct hadron_allocation: fills, the arm's share
  HADRON_EVENT_ORDERS = 5,      // struct hadron_order_event
  HADRON_EVENT_INSTRUMENTS = 6, // struct hadron_instrument_definition
  HADRON_EVENT_MARKS = 7,       // struct hadron_mark: the market as it is, at the beginning of a stream
  HADRON_EVENT_LOST = 8,        // sessions: struct hadron_lost. Feeds: `data` NULL, numbers [sequence, sequence + lost) will not come
  HADRON_EVENT_ASK = 9,         // workers: struct hadron_ask, whole; `text`, `text_size` its argument. To be answered: hadron_client_answer
  HADRON_EVENT_MESSAGE = 10,    // any other template; `text` is the variable part where there is one
  // What became of the connection.
  HADRON_EVENT_JOINED = 16,     // `text`: WELCOME as JSON. HADRON_EVENT_RESUMED in flags: the stream goes on, else it begins anew with a snapshot
  HADRON_EVENT_AWAY = 17,       // the connection is gone; it is tried again. `text` says why, where known
  HADRON_EVENT_STALE = 18,      // nothing was heard for too long, or a gap is not yet filled: what is known may be old
  HADRON_EVENT_LIVE = 19,       // it is not any more
  HADRON_EVENT_HEARTBEAT = 20,  // the host's clock: `host_ns`; only where asked for (hadron_client_heartbeats)
  // Decisions.
  HADRON_EVENT_ACK = 24,        // all up to number `sequence` were taken or refused; only where asked for (hadron_client_heartbeats)
  HADRON_EVENT_REFUSED = 25,    // decision number `sequence` was not taken: `code`
  // Others.
  HADRON_EVENT_ADMIN = 32,      // `text`: the answer as JSON
  HADRON_EVENT_RESET = 33,      // feeds: another life of the publisher (`epoch`), or too much was missed: forget, a snapshot follows
  HADRON_EVENT_SNAPSHOT = 34,   // feeds: the snapshot is whole; it stands for all before number `sequence`
  HADRON_EVENT_CLOSED = 48,     // for good: `code`, `text`. Nothing comes after it
};

enum hadron_event_flag {
  HADRON_EVENT_RESUMED = 1,      // JOINED: where it broke
  HADRON_EVENT_OF_SNAPSHOT = 2,  // messages: not numbered, what was before
  HADRON_EVENT_REPAIRED = 4,     // feeds: came by a repair
};

// One thing that happened. data, text: borrowed(until the next poll or close).
struct hadron_event {
  uint32_t kind;       // enum hadron_event_kind
  uint32_t flags;      // enum hadron_event_flag
  uint32_t template_id; // enum hadron_template; 0: no message
  uint32_t count;      // messages at `data`
  uint32_t stride;     // bytes from one to the next: at least the struct's size, more from a newer host
  int32_t code;        // enum hadron_error
  uint64_t epoch;      // of the host
  uint64_t sequence;   // see kind
  uint64_t lost;       // see LOST
  int64_t host_ns;     // of the last heartbeat; 0: none yet
  uint32_t stream;     // sessions: their number; feeds: the stream
  uint32_t text_size;  // bytes of text, without its NUL
  const void *data;
  const char *text;    // NUL behind it, except in messages: there text_size counts alone. NULL: none
};

// What the host said in its WELCOME.
struct hadron_client_info {
  uint32_t session;        // 0: not joined
  uint32_t window;
  uint64_t epoch;
  int64_t heartbeat_ns, stale_ns;
  uint32_t arm;            // 0: a reader
  uint32_t instruments;    // that it will be told of
  char host[64];
  char version[HADRON_VERSION_SIZE]; // the host's
  char mode[16];           // "paper", "live", ...
  char rights[16];         // that were granted
  char role[16];           // of the arm: "live", "canary", "shadow"
};

struct hadron_client_figures {
  uint64_t packets, bytes;  // received
  uint64_t messages;        // given out, each once
  uint64_t duplicates;      // messages that came again
  uint64_t damaged;         // packets that were not what their checksum says
  uint64_t rewinds;         // gaps in the stream, asked for again
  uint64_t lost;            // ticks that the host declared lost
  uint64_t joined, resumed; // times
  uint64_t decisions, acknowledged, refused;
};

// Text of the last call that failed on this thread; "" if none did. static(until the next failure)
HADRON_CLIENT_API const char *hadron_client_words(void);
// "0.1.0"; static
HADRON_CLIENT_API const char *hadron_client_version(void);

// ---- a session

// Begins to connect and returns at once; JOINED comes by poll.
// @err HADRON_ERR_ARGUMENT  an option is out of its domain
// @err HADRON_ERR_IO        a file of the options cannot be read
HADRON_CLIENT_API int32_t hadron_client_open(const struct hadron_client_options *options, struct hadron_client **out);
// Says goodbye, waits a moment for it to be heard, and frees all. Decisions that were not acknowledged are given up. NULL is fine.
HADRON_CLIENT_API void hadron_client_close(struct hadron_client *c);

// What is next. Waits for at most timeout_ms (0: not at all, -1: for ever). While the user does not poll, the host hears nothing of it, and
// marks it silent after stale_ns.
// @err HADRON_ERR_AGAIN   nothing within the time, or it was woken; event->kind is NONE
// @err HADRON_ERR_CLOSED  the session is over; event->kind is CLOSED, each time
HADRON_CLIENT_API int32_t hadron_client_poll(struct hadron_client *c, int32_t timeout_ms, struct hadron_event *event);
// For an event loop: readable when poll has something. To be polled once more at the latest after the time that hadron_client_due tells (ms;
// -1: none), as time itself makes events.
HADRON_CLIENT_API int hadron_client_fd(const struct hadron_client *c);
HADRON_CLIENT_API int32_t hadron_client_due(const struct hadron_client *c);
// Makes a poll that waits, or the next one, return. [any]
HADRON_CLIENT_API void hadron_client_wake(struct hadron_client *c);
// How long callbacks took, for the host's status: rows of struct hadron_measured that go with the next NEXT. What has no room there until it goes is not told.
HADRON_CLIENT_API void hadron_client_measured(struct hadron_client *c, const struct hadron_measured *rows, uint32_t count);
// on: HEARTBEAT and ACK come as events, too.
HADRON_CLIENT_API void hadron_client_heartbeats(struct hadron_client *c, int32_t on);

// Decisions go out numbered, in order, and again until the host has them in its journal; a refusal comes as REFUSED. The strategy fills the
// fields that hadron_decision marks so; cause: sequence of the tick that it answers to, 0: the last one that was given out - or none, if the hello has
// {"cause":"exact"}: a far engine knows when no tick of that instrument has been there yet.
// number: of the first; may be NULL.
// @err HADRON_ERR_STATE  not joined with the right to trade
// @err HADRON_ERR_FULL   too many wait to be acknowledged: poll
HADRON_CLIENT_API int32_t hadron_client_decide(struct hadron_client *c, const struct hadron_decision *decisions, uint32_t count, uint64_t *number);

// Workers: what was ASKed is done, after everything that came before it. code: HADRON_OK, or what failed; then the bytes are words.
// It goes out behind the decisions that were made before it.
HADRON_CLIENT_API int32_t hadron_client_answer(struct hadron_client *c, uint64_t number, int32_t code, const void *bytes, uint32_t size);

// A command of the control socket, as JSON; its answer comes as ADMIN.
HADRON_CLIENT_API int32_t hadron_client_admin(struct hadron_client *c, const char *json);

HADRON_CLIENT_API void hadron_client_info(const struct hadron_client *c, struct hadron_client_info *out);
HADRON_CLIENT_API void hadron_client_figures(const struct hadron_client *c, struct hadron_client_figures *out);

// ---- a feed

struct hadron_feed_options {
  uint32_t struct_size;    // sizeof(struct hadron_feed_options)
  uint32_t hold;           // packets that may wait behind a gap, per stream; 0: 1024
  const char *url;         // where the host publishes
  const char *topic;       // HADRON_TOPIC_TICKS or HADRON_TOPIC_EVENTS; NULL: ticks
  // Gaps are repaired over a session of its own: where, and with which rights. session.ca, .certificate, .key are the feed's as well.
  // session.url NULL: nothing is repaired; gaps are declared, and there is no snapshot.
  struct hadron_client_options session;
  uint32_t heartbeat_ms;   // of the publisher; 0: 100. Three missed make a stream stale
  uint32_t repair_ms;      // least time between two repairs of a stream; 0: 10
  uint64_t seed;           // of the jitter; 0: from the clock
};

struct hadron_feed_figures { // of all streams
  uint64_t packets, messages; // received; given out, each once
  uint64_t duplicates, damaged, old_epoch;
  uint64_t held, overflowed;  // packets that waited behind a gap; that found no room to
  uint64_t gaps, gap_messages; // found; messages in them
  uint64_t repairs, repaired; // asked for; messages that came by them
  uint64_t lost;              // messages that were declared lost
  uint64_t snapshots, resets, stale;
};

// As the session's functions, of the same names.
HADRON_CLIENT_API int32_t hadron_feed_open(const struct hadron_feed_options *options, struct hadron_feed **out);
HADRON_CLIENT_API void hadron_feed_close(struct hadron_feed *f);
HADRON_CLIENT_API int32_t hadron_feed_poll(struct hadron_feed *f, int32_t timeout_ms, struct hadron_event *event);
HADRON_CLIENT_API int hadron_feed_fd(const struct hadron_feed *f);
HADRON_CLIENT_API int32_t hadron_feed_due(const struct hadron_feed *f);
HADRON_CLIENT_API void hadron_feed_wake(struct hadron_feed *f); // [any]
HADRON_CLIENT_API void hadron_feed_figures(const struct hadron_feed *f, struct hadron_feed_figures *out);

#ifdef __cplusplus
}
#endif

#endif
