/* The lost-wake litmus: whatever is pushed is run, without a further push to
 * help it along.
 *
 * Each post first writes its payload to memory that no cache holds, so that the
 * producer's stores are still on their way while it decides whether the loop
 * needs waking: that is when uv_async_send's early return loses wake-ups
 * (OB_BREAK_WAKE). Bursts with random gaps hit the loop in each of its states,
 * the step into sleep among them (OB_BREAK_SLEEP). After a burst the producer
 * pushes nothing until all of it has run; a watchdog that finds it waiting, and
 * the loop asleep all the same, for a second, calls that a lost wake-up. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "harness.h"

#define COLD_BYTES (UINT64_C(128) << 20)
#define COLD_STRIDE UINT64_C(4160) /* another page, another line */
#define COLD_CELLS (COLD_BYTES / COLD_STRIDE)
#define STALL_MS 1000u
#define LOOK_MS 10u
#define MOST_PRODUCERS 2

typedef struct cell {
  uint64_t number;
  struct producer *producer;
} cell;

typedef struct producer {
  ob_engine *engine;
  pthread_t thread;
  char *cold;
  uint64_t pushes, seed, burst, gap;
  int cpu;                    /* -1: wherever */
  uint64_t posted;            /* producer */
  uint64_t seen;              /* watchdog: ran */
  unsigned quiet;             /* watchdog */
  _Alignas(128) uint64_t ran; /* loop, by atomic stores */
  uint64_t awaited; /* what it waits for, or 0; producer, by atomic stores */
} producer;

static producer producers[MOST_PRODUCERS];

/* --- The watchdog --------------------------------------------------------- */

static int finished, loop_tid; /* atomic */

/* A sanitizer stretches the second. */
static unsigned stall_ms(void) {
  const char *scale = getenv("OB_TEST_SCALE");
  double times = scale != NULL ? strtod(scale, NULL) : 1;
  return (unsigned)(STALL_MS * (times > 1 ? times : 1));
}

/* Asleep in the kernel; not just kept from running by a busy machine. */
static int loop_sleeps(void) {
  char path[64], text[256] = "";
  int tid = __atomic_load_n(&loop_tid, __ATOMIC_ACQUIRE);
  const char *state;
  FILE *file;
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", tid);
  file = fopen(path, "r");
  if (tid == 0 || file == NULL) return 0;
  state = fgets(text, sizeof text, file) != NULL ? strrchr(text, ')') : NULL;
  fclose(file);
  return state != NULL && state[2] == 'S';
}

/* For how many looks it has waited for a loop that sleeps. */
static unsigned quiet_looks(producer *self) {
  uint64_t now = __atomic_load_n(&self->ran, __ATOMIC_ACQUIRE);
  uint64_t wanted = __atomic_load_n(&self->awaited, __ATOMIC_ACQUIRE);
  int waits = wanted != 0 && now != wanted;
  self->quiet =
      waits && now == self->seen && loop_sleeps() ? self->quiet + 1 : 0;
  self->seen = now;
  return self->quiet;
}

static void *watch(void *arg) {
  unsigned limit = stall_ms() / LOOK_MS;
  int i;
  (void)arg;
  while (!__atomic_load_n(&finished, __ATOMIC_ACQUIRE)) {
    test_sleep_ms(LOOK_MS);
    for (i = 0; i < MOST_PRODUCERS; i++)
      if (quiet_looks(&producers[i]) >= limit)
        test_fail(__FILE__, __LINE__,
                  "a wake-up was lost: push %llu has not run for %u ms",
                  (unsigned long long)producers[i].seen, stall_ms());
  }
  return NULL;
}

/* --- Producer and loop ---------------------------------------------------- */

static void arrive(cell *payload) {
  producer *from = payload->producer;
  CHECK(ob_engine_current() == from->engine);
  CHECK_EQ(payload->number, from->ran);
  __atomic_store_n(&from->ran, from->ran + 1, __ATOMIC_RELEASE);
}

static void run_post(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  arrive(arg);
}

static void handle(ob_request *request, void *input, size_t size, void *user) {
  CHECK_EQ(size, 0);
  CHECK(input == user);
  arrive(input);
  CHECK_EQ(ob_complete(request, OB_OK, ob_result_none()), OB_OK);
}

static char *cold_line(producer *self, uint64_t number, uint64_t line) {
  /* A walk that comes back to a page only after all the others. */
  uint64_t at = number * 7919 % COLD_CELLS;
  return self->cold + at * COLD_STRIDE + line * 64;
}

/* A payload behind up to eight stores to cold lines that are under way. */
static cell *cold_payload(producer *self, uint64_t random) {
  uint64_t stores = random & 7, i;
  for (i = 1; i <= stores; i++)
    *(uint64_t *)(void *)cold_line(self, self->posted * 8 + i, i) = random;
  return (cell *)(void *)cold_line(self, self->posted, 0);
}

static void push(producer *self, uint64_t random, int first) {
  cell *payload = cold_payload(self, random);
  payload->number = self->posted++;
  payload->producer = self;
  /* A burst's first goes onto the push list every other time. */
  if (first && (random >> 5 & 1)) {
    ob_call_opts opts = test_call(handle, payload);
    opts.input = payload;
    CHECK_EQ(ob_submit(NULL, self->engine, &opts), OB_OK);
  } else {
    CHECK_EQ(ob_post(self->engine, run_post, payload), OB_OK);
  }
}

static void pause_briefly(uint64_t times) {
  while (times-- > 0) __asm__ volatile("" ::: "memory");
}

/* Nothing is pushed meanwhile. */
static void await_all(producer *self) {
  unsigned looks = 0;
  __atomic_store_n(&self->awaited, self->posted, __ATOMIC_RELEASE);
  while (__atomic_load_n(&self->ran, __ATOMIC_ACQUIRE) != self->posted)
    if (++looks % 1024 == 0) sched_yield();
  __atomic_store_n(&self->awaited, UINT64_C(0), __ATOMIC_RELEASE);
}

static void *produce(void *arg) {
  producer *self = arg;
  if (self->cpu >= 0) test_pin(self->cpu);
  while (self->posted < self->pushes) {
    uint64_t random = test_random(&self->seed), i;
    uint64_t burst = 1 + random % self->burst, gap = (random >> 20) % self->gap;
    /* Some bursts are short. */
    if ((random >> 40 & 3) == 0) burst = 1 + burst % 3;
    for (i = 0; i < burst; i++) {
      random = test_random(&self->seed);
      push(self, random, i == 0);
      pause_briefly(random % (gap + 1));
    }
    await_all(self);
    pause_briefly(gap);
  }
  return NULL;
}

/* --- Runs ----------------------------------------------------------------- */

static void settle_loop(void *arg, int status) {
  CHECK_EQ(status, OB_OK);
  if (*(int *)arg >= 0) test_pin(*(int *)arg);
  __atomic_store_n(&loop_tid, (int)gettid(), __ATOMIC_RELEASE);
}

static void *cold_memory(void) {
  void *memory = mmap(NULL, COLD_BYTES + 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  CHECK(memory != MAP_FAILED);
  return memory;
}

typedef struct plan {
  double pushes;
  int count, loop_cpu, cpu; /* -1: wherever */
  uint64_t burst, gap;
} plan;

static void run(const plan *how, void (*change)(ob_engine_opts *)) {
  uint64_t seed = test_seed(), pushes = test_ops(how->pushes);
  ob_engine *engine = test_engine(change);
  pthread_t watchdog;
  int i, cpu = how->loop_cpu;
  CHECK_EQ(ob_post(engine, settle_loop, &cpu), OB_OK);
  for (i = 0; i < how->count; i++)
    producers[i] = (producer){.engine = engine,
                              .cold = cold_memory(),
                              .pushes = pushes / (unsigned)how->count,
                              .seed = seed + (unsigned)i,
                              .burst = how->burst,
                              .gap = how->gap,
                              .cpu = how->cpu};
  watchdog = test_thread(watch, NULL);
  for (i = 0; i < how->count; i++)
    producers[i].thread = test_thread(produce, &producers[i]);
  for (i = 0; i < how->count; i++) test_join(producers[i].thread);
  __atomic_store_n(&finished, 1, __ATOMIC_RELEASE);
  test_join(watchdog);
  test_stop(engine);
  for (i = 0; i < how->count; i++)
    CHECK_EQ(producers[i].ran, producers[i].posted);
}

static void no_spin(ob_engine_opts *opts) {
  opts->spin_ns = 0;
}

#define BURST 128
#define GAP 1500

TEST(pinned_apart) {
  run(&(plan){2e6, 1, 0, 1, BURST, GAP}, NULL);
}
TEST(pinned_apart_no_spin) {
  run(&(plan){1.5e6, 1, 0, 1, BURST, GAP}, no_spin);
}
TEST(pinned_together) {
  run(&(plan){1e6, 1, 0, 0, BURST, GAP}, no_spin);
}
TEST(unpinned) {
  run(&(plan){3e6, 1, -1, -1, BURST, GAP}, NULL);
}
TEST(unpinned_no_spin) {
  run(&(plan){2e6, 1, -1, -1, BURST, GAP}, no_spin);
}
TEST(two_producers) {
  run(&(plan){1e6, 2, -1, -1, BURST, GAP}, NULL);
}
