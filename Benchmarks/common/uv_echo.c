/* The echo server of a libuv tutorial, but that it answers by uv_try_write, as
 * 64 bytes always find room. */
#include "uv_echo.h"

#include <stdlib.h>

#include "bench.h"

typedef struct connection {
  uv_tcp_t tcp;
  char bytes[4096];
} connection;

static uv_tcp_t server;

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  connection *c = handle->data;
  (void)hint;
  *buf = uv_buf_init(c->bytes, sizeof c->bytes);
}

static void on_closed(uv_handle_t *handle) {
  free(handle->data);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
  uv_buf_t out;
  if (got < 0) {
    uv_close((uv_handle_t *)stream, on_closed);
    return;
  }
  if (got == 0) return;
  out = uv_buf_init(buf->base, (unsigned)got);
  if (uv_try_write(stream, &out, 1) != (int)got)
    bench_fail("echo: the socket took less than it was given");
}

static void on_connection(uv_stream_t *listener, int status) {
  connection *c = calloc(1, sizeof *c);
  if (status != 0 || c == NULL) bench_fail("echo: cannot take a connection");
  uv_tcp_init(listener->loop, &c->tcp);
  c->tcp.data = c;
  if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0)
    bench_fail("echo: cannot accept");
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int uv_echo_listen(uv_loop_t *loop) {
  struct sockaddr_in at;
  int length = sizeof at;
  uv_ip4_addr("127.0.0.1", 0, &at);
  uv_tcp_init(loop, &server);
  if (uv_tcp_bind(&server, (const struct sockaddr *)&at, 0) != 0 ||
      uv_listen((uv_stream_t *)&server, 64, on_connection) != 0)
    bench_fail("echo: cannot listen on 127.0.0.1");
  uv_tcp_getsockname(&server, (struct sockaddr *)&at, &length);
  return ntohs(at.sin_port);
}

static void close_one(uv_handle_t *handle, void *arg) {
  (void)arg;
  if (handle->type == UV_TCP && !uv_is_closing(handle))
    uv_close(handle, handle == (uv_handle_t *)&server ? NULL : on_closed);
}

void uv_echo_close(uv_loop_t *loop) {
  uv_walk(loop, close_one, NULL);
}
