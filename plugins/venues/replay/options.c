#include "options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void options_init(struct reader_options *o) {
  memset(o, 0, sizeof *o);
  o->from_ns = INT64_MIN;
  o->to_ns = INT64_MAX;
  o->size.e8 = HADRON_QUANTITY_SCALE;
  o->verify = true;
}

static int32_t options_refused(struct fault *fault, const char *name, const char *value, const char *expected) {
  char found[128];
  snprintf(found, sizeof found, "\"%.100s\"", value);
  return fault_set(fault, HADRON_ERR_PARSE, "cannot use the parameter", name, expected, found, "correct it in the config");
}

static bool time_set(const struct zone *zone, const char *value, int64_t otherwise, int64_t *out) {
  struct scan s = {value, value + strlen(value)};
  if (scan_done(&s)) {
    *out = otherwise;
    return true;
  }
  return time_scan(&s, zone, 0, out);
}

static bool period_set(const char *value, int64_t *out) {
  static const struct {
    const char *unit;
    int64_t ns;
  } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}, {"s", SECOND_NS}, {"m", MINUTE_NS}, {"h", HOUR_NS}, {"d", DAY_NS}, {"", 1}};
  struct scan s = {value, value + strlen(value)};
  int64_t count;
  *out = 0;
  if (scan_done(&s)) return true;
  if (!scan_unsigned(&s, &count)) return false;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (scan_is(&s, units[i].unit)) return !__builtin_mul_overflow(count, units[i].ns, out) && *out <= PERIOD_MAX;
  return false;
}

static bool format_known(const char *name) {
  uint32_t count;
  const struct format *const *formats = reader_formats(&count);
  if (name[0] == '\0' || strcmp(name, "auto") == 0) return true;
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(formats[i]->name, name) == 0) return true;
  return false;
}

int32_t options_set(struct reader_options *o, const char *name, const char *value, struct fault *fault) {
  const struct zone utc = {false, 0};
  const struct {
    const char *name;
    char *to;
    size_t size;
  } texts[] = {{"format", o->format, sizeof o->format}, {"symbol", o->symbol, sizeof o->symbol}, {"columns", o->columns, sizeof o->columns},
               {"lean", o->lean, sizeof o->lean},       {"map_files", o->map_files, sizeof o->map_files}};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    if (strcmp(name, texts[i].name) != 0) continue;
    if (texts[i].to == o->format && !format_known(value))
      return options_refused(fault, name, value, "auto, hdt, journal, dbn, lean, binance or csv");
    if (strlen(value) >= texts[i].size) return options_refused(fault, name, value, "a shorter text");
    text_copy(texts[i].to, texts[i].size, value, strlen(value));
    return HADRON_OK;
  }
  if (strcmp(name, "from") == 0 || strcmp(name, "to") == 0) {
    bool to = name[0] == 't';
    if (time_set(&utc, value, to ? INT64_MAX : INT64_MIN, to ? &o->to_ns : &o->from_ns)) return HADRON_OK;
    return options_refused(fault, name, value, "a time like 2024-08-08 or 2024-08-08T14:30:00Z");
  }
  if (strcmp(name, "timezone") == 0) {
    o->zone_set = value[0] != '\0';
    return zone_parse(value, &o->zone) ? HADRON_OK : options_refused(fault, name, value, "UTC, +hh:mm or America/New_York");
  }
  if (strcmp(name, "period") == 0)
    return period_set(value, &o->period_ns) ? HADRON_OK : options_refused(fault, name, value, "a duration like 1m, 1h or 1d");
  if (strcmp(name, "size") == 0) {
    struct scan s = {value, value + strlen(value)};
    return scan_decimal(&s, 8, &o->size.e8) && scan_done(&s) && o->size.e8 > 0 && o->size.e8 <= SIZE_MAX_E8 ? HADRON_OK
                                                                              : options_refused(fault, name, value, "a quantity above 0");
  }
  if (strcmp(name, "until") == 0) {
    char *end;
    o->until = strtoull(value, &end, 10);
    return *value >= '0' && *value <= '9' && !*end ? HADRON_OK : options_refused(fault, name, value, "a position in the journal");
  }
  if (strcmp(name, "session") == 0) {
    char *end;
    o->session = strtoll(value, &end, 10);
    return *value && !*end ? HADRON_OK : options_refused(fault, name, value, "a whole number: 0 all, 2 the second, -1 the last");
  }
  if (strcmp(name, "verify") == 0) {
    o->verify = strcmp(value, "0") != 0 && strcmp(value, "false") != 0;
    return HADRON_OK;
  }
  return HADRON_ERR_NOT_FOUND;
}

int32_t options_lines(struct reader_options *o, const char *lines, struct fault *fault) {
  char line[2200];
  int32_t result = HADRON_OK;
  for (const char *at = lines ? lines : ""; *at && !result;) {
    size_t size = strcspn(at, "\n");
    text_copy(line, sizeof line, at, size);
    at += size + (at[size] == '\n');
    if (line[0] == '\0') continue;
    char *equals = strchr(line, '=');
    if (!equals) return options_refused(fault, "options", line, "key=value");
    *equals = '\0';
    // A list of columns cannot hold lines here: blanks and semicolons part them.
    if (strcmp(line, "columns") == 0)
      for (char *c = equals + 1; *c; c++)
        if (*c == ';') *c = '\n';
    result = options_set(o, line, equals + 1, fault);
    if (result == HADRON_ERR_NOT_FOUND)
      return options_refused(fault, "options", line,
                             "format, symbol, columns, lean, map_files, from, to, timezone, period, size, session, until or verify");
  }
  return result;
}
