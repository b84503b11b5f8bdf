/* The child's side: takes the request out of the shared memory, runs one check
 * and ends by _exit, so that only the checks that mean to leave by exit() run
 * the plugin's destructors. */
#include <jansson.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"

#define NO_SUCH_TOOL "outboard_host_doctor_no_such_tool"

static struct channel *channel;
static const char *check_id;

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms) {
  struct timespec rest = {ms / 1000, (long)(ms % 1000) * 1000000};
  while (nanosleep(&rest, &rest) != 0) continue;
}

void stage(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(channel->stage, sizeof channel->stage, format, arguments);
  va_end(arguments);
}

/* Appends a line; what does not fit is left out, and said so by the parent. */
static void send_line(json_t *line) {
  char *text = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
  size_t size = text != NULL ? strlen(text) : 0;
  size_t used = atomic_load(&channel->used);
  if (size > 0 && size + 1 < CHANNEL_TEXT - used) {
    memcpy(channel->text + used, text, size);
    channel->text[used + size] = '\n';
    atomic_store(&channel->used, used + size + 1);
  }
  free(text);
  json_decref(line);
}

/* Text that may hold anything, as JSON: what is not UTF-8 is shown as hex. */
static json_t *text_or_hex(const char *text) {
  json_t *value = json_string(text);
  if (value != NULL) return value;
  char clean[512];
  size_t used = 0;
  for (; *text != 0 && used + 5 < sizeof clean; text++) {
    unsigned char c = (unsigned char)*text;
    used += (size_t)snprintf(clean + used, sizeof clean - used,
                             c < 0x80 ? "%c" : "\\x%02x", c);
  }
  clean[used] = 0;
  return json_string(clean);
}

void finding(enum severity severity, const char *word, const char *why,
             const char *cure, const char *seen, ...) {
  char id[96], text[2048];
  va_list arguments;
  va_start(arguments, seen);
  vsnprintf(text, sizeof text, seen, arguments);
  va_end(arguments);
  snprintf(id, sizeof id, "%s.%s", check_id, word);
  json_t *line = json_object();
  json_object_set_new(line, "id", json_string(id));
  json_object_set_new(line, "severity", json_string(severity_names[severity]));
  json_object_set_new(line, "seen", text_or_hex(text));
  if (why != NULL) json_object_set_new(line, "why", json_string(why));
  if (cure != NULL) json_object_set_new(line, "cure", json_string(cure));
  send_line(line);
}

void summary(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  tell("summary", text);
}

void tell(const char *key, const char *value) {
  json_t *line = json_object();
  json_object_set_new(line, "tell", json_string(key));
  json_object_set_new(line, "value", text_or_hex(value));
  send_line(line);
}

void leave(int status) {
  channel->leave_status = status;
  stage("exit(%d)", status);
  atomic_store(&channel->leaving, 1);
  exit(status);
}

void streams_seen(long sizes[2]) {
  fflush(NULL); /* what the plugin left in stdio counts where it was written */
  for (int i = 0; i < 2; i++) {
    struct stat status;
    sizes[i] = fstat(i + 1, &status) == 0 ? (long)status.st_size : 0;
    atomic_store(&channel->seen[i], sizes[i]);
  }
}

static const char *text_of(const json_t *request, const char *key) {
  return json_string_value(json_object_get(request, key));
}

static int number_of(const json_t *request, const char *key) {
  return (int)json_integer_value(json_object_get(request, key));
}

static const struct check *check_named(const char *id) {
  for (size_t i = 0; id != NULL && i < check_count; i++)
    if (strcmp(checks[i].id, id) == 0) return &checks[i];
  return NULL;
}

static int open_channel(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0 ||
      (size_t)status.st_size <= sizeof(struct channel))
    return 0;
  void *memory = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE,
                      MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return 0;
  close(fd);
  channel = memory;
  return 1;
}

void child_main(int fd) {
  static struct subject subject;
  if (!open_channel(fd))
    fail(EXIT_USAGE, "run: outboard-host doctor PLUGIN.so",
         "the subcommand 'child' is for the doctor's own use");
  json_t *request =
      json_loadb(channel->request, channel->request_size, 0, NULL);
  const struct check *check = check_named(text_of(request, "check"));
  if (check == NULL) _exit(EXIT_USAGE);
  check_id = check->id;
  subject.check = check->id;
  subject.path = text_of(request, "path");
  subject.config = text_of(request, "config");
  subject.bad_config = text_of(request, "bad_config");
  subject.tool = text_of(request, "tool");
  if (subject.tool == NULL) subject.tool = NO_SUCH_TOOL;
  subject.args = text_of(request, "args");
  subject.args_size = strlen(subject.args);
  subject.threads = (unsigned)number_of(request, "threads");
  subject.limit_ms = number_of(request, "limit_ms");
  subject.variant = (unsigned)number_of(request, "variant");
  subject.unreal = number_of(request, "unreal");
  subject.races = number_of(request, "races");
  subject.vary = number_of(request, "vary");
  subject.exit_fails = number_of(request, "exit_fails");
  check->run(&subject);
  atomic_store(&channel->done, 1);
  _exit(0);
}
