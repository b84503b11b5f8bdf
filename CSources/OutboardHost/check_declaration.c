/* load, declaration: the plugin is in the process, and its table is read with
 * suspicion: through the kernel, which reports a bad pointer as an error. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

void check_load(struct subject *subject) {
  int64_t begin = now_ms();
  if (!subject_open(subject)) return;
  summary("loaded in %lld ms", (long long)(now_ms() - begin));
}

/* 0: it is no table at all. */
static int look_at_symbol(const struct subject *subject,
                          const ElfW(Sym) * symbol, const void *address) {
  size_t meant = declaration_size(subject->plugin.minor);
  char perms[5], file[256];
  if (symbol != NULL && ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT &&
      ELF64_ST_TYPE(symbol->st_info) != STT_NOTYPE) {
    finding(SEVERITY_FAIL, "type",
            "Hosts read it as a table; a function's code is no table.",
            "Export the struct itself: const mcp_plugin plugin_declaration.",
            MCP_PLUGIN_SYMBOL " is not data (ELF symbol type %d)",
            ELF64_ST_TYPE(symbol->st_info));
    return 0;
  }
  if (subject->symbol_size == 0)
    finding(SEVERITY_WARN, "nosize", "Nobody can tell how much of it is there.",
            "Give the symbol its type and size (.type, .size).",
            MCP_PLUGIN_SYMBOL " has no size");
  else if (subject->symbol_size < meant)
    finding(SEVERITY_FAIL, "short",
            "Hosts read the members that its version promises, past its end.",
            "Export all 80 bytes, unused members NULL, or an older version.",
            "it has %zu bytes, its version needs %zu", subject->symbol_size,
            meant);
  else if (subject->symbol_size < sizeof(mcp_plugin))
    finding(SEVERITY_WARN, "short",
            "Newer hosts of the 0.x line read an older plugin past its end.",
            "Export all 80 bytes, the unused ones NULL.",
            "it has %zu bytes, newer hosts read 80", subject->symbol_size);
  if (proc_mapping(address, perms, file, sizeof file) && perms[1] == 'w')
    finding(SEVERITY_NOTE, "writable",
            "A stray write in the host can redirect its calls.",
            "Make it const and link with -Wl,-z,relro.",
            "it lies in writable memory");
  return 1;
}

static void look_at_version(const struct subject *subject) {
  char text[33] = "";
  const uint8_t *version = subject->declared.api_version;
  if (version == NULL) {
    finding(SEVERITY_FAIL, "version", "Hosts refuse or crash.",
            "Set api_version: (const uint8_t *)MCP_PLUGIN_API_VERSION.",
            "api_version is NULL");
    return;
  }
  size_t size = proc_read(version, text, sizeof text - 1);
  if (memchr(text, 0, size) == NULL) {
    finding(SEVERITY_FAIL, "version", "Hosts read on until they crash.",
            "Make it a NUL-terminated string constant.",
            size == 0 ? "api_version points nowhere"
                      : "api_version has no end within 32 bytes");
    return;
  }
  if (subject->plugin.minor < 1)
    finding(SEVERITY_FAIL, "version",
            "Hosts compare it with the versions that they know.",
            "Use the header's MCP_PLUGIN_API_VERSION.",
            "api_version '%s' is no version of this ABI (0.1.0 to 0.5.0)",
            text);
  else if (subject->plugin.minor > 5)
    finding(SEVERITY_WARN, "newer", "Older hosts refuse it.",
            "Build against the oldest header that has what it needs.",
            "api_version %s is newer than the newest known, 0.5.0", text);
  tell("version", text);
}

struct member {
  const char *name;
  size_t offset;
  int required;
};

#define MEMBER(name, required) {#name, offsetof(mcp_plugin, name), required}

static const struct member members[] = {MEMBER(list_tools, 1),
                                        MEMBER(execute_tool, 1),
                                        MEMBER(free_string, 1),
                                        MEMBER(configure, 0),
                                        MEMBER(init, 0),
                                        MEMBER(get_config_schema, 0),
                                        MEMBER(list_resources, 0),
                                        MEMBER(read_resource, 0),
                                        MEMBER(list_resource_templates, 0)};

static void look_at_member(const struct subject *subject,
                           const struct member *member, const char *image) {
  const void *target;
  char perms[5], file[1024];
  memcpy(&target, (const char *)&subject->declared + member->offset,
         sizeof target);
  if (target == NULL) {
    if (member->required)
      finding(SEVERITY_FAIL, "missing", "Every host calls it.",
              "Set it in plugin_declaration.", "%s is NULL", member->name);
    return;
  }
  if (!proc_mapping(target, perms, file, sizeof file) || perms[2] != 'x')
    finding(SEVERITY_FAIL, "pointer", "Calling it crashes the host.",
            "Initialise the member with a function, and compile with -fPIC.",
            "%s points to no code", member->name);
  else if (strcmp(file, image) != 0)
    finding(SEVERITY_NOTE, "elsewhere",
            "What it does depends on which library the host has.",
            "Wrap it in a function of the plugin's own.",
            "%s is a function of %s", member->name, file);
}

void check_declaration(struct subject *subject) {
  Dl_info info;
  const ElfW(Sym) *symbol = NULL;
  char perms[5], image[1024] = "";
  if (!subject_open(subject)) return;
  stage("reading the declaration");
  const void *address = dlsym(subject->plugin.image, MCP_PLUGIN_SYMBOL);
  if (dladdr1(address, &info, (void **)&symbol, RTLD_DL_SYMENT) != 0 &&
      info.dli_fbase != NULL)
    proc_mapping(info.dli_fbase, perms, image, sizeof image);
  if (!look_at_symbol(subject, symbol, address)) return;
  look_at_version(subject);
  unsigned present = 0;
  for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
    const void *target;
    look_at_member(subject, &members[i], image);
    memcpy(&target, (const char *)&subject->declared + members[i].offset,
           sizeof target);
    present += target != NULL;
  }
  summary("%zu bytes, ABI 0.%d, %u of 9 functions", subject->symbol_size,
          subject->plugin.minor, present);
}
