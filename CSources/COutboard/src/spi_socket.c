/* More of outboard_spi.h: TCP and Unix-domain sockets, and their addresses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "internal.h"

/* --- Addresses -------------------------------------------------------------
 */

typedef union native {
  struct sockaddr any;
  struct sockaddr_in in4;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
  struct sockaddr_storage storage;
} native;

static socklen_t to_native(native *out, const ob_address *address) {
  memset(out, 0, sizeof *out);
  switch (address->kind) {
    case OB_ADDRESS_IN4:
      out->in4.sin_family = AF_INET;
      out->in4.sin_port = htons(address->port);
      memcpy(&out->in4.sin_addr, address->bytes, 4);
      return sizeof out->in4;
    case OB_ADDRESS_IN6:
      out->in6.sin6_family = AF_INET6;
      out->in6.sin6_port = htons(address->port);
      out->in6.sin6_scope_id = address->scope;
      memcpy(&out->in6.sin6_addr, address->bytes, 16);
      return sizeof out->in6;
    default:
      out->un.sun_family = AF_UNIX;
      memcpy(out->un.sun_path, address->bytes, address->length);
      return (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
                         address->length + 1u);
  }
}

static void from_native(ob_address *out, const native *address,
                        socklen_t length) {
  memset(out, 0, sizeof *out);
  switch (address->any.sa_family) {
    case AF_INET:
      out->kind = OB_ADDRESS_IN4;
      out->port = ntohs(address->in4.sin_port);
      memcpy(out->bytes, &address->in4.sin_addr, 4);
      break;
    case AF_INET6:
      out->kind = OB_ADDRESS_IN6;
      out->port = ntohs(address->in6.sin6_port);
      out->scope = address->in6.sin6_scope_id;
      memcpy(out->bytes, &address->in6.sin6_addr, 16);
      break;
    default: /* a client's socket has no path as a rule */
      out->kind = OB_ADDRESS_UNIX;
      if (length > offsetof(struct sockaddr_un, sun_path))
        out->length =
            strnlen(address->un.sun_path, sizeof address->un.sun_path - 1);
      memcpy(out->bytes, address->un.sun_path, out->length);
  }
}

int ob_spi_address_parse(const char *text, ob_address *out) {
  memset(out, 0, sizeof *out);
  out->kind = OB_ADDRESS_IN4;
  if (inet_pton(AF_INET, text, out->bytes) == 1) return 1;
  out->kind = OB_ADDRESS_IN6;
  return inet_pton(AF_INET6, text, out->bytes) == 1;
}

void ob_spi_address_text(const ob_address *address, char *text, size_t size) {
  int family = address->kind == OB_ADDRESS_IN4 ? AF_INET : AF_INET6;
  if (inet_ntop(family, address->bytes, text, (socklen_t)size) == NULL)
    text[0] = '\0'; /* too small a buffer */
}

int ob_spi_address_of(int fd, int peer, ob_address *out) {
  native address;
  socklen_t length = sizeof address;
  int rc = peer ? getpeername(fd, &address.any, &length)
                : getsockname(fd, &address.any, &length);
  if (rc != 0) return errno;
  from_native(out, &address, length);
  return 0;
}

/* --- Names ------------------------------------------------------------------
 */

int ob_spi_resolve(const char *host, const char *service, int kind, int passive,
                   ob_address *out, size_t room, size_t *count,
                   int *system_code) {
  static const int families[] = {AF_UNSPEC, AF_INET, AF_INET6};
  struct addrinfo hints, *list = NULL, *at;
  int rc;
  memset(&hints, 0, sizeof hints);
  hints.ai_family = families[kind];
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = passive ? AI_PASSIVE : 0;
  *count = 0;
  rc = getaddrinfo(host, service, &hints, &list);
  *system_code = rc == EAI_SYSTEM ? errno : 0;
  if (rc != 0) return rc;
  for (at = list; at != NULL && *count < room; at = at->ai_next) {
    native address;
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    memset(&address, 0, sizeof address);
    memcpy(&address, at->ai_addr, at->ai_addrlen);
    from_native(&out[(*count)++], &address, at->ai_addrlen);
  }
  freeaddrinfo(list);
  return 0;
}

const char *ob_spi_resolve_text(int code) {
  return gai_strerror(code);
}

/* --- Sockets ----------------------------------------------------------------
 */

static int new_socket(const native *address) {
  int fd = socket(address->any.sa_family,
                  SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  return fd >= 0 ? fd : -errno;
}

static int fail(int fd, int code) {
  close(fd);
  return -code;
}

/* Small writes go out at once: whoever collects them does it by himself. */
static void no_delay(int fd) {
  int on = 1;
  (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

int ob_spi_connect(const ob_address *address, int *pending) {
  native to;
  socklen_t length = to_native(&to, address);
  int fd = new_socket(&to), code;
  if (fd < 0) return fd;
  if (address->kind != OB_ADDRESS_UNIX) no_delay(fd);
  *pending = 0;
  if (connect(fd, &to.any, length) == 0) return fd;
  code = errno;
  /* Interrupted, it goes on by itself. A Unix socket whose listener has no room
   * says EAGAIN and has begun nothing. */
  if (code != EINPROGRESS && code != EINTR) return fail(fd, code);
  *pending = 1;
  return fd;
}

int ob_spi_connected(int fd) {
  int code = 0;
  socklen_t size = sizeof code;
  struct sockaddr_storage peer;
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0) return errno;
  if (code != 0) return code;
  /* Woken for nothing: not connected, and nothing wrong. */
  if (getpeername(fd, (struct sockaddr *)&peer, &length) == 0) return 0;
  return errno == ENOTCONN ? EAGAIN : errno;
}

int ob_spi_listen(const ob_address *address, int backlog) {
  native at;
  socklen_t length = to_native(&at, address);
  int fd = new_socket(&at), on = 1;
  if (fd < 0) return fd;
  /* A server that starts again must not wait for its old connections. */
  if (address->kind != OB_ADDRESS_UNIX &&
      setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
    return fail(fd, errno);
  /* One socket for each family, on every system the same. */
  if (address->kind == OB_ADDRESS_IN6 &&
      setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0)
    return fail(fd, errno);
  if (bind(fd, &at.any, length) != 0 || listen(fd, backlog) != 0)
    return fail(fd, errno);
  return fd;
}

int ob_spi_accept(int listener) {
  int fd, kind = 0;
  socklen_t size = sizeof kind;
  do fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
  while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) return -errno;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &kind, &size) == 0 &&
      kind != AF_UNIX)
    no_delay(fd);
  return fd;
}

int ob_spi_file_identity(const char *path, uint64_t identity[2]) {
  struct stat found;
  if (lstat(path, &found) != 0 || !S_ISSOCK(found.st_mode)) return 0;
  identity[0] = found.st_dev;
  identity[1] = found.st_ino;
  return 1;
}

void ob_spi_unlink_same(const char *path, const uint64_t identity[2]) {
  uint64_t found[2];
  if (ob_spi_file_identity(path, found) && found[0] == identity[0] &&
      found[1] == identity[1])
    unlink(path);
}
