/* outboard-host doctor: what its files share.
 *
 * A plugin's author runs `outboard-host doctor PLUGIN.so` and learns how the
 * plugin would behave as a guest in a stranger's process. The program knows
 * the plugin ABI (mcp_plugin.h) and links nothing of Outboard's, so that it
 * judges any plugin alike; jansson is linked statically, so that no plugin
 * finds its symbols in this process by chance.
 *
 * How a check runs
 *   Each check is a function that runs in a child of its own: a fresh exec of
 *   this program (run.c starts it, child.c is its side). The child's standard
 *   streams are files in memory; its findings go through shared memory, which
 *   a plugin cannot close, and are lines of JSON. A child that crashes, hangs,
 *   exits or floods its streams is one finding of this check, which names the
 *   signal or the limit and what was under way; then the next check runs.
 *   A check that others build on (load, declaration, start ...) and that
 *   fails makes the others 'not checked'. Some checks run in several children,
 *   one per variant.
 *
 * The malloc of this program (alloc.c) keeps a record of every live block, in
 * all children. A plugin binds to it as to any host's malloc. A pointer that is
 * freed twice, or was never allocated, is counted and otherwise ignored: the
 * memory check reports it, and the other checks still see their own faults.
 *
 * The checks, in their order (checks.c): file, exports, imports, needed, image
 * read the ELF file; load, declaration, list, configure, start load it and
 * bring it up; concurrency, exit, unload, answers, memory, threads, process,
 * output, descriptors, fork, restart and failure drive it.
 *
 * Severities: fail and warn are faults (a warning counts with --strict only),
 * a note tells, and 'not checked' says why something could not be looked at. */
#ifndef OUTBOARD_HOST_DOCTOR_H
#define OUTBOARD_HOST_DOCTOR_H

#include <mcp_plugin.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../OutboardCall/call.h"

#define OUTBOARD_HOST_VERSION "0.1.0"

enum severity { SEVERITY_NOTE, SEVERITY_SKIPPED, SEVERITY_WARN, SEVERITY_FAIL };

/* "note", "not checked", "warn", "fail" */
extern const char *const severity_names[];

/* What a host reads of a declaration, by its version. */
size_t declaration_size(int minor);

/* --- main.c: the command line --------------------------------------------- */

struct settings {
  const char *path;   /* of the plugin */
  char *config;       /* --config's JSON, or NULL */
  char *bad_config;   /* --bad-config's JSON, or NULL */
  const char *tool;   /* --tool, or NULL: one is chosen */
  char *args;         /* --args' JSON; {} */
  const char *only;   /* comma separated ids, or NULL */
  const char *skip;   /* likewise */
  unsigned threads;   /* that call at once */
  unsigned timeout_s; /* limit of each child */
  int json, strict;   /* how to report, and whether warnings fail */
  int vary;           /* contents of answers may differ */
  int verbose;        /* notes with their why and cure, times */
};

/* --- channel: parent and child, in shared memory -------------------------- */

#define CHANNEL_TEXT ((size_t)1 << 20)

struct channel {
  size_t request_size;     /* JSON behind this struct; parent writes */
  _Atomic size_t used;     /* of text; child writes, each line whole */
  _Atomic int done;        /* the check came to its end */
  _Atomic int leaving;     /* it now calls exit(leave_status) */
  int leave_status;        /* written before leaving */
  _Atomic long seen[2];    /* bytes on stdout and stderr that were reported */
  char stage[96];          /* what is under way, for a crash's finding */
  char text[CHANNEL_TEXT]; /* lines of JSON */
  char request[];
};

/* --- checks.c ------------------------------------------------------------- */

struct subject;

struct check {
  const char *id;
  const char *title; /* one line for --list */
  void (*run)(struct subject *subject);
  const char *needs; /* id of the check that must not have failed, or NULL */
  unsigned variants; /* children; 0 is 1 */
};

extern const struct check checks[];
extern const size_t check_count;

/* --- run.c: the parent's side --------------------------------------------- */

struct finding {
  enum severity severity;
  char *id, *seen, *why, *cure;
};

struct outcome {
  const struct check *check;
  int wanted, ran; /* asked for or needed; looked at */
  int reported;    /* shown and counted */
  double seconds;  /* for --verbose */
  char *summary;   /* what a check that passed has seen, or NULL */
  char *blocked;   /* why what builds on it cannot be run, or NULL */
  struct finding *findings;
  size_t count;
};

struct report {
  const struct settings *settings;
  struct outcome *outcomes; /* check_count of them */
  char *tool;               /* that the checks call; NULL: none could be */
  char *version;            /* the plugin's api_version, or NULL */
  int pinned;               /* the image stays after dlclose */
};

/* Runs the checks that were asked for, and those that they need. */
void run_checks(struct report *report);

/* Appends a finding to an outcome; the texts are copied. */
void outcome_add(struct outcome *outcome, enum severity severity,
                 const char *id, const char *why, const char *cure,
                 const char *seen);
/* The worst of an outcome's findings; SEVERITY_NOTE when there are none. */
enum severity outcome_worst(const struct outcome *outcome);

/* --- left.c: processes that a plugin leaves behind ------------------------ */

/* From now on such processes become children of this one. */
void left_adopt(void);
/* Kills them, after a moment if `patient`; how many had to be killed. */
unsigned left_end(int patient);

/* --- report.c ------------------------------------------------------------- */

/* Prints the table or JSON and returns the exit status. */
enum exit_code report_print(const struct report *report);

/* --- layout.c: text for people, on stdout -------------------------------- */

/* "pass", "warn", "fail" in colour where there is any; fills `room`. */
void layout_result(const char *result, unsigned room);
/* From column `indent` on; further lines begin there. Ends the line. */
void layout_wrapped(unsigned indent, const char *text);
/* As it is, on one line, however long. */
void layout_line(const char *text);
/* From column `indent` on, cut off with dots where the line ends. */
void layout_cut(unsigned indent, const char *text);

/* --- child.c: the child's side -------------------------------------------- */

/* The plugin under examination, in the child. */
struct subject {
  const char *check;  /* id */
  const char *path;   /* resolved */
  const char *config; /* or NULL: configure is not called */
  const char *bad_config;
  const char *tool; /* to call; one that does not exist when unreal */
  const char *args;
  size_t args_size;
  unsigned threads;
  int64_t limit_ms; /* a check's own limit: below the child's */
  unsigned variant;
  int unreal;
  int vary;             /* --vary */
  int exit_fails;       /* the exit check failed: leave without exit() */
  int races;            /* the concurrency check failed: contents may differ */
  size_t symbol_size;   /* of plugin_declaration in the image */
  mcp_plugin declared;  /* as much of it as version and size allow */
  struct plugin plugin; /* declaration points to declared */
};

/* Runs the check that the request in the shared memory of fd names. */
__attribute__((noreturn)) void child_main(int fd);

/* Says what begins, for the finding of a crash. */
__attribute__((format(printf, 1, 2))) void stage(const char *format, ...);

/* Reports. id is the check's id, a dot and a word; the format is what was
 * seen. A note may have a NULL cure. */
__attribute__((format(printf, 5, 6))) void finding(enum severity severity,
                                                   const char *word,
                                                   const char *why,
                                                   const char *cure,
                                                   const char *seen, ...);
/* What the check looked at, in one line. */
__attribute__((format(printf, 1, 2))) void summary(const char *format, ...);
/* Tells the parent a value that later checks need. */
void tell(const char *key, const char *value);

/* Calls exit(status); the parent judges whether that is what arrives. */
__attribute__((noreturn)) void leave(int status);
/* How much is on stdout and stderr by now; what was looked at is marked. */
void streams_seen(long sizes[2]);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t now_ms(void);
void sleep_ms(unsigned ms);

/* --- subject.c: bringing the plugin up ------------------------------------ */

/* These report a failure as this check's, and return 0. */
int subject_open(struct subject *subject);      /* dlopen, dlsym */
int subject_configure(struct subject *subject); /* when there is --config */
int subject_init(struct subject *subject);
int subject_start(struct subject *subject); /* all three */

/* Calls the subject's tool. Any thread. */
struct answer subject_call(const struct subject *subject);
void subject_free(const struct subject *subject, struct answer *answer);

/* Whether the answer keeps to the ABI: NULL, or what is wrong with it. */
const char *answer_fault(const struct answer *answer);

/* The first answers of the subject's tool; the others are compared. */
struct reference {
  struct answer answer; /* bytes are ours */
  int varies;           /* content differs by nature: only its shape counts */
};

enum match { MATCHES, OTHER_CONTENT, OTHER_SHAPE };

struct reference reference_take(const struct subject *subject);
enum match reference_match(const struct reference *reference,
                           const struct answer *answer);
/* After other contents of the same shape: whether a lone caller gets such too,
 * now that it asks more often. */
int reference_varies_after_all(const struct subject *subject,
                               struct reference *reference);

/* A copy of bytes that ends where a page without access begins, so that one
 * byte too many read is a crash. guarded_free it. */
uint8_t *guarded_copy(const void *bytes, size_t size);
void guarded_free(uint8_t *bytes, size_t size);

/* --- crowd.c: callers ----------------------------------------------------- */

struct crowd;

/* Starts threads that call until crowd_stop. */
struct crowd *crowd_start(const struct subject *subject,
                          const struct reference *reference, unsigned threads);
/* Waits until each has had `calls` answers; 0 when limit_ms pass first. */
int crowd_wait(struct crowd *crowd, uint64_t calls, int64_t limit_ms);

struct crowd_count {
  uint64_t asked, answered;
  uint64_t wrong, misshapen; /* of the answered; misshapen ones are wrong */
  unsigned stuck;            /* threads that did not come back */
  char sample[160];
};

/* Tells the callers to stop, waits for them for limit_ms at most, counts. */
struct crowd_count crowd_stop(struct crowd *crowd, int64_t limit_ms);

/* The wrong answers that are not explained by a tool whose answers vary. */
uint64_t crowd_wrong(const struct subject *subject, struct reference *reference,
                     const struct crowd_count *count);

/* --- proc.c: what /proc says ---------------------------------------------- */

struct thread_info {
  pid_t id;
  char name[32];
  uint64_t blocked; /* bit n-1: signal n */
  uint64_t switches;
  uint64_t ticks; /* of CPU time */
  int running;    /* or ready to run */
};

/* The threads of this process; at most `room` are written, all are counted. */
size_t proc_threads(struct thread_info *out, size_t room);
/* Pages resident, in KiB. */
long proc_rss_kib(void);
/* Open descriptors: number, close-on-exec, and what it is. */
struct fd_info {
  int number, cloexec;
  unsigned long device, inode;
  char target[96];
};
size_t proc_fds(struct fd_info *out, size_t room);
/* A number of /proc/self/status in the given base, or -1. */
long proc_status(const char *key, int base);
/* Permissions ("r-xp") and file of the mapping at the address; 0: none. */
int proc_mapping(const void *address, char perms[5], char *file, size_t size);
/* Whether the file is mapped. */
int proc_mapped(const char *path);
/* Copies what can be read at an address; returns how many bytes. */
size_t proc_read(const void *address, void *into, size_t size);

/* --- alloc.c: this program's malloc --------------------------------------- */

struct alloc_count {
  long blocks, bytes; /* live */
  unsigned long bad;  /* pointers freed that were not live */
};

struct alloc_count alloc_count(void);
/* Blocks allocated from now on carry a new generation; returns it. */
unsigned alloc_generation(void);
/* Where most live blocks of the generations [first, last] were allocated: the
 * return address, and through the pointers how many blocks and bytes. */
void *alloc_top_site(unsigned first, unsigned last, long *blocks, long *bytes);
/* Who last freed a pointer that was not live. */
void *alloc_bad_site(void);
/* Writes "file+0x1234 (symbol)". */
void alloc_describe(void *address, char *out, size_t size);

/* --- elf.c: reading an ELF file that may be hostile ------------------------
 */

struct elf;

/* Reads and checks the file. NULL with *fault set to what is wrong. */
struct elf *elf_open(const char *path, const char **fault);

struct elf_symbol {
  const char *name;
  unsigned type, bind; /* STT_, STB_ */
  int defined, hidden;
  uint64_t size;
};

size_t elf_symbol_count(const struct elf *elf);
/* 0: the entry is broken. */
int elf_symbol(const struct elf *elf, size_t index, struct elf_symbol *out);
/* The i-th value of a dynamic tag; 0: there is none. */
int elf_dynamic(const struct elf *elf, int64_t tag, size_t i, uint64_t *value);
/* The i-th dynamic string (DT_NEEDED, DT_RUNPATH ...), or NULL. */
const char *elf_dynamic_string(const struct elf *elf, int64_t tag, size_t i);

struct elf_segment {
  uint32_t type, flags;
  uint64_t memory_size;
};

size_t elf_segment_count(const struct elf *elf);
struct elf_segment elf_segment(const struct elf *elf, size_t index);

/* --- foreign.c ------------------------------------------------------------ */

/* The library that a symbol's name is known to belong to, or NULL. */
const char *foreign_library(const char *symbol);

#endif
