/* concurrency: many threads call at once; each answer is what it was when one
 * thread called. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define CALLS 200 /* of each thread, if time allows */

/* ms that a call takes when nobody else calls: the least of five, since a busy
 * machine makes some longer. */
static int64_t single_ms(const struct subject *subject) {
  int64_t least = INT64_MAX;
  for (int i = 0; i < 5; i++) {
    int64_t begin = now_ms();
    struct answer answer = subject_call(subject);
    subject_free(subject, &answer);
    int64_t time = now_ms() - begin;
    if (time < least) least = time;
  }
  return least;
}

static void look_at_counts(const struct subject *subject,
                           struct reference *reference,
                           const struct crowd_count *count) {
  uint64_t wrong = count->stuck == 0 ? crowd_wrong(subject, reference, count)
                                     : count->misshapen;
  if (count->stuck > 0)
    finding(SEVERITY_FAIL, "stuck",
            "Each is a thread of the host that never comes back.",
            "Look for a lock held while waiting, or a lost wake-up; give "
            "every wait a deadline.",
            "%u of %u threads did not return within %lld ms", count->stuck,
            subject->threads, (long long)subject->limit_ms / 3);
  if (wrong > 0)
    finding(
        SEVERITY_FAIL, "wrong",
        "execute_tool may be called by several threads at once.",
        "Keep a call's data on its stack or heap; guard what is shared. (If "
        "the answers differ by nature: --vary.)",
        "%llu of %llu answers differ from a lone caller's, one: %s",
        (unsigned long long)wrong, (unsigned long long)count->answered,
        count->sample);
}

void check_concurrency(struct subject *subject) {
  if (!subject_start(subject)) return;
  if (subject->unreal)
    finding(SEVERITY_SKIPPED, "tool", "Errors may take another way.",
            "Name a tool and its arguments: --tool NAME --args JSON.",
            "no tool could be called; the error for an unknown one was");
  stage("calling from one thread");
  struct reference reference = reference_take(subject);
  int64_t single = single_ms(subject);
  stage("calling from %u threads", subject->threads);
  int64_t begin = now_ms();
  struct crowd *crowd = crowd_start(subject, &reference, subject->threads);
  /* One slow call each is enough to see whether they wait in line. */
  int all = crowd_wait(crowd, 1, subject->limit_ms / 3);
  int64_t wall = now_ms() - begin;
  if (single < 20) crowd_wait(crowd, CALLS, subject->limit_ms / 3);
  struct crowd_count count = crowd_stop(crowd, subject->limit_ms / 3);
  look_at_counts(subject, &reference, &count);
  if (all && single >= 20 && wall >= single * subject->threads / 2)
    finding(SEVERITY_NOTE, "serial",
            "A slow call holds up all the others of the host.",
            "Do not hold a lock while waiting for something outside.",
            "%u calls at once take %lld ms, one alone %lld ms: one by one",
            subject->threads, (long long)wall, (long long)single);
  summary("%llu calls from %u threads, %s", (unsigned long long)count.answered,
          subject->threads,
          reference.varies ? "contents vary: shapes equal" : "answers equal");
}
