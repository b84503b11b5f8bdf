/* The engine inside a backend. PostgreSQL's backend is one thread that takes
 * its signals itself (SIGINT cancel, SIGTERM terminate, SIGALRM timeouts,
 * SIGUSR1 latches and barriers), acts on them where CHECK_FOR_INTERRUPTS
 * stands, and leaves by longjmp. So a function never blocks in the engine for
 * long: it submits, and waits
 *   - in short waits with CHECK_FOR_INTERRUPTS between them (engine_call), or
 *   - for its latch and the completion queue's descriptor together, where
 *     nothing polls (engine_latch, engine_many).
 * An error that comes meanwhile cancels the ticket and goes on; the longjmp
 * starts in this file and crosses no frame of the engine's. */
#include <postgres.h>
/* after it */
#include <catalog/pg_type.h>
#include <fmgr.h>
#include <miscadmin.h>
#include <outboard.h>
#include <storage/latch.h>
#include <string.h>
#include <unistd.h>
#include <utils/array.h>
#include <utils/builtins.h>
#include <utils/wait_event.h>

#include "guest.h"

#define SHORT_WAIT_NS UINT64_C(10000000)

static ob_engine *engine; /* this process's, or by OB_FORK_RESTART its own */
static ob_cq *cq;         /* this backend's */
static pid_t cq_owner;

void engine_ready(void) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  if (engine != NULL) return;
  opts.name = "backend";
  opts.fork_policy = OB_FORK_RESTART;
  opts.offload_threads = 32;
  if (ob_engine_start(&engine, &opts) != OB_OK)
    ereport(ERROR, (errmsg("engine: %s", ob_last_error_detail())));
}

static void cq_ready(void) {
  engine_ready();
  if (cq != NULL && cq_owner == MyProcPid) return;
  if (ob_cq_create(&cq) != OB_OK)
    ereport(ERROR, (errmsg("engine: %s", ob_last_error_detail())));
  cq_owner = MyProcPid;
}

/* --- Jobs ------------------------------------------------------------------
 * malloc'd, for they may outlive the statement: one that is abandoned is freed
 * when its completion comes. */

struct job {
  int64 number; /* without a plugin: the answer is 3 * number + 1 */
  int32 pause_ms;
  const mcp_plugin *plugin; /* or: a tool, on a thread of the pool */
  char *tool, *args;
  int32 code;   /* of the tool; set by the pool's thread before it answers */
  uint8_t *buf; /* the same; free_string */
  size_t len;
  int64 answer;
  int status;
  bool ended, abandoned; /* the backend's thread */
  ob_ticket *ticket;
};

static void job_free(struct job *job) {
  if (job == NULL) return;
  if (job->buf != NULL) job->plugin->free_string(job->buf, job->len);
  ob_ticket_release(job->ticket);
  free(job->tool);
  free(job->args);
  free(job);
}

/* On the loop: nothing of PostgreSQL's may be touched here. */
static void run_number(ob_request *request, void *input, size_t size,
                       void *user) {
  struct job *job = input;
  (void)size, (void)user;
  if (job->pause_ms > 0 && ob_request_attempt(request) == 1) {
    ob_request_again(request, (uint64_t)job->pause_ms * 1000000);
    return;
  }
  job->answer = job->number * 3 + 1;
  ob_complete(request, OB_OK, ob_result_none());
}

/* On a thread of the pool: the same holds. */
static void run_tool(ob_request *request, void *input, size_t size,
                     void *user) {
  struct job *job = input;
  (void)size, (void)user;
  job->code =
      job->plugin->execute_tool(job->tool, (const uint8_t *)job->args,
                                strlen(job->args), &job->buf, &job->len);
  ob_complete(request, OB_OK, ob_result_none());
}

/* Without memory, or refused: ereport(ERROR), and nothing is left. */
static struct job *job_submit(struct job of, ob_cq *queue) {
  struct job *job = malloc(sizeof *job);
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  int status = OB_ENOMEM;
  if (job != NULL) {
    *job = of;
    opts.handler = of.plugin != NULL ? run_tool : run_number;
    opts.input = job;
    opts.input_size = sizeof *job;
    opts.flags = OB_CALL_BORROW | (of.plugin != NULL ? OB_CALL_OFFLOAD : 0) |
                 OB_CALL_NOWAIT;
    opts.cq = queue;
    opts.done_user = job;
    status = ob_submit(&job->ticket, engine, &opts);
  }
  if (status == OB_OK) return job;
  if (job == NULL) {
    free(of.tool);
    free(of.args);
  }
  job_free(job);
  ereport(ERROR, (errmsg("engine: %s: %s", ob_strerror(status),
                         ob_last_error_detail())));
}

/* Takes what has ended. */
static void take_ended(void) {
  ob_cq_record record;
  while (ob_cq_next(cq, &record) == OB_OK) {
    struct job *job = record.tag;
    job->status = record.status;
    job->ended = true;
    ob_result_free(&record.result);
    if (job->abandoned) job_free(job);
  }
}

/* The statement is over, the job perhaps not. */
static void job_let_go(struct job *job) {
  if (job == NULL) return;
  if (job->ended) {
    job_free(job);
    return;
  }
  job->abandoned = true;
  ob_ticket_cancel(job->ticket);
}

/* Until the job has ended, or something interrupts. */
static void job_await(struct job *job) {
  for (;;) {
    take_ended();
    if (job->ended) return;
#ifdef BAD_WAIT
    ob_ticket_wait(job->ticket, OB_FOREVER, NULL);
#else
    WaitLatchOrSocket(MyLatch,
                      WL_LATCH_SET | WL_SOCKET_READABLE | WL_EXIT_ON_PM_DEATH,
                      ob_cq_fd(cq), -1, PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
#endif
  }
}

static void job_check(const struct job *job) {
  if (job->status != OB_OK)
    ereport(ERROR, (errmsg("engine: %s", ob_strerror(job->status))));
  if (job->plugin != NULL && job->code != MCP_OK)
    ereport(ERROR, (errcode(ERRCODE_EXTERNAL_ROUTINE_EXCEPTION),
                    errmsg("tool answers %d: %.*s", job->code, (int)job->len,
                           (const char *)job->buf)));
}

/* --- Functions of SQL ----------------------------------------------------- */

/* Waits in short waits. This job has no queue: its ticket says when it ends. It
 * is cancelled and awaited before the error goes on, since nobody else would
 * free it; its handler pauses on the loop, where a cancel ends it at once. */
PG_FUNCTION_INFO_V1(engine_call);
Datum engine_call(PG_FUNCTION_ARGS) {
  struct job *volatile job;
  volatile int64 answer = 0;
  engine_ready();
  job = job_submit((struct job){.number = PG_GETARG_INT64(0),
                                .pause_ms = PG_GETARG_INT32(1)},
                   NULL);
  PG_TRY();
  {
    while ((job->status = ob_ticket_wait(job->ticket, SHORT_WAIT_NS, NULL)) ==
           OB_ETIMEDOUT) {
#ifndef BAD_WAIT
      CHECK_FOR_INTERRUPTS();
#endif
    }
    job_check(job);
    answer = job->answer;
  }
  PG_FINALLY();
  {
    ob_ticket_cancel(job->ticket);
    ob_ticket_wait(job->ticket, OB_FOREVER, NULL);
    job_free(job);
  }
  PG_END_TRY();
  PG_RETURN_INT64(answer);
}

/* Waits for the latch and the queue's descriptor. */
PG_FUNCTION_INFO_V1(engine_latch);
Datum engine_latch(PG_FUNCTION_ARGS) {
  struct job *volatile job;
  volatile int64 answer = 0;
  cq_ready();
  job = job_submit((struct job){.number = PG_GETARG_INT64(0),
                                .pause_ms = PG_GETARG_INT32(1)},
                   cq);
  PG_TRY();
  {
    job_await(job);
    job_check(job);
    answer = job->answer;
  }
  PG_FINALLY();
  {
    job_let_go(job);
  }
  PG_END_TRY();
  PG_RETURN_INT64(answer);
}

static struct job tool_of(const struct guest *guest, const char *tool,
                          Datum args) {
  struct job job = {.plugin = guest->plugin,
                    .tool = strdup(tool),
                    .args = strdup(TextDatumGetCString(args))};
  if (job.tool == NULL || job.args == NULL) /* the one that is there leaks */
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
  return job;
}

/* engine_many(plugin, tool, args[]): all at once on the engine's pool, while
 * this thread minds its latch; the answers in their order. */
PG_FUNCTION_INFO_V1(engine_many);
Datum engine_many(PG_FUNCTION_ARGS) {
  const struct guest *guest =
      guest_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  char *tool = text_to_cstring(PG_GETARG_TEXT_PP(1));
  Datum *args, *answers;
  struct job **jobs;
  int count, i;
  deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TEXTOID, -1, false, TYPALIGN_INT,
                    &args, NULL, &count);
  answers = palloc0(sizeof *answers * (size_t)count);
  jobs = palloc0(sizeof *jobs * (size_t)count);
  cq_ready();
  PG_TRY();
  {
    for (i = 0; i < count; i++)
      jobs[i] = job_submit(tool_of(guest, tool, args[i]), cq);
    for (i = 0; i < count; i++) {
      job_await(jobs[i]);
      job_check(jobs[i]);
      answers[i] = PointerGetDatum(cstring_to_text_with_len(
          (const char *)jobs[i]->buf, (int)jobs[i]->len));
    }
  }
  PG_FINALLY();
  {
    for (i = 0; i < count; i++) job_let_go(jobs[i]);
  }
  PG_END_TRY();
  PG_RETURN_ARRAYTYPE_P(
      construct_array(answers, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* engine_detach(plugin, tool, args, times): calls that nobody waits for. */
PG_FUNCTION_INFO_V1(engine_detach);
Datum engine_detach(PG_FUNCTION_ARGS) {
  const struct guest *guest =
      guest_named(text_to_cstring(PG_GETARG_TEXT_PP(0)));
  char *tool = text_to_cstring(PG_GETARG_TEXT_PP(1));
  int times = PG_GETARG_INT32(3);
  cq_ready();
  while (times-- > 0)
    job_submit(tool_of(guest, tool, PG_GETARG_DATUM(2)), cq)->abandoned = true;
  PG_RETURN_VOID();
}

/* in_flight, after what has ended was taken. */
PG_FUNCTION_INFO_V1(engine_in_flight);
Datum engine_in_flight(PG_FUNCTION_ARGS) {
  ob_stats stats = OB_STATS_INIT;
  (void)fcinfo;
  cq_ready();
  take_ended();
  if (ob_engine_stats(engine, &stats) != OB_OK)
    ereport(ERROR, (errmsg("engine: %s", ob_last_error_detail())));
  PG_RETURN_INT64((int64)stats.in_flight);
}

int engine_in_child(void) {
  struct job job = {.number = 5};
  ob_call_opts opts = OB_CALL_OPTS_INIT;
  opts.handler = run_number;
  opts.input = &job;
  opts.input_size = sizeof job;
  opts.flags = OB_CALL_BORROW;
  if (engine == NULL) return 0;
  return ob_call(engine, &opts, NULL) == OB_OK && job.answer == 16 ? 0 : -1;
}
