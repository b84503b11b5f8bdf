/* Threads that call the plugin's tool over and over, each answer compared with
 * the reference, until they are told to stop. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

struct member {
  _Alignas(64) pthread_t thread;
  struct crowd *crowd;
  _Atomic uint64_t asked, answered;  /* written by the thread alone */
  _Atomic uint64_t wrong, misshapen; /* likewise */
  char sample[160];                  /* of a wrong answer */
};

struct crowd {
  const struct subject *subject;
  const struct reference *reference;
  unsigned threads;
  atomic_int stop;
  _Atomic unsigned left;
  struct member *members;
};

static void judge(struct member *member, const struct answer *answer) {
  enum match match = reference_match(member->crowd->reference, answer);
  if (match == MATCHES) return;
  if (match == OTHER_SHAPE) member->misshapen++;
  if (member->wrong++ == 0)
    snprintf(member->sample, sizeof member->sample, "code %d, %.*s",
             (int)answer->code, answer->bytes != NULL ? (int)answer->size : 9,
             answer->bytes != NULL ? (const char *)answer->bytes : "no buffer");
}

static void *call_on(void *arg) {
  struct member *member = arg;
  struct crowd *crowd = member->crowd;
  while (!atomic_load(&crowd->stop)) {
    member->asked++;
    struct answer answer = subject_call(crowd->subject);
    judge(member, &answer);
    subject_free(crowd->subject, &answer);
    member->answered++;
  }
  atomic_fetch_sub(&crowd->left, 1);
  return NULL;
}

struct crowd *crowd_start(const struct subject *subject,
                          const struct reference *reference, unsigned threads) {
  struct crowd *crowd = calloc(1, sizeof *crowd);
  if (crowd == NULL) abort();
  crowd->subject = subject;
  crowd->reference = reference;
  crowd->threads = threads;
  crowd->members = aligned_alloc(64, threads * sizeof *crowd->members);
  if (crowd->members == NULL) abort();
  memset(crowd->members, 0, threads * sizeof *crowd->members);
  atomic_store(&crowd->left, threads);
  for (unsigned i = 0; i < threads; i++) {
    crowd->members[i].crowd = crowd;
    int error = pthread_create(&crowd->members[i].thread, NULL, call_on,
                               &crowd->members[i]);
    if (error != 0) {
      fprintf(stderr, "cannot start a thread: %s\n", strerror(error));
      abort();
    }
  }
  return crowd;
}

int crowd_wait(struct crowd *crowd, uint64_t calls, int64_t limit_ms) {
  int64_t end = now_ms() + limit_ms;
  for (unsigned i = 0; i < crowd->threads;) {
    if (crowd->members[i].answered >= calls)
      i++;
    else if (now_ms() > end)
      return 0;
    else
      sleep_ms(1);
  }
  return 1;
}

struct crowd_count crowd_stop(struct crowd *crowd, int64_t limit_ms) {
  struct crowd_count count = {0};
  int64_t end = now_ms() + limit_ms;
  atomic_store(&crowd->stop, 1);
  while (atomic_load(&crowd->left) != 0 && now_ms() < end) sleep_ms(1);
  count.stuck = atomic_load(&crowd->left);
  for (unsigned i = 0; i < crowd->threads; i++) {
    struct member *member = &crowd->members[i];
    if (count.stuck == 0) pthread_join(member->thread, NULL);
    count.asked += member->asked;
    count.answered += member->answered;
    count.wrong += member->wrong;
    count.misshapen += member->misshapen;
    if (member->wrong != 0)
      memcpy(count.sample, member->sample, sizeof count.sample);
  }
  if (count.stuck != 0) return count; /* they still use it */
  free(crowd->members);
  free(crowd);
  return count;
}

uint64_t crowd_wrong(const struct subject *subject, struct reference *reference,
                     const struct crowd_count *count) {
  if (count->wrong == count->misshapen || subject->races)
    return count->misshapen;
  return reference_varies_after_all(subject, reference) ? count->misshapen
                                                        : count->wrong;
}
