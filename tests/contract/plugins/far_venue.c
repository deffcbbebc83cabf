// A venue whose exchange is elsewhere: what it knows of orders is in the file `far.book` of the working directory and outlives whoever
// connects to it. Orders rest for ever. When an adapter disconnects, the exchange fills one of those that rest: whoever connects next
// learns of it only by asking. Its sequences count 2 ms of the clock, so that what was missed between two adapters is a gap.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/venue.h"

#define STEP_NS INT64_C(2000000)
#define ORDERS_MAX 512

struct row {
  char id[sizeof(struct hadron_client_order_id) + 1];
  char fate; // R rests, F filled, C cancelled
  unsigned listing, side;
  long long quantity, price;
};

struct far {
  const struct hadron_host *host;
  const struct hadron_venue_host *venue;
  uint32_t handles[2], subscribed;
  int64_t next_ns;
  struct row rows[ORDERS_MAX];
  unsigned count;
};

// ---- the exchange ------------------------------------------------------------------------------------------------------------------------

static void book_read(struct far *f) {
  FILE *file = fopen("far.book", "r");
  f->count = 0;
  while (file && f->count < ORDERS_MAX) {
    struct row *r = &f->rows[f->count];
    if (fscanf(file, "%24s %c %u %u %lld %lld\n", r->id, &r->fate, &r->listing, &r->side, &r->quantity, &r->price) != 6) break;
    f->count++;
  }
  if (file) fclose(file);
}

static void book_write(const struct far *f) {
  FILE *file = fopen("far.book", "w");
  if (!file) abort();
  for (unsigned i = 0; i < f->count; i++)
    fprintf(file, "%s %c %u %u %lld %lld\n", f->rows[i].id, f->rows[i].fate, f->rows[i].listing, f->rows[i].side, f->rows[i].quantity, f->rows[i].price);
  fclose(file);
}

static struct row *book_find(struct far *f, const struct hadron_order *order) {
  book_read(f);
  for (unsigned i = 0; i < f->count; i++)
    if (memcmp(f->rows[i].id, order->client_order_id.hex, sizeof order->client_order_id.hex) == 0) return &f->rows[i];
  return NULL;
}

// ---- the adapter -------------------------------------------------------------------------------------------------------------------------

static void tell(struct far *f, const struct row *r, uint8_t change, uint8_t flags) {
  struct hadron_venue_report out = {.listing = r->listing, .side = (uint8_t)r->side, .change = change, .flags = flags, .venue_ns = f->host->now_ns(f->host->instance)};
  memcpy(out.client_order_id.hex, r->id, sizeof out.client_order_id.hex);
  snprintf(out.venue_order_id, sizeof out.venue_order_id, "F%.20s", r->id);
  if (change == HADRON_CHANGE_FILL) {
    out.quantity = out.cumulative = (struct hadron_quantity){r->quantity};
    out.price.nanos = r->price;
    snprintf(out.execution_id, sizeof out.execution_id, "X%.20s", r->id);
  }
  f->venue->report(f->host->instance, &out);
}

static int32_t create(const struct hadron_host *host, const struct hadron_venue_context *context, void **self) {
  struct far *f = calloc(1, sizeof *f);
  (void)context;
  if (!f) return HADRON_ERR_MEMORY;
  f->host = host;
  f->venue = host->capability(host->instance, "hadron.venue/1");
  *self = f;
  return HADRON_OK;
}
static void destroy(void *self) { free(self); }

static int32_t start(void *self) {
  struct far *f = self;
  for (int i = 0; i < 2; i++) {
    struct hadron_listing l = {.symbol = {(char)('A' + i)}, .increment = {10000000}, .lot = {HADRON_QUANTITY_SCALE}, .multiplier = {HADRON_QUANTITY_SCALE}, .asset = 1};
    int32_t code = f->venue->resolve(f->host->instance, &l, &f->handles[i]);
    if (code) return code;
  }
  f->venue->status(f->host->instance, HADRON_VENUE_RECONCILING, "connected");
  return HADRON_OK;
}

static void stop(void *self) {
  struct far *f = self;
  book_read(f);
  for (unsigned i = 0; i < f->count; i++)
    if (f->rows[i].fate == 'R') {
      f->rows[i].fate = 'F';
      break;
    }
  if (f->count) book_write(f);
}

// A round trip takes its time: the sequences of one of them are never seen.
static int64_t poll(void *self, int64_t now_ns) {
  struct far *f = self;
  if (f->next_ns == 0) f->next_ns = now_ns + 3 * STEP_NS;
  for (int n = 0; n < 64 && f->next_ns <= now_ns; n++, f->next_ns += STEP_NS) {
    uint64_t sequence = (uint64_t)(f->next_ns / STEP_NS);
    uint32_t handle = f->handles[sequence % 2];
    struct hadron_tick tick = {.event_ns = f->next_ns, .recv_ns = f->next_ns, .sequence = sequence / 2, .instrument = handle, .kind = HADRON_TICK_TRADE,
                               .value.trade = {.price = {100 * HADRON_PRICE_SCALE}, .quantity = {HADRON_QUANTITY_SCALE}}};
    if (f->subscribed & (1u << (sequence % 2))) f->venue->ticks(f->host->instance, &tick, 1);
  }
  return f->next_ns;
}

static int32_t submit(void *self, const struct hadron_order *order) {
  struct far *f = self;
  book_read(f);
  if (f->count == ORDERS_MAX) return HADRON_ERR_FULL;
  struct row *r = &f->rows[f->count++];
  *r = (struct row){.fate = 'R', .listing = order->listing, .side = order->side, .quantity = order->quantity.e8, .price = order->limit.nanos};
  memcpy(r->id, order->client_order_id.hex, sizeof order->client_order_id.hex);
  book_write(f);
  tell(f, r, HADRON_CHANGE_ACCEPT, 0);
  return HADRON_OK;
}

static int32_t cancel(void *self, const struct hadron_order *order) {
  struct far *f = self;
  struct row *r = book_find(f, order);
  if (r && r->fate == 'R') {
    r->fate = 'C';
    book_write(f);
    tell(f, r, HADRON_CHANGE_CANCELED, 0);
  }
  return HADRON_OK;
}

static void tell_fate(struct far *f, const struct row *r) {
  tell(f, r, r->fate == 'R' ? HADRON_CHANGE_ACCEPT : r->fate == 'F' ? HADRON_CHANGE_FILL : HADRON_CHANGE_CANCELED, 1);
}

static int32_t query(void *self, const struct hadron_order *order) {
  struct far *f = self;
  struct row absent = {.listing = order->listing, .side = order->side};
  const struct row *r = book_find(f, order);
  memcpy(absent.id, order->client_order_id.hex, sizeof order->client_order_id.hex);
  if (r) tell_fate(f, r);
  else tell(f, &absent, HADRON_CHANGE_ABSENT, 1);
  return HADRON_OK;
}

static int32_t reconcile(void *self, int64_t since_ns) {
  struct far *f = self;
  (void)since_ns;
  book_read(f);
  for (unsigned i = 0; i < f->count; i++)
    if (f->rows[i].fate == 'R') tell_fate(f, &f->rows[i]);
  f->venue->status(f->host->instance, HADRON_VENUE_READY, "reconciled");
  return HADRON_OK;
}

static int32_t subscribe(void *self, const uint32_t *handles, uint32_t count) {
  struct far *f = self;
  f->subscribed = 0;
  for (uint32_t i = 0; i < count; i++)
    for (int k = 0; k < 2; k++) f->subscribed |= handles[i] == f->handles[k] ? 1u << k : 0;
  return HADRON_OK;
}

static const struct hadron_venue_api api = {.struct_size = sizeof api,
                                            .features = HADRON_VENUE_TICKS | HADRON_VENUE_ORDERS | HADRON_VENUE_QUERIES | HADRON_VENUE_RECONCILES,
                                            .create = create, .destroy = destroy, .start = start, .stop = stop, .poll = poll, .submit = submit, .cancel = cancel,
                                            .query = query, .reconcile = reconcile, .subscribe = subscribe};
HADRON_PLUGIN(VENUE, "far", "1.0.0", "an exchange that outlives its adapters", "hadron.venue/1", &api, NULL);
