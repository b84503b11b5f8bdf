/* The C host: what its files share. Each mode of the program shows one promise
 * and prints one line about it, or what was wrong. */
#ifndef PLAIN_HOST_H
#define PLAIN_HOST_H

#include "../support/caller.h"
#include "../support/crowd.h"

#define CROWD 16u

/* The modes. calls.c */
void show_answers(void);
void show_loop(void);
void show_deadlines(void);
/* manners.c */
void show_untouched(void);
void show_descriptors(void);
void show_threads(void);
void show_symbols_local(void);
void show_symbols_global(void);
void run_quietly(void);
/* life.c */
void show_fork(void);
void show_unload(void);
void leave_by_exit(void);
void leave_by_thread(void);
void leave_by_return(void);
/* signals.c */
void show_handler(void);
void show_signalfd(void);
void show_fault(void);

#endif
