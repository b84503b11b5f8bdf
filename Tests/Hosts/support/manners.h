/* What belongs to the process and a guest must leave alone, as text.
 *
 * A host in any language takes the text before and after, and compares: equal
 * means untouched, and the lines that differ say what was. Built as
 * build/hosts/libmanners.so; nothing of it is Outboard's. Any thread; the
 * caller frees with manners_free(). NULL without memory. */
#ifndef MANNERS_H
#define MANNERS_H

#ifdef __cplusplus
extern "C" {
#endif

/* One line each for: dispositions of all signals, the calling thread's mask and
 * name, environment, working directory, umask, locale, limits, interval timers,
 * floating-point control words, scheduling policy, affinity, and the process
 * attributes of prctl(2). */
char *manners_state(void);

/* One line for each open descriptor: number, cloexec or inherited, what it is.
 * The one used for looking is left out. */
char *manners_descriptors(void);

/* One line for each thread: id, name, and the signals that it blocks, as
 * "process" (all that a process can be sent are blocked, no fault is), or else
 * the mask in hexadecimal. */
char *manners_threads(void);

/* The lines of `after` that `before` has not, and the other way round, with a
 * leading + or -; empty when both say the same. */
char *manners_difference(const char *before, const char *after);

/* The address of a symbol as the process's global scope has it, or 0; and the
 * file that an address lies in, or "". */
unsigned long manners_global(const char *symbol);
char *manners_file_of(unsigned long address);

void manners_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
