/* The command line: SYSTEM WORKLOAD KEY=VALUE... */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"

enum kind { WHOLE, REAL, TEXT };

typedef struct entry {
  const char *key;
  enum kind kind;
  size_t offset;
  double least, most; /* of a number */
  const char *values; /* of a text: what is allowed, between spaces */
  const char *help;
} entry;

options opt = {.producers = 1,
               .engines = 1,
               .seconds = 0.5,
               .period_ns = 100000,
               .pin_text = "none",
               .from = "loop",
               .spin = "default"};

#define AT(member) offsetof(options, member)

static const entry entries[] = {
    {"producers", WHOLE, AT(producers), 0, MAX_WORKERS, NULL,
     "callers, posting threads or awaiting tasks (1)"},
    {"in_flight", WHOLE, AT(in_flight), 0, 1e9, NULL,
     "most outstanding per producer, 0: no limit (pipelined: 1024)"},
    {"handler_ns", WHOLE, AT(handler_ns), 0, 1e9, NULL,
     "computing in the handler (0)"},
    {"period_ns", WHOLE, AT(period_ns), 1, 1e9, NULL,
     "sparse: one call in this time (100000)"},
    {"payload", WHOLE, AT(payload), 0, 1 << 30, NULL, "payload: bytes (0)"},
    {"handed", WHOLE, AT(handed), 0, 1, NULL,
     "payload: 1 hands the buffer over, 0 copies (0)"},
    {"outstanding", WHOLE, AT(outstanding), 0, 1e8, NULL,
     "timer: others armed meanwhile; tickets: calls (0)"},
    {"connections", WHOLE, AT(connections), 0, 64, NULL,
     "echo, mixed: TCP clients (0)"},
    {"engines", WHOLE, AT(engines), 1, MAX_ENGINES, NULL,
     "sync: instances of the system, callers spread over them (1)"},
    {"from", TEXT, AT(from), 0, 0, " loop queue yield pool body ",
     "await: on the loop (loop, queue, yield) or the pool (pool, body) (loop)"},
    {"seconds", REAL, AT(seconds), 0.001, 3600, NULL,
     "to measure, after a warm-up of a fifth of it (0.5)"},
    {"round", WHOLE, AT(round), 0, 1e9, NULL, "copied into the line (0)"},
    {"pin", TEXT, AT(pin_text), 0, 0, " none same apart each ",
     "callers and loop: anywhere, on one CPU, on two; each: every engine with "
     "its callers on a CPU of its own (none)"},
    {"spin", TEXT, AT(spin), 0, 0, " default off ", "outboard only (default)"},
    {"allocs", WHOLE, AT(allocs), 0, 1, NULL,
     "1 counts allocations, which disturbs the timing (0)"},
};

#define ENTRIES (sizeof entries / sizeof entries[0])

void options_help(void) {
  size_t i;
  puts("\noptions:");
  for (i = 0; i < ENTRIES; i++)
    printf("  %-12s %s\n", entries[i].key, entries[i].help);
}

__attribute__((noreturn)) static void refuse(const char *arg, const char *why) {
  fprintf(stderr, "%s: %s (see --help)\n", arg, why);
  exit(2);
}

static const entry *find(const char *arg, size_t length) {
  size_t i;
  for (i = 0; i < ENTRIES; i++)
    if (strlen(entries[i].key) == length &&
        strncmp(entries[i].key, arg, length) == 0)
      return &entries[i];
  return NULL;
}

static void set_number(const entry *e, const char *arg, const char *text) {
  char *end, *at = (char *)&opt + e->offset;
  double value = strtod(text, &end);
  if (end == text || *end != '\0') refuse(arg, "a number is wanted");
  if (value < e->least || value > e->most) refuse(arg, "out of range");
  if (e->kind == REAL)
    *(double *)(void *)at = value;
  else
    *(int *)(void *)at = (int)value;
}

static void set_text(const entry *e, const char *arg, const char *text) {
  char wanted[32];
  snprintf(wanted, sizeof wanted, " %s ", text);
  if (strstr(e->values, wanted) == NULL) refuse(arg, "no such value");
  *(const char **)(void *)((char *)&opt + e->offset) = text;
}

static void set(const char *arg) {
  const char *equals = strchr(arg, '=');
  const entry *e;
  if (equals == NULL) refuse(arg, "KEY=VALUE is wanted");
  e = find(arg, (size_t)(equals - arg));
  if (e == NULL) refuse(arg, "no such option");
  if (e->kind == TEXT)
    set_text(e, arg, equals + 1);
  else
    set_number(e, arg, equals + 1);
}

void options_parse(int argc, char **argv) {
  int i;
  opt.workload = argv[1];
  for (i = 2; i < argc; i++) set(argv[i]);
  if (strcmp(opt.pin_text, "same") == 0) opt.pin = PIN_SAME;
  if (strcmp(opt.pin_text, "apart") == 0) opt.pin = PIN_APART;
  if (strcmp(opt.pin_text, "each") == 0) opt.pin = PIN_EACH;
  if (opt.allocs) alloc_start_counting();
}

const char *bench_option(const char *key, const char *fallback) {
  const entry *e = find(key, strlen(key));
  if (e == NULL || e->kind != TEXT) return fallback;
  return *(const char *const *)(const void *)((const char *)&opt + e->offset);
}
