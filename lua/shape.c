#include "lua/shape.h"

#include <ctype.h>
#include <stdbool.h>

#include "base/banned.h"

#define DEPTH_MAX 64
#define KEY_MAX 256

struct field {
  char *key;
  int line;
  struct hd_shape *child;
  char *link; // the value is this name; NULL: it is not a name
};

struct hd_shape {
  struct hd_shapes *owner;
  struct hd_shape *next; // all shapes of the file
  struct field *fields;
  size_t count, room;
};

struct name {
  char *name;
  struct hd_shape *shape;
};

struct hd_shapes {
  const char *file;
  struct hd_shape *all, *root;
  struct name *names;
  size_t name_count;
  char *root_link;
  int return_line;
  bool failed; // out of memory
};

enum token_kind { TOKEN_END, TOKEN_NAME, TOKEN_STRING, TOKEN_NUMBER, TOKEN_SYMBOL };

struct token {
  enum token_kind kind;
  int line;
  char symbol; // SYMBOL: its character; '=' is only the assignment
  char text[KEY_MAX];
};

struct scanner {
  const char *p, *end;
  int line;
  struct token now;
  struct hd_shapes *shapes;
};

// ---- tokens

// At "[[" or "[=*[": the level; -1: it is no long bracket.
static int long_level(const char *p, const char *end) {
  int level = 0;
  for (p++; p < end && *p == '='; p++) level++;
  return p < end && *p == '[' ? level : -1;
}

static void long_skip(struct scanner *s, int level, char *to) {
  size_t n = 0;
  for (s->p += level + 2; s->p < s->end; s->p++) {
    if (*s->p == ']' && s->p + level + 1 < s->end && s->p[level + 1] == ']') {
      int i = 0;
      while (i < level && s->p[1 + i] == '=') i++;
      if (i == level) {
        s->p += level + 2;
        break;
      }
    }
    if (*s->p == '\n') s->line++;
    if (to && n + 1 < KEY_MAX) to[n++] = *s->p;
  }
  if (to) to[n] = 0;
}

static void blanks_skip(struct scanner *s) {
  while (s->p < s->end) {
    if (*s->p == '\n') s->line++;
    if (isspace((unsigned char)*s->p)) {
      s->p++;
    } else if (*s->p == '-' && s->p + 1 < s->end && s->p[1] == '-') {
      s->p += 2;
      int level = s->p < s->end && *s->p == '[' ? long_level(s->p, s->end) : -1;
      if (level >= 0) long_skip(s, level, NULL);
      else
        while (s->p < s->end && *s->p != '\n') s->p++;
    } else return;
  }
}

// Escapes other than of quotes and the backslash are left as they are: such keys find no line.
static void string_read(struct scanner *s) {
  char quote = *s->p++;
  size_t n = 0;
  while (s->p < s->end && *s->p != quote) {
    if (*s->p == '\n') s->line++;
    if (*s->p == '\\' && s->p + 1 < s->end) {
      s->p++;
      if (*s->p == '\n') s->line++;
    }
    if (n + 1 < KEY_MAX) s->now.text[n++] = *s->p;
    s->p++;
  }
  if (s->p < s->end) s->p++;
  s->now.text[n] = 0;
}

static void word_read(struct scanner *s) {
  size_t n = 0;
  while (s->p < s->end && (isalnum((unsigned char)*s->p) || *s->p == '_' || (s->now.kind == TOKEN_NUMBER && *s->p == '.'))) {
    if (n + 1 < KEY_MAX) s->now.text[n++] = *s->p;
    s->p++;
  }
  s->now.text[n] = 0;
}

static void symbol_read(struct scanner *s) {
  char c = *s->p++;
  bool pair = s->p < s->end && *s->p == '=' && strchr("=~<>", c) != NULL;
  if (pair) s->p++;
  s->now.symbol = pair ? '~' : c;
}

static void advance(struct scanner *s) {
  blanks_skip(s);
  s->now.line = s->line;
  s->now.symbol = 0;
  s->now.text[0] = 0;
  if (s->p >= s->end) {
    s->now.kind = TOKEN_END;
    return;
  }
  unsigned char c = (unsigned char)*s->p;
  int level = c == '[' ? long_level(s->p, s->end) : -1;
  s->now.kind = isalpha(c) || c == '_' ? TOKEN_NAME : isdigit(c) ? TOKEN_NUMBER : c == '"' || c == '\'' || level >= 0 ? TOKEN_STRING : TOKEN_SYMBOL;
  if (s->now.kind == TOKEN_NAME || s->now.kind == TOKEN_NUMBER) word_read(s);
  else if (level >= 0) long_skip(s, level, s->now.text);
  else if (s->now.kind == TOKEN_STRING) string_read(s);
  else symbol_read(s);
}

static bool is_symbol(const struct scanner *s, char c) { return s->now.kind == TOKEN_SYMBOL && s->now.symbol == c; }
static bool is_word(const struct scanner *s, const char *word) { return s->now.kind == TOKEN_NAME && strcmp(s->now.text, word) == 0; }

// ---- shapes

static struct hd_shape *shape_create(struct hd_shapes *owner) {
  struct hd_shape *shape = calloc(1, sizeof *shape);
  if (!shape) {
    owner->failed = true;
    return NULL;
  }
  shape->owner = owner;
  shape->next = owner->all;
  owner->all = shape;
  return shape;
}

static struct field *field_add(struct hd_shape *shape, const char *key, int line) {
  for (size_t i = 0; i < shape->count; i++)
    if (strcmp(shape->fields[i].key, key) == 0) { // written twice: the last one holds
      shape->fields[i].line = line;
      shape->fields[i].child = NULL;
      free(shape->fields[i].link);
      shape->fields[i].link = NULL;
      return &shape->fields[i];
    }
  if (shape->count == shape->room) {
    size_t room = shape->room ? shape->room * 2 : 8;
    struct field *grown = realloc(shape->fields, room * sizeof *grown);
    if (!grown) {
      shape->owner->failed = true;
      return NULL;
    }
    shape->fields = grown;
    shape->room = room;
  }
  char *copy = strdup(key);
  if (!copy) {
    shape->owner->failed = true;
    return NULL;
  }
  shape->fields[shape->count] = (struct field){.key = copy, .line = line};
  return &shape->fields[shape->count++];
}

static struct hd_shape *name_find(const struct hd_shapes *shapes, const char *name) {
  for (size_t i = shapes->name_count; name && i-- > 0;)
    if (strcmp(shapes->names[i].name, name) == 0) return shapes->names[i].shape;
  return NULL;
}

static void name_set(struct hd_shapes *shapes, const char *name, struct hd_shape *shape) {
  struct name *grown = realloc(shapes->names, (shapes->name_count + 1) * sizeof *grown);
  char *copy = strdup(name);
  if (grown) shapes->names = grown;
  if (!grown || !copy) {
    shapes->failed = true;
    free(copy);
    return;
  }
  grown[shapes->name_count++] = (struct name){copy, shape};
}

static struct hd_shape *constructor_read(struct scanner *s, int depth);

// How far a token opens or closes a block: only within one does a ',' or a '}' not end a value.
static int nesting(const struct scanner *s) {
  if (s->now.kind == TOKEN_SYMBOL) return strchr("({[", s->now.symbol) ? 1 : strchr(")}]", s->now.symbol) ? -1 : 0;
  if (s->now.kind != TOKEN_NAME) return 0;
  if (is_word(s, "function") || is_word(s, "if") || is_word(s, "do") || is_word(s, "repeat")) return 1;
  return is_word(s, "end") || is_word(s, "until") ? -1 : 0;
}

struct expression {
  struct hd_shape *child;
  char link[KEY_MAX]; // "" none
};

// Reads to the end of a field's value. The last constructor outside of brackets is what it is taken to be: `{ ... }`, `section { ... }`.
static void value_read(struct scanner *s, int depth, struct expression *out) {
  int inside = 0, tokens = 0;
  *out = (struct expression){0};
  for (; s->now.kind != TOKEN_END; tokens++) {
    if (inside == 0 && (is_symbol(s, ',') || is_symbol(s, ';') || is_symbol(s, '}'))) break;
    if (inside == 0 && is_symbol(s, '{') && depth < DEPTH_MAX) {
      out->child = constructor_read(s, depth + 1);
      continue;
    }
    inside += nesting(s);
    if (inside < 0) inside = 0;
    if (tokens == 0 && s->now.kind == TOKEN_NAME) memcpy(out->link, s->now.text, sizeof out->link);
    else out->link[0] = 0;
    advance(s);
  }
}

// At the first token of a field. Leaves the scanner at the first token of the value.
static void key_read(struct scanner *s, char key[KEY_MAX], size_t *index) {
  struct scanner saved = *s;
  key[0] = 0;
  if (s->now.kind == TOKEN_NAME) {
    memcpy(key, s->now.text, KEY_MAX);
    advance(s);
    if (is_symbol(s, '=')) {
      advance(s);
      return;
    }
  } else if (is_symbol(s, '[')) {
    advance(s);
    memcpy(key, s->now.text, KEY_MAX);
    advance(s);
    bool whole = is_symbol(s, ']');
    if (whole) {
      advance(s);
      advance(s); // '='
      return;
    }
  }
  *s = saved;
  snprintf(key, KEY_MAX, "%zu", ++*index);
}

static struct hd_shape *constructor_read(struct scanner *s, int depth) {
  struct hd_shape *shape = shape_create(s->shapes);
  size_t index = 0;
  advance(s); // '{'
  while (shape && s->now.kind != TOKEN_END && !is_symbol(s, '}')) {
    char key[KEY_MAX];
    int line = s->now.line;
    struct expression value;
    key_read(s, key, &index);
    value_read(s, depth, &value);
    struct field *field = field_add(shape, key, line);
    if (!field) return shape;
    field->child = value.child;
    if (value.link[0] && !value.child) field->link = strdup(value.link);
    if (is_symbol(s, ',') || is_symbol(s, ';')) advance(s);
  }
  advance(s); // '}'
  return shape;
}

// ---- statements: NAME = {...}, NAME.key.key = value, return ...

static struct hd_shape *child_of(struct hd_shape *shape, const char *key, int line) {
  for (size_t i = 0; i < shape->count; i++)
    if (strcmp(shape->fields[i].key, key) == 0) {
      struct field *f = &shape->fields[i];
      if (!f->child) f->child = f->link ? name_find(shape->owner, f->link) : shape_create(shape->owner);
      return f->child;
    }
  struct field *field = field_add(shape, key, line);
  return field ? field->child = shape_create(shape->owner) : NULL;
}

// At a name at the beginning of a statement, or anywhere else: what is no assignment is passed over.
static void assignment_read(struct scanner *s) {
  char name[KEY_MAX], key[KEY_MAX] = "";
  int line = s->now.line;
  memcpy(name, s->now.text, KEY_MAX);
  advance(s);
  struct hd_shape *at = name_find(s->shapes, name);
  while (is_symbol(s, '.')) {
    advance(s);
    if (s->now.kind != TOKEN_NAME) return;
    if (key[0] && at) at = child_of(at, key, line);
    memcpy(key, s->now.text, KEY_MAX);
    advance(s);
  }
  if (!is_symbol(s, '=')) return;
  advance(s);
  struct hd_shape *child = is_symbol(s, '{') ? constructor_read(s, 0) : NULL;
  char link[KEY_MAX] = "";
  if (!child && s->now.kind == TOKEN_NAME) memcpy(link, s->now.text, KEY_MAX);
  if (!key[0]) {
    if (child) name_set(s->shapes, name, child);
  } else if (at) {
    struct field *field = field_add(at, key, line);
    if (!field) return;
    field->child = child;
    if (link[0]) field->link = strdup(link);
  }
}

static void return_read(struct scanner *s) {
  s->shapes->return_line = s->now.line;
  advance(s);
  free(s->shapes->root_link);
  s->shapes->root_link = NULL;
  s->shapes->root = is_symbol(s, '{') ? constructor_read(s, 0) : NULL;
  if (!s->shapes->root && s->now.kind == TOKEN_NAME) s->shapes->root_link = strdup(s->now.text);
}

static void text_read(struct scanner *s) {
  int block = 0;
  advance(s);
  while (s->now.kind != TOKEN_END && !s->shapes->failed) {
    if (s->now.kind == TOKEN_NAME) block += nesting(s);
    if (is_word(s, "return") && block <= 0) return_read(s);
    else if (s->now.kind == TOKEN_NAME && nesting(s) == 0 && !is_word(s, "local")) assignment_read(s);
    else advance(s);
  }
}

struct hd_shapes *hd_shapes_create(const char *file, const char *text, size_t size) {
  struct hd_shapes *shapes = calloc(1, sizeof *shapes);
  if (!shapes) return NULL;
  shapes->file = file;
  struct scanner s = {.p = text, .end = text + size, .line = 1, .shapes = shapes};
  text_read(&s);
  if (!shapes->failed) return shapes;
  hd_shapes_destroy(shapes);
  return NULL;
}

void hd_shapes_destroy(struct hd_shapes *shapes) {
  if (!shapes) return;
  while (shapes->all) {
    struct hd_shape *shape = shapes->all;
    shapes->all = shape->next;
    for (size_t i = 0; i < shape->count; i++) {
      free(shape->fields[i].key);
      free(shape->fields[i].link);
    }
    free(shape->fields);
    free(shape);
  }
  for (size_t i = 0; i < shapes->name_count; i++) free(shapes->names[i].name);
  free(shapes->names);
  free(shapes->root_link);
  free(shapes);
}

const char *hd_shapes_file(const struct hd_shapes *shapes) { return shapes->file; }
int hd_shapes_return_line(const struct hd_shapes *shapes) { return shapes->return_line; }

const struct hd_shape *hd_shapes_root(const struct hd_shapes *shapes) {
  return shapes->root ? shapes->root : name_find(shapes, shapes->root_link);
}

int hd_shape_find(const struct hd_shape *shape, const char *key, size_t *place, const struct hd_shape **child) {
  *child = NULL;
  for (size_t i = 0; shape && i < shape->count; i++) {
    const struct field *f = &shape->fields[i];
    if (strcmp(f->key, key) != 0) continue;
    *place = i;
    *child = f->child ? f->child : name_find(shape->owner, f->link);
    return f->line;
  }
  return 0;
}
