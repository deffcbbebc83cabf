// What every test program begins with: cmocka and its needs, and the seed of random tests. The seed comes from HADRON_TEST_SEED
// or from the clock, and is printed, so that any failure can be repeated.
#ifndef TEST_SUPPORT_TEST_H
#define TEST_SUPPORT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/random.h"

struct hd_random test_random(void);

#endif
