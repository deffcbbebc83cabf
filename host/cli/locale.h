// Does the user's locale show UTF-8? Asked for before anything but ASCII is drawn. [control]
#ifndef HD_CLI_LOCALE_H
#define HD_CLI_LOCALE_H

#include <stdbool.h>

bool hd_locale_utf8(void);

#endif
