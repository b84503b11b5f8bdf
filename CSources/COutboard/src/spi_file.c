/* More of outboard_spi.h: regular files, for threads that may block. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"

int ob_spi_file_open(const char *path, uint32_t how, uint32_t mode) {
  int flags = O_CLOEXEC | O_NOCTTY, fd;
  int reads = (how & OB_FILE_READ) != 0, writes = (how & OB_FILE_WRITE) != 0;
  flags |= reads && writes ? O_RDWR : writes ? O_WRONLY : O_RDONLY;
  if (how & OB_FILE_CREATE) flags |= O_CREAT;
  if (how & OB_FILE_NEW) flags |= O_CREAT | O_EXCL;
  if (how & OB_FILE_EMPTY) flags |= O_TRUNC;
  do fd = open(path, flags, (mode_t)mode);
  while (fd < 0 && errno == EINTR);
  return fd >= 0 ? fd : -errno;
}

int64_t ob_spi_file_size(int fd) {
  struct stat found;
  if (fstat(fd, &found) != 0) return -errno;
  if (S_ISDIR(found.st_mode)) return -EISDIR;
  return found.st_size;
}

ptrdiff_t ob_spi_file_read(int fd, void *bytes, size_t size, int64_t at) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = pread(fd, (char *)bytes + done, size - done,
                          (off_t)(at + (int64_t)done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return -errno;
    if (count == 0) break;
    done += (size_t)count;
  }
  return (ptrdiff_t)done;
}

int ob_spi_file_write(int fd, const void *bytes, size_t size, int64_t at) {
  size_t done = 0;
  while (done < size) {
    ssize_t count = pwrite(fd, (const char *)bytes + done, size - done,
                           (off_t)(at + (int64_t)done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return errno;
    done += (size_t)count;
  }
  return 0;
}

int ob_spi_file_truncate(int fd, int64_t size) {
  return ftruncate(fd, (off_t)size) == 0 ? 0 : errno;
}

int ob_spi_file_sync(int fd) {
  return fsync(fd) == 0 ? 0 : errno;
}

int ob_spi_file_rename(const char *from, const char *to) {
  return rename(from, to) == 0 ? 0 : errno;
}

void ob_spi_file_remove(const char *path) {
  unlink(path);
}
