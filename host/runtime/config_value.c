// One value of the configuration: from text into its field by its row in the table, and back.
#include <errno.h>

#include "base/banned.h"
#include "base/text.h"
#include "runtime/config_read.h"

void hd_config_number(char *to, size_t size, double number) {
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(to, size, "%.*g", digits, number);
    char *end;
    if (strtod(to, &end) == number) break;
  }
  if (!strchr(to, 'e')) return;
  snprintf(to, size, "%.9f", number); // exponents are not decimals
}

// ---- one value by one row ----------------------------------------------------------------------------------------------------------

static int32_t not_in(struct hd_fault *fault, const char *what, const char *text) {
  return hd_fault_set(fault, HADRON_ERR_PARSE, "expected %s, found \"%s\"", what, text);
}

static int32_t parse_integer(const char *text, int64_t *out) {
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || *end || errno) return HADRON_ERR_PARSE;
  *out = value;
  return HADRON_OK;
}

static int32_t parse_bytes(const char *text, int64_t *out) {
  static const struct { const char *suffix; int64_t factor; } units[] = {{"", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  char *end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  if (end == text || errno || value < 0) return HADRON_ERR_PARSE;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(end, units[i].suffix) == 0) return __builtin_mul_overflow(value, units[i].factor, out) ? HADRON_ERR_OVERFLOW : HADRON_OK;
  return HADRON_ERR_PARSE;
}

static int32_t parse_daytime(const char *text, int64_t *out) {
  unsigned hour, minute;
  char rest;
  if (strcmp(text, "never") == 0) {
    *out = -1;
    return HADRON_OK;
  }
  if (sscanf(text, "%2u:%2u%c", &hour, &minute, &rest) != 2 || hour > 23 || minute > 59) return HADRON_ERR_PARSE;
  *out = (int64_t)(hour * 3600 + minute * 60) * 1000000000;
  return HADRON_OK;
}

// All the types that become one int64: how they are read, and what they are called.
static int32_t parse_int64(uint32_t type, const char *text, int64_t *out) {
  switch (type) {
  case HD_KEY_PRICE: return hd_decimal_read(text, HADRON_PRICE_SCALE, out);
  case HD_KEY_QUANTITY: return hd_decimal_read(text, HADRON_QUANTITY_SCALE, out);
  case HD_KEY_MONEY: return hd_decimal_read(text, HADRON_MONEY_SCALE, out);
  case HD_KEY_DURATION: return hd_duration_parse(text, out);
  case HD_KEY_TIME: return hd_time_parse(text, out);
  case HD_KEY_DAYTIME: return parse_daytime(text, out);
  case HD_KEY_BYTES: return parse_bytes(text, out);
  default: return parse_integer(text, out);
  }
}

static const char *const type_words[] = {
    [HD_KEY_BOOL] = "true or false", [HD_KEY_U32] = "an integer", [HD_KEY_U64] = "an integer", [HD_KEY_I64] = "an integer",
    [HD_KEY_REAL] = "a number", [HD_KEY_TEXT] = "a text", [HD_KEY_CHOICE] = "a name", [HD_KEY_PRICE] = "a price like \"12.34\"",
    [HD_KEY_QUANTITY] = "a quantity like \"100\" or \"0.5\"", [HD_KEY_MONEY] = "an amount like \"1000000\"",
    [HD_KEY_DURATION] = "a duration like \"5s\", \"250ms\" or \"1d\"", [HD_KEY_TIME] = "a time like \"2024-01-02T14:30:00Z\"",
    [HD_KEY_DAYTIME] = "a time of day like \"21:00\", or never", [HD_KEY_BYTES] = "a size like \"64MiB\""};

const char *hd_config_type_words(uint32_t type) { return type_words[type]; }

static int32_t parse_number(const struct hd_config_key *key, const char *text, void *field, struct hd_fault *fault) {
  int64_t value;
  if (parse_int64(key->type, text, &value)) return not_in(fault, type_words[key->type], text);
  bool bounded = key->min != 0 || key->max != 0;
  if (bounded && (value < key->min || value > key->max)) {
    char low[40], high[40];
    bool plain = key->type == HD_KEY_U32 || key->type == HD_KEY_U64 || key->type == HD_KEY_I64;
    snprintf(low, sizeof low, "%lld", (long long)key->min);
    snprintf(high, sizeof high, "%lld", (long long)key->max);
    if (plain && key->max != INT64_MAX) return hd_fault_set(fault, HADRON_ERR_RANGE, "expected an integer from %s to %s, found %s", low, high, text);
    return hd_fault_set(fault, HADRON_ERR_RANGE, "expected %s%s, found %s", type_words[key->type],
                        key->min > 0 ? " above zero" : " that is not negative", text);
  }
  if (key->type == HD_KEY_U32) *(uint32_t *)field = (uint32_t)value;
  else memcpy(field, &value, sizeof value);
  return HADRON_OK;
}

int32_t hd_config_key_parse(const struct hd_config_key *key, const char *text, void *base, struct hd_fault *fault) {
  void *field = (char *)base + key->offset;
  char *end;
  switch (key->type) {
  case HD_KEY_BOOL:
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0) return not_in(fault, type_words[key->type], text);
    *(bool *)field = text[0] == 't';
    return HADRON_OK;
  case HD_KEY_TEXT:
    if (strlen(text) >= key->size) return hd_fault_set(fault, HADRON_ERR_RANGE, "expected at most %zu bytes, found %zu", key->size - 1, strlen(text));
    hd_text_copy(field, key->size, text);
    return HADRON_OK;
  case HD_KEY_CHOICE: {
    uint32_t number = hd_choice_parse(key->choices, text);
    if (!number) return hd_fault_set(fault, HADRON_ERR_PARSE, "expected one of: %s; found \"%s\"", key->choices, text);
    *(uint32_t *)field = number;
    return HADRON_OK;
  }
  case HD_KEY_REAL: {
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= (double)key->min && value <= (double)key->max)) // "nan" is in no range
      return hd_fault_set(fault, HADRON_ERR_RANGE, "expected a number from %lld to %lld, found \"%s\"", (long long)key->min, (long long)key->max, text);
    *(double *)field = value;
    return HADRON_OK;
  }
  default: return parse_number(key, text, field, fault);
  }
}

size_t hd_config_key_format(const struct hd_config_key *key, const void *base, char *to, size_t size) {
  const void *field = (const char *)base + key->offset;
  int64_t value = 0;
  if (key->type == HD_KEY_U32) value = *(const uint32_t *)field;
  else if (key->type >= HD_KEY_U64 && key->type != HD_KEY_REAL && key->type != HD_KEY_TEXT && key->type != HD_KEY_CHOICE) memcpy(&value, field, sizeof value);
  switch (key->type) {
  case HD_KEY_BOOL: return (size_t)snprintf(to, size, "%s", *(const bool *)field ? "true" : "false");
  case HD_KEY_TEXT: return (size_t)snprintf(to, size, "%s", (const char *)field);
  case HD_KEY_CHOICE: return hd_choice_format(to, size, key->choices, *(const uint32_t *)field);
  case HD_KEY_REAL: hd_config_number(to, size, *(const double *)field); return strlen(to);
  case HD_KEY_PRICE: return hd_decimal_format(to, size, value, HADRON_PRICE_SCALE, 0);
  case HD_KEY_QUANTITY: return hd_decimal_format(to, size, value, HADRON_QUANTITY_SCALE, 0);
  case HD_KEY_MONEY: return hd_decimal_format(to, size, value, HADRON_MONEY_SCALE, 0);
  case HD_KEY_TIME: return hd_time_format(to, size, value, 9);
  case HD_KEY_DURATION: return (size_t)snprintf(to, size, "%lldns", (long long)value);
  case HD_KEY_DAYTIME:
    if (value < 0) return (size_t)snprintf(to, size, "never");
    return (size_t)snprintf(to, size, "%02lld:%02lld", (long long)(value / INT64_C(3600000000000)), (long long)(value / INT64_C(60000000000) % 60));
  default: return (size_t)snprintf(to, size, "%lld", (long long)value);
  }
}
