// What a measurement was made on, in words that fit a JSON string.
#ifndef TEST_SUPPORT_MACHINE_H
#define TEST_SUPPORT_MACHINE_H

#define TEST_MACHINE_SIZE 192

void test_machine(char text[TEST_MACHINE_SIZE]);

#endif
