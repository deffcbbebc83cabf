// hadron replay: a configuration over recorded data at a chosen speed, to be watched, paused, stepped through and wound on; from its own
// keyboard, and from elsewhere by the control socket.
#include <getopt.h>
#include <signal.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/external.h"
#include "cli/progress.h"
#include "cli/report.h"
#include "cli/sample.h"
#include "cli/setup.h"
#include "cli/verify.h"
#include "journal/journal.h"
#include "control/control.h"

#define SPEED_MAX 1e9

const char hd_replay_help[] =
    "  --data FILE        recorded data for the `replay` venue; may be given several times\n"
    "  --speed N          virtual seconds per second, 1 by default; 0: as fast as it goes\n"
    "  --seek PLACE       run to this time first; of a journal also to a record, by its number\n"
    "  --pause            begin paused\n"
    "  --from TIME        take ticks from this time on\n"
    "  --to TIME          take ticks before this time\n"
    "  --duration D       stop after this much virtual time\n"
    "  --set key=value    override a key of the configuration; may be given several times\n"
    "  --json             print the report as one JSON object at the end\n"
    "\n"
    "JOURNAL is a journal's directory, or a data directory with one: its ticks are played, with the configuration that it was made with.\n"
    "  --verify           run the same versions over all that came in, and hold every decision, intent, order, event, execution and\n"
    "                     allocation against the journal, byte for byte; names the first difference, and exits with 7\n"
    "  --verify --with NAME@VERSION  with another version in the place of the one that ran: its first other decision\n"
    "  --with NAME@VERSION  what another version would have decided and earned on the same ticks; NAME=FILE takes a file\n"
    "  --strategy NAME    with --with: the section, where several use the plugin\n"
    "  --session N        the N-th session of the journal alone; --with and playing take the last one's configuration\n"
    "  --plugin FILE      with --verify and --with: a version that the registry does not have; may be given several times\n"
    "  --data-dir DIR     with --verify and --with: of the registry, where it is not the journal's\n"
    "  --no-progress      no progress bar\n"
    "\n"
    "Keys: space pauses and goes on, s handles one tick, S a hundred, + and - change the speed, f winds on by a minute, b back by a\n"
    "minute, q ends. `hadron status --watch` in another terminal shows the books.\n";

struct replay_command {
  struct hd_setup setup;
  bool quiet;
  const char *data[64];
  uint32_t data_count;
  const char *from, *to, *seek; // seek: a record's number in a journal
  struct hd_replay_options options;
  struct hd_replay *running;
  struct hd_progress progress;
  uv_tty_t keyboard;
  int64_t back_to_ns; // start anew and run to here; 0: no
};

// NULL: taken; else what the option takes.
static const char *parse_option(struct replay_command *r, int option) {
  char *end;
  switch (option) {
  case 'd':
    if (r->data_count == sizeof r->data / sizeof *r->data) return "at most 64 files";
    r->data[r->data_count++] = optarg;
    return NULL;
  case 's':
    r->options.speed = strtod(optarg, &end);
    return end != optarg && !*end && r->options.speed >= 0 && r->options.speed <= SPEED_MAX ? NULL : "virtual seconds per second, or 0 for as fast as it goes";
  case 'k':
    if (strspn(optarg, "0123456789") == strlen(optarg) && *optarg) r->seek = optarg;
    else if (hd_time_parse(optarg, &r->options.seek_ns)) return "a time like 2024-01-02T14:30:00Z or, of a journal, a record's number";
    return NULL;
  case 'p': r->options.paused = true; return NULL;
  case 'f': r->from = optarg; return NULL;
  case 't': r->to = optarg; return NULL;
  case 'u': return hd_duration_parse(optarg, &r->options.duration_ns) ? "a duration like 30s or 5d" : NULL;
  case 'S': return hd_setup_set(&r->setup, optarg) ? NULL : "fewer --set";
  case 'j': r->setup.json = true; return NULL;
  case 'q': r->quiet = true; return NULL;
  default: return "";
  }
}

static int parse(struct replay_command *r, int argc, char **argv) {
  static const struct option options[] = {{"data", required_argument, NULL, 'd'}, {"speed", required_argument, NULL, 's'},
                                          {"seek", required_argument, NULL, 'k'}, {"pause", no_argument, NULL, 'p'},
                                          {"from", required_argument, NULL, 'f'}, {"to", required_argument, NULL, 't'},
                                          {"duration", required_argument, NULL, 'u'}, {"set", required_argument, NULL, 'S'},
                                          {"json", no_argument, NULL, 'j'}, {"no-progress", no_argument, NULL, 'q'}, {0}};
  optind = 0;
  opterr = 0;
  for (int c, at; (c = getopt_long(argc, argv, "", options, &at)) != -1;) {
    const char *takes = parse_option(r, c);
    if (takes && *takes) return hd_cli_usage("replay", "--%s: expected %s, found \"%s\"", options[at].name, takes, optarg);
    if (takes) return hd_cli_usage("replay", "unknown or incomplete option \"%s\"", argv[optind - 1]);
  }
  if (optind >= argc) return hd_cli_usage("replay", "expected a configuration");
  r->setup.path = argv[optind++];
  for (; optind < argc && r->data_count < sizeof r->data / sizeof *r->data; optind++) r->data[r->data_count++] = argv[optind];
  return HD_EXIT_OK;
}

static void on_progress(void *user, const struct hd_replay_progress *where) {
  struct replay_command *r = user;
  hd_progress_show(&r->progress, where->done, where->total, where->ticks, where->now_ns, where->elapsed_ns);
}

// ---- keyboard --------------------------------------------------------------------------------------------------------------------

#define MINUTE INT64_C(60000000000)

static void on_key(struct replay_command *r, char key) {
  struct hd_replay_progress where;
  hd_replay_where(r->running, &where);
  switch (key) {
  case ' ':
    if (where.paused) hd_replay_resume(r->running);
    else hd_replay_pause(r->running);
    break;
  case 's': hd_replay_step(r->running, 1); break;
  case 'S': hd_replay_step(r->running, 100); break;
  case '+': hd_replay_speed(r->running, r->running->options.speed * 2); break;
  case '-': hd_replay_speed(r->running, r->running->options.speed / 2); break;
  case 'f': hd_replay_seek(r->running, where.now_ns + MINUTE); break;
  case 'b':
    r->back_to_ns = where.now_ns - MINUTE;
    hd_replay_stop(r->running);
    break;
  case 'q': case 3: hd_replay_stop(r->running); break;
  }
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
  static char bytes[64];
  (void)handle;
  (void)size;
  *buffer = uv_buf_init(bytes, sizeof bytes);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  for (ssize_t i = 0; i < count; i++) on_key(stream->data, buffer->base[i]);
}

static bool keyboard_open(struct replay_command *r, uv_loop_t *loop) {
  if (!isatty(STDIN_FILENO) || r->setup.json || uv_tty_init(loop, &r->keyboard, STDIN_FILENO, 0)) return false;
  r->keyboard.data = r;
  uv_tty_set_mode(&r->keyboard, UV_TTY_MODE_RAW);
  uv_read_start((uv_stream_t *)&r->keyboard, on_alloc, on_read);
  return true;
}

static void keyboard_close(struct replay_command *r) {
  uv_tty_reset_mode();
  uv_close((uv_handle_t *)&r->keyboard, NULL);
}

static void on_signal(uv_signal_t *signal, int number) {
  (void)number;
  hd_replay_stop(((struct replay_command *)signal->data)->running);
}

// ---- one run -----------------------------------------------------------------------------------------------------------------------

static int32_t play(struct replay_command *r, struct hd_session *session, uv_loop_t *loop, struct hd_fault *fault) {
  struct hd_replay replay;
  struct hd_control *control = NULL;
  uv_signal_t interrupt;
  r->options.loop = loop;
  r->options.progress = on_progress;
  r->options.user = r;
  hd_replay_init(&replay, session, &r->options);
  r->running = &replay;
  const struct hd_control_options options = {.path = r->setup.config.control, .loop = loop, .session = session, .replay = &replay};
  int32_t code = hd_setup_directory(&r->setup.config, fault);
  if (!code) code = hd_control_open(&options, &control, fault);
  if (!code) {
    uv_signal_init(loop, &interrupt);
    interrupt.data = r;
    uv_signal_start(&interrupt, on_signal, SIGINT);
    bool keyboard = keyboard_open(r, loop);
    code = hd_replay_run(&replay, fault);
    if (keyboard) keyboard_close(r);
    uv_close((uv_handle_t *)&interrupt, NULL);
  }
  hd_control_close(control);
  hd_replay_fini(&replay);
  uv_run(loop, UV_RUN_NOWAIT);
  return code;
}

static int run(struct replay_command *r) {
  static struct hd_session session;
  struct hd_fault fault = {0};
  uv_loop_t loop;
  struct hd_report *report = NULL;
  int error = uv_loop_init(&loop);
  if (error) return hd_cli_fail("replay", HD_EXIT_FAILED, &(struct hd_fault){.code = HADRON_ERR_IO, .text = "the event loop was not made: the system has no descriptors left; raise the limit of open files (ulimit -n)"});
  int32_t code = hd_report_create(&r->setup.config, &report);
  if (code) return hd_cli_fail("replay", HD_EXIT_FAILED, &(struct hd_fault){code, "the report: out of memory"});
  const struct hd_session_options options = {.digest = true, .is_virtual = true, .registry = r->setup.registry, .observer = report, .observe = hd_report_observe};
  int64_t start_ns = hd_clock_monotonic_ns();
  code = hd_session_open(&session, &r->setup.config, &options, &fault);
  if (!code) code = hd_external_alone(NULL, &session, &fault);
  hd_progress_init(&r->progress, "replay", !r->setup.json && !r->quiet);
  if (!code) code = play(r, &session, &loop, &fault);
  hd_progress_end(&r->progress);
  if (!code && !r->back_to_ns) {
    hd_report_finish(report, &session, hd_clock_monotonic_ns() - start_ns);
    if (r->setup.json) hd_report_print_json(report, stdout);
    else hd_report_print(report, stdout);
    code = hd_report_check(report, &fault);
  }
  hd_session_close(&session);
  hd_report_destroy(report);
  uv_loop_close(&loop);
  return code ? hd_cli_fail("replay", hd_cli_exit(code), &fault) : HD_EXIT_OK;
}

// The time of a journal's record: where to wind on to.
static int seek_record(struct replay_command *r) {
  struct hd_fault fault = {0};
  struct hd_journal_cursor *cursor = NULL;
  struct hadron_record record;
  char inside[1100];
  uint64_t wanted = strtoull(r->seek, NULL, 10);
  snprintf(inside, sizeof inside, "%s/journal", r->setup.path);
  int32_t code = hd_journal_cursor_open(access(inside, F_OK) == 0 ? inside : r->setup.path, &cursor, &fault);
  while (!code && hd_journal_cursor_sequence(cursor) <= wanted && !(code = hd_journal_cursor_next(cursor, &record, &fault))) r->options.seek_ns = record.time_ns;
  hd_journal_cursor_close(cursor);
  if (code == HADRON_ERR_AGAIN) hd_fault_set(&fault, HADRON_ERR_NOT_FOUND, "--seek %s: %s has no record of that number", r->seek, r->setup.path);
  return code ? hd_cli_fail("replay", HD_EXIT_DATA, &fault) : HD_EXIT_OK;
}

int hd_replay_command(int argc, char **argv) {
  static struct replay_command r = {.options = {.speed = 1}};
  if (hd_verify_is_asked(argc, argv)) return hd_verify_command(argc, argv);
  int code = parse(&r, argc, argv);
  if (code) return code;
  bool journal = hd_setup_is_journal(r.setup.path);
  if (r.seek && !journal) return hd_cli_usage("replay", "--seek %s: a record's number needs a journal; expected a time like 2024-01-02T14:30:00Z", r.seek);
  if (r.seek && (code = seek_record(&r))) return code;
  if (r.data_count == 0 && journal) r.data[r.data_count++] = r.setup.path;
  bool good = hd_setup_setf(&r.setup, "mode=backtest") && hd_setup_setf(&r.setup, "journal.enabled=false");
  if (good && r.data_count) good = hd_setup_data(&r.setup, r.data, r.data_count);
  if (good && r.from) good = hd_setup_setf(&r.setup, "venues.replay.params.from=%s", r.from);
  if (good && r.to) good = hd_setup_setf(&r.setup, "venues.replay.params.to=%s", r.to);
  if (!good) return hd_cli_usage("replay", "more than %d settings", HD_SETS_MAX);
  hd_log_level(HADRON_LOG_WARN);
  code = hd_setup_load(&r.setup, "replay");
  if (!code) code = hd_sample_if_needed(&r.setup, "replay");
  hd_setup_alone(&r.setup); // behind what loads it
  if (!code) hd_external_leave_out(NULL, &r.setup.config);
  if (!code) code = hd_setup_registry(&r.setup, "replay");
  if (!code) code = run(&r);
  while (!code && r.back_to_ns) { // back is forward from the beginning: the same ticks give the same state
    r.options.seek_ns = r.back_to_ns;
    r.back_to_ns = 0;
    code = run(&r);
  }
  hd_setup_fini(&r.setup);
  return code;
}
