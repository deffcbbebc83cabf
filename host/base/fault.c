#include "base/fault.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/text.h"

int32_t hd_fault_set(struct hd_fault *fault, int32_t code, const char *format, ...) {
  HD_ASSERT(code < 0);
  if (fault == NULL) return code;
  // Formatted apart first: callers may pass the fault's own text as an argument.
  char text[HD_FAULT_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  fault->code = code;
  hd_text_copy(fault->text, sizeof fault->text, text);
  return code;
}

int32_t hd_fault_prefix(struct hd_fault *fault, const char *format, ...) {
  if (fault == NULL) return HADRON_ERR_INTERNAL;
  // A prefix is cut to half of the text, so that the words of the place that knows most stay.
  char front[HD_FAULT_SIZE / 2], back[HD_FAULT_SIZE];
  va_list args;
  va_start(args, format);
  vsnprintf(front, sizeof front, format, args);
  va_end(args);
  hd_text_copy(back, sizeof back, fault->text);
  hd_text_copy(fault->text, sizeof fault->text, front);
  size_t used = strlen(fault->text);
  hd_text_copy(fault->text + used, sizeof fault->text - used, back);
  return fault->code;
}
