// What two versions say of themselves, side by side: manifest, entry points, parameters. For `hadron diff`.
#ifndef HD_CLI_DIFF_H
#define HD_CLI_DIFF_H

#include <jansson.h>
#include <stdio.h>

#include "plugin/loader.h"

// The facts that differ, one line each; nothing where all are the same. Returns how many lines there were.
uint32_t hd_diff_print_manifests(const struct hd_plugin *a, const struct hd_plugin *b, FILE *to);
uint32_t hd_diff_print_parameters(const struct hd_plugin *a, const struct hd_plugin *b, FILE *to);

// {"facts": [{"name", "a", "b", "same"}], "parameters": [{"name", "a": {...} | null, "b": ..., "differs": ["initial", ...]}]}: all of them.
json_t *hd_diff_json(const struct hd_plugin *a, const struct hd_plugin *b);

#endif
