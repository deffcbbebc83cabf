// A host for one service plugin: loads it from the plugin directory, offers journal, log and metrics, drives its steps by hand.
#ifndef TEST_SUPPORT_SERVICE_H
#define TEST_SUPPORT_SERVICE_H

#include "hadron/ext/params.h"
#include "hadron/service.h"
#include "journal/capability.h"

struct test_service {
  struct hadron_host host;
  struct hd_journal_reader reader;
  const struct hadron_service_api *api;
  const struct hadron_params *params;
  void *self;
  int64_t now_ns;
  char said[1024];           // the last log line: id and words
  uint32_t said_level;       // its level
  uint64_t errors;           // lines of level error
  int64_t cells[16];         // metrics in the order of opening
  const char *cell_names[16];
  uint32_t cell_count;
};

// Loads NAME.so, makes an instance with all parameters at their defaults. Aborts the test if it cannot. One at a time.
void test_service_open(struct test_service *s, const char *name, struct hd_journal *journal);
void test_service_close(struct test_service *s);

void test_service_text(struct test_service *s, const char *param, const char *value);
void test_service_number(struct test_service *s, const char *param, int64_t value);
int64_t test_service_metric(const struct test_service *s, const char *name);

// Steps, moving the clock to when the plugin wants to run, until it waits for the journal to grow. Returns the steps taken.
uint64_t test_service_run(struct test_service *s, uint64_t steps_max);

#endif
