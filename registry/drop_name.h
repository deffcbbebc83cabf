// Names in the drop folder. [any]
#ifndef HD_REGISTRY_DROP_NAME_H
#define HD_REGISTRY_DROP_NAME_H

#include <stddef.h>

enum hd_drop_name { HD_DROP_IGNORED, HD_DROP_PLUGIN, HD_DROP_ODD }; // left alone; taken; refused

enum hd_drop_name hd_drop_name(const char *name);
// Bytes that are not of the grammar become '_', so that the name can be shown and kept.
void hd_drop_name_safe(const char *name, char *to, size_t size);

#endif
