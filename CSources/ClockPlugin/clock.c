/* clock: a plugin in C. Two things happen at once for one tool call.
 *
 * `wait_both` starts two timers on the engine's loop and answers when both are
 * done: after the longer wait, not after the sum. In place of the timers stands
 * whatever libuv can do: connections, pipes, datagrams. The host's thread
 * blocks in ob_call meanwhile; its deadline ends the call on time even if a
 * timer never fires, and the cancel hook then takes the timers down. */
#include <inttypes.h>
#include <mcp_plugin.h>
#include <outboard.h>
#include <outboard_uv.h>
#include <stdatomic.h>
#include <stdlib.h>

#define LONGEST_MS 60000
#define DEFAULT_TIMEOUT_MS 30000

static ob_engine *engine; /* set by init, never stopped: it ends with exit() */

/* The deadline of calls that name none. It is -1 until configure or init has
 * settled it; from then on it holds, also for who loads the plugin again. */
static _Atomic int64_t default_timeout = -1;

/* One call of wait_both. Loop thread only. */
struct both {
  uv_timer_t timers[2];
  ob_request *request;
  uint64_t started; /* uv_now */
  int open;         /* timers that have not closed yet */
  int status;       /* of the answer */
};

/* The last timer to close answers. */
static void on_closed(uv_handle_t *timer) {
  struct both *both = timer->data;
  if (--both->open > 0) return;
  uint64_t elapsed = uv_now(timer->loop) - both->started;
  ob_complete(both->request, both->status,
              ob_result_copy(&elapsed, sizeof elapsed));
  free(both);
}

static void on_due(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, on_closed);
}

/* The call has ended without us; what is open is still ours to close. */
static void on_cancel(ob_request *request, void *arg) {
  struct both *both = arg;
  (void)request;
  both->status = OB_ECANCELED;
  for (int i = 0; i < 2; i++) {
    uv_handle_t *timer = (uv_handle_t *)&both->timers[i];
    if (!uv_is_closing(timer)) uv_close(timer, on_closed);
  }
}

/* Runs on the loop; input is the two waits in ms. */
static void start_both(ob_request *request, void *input, size_t size,
                       void *user) {
  const int64_t *waits = input;
  uv_loop_t *loop = ob_uv_loop(ob_request_engine(request));
  struct both *both = loop != NULL ? calloc(1, sizeof *both) : NULL;
  (void)size, (void)user;
  if (both == NULL) {
    ob_complete(request, loop != NULL ? OB_ENOMEM : OB_EBROKEN,
                ob_result_none());
    return;
  }
  both->request = request;
  both->started = uv_now(loop);
  both->open = 2;
  for (int i = 0; i < 2; i++) {
    uv_timer_init(loop, &both->timers[i]);
    both->timers[i].data = both;
    uv_timer_start(&both->timers[i], on_due, (uint64_t)waits[i], 0);
  }
  if (ob_request_on_cancel(request, on_cancel, both) != OB_OK)
    on_cancel(request, both);
}

static int32_t wait_both(const uint8_t *args, size_t args_len, uint8_t **buf,
                         size_t *len) {
  int64_t waits[2], timeout = default_timeout;
  if (mcp_arg_int64(args, args_len, "first_ms", &waits[0]) != 0 ||
      mcp_arg_int64(args, args_len, "second_ms", &waits[1]) != 0 ||
      waits[0] < 0 || waits[0] > LONGEST_MS || waits[1] < 0 ||
      waits[1] > LONGEST_MS)
    return mcp_error(buf, len, "first_ms and second_ms must be 0 to %d",
                     LONGEST_MS);
  if (mcp_arg_int64(args, args_len, "timeout_ms", &timeout) < 0 ||
      timeout < 0 || timeout > LONGEST_MS)
    return mcp_error(buf, len, "timeout_ms must be 0 to %d", LONGEST_MS);

  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result = OB_RESULT_INIT;
  call.name = "wait_both";
  call.handler = start_both;
  call.input = waits;
  call.input_size = sizeof waits;
  call.deadline_ns = (uint64_t)timeout * 1000000;
  int status = ob_call(engine, &call, &result);
  if (status != OB_OK)
    return mcp_error(buf, len, "no answer: %s", ob_strerror(status));
  uint64_t elapsed = *(const uint64_t *)ob_result_data(&result);
  ob_result_free(&result);
  return mcp_reply(buf, len,
                   "{\"first_ms\":%" PRId64 ",\"second_ms\":%" PRId64
                   ",\"elapsed_ms\":%" PRIu64 "}",
                   waits[0], waits[1], elapsed);
}

static void answer_now(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)input, (void)size, (void)user;
  ob_complete(request, OB_OK, ob_result_none());
}

/* Healthy is a loop that answers within a second. */
static int32_t health(const uint8_t *args, size_t args_len, uint8_t **buf,
                      size_t *len) {
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_stats stats = OB_STATS_INIT;
  (void)args, (void)args_len;
  call.handler = answer_now;
  call.flags = OB_CALL_SYNC;
  call.deadline_ns = UINT64_C(1000000000);
  int status = ob_call(engine, &call, NULL);
  if (status == OB_OK) status = ob_engine_stats(engine, &stats);
  if (status != OB_OK)
    return mcp_error(buf, len, "unhealthy: %s", ob_strerror(status));
  return mcp_reply(
      buf, len,
      "{\"status\":\"ok\",\"outboard\":\"%s\",\"submitted\":%" PRIu64
      ",\"completed\":%" PRIu64 ",\"timed_out\":%" PRIu64 "}",
      ob_version_string(), stats.submitted, stats.completed, stats.timed_out);
}

/* One of several that settle it at once succeeds; the others must want the
 * same. */
static int32_t settle(int64_t timeout) {
  int64_t held = -1;
  if (atomic_compare_exchange_strong(&default_timeout, &held, timeout))
    return MCP_OK;
  return held == timeout ? MCP_OK : MCP_CONFIGURED;
}

static int32_t configure(const uint8_t *json, size_t len) {
  int64_t timeout = DEFAULT_TIMEOUT_MS;
  if (mcp_arg_int64(json, len, "timeout_ms", &timeout) < 0 || timeout < 1 ||
      timeout > LONGEST_MS)
    return MCP_ERROR;
  return settle(timeout);
}

static int32_t schema(uint8_t **buf, size_t *len) {
  return mcp_reply(buf, len,
                   "{\"type\":\"object\",\"properties\":{\"timeout_ms\":{"
                   "\"type\":\"integer\",\"minimum\":1,\"maximum\":%d,"
                   "\"default\":%d,\"description\":"
                   "\"Deadline of calls that name none\"}},\"required\":[]}",
                   LONGEST_MS, DEFAULT_TIMEOUT_MS);
}

/* Makes the loop that the tool needs now, so that too few descriptors are told
 * by init and not by a call. */
static void need_loop(ob_engine *started, ob_start_token *token, void *user) {
  int made = ob_uv_loop(started) != NULL;
  (void)user;
  ob_start_done(token, made ? OB_OK : OB_ESYSTEM,
                made ? NULL : ob_last_error_detail());
}

/* Once more, for who loads the plugin again: the same engine. In a fork child:
 * a fresh one. Other threads may be in calls, so it is written only then. */
static int32_t init(uint8_t **err, size_t *err_len) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  ob_engine *shared;
  opts.name = "clock";
  opts.on_start = need_loop;
  int status = ob_engine_shared(&shared, &opts);
  if (status == OB_OK) {
    if (shared != engine) engine = shared;
    settle(DEFAULT_TIMEOUT_MS);
    return MCP_OK;
  }
  return mcp_error(err, err_len, "cannot start the engine: %s (%s)",
                   ob_strerror(status), ob_last_error_detail());
}

static const mcp_tool tools[] = {
    {"wait_both", "Waits twice at once and says how long it took.",
     "{\"type\":\"object\",\"properties\":{"
     "\"first_ms\":{\"type\":\"integer\",\"description\":\"0 to 60000\"},"
     "\"second_ms\":{\"type\":\"integer\",\"description\":\"0 to 60000\"},"
     "\"timeout_ms\":{\"type\":\"integer\",\"description\":"
     "\"Deadline of the call; else as configured\"}},"
     "\"required\":[\"first_ms\",\"second_ms\"]}",
     wait_both},
    {"health", "Asks the engine's loop for a sign of life.", MCP_NO_ARGUMENTS,
     health},
};
MCP_PLUGIN_WITH(tools, .configure = configure, .init = init,
                .get_config_schema = schema);
