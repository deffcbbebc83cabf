// hadron worker: strategies that run outside of their host: on another machine, from a configuration of this one. `--child` is the host's own way of
// starting one on its own machine (runtime/worker.h).
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/setup.h"
#include "lua/runtime.h"
#include "runtime/worker.h"
#include "runtime/worker_remote.h"

const char hd_worker_help[] =
    "  --connect URL        the host's bus.sessions: tls+tcp://10.0.0.1:7007, ipc:///path, tcp://127.0.0.1:7007, wss://...\n"
    "  --token-file FILE    what `hadron token` has printed\n"
    "  --ca FILE, --certificate FILE, --key FILE   of `hadron cert`, for tls+tcp and wss\n"
    "  --server-name NAME   that the host's certificate must carry; default: the host of the URL\n"
    "  --only NAME          this section of strategies alone\n"
    "  --set key=value      override a key of the configuration; may be given several times\n"
    "\nRuns the strategies of CONFIG here and trades with them there: each joins the host under its section's name, which has a\n"
    "section with external = true for it. Venues, risk and orders are the host's. A cut connection is taken up again. docs/remote.md tells the whole.\n";

bool hd_cli_is_worker_child(int argc, char **argv) { return argc == 3 && strcmp(argv[1], "worker") == 0 && strcmp(argv[2], "--child") == 0; }

int hd_cli_worker_child(void) { return hd_worker_child(&hd_lua_language); }

struct call {
  struct hd_setup setup;
  struct hadron_client_options place;
  const char *token_file, *only;
  char token[256];
};

static int parse(struct call *c, int argc, char **argv) {
  enum { CONNECT = 256, TOKEN, CA, CERTIFICATE, KEY, SERVER, ONLY, SET };
  static const struct option options[] = {{"connect", required_argument, NULL, CONNECT}, {"token-file", required_argument, NULL, TOKEN}, {"ca", required_argument, NULL, CA},
                                          {"certificate", required_argument, NULL, CERTIFICATE}, {"key", required_argument, NULL, KEY}, {"server-name", required_argument, NULL, SERVER},
                                          {"only", required_argument, NULL, ONLY}, {"set", required_argument, NULL, SET}, {0}};
  const struct {
    int option;
    const char **to;
  } rows[] = {{CONNECT, &c->place.url}, {TOKEN, &c->token_file}, {CA, &c->place.ca}, {CERTIFICATE, &c->place.certificate}, {KEY, &c->place.key}, {SERVER, &c->place.server_name}, {ONLY, &c->only}};
  optind = 0;
  opterr = 0;
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    size_t i = 0;
    while (i < sizeof rows / sizeof *rows && rows[i].option != o) i++;
    if (i < sizeof rows / sizeof *rows) *rows[i].to = optarg;
    else if (o != SET) return hd_cli_usage("worker", "unknown or incomplete option \"%s\"", argv[optind - 1]);
    else if (!hd_setup_set(&c->setup, optarg)) return hd_cli_usage("worker", "more than %d --set", HD_SETS_MAX);
  }
  if (argc - optind != 1) return hd_cli_usage("worker", "expected one configuration");
  if (!c->place.url) return hd_cli_usage("worker", "expected --connect URL: where the host is");
  c->setup.path = argv[optind];
  return HD_EXIT_OK;
}

// A token is a secret: from a file, never an argument that others see.
static int read_token(struct call *c) {
  if (!c->token_file) return HD_EXIT_OK;
  int fd = open(c->token_file, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, c->token, sizeof c->token - 1);
  int error = errno;
  if (fd >= 0) close(fd);
  if (n <= 0) {
    fprintf(stderr, "hadron worker: %s: expected a token, found %s\n", c->token_file, n < 0 ? strerror(error) : "nothing");
    return HD_EXIT_FAILED;
  }
  c->token[strcspn(c->token, " \r\n")] = 0;
  c->place.token = c->token;
  return HD_EXIT_OK;
}

// Until somebody ends it, or nobody is left.
static int wait_for_the_end(struct hd_guests *g, const sigset_t *signals) {
  const struct timespec second = {1, 0};
  for (;;) {
    int number = sigtimedwait(signals, NULL, &second);
    if (number > 0) return HD_EXIT_OK;
    if (hd_guests_left(g) == 0) return HD_EXIT_FAILED;
  }
}

int hd_worker_command(int argc, char **argv) {
  static struct call c; // too large for a stack
  struct hd_guests *guests = NULL;
  struct hd_fault fault = {0};
  sigset_t signals;
  int code = parse(&c, argc, argv);
  c.place.struct_size = sizeof c.place;
  if (!code) code = read_token(&c);
  // A configuration has a market; this one's is the host's, and no venue of it is opened here.
  if (!code && !hd_setup_set(&c.setup, "venues.sim.plugin=sim")) code = hd_cli_usage("worker", "more than %d --set", HD_SETS_MAX - 1);
  if (!code) code = hd_setup_load(&c.setup, "worker");
  if (code) return code;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, NULL); // in all threads to come
  if (hd_guests_create(&c.setup.config, &c.place, c.only, &guests, &fault)) {
    fprintf(stderr, "hadron worker: %s\n", fault.text);
    code = hd_cli_exit(fault.code);
  }
  explicit_bzero(c.token, sizeof c.token);
  if (!code) code = wait_for_the_end(guests, &signals);
  hd_guests_destroy(guests);
  hd_setup_fini(&c.setup);
  return code;
}
