// The bus: everybody who is not in this process, over NNG. One thread, [bus], serves sessions (strategies elsewhere: workers and external ones) at the
// far end of their channels; another, [feed], publishes what the journal tells to whoever only looks.
//
//   sessions  REQ/REP: register, then pull the stream of the session by NEXT; decide, repair, administer. The host keeps what was sent until the next
//             NEXT acknowledges it, so that nothing is lost by a reconnect; who falls behind its channel's rings is told what it lost
//   feeds     PUB/SUB: numbered streams from the journal; gaps are repaired by REPAIR over a session, from a ring, then from the journal
//
// Being heard at all is the listener's business (its address, TLS); who one is, the token's or the certificate's; what one may, the class of both.
//
// bound  sessions_max sessions; decisions_per_second each; frame.h, session.h, stream.h, socket.h say theirs
// thread  create, destroy, attach, detach [io]; `changed` is called on [bus]
#ifndef HD_BUS_BUS_H
#define HD_BUS_BUS_H

#include "base/fault.h"
#include "base/limits.h"
#include "bus/cert.h"
#include "bus/channel.h"

struct hd_bus;
struct hd_bus_seat;

// What a peer of a listener may do. Each includes the one before it.
enum hd_bus_class {
  HD_BUS_CLASS_INVALID = 0,
  HD_BUS_READ = 1,  // feeds, snapshots, repair
  HD_BUS_TRADE = 2, // decide, for the strategies that its token or certificate names
  HD_BUS_ADMIN = 3, // the commands of the control socket
};

// An address where sessions are taken.
struct hd_bus_listen {
  const char *url;           // "ipc:///path", "tcp://127.0.0.1:7007", "tls+tcp://…", "ws://…", "wss://…"
  uint32_t rights;           // enum hd_bus_class: what its peers may do at most
  const char *tokens;        // file of tokens; NULL: who is heard here needs none
  const char *certificate, *key, *ca, *crl; // PEM files, for TLS; NULL: none
  bool insecure;             // plain text beyond this machine is meant
  bool only_workers;         // HELLO needs a worker's token
};

// Is this a transport, and one that may be used? HADRON_ERR_ARGUMENT: why not. [any]
int32_t hd_listen_check(const struct hd_bus_listen *listen, struct hd_fault *fault);

struct hd_bus_options {
  const struct hd_bus_listen *listeners; // [0 .. listener_count); texts are copied
  uint32_t listener_count;
  const char *directory;     // of the socket for workers of this machine, made with mode 0700; NULL: no workers
  const char *host;          // its name, for WELCOME
  uint32_t mode;             // enum hadron_mode
  bool starting;             // whoever is expected may not be known yet: who comes is told to come again, until hd_bus_started
  bool is_virtual;           // ticks carry another clock's times: how old they are is not known
  int64_t heartbeat_ns, stale_after_ns, session_keep_ns; // 0: as docs/config.md says
  uint32_t window, sessions_max, decisions_per_second;   // 0: the same
  int64_t handshake_ns, quiet_ns; // 0: as bus/lobby.h says
  uint64_t epoch;            // 0: a random one
};

// Opens the listeners and starts the thread. @err HADRON_ERR_ARGUMENT, HADRON_ERR_IO, HADRON_ERR_MEMORY
int32_t hd_bus_create(const struct hd_bus_options *options, struct hd_bus **out, struct hd_fault *fault);
// Tells everybody to go and ends the thread. Every seat has been detached. NULL is fine.
void hd_bus_destroy(struct hd_bus *bus);
uint64_t hd_bus_epoch(const struct hd_bus *bus);
void hd_bus_started(struct hd_bus *bus); // all who are expected at the start have their seats [any]
// Publishes what the journal tells (feed.h); epoch, heartbeat and bell are the bus's. Its sessions can ask for repair from then on. [io]
struct hd_feed_options;
struct hd_feed;
int32_t hd_bus_publish(struct hd_bus *bus, const struct hd_feed_options *options, struct hd_fault *fault);
const struct hd_feed *hd_bus_feed(const struct hd_bus *bus); // NULL: it publishes nothing [io]

// One who may come: a worker with its token, or an external strategy by its name and version. Strings and arrays are copied.
struct hd_bus_expected {
  const char *name, *version;       // of the strategy; version NULL: any
  const uint8_t *token;             // 32 bytes that a worker says in HELLO; NULL: an external strategy, by its rights
  struct hd_channel *const *channels; // [0 .. channel_count): of its occupant, one per shard; borrowed(until detached)
  uint32_t channel_count;
  uint32_t arm;                     // 0: none yet
  const struct hadron_instrument_definition *universe; // [0 .. universe_count)
  uint32_t universe_count;
  bool lock_step;                   // the shard waits for every answer: silence is no fault
  bool shares;                      // a worker that has the memory of the channels
  bool again;                       // there was one before it: what waits in the channels until it comes was for that one
  const char *params;               // JSON object of texts, for WELCOME: those that hold here; NULL: none
  bool declared;                    // they are all that there are: a HELLO with others is refused
  const struct hadron_bar_request *bars; // [0 .. bar_count): what it gets besides ticks
  uint32_t bar_count;
  struct hd_histogram *latency;     // where times of its callbacks go that it tells; written by [bus]; borrowed(until detached); NULL: nowhere
  const char *role;                 // of the arm, for WELCOME: "live", "canary", "shadow"; NULL: none yet; static
  // Joined, silent, back, left: with words. [bus]
  void (*changed)(void *self, uint32_t change, const char *words);
  void *self;
};

struct hd_bus_figures { // of one seat, for status
  uint64_t sent, acknowledged, repaired, decisions, refused;
  int64_t heard_ns;     // monotonic; 0: never
  uint32_t state;       // enum hadron_placed_change: JOINED, SILENT, LEFT; 0: never there
  uint32_t pid;         // workers
  char peer[64];        // its address, or the worker's pid
};

// Who and what was not let in, since it started.
struct hd_bus_refusals {
  uint64_t certificate;              // TLS handshakes without a good one
  uint64_t other;                    // connections that never became one: garbage, silence, too large a message
  uint64_t turned_away;              // connections above the bound
  uint64_t silent;                   // connections that were ended because they said nothing of use for too long (bus/lobby.h)
  uint64_t requests;                 // refused, HELLOs among them
  uint64_t hellos[HD_CERT_REASONS];  // signed ones, by why they were refused
  uint64_t hellos_good;
};
void hd_bus_refusals(struct hd_bus *bus, struct hd_bus_refusals *out); // [any]

int32_t hd_bus_attach(struct hd_bus *bus, const struct hd_bus_expected *who, struct hd_bus_seat **out, struct hd_fault *fault);
// Whose seat it is now. arm 0: nobody's, and what its peer decides is refused. role: static, for WELCOME. [any]
void hd_bus_sits(struct hd_bus_seat *seat, uint32_t arm, const char *role);
// What WELCOME says of parameters from now on. [any but bus]
void hd_bus_params(struct hd_bus *bus, struct hd_bus_seat *seat, const char *params);
void hd_bus_detach(struct hd_bus *bus, struct hd_bus_seat *seat); // what it was sent is forgotten; a peer that is there is told to go. NULL is fine
void hd_bus_figures(struct hd_bus *bus, struct hd_bus_seat *seat, struct hd_bus_figures *out); // [any]
// Where all workers of this machine may come: "ipc:///…". static
const char *hd_bus_worker_url(const struct hd_bus *bus);
// Where the worker of this seat finds the bus: an address of its own, "ipc:///…"; "": it has none. static(until detached)
const char *hd_bus_seat_url(const struct hd_bus_seat *seat);

// Commands of class admin: who carries them out. command: [bus]; must not wait. json: borrowed(call). NULL: nobody does any more. [io]
struct hd_bus_commands {
  void *self;
  void (*command)(void *self, uint64_t number, const char *who, const void *json, size_t size);
};
void hd_bus_take_commands(struct hd_bus *bus, const struct hd_bus_commands *commands);
void hd_bus_command_answer(struct hd_bus *bus, uint64_t number, const char *json); // copied; nobody may be there any more [any but shards]

#endif
