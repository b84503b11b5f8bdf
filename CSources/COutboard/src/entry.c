/* What every entry point checks before it does anything. */
#include "internal.h"

int ob__refuse_shutdown(const ob_engine *engine) {
  return ob__fail(OB_ESHUTDOWN, "engine \"%s\" is stopping or stopped",
                  engine->name);
}

int ob__refuse_broken(const ob_engine *engine) {
  return ob__fail(OB_EBROKEN,
                  "the host has closed the descriptors of engine \"%s\"; "
                  "close only what you have opened, or start the engine after "
                  "that; this one can be destroyed and another started",
                  engine->name);
}

/* The text of a refused push. */
int ob__refuse(const ob_engine *engine, int rc) {
  switch (rc) {
    case OB_ESHUTDOWN:
      return ob__refuse_shutdown(engine);
    case OB_EBROKEN:
      return ob__refuse_broken(engine);
    case OB_ENOMEM:
      return ob__fail(rc, "no memory for a block of this thread's lane");
    default:
      return rc;
  }
}

/* Out of reach, or being restarted in a fork child: the loop itself may come
 * in (its start hook), others wait. */
static int enter_slow(ob_engine *engine) {
  if (ob__load_acquire(&engine->broken) != OB__RESTARTING)
    return ob__refuse_broken(engine);
  if (ob__on_loop(engine)) return OB_OK;
  ob__restart_await();
  return ob__enter(engine);
}

int ob__enter(ob_engine *engine) {
  if (OB_UNLIKELY(engine == NULL)) return ob__fail(OB_EINVAL, "engine is NULL");
#ifndef OB_BREAK_FORK
  /* Acquire: an engine that was restarted shows it. */
  if (OB_UNLIKELY(ob__load_acquire(&engine->fork_word) != ob__fork_word()))
    return ob__forked_slow(engine);
#endif
  if (OB_UNLIKELY(ob__load_relaxed(&engine->broken) != 0))
    return enter_slow(engine);
  return OB_OK;
}

#define CALL_FLAGS                                                    \
  (OB_CALL_SYNC | OB_CALL_OFFLOAD | OB_CALL_NOWAIT | OB_CALL_BORROW | \
   OB_CALL_COPY)

int ob__check_opts(const ob_call_opts *opts, int submit) {
  if (OB_UNLIKELY(opts == NULL)) return ob__fail(OB_EINVAL, "opts is NULL");
  if (OB_UNLIKELY(opts->size != sizeof *opts))
    return ob__fail(OB_EINVAL,
                    "opts.size is %zu, not %zu; begin with OB_CALL_OPTS_INIT",
                    opts->size, sizeof *opts);
  if (OB_UNLIKELY(opts->handler == NULL))
    return ob__fail(OB_EINVAL, "opts.handler is NULL");
  if (OB_UNLIKELY((opts->flags & ~(uint32_t)CALL_FLAGS) != 0))
    return ob__fail(OB_EINVAL, "opts.flags has unknown bits: 0x%x",
                    opts->flags & ~(uint32_t)CALL_FLAGS);
  if (OB_UNLIKELY(opts->input == NULL && opts->input_size != 0))
    return ob__fail(OB_EINVAL, "opts.input is NULL but input_size is %zu",
                    opts->input_size);
  if (OB_UNLIKELY((opts->flags & OB_CALL_SYNC) &&
                  (opts->flags & OB_CALL_OFFLOAD)))
    return ob__fail(OB_EINVAL,
                    "OB_CALL_SYNC and OB_CALL_OFFLOAD exclude each other");
  if (OB_UNLIKELY(!submit && (opts->on_done != NULL || opts->cq != NULL)))
    return ob__fail(OB_EINVAL, "on_done and cq are for ob_submit");
  if (OB_UNLIKELY(opts->on_done != NULL && opts->cq != NULL))
    return ob__fail(OB_EINVAL, "on_done and cq exclude each other");
  return OB_OK;
}
