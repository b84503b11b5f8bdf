/* Posts: two words into this thread's lane. */
#include "internal.h"

int ob__post_in(ob_engine *engine, ob_post_fn fn, void *arg, int nowait) {
  ob__lane *lane = ob__lane_get(engine);
  int rc;
  if (OB_UNLIKELY(lane == NULL))
    return ob__fail(OB_ENOMEM, "ob_post: no memory for this thread's lane");
  rc = ob__room_take(lane, nowait, OB_FOREVER);
  if (OB_LIKELY(rc == OB_OK)) {
    rc = ob__lane_append_post(lane, fn, arg);
    if (OB_UNLIKELY(rc != OB_OK)) ob__refuse(engine, rc);
  }
  return ob__counted(lane, rc);
}

static int post(ob_engine *engine, ob_post_fn fn, void *arg, int nowait) {
  int rc = ob__enter(engine);
  if (OB_UNLIKELY(rc != OB_OK)) return rc;
  if (OB_UNLIKELY(fn == NULL))
    return ob__fail(OB_EINVAL, "ob_post: the function is NULL");
  return ob__post_in(engine, fn, arg, nowait);
}

int ob_post(ob_engine *engine, ob_post_fn fn, void *arg) {
  return post(engine, fn, arg, 0);
}

int ob_try_post(ob_engine *engine, ob_post_fn fn, void *arg) {
  return post(engine, fn, arg, 1);
}

static void node_entry(void *arg, int status) {
  ob_node *node = arg;
  ob_engine *engine = ob__loop_self();
  if (engine != NULL && ob__watch_on(engine)) /* lane.c has named this */
    ob__store_relaxed(&engine->current_handler,
                      (ob_handler)(uintptr_t)node->run);
  OB__CALL_OUT(node->run(node, status));
}

uintptr_t ob__post_function(ob_post_fn fn, const void *arg) {
  const ob_node *node = arg;
  return fn == node_entry ? (uintptr_t)node->run : (uintptr_t)fn;
}

int ob_post_node(ob_engine *engine, ob_node *node) {
  if (node == NULL || node->run == NULL)
    return ob__fail(OB_EINVAL, "ob_post_node: %s is NULL",
                    node == NULL ? "node" : "its run function");
  return post(engine, node_entry, node, 1);
}
