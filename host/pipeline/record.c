#include "pipeline/record.h"

#include <string.h>

#include "base/text.h"

int32_t hd_record_text(const struct hd_record_sink *sink, uint16_t template_id, const void *block, uint16_t block_size, const char *text, int64_t now_ns) {
  struct {
    uint32_t size; // SBE varData: length, then bytes
    char bytes[HD_RECORD_TEXT_MAX];
  } tail;
  hd_text_copy(tail.bytes, sizeof tail.bytes, text);
  tail.size = (uint32_t)strlen(tail.bytes);
  return sink->write(sink->self, template_id, block, block_size, &tail, (uint32_t)sizeof tail.size + tail.size, now_ns, HD_RECORD_RESERVED);
}
