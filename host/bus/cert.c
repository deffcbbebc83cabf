// The private authority: made, asked for certificates, told what to revoke.
#include "bus/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <mbedtls/platform_util.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "bus/cert_internal.h"

#define DAY (INT64_C(86400) * HD_CERT_SECOND)
#define EARLY (INT64_C(3600) * HD_CERT_SECOND) // a certificate begins so much earlier than it is made: clocks of machines differ

enum { ROOT = 0, ROLES = HD_CERT_ADMIN }; // authority 0 is the root, the others are the roles'

static const char *authority_name(int which) {
  static const char *const names[] = {"root", "read", "trade", "admin"};
  return names[which];
}

static int32_t path_make(char path[HD_CERT_PATH_SIZE], const char *dir, const char *name, const char *suffix, struct hd_fault *fault) {
  return snprintf(path, HD_CERT_PATH_SIZE, "%s/%s%s", dir, name, suffix) < HD_CERT_PATH_SIZE - 40 ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_ARGUMENT, "the directory's name is too long");
}

static int64_t whole_second(int64_t ns) { return ns - ns % HD_CERT_SECOND; }

// ---- authorities

static void signer_init(struct hd_cert_signer *s) {
  mbedtls_x509_crt_init(&s->crt);
  mbedtls_pk_init(&s->key);
}

static void signer_free(struct hd_cert_signer *s) {
  mbedtls_x509_crt_free(&s->crt);
  mbedtls_pk_free(&s->key);
}

// pem: of its certificate, owned by the caller.
static int32_t signer_read(const char *dir, int which, struct hd_cert_signer *s, char **pem, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], name[32];
  size_t size;
  *pem = NULL;
  snprintf(name, sizeof name, "authority/%s", authority_name(which));
  int32_t code = path_make(path, dir, name, ".crt", fault);
  if (!code) code = hd_cert_text_read(path, HD_CERT_FILE_MAX, pem, &size, fault);
  if (code) return code;
  int error = mbedtls_x509_crt_parse(&s->crt, (const unsigned char *)*pem, size + 1);
  if (error) code = hd_cert_library_fault(fault, HADRON_ERR_CORRUPT, path, "expected the authority's certificate; restore it from a copy", error);
  if (!code) code = path_make(path, dir, name, ".key", fault);
  if (!code) code = hd_cert_key_read(path, &s->key, fault);
  if (!code && mbedtls_pk_check_pair(&s->crt.pk, &s->key)) code = hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: the key does not belong to the certificate beside it; restore both from a copy", path);
  return code;
}

static int32_t key_write(const char *path, mbedtls_pk_context *key, bool replace, struct hd_fault *fault) {
  unsigned char pem[HD_CERT_PEM_SIZE];
  int error = mbedtls_pk_write_key_pem(key, pem, sizeof pem);
  int32_t code = error ? hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, path, "writing a key", error) : HADRON_OK;
  size_t size = strnlen((const char *)pem, sizeof pem);
  if (!code) code = replace ? hd_file_replace(path, pem, size, 0600, fault) : hd_file_create(path, pem, size, 0600, fault);
  mbedtls_platform_zeroize(pem, sizeof pem);
  return code;
}

// Makes authority `which` below `root` (itself: root NULL), writes both its files, and appends its certificate to `bundle`.
static int32_t authority_create(const char *dir, int which, const char *name, int64_t from_ns, int64_t until_ns, struct hd_cert_signer *root, struct hd_cert_signer *out, char *bundle, size_t size,
                                struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], file[32], subject[128], pem[HD_CERT_PEM_SIZE];
  struct hd_cert_draft d = {.subject = subject, .key = &out->key, .issuer = root, .not_before_ns = from_ns, .not_after_ns = until_ns, .depth = root ? 0 : 1};
  snprintf(file, sizeof file, "authority/%s", authority_name(which));
  snprintf(subject, sizeof subject, "CN=%s,OU=%s,O=Hadron", name, authority_name(which));
  int error = hd_cert_key_make(&out->key);
  if (!error) error = hd_cert_serial_make(d.serial);
  if (!error) error = hd_cert_write(&d, pem, sizeof pem);
  if (!error) error = mbedtls_x509_crt_parse(&out->crt, (const unsigned char *)pem, strlen(pem) + 1);
  if (error) return hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, dir, "making an authority", error);
  int32_t code = path_make(path, dir, file, ".key", fault);
  if (!code) code = key_write(path, &out->key, false, fault);
  if (!code) code = path_make(path, dir, file, ".crt", fault);
  if (!code) code = hd_file_create(path, pem, strlen(pem), 0644, fault);
  size_t used = strlen(bundle);
  if (!code && !hd_text_copy(bundle + used, size - used, pem)) code = hd_fault_set(fault, HADRON_ERR_INTERNAL, "%s: the authorities' certificates are too long", dir);
  return code;
}

// The lists of all roles, and the root's, which never changes.
static int32_t lists_write(const char *dir, struct hd_cert_signer *signers, const struct hd_cert_ledger *ledger, const char *root_list, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], *list[ROLES] = {0};
  size_t size = strlen(root_list) + 1, used = 0;
  int32_t code = path_make(path, dir, "ca", ".crl", fault);
  for (int r = 0; r < ROLES && !code; r++) {
    int error = hd_cert_list_write(&signers[r], ledger, (enum hd_cert_role)(r + 1), ledger->crl_number, whole_second(hd_clock_wall_ns()), &list[r]);
    if (error) code = hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, path, "making the revocation list", error);
    else size += strlen(list[r]);
  }
  char *all = code ? NULL : malloc(size);
  if (!code && !all) code = hd_fault_set(fault, HADRON_ERR_MEMORY, "%s: no memory to write the revocation list", path);
  for (int r = 0; r < ROLES && !code; r++) used += (size_t)snprintf(all + used, size - used, "%s", list[r]);
  if (!code) used += (size_t)snprintf(all + used, size - used, "%s", root_list);
  if (!code && used > HD_CERT_CRL_MAX) code = hd_fault_set(fault, HADRON_ERR_FULL, "%s: expected at most %d bytes of revocations, found %zu; make a new authority", path, HD_CERT_CRL_MAX, used);
  if (!code) code = hd_file_replace(path, all, used, 0644, fault);
  free(all);
  for (int r = 0; r < ROLES; r++) free(list[r]);
  return code;
}

static int32_t authorities_create(const char *dir, const char *name, int64_t from_ns, int64_t until_ns, struct hd_cert_signer *s, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], bundle[4 * HD_CERT_PEM_SIZE] = "", *root_list = NULL;
  struct hd_cert_ledger empty = {.crl_number = 1};
  int32_t code = HADRON_OK;
  for (int which = ROOT; which <= ROLES && !code; which++)
    code = authority_create(dir, which, name, from_ns, until_ns, which == ROOT ? NULL : &s[ROOT], &s[which], bundle, sizeof bundle, fault);
  if (!code && hd_cert_list_write(&s[ROOT], &empty, HD_CERT_ROLE_INVALID, 1, from_ns, &root_list)) code = hd_fault_set(fault, HADRON_ERR_INTERNAL, "%s: making the root's revocation list failed", dir);
  if (!code) code = path_make(path, dir, "authority/root", ".crl", fault);
  if (!code) code = hd_file_create(path, root_list, strlen(root_list), 0644, fault);
  if (!code) code = lists_write(dir, s + 1, &empty, root_list, fault);
  if (!code) code = path_make(path, dir, "ca", ".crt", fault);
  if (!code) code = hd_file_replace(path, bundle, strlen(bundle), 0644, fault);
  if (!code) code = hd_cert_ledger_write(dir, &empty, fault); // last: with it the authority is there
  free(root_list);
  return code;
}

int32_t hd_cert_authority_make(const char *dir, const char *name, uint32_t days, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], full[96], id[HD_CERT_SERIAL_SIZE];
  struct hd_cert_signer s[ROLES + 1];
  struct stat st;
  int64_t now = whole_second(hd_clock_wall_ns()), until = now + (int64_t)days * DAY;
  int lock = -1, error;
  if (!hd_name_valid(name)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "\"%.64s\": expected a name of a-z, 0-9, _ and -, at most 63 bytes", name);
  if (days < 1 || days > HD_CERT_DAYS_MAX) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "expected 1 to %d days, found %u", HD_CERT_DAYS_MAX, days);
  int32_t code = path_make(path, dir, "authority", "", fault);
  if (code) return code;
  if (lstat(path, &st) == 0)
    return hd_fault_set(fault, HADRON_ERR_EXISTS, "%s: an authority is there already, and what it signed would be worth nothing; choose another directory", dir);
  if ((error = hd_directory_make(dir, 0700)) != 0) return hd_fault_set(fault, HADRON_ERR_IO, "%s: making the directory: %s", dir, strerror(error));
  code = hd_cert_lock(dir, &lock, fault);
  if (code) return code;
  for (int i = 0; i <= ROLES; i++) signer_init(&s[i]);
  if (mkdir(path, 0700) != 0) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: making the directory: %s", path, strerror(errno));
  else if (hd_cert_serial_make(id)) code = hd_fault_set(fault, HADRON_ERR_IO, "%s: the system gives no random numbers", dir);
  else {
    // Two authorities of one name are told apart by their own names.
    snprintf(full, sizeof full, "%s-%.8s", name, id);
    code = authorities_create(dir, full, now - EARLY, until, s, fault);
  }
  for (int i = 0; i <= ROLES; i++) signer_free(&s[i]);
  close(lock);
  return code;
}

// ---- issuing

static bool host_valid(const char *host) {
  size_t n = strlen(host);
  return n > 0 && n < HD_CERT_HOST_SIZE && strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == n;
}

// Both kinds of alternative names for an address: it belongs among the addresses, and mbedTLS 2.28 compares with DNS names alone.
static void draft_hosts(struct hd_cert_draft *d, const struct hd_cert_wish *wish, char names[HD_CERT_STRATEGIES_MAX][HD_CERT_HOST_SIZE]) {
  d->hosts[d->host_count++] = wish->name;
  for (uint32_t i = 0; i < wish->host_count; i++) {
    uint8_t *address = d->addresses[d->address_count];
    uint8_t size = inet_pton(AF_INET, wish->hosts[i], address) == 1 ? 4 : inet_pton(AF_INET6, wish->hosts[i], address) == 1 ? 16 : 0;
    if (size) d->address_sizes[d->address_count++] = size;
    d->hosts[d->host_count++] = wish->hosts[i];
  }
  for (uint32_t i = 0; i < wish->strategy_count; i++) {
    snprintf(names[i], HD_CERT_HOST_SIZE, "%s" HD_CERT_STRATEGY_SUFFIX, wish->strategies[i]);
    d->hosts[d->host_count++] = names[i];
  }
  d->server = wish->host_count > 0;
}

static int32_t wish_check(const struct hd_cert_wish *wish, struct hd_fault *fault) {
  if (!hd_name_valid(wish->name) || strcmp(wish->name, "ca") == 0 || strcmp(wish->name, "ledger") == 0 || strcmp(wish->name, "authority") == 0)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "\"%.64s\": expected a name of a-z, 0-9, _ and -, at most 63 bytes, and none of ca, ledger and authority", wish->name);
  if (wish->role < HD_CERT_READ || wish->role > HD_CERT_ADMIN) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "expected the role read, trade or admin");
  if (wish->days < 1 || wish->days > HD_CERT_DAYS_MAX) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "expected 1 to %d days, found %u", HD_CERT_DAYS_MAX, wish->days);
  if (wish->host_count > HD_CERT_HOSTS_MAX) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "expected at most %d hosts, found %u", HD_CERT_HOSTS_MAX, wish->host_count);
  for (uint32_t i = 0; i < wish->host_count; i++)
    if (!host_valid(wish->hosts[i])) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "\"%.64s\": expected the name or address of a host, at most %d bytes", wish->hosts[i], HD_CERT_HOST_SIZE - 1);
  if (wish->strategy_count > HD_CERT_STRATEGIES_MAX) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "expected at most %d strategies, found %u", HD_CERT_STRATEGIES_MAX, wish->strategy_count);
  for (uint32_t i = 0; i < wish->strategy_count; i++)
    if (!hd_name_valid(wish->strategies[i]) && strcmp(wish->strategies[i], "*") != 0)
      return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "\"%.64s\": expected the name of a strategy, or \"*\" for any", wish->strategies[i]);
  return HADRON_OK;
}

static int32_t name_free(const char *dir, const struct hd_cert_wish *wish, const struct hd_cert_ledger *ledger, int64_t now_ns, struct hd_fault *fault) {
  for (uint32_t i = 0; i < ledger->count && !wish->renew; i++)
    if (strcmp(ledger->rows[i].name, wish->name) == 0 && hd_cert_row_state(&ledger->rows[i], now_ns) == HD_CERT_GOOD)
      return hd_fault_set(fault, HADRON_ERR_EXISTS, "%s: %s has a good certificate already (serial %s); choose another name, say --renew for one that follows it, or `hadron cert revoke %s %s` first", dir,
                          wish->name, ledger->rows[i].serial, dir, wish->name);
  return HADRON_OK;
}

static int32_t issue(const char *dir, const struct hd_cert_wish *wish, struct hd_cert_ledger *ledger, struct hd_cert_signer *signer, const char *signer_pem, mbedtls_pk_context *key,
                     struct hd_cert *out, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], subject[128], role[16], names[HD_CERT_STRATEGIES_MAX][HD_CERT_HOST_SIZE], pem[2 * HD_CERT_PEM_SIZE];
  int64_t now = whole_second(hd_clock_wall_ns()), end = hd_cert_time_of(&signer->crt.valid_to), until = now + (int64_t)wish->days * DAY;
  struct hd_cert_draft d = {.subject = subject, .key = key, .issuer = signer, .not_before_ns = now - EARLY, .not_after_ns = until < end ? until : end, .depth = -1};
  struct hd_cert_row row = {.role = wish->role, .not_before_ns = d.not_before_ns, .not_after_ns = d.not_after_ns};
  mbedtls_x509_crt made;
  if (now >= end) return hd_fault_set(fault, HADRON_ERR_STATE, "%s: the authority has expired; make a new one with `hadron cert ca`", dir);
  int32_t code = name_free(dir, wish, ledger, now, fault);
  if (code) return code;
  hd_choice_format(role, sizeof role, HD_CERT_ROLES, wish->role);
  snprintf(subject, sizeof subject, "CN=%s,OU=%s,O=Hadron", wish->name, role);
  draft_hosts(&d, wish, names);
  int error = hd_cert_key_make(key);
  if (!error) error = hd_cert_serial_make(d.serial);
  if (!error) error = hd_cert_write(&d, pem, HD_CERT_PEM_SIZE);
  if (error) return hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, dir, "making a certificate", error);
  hd_text_copy(row.serial, sizeof row.serial, d.serial);
  hd_text_copy(row.name, sizeof row.name, wish->name);
  mbedtls_x509_crt_init(&made);
  error = mbedtls_x509_crt_parse(&made, (const unsigned char *)pem, strlen(pem) + 1);
  if (error) code = hd_cert_library_fault(fault, HADRON_ERR_INTERNAL, dir, "reading the certificate that was made", error);
  else hd_cert_describe(&made, out);
  mbedtls_x509_crt_free(&made);
  size_t used = strlen(pem);
  if (!code && !hd_text_copy(pem + used, sizeof pem - used, signer_pem)) code = hd_fault_set(fault, HADRON_ERR_INTERNAL, "%s: the authority's certificate is too long", dir);
  // The ledger first: no certificate leaves that it does not know.
  if (!code) code = hd_cert_ledger_add(ledger, &row, fault);
  if (!code) code = hd_cert_ledger_write(dir, ledger, fault);
  if (!code) code = path_make(path, dir, wish->name, ".key", fault);
  if (!code) code = key_write(path, key, true, fault);
  if (!code) code = path_make(path, dir, wish->name, ".crt", fault);
  return code ? code : hd_file_replace(path, pem, strlen(pem), 0644, fault);
}

int32_t hd_cert_issue(const char *dir, const struct hd_cert_wish *wish, struct hd_cert *out, struct hd_fault *fault) {
  struct hd_cert_ledger ledger = {0};
  struct hd_cert_signer signer;
  mbedtls_pk_context key;
  struct hd_cert made = {0};
  char *pem = NULL;
  int lock = -1;
  int32_t code = wish_check(wish, fault);
  if (!code) code = hd_cert_lock(dir, &lock, fault);
  if (code) return code;
  signer_init(&signer);
  mbedtls_pk_init(&key);
  code = hd_cert_ledger_read(dir, &ledger, fault);
  if (!code) code = signer_read(dir, (int)wish->role, &signer, &pem, fault);
  if (!code) code = issue(dir, wish, &ledger, &signer, pem, &key, &made, fault);
  free(pem);
  mbedtls_pk_free(&key);
  signer_free(&signer);
  hd_cert_ledger_free(&ledger);
  close(lock);
  if (!code && out) *out = made;
  return code;
}

// ---- revoking

static int32_t rows_revoke(const char *dir, const char *what, struct hd_cert_ledger *ledger, uint32_t *count, struct hd_fault *fault) {
  uint32_t found = 0, revoked = 0;
  int64_t now = whole_second(hd_clock_wall_ns());
  for (uint32_t i = 0; i < ledger->count; i++) {
    struct hd_cert_row *row = &ledger->rows[i];
    if (strcmp(row->serial, what) != 0 && strcmp(row->name, what) != 0) continue;
    found++;
    if (row->revoked_ns) continue;
    row->revoked_ns = now;
    revoked++;
  }
  if (!found) return hd_fault_set(fault, HADRON_ERR_NOT_FOUND, "%s: there is no certificate with the name or serial \"%.64s\"; `hadron cert list %s` shows them", dir, what, dir);
  *count = revoked;
  return HADRON_OK;
}

int32_t hd_cert_revoke(const char *dir, const char *what, uint32_t *count, struct hd_fault *fault) {
  char path[HD_CERT_PATH_SIZE], *pem, *root_list = NULL;
  struct hd_cert_ledger ledger = {0};
  struct hd_cert_signer s[ROLES];
  uint32_t revoked = 0;
  size_t size;
  int lock = -1;
  int32_t code = hd_cert_lock(dir, &lock, fault);
  if (code) return code;
  for (int i = 0; i < ROLES; i++) signer_init(&s[i]);
  code = hd_cert_ledger_read(dir, &ledger, fault);
  if (!code) code = rows_revoke(dir, what, &ledger, &revoked, fault);
  for (int i = 0; i < ROLES && !code; i++) {
    code = signer_read(dir, i + 1, &s[i], &pem, fault);
    free(pem);
  }
  if (!code) code = path_make(path, dir, "authority/root", ".crl", fault);
  if (!code) code = hd_cert_text_read(path, HD_CERT_FILE_MAX, &root_list, &size, fault);
  ledger.crl_number++;
  // The ledger first: if the list is not written, the same command once more writes it.
  if (!code) code = hd_cert_ledger_write(dir, &ledger, fault);
  if (!code) code = lists_write(dir, s, &ledger, root_list, fault);
  free(root_list);
  for (int i = 0; i < ROLES; i++) signer_free(&s[i]);
  hd_cert_ledger_free(&ledger);
  close(lock);
  if (!code && count) *count = revoked;
  return code;
}
