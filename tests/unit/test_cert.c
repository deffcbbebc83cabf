// Promise: a private authority issues certificates that hold where they should and nowhere else. One by one: a good peer, one of another
// authority, one that signed itself, one that has expired or is not valid yet, one that was revoked (by serial, by name), one whose role is too low or is not
// its authority's, an authority's own certificate; a HELLO whose nonce, host, name, version, class, session or signature is not the one that was
// signed, and one by another's key. Keys that others may read are refused. The list of revocations is read back by mbedTLS itself; what cannot
// be read, cut at any byte or with any byte changed, neither crashes nor lets anybody in.
#include "support/test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "bus/cert.h"
#include "bus/cert_internal.h"
#include "support/directory.h"
#include "support/hello_sign.h"

static char dir[TEST_PATH_SIZE], ours[TEST_PATH_SIZE], theirs[TEST_PATH_SIZE];

static const char *in(const char *authority, const char *file) {
  static char paths[8][TEST_PATH_SIZE + 64];
  static unsigned next;
  char *to = paths[next++ % 8];
  snprintf(to, sizeof paths[0], "%s/%s", authority, file);
  return to;
}

static char *text_of(const char *path) { // owned
  size_t size;
  unsigned char *bytes = test_file_read(path, &size);
  bytes[size] = 0;
  return (char *)bytes;
}

static struct hd_cert issue(const char *authority, const char *name, enum hd_cert_role role, bool server) {
  struct hd_fault fault = {0};
  struct hd_cert cert = {0};
  struct hd_cert_wish wish = {.name = name, .role = role, .days = 30, .hosts = {"10.9.0.1", "a.example"}, .host_count = server ? 2 : 0, .strategies = {"beta"}, .strategy_count = 1};
  if (hd_cert_issue(authority, &wish, &cert, &fault)) fail_msg("%s", fault.text);
  return cert;
}

static struct hd_cert_trust *trust_of(const char *authority, enum hd_cert_role least) {
  struct hd_fault fault = {0};
  struct hd_cert_trust *trust;
  if (hd_cert_trust_open(in(authority, "ca.crt"), in(authority, "ca.crl"), least, &trust, &fault)) fail_msg("%s", fault.text);
  return trust;
}

static enum hd_cert_reason reason_for(const char *authority, const char *pem, enum hd_cert_role least) {
  struct hd_fault fault = {0};
  struct hd_cert cert;
  enum hd_cert_reason reason;
  struct hd_cert_trust *trust = trust_of(authority, HD_CERT_ROLE_INVALID);
  int32_t code = hd_cert_check(trust, pem, least, &cert, &reason, &fault);
  hd_cert_trust_close(trust);
  assert_int_equal(code, reason ? HADRON_ERR_PERMISSION : HADRON_OK);
  return reason;
}

static int setup(void **state) {
  struct hd_fault fault = {0};
  (void)state;
  test_directory_make(dir);
  test_path(ours, dir, "ours");
  test_path(theirs, dir, "theirs");
  if (hd_cert_authority_make(ours, "acme", 100, &fault) || hd_cert_authority_make(theirs, "acme", 100, &fault)) fail_msg("%s", fault.text);
  return 0;
}

static int teardown(void **state) {
  (void)state;
  test_directory_remove(dir);
  return 0;
}

static void what_it_says(void **state) {
  struct hd_cert cert, again;
  struct hd_fault fault = {0};
  struct stat st;
  (void)state;
  cert = issue(ours, "says", HD_CERT_TRADE, true);
  assert_int_equal(hd_cert_read(in(ours, "says.crt"), &again, &fault), HADRON_OK);
  assert_memory_equal(&cert, &again, sizeof cert);
  assert_string_equal(cert.name, "says");
  assert_int_equal(cert.role, HD_CERT_TRADE);
  assert_true(cert.server && cert.client && !cert.authority);
  assert_int_equal(cert.host_count, 3);
  assert_string_equal(cert.hosts[0], "says");
  assert_string_equal(cert.hosts[1], "10.9.0.1");
  assert_string_equal(cert.hosts[2], "a.example");
  assert_true(hd_cert_speaks_for(&cert, "says") && hd_cert_speaks_for(&cert, "beta") && !hd_cert_speaks_for(&cert, "gamma") && !hd_cert_speaks_for(&cert, "10.9.0.1"));
  assert_int_equal(cert.not_after_ns - cert.not_before_ns, (INT64_C(30) * 86400 + 3600) * HD_CERT_SECOND);
  assert_true(cert.not_before_ns < hd_clock_wall_ns());
  assert_int_equal(stat(in(ours, "says.key"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  assert_int_equal(stat(in(ours, "authority/trade.key"), &st), 0);
  assert_int_equal(st.st_mode & 07777, 0600);
  // Never past its authority's end.
  struct hd_cert_wish wish = {.name = "long", .role = HD_CERT_READ, .days = 3000};
  assert_int_equal(hd_cert_issue(ours, &wish, &cert, &fault), HADRON_OK);
  assert_true(cert.not_after_ns < hd_clock_wall_ns() + INT64_C(101) * 86400 * HD_CERT_SECOND);
  assert_false(cert.server);
}

static void names_once(void **state) {
  struct hd_cert first, second;
  struct hd_fault fault = {0};
  struct hd_cert_wish wish = {.name = "once", .role = HD_CERT_TRADE, .days = 30};
  (void)state;
  first = issue(ours, "once", HD_CERT_TRADE, false);
  assert_int_equal(hd_cert_issue(ours, &wish, &second, &fault), HADRON_ERR_EXISTS);
  wish.renew = true;
  assert_int_equal(hd_cert_issue(ours, &wish, &second, &fault), HADRON_OK);
  assert_string_not_equal(first.serial, second.serial);
  static const char *const bad[] = {"", "ca", "authority", "ledger", "../x", "a b", "A", "a,OU=admin", "a/b"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    wish.name = bad[i];
    assert_int_equal(hd_cert_issue(ours, &wish, NULL, &fault), HADRON_ERR_ARGUMENT);
  }
  wish.name = "fine", wish.host_count = 1, wish.hosts[0] = "a b";
  assert_int_equal(hd_cert_issue(ours, &wish, NULL, &fault), HADRON_ERR_ARGUMENT);
  assert_int_equal(hd_cert_authority_make(ours, "acme", 10, &fault), HADRON_ERR_EXISTS);
}

// A certificate that names itself as its issuer, or whose validity is elsewhere.
static char *crafted(const char *authority, const char *role, const char *ou, int64_t from_ns, int64_t until_ns) {
  struct hd_cert_signer signer;
  struct hd_fault fault = {0};
  mbedtls_pk_context key;
  char subject[64], path[64], *pem = calloc(1, HD_CERT_PEM_SIZE);
  struct hd_cert_draft draft = {.subject = subject, .key = &key, .issuer = authority ? &signer : NULL, .not_before_ns = from_ns, .not_after_ns = until_ns, .depth = -1};
  snprintf(subject, sizeof subject, "CN=crafted,OU=%s,O=Hadron", ou);
  mbedtls_pk_init(&key);
  mbedtls_pk_init(&signer.key);
  mbedtls_x509_crt_init(&signer.crt);
  assert_int_equal(hd_cert_key_make(&key), 0);
  if (authority) {
    snprintf(path, sizeof path, "authority/%s.key", role);
    if (hd_cert_key_read(in(authority, path), &signer.key, &fault)) fail_msg("%s", fault.text);
    snprintf(path, sizeof path, "authority/%s.crt", role);
    assert_int_equal(mbedtls_x509_crt_parse_file(&signer.crt, in(authority, path)), 0);
  }
  assert_int_equal(hd_cert_serial_make(draft.serial), 0);
  assert_int_equal(hd_cert_write(&draft, pem, HD_CERT_PEM_SIZE), 0);
  mbedtls_pk_free(&key);
  mbedtls_pk_free(&signer.key);
  mbedtls_x509_crt_free(&signer.crt);
  return pem;
}

static void who_is_let_in(void **state) {
  const int64_t day = INT64_C(86400) * HD_CERT_SECOND, now = hd_clock_wall_ns() / HD_CERT_SECOND * HD_CERT_SECOND;
  (void)state;
  issue(ours, "good", HD_CERT_TRADE, false);
  issue(theirs, "good", HD_CERT_TRADE, false);
  char *good = text_of(in(ours, "good.crt")), *foreign = text_of(in(theirs, "good.crt")), *root = text_of(in(ours, "authority/root.crt")), *trade = text_of(in(ours, "authority/trade.crt"));
  assert_int_equal(reason_for(ours, good, HD_CERT_READ), HD_CERT_REASON_NONE);
  assert_int_equal(reason_for(ours, good, HD_CERT_TRADE), HD_CERT_REASON_NONE);
  assert_int_equal(reason_for(ours, good, HD_CERT_ADMIN), HD_CERT_REASON_ROLE);
  assert_int_equal(reason_for(ours, foreign, HD_CERT_READ), HD_CERT_REASON_UNTRUSTED);
  assert_int_equal(reason_for(theirs, foreign, HD_CERT_READ), HD_CERT_REASON_NONE);
  assert_int_equal(reason_for(ours, root, HD_CERT_READ), HD_CERT_REASON_PURPOSE);
  assert_int_equal(reason_for(ours, trade, HD_CERT_READ), HD_CERT_REASON_PURPOSE);
  const struct { const char *authority, *role, *ou; int64_t from_ns, until_ns; enum hd_cert_reason expected; } rows[] = {
      {ours, "trade", "trade", now - day, now + day, HD_CERT_REASON_NONE},       {NULL, NULL, "trade", now - day, now + day, HD_CERT_REASON_UNTRUSTED},
      {ours, "trade", "trade", now - 2 * day, now - day, HD_CERT_REASON_EXPIRED}, {ours, "trade", "trade", now + day, now + 2 * day, HD_CERT_REASON_EARLY},
      {ours, "trade", "admin", now - day, now + day, HD_CERT_REASON_ROLE},       {ours, "read", "trade", now - day, now + day, HD_CERT_REASON_ROLE},
      {ours, "trade", "root", now - day, now + day, HD_CERT_REASON_ROLE},        {theirs, "trade", "trade", now - 2 * day, now - day, HD_CERT_REASON_UNTRUSTED},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char *pem = crafted(rows[i].authority, rows[i].role, rows[i].ou, rows[i].from_ns, rows[i].until_ns);
    assert_int_equal(reason_for(ours, pem, HD_CERT_READ), rows[i].expected);
    free(pem);
  }
  // A listener that trusts only what is above a role does not know the others' authorities.
  struct hd_cert_trust *admins = trust_of(ours, HD_CERT_ADMIN), *traders = trust_of(ours, HD_CERT_TRADE);
  enum hd_cert_reason reason;
  assert_int_equal(hd_cert_check(admins, good, HD_CERT_READ, NULL, &reason, NULL), HADRON_ERR_PERMISSION);
  assert_int_equal(reason, HD_CERT_REASON_UNTRUSTED);
  assert_int_equal(hd_cert_check(traders, good, HD_CERT_READ, NULL, &reason, NULL), HADRON_OK);
  hd_cert_trust_close(admins);
  hd_cert_trust_close(traders);
  free(good), free(foreign), free(root), free(trade);
}

static void revoked(void **state) {
  struct hd_fault fault = {0};
  struct hd_cert one, two, kept;
  struct hd_cert_ledger ledger;
  uint32_t count;
  bool changed;
  (void)state;
  struct hd_cert_wish again = {.name = "gone", .role = HD_CERT_TRADE, .days = 30, .renew = true};
  struct hd_cert_trust *trust = trust_of(ours, HD_CERT_READ);
  one = issue(ours, "gone", HD_CERT_TRADE, false);
  char *first = text_of(in(ours, "gone.crt"));
  assert_int_equal(hd_cert_issue(ours, &again, &two, &fault), HADRON_OK);
  char *second = text_of(in(ours, "gone.crt"));
  kept = issue(ours, "kept", HD_CERT_ADMIN, false);
  assert_int_equal(hd_cert_trust_refresh(trust, &changed, &fault), HADRON_OK);
  assert_false(changed);
  assert_int_equal(hd_cert_revoke(ours, one.serial, &count, &fault), HADRON_OK);
  assert_int_equal(count, 1);
  assert_int_equal(reason_for(ours, first, HD_CERT_READ), HD_CERT_REASON_REVOKED);
  assert_int_equal(reason_for(ours, second, HD_CERT_READ), HD_CERT_REASON_NONE);
  // The old view lets it in until it looks again.
  assert_int_equal(hd_cert_check(trust, first, HD_CERT_READ, NULL, NULL, &fault), HADRON_OK);
  assert_int_equal(hd_cert_still(trust, &one, hd_clock_wall_ns()), HD_CERT_GOOD);
  assert_int_equal(hd_cert_trust_refresh(trust, &changed, &fault), HADRON_OK);
  assert_true(changed);
  assert_int_equal(hd_cert_check(trust, first, HD_CERT_READ, NULL, NULL, &fault), HADRON_ERR_PERMISSION);
  assert_int_equal(hd_cert_still(trust, &one, hd_clock_wall_ns()), HD_CERT_REVOKED);
  assert_int_equal(hd_cert_still(trust, &two, hd_clock_wall_ns()), HD_CERT_GOOD);
  assert_int_equal(hd_cert_still(trust, &kept, hd_clock_wall_ns()), HD_CERT_GOOD);
  assert_int_equal(hd_cert_still(trust, &kept, kept.not_after_ns), HD_CERT_EXPIRED);
  // By name: what is left of it; once more: the list is written, nothing changes.
  assert_int_equal(hd_cert_revoke(ours, "gone", &count, &fault), HADRON_OK);
  assert_int_equal(count, 1);
  assert_int_equal(hd_cert_revoke(ours, "gone", &count, &fault), HADRON_OK);
  assert_int_equal(count, 0);
  assert_int_equal(hd_cert_revoke(ours, "nobody", &count, &fault), HADRON_ERR_NOT_FOUND);
  assert_int_equal(reason_for(ours, second, HD_CERT_READ), HD_CERT_REASON_REVOKED);
  assert_int_equal(hd_cert_ledger_read(ours, &ledger, &fault), HADRON_OK);
  uint32_t gone = 0;
  for (uint32_t i = 0; i < ledger.count; i++) gone += hd_cert_row_state(&ledger.rows[i], hd_clock_wall_ns()) == HD_CERT_REVOKED;
  assert_int_equal(gone, 2);
  hd_cert_ledger_free(&ledger);
  // A list that cannot be read leaves the old one in force.
  char *list = text_of(in(ours, "ca.crl"));
  assert_int_equal(hd_file_replace(in(ours, "ca.crl"), "no list", 7, 0644, NULL), HADRON_OK);
  assert_int_not_equal(hd_cert_trust_refresh(trust, &changed, &fault), HADRON_OK);
  assert_int_equal(hd_cert_still(trust, &one, hd_clock_wall_ns()), HD_CERT_REVOKED);
  assert_int_equal(hd_file_replace(in(ours, "ca.crl"), list, strlen(list), 0644, NULL), HADRON_OK);
  assert_int_equal(hd_cert_trust_refresh(trust, &changed, &fault), HADRON_OK);
  assert_int_equal(hd_cert_still(trust, &two, hd_clock_wall_ns()), HD_CERT_REVOKED);
  hd_cert_trust_close(trust);
  free(first), free(second), free(list);
}

// 300 revocations: a list of several sizes of length, and a number of several bytes.
static void long_list(void **state) {
  struct hd_cert_ledger ledger = {.crl_number = 0x1ff};
  struct hd_fault fault = {0};
  struct hd_cert_signer signer;
  char *pem;
  (void)state;
  mbedtls_pk_init(&signer.key);
  mbedtls_x509_crt_init(&signer.crt);
  assert_int_equal(hd_cert_key_read(in(ours, "authority/read.key"), &signer.key, &fault), HADRON_OK);
  assert_int_equal(mbedtls_x509_crt_parse_file(&signer.crt, in(ours, "authority/read.crt")), 0);
  for (uint32_t n = 0; n <= 300; n++) {
    if (n < 3 || n == 6 || n == 300) {
      mbedtls_x509_crl crl;
      uint32_t found = 0;
      assert_int_equal(hd_cert_list_write(&signer, &ledger, HD_CERT_READ, ledger.crl_number, hd_clock_wall_ns(), &pem), 0);
      mbedtls_x509_crl_init(&crl);
      assert_int_equal(mbedtls_x509_crl_parse(&crl, (unsigned char *)pem, strlen(pem) + 1), 0);
      for (mbedtls_x509_crl_entry *e = &crl.entry; e && e->serial.p; e = e->next) found++;
      assert_int_equal(found, n);
      mbedtls_x509_crl_free(&crl);
      free(pem);
    }
    struct hd_cert_row row = {.role = HD_CERT_READ, .name = "x", .not_after_ns = 2, .revoked_ns = n % 2 ? HD_CERT_SECOND : INT64_C(2600000000) * HD_CERT_SECOND}; // 1970 and 2052
    assert_int_equal(hd_cert_serial_make(row.serial), 0);
    assert_int_equal(hd_cert_ledger_add(&ledger, &row, &fault), HADRON_OK);
  }
  hd_cert_ledger_free(&ledger);
  mbedtls_pk_free(&signer.key);
  mbedtls_x509_crt_free(&signer.crt);
}

static void signed_hello(void **state) {
  struct hd_cert own, cert;
  char nonce[HD_CERT_NONCE_SIZE], other[HD_CERT_NONCE_SIZE], signature[HADRON_HELLO_SIGNATURE_SIZE], bad[HADRON_HELLO_SIGNATURE_SIZE];
  enum hd_cert_reason reason;
  struct hd_fault fault = {0};
  (void)state;
  own = issue(ours, "host-a", HD_CERT_READ, true);
  issue(ours, "alpha", HD_CERT_TRADE, false);
  issue(ours, "eve", HD_CERT_TRADE, false);
  char *pem = text_of(in(ours, "alpha.crt")), *key = text_of(in(ours, "alpha.key")), *eve = text_of(in(ours, "eve.key"));
  struct hd_cert_trust *trust = trust_of(ours, HD_CERT_READ);
  assert_int_equal(hd_cert_nonce(nonce, &fault), HADRON_OK);
  assert_int_equal(hd_cert_nonce(other, &fault), HADRON_OK);
  assert_string_not_equal(nonce, other);
  const struct hadron_hello_facts facts = {nonce, "10.9.0.1", "beta", "1.0.0", "trade", "7", "12345678901234567890"};
  const struct hd_cert_hello good = {pem, signature, nonce, "10.9.0.1", "beta", "1.0.0", "trade", "7", "12345678901234567890"};
  assert_int_equal(test_hello_sign(key, &facts, signature), HADRON_OK);
  if (hd_cert_check_hello(trust, &good, nonce, &own, &cert, &reason, &fault)) fail_msg("%s", fault.text);
  assert_string_equal(cert.name, "alpha");
  assert_int_equal(test_hello_sign(eve, &facts, bad), HADRON_OK);
  struct { struct hd_cert_hello hello; const char *nonce; enum hd_cert_reason expected; } rows[] = {
      {good, other, HD_CERT_REASON_NONCE},     {good, NULL, HD_CERT_REASON_NONCE},      {good, nonce, HD_CERT_REASON_SERVER},    {good, nonce, HD_CERT_REASON_NAME},
      {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE},
      {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_ROLE},      {good, nonce, HD_CERT_REASON_UNREADABLE},
      {good, nonce, HD_CERT_REASON_UNREADABLE}, {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE}, {good, nonce, HD_CERT_REASON_SIGNATURE}};
  rows[2].hello.server = "10.9.0.2", rows[3].hello.name = "gamma", rows[4].hello.name = "alpha", rows[5].hello.version = "1.0.1", rows[6].hello.class_name = "read";
  rows[7].hello.session = "8", rows[8].hello.epoch = NULL, rows[9].hello.signature = bad, rows[10].hello.class_name = "admin", rows[11].hello.certificate = "x";
  rows[12].hello.signature = NULL, rows[13].hello.signature = "", rows[14].hello.server = "a.example", rows[15].hello.version = "1.0.0\nclass: trade";
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    assert_int_equal(hd_cert_check_hello(trust, &rows[i].hello, rows[i].nonce, &own, &cert, &reason, &fault), HADRON_ERR_PERMISSION);
    if (reason != rows[i].expected) fail_msg("row %zu: expected %s, found %s: %s", i, hd_cert_reason_name(rows[i].expected), hd_cert_reason_name(reason), fault.text);
  }
  const struct hadron_hello_facts broken[] = {{nonce, "h", "a\nb", "1", "read", NULL, NULL}, {nonce, "h", NULL, "1", "read", NULL, NULL}, {nonce, "h", "", "1", "read", NULL, NULL}};
  for (size_t i = 0; i < 3; i++) assert_int_equal(test_hello_sign(key, &broken[i], bad), HADRON_ERR_ARGUMENT);
  assert_int_equal(test_hello_sign("no key", &facts, bad), HADRON_ERR_PARSE);
  hd_cert_trust_close(trust);
  free(pem), free(key), free(eve);
}

static void hello_text(void **state) {
  const struct hadron_hello_facts one = {"00ff", "a", "n", "1.2.3", "read", NULL, ""}, two = {"00ff", NULL, "n", "1.2.3", "read", "5", "6"};
  char text[HADRON_HELLO_TEXT_SIZE], big[HADRON_HELLO_TEXT_SIZE + 8];
  (void)state;
  static const char first[] = "hadron hello 1\nnonce: 00ff\nserver: a\nname: n\nversion: 1.2.3\nclass: read\nresume: - -\n";
  static const char second[] = "hadron hello 1\nnonce: 00ff\nserver: -\nname: n\nversion: 1.2.3\nclass: read\nresume: 5 6\n";
  assert_int_equal(hadron_hello_text(&one, text), sizeof first - 1);
  assert_memory_equal(text, first, sizeof first - 1);
  assert_int_equal(hadron_hello_text(&two, text), sizeof second - 1);
  assert_memory_equal(text, second, sizeof second - 1);
  size_t others = sizeof first - 1 - 4 - 4; // all but the nonce, and a shorter version
  for (size_t n = 0; n < sizeof big; n++) {
    memset(big, 'x', n);
    big[n] = 0;
    const struct hadron_hello_facts facts = {big, "a", "n", "1", "read", NULL, NULL};
    size_t length = hadron_hello_text(&facts, text);
    assert_true(length < HADRON_HELLO_TEXT_SIZE);
    assert_int_equal(length != 0, n > 0 && n + others < HADRON_HELLO_TEXT_SIZE);
  }
}

static void secrets(void **state) {
  struct hd_fault fault = {0};
  mbedtls_pk_context key;
  struct hd_cert_wish wish = {.name = "late", .role = HD_CERT_READ, .days = 30};
  (void)state;
  issue(ours, "seen", HD_CERT_READ, false);
  for (int bit = 0; bit < 6; bit++) {
    mbedtls_pk_init(&key);
    assert_int_equal(chmod(in(ours, "seen.key"), 0600 | 1u << bit), 0);
    assert_int_equal(hd_cert_key_read(in(ours, "seen.key"), &key, &fault), HADRON_ERR_PERMISSION);
    mbedtls_pk_free(&key);
  }
  assert_int_equal(chmod(in(ours, "authority/read.key"), 0640), 0);
  assert_int_equal(hd_cert_issue(ours, &wish, NULL, &fault), HADRON_ERR_PERMISSION);
  assert_int_equal(chmod(in(ours, "authority/read.key"), 0600), 0);
  assert_int_equal(chmod(ours, 0770), 0);
  assert_int_equal(hd_cert_issue(ours, &wish, NULL, &fault), HADRON_ERR_PERMISSION);
  assert_int_equal(chmod(ours, 0700), 0);
  assert_int_equal(hd_cert_issue(ours, &wish, NULL, &fault), HADRON_OK);
}

static void damaged_ledger(void **state) {
  struct hd_fault fault = {0};
  struct hd_cert_ledger ledger;
  char *text, broken[TEST_PATH_SIZE];
  (void)state;
  issue(ours, "row", HD_CERT_READ, false);
  text = text_of(in(ours, "ledger"));
  size_t size = strlen(text);
  test_path(broken, dir, "broken");
  assert_int_equal(mkdir(broken, 0700), 0);
  for (size_t cut = 0; cut < size; cut++) {
    test_file_write(in(broken, "ledger"), text, cut);
    int32_t code = hd_cert_ledger_read(broken, &ledger, &fault);
    assert_int_equal(code, cut > 20 && text[cut - 1] == '\n' && strchr(text + 22, '\n') < text + cut ? HADRON_OK : HADRON_ERR_CORRUPT);
    if (!code) hd_cert_ledger_free(&ledger);
  }
  free(text);
}

// Bytes from strangers: whatever they are, nobody is let in who was not, and nothing crashes.
static void hostile_certificates(void **state) {
  struct hd_random r = test_random();
  (void)state;
  issue(ours, "fuzz", HD_CERT_TRADE, false);
  char *pem = text_of(in(ours, "fuzz.crt"));
  struct hd_cert_trust *trust = trust_of(ours, HD_CERT_READ);
  mbedtls_x509_crt crt;
  mbedtls_x509_crt_init(&crt);
  assert_int_equal(mbedtls_x509_crt_parse(&crt, (unsigned char *)pem, strlen(pem) + 1), 0);
  size_t size = strlen(pem), end = (size_t)(strstr(pem, "-----END") - pem);
  struct hd_cert said, found;
  unsigned taken = 0;
  hd_cert_describe(&crt, &said);
  for (int i = 0; i < 3000; i++) {
    char *copy = calloc(1, size + 2);
    memcpy(copy, pem, size);
    if (i % 3 == 0) copy[hd_random_below(&r, end)] = 0;
    else for (uint64_t k = hd_random_below(&r, 4) + 1; k > 0; k--) copy[28 + hd_random_below(&r, end - 28)] = (char)("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="[hd_random_below(&r, 65)]);
    // Base64 has more than one way to say the last byte.
    if (hd_cert_check(trust, copy, HD_CERT_READ, &found, NULL, NULL) == HADRON_OK && strcmp(found.fingerprint, said.fingerprint) != 0) taken++;
    free(copy);
  }
  assert_int_equal(taken, 0);
  mbedtls_x509_crt_free(&crt);
  hd_cert_trust_close(trust);
  free(pem);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_says), cmocka_unit_test(names_once), cmocka_unit_test(who_is_let_in), cmocka_unit_test(revoked), cmocka_unit_test(long_list),
                                     cmocka_unit_test(signed_hello), cmocka_unit_test(hello_text), cmocka_unit_test(secrets), cmocka_unit_test(damaged_ledger), cmocka_unit_test(hostile_certificates)};
  return cmocka_run_group_tests(tests, setup, teardown);
}
