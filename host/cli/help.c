#include "cli/help.h"

#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/wrap.h"

#define COLUMNS_MAX 110 // longer lines are hard to read
#define NAMES 19        // column of the summaries
#define TEXT_SIZE 4096

static uint32_t columns_of(FILE *to) {
  uint32_t columns = hd_cli_columns(fileno(to));
  return columns > COLUMNS_MAX ? COLUMNS_MAX : columns;
}

static void print_row(FILE *to, const struct hd_command *c) {
  fprintf(to, "  %-16s ", c->name);
  hd_wrap(to, c->summary, NAMES, NAMES, columns_of(to), "\n");
  putc('\n', to);
}

void hd_help_overview(FILE *to) {
  fprintf(to, "Usage: hadron COMMAND [ARGUMENTS]\n\nHadron runs trading strategies: backtest, replay, paper and live with the same\ncode.\n\nCommands:\n");
  for (uint32_t i = 0; i < hd_command_count; i++) print_row(to, &hd_commands[i]);
  fprintf(to, "\n`hadron COMMAND --help` explains one. Begin with `hadron run configs/demo.lua`.\n");
}

bool hd_help_group(const char *word, FILE *to) {
  size_t length = strlen(word);
  uint32_t found = 0;
  for (uint32_t i = 0; i < hd_command_count; i++)
    if (strncmp(hd_commands[i].name, word, length) == 0 && hd_commands[i].name[length] == ' ') {
      if (found++ == 0) fprintf(to, "Usage: hadron %s COMMAND [ARGUMENTS]\n\nCommands:\n", word);
      print_row(to, &hd_commands[i]);
    }
  if (found) fprintf(to, "\n`hadron %s COMMAND --help` explains one.\n", word);
  return found > 0;
}

// ---- one command -----------------------------------------------------------------------------------------------------------------------

// "[--url URL]" stays together.
static void glue(char *text) {
  for (int depth = 0; *text; text++) {
    depth += *text == '[';
    depth -= *text == ']';
    if (*text == ' ' && depth > 0) *text = HD_WRAP_GLUE;
  }
}

static void print_usage(const struct hd_command *c, uint32_t columns) {
  char arguments[TEXT_SIZE];
  hd_text_copy(arguments, sizeof arguments, c->arguments);
  glue(arguments);
  int at = printf("Usage: hadron %s ", c->name);
  hd_wrap(stdout, arguments, (uint32_t)at, (uint32_t)at, columns, "\n");
  putchar('\n');
}

// Does this line of a help go on the one before it? Prose goes on prose, and what is far to the right goes on an option.
static bool goes_on(const char *before, const char *line) {
  if (!*before || !*line || *before == '\t' || *line == '\t' || before[strlen(before) - 1] == ':') return false;
  return *line == ' ' ? strspn(line, " ") > 8 : *before != ' ';
}

// "  --option VALUE  what it is": where its words begin. Prose: 0.
static uint32_t words_at(const char *line) {
  size_t lead = strspn(line, " ");
  const char *gap = lead ? strstr(line + lead, "  ") : NULL;
  size_t at = gap ? (size_t)(gap - line) + strspn(gap, " ") : lead;
  return (uint32_t)(at > 30 ? 6 : at);
}

static void print_paragraph(char *text, uint32_t columns) {
  if (*text == '\t') { // code: as it stands
    puts(text + 1);
    return;
  }
  size_t lead = strspn(text, " ");
  char *gap = lead ? strstr(text + lead, "  ") : NULL;
  uint32_t indent = words_at(text), at = 0;
  if (lead && gap) { // the option as it stands, with its gap
    size_t taken = (size_t)(gap - text) + strspn(gap, " ");
    at = (uint32_t)printf("%.*s", (int)taken, text);
    text += taken;
  } else if (lead) {
    at = (uint32_t)printf("%.*s", (int)lead, text);
    indent = (uint32_t)lead + 2;
  }
  hd_wrap(stdout, text, at, indent, columns, "\n");
  putchar('\n');
}

static void print_body(const char *help, uint32_t columns) {
  char text[TEXT_SIZE] = "", line[TEXT_SIZE];
  while (*help) {
    size_t size = strcspn(help, "\n");
    snprintf(line, sizeof line, "%.*s", (int)size, help);
    help += size + (help[size] == '\n');
    if (goes_on(text, line)) {
      size_t used = strlen(text);
      snprintf(text + used, sizeof text - used, " %s", line + strspn(line, " "));
      line[0] = 0;
    } else {
      if (*text) print_paragraph(text, columns);
      if (!*line && *help) putchar('\n');
      hd_text_copy(text, sizeof text, line);
    }
  }
  if (*text) print_paragraph(text, columns);
}

void hd_help_command(const struct hd_command *c) {
  uint32_t columns = columns_of(stdout);
  print_usage(c, columns);
  char summary[256];
  snprintf(summary, sizeof summary, "%c%s.", c->summary[0] - 'a' + 'A', c->summary + 1);
  printf("\n");
  hd_wrap(stdout, summary, 0, 0, columns, "\n");
  printf("\n\n");
  print_body(c->help, columns);
  printf("\nExample:\n");
  for (const char *e = c->example; *e; e += strcspn(e, "\n"), e += *e == '\n') printf("  hadron %.*s\n", (int)strcspn(e, "\n"), e);
  printf("\n");
  hd_wrap(stdout, "Exit status: 0 done, 1 failed, 2 wrong usage, 3 wrong configuration, 4 bad data, 5 no host is running, 6 refused, 7 differs.", 0, 0, columns, "\n");
  printf("\n");
}
