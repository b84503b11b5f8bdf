#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include "test_support.h"

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "outboard.h"
#include "outboard_uv.h"

typedef struct ask {
  uv_tcp_t tcp;
  uv_connect_t connect;
  uv_write_t write;
  test_line_done done;
  void *user;
  char out[64];
  char in[64];
  size_t length;
  int status;
} ask;

static void on_closed(uv_handle_t *handle) {
  ask *self = handle->data;
  self->in[self->length] = '\0';
  self->done(self->user, self->status, self->status == 0 ? self->in : NULL);
  free(self);
}

static void end(ask *self, int status) {
  self->status = status;
  uv_close((uv_handle_t *)&self->tcp, on_closed);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buffer) {
  ask *self = handle->data;
  (void)size;
  *buffer = uv_buf_init(self->in + self->length,
                        (unsigned)(sizeof self->in - 1 - self->length));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer) {
  ask *self = stream->data;
  (void)buffer;
  if (got < 0) {
    end(self, (int)got);
    return;
  }
  self->length += (size_t)got;
  if (self->length > 0 && self->in[self->length - 1] == '\n') {
    self->length--;
    end(self, 0);
  }
}

static void on_written(uv_write_t *request, int status) {
  ask *self = request->data;
  if (status == 0)
    status = uv_read_start((uv_stream_t *)&self->tcp, on_alloc, on_read);
  if (status != 0) end(self, status);
}

static void on_connected(uv_connect_t *request, int status) {
  ask *self = request->data;
  uv_buf_t buffer = uv_buf_init(self->out, (unsigned)strlen(self->out));
  if (status == 0)
    status = uv_write(&self->write, (uv_stream_t *)&self->tcp, &buffer, 1,
                      on_written);
  if (status != 0) end(self, status);
}

void test_ask_line(uint16_t port, const char *text, test_line_done done,
                   void *user) {
  uv_loop_t *loop = ob_uv_loop(ob_engine_current());
  struct sockaddr_in address;
  ask *self;
  int rc;
  if (loop == NULL) {
    done(user, UV_EINVAL, NULL);
    return;
  }
  self = calloc(1, sizeof *self);
  self->done = done;
  self->user = user;
  snprintf(self->out, sizeof self->out, "%s\n", text);
  uv_tcp_init(loop, &self->tcp);
  self->tcp.data = self->connect.data = self->write.data = self;
  uv_ip4_addr("127.0.0.1", port, &address);
  rc = uv_tcp_connect(&self->connect, &self->tcp,
                      (const struct sockaddr *)&address, on_connected);
  if (rc != 0) end(self, rc);
}

int64_t test_engine_default(int index) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  int64_t values[] = {(int64_t)opts.stack_size,
                      opts.queue_limit,
                      opts.batch_limit,
                      opts.spin_ns,
                      opts.fork_policy,
                      opts.offload_threads,
                      opts.offload_hard_limit,
                      opts.offload_queue,
                      (int64_t)opts.offload_idle_ns,
                      (int64_t)opts.start_timeout_ns};
  if (index < 0 || (size_t)index >= sizeof values / sizeof values[0]) return -1;
  return values[index];
}

const char *test_engine_default_name(void) {
  ob_engine_opts opts = OB_ENGINE_OPTS_INIT;
  return opts.name;
}

int64_t test_thread_id(void) {
  return syscall(SYS_gettid);
}

int test_thread_count(const char *prefix) {
  DIR *directory = opendir("/proc/self/task");
  struct dirent *entry;
  int count = 0;
  if (directory == NULL) return -1;
  while ((entry = readdir(directory)) != NULL) {
    char path[300], name[32] = "";
    FILE *file;
    snprintf(path, sizeof path, "/proc/self/task/%s/comm", entry->d_name);
    file = fopen(path, "r");
    if (file == NULL) continue;
    if (fgets(name, sizeof name, file) != NULL &&
        strncmp(name, prefix, strlen(prefix)) == 0)
      count++;
    fclose(file);
  }
  closedir(directory);
  return count;
}

int test_thread_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return 1;
#endif
#endif
  return 0;
}

int test_address_sanitizer(void) {
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  return 1;
#endif
#endif
  return 0;
}

int test_fork(void) {
  int child = fork();
  sigset_t timer;
  if (child == 0) {
    sigemptyset(&timer);
    sigaddset(&timer, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &timer, NULL);
    alarm(20);
  }
  return child;
}

void test_leave(int code) {
  _exit(code);
}

int test_wait_child(int child) {
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int test_run_beside(const char *program, const char *argument) {
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 100);
  char *argv[] = {path, (char *)(uintptr_t)argument, NULL};
  char *slash;
  pid_t child;
  if (size < 0) return -1;
  path[size] = '\0';
  slash = strrchr(path, '/');
  if (slash == NULL) return -1;
  snprintf(slash + 1, 99, "%s", program);
  if (posix_spawn(&child, path, NULL, NULL, argv, environ) != 0) return -1;
  return test_wait_child(child);
}
