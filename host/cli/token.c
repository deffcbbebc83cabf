// hadron token: lets somebody in who joins over the bus.
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "bus/rights.h"
#include "cli/cli.h"
#include "cli/commands.h"

const char hd_token_help[] =
    "  --class CLASS    read (look), trade (decide; the default) or admin (the commands of the control socket)\n"
    "  --strategy NAME  that it may speak for; may be given several times; default: all\n"
    "  --json           print one JSON object\n"
    "\nAdds a line to FILE (made with mode 0600 if it is not there) and prints the token: this once, for FILE has only its SHA-256. FILE is what\n"
    "`tokens` of bus.sessions names; a running host reads it anew within a second. To take a token back, delete its line.\n";

struct call {
  const char *class_name, *path;
  char names[1024];
  bool json;
};

static int parse(struct call *c, int argc, char **argv) {
  enum { CLASS = 256, STRATEGY, JSON };
  static const struct option options[] = {{"class", required_argument, NULL, CLASS}, {"strategy", required_argument, NULL, STRATEGY}, {"json", no_argument, NULL, JSON}, {0}};
  optind = 0;
  opterr = 0;
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    size_t used = strlen(c->names);
    switch (o) {
    case CLASS: c->class_name = optarg; break;
    case STRATEGY:
      if ((size_t)snprintf(c->names + used, sizeof c->names - used, "%s%s", used ? "," : "", optarg) >= sizeof c->names - used)
        return hd_cli_usage("token", "--strategy: more names than fit in %zu bytes", sizeof c->names);
      break;
    case JSON: c->json = true; break;
    default: return hd_cli_usage("token", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    }
  }
  if (optind + 1 != argc) return hd_cli_usage("token", optind == argc ? "expected the file of the tokens" : "expected one file");
  c->path = argv[optind];
  if (!c->names[0]) hd_text_copy(c->names, sizeof c->names, "*");
  return HD_EXIT_OK;
}

// One write, at the end: a host that reads at that moment sees the old lines or the new one too.
static int32_t append(const char *path, const char *line, struct hd_fault *fault) {
  struct stat is;
  int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (file < 0) return hd_fault_set(fault, HADRON_ERR_IO, "token: opening %s: %s", path, strerror(errno));
  int32_t code = HADRON_OK;
  if (fstat(file, &is) || !S_ISREG(is.st_mode) || (is.st_mode & 077))
    code = hd_fault_set(fault, HADRON_ERR_PERMISSION, "token: %s: expected a file of mode 0600, found %04o: others could let themselves in; chmod 600 it", path, is.st_mode & 07777);
  size_t size = strlen(line);
  if (!code && (write(file, line, size) != (ssize_t)size || fdatasync(file))) code = hd_fault_set(fault, HADRON_ERR_IO, "token: writing %s: %s", path, strerror(errno));
  close(file);
  return code;
}

int hd_token_command(int argc, char **argv) {
  struct call call = {.class_name = "trade"};
  char token[HD_TOKEN_SIZE], line[1200];
  struct hd_fault fault = {0};
  int exit_code = parse(&call, argc, argv);
  if (exit_code) return exit_code;
  int32_t code = hd_token_make(call.class_name, call.names, token, line, sizeof line, &fault);
  if (!code) code = append(call.path, line, &fault);
  if (code) return hd_cli_fail("token", hd_cli_exit(code), &fault);
  if (call.json) {
    json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "token", token, "class", call.class_name, "strategies", call.names, "file", call.path);
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(o);
  } else {
    printf("%s\n", token);
  }
  explicit_bzero(token, sizeof token);
  return HD_EXIT_OK;
}
