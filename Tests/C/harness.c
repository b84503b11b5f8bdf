#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "harness.h"

#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIMIT_S 60.0
#define LONG_S 1200.0
#define MAX_TESTS 128

static struct {
  const char *name, *aborts;
  test_fn fn;
} tests[MAX_TESTS];
static int count;

void test_add(const char *name, test_fn fn, const char *aborts) {
  if (count == MAX_TESTS) abort();
  tests[count].name = name;
  tests[count].aborts = aborts;
  tests[count++].fn = fn;
}

static double setting(const char *name, double otherwise) {
  const char *text = getenv(name);
  char *end;
  double value;
  if (text == NULL || *text == '\0') return otherwise;
  value = strtod(text, &end);
  if (*end != '\0' || value <= 0) {
    fprintf(stderr, "%s=%s: a number above 0 is wanted\n", name, text);
    exit(2);
  }
  return value;
}

void test_fail(const char *file, int line, const char *format, ...) {
  va_list args;
  fprintf(stderr, "  %s:%d: ", file, line);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fprintf(stderr, "\n");
  fflush(stderr);
  _exit(1);
}

uint64_t test_ops(double at_ci_scale) {
  double scaled = at_ci_scale * setting("OB_TEST_OPS", 1);
  return scaled < 1 ? 1 : (uint64_t)scaled;
}

int test_long(void) {
  return setting("OB_LONG", 0) > 0;
}

uint64_t test_full(double at_ci_scale, double all) {
  return test_long() ? (uint64_t)all : test_ops(at_ci_scale);
}

uint64_t test_seed(void) {
  uint64_t seed = (uint64_t)setting("OB_TEST_SEED", 20261121);
  printf("  seed %llu (OB_TEST_SEED)\n", (unsigned long long)seed);
  return seed;
}

/* splitmix64 */
uint64_t test_random(uint64_t *state) {
  uint64_t z = (*state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

uint64_t test_now(void) {
  struct timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void test_sleep_ms(unsigned ms) {
  struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&ts, &ts) != 0) {
  }
}

void test_await(const int *flag) {
  while (!__atomic_load_n(flag, __ATOMIC_ACQUIRE)) test_sleep_ms(1);
}

void test_pin(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  /* Fails where that CPU is not ours; the test then runs unpinned. */
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

pthread_t test_thread(void *(*fn)(void *), void *arg) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, fn, arg) == 0);
  return thread;
}

void test_join(pthread_t thread) {
  CHECK(pthread_join(thread, NULL) == 0);
}

/* --- Runner -----------------------------------------------------------------
 */

/* Runs test i in this process; never returns. */
static void run_here(int i) {
  tests[i].fn();
  fflush(stdout);
  exit(0);
}

static pid_t spawn(const char *self, int i, int err) {
  pid_t pid = fork();
  if (pid == 0) {
    if (err >= 0) dup2(err, 2);
    execl(self, self, "--run", tests[i].name, (char *)NULL);
    _exit(127);
  }
  return pid;
}

/* Waits with the limit; on expiry kills and returns -1. */
static int await_child(pid_t pid, double limit_s) {
  uint64_t end = test_now() + (uint64_t)(limit_s * 1e9);
  int status;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (test_now() > end) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      return -1;
    }
    test_sleep_ms(1);
  }
  return status;
}

static int aborted_with(int status, FILE *err, const char *text) {
  static char output[65536]; /* the stack may be as small as that */
  size_t n;
  rewind(err);
  n = fread(output, 1, sizeof output - 1, err);
  output[n] = '\0';
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT &&
      strstr(output, text) != NULL)
    return 1;
  fprintf(stderr, "  wanted an abort with \"%s\", got status %d and: %s\n",
          text, status, output);
  return 0;
}

static int run_one(const char *self, int i) {
  double limit = (test_long() ? LONG_S : LIMIT_S) * setting("OB_TEST_SCALE", 1);
  FILE *err = tests[i].aborts != NULL ? tmpfile() : NULL;
  uint64_t begin = test_now();
  int status =
          await_child(spawn(self, i, err != NULL ? fileno(err) : -1), limit),
      ok;
  if (status == -1) {
    printf("FAIL %s: still running after %.0f s\n", tests[i].name, limit);
    ok = 0;
  } else if (err != NULL) {
    ok = aborted_with(status, err, tests[i].aborts);
  } else {
    ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  if (err != NULL) fclose(err);
  if (status != -1)
    printf("%s %s (%.2f s)%s\n", ok ? "ok  " : "FAIL", tests[i].name,
           (double)(test_now() - begin) / 1e9,
           WIFSIGNALED(status) && !ok ? " killed by a signal" : "");
  fflush(stdout);
  return ok;
}

static int wanted(const char *name, int argc, char **argv) {
  int i;
  for (i = 1; i < argc; i++)
    if (strcmp(argv[i], name) == 0) return 1;
  return argc == 1;
}

int main(int argc, char **argv) {
  int i, passed = 0, failed = 0;
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (i = 0; argc == 3 && strcmp(argv[1], "--run") == 0 && i < count; i++)
    if (strcmp(tests[i].name, argv[2]) == 0) run_here(i);
  for (i = 0; i < count; i++)
    if (wanted(tests[i].name, argc, argv)) {
      if (run_one("/proc/self/exe", i))
        passed++;
      else
        failed++;
    }
  printf("%s: %d passed, %d failed\n", argv[0], passed, failed);
  return failed > 0 || passed == 0;
}
