/* The stall watchdog: one thread for all engines of the process, that says what
 * holds a loop while it is held.
 *
 * While it is watched, a loop counts what it begins (beat). The watchdog looks
 * four times in stall_ns at each loop that is awake; a count that stands still
 * for stall_ns is a stall, and what runs is then named from the words that
 * stop's report uses, too. A loop that is found asleep is not looked at again
 * until it wakes: it wakes the watchdog then, at most once in a quarter of
 * stall_ns, and while all sleep nobody wakes.
 *
 * The lock is held for looking at engines only: neither while symbols are
 * looked up (the dynamic linker's lock, which a constructor that starts an
 * engine holds), nor while a stack is fetched, nor while the user's hook runs.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "internal.h"

#define LOOKS 4                      /* in stall_ns */
#define HOOK_NS UINT64_C(1000000000) /* to wait for a hook that runs */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unused; /* lock: a hook has returned */
static ob__parker parker;     /* where the watchdog sleeps */
static ob__watched *list;     /* lock */
static int running;           /* lock: the thread is there */
static pthread_t self;        /* lock, while running */
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* The user's hook: held by the list, and by the watchdog while it runs. */
typedef struct ob__hook {
  uint32_t refs;
  ob_stall_hook run;
  void *user;
  void (*destroy)(void *user);
} ob__hook;

static void hook_release(ob__hook *hook) {
  if (hook == NULL || ob__sub_acq_rel(&hook->refs, 1u) != 1) return;
  if (hook->destroy != NULL) OB__CALL_OUT(hook->destroy(hook->user));
  free(hook);
}

static void set_up(void) {
  ob__cond_init(&unused);
  ob__parker_init_apart(&parker);
}

/* --- Loop thread ------------------------------------------------------------
 */

void ob__watch_awake(ob__insight *insight) {
  uint32_t old =
      ob__or_acq_rel(&insight->watched.word, OB__AWAKE | OB__WATCHING);
#ifdef OB_BREAK_WATCH
  return;
#endif
  if (!(old & OB__WATCHING)) ob__unpark(&parker);
}

void ob__watch_asleep(ob__insight *insight) {
  ob__and_acq_rel(&insight->watched.word, ~OB__AWAKE);
}

/* --- Naming -----------------------------------------------------------------
 */

/* A text that its owner may free at any moment: the kernel copies it, and says
 * so when it is not there any more. */
static void copy_text(char *out, size_t size, const char *text) {
  struct iovec to, from;
  size_t done = 0, part;
  memset(out, 0, size);
  if (text == NULL) return;
  while (done < size - 1) {
    /* Up to the page's end, for what follows may not be mapped. */
    part = 4096 - ((uintptr_t)(text + done) & 4095);
    if (part > size - 1 - done) part = size - 1 - done;
    to = (struct iovec){out + done, part};
    from = (struct iovec){(void *)(uintptr_t)(text + done), part};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)part) {
      out[done] = '\0';
      return;
    }
    if (memchr(out + done, '\0', part) != NULL) break;
    done += part;
  }
  done = strlen(out);
  memset(out + done, 0, size - done);
}

/* What waits for its answer while something without a name runs: most often its
 * next step is that. */
static void name_pending(ob_engine *engine, ob_stall *stall) {
  ob__lock_take(&engine->running_lock);
  if (engine->running != NULL)
    copy_text(stall->pending, sizeof stall->pending, engine->running->name);
  ob__lock_give(&engine->running_lock);
}

/* Under lock. 0: it has just ended. */
static int name_it(ob__watched *watched, uint64_t now, ob_stall *stall) {
  ob_engine *engine = watched->engine;
  *stall = (ob_stall)OB_STALL_INIT;
  memcpy(stall->engine, engine->name, sizeof stall->engine);
  stall->held_ns = now - watched->since;
  stall->handler =
      (uint64_t)(uintptr_t)ob__load_relaxed(&engine->current_handler);
  copy_text(stall->name, sizeof stall->name,
            ob__load_relaxed(&engine->current_name));
  if (stall->name[0] == '\0') name_pending(engine, stall);
  return ob__load_acquire(&watched->beat) == watched->seen;
}

static void find_symbol(ob_stall *stall) {
  void *address = (void *)(uintptr_t)stall->handler;
  const char *file;
  Dl_info info;
  if (address == NULL || dladdr(address, &info) == 0) return;
  if (info.dli_sname != NULL && info.dli_saddr == address) {
    snprintf(stall->symbol, sizeof stall->symbol, "%s", info.dli_sname);
    return;
  }
  file = info.dli_fname != NULL ? strrchr(info.dli_fname, '/') : NULL;
  snprintf(
      stall->symbol, sizeof stall->symbol, "%s+0x%llx",
      file != NULL ? file + 1 : "?",
      (unsigned long long)((uintptr_t)address - (uintptr_t)info.dli_fbase));
}

/* --- Looking ----------------------------------------------------------------
 */

static int sleeps_or_ended(const ob_engine *engine) {
  const ob_node *head = ob__load_acquire(&engine->head);
  return head == OB__SLEEPING || head == OB__CLOSED ||
         ob__load_relaxed(&engine->exiting);
}

/* 1: it sleeps, and will say when it wakes. AWAKE is not known of a loop that
 * slept when it began to be watched: then its queue tells. */
static int let_go(ob__watched *watched) {
  uint32_t seen = ob__load_acquire(&watched->word);
  if ((seen & OB__AWAKE) && !sleeps_or_ended(watched->engine)) return 0;
  if (!ob__cas_acq_rel(&watched->word, &seen, 0u)) return 0;
  /* It may have woken, and found WATCHING, before the exchange: then it wrote
   * its head before that. */
  if (!(seen & OB__AWAKE) || sleeps_or_ended(watched->engine)) return 1;
  ob__or_acq_rel(&watched->word, OB__AWAKE | OB__WATCHING);
  return 0;
}

static void begin_anew(ob__watched *watched, uint32_t beat, uint64_t now) {
  watched->seen = beat;
  watched->since = now;
  watched->held = 0;
  watched->reported = 0;
}

/* When to look again; *stalled: it has just been found to be. */
static uint64_t look(ob__watched *watched, uint64_t now, int *stalled) {
  uint32_t beat = ob__load_acquire(&watched->beat);
  uint64_t tick = watched->stall_ns / LOOKS, looked = watched->looked;
  *stalled = 0;
  watched->looked = now;
  if (let_go(watched)) {
    begin_anew(watched, beat, 0);
    watched->looked = 0;
    return OB_FOREVER;
  }
  /* Late itself, by a whole stall: the process was stopped, not the loop. */
  if (beat != watched->seen || watched->since == 0 ||
      (looked != 0 && now - looked > watched->stall_ns)) {
    begin_anew(watched, beat, now);
  } else if (now - watched->since >= watched->stall_ns && !watched->reported) {
    watched->reported = 1;
    watched->held = watched->since;
    *stalled = 1;
  }
  return now + tick;
}

/* Under lock, which it leaves for a while: the list may have changed. */
static void report(ob__watched *watched, uint64_t now) {
  ob__insight *insight =
      (ob__insight *)((char *)watched - offsetof(struct ob__insight, watched));
  ob__hook *hook = watched->hook;
  int number = watched->stack_signal, tid = watched->tid, named;
  ob_stall stall;
  named = name_it(watched, now, &stall);
  stall.number = ++watched->stalls;
  watched->calling = 1;
  ob__add_relaxed(&insight->refs, 1u);
  if (hook != NULL) ob__add_relaxed(&hook->refs, 1u);
  pthread_mutex_unlock(&lock);
  if (named) {
    find_symbol(&stall);
    if (number != 0)
      stall.frame_count =
          ob__stack_capture(number, tid, stall.frames, OB_STALL_FRAMES);
  } else { /* over before it could be named: what was read may be of the next */
    memset(stall.name, 0, sizeof stall.name);
    memset(stall.pending, 0, sizeof stall.pending);
    stall.handler = 0;
  }
  pthread_mutex_lock(&lock);
  watched->last = stall; /* the hook may let someone ask for it */
  pthread_mutex_unlock(&lock);
  if (hook != NULL && hook->run != NULL)
    OB__CALL_OUT(hook->run(&stall, hook->user));
  hook_release(hook);
  pthread_mutex_lock(&lock);
  watched->calling = 0;
  pthread_cond_broadcast(&unused);
  ob__insight_release(insight);
}

/* Under lock: when to look again. */
static uint64_t look_at_all(void) {
  uint64_t next = OB_FOREVER, now = ob__now(), at;
  ob__watched *watched = list;
  int stalled;
  while (watched != NULL) {
    at = look(watched, now, &stalled);
    if (stalled) { /* and from the start */
      report(watched, now);
      next = OB_FOREVER;
      now = ob__now();
      watched = list;
      continue;
    }
    if (at < next) next = at;
    watched = watched->next;
  }
  return next;
}

static void *watchdog(void *arg) {
  uint64_t next;
  (void)arg;
  ob__thread_name("ob-watchdog");
  pthread_mutex_lock(&lock);
  while (list != NULL) {
    next = look_at_all();
    if (list == NULL) break;
    pthread_mutex_unlock(&lock);
    ob__park(&parker, next);
    pthread_mutex_lock(&lock);
  }
  running = 0;
  pthread_mutex_unlock(&lock);
  return NULL;
}

/* --- Any thread -------------------------------------------------------------
 */

/* Under lock. */
static void unlist(ob__watched *watched) {
  ob__watched **at;
  for (at = &list; *at != NULL; at = &(*at)->next) {
    if (*at != watched) continue;
    *at = watched->next;
    break;
  }
  watched->listed = 0;
  watched->held = 0;
}

/* *out is NULL without one. */
static int hook_new(ob__hook **out, const ob_inspect_opts *opts) {
  ob__hook *hook = NULL;
  *out = NULL;
  if (opts->on_stall == NULL && opts->stall_destroy == NULL) return OB_OK;
  hook = malloc(sizeof *hook);
  if (hook == NULL) return ob__fail(OB_ENOMEM, "ob_inspect: no memory");
  *hook = (ob__hook){1, opts->on_stall, opts->stall_user, opts->stall_destroy};
  *out = hook;
  return OB_OK;
}

static int start(void) {
  int rc;
  if (running) return OB_OK;
  rc = ob__thread_create(&self, 0, watchdog, NULL);
  if (rc != 0)
    return ob__fail(OB_ESYSTEM, "ob_inspect: no thread for the watchdog: %s",
                    strerror(rc));
  pthread_detach(self);
  running = 1;
  return OB_OK;
}

int ob__watch_set(ob_engine *engine, ob__insight *insight) {
  const ob_inspect_opts *opts = &insight->opts;
  ob__watched *watched = &insight->watched;
  ob__hook *hook, *old = NULL;
  int rc = hook_new(&hook, opts);
  if (rc != OB_OK) return rc;
  pthread_once(&once, set_up);
  pthread_mutex_lock(&lock);
  rc = start();
  if (rc == OB_OK) {
    watched->engine = engine;
    watched->tid = engine->loop_tid;
    watched->stall_ns = opts->stall_ns;
    old = watched->hook;
    watched->hook = hook;
    watched->stack_signal = opts->stack_signal;
    if (!watched->listed) {
      begin_anew(watched, 0, 0);
      watched->looked = 0;
      watched->next = list;
      list = watched;
      watched->listed = 1;
      ob__or_acq_rel(&watched->word, OB__AWAKE | OB__WATCHING);
    }
  }
  pthread_mutex_unlock(&lock);
  if (rc == OB_OK) {
    hook_release(old); /* under the engine's life_mutex: see the header */
    ob__unpark(&parker);
  } else {
    free(hook);
  }
  return rc;
}

void ob__watch_clear(ob__insight *insight) {
  ob__watched *watched = &insight->watched;
  ob__hook *hook;
  int was;
  pthread_mutex_lock(&lock);
  was = watched->listed;
  if (was) unlist(watched);
  hook = watched->hook;
  watched->hook = NULL;
  pthread_mutex_unlock(&lock);
  hook_release(hook);
  if (was) ob__unpark(&parker); /* it ends with the last */
}

void ob__watch_await(ob__insight *insight) {
  uint64_t until = ob__deadline(HOOK_NS);
  pthread_mutex_lock(&lock);
  while (insight->watched.calling && !pthread_equal(self, pthread_self()) &&
         ob__cond_wait(&unused, &lock, until) == OB_OK) {
  }
  pthread_mutex_unlock(&lock);
}

void ob__watch_read(ob__insight *insight, uint64_t *stalls, uint64_t *held,
                    ob_stall *last) {
  pthread_mutex_lock(&lock);
  *stalls = insight->watched.stalls;
  *held = insight->watched.held;
  if (last != NULL) *last = insight->watched.last;
  pthread_mutex_unlock(&lock);
}

/* The thread is not there, and may have held the lock. */
void ob__watch_in_child(void) {
  pthread_mutex_init(&lock, NULL);
  list = NULL;
  if (!running) return;
  running = 0;
  set_up();
}
