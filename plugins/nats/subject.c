#include "subject.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_INSTRUMENT UINT16_MAX
#define AT(type) ((uint16_t)offsetof(struct type, instrument))

// By template id. The instrument of a tick_reject or a venue_report is the venue's own handle: it says nothing outside the host.
static const struct { const char *name; uint16_t instrument; } kinds[] = {
    [HADRON_MSG_TICK] = {"tick", AT(hadron_tick)},
    [HADRON_MSG_BAR] = {"bar", AT(hadron_bar)},
    [HADRON_MSG_DECISION] = {"decision", AT(hadron_decision)},
    [HADRON_MSG_OPPORTUNITY] = {"opportunity", AT(hadron_opportunity)},
    [HADRON_MSG_INTENT] = {"intent", AT(hadron_intent)},
    [HADRON_MSG_ORDER] = {"order", AT(hadron_order)},
    [HADRON_MSG_ORDER_EVENT] = {"order_event", AT(hadron_order_event)},
    [HADRON_MSG_EXECUTION] = {"execution", AT(hadron_execution)},
    [HADRON_MSG_ALLOCATION] = {"allocation", AT(hadron_allocation)},
    [HADRON_MSG_TICK_REJECT] = {"tick_reject", NO_INSTRUMENT},
    [HADRON_MSG_INSTRUMENT] = {"instrument", AT(hadron_instrument_definition)},
    [HADRON_MSG_ARM] = {"arm", NO_INSTRUMENT},
    [HADRON_MSG_SESSION] = {"session", NO_INSTRUMENT},
    [HADRON_MSG_OPERATOR] = {"operator", NO_INSTRUMENT},
    [HADRON_MSG_TIMER] = {"timer", AT(hadron_timer_fired)},
    [HADRON_MSG_VENUE_STATUS] = {"venue_status", NO_INSTRUMENT},
    [HADRON_MSG_ALERT] = {"alert", AT(hadron_alert)},
    [HADRON_MSG_ADJUSTMENT] = {"adjustment", AT(hadron_adjustment)},
    [HADRON_MSG_EQUITY] = {"equity", NO_INSTRUMENT},
    [HADRON_MSG_VENUE_REPORT] = {"venue_report", NO_INSTRUMENT},
    [HADRON_MSG_SWAP] = {"swap", NO_INSTRUMENT},
    [HADRON_MSG_RECOVERED] = {"recovered", NO_INSTRUMENT},
    [HADRON_MSG_SHARE] = {"share", AT(hadron_order_share)},
    [HADRON_MSG_DEPLOYMENT] = {"deployment", NO_INSTRUMENT},
    [HADRON_MSG_HEARD] = {"heard", NO_INSTRUMENT},
    [HADRON_MSG_MARK] = {"mark", AT(hadron_mark)},
};
#define KINDS (sizeof kinds / sizeof *kinds)

uint32_t subject_instrument(uint16_t template_id, const void *block, uint32_t size, bool *has) {
  uint32_t instrument = 0;
  *has = template_id < KINDS && kinds[template_id].name && kinds[template_id].instrument != NO_INSTRUMENT;
  if (*has && kinds[template_id].instrument + sizeof instrument <= size)
    memcpy(&instrument, (const uint8_t *)block + kinds[template_id].instrument, sizeof instrument);
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
  const char *kind = template_id < KINDS && kinds[template_id].name ? kinds[template_id].name : newer;
  snprintf(to, SUBJECT_SIZE, "%s.%s%s%s", prefix, kind, token ? "." : "", token ? token : "");
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
