// A host for the simulated venue in which orders and what becomes of them are words:
//
//   struct sim_host *h = sim_host_open("queue=front entry_latency=5ms");
//   sim_host_quote(h, 1000, "100.00 x 50 / 100.02 x 30");
//   sim_host_submit(h, "A", "buy 10 limit 100.02 ioc");
//   assert_string_equal(sim_host_said(h), "A ACCEPT; A FILL 10 @ 100.02 taker");
//
// Times are milliseconds after an epoch; quantities are units; instrument 1 unless a word "x2" says another. The increment is
// 0.01 and the lot 1. After each call the venue is polled at the host's time, as its contract asks, unless `lazy` is set.
#ifndef TEST_SIM_HOST_H
#define TEST_SIM_HOST_H

#include <stdbool.h>

#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define SIM_HOST_EPOCH INT64_C(1700000000000000000)
#define SIM_HOST_MS INT64_C(1000000)
#define SIM_HOST_INSTRUMENTS 64

struct sim_host {
  struct hadron_host host;
  void *library;
  const struct hadron_venue_api *api;
  const struct hadron_params *params;
  void *self;
  int64_t now_ns, next_ns;
  uint64_t random, digest; // digest: of every tick and report, byte for byte, in order
  bool lazy;               // poll only when asked
  bool times;              // words carry the time at which the host heard, "12ms A ACCEPT"
  bool numbers;            // words of fills carry fee and cumulative quantity
  uint32_t asset;
  uint32_t take_max;       // ticks taken per call; 0: all
  char said[65536];
  size_t said_size;
  char fault[512];
  uint32_t state, listings;
  uint64_t report_count, tick_count;
  struct hadron_venue_report last_report;
  // Called with what comes, if set.
  void (*on_report)(void *user, const struct hadron_venue_report *report);
  void (*on_tick)(void *user, const struct hadron_tick *tick);
  void *user;
};

// settings: "key=value key=value"; a list's items are parted by commas. NULL if start failed: see the fault on standard error.
struct sim_host *sim_host_open(const char *settings);
// The same without start; the result of start is returned.
struct sim_host *sim_host_create(const char *settings);
int32_t sim_host_start(struct sim_host *h);
void sim_host_close(struct sim_host *h);
int32_t sim_host_set(struct sim_host *h, const char *name, const char *value);

void sim_host_poll(struct sim_host *h);                  // at the host's time, until nothing is due
void sim_host_until(struct sim_host *h, int64_t ms);     // polls whenever the venue asked to be polled, up to then
void sim_host_until_ns(struct sim_host *h, int64_t now_ns);
void sim_host_tick(struct sim_host *h, const struct hadron_tick *tick);
void sim_host_quote(struct sim_host *h, int64_t ms, const char *words);  // "100.00 x 50 / 100.02 x 30", "- / 100.02 x 3"
void sim_host_trade(struct sim_host *h, int64_t ms, const char *words);  // "100.00 x 5 [buy|sell] [bar]"
void sim_host_status(struct sim_host *h, int64_t ms, uint32_t state);

// "buy|sell QUANTITY market|limit P|stop P ... day|gtc|ioc|fok|gtd MS post reduce xI"
struct hadron_order sim_host_order(const struct sim_host *h, const char *id, const char *words);
int32_t sim_host_submit(struct sim_host *h, const char *id, const char *words);
int32_t sim_host_replace(struct sim_host *h, const char *old, const char *id, const char *words);
int32_t sim_host_cancel(struct sim_host *h, const char *id);
int32_t sim_host_query(struct sim_host *h, const char *id);

// What the venue has said since the last call, parted by "; ".
const char *sim_host_said(struct sim_host *h);

#endif
