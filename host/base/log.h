// Log lines: time, level, a stable id, words. Writing copies into a bounded queue and never blocks; a thread formats and writes
// them out (to standard error, or a file). Full: the line is dropped and counted, and the count is logged when there is room again.
// Without hd_log_start lines go straight to standard error, which is what tests and one-shot commands want.
#ifndef HD_BASE_LOG_H
#define HD_BASE_LOG_H

#include <stdint.h>

#include "hadron/ext/log.h"

struct hd_fault;

// path NULL: standard error. level: enum hadron_log_level; lines below it are dropped unseen. [control]
int32_t hd_log_start(const char *path, uint32_t level, struct hd_fault *fault);
void hd_log_stop(void); // writes what is queued
void hd_log_level(uint32_t level);

// [any] [nonblocking]
__attribute__((format(printf, 3, 4))) void hd_log(uint32_t level, const char *id, const char *format, ...);
void hd_log_text(uint32_t level, const char *source, const char *id, const char *text); // for plugins: no formatting
uint64_t hd_log_dropped(void);

#define hd_log_info(id, ...) hd_log(HADRON_LOG_INFO, id, __VA_ARGS__)
#define hd_log_warn(id, ...) hd_log(HADRON_LOG_WARN, id, __VA_ARGS__)
#define hd_log_error(id, ...) hd_log(HADRON_LOG_ERROR, id, __VA_ARGS__)

#endif
