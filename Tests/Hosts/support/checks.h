/* What several hosts in C and C++ look at alike. What is wrong is counted and
 * said by caller_wrong. */
#ifndef CHECKS_H
#define CHECKS_H

#include <sys/types.h>

#include "caller.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Texts of manners.h: wrong when they differ. Frees both. */
void check_same(const char *what, char *before, char *after);

/* Every descriptor that was not there before is close-on-exec. */
void check_cloexec(const char *before, const char *now);

/* The threads that were not there before block what is meant for the process,
 * and none runs for a second. Returns how many; fewer than `least` are wrong.
 */
unsigned check_threads(const char *before, unsigned least);

/* Nothing of a plugin's insides is to be seen through its handle, or by all;
 * the program must not have such names itself. Returns how many were looked
 * for. */
unsigned check_hidden(const struct caller *plugin);

/* Of plugins loaded with these flags, all see the declaration or nothing, and
 * no decoy (decoys.h) was called. */
void check_visible(int flags);

/* configure answers this code. */
void check_configure(const struct caller *plugin, const char *config,
                     int32_t wanted);

/* In a fork child: a tool says that the plugin belongs to the parent. */
void check_told(const struct caller *plugin, const char *tool,
                const char *args);

/* In a fork child, for the Swift plugin: it says so before it looks at a tool's
 * name or its arguments, and also at init; configure fails. The Swift runtime
 * has locks that a thread of the parent's may have held at the fork. */
void check_stays_told(const struct caller *pricing, const char *config);

/* Forks; the child runs body, which ends it, with that exit status and within
 * $PATIENCE seconds (30). */
typedef void (*check_child)(const void *arg, unsigned number);
void check_fork(check_child body, const void *arg, unsigned number, int wanted);

/* All children have been waited for. */
void check_no_children(void);

/* As waitpid; a child that does not end in so many seconds is killed, and so
 * has not ended well. */
pid_t await_child(pid_t child, unsigned seconds, int *status);

/* Calls that wait for a database which another process has locked end at the
 * configured 2 s. `copy` is a pricing plugin that is not loaded yet. */
void check_database_deadline(const char *copy);

#ifdef __cplusplus
}
#endif

#endif
