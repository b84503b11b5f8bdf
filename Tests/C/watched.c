/* The watchdog and the process: fork, and the signal by which a stack is
 * fetched.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "child.h"
#include "watching.h"

/* --- fork ----------------------------------------------------------------- */

static void handle_nap(ob_request *request, void *input, size_t size,
                       void *user) {
  (void)input, (void)size, (void)user;
  ob_complete(request, OB_OK, ob_result_none());
}

static void restarts(ob_engine_opts *opts) {
  static ob_inspect_opts inspect;
  inspect = watch_opts(20 * MS);
  opts->inspect = &inspect;
  opts->fork_policy = OB_FORK_RESTART;
}

static void use_watched(void *engine) {
  ob_call_opts opts = test_call(handle_nap, NULL);
  test_blocker blocker;
  CHECK_EQ(watchdog_thread(), 0);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK); /* restarts it */
  test_block_loop(engine, &blocker);
  await_found(1);
  CHECK(strcmp(seen.name, "blocker") == 0);
  test_unblock_loop(&blocker);
  test_stop(engine);
}

/* A child whose parent's watchdog may have been anywhere. */
TEST(a_fork_child_has_its_own) {
  ob_engine *engine;
  ob_call_opts opts = test_call(handle_nap, NULL);
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP);
  engine = test_engine(restarts);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  in_child(use_watched, engine);
  CHECK_EQ(found, 0);
  test_stop(engine);
}

/* --- Stacks --------------------------------------------------------------- */

static void hook_of_host(int number) {
  (void)number;
}

static void handle_sleep(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input, (void)size;
  while (!__atomic_load_n((int *)user, __ATOMIC_ACQUIRE)) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

static int near(uint64_t address, void (*function)(void)) {
  return address - (uintptr_t)function < 400;
}

TEST(the_stack_of_a_stall_leads_through_its_handler) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(20 * MS);
  struct sigaction now;
  ob_ticket *ticket;
  int gate = 0, through = 0;
  uint32_t i;
  ob_call_opts call = test_call(handle_sleep, &gate);
  opts.stack_signal = SIGRTMIN + 3;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  CHECK_EQ(ob_submit(&ticket, engine, &call), OB_OK);
  await_found(1);
  CHECK(seen.frame_count > 1 && seen.frame_count <= OB_STALL_FRAMES);
  for (i = 0; i < seen.frame_count; i++)
    through |= near(seen.frames[i], (void (*)(void))handle_sleep);
  CHECK(through);
  /* The disposition is the host's again. */
  CHECK_EQ(sigaction(opts.stack_signal, NULL, &now), 0);
  CHECK(now.sa_handler == SIG_DFL);
  __atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(ticket);
  test_stop(engine);
}

TEST(misuse_of_the_signal) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = watch_opts(20 * MS);
  struct sigaction theirs = {.sa_handler = hook_of_host}, now;
  opts.stack_signal = SIGSEGV;
  CHECK_FAILS(ob_inspect(engine, &opts), OB_EINVAL, "SIGUSR1");
  opts.stack_signal = -1;
  CHECK_FAILS(ob_inspect(engine, &opts), OB_EINVAL, "stack_signal");
  opts.stack_signal = SIGUSR2;
  CHECK_EQ(sigaction(SIGUSR2, &theirs, NULL), 0);
  CHECK_FAILS(ob_inspect(engine, &opts), OB_EBUSY, "handler");
  CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
  CHECK(now.sa_handler == hook_of_host);
  CHECK_EQ(watchdog_thread(), 0); /* nothing has changed */
  test_stop(engine);
}
