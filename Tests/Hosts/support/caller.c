/* See caller.h. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "caller.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static unsigned mistakes; /* __atomic */

void caller_wrong(const char *format, ...) {
  char text[1024];
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  /* The first few say enough. */
  if (__atomic_fetch_add(&mistakes, 1, __ATOMIC_RELAXED) < 10)
    fprintf(stderr, "%s\n", text);
}

unsigned caller_mistakes(void) {
  return __atomic_load_n(&mistakes, __ATOMIC_RELAXED);
}

int64_t caller_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* --- Loading ---------------------------------------------------------------
 */

__attribute__((noreturn)) static void give_up(const char *path,
                                              const char *why) {
  fprintf(stderr, "%s: %s\n", path != NULL ? path : "(no path)", why);
  _exit(2);
}

struct caller caller_open(const char *path, int flags) {
  struct caller plugin = {path, NULL, NULL};
  if (path == NULL) give_up(path, "set PRICING and CLOCK");
  plugin.image = dlopen(path, RTLD_NOW | flags);
  if (plugin.image == NULL) give_up(path, dlerror());
  plugin.abi = dlsym(plugin.image, MCP_PLUGIN_SYMBOL);
  if (plugin.abi == NULL) give_up(path, dlerror());
  return plugin;
}

void caller_start(const struct caller *plugin, const char *config) {
  uint8_t *text = NULL;
  size_t size = 0;
  if (plugin->abi->configure != NULL && config != NULL &&
      plugin->abi->configure((const uint8_t *)config, strlen(config)) != 0)
    give_up(plugin->path, "configure refused");
  if (plugin->abi->init == NULL || plugin->abi->init(&text, &size) == 0) return;
  fprintf(stderr, "%.*s\n", (int)size, text != NULL ? (char *)text : "");
  give_up(plugin->path, "init failed");
}

struct caller caller_load(const char *path, const char *config) {
  struct caller plugin = caller_open(path, RTLD_LOCAL);
  caller_start(&plugin, config);
  return plugin;
}

struct callers callers_load(void) {
  struct callers both;
  both.pricing = caller_load(getenv("PRICING"), PRICING_CONFIG);
  both.clock = caller_load(getenv("CLOCK"), CLOCK_CONFIG);
  return both;
}

/* --- Calling ---------------------------------------------------------------
 */

char *caller_call(const struct caller *plugin, const char *tool,
                  const char *args, int32_t *code) {
  uint8_t *buf = NULL;
  size_t len = 0;
  char *copy;
  *code = plugin->abi->execute_tool(tool, (const uint8_t *)args, strlen(args),
                                    &buf, &len);
  copy = malloc(len + 1);
  if (copy == NULL) give_up(plugin->path, "no memory");
  if (len > 0) memcpy(copy, buf, len);
  copy[len] = '\0';
  if (buf != NULL) plugin->abi->free_string(buf, len);
  return copy;
}

void caller_expect(const struct caller *plugin, const char *tool,
                   const char *args, int32_t code, const char *answer) {
  int32_t found;
  char *text = caller_call(plugin, tool, args, &found);
  if (found != code || strcmp(text, answer) != 0)
    caller_wrong("%s %s: %" PRId32 " %s, not %" PRId32 " %s", tool, args, found,
                 text, code, answer);
  free(text);
}

#define PRODUCT(id, name, price, text)                           \
  "{\"description\":\"" text "\",\"id\":" id ",\"name\":\"" name \
  "\","                                                          \
  "\"price\":" price "}"
#define PRODUCTS(id, name, price, text) \
  {"{\"product_id\":" id "}", PRODUCT(id, name, price, text), 0,     \
   "{\"query\":\"" name "\"}",                                       \
   "{\"count\":1,\"products\":[" PRODUCT(id, name, price, text) "]," \
   "\"truncated\":false}"}
#define NONE(id)                                                             \
  {"{\"product_id\":" id "}", "{\"error\":\"Product " id " not found\"}", 1, \
   "{\"query\":\"product " id "\"}",                                         \
   "{\"count\":0,\"products\":[],\"truncated\":false}"}

static const struct {
  const char *args, *answer;
  int32_t code;
  const char *query, *found;
} kinds[CALLER_KINDS] = {
    PRODUCTS("1", "Espresso Machine", "449.95", "15 bar pump, one group"),
    PRODUCTS("2", "Coffee Grinder", "129.1", "Conical burrs, 40 g hopper"),
    PRODUCTS("3", "Gooseneck Kettle", "79.99", "0.9 l, variable temperature"),
    PRODUCTS("4", "Digital Scale", "24.5", "0.1 g steps up to 2 kg"),
    PRODUCTS("5", "Paper Filters", "0.07", "Each; sold by the hundred"),
    PRODUCTS("6", "Milk Pitcher", "18", "600 ml, stainless steel"),
    PRODUCTS("7", "100% Arabica Beans", "13.37", "1 kg, medium roast"),
    PRODUCTS("8", "Tamper_58", "32.25", "58 mm, flat base"),
    PRODUCTS("9", "Plantation Futures", "1234567890123456.789012345678",
             "A price with 28 digits"),
    PRODUCTS("9223372036854775807", "Last Product", "0.1",
             "The largest id that there is"),
    NONE("10"),
    NONE("-77"),
};

void caller_expected(unsigned i, const char **args, const char **answer,
                     int32_t *code) {
  i %= CALLER_KINDS;
  *args = kinds[i].args;
  *answer = kinds[i].answer;
  *code = kinds[i].code;
}

void caller_price(const struct caller *pricing, unsigned i) {
  i %= CALLER_KINDS;
  caller_expect(pricing, "get_product_price", kinds[i].args, kinds[i].code,
                kinds[i].answer);
}

void caller_search(const struct caller *pricing, unsigned i) {
  i %= CALLER_KINDS;
  caller_expect(pricing, "search_products", kinds[i].query, 0, kinds[i].found);
}

void caller_wait_within(const struct caller *clock, unsigned first,
                        unsigned second, unsigned timeout_ms) {
  char args[96];
  int32_t code;
  unsigned a = 0, b = 0;
  int64_t elapsed = -1, begin = caller_now_ms(), longer, took;
  char *text;
  snprintf(args, sizeof args, "{\"first_ms\":%u,\"second_ms\":%u", first,
           second);
  if (timeout_ms > 0)
    snprintf(args + strlen(args), sizeof args - strlen(args),
             ",\"timeout_ms\":%u", timeout_ms);
  strcat(args, "}");
  text = caller_call(clock, "wait_both", args, &code);
  took = caller_now_ms() - begin;
  longer = first > second ? first : second;
  sscanf(text, "{\"first_ms\":%u,\"second_ms\":%u,\"elapsed_ms\":%" SCNd64 "}",
         &a, &b, &elapsed);
  /* A wait begins between two of our milliseconds. */
  if (code != 0 || a != first || b != second || elapsed < longer ||
      elapsed > took + 1)
    caller_wrong("wait_both %s: %" PRId32 " %s after %" PRId64 " ms", args,
                 code, text, took);
  free(text);
}

void caller_wait(const struct caller *clock, unsigned first, unsigned second) {
  caller_wait_within(clock, first, second, 0);
}

void caller_expire(const struct caller *clock, unsigned timeout_ms) {
  char args[96];
  int64_t begin = caller_now_ms(), took;
  snprintf(args, sizeof args,
           "{\"first_ms\":1,\"second_ms\":3000,\"timeout_ms\":%u}", timeout_ms);
  caller_expect(clock, "wait_both", args, 1,
                "{\"error\":\"no answer: deadline expired\"}");
  took = caller_now_ms() - begin;
  if (took < (int64_t)timeout_ms - 1 || took > 2500 + (int64_t)timeout_ms)
    caller_wrong("a deadline of %u ms came after %" PRId64 " ms", timeout_ms,
                 took);
}

void caller_errors(const struct callers *both) {
  caller_expect(&both->pricing, "nonsense", "{}", 1,
                "{\"error\":\"Unknown tool: nonsense\"}");
  caller_expect(&both->pricing, "get_product_price", "{\"product_id\":\"1\"}",
                1, "{\"error\":\"product_id must be an integer\"}");
  caller_expect(&both->clock, "wait_both", "{\"first_ms\":1}", 1,
                "{\"error\":\"first_ms and second_ms must be 0 to 60000\"}");
  caller_expect(&both->clock, "wait_both",
                "{\"first_ms\":1,\"second_ms\":60001}", 1,
                "{\"error\":\"first_ms and second_ms must be 0 to 60000\"}");
}

void callers_mixed(const struct callers *both, unsigned i) {
  caller_price(&both->pricing, i);
  caller_wait(&both->clock, i % 3, i % 5);
  if (i % 4 == 0) caller_search(&both->pricing, i / 4);
  if (i % 16 == 0) caller_errors(both);
}

int64_t caller_submitted(const struct caller *clock) {
  int32_t code;
  int64_t submitted = -1;
  char *text = caller_call(clock, "health", "{}", &code);
  char *at = strstr(text, "\"submitted\":");
  if (code == 0 && at != NULL) sscanf(at, "\"submitted\":%" SCNd64, &submitted);
  free(text);
  return submitted;
}

/* --- Locking a database ----------------------------------------------------
 */

/* SQLite locks bytes from 2^30; the child holds them until the pipe closes. */
int caller_lock(const char *path) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int hold[2], told[2], fd;
  char byte;
  lock.l_start = 0x40000000;
  lock.l_len = 512;
  if (pipe2(hold, O_CLOEXEC) != 0 || pipe2(told, O_CLOEXEC) != 0)
    give_up(path, "no pipe");
  if (fork() == 0) {
    close(hold[1]);
    fd = open(path, O_RDWR);
    if (fd < 0 || fcntl(fd, F_SETLKW, &lock) != 0 ||
        write(told[1], "l", 1) != 1)
      _exit(1);
    while (read(hold[0], &byte, 1) > 0) {
    }
    _exit(0);
  }
  close(hold[0]);
  close(told[1]);
  if (read(told[0], &byte, 1) != 1) give_up(path, "cannot be locked");
  close(told[0]);
  return hold[1];
}

void caller_unlock(int fd) {
  int status;
  close(fd);
  while (wait(&status) > 0) {
  }
}
