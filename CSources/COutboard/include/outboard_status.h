/* Outboard: version, status codes and error texts. Included by outboard.h. */
#ifndef OUTBOARD_STATUS_H
#define OUTBOARD_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In an archive or plugin every symbol is hidden but these. */
#if defined(__GNUC__)
#define OB_API __attribute__((visibility("default")))
#else
#define OB_API
#endif

#define OB_VERSION_MAJOR 0
#define OB_VERSION_MINOR 1
#define OB_VERSION_PATCH 0
#define OB_VERSION_STRING "0.1.0"
#define OB_VERSION_NUMBER \
  ((OB_VERSION_MAJOR << 16) | (OB_VERSION_MINOR << 8) | OB_VERSION_PATCH)

/* code, value, text. Values never change and are never used again. */
#define OB_STATUS_MAP(XX)                                                    \
  XX(OK, 0, "success")                                                       \
  XX(EINVAL, -1001, "invalid argument")                                      \
  XX(ENOMEM, -1002, "out of memory")                                         \
  XX(EAGAIN, -1003, "no room or no result now; try again")                   \
  XX(ETIMEDOUT, -1004, "deadline expired")                                   \
  XX(ECANCELED, -1005, "cancelled")                                          \
  XX(ESHUTDOWN, -1006, "engine is stopping or stopped")                      \
  XX(EDEADLK, -1007, "waiting here would wait for itself")                   \
  XX(EALREADY, -1008, "already done")                                        \
  XX(EBUSY, -1009, "still in use")                                           \
  XX(EINPROGRESS, -1010, "begun and not yet finished")                       \
  XX(EFORKED, -1011, "engine belongs to the parent process")                 \
  XX(EBROKEN, -1012, "the host closed or replaced the engine's descriptors") \
  XX(ESYSTEM, -1013, "a system call failed")                                 \
  XX(ESTART, -1014, "the on_start hook failed")                              \
  XX(EPERM, -1015, "not allowed on this thread")                             \
  XX(EMSGSIZE, -1016, "size out of range")                                   \
  XX(EEND, -1017, "the stream has ended")

enum ob_status {
#define XX(name, value, text) OB_##name = (value),
  OB_STATUS_MAP(XX)
#undef XX
};

/* Name of a code ("OB_ETIMEDOUT"); "OB_?" for one that is not Outboard's.
 * Static storage. Any thread. Cannot fail. */
OB_API const char *ob_err_name(int status);

/* One-line text of a code; "not an Outboard status" for another number.
 * Static storage. Any thread. Cannot fail. */
OB_API const char *ob_strerror(int status);

/* What went wrong in this thread's last failed Outboard call, in a sentence:
 * the on_start hook's text, the cycle of engines that would have waited for
 * each other, what still runs after a stop. Never NULL; "" when there is
 * nothing to add to ob_strerror. Owned by the thread, valid until its next
 * Outboard call. Any thread. */
OB_API const char *ob_last_error_detail(void);

/* Version of the linked library, as OB_VERSION_NUMBER and as text; compare
 * with the macros that the program was compiled with. Any thread. */
OB_API uint32_t ob_version(void);
OB_API const char *ob_version_string(void);

#ifdef __cplusplus
}
#endif

#endif
