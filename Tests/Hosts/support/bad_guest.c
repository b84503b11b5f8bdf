/* A plugin with bad manners, one fault per switch, to show that a host's checks
 * can fail. It passes every call on to a good plugin, -DGUEST_REAL="\"PATH\"",
 * so it stands in for either of ours; without a switch it is as good as that.
 * support/bad_guest.sh builds it; any host may use it.
 *
 *   answers      BAD_MIXED            every 97th answer is another call's
 *                BAD_ERROR_OK         a tool's error comes with code 0
 *                BAD_UNCAUGHT         counts an uncaught exception more with
 *                                     each call, in the C++ runtime
 *                GUEST_STRICT         no fault: judges the host. A wrong pair
 *                                     for free_string aborts; buffers not given
 *                                     back end the process with status 67
 *   loop         BAD_SERIAL           one call at a time, by a lock
 *                BAD_SLOW             every call takes 3 s more
 *                BAD_INTERPRETER      keeps Python's lock (GIL) during a call
 *   deadlines    BAD_DEADLINE         timeout_ms is not heeded
 *                BAD_LATE             a tool's error comes 20 s later
 *                (BAD_SERIAL           the other calls wait as well)
 *   untouched    BAD_HANDLER          installs a handler for SIGCHLD
 *                BAD_PIPE             ignores SIGPIPE
 *                BAD_MASK             blocks SIGUSR1 on the calling thread
 *                BAD_ENVIRONMENT, BAD_DIRECTORY, BAD_UMASK, BAD_LOCALE,
 *                BAD_LIMIT, BAD_TIMER, BAD_ROUNDING, BAD_NAME (of the thread)
 *                BAD_TERMINATE        sets the C++ runtime's terminate handler
 *   quiet        BAD_PRINT            a line on stdout per call
 *                BAD_PRINT_ERROR      a line on stderr at init
 *   descriptors  BAD_DESCRIPTOR_LEAK  a descriptor more with each call
 *                BAD_DESCRIPTOR_OPEN  one that is not close-on-exec
 *   threads      BAD_THREAD_OPEN      a thread that blocks no signal
 *                BAD_THREAD_FAULTS    a thread that blocks every signal
 *                BAD_BUSY             a thread that wakes every 20 ms
 *   symbols      BAD_EXPORT           exports uv_version, swift_retain,
 *                                     sqlite3_libversion, ob_version_string
 *                BAD_BIND             uses the host's uv_version (Node has it)
 *   fork         BAD_FORK_HANG        a child never returns from fork
 *                BAD_FORK_CRASH       a child aborts in fork
 *                (BAD_SERIAL           a child's call never returns)
 *   exit         BAD_EXIT_JOIN        atexit joins a thread that does not end
 *                BAD_EXIT_STATUS      atexit makes the exit status 66
 *                BAD_EXIT_PRINT       atexit prints
 *                BAD_EXIT_TOUCH       a destructor reads the last arguments
 *                BAD_KEEP             a thread goes on reading them
 *   killed       BAD_HANDLER_TERM     takes SIGTERM and SIGINT
 *                BAD_HANDLER_FAULT    takes SIGSEGV, status 66
 *                (BAD_THREAD_OPEN      a signal may run on its thread)
 *   unload       BAD_UNLOAD           dlclose unmaps its code
 *                BAD_RECONFIGURE      a second configure is always 2
 *                BAD_RECONFIGURE_ANY  a second configure is always 0 */
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
#include <time.h>
#include <unistd.h>

#include "bad_guest_buffers.h"

#ifndef GUEST_REAL
#error "say which plugin it passes its calls on to: -DGUEST_REAL=\"PATH\""
#endif

#define MAYBE __attribute__((unused)) static

static const mcp_plugin *real; /* set once, under `once` */
static pthread_once_t once = PTHREAD_ONCE_INIT;
MAYBE pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

MAYBE void say(int fd, const char *text) {
  if (write(fd, text, strlen(text)) < 0) abort();
}

#include "bad_guest_process.h"

static void load(void) {
  void *image = dlopen(GUEST_REAL, RTLD_NOW | RTLD_LOCAL);
  real = image == NULL ? NULL : dlsym(image, MCP_PLUGIN_SYMBOL);
  if (real != NULL) return;
  say(2, "bad_guest: cannot load " GUEST_REAL "\n");
  abort();
}

static const mcp_plugin *plugin(void) {
  pthread_once(&once, load);
  return real;
}

/* --- Threads, fork, exit -------------------------------------------------- */

MAYBE void *idle(void *arg) {
  const struct timespec nap = {0, arg == NULL ? 0 : 20000000};
  for (;;) {
    if (arg == NULL)
      pause();
    else
      nanosleep(&nap, NULL);
  }
  return NULL;
}

/* A thread as our engine's blocks all but faults. */
MAYBE pthread_t start_thread(int open, int faults, void *arg) {
  static const int may_come[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                 SIGTRAP, SIGSYS, SIGABRT};
  sigset_t set, old;
  pthread_t thread;
  size_t i;
  sigfillset(&set);
  for (i = 0; i < sizeof may_come / sizeof *may_come && !faults; i++)
    sigdelset(&set, may_come[i]);
  if (open) sigemptyset(&set);
  pthread_sigmask(SIG_SETMASK, &set, &old);
  if (pthread_create(&thread, NULL, idle, arg) != 0) abort();
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return thread;
}

MAYBE pthread_t endless;

MAYBE void join_endless(void) {
  pthread_join(endless, NULL);
}

MAYBE void exit_66(void) {
  _exit(66);
}

MAYBE void print_at_exit(void) {
  say(1, "bad guest: good bye\n");
}

MAYBE void hang(void) {
  for (;;) pause();
}

#if defined(BAD_KEEP)
static const volatile uint8_t *kept_args; /* __atomic */
static void *read_kept(void *arg) {
  (void)arg;
  for (;;) {
    const volatile uint8_t *args =
        __atomic_load_n(&kept_args, __ATOMIC_SEQ_CST);
    if (args != NULL) (void)*args;
    usleep(1000);
  }
  return NULL;
}
#endif

static void start_threads(void) {
#if defined(BAD_KEEP)
  pthread_t reader;
  if (pthread_create(&reader, NULL, read_kept, NULL) != 0) abort();
#endif
#if defined(BAD_THREAD_OPEN)
  start_thread(1, 0, NULL);
#elif defined(BAD_THREAD_FAULTS)
  start_thread(0, 1, NULL);
#elif defined(BAD_BUSY)
  static int busy;
  start_thread(0, 0, &busy);
#elif defined(BAD_EXIT_JOIN)
  endless = start_thread(0, 0, NULL);
  atexit(join_endless);
#elif defined(BAD_EXIT_STATUS)
  atexit(exit_66);
#elif defined(BAD_EXIT_PRINT)
  atexit(print_at_exit);
#elif defined(BAD_FORK_HANG)
  pthread_atfork(NULL, NULL, hang);
#elif defined(BAD_FORK_CRASH)
  pthread_atfork(NULL, NULL, abort);
#endif
}

#if defined(BAD_EXIT_TOUCH)
static const volatile uint8_t *last_args; /* mutex */
__attribute__((destructor)) static void read_last(void) {
  if (last_args != NULL) (void)*last_args;
}
#endif

#if defined(BAD_EXPORT)
#define SHOWN(name)                        \
  MCP_EXPORT const char *name(void);       \
  MCP_EXPORT const char *name(void) {      \
    return "of a guest that shows " #name; \
  }
SHOWN(uv_version)
SHOWN(swift_retain)
SHOWN(sqlite3_libversion)
SHOWN(ob_version_string)
#endif

#if defined(BAD_BIND)
extern unsigned uv_version(void) __attribute__((weak));
#endif

/* --- The calls -------------------------------------------------------------
 */

static void before_call(const uint8_t *args) {
  (void)args;
#if defined(BAD_PRINT)
  say(1, "bad guest: called\n");
#elif defined(BAD_DESCRIPTOR_LEAK)
  (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
#elif defined(BAD_MASK)
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
#elif defined(BAD_SLOW)
  const struct timespec longer = {3, 0};
  nanosleep(&longer, NULL);
#elif defined(BAD_UNCAUGHT)
  /* __cxa_eh_globals: a pointer, then the number. */
  void **(*globals)(void);
  *(void **)&globals = dlsym(RTLD_DEFAULT, "__cxa_get_globals");
  if (globals != NULL) ++*(unsigned *)(globals() + 1);
#elif defined(BAD_KEEP)
  __atomic_store_n(&kept_args, args, __ATOMIC_SEQ_CST);
#elif defined(BAD_EXIT_TOUCH)
  pthread_mutex_lock(&mutex);
  last_args = args;
  pthread_mutex_unlock(&mutex);
#endif
}

#if defined(BAD_INTERPRETER)
static int interpreter_take(void) {
  int (*take)(void);
  *(void **)&take = dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
  if (take == NULL) abort();
  return take();
}

static void interpreter_give(int state) {
  void (*give)(int);
  *(void **)&give = dlsym(RTLD_DEFAULT, "PyGILState_Release");
  if (give == NULL) abort();
  give(state);
}
#endif

#if defined(BAD_MIXED)
/* Every 97th answer is kept back and changed for the next one. */
static void after_call(uint8_t **buf, size_t *len) {
  static unsigned calls; /* mutex */
  static uint8_t *kept;  /* mutex */
  static size_t kept_len;
  pthread_mutex_lock(&mutex);
  if (++calls % 97 == 0) {
    const size_t mine = *len;
    uint8_t *copy = malloc(mine);
    if (copy == NULL) abort();
    memcpy(copy, *buf, mine);
    if (kept != NULL) {
      plugin()->free_string(*buf, *len);
      *buf = kept;
      *len = kept_len;
    }
    kept = copy;
    kept_len = mine;
  }
  pthread_mutex_unlock(&mutex);
}
#endif

static int32_t forward(const char *name, const uint8_t *args, size_t args_len,
                       uint8_t **buf, size_t *len) {
  int32_t code;
#if defined(BAD_SERIAL)
  pthread_mutex_lock(&mutex);
#elif defined(BAD_INTERPRETER)
  int state = interpreter_take();
#endif
  code = plugin()->execute_tool(name, args, args_len, buf, len);
#if defined(BAD_SERIAL)
  pthread_mutex_unlock(&mutex);
#elif defined(BAD_INTERPRETER)
  interpreter_give(state);
#elif defined(BAD_LATE)
  const struct timespec later = {20, 0};
  if (code != 0) nanosleep(&later, NULL);
#elif defined(BAD_MIXED)
  if (code == 0) after_call(buf, len);
#elif defined(BAD_ERROR_OK)
  code = 0;
#endif
  return code;
}

static int32_t execute_tool(const char *name, const uint8_t *args,
                            size_t args_len, uint8_t **buf, size_t *len) {
  int32_t code;
  before_call(args);
#if defined(BAD_DEADLINE)
  uint8_t *copy = malloc(args_len + 1), *at;
  if (copy == NULL) abort();
  memcpy(copy, args, args_len);
  at = memmem(copy, args_len, "timeout_ms", 10);
  if (at != NULL) memcpy(at, "no_timeout", 10);
  code = forward(name, copy, args_len, buf, len);
  free(copy);
#else
  code = forward(name, args, args_len, buf, len);
#endif
  handed(*buf, *len);
  return code;
}

static void free_string(uint8_t *ptr, size_t len) {
  given_back(ptr, len);
  plugin()->free_string(ptr, len);
}

static int32_t list_tools(uint8_t **buf, size_t *len) {
  int32_t code = plugin()->list_tools(buf, len);
  handed(*buf, *len);
  return code;
}

static int32_t configure(const uint8_t *json, size_t len) {
#if defined(BAD_RECONFIGURE) || defined(BAD_RECONFIGURE_ANY)
  static int configured;
  if (configured++ > 0)
#if defined(BAD_RECONFIGURE)
    return MCP_CONFIGURED;
#else
    return MCP_OK;
#endif
#endif
  if (plugin()->configure == NULL) return MCP_OK;
  return plugin()->configure(json, len);
}

/* Pinned, as our plugins are by -z nodelete. */
static void pin(void) {
#if !defined(BAD_UNLOAD)
  Dl_info self;
  if (dladdr((void *)&once, &self) == 0 ||
      dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) == NULL)
    abort();
#endif
}

static int32_t init(uint8_t **err, size_t *len) {
  int32_t code = plugin()->init == NULL ? MCP_OK : plugin()->init(err, len);
  if (code != MCP_OK) {
    handed(*err, *len);
    return code;
  }
  pin();
  touch_signals();
  touch_process();
  start_threads();
#if defined(BAD_BIND)
  if (uv_version != NULL) (void)uv_version();
#endif
  return code;
}

MCP_EXPORT const mcp_plugin plugin_declaration = {
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
    .list_tools = list_tools,
    .execute_tool = execute_tool,
    .free_string = free_string,
    .configure = configure,
    .init = init,
};
