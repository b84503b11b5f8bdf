/* The parent's side: starts a child for each check, watches it, and takes its
 * findings. Whatever the child does, this process and the other checks go on:
 * it shares with the child three files in memory and nothing else. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"

#define FLOOD ((off_t)64 << 20) /* bytes on its streams that end a child */
#define EXIT_SLOW_MS 3000

/* A child and what is shared with it. */
struct run {
  pid_t pid;
  int streams[2], memory;
  size_t memory_size;
  struct channel *channel;
  int64_t left_ms; /* when it was seen to call exit(); 0: not yet */
  int status;      /* of waitpid */
  enum { ENDED, TIMED_OUT, FLOODED } end;
};

static int memory_file(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) fail(EXIT_USAGE, NULL, "cannot create a file in memory");
  return fd;
}

static int has_failed(const struct report *report, const char *id) {
  for (size_t i = 0; i < check_count; i++)
    if (strcmp(checks[i].id, id) == 0)
      return outcome_worst(&report->outcomes[i]) == SEVERITY_FAIL;
  return 0;
}

static char *request_for(const struct report *report,
                         const struct outcome *outcome, unsigned variant) {
  const struct settings *s = report->settings;
  json_t *request = json_pack(
      "{s:s, s:s, s:s*, s:s*, s:s*, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:i}",
      "check", outcome->check->id, "path", s->path, "config", s->config,
      "bad_config", s->bad_config, "tool", report->tool, "args", s->args,
      "threads", (int)s->threads, "limit_ms", (int)s->timeout_s * 750,
      "variant", (int)variant, "unreal", report->tool == NULL, "exit_fails",
      has_failed(report, "exit"), "vary", s->vary, "races",
      has_failed(report, "concurrency"));
  char *text = json_dumps(request, JSON_COMPACT);
  json_decref(request);
  if (text == NULL) fail(EXIT_JSON, "use UTF-8", "cannot pass on the options");
  return text;
}

static void open_run(struct run *run, char *request) {
  size_t size = strlen(request);
  *run = (struct run){.streams = {memory_file("stdout"), memory_file("stderr")},
                      .memory = memory_file("channel"),
                      .memory_size = sizeof(struct channel) + size};
  void *memory = MAP_FAILED;
  if (ftruncate(run->memory, (off_t)run->memory_size) == 0)
    memory = mmap(NULL, run->memory_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                  run->memory, 0);
  if (memory == MAP_FAILED) fail(EXIT_USAGE, NULL, "out of memory");
  run->channel = memory;
  run->channel->request_size = size;
  memcpy(run->channel->request, request, size);
  free(request);
}

static void close_run(struct run *run) {
  munmap(run->channel, run->memory_size);
  close(run->memory);
  close(run->streams[0]);
  close(run->streams[1]);
}

/* In the child: nothing of ours but the streams and the channel, as 3. */
static void become_child(const struct run *run) {
  struct rlimit none = {0, 0};
  char path[4096];
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setrlimit(RLIMIT_CORE, &none);
  int memory = fcntl(run->memory, F_DUPFD, 64);
  int out = fcntl(run->streams[0], F_DUPFD, 64);
  int err = fcntl(run->streams[1], F_DUPFD, 64);
  dup2(null, 0);
  dup2(out, 1);
  dup2(err, 2);
  dup2(memory, 3);
  syscall(SYS_close_range, 4u, ~0u, 0u);
  fcntl(1, F_SETFL, O_APPEND);
  fcntl(2, F_SETFL, O_APPEND);
  /* By its own path where it can be, so that threads get its name. */
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  path[size > 0 ? size : 0] = 0;
  execl(path, program_name, "child", "3", (char *)NULL);
  execl("/proc/self/exe", program_name, "child", "3", (char *)NULL);
  _exit(127);
}

static int flooded(const struct run *run) {
  struct stat status;
  for (int i = 0; i < 2; i++)
    if (fstat(run->streams[i], &status) == 0 && status.st_size > FLOOD)
      return 1;
  return 0;
}

/* Waits for the child's end, and makes one when it takes too long. */
static void watch(struct run *run, unsigned timeout_s) {
  int64_t end = now_ms() + (int64_t)timeout_s * 1000;
  int fd = (int)syscall(SYS_pidfd_open, run->pid, 0);
  struct pollfd ended = {.fd = fd, .events = POLLIN};
  while (waitpid(run->pid, &run->status, WNOHANG) == 0) {
    if (run->left_ms == 0 && atomic_load(&run->channel->leaving))
      run->left_ms = now_ms();
    if (run->end == ENDED && now_ms() > end) run->end = TIMED_OUT;
    if (run->end == ENDED && flooded(run)) run->end = FLOODED;
    if (run->end != ENDED) kill(run->pid, SIGKILL);
    if (fd < 0)
      sleep_ms(5);
    else
      poll(&ended, 1, 20);
  }
  if (run->end == ENDED && flooded(run)) run->end = FLOODED;
  if (fd >= 0) close(fd);
}

static enum severity severity_named(const char *name) {
  for (int i = SEVERITY_NOTE; i < SEVERITY_FAIL; i++)
    if (name != NULL && strcmp(name, severity_names[i]) == 0)
      return (enum severity)i;
  return SEVERITY_FAIL;
}

static void take_told(struct report *report, struct outcome *outcome,
                      const char *key, const char *value) {
  char **text = strcmp(key, "summary") == 0   ? &outcome->summary
                : strcmp(key, "tool") == 0    ? &report->tool
                : strcmp(key, "version") == 0 ? &report->version
                : strcmp(key, "blocked") == 0 ? &outcome->blocked
                                              : NULL;
  if (text == NULL) return;
  free(*text);
  *text = strdup(value);
}

/* The lines are the child's, which the plugin may have written over. */
static void take_lines(struct report *report, struct outcome *outcome,
                       const struct run *run) {
  size_t used = atomic_load(&run->channel->used);
  const char *at = run->channel->text;
  const char *end = at + (used < CHANNEL_TEXT ? used : CHANNEL_TEXT);
  const char *line_end;
  for (; (line_end = memchr(at, '\n', (size_t)(end - at))); at = line_end + 1) {
    json_t *line = json_loadb(at, (size_t)(line_end - at), 0, NULL);
    const char *told = json_string_value(json_object_get(line, "tell"));
    const char *value = json_string_value(json_object_get(line, "value"));
    const char *id = json_string_value(json_object_get(line, "id"));
    if (told != NULL && value != NULL)
      take_told(report, outcome, told, value);
    else if (id != NULL)
      outcome_add(
          outcome,
          severity_named(json_string_value(json_object_get(line, "severity"))),
          id, json_string_value(json_object_get(line, "why")),
          json_string_value(json_object_get(line, "cure")),
          json_string_value(json_object_get(line, "seen")));
    json_decref(line);
  }
}

__attribute__((format(printf, 5, 6))) static void add_end(
    struct outcome *outcome, const char *word, const char *why,
    const char *cure, const char *seen, ...) {
  char id[64], text[512];
  va_list arguments;
  va_start(arguments, seen);
  vsnprintf(text, sizeof text, seen, arguments);
  va_end(arguments);
  snprintf(id, sizeof id, "%s.%s", outcome->check->id, word);
  outcome_add(outcome, SEVERITY_FAIL, id, why, cure, text);
}

/* How the child ended, if that is a finding. */
static void judge_end(struct outcome *outcome, const struct run *run,
                      unsigned timeout_s) {
  int leaving = atomic_load(&run->channel->leaving);
  int status = run->status, wanted = leaving ? run->channel->leave_status : 0;
  char at[sizeof run->channel->stage];
  memcpy(at, run->channel->stage, sizeof at);
  at[sizeof at - 1] = 0;
  if (run->end == TIMED_OUT)
    add_end(outcome, "timeout", "A host would hang there for ever.",
            "Give every wait a deadline; hold no lock while waiting.",
            "still at '%s' after %u s", at, timeout_s);
  else if (run->end == FLOODED)
    add_end(outcome, "flood", "The host's streams are not the plugin's.",
            "Remove prints.", "more than 64 MiB of output, at '%s'", at);
  else if (WIFSIGNALED(status))
    add_end(outcome, "crash", "The host is gone with it.",
            "Run outboard-call on it under a debugger, in this step.",
            "killed by SIG%s, at '%s'", sigabbrev_np(WTERMSIG(status)), at);
  else if (!leaving && !atomic_load(&run->channel->done))
    add_end(outcome, "exited", "The host ends without its own clean-up.",
            "Return an error; never exit, _exit or abort in a plugin.",
            "the process ended with status %d, at '%s'", WEXITSTATUS(status),
            at);
  else if (WEXITSTATUS(status) != wanted)
    add_end(outcome, "status", "The host's caller is told a lie.",
            "Do not call exit or _exit in destructors.",
            "exit(%d) arrived as %d", wanted, WEXITSTATUS(status));
}

static void judge_exit(struct outcome *outcome, const struct run *run) {
  static const char *const names[] = {"stdout", "stderr"};
  char text[128], bytes[64], id[32];
  if (run->left_ms != 0 && now_ms() - run->left_ms > EXIT_SLOW_MS)
    outcome_add(outcome, SEVERITY_WARN, "exit.slow",
                "Users and supervisors wait for it.",
                "Bound what destructors wait for; join no busy thread.",
                "exit() took more than 3 s");
  if (strcmp(outcome->check->id, "output") != 0) return;
  for (int i = 0; i < 2; i++) {
    struct stat status;
    long seen = atomic_load(&run->channel->seen[i]);
    if (fstat(run->streams[i], &status) != 0 || status.st_size <= seen)
      continue;
    output_sample(run->streams[i], seen, bytes);
    snprintf(text, sizeof text, "%ld bytes on %s at exit: %s",
             (long)status.st_size - seen, names[i], bytes);
    snprintf(id, sizeof id, "output.%s", names[i]);
    outcome_add(outcome, i == 0 ? SEVERITY_FAIL : SEVERITY_WARN, id,
                output_why[i], output_cure, text);
  }
}

/* What the child has left running ends here. Only of a child that came to its
 * end by itself is it a finding, and of one check, lest it be told 22 times. */
static void judge_left(struct outcome *outcome, const struct run *run) {
  int is_judge = strcmp(outcome->check->id, "process") == 0 &&
                 run->end == ENDED && WIFEXITED(run->status);
  if (!is_judge) kill(-run->pid, SIGKILL);
  unsigned left = left_end(is_judge);
  char text[64];
  snprintf(text, sizeof text, "%u processes go on when the host has ended",
           left);
  if (is_judge && left > 0)
    outcome_add(outcome, SEVERITY_WARN, "process.left",
                "They keep files, ports and memory that the host's user "
                "believes free.",
                "Let children end with their parent: PR_SET_PDEATHSIG, or a "
                "pipe whose end they notice.",
                text);
}

/* 0: a further variant would only take as long. */
static int run_variant(struct report *report, struct outcome *outcome,
                       unsigned variant) {
  struct run run;
  unsigned timeout_s = report->settings->timeout_s;
  open_run(&run, request_for(report, outcome, variant));
  fflush(NULL);
  run.pid = fork();
  if (run.pid < 0) fail(EXIT_USAGE, NULL, "cannot start a process");
  if (run.pid == 0) become_child(&run);
  watch(&run, timeout_s);
  judge_left(outcome, &run);
  take_lines(report, outcome, &run);
  judge_end(outcome, &run, timeout_s);
  if (atomic_load(&run.channel->leaving) && run.end == ENDED)
    judge_exit(outcome, &run);
  close_run(&run);
  return run.end == ENDED;
}

static void run_check(struct report *report, struct outcome *outcome) {
  unsigned variants = outcome->check->variants;
  int64_t begin = now_ms();
  outcome->ran = 1;
  for (unsigned i = 0; i < (variants != 0 ? variants : 1); i++)
    if (!run_variant(report, outcome, i)) break;
  outcome->seconds = (double)(now_ms() - begin) / 1000;
}

static struct outcome *outcome_of(struct report *report, const char *id) {
  for (size_t i = 0; i < check_count; i++)
    if (strcmp(checks[i].id, id) == 0) return &report->outcomes[i];
  return NULL;
}

/* Why the check cannot be run, or NULL. */
static const char *obstacle(struct report *report, const struct check *check) {
  static char text[160];
  for (const char *id = check->needs; id != NULL;) {
    const struct outcome *needed = outcome_of(report, id);
    if (needed->blocked != NULL || outcome_worst(needed) == SEVERITY_FAIL) {
      snprintf(text, sizeof text, "needs %s: %s", id,
               needed->blocked != NULL ? needed->blocked : "that failed");
      return text;
    }
    id = needed->check->needs;
  }
  return NULL;
}

static void mark_needed(struct report *report) {
  for (size_t i = 0; i < check_count; i++) {
    if (!report->outcomes[i].reported) continue;
    for (const char *id = checks[i].needs; id != NULL;
         id = outcome_of(report, id)->check->needs)
      outcome_of(report, id)->wanted = 1;
    report->outcomes[i].wanted = 1;
  }
}

void run_checks(struct report *report) {
  int show = isatty(STDERR_FILENO);
  mark_needed(report);
  left_adopt();
  for (size_t i = 0; i < check_count; i++) {
    struct outcome *outcome = &report->outcomes[i];
    char id[64];
    if (!outcome->wanted) continue;
    if (show)
      fprintf(stderr, "\r\x1b[K[%zu/%zu] %s", i + 1, check_count, checks[i].id);
    const char *why_not = obstacle(report, &checks[i]);
    snprintf(id, sizeof id, "%s.needs", checks[i].id);
    if (why_not == NULL)
      run_check(report, outcome);
    else
      outcome_add(outcome, SEVERITY_SKIPPED, id, NULL, NULL, why_not);
    /* What was run for others only is shown when it stops them. */
    if (outcome->blocked != NULL || outcome_worst(outcome) == SEVERITY_FAIL)
      outcome->reported = 1;
  }
  if (show) fputs("\r\x1b[K", stderr);
}
