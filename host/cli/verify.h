// `hadron replay JOURNAL --verify` and `--with`: a journal held against itself, or against another version.
#ifndef HD_CLI_VERIFY_H
#define HD_CLI_VERIFY_H

#include <jansson.h>

#include "journal/fields.h"
#include "runtime/verify.h"

// Does the command line ask for one of them?
bool hd_verify_is_asked(int argc, char **argv);
int hd_verify_command(int argc, char **argv);

// A side of a difference as a record, for the table of fields.
struct hadron_record hd_verify_side_record(const struct hd_verify_side *side);
void hd_verify_print(const struct hd_verify_result *r, const char *journal, FILE *to);
json_t *hd_verify_json(const struct hd_verify_result *r, const char *journal);

#endif
