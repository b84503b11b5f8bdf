/* A TCP echo server for the systems on libuv. */
#ifndef BENCH_UV_ECHO_H
#define BENCH_UV_ECHO_H

#include <uv.h>

/* Listens on a free port of 127.0.0.1 and returns it. Loop thread. */
int uv_echo_listen(uv_loop_t *loop);

/* Closes the listener and its connections. Loop thread; for a system that does
 * not close what is left open by itself. */
void uv_echo_close(uv_loop_t *loop);

#endif
