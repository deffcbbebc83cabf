// A strategy outside the host, to copy: holds one unit while the price is above its moving average, none below. It runs as a program of its own, here
// or on another machine; docs/client.md walks through it.
//
//   cc client.c -o my_strategy $(pkg-config --cflags --libs hadron)
//   ./my_strategy ipc:///path/of/the/host/sessions my_strategy 1.0.0 [TOKEN]
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <hadron/client.h>

#define INSTRUMENTS 4096
#define SPAN 32.0 // trades of the average

struct book { // of one instrument
  double average;  // of prices; a signal, never a price of an order
  int64_t position; // 1e-8 units, as the host has it
  int8_t wanted;   // 1: one unit, 0: none, -1: nothing was decided yet
};

static struct book books[INSTRUMENTS];
static struct hadron_client *client; // for the signal
static volatile sig_atomic_t stopped;

static void stop(int signal) {
  (void)signal;
  stopped = 1;
}

// A run of ticks, where it was received.
static void on_ticks(const struct hadron_tick *ticks, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const struct hadron_tick *t = &ticks[i];
    if (t->kind != HADRON_TICK_TRADE || t->instrument >= INSTRUMENTS) continue;
    struct book *b = &books[t->instrument];
    double price = (double)t->value.trade.price.nanos / (double)HADRON_PRICE_SCALE;
    b->average = b->average == 0 ? price : b->average + (price - b->average) / SPAN;
    int8_t wanted = price > b->average;
    if (wanted == b->wanted) continue;
    const struct hadron_decision d = {.cause = t->sequence, .instrument = t->instrument, .kind = HADRON_DECISION_TARGET, .confidence = 0.5,
                                      .quantity = {wanted ? HADRON_QUANTITY_SCALE : 0}};
    if (hadron_client_decide(client, &d, 1, NULL) == HADRON_OK) b->wanted = wanted;
    else fprintf(stderr, "not decided: %s\n", hadron_client_words()); // it is tried again with the next trade
  }
}

static void on_positions(const struct hadron_position *p, uint32_t count) {
  for (uint32_t i = 0; i < count; i++)
    if (p[i].instrument < INSTRUMENTS) books[p[i].instrument].position = p[i].position.e8;
}

static void on_event(const struct hadron_event *e) {
  switch (e->kind) {
  case HADRON_EVENT_TICKS: on_ticks(e->data, e->count); break;
  case HADRON_EVENT_POSITIONS: on_positions(e->data, e->count); break;
  case HADRON_EVENT_JOINED:
    printf("joined%s: %s\n", e->flags & HADRON_EVENT_RESUMED ? " again" : "", e->text);
    if (!(e->flags & HADRON_EVENT_RESUMED)) // a new stream: what was known before does not count
      for (int i = 0; i < INSTRUMENTS; i++) books[i] = (struct book){.wanted = -1};
    break;
  case HADRON_EVENT_LOST: fprintf(stderr, "too slow: ticks were lost\n"); break;
  case HADRON_EVENT_ASK: { // an operator has changed parameters, which this strategy has none of
    const struct hadron_ask *ask = e->data;
    hadron_client_answer(client, ask->number, HADRON_OK, NULL, 0);
    break;
  }
  case HADRON_EVENT_REFUSED: fprintf(stderr, "decision %llu was refused: %s\n", (unsigned long long)e->sequence, e->text); break;
  case HADRON_EVENT_AWAY: fprintf(stderr, "away: %s\n", e->text ? e->text : ""); break;
  case HADRON_EVENT_STALE: fprintf(stderr, "stale: nothing new is decided on old prices\n"); break;
  case HADRON_EVENT_CLOSED: fprintf(stderr, "closed: %s: %s\n", hadron_error_name(e->code), e->text ? e->text : ""); break;
  default: break; // what a newer host tells besides
  }
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: %s URL NAME VERSION [TOKEN]\n", argv[0]);
    return 2;
  }
  const struct hadron_client_options options = {.struct_size = sizeof options, .url = argv[1], .name = argv[2], .version = argv[3], .token = argc > 4 ? argv[4] : NULL};
  if (hadron_client_open(&options, &client) != HADRON_OK) {
    fprintf(stderr, "%s\n", hadron_client_words());
    return 1;
  }
  signal(SIGINT, stop);
  signal(SIGTERM, stop);
  struct hadron_event event = {0};
  while (!stopped && event.kind != HADRON_EVENT_CLOSED)
    if (hadron_client_poll(client, 200, &event) != HADRON_ERR_AGAIN) on_event(&event);
  hadron_client_close(client);
  return event.kind == HADRON_EVENT_CLOSED;
}
