#include "runtime/card.h"

#include "base/banned.h"
#include "lua/runtime.h"
#include "plugin/capability.h"

void hd_card_write(char to[HD_CARD_SIZE], const char *name, const char *version) {
  snprintf(to, HD_CARD_SIZE,
           "-- hadron: strategy %s %s\n"
           "-- description: %s\n"
           "-- requires: hadron.strategy/1 " HD_CAP_EXTERNAL "\n"
           "return hadron.strategy {}\n",
           name, version, strcmp(version, HD_CARD_ANY) == 0 ? "whoever registers over the bus under this name" : "whoever registers over the bus under this name and version");
}

int32_t hd_card_open_any(const char *name, const struct hd_plugin **out, struct hd_fault *fault) {
  char text[HD_CARD_SIZE], path[HADRON_NAME_SIZE + 8];
  hd_card_write(text, name, HD_CARD_ANY);
  snprintf(path, sizeof path, "%s.lua", name);
  return hd_plugin_open_bytes(path, text, strlen(text), &hd_lua_language, out, fault);
}

bool hd_card_is_any(const struct hd_plugin *card) { return hd_plugin_external(card) && strcmp(card->manifest.version, HD_CARD_ANY) == 0; }
