/* A plugin with one fault: it hands every call on to a real plugin (the file
 * that FAULTY_REAL names) and breaks one promise, which FAULTY names. A host's
 * check that accepts it looks at nothing. Without FAULTY it is a good guest.
 *
 *   mix      each 50th call gets the answer of the call before it
 *   late     a call that failed comes back 10 s later
 *   stop     keeps Python's interpreter lock (GIL) during the call
 *   handler  takes SIGTERM, SIGINT and SIGSEGV
 *   state    changes the umask
 *   print    one line on stdout
 *   leak     a descriptor for each 10th call, inherited by children
 *   open     a thread that takes the process's signals
 *   wakes    a thread that wakes up 100 times a second
 *   lock     a lock around every call, which a fork child finds taken
 *   hang     exit() waits for ever
 *   status   exit() ends with another status
 *   again    configure takes everything, always
 *
 * Two are of the build: -DFAULTY_VISIBLE exports ob_call, -DFAULTY_BOUND
 * exports and calls uv_version_string and sqlite3_libversion. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <mcp_plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const mcp_plugin *real;
static pthread_mutex_t big = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t last = PTHREAD_MUTEX_INITIALIZER;
static unsigned calls; /* last */
static char *before;   /* last: the arguments of the call before */

static int has(const char *fault) {
  const char *wanted = getenv("FAULTY");
  return wanted != NULL && strcmp(wanted, fault) == 0;
}

static void load_real(void) {
  const char *path = getenv("FAULTY_REAL");
  void *handle = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  if (handle != NULL) real = dlsym(handle, MCP_PLUGIN_SYMBOL);
  if (real != NULL) return;
  fprintf(stderr, "faulty.so: FAULTY_REAL names no plugin\n");
  abort();
}

static const mcp_plugin *the_real(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load_real);
  return real;
}

static void rest(unsigned ms) {
  const struct timespec time = {ms / 1000, (long)(ms % 1000) * 1000000};
  nanosleep(&time, NULL);
}

/* --- Faults of a call ----------------------------------------------------- */

/* Keeps the interpreter's lock for the whole call. */
static int32_t with_the_lock(const char *name, const uint8_t *args,
                             size_t length, uint8_t **buf, size_t *len) {
  int (*take)(void);
  void (*give)(int);
  *(void **)&take = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
  *(void **)&give = dlsym(RTLD_DEFAULT, "PyGILState_Release");
  if (take == NULL || give == NULL) abort();
  int state = take();
  int32_t code = the_real()->execute_tool(name, args, length, buf, len);
  give(state);
  return code;
}

static int is_nth(unsigned n) {
  pthread_mutex_lock(&last);
  int found = ++calls % n == 0;
  pthread_mutex_unlock(&last);
  return found;
}

/* Swaps the arguments for those of the call before. */
static char *of_another(const uint8_t *args, size_t length) {
  char *mine = strndup((const char *)args, length);
  pthread_mutex_lock(&last);
  char *others = before;
  before = mine;
  pthread_mutex_unlock(&last);
  return others;
}

static int32_t mixed(const char *name, const uint8_t *args, size_t length,
                     uint8_t **buf, size_t *len) {
  char *others = of_another(args, length);
  if (others == NULL || !is_nth(50)) {
    free(others);
    return the_real()->execute_tool(name, args, length, buf, len);
  }
  int32_t code = the_real()->execute_tool(name, (const uint8_t *)others,
                                          strlen(others), buf, len);
  free(others);
  return code;
}

static int32_t execute(const char *name, const uint8_t *args, size_t length,
                       uint8_t **buf, size_t *len) {
  if (has("mix")) return mixed(name, args, length, buf, len);
  if (has("leak") && is_nth(10) && open("/dev/null", O_RDONLY) < 0) abort();
  if (has("stop")) return with_the_lock(name, args, length, buf, len);
  if (has("lock")) pthread_mutex_lock(&big);
  int32_t code = the_real()->execute_tool(name, args, length, buf, len);
  if (has("lock")) pthread_mutex_unlock(&big);
  if (has("late") && code != MCP_OK) rest(10000);
  return code;
}

/* --- Faults of the start -------------------------------------------------- */

static void ignore(int number) {
  (void)number;
}

static void take_signals(void) {
  struct sigaction action = {0};
  action.sa_handler = ignore;
  sigaction(SIGTERM, &action, NULL);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGSEGV, &action, NULL);
}

static void *sleep_long(void *unused) {
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, NULL);
  for (;;) rest(60000);
  return unused;
}

static void *wake_often(void *unused) {
  for (;;) rest(10);
  return unused;
}

static void hang(void) {
  for (;;) rest(60000);
}

static void end_otherwise(void) {
  _exit(99);
}

/* With the masks that the engine's threads have. */
static void start_thread(void *(*body)(void *)) {
  sigset_t all, old;
  pthread_t thread;
  sigfillset(&all);
  sigdelset(&all, SIGSEGV), sigdelset(&all, SIGBUS), sigdelset(&all, SIGFPE);
  sigdelset(&all, SIGILL), sigdelset(&all, SIGTRAP), sigdelset(&all, SIGSYS);
  sigdelset(&all, SIGABRT);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  if (pthread_create(&thread, NULL, body, NULL) != 0) abort();
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

static int32_t init(uint8_t **err, size_t *err_len) {
  int32_t code = the_real()->init != NULL ? the_real()->init(err, err_len) : 0;
  if (has("handler")) take_signals();
  if (has("state")) umask(0);
  if (has("print")) printf("hello\n"), fflush(stdout);
  if (has("open")) start_thread(sleep_long);
  if (has("wakes")) start_thread(wake_often);
  if (has("hang")) atexit(hang);
  if (has("status")) atexit(end_otherwise);
  return code;
}

static int32_t configure(const uint8_t *json, size_t len) {
  int32_t (*real_one)(const uint8_t *, size_t) = the_real()->configure;
  int32_t code = real_one != NULL ? real_one(json, len) : MCP_OK;
  return has("again") ? MCP_OK : code;
}

static int32_t list(uint8_t **buf, size_t *len) {
  return the_real()->list_tools(buf, len);
}

static void give_back(uint8_t *ptr, size_t len) {
  the_real()->free_string(ptr, len);
}

/* --- Faults of the build -------------------------------------------------- */

#ifdef FAULTY_VISIBLE
/* Hidden from nobody. */
MCP_EXPORT int ob_call(void) {
  return 0;
}
#endif

#ifdef FAULTY_BOUND
/* Its own, it believes; but a host that has them too has come first. */
MCP_EXPORT const char *uv_version_string(void) {
  return "0";
}
MCP_EXPORT const char *sqlite3_libversion(void) {
  return "0";
}
MCP_EXPORT size_t faulty_versions(void) {
  return strlen(uv_version_string()) + strlen(sqlite3_libversion());
}
#endif

MCP_EXPORT const mcp_plugin plugin_declaration = {
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
    .list_tools = list,
    .execute_tool = execute,
    .free_string = give_back,
    .configure = configure,
    .init = init};
