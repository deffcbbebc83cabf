// Comparisons for people and as JSON; what `hadron ab report` and `hadron diff` share.
#ifndef HD_CLI_COMPARE_PRINT_H
#define HD_CLI_COMPARE_PRINT_H

#include <jansson.h>
#include <stdio.h>

#include "runtime/compare_arms.h"

// Name of an instrument; never NULL.
typedef const char *hd_compare_name(const void *user, uint32_t instrument);

// "12,345 pairs: 98.70 % the same; 100 another side or kind, ..." over as many lines as it takes.
void hd_compare_print_agreement(const struct hd_compare *c, FILE *to);
// A table of the first differences, at most `rows`.
void hd_compare_print_differences(const struct hd_compare *c, hd_compare_name *name, const void *user, uint32_t rows, FILE *to);
// The whole report: versions, then each challenger. latency and errors: [version], from a running host; NULL: not known.
struct hd_compare_live {
  bool known;
  uint64_t errors;
  int64_t p50_ns, p99_ns;
};
void hd_compare_print_arms(const struct hd_compare_arms *c, const char *currency, const struct hd_compare_live *live, double alpha, uint32_t rows, FILE *to);

json_t *hd_compare_json(const struct hd_compare *c, hd_compare_name *name, const void *user); // new reference
json_t *hd_compare_arms_json(const struct hd_compare_arms *c, const struct hd_compare_live *live);
json_t *hd_compare_paired_json(const struct hd_paired *p, const struct hd_sequential *s);

// The instruments of hd_compare_arms; user: it.
const char *hd_compare_arms_name(const void *user, uint32_t instrument);

#endif
