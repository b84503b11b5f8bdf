/* What the two halves of a sick plugin share; see sick.c. */
#ifndef SICK_H
#define SICK_H

#include <mcp_plugin.h>
#include <stdatomic.h>

/* What the plugin does to its host, in sick_guest.c. */
void sick_init(void);
void sick_call(void);
/* Set by a guest that stops working. */
extern atomic_int sick_broken;

/* A thread that does nothing wrong: parked, all signals but faults blocked. */
void sick_good_thread(void *(*body)(void *));
void *sick_park(void *arg);

#endif
