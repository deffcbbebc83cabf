#include "bus/hello.h"

#include <inttypes.h>
#include <string.h>

#include <jansson.h>

#include "base/banned.h"
#include "base/text.h"
#include "bus/bus.h"

static const char *const classes[] = {"none", "read", "trade", "admin"};

const char *hd_bus_class_name(uint32_t rights) { return rights < sizeof classes / sizeof *classes ? classes[rights] : "none"; }

// ---- reading -------------------------------------------------------------------------------------------------------------------------------

static int32_t wrong(struct hd_fault *fault, const char *field, const char *expected) {
  return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: %s: expected %s", field, expected);
}

static int32_t text(const json_t *hello, const char *key, char *to, size_t size, struct hd_fault *fault) {
  const json_t *value = json_object_get(hello, key);
  to[0] = 0;
  if (!value) return HADRON_OK;
  if (!json_is_string(value) || !hd_text_copy(to, size, json_string_value(value)) || strlen(to) != json_string_length(value))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: %s: expected a text of at most %zu bytes", key, size - 1);
  return HADRON_OK;
}

static int32_t bytes(const json_t *hello, const char *key, uint8_t *to, size_t size, uint32_t *found, struct hd_fault *fault) {
  const char *hex = json_string_value(json_object_get(hello, key));
  *found = 0;
  if (!json_object_get(hello, key)) return HADRON_OK;
  size_t length = hex ? strlen(hex) : 1;
  if (length % 2 || length / 2 > size || !hd_hex_parse(to, hex, length / 2))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: %s: expected at most %zu bytes in hexadecimal", key, size);
  *found = (uint32_t)(length / 2);
  return HADRON_OK;
}

// 64 bits are decimal texts; small ones may be numbers.
static bool number(const json_t *value, uint64_t most, uint64_t *out) {
  if (json_is_integer(value) && json_integer_value(value) >= 0) *out = (uint64_t)json_integer_value(value);
  else if (json_is_string(value)) {
    const char *digits = json_string_value(value);
    uint64_t n = 0;
    if (!*digits) return false;
    for (; *digits; digits++) {
      if (*digits < '0' || *digits > '9' || __builtin_mul_overflow(n, UINT64_C(10), &n) || __builtin_add_overflow(n, (uint64_t)(*digits - '0'), &n)) return false;
    }
    *out = n;
  } else return false;
  return *out <= most;
}

static int32_t read_resume(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  const json_t *resume = json_object_get(hello, "resume");
  uint64_t session = 0;
  if (!resume || json_is_null(resume)) return HADRON_OK;
  if (!number(json_object_get(resume, "session"), UINT32_MAX, &session) || !number(json_object_get(resume, "epoch"), UINT64_MAX, &out->resume_epoch) ||
      !number(json_object_get(resume, "next"), UINT64_MAX, &out->resume_next))
    return wrong(fault, "resume", "{\"session\", \"epoch\", \"next\"} as WELCOME gave them");
  out->resume = (uint32_t)session;
  if (!session) return HADRON_OK;
  snprintf(out->session_text, sizeof out->session_text, "%" PRIu64, session);
  snprintf(out->epoch_text, sizeof out->epoch_text, "%" PRIu64, out->resume_epoch);
  return HADRON_OK;
}

static int32_t read_universe(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  const json_t *list = json_object_get(hello, "universe");
  if (!list || json_is_null(list)) return HADRON_OK;
  if (!json_is_array(list) || json_array_size(list) > HD_HELLO_GLOBS) return wrong(fault, "universe", "a list of at most 64 names or patterns");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *glob = json_string_value(json_array_get(list, i));
    if (!glob || !*glob || !hd_text_copy(out->universe[i], sizeof out->universe[i], glob)) return wrong(fault, "universe", "names or patterns of 1 to 31 bytes");
  }
  out->universe_count = (uint32_t)json_array_size(list);
  return HADRON_OK;
}

static int32_t read_params(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  json_t *params = json_object_get(hello, "params"), *value;
  const char *name;
  if (!params || json_is_null(params)) return HADRON_OK;
  if (!json_is_object(params) || json_object_size(params) > HD_HELLO_PARAMS) return wrong(fault, "params", "an object of at most 256 names and values");
  json_object_foreach(params, name, value) {
    if (json_is_object(value) || json_is_array(value)) return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: params: %.64s: expected a text, a number, true or false", name);
  }
  return (out->params = json_dumps(params, JSON_COMPACT)) ? HADRON_OK : hd_fault_set(fault, HADRON_ERR_MEMORY, "HELLO: params: out of memory");
}

static int32_t read_bars(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  const json_t *list = json_object_get(hello, "bars");
  if (!list || json_is_null(list)) return HADRON_OK;
  if (!json_is_array(list) || json_array_size(list) > HD_BAR_KINDS_MAX) return wrong(fault, "bars", "a list of at most 8 like \"1m\", \"tick:100\" or \"volume:10\"");
  for (size_t i = 0; i < json_array_size(list); i++) {
    const char *bar = json_string_value(json_array_get(list, i));
    if (!bar || !hd_bar_parse(bar, &out->bars[i])) return wrong(fault, "bars", "texts like \"1m\", \"tick:100\" or \"volume:10\"");
  }
  out->bar_count = (uint32_t)json_array_size(list);
  return HADRON_OK;
}

static int32_t read_packed(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  const json_t *packed = json_object_get(hello, "packed");
  out->packed = json_is_true(packed);
  return !packed || json_is_boolean(packed) ? HADRON_OK : wrong(fault, "packed", "true or false");
}

static int32_t read_fields(const json_t *hello, struct hd_hello *out, struct hd_fault *fault) {
  uint64_t protocol = 0, pid = 0;
  uint32_t worker_size = 0;
  char class[16], cause[16];
  if (!number(json_object_get(hello, "protocol"), UINT32_MAX, &protocol)) return wrong(fault, "protocol", "a number");
  if (protocol != HADRON_WIRE_VERSION)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "HELLO: protocol: this host speaks %d, found %" PRIu64 "; use a client of its version", HADRON_WIRE_VERSION, protocol);
  int32_t code = text(hello, "name", out->name, sizeof out->name, fault);
  if (!code) code = text(hello, "version", out->version, sizeof out->version, fault);
  if (!code) code = text(hello, "class", class, sizeof class, fault);
  if (!code) code = text(hello, "cause", cause, sizeof cause, fault);
  if (!code) code = text(hello, "token", out->token, sizeof out->token, fault);
  if (!code) code = text(hello, "certificate", out->certificate, sizeof out->certificate, fault);
  if (!code) code = text(hello, "nonce", out->nonce, sizeof out->nonce, fault);
  if (!code) code = text(hello, "signature", out->signature, sizeof out->signature, fault);
  if (!code) code = text(hello, "server", out->server, sizeof out->server, fault);
  if (!code) code = bytes(hello, "worker", out->worker, sizeof out->worker, &worker_size, fault);
  if (!code) code = read_resume(hello, out, fault);
  if (!code) code = read_universe(hello, out, fault);
  if (!code) code = read_params(hello, out, fault);
  if (!code) code = read_bars(hello, out, fault);
  if (!code) code = read_packed(hello, out, fault);
  if (code) return code;
  if (!hd_name_valid(out->name)) return wrong(fault, "name", "1 to 63 of a-z 0-9 _ -");
  for (const char *c = out->version; *c; c++)
    if (*c <= ' ' || *c > '~') return wrong(fault, "version", "letters, digits and signs of ASCII, like 1.0.0"); // it is said in alerts and lists
  out->rights = hd_choice_parse("read trade admin", class[0] ? class : "trade");
  if (!out->rights) return wrong(fault, "class", "read, trade or admin");
  if (cause[0] && strcmp(cause, "exact") != 0) return wrong(fault, "cause", "\"exact\", or none");
  out->exact = cause[0] != 0;
  if (worker_size && worker_size != sizeof out->worker) return wrong(fault, "worker", "64 hexadecimal digits");
  out->is_worker = worker_size > 0;
  if (json_object_get(hello, "pid") && !number(json_object_get(hello, "pid"), UINT32_MAX, &pid)) return wrong(fault, "pid", "a number");
  out->pid = (uint32_t)pid;
  return HADRON_OK;
}

int32_t hd_hello_read(const void *json, size_t size, struct hd_hello *out, struct hd_fault *fault) {
  json_error_t error;
  memset(out, 0, sizeof *out);
  json_t *hello = json_loadb(json, size, JSON_REJECT_DUPLICATES, &error);
  int32_t code = HADRON_OK;
  if (!json_is_object(hello)) code = hd_fault_set(fault, HADRON_ERR_PARSE, "HELLO: expected a JSON object, found none (column %d)", hello ? 1 : error.column);
  if (!code) code = read_fields(hello, out, fault);
  json_decref(hello);
  return code;
}

void hd_hello_fini(struct hd_hello *h) {
  free(h->params);
  h->params = NULL;
}

// ---- does it fit? --------------------------------------------------------------------------------------------------------------------------

// "a, b", for messages.
static void names_of(json_t *object, char *to, size_t size) {
  size_t at = 0;
  hd_text_copy(to, size, "none");
  for (void *i = json_object_iter(object); i && at < size; i = json_object_iter_next(object, i))
    at += (size_t)snprintf(to + at, size - at, "%s%.63s", at ? ", " : "", json_object_iter_key(i));
}

// The first name of `some` that `all` does not have; NULL: there is none.
static const char *missing(json_t *some, const json_t *all) {
  for (void *i = json_object_iter(some); i; i = json_object_iter_next(some, i))
    if (!json_object_get(all, json_object_iter_key(i))) return json_object_iter_key(i);
  return NULL;
}

static int32_t params_fit(const struct hd_hello *h, json_t *here, bool declared, struct hd_fault *fault) {
  json_t *theirs = h->params ? json_loads(h->params, 0, NULL) : NULL;
  const char *unknown = theirs ? missing(here, theirs) : NULL, *more = theirs && declared ? missing(theirs, here) : NULL;
  char names[400];
  int32_t code = HADRON_OK;
  if (unknown) {
    names_of(theirs, names, sizeof names);
    code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: params: %s %s: expected \"%.63s\", which this host has for it, found %s; name it as the strategy does, or take it out of strategies.%s.params",
                        h->name, h->version, unknown, names, h->name);
  } else if (more) {
    names_of(here, names, sizeof names);
    code = hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: params: %s %s: expected those that this version was registered with (%s), found \"%.63s\" too; give it another version and register that",
                        h->name, h->version, names, more);
  }
  json_decref(theirs);
  return code;
}

static int32_t bars_fit(const struct hd_hello *h, const struct hadron_bar_request *bars, uint32_t count, struct hd_fault *fault) {
  char words[HD_BAR_KINDS_MAX * (HD_BAR_TEXT_SIZE + 4)] = "none", bar[HD_BAR_TEXT_SIZE];
  size_t at = 0;
  for (uint32_t i = 0; i < count; i++) {
    hd_bar_format(bar, &bars[i]);
    at += (size_t)snprintf(words + at, sizeof words - at, "%s\"%s\"", i ? ", " : "", bar);
  }
  for (uint32_t i = 0; i < h->bar_count; i++) {
    if (hd_bar_among(bars, count, &h->bars[i])) continue;
    hd_bar_format(bar, &h->bars[i]);
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "HELLO: bars: %s %s: expected bars that this host makes for it (%s), found \"%s\"; write it into strategies.%s.bars, or into what this version is registered with",
                        h->name, h->version, words, bar, h->name);
  }
  return HADRON_OK;
}

int32_t hd_hello_fits(const struct hd_hello *h, const char *params, bool declared, const struct hadron_bar_request *bars, uint32_t bar_count, struct hd_fault *fault) {
  json_t *here = params ? json_loads(params, 0, NULL) : json_object();
  int32_t code = params_fit(h, here, declared, fault);
  json_decref(here);
  return code ? code : bars_fit(h, bars, bar_count, fault);
}

// ---- writing -------------------------------------------------------------------------------------------------------------------------------

static json_t *wide(uint64_t number64) {
  char digits[24];
  snprintf(digits, sizeof digits, "%" PRIu64, number64);
  return json_string(digits);
}

char *hd_welcome_write(const struct hd_welcome *w) {
  json_t *params = w->params ? json_loads(w->params, 0, NULL) : NULL, *bars = json_array();
  char bar[HD_BAR_TEXT_SIZE];
  for (uint32_t i = 0; i < w->bar_count; i++) {
    hd_bar_format(bar, &w->bars[i]);
    json_array_append_new(bars, json_string(bar));
  }
  json_t *welcome = json_pack("{s:I, s:o, s:o, s:o, s:I, s:I, s:I, s:s, s:I, s:s, s:I, s:s, s:s, s:s, s:b, s:o, s:o}", "session", (json_int_t)w->session, "epoch", wide(w->epoch),
                              "next", wide(w->next), "decided", wide(w->decided), "heartbeat_ms", (json_int_t)(w->heartbeat_ns / 1000000), "stale_ms",
                              (json_int_t)(w->stale_after_ns / 1000000), "window", (json_int_t)w->window, "class", hd_bus_class_name(w->rights), "arm",
                              (json_int_t)w->arm, "role", w->role ? w->role : "", "instruments", (json_int_t)w->instruments, "host", w->host ? w->host : "", "mode",
                              w->mode == 1 ? "dry_run" : w->mode == 2 ? "paper" : w->mode == 3 ? "live" : "", "version", HD_VERSION, "packed", w->packed, "params", params ? params : json_object(), "bars", bars);
  char *written = welcome ? json_dumps(welcome, JSON_COMPACT) : NULL;
  json_decref(welcome);
  return written;
}

char *hd_refused_write(const struct hd_fault *fault, const char *nonce) {
  char code[64], words[HD_FAULT_SIZE];
  snprintf(code, sizeof code, "HADRON_ERR_%s", hadron_error_name(fault->code));
  hd_text_copy(words, sizeof words, fault->text);
  hd_text_printable(words);
  json_t *refused = json_pack("{s:s, s:s}", "code", code, "text", words);
  if (refused && nonce) json_object_set_new(refused, "nonce", json_string(nonce));
  char *written = refused ? json_dumps(refused, JSON_COMPACT) : NULL;
  json_decref(refused);
  return written;
}
