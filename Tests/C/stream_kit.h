/* What the tests of streams share. */
#ifndef STREAM_KIT_H
#define STREAM_KIT_H

#include "probe.h"

static inline int emit_int(ob_emitter *emitter, int value) {
  ob_result item = ob_result_copy(&value, sizeof value);
  int rc = ob_emitter_emit(emitter, &item);
  CHECK_EQ(item.size, rc == OB_OK ? 0 : sizeof value);
  return rc;
}

static inline int next_int(ob_stream *stream, uint64_t deadline) {
  ob_result out;
  int value;
  CHECK_EQ(ob_stream_next(stream, deadline, &out, NULL), OB_OK);
  CHECK_EQ(out.size, sizeof value);
  memcpy(&value, ob_result_data(&out), sizeof value);
  ob_result_free(&out);
  return value;
}

static inline void check_end(ob_stream *stream, int wanted) {
  ob_result out;
  int status = wanted + 1;
  CHECK_EQ(ob_stream_next(stream, OB_FOREVER, &out, &status), OB_EEND);
  CHECK_EQ(status, wanted);
  CHECK_EQ(out.size, 0);
  CHECK_EQ(ob_stream_next(stream, 0, &out, NULL), OB_EEND);
}

/* A producer on the loop: 0 to count - 1, then status 42. One function for
 * start and on_room. */
typedef struct counter {
  int sent, count, refused, cancelled, destroyed;
} counter;

static inline void count_up(ob_emitter *emitter, void *input, size_t size,
                            void *user) {
  counter *c = user;
  (void)input;
  (void)size;
  CHECK(ob_engine_current() != NULL);
  while (c->sent < c->count) {
    int rc = emit_int(emitter, c->sent);
    if (rc == OB_EAGAIN) {
      add(&c->refused);
      return;
    }
    if (rc == OB_OK) {
      add(&c->sent);
      continue;
    }
    CHECK_EQ(rc, OB_ECANCELED);
    add(&c->cancelled);
    break;
  }
  ob_emitter_end(emitter, 42);
}

static inline void count_gone(void *input, size_t size, void *user) {
  counter *c = user;
  CHECK(input == c);
  CHECK_EQ(size, sizeof *c);
  CHECK(ob_engine_current() != NULL);
  add(&c->destroyed);
}

static inline ob_stream_opts counter_opts(counter *c, uint32_t capacity) {
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  opts.name = "the counter";
  opts.capacity = capacity;
  opts.start = opts.on_room = count_up;
  opts.input = opts.user = c;
  opts.input_size = sizeof *c;
  opts.destroy = count_gone;
  return opts;
}

static inline ob_stream *open_counter(ob_engine *engine, counter *c,
                                      uint32_t capacity) {
  ob_stream_opts opts = counter_opts(c, capacity);
  ob_stream *stream;
  CHECK_EQ(ob_stream_open(&stream, NULL, engine, &opts), OB_OK);
  return stream;
}

/* A stream whose producer is whoever has the emitter. */
static inline ob_emitter *open_pair(ob_engine *engine, uint32_t capacity,
                                    ob_stream **stream, int *destroyed) {
  ob_stream_opts opts = OB_STREAM_OPTS_INIT;
  ob_emitter *emitter;
  opts.capacity = capacity;
  opts.user = destroyed;
  if (destroyed != NULL) opts.destroy = count_destroy;
  CHECK_EQ(ob_stream_open(stream, &emitter, engine, &opts), OB_OK);
  return emitter;
}

#endif
