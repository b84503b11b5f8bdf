/* A host's side of the ABI, for hosts in C, C++ and whatever can call C: load,
 * call, and compare an answer with what its arguments demand. Nothing of
 * Outboard's is linked. Wrong answers go to stderr and are counted. */
#ifndef CALLER_H
#define CALLER_H

#include <mcp_plugin.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct caller {
  const char *path;
  void *image;           /* of dlopen */
  const mcp_plugin *abi; /* in the image */
};

/* What a crowd is configured with; both keep everything in memory. */
#define PRICING_CONFIG                                           \
  "{\"database_url\":\"sqlite::memory:\",\"max_connections\":4," \
  "\"timeout_seconds\":60}"
#define CLOCK_CONFIG "{\"timeout_ms\":50000}"

/* dlopen, configure, init. They end the process with status 2 and the cause
 * when something fails. flags: RTLD_LOCAL or RTLD_GLOBAL. */
struct caller caller_open(const char *path, int flags);
void caller_start(const struct caller *plugin, const char *config);
struct caller caller_load(const char *path, const char *config);

/* Both plugins, by $PRICING and $CLOCK, as above. */
struct callers {
  struct caller pricing, clock;
};
struct callers callers_load(void);

/* Calls a tool; a copy of its answer with a NUL, to be freed; the buffer goes
 * back by free_string. *code as the tool gave it. Any thread. */
char *caller_call(const struct caller *plugin, const char *tool,
                  const char *args, int32_t *code);

/* Calls and compares with the whole answer. */
void caller_expect(const struct caller *plugin, const char *tool,
                   const char *args, int32_t code, const char *answer);

/* What get_product_price must answer to arguments number i, of CALLER_KINDS
 * kinds: products, and what there is none of. */
#define CALLER_KINDS 12u
void caller_expected(unsigned i, const char **args, const char **answer,
                     int32_t *code);

/* Each makes a call, compares, and counts it as wrong otherwise: a price, a
 * search, a wait (both at once take as long as the longer), a wait that must
 * end at its deadline, and each kind of error. */
void caller_price(const struct caller *pricing, unsigned i);
void caller_search(const struct caller *pricing, unsigned i);
void caller_wait(const struct caller *clock, unsigned first, unsigned second);
void caller_wait_within(const struct caller *clock, unsigned first,
                        unsigned second, unsigned timeout_ms);
void caller_expire(const struct caller *clock, unsigned timeout_ms);
void caller_errors(const struct callers *both);

/* Some of each, for call number i of a thread. */
void callers_mixed(const struct callers *both, unsigned i);

/* How many calls clock's engine has been handed; -1 when it does not say. */
int64_t caller_submitted(const struct caller *clock);

/* Counts a mistake and says it on stderr. */
__attribute__((format(printf, 1, 2))) void caller_wrong(const char *format,
                                                        ...);
/* How many there were. */
unsigned caller_mistakes(void);

/* Locks an SQLite file against everybody, from a process of its own, until the
 * descriptor that this returns is closed (caller_unlock). */
int caller_lock(const char *path);
void caller_unlock(int fd);

/* Monotonic milliseconds. */
int64_t caller_now_ms(void);

#ifdef __cplusplus
}
#endif

#endif
