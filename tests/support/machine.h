#ifndef TEST_SUPPORT_MACHINE_H
#define TEST_SUPPORT_MACHINE_H

#include <stdint.h>

#define TEST_MACHINE_SIZE 192

// What a measurement was made on, in words that fit a JSON string.
void test_machine(char text[TEST_MACHINE_SIZE]);

// Memory of this process that is resident now, bytes. Aborts where the kernel does not say.
uint64_t test_resident_bytes(void);
uint64_t test_anonymous_bytes(void); // without the pages of files, such as a journal's

#endif
