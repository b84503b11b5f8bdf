/* Text for people: wrapped at the terminal's width, 80 columns elsewhere, with
 * colour where it is seen. What a plugin says of itself goes through here, so
 * that no escape sequence in a name reaches the terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "doctor.h"

#define NARROW 60
#define WIDE 100

static unsigned width(void) {
  static unsigned columns;
  struct winsize size;
  if (columns != 0) return columns;
  columns = 80;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    columns = size.ws_col < NARROW ? NARROW
              : size.ws_col > WIDE ? WIDE
                                   : size.ws_col;
  return columns;
}

static int colours(void) {
  const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) && (none == NULL || none[0] == 0) &&
         terminal != NULL && strcmp(terminal, "dumb") != 0;
}

void layout_result(const char *result, unsigned room) {
  static const char *const codes[][2] = {
      {"pass", "32"}, {"warn", "33"}, {"fail", "1;31"}};
  const char *code = NULL;
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (strcmp(codes[i][0], result) == 0) code = codes[i][1];
  if (code != NULL && colours())
    printf("\x1b[%sm%s\x1b[0m", code, result);
  else
    fputs(result, stdout);
  for (size_t i = strlen(result); i < room; i++) putchar(' ');
}

/* Bytes of the character at text, and whether it may be printed: no control
 * characters, those of two bytes (U+0080 to U+009F) included. */
static size_t character(const char *text, int *printable) {
  const unsigned char *at = (const unsigned char *)text;
  size_t size = 1;
  while ((at[size] & 0xC0) == 0x80) size++;
  *printable = size == 1   ? at[0] >= 0x20 && at[0] < 0x7f
               : size == 2 ? at[0] > 0xC2 || (at[0] == 0xC2 && at[1] >= 0xA0)
                           : size <= 4 && at[0] >= 0xE0;
  return size;
}

/* Prints up to `room` characters, none beyond the next space; how many. */
static unsigned put_word(const char **text, unsigned room) {
  unsigned printed = 0;
  int printable;
  for (; **text != 0 && **text != ' ' && printed < room; printed++) {
    size_t size = character(*text, &printable);
    if (printable)
      fwrite(*text, 1, size, stdout);
    else
      putchar('?');
    *text += size;
  }
  return printed;
}

static unsigned word_length(const char *text) {
  unsigned length = 0;
  int printable;
  for (; *text != 0 && *text != ' '; length++)
    text += character(text, &printable);
  return length;
}

void layout_line(const char *text) {
  while (*text != 0) {
    put_word(&text, ~0u);
    for (; *text == ' '; text++) putchar(' ');
  }
  putchar('\n');
}

void layout_wrapped(unsigned indent, const char *text) {
  unsigned column = indent;
  while (*text != 0) {
    text += strspn(text, " ");
    unsigned length = word_length(text);
    if (column > indent && column + 1 + length > width()) {
      printf("\n%*s", (int)indent, "");
      column = indent;
    } else if (column > indent) {
      putchar(' ');
      column++;
    }
    column += put_word(&text, ~0u);
  }
  putchar('\n');
}

void layout_cut(unsigned indent, const char *text) {
  unsigned column = indent;
  while (*text != 0) {
    unsigned length = word_length(text);
    unsigned dots = text[length] != 0 ? 4 : 0; /* room for " ..." */
    if (column > indent && column + 1 + length + dots > width()) {
      fputs(" ...", stdout);
      break;
    }
    if (column > indent) putchar(' '), column++;
    column += put_word(&text, width() > column ? width() - column : 0);
    if (*text != 0 && *text != ' ') break; /* a word longer than the line */
    text += strspn(text, " ");
  }
  putchar('\n');
}
