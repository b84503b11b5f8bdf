/* exit: the host ends by exit(), at any moment, and its status arrives.
 *
 * Variant 0 leaves with calls in flight, 1 after calls, 2 with the plugin
 * loaded only, 3 from another thread than the one that started it. The parent
 * judges status, signal and time. */
#include <pthread.h>
#include <stdlib.h>

#include "checks.h"

#define STATUS 7

static void *leave_from_here(void *arg) {
  (void)arg;
  leave(STATUS);
}

void check_exit(struct subject *subject) {
  pthread_t thread;
  summary("busy, idle, before init, from another thread");
  if (subject->variant == 2) {
    if (subject_open(subject)) leave(STATUS);
    return;
  }
  if (!subject_start(subject)) return;
  struct reference reference = reference_take(subject);
  if (subject->variant == 0) {
    stage("calling from %u threads", subject->threads);
    struct crowd *crowd = crowd_start(subject, &reference, subject->threads);
    crowd_wait(crowd, 2, subject->limit_ms / 3);
  }
  if (subject->variant != 3) leave(STATUS);
  if (pthread_create(&thread, NULL, leave_from_here, NULL) != 0) abort();
  pthread_join(thread, NULL);
}
