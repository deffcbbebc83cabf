// Parameters of an instance: values are written as in a config, parsed by the plugin's own table, checked against its ranges, and
// put into the instance's fields. A set of values is applied whole or not at all: if the plugin's `changed` refuses them, the old
// ones are back. Preparing parses and allocates [control]; committing only copies bytes and calls `changed` [the owning thread].
#ifndef HD_PLUGIN_PARAMS_H
#define HD_PLUGIN_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "hadron/ext/params.h"
#include "plugin/mismatch.h"

#define HD_PARAMS_MAX 256              // parameters of a plugin; more: it is refused
#define HD_PARAM_TEXT_MAX 65536        // bytes of a TEXT field
#define HD_PARAM_OFFSET_MAX (64u << 20) // bytes; where a field may begin

struct hd_plugin;
struct hadron_instance;

// At the end of a place: the text came from the environment, and no error shows it.
#define HD_PARAM_HIDDEN " (from env)"

// One assignment, as the config has it. All borrowed(call).
struct hd_param_value {
  const char *name;
  const char *text;
  const char *place; // "demo.lua:12"; NULL: none
};

struct hd_params_change; // prepared values, not yet written

// Every value of `values` on top of the defaults: for a new instance. A required parameter that is missing is an error. A name that
// is not in the table is one, with the nearest that is. A plugin without parameters takes none.
int32_t hd_params_prepare(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count, struct hd_params_change **out,
                          struct hd_fault *fault);
// Only `values`, and each must be live-changeable: for an active instance.
int32_t hd_params_prepare_live(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count, struct hd_params_change **out,
                               struct hd_fault *fault);
// Writes the values and calls `changed`; if it refuses, the old values are written back, `changed` of an active instance is called
// again with them, and its code is returned with the plugin's words. Allocates nothing. [owning thread]
int32_t hd_params_commit(struct hd_params_change *change, struct hadron_instance *instance, struct hd_fault *fault);
void hd_params_free(struct hd_params_change *change);

// prepare, commit, free.
int32_t hd_params_apply(struct hadron_instance *instance, const struct hd_param_value *values, uint32_t count, struct hd_fault *fault);

// All errors of a set of values, not only the first: for checking a config. Returns how many there were.
uint32_t hd_params_check(const struct hd_plugin *plugin, const struct hd_param_value *values, uint32_t count,
                         void (*wrong)(void *user, const struct hd_param_value *value, const struct hd_fault *fault), void *user);

// The current value of parameter `index`, as it would be written in a config. Returns the length.
size_t hd_param_format(const struct hd_plugin *plugin, const struct hadron_instance *instance, uint32_t index, char *to, size_t size);
// "integer, 1 to 500", "price, at least 0.01", ...: for help and errors.
size_t hd_param_range_format(const struct hadron_param *param, char *to, size_t size);
const char *hd_param_type_name(uint32_t type);

// Is a plugin's table sane: names, types, sizes, ranges, defaults that parse and lie in range, fields that do not overlap?
void hd_params_table_check(const struct hadron_params *params, struct hd_mismatch *differences);

#endif
