/* What /proc says about this process: its threads, descriptors, mappings. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "doctor.h"

/* Reads a small file whole; 0 when it is gone. */
static int slurp(const char *path, char *out, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  size_t used = 0;
  ssize_t got;
  while (used < size - 1 && (got = read(fd, out + used, size - 1 - used)) > 0)
    used += (size_t)got;
  close(fd);
  out[used] = 0;
  return used > 0;
}

static unsigned long field(const char *text, const char *key, int base) {
  const char *at = strstr(text, key);
  return at != NULL ? strtoul(at + strlen(key), NULL, base) : 0;
}

/* utime and stime: the 14th and 15th fields, behind the name's bracket. */
static uint64_t ticks_of(const char *stat) {
  const char *at = strrchr(stat, ')');
  unsigned long user = 0, kernel = 0;
  if (at != NULL)
    sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
           &user, &kernel);
  return user + kernel;
}

static int read_thread(const char *id, struct thread_info *out) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/self/task/%.20s/status", id);
  if (!slurp(path, text, sizeof text)) return 0;
  out->id = (pid_t)atoi(id);
  out->blocked = field(text, "\nSigBlk:", 16);
  out->switches = field(text, "\nvoluntary_ctxt_switches:", 10);
  if (sscanf(text, "Name:\t%31[^\n]", out->name) != 1) out->name[0] = 0;
  snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", id);
  if (!slurp(path, text, sizeof text)) return 0;
  out->ticks = ticks_of(text);
  const char *bracket = strrchr(text, ')');
  out->running = bracket != NULL && bracket[1] == ' ' && bracket[2] == 'R';
  return 1;
}

size_t proc_threads(struct thread_info *out, size_t room) {
  DIR *tasks = opendir("/proc/self/task");
  struct dirent *entry;
  size_t count = 0;
  struct thread_info ignored;
  while (tasks != NULL && (entry = readdir(tasks)) != NULL)
    if (entry->d_name[0] != '.')
      count += (size_t)read_thread(entry->d_name,
                                   count < room ? &out[count] : &ignored);
  if (tasks != NULL) closedir(tasks);
  return count;
}

long proc_rss_kib(void) {
  char text[128];
  long pages = 0;
  if (slurp("/proc/self/statm", text, sizeof text))
    sscanf(text, "%*d %ld", &pages);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

long proc_status(const char *key, int base) {
  char text[4096], line[64];
  snprintf(line, sizeof line, "\n%s:", key);
  if (!slurp("/proc/self/status", text, sizeof text) ||
      strstr(text, line) == NULL)
    return -1;
  return (long)field(text, line, base);
}

static void read_fd(int number, struct fd_info *out) {
  char path[64];
  struct stat status = {0};
  int flags = fcntl(number, F_GETFD);
  fstat(number, &status);
  *out = (struct fd_info){.number = number,
                          .cloexec = flags >= 0 && (flags & FD_CLOEXEC) != 0,
                          .device = status.st_dev,
                          .inode = status.st_ino};
  snprintf(path, sizeof path, "/proc/self/fd/%d", number);
  ssize_t size = readlink(path, out->target, sizeof out->target - 1);
  out->target[size > 0 ? size : 0] = 0;
}

size_t proc_fds(struct fd_info *out, size_t room) {
  DIR *fds = opendir("/proc/self/fd");
  struct dirent *entry;
  size_t count = 0;
  while (fds != NULL && (entry = readdir(fds)) != NULL) {
    int number = atoi(entry->d_name);
    if (entry->d_name[0] == '.' || number == dirfd(fds)) continue;
    if (count < room) read_fd(number, &out[count]);
    count++;
  }
  if (fds != NULL) closedir(fds);
  return count;
}

int proc_mapping(const void *address, char perms[5], char *file, size_t size) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[4400];
  int found = 0;
  while (!found && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long low, high;
    int name = 0;
    if (sscanf(line, "%lx-%lx %4s %*s %*s %*s %n", &low, &high, perms, &name) <
        3)
      continue;
    if ((uintptr_t)address < low || (uintptr_t)address >= high) continue;
    line[strcspn(line, "\n")] = 0;
    snprintf(file, size, "%s", line + name);
    found = 1;
  }
  if (maps != NULL) fclose(maps);
  return found;
}

int proc_mapped(const char *path) {
  FILE *maps = fopen("/proc/self/maps", "re");
  char line[4400];
  int found = 0;
  while (!found && maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    line[strcspn(line, "\n")] = 0;
    const char *name = strchr(line, '/');
    found = name != NULL && strcmp(name, path) == 0;
  }
  if (maps != NULL) fclose(maps);
  return found;
}

size_t proc_read(const void *address, void *into, size_t size) {
  size_t done = 0;
  /* Piece by piece, up to each page's end: a piece is all or nothing. */
  while (done < size) {
    uintptr_t at = (uintptr_t)address + done;
    size_t piece = 4096 - (at & 4095);
    if (piece > size - done) piece = size - done;
    struct iovec to = {(char *)into + done, piece};
    struct iovec from = {(void *)at, piece};
    if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != (ssize_t)piece)
      break;
    done += piece;
  }
  return done;
}
