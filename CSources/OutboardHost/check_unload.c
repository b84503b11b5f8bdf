/* unload, restart: dlclose, and the plugin once more.
 *
 * The ABI has no shutdown and hosts need not unload. Those that do must find
 * the process alive: a plugin with threads, handlers or thread-locals stays
 * mapped (-z nodelete), any other may go. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define CYCLES 24
#define WARM 8

static int close_image(struct subject *subject) {
  stage("dlclose");
  if (dlclose(subject->plugin.image) == 0) return 1;
  finding(SEVERITY_FAIL, "dlclose", "The host cannot unload it.", NULL,
          "dlclose: %s", dlerror());
  return 0;
}

/* The second time around, configure may say that it has been done. */
static int start_again(struct subject *subject) {
  if (!subject_open(subject)) return 0;
  if (subject->config != NULL && subject->declared.configure != NULL) {
    stage("configure, again");
    int32_t code = subject->declared.configure((const uint8_t *)subject->config,
                                               strlen(subject->config));
    if (code != MCP_OK && code != MCP_CONFIGURED) {
      finding(SEVERITY_FAIL, "configure",
              "A host that loads the plugin again gets the same instance.",
              "Answer 0 or 2 to the configuration that is in force.",
              "after dlopen again configure returned %d", (int)code);
      return 0;
    }
  }
  struct answer answer = {0};
  if (subject->declared.init != NULL) {
    stage("init, again");
    answer.code = subject->declared.init(&answer.bytes, &answer.size);
    if (answer.code != MCP_OK)
      finding(SEVERITY_FAIL, "init",
              "A host that loads the plugin again calls init again.",
              "Make init succeed when it has been done already.",
              "after dlopen again init returned %d", (int)answer.code);
    int good = answer.code == MCP_OK;
    subject_free(subject, &answer);
    return good;
  }
  return 1;
}

static void call_and_compare(struct subject *subject,
                             struct reference *reference, const char *when) {
  stage("calling %s", when);
  struct answer answer = subject_call(subject);
  enum match match = reference_match(reference, &answer);
  if (match == OTHER_SHAPE || (match == OTHER_CONTENT &&
                               !reference_varies_after_all(subject, reference)))
    finding(SEVERITY_FAIL, "answer", "The instance is not what it was.",
            "Keep state in static storage of an image that stays mapped.",
            "another answer %s (code %d)", when, (int)answer.code);
  subject_free(subject, &answer);
}

static void unload_idle(struct subject *subject) {
  struct reference reference = reference_take(subject);
  if (!close_image(subject)) return;
  stage("after dlclose");
  sleep_ms(400); /* threads left behind get their chance to crash */
  if (proc_mapped(subject->path))
    call_and_compare(subject, &reference, "after dlclose");
  if (!start_again(subject)) return;
  call_and_compare(subject, &reference, "after dlopen again");
  summary("closed, opened again, called");
}

static void unload_busy(struct subject *subject) {
  stage("calling from %u threads", subject->threads);
  struct reference reference = reference_take(subject);
  struct crowd *crowd = crowd_start(subject, &reference, subject->threads);
  crowd_wait(crowd, 2, subject->limit_ms / 3);
  stage("dlclose with calls in flight");
  dlclose(subject->plugin.image);
  sleep_ms(50);
  stage("calls in flight after dlclose");
  struct crowd_count count = crowd_stop(crowd, subject->limit_ms / 3);
  uint64_t wrong = count.stuck == 0 ? crowd_wrong(subject, &reference, &count)
                                    : count.misshapen;
  if (count.stuck > 0 || wrong > 0)
    finding(SEVERITY_FAIL, "calls", "The host's threads wait for answers.",
            "dlclose must not shut down what calls still use.",
            "%u threads did not return, %llu of %llu answers were wrong",
            count.stuck, (unsigned long long)wrong,
            (unsigned long long)count.answered);
}

/* Whether the image stays mapped after dlclose, as it says itself. */
static int is_pinned(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  uint64_t flags = 0;
  return elf != NULL && elf_dynamic(elf, DT_FLAGS_1, 0, &flags) &&
         (flags & DF_1_NODELETE) != 0;
}

void check_unload(struct subject *subject) {
  if (subject->variant == 1 && !is_pinned(subject)) {
    finding(SEVERITY_NOTE, "busy",
            "dlclose unmaps this plugin; a host must not do that with calls "
            "under way.",
            NULL, "not tried with calls in flight");
    return;
  }
  if (!subject_start(subject)) return;
  if (subject->variant == 0)
    unload_idle(subject);
  else
    unload_busy(subject);
}

static size_t thread_count(void) {
  return proc_threads(NULL, 0);
}

/* Threads that a cycle ends take a moment: the number is final when it has
 * been the same for a tenth of a second. */
static size_t settled_threads(void) {
  int64_t end = now_ms() + 1000, since = now_ms();
  size_t count = thread_count();
  while (now_ms() < end && now_ms() - since < 100) {
    size_t now = thread_count();
    if (now != count) since = now_ms();
    count = now;
    sleep_ms(5);
  }
  return count;
}

void check_restart(struct subject *subject) {
  size_t threads = 0, fds = 0;
  long rss = 0, blocks = 0;
  int64_t end = now_ms() + subject->limit_ms * 8 / 10;
  unsigned cycles = 0;
  for (; cycles < CYCLES && now_ms() < end; cycles++) {
    if (!(cycles == 0 ? subject_start(subject) : start_again(subject))) return;
    stage("calling in cycle %u", cycles + 1);
    struct answer answer = subject_call(subject);
    subject_free(subject, &answer);
    if (!close_image(subject)) return;
    if (cycles + 1 != WARM) continue;
    threads = settled_threads();
    fds = proc_fds(NULL, 0);
    rss = proc_rss_kib();
    blocks = alloc_count().blocks;
  }
  stage("counting after %u cycles", cycles);
  if (cycles <= WARM + 4) return;
  long more = (long)(cycles - WARM);
  long threads_more = (long)settled_threads() - (long)threads;
  long fds_more = (long)proc_fds(NULL, 0) - (long)fds;
  long blocks_more = alloc_count().blocks - blocks;
  long rss_more = proc_rss_kib() - rss;
  if (threads_more >= more / 2 || fds_more >= more / 2)
    finding(SEVERITY_FAIL, "leak",
            "A host that reloads its plugins runs out of them.",
            "Start once: keep the engine of the first init, or end its "
            "threads and close its descriptors in a destructor.",
            "%ld more threads and %ld more descriptors after %ld more cycles",
            threads_more, fds_more, more);
  else if (blocks_more >= 4 * more || rss_more >= 256 * more)
    finding(SEVERITY_WARN, "memory", "A host that reloads its plugins grows.",
            "Free in a destructor what init allocated, or init once.",
            "%ld more blocks, %ld KiB more after %ld more cycles", blocks_more,
            rss_more, more);
  summary("%u cycles: %+ld threads, %+ld descriptors, %+ld KiB", cycles,
          threads_more, fds_more, rss_more);
}
