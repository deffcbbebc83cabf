// Inside of the config reader: the tables of keys (config.c), one value by its row (config_value.c), and how a tree of values is read
// by the tables (config_read.c), and the effective configuration as text, both ways (config_text.c).
#ifndef HD_RUNTIME_CONFIG_READ_H
#define HD_RUNTIME_CONFIG_READ_H

#include "lua/config.h"
#include "runtime/config.h"

enum hd_key_type {
  HD_KEY_BOOL = 1, HD_KEY_U32, HD_KEY_U64, HD_KEY_I64, HD_KEY_REAL, HD_KEY_TEXT, HD_KEY_CHOICE, HD_KEY_PRICE, HD_KEY_QUANTITY,
  HD_KEY_MONEY, HD_KEY_DURATION, HD_KEY_TIME, HD_KEY_DAYTIME, HD_KEY_BYTES,
};

struct hd_config_key {
  const char *path;    // "engine.shards"; in a named section: below it
  uint32_t type;       // enum hd_key_type
  size_t offset, size; // of the field; size: of TEXT
  int64_t min, max;    // in the field's unit
  const char *initial; // default, as written; NULL: required
  const char *choices; // CHOICE: names of 1, 2, ... separated by blanks
  bool live;           // may change while running
  const char *help;
};

extern const struct hd_config_key hd_config_keys[], hd_config_strategy_keys[], hd_config_plugin_keys[], hd_config_instrument_keys[], hd_config_session_keys[], hd_config_feed_keys[];
extern const uint32_t hd_config_key_count, hd_config_strategy_key_count, hd_config_plugin_key_count, hd_config_instrument_key_count, hd_config_session_key_count, hd_config_feed_key_count;

struct hd_config_reader;
// Notes an error at the line of a key.
__attribute__((format(printf, 3, 4))) void hd_config_wrong(struct hd_config_reader *r, const char *path, const char *format, ...);
void hd_config_check(struct hd_config *c, struct hd_config_reader *r);

// Does the value at a path come from the environment?
bool hd_config_is_secret(const struct hd_config *config, const char *path);
// The tree that lines of hd_config_print stand for; owned by the caller (hd_value_free). line: of the error.
int32_t hd_config_tree(const char *name, const char *text, size_t size, struct hd_value **root, int *line, struct hd_fault *fault);

// The shortest decimal that reads back as the same number: 0.1 is written 0.1.
void hd_config_number(char *to, size_t size, double number);
// "a price like "12.34"": what a type looks like.
const char *hd_config_type_words(uint32_t type);

// Parses one value into its field; HADRON_ERR_PARSE or HADRON_ERR_RANGE with "expected ..., found ..." in the fault.
int32_t hd_config_key_parse(const struct hd_config_key *key, const char *text, void *base, struct hd_fault *fault);
// The value of a field as it would be written.
size_t hd_config_key_format(const struct hd_config_key *key, const void *base, char *to, size_t size);

#endif
