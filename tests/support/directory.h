// A private directory per test program, under TMPDIR or /tmp, removed with all that is in it.
#ifndef TEST_SUPPORT_DIRECTORY_H
#define TEST_SUPPORT_DIRECTORY_H

#include <stddef.h>

#define TEST_PATH_SIZE 512

// Makes a fresh one; aborts the test if it cannot.
void test_directory_make(char path[TEST_PATH_SIZE]);
void test_directory_remove(const char *path);

// path + "/" + name.
void test_path(char to[TEST_PATH_SIZE], const char *path, const char *name);

// Whole files. read: owned by the caller; aborts the test if it cannot.
unsigned char *test_file_read(const char *path, size_t *size);
void test_file_write(const char *path, const void *bytes, size_t size);

#endif
