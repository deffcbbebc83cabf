#include "base/bar.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "hadron/decimal.h"

static const struct {
  const char *word;
  uint32_t kind;
  int64_t scale;
} kinds[] = {{"tick:", HADRON_BAR_TICK, 1}, {"volume:", HADRON_BAR_VOLUME, HADRON_QUANTITY_SCALE}};

bool hd_bar_parse(const char *text, struct hadron_bar_request *out) {
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    size_t length = strlen(kinds[i].word);
    if (strncmp(text, kinds[i].word, length) != 0) continue;
    *out = (struct hadron_bar_request){.kind = kinds[i].kind};
    return hadron_decimal_parse(text + length, strlen(text + length), kinds[i].scale, &out->interval) == HADRON_OK && out->interval > 0;
  }
  *out = (struct hadron_bar_request){.kind = HADRON_BAR_TIME};
  return hd_duration_parse(text, &out->interval) == HADRON_OK && out->interval > 0;
}

// Exact, in the largest unit that divides it.
static void interval_format(char to[HD_BAR_TEXT_SIZE], int64_t ns) {
  static const struct {
    const char *word;
    int64_t ns;
  } units[] = {{"d", INT64_C(86400000000000)}, {"h", INT64_C(3600000000000)}, {"m", INT64_C(60000000000)}, {"s", 1000000000}, {"ms", 1000000}, {"us", 1000}, {"ns", 1}};
  size_t i = 0;
  while (ns % units[i].ns) i++;
  snprintf(to, HD_BAR_TEXT_SIZE, "%lld%s", (long long)(ns / units[i].ns), units[i].word);
}

void hd_bar_format(char to[HD_BAR_TEXT_SIZE], const struct hadron_bar_request *bar) {
  char number[32];
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (bar->kind != kinds[i].kind) continue;
    hd_decimal_format(number, sizeof number, bar->interval, kinds[i].scale, 0);
    snprintf(to, HD_BAR_TEXT_SIZE, "%s%s", kinds[i].word, number);
    return;
  }
  interval_format(to, bar->interval);
}

bool hd_bar_among(const struct hadron_bar_request *bars, uint32_t count, const struct hadron_bar_request *bar) {
  for (uint32_t i = 0; i < count; i++)
    if (bars[i].kind == bar->kind && bars[i].interval == bar->interval) return true;
  return false;
}
