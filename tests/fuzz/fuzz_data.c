// Promise: no bytes and no options make a reader crash, hang, overrun or leak: inspect ends with a report or a fault in four parts.
//
// The first byte picks the name that the rest is written under (names tell LEAN files apart), the second the options. Run it with -max_len=65536.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hadron/ext/convert.h"
#include "hadron/ext/inspect.h"

const struct hadron_plugin *hadron_plugin_v1(void);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {"equity/usa/tick/abc/20200102_trade.zip", "equity/usa/minute/abc/20200102_quote.zip", "equity/usa/daily/abc.zip",
                                    "forex/fxcm/tick/eurusd/20200102_quote.zip", "crypto/x/minute/btcusd/20200102_trade.zip", "any.csv", "btcusdt.gz",
                                    "x.dbn.zst", "x.hdt", "eurusd-bid.csv"};
static const char *const options[] = {"", "", "columns=time=0;price=1", "format=csv\ncolumns=time=0;bid=1;ask=2;separator=tab", "format=dbn", "format=binance",
                                      "format=lean\nlean=equity/usa/tick", "format=hdt", "from=2020-01-02\nto=2020-01-03", "verify=0"};

static void ignore_bad(void *user, uint64_t row, const char *text) {
  (void)row;
  *(size_t *)user += strlen(text);
}

static const char *folder(void) {
  static char path[64];
  if (path[0]) return path;
  snprintf(path, sizeof path, "/tmp/hadron-fuzz-%d", (int)getpid());
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char whole[256];
    snprintf(whole, sizeof whole, "%s/%s", path, names[i]);
    for (char *slash = whole + 1; (slash = strchr(slash, '/')); slash++) {
      *slash = '\0';
      mkdir(whole, 0700);
      *slash = '/';
    }
  }
  return path;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2) return 0;
  char path[256], fault[1200] = "";
  size_t told = 0;
  struct hadron_inspect_report report;
  const struct hadron_inspect *inspect = hadron_plugin_v1()->capability(HADRON_CAP_INSPECT);
  snprintf(path, sizeof path, "%s/%s", folder(), names[data[0] % (sizeof names / sizeof *names)]);
  FILE *file = fopen(path, "we");
  if (!file) return 0;
  fwrite(data + 2, 1, size - 2, file);
  fclose(file);
  int32_t result = inspect->inspect(path, options[data[1] % (sizeof options / sizeof *options)], &report, ignore_bad, NULL, &told, fault, sizeof fault);
  if (result != HADRON_OK && !strstr(fault, "expected")) abort();
  if (result == HADRON_OK && report.bad_rows > report.rows) abort();
  unlink(path);
  return 0;
}
