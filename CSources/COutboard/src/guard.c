/* Where unwinding through the core ends. See guard.h. */
#include <stdio.h>
#include <unwind.h>

#include "internal.h"

/* Named by the unwind tables alone. */
_Unwind_Reason_Code ob__personality(int version, _Unwind_Action actions,
                                    _Unwind_Exception_Class language,
                                    struct _Unwind_Exception *exception,
                                    struct _Unwind_Context *context);

#define LANGUAGE_MASK UINT64_C(0xffffffff)
#define LANGUAGE_CXX UINT64_C(0x432b2b00) /* "C++\0" */

/* The loop's or the pool's: without it the engine could not go on. */
static int own_thread(void) {
  const ob__thread *self = ob__thread_known();
  return ob__loop_self() != NULL || (self != NULL && self->pool != NULL);
}

/* Taken from its sleep, or from a libuv that would have aborted (lost.c). */
static int taken(void) {
  const ob_engine *engine = ob__loop_self();
#ifdef OB_BREAK_TAKEN
  return 0;
#endif
  return engine != NULL && engine->reachable &&
         ob__load_relaxed(&engine->broken) > 0;
}

static _Noreturn void die(const char *what, const char *cure) {
  const ob_engine *engine = ob__loop_self();
  const char *name =
      engine != NULL ? ob__load_relaxed(&engine->current_name) : NULL;
  char cause[256];
  snprintf(cause, sizeof cause, "%s a handler, callback or hook%s%s%s", what,
           name != NULL ? " during the call \"" : "", name != NULL ? name : "",
           name != NULL ? "\"" : "");
  ob__die(cause, cure);
}

__attribute__((used, visibility("hidden"))) _Unwind_Reason_Code ob__personality(
    int version, _Unwind_Action actions, _Unwind_Exception_Class language,
    struct _Unwind_Exception *exception, struct _Unwind_Context *context) {
  (void)version;
  (void)exception;
  (void)context;
  if (actions & _UA_FORCE_UNWIND) {
    /* A host's thread that is cancelled in a destructor of its own result may
     * go: nothing is held there. */
    if (!own_thread() || taken()) return _URC_CONTINUE_UNWIND;
    die("pthread_exit or pthread_cancel ended the engine's own thread from",
        "return from it; end threads of the host only");
  }
  if ((language & LANGUAGE_MASK) == LANGUAGE_CXX)
    die("a C++ exception came out of",
        "catch it there and answer with a status, or use outboard.hpp, which "
        "carries what a callable throws to its caller");
  die("an exception or panic came out of",
      "catch it there and answer with a status");
}
