// Asking a database in tests: SQLite by path, PostgreSQL by URL; answers as text, one line per row, columns separated by '|'.
#ifndef TEST_SUPPORT_DATABASE_H
#define TEST_SUPPORT_DATABASE_H

#include <stddef.h>

// Owned by the caller. url as the recorder takes it. Aborts the test on an error.
char *test_database_ask(const char *url, const char *sql);
long long test_database_number(const char *url, const char *sql);

// Text that grows.
struct test_text {
  char *text; // owned
  size_t size, room;
};
__attribute__((format(printf, 2, 3))) void test_text_add(struct test_text *t, const char *format, ...);

#endif
