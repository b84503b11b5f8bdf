/* An idle engine sleeps: after work of every kind has been done its loop is the
 * only thread that is left (with a watchdog one for the process), and none runs
 * at all, by the kernel's own count. */
#include <dirent.h>

#include "load.h"
#include "outboard_spi.h"

/* --- What the kernel counts ------------------------------------------------
 */

typedef struct ran {
  int threads;               /* but the main one */
  unsigned long long ns;     /* of CPU they have had */
  unsigned long long slices; /* how often they were given it */
} ran;

static ran look(void) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *at;
  ran sum = {0, 0, 0};
  CHECK(tasks != NULL);
  while ((at = readdir(tasks)) != NULL) {
    unsigned long long ns, waited, slices;
    char path[300];
    FILE *file;
    if (at->d_name[0] == '.' || atoi(at->d_name) == getpid()) continue;
    snprintf(path, sizeof path, "/proc/self/task/%s/schedstat", at->d_name);
    file = fopen(path, "r");
    if (file == NULL) continue; /* it has just ended */
    if (fscanf(file, "%llu %llu %llu", &ns, &waited, &slices) == 3) {
      sum.threads++;
      sum.ns += ns;
      sum.slices += slices;
    }
    fclose(file);
  }
  closedir(tasks);
  return sum;
}

/* Waits until they have settled, then for seconds of no wake-up at all. */
static void check_idle(int threads, const char *what) {
  uint64_t end = test_now() + 20 * S;
  unsigned ms = test_long() ? 10000 : 1500;
  ran before = look(), after;
  do {
    if (test_now() > end)
      test_fail(__FILE__, __LINE__, "%s: %d threads, not %d", what,
                before.threads, threads);
    test_sleep_ms(150);
    after = before;
    before = look();
  } while (before.threads != threads || before.slices != after.slices);
  test_sleep_ms(ms);
  after = look();
  printf("  %s: %d thread%s, %llu wake-ups in %u ms\n", what, after.threads,
         threads > 1 ? "s" : "", after.slices - before.slices, ms);
  CHECK_EQ(after.threads, threads);
  CHECK_EQ(after.slices - before.slices, 0);
  CHECK_EQ(after.ns - before.ns, 0);
}

/* --- Work ------------------------------------------------------------------
 */

static void short_idle(ob_engine_opts *opts) {
  opts->offload_idle_ns = 100 * MS;
}

typedef struct ticking {
  ob_timer timer; /* first */
  int fired;
} ticking;

static void fire(ob_timer *timer, int status) {
  CHECK_EQ(status, OB_OK);
  add(&((ticking *)timer)->fired);
}

static void arm(void *timer, int status) {
  CHECK_EQ(status, OB_OK);
  ob_spi_timer_start(ob_engine_current(), timer, 5 * MS);
}

/* Calls from many threads, jobs, timers that fired and that did not. */
static void work(ob_engine *engine) {
  static ticking tick = {.timer = {.fire = fire}};
  ob_ticket *tickets[8];
  ob_call_opts opts = test_call(handle_count, NULL);
  ob_request *kept;
  opts.flags = OB_CALL_OFFLOAD;
  for (int i = 0; i < 8; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_wait_all(tickets, 8, OB_FOREVER), OB_OK);
  for (int i = 0; i < 8; i++) ob_ticket_release(tickets[i]);
  for (int i = 0; i < 1000; i++) {
    call_with(engine, OB_CALL_SYNC, OB_FOREVER);
    call_with(engine, 0, 60 * S);
  }
  tick.fired = 0;
  CHECK_EQ(ob_post(engine, arm, &tick.timer), OB_OK);
  await_count(&tick.fired, 1, "the timer");
  kept = keep(engine, "kept", &tickets[0]);
  CHECK_EQ(ob_ticket_wait(tickets[0], 5 * MS, NULL), OB_ETIMEDOUT);
  ob_complete(kept, OB_OK, ob_result_none());
  CHECK_EQ(ob_ticket_wait(tickets[0], OB_FOREVER, NULL), OB_OK);
  ob_ticket_release(tickets[0]);
}

TEST(an_engine_that_has_worked) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(short_idle);
  check_idle(1, "fresh");
  work(engine);
  check_idle(1, "after work");
  test_lend(engine);
  work(engine);
  check_idle(1, "with its loop lent");
  test_stop(engine);
  check_idle(0, "stopped");
}

TEST(a_call_that_waits_for_an_hour) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(short_idle);
  ob_request *kept = NULL;
  ob_call_opts opts = test_call(handle_keep, &kept);
  ob_ticket *ticket;
  opts.deadline_ns = 3600 * S;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  flush(engine);
  check_idle(1, "with a timer");
  ob_complete(kept, OB_OK, ob_result_none());
  ob_ticket_release(ticket);
  test_stop(engine);
}

TEST(engines_that_are_watched) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_engine *engines[3];
  for (int i = 0; i < 3; i++) {
    engines[i] = test_engine(short_idle);
    inspect.stall_ns = 20 * MS;
    CHECK_EQ(ob_inspect(engines[i], &inspect), OB_OK);
    work(engines[i]);
  }
  check_idle(4, "three with one watchdog");
  for (int i = 0; i < 3; i++) test_stop(engines[i]);
}

/* As it is by default: the pool's threads leave after 10 s. */
TEST(the_default_pool_leaves) {
  LEAVE_OUT_IF(TOOL_THREADS);
  ob_engine *engine = test_engine(NULL);
  work(engine);
  check_idle(1, "with the default pool");
  test_stop(engine);
}
