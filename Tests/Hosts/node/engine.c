/* engine.node: the engine itself inside Node, linked statically with a libuv of
 * its own that nobody sees (run.sh says how), while the calls on uv_* below are
 * Node's. Ended calls come to Node's loop through the descriptor of a
 * completion queue, which a uv_poll_t of Node's watches: no thread of Node's
 * waits, and no lock is held by anyone.
 *
 * Every environment (main, worker) has a desk of its own on its own loop; the
 * engine is the process's. An environment that ends with calls under way
 * cancels them and lets its loop run until the last has come back. */
#include <outboard.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "napi.h"

/* Bounded, so that Node's other handles have their turn: the descriptor stays
 * readable while records are left. */
#define MOST_AT_ONCE 256

/* One environment's. Its own thread only. */
struct desk {
  napi_env env;
  ob_cq *cq;
  uv_poll_t *poll;
  napi_async_context context;
  napi_async_cleanup_hook_handle hook;
  struct call *open; /* list of calls under way */
  int64_t batches;   /* times that Node's loop called us */
  int closing;
};

struct call {
  struct desk *desk;
  napi_deferred deferred;
  ob_ticket *ticket;
  struct call *next, **at; /* in desk->open */
};

static ob_engine *engine(void) {
  ob_engine *shared = NULL;
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  opts.name = "node-engine";
  if (ob_engine_shared(&shared, &opts) != OB_OK) {
    fprintf(stderr, "engine: %s\n", ob_last_error_detail());
    abort();
  }
  return shared;
}

/* --- Work ----------------------------------------------------------------- */

struct work {
  int64_t number;
  int64_t pause_ms; /* -1: block a pool thread for 1 ms; -2: fail */
};

/* On the engine's loop, or its pool: three times the number and one more. */
static void run(ob_request *request, void *input, size_t size, void *user) {
  struct work work;
  int64_t answer;
  (void)user;
  memcpy(&work, input, size);
  if (work.pause_ms > 0 && ob_request_attempt(request) == 1) {
    ob_request_again(request, (uint64_t)work.pause_ms * 1000000);
    return;
  }
  if (work.pause_ms == -1) usleep(1000);
  answer = work.number * 3 + 1;
#ifdef BAD_ANSWERS
  if (work.number % 1000 == 7) answer++;
#endif
  if (work.pause_ms == -2)
    ob_complete(request, -7, ob_result_none());
  else
    ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

/* --- Deliveries ----------------------------------------------------------- */

static void settle(struct desk *desk, struct call *call, ob_cq_record *record) {
  napi_value value, text;
  int64_t answer = 0;
  if (desk->closing) return; /* no JavaScript any more */
  if (record->status == OB_OK) {
    memcpy(&answer, ob_result_data(&record->result), sizeof answer);
    MUST(napi_resolve_deferred(desk->env, call->deferred,
                               to_int(desk->env, answer)));
    return;
  }
  text = to_text(desk->env, ob_strerror(record->status));
  MUST(napi_create_error(desk->env, NULL, text, &value));
  MUST(napi_set_named_property(desk->env, value, "status",
                               to_int(desk->env, record->status)));
  MUST(napi_reject_deferred(desk->env, call->deferred, value));
}

static void forget(struct call *call) {
  *call->at = call->next;
  if (call->next != NULL) call->next->at = call->at;
  ob_ticket_release(call->ticket);
  free(call);
}

static void deliver(struct desk *desk) {
  ob_cq_record record;
  int left = MOST_AT_ONCE;
#ifdef BAD_FORGETS
  left = 255; /* and drops what comes then */
#endif
  while (left-- > 0 && ob_cq_next(desk->cq, &record) == OB_OK) {
    struct call *call = record.tag;
    settle(desk, call, &record);
    ob_result_free(&record.result);
    forget(call);
  }
#ifdef BAD_FORGETS
  if (left < 0 && ob_cq_next(desk->cq, &record) == OB_OK)
    ob_result_free(&record.result);
#endif
  desk->batches++;
}

static void on_poll_closed(uv_handle_t *poll) {
  struct desk *desk = poll->data;
  if (ob_cq_destroy(desk->cq) != OB_OK) {
    fprintf(stderr, "engine: %s\n", ob_last_error_detail());
    abort();
  }
  napi_remove_async_cleanup_hook(desk->hook);
  free(poll);
  free(desk);
}

static void close_when_empty(struct desk *desk) {
  if (desk->open != NULL || uv_is_closing((uv_handle_t *)desk->poll)) return;
  uv_close((uv_handle_t *)desk->poll, on_poll_closed);
}

/* On Node's loop. The scope runs what waits for the promises when it closes. */
static void on_readable(uv_poll_t *poll, int status, int events) {
  struct desk *desk = poll->data;
  napi_handle_scope handles;
  napi_callback_scope scope;
  napi_value resource;
  (void)status, (void)events;
  if (desk->closing) {
    deliver(desk);
    close_when_empty(desk);
    return;
  }
  MUST(napi_open_handle_scope(desk->env, &handles));
  MUST(napi_create_object(desk->env, &resource));
  MUST(napi_open_callback_scope(desk->env, resource, desk->context, &scope));
  deliver(desk);
  /* A loop with nothing else to wait for may end when no call is open. */
  if (desk->open == NULL) uv_unref((uv_handle_t *)poll);
  napi_close_callback_scope(desk->env, scope);
  napi_close_handle_scope(desk->env, handles);
}

/* --- Desks ---------------------------------------------------------------- */

static void cancel_open(struct desk *desk) {
  struct call *call;
  for (call = desk->open; call != NULL; call = call->next)
    ob_ticket_cancel(call->ticket);
}

static void on_end(napi_async_cleanup_hook_handle hook, void *arg) {
  struct desk *desk = arg;
  (void)hook;
  desk->closing = 1;
  napi_async_destroy(desk->env, desk->context);
  uv_ref((uv_handle_t *)desk->poll);
  cancel_open(desk);
  close_when_empty(desk);
}

static struct desk *desk_open(napi_env env) {
  struct desk *desk = calloc(1, sizeof *desk);
  uv_loop_t *loop = NULL;
  napi_value name = to_text(env, "outboard");
  if (desk == NULL) abort();
  desk->env = env;
  desk->poll = calloc(1, uv_handle_size(UV_POLL)); /* as Node has it */
  MUST(napi_get_uv_event_loop(env, &loop));
  if (ob_cq_create(&desk->cq) != OB_OK || desk->poll == NULL ||
      uv_poll_init(loop, desk->poll, ob_cq_fd(desk->cq)) != 0)
    abort();
  desk->poll->data = desk;
  uv_poll_start(desk->poll, UV_READABLE, on_readable);
  uv_unref((uv_handle_t *)desk->poll);
  MUST(napi_async_init(env, NULL, name, &desk->context));
  MUST(napi_add_async_cleanup_hook(env, on_end, desk, &desk->hook));
  return desk;
}

static struct desk *desk_of(napi_env env) {
  void *desk = NULL;
  MUST(napi_get_instance_data(env, &desk));
  return desk;
}

/* --- For JavaScript ------------------------------------------------------- */

/* submit(number, pause_ms, deadline_ms): a promise of 3 * number + 1 */
static napi_value submit(napi_env env, napi_callback_info info) {
  napi_value args[3], promise;
  struct desk *desk = desk_of(env);
  struct call *call = calloc(1, sizeof *call);
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  struct work work;
  if (call == NULL) abort();
  take(env, info, 3, args);
  work.number = int_of(env, args[0]);
  work.pause_ms = int_of(env, args[1]);
  MUST(napi_create_promise(env, &call->deferred, &promise));
  opts.handler = run;
  opts.input = &work;
  opts.input_size = sizeof work;
  opts.cq = desk->cq;
  opts.done_user = call;
  if (work.pause_ms == -1) opts.flags = OB_CALL_OFFLOAD;
  if (int_of(env, args[2]) > 0)
    opts.deadline_ns = (uint64_t)int_of(env, args[2]) * 1000000;
  call->desk = desk;
  if (ob_submit(&call->ticket, engine(), &opts) != OB_OK) {
    napi_throw_error(env, NULL, ob_last_error_detail());
    free(call);
    return promise;
  }
  call->next = desk->open;
  call->at = &desk->open;
  if (call->next != NULL) call->next->at = &call->next;
  desk->open = call;
  uv_ref((uv_handle_t *)desk->poll);
  return promise;
}

/* cancelAll(): cancels what this environment has under way */
static napi_value cancel_all(napi_env env, napi_callback_info info) {
  (void)info;
  cancel_open(desk_of(env));
  return to_int(env, 0);
}

/* batches(): how often Node's loop has called for completions */
static napi_value batches(napi_env env, napi_callback_info info) {
  (void)info;
  return to_int(env, desk_of(env)->batches);
}

/* libuv(): the version that this file's own calls reach, which is Node's */
static napi_value libuv(napi_env env, napi_callback_info info) {
  (void)info;
  return to_text(env, uv_version_string());
}

NAPI_MODULE_INIT() {
  MUST(napi_set_instance_data(env, desk_open(env), NULL, NULL));
  export_function(env, exports, "submit", submit);
  export_function(env, exports, "cancelAll", cancel_all);
  export_function(env, exports, "batches", batches);
  export_function(env, exports, "libuv", libuv);
  return exports;
}
