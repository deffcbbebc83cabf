// Commands that talk to a running host: status, positions, orders, kill, release, set.
#include <getopt.h>
#include <poll.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/screen.h"
#include "cli/table.h"

#define TARGET_HELP                                                    \
  "  --data-dir DIR   the host's data directory; default: data\n"      \
  "  --control PATH   its control socket; default: DIR/hadron.sock\n"  \
  "  --json           print the host's answer as one JSON object\n"

const char hd_status_help[] = "  --watch          draw it again every second until Ctrl-C\n" TARGET_HELP;
const char hd_top_help[] = TARGET_HELP "\nIt is `hadron status --watch`: Ctrl-C ends it.\n";
const char hd_positions_help[] = TARGET_HELP;
const char hd_orders_help[] = TARGET_HELP;
const char hd_kill_help[] = TARGET_HELP "\nThe kill switch stays on until `hadron release`. It is also thrown by a file named KILL in the data directory and by\nSIGUSR1.\n";
const char hd_release_help[] = TARGET_HELP;
const char hd_set_help[] = TARGET_HELP
    "\nKeys:\n"
    "  risk.LIMIT, strategies.NAME.risk.LIMIT, instruments.SYMBOL.risk.LIMIT\n"
    "  strategies.NAME.params.X, venues.NAME.params.X, allocator.params.X\n"
    "  router.rules=[{\"when\":\"position\",\"lane\":\"fast\"}, ...]\n"
    "  normalize.*, router.volatile_above, gateway.unknown_after and others that docs/config.md marks as live\n"
    "\nAll assignments are checked before the first is carried out.\n";

struct admin {
  const char *command;
  struct hd_client_target target;
  bool json, watch;
  char **words; // what is no option
  int word_count;
};

static int parse(struct admin *a, int argc, char **argv) {
  enum { CONTROL = 256, DATA_DIR, JSON, WATCH };
  static const struct option options[] = {{"control", required_argument, NULL, CONTROL}, {"data-dir", required_argument, NULL, DATA_DIR},
                                          {"json", no_argument, NULL, JSON}, {"watch", no_argument, NULL, WATCH}, {0}};
  optind = 0;
  opterr = 0;
  for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
    switch (c) {
    case CONTROL: a->target.control = optarg; break;
    case DATA_DIR: a->target.data_dir = optarg; break;
    case JSON: a->json = true; break;
    case WATCH:
      if (strcmp(a->command, "status") != 0) return hd_cli_usage(a->command, "unknown option \"--watch\"");
      a->watch = true;
      break;
    default: return hd_cli_usage(a->command, "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  a->words = argv + optind;
  a->word_count = argc - optind;
  return HD_EXIT_OK;
}

static int exit_of(int32_t code) {
  switch (code) {
  case HADRON_ERR_CLOSED: return HD_EXIT_NOT_RUNNING;
  case HADRON_ERR_TIMEOUT: case HADRON_ERR_IO: case HADRON_ERR_CORRUPT: case HADRON_ERR_MEMORY: return HD_EXIT_FAILED;
  default: return HD_EXIT_REFUSED;
  }
}

// Asks and, with --json, prints the answer. NULL: `code` is the exit code.
static json_t *ask(const struct admin *a, json_t *request, int *code) {
  char path[512];
  struct hd_fault fault = {0};
  if (!hd_client_path(&a->target, path, sizeof path)) {
    json_decref(request);
    *code = hd_cli_usage(a->command, "the path of the control socket is too long");
    return NULL;
  }
  json_t *answer = hd_client_ask(path, request, &fault);
  *code = answer ? HD_EXIT_OK : exit_of(fault.code);
  size_t said = strlen(a->command); // the host names the command too
  bool twice = strncmp(fault.text, a->command, said) == 0 && strncmp(fault.text + said, ": ", 2) == 0;
  if (!answer) fprintf(stderr, "hadron %s: %s\n", a->command, fault.text + (twice ? said + 2 : 0));
  if (answer && a->json) {
    json_dumpf(answer, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15));
    putchar('\n');
    fflush(stdout);
  }
  return answer;
}

static int begin(struct admin *a, const char *command, int argc, char **argv, bool words) {
  *a = (struct admin){.command = command};
  int code = parse(a, argc, argv);
  if (!code && !words && a->word_count > 0) return hd_cli_usage(command, "unexpected \"%s\"", a->words[0]);
  return code;
}

// ---- status --------------------------------------------------------------------------------------------------------------------------

static int show_status(const struct admin *a, bool redraw) {
  int code;
  bool terminal = isatty(STDOUT_FILENO);
  json_t *answer = ask(a, json_pack("{s:s, s:i}", "command", "status", "instruments", redraw || terminal ? 200 : 1000), &code);
  if (answer && !a->json) {
    const struct hd_screen screen = {.columns = terminal ? hd_cli_columns(STDOUT_FILENO) : 160, .rows = redraw ? hd_screen_rows(STDOUT_FILENO) : 0,
                                     .colours = hd_cli_colours(STDOUT_FILENO), .redraw = redraw};
    hd_screen_draw(&screen, answer, stdout);
  }
  json_decref(answer);
  return code;
}

static int watch_status(const struct admin *a) {
  int code;
  bool redraw = !a->json && isatty(STDOUT_FILENO);
  if (redraw) fputs("\033[2J", stdout);
  while (!(code = show_status(a, redraw)) && !ferror(stdout)) poll(NULL, 0, 1000); // Ctrl-C ends the program
  return code;
}

int hd_status_command(int argc, char **argv) {
  struct admin a;
  int code = begin(&a, "status", argc, argv, false);
  if (code) return code;
  return a.watch ? watch_status(&a) : show_status(&a, false);
}

int hd_top_command(int argc, char **argv) {
  struct admin a;
  int code = begin(&a, "top", argc, argv, false);
  return code ? code : watch_status(&a);
}

// ---- positions, orders ---------------------------------------------------------------------------------------------------------------

static const char *text_of(const json_t *o, const char *key) {
  const char *text = json_string_value(json_object_get(o, key));
  return text ? text : "-";
}
static double number_of(const json_t *o, const char *key) { return json_number_value(json_object_get(o, key)); }

static void print_table(struct hd_table *t) {
  uint32_t columns = isatty(STDOUT_FILENO) ? hd_cli_columns(STDOUT_FILENO) : 200;
  hd_table_print(t, stdout, columns, UINT32_MAX, hd_cli_colours(STDOUT_FILENO), "\n");
  hd_table_fini(t);
}

int hd_positions_command(int argc, char **argv) {
  static const struct hd_table_column columns[] = {{"instrument", false}, {"quantity", true}, {"average", true}, {"price", true}, {"value", true},
                                                   {"unrealised", true}, {"realised", true}, {"fees", true}, {"trades", true}, {"the house's", true}};
  static const char *const keys[] = {"quantity", "average", "price", "value", "unrealized", "realized", "fees"};
  struct admin a;
  int code = begin(&a, "positions", argc, argv, false);
  json_t *answer = code ? NULL : ask(&a, json_pack("{s:s}", "command", "positions"), &code), *row;
  size_t i;
  if (answer && !a.json) {
    struct hd_table t;
    bool house = false; // a column of its own only where it holds something
    json_array_foreach(json_object_get(answer, "positions"), i, row) house |= json_object_get(row, "house") != NULL;
    hd_table_init(&t, columns, house ? 10 : 9);
    json_array_foreach(json_object_get(answer, "positions"), i, row) {
      hd_table_row(&t);
      hd_table_cell(&t, "%s", text_of(row, "instrument"));
      for (int k = 0; k < 7; k++) hd_table_number(&t, number_of(row, keys[k]), k ? 2 : 0);
      hd_table_cell(&t, "%lld", (long long)json_integer_value(json_object_get(row, "trades")));
      if (house) hd_table_number(&t, number_of(row, "house"), 0);
    }
    if (t.row_count == 0) printf("No positions yet.\n");
    print_table(&t);
  }
  json_decref(answer);
  return code;
}

int hd_orders_command(int argc, char **argv) {
  static const struct hd_table_column columns[] = {{"instrument", false}, {"side", false}, {"quantity", true}, {"filled", true}, {"type", false}, {"limit", true},
                                                   {"stop", true}, {"state", false}, {"strategy", false}, {"venue", false}, {"id", false}, {"time", false}};
  struct admin a;
  int code = begin(&a, "orders", argc, argv, false);
  json_t *answer = code ? NULL : ask(&a, json_pack("{s:s}", "command", "orders"), &code), *row;
  size_t i;
  if (answer && !a.json) {
    struct hd_table t;
    hd_table_init(&t, columns, 12);
    json_array_foreach(json_object_get(answer, "orders"), i, row) {
      hd_table_row(&t);
      hd_table_cell(&t, "%s", text_of(row, "instrument"));
      hd_table_cell(&t, "%s", text_of(row, "side"));
      hd_table_number(&t, number_of(row, "quantity"), 0);
      hd_table_number(&t, number_of(row, "filled"), 0);
      hd_table_cell(&t, "%s", text_of(row, "type"));
      if (json_is_null(json_object_get(row, "limit"))) hd_table_cell(&t, "-");
      else hd_table_number(&t, number_of(row, "limit"), 2);
      if (json_is_null(json_object_get(row, "stop"))) hd_table_cell(&t, "-");
      else hd_table_number(&t, number_of(row, "stop"), 2);
      static const char *const words[] = {"state", "strategy", "venue", "id", "time"};
      for (int k = 0; k < 5; k++) {
        bool held = k == 0 && json_is_true(json_object_get(row, "held")), shadow = k == 1 && json_is_true(json_object_get(row, "shadow"));
        hd_table_cell(&t, "%s%s", text_of(row, words[k]), held ? " (held)" : shadow ? " (shadow)" : "");
      }
    }
    if (t.row_count == 0) printf("No open orders.\n");
    print_table(&t);
  }
  json_decref(answer);
  return code;
}

// ---- kill, release, set --------------------------------------------------------------------------------------------------------------

// The words of a reason, joined.
static json_t *reason_request(const struct admin *a) {
  char reason[512] = "";
  size_t at = 0;
  for (int i = 0; i < a->word_count && at + 1 < sizeof reason; i++) {
    int n = snprintf(reason + at, sizeof reason - at, "%s%s", i ? " " : "", a->words[i]);
    at += n > 0 ? (size_t)n : 0;
  }
  json_t *request = json_pack("{s:s}", "command", a->command);
  if (reason[0]) json_object_set_new(request, "reason", json_string(reason));
  return request;
}

int hd_kill_command(int argc, char **argv) {
  struct admin a;
  int code = begin(&a, "kill", argc, argv, true);
  json_t *answer = code ? NULL : ask(&a, reason_request(&a), &code);
  if (answer && !a.json)
    printf("Killed: %s. %lld cancels sent; new orders are denied until `hadron release`.\n", text_of(answer, "reason"), (long long)json_integer_value(json_object_get(answer, "cancels_sent")));
  json_decref(answer);
  return code;
}

int hd_release_command(int argc, char **argv) {
  struct admin a;
  int code = begin(&a, "release", argc, argv, true);
  json_t *answer = code ? NULL : ask(&a, reason_request(&a), &code);
  if (answer && !a.json) printf("Released: orders are allowed again.\n");
  json_decref(answer);
  return code;
}

int hd_set_command(int argc, char **argv) {
  struct admin a;
  int code = begin(&a, "set", argc, argv, true);
  if (code) return code;
  if (a.word_count == 0) return hd_cli_usage("set", "expected KEY=VALUE");
  json_t *values = json_array(), *row;
  for (int i = 0; i < a.word_count; i++) json_array_append_new(values, json_string(a.words[i]));
  json_t *answer = ask(&a, json_pack("{s:s, s:o}", "command", "set", "values", values), &code);
  size_t i;
  if (answer && !a.json) json_array_foreach(json_object_get(answer, "set"), i, row) printf("%s = %s\n", text_of(row, "key"), text_of(row, "value"));
  json_decref(answer);
  return code;
}
