// hadron cert ca, issue, revoke, list, show: the private authority of machines that trade together.
#include <getopt.h>
#include <jansson.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "bus/cert.h"
#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/table.h"

#define CA_DAYS 3650
#define CERT_DAYS 365
#define ROLES_HELP "Roles: `read` may follow ticks, `trade` may also decide and run strategies, `admin` may also see all events and give commands.\n"

const char hd_cert_ca_help[] =
    "  --name NAME  what the authority is called; default: hadron\n"
    "  --days N     how long it lasts; default: 3650\n"
    "  --json       print one JSON object\n"
    "\nDIR must hold none yet. It gets ca.crt and ca.crl, which go to every machine, and authority/, the keys that sign (mode 0600): keep DIR on a\n"
    "machine that does not trade. A root and an authority per role; ECDSA on the curve P-256.\n";
const char hd_cert_issue_help[] =
    "  --role ROLE      read, trade or admin; default: trade\n"
    "  --host HOST      a DNS name or an address that it serves as; up to 8 times; without one it is a client's only\n"
    "  --strategy NAME  a strategy that it speaks for besides NAME; up to 16 times; \"*\": any\n"
    "  --days N         how long it lasts; default: 365\n"
    "  --renew          NAME has a good certificate: make one that follows it\n"
    "  --json           print one JSON object\n"
    "\nWrites DIR/NAME.crt and DIR/NAME.key (mode 0600). To its machine go these two, ca.crt and ca.crl. " ROLES_HELP
    "A strategy that joins with it is called NAME, or what\n--strategy says; a host that others dial wants --host.\n";
const char hd_cert_revoke_help[] =
    "  --json  print one JSON object\n"
    "\nNAME: all certificates of it. Writes DIR/ca.crl: copy it to every machine that others dial; a host reads it anew within a second.\n";
const char hd_cert_list_help[] =
    "  --json  print one JSON object\n"
    "\nEvery certificate that was ever issued, and what became of it.\n";
const char hd_cert_show_help[] =
    "  --ca FILE   judge it by these authorities; default: ca.crt beside it\n"
    "  --crl FILE  and by these revocations; default: ca.crl beside it\n"
    "  --json      print one JSON object\n"
    "\nFILE: a certificate as PEM. The exit status is 0 also for one that is not good: `state` says it.\n";

// ---- what they share

struct call {
  const char *command, *name, *role, *days, *ca, *crl;
  const char *hosts[HD_CERT_HOSTS_MAX + 1], *strategies[HD_CERT_STRATEGIES_MAX + 1]; // one more than there may be
  uint32_t host_count, strategy_count;
  bool json, renew;
  char **words;
  int word_count;
};
enum takes { TAKES_NAME = 1, TAKES_DAYS = 2, TAKES_ISSUE = 4, TAKES_TRUST = 8 };

static const struct row {
  const char *name;
  size_t offset;
  bool flag;
  uint32_t of; // 0: every command
} rows[] = {
    {"json", offsetof(struct call, json), true, 0},           {"name", offsetof(struct call, name), false, TAKES_NAME},  {"days", offsetof(struct call, days), false, TAKES_DAYS},
    {"role", offsetof(struct call, role), false, TAKES_ISSUE}, {"renew", offsetof(struct call, renew), true, TAKES_ISSUE}, {"ca", offsetof(struct call, ca), false, TAKES_TRUST},
    {"crl", offsetof(struct call, crl), false, TAKES_TRUST},   {"host", 0, false, TAKES_ISSUE},
    {"strategy", 0, false, TAKES_ISSUE},
};
enum { ROWS = sizeof rows / sizeof *rows };

// A word too many is kept, so that it is counted.
static void list_add(const char **list, uint32_t *count, uint32_t max, const char *word) {
  if (*count <= max) list[(*count)++] = word;
}

static int begin(struct call *c, const char *command, int argc, char **argv, uint32_t taken, int words_min, const char *words) {
  struct option options[ROWS + 1] = {0};
  *c = (struct call){.command = command};
  for (int i = 0; i < ROWS; i++) options[i] = (struct option){rows[i].name, rows[i].flag ? no_argument : required_argument, NULL, 256 + i};
  optind = 0;
  opterr = 0;
  for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    const struct row *row = o >= 256 ? &rows[o - 256] : NULL;
    if (!row || (row->of && !(row->of & taken))) return hd_cli_usage(command, "unknown or incomplete option \"%s\"", argv[optind - 1]);
    if (row->flag) *(bool *)((char *)c + row->offset) = true;
    else if (row->offset) *(const char **)((char *)c + row->offset) = optarg;
    else if (row->name[0] == 'h') list_add(c->hosts, &c->host_count, HD_CERT_HOSTS_MAX, optarg);
    else list_add(c->strategies, &c->strategy_count, HD_CERT_STRATEGIES_MAX, optarg);
  }
  c->words = argv + optind;
  c->word_count = argc - optind;
  return c->word_count == words_min ? HD_EXIT_OK : hd_cli_usage(command, "expected %s, found %d word%s", words, c->word_count, c->word_count == 1 ? "" : "s");
}

static int days_read(const struct call *c, uint32_t fallback, uint32_t *days) {
  char *end = NULL;
  unsigned long n = c->days ? strtoul(c->days, &end, 10) : fallback;
  if (c->days && (end == c->days || *end || *c->days == '-' || n < 1 || n > HD_CERT_DAYS_MAX)) return hd_cli_usage(c->command, "--days %s: expected a number from 1 to %d", c->days, HD_CERT_DAYS_MAX);
  *days = (uint32_t)n;
  return HD_EXIT_OK;
}

static void print(json_t *o) {
  json_dumpf(o, stdout, JSON_COMPACT);
  putchar('\n');
  json_decref(o);
}

static int failed(const struct call *c, const struct hd_fault *fault) {
  static const struct { int32_t error; int exit; } exits[] = {{HADRON_ERR_ARGUMENT, HD_EXIT_USAGE}, {HADRON_ERR_EXISTS, HD_EXIT_REFUSED}, {HADRON_ERR_PARSE, HD_EXIT_DATA}};
  int code = hd_cli_exit(fault->code);
  for (size_t i = 0; i < sizeof exits / sizeof *exits; i++)
    if (exits[i].error == fault->code) code = exits[i].exit;
  if (c->json) print(json_pack("{s:b, s:s, s:s}", "ok", 0, "code", hadron_error_name(fault->code), "error", fault->text));
  return hd_cli_fail(c->command, code, fault);
}

static void role_format(char to[16], enum hd_cert_role role) {
  if (role) hd_choice_format(to, 16, HD_CERT_ROLES, role);
  else hd_text_copy(to, 16, "-");
}

static void day_format(char to[40], int64_t ns) { // to the minute
  hd_time_format(to, 40, ns, 0);
  to[10] = ' ', to[16] = 0;
}

static json_t *cert_json(const struct hd_cert *cert) {
  char role[16];
  json_t *hosts = json_array(), *strategies = json_array();
  role_format(role, cert->role);
  for (uint32_t i = 0; i < cert->host_count; i++) json_array_append_new(hosts, json_string(cert->hosts[i]));
  for (uint32_t i = 0; i < cert->strategy_count; i++) json_array_append_new(strategies, json_string(cert->strategies[i]));
  return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b, s:b, s:b, s:o, s:o}", "name", cert->name, "role", role, "serial", cert->serial, "issuer", cert->issuer, "fingerprint", cert->fingerprint,
                   "not_before_ns", (json_int_t)cert->not_before_ns, "not_after_ns", (json_int_t)cert->not_after_ns, "server", cert->server, "client", cert->client, "authority", cert->authority,
                   "hosts", hosts, "strategies", strategies);
}

// ---- the commands

int hd_cert_ca_command(int argc, char **argv) {
  struct call c;
  struct hd_fault fault = {0};
  uint32_t days = 0;
  int code = begin(&c, "cert ca", argc, argv, TAKES_NAME | TAKES_DAYS, 1, "the DIR for the authority");
  if (!code) code = days_read(&c, CA_DAYS, &days);
  if (code) return code;
  const char *dir = c.words[0], *name = c.name ? c.name : "hadron";
  if (hd_cert_authority_make(dir, name, days, &fault)) return failed(&c, &fault);
  if (c.json) print(json_pack("{s:b, s:s, s:s, s:I}", "ok", 1, "dir", dir, "name", name, "days", (json_int_t)days));
  else printf("Made the authority \"%s\" in %s, for %u days\nTo every machine: %s/ca.crt, %s/ca.crl. Keep %s/authority to yourself.\nNext: hadron cert issue %s NAME --host HOST\n", name, dir, days, dir, dir, dir, dir);
  return HD_EXIT_OK;
}

int hd_cert_issue_command(int argc, char **argv) {
  struct call c;
  struct hd_fault fault = {0};
  struct hd_cert made;
  struct hd_cert_wish wish = {.role = HD_CERT_TRADE};
  char until[40], role[16];
  int code = begin(&c, "cert issue", argc, argv, TAKES_DAYS | TAKES_ISSUE, 2, "the authority's DIR and a NAME");
  if (!code) code = days_read(&c, CERT_DAYS, &wish.days);
  if (!code && c.role && !(wish.role = hd_choice_parse(HD_CERT_ROLES, c.role))) code = hd_cli_usage(c.command, "--role %s: expected read, trade or admin", c.role);
  if (!code && c.host_count > HD_CERT_HOSTS_MAX) code = hd_cli_usage(c.command, "expected at most %d hosts", HD_CERT_HOSTS_MAX);
  if (!code && c.strategy_count > HD_CERT_STRATEGIES_MAX) code = hd_cli_usage(c.command, "expected at most %d strategies", HD_CERT_STRATEGIES_MAX);
  if (code) return code;
  const char *dir = c.words[0];
  wish.name = c.words[1], wish.renew = c.renew, wish.host_count = c.host_count;
  wish.strategy_count = c.strategy_count;
  memcpy(wish.hosts, c.hosts, sizeof wish.hosts);
  memcpy(wish.strategies, c.strategies, sizeof wish.strategies);
  if (hd_cert_issue(dir, &wish, &made, &fault)) return failed(&c, &fault);
  day_format(until, made.not_after_ns);
  role_format(role, made.role);
  if (c.json) {
    json_t *o = cert_json(&made);
    json_object_set_new(o, "ok", json_true());
    json_object_set_new(o, "certificate", json_sprintf("%s/%s.crt", dir, made.name));
    json_object_set_new(o, "key", json_sprintf("%s/%s.key", dir, made.name));
    print(o);
  } else
    printf("Issued %s (%s%s), serial %s, good until %s UTC\nTo its machine: %s/%s.crt, %s/%s.key (secret), %s/ca.crt, %s/ca.crl\n", made.name, role, made.server ? ", a server" : "", made.serial, until,
           dir, made.name, dir, made.name, dir, dir);
  return HD_EXIT_OK;
}

int hd_cert_revoke_command(int argc, char **argv) {
  struct call c;
  struct hd_fault fault = {0};
  uint32_t count = 0;
  int code = begin(&c, "cert revoke", argc, argv, 0, 2, "the authority's DIR and a NAME or SERIAL");
  if (code) return code;
  const char *dir = c.words[0], *what = c.words[1];
  if (hd_cert_revoke(dir, what, &count, &fault)) return failed(&c, &fault);
  if (c.json) print(json_pack("{s:b, s:s, s:I, s:o}", "ok", 1, "what", what, "revoked", (json_int_t)count, "crl", json_sprintf("%s/ca.crl", dir)));
  else if (count) printf("Revoked %u certificate%s of %s\nTo every machine that others dial: %s/ca.crl\n", count, count == 1 ? "" : "s", what, dir);
  else printf("%s was revoked before; wrote %s/ca.crl again\n", what, dir);
  return HD_EXIT_OK;
}

int hd_cert_list_command(int argc, char **argv) {
  static const struct hd_table_column columns[] = {{"name", false}, {"role", false}, {"state", false}, {"from (UTC)", false}, {"until (UTC)", false}, {"serial", false}};
  struct call c;
  struct hd_fault fault = {0};
  struct hd_cert_ledger ledger;
  struct hd_table t;
  int code = begin(&c, "cert list", argc, argv, 0, 1, "the authority's DIR");
  if (code) return code;
  if (hd_cert_ledger_read(c.words[0], &ledger, &fault)) return failed(&c, &fault);
  int64_t now = hd_clock_wall_ns();
  json_t *all = json_array();
  hd_table_init(&t, columns, 6);
  for (uint32_t i = 0; i < ledger.count; i++) {
    const struct hd_cert_row *row = &ledger.rows[i];
    const char *state = hd_cert_state_name(hd_cert_row_state(row, now));
    char role[16], from[40], until[40];
    role_format(role, row->role);
    day_format(from, row->not_before_ns);
    day_format(until, row->not_after_ns);
    json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "name", row->name, "role", role, "state", state, "serial", row->serial, "not_before_ns", (json_int_t)row->not_before_ns,
                                         "not_after_ns", (json_int_t)row->not_after_ns, "revoked_ns", (json_int_t)row->revoked_ns));
    hd_table_row(&t);
    const char *const cells[] = {row->name, role, state, from, until, row->serial};
    for (int k = 0; k < 6; k++) hd_table_cell(&t, "%s", cells[k]);
  }
  uint32_t width = isatty(STDOUT_FILENO) ? hd_cli_columns(STDOUT_FILENO) : 200;
  if (c.json) print(json_pack("{s:O, s:I}", "certificates", all, "list", (json_int_t)ledger.crl_number));
  else if (!ledger.count) fprintf(stderr, "No certificate was issued yet; `hadron cert issue %s NAME` makes one.\n", c.words[0]);
  else hd_table_print(&t, stdout, width, UINT32_MAX, hd_cli_colours(STDOUT_FILENO), "\n");
  hd_table_fini(&t);
  json_decref(all);
  hd_cert_ledger_free(&ledger);
  return HD_EXIT_OK;
}

static void cert_print(const struct hd_cert *cert, const char *state) {
  char role[16], from[40], until[40];
  role_format(role, cert->role);
  day_format(from, cert->not_before_ns);
  day_format(until, cert->not_after_ns);
  printf("name         %s\nrole         %s\nstate        %s\nuse          %s\nserial       %s\nissuer       %s\nvalid (UTC)  %s to %s\nhosts        ", cert->name, role, state,
         cert->authority ? "authority" : cert->server && cert->client ? "server and client" : cert->server ? "server" : "client", cert->serial, cert->issuer, from, until);
  for (uint32_t i = 0; i < cert->host_count; i++) printf("%s%s", i ? ", " : "", cert->hosts[i]);
  printf("%s\nstrategies   %s", cert->host_count ? "" : "-", cert->authority ? "-" : cert->name);
  for (uint32_t i = 0; i < cert->strategy_count; i++) printf(", %s", strcmp(cert->strategies[i], "*") == 0 ? "any" : cert->strategies[i]);
  printf("\nSHA-256      %s\n", cert->fingerprint);
}

int hd_cert_show_command(int argc, char **argv) {
  struct call c;
  struct hd_fault fault = {0};
  struct hd_cert cert;
  char ca[1024], crl[1024];
  int code = begin(&c, "cert show", argc, argv, TAKES_TRUST, 1, "a certificate's FILE");
  if (code) return code;
  const char *path = c.words[0], *slash = strrchr(path, '/');
  int directory = slash ? (int)(slash - path) + 1 : 0;
  snprintf(ca, sizeof ca, "%.*sca.crt", directory, path);
  snprintf(crl, sizeof crl, "%.*sca.crl", directory, path);
  if (hd_cert_read(path, &cert, &fault)) return failed(&c, &fault);
  const char *by = c.ca ? c.ca : access(ca, F_OK) == 0 ? ca : NULL, *revoked = c.crl ? c.crl : access(crl, F_OK) == 0 ? crl : NULL;
  const char *state = "not judged: no authority's certificate beside it";
  if (by) {
    enum hd_cert_state found;
    if (hd_cert_judge(path, by, revoked, &found, &fault)) return failed(&c, &fault);
    state = hd_cert_state_name(found);
  }
  if (!c.json) cert_print(&cert, state);
  else {
    json_t *o = cert_json(&cert);
    json_object_set_new(o, "state", json_string(state));
    print(o);
  }
  return HD_EXIT_OK;
}
