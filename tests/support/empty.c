// Keeps the support library from being empty.
extern const int test_support_present;
const int test_support_present = 1;
