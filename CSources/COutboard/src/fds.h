/* The loop's side of the descriptors: libuv, the wake-up, and what becomes of
 * an engine whose host has closed them. Included by internal.h. */
#ifndef OB_FDS_H
#define OB_FDS_H

/* Where libuv is linked in with its system calls redirected (link/uv_stubs.c of
 * CPluginABI). Otherwise undefined, at address 0. Not hidden here: gold gives
 * hidden undefined symbols the address of the image. The definitions are. */
#define OB__UV_HOOK __attribute__((weak, visibility("default")))
extern OB__UV_HOOK int (*ob__uv_lost)(int set);
extern OB__UV_HOOK void (*ob__uv_sleep)(int begins);
extern OB__UV_HOOK void (*ob__uv_dead)(void);
extern OB__UV_HOOK void ob__uv_reserve(int *fds);

static inline int ob__uv_told(void) {
  return &ob__uv_lost != NULL;
}

/* loop.c */
/* 1: stopped; 0: the descriptors are gone. */
int ob__loop_run(ob_engine *engine);
/* Takes leave of libuv. */
void ob__loop_lose(ob_engine *engine);
void ob__loop_close(ob_engine *engine);
/* Closes the user's handles; 1 when none is left. */
int ob__loop_close_handles(ob_engine *engine);

/* loop_uv.c */
int ob__uv_open(ob_engine *engine);
void ob__uv_undo(ob_engine *engine);
/* Before libuv waits at its set: 0, it is gone. With doubt the set is asked. */
int ob__set_is_ours(ob_engine *engine, int doubt);
/* Makes the libuv loop, if there is none yet. From then on there may be handles
 * of somebody else's in it: it is looked at, and slept in. OB_EBROKEN: its
 * descriptors are gone; OB_ESYSTEM, OB_ENOMEM: there were none, or no memory.
 */
int ob__uv_lend(ob_engine *engine);
/* How long libuv has slept, ns. Loop thread. */
uint64_t ob__uv_idle(const ob_engine *engine);

/* nap.c */
/* As the loop's other ways to look and to sleep: 0, there is no loop any more.
 * Only while it has not been lent. */
int ob__nap(ob_engine *engine);
/* What every kind of sleep says to others, and what it says at its end. */
int ob__sleep_begins(ob_engine *engine);
void ob__sleep_ends(ob_engine *engine);

/* wake.c */
/* 1: a system call was made; 0: none needed; a negative errno: the descriptors
 * are lost, and ob__lose is to follow. */
int ob__wake(ob_engine *engine);

/* fds.c */
/* Moves a descriptor to a high number, if it can be; closes the low one. */
int ob__fd_raise(int fd);
/* The same, to a number that nobody has had for long. */
int ob__fd_raise_apart(int fd);
void ob__fd_close(int fd);
/* 1: set is an epoll set, and fd the very file that it has under fd. */
int ob__fd_known(int set, int fd);
/* 1: some epoll set. */
int ob__fd_is_set(int fd);
int ob__wake_open(ob_engine *engine);
void ob__wake_close(ob_engine *engine);
/* Makes the loop forget the descriptors that are not ours any more; 0: its
 * epoll set is one of them. */
int ob__fds_disown(ob_engine *engine);
/* In a fork child: closes those that are the parent's still. */
void ob__fds_close_inherited(ob_engine *engine);

/* lost.c */
/* Once, at the first start. */
void ob__lost_prepare(void);
/* The descriptors are gone: says so, and has the loop know. If the loop has
 * ended, it does not matter. */
void ob__lose(ob_engine *engine, int error);
/* Whether the loop thread may be taken from where it is. */
void ob__reachable(ob_engine *engine, int yes);
/* The loop without libuv, until it is stopped. */
void ob__lost_run(ob_engine *engine);
void ob__lost_end(ob_engine *engine);

#endif
