#include "base/metrics.h"

#include <pthread.h>

#include "base/assert.h"
#include "base/banned.h"
#include "base/limits.h"
#include "base/text.h"

// Cells of one open call share lines of the cache; those of another never do: another thread may write them.
#define LINE_CELLS 8

struct entry {
  struct hadron_metric metric; // its texts are owned
  char owner[HD_METRIC_OWNER_SIZE];
  int64_t *cell;
};

struct hd_metrics {
  pthread_mutex_t mutex;
  uint32_t capacity, count;
  struct entry *entries; // owned
  void **blocks;         // owned: cells, one block per open call that made any
  uint32_t block_count;
};

struct hd_metrics *hd_metrics_create(uint32_t capacity) {
  HD_ASSERT(capacity > 0 && capacity <= HD_METRICS_MAX);
  struct hd_metrics *m = calloc(1, sizeof *m);
  if (m == NULL) return NULL;
  pthread_mutex_init(&m->mutex, NULL);
  m->capacity = capacity;
  m->entries = calloc(capacity, sizeof *m->entries);
  m->blocks = calloc(capacity, sizeof *m->blocks);
  if (m->entries != NULL && m->blocks != NULL) return m;
  hd_metrics_destroy(m);
  return NULL;
}

static void entry_fini(struct entry *e) {
  free((void *)(uintptr_t)e->metric.name);
  free((void *)(uintptr_t)e->metric.help);
  free((void *)(uintptr_t)e->metric.unit);
  memset(e, 0, sizeof *e);
}

void hd_metrics_destroy(struct hd_metrics *m) {
  if (m == NULL) return;
  for (uint32_t i = 0; i < m->count; i++) entry_fini(&m->entries[i]);
  for (uint32_t i = 0; i < m->block_count; i++) free(m->blocks[i]);
  pthread_mutex_destroy(&m->mutex);
  free(m->entries);
  free(m->blocks);
  free(m);
}

static bool name_valid(const char *name) {
  return name != NULL && hd_name_valid(name) && strchr(name, '-') == NULL;
}

static int32_t check_row(const char *owner, const struct hadron_metric *row, struct hd_fault *fault) {
  if (!name_valid(row->name))
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "metric of %s: name \"%s\" does not fit [a-z0-9_]{1,63}", owner, row->name ? row->name : "");
  if (row->type != HADRON_METRIC_COUNTER && row->type != HADRON_METRIC_GAUGE)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "metric %s of %s: type %u is neither counter (1) nor gauge (2)", row->name, owner, row->type);
  return HADRON_OK;
}

static struct entry *find(struct hd_metrics *m, const char *owner, const char *name) {
  for (uint32_t i = 0; i < m->count; i++)
    if (strcmp(m->entries[i].owner, owner) == 0 && strcmp(m->entries[i].metric.name, name) == 0) return &m->entries[i];
  return NULL;
}

static const char *text_of(const char *text) { return text ? text : ""; }

static int32_t append(struct hd_metrics *m, const char *owner, const struct hadron_metric *row, int64_t *cell) {
  HD_ASSERT(m->count < m->capacity);
  struct entry *e = &m->entries[m->count];
  hd_text_copy(e->owner, sizeof e->owner, owner);
  e->metric = (struct hadron_metric){strdup(row->name), strdup(text_of(row->help)), strdup(text_of(row->unit)), row->type, 0};
  e->cell = cell;
  if (e->metric.name == NULL || e->metric.help == NULL || e->metric.unit == NULL) {
    entry_fini(e);
    return HADRON_ERR_MEMORY;
  }
  m->count++;
  return HADRON_OK;
}

// Checks every row before the first is made. How many are new, or an error.
static int32_t check_rows(struct hd_metrics *m, const char *owner, const struct hadron_metric *rows, uint32_t count, struct hd_fault *fault) {
  uint32_t fresh = 0;
  for (uint32_t i = 0; i < count; i++) {
    int32_t err = check_row(owner, &rows[i], fault);
    if (err) return err;
    const struct entry *e = find(m, owner, rows[i].name);
    if (e == NULL) {
      fresh++;
    } else if (e->metric.type != rows[i].type || strcmp(e->metric.unit, text_of(rows[i].unit)) != 0) {
      return hd_fault_set(fault, HADRON_ERR_EXISTS, "metric %s of %s: is there with type %u and unit \"%s\", now asked for with type %u and unit \"%s\"",
                          rows[i].name, owner, e->metric.type, e->metric.unit, rows[i].type, text_of(rows[i].unit));
    }
  }
  if (fresh > m->capacity - m->count)
    return hd_fault_set(fault, HADRON_ERR_FULL, "metrics of %s: %u more cells asked for, %u of %u left", owner, fresh, m->capacity - m->count, m->capacity);
  return (int32_t)fresh;
}

static int32_t open_rows(struct hd_metrics *m, const char *owner, const struct hadron_metric *rows, uint32_t count, int64_t **cells,
                         struct hd_fault *fault) {
  int32_t fresh = check_rows(m, owner, rows, count, fault);
  if (fresh < 0) return fresh;
  int64_t *block = NULL;
  if (fresh > 0) {
    size_t size = ((size_t)fresh + LINE_CELLS - 1) / LINE_CELLS * LINE_CELLS * sizeof *block;
    block = aligned_alloc(64, size);
    if (block == NULL) return hd_fault_set(fault, HADRON_ERR_MEMORY, "metrics of %s: no memory for %d cells", owner, fresh);
    memset(block, 0, size);
  }
  uint32_t before = m->count;
  for (uint32_t i = 0, made = 0; i < count; i++) {
    if (find(m, owner, rows[i].name) != NULL) continue;
    if (append(m, owner, &rows[i], &block[made++]) == HADRON_OK) continue;
    while (m->count > before) entry_fini(&m->entries[--m->count]);
    free(block);
    return hd_fault_set(fault, HADRON_ERR_MEMORY, "metrics of %s: no memory for their names", owner);
  }
  if (block != NULL) m->blocks[m->block_count++] = block;
  for (uint32_t i = 0; i < count; i++) cells[i] = find(m, owner, rows[i].name)->cell;
  return HADRON_OK;
}

int32_t hd_metrics_open(struct hd_metrics *m, const char *owner, const struct hadron_metric *rows, uint32_t count, int64_t **cells,
                        struct hd_fault *fault) {
  if (owner[0] == 0 || strlen(owner) >= HD_METRIC_OWNER_SIZE)
    return hd_fault_set(fault, HADRON_ERR_ARGUMENT, "metrics: owner \"%.140s\" must have 1 to %d bytes", owner, HD_METRIC_OWNER_SIZE - 1);
  pthread_mutex_lock(&m->mutex);
  int32_t err = open_rows(m, owner, rows, count, cells, fault);
  pthread_mutex_unlock(&m->mutex);
  return err;
}

void hd_metrics_walk(struct hd_metrics *m, void (*visit)(void *user, const char *owner, const struct hadron_metric *metric, int64_t value),
                     void *user) {
  pthread_mutex_lock(&m->mutex);
  for (uint32_t i = 0; i < m->count; i++) visit(user, m->entries[i].owner, &m->entries[i].metric, hd_metric_read(m->entries[i].cell));
  pthread_mutex_unlock(&m->mutex);
}
