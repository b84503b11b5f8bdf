/* output, descriptors: the streams and the table of open files are the
 * host's. */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checks.h"

#define ROOM 512
#define CALLS 300

const char output_cure[] = "Remove prints; report by answers and errors.";
const char output_why[2][160] = {
    "A host that talks a protocol on its standard output (MCP over stdio does) "
    "breaks on a stray byte.",
    "The host's log, or its user's terminal, is not the plugin's."};

void output_sample(int fd, long from, char out[64]) {
  char raw[48];
  ssize_t size = pread(fd, raw, sizeof raw, from);
  size_t used = 0;
  for (ssize_t i = 0; i < size; i++)
    out[used++] = isprint((unsigned char)raw[i]) ? raw[i] : '.';
  out[used] = 0;
}

static void look_at_streams(long last[2], const char *when) {
  long now[2];
  streams_seen(now);
  for (int i = 0; i < 2; i++) {
    if (now[i] > last[i]) {
      char text[64];
      output_sample(i + 1, last[i], text);
      finding(i == 0 ? SEVERITY_FAIL : SEVERITY_WARN,
              i == 0 ? "stdout" : "stderr", output_why[i], output_cure,
              "%ld bytes on %s %s: %s", now[i] - last[i],
              i == 0 ? "stdout" : "stderr", when, text);
    }
    last[i] = now[i];
  }
}

void check_output(struct subject *subject) {
  long last[2];
  streams_seen(last);
  if (!subject_open(subject)) return;
  look_at_streams(last, "when loaded");
  if (!subject_configure(subject) || !subject_init(subject)) return;
  look_at_streams(last, "in init");
  unsigned calls = call_some(subject, 20);
  struct answer answer = plugin_call(
      &subject->plugin, "outboard_host_doctor_no_such_tool", "no JSON", 7);
  subject_free(subject, &answer);
  look_at_streams(last, "in calls");
  summary("silent at load, init, %u calls and exit", calls);
  if (!subject->exit_fails) leave(0); /* the parent looks at what comes now */
}

static struct fd_info before[ROOM], after[ROOM];

static int number_in(const struct fd_info *fds, size_t count, int number) {
  for (size_t i = 0; i < count; i++)
    if (fds[i].number == number) return (int)i;
  return -1;
}

/* Closed, or another file under the same number. */
static void look_at_lost(size_t had, size_t has, const char *step) {
  struct names names = {0};
  char text[128];
  for (size_t i = 0; i < had; i++) {
    int at = number_in(after, has, before[i].number);
    if (at >= 0 && after[at].device == before[i].device &&
        after[at].inode == before[i].inode)
      continue;
    snprintf(text, sizeof text, "%d (%.60s)", before[i].number,
             before[i].target);
    names_add(&names, text);
  }
  if (names.count > 0)
    finding(SEVERITY_FAIL, "closed",
            "The host's next write goes nowhere, or into a stranger's file.",
            "Close only what the plugin opened, once; never a range.",
            "%s closes or replaces descriptors of the host: %s", step,
            names_end(&names));
}

static void look_at_inherited(size_t had, size_t has) {
  struct names names = {0};
  char text[128];
  for (size_t i = 0; i < has; i++) {
    if (after[i].cloexec || number_in(before, had, after[i].number) >= 0)
      continue;
    snprintf(text, sizeof text, "%d (%.60s)", after[i].number, after[i].target);
    names_add(&names, text);
  }
  if (names.count > 0)
    finding(SEVERITY_FAIL, "inherited",
            "Each program that the host starts gets them: files stay locked, "
            "connections open, secrets readable.",
            "Open with O_CLOEXEC, SOCK_CLOEXEC, EFD_CLOEXEC, pipe2.",
            "%u descriptors without close-on-exec: %s", names.count,
            names_end(&names));
}

static size_t take(struct fd_info *into) {
  size_t count = proc_fds(into, ROOM);
  return count < ROOM ? count : ROOM;
}

void check_descriptors(struct subject *subject) {
  /* Descriptors of a host, for a plugin that closes what it did not open. */
  for (int i = 0; i < 4; i++)
    if (memfd_create("host", MFD_CLOEXEC) < 0) return;
  size_t had = take(before);
  if (!subject_open(subject)) return;
  look_at_lost(had, take(after), "loading");
  if (!subject_configure(subject) || !subject_init(subject)) return;
  size_t started = take(after);
  look_at_lost(had, started, "init");
  call_some(subject, CALLS);
  size_t warm = proc_fds(after, ROOM);
  unsigned calls = call_some(subject, CALLS);
  size_t twice = proc_fds(after, ROOM);
  unsigned again = call_some(subject, CALLS);
  size_t end = proc_fds(after, ROOM), has = end < ROOM ? end : ROOM;
  look_at_lost(had, has, "a call");
  look_at_inherited(had, has);
  if (twice > warm + calls / 100 + 1 && end > twice + again / 100 + 1)
    finding(SEVERITY_FAIL, "leak",
            "At the limit (1,024 as a rule) the host can open nothing more.",
            "Close it on every path, errors too.",
            "%zu descriptors more after %u calls", end - warm, calls + again);
  summary("%zu after init, %zu after %u calls", started - had, end - had,
          calls + again);
}
