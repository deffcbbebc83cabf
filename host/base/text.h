// Text in and out of numbers and times. Nothing here allocates or depends on a locale. [any]
#ifndef HD_BASE_TEXT_H
#define HD_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hadron/types.h"

// Copies at most size - 1 bytes and always ends with NUL. Returns false if the source was cut.
bool hd_text_copy(char *to, size_t size, const char *from);

// Copies a NUL-padded field of `field_size` bytes into a C string of at least field_size + 1.
void hd_text_field(char *to, const char *field, size_t field_size);

// Replaces bytes that a terminal would act upon by '?'. In place.
void hd_text_printable(char *text);

// Names separated by blanks, numbered from 1: the number of one, 0 if it is none of them; and its name ("invalid"), with the length.
uint32_t hd_choice_parse(const char *choices, const char *text);
size_t hd_choice_format(char *to, size_t size, const char *choices, uint32_t number);

// "1234.5" from 1234500000000 at scale 1e9; at least `decimals_min` decimals. Returns the length; size >= 32 always suffices.
size_t hd_decimal_format(char *to, size_t size, int64_t value, int64_t scale, int decimals_min);

// Parses a whole C string as a decimal at `scale`. HADRON_ERR_PARSE or HADRON_ERR_OVERFLOW.
int32_t hd_decimal_read(const char *text, int64_t scale, int64_t *out);

// "2024-08-08T23:54:14.123456789Z" (digits: 0, 3, 6 or 9 of the second's fraction). Returns the length; size >= 40.
size_t hd_time_format(char *to, size_t size, int64_t ns, int digits);

// Reads "2024-08-08", "2024-08-08 23:54[:14[.fraction]]", with T or blank, with Z, +hh:mm or nothing (UTC); or a bare integer of
// seconds, ms, us or ns since the epoch, told apart by magnitude.
int32_t hd_time_parse(const char *text, int64_t *ns);

// "250ms", "30s", "5m", "1h", "1d", "10us", "7ns"; several may follow each other: "1h30m". No sign.
int32_t hd_duration_parse(const char *text, int64_t *ns);

// "1.25 ms", "830 ns", "3m 20s": three significant digits, for people.
size_t hd_duration_format(char *to, size_t size, int64_t ns);

// "1,234,567", and "12.3 M" for rates.
size_t hd_count_format(char *to, size_t size, uint64_t count);
size_t hd_rate_format(char *to, size_t size, double per_second);

// Lower-case hex of `bytes`; to needs 2 * size + 1.
void hd_hex_format(char *to, const void *bytes, size_t size);
bool hd_hex_parse(void *to, const char *text, size_t size);

// Edits (insert, remove, replace a byte) between two texts of at most 63 bytes; longer ones are cut. For "did you mean".
size_t hd_text_distance(const char *a, const char *b);

// Does `name` fit the grammar [a-z0-9_-]{1,63}?
bool hd_name_valid(const char *name);

#endif
