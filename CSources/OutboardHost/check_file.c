/* file, exports, image: what the ELF file says, without a line of the plugin's
 * code run. */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

void names_add(struct names *names, const char *name) {
  size_t used = strlen(names->text);
  if (names->count++ < NAMES_SHOWN)
    snprintf(names->text + used, sizeof names->text - used, "%s%.100s",
             used > 0 ? ", " : "", name);
}

const char *names_end(struct names *names) {
  size_t used = strlen(names->text);
  if (names->count > NAMES_SHOWN)
    snprintf(names->text + used, sizeof names->text - used, " and %u more",
             names->count - NAMES_SHOWN);
  return names->text;
}

struct elf *elf_of_subject(struct subject *subject) {
  const char *fault;
  stage("reading the file");
  struct elf *elf = elf_open(subject->path, &fault);
  if (elf == NULL)
    finding(SEVERITY_FAIL, "format", "No host on this machine can load it.",
            "Build a shared object for this machine: gcc -shared -fPIC.", "%s",
            fault);
  return elf;
}

void check_file(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  if (elf == NULL) return;
  summary("a shared object of %zu segments, %zu dynamic symbols",
          elf_segment_count(elf), elf_symbol_count(elf));
}

static int exported(const struct elf_symbol *s) {
  return s->defined && !s->hidden && s->name[0] != 0 && s->bind != STB_LOCAL &&
         s->type != STT_SECTION && s->type != STT_FILE;
}

#define VERSION_SCRIPT                                               \
  "Link with a version script that shows plugin_declaration alone: " \
  "{ global: plugin_declaration; local: *; }; and compile with "     \
  "-fvisibility=hidden."

void check_exports(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  struct names foreign = {0}, other = {0}, unique = {0};
  struct elf_symbol s;
  char text[200];
  if (elf == NULL) return;
  for (size_t i = 1; i < elf_symbol_count(elf); i++) {
    if (!elf_symbol(elf, i, &s) || !exported(&s) ||
        strcmp(s.name, MCP_PLUGIN_SYMBOL) == 0)
      continue;
    const char *library = foreign_library(s.name);
    snprintf(text, sizeof text, "%.100s (%s)", s.name,
             library != NULL ? library : "");
    if (library != NULL)
      names_add(&foreign, text);
    else if (s.bind == STB_GNU_UNIQUE)
      names_add(&unique, s.name);
    else
      names_add(&other, s.name);
  }
  if (foreign.count > 0)
    finding(SEVERITY_FAIL, "foreign",
            "Other libraries of the host may bind to these, and this plugin's "
            "own calls to the host's: two versions get mixed in one process.",
            VERSION_SCRIPT, "exports %u symbols of known libraries: %s",
            foreign.count, names_end(&foreign));
  if (other.count > 0)
    finding(SEVERITY_WARN, "extra",
            "Each visible symbol can meet one of the same name in the host or "
            "in another plugin.",
            VERSION_SCRIPT,
            "exports %u symbols besides " MCP_PLUGIN_SYMBOL ": %s", other.count,
            names_end(&other));
  if (unique.count > 0)
    finding(SEVERITY_WARN, "unique",
            "STB_GNU_UNIQUE symbols are shared by all images of the process, "
            "even with RTLD_LOCAL, and stop unloading.",
            "Compile with -fno-gnu-unique, or hide them by a version script.",
            "exports %u unique symbols: %s", unique.count, names_end(&unique));
  summary(MCP_PLUGIN_SYMBOL " alone, of %zu dynamic symbols",
          elf_symbol_count(elf));
}

#define STATIC_TLS_LIMIT 512

static void look_at_segments(const struct elf *elf) {
  int stack_seen = 0;
  for (size_t i = 0; i < elf_segment_count(elf); i++) {
    struct elf_segment segment = elf_segment(elf, i);
    if (segment.type == PT_GNU_STACK) stack_seen = 1;
    if (segment.type == PT_GNU_STACK && (segment.flags & PF_X) != 0)
      finding(SEVERITY_FAIL, "execstack",
              "Loading it makes the stacks of the whole host executable, or "
              "fails where the system forbids that.",
              "Find the object without .note.GNU-stack (assembly) or the "
              "nested function; link with -Wl,-z,noexecstack.",
              "it asks for an executable stack");
    if (segment.type == PT_LOAD &&
        (segment.flags & (PF_W | PF_X)) == (PF_W | PF_X))
      finding(SEVERITY_FAIL, "wx",
              "Memory that is writable and executable turns an overflow into "
              "foreign code; hardened hosts refuse it.",
              "Drop -N or the linker script that merges the segments.",
              "a segment is writable and executable");
  }
  if (!stack_seen)
    finding(SEVERITY_WARN, "nostack",
            "Without PT_GNU_STACK the loader makes stacks executable.",
            "Link with -Wl,-z,noexecstack.", "no PT_GNU_STACK segment");
}

static void look_at_tls(const struct elf *elf) {
  uint64_t flags = 0, size = 0;
  for (size_t i = 0; i < elf_segment_count(elf); i++)
    if (elf_segment(elf, i).type == PT_TLS)
      size = elf_segment(elf, i).memory_size;
  if (size == 0) return;
  elf_dynamic(elf, DT_FLAGS, 0, &flags);
  if ((flags & DF_STATIC_TLS) == 0)
    finding(SEVERITY_NOTE, "tls",
            "glibc allocates it lazily, at a thread's first touch, and aborts "
            "the process when memory is short at that moment.",
            "Compile with -ftls-model=initial-exec where it is small.",
            "%llu bytes of lazily allocated thread-local storage",
            (unsigned long long)size);
  else if (size > STATIC_TLS_LIMIT)
    finding(SEVERITY_WARN, "statictls",
            "All libraries loaded at run time share about 1,600 spare bytes "
            "of static TLS; when they are gone, dlopen fails.",
            "Keep thread-local storage under 64 bytes: a pointer to the rest.",
            "%llu bytes of static thread-local storage",
            (unsigned long long)size);
}

static void look_at_search_paths(const struct elf *elf) {
  static const int64_t tags[] = {DT_RPATH, DT_RUNPATH};
  for (int t = 0; t < 2; t++) {
    const char *path = elf_dynamic_string(elf, tags[t], 0);
    if (path == NULL) continue;
    finding(path[0] == 0 || path[0] == '.' || strstr(path, ":.") != NULL ||
                    strstr(path, "::") != NULL
                ? SEVERITY_FAIL
                : SEVERITY_WARN,
            "runpath",
            "Libraries are taken from there: from the current folder if it is "
            "relative, and from a path that the user's machine may not have.",
            "Link statically, or use $ORIGIN alone; drop -Wl,-rpath.",
            "%s is '%s'", tags[t] == DT_RPATH ? "DT_RPATH" : "DT_RUNPATH",
            path);
  }
}

void check_image(struct subject *subject) {
  struct elf *elf = elf_of_subject(subject);
  uint64_t flags = 0, flags_1 = 0, value;
  if (elf == NULL) return;
  elf_dynamic(elf, DT_FLAGS, 0, &flags);
  elf_dynamic(elf, DT_FLAGS_1, 0, &flags_1);
  if ((flags & DF_TEXTREL) != 0 || elf_dynamic(elf, DT_TEXTREL, 0, &value))
    finding(SEVERITY_FAIL, "textrel",
            "Its code is rewritten at load: it cannot be shared, and SELinux "
            "and other hardened hosts refuse it.",
            "Compile every object with -fPIC; link with -Wl,-z,text.",
            "it has text relocations");
  look_at_segments(elf);
  look_at_tls(elf);
  look_at_search_paths(elf);
  if ((flags_1 & DF_1_NODELETE) == 0)
    finding(SEVERITY_NOTE, "delete",
            "A host that calls dlclose unmaps it, with the code of any thread "
            "or handler that is left.",
            "Link with -Wl,-z,nodelete if it starts threads.",
            "dlclose unmaps it (no DF_1_NODELETE)");
  if ((flags_1 & DF_1_NOW) == 0 && (flags & DF_BIND_NOW) == 0)
    finding(SEVERITY_NOTE, "lazy",
            "A symbol that is missing is found at its first call, in the "
            "middle of the host's work.",
            "Link with -Wl,-z,relro -Wl,-z,now.", "it is bound lazily");
  value = 0;
  elf_dynamic(elf, DT_INIT_ARRAYSZ, 0, &value);
  summary("%s, %llu constructors",
          (flags_1 & DF_1_NODELETE) != 0 ? "stays mapped after dlclose"
                                         : "unmapped by dlclose",
          (unsigned long long)value / 8);
}
