/* What the Swift tests need in C: libuv on the engine's loop, and macros. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

#include <stddef.h>
#include <stdint.h>

/* Connects to 127.0.0.1:port with uv on the loop of the current thread, sends
 * text, and reads until a newline. done gets 0 and the line, or a negative
 * UV_E* and NULL. Loop thread only; done runs there. */
typedef void (*test_line_done)(void *user, int status, const char *line);
void test_ask_line(uint16_t port, const char *text, test_line_done done,
                   void *user);

/* The defaults of the C API, member by member; -1 past the last one. */
int64_t test_engine_default(int index);
const char *test_engine_default_name(void);

/* This thread's kernel id. */
int64_t test_thread_id(void);

/* Names of the threads of this process that begin with prefix. */
int test_thread_count(const char *prefix);

/* 1 under ThreadSanitizer, which dies when a child of a process with threads
 * starts one. */
int test_thread_sanitizer(void);

/* The same of AddressSanitizer, whose allocator may stay locked in a forked
 * child. */
int test_address_sanitizer(void);

/* fork, which Swift does not import. 0 in the child, which a timer kills after
 * 20 s. */
int test_fork(void);

/* _exit, which does not return. */
_Noreturn void test_leave(int code);

/* Waits for a child: its exit code, or -1 when it was killed. */
int test_wait_child(int child);

/* Runs the program that lies beside the current one, with one argument: its
 * exit code, or -1 when it was killed or could not be started. */
int test_run_beside(const char *program, const char *argument);

#endif
