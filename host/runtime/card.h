// Cards: a version of a strategy whose program runs elsewhere, as an artifact like any other: a script without callbacks that requires
// hadron.external/1. It has a name, a version, and what the program may be told: parameters and bars. Versions of it are registered, deployed,
// compared and gone back from as those of plugins; in its seat sits a stand-in (standin.h), placement `remote`, until its program registers.
//
//   -- hadron: strategy trend 1.0.0
//   -- requires: hadron.strategy/1 hadron.external/1
//   return hadron.strategy { params = { length = { type = "integer", default = 20 } }, bars = { { kind = "time", interval = "1m" } } }
//
// A section with `external = true` needs none: the host writes one for it, version 0.0.0, whose seat takes any version. [any]
#ifndef HD_RUNTIME_CARD_H
#define HD_RUNTIME_CARD_H

#include "plugin/loader.h"

#define HD_CARD_SIZE 512        // of one without parameters
#define HD_CARD_ANY "0.0.0"     // the version that takes any

// The text of a card without parameters and bars. version: HD_CARD_ANY, or one.
void hd_card_write(char to[HD_CARD_SIZE], const char *name, const char *version);
// The host's own card of a name.
int32_t hd_card_open_any(const char *name, const struct hd_plugin **out, struct hd_fault *fault);
bool hd_card_is_any(const struct hd_plugin *card);

#endif
