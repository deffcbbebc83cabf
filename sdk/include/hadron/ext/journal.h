// Capability "hadron.journal/1", host side, for services: reading the journal by cursor.
#ifndef HADRON_EXT_JOURNAL_H
#define HADRON_EXT_JOURNAL_H

#include "hadron/plugin.h"

#define HADRON_CAP_JOURNAL "hadron.journal/1"
#define HADRON_JOURNAL_NOTE_SIZE 128 // of a reader's note, with its NUL

struct hadron_record {
  uint64_t position; // of this record: a cursor that reads it again
  uint64_t next;     // of the one after it
  int64_t time_ns;   // when it was appended (host)
  uint16_t template_id; // enum hadron_template
  uint16_t block_length; // bytes of the root block; more than this reader knows if the writer was newer
  uint32_t size;     // bytes of the root block and what follows it
  const void *bytes; // borrowed(until the next read)
  const struct hadron_message_header *message; // of the record; `bytes` follow it without a gap: the message as a whole is size + 8 bytes from here
  uint64_t sequence; // of the record: +1 from one to the next, more where a crash has left a void
};

struct hadron_journal {
  uint32_t struct_size;
  uint32_t pad;

  // Goes to a position: 0 is the oldest record that is kept. [plugin & active]
  // @err   HADRON_ERR_NOT_FOUND  no record starts there, or it is no longer kept
  // @since 1.0
  int32_t (*seek)(struct hadron_instance *instance, uint64_t position);

  // Reads the next committed record. [plugin & active] [nonblocking]
  // @own   record  borrowed(until the next read)
  // @err   HADRON_ERR_AGAIN    nothing more has been committed
  // @err   HADRON_ERR_CORRUPT  damaged; the host has logged where
  // @since 1.0
  int32_t (*next)(struct hadron_instance *instance, struct hadron_record *record);

  // Identity of this journal: a cursor is good for this one alone. 16 random bytes. [plugin & active]
  // @own   id  filled
  // @since 1.0
  void (*id)(struct hadron_instance *instance, uint8_t id[16]);

  // Where the next record will be written: end() - a cursor is the lag in bytes. [plugin & active] [nonblocking]
  // @since 1.0
  uint64_t (*end)(struct hadron_instance *instance);

  // Says what this reader has stored for good: records from `position` on are kept for it, across restarts too, whatever the
  // host's retention says. Before the first call nothing is held. [plugin & active]
  // @param position  of the first record still needed; 0: the oldest that is kept, for a reader that does not know yet (source: this reader)
  // @err   HADRON_ERR_IO  the place could not be written; the old one holds
  // @since 1.0
  int32_t (*keep)(struct hadron_instance *instance, uint64_t position);

  // As keep, with a line of the reader's own, both in one piece: what belongs to the place is never of another one. It is written at
  // once and flushed, which takes a disk its time. A keep after it drops the note. [plugin & active]
  // @own   note  borrowed(call), NUL-terminated, one line of less than HADRON_JOURNAL_NOTE_SIZE bytes
  // @err   HADRON_ERR_ARGUMENT  the note is too long, or more than one line
  // @err   HADRON_ERR_IO        it could not be written; the old place and note hold
  // @since 1.0
  int32_t (*keep_note)(struct hadron_instance *instance, uint64_t position, const char *note);

  // The place that this reader has said last, in this run or an earlier one, and its note. [plugin & active]
  // @own   position, note  filled on success; the note is empty where there is none
  // @err   HADRON_ERR_NOT_FOUND  it has never said one
  // @since 1.0
  int32_t (*kept)(struct hadron_instance *instance, uint64_t *position, char note[HADRON_JOURNAL_NOTE_SIZE]);
};

#endif
