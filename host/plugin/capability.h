// The capabilities that this host offers, by name, and to which kinds of plugins. The loader refuses a plugin that requires a name
// that is not here; an instance is refused if the room that runs it does not bring the table. [any]
#ifndef HD_PLUGIN_CAPABILITY_H
#define HD_PLUGIN_CAPABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HD_CAPABILITY_NAME_SIZE 64
#define HD_CAP_EXTERNAL "hadron.external/1" // a strategy that requires it is a card: what runs is a program elsewhere, which registers over the bus

// One row of a room's table; the last row has name NULL.
struct hd_capability {
  const char *name;
  const void *table; // static for the life of the instance
};

// Is it offered to plugins of this kind?
bool hd_capability_offered(const char *name, uint32_t kind);
// The names offered to a kind, separated by blanks, for messages.
size_t hd_capability_list(char *to, size_t size, uint32_t kind);
// Is this name among those that a text of names has?
bool hd_capability_named(const char *names, const char *name);
// Takes the next name from a text of names separated by blanks. False at the end; a name that is too long is cut.
bool hd_capability_next(const char **cursor, char name[HD_CAPABILITY_NAME_SIZE]);

#endif
