#include "cli/options.h"

#include <getopt.h>

#include "base/assert.h"
#include "base/banned.h"
#include "cli/cli.h"

static const struct hd_cli_option *row_of(const struct hd_cli_option *rows, uint32_t count, int o) {
  if (o >= 256) return &rows[o - 256];
  for (uint32_t i = 0; i < count; i++)
    if (rows[i].letter && o == rows[i].letter) return &rows[i];
  return NULL;
}

int hd_cli_options(const char *command, const struct hd_cli_option *rows, uint32_t count, uint32_t taken, void *call, int argc, char **argv, struct hd_cli_words *words) {
  struct option options[HD_CLI_OPTIONS_MAX + 1] = {0};
  char letters[2 * HD_CLI_OPTIONS_MAX + 1] = "";
  size_t at = 0;
  HD_ASSERT(count <= HD_CLI_OPTIONS_MAX);
  for (uint32_t i = 0; i < count; i++) {
    options[i] = (struct option){rows[i].name, rows[i].flag ? no_argument : required_argument, NULL, 256 + (int)i};
    if (rows[i].letter) letters[at++] = rows[i].letter;
    if (rows[i].letter && !rows[i].flag) letters[at++] = ':';
  }
  optind = 0;
  opterr = 0;
  for (int o; (o = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
    const struct hd_cli_option *row = row_of(rows, count, o);
    if (!row || (row->of && !(row->of & taken))) return hd_cli_usage(command, "unknown or incomplete option \"%s\"", argv[optind - 1]);
    if (row->flag) *(bool *)((char *)call + row->offset) = true;
    else *(const char **)((char *)call + row->offset) = optarg;
  }
  *words = (struct hd_cli_words){argv + optind, argc - optind};
  return HD_EXIT_OK;
}
