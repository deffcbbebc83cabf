// Hadron SDK: venues. A venue plugin brings ticks, takes orders, or both. docs/venues.md walks the message sequences of
// real venues (WebSocket streams, REST with sequence numbers, FIX) through this interface.
//
// All callbacks of an instance run on one thread, one at a time, and must not block: a venue starts what it needs, returns,
// and is polled at the time it asked for. The host owns orders; a venue keeps only what its protocol needs.
#ifndef HADRON_VENUE_H
#define HADRON_VENUE_H

#include "hadron/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

// Bits of hadron_venue_api.features.
enum hadron_venue_feature {
  HADRON_VENUE_TICKS = 1,       // brings ticks
  HADRON_VENUE_ORDERS = 2,      // takes orders: submit and cancel are there
  HADRON_VENUE_REPLACES = 4,    // replaces an order in place: replace is there; else the host cancels and sends anew
  HADRON_VENUE_STOPS = 8,       // holds stop orders itself; else the host holds them
  HADRON_VENUE_POST_ONLY = 16,
  HADRON_VENUE_REDUCE_ONLY = 32,
  HADRON_VENUE_QUERIES = 64,    // answers by client order id: query is there
  HADRON_VENUE_RECONCILES = 128, // reports its open orders, recent fills and positions: reconcile is there
  HADRON_VENUE_RECORDED = 256,  // its ticks come from a recording: orders cannot change them, and replay may read ahead
  HADRON_VENUE_FOLLOWS = 512,   // fills orders against ticks of other venues: on_tick is there
};

struct hadron_venue_context {
  uint32_t struct_size;
  uint16_t venue;    // its number in ticks and orders
  uint16_t pad;
  const char *name;  // its name in the config; static
};

struct hadron_venue_api {
  uint32_t struct_size;
  uint32_t features; // enum hadron_venue_feature bits

  // Makes an instance. Parameters are set after this and before `start`. [control & loaded]
  // @param host     static until destroy
  // @own   context  borrowed(call)
  // @own   self     owned by the plugin; untouched on failure
  // @since 1.0
  int32_t (*create)(const struct hadron_host *host, const struct hadron_venue_context *context, void **self);

  // Frees an instance; accepts one whose start failed. [control & created, stopped]
  // @since 1.0
  void (*destroy)(void *self);

  // Begins: resolves its listings, opens files or connections. Progress is told by `status`. [io & created]
  // @err   HADRON_ERR_*  the venue cannot be used; say why by `fail`
  // @since 1.0
  int32_t (*start)(void *self);

  // Ends: no more ticks or reports after it returns. May be called twice. [io & active]
  // @since 1.0
  void (*stop)(void *self);

  // Does what is due at or before now_ns: emits ticks and reports whose time is <= now_ns, a bounded number at a time.
  // A RECORDED venue emits its next batch, whatever now_ns is. [io & active] [nonblocking]
  // @return when it wants to be polled again, ns; now_ns for "at once"; INT64_MAX for "not by time"
  // @since 1.0
  int64_t (*poll)(void *self, int64_t now_ns);

  // Sends an order. The outcome comes as reports: ACCEPT, REJECT, FILL, ...; SEND_FAIL only if surely nothing left; LOSE if
  // it cannot be known. NULL without ORDERS. [io & active] [nonblocking]
  // @own   order  borrowed(call)
  // @err   HADRON_ERR_*  nothing left; the host takes it as SEND_FAIL
  // @since 1.0
  int32_t (*submit)(void *self, const struct hadron_order *order);

  // Asks for an order to be cancelled; the outcome comes as CANCELED or CANCEL_REJECT. NULL without ORDERS. [io & active] [nonblocking]
  // @own   order  borrowed(call): the order as sent, with the venue's id where known
  // @since 1.0
  int32_t (*cancel)(void *self, const struct hadron_order *order);

  // Asks for `order.replaces` to take this order's price and quantity (the new total); the outcome comes as REPLACED or
  // REPLACE_REJECT under the new client order id. NULL without REPLACES. [io & active] [nonblocking]
  // @own   order  borrowed(call)
  // @since 1.0
  int32_t (*replace)(void *self, const struct hadron_order *order);

  // Asks what became of an order, by client order id; the answer comes as a report with flag 1: its state as ACCEPT, FILL,
  // CANCELED, ..., or ABSENT. NULL without QUERIES. [io & active] [nonblocking]
  // @own   order  borrowed(call)
  // @since 1.0
  int32_t (*query)(void *self, const struct hadron_order *order);

  // Reports all open orders (ACCEPT), then all fills since since_ns, then all positions (POSITION, one report per listing that is not
  // flat), each with flag 1, then status READY. The host asks before the first order of a live session. NULL
  // without RECONCILES. [io & active] [nonblocking]
  // @since 1.0
  int32_t (*reconcile)(void *self, int64_t since_ns);

  // A tick that the host accepted, before any strategy sees it. NULL without FOLLOWS. [io & active] [nonblocking]
  // @own   tick  borrowed(call): after normalize, the canonical instrument
  // @since 1.0
  void (*on_tick)(void *self, const struct hadron_tick *tick);

  // Tells which of its listings some strategy wants, once they are known: after start, before the first poll. A venue that is not told,
  // or whose entry is NULL, streams all that it resolved. [io & active]
  // @own   handles  borrowed(call), ascending, [0 .. count)
  // @err   HADRON_ERR_*  the venue cannot stream them: the session does not begin; say why by `fail`
  // @since 1.0
  int32_t (*subscribe)(void *self, const uint32_t *handles, uint32_t count);
};

// A listing that a venue knows. Zero fields are not known to the venue: the universe or the defaults hold.
struct hadron_listing {
  char symbol[HADRON_SYMBOL_SIZE];   // the venue's, NUL-padded
  char name[HADRON_SYMBOL_SIZE];     // canonical, or empty: the symbol in upper case
  char currency[8];
  struct hadron_price increment;
  struct hadron_quantity lot;
  struct hadron_quantity multiplier;
  uint32_t asset;                    // 1 equity, 2 forex, 3 crypto, 4 future, 5 event contract
  uint32_t pad;
};

// Capability "hadron.venue/1", host side.
struct hadron_venue_host {
  uint32_t struct_size;
  uint32_t pad;

  // Handle of a symbol of this venue; made on first use where the universe allows it. Never on the tick path. [io & created, active]
  // @own   listing  borrowed(call)
  // @param handle   goes into hadron_tick.instrument, hadron_venue_report.listing; the host's orders carry it
  // @err   HADRON_ERR_NOT_FOUND  the universe is closed and does not have it: do not send its ticks
  // @err   HADRON_ERR_FULL       more instruments than limits.h or the config allow
  // @since 1.0
  int32_t (*resolve)(struct hadron_instance *instance, const struct hadron_listing *listing, uint32_t *handle);

  // Hands over ticks, in the order in which the venue said them. [io & active] [nonblocking]
  // @own   ticks  borrowed(call)
  // @return how many were taken; fewer than count means: keep the rest and poll again (back-pressure of a recorded source)
  // @since 1.0
  uint32_t (*ticks)(struct hadron_instance *instance, const struct hadron_tick *ticks, uint32_t count);

  // Hands over what the venue says about an order. Never dropped. [io & active] [nonblocking]
  // @own   report  borrowed(call)
  // @since 1.0
  void (*report)(struct hadron_instance *instance, const struct hadron_venue_report *report);

  // Tells the venue's state, with its own words. [io & created, active]
  // @param state  enum hadron_venue_state
  // @own   text   borrowed(call), NUL-terminated, may be NULL
  // @since 1.0
  void (*status)(struct hadron_instance *instance, uint32_t state, const char *text);

  // Applies a corporate action to the books before the next tick of the instrument. [io & active]
  // @own   adjustment  borrowed(call): `instrument` is the listing handle
  // @since 1.0
  void (*adjust)(struct hadron_instance *instance, const struct hadron_adjustment *adjustment);

  // How far a recorded source is; for progress bars. [io & active]
  // @param done, total  in the same unit, usually bytes; total 0 if unknown
  // @since 1.0
  void (*progress)(struct hadron_instance *instance, uint64_t done, uint64_t total);

  // Says why the call in progress is about to fail: what, where, expected and found, what to do. [io, control & created, active]
  // @own   text  borrowed(call), NUL-terminated
  // @since 1.0
  void (*fail)(struct hadron_instance *instance, const char *text);

  // Canonical instrument of a handle; 0 if it is not one. A FOLLOWS venue matches ticks to orders by it. [io & active]
  // @since 1.0
  uint32_t (*instrument)(struct hadron_instance *instance, uint32_t handle);

  // Definition of a canonical instrument: grid, multiplier, name. [io & created, active]
  // @own   out  filled on success
  // @err   HADRON_ERR_NOT_FOUND
  // @since 1.0
  int32_t (*definition)(struct hadron_instance *instance, uint32_t instrument, struct hadron_instrument_definition *out);
};

#ifdef __cplusplus
}
#endif

#endif
