#include "names.h"

#include <stdio.h>
#include <string.h>

void names_init(struct names *n) { *n = (struct names){.session = "-"}; }

void names_fini(struct names *n) {
  free(n->tokens);
  names_init(n);
}

static bool names_grow(struct names *n, uint32_t instrument) {
  if (instrument < n->count) return true;
  if (instrument >= NAMES_MAX) return false;
  uint32_t count = n->count ? n->count : 64;
  while (count <= instrument) count *= 2;
  void *larger = realloc(n->tokens, count * sizeof *n->tokens);
  if (!larger) return false;
  n->tokens = larger;
  memset(n->tokens + n->count, 0, (count - n->count) * sizeof *n->tokens);
  n->count = count;
  return true;
}

void names_see(struct names *n, const struct hadron_record *r) {
  if (r->template_id == HADRON_MSG_INSTRUMENT && r->block_length >= sizeof(struct hadron_instrument_definition)) {
    const struct hadron_instrument_definition *d = r->bytes;
    if (d->instrument && names_grow(n, d->instrument)) subject_token(n->tokens[d->instrument], d->name, sizeof d->name);
  }
  if (r->template_id == HADRON_MSG_SESSION && r->block_length >= sizeof(struct hadron_session)) {
    const struct hadron_session *s = r->bytes;
    if (!(s->flags & 1))
      for (int i = 0; i < 16; i++) snprintf(n->session + 2 * i, 3, "%02x", s->session.bytes[i]);
  }
}

const char *names_token(const struct names *n, uint32_t instrument, char to[TOKEN_SIZE], bool *known) {
  *known = true;
  if (instrument == 0) return "_";
  if (instrument < n->count && n->tokens[instrument][0]) return n->tokens[instrument];
  *known = false;
  snprintf(to, TOKEN_SIZE, "_%u", instrument);
  return to;
}
