// What control's files share. server.c: socket, clients, kill by file and signal. command.c: the table and the commands that act.
// view.c copies what the trading side owns, on its thread. show.c makes answers of that. change.c: `set`, service.c: that of services.
#ifndef HD_CONTROL_CONTROL_INTERNAL_H
#define HD_CONTROL_CONTROL_INTERNAL_H

#include "control/control.h"

#define HD_VIEW_ORDERS_MAX 1024 // open orders shown; more are counted

enum hd_control_right { HD_RIGHT_LOOK = 1, HD_RIGHT_OPERATE = 2 };
enum hd_control_form { HD_FORM_LIVE = 1, HD_FORM_REPLAY = 2, HD_FORM_ANY = 3 };

// One open order, without what nobody is shown.
struct hd_view_order {
  char id[sizeof(struct hadron_client_order_id) + 1];
  char venue_id[HADRON_VENUE_ID_SIZE + 1];
  uint32_t instrument, arm, arms;
  uint16_t venue;
  uint8_t side, type, state, held;
  bool shadow;
  struct hadron_price limit, stop, average;
  struct hadron_quantity quantity, filled;
  int64_t time_ns;
};

// A copy of what [trade] owns, made there between two events without allocating.
struct hd_view {
  int64_t now_ns;
  bool killed;
  uint64_t passed;
  struct hd_gateway_counts orders, shadow_orders; // of what trades; of the shadows
  struct hd_book *books;           // [0 .. arm_count]; inner pointers are not followed
  struct hd_position *positions;   // [1 .. instrument_count]: the portfolio's
  struct hd_book house;            // the house's own: what no arm owns any more
  struct hadron_quantity *house_quantity; // [1 .. instrument_count]
  struct hd_view_split { uint32_t low, high; } *splits; // [arm]: of 1,000,000 instruments those that it trades; 0, 0: all
  struct hd_limits limits;
  struct hd_histogram tick_to_order, trading[3]; // threads: the whole way; merge, risk, gateway
  struct hd_view_order *open;      // [0 .. open_count)
  uint32_t open_count, arm_count, instrument_count;
};

// Counts that only grow, for rates.
struct hd_tally {
  int64_t at_ns; // monotonic
  uint64_t ticks, decisions, orders, executions;
};

struct hd_client;
struct hd_remote; // remote.c
struct hd_deploying; // deploy.c
struct hd_service_change; // service.c

struct hd_control {
  struct hd_control_options options;
  uint32_t owner_uid;
  char path[512];                  // of the socket; "": none
  char kill_file[600];
  char kill_why[256];
  int64_t start_ns;                // wall
  int64_t start_monotonic_ns;
  uv_pipe_t listener;
  uv_timer_t timer;                // kill file, rates
  uv_signal_t kill_signal;
  uint32_t handles;                // open ones; the memory goes with the last
  bool closing, kill_file_seen;
  bool ended;                      // the threads are gone: everything may be touched from here
  struct hd_client *clients[HD_CONTROL_CLIENTS];
  struct hd_remote *remote;        // commands that come over the bus; NULL: there is none; owned
  uint64_t asking_remote;          // the one of them that is being carried out; 0: none
  bool remote_waits;               // its answer comes later
  struct hd_client *asking;        // whose request is being carried out; NULL: the host's own
  uint64_t serial;                 // of the last client
  uint32_t client_count;
  uint64_t accepted, refused;      // clients
  uint64_t requests;
  struct hd_view view;
  struct hd_tally tally;           // of the last sample
  double rates[4];                 // per second: ticks, decisions, orders, executions
  uint64_t *seen;                  // [instrument]: marks written, at the last sample
  uint32_t *busy;                  // [instrument]: marks written per second
  int64_t last_sample_ns;
  struct hd_deploying *deploying;  // changes of what runs; NULL: no registry
  struct hd_service_change *service_changes; // under way; owned
};

// Calls `function` where the trading side may be touched. HADRON_ERR_CLOSED: the host is stopping.
int32_t hd_control_trade(struct hd_control *c, void (*function)(void *argument), void *argument, struct hd_fault *fault);
// The same, with every engine at rest as well: nothing in the pipeline moves.
int32_t hd_control_quiet(struct hd_control *c, void (*function)(void *argument), void *argument, struct hd_fault *fault);
// watch.c: what services want a person to hear becomes an alert.
void hd_watch_services(struct hd_control *c);
// The time of what an operator does. [inside hd_control_trade]
int64_t hd_control_now(const struct hd_control *c);
// Journals an operator's words. [inside hd_control_trade]
int32_t hd_control_journal(struct hd_control *c, uint32_t uid, const char *text, struct hd_fault *fault);
// Kills, and says who. [io]
int32_t hd_control_kill(struct hd_control *c, const char *why, uint32_t uid, uint32_t *canceled, struct hd_fault *fault);

// A command whose answer takes longer: it returns NULL with HADRON_ERR_AGAIN, and the one who asked waits for hd_control_answer. Nobody
// may be there any more by then. [inside a command, io]
uint64_t hd_control_defer(struct hd_control *c); // 0: the host itself asked, nobody waits
// result: the reference is taken; NULL: `fault` says why. [io]
void hd_control_answer(struct hd_control *c, uint64_t asker, json_t *result, const struct hd_fault *fault);

// remote.c: over the bus. Numbers of its askers have this bit.
#define HD_ASKER_REMOTE (UINT64_C(1) << 63)
int32_t hd_remote_open(struct hd_control *c, struct hd_fault *fault);
void hd_remote_close(struct hd_control *c);
void hd_remote_answer(struct hd_control *c, uint64_t number, json_t *result, const struct hd_fault *fault);

// deploy.c: changes of what runs. open: with a registry alone. close: waits for what is under way.
int32_t hd_deploying_open(struct hd_control *c, struct hd_fault *fault);
void hd_deploying_close(struct hd_control *c);
void hd_deploying_tick(struct hd_control *c); // now and then: warm seats whose time is over, drop folder, other hosts
json_t *hd_deploying_status(struct hd_control *c); // changes that are under way; NULL: no registry
json_t *hd_deploying_hosts(struct hd_control *c);  // this host among those of its registry; NULL: no registry
json_t *hd_deploying_ask(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
json_t *hd_deploying_history(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);

// view.c
int32_t hd_view_init(struct hd_control *c);
void hd_view_fini(struct hd_control *c);
int32_t hd_view_take(struct hd_control *c, struct hd_fault *fault);
struct hd_tally hd_tally_now(const struct hd_control *c);
void hd_rates_sample(struct hd_control *c);

// show.c, change.c: commands
json_t *hd_show_status(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
json_t *hd_show_positions(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
json_t *hd_show_orders(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
json_t *hd_show_metrics(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);
json_t *hd_change_set(struct hd_control *c, const json_t *request, uint32_t uid, struct hd_fault *fault);

// service.c: parameters of a service; answer: moved. HADRON_ERR_AGAIN: the answer comes later. [io]
json_t *hd_service_set(struct hd_control *c, uint32_t index, const struct hd_param_value *values, uint32_t count, json_t *answer, struct hd_fault *fault);
void hd_service_changes_tick(struct hd_control *c);
void hd_service_changes_close(struct hd_control *c);

// A text field of a request; `initial` where it is not there.
const char *hd_request_text(const json_t *request, const char *key, const char *initial);

#endif
