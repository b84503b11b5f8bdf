/* What a shared object with a copy of Outboard of its own shows the hosts of
 * this test. */
#ifndef COPIES_H
#define COPIES_H

#include <stdint.h>

typedef struct copy_face {
  const char *(*version)(void);
  void *(*start)(void);   /* address of ob_engine_start, as seen in there */
  void *(*shared)(void);  /* its shared engine */
  void *(*current)(void); /* its ob_engine_current() */
  /* Starts an engine of its own, calls it so many times, stops it. 0, or the
   * first status that was wrong. */
  int (*life)(int calls);
  /* A handler on its shared engine that does work(arg) and returns its value
   * through it; negative: a status. */
  int (*on_loop)(int (*work)(void *), void *arg);
} copy_face;

#endif
