// libpq, opened when a PostgreSQL URL is: it brings LDAP, Kerberos and GnuTLS with it, several MB and milliseconds of every start, also of the many
// that never see a server. The table has what is used; it may be called once hd_libpq_open has succeeded. [control]
#ifndef HD_REGISTRY_LIBPQ_H
#define HD_REGISTRY_LIBPQ_H

#include <libpq-fe.h>

#include "base/library.h"

#define HD_LIBPQ_FUNCTIONS(X) \
  X(PQclear) \
  X(PQcmdStatus) \
  X(PQcmdTuples) \
  X(PQconnectdbParams) \
  X(PQconsumeInput) \
  X(PQdb) \
  X(PQerrorMessage) \
  X(PQexec) \
  X(PQexecParams) \
  X(PQfinish) \
  X(PQfreemem) \
  X(PQftype) \
  X(PQgetisnull) \
  X(PQgetvalue) \
  X(PQlibVersion) \
  X(PQnfields) \
  X(PQnotifies) \
  X(PQntuples) \
  X(PQreset) \
  X(PQresultStatus) \
  X(PQserverVersion) \
  X(PQsetNoticeProcessor) \
  X(PQsocket) \
  X(PQstatus)

struct hd_libpq {
  HD_LIBRARY_MEMBERS(HD_LIBPQ_FUNCTIONS)
};
extern struct hd_libpq hd_libpq;

// Any number of times, from any thread. HADRON_ERR_DEPENDENCY: it is not installed, or too old.
int32_t hd_libpq_open(struct hd_fault *fault);

#endif
