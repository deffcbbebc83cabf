// A venue over a real socket: lines of words to and from tests/support/tcp_venue.py, which says what they mean. It keeps nothing that the
// protocol does not need: which orders were sent and not answered, so that a cut connection makes them LOSE. `bug` plants one, so that a test
// can show that its audit bites.
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hadron/ext/io.h"
#include "hadron/ext/params.h"
#include "hadron/venue.h"

#define LISTINGS 16
#define SENT 1024
#define WORDS 16
#define RETRY_NS INT64_C(20000000)

enum bug {
  BUG_NONE,
  BUG_SENDS_TWICE,  // now and then an order is sent again
  BUG_DEAF,         // now and then a fill is not passed on, however often it is told
  BUG_FILLS_TWICE,  // now and then a fill is passed on again under another id
};

struct listing {
  char symbol[HADRON_SYMBOL_SIZE];
  uint32_t handle;
};

struct sent {
  struct hadron_client_order_id id;
  uint32_t listing;
  uint8_t side;
};

struct tcp {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  const struct hadron_io *io;
  uint16_t number;
  int64_t port, bug; // enum bug
  char symbols[256];
  struct listing listings[LISTINGS];
  uint32_t listing_count;
  int fd;                  // -1: none
  bool connected, ready;
  int64_t retry_ns, since_ns;
  uint32_t lists;          // asked for and not ended
  struct sent sent[SENT];
  uint32_t sent_count;
  char in[65536], out[65536];
  size_t in_size, out_size;
};

static const struct listing *listing_of(const struct tcp *v, const char *symbol) {
  for (uint32_t i = 0; i < v->listing_count; i++)
    if (strcmp(v->listings[i].symbol, symbol) == 0) return &v->listings[i];
  return NULL;
}

static const char *symbol_of(const struct tcp *v, uint32_t handle) {
  for (uint32_t i = 0; i < v->listing_count; i++)
    if (v->listings[i].handle == handle) return v->listings[i].symbol;
  return "?";
}

static void sent_forget(struct tcp *v, const struct hadron_client_order_id *id) {
  for (uint32_t i = 0; i < v->sent_count; i++)
    if (memcmp(&v->sent[i].id, id, sizeof *id) == 0) {
      v->sent[i] = v->sent[--v->sent_count];
      return;
    }
}

static void tell(struct tcp *v, struct hadron_venue_report *report) {
  report->venue = v->number;
  v->venue->report(v->host->instance, report);
}

// ---- The connection.

static void cut(struct tcp *v, int64_t now_ns, const char *why) {
  if (v->fd >= 0) {
    v->io->unwatch(v->host->instance, v->fd);
    close(v->fd);
  }
  v->fd = -1;
  v->connected = v->ready = false;
  v->in_size = v->out_size = 0;
  v->lists = 0;
  v->retry_ns = now_ns + RETRY_NS;
  for (uint32_t i = 0; i < v->sent_count; i++) {
    struct hadron_venue_report report = {.client_order_id = v->sent[i].id, .listing = v->sent[i].listing, .side = v->sent[i].side, .cumulative = {-1}, .change = HADRON_CHANGE_LOSE};
    tell(v, &report);
  }
  v->sent_count = 0;
  v->venue->status(v->host->instance, HADRON_VENUE_DOWN, why);
}

static bool flush(struct tcp *v) {
  while (v->out_size) {
    ssize_t n = send(v->fd, v->out, v->out_size, MSG_NOSIGNAL);
    if (n <= 0) return n < 0 && (errno == EAGAIN || errno == EINTR);
    v->out_size -= (size_t)n;
    memmove(v->out, v->out + n, v->out_size);
  }
  return true;
}

static int32_t say(struct tcp *v, const char *line) {
  size_t size = strlen(line);
  if (!v->connected) return HADRON_ERR_CLOSED;
  if (v->out_size + size > sizeof v->out) return HADRON_ERR_FULL;
  memcpy(v->out + v->out_size, line, size);
  v->out_size += size;
  flush(v); // what fails here is found by the next poll: the bytes may have left
  v->io->watch(v->host->instance, v->fd, HADRON_IO_READ | (v->out_size ? HADRON_IO_WRITE : 0));
  return HADRON_OK;
}

static void ask_for_list(struct tcp *v) {
  char line[64];
  snprintf(line, sizeof line, "LIST %" PRId64 "\n", v->since_ns);
  if (say(v, line) == HADRON_OK) v->lists++;
}

static void dial(struct tcp *v, int64_t now_ns) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)v->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int one = 1;
  v->retry_ns = now_ns + RETRY_NS;
  v->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (v->fd < 0) return;
  setsockopt(v->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(v->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS) {
    close(v->fd);
    v->fd = -1;
    return;
  }
  v->io->watch(v->host->instance, v->fd, HADRON_IO_READ | HADRON_IO_WRITE);
}

static void greet(struct tcp *v, int64_t now_ns) {
  int error = 0;
  socklen_t size = sizeof error;
  struct sockaddr_in peer;
  socklen_t peer_size = sizeof peer;
  getsockopt(v->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    cut(v, now_ns, strerror(error));
    return;
  }
  if (getpeername(v->fd, (struct sockaddr *)&peer, &peer_size)) return; // not yet
  v->connected = true;
  v->venue->status(v->host->instance, HADRON_VENUE_RECONCILING, "connected");
  if (v->since_ns >= 0) ask_for_list(v);
}

// ---- What the venue says.

static int64_t number(const char *word) { return strtoll(word, NULL, 10); }

static void tick_take(struct tcp *v, char **w, bool quote) {
  const struct listing *l = listing_of(v, w[1]);
  if (!l) return;
  struct hadron_tick t = {.event_ns = number(w[3]), .sequence = (uint64_t)number(w[2]), .instrument = l->handle, .venue = v->number, .kind = quote ? HADRON_TICK_QUOTE : HADRON_TICK_TRADE};
  for (int i = 0; i < 2; i++) t.value.raw[i] = number(w[4 + i]);
  if (quote)
    for (int i = 2; i < 4; i++) t.value.raw[i] = number(w[4 + i]);
  v->venue->ticks(v->host->instance, &t, 1);
}

// CHANGE id vid symbol side flag cumulative [execution price quantity ns]
static void report_take(struct tcp *v, char **w, int count, uint8_t change) {
  const struct listing *l = listing_of(v, w[3]);
  if (!l || strlen(w[1]) != sizeof(struct hadron_client_order_id) || (change == HADRON_CHANGE_FILL && count < 11)) return;
  struct hadron_venue_report report = {.listing = l->handle, .side = (uint8_t)number(w[4]), .flags = (uint8_t)number(w[5]), .cumulative = {number(w[6])}, .change = change};
  memcpy(&report.client_order_id, w[1], sizeof report.client_order_id);
  snprintf(report.venue_order_id, sizeof report.venue_order_id, "%s", w[2]);
  if (change == HADRON_CHANGE_FILL) {
    snprintf(report.execution_id, sizeof report.execution_id, "%s", w[7]);
    report.price.nanos = number(w[8]), report.quantity.e8 = number(w[9]), report.venue_ns = number(w[10]);
    report.liquidity = HADRON_LIQUIDITY_TAKER;
  }
  bool unlucky = change == HADRON_CHANGE_FILL && strlen(w[7]) > 1 && w[7][strlen(w[7]) - 1] == '3';
  sent_forget(v, &report.client_order_id);
  if (unlucky && v->bug == BUG_DEAF) return;
  tell(v, &report);
  if (!unlucky || v->bug != BUG_FILLS_TWICE) return;
  report.execution_id[0] = 'y';
  tell(v, &report);
}

static void position_take(struct tcp *v, char **w) {
  const struct listing *l = listing_of(v, w[1]);
  if (!l) return;
  struct hadron_venue_report report = {.listing = l->handle, .flags = 1, .change = HADRON_CHANGE_POSITION, .quantity = {number(w[2])}, .price = {number(w[3])}, .cumulative = {-1}};
  tell(v, &report);
}

static void line_take(struct tcp *v, char *line) {
  static const struct { const char *word; uint8_t change; } changes[] = {
      {"ACCEPT", HADRON_CHANGE_ACCEPT},     {"REJECT", HADRON_CHANGE_REJECT}, {"FILL", HADRON_CHANGE_FILL},
      {"CANCELED", HADRON_CHANGE_CANCELED}, {"CANCEL_REJECT", HADRON_CHANGE_CANCEL_REJECT}, {"ABSENT", HADRON_CHANGE_ABSENT},
  };
  char *w[WORDS] = {0}, *rest = NULL;
  int count = 0;
  for (char *word = strtok_r(line, " ", &rest); word && count < WORDS; word = strtok_r(NULL, " ", &rest)) w[count++] = word;
  if (count == 0) return;
  if (count >= 8 && strcmp(w[0], "QUOTE") == 0) tick_take(v, w, true);
  else if (count >= 6 && strcmp(w[0], "TRADE") == 0) tick_take(v, w, false);
  else if (count >= 4 && strcmp(w[0], "POSITION") == 0) position_take(v, w);
  else if (strcmp(w[0], "END") == 0 && v->lists && --v->lists == 0) v->venue->status(v->host->instance, HADRON_VENUE_READY, "listed");
  for (size_t i = 0; i < sizeof changes / sizeof *changes && count >= 7; i++)
    if (strcmp(w[0], changes[i].word) == 0) report_take(v, w, count, changes[i].change);
}

static void lines_take(struct tcp *v) {
  char *at = v->in, *end;
  while ((end = memchr(at, '\n', v->in_size - (size_t)(at - v->in)))) {
    *end = 0;
    line_take(v, at);
    at = end + 1;
  }
  v->in_size -= (size_t)(at - v->in);
  memmove(v->in, at, v->in_size);
}

static int64_t tcp_poll(void *self, int64_t now_ns) {
  struct tcp *v = self;
  if (v->fd < 0 && now_ns >= v->retry_ns) dial(v, now_ns);
  if (v->fd < 0) return v->retry_ns;
  if (!v->connected) greet(v, now_ns);
  if (!v->connected) return v->fd < 0 ? v->retry_ns : INT64_MAX;
  if (!flush(v)) {
    cut(v, now_ns, "send failed");
    return v->retry_ns;
  }
  v->io->watch(v->host->instance, v->fd, HADRON_IO_READ | (v->out_size ? HADRON_IO_WRITE : 0));
  ssize_t n = recv(v->fd, v->in + v->in_size, sizeof v->in - v->in_size, 0);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    cut(v, now_ns, "the venue closed");
    return v->retry_ns;
  }
  if (n < 0) return INT64_MAX;
  v->in_size += (size_t)n;
  lines_take(v);
  return now_ns;
}

// ---- Orders.

static int32_t tcp_submit(void *self, const struct hadron_order *o) {
  struct tcp *v = self;
  char line[256];
  if (!v->connected) return HADRON_ERR_CLOSED;
  if (v->sent_count == SENT) return HADRON_ERR_FULL;
  snprintf(line, sizeof line, "SUBMIT %.24s %s %u %" PRId64 " %" PRId64 " %u %u\n", o->client_order_id.hex, symbol_of(v, o->listing), o->side, o->quantity.e8, o->limit.nanos, o->order_type,
           o->time_in_force);
  int32_t code = say(v, line);
  if (code == HADRON_OK && v->bug == BUG_SENDS_TWICE && o->client_order_id.hex[0] == '7') say(v, line);
  if (code == HADRON_OK) v->sent[v->sent_count++] = (struct sent){o->client_order_id, o->listing, o->side};
  return code;
}

static int32_t ask(void *self, const char *verb, const struct hadron_order *o) {
  char line[128];
  snprintf(line, sizeof line, "%s %.24s %s %u\n", verb, o->client_order_id.hex, symbol_of(self, o->listing), o->side);
  return say(self, line);
}
static int32_t tcp_cancel(void *self, const struct hadron_order *o) { return ask(self, "CANCEL", o); }
static int32_t tcp_query(void *self, const struct hadron_order *o) { return ask(self, "QUERY", o); }

static int32_t tcp_reconcile(void *self, int64_t since_ns) {
  struct tcp *v = self;
  if (v->since_ns < 0 || since_ns < v->since_ns) v->since_ns = since_ns;
  if (v->connected) ask_for_list(v);
  return HADRON_OK;
}

// ---- Life.

static int32_t tcp_create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct tcp *v = calloc(1, sizeof *v);
  if (!v) return HADRON_ERR_MEMORY;
  v->host = host;
  v->venue = host->capability(host->instance, "hadron.venue/1");
  v->io = host->capability(host->instance, HADRON_CAP_IO);
  v->number = context->venue;
  v->fd = -1;
  v->since_ns = -1;
  *self = v;
  return HADRON_OK;
}

static int32_t tcp_start(void *self) {
  struct tcp *v = self;
  char symbols[sizeof v->symbols], *rest = NULL;
  memcpy(symbols, v->symbols, sizeof symbols);
  for (char *s = strtok_r(symbols, "\n", &rest); s && v->listing_count < LISTINGS; s = strtok_r(NULL, "\n", &rest)) {
    struct hadron_listing listing = {.currency = "USD", .increment = {10000000}, .lot = {100000000}, .multiplier = {100000000}, .asset = 1};
    struct listing *l = &v->listings[v->listing_count];
    snprintf(l->symbol, sizeof l->symbol, "%s", s);
    memcpy(listing.symbol, l->symbol, sizeof listing.symbol);
    if (v->venue->resolve(v->host->instance, &listing, &l->handle) == HADRON_OK) v->listing_count++;
  }
  v->venue->status(v->host->instance, HADRON_VENUE_CONNECTING, "");
  return HADRON_OK;
}

static void tcp_stop(void *self) {
  struct tcp *v = self;
  if (v->fd < 0) return;
  v->io->unwatch(v->host->instance, v->fd);
  close(v->fd);
  v->fd = -1;
  v->connected = false;
}

static void tcp_destroy(void *self) {
  struct tcp *v = self;
  if (v->fd >= 0) close(v->fd);
  free(v);
}

static const struct hadron_param params_table[] = {
    {"port", "of the venue on this machine", "", NULL, HADRON_PARAM_INTEGER, offsetof(struct tcp, port), sizeof(int64_t), 0, 1, 65535, 1, 0},
    {"bug", "planted", "", "0", HADRON_PARAM_INTEGER, offsetof(struct tcp, bug), sizeof(int64_t), 0, 0, 3, 1, 0},
    {"symbols", "what it trades", "", NULL, HADRON_PARAM_TEXT, offsetof(struct tcp, symbols), sizeof((struct tcp *)0)->symbols, 0, 1, 0, 0, 0},
};
static const struct hadron_params params = {.struct_size = sizeof params, .count = 3, .params = params_table};
static const void *tcp_capability(const char *name) { return strcmp(name, HADRON_CAP_PARAMS) == 0 ? &params : NULL; }

static const struct hadron_venue_api api = {.struct_size = sizeof api,
                                            .features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS | HADRON_VENUE_QUERIES | HADRON_VENUE_RECONCILES | HADRON_VENUE_POST_ONLY,
                                            .create = tcp_create,
                                            .destroy = tcp_destroy,
                                            .start = tcp_start,
                                            .stop = tcp_stop,
                                            .poll = tcp_poll,
                                            .submit = tcp_submit,
                                            .cancel = tcp_cancel,
                                            .query = tcp_query,
                                            .reconcile = tcp_reconcile};
HADRON_PLUGIN(VENUE, "tcp_venue", "1.0.0", "a venue of the tests over TCP", "hadron.venue/1 hadron.io/1", &api, tcp_capability);
