/* Fork detection without a system call per entry.
 *
 * One word per process in a page that the kernel wipes in a fork child
 * (MADV_WIPEONFORK), or where that is not to be had, one that a
 * pthread_atfork handler clears. An engine remembers the word it was started
 * under; in a child the two differ. vfork children share our memory and are out
 * of contract. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"

static uint32_t fallback_word;
static uint32_t *word = &fallback_word; /* set once, before the first engine */
static uint32_t generation; /* survives in the child: never 0 twice */
static pthread_once_t once = PTHREAD_ONCE_INIT;
uint32_t ob__stray;

/* The registry lock is held across fork, so that the child's copy is free. */
static void before_fork(void) {
#ifndef OB_BREAK_FORK_LOCK
  ob__registry_lock();
#endif
}
static void in_parent(void) {
#ifndef OB_BREAK_FORK_LOCK
  ob__registry_unlock();
#endif
}
static void in_child(void) {
  if (word == &fallback_word) ob__store_relaxed(word, 0u);
  ob__restart_in_child();
  ob__cycle_in_child();
  ob__shared_in_child();
  ob__thread_in_child();
  ob__watch_in_child();
  in_parent();
}

static void set_up(void) {
#ifdef MADV_WIPEONFORK
  long size = sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page != MAP_FAILED) {
    if (madvise(page, (size_t)size, MADV_WIPEONFORK) == 0)
      word = page;
    else
      munmap(page, (size_t)size);
  }
#endif
  pthread_atfork(before_fork, in_parent, in_child);
  ob__spin_measure();
}

uint32_t ob__fork_word(void) {
  return ob__load_relaxed(word);
}

/* Makes the word non-zero in this process; called by each start. */
int ob__fork_init(void) {
  static uint32_t made;
  uint32_t seen = 0;
  if (!ob__load_acquire(&made)) {
    int rc = ob__system_locks(); /* pthread_once itself cannot do without */
    if (rc != OB_OK) return rc;
    pthread_once(&once, set_up);
    ob__store_release(&made, 1u);
  }
  if (ob__load_relaxed(word) == 0)
    ob__cas_acq_rel(word, &seen, ob__add_relaxed(&generation, 1u) + 1u);
  return OB_OK;
}

/* A child that was forked in a handler and returns from it would go on as the
 * parent's loop: run what is queued a second time, and take the parent's events
 * from the descriptors that both have. */
void ob__die_stray(void) {
  ob__die("the child of a fork made in a handler returned from the handler",
          "end the child by exec, _exit or exit before that, or fork on a "
          "thread of the host's");
}

/* An engine of another process was used. */
int ob__forked_slow(ob_engine *engine) {
  int rc = ob__engine_restart(engine);
  if (rc != OB_EFORKED) return rc;
  return ob__fail(OB_EFORKED,
                  "engine \"%s\" was started before fork; start one in the "
                  "child, or set fork_policy to OB_FORK_RESTART",
                  engine->name);
}
