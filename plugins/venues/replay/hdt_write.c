#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc.h"
#include "hdt.h"

#define PAGE 4096u

static int32_t hdt_refused(struct hdt_writer *w, int32_t code, const char *found) {
  return fault_set(w->fault, code, "cannot write the tick file", w->path, "to write it whole", found,
                   "check the folder, its permissions and the space on the disk");
}

int32_t hdt_writer_open(struct hdt_writer *w, const char *path, uint32_t listings_max, uint16_t venue, struct fault *fault) {
  memset(w, 0, sizeof *w);
  w->fault = fault;
  text_copy(w->path, sizeof w->path, path, strlen(path));
  w->listings_max = listings_max;
  w->block = malloc(HDT_BLOCK * sizeof *w->block);
  w->listings = calloc(listings_max, sizeof *w->listings);
  if (!w->block || !w->listings) {
    hdt_writer_close(w);
    return hdt_refused(w, HADRON_ERR_MEMORY, "no memory");
  }
  w->file = fopen(path, "w+e");
  if (!w->file) {
    int32_t result = hdt_refused(w, HADRON_ERR_IO, strerror(errno));
    hdt_writer_close(w);
    return result;
  }
  struct hdt_header *h = &w->header;
  h->version = HDT_VERSION;
  h->header_size = sizeof *h;
  h->tick_size = sizeof(struct hadron_tick);
  h->listing_size = sizeof(struct hadron_listing);
  h->flags = HDT_SORTED;
  h->venue = venue;
  uint64_t end = sizeof *h + (uint64_t)listings_max * sizeof(struct hadron_listing);
  h->ticks_offset = (end + PAGE - 1) / PAGE * PAGE;
  if (fseek(w->file, (long)h->ticks_offset, SEEK_SET) != 0) return hdt_refused(w, HADRON_ERR_IO, strerror(errno));
  return HADRON_OK;
}

int32_t hdt_writer_listing(struct hdt_writer *w, const struct hadron_listing *listing, uint32_t *handle) {
  if (w->header.listings == w->listings_max) return hdt_refused(w, HADRON_ERR_FULL, "more listings than it has place for");
  w->listings[w->header.listings++] = *listing;
  *handle = w->header.listings;
  return HADRON_OK;
}

static int32_t hdt_writer_block(struct hdt_writer *w) {
  uint64_t index = (w->header.ticks - 1) / HDT_BLOCK;
  if (index >= w->block_capacity) {
    uint64_t capacity = w->block_capacity ? 2 * w->block_capacity : 64;
    struct hdt_block *larger = realloc(w->blocks, capacity * sizeof *larger);
    if (!larger) return hdt_refused(w, HADRON_ERR_MEMORY, "no memory");
    w->blocks = larger;
    w->block_capacity = capacity;
  }
  memset(&w->blocks[index], 0, sizeof w->blocks[index]);
  if (w->filled == HDT_BLOCK) crc32c_four(w->block, HDT_BLOCK / 4 * sizeof *w->block, w->blocks[index].crc);
  else w->blocks[index].crc[0] = crc32c(0, w->block, w->filled * sizeof *w->block);
  if (fwrite(w->block, sizeof *w->block, w->filled, w->file) != w->filled) return hdt_refused(w, HADRON_ERR_IO, strerror(errno));
  w->filled = 0;
  return HADRON_OK;
}

int32_t hdt_writer_tick(struct hdt_writer *w, const struct hadron_tick *tick) {
  struct hdt_header *h = &w->header;
  struct hadron_tick *copy = &w->block[w->filled++];
  *copy = *tick;
  copy->venue = h->venue;
  if (h->ticks++ == 0) h->first_ns = tick->recv_ns;
  else if (tick->recv_ns < h->last_ns) h->flags &= ~HDT_SORTED;
  h->last_ns = tick->recv_ns;
  return w->filled == HDT_BLOCK ? hdt_writer_block(w) : HADRON_OK;
}

int32_t hdt_writer_finish(struct hdt_writer *w) {
  struct hdt_header *h = &w->header;
  if (w->filled) {
    int32_t result = hdt_writer_block(w);
    if (result) return result;
  }
  uint64_t blocks = (h->ticks + HDT_BLOCK - 1) / HDT_BLOCK;
  h->blocks_offset = h->ticks_offset + h->ticks * sizeof(struct hadron_tick);
  h->blocks_crc = crc32c(0, w->blocks, blocks * sizeof *w->blocks);
  h->listings_crc = crc32c(0, w->listings, h->listings * sizeof *w->listings);
  memcpy(h->magic, HDT_MAGIC, sizeof h->magic);
  h->header_crc = 0;
  h->header_crc = crc32c(0, h, sizeof *h);
  bool fine = fwrite(w->blocks, sizeof *w->blocks, blocks, w->file) == blocks;
  fine = fine && fseek(w->file, sizeof *h, SEEK_SET) == 0;
  fine = fine && fwrite(w->listings, sizeof *w->listings, h->listings, w->file) == h->listings;
  fine = fine && fflush(w->file) == 0 && fdatasync(fileno(w->file)) == 0;
  fine = fine && fseek(w->file, 0, SEEK_SET) == 0 && fwrite(h, sizeof *h, 1, w->file) == 1 && fflush(w->file) == 0;
  // An empty recording ends before its ticks begin.
  fine = fine && (h->ticks > 0 || ftruncate(fileno(w->file), (off_t)h->blocks_offset) == 0);
  if (!fine || fclose(w->file) != 0) {
    int32_t result = hdt_refused(w, HADRON_ERR_IO, strerror(errno));
    if (!fine) fclose(w->file);
    w->file = NULL;
    unlink(w->path);
    return result;
  }
  w->file = NULL;
  return HADRON_OK;
}

void hdt_writer_close(struct hdt_writer *w) {
  if (w->file) {
    fclose(w->file);
    unlink(w->path);
  }
  free(w->block);
  free(w->blocks);
  free(w->listings);
  w->file = NULL;
  w->block = NULL;
  w->blocks = NULL;
  w->listings = NULL;
}
