/* For bad_guest.c: the buffers that it has handed out and not got back. With
 * GUEST_STRICT a pair that was never handed out aborts, and a process that
 * ends with buffers of the plugin's ends with status 67. */
#ifndef BAD_GUEST_BUFFERS_H
#define BAD_GUEST_BUFFERS_H

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(GUEST_STRICT)
#define LIVE 65536

static void complain(const char *text) {
  if (write(2, text, strlen(text)) < 0) abort();
}

static struct {
  uint8_t *ptr;
  size_t len;
} live[LIVE]; /* live_mutex */
static pthread_mutex_t live_mutex = PTHREAD_MUTEX_INITIALIZER;

static void handed(uint8_t *ptr, size_t len) {
  size_t i;
  if (ptr == NULL) return;
  pthread_mutex_lock(&live_mutex);
  for (i = 0; i < LIVE && live[i].ptr != NULL; i++) {
  }
  if (i == LIVE) {
    complain("bad_guest: 65536 buffers were not given back\n");
    abort();
  }
  live[i].ptr = ptr;
  live[i].len = len;
  pthread_mutex_unlock(&live_mutex);
}

static void given_back(uint8_t *ptr, size_t len) {
  size_t i;
  if (ptr == NULL) return;
  pthread_mutex_lock(&live_mutex);
  for (i = 0; i < LIVE && live[i].ptr != ptr; i++) {
  }
  if (i == LIVE || live[i].len != len) {
    complain("bad_guest: free_string got a pair that was never handed out\n");
    abort();
  }
  live[i].ptr = NULL;
  pthread_mutex_unlock(&live_mutex);
}

__attribute__((destructor)) static void all_given_back(void) {
  size_t i;
  for (i = 0; i < LIVE; i++)
    if (live[i].ptr != NULL) {
      complain("bad_guest: buffers were not given back\n");
      _exit(67);
    }
}
#else
static void handed(uint8_t *ptr, size_t len) {
  (void)ptr, (void)len;
}
static void given_back(uint8_t *ptr, size_t len) {
  (void)ptr, (void)len;
}
#endif

#endif
