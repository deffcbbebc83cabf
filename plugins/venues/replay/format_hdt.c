// The native tick file (hdt.h), mapped. Where the host's handles and venue number are those of the file, and nothing is cut by
// time, the mapped ticks go to the host as they lie; else they are copied a batch at a time.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crc.h"
#include "hdt.h"
#include "reader.h"

struct hdt {
  const uint8_t *map; // read-only
  size_t size;
  struct hdt_header header;
  const struct hadron_tick *ticks;
  uint64_t next, end;    // ticks still to give
  uint64_t checked;      // blocks whose checksum was right
  uint32_t *handles;     // per listing
  bool as_is;            // no tick needs a change
};

static bool hdt_sniff(const struct file_probe *probe) { return probe->size >= 8 && memcmp(probe->bytes, HDT_MAGIC, 8) == 0; }

static int32_t hdt_damaged(struct reader *r, const char *expected, const char *found) {
  return reader_fault(r, HADRON_ERR_CORRUPT, expected, found, "restore it, or convert the original again");
}

static int32_t hdt_map(struct reader *r, struct hdt *h) {
  struct stat status;
  int fd = open(r->path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) != 0) {
    int32_t result = reader_fault(r, HADRON_ERR_IO, "a readable file", strerror(errno), "check the path and its permissions");
    if (fd >= 0) close(fd);
    return result;
  }
  h->size = (size_t)status.st_size;
  void *map = h->size >= sizeof h->header ? mmap(NULL, h->size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
  close(fd);
  if (map == MAP_FAILED) return hdt_damaged(r, "a header of 128 bytes", "a shorter file");
  h->map = map;
  madvise(map, h->size, MADV_SEQUENTIAL);
  return HADRON_OK;
}

// Every number of the header against the size of the file, before anything is read by it.
static int32_t hdt_check(struct reader *r, struct hdt *h) {
  memcpy(&h->header, h->map, sizeof h->header);
  struct hdt_header *d = &h->header;
  uint32_t crc = d->header_crc;
  d->header_crc = 0;
  if (memcmp(d->magic, HDT_MAGIC, 8) != 0) return hdt_damaged(r, "the magic HDRNTICK", "other bytes");
  if (d->version != HDT_VERSION) return reader_fault(r, HADRON_ERR_UNSUPPORTED, "version 1", "another", "convert the original again");
  if (crc32c(0, d, sizeof *d) != crc) return hdt_damaged(r, "the header's checksum", "another");
  if (d->header_size != sizeof *d || d->tick_size != sizeof(struct hadron_tick) || d->listing_size != sizeof(struct hadron_listing))
    return hdt_damaged(r, "the sizes of version 1", "others");
  uint64_t listings_end = sizeof *d + (uint64_t)d->listings * sizeof(struct hadron_listing);
  uint64_t blocks = (d->ticks + HDT_BLOCK - 1) / HDT_BLOCK;
  if (d->listings > SYMBOLS_MAX || listings_end > d->ticks_offset || d->ticks_offset % 4096 || d->ticks_offset > h->size ||
      d->ticks > (h->size - d->ticks_offset) / sizeof(struct hadron_tick) ||
      d->blocks_offset != d->ticks_offset + d->ticks * sizeof(struct hadron_tick) ||
      blocks * sizeof(struct hdt_block) > h->size - d->blocks_offset)
    return hdt_damaged(r, "as many bytes as the header says", "another size: the file was cut, or has grown");
  if (crc32c(0, h->map + sizeof *d, d->listings * sizeof(struct hadron_listing)) != d->listings_crc)
    return hdt_damaged(r, "the listings' checksum", "another");
  if (crc32c(0, h->map + d->blocks_offset, blocks * sizeof(struct hdt_block)) != d->blocks_crc)
    return hdt_damaged(r, "the block table's checksum", "another");
  h->ticks = (const struct hadron_tick *)(const void *)(h->map + d->ticks_offset);
  h->end = d->ticks;
  return HADRON_OK;
}

static int32_t hdt_listings(struct reader *r, struct hdt *h) {
  h->handles = calloc((size_t)h->header.listings + 1, sizeof *h->handles);
  if (!h->handles) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  h->handles[0] = SYMBOL_UNWANTED;
  h->as_is = h->header.venue == r->setup->venue;
  for (uint32_t i = 1; i <= h->header.listings; i++) {
    struct hadron_listing listing;
    struct symbol *symbol;
    memcpy(&listing, h->map + sizeof h->header + (i - 1) * sizeof listing, sizeof listing);
    listing.symbol[sizeof listing.symbol - 1] = listing.name[sizeof listing.name - 1] = '\0';
    listing.currency[sizeof listing.currency - 1] = '\0';
    const char *override = r->setup->options.symbol;
    if (override[0]) text_copy(listing.symbol, sizeof listing.symbol, override, strlen(override));
    int32_t result = symbols_get(r->setup->symbols, &listing, &symbol);
    if (result) return reader_fault(r, result, "a listing that the host takes", hadron_error_text(result), hadron_error_hint(result));
    h->handles[i] = symbol->handle;
    h->as_is &= symbol->handle == i;
    if (r->symbols++ == 0) text_copy(r->symbol, sizeof r->symbol, listing.symbol, strlen(listing.symbol));
  }
  return HADRON_OK;
}

// First tick at or after a time, in a sorted file.
static uint64_t hdt_find(const struct hdt *h, int64_t ns) {
  uint64_t low = 0, high = h->header.ticks;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (h->ticks[middle].recv_ns < ns) low = middle + 1;
    else high = middle;
  }
  return low;
}

static int32_t hdt_open(struct reader *r) {
  struct hdt *h = calloc(1, sizeof *h);
  if (!h) return reader_fault(r, HADRON_ERR_MEMORY, "memory", "none", "give the process more memory");
  r->state = h;
  int32_t result = hdt_map(r, h);
  if (!result) result = hdt_check(r, h);
  if (!result) result = hdt_listings(r, h);
  if (result) return result;
  const struct reader_options *o = &r->setup->options;
  bool cut = o->from_ns > INT64_MIN || o->to_ns < INT64_MAX;
  if (cut && (h->header.flags & HDT_SORTED)) {
    h->next = hdt_find(h, o->from_ns);
    h->end = hdt_find(h, o->to_ns);
    if (h->end < h->next) h->end = h->next;
    h->checked = h->next / HDT_BLOCK;
  } else if (cut) {
    h->as_is = false;
  }
  memcpy(r->label, "native ticks", sizeof "native ticks");
  return HADRON_OK;
}

// The checksum of the block that holds `next`, once.
static int32_t hdt_verify(struct reader *r, struct hdt *h) {
  uint64_t index = h->next / HDT_BLOCK;
  if (!r->setup->options.verify || index < h->checked) return HADRON_OK;
  struct hdt_block expected, found = {{0, 0, 0, 0}};
  memcpy(&expected, h->map + h->header.blocks_offset + index * sizeof expected, sizeof expected);
  uint64_t first = index * HDT_BLOCK, count = h->header.ticks - first;
  if (count >= HDT_BLOCK) crc32c_four(h->ticks + first, HDT_BLOCK / 4 * sizeof *h->ticks, found.crc);
  else found.crc[0] = crc32c(0, h->ticks + first, count * sizeof *h->ticks);
  r->source.row = first + 1; // the place that a fault names
  if (memcmp(&expected, &found, sizeof found) != 0) return hdt_damaged(r, "the checksum of the ticks from there on", "another");
  r->source.row = 0;
  h->checked = index + 1;
  return HADRON_OK;
}

// One "row" is what is left of a block, mapped; or a batch, copied.
static int32_t hdt_row(struct reader *r) {
  struct hdt *h = r->state;
  if (h->next >= h->end) return HADRON_ERR_END;
  int32_t result = hdt_verify(r, h);
  if (result) return result;
  uint64_t stop = (h->next / HDT_BLOCK + 1) * HDT_BLOCK;
  if (stop > h->end) stop = h->end;
  if (h->as_is) {
    uint32_t count = (uint32_t)(stop - h->next);
    // Borrowed: capacity 0 says that the queue is not the reader's to free or to write.
    r->queue = (struct tick_queue){(struct hadron_tick *)(uintptr_t)(h->ticks + h->next), 0, count, 0};
    r->counts.ticks += count;
    r->counts.rows += count;
    h->next = stop;
  } else {
    if (stop > h->next + READER_FILL) stop = h->next + READER_FILL;
    for (; h->next < stop; h->next++, r->counts.rows++) {
      struct hadron_tick tick = h->ticks[h->next];
      tick.instrument = tick.instrument <= h->header.listings ? h->handles[tick.instrument] : SYMBOL_UNWANTED;
      if (!reader_push(r, &tick)) return reader_bad(r, "no memory for its tick");
    }
  }
  r->done = (uint64_t)((const uint8_t *)(h->ticks + h->next) - h->map);
  return HADRON_OK;
}

static void hdt_close(struct reader *r) {
  struct hdt *h = r->state;
  if (h->map) munmap((void *)(uintptr_t)h->map, h->size);
  free(h->handles);
  free(h);
}

const struct format format_hdt = {"hdt", "Hadron's native ticks, mapped", true, hdt_sniff, hdt_open, hdt_row, hdt_close};
