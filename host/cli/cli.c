#include "cli/cli.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "plugin/probe.h"

// One row per command, in the order in which a newcomer meets them.
const struct hd_command hd_commands[] = {
    {"run", "CONFIG [--duration 30s] [--dry-run|--paper|--live] [--check] [--set key=value]... [--json]", "run a configuration live or on paper", "run configs/demo.lua --duration 30s\nrun configs/demo.lua --check --set risk.gross_max=500000", hd_run_help, hd_run_command},
    {"worker", "CONFIG --connect URL [--token-file FILE] [--ca FILE --certificate FILE --key FILE] [--only NAME] [--set key=value]...", "run strategies here and trade with them on a host elsewhere", "worker b.lua --connect tls+tcp://10.0.0.1:7007 --ca ca.crt --certificate alpha.crt --key alpha.key", hd_worker_help, hd_worker_command},
    {"backtest", "CONFIG [--data FILE]... [--from TIME] [--to TIME] [--set key=value]... [--json]", "run a configuration over recorded data", "backtest configs/backtest_sp500.lua --from 2008-01-01 --to 2010-01-01\nbacktest configs/external.lua --duration 1m --strategy sdk/template/strategy.py", hd_backtest_help, hd_backtest_command},
    {"replay", "CONFIG|JOURNAL [--verify | --with NAME@VERSION] [--data FILE]... [--speed N] [--pause] [--seek PLACE] [--set key=value]...", "play recorded data at a chosen speed, or prove that a journal comes out the same", "replay data --verify\nreplay data --with sma@1.1.0 --strategy sma_fast\nreplay data --speed 10 --seek 2026-11-21T14:30:00Z", hd_replay_help, hd_replay_command},
    {"status", "[--watch] [--json]", "what the running host is doing", "status --watch\nstatus --data-dir data/external --json", hd_status_help, hd_status_command},
    {"top", "", "the same, drawn again every second", "top --data-dir data/external", hd_top_help, hd_top_command},
    {"positions", "[--json]", "what the running host holds", "positions", hd_positions_help, hd_positions_command},
    {"orders", "[--json]", "the running host's open orders", "orders --json", hd_orders_help, hd_orders_command},
    {"kill", "[REASON] [--json]", "stop all trading now: cancel everything, deny new orders", "kill \"the feed is wrong\"", hd_kill_help, hd_kill_command},
    {"release", "[REASON] [--json]", "allow trading again after a kill", "release \"the feed is good again\"", hd_release_help, hd_release_command},
    {"set", "KEY=VALUE... [--json]", "change limits, rules or parameters while it runs", "set risk.gross_max=500000 strategies.sma_fast.params.fast=12", hd_set_help, hd_set_command},
    {"diff", "A B [--config CONFIG] [--data FILE | --journal DIR] [--sessions K] [--accept SHARE] [--json]", "what differs between two versions, and what they decide", "diff sma@1.0.0 sma@1.1.0\ndiff sma@1.0.0 sma@1.1.0 --config configs/demo.lua --strategy sma_fast --journal data", hd_diff_help, hd_diff_command},
    {"simulate", "[--seeds N] [--seed S] [--jobs J] [--only FAULT,...] [--without FAULT,...] [--verbose] [--json]", "run the host through seeded faults and hold it against the truth", "simulate --seeds 300\nsimulate --seed 4711 --verbose", hd_simulate_help, hd_simulate_command},
    {"explain", "ORDER|EXECUTION|TRACE [--journal DIR] [--session N] [--no-checks] [--json]", "the chain from a market message to the fills of an order", "explain 496fa91da56f\nexplain 496fa91da56f --journal data/external --json", hd_explain_help, hd_explain_command},
    {"ab report", "NAME... [--journal DIR] [--from TIME] [--to TIME] [--baseline VERSION] [--alpha A] [--json]", "what the versions of a deployment did, and what to do", "ab report sma_fast\nab report sma_fast sma_slow --from 2026-11-21 --alpha 0.01", hd_ab_report_help, hd_ab_report_command},
    {"deploy", "FILE [--why TEXT] [--json]", "make a deployment what a file says: versions, weights, policies", "deploy sma_fast.lua --why \"a canary on a tenth of the capital\"", hd_deploy_help, hd_deploy_command},
    {"enable", "NAME[@VERSION] [--why TEXT] [--json]", "let a deployment go on", "enable sma_fast\nenable sma_fast --placement process", hd_enable_help, hd_enable_command},
    {"disable", "NAME[@VERSION] [--why TEXT] [--json]", "stop a deployment, or one version of it", "disable sma_fast --why \"loses on open\"", hd_disable_help, hd_disable_command},
    {"reload", "NAME [--why TEXT] [--json]", "let the newest version take over", "reload sma_fast", hd_reload_help, hd_reload_command},
    {"ab", "NAME VERSION=WEIGHT... [--split instrument|capital] [--shadow VERSION]... [--why TEXT] [--json]", "run versions side by side", "ab sma_fast 1.0.0=0.9 1.1.0=0.1 --shadow 2.0.0", hd_ab_help, hd_ab_command},
    {"promote", "NAME@VERSION [--why TEXT] [--json]", "let a version trade alone", "promote sma_fast@1.1.0", hd_promote_help, hd_promote_command},
    {"rollback", "NAME [--to REVISION] [--why TEXT] [--json]", "go back to what ran before", "rollback sma_fast\nrollback sma_fast --to 3", hd_rollback_help, hd_rollback_command},
    {"history", "[NAME] [--json]", "what ran, since when, by whom and why", "history sma_fast", hd_history_help, hd_history_command},
    {"journal verify", "[DIR] [--head N:HASH] [--json]", "prove that no record of a journal was changed or lost", "journal verify data", hd_journal_verify_help, hd_journal_verify_command},
    {"journal dump", "[DIR] [--from PLACE] [--to PLACE] [--kind K,...] [--trace ID] [--order ID] [--json]", "print a journal's records field by field", "journal dump --order 496fa91da56f\njournal dump data --kind execution,allocation --from 2024-08-08T14:30:00", hd_journal_dump_help, hd_journal_dump_command},
    {"journal tail", "[DIR] [--lines N] [--follow] [--kind K,...] [--json]", "print the newest records, and those to come", "journal tail -n 20 --kind order,execution\njournal tail --follow --kind alert", hd_journal_tail_help, hd_journal_tail_command},
    {"journal export", "[DIR] OUT|- [--format csv|json] [--kind K,...] [--from PLACE] [--to PLACE] [--json]", "write records as CSV or JSON lines, a file per kind", "journal export out\njournal export data - --kind execution", hd_journal_export_help, hd_journal_export_command},
    {"journal salvage", "DIR TO [--json]", "copy all that is good of a damaged journal", "journal salvage data/journal data/journal-saved", hd_journal_salvage_help, hd_journal_salvage_command},
    {"data inspect", "FILE... [--option key=value]... [--json]", "say what a data file holds", "data inspect prices.csv --option 'columns=time=timestamp;price=price;size=size;symbol=symbol'", hd_inspect_help, hd_inspect_command},
    {"data generate", "OUT [--instruments N] [--duration 1d] [--seed N] [--set key=value]...", "make a seeded sample of market data", "data generate prices.csv --instruments 3 --duration 2h", hd_generate_help, hd_generate_command},
    {"data convert", "OUT FILE... [--option key=value]...", "write recordings as one native tick file", "data convert prices.hdt prices.csv", hd_convert_help, hd_convert_command},
    {"validate", "FILE [--json]", "check a plugin against the ABI", "validate my_strategy.so --set fast=5", hd_validate_help, hd_validate_command},
    {"registry add", "FILE [--signature FILE] [--no-probe] [--json]", "register a plugin's file as a version", "registry add my_strategy.so\nregistry add --external trend@2.0.0", hd_registry_add_help, hd_registry_add_command},
    {"registry list", "[NAME] [--all] [--json]", "the versions that are registered", "registry list sma", hd_registry_list_help, hd_registry_list_command},
    {"registry show", "NAME[@VERSION] [--json]", "all that is known about a version", "registry show sma@1.0.0", hd_registry_show_help, hd_registry_show_command},
    {"registry verify", "[FILE] [--signature FILE] [--json]", "hash and judge everything again, or judge a file's signature", "registry verify", hd_registry_verify_help, hd_registry_verify_command},
    {"registry retire", "NAME@VERSION [--reason TEXT] [--undo] [--json]", "let no new deployment take a version", "registry retire sma@1.0.0 --reason \"loses on open\"", hd_registry_retire_help, hd_registry_retire_command},
    {"registry gc", "[--dry-run] [--retired-for 30d] [--revisions N] [--json]", "remove files that nothing names any more", "registry gc --dry-run", hd_registry_gc_help, hd_registry_gc_command},
    {"registry export", "FILE [NAME[@VERSION]]... [--json]", "write versions into one archive", "registry export versions.tar sma@1.0.0", hd_registry_export_help, hd_registry_export_command},
    {"registry import", "FILE [--json]", "take versions from an archive, checked like files", "registry import versions.tar", hd_registry_import_help, hd_registry_import_command},
    {"registry keygen", "NAME [--json]", "make a pair of keys for signing", "registry keygen alice", hd_registry_keygen_help, hd_registry_keygen_command},
    {"registry sign", "FILE|NAME@VERSION --key FILE [--json]", "sign a plugin's file or a version", "registry sign my_strategy.so --key alice.key", hd_registry_sign_help, hd_registry_sign_command},
    {"registry trust", "NAME FILE [--json]", "trust a public key on this host", "registry trust alice alice.pub", hd_registry_trust_help, hd_registry_trust_command},
    {"registry revoke", "NAME|KEYID [--reason TEXT] [--json]", "trust a key nowhere, for ever", "registry revoke alice --reason \"key lost\"", hd_registry_revoke_help, hd_registry_revoke_command},
    {"registry keys", "[--json]", "the keys that are trusted or revoked", "registry keys", hd_registry_keys_help, hd_registry_keys_command},
    {"registry hosts", "[--forget HOST] [--json]", "which hosts run what, and which of them differ", "registry hosts", hd_registry_hosts_help, hd_registry_hosts_command},
    {"token", "FILE [--class read|trade|admin] [--strategy NAME]... [--json]", "make a token for somebody who joins over the bus", "token tokens --class trade --strategy my_strategy", hd_token_help, hd_token_command},
    {"cert ca", "DIR [--name NAME] [--days N] [--json]", "make the private authority of machines that trade together", "cert ca ~/ca --name acme", hd_cert_ca_help, hd_cert_ca_command},
    {"cert issue", "DIR NAME [--role read|trade|admin] [--host HOST]... [--strategy NAME]... [--days N] [--renew] [--json]", "make a certificate and its key", "cert issue ~/ca host-a --role read --host 10.0.0.1\ncert issue ~/ca alpha --role trade", hd_cert_issue_help, hd_cert_issue_command},
    {"cert revoke", "DIR NAME|SERIAL [--json]", "let no machine take a certificate any more", "cert revoke ~/ca alpha", hd_cert_revoke_help, hd_cert_revoke_command},
    {"cert list", "DIR [--json]", "the certificates that were issued", "cert list ~/ca", hd_cert_list_help, hd_cert_list_command},
    {"cert show", "FILE [--ca FILE] [--crl FILE] [--json]", "what a certificate says, and whether it is good", "cert show alpha.crt", hd_cert_show_help, hd_cert_show_command},
    {"doctor", "[CONFIG] [--json]", "check the machine, the configuration and the database", "doctor configs/demo.lua", hd_doctor_help, hd_doctor_command},
};
const uint32_t hd_command_count = sizeof hd_commands / sizeof *hd_commands;

// Does the command's name match the first words? Returns how many words it took; 0: no.
static int words_matched(const struct hd_command *c, int argc, char **argv) {
  char name[64];
  hd_text_copy(name, sizeof name, c->name);
  char *second = strchr(name, ' ');
  if (second) *second++ = 0;
  if (argc < 2 || strcmp(argv[1], name) != 0) return 0;
  if (!second) return 1;
  return argc >= 3 && strcmp(argv[2], second) == 0 ? 2 : 0;
}

static int group(int argc, char **argv) {
  bool asked = argc > 2 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0);
  if (asked) return hd_help_group(argv[1], stdout) ? HD_EXIT_OK : -1;
  if (!hd_help_group(argv[1], stderr)) return -1;
  if (argc > 2) fprintf(stderr, "\nhadron %s: there is no command \"%s\"\n", argv[1], argv[2]);
  return HD_EXIT_USAGE;
}

static int unknown(const char *word) {
  const char *best = NULL;
  size_t distance = strlen(word) / 2 < 3 ? strlen(word) / 2 + 1 : 4; // of "top" nearly every short word is within three letters
  for (uint32_t i = 0; i < hd_command_count; i++)
    if (hd_text_distance(word, hd_commands[i].name) < distance) {
      distance = hd_text_distance(word, hd_commands[i].name);
      best = hd_commands[i].name;
    }
  fprintf(stderr, "hadron: there is no command \"%s\"%s%s%s; `hadron --help` lists them\n", word, best ? "; did you mean \"" : "", best ? best : "", best ? "\"?" : "");
  return HD_EXIT_USAGE;
}

int hd_cli_main(int argc, char **argv) {
  if (hd_cli_is_rehearsal(argc, argv)) hd_cli_rehearse();
  signal(SIGPIPE, SIG_IGN);
  if (hd_cli_is_worker_child(argc, argv)) _exit(hd_cli_worker_child()); // no destructors: the plugin's may crash too
  hd_probe_program("/proc/self/exe");
  if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
    hd_help_overview(argc < 2 ? stderr : stdout);
    return argc < 2 ? HD_EXIT_USAGE : HD_EXIT_OK;
  }
  if (strcmp(argv[1], "--version") == 0) {
    printf("hadron %s (ABI %d.%d)\n", HD_VERSION, HADRON_ABI_MAJOR, HADRON_ABI_MINOR);
    return HD_EXIT_OK;
  }
  for (uint32_t i = 0; i < hd_command_count; i++) {
    int words = words_matched(&hd_commands[i], argc, argv);
    if (!words) continue;
    for (int k = words + 1; k < argc; k++)
      if (strcmp(argv[k], "--help") == 0 || strcmp(argv[k], "-h") == 0) {
        hd_help_command(&hd_commands[i]);
        return HD_EXIT_OK;
      }
    return hd_commands[i].run(argc - words, argv + words);
  }
  int code = group(argc, argv);
  return code >= 0 ? code : unknown(argv[1]);
}

int hd_cli_exit(int32_t code) {
  switch (code) {
  case HADRON_OK: return HD_EXIT_OK;
  case HADRON_ERR_CONFIG: return HD_EXIT_CONFIG;
  case HADRON_ERR_CORRUPT: return HD_EXIT_DATA;
  case HADRON_ERR_RISK: case HADRON_ERR_PERMISSION: case HADRON_ERR_STATE: return HD_EXIT_REFUSED;
  default: return HD_EXIT_FAILED;
  }
}

int hd_cli_fail(const char *command, int code, const struct hd_fault *fault) {
  fprintf(stderr, "hadron %s: %s\n", command, fault->text);
  const char *hint = hadron_error_hint(fault->code);
  if (hint[0] && code != HD_EXIT_CONFIG) fprintf(stderr, "  (%s: %s)\n", hadron_error_text(fault->code), hint);
  return code;
}

int hd_cli_usage(const char *command, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "hadron %s: ", command);
  vfprintf(stderr, format, arguments);
  fprintf(stderr, "; `hadron %s --help` explains it\n", command);
  va_end(arguments);
  return HD_EXIT_USAGE;
}

bool hd_cli_colours(int fd) { return isatty(fd) && !getenv("NO_COLOR") && getenv("TERM") && strcmp(getenv("TERM"), "dumb") != 0; }

uint32_t hd_cli_columns(int fd) {
  struct winsize size;
  return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}
