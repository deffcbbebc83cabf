// The names of the bridge: subjects, tokens of instruments, message ids. docs/bridge.md is the user's side of it. [any]
//
//   PREFIX.KIND              hadron.session, hadron.arm
//   PREFIX.KIND.INSTRUMENT   hadron.tick.AAPL, hadron.execution.BTC-USD; "_" where the record is of no instrument, "_7" where nobody
//                            has said the name of instrument 7
#ifndef NATS_SUBJECT_H
#define NATS_SUBJECT_H

#include <stdbool.h>

#include "hadron/message.h"

#define TOKEN_SIZE 96    // a symbol of 31 bytes, each of them escaped
#define PREFIX_SIZE 64
#define SUBJECT_SIZE (PREFIX_SIZE + TOKEN_SIZE + 32)
#define MESSAGE_ID_SIZE 64

// Headers of every message, beside Nats-Msg-Id and Nats-Expected-Last-Sequence.
#define HEADER_SEQUENCE "Hadron-Sequence" // of the record in its journal
#define HEADER_NEXT "Hadron-Next"         // position of the record behind it
#define HEADER_TIME "Hadron-Time"         // when it was appended, ns since the Unix epoch
#define HEADER_SESSION "Hadron-Session"   // the session's trace seed, 32 hex digits; "-": nobody has said it
#define HEADER_BEFORE "Hadron-Before"     // ticks: sequence in the stream of the tick before it; 0: none, or not known

// By template id; made from the schema. The instrument of a tick_reject or a venue_report is the venue's own handle, under another name: it
// says nothing outside the host.
struct subject_kind {
  const char *name;    // NULL: no such message
  uint16_t instrument; // its offset in the root block
};
#define SUBJECT_NO_INSTRUMENT UINT16_MAX
extern const struct subject_kind subject_kinds[];
extern const uint32_t subject_kind_count;

// The instrument of a record, or 0; has: whether records of this kind name one at all.
uint32_t subject_instrument(uint16_t template_id, const void *block, uint32_t size, bool *has);

// A name as one token: what NATS gives a meaning ('.', '*', '>', blanks), '%', a '_' in front, and what is not printable become %XX.
void subject_token(char to[TOKEN_SIZE], const char *name, size_t size);

// The name that a token was made of. False: it is none, "_" and "_7" among them.
bool subject_name(char to[HADRON_SYMBOL_SIZE], const char *token);

// token: NULL for kinds without an instrument.
void subject_write(char to[SUBJECT_SIZE], const char *prefix, uint16_t template_id, const char *token);

// One or more tokens, joined by '.', without wildcards.
bool subject_prefix_valid(const char *prefix);

// Does the pattern take every subject below the prefix?
bool subject_covers(const char *pattern, const char *prefix);

// "<journal, 32 hex digits>-<position>": one record of all journals of the world.
void message_id_write(char to[MESSAGE_ID_SIZE], const uint8_t journal[16], uint64_t position);
bool message_id_read(const char *text, uint8_t journal[16], uint64_t *position);

#endif
