// Bars as they are written in a configuration and said on the wire: "1m", "tick:100", "volume:10". [any]
#ifndef HD_BASE_BAR_H
#define HD_BASE_BAR_H

#include <stdbool.h>
#include <stddef.h>

#include "hadron/strategy.h"

#define HD_BAR_TEXT_SIZE 40

bool hd_bar_parse(const char *text, struct hadron_bar_request *out); // false: it is none
void hd_bar_format(char to[HD_BAR_TEXT_SIZE], const struct hadron_bar_request *bar);
// Is it among them?
bool hd_bar_among(const struct hadron_bar_request *bars, uint32_t count, const struct hadron_bar_request *bar);

#endif
