#include "plugin/state.h"

#include "base/assert.h"
#include "base/banned.h"
#include "base/calling.h"
#include "base/hash.h"

uint32_t hd_state_size_max(const struct hd_plugin *plugin) {
  return plugin->state ? plugin->state->size_max + (uint32_t)sizeof(struct hadron_state_header) : 0;
}

static int32_t no_state(const struct hadron_instance *instance, const char *verb, struct hd_fault *fault) {
  return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: %s state: plugin %s %s does not offer %s", instance->name, verb, instance->plugin->manifest.name,
                      instance->plugin->manifest.version, HADRON_CAP_STATE);
}

int32_t hd_state_save(struct hadron_instance *instance, void *buffer, uint32_t capacity, uint32_t *size, struct hd_fault *fault) {
  HD_ASSERT(instance->self != NULL);
  const struct hadron_state *table = instance->plugin->state;
  struct hadron_state_header header = {.magic = HD_STATE_MAGIC};
  if (table == NULL) return no_state(instance, "saving", fault);
  if (capacity < sizeof header)
    return hd_fault_set(fault, HADRON_ERR_FULL, "%s: saving state: expected room for %u bytes, found %u", instance->name, hd_state_size_max(instance->plugin), capacity);
  unsigned char *payload = (unsigned char *)buffer + sizeof header;
  uint32_t room = capacity - (uint32_t)sizeof header, used = 0;
  hd_instance_hush(instance);
  hd_making = (struct hd_making){instance, "save"};
  int32_t err = table->save(instance->self, payload, room, &used);
  hd_making = (struct hd_making){NULL, NULL};
  if (err) return hd_instance_fault(instance, err, "saving state", fault);
  if (used > room)
    return hd_fault_set(fault, HADRON_ERR_PLUGIN, "%s: saving state: expected at most %u bytes, the plugin claims %u", instance->name, room, used);
  header.schema = table->schema;
  header.size = used;
  header.crc32c = hd_crc32c(0, payload, used);
  memcpy(buffer, &header, sizeof header);
  *size = used + (uint32_t)sizeof header;
  return HADRON_OK;
}

static int32_t check_header(const struct hadron_instance *instance, const struct hadron_state_header *h, uint32_t size, struct hd_fault *fault) {
  const struct hadron_state *table = instance->plugin->state;
  uint32_t payload = size - (uint32_t)sizeof *h;
  if (h->magic != HD_STATE_MAGIC)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: loading state: magic: expected 0x%08x, found 0x%08x", instance->name, HD_STATE_MAGIC, h->magic);
  if (h->size != payload)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: loading state: expected %u bytes behind the header, found %u", instance->name, h->size, payload);
  uint32_t crc = hd_crc32c(0, (const unsigned char *)(h + 1), payload);
  if (h->crc32c != crc)
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: loading state: CRC-32C: expected 0x%08x, found 0x%08x", instance->name, h->crc32c, crc);
  if (h->schema < table->schema_min || h->schema > table->schema)
    return hd_fault_set(fault, HADRON_ERR_UNSUPPORTED, "%s: loading state: plugin %s %s takes schema %u to %u, found %u; start it without the old state", instance->name,
                        instance->plugin->manifest.name, instance->plugin->manifest.version, table->schema_min, table->schema, h->schema);
  return HADRON_OK;
}

int32_t hd_state_load(struct hadron_instance *instance, const void *buffer, uint32_t size, struct hd_fault *fault) {
  HD_ASSERT(instance->self != NULL);
  if (instance->plugin->state == NULL) return no_state(instance, "loading", fault);
  if (size < sizeof(struct hadron_state_header))
    return hd_fault_set(fault, HADRON_ERR_CORRUPT, "%s: loading state: expected at least %zu bytes, found %u", instance->name, sizeof(struct hadron_state_header), size);
  HD_ASSERT((uintptr_t)buffer % _Alignof(struct hadron_state_header) == 0);
  const struct hadron_state_header *h = buffer;
  int32_t err = check_header(instance, h, size, fault);
  if (err) return err;
  hd_instance_hush(instance);
  hd_making = (struct hd_making){instance, "load"};
  err = instance->plugin->state->load(instance->self, h->schema, h + 1, h->size);
  hd_making = (struct hd_making){NULL, NULL};
  return err ? hd_instance_fault(instance, err, "loading state", fault) : HADRON_OK;
}
