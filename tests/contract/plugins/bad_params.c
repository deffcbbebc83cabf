// Breaks: its parameters have names, types, defaults in range, and fields of their own.
#define TINY_NAME "bad_params"
#define TINY_PARAMS bad_rows
#include "hadron/ext/params.h"
static const struct hadron_param bad_rows[] = {
    {"Period", "capital letter", "", "1", HADRON_PARAM_INTEGER, 24, 8, 0, 1, 0, 0, 0},
    {"odd_type", "no such type", "", "1", 99, 32, 8, 0, 1, 0, 0, 0},
    {"far", "default outside of its range", "", "501", HADRON_PARAM_INTEGER, 40, 8, 0, 1, 500, 0, 0},
    {"same", "field of far", "", "0.5", HADRON_PARAM_REAL, 44, 8, 0, 0, 0, 1, 0},
    {"words", "text without room", "", "", HADRON_PARAM_TEXT, 64, 1, 0, 0, 0, 0, 0},
};
#include "tiny.h"
