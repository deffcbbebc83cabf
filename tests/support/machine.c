#include "support/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

void test_machine(char text[TEST_MACHINE_SIZE]) {
  char line[256], model[96] = "unknown processor";
  struct utsname kernel;
  FILE *f = fopen("/proc/cpuinfo", "r");
  while (f && fgets(line, sizeof line, f)) {
    char *colon = strchr(line, ':');
    if (strncmp(line, "model name", 10) != 0 || !colon) continue;
    colon[1 + strcspn(colon + 1, "\n\"\\")] = 0;
    snprintf(model, sizeof model, "%.90s", colon[1] == ' ' ? colon + 2 : colon + 1);
    break;
  }
  if (f) fclose(f);
  if (uname(&kernel) != 0) memcpy(kernel.release, "?", 2);
  snprintf(text, TEST_MACHINE_SIZE, "%s, %ld cores, Linux %.60s", model, sysconf(_SC_NPROCESSORS_ONLN), kernel.release);
}

static uint64_t status_bytes(const char *row) {
  char line[256];
  unsigned long long kib = 0;
  FILE *f = fopen("/proc/self/status", "re");
  while (f && fgets(line, sizeof line, f))
    if (strncmp(line, row, strlen(row)) == 0) sscanf(line + strlen(row), ": %llu", &kib);
  if (f) fclose(f);
  if (kib == 0) {
    fprintf(stderr, "/proc/self/status: expected a row %s, found none\n", row);
    abort();
  }
  return kib * 1024;
}

uint64_t test_resident_bytes(void) { return status_bytes("VmRSS"); }
uint64_t test_anonymous_bytes(void) { return status_bytes("RssAnon"); }
