// A reader of Lua's words (manual §3.1) and of nothing more: what opens a block and what closes it is a reserved word, so that no
// grammar is needed to know where a body begins. The steps of a body are half of its words: about one instruction each.
#include "lua/meter.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/banned.h"

#define OWN_STEPS 4 // instructions of the woven code itself

enum block_kind { BLOCK_PLAIN, BLOCK_FUNCTION, BLOCK_LOOP, BLOCK_REPEAT };

// Where code goes in, and what it charges. They come in the order of the text.
struct mark {
  size_t at;
  uint32_t words;
  bool rest; // the function takes `...`: what it copies is charged too
};

struct block {
  enum block_kind kind;
  int32_t mark;       // its own, -1: none yet, or none at all
  int32_t tail;       // mark of a `repeat` whose condition is being read, -1: none
  uint32_t words;     // of this block alone
  uint32_t parens;    // FUNCTION: open ones of its parameters
  bool rest;          // FUNCTION: `...` is among them
  uint32_t function;  // number of the function around
  uint32_t labels;    // that were there when it began: its own go with it
};

struct label {
  const char *name;
  size_t size;
  uint32_t function, words;
};

struct weaver {
  const char *text, *at, *end;
  struct block blocks[HD_METER_DEPTH];
  uint32_t depth;
  struct label labels[HD_METER_LABELS];
  uint32_t label_count, functions;
  uint32_t words; // so far
  struct mark *marks; // owned
  uint32_t mark_count, mark_room;
  bool failed;
};

// ---- marks and blocks

static int32_t mark_add(struct weaver *w, const char *at, uint32_t words, bool rest) {
  if (w->mark_count == w->mark_room) {
    uint32_t room = w->mark_room ? w->mark_room * 2 : 64;
    struct mark *grown = realloc(w->marks, room * sizeof *grown);
    if (!grown) {
      w->failed = true;
      return -1;
    }
    w->marks = grown;
    w->mark_room = room;
  }
  w->marks[w->mark_count] = (struct mark){(size_t)(at - w->text), words, rest};
  return (int32_t)w->mark_count++;
}

static struct block *top(struct weaver *w) { return &w->blocks[w->depth - 1]; }

static void block_open(struct weaver *w, enum block_kind kind) {
  if (w->depth == HD_METER_DEPTH) {
    w->failed = true;
    return;
  }
  uint32_t function = kind == BLOCK_FUNCTION ? ++w->functions : top(w)->function;
  w->blocks[w->depth++] = (struct block){.kind = kind, .mark = -1, .tail = -1, .function = function, .labels = w->label_count};
}

// What a plain block holds runs with the one around it; the others have charged for themselves.
static void block_close(struct weaver *w) {
  if (w->depth < 2) {
    w->failed = true;
    return;
  }
  struct block closed = *top(w);
  w->depth--;
  w->label_count = closed.labels;
  if (closed.mark >= 0) w->marks[closed.mark].words += closed.words;
  else top(w)->words += closed.words;
}

// ---- words

static bool word_is(const char *word, size_t size, const char *what) { return strlen(what) == size && memcmp(word, what, size) == 0; }

static bool is_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c >= '0' && c <= '9'); }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// At '[': the level of a long bracket, -1: it is none.
static int long_level(const struct weaver *w) {
  const char *p = w->at + 1;
  while (p < w->end && *p == '=') p++;
  return p < w->end && *p == '[' ? (int)(p - w->at - 1) : -1;
}

static void long_skip(struct weaver *w, int level) {
  for (w->at += level + 2; w->at < w->end; w->at++) {
    if (*w->at != ']' || w->end - w->at < level + 2) continue;
    int n = 0;
    while (n < level && w->at[1 + n] == '=') n++;
    if (n < level || w->at[1 + level] != ']') continue;
    w->at += level + 2;
    return;
  }
}

static void string_skip(struct weaver *w) {
  char quote = *w->at++;
  while (w->at < w->end && *w->at != quote) w->at += *w->at == '\\' && w->end - w->at > 1 ? 2 : 1;
  if (w->at < w->end) w->at++;
}

// Blanks and comments.
static void blanks_skip(struct weaver *w) {
  while (w->at < w->end) {
    if (strchr(" \t\r\n\v\f", *w->at)) {
      w->at++;
    } else if (*w->at == '-' && w->end - w->at > 1 && w->at[1] == '-') {
      w->at += 2;
      int level = w->at < w->end && *w->at == '[' ? long_level(w) : -1;
      if (level >= 0) long_skip(w, level);
      else
        while (w->at < w->end && *w->at != '\n' && *w->at != '\r') w->at++;
    } else return;
  }
}

static const char *name_read(struct weaver *w, size_t *size) {
  blanks_skip(w);
  const char *name = w->at;
  while (w->at < w->end && is_name(*w->at)) w->at++;
  *size = (size_t)(w->at - name);
  return name;
}

// ---- what the reserved words do; `word` is where the word begins, w->at is behind it

static void word_function(struct weaver *w, const char *word) { (void)word, block_open(w, BLOCK_FUNCTION); }
static void word_loop(struct weaver *w, const char *word) { (void)word, block_open(w, BLOCK_LOOP); }
static void word_if(struct weaver *w, const char *word) { (void)word, block_open(w, BLOCK_PLAIN); }
static void word_end(struct weaver *w, const char *word) { (void)word, block_close(w); }
static void word_repeat(struct weaver *w, const char *word) {
  (void)word;
  block_open(w, BLOCK_REPEAT);
  if (!w->failed) top(w)->mark = mark_add(w, w->at, 0, false);
}

static void word_do(struct weaver *w, const char *word) {
  (void)word;
  if (top(w)->kind == BLOCK_LOOP && top(w)->mark < 0) top(w)->mark = mark_add(w, w->at, 0, false);
  else block_open(w, BLOCK_PLAIN);
}

// The condition belongs to the loop: its words are charged there, up to the next word that begins a statement.
static void word_until(struct weaver *w, const char *word) {
  (void)word;
  int32_t mark = top(w)->mark;
  block_close(w);
  if (!w->failed) top(w)->tail = mark;
}

// A goto that goes back is a loop: what lies between is charged. One that goes on is none.
static void word_goto(struct weaver *w, const char *word) {
  size_t size;
  const char *name = name_read(w, &size);
  for (uint32_t i = 0; i < w->label_count; i++) {
    const struct label *l = &w->labels[i];
    if (l->function != top(w)->function || l->size != size || memcmp(l->name, name, size) != 0) continue;
    mark_add(w, word, w->words - l->words, false);
    return;
  }
}

// At "::".
static void label_read(struct weaver *w) {
  size_t size;
  w->at += 2;
  const char *name = name_read(w, &size);
  blanks_skip(w);
  if (w->end - w->at >= 2) w->at += 2;
  if (w->label_count == HD_METER_LABELS) w->failed = true;
  else w->labels[w->label_count++] = (struct label){name, size, top(w)->function, w->words};
}

static void word_statement(struct weaver *w, const char *word) { (void)w, (void)word; }

// What stands at the beginning of a statement, or ends a block, also ends the condition of a `repeat` before it.
static const struct {
  const char *word;
  void (*take)(struct weaver *w, const char *word);
  bool ends;
} reserved[] = {{"function", word_function, false}, {"do", word_do, true},          {"end", word_end, true},        {"if", word_if, true},
                {"while", word_loop, true},         {"for", word_loop, true},       {"repeat", word_repeat, true},  {"until", word_until, true},
                {"goto", word_goto, true},          {"local", word_statement, true}, {"return", word_statement, true}, {"break", word_statement, true},
                {"else", word_statement, true},     {"elseif", word_statement, true}};

static void word_take(struct weaver *w) {
  size_t size;
  const char *word = name_read(w, &size);
  for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
    if (word_is(word, size, reserved[i].word)) {
      if (reserved[i].ends) top(w)->tail = -1;
      reserved[i].take(w, word);
      return;
    }
}

// The first pair of brackets after `function` has its parameters; the body begins behind it.
static void symbol_take(struct weaver *w) {
  struct block *b = top(w);
  char c = *w->at;
  if (c == ':' && w->end - w->at > 1 && w->at[1] == ':') {
    b->tail = -1;
    label_read(w);
    return;
  }
  w->at++;
  if (c == ';') b->tail = -1;
  if (b->kind != BLOCK_FUNCTION || b->mark >= 0) return;
  if (c == '.' && b->parens) b->rest = true;
  if (c == '(') b->parens = 1;
  if (c == ')') b->mark = mark_add(w, w->at, 0, b->rest);
}

// A word is counted for its block; the head of a loop for the block around it too, and a condition for its `repeat`.
static void word_count(struct weaver *w) {
  struct block *b = top(w);
  w->words++;
  b->words++;
  if (b->kind == BLOCK_LOOP && b->mark < 0 && w->depth > 1) w->blocks[w->depth - 2].words++;
  if (b->tail >= 0) w->marks[b->tail].words++;
}

static bool text_read(struct weaver *w) {
  for (blanks_skip(w); w->at < w->end && !w->failed; blanks_skip(w)) {
    char c = *w->at;
    int level = c == '[' ? long_level(w) : -1;
    word_count(w);
    if (is_digit(c) || (c == '.' && w->end - w->at > 1 && is_digit(w->at[1]))) {
      while (w->at < w->end && (is_name(*w->at) || *w->at == '.')) w->at++;
    } else if (is_name(c)) word_take(w);
    else if (c == '"' || c == '\'') string_skip(w);
    else if (level >= 0) long_skip(w, level);
    else symbol_take(w);
  }
  return !w->failed && w->depth == 1;
}

// ---- the woven text

static const char head[] = "local " HD_METER_LEFT "," HD_METER_MORE " return function(...) ";
static const char foot[] = "\nend";
#define MARK_SIZE 160

static int mark_write(const struct mark *m, char to[MARK_SIZE]) {
  unsigned steps = m->words / 2 + OWN_STEPS;
  if (m->rest) return snprintf(to, MARK_SIZE, " do " HD_METER_LEFT "=" HD_METER_MORE "(" HD_METER_LEFT "-%u,...) end ", steps);
  return snprintf(to, MARK_SIZE, " do local x=" HD_METER_LEFT "-%u " HD_METER_LEFT "=x if x<0 then " HD_METER_LEFT "=" HD_METER_MORE "(x) end end ", steps);
}

static char *text_write(struct weaver *w, size_t *woven_size) {
  size_t size = (size_t)(w->end - w->text), from = 0, n = sizeof head - 1;
  char *woven = malloc(size + sizeof head + sizeof foot + (size_t)w->mark_count * MARK_SIZE);
  if (!woven) return NULL;
  memcpy(woven, head, sizeof head - 1);
  for (uint32_t i = 0; i < w->mark_count; i++) {
    const struct mark *m = &w->marks[i];
    memcpy(woven + n, w->text + from, m->at - from);
    n += m->at - from;
    from = m->at;
    n += (size_t)mark_write(m, woven + n);
  }
  memcpy(woven + n, w->text + from, size - from);
  n += size - from;
  memcpy(woven + n, foot, sizeof foot);
  *woven_size = n + sizeof foot - 1;
  return woven;
}

char *hd_meter_weave(const char *text, size_t size, size_t *woven_size) {
  if (memmem(text, size, HD_METER_LEFT, strlen(HD_METER_LEFT)) || memmem(text, size, HD_METER_MORE, strlen(HD_METER_MORE)) || size > INT32_MAX) return NULL;
  struct weaver *w = calloc(1, sizeof *w);
  if (!w) return NULL;
  *w = (struct weaver){.text = text, .at = text, .end = text + size, .depth = 1};
  w->blocks[0] = (struct block){.kind = BLOCK_PLAIN, .mark = -1, .tail = -1};
  char *woven = text_read(w) ? text_write(w, woven_size) : NULL;
  free(w->marks);
  free(w);
  return woven;
}
