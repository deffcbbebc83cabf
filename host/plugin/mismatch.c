#include "plugin/mismatch.h"

#include "base/banned.h"

void hd_mismatch_add(struct hd_mismatch *m, int32_t code, const char *field, const char *format, ...) {
  if (m->code == 0) m->code = code;
  m->count++;
  char words[320], line[400];
  va_list args;
  va_start(args, format);
  vsnprintf(words, sizeof words, format, args);
  va_end(args);
  int length = snprintf(line, sizeof line, "\n  %s: %s", field, words);
  if (length < 0 || (size_t)length >= sizeof line || m->used + (size_t)length >= sizeof m->text) return;
  memcpy(m->text + m->used, line, (size_t)length + 1);
  m->used += (size_t)length;
}

int32_t hd_mismatch_end(const struct hd_mismatch *m, const char *what, const char *hint, struct hd_fault *fault) {
  if (m->code == 0) return HADRON_OK;
  return hd_fault_set(fault, m->code, "%s (%u difference%s):%s\n%s", what, m->count, m->count == 1 ? "" : "s", m->text, hint);
}
