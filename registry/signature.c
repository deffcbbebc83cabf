#include "registry/signature.h"

#include "base/banned.h"
#include "base/text.h"
#include "plugin/manifest.h"
#include "plugin/mismatch.h"
#include "registry/file.h"

#define FIRST_LINE "hadron artifact 1"

void hd_claim_format(const struct hd_claim *c, char text[HD_CLAIM_TEXT_SIZE]) {
  char digest[65];
  hd_hex_format(digest, c->digest, 32);
  snprintf(text, HD_CLAIM_TEXT_SIZE, FIRST_LINE "\nname: %s\nversion: %s\nkind: %s\nabi: %u.%u\ndigest: %s\nsize: %llu\n", c->name, c->version, hd_kind_name(c->kind),
           c->abi_major, c->abi_minor, digest, (unsigned long long)c->size);
}

int32_t hd_claim_compare(const char *path, const struct hd_claim *s, const struct hd_claim *f, struct hd_fault *fault) {
  struct hd_mismatch d = {0};
  char what[512], a[65], b[65];
  hd_hex_format(a, s->digest, 32);
  hd_hex_format(b, f->digest, 32);
  if (strcmp(s->name, f->name) != 0) hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "name", "signed \"%s\", found \"%s\"", s->name, f->name);
  if (strcmp(s->version, f->version) != 0) hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "version", "signed %s, found %s", s->version, f->version);
  if (s->kind != f->kind) hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "kind", "signed %s, found %s", hd_kind_name(s->kind), hd_kind_name(f->kind));
  if (s->abi_major != f->abi_major || s->abi_minor != f->abi_minor)
    hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "abi", "signed %u.%u, found %u.%u", s->abi_major, s->abi_minor, f->abi_major, f->abi_minor);
  if (strcmp(a, b) != 0) hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "digest", "signed %.16s..., found %.16s...", a, b);
  if (s->size != f->size) hd_mismatch_add(&d, HADRON_ERR_PERMISSION, "size", "signed %llu, found %llu", (unsigned long long)s->size, (unsigned long long)f->size);
  snprintf(what, sizeof what, "%.400s: the signature is of another artifact", path);
  return hd_mismatch_end(&d, what, "Sign this file, or take the file that was signed.", fault);
}

// ---- the file

struct lines {
  const char *path, *at, *end;
  unsigned number;
  char key[32], value[256]; // of the line
};

static int32_t line_fault(const struct lines *l, const char *expected, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_PARSE, "%s:%u: expected %s; sign the artifact again with `hadron registry sign`", l->path, l->number, expected);
}

// Exactly "key: value\n".
static bool line_next(struct lines *l) {
  const char *newline = l->at < l->end ? memchr(l->at, '\n', (size_t)(l->end - l->at)) : NULL;
  l->number++;
  if (!newline) return false;
  size_t size = (size_t)(newline - l->at);
  const char *colon = memchr(l->at, ':', size);
  if (!colon || colon == l->at || (size_t)(colon - l->at) >= sizeof l->key || newline - colon < 3 || colon[1] != ' ' || (size_t)(newline - colon - 2) >= sizeof l->value) return false;
  memcpy(l->key, l->at, (size_t)(colon - l->at));
  l->key[colon - l->at] = 0;
  memcpy(l->value, colon + 2, (size_t)(newline - colon - 2));
  l->value[newline - colon - 2] = 0;
  l->at = newline + 1;
  return strlen(l->value) == (size_t)(newline - colon - 2); // no NUL inside
}

static bool number_parse(const char *text, uint64_t max, uint64_t *out, const char **end) {
  uint64_t value = 0;
  const char *p = text;
  for (; *p >= '0' && *p <= '9' && value <= max; p++) value = value * 10 + (uint64_t)(*p - '0');
  *out = value;
  *end = p;
  return p > text && value <= max && (p == text + 1 || *text != '0');
}

static bool field_parse(struct hd_claim *c, uint32_t field, const char *value) {
  uint64_t major, minor;
  const char *end;
  switch (field) {
  case 0: return hd_name_valid(value) && hd_text_copy(c->name, sizeof c->name, value);
  case 1: return hd_version_valid(value) && hd_text_copy(c->version, sizeof c->version, value);
  case 2: return (c->kind = hd_kind_parse(value)) != HADRON_KIND_INVALID;
  case 3:
    if (!number_parse(value, UINT16_MAX, &major, &end) || *end != '.' || !number_parse(end + 1, UINT16_MAX, &minor, &end) || *end) return false;
    c->abi_major = (uint16_t)major, c->abi_minor = (uint16_t)minor;
    return true;
  case 4: return strlen(value) == 64 && hd_hex_parse(c->digest, value, 32);
  default: return number_parse(value, INT64_MAX, &c->size, &end) && !*end;
  }
}

static bool key_id_valid(const char *text) { return strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64; }

int32_t hd_signatures_parse(const char *path, const char *text, size_t size, struct hd_signatures *out, struct hd_fault *fault) {
  static const char *const keys[] = {"name", "version", "kind", "abi", "digest", "size"};
  struct lines l = {path, text, text + size, 1, "", ""};
  struct hd_signatures s = {0};
  struct hd_signature row;
  char again[HD_CLAIM_TEXT_SIZE];
  if (size < sizeof FIRST_LINE || memcmp(text, FIRST_LINE "\n", sizeof FIRST_LINE) != 0) return line_fault(&l, "\"" FIRST_LINE "\"", fault);
  l.at += sizeof FIRST_LINE;
  for (uint32_t i = 0; i < sizeof keys / sizeof *keys; i++)
    if (!line_next(&l) || strcmp(l.key, keys[i]) != 0 || !field_parse(&s.claim, i, l.value)) return line_fault(&l, keys[i], fault);
  hd_claim_format(&s.claim, again);
  if (strlen(again) != (size_t)(l.at - text) || memcmp(again, text, strlen(again)) != 0) return line_fault(&l, "the canonical form of the lines above", fault);
  while (l.at < l.end) {
    if (!line_next(&l) || strcmp(l.key, "key") != 0 || !key_id_valid(l.value)) return line_fault(&l, "key: and 64 hex digits", fault);
    hd_text_copy(row.key_id, sizeof row.key_id, l.value);
    if (!line_next(&l) || strcmp(l.key, "signature") != 0 || !hd_text_copy(row.text, sizeof row.text, l.value)) return line_fault(&l, "signature: and base64", fault);
    for (uint32_t i = 0; i < s.count; i++)
      if (strcmp(s.rows[i].key_id, row.key_id) == 0) return line_fault(&l, "each key once", fault);
    if (hd_signatures_add(&s, &row, NULL)) return line_fault(&l, "at most 8 signatures", fault);
  }
  if (s.count == 0) return line_fault(&l, "at least one signature", fault);
  *out = s;
  return HADRON_OK;
}

int32_t hd_signatures_read(const char *path, struct hd_signatures *out, struct hd_fault *fault) {
  struct hd_source file;
  int32_t code = hd_source_read(path, HD_SIGNATURE_FILE_MAX, &file, fault);
  if (code) return code;
  code = hd_signatures_parse(path, (const char *)file.bytes, file.size, out, fault);
  hd_source_free(&file);
  return code;
}

size_t hd_signatures_format(const struct hd_signatures *s, char text[HD_SIGNATURE_FILE_MAX]) {
  hd_claim_format(&s->claim, text);
  size_t used = strlen(text);
  for (uint32_t i = 0; i < s->count; i++)
    used += (size_t)snprintf(text + used, HD_SIGNATURE_FILE_MAX - used, "key: %s\nsignature: %s\n", s->rows[i].key_id, s->rows[i].text);
  return used;
}

int32_t hd_signatures_write(const char *path, const struct hd_signatures *s, struct hd_fault *fault) {
  char text[HD_SIGNATURE_FILE_MAX];
  return hd_file_replace(path, text, hd_signatures_format(s, text), 0644, fault);
}

int32_t hd_signatures_add(struct hd_signatures *s, const struct hd_signature *signature, struct hd_fault *fault) {
  uint32_t i = 0;
  while (i < s->count && strcmp(s->rows[i].key_id, signature->key_id) != 0) i++;
  if (i == HD_SIGNATURES_MAX) return hd_fault_set(fault, HADRON_ERR_FULL, "expected at most %d signatures of an artifact, found one more; remove one", HD_SIGNATURES_MAX);
  s->rows[i] = *signature;
  if (i == s->count) s->count++;
  return HADRON_OK;
}
