#include "hello.h"

#include <inttypes.h>
#include <jansson.h>
#include <mbedtls/base64.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/pk.h>
#include <mbedtls/sha256.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hadron/hello.h"

// ---- who

static bool is_json(const char *text, bool object) {
  json_error_t error;
  json_t *json = json_loads(text, 0, &error);
  bool good = json && (object ? json_is_object(json) : json_is_array(json));
  json_decref(json);
  return good;
}

static bool says_exact(const char *text) {
  json_t *json = text ? json_loads(text, 0, NULL) : NULL;
  const char *cause = json_string_value(json_object_get(json, "cause"));
  bool exact = cause && strcmp(cause, "exact") == 0;
  json_decref(json);
  return exact;
}

static char *copy(const char *text) { return text ? strdup(text) : NULL; }

int32_t hc_who_init(struct hc_who *w, const struct hadron_client_options *o) {
  *w = (struct hc_who){0};
  const char *rights = o->rights ? o->rights : o->name ? "trade" : "read";
  if (strcmp(rights, "read") != 0 && strcmp(rights, "trade") != 0 && strcmp(rights, "admin") != 0)
    return hc_fail(HADRON_ERR_ARGUMENT, "rights: found \"%s\", expected read, trade or admin", rights);
  if (o->window > HADRON_WINDOW_MAX) return hc_fail(HADRON_ERR_ARGUMENT, "window: found %u, expected 0 to %d", o->window, HADRON_WINDOW_MAX);
  const struct { const char *name, *text; bool object; } rows[] = {{"params", o->params, true}, {"bars", o->bars, false}, {"hello", o->hello, true}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
    if (rows[i].text && !is_json(rows[i].text, rows[i].object))
      return hc_fail(HADRON_ERR_PARSE, "%s: found \"%.80s\", expected %s of JSON", rows[i].name, rows[i].text, rows[i].object ? "an object" : "an array");
  *w = (struct hc_who){copy(o->name ? o->name : "reader"), copy(o->version ? o->version : "0.0.0"), copy(rights), copy(o->token), copy(o->universe),
                       copy(o->params), copy(o->bars), copy(o->hello), o->batch, says_exact(o->hello)};
  return w->name && w->version && w->rights ? HADRON_OK : hc_fail(HADRON_ERR_MEMORY, "out of memory");
}

void hc_who_fini(struct hc_who *w) {
  if (w->token) explicit_bzero(w->token, strlen(w->token));
  free(w->name), free(w->version), free(w->rights), free(w->token), free(w->universe), free(w->params), free(w->bars), free(w->more);
  *w = (struct hc_who){0};
}

// ---- the signature

static int sign(const char *key_pem, const char *text, size_t length, char out[HADRON_HELLO_SIGNATURE_SIZE]) {
  unsigned char digest[32], der[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
  size_t size = 0, written;
  mbedtls_pk_context key;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context random;
  mbedtls_pk_init(&key);
  mbedtls_entropy_init(&entropy);
  mbedtls_ctr_drbg_init(&random);
  int error = mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0);
  if (!error) error = mbedtls_pk_parse_key(&key, (const unsigned char *)key_pem, strlen(key_pem) + 1, NULL, 0);
  if (!error) error = mbedtls_sha256_ret((const unsigned char *)text, length, digest, 0);
  if (!error) error = mbedtls_pk_sign(&key, MBEDTLS_MD_SHA256, digest, sizeof digest, der, &size, mbedtls_ctr_drbg_random, &random);
  if (!error) error = mbedtls_base64_encode((unsigned char *)out, HADRON_HELLO_SIGNATURE_SIZE, &written, der, size);
  mbedtls_ctr_drbg_free(&random);
  mbedtls_entropy_free(&entropy);
  mbedtls_pk_free(&key);
  return error;
}

// The name that the host's certificate must carry; "-" without TLS.
static void server_of(const struct hc_place *p, char *to, size_t room) {
  bool tls = strncmp(p->url, "tls", 3) == 0 || strncmp(p->url, "wss", 3) == 0;
  nng_url *url;
  snprintf(to, room, "%s", !tls ? "-" : p->server_name ? p->server_name : "");
  if (to[0] || nng_url_parse(&url, p->url) != 0) return;
  snprintf(to, room, "%s", url->u_hostname);
  nng_url_free(url);
}

static int32_t add_signature(json_t *json, const struct hc_who *w, const struct hc_place *place, const struct hc_resume *resume, const char *nonce) {
  char session[16] = "", epoch[24] = "", server[256], text[HADRON_HELLO_TEXT_SIZE], signature[HADRON_HELLO_SIGNATURE_SIZE];
  if (!place->certificate)
    return hc_fail(HADRON_ERR_PERMISSION, "%s: the host asks for a signed hello; expected the options `certificate` and `key` (hadron cert issue makes them)", place->url);
  if (resume->session) {
    snprintf(session, sizeof session, "%" PRIu32, resume->session);
    snprintf(epoch, sizeof epoch, "%" PRIu64, resume->epoch);
  }
  server_of(place, server, sizeof server);
  const struct hadron_hello_facts facts = {nonce, server, w->name, w->version, w->rights, session, epoch};
  size_t length = hadron_hello_text(&facts, text);
  if (!length) return hc_fail(HADRON_ERR_ARGUMENT, "%s: the hello cannot be signed: a name, a version or the host's nonce is empty or has control characters", place->url);
  int error = sign(place->key, text, length, signature);
  if (error) return hc_fail(HADRON_ERR_PERMISSION, "%s: the hello cannot be signed with this key: mbedTLS -0x%04x; expected a PEM key of the certificate", place->url, (unsigned)-error);
  json_object_set_new(json, "certificate", json_string(place->certificate));
  json_object_set_new(json, "server", json_string(server));
  json_object_set_new(json, "nonce", json_string(nonce));
  json_object_set_new(json, "signature", json_string(signature));
  return HADRON_OK;
}

// ---- HELLO

// Between machines a byte costs more time than it takes to save it; on this one it does not.
static bool is_far(const char *url) { return strncmp(url, "ipc:", 4) != 0 && strncmp(url, "inproc:", 7) != 0; }

static json_t *words_of(const char *text) {
  json_t *list = json_array();
  for (const char *at = text + strspn(text, " \t\n,"); *at;) {
    size_t size = strcspn(at, " \t\n,");
    json_array_append_new(list, json_stringn(at, size));
    at += size;
    at += strspn(at, " \t\n,");
  }
  return list;
}

static void set_decimal(json_t *json, const char *name, uint64_t value) {
  char text[24];
  snprintf(text, sizeof text, "%" PRIu64, value);
  json_object_set_new(json, name, json_string(text));
}

int32_t hc_hello_make(const struct hc_who *w, const struct hc_place *place, const struct hc_resume *resume, const char *nonce, char **out) {
  json_t *json = w->more ? json_loads(w->more, 0, NULL) : json_object();
  json_object_set_new(json, "protocol", json_integer(HADRON_WIRE_VERSION));
  json_object_set_new(json, "name", json_string(w->name));
  json_object_set_new(json, "version", json_string(w->version));
  json_object_set_new(json, "class", json_string(w->rights));
  if (w->token) json_object_set_new(json, "token", json_string(w->token));
  if (w->universe) json_object_set_new(json, "universe", words_of(w->universe));
  if (w->params) json_object_set_new(json, "params", json_loads(w->params, 0, NULL));
  if (w->bars) json_object_set_new(json, "bars", json_loads(w->bars, 0, NULL));
  if (is_far(place->url) && !json_object_get(json, "packed")) json_object_set_new(json, "packed", json_true()); // else as the user's own hello has it
  if (w->batch) json_object_set_new(json, "batch", json_integer(w->batch));
  if (resume->session) {
    json_t *r = json_object();
    json_object_set_new(r, "session", json_integer(resume->session));
    set_decimal(r, "epoch", resume->epoch);
    set_decimal(r, "next", resume->next);
    json_object_set_new(json, "resume", r);
  }
  int32_t code = nonce ? add_signature(json, w, place, resume, nonce) : HADRON_OK;
  char *text = code == HADRON_OK ? json_dumps(json, JSON_COMPACT) : NULL;
  json_decref(json);
  if (code != HADRON_OK) return code;
  if (!text) return hc_fail(HADRON_ERR_MEMORY, "out of memory for the hello");
  *out = text;
  return HADRON_OK;
}

// ---- answers

#define TIME_MAX_MS UINT64_C(86400000) // a day: nobody waits longer for a sign of life

// 64-bit numbers are decimal texts; a plain number is taken as well.
static uint64_t number_of(const json_t *json, const char *name, uint64_t otherwise) {
  const json_t *value = json_object_get(json, name);
  if (json_is_integer(value)) return (uint64_t)json_integer_value(value);
  return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10) : otherwise;
}

static void text_of(const json_t *json, const char *name, char *to, size_t room) {
  const char *text = json_string_value(json_object_get(json, name));
  snprintf(to, room, "%s", text ? text : "");
}

int32_t hc_welcome_read(const char *text, size_t size, struct hc_welcome *out) {
  json_t *json = json_loadb(text, size, 0, NULL);
  struct hc_welcome w = {.next = number_of(json, "next", 1)};
  struct hadron_client_info *i = &w.info;
  i->session = (uint32_t)number_of(json, "session", 0);
  i->window = (uint32_t)number_of(json, "window", 2);
  i->epoch = number_of(json, "epoch", 0);
  uint64_t heartbeat_ms = number_of(json, "heartbeat_ms", 100), stale_ms = number_of(json, "stale_ms", 300);
  i->heartbeat_ns = heartbeat_ms <= TIME_MAX_MS ? (int64_t)heartbeat_ms * 1000000 : 0;
  i->stale_ns = stale_ms <= TIME_MAX_MS ? (int64_t)stale_ms * 1000000 : 0;
  i->arm = (uint32_t)number_of(json, "arm", 0);
  i->instruments = (uint32_t)number_of(json, "instruments", 0);
  text_of(json, "host", i->host, sizeof i->host);
  text_of(json, "version", i->version, sizeof i->version);
  text_of(json, "mode", i->mode, sizeof i->mode);
  text_of(json, "class", i->rights, sizeof i->rights);
  text_of(json, "role", i->role, sizeof i->role);
  json_decref(json);
  if (i->window < 1) i->window = 1;
  if (i->window > HADRON_WINDOW_MAX) i->window = HADRON_WINDOW_MAX;
  if (i->heartbeat_ns <= 0 || i->stale_ns <= 0 || i->session == 0 || i->epoch == 0 || w.next == 0)
    return hc_fail(HADRON_ERR_PARSE, "WELCOME: found \"%.*s\", expected JSON with session, epoch, next, heartbeat_ms and stale_ms from 1 to a day", (int)(size > 120 ? 120 : size), text);
  *out = w;
  return HADRON_OK;
}

static int32_t code_of(const char *name) {
#define HADRON_ERROR_ROW(word, value, text, hint) \
  if (strcmp(name, "HADRON_ERR_" #word) == 0 || strcmp(name, #word) == 0) return (value);
  HADRON_ERROR_MAP(HADRON_ERROR_ROW)
#undef HADRON_ERROR_ROW
  return HADRON_ERR_PERMISSION; // such as HADRON_ERR_AUTH, which is no code of the table
}

void hc_refused_read(const char *text, size_t size, struct hc_refused *out) {
  json_t *json = json_loadb(text, size, 0, NULL);
  char name[64];
  *out = (struct hc_refused){0};
  text_of(json, "code", name, sizeof name);
  text_of(json, "text", out->text, sizeof out->text);
  text_of(json, "nonce", out->nonce, sizeof out->nonce);
  out->code = code_of(name);
  if (!out->text[0]) snprintf(out->text, sizeof out->text, "refused: %s", name[0] ? name : "without a word");
  json_decref(json);
}
