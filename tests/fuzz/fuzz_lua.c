// Promise: no text of a strategy makes the host crash, hang, leak or abort: it is refused, or its callbacks end with a code. The text
// goes through the reader of its head and the opener; then an instance is made, started, shown ticks, a bar and timers, and saved.
#include <stdlib.h>
#include <string.h>

#include "lua/runtime.h"
#include "plugin/manifest.h"
#include "support/strategy_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char head[] = "-- hadron: strategy probe 1.0.0\n-- requires: hadron.strategy/1 hadron.timer/1 hadron.features/1\n";

static void play(struct strategy_host *h) {
  static unsigned char saved[65536];
  struct hd_fault fault = {0};
  uint32_t used = 0;
  struct hadron_bar bar = {.instrument = 1, .kind = HADRON_BAR_TIME, .open = {5}, .high = {9}, .low = {1}, .close = {7}};
  for (int i = 0; i < 3; i++) {
    if (h->api->on_tick) {
      strategy_host_trade(h, 1, INT64_C(100000000000) + i, 100000000);
      strategy_host_quote(h, 1, 99, 101, 5, 6);
    }
    if (h->api->on_bar) strategy_host_bar(h, &bar);
    if (h->plugin->timer) h->plugin->timer->on_timer(h->instance.self, 1, h->now_ns, &h->markets[1]);
  }
  if (h->plugin->state && hd_state_save(&h->instance, saved, sizeof saved, &used, &fault) == HADRON_OK) hd_state_load(&h->instance, saved, used, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const struct hd_lua_limits limits = {.memory_max = 2u << 20, .instructions_max = 20000, .start_instructions_max = 100000};
  static struct strategy_host h;
  static struct hd_plugin plugin;
  struct hd_fault fault = {0};
  if (size > 16384) return 0;
  char *text = malloc(sizeof head + size);
  if (!text) return 0;
  // As it is for the reader of the head; behind a good head for the rest.
  memcpy(text, data, size);
  text[size] = 0;
  struct hadron_manifest manifest;
  enum hd_language language;
  if (hd_manifest_read("fuzz.lua", text, size, &manifest, &language, &fault) == HADRON_OK) hd_manifest_check("fuzz.lua", &manifest, &fault);
  fault = (struct hd_fault){0};
  memcpy(text, head, sizeof head - 1);
  memcpy(text + sizeof head - 1, data, size);
  text[sizeof head - 1 + size] = 0;
  hd_lua_limits_set(&limits);
  plugin = (struct hd_plugin){.source = text, .source_size = sizeof head - 1 + size};
  strcpy(plugin.path, "fuzz.lua");
  if (hd_manifest_read("fuzz.lua", head, sizeof head - 1, &plugin.manifest, &plugin.language, &fault)) abort();
  if (hd_lua_language.open(&plugin, &fault) == HADRON_OK) {
    if (strategy_host_create(&h, &plugin, "fuzz", 1, NULL, &fault) == HADRON_OK) {
      if (hd_instance_start(&h.instance, &fault) == HADRON_OK) play(&h);
      strategy_host_close(&h);
    }
    hd_lua_language.close(&plugin);
  } else if (!fault.text[0]) abort();
  free(text);
  return 0;
}
