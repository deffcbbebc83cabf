#include "cli/sample.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/hash.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/generate.h"

#define LAYOUT 1 // raise it when the same settings give other ticks, so that old samples are not taken for new ones

// The replay venue that has nothing to read; NULL: none.
static const struct hd_config_plugin *venue_without_files(const struct hd_config *c) {
  for (uint32_t i = 0; i < c->venue_count; i++) {
    const struct hd_config_plugin *v = &c->venues[i];
    if (!v->enabled || strcmp(v->plugin, "replay") != 0) continue;
    bool has = false;
    for (uint32_t k = 0; k < v->param_count; k++) has |= strcmp(v->params[k].name, "files") == 0 && v->params[k].text[0];
    if (!has) return v;
  }
  return NULL;
}

static void sample_of(const struct hd_config *c, struct hd_sample *sample, char *names, size_t size) {
  hd_sample_init(sample, c->sample_kind == 2 ? 3 : 1);
  if (c->sample_instruments) sample->instruments = c->sample_instruments;
  sample->start_ns = c->start_ns;
  sample->duration_ns = c->sample_duration_ns;
  sample->seed = c->sample_seed;
  hd_text_copy(names, size, c->sample_names);
  for (char *at = names; *at; at++)
    if (*at == ',') *at = '\n';
  sample->names = names[0] ? names : NULL;
}

// data_dir/sample-equity-20x1d-seed1-0123456789ab.hdt: readable, and a digest of every setting.
static void sample_path(const struct hd_config *c, const struct hd_sample *s, char *to, size_t size) {
  char settings[2048], hex[65];
  uint8_t digest[32];
  int n = snprintf(settings, sizeof settings, "%d|%u|%u|%lld|%lld|%llu|%s", LAYOUT, s->kind, s->instruments, (long long)s->start_ns,
                   (long long)s->duration_ns, (unsigned long long)s->seed, s->names ? s->names : "");
  hd_sha256(settings, (size_t)n, digest);
  hd_hex_format(hex, digest, sizeof digest);
  snprintf(to, size, "%.511s/sample-%s-seed%llu-%.12s.hdt", c->data_dir, s->kind == 3 ? "crypto" : "equity", (unsigned long long)s->seed, hex);
}

static int sample_make(const struct hd_config *c, const struct hd_sample *sample, const char *path, const char *command) {
  struct hd_sample_report report;
  struct hd_fault fault = {0};
  char ticks[40], span[40], partial[700];
  if (mkdir(c->data_dir, 0777) != 0 && errno != EEXIST) {
    hd_fault_set(&fault, HADRON_ERR_IO, "%s: cannot be created: %s; give another data_dir", c->data_dir, strerror(errno));
    return hd_cli_fail(command, HD_EXIT_FAILED, &fault);
  }
  hd_duration_format(span, sizeof span, sample->duration_ns);
  fprintf(stderr, "No data files are given: generating a sample of %s with seed %llu ...\n", span, (unsigned long long)sample->seed);
  // Two at once write the same bytes under names of their own; the last rename wins.
  snprintf(partial, sizeof partial, "%s.%d.hdt", path, (int)getpid());
  if (hd_sample_write(sample, c, partial, &report, &fault)) return hd_cli_fail(command, HD_EXIT_FAILED, &fault);
  if (rename(partial, path) != 0) {
    hd_fault_set(&fault, HADRON_ERR_IO, "%s: cannot be created: %s; check the directory", path, strerror(errno));
    unlink(partial);
    return hd_cli_fail(command, HD_EXIT_FAILED, &fault);
  }
  hd_count_format(ticks, sizeof ticks, report.ticks);
  fprintf(stderr, "%s: %s ticks of %u instruments; your own data: --data FILE\n", path, ticks, report.instruments);
  return HD_EXIT_OK;
}

int hd_sample_if_needed(struct hd_setup *s, const char *command) {
  const struct hd_config_plugin *venue = venue_without_files(&s->config);
  struct hd_sample sample;
  char path[640], names[sizeof s->config.sample_names], name[HADRON_NAME_SIZE];
  if (!venue) return HD_EXIT_OK;
  hd_text_copy(name, sizeof name, venue->name);
  sample_of(&s->config, &sample, names, sizeof names);
  sample_path(&s->config, &sample, path, sizeof path);
  if (access(path, R_OK) == 0) {
    fprintf(stderr, "No data files are given: using the generated sample %s\n", path);
  } else {
    int code = sample_make(&s->config, &sample, path, command);
    if (code) return code;
  }
  if (!hd_setup_setf(s, "venues.%s.params.files=%s", name, path)) return hd_cli_usage(command, "more than %d --set", HD_SETS_MAX);
  hd_config_fini(&s->config);
  return hd_setup_load(s, command);
}
