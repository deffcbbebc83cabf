// Breaks: ticks are of listings that the venue resolved.
#define GOOD_VENUE_NAME "unresolved_ticks"
#define GOOD_VENUE_HANDLE v->handle + 7
#include "good_venue.c"
