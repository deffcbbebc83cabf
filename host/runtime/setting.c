#include "runtime/setting.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/hash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/text.h"
#include "runtime/session.h"

#define MARK 0x53544553u // "SETS"
#define KEY_SIZE 256

struct setting {
  char *text;        // "key=value"; of a strategy's parameter with the version: "strategies.NAME@VERSION.params.X=value"; owned
  uint64_t position; // of its record; 0: of a snapshot
  uint32_t base;     // what the configuration said of the key then: its CRC
  uint32_t revision; // of the deployment then
  uint8_t digest[32]; // of the version; zero: it is no strategy's parameter
};

struct hd_settings {
  pthread_mutex_t mutex;
  char *config; // of the run; owned
  size_t config_size;
  struct setting *rows;
  uint32_t count, room;
  struct hadron_arm_definition arms[HD_ARMS_MAX + 1];
  bool tells;
};

struct hd_settings *hd_settings_create(void) {
  struct hd_settings *t = calloc(1, sizeof *t);
  if (t) pthread_mutex_init(&t->mutex, NULL);
  return t;
}

void hd_settings_destroy(struct hd_settings *t) {
  if (!t) return;
  for (uint32_t i = 0; i < t->count; i++) free(t->rows[i].text);
  free(t->rows);
  free(t->config);
  pthread_mutex_destroy(&t->mutex);
  free(t);
}

void hd_settings_tell(struct hd_settings *t) { t->tells = true; }

// ---- keys --------------------------------------------------------------------------------------------------------------------------

static size_t key_length(const char *text) { return strcspn(text, "="); }

static const char *last_of(const char *key, size_t length, const char *what) {
  const char *found = NULL;
  for (const char *at = strstr(key, what); at && (size_t)(at - key) < length; at = strstr(at + 1, what)) found = at;
  return found;
}

// "strategies.NAME[@VERSION].params.X": where NAME ends, and where X begins. False: it is another key.
static bool strategy_param(const char *text, size_t *name_end, const char **param) {
  size_t length = key_length(text), prefix = sizeof "strategies." - 1;
  if (strncmp(text, "strategies.", prefix) != 0) return false;
  const char *middle = last_of(text, length, ".params.");
  if (!middle || middle < text + prefix) return false;
  const char *at = memchr(text, '@', (size_t)(middle - text));
  *name_end = (size_t)((at ? at : middle) - text);
  *param = middle + sizeof ".params." - 1;
  return true;
}

// The path under which the effective configuration prints a key.
static void path_of(const struct hd_settings *t, const char *text, char *to, size_t size) {
  size_t length = key_length(text), name_end;
  const char *param, *risk = last_of(text, length, ".risk.");
  snprintf(to, size, "%.*s", (int)length, text);
  if (strategy_param(text, &name_end, &param)) snprintf(to, size, "%.*s.params.%.*s", (int)name_end, text, (int)(text + length - param), param);
  if (strncmp(text, "instruments.", 12) != 0 || !risk || !t->config) return;
  for (unsigned n = 1;; n++) {
    char line[KEY_SIZE + 64];
    snprintf(line, sizeof line, "universe.instruments[%u].name = ", n);
    const char *at = strstr(t->config, line);
    if (!at) return; // the configuration does not list it
    at += strlen(line);
    if (strcspn(at, "\n") != (size_t)(risk - text) - 12 || strncmp(at, text + 12, (size_t)(risk - text) - 12) != 0) continue;
    snprintf(to, size, "universe.instruments[%u]%.*s", n, (int)(text + length - risk), risk);
    return;
  }
}

// What the configuration says of a key: its line, or the lines of a list. Nothing: 0.
static uint32_t said_of(const struct hd_settings *t, const char *text) {
  char path[KEY_SIZE + 64];
  uint32_t crc = 0;
  path_of(t, text, path, sizeof path);
  size_t length = strlen(path);
  for (const char *line = t->config; line && *line;) {
    size_t size = strcspn(line, "\n");
    if (size > length && strncmp(line, path, length) == 0 && (line[length] == ' ' || line[length] == '[')) crc = hd_crc32c(crc, line + length, size - length);
    line += size + (line[size] == '\n');
  }
  return crc;
}

// ---- the table -----------------------------------------------------------------------------------------------------------------------

static void drop(struct hd_settings *t, uint32_t index, const char *why) {
  if (t->tells) hd_log_info("SET_ENDS", "set %s: it no longer holds: %s", t->rows[index].text, why);
  free(t->rows[index].text);
  memmove(&t->rows[index], &t->rows[index + 1], (--t->count - index) * sizeof *t->rows);
}

static bool same_key(const struct setting *a, const struct setting *b) {
  size_t length = key_length(a->text);
  return length == key_length(b->text) && memcmp(a->text, b->text, length) == 0 && memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

static bool superseded(const struct hd_settings *t, uint32_t index) {
  for (uint32_t i = index + 1; i < t->count; i++)
    if (same_key(&t->rows[index], &t->rows[i])) return true;
  return false;
}

// Of each key the last one; strategies were told the others as well, and hear them again as long as the journal is read from before them.
static void compact(struct hd_settings *t) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < t->count; i++) {
    if (superseded(t, i)) free(t->rows[i].text);
    else t->rows[kept++] = t->rows[i];
  }
  t->count = kept;
}

static void add(struct hd_settings *t, const struct setting *like, const char *text) {
  if (t->count >= HD_SETTINGS_MAX) compact(t);
  if (t->count == t->room) {
    uint32_t room = t->room ? 2 * t->room : 16;
    struct setting *grown = realloc(t->rows, room * sizeof *grown);
    if (!grown) return; // as if it had been refused: it holds until the end of this run
    t->rows = grown;
    t->room = room;
  }
  struct setting *row = &t->rows[t->count];
  *row = *like;
  if ((row->text = strdup(text))) t->count++;
}

static bool open_arm(const struct hadron_arm_definition *d) { return d->role || d->waits; }

static bool named(const struct hadron_arm_definition *d, const char *text, size_t name_end) {
  size_t prefix = sizeof "strategies." - 1, length = name_end - prefix;
  return strnlen(d->name, sizeof d->name) == length && memcmp(d->name, text + prefix, length) == 0;
}

// A strategy's parameter is set for each of the versions that sit there.
static void add_param(struct hd_settings *t, struct setting *row, const char *text, size_t name_end, const char *param) {
  char one[4096];
  const char *version = text[name_end] == '@' ? text + name_end + 1 : NULL;
  size_t version_length = version ? (size_t)(param - (sizeof ".params." - 1) - version) : 0;
  for (uint32_t arm = 1; arm <= HD_ARMS_MAX; arm++) {
    const struct hadron_arm_definition *d = &t->arms[arm];
    if (!open_arm(d) || !named(d, text, name_end)) continue;
    if (version && (strnlen(d->version, sizeof d->version) != version_length || memcmp(d->version, version, version_length) != 0)) continue;
    bool twice = false;
    for (uint32_t other = 1; other < arm && !twice; other++)
      twice = open_arm(&t->arms[other]) && named(&t->arms[other], text, name_end) && memcmp(t->arms[other].digest, d->digest, sizeof d->digest) == 0;
    if (twice) continue;
    memcpy(row->digest, d->digest, sizeof row->digest);
    row->revision = d->revision;
    snprintf(one, sizeof one, "%.*s@%.*s.params.%s", (int)name_end, text, (int)sizeof d->version, d->version, param);
    add(t, row, one);
  }
}

static void on_set(struct hd_settings *t, uint64_t position, const char *text) {
  struct setting row = {.position = position, .base = said_of(t, text)};
  size_t name_end;
  const char *param;
  if (strategy_param(text, &name_end, &param)) add_param(t, &row, text, name_end, param);
  else add(t, &row, text);
}

// ---- records -------------------------------------------------------------------------------------------------------------------------

static void begin(struct hd_settings *t, const char *config, size_t size) {
  char *copy = malloc(size + 1);
  if (!copy) return; // the comparison is with the run before
  memcpy(copy, config, size);
  copy[size] = 0;
  free(t->config);
  t->config = copy;
  t->config_size = size;
  memset(t->arms, 0, sizeof t->arms);
  for (uint32_t i = t->count; i-- > 0;)
    if (said_of(t, t->rows[i].text) != t->rows[i].base) drop(t, i, "the configuration says something else of it since");
}

void hd_settings_begin(struct hd_settings *t, const char *config, size_t size) {
  pthread_mutex_lock(&t->mutex);
  begin(t, config, size);
  pthread_mutex_unlock(&t->mutex);
}

// Versions that sit nowhere any more take with them what was set for them.
static void prune(struct hd_settings *t) {
  static const uint8_t nobody[32];
  for (uint32_t i = t->count; i-- > 0;) {
    bool sits = memcmp(t->rows[i].digest, nobody, sizeof nobody) == 0;
    for (uint32_t arm = 1; arm <= HD_ARMS_MAX && !sits; arm++) sits = open_arm(&t->arms[arm]) && memcmp(t->arms[arm].digest, t->rows[i].digest, sizeof nobody) == 0;
    if (!sits) drop(t, i, "its version has left");
  }
}

// Another version of a venue, the allocator or a service begins with what the configuration says.
static void on_swap(struct hd_settings *t, const struct hadron_swap *s) {
  char prefix[HADRON_NAME_SIZE + 32];
  if (s->stage != HADRON_SWAP_COMMIT || s->kind == HADRON_KIND_STRATEGY) return;
  const char *list = s->kind == HADRON_KIND_VENUE ? "venues" : "services";
  if (s->kind == HADRON_KIND_ALLOCATOR) snprintf(prefix, sizeof prefix, "allocator.params.");
  else snprintf(prefix, sizeof prefix, "%s.%.*s.params.", list, (int)sizeof s->name, s->name);
  for (uint32_t i = t->count; i-- > 0;)
    if (strncmp(t->rows[i].text, prefix, strlen(prefix)) == 0) drop(t, i, "another version has taken its place");
}

static const char *tail_text(const void *tail, uint32_t tail_size, size_t *size) {
  uint32_t length = 0;
  if (tail_size >= sizeof length) memcpy(&length, tail, sizeof length);
  *size = length <= tail_size - sizeof length ? length : 0;
  return (const char *)tail + sizeof length;
}

static void see(struct hd_settings *t, uint16_t template_id, uint64_t position, const void *block, const void *tail, uint32_t tail_size) {
  char text[4096];
  size_t size = 0;
  const char *words = tail_size >= sizeof(uint32_t) ? tail_text(tail, tail_size, &size) : "";
  switch (template_id) {
  case HADRON_MSG_SESSION:
    if (!(((const struct hadron_session *)block)->flags & 1)) begin(t, words, size);
    break;
  case HADRON_MSG_ARM: {
    const struct hadron_arm_definition *d = block;
    if (d->arm > 0 && d->arm <= HD_ARMS_MAX) t->arms[d->arm] = *d;
    break;
  }
  case HADRON_MSG_DEPLOYMENT:
    if (((const struct hadron_deployment *)block)->stage == HADRON_DEPLOYMENT_SETTLE) prune(t);
    break;
  case HADRON_MSG_RECOVERED: prune(t); break;
  case HADRON_MSG_SWAP: on_swap(t, block); break;
  default:
    if (size < 5 || size >= sizeof text || memcmp(words, "set ", 4) != 0) break;
    memcpy(text, words + 4, size - 4);
    text[size - 4] = 0;
    on_set(t, position, text);
    break;
  }
}

void hd_settings_see(struct hd_settings *t, uint16_t template_id, uint64_t position, const void *block, uint32_t block_size, const void *tail,
                     uint32_t tail_size) {
  uint32_t least;
  switch (template_id) { // the tick path writes none of these
  case HADRON_MSG_SESSION: least = sizeof(struct hadron_session); break;
  case HADRON_MSG_ARM: least = sizeof(struct hadron_arm_definition); break;
  case HADRON_MSG_DEPLOYMENT: least = sizeof(struct hadron_deployment); break;
  case HADRON_MSG_SWAP: least = sizeof(struct hadron_swap); break;
  case HADRON_MSG_RECOVERED:
  case HADRON_MSG_OPERATOR: least = 0; break;
  default: return;
  }
  if (block_size < least) return;
  pthread_mutex_lock(&t->mutex);
  see(t, template_id, position, block, tail, tail_size);
  pthread_mutex_unlock(&t->mutex);
}

// ---- carrying out ----------------------------------------------------------------------------------------------------------------------

enum place { PLACE_HERE, PLACE_GONE, PLACE_OVERRULED };

// Does the version sit here, and does its deployment not say something newer?
static enum place place_of(const struct hd_session *s, const struct setting *row) {
  size_t name_end, prefix = sizeof "strategies." - 1;
  const char *param;
  if (!strategy_param(row->text, &name_end, &param)) return PLACE_HERE;
  size_t param_length = key_length(row->text) - (size_t)(param - row->text);
  for (uint32_t i = 0; i < s->arm_count; i++) {
    const struct hd_session_arm *arm = &s->arms[i];
    const char *name = arm->config->base.name;
    if (!arm->occupant || strlen(name) != name_end - prefix || memcmp(name, row->text + prefix, name_end - prefix) != 0) continue;
    if (memcmp(arm->occupant->plugin->digest, row->digest, sizeof row->digest) != 0) continue;
    for (uint32_t p = 0; p < arm->occupant->param_count && arm->revision > row->revision; p++)
      if (strlen(arm->occupant->params[p].name) == param_length && memcmp(arm->occupant->params[p].name, param, param_length) == 0) return PLACE_OVERRULED;
    return PLACE_HERE;
  }
  return PLACE_GONE;
}

void hd_settings_again(struct hd_session *s, uint64_t position) {
  struct hd_settings *t = s->settings;
  struct hd_fault fault = {0};
  for (uint32_t i = 0; t && s->options.set && i < t->count; i++) {
    if (t->rows[i].position != position) continue;
    enum place place = place_of(s, &t->rows[i]);
    if (place == PLACE_OVERRULED) drop(t, i--, "a newer revision of its deployment names the parameter");
    else if (place == PLACE_GONE) continue; // the record RECOVERED ends it, if nobody sits there by then
    else if (s->options.set(s, t->rows[i].text, &fault)) hd_log_warn("SET_AGAIN", "set %s: not taken: %s", t->rows[i].text, fault.text);
    else if (t->tells && !superseded(t, i)) hd_log_info("SET_AGAIN", "set %s: it was set while the host ran, and holds", t->rows[i].text);
  }
}

static bool is_said(const struct hd_deployment_param *said, uint32_t count, const char *name) {
  for (uint32_t i = 0; i < count; i++)
    if (strcmp(said[i].name, name) == 0) return true;
  return false;
}

// One assignment of a version; false: it is none of it, or the parameter has no place in a deployment.
static bool one_of(const struct setting *row, const char *name, const uint8_t digest[32], struct hd_deployment_param *out) {
  size_t name_end, prefix = sizeof "strategies." - 1, length = strlen(name);
  const char *param;
  if (memcmp(row->digest, digest, sizeof row->digest) != 0 || !strategy_param(row->text, &name_end, &param)) return false;
  if (length != name_end - prefix || memcmp(name, row->text + prefix, length) != 0) return false;
  size_t param_length = key_length(row->text) - (size_t)(param - row->text);
  if (param_length >= sizeof out->name || !hd_text_copy(out->text, sizeof out->text, param + param_length + 1)) return false;
  memcpy(out->name, param, param_length);
  out->name[param_length] = 0;
  return true;
}

uint32_t hd_settings_version(struct hd_settings *t, const char *name, const uint8_t digest[32], uint32_t revision, const struct hd_deployment_param *said, uint32_t said_count,
                             struct hd_deployment_param **out) {
  uint32_t count = 0;
  *out = NULL;
  if (!t) return 0;
  pthread_mutex_lock(&t->mutex);
  struct hd_deployment_param *found = t->count ? calloc(t->count, sizeof *found) : NULL;
  for (uint32_t i = 0; found && i < t->count; i++) {
    if (superseded(t, i) || !one_of(&t->rows[i], name, digest, &found[count])) continue;
    count += !(revision > t->rows[i].revision && is_said(said, said_count, found[count].name));
  }
  pthread_mutex_unlock(&t->mutex);
  if (count) *out = found;
  else free(found);
  return count;
}

int32_t hd_settings_service(struct hd_settings *t, const char *name, struct hadron_instance *instance, struct hd_fault *fault) {
  char prefix[HADRON_NAME_SIZE + 32];
  int32_t code = HADRON_OK;
  snprintf(prefix, sizeof prefix, "services.%s.params.", name);
  for (uint32_t i = 0; t && i < t->count && !code; i++) {
    const char *text = t->rows[i].text;
    size_t length = key_length(text), skip = strlen(prefix);
    char param[KEY_SIZE];
    if (strncmp(text, prefix, skip) != 0 || length - skip >= sizeof param) continue;
    memcpy(param, text + skip, length - skip);
    param[length - skip] = 0;
    const struct hd_param_value value = {param, text + length + 1, "set"};
    struct hd_params_change *change = NULL;
    code = hd_params_prepare_live(instance->plugin, &value, 1, &change, fault);
    if (!code) code = hd_params_commit(change, instance, fault);
    if (change) hd_params_free(change);
  }
  return code;
}

// ---- snapshots -------------------------------------------------------------------------------------------------------------------------

static void put_rows(const struct hd_settings *t, struct hd_image *m) {
  HD_IMAGE_PUT(m, t->config_size);
  hd_image_put(m, t->config, t->config_size);
  HD_IMAGE_PUT(m, t->arms);
  HD_IMAGE_PUT(m, t->count);
  for (uint32_t i = 0; i < t->count; i++) {
    const struct setting *row = &t->rows[i];
    uint32_t length = (uint32_t)strlen(row->text);
    HD_IMAGE_PUT(m, *row); // its pointer means nothing to a reader
    HD_IMAGE_PUT(m, length);
    hd_image_put(m, row->text, length);
  }
}

void hd_settings_save(struct hd_settings *t, struct hd_image *m) {
  struct hd_image rows = {0};
  if (t) {
    pthread_mutex_lock(&t->mutex);
    compact(t);
    put_rows(t, &rows);
    pthread_mutex_unlock(&t->mutex);
  }
  hd_image_mark(m, MARK);
  HD_IMAGE_PUT(m, rows.size);
  hd_image_put(m, rows.bytes, rows.size);
  m->bad |= rows.bad;
  hd_image_fini(&rows);
}

static void get_rows(struct hd_settings *t, struct hd_image *m) {
  uint32_t count = 0, length;
  HD_IMAGE_GET(m, t->config_size);
  m->bad |= t->config_size > m->size - m->at;
  if (m->bad || !(t->config = calloc(1, t->config_size + 1))) return;
  hd_image_get(m, t->config, t->config_size);
  HD_IMAGE_GET(m, t->arms);
  HD_IMAGE_GET(m, count);
  while (count-- > 0 && !m->bad) {
    struct setting row;
    char text[4096] = "";
    HD_IMAGE_GET(m, row);
    HD_IMAGE_GET(m, length);
    m->bad |= length >= sizeof text;
    if (m->bad) break;
    hd_image_get(m, text, length);
    row.position = 0;
    add(t, &row, text);
  }
}

void hd_settings_load(struct hd_settings *t, struct hd_image *m) {
  size_t size = 0;
  hd_image_expect(m, MARK);
  HD_IMAGE_GET(m, size);
  m->bad |= size > m->size - m->at;
  if (m->bad) return;
  size_t end = m->at + size;
  if (t && size > 0) get_rows(t, m);
  m->at = end;
}
