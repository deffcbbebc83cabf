#include "subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct subject_kind *kind_of(uint16_t template_id) {
  return template_id < subject_kind_count && subject_kinds[template_id].name ? &subject_kinds[template_id] : NULL;
}

uint32_t subject_instrument(uint16_t template_id, const void *block, uint32_t size, bool *has) {
  const struct subject_kind *kind = kind_of(template_id);
  uint32_t instrument = 0;
  *has = kind && kind->instrument != SUBJECT_NO_INSTRUMENT;
  if (*has && kind->instrument + sizeof instrument <= size) memcpy(&instrument, (const uint8_t *)block + kind->instrument, sizeof instrument);
  return instrument;
}

static bool plain(unsigned char c, size_t at) { return c > ' ' && c < 127 && !strchr(".*>%", c) && (c != '_' || at > 0); }

void subject_token(char to[TOKEN_SIZE], const char *name, size_t size) {
  static const char digits[] = "0123456789ABCDEF";
  size_t n = 0;
  for (size_t i = 0; i < size && name[i] && n + 4 <= TOKEN_SIZE; i++) {
    unsigned char c = (unsigned char)name[i];
    if (plain(c, i)) {
      to[n++] = (char)c;
      continue;
    }
    to[n++] = '%';
    to[n++] = digits[c >> 4];
    to[n++] = digits[c & 15];
  }
  if (n == 0) to[n++] = '_';
  to[n] = '\0';
}

static int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

bool subject_name(char to[HADRON_SYMBOL_SIZE], const char *token) {
  char name[HADRON_SYMBOL_SIZE] = {0};
  size_t n = 0;
  if (token[0] == '_') return false;
  for (; *token; token++) {
    int c = (unsigned char)*token;
    if (c == '%') {
      int high = digit(token[1]), low = high < 0 ? -1 : digit(token[2]);
      if (low < 0 || (high == 0 && low == 0)) return false;
      c = high << 4 | low;
      token += 2;
    } else if (!plain((unsigned char)c, n)) {
      return false;
    }
    if (n + 1 >= sizeof name) return false;
    name[n++] = (char)c;
  }
  if (n == 0) return false;
  memcpy(to, name, sizeof name);
  return true;
}

void subject_write(char to[SUBJECT_SIZE], const char *prefix, uint16_t template_id, const char *token) {
  char newer[16];
  snprintf(newer, sizeof newer, "message_%u", template_id); // of a schema that this plugin does not know
  const struct subject_kind *kind = kind_of(template_id);
  snprintf(to, SUBJECT_SIZE, "%s.%s%s%s", prefix, kind ? kind->name : newer, token ? "." : "", token ? token : "");
}

bool subject_prefix_valid(const char *prefix) {
  size_t size = strlen(prefix), token = 0;
  if (size == 0 || size >= PREFIX_SIZE || prefix[0] == '$') return false; // '$': the server's own
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)prefix[i];
    if (c == '.' ? token == 0 : c <= ' ' || c >= 127 || c == '*' || c == '>') return false;
    token = c == '.' ? 0 : token + 1;
  }
  return token > 0;
}

bool subject_covers(const char *pattern, const char *prefix) {
  for (;;) {
    size_t p = strcspn(pattern, "."), q = strcspn(prefix, ".");
    if (p == 1 && *pattern == '>') return true;
    if (q == 0) return false; // of what is below the prefix only ">" takes everything
    bool any = p == 1 && *pattern == '*';
    if (!any && (p != q || memcmp(pattern, prefix, p) != 0)) return false;
    if (pattern[p] == '\0') return false;
    pattern += p + 1;
    prefix += prefix[q] ? q + 1 : q;
  }
}

void message_id_write(char to[MESSAGE_ID_SIZE], const uint8_t journal[16], uint64_t position) {
  for (int i = 0; i < 16; i++) snprintf(to + 2 * i, 3, "%02x", journal[i]);
  snprintf(to + 32, MESSAGE_ID_SIZE - 32, "-%" PRIu64, position);
}

bool message_id_read(const char *text, uint8_t journal[16], uint64_t *position) {
  uint8_t id[16];
  char *end;
  for (int i = 0; i < 16; i++) {
    int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);
    if (low < 0) return false;
    id[i] = (uint8_t)(high << 4 | low);
  }
  if (text[32] != '-' || text[33] < '0' || text[33] > '9') return false;
  unsigned long long value = strtoull(text + 33, &end, 10);
  if (*end != '\0') return false;
  memcpy(journal, id, sizeof id);
  *position = value;
  return true;
}
