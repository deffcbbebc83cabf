#include "cli/spark.h"

#include <math.h>

#include "base/banned.h"
#include "cli/locale.h"

void hd_spark_block(FILE *to, int level, bool utf8) {
  static const char ascii[] = " _.-:=+*#";
  if (!utf8 || level == 0) fputc(level ? ascii[level] : ' ', to);
  else fprintf(to, "\xe2\x96%c", 0x80 + level); // U+2580 + level: lower blocks of one to eight eighths
}

void hd_spark_print(FILE *to, const double *values, size_t count, int columns) {
  double low = INFINITY, high = -INFINITY;
  bool utf8 = hd_locale_utf8();
  for (size_t i = 0; i < count; i++) {
    low = fmin(low, values[i]);
    high = fmax(high, values[i]);
  }
  size_t shown = count < (size_t)columns ? count : (size_t)columns;
  for (size_t c = 0; c < shown; c++) {
    double v = values[(c + 1) * count / shown - 1];
    hd_spark_block(to, high > low ? 1 + (int)((v - low) / (high - low) * 7 + 0.5) : 1, utf8);
  }
}
