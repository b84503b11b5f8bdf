/* Engines: options, memory, start.
 *
 * The loop thread sets itself up and reports; only then does the start hook
 * run, on the loop, and only when it has answered does ob_engine_start return.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

#define STACK_LEAST ((size_t)65536) /* libuv's poll alone puts 12 KiB there */

static uint64_t last_id; /* atomic */

/* --- Options ----------------------------------------------------------------
 */

static int bad(const char *what) {
  return ob__fail(OB_EINVAL, "ob_engine_start: %s", what);
}

static int check_engine_opts(const ob_engine_opts *opts) {
  if (opts->size != sizeof *opts)
    return bad("opts.size is wrong; begin with OB_ENGINE_OPTS_INIT");
  if (opts->name != NULL && strlen(opts->name) > 15)
    return bad("opts.name is longer than 15 bytes");
#ifndef OB_BREAK_STACK_LEAST
  if (opts->stack_size != 0 && opts->stack_size < STACK_LEAST)
    return bad("opts.stack_size is below 64 KiB; 0 is 8 MiB");
#endif
  if (opts->queue_limit == 0) return bad("opts.queue_limit is 0");
  if (opts->batch_limit == 0) return bad("opts.batch_limit is 0");
  if (opts->fork_policy > OB_FORK_RESTART)
    return bad("opts.fork_policy is none of enum ob_fork_policy");
  if (opts->offload_threads == 0 ||
      opts->offload_hard_limit < opts->offload_threads)
    return bad("opts.offload_threads must be 1 to offload_hard_limit");
  if (opts->offload_queue == 0) return bad("opts.offload_queue is 0");
  return opts->inspect != NULL ? ob__inspect_check(opts->inspect) : OB_OK;
}

/* --- Memory -----------------------------------------------------------------
 */

static void copy_opts(ob_engine *engine, const ob_engine_opts *opts) {
  uint32_t chunk = opts->queue_limit / 1024;
  engine->opts = *opts;
  strncpy(engine->name, opts->name != NULL ? opts->name : "outboard",
          sizeof engine->name - 1);
  engine->opts.name = engine->name;
  engine->opts.inspect = NULL; /* not ours to keep */
  engine->credit_chunk = chunk < 1 ? 1 : chunk > 64 ? 64 : chunk;
}

/* Everything that a fresh loop needs; also after a fork. */
void ob__engine_reset(ob_engine *engine) {
  engine->head = OB__EMPTY;
  engine->credits = engine->opts.queue_limit;
  engine->id = ob__add_relaxed(&last_id, UINT64_C(1)) + 1;
  engine->loop_cpu = engine->caller_cpu = -1;
  engine->streak = OB__ALONE;
  engine->box_request.node.run = ob__box_run;
  engine->spin_credit = engine->wake_credit = 8;
  engine->poll_every = engine->poll_left = 1;
  engine->wake_fd = engine->backend_fd = -1;
  engine->uv_closed = 1;
  engine->yield.ban = 0;
  engine->token.engine = engine;
  ob__lock_init(&engine->room_lock);
  ob__lock_init(&engine->running_lock);
  ob__lock_init(&engine->lost_lock);
  ob__parker_init_apart(&engine->parker);
  engine->parks = 1;
}

int ob__engine_init_life(ob_engine *engine) {
  if (pthread_mutex_init(&engine->life_mutex, NULL) != 0) return OB_ENOMEM;
  if (ob__cond_init(&engine->life_cond) != 0) {
    pthread_mutex_destroy(&engine->life_mutex);
    return OB_ENOMEM;
  }
  return OB_OK;
}

static int make(ob_engine **out, const ob_engine_opts *opts) {
  void *memory = NULL;
  ob_engine *engine;
  if (posix_memalign(&memory, OB_LINE, sizeof *engine) != 0)
    return ob__fail(OB_ENOMEM, "ob_engine_start: no memory for the engine");
  engine = memset(memory, 0, sizeof *engine);
  copy_opts(engine, opts);
  ob__engine_reset(engine);
  engine->fork_word = ob__fork_word();
  if (ob__engine_init_life(engine) != OB_OK) {
    free(engine);
    return ob__fail(OB_ENOMEM, "ob_engine_start: no memory for a mutex");
  }
  *out = engine;
  return OB_OK;
}

void ob__engine_free(ob_engine *engine) {
  /* Threads that are on their way out of a call or a push. */
#ifndef OB_BREAK_LEAVE
  while (ob__load_acquire(&engine->callers) != 0 ||
         ob__load_acquire(&engine->inside) != 0)
    sched_yield();
#endif
  ob__exit_unregister(engine);
  ob__shared_forget(engine);
  ob__cycle_forget(engine);
  ob__inspect_free(engine);
  ob__lanes_retire(engine);
  ob__offload_free(engine);
  ob__wake_close(engine);
  pthread_cond_destroy(&engine->life_cond);
  pthread_mutex_destroy(&engine->life_mutex);
  if (!engine->uv_leaked) free(engine);
}

/* --- Threads ----------------------------------------------------------------
 */

/* Faults stay deliverable: a blocked SIGSEGV kills the process past the
 * handler that a JVM, say, relies on. Everything else is the host's. */
static int block_signals(sigset_t *old) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                               SIGTRAP, SIGSYS, SIGABRT};
  sigset_t all;
  size_t i;
  sigfillset(&all);
  for (i = 0; i < sizeof faults / sizeof faults[0]; i++)
#ifndef OB_BREAK_FAULTS
    sigdelset(&all, faults[i]);
#else
    (void)faults[i];
#endif
#ifdef OB_BREAK_SIGNALS
  sigemptyset(&all);
#endif
  return pthread_sigmask(SIG_BLOCK, &all, old);
}

/* Said, and not left to the system: that takes the host's `ulimit -s`, which
 * may be 64 KiB, or gigabytes for each thread of the pool. Only what is touched
 * is ever there. */
#define STACK_DEFAULT ((size_t)(sizeof(void *) == 8 ? 8 : 1) << 20)

int ob__thread_create(pthread_t *thread, size_t stack, void *(*fn)(void *),
                      void *arg) {
  pthread_attr_t attr;
  sigset_t old;
  int rc = pthread_attr_init(&attr);
  if (rc != 0) return rc;
#ifndef OB_BREAK_STACK
  if (stack == 0) stack = STACK_DEFAULT;
#endif
  if (stack != 0) rc = pthread_attr_setstacksize(&attr, stack);
  if (rc == 0) {
    rc = block_signals(&old); /* inherited from its first instruction on */
#ifdef OB_BREAK_NEED_MASK
    rc = 0;
#endif
  }
  if (rc == 0) {
    rc = pthread_create(thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
  }
  pthread_attr_destroy(&attr);
  return rc;
}

void ob__thread_name(const char *name) {
#ifdef __linux__
  pthread_setname_np(pthread_self(), name);
#else
  (void)name;
#endif
}

/* Keeps the image that holds this code mapped for good: a live engine's thread
 * runs it. */
static void pin_image(void) {
  static uint32_t pinned;
  Dl_info info;
  if (ob__xchg_acq_rel(&pinned, 1u) != 0) return;
  ob__lost_prepare();
  if (dladdr((void *)(uintptr_t)&ob__engine_free, &info) != 0 &&
      info.dli_fname != NULL)
    (void)dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* --- Start ------------------------------------------------------------------
 */

/* Waits until the loop thread has set itself up. */
static void await_boot(ob_engine *engine) {
  ob__yield_while(engine, &engine->life, OB__BOOTING);
  pthread_mutex_lock(&engine->life_mutex);
  while (engine->life == OB__BOOTING)
    ob__cond_wait(&engine->life_cond, &engine->life_mutex, OB_FOREVER);
  pthread_mutex_unlock(&engine->life_mutex);
}

int ob__engine_boot(ob_engine *engine) {
  int rc = ob__offload_start(engine);
  if (rc != OB_OK) return rc;
  rc = ob__system_check();
  if (rc != OB_OK) return rc;
  engine->caller_cpu = ob__cpu(); /* whose first call is expected */
  engine->woke = 1;
  rc = ob__thread_create(&engine->thread, engine->opts.stack_size,
                         ob__loop_thread, engine);
  if (rc != 0)
    return ob__fail(OB_ESYSTEM, "ob_engine_start: no thread: %s", strerror(rc));
  await_boot(engine);
  return OB_OK;
}

void ob_start_done(ob_start_token *token, int status, const char *text) {
  ob_engine *engine;
  if (token == NULL) return;
  engine = token->engine;
  pthread_mutex_lock(&engine->life_mutex);
  token->status = status;
  strncpy(token->text, text != NULL ? text : ob_strerror(status),
          sizeof token->text - 1);
  token->answered = 1;
  engine->started = status == OB_OK && !engine->start_given_up;
  /* A loop that stops may be asleep, waiting for just this. */
  if (engine->stop != OB__STOP_NONE) ob__stop_begin(engine, engine->stop);
  pthread_cond_broadcast(&engine->life_cond);
  pthread_mutex_unlock(&engine->life_mutex);
}

static void run_start_hook(void *arg, int status) {
  ob_engine *engine = arg;
  if (status == OB_OK)
    OB__CALL_OUT(
        engine->opts.on_start(engine, &engine->token, engine->opts.user));
  else
    ob_start_done(&engine->token, status, NULL);
}

/* Runs on_start on the loop and waits for its answer. */
int ob__engine_run_start_hook(ob_engine *engine) {
  uint64_t deadline = ob__deadline(engine->opts.start_timeout_ns);
  int answered, status;
  if (engine->opts.on_start == NULL) {
    engine->started = 1;
    return OB_OK;
  }
  engine->hook_pending = 1;
  status = ob__post_in(engine, run_start_hook, engine, 0);
  if (status != OB_OK) {
    ob_start_done(&engine->token, status, NULL); /* it will not run */
    return status;
  }
  pthread_mutex_lock(&engine->life_mutex);
  while (!engine->token.answered &&
         ob__cond_wait(&engine->life_cond, &engine->life_mutex, deadline) ==
             OB_OK) {
  }
  answered = engine->token.answered;
  status = engine->token.status;
  engine->start_given_up = !answered;
  pthread_mutex_unlock(&engine->life_mutex);
  if (!answered)
    return ob__fail(OB_ETIMEDOUT,
                    "ob_engine_start: on_start did not answer by "
                    "ob_start_done within start_timeout_ns");
  if (status != OB_OK) return ob__fail(OB_ESTART, "%s", engine->token.text);
  return OB_OK;
}

static int start(ob_engine **out, const ob_engine_opts *opts) {
  static const ob_engine_opts defaults = OB_ENGINE_OPTS_INIT;
  ob_engine *engine = NULL;
  char text[256];
  int rc;
  if (out == NULL) return bad("out is NULL");
  *out = NULL;
  if (opts == NULL) opts = &defaults;
#ifdef OB_BREAK_GUEST /* what a library is tempted to do at its start */
  signal(SIGPIPE, SIG_IGN);
#endif
  rc = check_engine_opts(opts);
#ifdef OB_BREAK_OUTPUT
  if (rc != OB_OK) (void)write(2, ob_last_error_detail(), 1);
#endif
  if (rc != OB_OK) return rc;
  rc = ob__fork_init();
  if (rc == OB_OK) rc = make(&engine, opts);
  if (rc != OB_OK) return rc;
  pin_image();
  rc = ob__engine_boot(engine);
  if (rc != OB_OK) {
    ob__engine_free(engine);
    return rc;
  }
  ob__exit_register(engine);
  if (opts->inspect != NULL) rc = ob__inspect_set(engine, opts->inspect);
  if (rc == OB_OK) rc = ob__engine_run_start_hook(engine);
  if (rc == OB_OK) {
    *out = engine;
    return OB_OK;
  }
  strncpy(text, ob_last_error_detail(), sizeof text - 1);
  text[sizeof text - 1] = '\0';
  ob_engine_dispose(engine); /* frees itself when the hook lets go */
  return ob__fail(rc, "%s", text);
}

int ob_engine_start(ob_engine **out, const ob_engine_opts *opts) {
  int old = ob__cancel_off(), rc = start(out, opts);
  ob__cancel_restore(old);
  return rc;
}
