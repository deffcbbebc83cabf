// Capability "hadron.params/1", plugin side: typed, ranged parameters. The host checks a value against its row and writes it
// into the instance at `offset`, on the thread that owns the instance and never during another callback.
#ifndef HADRON_EXT_PARAMS_H
#define HADRON_EXT_PARAMS_H

#include "hadron/plugin.h"

#define HADRON_CAP_PARAMS "hadron.params/1"

enum hadron_param_type {
  HADRON_PARAM_INVALID = 0,
  HADRON_PARAM_BOOL = 1,     // int64_t, 0 or 1
  HADRON_PARAM_INTEGER = 2,  // int64_t
  HADRON_PARAM_REAL = 3,     // double; not for prices or sizes
  HADRON_PARAM_PRICE = 4,    // struct hadron_price; "12.34" in the config
  HADRON_PARAM_QUANTITY = 5, // struct hadron_quantity
  HADRON_PARAM_MONEY = 6,    // struct hadron_money
  HADRON_PARAM_DURATION = 7, // int64_t ns; "5s", "100ms", "1m" in the config
  HADRON_PARAM_TEXT = 8,     // char[size], NUL-terminated; a list in the config is joined by newlines
};

struct hadron_param {
  const char *name;    // [a-z0-9_]{1,63}; static
  const char *help;    // one line; static
  const char *unit;    // "ticks", "bps", ... or ""; static
  const char *initial; // the default, as it would be written in a config; NULL: required; static
  uint32_t type;       // enum hadron_param_type
  uint32_t offset;     // of the field in the instance
  uint32_t size;       // TEXT: bytes of the field, with the NUL; else 8
  uint32_t live;       // 1: may change while active
  int64_t min, max;    // INTEGER, DURATION, PRICE, QUANTITY, MONEY: in their units; min > max: no bound
  double real_min, real_max; // REAL
};

struct hadron_params {
  uint32_t struct_size;
  uint32_t count;
  const struct hadron_param *params; // static

  // Values were written: check them together, derive what depends on them. Also called once before `start`. May be NULL.
  // [control & created; the owning thread & active] [nonblocking]
  // @err   HADRON_ERR_*  the new values do not go together: the host writes the old ones back
  // @since 1.0
  int32_t (*changed)(void *self);
};

#endif
