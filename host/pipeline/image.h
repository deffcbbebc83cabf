// An image: state as bytes, in memory. Written piece by piece and read back in the same order; what is missing or too much makes it bad, and a
// bad image reads as zeros. Structs go in as they lie in memory: an image is for the program that made it (hd_image_layout).
#ifndef HD_PIPELINE_IMAGE_H
#define HD_PIPELINE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct hd_image {
  unsigned char *bytes;  // owned
  size_t size, room, at; // written; allocated; read so far
  bool bad;
};

static inline void hd_image_put(struct hd_image *m, const void *from, size_t size) {
  if (!m->bad && m->size + size > m->room) {
    size_t room = (m->room + size + 4096) * 2;
    unsigned char *grown = realloc(m->bytes, room);
    m->bad = grown == NULL;
    if (grown) m->bytes = grown, m->room = room;
  }
  if (m->bad || size == 0) return;
  memcpy(m->bytes + m->size, from, size);
  m->size += size;
}

static inline void hd_image_get(struct hd_image *m, void *to, size_t size) {
  m->bad |= size > m->size - m->at;
  if (m->bad) memset(to, 0, size);
  else memcpy(to, m->bytes + m->at, size);
  if (!m->bad) m->at += size;
}

#define HD_IMAGE_PUT(m, value) hd_image_put((m), &(value), sizeof(value))
#define HD_IMAGE_GET(m, value) hd_image_get((m), &(value), sizeof(value))

// A number that stands in the image in a known place: where the reader has lost its way it is another one.
static inline void hd_image_mark(struct hd_image *m, uint32_t mark) { HD_IMAGE_PUT(m, mark); }
static inline void hd_image_expect(struct hd_image *m, uint32_t mark) {
  uint32_t found;
  HD_IMAGE_GET(m, found);
  m->bad |= found != mark;
}

static inline void hd_image_fini(struct hd_image *m) {
  free(m->bytes);
  *m = (struct hd_image){0};
}

// The pieces, each by who knows what is in it. A loader leaves a bad image, or what it has read of a good one.
struct hd_gateway;
struct hd_engine;
void hd_gateway_save(const struct hd_gateway *g, struct hd_image *m);
// venues[old]: the venue's number now; venue_max + 1 of them. HADRON_ERR_FULL: more open orders than there is room for.
int32_t hd_gateway_load(struct hd_gateway *g, struct hd_image *m, const uint16_t *venues, uint32_t venue_max);
// The rows of instruments, running bars, timers. arms[old]: whose the timers are now, 0: nobody's.
void hd_engine_save(const struct hd_engine *e, struct hd_image *m);
void hd_engine_forget(struct hd_engine *e, const uint32_t *arms, uint32_t arm_max); // their timers, before images are loaded
void hd_engine_load(struct hd_engine *const *engines, uint32_t shards, struct hd_image *m, const uint32_t *arms, uint32_t arm_max);
uint64_t hd_image_layout(void); // of all structs that are in one

#endif
