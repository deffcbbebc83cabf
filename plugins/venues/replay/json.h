// A pull scanner over one line of JSON, for frames whose shape is known: no tree, no allocation, escapes are not undone. [any]
//
//   struct json j = {at, end};
//   if (!json_open(&j, '{')) ...
//   while (json_key(&j, &key)) { json_string(&j, &s) | json_integer(&j, &n) | json_open(&j, '[') | json_skip(&j) }
//   if (!json_closed(&j)) it was not JSON
//
// A false from json_key or json_item is the end of the object or array, or a fault: then `broken` is set.
#ifndef REPLAY_JSON_H
#define REPLAY_JSON_H

#include "scan.h"

struct json {
  const char *at, *end;
  bool broken;
};

static inline void json_blank(struct json *j) {
  while (j->at < j->end && (*j->at == ' ' || *j->at == '\t')) j->at++;
}

static inline char json_peek(struct json *j) {
  json_blank(j);
  return j->at < j->end ? *j->at : '\0';
}

static inline bool json_open(struct json *j, char bracket) {
  if (json_peek(j) != bracket) return false;
  j->at++;
  return true;
}

static inline bool json_string(struct json *j, struct scan *out) {
  if (!json_open(j, '"')) return false;
  out->at = j->at;
  while (j->at < j->end && *j->at != '"') j->at += *j->at == '\\' ? 2 : 1;
  if (j->at >= j->end) {
    j->at = j->end;
    return false;
  }
  out->end = j->at++;
  return true;
}

static inline bool json_integer(struct json *j, int64_t *out) {
  json_blank(j);
  bool minus = j->at < j->end && *j->at == '-';
  if (minus) j->at++;
  struct scan s = {j->at, j->end};
  if (!scan_unsigned(&s, out)) return false;
  j->at = s.at;
  if (minus) *out = -*out;
  return true;
}

// Any value; nesting is counted, so depth costs no stack.
static inline bool json_skip(struct json *j) {
  int depth = 0;
  struct scan text;
  do {
    char c = json_peek(j);
    if (c == '\0') return false;
    if (c == '"') {
      if (!json_string(j, &text)) return false;
    } else {
      if (c == '{' || c == '[') depth++;
      if (c == '}' || c == ']') depth--;
      j->at++;
      // A bare word or number ends where its bytes end.
      if (depth == 0 && c != '}' && c != ']')
        while (j->at < j->end && *j->at != ',' && *j->at != '}' && *j->at != ']') j->at++;
    }
  } while (depth > 0);
  return depth == 0;
}

// Behind `[` or an item: is there another?
static inline bool json_item(struct json *j, char close) {
  if (j->broken) return false;
  char c = json_peek(j);
  if (c == close) {
    j->at++;
    return false;
  }
  if (c == ',') j->at++;
  if (c == '\0') j->broken = true;
  return !j->broken;
}

static inline bool json_key(struct json *j, struct scan *key) {
  if (!json_item(j, '}')) return false;
  if (json_string(j, key) && json_open(j, ':')) return true;
  j->broken = true;
  return false;
}

static inline bool json_closed(struct json *j) { return !j->broken && json_peek(j) == '\0'; }

#endif
