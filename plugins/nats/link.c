#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define COUNTDOWN_S INT64_C(3153600000) // a hundred years
#define SECRET_SIZE 1024

struct address {
  bool tls;
  char host[128], port[8]; // the host without brackets
};

static int32_t refuse(char error[LINK_ERROR_SIZE], const char *what, const char *where, const char *expected, const char *found, const char *way) {
  snprintf(error, LINK_ERROR_SIZE, "%s: %.180s: expected %s, found %.100s; %s", what, where, expected, found, way);
  return HADRON_ERR_CONFIG;
}

// ---- Addresses.

static bool loopback(const char *host) {
  struct in_addr four;
  struct in6_addr six;
  if (strcmp(host, "localhost") == 0) return true;
  if (inet_pton(AF_INET, host, &four) == 1) return (ntohl(four.s_addr) >> 24) == 127;
  return inet_pton(AF_INET6, host, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

static bool address_read(const char *text, size_t size, struct address *a) {
  char copy[256];
  if (size >= sizeof copy) return false;
  memcpy(copy, text, size);
  copy[size] = '\0';
  const char *rest = strstr(copy, "://");
  if (!rest || (strncmp(copy, "nats://", 7) != 0 && strncmp(copy, "tls://", 6) != 0)) return false;
  a->tls = copy[0] == 't';
  rest += 3;
  bool six = *rest == '[';
  size_t host = six ? strcspn(++rest, "]") : strcspn(rest, ":/");
  if (host == 0 || host >= sizeof a->host || (six && rest[host] != ']')) return false;
  memcpy(a->host, rest, host);
  a->host[host] = '\0';
  rest += host + six;
  snprintf(a->port, sizeof a->port, "4222");
  if (*rest == '\0') return true;
  size_t digits = strspn(rest + 1, "0123456789");
  if (*rest != ':' || digits == 0 || digits > 5 || rest[1 + digits]) return false;
  snprintf(a->port, sizeof a->port, "%s", rest + 1);
  return true;
}

// The index-th address, modulo their number. False: there is none, or it is none.
static bool address_take(const char *servers, uint32_t index, struct address *a) {
  uint32_t count = 0;
  for (const char *at = servers; *at; at += strspn(at, "\n")) {
    at += strcspn(at, "\n");
    count++;
  }
  const char *at = servers;
  for (uint32_t i = 0; count && i < index % count; i++) {
    at += strcspn(at, "\n");
    at += strspn(at, "\n");
  }
  return count && address_read(at, strcspn(at, "\n"), a);
}

static int32_t servers_check(const struct link_options *o, char error[LINK_ERROR_SIZE]) {
  if (!o->servers[0]) return refuse(error, "servers", "the list", "at least one address", "none", "write servers = \"nats://127.0.0.1:4222\"");
  for (const char *at = o->servers; *at; at += strspn(at, "\n")) {
    struct address a = {0};
    size_t size = strcspn(at, "\n");
    char one[160];
    snprintf(one, sizeof one, "%.*s", (int)size, at);
    if (memchr(at, '@', size)) // what stands before it may be a secret: not repeated
      return refuse(error, "servers", "an address", "no user or password in it", "an @", "use user and password_file, token_file or credentials_file");
    if (!address_read(at, size, &a)) return refuse(error, "servers", "an address", "nats://HOST:PORT or tls://HOST:PORT", one, "correct it");
    if (!a.tls && !o->insecure && !loopback(a.host))
      return refuse(error, "servers", one, "TLS to another machine", "a connection that anybody between can read", "write tls://, or insecure = true if that is meant");
    at += size;
  }
  return HADRON_OK;
}

int32_t link_check(const struct link_options *o, char error[LINK_ERROR_SIZE]) {
  int ways = (o->user[0] != 0) + (o->token_file[0] != 0) + (o->credentials_file[0] != 0);
  if (ways > 1) return refuse(error, "parameters", "user, token_file, credentials_file", "one of them", "more than one", "leave one");
  if (!o->user[0] != !o->password_file[0]) return refuse(error, "parameters", "user and password_file", "both or none", "one of them", "add the other");
  if (!o->tls_certificate_file[0] != !o->tls_key_file[0])
    return refuse(error, "parameters", "tls_certificate_file and tls_key_file", "both or none", "one of them", "add the other");
  return servers_check(o, error);
}

// ---- Secrets.

// One line of a file that only its owner, or his group, may read.
static int32_t secret_read(struct link *l, const char *path, char to[SECRET_SIZE]) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return refuse(l->error, "reading a secret", path, "a file that can be read", strerror(errno), "correct the path or its permissions");
  bool loose = fstat(fd, &status) != 0 || (status.st_mode & S_IRWXO) != 0;
  ssize_t n = loose ? 0 : read(fd, to, SECRET_SIZE - 1);
  close(fd);
  if (loose) return refuse(l->error, "reading a secret", path, "a file for its owner alone", "one that everybody may use", "chmod 600 it");
  if (n < 0) n = 0;
  to[n] = '\0';
  to[strcspn(to, "\r\n")] = '\0';
  return to[0] ? HADRON_OK : refuse(l->error, "reading a secret", path, "one line", "nothing", "write the secret into it");
}

static natsStatus login(struct link *l, natsOptions *o, int32_t *rc) {
  const struct link_options *p = l->options;
  char secret[SECRET_SIZE];
  natsStatus s = NATS_OK;
  if (p->credentials_file[0]) return natsOptions_SetUserCredentialsFromFiles(o, p->credentials_file, NULL);
  const char *file = p->user[0] ? p->password_file : p->token_file;
  if (!file[0]) return NATS_OK;
  *rc = secret_read(l, file, secret);
  if (*rc == HADRON_OK) s = p->user[0] ? natsOptions_SetUserInfo(o, p->user, secret) : natsOptions_SetToken(o, secret);
  explicit_bzero(secret, sizeof secret);
  return s;
}

// The library's last words, without the place in its source that it puts before them.
static const char *words_last(natsStatus *status) {
  const char *words = nats_GetLastError(status), *behind = words && words[0] == '(' ? strstr(words, "): ") : NULL;
  return behind ? behind + 3 : words ? words : "";
}

static natsStatus tls(struct link *l, natsOptions *o, const struct address *a, int32_t *rc) {
  const struct link_options *p = l->options;
  natsStatus s = natsOptions_SetSecure(o, true);
  if (s == NATS_OK) s = natsOptions_SetExpectedHostname(o, a->host);
  const char *file = p->tls_ca_file;
  if (s == NATS_OK && p->tls_ca_file[0]) s = natsOptions_LoadCATrustedCertificates(o, p->tls_ca_file);
  if (s == NATS_OK && p->tls_certificate_file[0]) s = natsOptions_LoadCertificatesChain(o, file = p->tls_certificate_file, p->tls_key_file);
  if (s != NATS_OK) *rc = refuse(l->error, "TLS", file, "a certificate in PEM that can be read", words_last(NULL), "correct the tls_ parameters");
  return s;
}

// ---- Failures.

int32_t link_meaning(natsStatus status, jsErrCode error_code) {
  static const struct { jsErrCode js; int32_t code; } answers[] = {
      {JSStreamNotFoundErr, HADRON_ERR_NOT_FOUND},      {JSConsumerNotFoundErr, HADRON_ERR_NOT_FOUND},     {JSNotEnabledErr, HADRON_ERR_CONFIG},
      {JSNotEnabledForAccountErr, HADRON_ERR_CONFIG},   {JSStreamWrongLastSequenceErr, HADRON_ERR_STALE},  {JSStreamWrongLastMsgIDErr, HADRON_ERR_STALE},
      {JSInsufficientResourcesErr, HADRON_ERR_FULL},    {JSMemoryResourcesExceededErr, HADRON_ERR_FULL},   {JSStorageResourcesExceededErr, HADRON_ERR_FULL},
      {JSStreamStoreFailedErr, HADRON_ERR_FULL},        {JSStreamMessageExceedsMaximumErr, HADRON_ERR_FULL},
  };
  static const struct { natsStatus status; int32_t code; } statuses[] = {
      {NATS_TIMEOUT, HADRON_ERR_TIMEOUT},           {NATS_NO_MEMORY, HADRON_ERR_MEMORY},           {NATS_CONNECTION_AUTH_FAILED, HADRON_ERR_PERMISSION},
      {NATS_NOT_PERMITTED, HADRON_ERR_PERMISSION},  {NATS_NO_RESPONDERS, HADRON_ERR_NOT_FOUND},    {NATS_SECURE_CONNECTION_REQUIRED, HADRON_ERR_CONFIG},
      {NATS_SECURE_CONNECTION_WANTED, HADRON_ERR_CONFIG}, {NATS_SSL_ERROR, HADRON_ERR_CONFIG},      {NATS_MAX_PAYLOAD, HADRON_ERR_FULL},
  };
  for (size_t i = 0; error_code && i < sizeof answers / sizeof *answers; i++)
    if (answers[i].js == error_code) return answers[i].code;
  if (error_code) return HADRON_ERR_TIMEOUT; // a server in trouble, or in a hurry: it may be better by itself
  for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++)
    if (statuses[i].status == status) return statuses[i].code;
  return HADRON_ERR_CLOSED;
}

int32_t link_fail(struct link *l, const char *what, natsStatus status, jsErrCode error_code) {
  natsStatus last = NATS_OK;
  const char *words = words_last(&last);
  int32_t rc = link_meaning(status, error_code);
  if (!error_code && (status == NATS_TIMEOUT || status == NATS_CONNECTION_CLOSED) && link_violation(l, what) != HADRON_OK) return HADRON_ERR_PERMISSION;
  snprintf(l->error, sizeof l->error, "%s: server %s: expected an answer that it is done, found: %.200s", what, l->server,
           status == NATS_NO_RESPONDERS ? "nobody who listens (no such stream, or JetStream is off)" : last == status && words[0] ? words : natsStatus_GetText(status));
  return rc;
}

int32_t link_violation(struct link *l, const char *what) {
  const char *words = NULL;
  natsStatus s = l->connection ? natsConnection_GetLastError(l->connection, &words) : NATS_OK;
  if (s != NATS_NOT_PERMITTED && s != NATS_CONNECTION_AUTH_FAILED) return HADRON_OK;
  snprintf(l->error, sizeof l->error, "%s: server %s: expected to be allowed, found: %.200s; give the user these rights (docs/bridge.md)", what, l->server, words ? words : "");
  return HADRON_ERR_PERMISSION;
}

// ---- Opening and closing.

// Without one the library writes to standard error, across the host's screen. What it would say is asked for by link_violation.
static void error_drop(natsConnection *nc, natsSubscription *sub, natsStatus status, void *closure) { (void)nc, (void)sub, (void)status, (void)closure; }

static natsStatus options_set(struct link *l, natsOptions *o, const struct address *a, const char *client, int64_t connect_ms) {
  char url[192];
  snprintf(url, sizeof url, strchr(a->host, ':') ? "nats://[%s]:%s" : "nats://%s:%s", a->host, a->port);
  natsStatus s = natsOptions_SetURL(o, url);
  if (s == NATS_OK) s = natsOptions_SetName(o, client);
  if (s == NATS_OK) s = natsOptions_SetAllowReconnect(o, false);
  if (s == NATS_OK) s = natsOptions_SetIgnoreDiscoveredServers(o, true); // they may be anywhere, and without TLS
  if (s == NATS_OK) s = natsOptions_SetTimeout(o, connect_ms);
  if (s == NATS_OK) s = natsOptions_SetWriteDeadline(o, l->options->request_ns / 1000000);
  if (s == NATS_OK) s = natsOptions_SetPingInterval(o, 5000);
  if (s == NATS_OK) s = natsOptions_SetErrorHandler(o, error_drop, NULL);
  return s;
}

static int32_t refusal(struct link *l, natsStatus s, bool secure) {
  const char *words = words_last(NULL);
  int32_t rc = link_meaning(s, 0);
  if (rc == HADRON_ERR_TIMEOUT) rc = HADRON_ERR_CLOSED;
  const char *way = rc == HADRON_ERR_PERMISSION ? "; correct user and password_file, token_file or credentials_file"
                    : rc == HADRON_ERR_CONFIG ? (secure ? "; correct the tls_ parameters, or the server's certificate" : "; write tls:// into servers") : "";
  snprintf(l->error, sizeof l->error, "connecting: server %s: expected to be let in, found: %.200s%s", l->server, words[0] ? words : natsStatus_GetText(s), way);
  return rc;
}

int32_t link_open(struct link *l, const char *client, int64_t most_ms) {
  struct address a = {0};
  natsOptions *o = NULL;
  int32_t rc = HADRON_OK;
  l->error[0] = '\0';
  if (!address_take(l->options->servers, l->turn++, &a)) return link_check(l->options, l->error) ? HADRON_ERR_CONFIG : HADRON_ERR_CLOSED;
  snprintf(l->server, sizeof l->server, strchr(a.host, ':') ? "[%s]:%s" : "%s:%s", a.host, a.port);
  int64_t connect_ms = l->options->connect_ns / 1000000;
  if (connect_ms > most_ms) connect_ms = most_ms;
  natsStatus s = natsOptions_Create(&o);
  if (s == NATS_OK) s = options_set(l, o, &a, client, connect_ms > 0 ? connect_ms : 1);
  if (s == NATS_OK) s = login(l, o, &rc);
  if (s == NATS_OK && rc == HADRON_OK && a.tls) s = tls(l, o, &a, &rc);
  if (s == NATS_OK && rc == HADRON_OK) s = natsConnection_Connect(&l->connection, o);
  natsOptions_Destroy(o);
  if (rc != HADRON_OK) return rc;
  if (s != NATS_OK) return refusal(l, s, a.tls);
  jsOptions js;
  jsOptions_Init(&js);
  js.Wait = l->options->request_ns / 1000000;
  js.Domain = l->options->domain[0] ? l->options->domain : NULL;
  s = natsConnection_JetStream(&l->js, l->connection, &js);
  return s == NATS_OK ? HADRON_OK : link_fail(l, "connecting", s, 0);
}

void link_hang_up(struct link *l) {
  if (l->connection) natsConnection_Close(l->connection);
}

bool link_answers(struct link *l, int64_t wait_ms) { return natsConnection_FlushTimeout(l->connection, wait_ms) == NATS_OK; }

void link_close(struct link *l) {
  link_hang_up(l);
  jsCtx_Destroy(l->js);
  l->js = NULL;
  natsConnection_Destroy(l->connection);
  l->connection = NULL;
}

// ---- Life and clock.

int32_t link_init(struct link *l, const struct link_options *options) {
  const struct itimerspec years = {.it_value = {.tv_sec = COUNTDOWN_S}};
  *l = (struct link){.options = options};
  l->countdown = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (l->countdown < 0) return HADRON_ERR_IO;
  timerfd_settime(l->countdown, 0, &years, NULL);
  return HADRON_OK;
}

void link_fini(struct link *l) {
  link_close(l);
  if (l->countdown >= 0) close(l->countdown);
  l->countdown = -1;
}

int64_t link_clock_ns(const struct link *l) {
  struct itimerspec left = {.it_value = {.tv_sec = COUNTDOWN_S}};
  timerfd_gettime(l->countdown, &left);
  return (COUNTDOWN_S - left.it_value.tv_sec) * INT64_C(1000000000) - left.it_value.tv_nsec;
}
