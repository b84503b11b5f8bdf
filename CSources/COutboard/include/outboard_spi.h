/* Outboard: what the Swift layer needs beyond the public contract.
 *
 * Not installed, not stable, not for users. */
#ifndef OUTBOARD_SPI_H
#define OUTBOARD_SPI_H

#include "outboard.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Queues a Swift job's node. Exempt from the queue limit and from the gate,
 * for an executor cannot refuse a job; the loop runs it even while it stops,
 * and the status it passes is to be ignored. OB_ESHUTDOWN once the loop thread
 * has closed its queue (the caller then runs it elsewhere), OB_EFORKED in a
 * fork child. Any thread, no allocation. */
OB_API int ob_spi_push(ob_engine *engine, ob_node *node);

/* Waits for a submitted call as a blocked caller does before it parks, for some
 * microseconds at most: above 0 when it has ended; 2, now and then, when it is
 * also time to let others have the thread. Not on its loop thread. */
OB_API int ob_spi_spin(ob_ticket *ticket);

/* A synchronous body that a task awaits, in the caller's memory: body runs on
 * the loop, unless cancelled before. resume, at most once, on the loop thread:
 * tells an awaiter that has stopped watching. release, last: the loop is
 * through with the hop. */
typedef struct ob_hop {
  ob_node node;   /* private, as what follows */
  uint32_t state; /* atomic */
  int32_t status; /* loop, before the end */
  ob_engine *engine;
  struct ob__lane *lane;
  int32_t caller_cpu;
  uint32_t weight; /* of a measured hop, or 0 */
  uint64_t enqueued;
  const char *name; /* for stop's report, or NULL; as what follows, set first */
  void *owner;
  void (*body)(struct ob_hop *hop);
  void (*resume)(struct ob_hop *hop);
  void (*release)(struct ob_hop *hop);
} ob_hop;

/* Before first use; the memory is zeroed. */
OB_API void ob_spi_hop_init(ob_hop *hop);
/* OB_OK, then watch it; or refused, with nothing to come (OB_EAGAIN: no room;
 * may be submitted again). OB_ECANCELED after a cancel. Any thread but the
 * loop's. */
OB_API int ob_spi_hop_submit(ob_engine *engine, ob_hop *hop);
/* After a submission that was accepted: waits as ob_spi_spin does. 1: it has
 * ended; 2: as there; 0: leave it. */
OB_API int ob_spi_hop_watch(ob_engine *engine, ob_hop *hop);
/* Once after that: 0, resume will be called, perhaps before this returns; 1: it
 * has ended, and will not. */
OB_API int ob_spi_hop_leave(ob_hop *hop);
/* Any thread, at any time before the release. 1: ended by this, the caller
 * resumes the awaiter. */
OB_API int ob_spi_hop_cancel(ob_hop *hop);
/* Whether a body that runs should end. */
OB_API int ob_spi_hop_cancelled(const ob_hop *hop);
/* How it ended: OB_OK, OB_ECANCELED, OB_ESHUTDOWN. */
OB_API int ob_spi_hop_status(const ob_hop *hop);

/* A body that nobody waits for, in the caller's memory, which body may free.
 * Goes by the push list: what a task posts keeps its order on whatever threads
 * it does so. body gets OB_OK, or OB_ESHUTDOWN and is to free only. */
typedef struct ob_errand {
  ob_node node; /* private, as what follows */
  ob_engine *engine;
  struct ob__lane *lane;
  uint64_t enqueued;
  uint32_t weight;
  uint32_t reserved;
  const char *name; /* for stop's report, or NULL; as what follows, set first */
  void (*body)(struct ob_errand *errand, int status);
} ob_errand;

/* OB_OK, or refused with nothing taken. nowait: OB_EAGAIN without room. */
OB_API int ob_spi_post(ob_engine *engine, ob_errand *errand, int nowait);
/* Whether what runs on this loop thread should end; 0 elsewhere. */
OB_API int ob_spi_stopping(void);

/* A word for the Swift layer. Set before the engine is shared with another
 * thread. current: that of the engine whose loop thread this is, or NULL. */
OB_API void ob_spi_set_context(ob_engine *engine, void *context);
OB_API void *ob_spi_current_context(void);

/* A one-shot timer of the loop's wheel, in the caller's memory; zero it before
 * first use. fire gets 0 when due, or OB_ESHUTDOWN when the loop closes first
 * (due_ns then still says when it was due, on CLOCK_MONOTONIC). The timer is
 * idle when fire is called and may be freed there. */
typedef struct ob_timer {
  struct ob_timer *prev, *next; /* loop thread */
  uint64_t due_ns;              /* CLOCK_MONOTONIC */
  uint64_t tick;                /* private */
  void (*fire)(struct ob_timer *timer, int status);
  uint32_t slot; /* private; 0: idle */
  uint32_t reserved;
} ob_timer;

/* Arms an idle timer, or arms it anew. Never fires early; late by up to 1 ms
 * plus what the loop is busy with. Loop thread only. O(1), cannot fail. */
OB_API void ob_spi_timer_start(ob_engine *engine, ob_timer *timer,
                               uint64_t after_ns);

/* Disarms: 1 if it was armed, else 0. Loop thread only. O(1). */
OB_API int ob_spi_timer_stop(ob_engine *engine, ob_timer *timer);

/* CLOCK_MONOTONIC in ns. */
OB_API uint64_t ob_spi_now(void);

/* --- Descriptors (spi_io.c) ------------------------------------------------
 */

/* The process, as a number: another one in a fork child, 0 there until it
 * starts an engine. Any thread. */
OB_API uint32_t ob_spi_process(void);

/* What each call of the core checks first: OB_EFORKED, unless that is to start
 * a fresh loop here, OB_EBROKEN. Any thread. */
OB_API int ob_spi_enter(ob_engine *engine);

/* A set of descriptors that the loop waits for. */
typedef struct ob_io ob_io;

enum ob_io_events { OB_IO_READ = 1, OB_IO_WRITE = 2 };
enum ob_io_op { OB_IO_ADD, OB_IO_MODIFY, OB_IO_DELETE };

/* An operation on fd will not block, or will fail: enum ob_io_events. The
 * registration is now disarmed. Loop thread. */
typedef void (*ob_io_ready)(void *user, int fd, uint32_t tag, uint32_t events);

/* No descriptor is waited for any more: once with OB_ESHUTDOWN when the loop
 * closes, and before that once with OB_EBROKEN if the host closed the set. Loop
 * thread. */
typedef void (*ob_io_closed)(void *user, int status);

/* Makes a set. OB_ESHUTDOWN, OB_ENOMEM, OB_ESYSTEM. Loop thread only. */
OB_API int ob_spi_io_open(ob_io **out, ob_engine *engine, ob_io_ready ready,
                          ob_io_closed closed, void *user);

/* Registers fd with tag for events, changes that (and arms it again), or takes
 * it out, which must come before close(fd). 0, a positive errno (EPERM: it is
 * of a kind that is always ready), OB_ESHUTDOWN, OB_EBROKEN, or OB_EFORKED for
 * a set of the parent's. Loop thread only. */
OB_API int ob_spi_io_control(ob_io *io, int op, int fd, uint32_t tag,
                             uint32_t events);

/* 0 when the set was made before this process was forked off. */
OB_API int ob_spi_io_ours(const ob_io *io);

/* Frees a set after its OB_ESHUTDOWN, or gives up one that is the parent's. */
OB_API void ob_spi_io_free(ob_io *io);

/* --- Child processes (spi_process.c) ---------------------------------------
 * Errors are positive errno values. */

typedef struct ob_spawn {
  const char *path;      /* searched for in PATH unless it has a slash */
  char *const *argv;     /* NULL at the end */
  char *const *envp;     /* NULL at the end; NULL for the host's own */
  const char *directory; /* NULL for the host's own */
  int stdio[3];          /* above 2; -1 for the host's own */
  int own_group;         /* leads a process group of its own */
} ob_spawn;

enum ob_child_end { OB_CHILD_EXITED, OB_CHILD_SIGNALLED };

/* A pipe whose ends are above 2; ends[ours] does not block. Any thread. */
OB_API int ob_spi_pipe(int ends[2], int ours);

/* /dev/null, above 2; or a negative errno. Any thread. */
OB_API int ob_spi_null(void);

/* Starts a child. Blocks until it has begun its program, or failed to. ECHILD:
 * it was begun, and somebody else in this process has taken its end. Any
 * thread. */
OB_API int ob_spi_spawn(const ob_spawn *spawn, int32_t *pid, int *pidfd);

/* Takes the end of a child; EAGAIN before that, ECHILD when somebody else has
 * taken it. Any thread, once with success. */
OB_API int ob_spi_reap(int pidfd, int *how, int *code);

/* Sends a signal to a child that was not reaped, or to its group. Any thread.
 */
OB_API int ob_spi_signal(int pidfd, int32_t pid, int group, int number);

/* Blocks until fd can be read: 1; 0 when ns have passed. Any thread. */
OB_API int ob_spi_await(int fd, uint64_t ns);

/* --- Streams (spi_stream.c) -------------------------------------------------
 * Bytes moved, or a negative errno. EINTR and SIGPIPE are dealt with. */

OB_API ptrdiff_t ob_spi_read(int fd, void *bytes, size_t size);
/* send to a socket, write to anything else. */
OB_API ptrdiff_t ob_spi_send(int fd, const void *bytes, size_t size);
OB_API ptrdiff_t ob_spi_write(int fd, const void *bytes, size_t size);
/* 0 or a positive errno. */
OB_API int ob_spi_finish_writing(int fd);
OB_API void ob_spi_close(int fd);

/* --- Sockets (spi_socket.c) -------------------------------------------------
 * All are stream sockets, close-on-exec, and do not block. Any thread. */

enum ob_address_kind { OB_ADDRESS_IN4 = 1, OB_ADDRESS_IN6, OB_ADDRESS_UNIX };

typedef struct ob_address {
  int32_t kind;             /* enum ob_address_kind */
  uint16_t port;            /* host byte order */
  uint16_t reserved;        /* 0 */
  uint32_t scope;           /* of a link-local in6 */
  uint32_t reserved2;       /* 0 */
  size_t length;            /* of a Unix path, at most 107 */
  unsigned char bytes[112]; /* in4: 4, in6: 16, or the path */
} ob_address;

/* Reads an address in numbers. 1, or 0 when it is none. */
OB_API int ob_spi_address_parse(const char *text, ob_address *out);
/* The numbers of an in4 or in6; 46 bytes suffice. */
OB_API void ob_spi_address_text(const ob_address *address, char *text,
                                size_t size);
/* A socket's own address, or its peer's. 0 or a positive errno. */
OB_API int ob_spi_address_of(int fd, int peer, ob_address *out);

/* getaddrinfo for stream sockets: blocks. kind: 0 for any, or an
 * ob_address_kind. 0 or an EAI_ code, then with errno if it has one. */
OB_API int ob_spi_resolve(const char *host, const char *service, int kind,
                          int passive, ob_address *out, size_t room,
                          size_t *count, int *system_code);
OB_API const char *ob_spi_resolve_text(int code);

/* A socket, or a negative errno. With pending, wait until it can be written,
 * then ask ob_spi_connected: 0, EAGAIN (not yet), or a positive errno. */
OB_API int ob_spi_connect(const ob_address *address, int *pending);
OB_API int ob_spi_connected(int fd);

/* A listener, or a connection of one; or a negative errno. */
OB_API int ob_spi_listen(const ob_address *address, int backlog);
OB_API int ob_spi_accept(int listener);

/* Which file a socket's path names: 0 when it names no socket. */
OB_API int ob_spi_file_identity(const char *path, uint64_t identity[2]);
/* Removes a path if it still names that file. */
OB_API void ob_spi_unlink_same(const char *path, const uint64_t identity[2]);

/* --- Files (spi_file.c) -----------------------------------------------------
 * They block. Errors are errno values, negative where a count is returned. */

enum ob_file_how {
  OB_FILE_READ = 1,
  OB_FILE_WRITE = 2,
  OB_FILE_CREATE = 4, /* unless it is there */
  OB_FILE_NEW = 8,    /* it must not be there */
  OB_FILE_EMPTY = 16, /* throws away what it holds */
};

OB_API int ob_spi_file_open(const char *path, uint32_t how, uint32_t mode);
OB_API int64_t ob_spi_file_size(int fd);
/* All size bytes, or up to the end of the file. */
OB_API ptrdiff_t ob_spi_file_read(int fd, void *bytes, size_t size, int64_t at);
/* All size bytes. */
OB_API int ob_spi_file_write(int fd, const void *bytes, size_t size,
                             int64_t at);
OB_API int ob_spi_file_truncate(int fd, int64_t size);
OB_API int ob_spi_file_sync(int fd);
OB_API int ob_spi_file_rename(const char *from, const char *to);
OB_API void ob_spi_file_remove(const char *path);

/* The text of an errno with its name, cut to size. Any thread. */
OB_API void ob_spi_errno_text(int code, char *text, size_t size);

/* --- Threads and monitors (spi_swift.c) ------------------------------------
 */

/* Starts a detached thread with a guest's signal mask; name (static) has at
 * most 15 bytes. OB_ENOMEM, OB_ESYSTEM: fn will not run. Any thread. */
OB_API int ob_spi_thread_start(const char *name, void (*fn)(void *), void *arg);

/* A mutex and a condition on the monotonic clock. new: NULL without memory.
 * wait is called with the mutex held, returns with it held, after a signal,
 * after ns nanoseconds (OB_FOREVER: never), or for no reason. */
typedef struct ob_monitor ob_monitor;
OB_API ob_monitor *ob_spi_monitor_new(void);
OB_API void ob_spi_monitor_free(ob_monitor *monitor);
OB_API void ob_spi_monitor_lock(ob_monitor *monitor);
OB_API void ob_spi_monitor_unlock(ob_monitor *monitor);
OB_API void ob_spi_monitor_signal(ob_monitor *monitor);
OB_API void ob_spi_monitor_wait(ob_monitor *monitor, uint64_t ns);

/* Calls a Swift closure synchronously on the loop: its function and context
 * words, passed as a non-escaping closure of type () -> Void is passed. Inline
 * on the loop thread. Same statuses as ob_call without deadline; no
 * allocation. In Swift:
 *   @_silgen_name("ob_spi_call_closure")
 *   func callClosure(_ e: OpaquePointer, _ body: () -> Void) -> Int32 */
#if defined(__clang__) && defined(__has_attribute)
#if __has_attribute(swiftcall)
#define OB_HAVE_SWIFTCALL 1
typedef void (*ob_spi_body)(__attribute__((swift_context)) void *context)
    __attribute__((swiftcall));
OB_API __attribute__((swiftcall)) int ob_spi_call_closure(ob_engine *engine,
                                                          ob_spi_body body,
                                                          void *context);

/* The same for a closure that writes so many bytes, which answer then has: they
 * travel with the answer, where the memory of a caller would be fetched to the
 * loop and back. Valid for what may be moved as bytes. In Swift:
 *   @_silgen_name("ob_spi_call_answering")
 *   func callAnswering(_ e: OpaquePointer,
 *     _ body: (UnsafeMutableRawPointer) -> Void,
 *     _ answer: UnsafeMutableRawPointer) -> Int32 */
#define OB_SPI_ANSWER 32
typedef void (*ob_spi_answering)(void *answer,
                                 __attribute__((swift_context)) void *context)
    __attribute__((swiftcall));
OB_API __attribute__((swiftcall)) int ob_spi_call_answering(
    ob_engine *engine, ob_spi_answering body, void *context, void *answer);
#endif
#endif

#ifdef __cplusplus
}
#endif

#endif
