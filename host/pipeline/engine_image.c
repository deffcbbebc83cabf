// The engine as an image: what its instruments know, running bars, timers. Who sits where is not in it: a timer says whose it is.
#include "base/banned.h"
#include "pipeline/engine_internal.h"
#include "pipeline/image.h"

#define MARK 0x4e474e45u // "ENGN"

static void save_row(const struct hd_engine *e, uint32_t id, struct hd_image *m) {
  const struct hd_engine_row *row = &e->rows[id];
  HD_IMAGE_PUT(m, id);
  HD_IMAGE_PUT(m, row->market);
  HD_IMAGE_PUT(m, row->traded);
  HD_IMAGE_PUT(m, row->turbulent);
  HD_IMAGE_PUT(m, row->sample_ns);
  HD_IMAGE_PUT(m, row->sample_price);
  HD_IMAGE_PUT(m, row->variance);
  HD_IMAGE_PUT(m, row->at.bar_count);
  for (uint32_t i = 0; i < row->at.bar_count; i++) {
    const struct hd_bar_builder *b = &e->builders[row->at.bar_first + i];
    HD_IMAGE_PUT(m, b->bar);
    HD_IMAGE_PUT(m, b->value);
    HD_IMAGE_PUT(m, b->progress);
  }
}

void hd_engine_save(const struct hd_engine *e, struct hd_image *m) {
  uint32_t rows = 0, timers = 0;
  for (uint32_t id = 1; id <= hd_instruments_count(e->instruments); id++) rows += e->rows[id].market.sequence != 0;
  for (uint32_t i = 0; i < e->due_count; i++) timers += e->due[i].class == HD_DUE_TIMER;
  hd_image_mark(m, MARK);
  HD_IMAGE_PUT(m, e->last);
  HD_IMAGE_PUT(m, rows);
  for (uint32_t id = 1; id <= hd_instruments_count(e->instruments); id++)
    if (e->rows[id].market.sequence != 0) save_row(e, id, m);
  HD_IMAGE_PUT(m, timers);
  for (uint32_t i = 0; i < e->due_count; i++) {
    const struct hd_due_item *item = &e->due[i];
    if (item->class != HD_DUE_TIMER) continue;
    HD_IMAGE_PUT(m, item->instance->arm);
    HD_IMAGE_PUT(m, item->instrument);
    HD_IMAGE_PUT(m, item->due.due_ns);
    HD_IMAGE_PUT(m, item->id);
  }
  hd_image_mark(m, MARK);
}

void hd_engine_rows_save(const struct hd_engine *e, const uint32_t *instruments, uint32_t count, struct hd_image *m) {
  uint32_t rows = 0;
  for (uint32_t i = 0; i < count; i++) rows += e->rows[instruments[i]].market.sequence != 0;
  hd_image_mark(m, MARK);
  HD_IMAGE_PUT(m, e->last);
  HD_IMAGE_PUT(m, rows);
  for (uint32_t i = 0; i < count; i++)
    if (e->rows[instruments[i]].market.sequence != 0) save_row(e, instruments[i], m);
  hd_image_mark(m, MARK);
}

// ---- back --------------------------------------------------------------------------------------------------------------------------

static struct hd_engine *engine_of(struct hd_engine *const *engines, uint32_t shards, uint32_t id) {
  uint32_t shard = engines[0]->instruments->rows[id].shard;
  return shard < shards ? engines[shard] : engines[0];
}

// A bar goes on where somebody still asks for it.
static void load_bar(struct hd_engine *e, struct hd_engine_row *row, const struct hd_bar_builder *saved) {
  for (uint32_t i = 0; i < row->at.bar_count; i++) {
    uint32_t index = row->at.bar_first + i;
    struct hd_bar_builder *b = &e->builders[index];
    if (b->bar.kind != saved->bar.kind || b->bar.interval != saved->bar.interval) continue;
    if (b->bar.kind == HADRON_BAR_TIME && b->bar.ticks > 0) hd_engine_due_forget(e, index); // one that ran already
    *b = *saved;
    if (b->bar.kind != HADRON_BAR_TIME || b->bar.ticks == 0) return;
    const struct hd_due_item item = {.due = {b->bar.close_ns, 0}, .class = HD_DUE_BAR, .instrument = b->bar.instrument, .builder = index};
    if (hd_engine_due_push(e, &item)) b->bar.ticks = 0;
    return;
  }
}

static void load_row(struct hd_engine *const *engines, uint32_t shards, struct hd_image *m) {
  uint32_t id, bars;
  struct hd_engine_row saved = {0};
  HD_IMAGE_GET(m, id);
  m->bad |= id == 0 || id > hd_instruments_count(engines[0]->instruments);
  HD_IMAGE_GET(m, saved.market);
  HD_IMAGE_GET(m, saved.traded);
  HD_IMAGE_GET(m, saved.turbulent);
  HD_IMAGE_GET(m, saved.sample_ns);
  HD_IMAGE_GET(m, saved.sample_price);
  HD_IMAGE_GET(m, saved.variance);
  HD_IMAGE_GET(m, bars);
  if (m->bad) return;
  struct hd_engine *e = engine_of(engines, shards, id);
  struct hd_engine_row *row = &e->rows[id];
  saved.market.increment = e->instruments->rows[id].increment, saved.market.lot = e->instruments->rows[id].lot; // as they are now
  row->market = saved.market, row->traded = saved.traded, row->turbulent = saved.turbulent;
  row->sample_ns = saved.sample_ns, row->sample_price = saved.sample_price, row->variance = saved.variance;
  row->shown = NULL;
  for (uint32_t i = 0; i < bars && !m->bad; i++) {
    struct hd_bar_builder b;
    HD_IMAGE_GET(m, b.bar);
    HD_IMAGE_GET(m, b.value);
    HD_IMAGE_GET(m, b.progress);
    if (!m->bad) load_bar(e, row, &b);
  }
}

// Timers of arms that go on are those of the image; what their instances asked for when they were made anew has been asked for before.
void hd_engine_forget(struct hd_engine *e, const uint32_t *arms, uint32_t arm_max) {
  for (uint32_t i = 0; i < e->instance_count; i++) {
    bool goes_on = false;
    for (uint32_t old = 1; old <= arm_max; old++) goes_on |= arms[old] == e->instances[i]->arm;
    struct hd_engine_wishes none = {0};
    if (goes_on && e->instances[i]->timers > 0) hd_engine_leave(e->instances[i], &none);
    e->instances[i]->wishes = NULL;
  }
}

static struct hd_engine_instance *instance_of(const struct hd_engine *e, uint32_t arm, uint32_t first) {
  for (uint32_t i = 0; i < e->instance_count; i++)
    if (e->instances[i]->arm == arm && e->instances[i]->instruments[0] == first) return e->instances[i];
  return NULL;
}

static void load_timer(struct hd_engine *const *engines, uint32_t shards, struct hd_image *m, const uint32_t *arms, uint32_t arm_max) {
  uint32_t arm, instrument;
  int64_t due_ns;
  uint64_t id;
  HD_IMAGE_GET(m, arm);
  HD_IMAGE_GET(m, instrument);
  HD_IMAGE_GET(m, due_ns);
  HD_IMAGE_GET(m, id);
  if (m->bad || arm > arm_max || arms[arm] == 0 || instrument == 0 || instrument > hd_instruments_count(engines[0]->instruments)) return;
  struct hd_engine *e = engine_of(engines, shards, instrument);
  struct hd_engine_instance *instance = instance_of(e, arms[arm], instrument);
  if (instance && instance->on_timer) (void)hd_engine_timer_at(instance, due_ns, id);
}

void hd_engine_load(struct hd_engine *const *engines, uint32_t shards, struct hd_image *m, const uint32_t *arms, uint32_t arm_max) {
  uint32_t rows, timers;
  uint64_t last;
  hd_image_expect(m, MARK);
  HD_IMAGE_GET(m, last);
  HD_IMAGE_GET(m, rows);
  for (uint32_t i = 0; i < rows && !m->bad; i++) load_row(engines, shards, m);
  HD_IMAGE_GET(m, timers);
  for (uint32_t s = 0; s < shards && !m->bad; s++)
    if (last > engines[s]->last) engines[s]->last = last;
  for (uint32_t i = 0; i < timers && !m->bad; i++) load_timer(engines, shards, m, arms, arm_max);
  hd_image_expect(m, MARK);
}

int32_t hd_engine_rows_load(struct hd_engine *e, struct hd_image *m) {
  uint32_t rows;
  uint64_t last;
  hd_image_expect(m, MARK);
  HD_IMAGE_GET(m, last);
  HD_IMAGE_GET(m, rows);
  if (!m->bad && last > e->last) e->last = last;
  for (uint32_t i = 0; i < rows && !m->bad; i++) load_row(&e, 1, m);
  hd_image_expect(m, MARK);
  return m->bad ? HADRON_ERR_CORRUPT : HADRON_OK;
}
