/* outboard_uv.h: handlers that use libuv on the engine's loop: a timer, one
 * that starts after the loop has been blocked, and two TCP requests at once. */
#include "outboard_uv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "probe.h"

static void handle_other(ob_request *request, void *input, size_t size,
                         void *user) {
  (void)input;
  (void)size;
  CHECK(ob_uv_loop(ob_request_engine(request)) != NULL);
  CHECK(ob_uv_loop(user) == NULL); /* another engine's */
  CHECK(strstr(ob_last_error_detail(), "loop thread") != NULL);
  ob_complete(request, OB_OK, ob_result_none());
}

static void handle_pool(ob_request *request, void *input, size_t size,
                        void *user) {
  (void)input;
  (void)size;
  CHECK(ob_uv_loop(ob_request_engine(request)) == NULL);
  CHECK(ob_uv_loop(user) == NULL);
  ob_complete(request, OB_OK, ob_result_none());
}

TEST(the_loop_is_for_its_own_thread) {
  ob_engine *engine = test_engine(NULL), *other = test_engine(NULL);
  ob_call_opts opts = test_call(handle_other, other);
  CHECK(ob_uv_loop(engine) == NULL);
  CHECK(strstr(ob_last_error_detail(), "loop thread") != NULL);
  CHECK(ob_uv_loop(NULL) == NULL);
  CHECK(strstr(ob_last_error_detail(), "NULL") != NULL);
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  opts.flags = OB_CALL_OFFLOAD;
  opts.handler = handle_pool;
  CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
  test_stop(engine);
  test_stop(other);
}

/* --- Timers --- */

typedef struct timed {
  uv_timer_t timer;
  ob_request *request;
  uint64_t block_ms, wait_ms, begin, took;
} timed;

static void on_closed(uv_handle_t *handle) {
  timed *t = handle->data;
  CHECK_EQ(ob_complete(t->request, OB_OK, ob_result_none()), OB_OK);
}

static void on_timer(uv_timer_t *timer) {
  timed *t = timer->data;
  CHECK(ob_engine_current() == ob_request_engine(t->request));
  t->took = test_now() - t->begin;
  uv_close((uv_handle_t *)timer, on_closed);
}

static void handle_timed(ob_request *request, void *input, size_t size,
                         void *user) {
  timed *t = user;
  uv_loop_t *loop;
  (void)input;
  (void)size;
  if (t->block_ms > 0) test_sleep_ms((unsigned)t->block_ms);
  loop = ob_uv_loop(ob_request_engine(request));
  CHECK(loop != NULL);
  t->request = request;
  t->timer.data = t;
  CHECK(uv_timer_init(loop, &t->timer) == 0);
  t->begin = test_now();
  CHECK(uv_timer_start(&t->timer, on_timer, t->wait_ms, 0) == 0);
}

/* libuv counts in whole milliseconds of a clock that ticks once in a
 * millisecond, so it may be early by two. */
static void check_timer(uint64_t block_ms, uint64_t wait_ms) {
  ob_engine *engine = test_engine(NULL);
  timed t = {.block_ms = block_ms, .wait_ms = wait_ms};
  ob_call_opts opts = test_call(handle_timed, &t);
  for (int i = 0; i < 3; i++) {
    CHECK_EQ(ob_call(engine, &opts, NULL), OB_OK);
    if (t.took + 2 * MS < wait_ms * MS)
      test_fail(__FILE__, __LINE__, "a timer of %d ms fired after %d us",
                (int)wait_ms, (int)(t.took / 1000));
    CHECK(t.took < wait_ms * MS + 10 * S);
  }
  test_stop(engine);
}

TEST(a_timer_in_a_handler) {
  check_timer(0, 20);
  check_timer(0, 1);
}

/* The loop's clock stood still while the handler blocked; a timer started then
 * must count from now, not from that time. */
TEST(a_timer_after_the_loop_was_blocked) {
  check_timer(80, 60);
}

/* Blocking in one handler must not make another's running timer fire twice or
 * never. */
TEST(a_timer_survives_a_blocked_loop) {
  ob_engine *engine = test_engine(NULL);
  timed t = {.wait_ms = 20};
  ob_call_opts opts = test_call(handle_timed, &t);
  ob_ticket *ticket;
  test_blocker blocker;
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  flush(engine);
  test_block_loop(engine, &blocker);
  test_sleep_ms(40);
  CHECK_EQ(ob_ticket_poll(ticket, NULL), 0);
  test_unblock_loop(&blocker);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, NULL), OB_OK);
  CHECK(t.took >= 40 * MS);
  ob_ticket_release(ticket);
  test_stop(engine);
}

/* --- Two requests at once --- */

typedef struct server {
  int listener, both, go;
  struct sockaddr_in address;
} server;

/* Answers neither before it has both; the first one last. */
static void *run_server(void *arg) {
  server *s = arg;
  int clients[2];
  char asked[2];
  for (int i = 0; i < 2; i++) {
    clients[i] = accept(s->listener, NULL, NULL);
    CHECK(clients[i] >= 0);
  }
  for (int i = 0; i < 2; i++) CHECK(recv(clients[i], &asked[i], 1, 0) == 1);
  add(&s->both);
  test_await(&s->go);
  for (int i = 1; i >= 0; i--) {
    char reply = (char)(asked[i] + 32);
    CHECK(send(clients[i], &reply, 1, 0) == 1);
    close(clients[i]);
  }
  return NULL;
}

static void open_server(server *s) {
  socklen_t size = sizeof s->address;
  struct sockaddr *any = (struct sockaddr *)&s->address;
  s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  CHECK(s->listener >= 0);
  s->address.sin_family = AF_INET;
  s->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(s->listener, any, size) == 0);
  CHECK(getsockname(s->listener, any, &size) == 0);
  CHECK(listen(s->listener, 2) == 0);
}

typedef struct client {
  uv_tcp_t tcp;
  uv_connect_t connect;
  uv_write_t write;
  struct pair *pair;
  char ask, reply;
} client;

typedef struct pair {
  server server;
  client clients[2];
  ob_request *request;
  int closed;
} pair;

/* The last one answers the call. */
static void on_client_closed(uv_handle_t *handle) {
  client *c = handle->data;
  pair *p = c->pair;
  char replies[2] = {p->clients[0].reply, p->clients[1].reply};
  if (++p->closed < 2) return;
  CHECK_EQ(ob_complete(p->request, OB_OK, ob_result_copy(replies, 2)), OB_OK);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
  client *c = handle->data;
  (void)size;
  *buffer = uv_buf_init(&c->reply, 1);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer) {
  (void)buffer;
  if (size == 0) return;
  CHECK(size == 1);
  uv_close((uv_handle_t *)stream, on_client_closed);
}

static void on_written(uv_write_t *write, int status) {
  CHECK(status == 0);
  CHECK(uv_read_start(write->handle, on_alloc, on_read) == 0);
}

static void on_connected(uv_connect_t *connect, int status) {
  client *c = connect->data;
  uv_buf_t buffer = uv_buf_init(&c->ask, 1);
  CHECK(status == 0);
  CHECK(ob_engine_current() == ob_request_engine(c->pair->request));
  CHECK(uv_write(&c->write, connect->handle, &buffer, 1, on_written) == 0);
}

static void handle_pair(ob_request *request, void *input, size_t size,
                        void *user) {
  pair *p = user;
  uv_loop_t *loop = ob_uv_loop(ob_request_engine(request));
  (void)input;
  (void)size;
  p->request = request;
  for (int i = 0; i < 2; i++) {
    client *c = &p->clients[i];
    c->pair = p;
    c->ask = (char)('A' + i);
    c->tcp.data = c->connect.data = c;
    CHECK(uv_tcp_init(loop, &c->tcp) == 0);
    CHECK(uv_tcp_connect(&c->connect, &c->tcp,
                         (struct sockaddr *)&p->server.address,
                         on_connected) == 0);
  }
}

TEST(two_tcp_requests_at_once) {
  rest before = measure_rest();
  ob_engine *engine = test_engine(NULL);
  pair p = {.closed = 0};
  ob_call_opts opts = test_call(handle_pair, &p);
  ob_ticket *ticket;
  ob_result result;
  pthread_t thread;
  open_server(&p.server);
  thread = test_thread(run_server, &p.server);
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  await_count(&p.server.both, 1, "both requests at the server");
  flush(engine); /* the loop serves others meanwhile */
  CHECK_EQ(ob_ticket_poll(ticket, NULL), 0);
  set(&p.server.go, 1);
  CHECK_EQ(ob_ticket_wait(ticket, OB_FOREVER, &result), OB_OK);
  CHECK_EQ(result.size, 2);
  CHECK(memcmp(ob_result_data(&result), "ab", 2) == 0);
  ob_result_free(&result);
  ob_ticket_release(ticket);
  test_join(thread);
  close(p.server.listener);
  test_stop(engine);
  check_at_rest(&before);
}
