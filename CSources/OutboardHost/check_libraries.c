/* imports, needed: which libraries the plugin asks for, and whether they have
 * all that it calls. The dynamic loader answers, as it does for ldd: it lists
 * and relocates the file by itself, outside any host, and runs none of it. */
#define _GNU_SOURCE
#include <elf.h>
#include <link.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks.h"

extern char **environ;

/* What any host has; the compiler's own run-time libraries. */
static const char *const base_libraries[] = {
    "libc.so",       "libm.so",    "libgcc_s.so", "libstdc++.so",
    "libpthread.so", "libdl.so",   "librt.so",    "ld-linux",
    "libresolv.so",  "libutil.so", "ld64.so",     "linux-vdso"};

static int is_base(const char *name) {
  for (size_t i = 0; i < sizeof base_libraries / sizeof *base_libraries; i++)
    if (strncmp(name, base_libraries[i], strlen(base_libraries[i])) == 0)
      return 1;
  return 0;
}

static int find_loader(struct dl_phdr_info *info, size_t size, void *out) {
  (void)size;
  for (int i = 0; i < info->dlpi_phnum; i++)
    if (info->dlpi_phdr[i].p_type == PT_INTERP)
      *(const char **)out =
          (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
  return 1; /* the first is the program itself */
}

static char *read_all(FILE *stream) {
  size_t room = 1 << 16, used = 0;
  char *text = malloc(room);
  while (text != NULL) {
    size_t got = fread(text + used, 1, room - used - 1, stream);
    used += got;
    if (got == 0) break;
    if (room - used > 1) continue;
    room *= 2;
    text = realloc(text, room);
  }
  if (text != NULL) text[used] = 0;
  return text;
}

/* The environment, and what makes the loader list and relocate and stop. */
static char **loader_environment(void) {
  static char *const more[] = {"LD_TRACE_LOADED_OBJECTS=1", "LD_WARN=yes",
                               "LD_BIND_NOW=yes", "LC_ALL=C"};
  size_t count = 0, n = sizeof more / sizeof *more;
  while (environ[count] != NULL) count++;
  char **copy = calloc(count + n + 1, sizeof *copy);
  if (copy == NULL) abort();
  memcpy(copy, more, sizeof more);
  for (size_t i = 0; i < count; i++)
    if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0) copy[n++] = environ[i];
  return copy;
}

/* What the loader says about the plugin alone; the caller frees. NULL after
 * reporting why there is none. */
static char *ask_loader(const char *path) {
  const char *loader = NULL;
  int ends[2];
  pid_t pid;
  dl_iterate_phdr(find_loader, &loader);
  stage("asking the dynamic loader");
  if (loader == NULL || pipe(ends) != 0) return NULL;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  char *const argv[] = {(char *)loader, (char *)path, NULL};
  int error =
      posix_spawn(&pid, loader, &actions, NULL, argv, loader_environment());
  close(ends[1]);
  FILE *stream = fdopen(ends[0], "r");
  char *text = error == 0 && stream != NULL ? read_all(stream) : NULL;
  int status = 0;
  if (error == 0) waitpid(pid, &status, 0);
  if (text == NULL || !WIFEXITED(status)) {
    finding(SEVERITY_SKIPPED, "loader", "The loader knows best.", NULL,
            "the dynamic loader gave no answer (%s)",
            error != 0 ? strerror(error) : "it was killed");
    free(text);
    return NULL;
  }
  return text;
}

static void report_undefined(char *text) {
  struct names names = {0};
  char known[128] = "";
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    char name[100];
    if (sscanf(line, "undefined symbol: %99s", name) != 1 &&
        sscanf(line, "%*[^:]: undefined symbol: %99s", name) != 1)
      continue;
    const char *library = foreign_library(name);
    if (library != NULL)
      snprintf(known, sizeof known, " (of %s, by its name)", library);
    names_add(&names, name);
  }
  if (names.count > 0)
    finding(SEVERITY_FAIL, "undefined",
            "It loads only where the host happens to have these, and then "
            "runs with the host's version of them, whatever that is.",
            "Link what defines them, statically if it can be, and with "
            "-Wl,-z,defs, which makes the linker refuse such a plugin.",
            "%u symbols that none of its libraries defines%s: %s", names.count,
            known, names_end(&names));
}

/* Symbols of libraries that hosts carry too: a host's copy comes first. */
static unsigned report_captured(const struct elf *elf) {
  struct names names = {0};
  struct elf_symbol s;
  unsigned undefined = 0;
  char text[128];
  for (size_t i = 1; i < elf_symbol_count(elf); i++) {
    if (!elf_symbol(elf, i, &s) || s.defined || s.name[0] == 0) continue;
    undefined++;
    const char *library = foreign_library(s.name);
    if (library == NULL || strncmp(library, "the C library", 13) == 0) continue;
    snprintf(text, sizeof text, "%.70s (%s)", s.name, library);
    if (s.bind != STB_WEAK) names_add(&names, text);
  }
  if (names.count > 0)
    finding(SEVERITY_WARN, "captured",
            "The loader looks in the host first: one that exports its own "
            "(Node exports all of libuv) captures these calls, and two "
            "versions get mixed.",
            "Link the library statically and hide it by a version script.",
            "%u symbols are left to whoever comes first: %s", names.count,
            names_end(&names));
  return undefined;
}

void check_imports(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  char *text = elf != NULL ? ask_loader(subject->path) : NULL;
  if (text == NULL) return;
  report_undefined(text);
  unsigned undefined = report_captured(elf);
  summary("%u symbols left to other libraries", undefined);
  free(text);
}

void check_needed(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  char *text = elf != NULL ? ask_loader(subject->path) : NULL;
  struct names other = {0}, missing = {0}, all = {0};
  const char *name;
  if (text == NULL) return;
  for (size_t i = 0; (name = elf_dynamic_string(elf, DT_NEEDED, i)); i++) {
    names_add(&all, name);
    if (!is_base(name)) names_add(&other, name);
  }
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    char wanted[100];
    if (strstr(line, "=> not found") != NULL &&
        sscanf(line, " %99s", wanted) == 1)
      names_add(&missing, wanted);
    else if (strstr(line, "cannot open shared object file") != NULL &&
             sscanf(line,
                    "%*[^:]: error while loading shared libraries: %99[^:]",
                    wanted) == 1)
      names_add(&missing, wanted);
  }
  if (missing.count > 0)
    finding(SEVERITY_FAIL, "missing", "dlopen fails without it.",
            "Install it, or link it statically: a plugin is one file.",
            "not found on this machine: %s", names_end(&missing));
  if (other.count > 0)
    finding(SEVERITY_WARN, "library",
            "The host's machine must have it in this version, and a host that "
            "uses the same library in another version shares yours or "
            "captures it.",
            "Link it statically and hide it by a version script.", "needs %s",
            names_end(&other));
  summary("%s", all.count > 0 ? names_end(&all) : "needs no library");
  free(text);
}
