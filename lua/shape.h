// Where the fields of a text's table constructors stand: Lua keeps no lines for them. A scanner reads the text once and makes a
// shape for each constructor; the values that the text returns are then matched with the shapes, key by key. [any]
#ifndef HD_LUA_SHAPE_H
#define HD_LUA_SHAPE_H

#include <stddef.h>

struct hd_shape; // of one table constructor
struct hd_shapes; // of one file

// NULL: out of memory. text: borrowed(call); file: borrowed(until destroy).
struct hd_shapes *hd_shapes_create(const char *file, const char *text, size_t size);
void hd_shapes_destroy(struct hd_shapes *shapes);

const char *hd_shapes_file(const struct hd_shapes *shapes);
const struct hd_shape *hd_shapes_root(const struct hd_shapes *shapes); // of what is returned; NULL if it is no constructor
int hd_shapes_return_line(const struct hd_shapes *shapes);             // 0: there is no return

// Of the field `key` ("name", or "1" for the first of a list): its line (0: not there), its place among the fields, and the shape of
// its value (NULL: no constructor).
int hd_shape_find(const struct hd_shape *shape, const char *key, size_t *place, const struct hd_shape **child);

#endif
