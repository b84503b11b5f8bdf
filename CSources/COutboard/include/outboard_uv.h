/* Outboard: the engine's libuv loop, for code that runs on its thread.
 *
 * Opt-in: this header includes uv.h, outboard.h does not. Never use what
 * blocks or runs on libuv's process-wide pool (uv_fs_*, uv_getaddrinfo,
 * uv_queue_work): OB_CALL_OFFLOAD is for that. Never call uv_run, uv_stop,
 * uv_loop_close or uv_spawn (it takes the host's SIGCHLD). Handles that are
 * still open when the engine has stopped are closed without a callback. Ask
 * for the loop again after a restart in a fork child: it is another one. */
#ifndef OUTBOARD_UV_H
#define OUTBOARD_UV_H

#include "outboard_engine.h"

#include <uv.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The loop, with its clock brought up to date, so that a timer started now
 * counts from now. Loop thread only: NULL elsewhere and for NULL. It is made by
 * the first call; NULL when that lacks descriptors or memory (asking again may
 * help), or the host has closed those of a loop that was made. The detail says
 * which. Who cannot do without asks in on_start, and has the start fail. Owned
 * by the engine. */
OB_API uv_loop_t *ob_uv_loop(ob_engine *engine);

#ifdef __cplusplus
}
#endif

#endif
