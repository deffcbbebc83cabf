#include "journal/digest.h"

#include "base/banned.h"
#include "base/text.h"

void hd_digest_init(struct hd_digest *d) {
  hd_sha256_init(&d->hash);
  d->records = 0;
}

void hd_digest_add(struct hd_digest *d, uint16_t template_id, const void *block, size_t block_length, const void *tail,
                   size_t tail_size) {
  if (!hd_digest_wants(template_id)) return;
  // Kind and size in front: two different runs of records can never be the same run of bytes.
  unsigned char front[6];
  uint32_t size = (uint32_t)(block_length + tail_size);
  memcpy(front, &template_id, sizeof template_id);
  memcpy(front + sizeof template_id, &size, sizeof size);
  hd_sha256_update(&d->hash, front, sizeof front);
  hd_sha256_update(&d->hash, block, block_length);
  if (tail_size) hd_sha256_update(&d->hash, tail, tail_size);
  d->records++;
}

void hd_digest_text(const struct hd_digest *d, char text[HD_DIGEST_TEXT]) {
  struct hd_sha256 copy = d->hash;
  uint8_t digest[32];
  hd_sha256_final(&copy, digest);
  hd_hex_format(text, digest, sizeof digest);
}
