/* How a program ends when it cannot go on: what is wrong, and what to do.
 * Shared by outboard-call and outboard-host. */
#include "call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fail(enum exit_code code, const char *cure, const char *format, ...) {
  va_list arguments;
  fflush(stdout);
  fprintf(stderr, "%s: ", program_name);
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  if (cure != NULL) fprintf(stderr, "\n  to do: %s", cure);
  fputc('\n', stderr);
  exit((int)code);
}
