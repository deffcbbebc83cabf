// Functions that do not compile here: each has a bounded or re-entrant sibling.
#ifndef HD_BASE_BANNED_H
#define HD_BASE_BANNED_H

#include <alloca.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#undef strcpy
#undef strcat
#undef strncpy
#undef strtok
#undef alloca
#define strcpy(d, s) hd_banned_strcpy_use_snprintf
#define strcat(d, s) hd_banned_strcat_use_snprintf
#define strncpy(d, s, n) hd_banned_strncpy_use_hd_text_copy
#define sprintf(...) hd_banned_sprintf_use_snprintf
#define vsprintf(...) hd_banned_vsprintf_use_vsnprintf
#define strtok(s, d) hd_banned_strtok_use_strtok_r
#define gmtime(t) hd_banned_gmtime_use_hd_time_format
#define localtime(t) hd_banned_localtime_use_hd_time_format
#define ctime(t) hd_banned_ctime_use_hd_time_format
#define alloca(n) hd_banned_alloca_use_a_bounded_array

#endif
