// The connection to a PostgreSQL server: requests that never wait for ever, and failures with what they mean. [plugin]
#ifndef RECORDER_LINK_H
#define RECORDER_LINK_H

#include <libpq-fe.h>

#include "store.h"

struct link {
  PGconn *db;
  const struct store_limits *limits; // borrowed
  char *error;                       // STORE_ERROR_SIZE bytes; borrowed
};

// Connects and sets the session up: its limits on the server's side, so that what we have given up does not hold locks after us.
int32_t link_open(struct link *l, const char *url);
void link_close(struct link *l); // accepts one that was not opened

// One request. `what`: said first in an error. `result`: the last one, to be cleared by the caller; untouched on failure; may be NULL.
int32_t link_query(struct link *l, const char *sql, PGresult **result, const char *what);
int32_t link_query_params(struct link *l, const char *sql, int count, const char *const *values, PGresult **result, const char *what);

// A COPY: begins, takes bytes, ends. Between begin and end nothing else may be asked.
int32_t link_copy_begin(struct link *l, const char *sql, const char *what);
int32_t link_copy_put(struct link *l, const unsigned char *bytes, size_t size, const char *what); // what the socket does not take stays with libpq
int32_t link_copy_end(struct link *l, const char *what);
int32_t link_flush(struct link *l, const char *what); // until libpq holds nothing back

#endif
