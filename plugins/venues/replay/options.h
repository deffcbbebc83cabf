// Parameters as text turned into reader_options, the same for a running venue, inspect and convert.
#ifndef REPLAY_OPTIONS_H
#define REPLAY_OPTIONS_H

#include "adjust.h"
#include "reader.h"

#define PERIOD_MAX (366 * DAY_NS)
#define SESSIONS_MAX 1000000
#define SIZE_MAX_E8 INT64_C(100000000000000000) // a thousand million units

// The defaults: everything, format by the file.
void options_init(struct reader_options *o);

// Sets one by its parameter's name. HADRON_ERR_NOT_FOUND: no such option; HADRON_ERR_PARSE: told in `fault`.
int32_t options_set(struct reader_options *o, const char *name, const char *value, struct fault *fault);

// "key=value" lines; a line without "=" or with an unknown key is a fault. NULL is empty.
int32_t options_lines(struct reader_options *o, const char *lines, struct fault *fault);

#endif
