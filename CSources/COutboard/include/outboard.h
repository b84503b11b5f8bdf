/* Outboard: an embeddable background event loop for synchronous hosts.
 *
 * MIT licence. The only dependencies are libuv and pthreads.
 *
 * The event loop
 *   An engine owns one libuv loop on one dedicated thread. Handlers run on
 *   that thread and nowhere else (offloaded ones on the engine's own pool).
 *   A handler may do any libuv I/O (outboard_uv.h) and must not block: what
 *   blocks goes to the pool with OB_CALL_OFFLOAD.
 *
 * Synchronous and asynchronous calls
 *   ob_call blocks the calling thread until the handler has answered,
 *   ob_submit returns at once with a ticket, a callback or a pollable
 *   descriptor (ob_cq), ob_post is fire and forget. All take the same way:
 *   a lock-free queue that the loop drains in bounded batches. What one
 *   operating system thread hands in is run in that order; only a call made
 *   on the loop thread itself, which runs inline, overtakes.
 *   A call with many answers is a stream (ob_stream_open).
 *
 * Threads
 *   Every function may be called from any thread unless its comment says
 *   'loop thread'. Handlers, completion callbacks and cancel hooks run on the
 *   loop thread.
 *
 * Deadlines
 *   Relative nanoseconds on CLOCK_MONOTONIC, counted from the submission.
 *   OB_FOREVER never expires, 0 has expired already. A blocked caller times
 *   itself out, so that a stalled loop cannot hold it.
 *
 * Errors
 *   0, or a negative OB_E* (outboard_status.h). ob_last_error_detail() has a
 *   sentence about this thread's last failure. A failed submission transfers
 *   nothing: no callback runs, no destructor runs, the input is still yours
 *   (ob_call alone destroys an input that it was handed; see there).
 *   Misuse that cannot be reported (a synchronous handler that never answers)
 *   ends the process with its cause and its cure on stderr.
 *
 * The process
 *   The engine installs no signal handler, writes nothing to stdout, changes
 *   neither environment nor working directory, opens descriptors close-on-exec
 *   and never uses libuv's process-wide thread pool. Starting an engine pins
 *   the image that holds it, so that live code is never unmapped.
 *
 * Descriptors
 *   An engine that only runs calls has none. Its libuv loop is made when it is
 *   first asked for (ob_uv_loop, the Swift layer's I/O): it takes 5 for good
 *   and 9 for a moment, libuv a pipe for all loops of the process; with fewer
 *   free whoever asks is told, and the engine runs calls as before. Ask in
 *   on_start to have a start fail for it. A completion queue takes 2. A host
 *   that closes them all the same (closefrom in a daemon) finds its own files
 *   untouched under the same numbers. An engine with a loop is broken then:
 *   every entry returns OB_EBROKEN, calls that wait end with it (one whose
 *   handler may still read its caller's memory ends when that answers), jobs
 *   of the pool answer, deadlines hold, and stop and destroy work as ever;
 *   another engine can be started. One at rest notices at the next call.
 *   All this holds where our Makefile has linked libuv in, as in plugins. With
 *   the system's libuv the engine looks first, but libuv aborts if the host
 *   closes the descriptors, or takes the last free ones, in the 20 microseconds
 *   between that look and its own.
 *
 * Denied system calls
 *   A filter of the host's (seccomp) must let pass futex, epoll_create1,
 *   epoll_ctl, epoll_wait (from libuv 1.45 on epoll_pwait), eventfd2, pipe2,
 *   fcntl, ioctl, read, write, close, rt_sigprocmask, mmap, munmap, mprotect,
 *   brk, rt_sigreturn, exit, exit_group, clone or clone3, and rseq if the
 *   program has begun with it. Who denies clone3 alone does it with ENOSYS,
 *   which sends the C library to clone. ob_engine_start names the one that it
 *   misses. Any other call may be denied, io_uring's among them, by EPERM or
 *   ENOSYS: calls, streams, pools and deadlines do without.
 *
 * Fork
 *   In a fork child every call returns OB_EFORKED, or with OB_FORK_RESTART
 *   finds a fresh loop; what the parent had under way stays the parent's. A
 *   fork in a handler is allowed, on the loop as in the pool, but its child
 *   must end (by exec, _exit or exit) before the handler returns: else the
 *   process aborts with cause and cure, since it would go on as the parent's
 *   loop. vfork children are out of contract; posix_spawn and system are not
 *   forks here.
 *
 * exit()
 *   The engines halt in an exit handler that the first start registers: what is
 *   queued does not start, a running handler is awaited for 50 ms at most, a
 *   pool job not at all, and nothing is drained (ob_engine_stop does that).
 *   Exit handlers registered after that start, and destructors of objects made
 *   after it, still find engines at work; those from before, and destructors
 *   of libraries, run with all callbacks over. So what callbacks use is made
 *   before the first start, or the engine is stopped by hand. quick_exit and
 *   _exit run nothing of ours. When main ends by pthread_exit the process goes
 *   on, as with any other thread.
 *
 * Cancellation of threads
 *   pthread_cancel of a blocked caller takes effect after the call returns.
 *   Asynchronous cancellation and longjmp out of a call are misuse.
 *
 * Compatibility
 *   Options structs begin with their size and are made by an INIT macro;
 *   members are only ever added at the end. Set members by name.
 *
 * API log
 *   0.1.0  first version.
 *          Streams: ob_stream_*, ob_emitter_*, OB_EEND. Seeing inside:
 *          ob_inspect and outboard_inspect.h; ob_engine_opts.inspect.
 *          ob_request_again, OB_CALL_COPY. For C++: outboard.hpp.
 */
#ifndef OUTBOARD_H
#define OUTBOARD_H

#include "outboard_call.h"
#include "outboard_cq.h"
#include "outboard_engine.h"
#include "outboard_inspect.h"
#include "outboard_status.h"
#include "outboard_stream.h"

#endif
