/* memory: each buffer is freed exactly, and nothing else is left behind.
 *
 * Three rounds of calls after a warm-up, in batches: the answers of a batch
 * stay with us until all are there, must keep their contents, and are freed on
 * this thread or on another. Blocks live at the end of each round are counted;
 * growth in all three is a leak, and the place that allocated most of it is
 * named. Variant 0 calls the tool, 1 an unknown one, 2 lists. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define BATCH 16
#define ROUNDS 3
#define MOST 2000    /* calls of a round */
#define LEAK_PER 100 /* a block in so many calls */

static const char *const what_is_called[] = {"the tool", "an unknown tool",
                                             "list_tools"};

struct batch {
  const struct subject *subject;
  struct answer answers[BATCH];
  uint8_t *copies[BATCH];
};

static struct answer call_once(struct subject *subject) {
  struct answer answer = {0};
  if (subject->variant == 0) return subject_call(subject);
  if (subject->variant == 1)
    return plugin_call(&subject->plugin, "outboard_host_doctor_no_such_tool",
                       "{}", 2);
  answer.code = subject->declared.list_tools(&answer.bytes, &answer.size);
  return answer;
}

static void *free_batch(void *arg) {
  struct batch *batch = arg;
  for (int i = 0; i < BATCH; i++)
    subject_free(batch->subject, &batch->answers[i]);
  return NULL;
}

static void free_elsewhere(struct batch *batch) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, free_batch, batch) != 0) abort();
  pthread_join(thread, NULL);
}

static void keep_copy(struct batch *batch, int i) {
  size_t size = batch->answers[i].size;
  batch->copies[i] = malloc(size + 1);
  if (batch->copies[i] == NULL) abort();
  if (batch->answers[i].bytes != NULL)
    memcpy(batch->copies[i], batch->answers[i].bytes, size);
}

/* Contents that a later call has changed were not the host's alone. */
static void look_at_held(const struct batch *batch) {
  static int said;
  for (int i = 0; i < BATCH && !said; i++) {
    const struct answer *answer = &batch->answers[i];
    if (answer->bytes == NULL ||
        memcmp(answer->bytes, batch->copies[i], answer->size) == 0)
      continue;
    said = 1;
    finding(SEVERITY_FAIL, "shared",
            "A buffer is the host's alone until it gives it back.",
            "Allocate each answer; no static or thread-local buffers.",
            "an answer's bytes changed while the host held it");
  }
}

static void run_batch(struct subject *subject, int elsewhere) {
  struct batch batch = {.subject = subject};
  for (int i = 0; i < BATCH; i++) {
    batch.answers[i] = call_once(subject);
    keep_copy(&batch, i);
  }
  look_at_held(&batch);
  if (elsewhere)
    free_elsewhere(&batch);
  else
    free_batch(&batch);
  for (int i = 0; i < BATCH; i++) free(batch.copies[i]);
}

/* Calls n times or, for n 0, as often as time allows; how often. */
static unsigned run_round(struct subject *subject, unsigned n) {
  int64_t end = now_ms() + subject->limit_ms / 8;
  unsigned calls = 0;
  while (calls < (n != 0 ? n : MOST) && (n != 0 || now_ms() < end)) {
    run_batch(subject, calls / BATCH % 4 == 3);
    calls += BATCH;
  }
  return calls;
}

/* What the plugin's threads free after an answer is out counts as freed. */
static struct alloc_count settled_count(void) {
  struct alloc_count before, now = alloc_count();
  int64_t end = now_ms() + 1000;
  do {
    before = now;
    sleep_ms(20);
    now = alloc_count();
  } while ((now.blocks != before.blocks || now.bytes != before.bytes) &&
           now_ms() < end);
  return now;
}

static void look_at_growth(const struct subject *subject,
                           const struct alloc_count at[ROUNDS + 1],
                           unsigned calls, unsigned first_generation) {
  long least_blocks = at[1].blocks - at[0].blocks;
  long least_bytes = at[1].bytes - at[0].bytes, blocks, bytes;
  char place[256];
  for (int i = 2; i <= ROUNDS; i++) {
    blocks = at[i].blocks - at[i - 1].blocks;
    bytes = at[i].bytes - at[i - 1].bytes;
    if (blocks < least_blocks) least_blocks = blocks;
    if (bytes < least_bytes) least_bytes = bytes;
  }
  long few = calls / LEAK_PER > 4 ? (long)(calls / LEAK_PER) : 4;
  /* Without more blocks, bytes: an array that never stops growing. */
  if (least_blocks < few && least_bytes < (long)calls * 8) return;
  void *site = alloc_top_site(first_generation, first_generation + ROUNDS - 1,
                              &blocks, &bytes);
  alloc_describe(site, place, sizeof place);
  finding(SEVERITY_FAIL, "leak", "A host runs for months.",
          "Free it in free_string or before the call returns; see the place.",
          "%s: each call leaves %.2f blocks and %.0f bytes (%u calls); most, "
          "%ld bytes, come from %s",
          what_is_called[subject->variant],
          (double)(at[ROUNDS].blocks - at[0].blocks) / (ROUNDS * calls),
          (double)(at[ROUNDS].bytes - at[0].bytes) / (ROUNDS * calls),
          ROUNDS * calls, bytes, place);
}

static void look_at_frees(struct alloc_count before) {
  struct alloc_count now = alloc_count();
  char place[256];
  if (now.bad == before.bad) return;
  alloc_describe(alloc_bad_site(), place, sizeof place);
  finding(SEVERITY_FAIL, "badfree",
          "Freeing what is not live corrupts the host's heap or ends it.",
          "Free each block once, by the allocator that it came from; answers "
          "that are constants must be copied.",
          "%lu pointers freed that were not live, last by %s",
          now.bad - before.bad, place);
}

void check_memory(struct subject *subject) {
  struct alloc_count before = alloc_count(), at[ROUNDS + 1];
  unsigned generation = 0;
  long rss[ROUNDS + 1];
  if (!subject_start(subject)) return;
  stage("calling %s", what_is_called[subject->variant]);
  unsigned calls = run_round(subject, 0);
  at[0] = settled_count();
  rss[0] = proc_rss_kib();
  for (int i = 1; i <= ROUNDS; i++) {
    unsigned now = alloc_generation();
    if (i == 1) generation = now;
    run_round(subject, calls);
    at[i] = settled_count();
    rss[i] = proc_rss_kib();
  }
  look_at_growth(subject, at, calls, generation);
  look_at_frees(before);
  if (rss[1] - rss[0] > 2048 && rss[2] - rss[1] > 2048 &&
      rss[3] - rss[2] > 2048 && at[ROUNDS].bytes - at[0].bytes < 2 << 20)
    finding(SEVERITY_WARN, "rss", "A host runs for months.",
            "Look at its own allocator and mmap.",
            "resident memory grows by %ld KiB in %u calls, not through malloc",
            rss[ROUNDS] - rss[0], ROUNDS * calls);
  summary("%u calls and more: %+ld blocks, %+ld bytes", ROUNDS * calls,
          at[ROUNDS].blocks - at[0].blocks, at[ROUNDS].bytes - at[0].bytes);
}
