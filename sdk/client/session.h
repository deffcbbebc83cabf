// A session from the inside: what client.c (calls, events) and session.c (the protocol) and outbox.c (what goes out) share. [one thread]
#ifndef HC_SESSION_H
#define HC_SESSION_H

#include "hello.h"
#include "packet.h"
#include "stream.h"

#define HC_READY_MAX (3 * HADRON_WINDOW_MAX) // packets that wait, for the user or behind a gap: twice the host's window, and those that were on their way
#define HC_SAYS 128                      // events that are no messages and wait: with more of them, no answers about decisions are taken
#define HC_DECISIONS_REQUEST 64          // of one DECIDE: what the host takes at a time

enum hc_session_state { HC_AWAY = 0, HC_GREETING = 1, HC_JOINED = 2, HC_CLOSED = 3 };

struct hc_say { // an event with its own text
  struct hadron_event event;
  char *text; // owned; NULL: none
};

struct hc_letter { // ANSWER or ADMIN, until it is acknowledged
  uint16_t kind;
  struct hadron_answer head;
  uint64_t after; // decision that must be acknowledged before
  char *bytes;    // owned
  uint32_t size;
};

struct hc_ready {
  struct hc_packet *packet;
  uint64_t from; // first number that was not given out before
};

struct hadron_client {
  struct hc_bell own_bell, *bell; // bell: its own, or a feed's
  struct hc_link link;
  struct hc_who who;
  uint32_t window; // asked for; 0: the host's
  int64_t connect_ns;
  _Atomic bool woken;
  bool verbose;    // HEARTBEAT and ACK are events

  enum hc_session_state state;
  struct hadron_client_info info;
  struct hc_call *hello, *decide, *other, *feed, *next; // of link.calls; next: HADRON_WINDOW_MAX of them
  uint32_t generation;      // of the connection that it is joined on, or greets
  char nonce[80];           // to be signed
  int64_t greet_ns;         // the next HELLO not before
  int64_t away_ns, heard_ns, greeted_ns; // since when it is away; when something came last; when HELLO was said
  uint32_t refusals;        // in a row: the back-off
  uint32_t dropped;         // generation of the connection that was hung up: nothing comes of it any more
  struct hc_patience patience; // with a socket that has no connection
  bool stale, forget, told; // forget: the next HELLO has no resume; told: why it is not let in, since it was last
  bool stuck_told;

  struct hc_stream stream;
  uint64_t gap_serial;      // of the last call whose answer showed a gap
  uint64_t rewound;         // number that a rewind was asked for, and is on its way; 0: none
  uint64_t rewind_serial;   // of that request
  struct hc_packet *reply;  // to what a feed asked; owned
  bool replied;             // there is one, or (reply NULL) it was given up
  int32_t closed_code;
  struct hc_ready ready[HC_READY_MAX];
  uint32_t ready_count;
  struct hc_packet *current;
  void *room;               // for its messages, where they are packed; owned
  uint64_t given;           // numbers before it were given out and handled: what NEXT acknowledges
  uint64_t giving;          // as it will be at the next poll
  uint64_t cause;           // sequence of the last tick that was given out
  int64_t host_ns;

  struct hc_say *says, said; // a queue that grows: refusals of all that is unacknowledged can come at once
  uint32_t say_first, say_count, say_room;

  struct hadron_decision *decisions; // a ring; numbers (acknowledged, decided]
  uint64_t decided, acknowledged, asked_to; // asked_to: last one of the request that is out
  int64_t decide_ns;                 // the next request not before
  struct hc_letter letters[HADRON_CLIENT_ANSWERS_MAX];
  uint32_t letter_first, letter_count;
  int64_t letter_ns;
  uint64_t commands;        // of this session, for their numbers

  struct hadron_ask ask;    // that comes in pieces
  char *ask_bytes;          // owned
  uint32_t ask_size;
  struct hadron_client_figures figures;
  struct hadron_measured measured[HADRON_MEASURED_MAX]; // for the next NEXT
  uint32_t measured_count;
};

// An event. text: copied.
void hc_say(struct hadron_client *c, const struct hadron_event *event, const char *text, size_t size);

// Does what can be done now: answers that came, the connection, what goes out. (session.c)
void hc_session_pump(struct hadron_client *c, int64_t now);
int64_t hc_session_due(const struct hadron_client *c, int64_t now);
void hc_session_close(struct hadron_client *c, int32_t code, const char *text); // for good
// The host does not know the session (any more): HELLO again.
void hc_session_again(struct hadron_client *c, const char *why, int64_t now);
struct hadron_frame hc_session_frame(const struct hadron_client *c, uint16_t kind, uint16_t count, uint64_t sequence);

// A session that rings somebody else's bell; NULL: its own. (client.c)
int32_t hc_session_open(const struct hadron_client_options *options, struct hc_bell *bell, struct hadron_client **out);
// REPAIR or SNAPSHOT, for a feed. False: not now. The answer comes as `reply`.
bool hc_session_ask(struct hadron_client *c, uint16_t kind, const struct hadron_repair *what);

// Decisions, answers, commands. (outbox.c)
void hc_outbox_pump(struct hadron_client *c, int64_t now);
void hc_outbox_decided(struct hadron_client *c, const struct hc_packet *answer, int64_t now);
void hc_outbox_delivered(struct hadron_client *c, const struct hc_packet *answer, int64_t now);
void hc_outbox_forget(struct hadron_client *c); // another session: what was not acknowledged is given up
int64_t hc_outbox_due(const struct hadron_client *c);
void hc_outbox_fini(struct hadron_client *c);

#endif
