// Last words: a signal that ends the program (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS) leaves a crash record that names whose code was
// running, as the watchdog does for a hang, and then ends it the way it would have: the core is that of the instruction at fault. The
// handler neither allocates nor locks; it runs on a stack of its own, so that it speaks after an overflow of the stack too.
//
// One session of a process at a time. Builds with a sanitizer leave the signals to it.
//
// thread opening and closing [control]; a thread that runs plugins brings its stack
#ifndef HD_RUNTIME_LAST_WORDS_H
#define HD_RUNTIME_LAST_WORDS_H

#include "base/fault.h"

struct hd_session;

// s: borrowed(until closed).
void hd_last_words_open(const struct hd_session *s);
void hd_last_words_close(const struct hd_session *s);
// In a worker, and where a journal is run again, for good: no record, one line on standard error, from where a worker's host takes it. name: fills
// in whose code was running; returns what to do about it, or NULL.
struct hd_crash;
void hd_last_words_worker(const char *(*name)(struct hd_crash *crash));
// "on_tick"; NULL: no callback of a strategy. what: enum hd_calling_what. static [any, in a signal too]
const char *hd_last_words_callback(unsigned what);
// The calling thread gets a stack for the handler and gives it back: the first and last thing that a thread does. No memory: without one.
void hd_last_words_stack(void);
void hd_last_words_unstack(void);
// Somebody has told already why this process is about to abort. [any]
void hd_last_words_said(void);

#endif
