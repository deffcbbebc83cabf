// What the server's files share. server.c: life, the thread, seats. peer.c: sessions of the peers, their rights and silence.
#ifndef HD_BUS_SERVER_INTERNAL_H
#define HD_BUS_SERVER_INTERNAL_H

#include <pthread.h>

#include "base/histogram.h"
#include "bus/feed.h"
#include "bus/hello.h"
#include "bus/session.h"
#include "bus/socket.h"
#include "bus/stream.h"


struct hd_bus_peer { // one session
  struct hd_bus *bus;
  struct hd_bus_session session;
  struct hd_bus_seat *seat;     // NULL: it only looks
  struct hd_socket *socket;
  uint32_t pipe;                // 0: its connection is gone
  uint32_t rights;
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE], peer[64];
  uint8_t identity[32];         // SHA-256 of what it proved itself by
  uint8_t hello[32];            // of its HELLO, to know it again
  struct hd_cert cert;          // that it proved itself by, where it did
  uint32_t pid;
  int64_t heard_ns, gone_ns;    // monotonic
  uint32_t state;               // enum hadron_placed_change: JOINED, SILENT, BACK
  int64_t allowance_ns;         // of decisions per second, as time
  int64_t allowed_ns;           // when it was counted last
  uint64_t admin_number, admin_command; // of the last command: its sender's, and ours while it is carried out
  struct hd_request *admin_request; // that waits for it; NULL: none
  char *admin_answer;           // of the last one; owned
  bool exact;                   // cause 0 is what it says
  bool packed;                  // as its HELLO asked: what is kept for it is so, also when it comes back
  bool told;                    // a refusal of its decisions was logged
  bool by_token, by_cert;       // identity is the SHA-256 of one, or of its fingerprint
};

struct hd_bus_seat {
  struct hd_bus *bus;
  struct hd_bus_seat *next;
  char name[HADRON_NAME_SIZE], version[HADRON_VERSION_SIZE]; // version "": any
  char *params;                 // owned; NULL: none
  bool declared;
  struct hadron_bar_request bars[HD_BAR_KINDS_MAX];
  uint32_t bar_count;
  uint8_t token[32];
  bool is_worker, lock_step;
  struct hd_histogram *latency; // borrowed; NULL: none
  char url[160];                // of its worker
  nng_listener listener;        // for it alone; id 0: none
  bool joined;                  // somebody was there once, here or in the seat before it
  _Atomic uint32_t arm;         // 0: nobody's
  _Atomic(const char *) role;   // static
  void (*changed)(void *self, uint32_t change, const char *words);
  void *self;
  struct hd_stream stream;
  struct hd_bus_peer *peer;     // NULL: nobody
  uint64_t base;                // number in the channels of the session's decision 0
  uint64_t given;               // number in the channels of the last decision
  struct hd_bus_figures figures; // of sessions that have ended, and what is no session's
};

// A HELLO that is being looked at, and who has said it. Too large for a stack.
struct hd_bus_coming {
  struct hd_hello hello;
  struct hd_cert cert;          // that it is signed by, where it is
  bool by_token, by_cert;
  uint32_t rights;
  uint8_t identity[32];
};

struct hd_bus_question { // a REPAIR or SNAPSHOT that the feed is at
  uint64_t number;
  struct hd_request *request;
  struct hd_bus_peer *peer;
  struct hadron_repair what;
};

struct hd_bus_errand {
  void (*function)(void *argument);
  void *argument;
  bool done;
  struct hd_bus_errand *next;
};

struct hd_bus {
  struct hd_bus_options options;
  char *texts[HD_BUS_LISTENERS_MAX * 8];
  uint32_t text_count;
  struct hd_bus_listen listeners[HD_BUS_LISTENERS_MAX + 1]; // the last one: of the workers
  uint32_t listener_count;
  char worker_url[160];
  uint64_t epoch;
  struct hd_bell bell;
  struct hd_inbox inbox;
  struct hd_lobby *lobby;       // owned
  struct hd_socket *sockets;    // owned
  uint32_t socket_count;
  pthread_t thread;
  bool running;
  _Atomic bool stop, starting;
  pthread_mutex_t lock;         // of the errands
  pthread_cond_t done;
  struct hd_bus_errand *errands;
  struct hd_bus_seat *seats;
  char (*known)[HADRON_NAME_SIZE]; // [0 .. known_count): strategies that had a seat here once; owned
  uint32_t known_count;
  struct hd_bus_peer *peers[HD_BUS_SESSIONS_MAX]; // [0 .. peer_count); owned
  uint32_t peer_count;
  struct hd_feed *feed;         // owned; NULL: nothing is published
  struct hd_bus_question questions[HD_FEED_JOBS]; // [0 .. question_count)
  uint32_t question_count;
  uint64_t question_number;
  struct hd_bus_commands commands;
  uint64_t command_number;
  struct hd_bus_coming coming;
  uint8_t *packet;              // HADRON_PACKET_MAX bytes, for answers that are long; owned
  int64_t now_ns, wall_ns;      // of this round
  struct hd_refusals refusals;  // of requests, HELLOs among them
  int64_t renewed_ns;           // monotonic; when hd_bus_renew looked last
  uint64_t failed_certificate, failed_other; // connections that never became one
};

// server.c: has it done on [bus], and waits.
void hd_bus_ask(struct hd_bus *bus, void (*function)(void *argument), void *argument);

// peer.c [bus]
void hd_peer_request(struct hd_bus *bus, struct hd_request *r);
void hd_peer_gone(struct hd_bus *bus, uint32_t pipe);
// What is due: answers, silence, sessions that nobody comes back to. Returns when to look again.
int64_t hd_peers_work(struct hd_bus *bus);
void hd_peer_end(struct hd_bus_peer *peer, const char *words); // LEFT
void hd_peer_shut(struct hd_bus_peer *peer, const char *words); // the same, and its connection with it
// admin.c [bus]
void hd_admin_ask(struct hd_bus_peer *peer, struct hd_request *r, const struct hd_frame *frame);
void hd_admin_drop(struct hd_bus_peer *peer); // its connection is gone
// question.c [bus]
void hd_question_ask(struct hd_bus_peer *peer, struct hd_request *r, const struct hd_frame *frame);
void hd_questions_work(struct hd_bus *bus); // gives the answers that are ready
void hd_questions_drop(struct hd_bus_peer *peer); // it is not there any more
void hd_bus_refuse(struct hd_bus *bus, struct hd_request *r, struct hd_fault *fault); // peer.c: answers, counts, logs once
// renew.c [bus]: once a second, what has changed about TLS: certificates that hold no longer, files, connections that never became one.
void hd_bus_renew(struct hd_bus *bus);
void hd_bus_doors(struct hd_bus *bus); // listeners that let nobody in any more listen anew (door.h)
void hd_peer_figures(const struct hd_bus_peer *peer, struct hd_bus_figures *out); // added

#endif
