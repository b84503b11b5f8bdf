/* The process's shared engine: started by whoever comes first.
 *
 * Racing threads wait for the one start under way and all get its answer; a
 * failure leaves nothing behind, so that the next call tries again. */
#include <string.h>

#include "internal.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static ob_engine *shared;     /* mutex */
static int starting;          /* mutex */
static uint64_t attempts;     /* mutex: starts that have ended */
static int last_status;       /* mutex: of the last one */
static char last_detail[256]; /* mutex */
static uint32_t owner_word;   /* mutex: the process that all this is about */

void ob__shared_in_child(void) {
  pthread_mutex_init(&mutex, NULL);
  pthread_cond_init(&changed, NULL);
}

void ob__shared_forget(ob_engine *engine) {
  pthread_mutex_lock(&mutex);
  if (shared == engine) shared = NULL;
  pthread_mutex_unlock(&mutex);
}

/* In a fork child nothing is shared yet. */
static void check_owner(void) {
  uint32_t word = ob__fork_word();
  if (owner_word == word) return;
  owner_word = word;
  shared = NULL;
  starting = 0;
}

static int start_locked(const ob_engine_opts *opts) {
  ob_engine *engine = NULL;
  int rc;
  starting = 1;
  pthread_mutex_unlock(&mutex);
  rc = ob_engine_start(&engine, opts);
  pthread_mutex_lock(&mutex);
  starting = 0;
  shared = engine;
  attempts++;
  last_status = rc;
  strncpy(last_detail, rc == OB_OK ? "" : ob_last_error_detail(),
          sizeof last_detail - 1);
  pthread_cond_broadcast(&changed);
  return rc;
}

/* Waits for the start under way; its answer is ours. */
static int await_start(void) {
  uint64_t mine = attempts;
  while (starting && attempts == mine) pthread_cond_wait(&changed, &mutex);
  if (last_status != OB_OK) return ob__fail(last_status, "%s", last_detail);
  return OB_OK;
}

static int get_shared(ob_engine **out, const ob_engine_opts *opts) {
  int rc = OB_OK;
  if (out == NULL) return ob__fail(OB_EINVAL, "ob_engine_shared: out is NULL");
  *out = NULL;
  ob__fork_init();
  pthread_mutex_lock(&mutex);
  check_owner();
  if (starting && ob__loop_self() != NULL)
    rc = ob__fail(OB_EDEADLK,
                  "ob_engine_shared: called on a loop thread while "
                  "the shared engine starts");
  else if (starting)
    rc = await_start();
  else if (shared == NULL)
    rc = start_locked(opts);
  if (rc == OB_OK && shared != NULL && ob__load_relaxed(&shared->gate) != 0)
    rc = ob__fail(OB_ESHUTDOWN,
                  "the shared engine was stopped; destroy it to "
                  "have the next call start a new one");
  if (rc == OB_OK && shared == NULL)
    rc = ob__fail(OB_ESHUTDOWN, "the shared engine has just been destroyed");
  if (rc == OB_OK) *out = shared;
  pthread_mutex_unlock(&mutex);
  return rc;
}

int ob_engine_shared(ob_engine **out, const ob_engine_opts *opts) {
  int old = ob__cancel_off(), rc = get_shared(out, opts);
  ob__cancel_restore(old);
  return rc;
}
