// Days, zones and times of recordings, computed: no zone files, so that the same bytes give the same ticks everywhere. [any]
//
// Days count from 1970-01-01. A zone is a fixed offset or New York with the United States' own rules: daylight saving from the
// last Sunday of April to the last of October (1967-86; 1974 and 1975 began in winter), from the first Sunday of April (1987-2006),
// and from the second Sunday of March to the first of November (since 2007), each at 02:00 of the local clock.
#ifndef REPLAY_CALENDAR_H
#define REPLAY_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "scan.h"

#define SECOND_NS INT64_C(1000000000)
#define MINUTE_NS (60 * SECOND_NS)
#define HOUR_NS (3600 * SECOND_NS)
#define DAY_NS (24 * HOUR_NS)

struct zone {
  bool new_york;
  int64_t offset_ns; // fixed zones: local = UTC + offset
};

// false if there is no such day, or it is outside 1900..2200.
bool day_from_date(int64_t year, int64_t month, int64_t day, int64_t *out);
void day_to_date(int64_t days, int *year, int *month, int *day);

// "YYYYMMDD".
bool day_scan(struct scan *s, int64_t *out);

// Wall clock of a zone to UTC. Of an hour that comes twice the first is meant; an hour that does not exist is moved forward.
int64_t zone_utc(const struct zone *zone, int64_t days, int64_t ns_of_day);

// UTC to the wall clock of a zone, in ns since 1970-01-01 there.
int64_t zone_local(const struct zone *zone, int64_t utc_ns);

// "", "UTC", "Z", "+09:00", "-0500", "America/New_York", "New York".
bool zone_parse(const char *text, struct zone *zone);

// A time in one of the forms that data files use; ISO 8601 dates with any fraction and offset, "YYYYMMDD[ HH:MM[:SS[.f]]]",
// "Jan 1 2000", or a number since the epoch in `unit_ns` (0: seconds, ms, us or ns by magnitude).
bool time_scan(const struct scan *field, const struct zone *zone, int64_t unit_ns, int64_t *ns);

#endif
