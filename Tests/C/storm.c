/* Signals of the host's: storms of them go to the host's threads only and
 * change no answer and no deadline; faults raised on our threads reach the
 * host's handler, as a JVM needs it; and every thread that we make has the mask
 * that design rule 9 gives it. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "load.h"
#include "outboard_spi.h"

/* --- Masks -----------------------------------------------------------------
 */

/* All but the faults, and KILL, STOP and glibc's two, which cannot be. */
static uint64_t wanted_mask(void) {
  static const int open[] = {SIGSEGV, SIGBUS,  SIGFPE,  SIGILL, SIGTRAP, SIGSYS,
                             SIGABRT, SIGKILL, SIGSTOP, 32,     33};
  uint64_t mask = UINT64_MAX;
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++)
    mask &= ~(UINT64_C(1) << (open[i] - 1));
  return mask;
}

static uint64_t mask_of(int tid) {
  char path[64], line[256];
  unsigned long long mask = 0;
  FILE *file;
  snprintf(path, sizeof path, "/proc/self/task/%d/status", tid);
  file = fopen(path, "r");
  CHECK(file != NULL);
  while (fgets(line, sizeof line, file) != NULL)
    if (sscanf(line, "SigBlk: %llx", &mask) == 1) break;
  fclose(file);
  return mask;
}

/* Counts threads with our mask and others. */
static void count_masks(int *ours, int *others) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *at;
  *ours = *others = 0;
  CHECK(tasks != NULL);
  while ((at = readdir(tasks)) != NULL) {
    if (at->d_name[0] == '.') continue;
    if (mask_of(atoi(at->d_name)) == wanted_mask())
      (*ours)++;
    else
      (*others)++;
  }
  closedir(tasks);
}

static void run_fallback(void *arg) {
  add(arg);
  while (get(arg) < 2) test_sleep_ms(1);
  add(arg);
}

static void handle_wait(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  while (!get(user)) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

/* Loop, pool, watchdog, and the thread that Swift's fallback runs on. */
TEST(every_thread_of_ours_has_the_mask) {
  LEAVE_OUT_IF(TOOL_THREADS);
  int gate = 0, fallback = 0, ours, others;
  ob_engine *engine = test_engine(load_watched);
  ob_call_opts opts = test_call(handle_wait, &gate);
  ob_ticket *tickets[3];
  uint64_t end = test_now() + 20 * S;
  opts.flags = OB_CALL_OFFLOAD;
  for (int i = 0; i < 3; i++)
    CHECK_EQ(ob_submit(&tickets[i], engine, &opts), OB_OK);
  CHECK_EQ(ob_spi_thread_start("fallback", run_fallback, &fallback), OB_OK);
  await_count(&fallback, 1, "the fallback thread");
  do { /* glibc blocks all while a thread is born */
    count_masks(&ours, &others);
    if (test_now() > end)
      test_fail(__FILE__, __LINE__, "%d threads of ours, %d others", ours,
                others);
  } while (ours != 1 + 3 + 1 + 1 || others != 1);
  set(&gate, 1);
  add(&fallback);
  await_count(&fallback, 3, "its end");
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ob_ticket_wait(tickets[i], OB_FOREVER, NULL), OB_OK);
    ob_ticket_release(tickets[i]);
  }
  test_stop(engine);
}

/* --- Faults ----------------------------------------------------------------
 */

static sigjmp_buf back;
static int faults[3], fault_tid;
static volatile int *volatile nowhere;

static void on_fault(int number, siginfo_t *info, void *context) {
  (void)info;
  (void)context;
  add(&faults[number == SIGSEGV ? 0 : number == SIGFPE ? 1 : 2]);
  set(&fault_tid, gettid());
  siglongjmp(back, 1); /* to where the fault was expected: the same frame */
}

/* Raises each and goes on, as a JVM does with its implicit checks. */
static void raise_faults(void) {
  static volatile int sink;
  if (sigsetjmp(back, 1) == 0) sink = *nowhere;
  if (sigsetjmp(back, 1) == 0) raise(SIGFPE);
  if (sigsetjmp(back, 1) == 0) __builtin_trap();
  (void)sink;
}

static void handle_faults(ob_request *request, void *input, size_t size,
                          void *user) {
  (void)input;
  (void)size;
  (void)user;
  raise_faults();
  CHECK_EQ(get(&fault_tid), gettid());
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(faults_on_our_threads_reach_the_hosts_handler) {
  LEAVE_OUT_IF(TOOL_THREADS || TOOL_HEAP); /* handlers of their own */
  struct sigaction action;
  ob_engine *engine = test_engine(NULL);
  ob_call_opts opts = test_call(handle_faults, NULL);
  memset(&action, 0, sizeof action);
  action.sa_sigaction = on_fault;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  CHECK(sigaction(SIGFPE, &action, NULL) == 0);
  CHECK(sigaction(SIGILL, &action, NULL) == 0);
  for (int round = 1; round <= 5; round++)
    for (int i = 0; i < 2; i++) {
      opts.flags = i ? OB_CALL_OFFLOAD : 0;
      CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
      for (int k = 0; k < 3; k++) CHECK_EQ(get(&faults[k]), 2 * round - 1 + i);
    }
  test_stop(engine);
}

/* --- Storms ----------------------------------------------------------------
 */

static int caught[3], strayed; /* ALRM, PROF, CHLD; on a thread of ours */
static void on_storm(int number) {
  char name[17] = "";
  int saved = errno;
  add(&caught[number == SIGALRM ? 0 : number == SIGPROF ? 1 : 2]);
  if (prctl(PR_GET_NAME, name) != 0 || strcmp(name, "outboard") == 0 ||
      strcmp(name, "ob-watchdog") == 0)
    add(&strayed);
  errno = saved;
}

static void begin_storm(void) {
  static const int numbers[] = {SIGALRM, SIGPROF, SIGCHLD};
  struct itimerval often = {{0, 500}, {0, 500}};
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = on_storm; /* without SA_RESTART: EINTR for all */
  for (int i = 0; i < 3; i++) CHECK(sigaction(numbers[i], &action, NULL) == 0);
  CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &often, NULL) == 0);
}

static void end_storm(void) {
  struct itimerval never = {{0, 0}, {0, 0}};
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  CHECK(setitimer(ITIMER_PROF, &never, NULL) == 0);
}

/* Children that end at once: SIGCHLD, mixed with the others. */
static void flood_children(int count) {
  while (count-- > 0) {
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) _exit(0);
    while (waitpid(pid, NULL, 0) != pid) CHECK_EQ(errno, EINTR);
  }
}

/* Not before its time, and soon after it: an interrupted wait goes on. */
static void check_deadlines(ob_engine *engine) {
  for (int i = 0; i < 5; i++) {
    ob_request *kept = NULL;
    ob_call_opts opts = test_call(handle_keep, &kept);
    uint64_t begin = test_now(), took;
    ob_ticket *ticket;
    opts.deadline_ns = 50 * MS;
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_ETIMEDOUT);
    took = test_now() - begin;
    CHECK(took >= 50 * MS && took < 10 * S);
    flush(engine);
    if (kept != NULL) ob_complete(kept, OB_OK, ob_result_none());
    kept = NULL;
    opts.deadline_ns = OB_FOREVER;
    CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
    begin = test_now();
    CHECK_EQ(ob_ticket_wait(ticket, 50 * MS, NULL), OB_ETIMEDOUT);
    took = test_now() - begin;
    CHECK(took >= 50 * MS && took < 10 * S);
    flush(engine);
    ob_complete(kept, OB_OK, ob_result_none());
    ob_ticket_release(ticket);
  }
}

TEST(storms_change_no_answer_and_no_deadline) {
  pthread_t threads[WORKERS];
  load l;
  int rounds = (int)test_full(10, 100);
  begin_storm();
  load_begin(&l, threads);
  for (int i = 0; i < rounds; i++) {
    check_deadlines(l.fails);
    flood_children(20);
  }
  load_end(&l, threads);
  for (int i = 0; i < 20; i++) { /* start and stop in the storm, too */
    ob_engine *engine = test_engine(NULL);
    flush(engine);
    test_stop(engine);
  }
  end_storm();
  printf("  %d SIGALRM, %d SIGPROF, %d SIGCHLD; %llu answers\n",
         get(&caught[0]), get(&caught[1]), get(&caught[2]),
         (unsigned long long)l.answers);
  CHECK(get(&caught[0]) > 0 && get(&caught[1]) > 0 && get(&caught[2]) > 0);
  CHECK_EQ(get(&strayed), 0);
}

/* --- The watchdog's signal -------------------------------------------------
 */

static void count_stall(const ob_stall *stall, void *user) {
  (void)stall;
  add(user);
}

/* Holds the loop until its stall has been found. */
static void handle_stall(ob_request *request, void *input, size_t size,
                         void *user) {
  int before = get(user);
  (void)input;
  (void)size;
  while (get(user) == before) test_sleep_ms(1);
  ob_complete(request, OB_OK, ob_result_none());
}

static void *stall_often(void *arg) {
  static int stalls;
  ob_engine *engine = arg;
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  ob_call_opts opts = test_call(handle_stall, &stalls);
  inspect.stall_ns = 10 * MS;
  inspect.on_stall = count_stall;
  inspect.stall_user = &stalls;
  inspect.stack_signal = SIGUSR2;
  CHECK_EQ(ob_inspect(engine, &inspect), OB_OK);
  for (int i = 0; i < 30; i++) CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  return NULL;
}

/* One engine's stack is being taken, by a handler of ours; that is not the
 * host's, and another engine may name the same signal. */
TEST(the_watchdogs_handler_is_not_taken_for_the_hosts) {
  ob_engine *stalls = test_engine(NULL), *other = test_engine(NULL);
  ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  pthread_t thread = test_thread(stall_often, stalls);
  inspect.stack_signal = SIGUSR2;
  while (pthread_tryjoin_np(thread, NULL) != 0)
    CHECK_EQ(ob_inspect(other, &inspect), OB_OK);
  test_stop(stalls);
  test_stop(other);
}
