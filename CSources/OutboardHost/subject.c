/* Bringing the plugin up in a child, and judging single answers. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <jansson.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "doctor.h"

size_t declaration_size(int minor) {
  if (minor >= 5) return 80;
  return minor >= 3 ? 72 : 56;
}

/* As much of the declaration as symbol and version cover; the rest NULL. */
static void copy_declaration(struct subject *subject, const void *symbol) {
  char version[32] = "";
  size_t size = subject->symbol_size;
  /* A symbol without a size (assembly) is read as its version says. */
  if (size == 0 || size > sizeof subject->declared)
    size = sizeof subject->declared;
  proc_read(symbol, &subject->declared, size);
  proc_read(subject->declared.api_version, version, sizeof version - 1);
  subject->plugin.minor = plugin_minor(version);
  size_t meant = declaration_size(subject->plugin.minor);
  if (meant < sizeof subject->declared)
    memset((char *)&subject->declared + meant, 0,
           sizeof subject->declared - meant);
}

int subject_open(struct subject *subject) {
  Dl_info info;
  const ElfW(Sym) *entry = NULL;
  stage("dlopen");
  subject->plugin.path = subject->path;
  subject->plugin.image = dlopen(subject->path, RTLD_NOW | RTLD_LOCAL);
  if (subject->plugin.image == NULL) {
    finding(SEVERITY_FAIL, "dlopen", "No host can load it.",
            "Link it with all that it needs (-Wl,-z,defs tells at link time).",
            "dlopen: %s", dlerror());
    return 0;
  }
  stage("dlsym");
  const void *symbol = dlsym(subject->plugin.image, MCP_PLUGIN_SYMBOL);
  if (symbol == NULL) {
    finding(SEVERITY_FAIL, "symbol",
            "Hosts find a plugin by this symbol and by nothing else.",
            "Export it: MCP_PLUGIN(tools) of mcp_plugin.h, and no version "
            "script that hides it.",
            "no symbol " MCP_PLUGIN_SYMBOL);
    return 0;
  }
  if (dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT) != 0 &&
      entry != NULL)
    subject->symbol_size = entry->st_size;
  copy_declaration(subject, symbol);
  subject->plugin.declaration = &subject->declared;
  return 1;
}

int subject_configure(struct subject *subject) {
  if (subject->config == NULL) return 1;
  stage("configure");
  if (subject->declared.configure == NULL) {
    finding(SEVERITY_FAIL, "configure", "--config has nowhere to go.",
            "Leave --config out, or set plugin_declaration.configure.",
            "plugin_declaration.configure is NULL");
    return 0;
  }
  int32_t code = subject->declared.configure((const uint8_t *)subject->config,
                                             strlen(subject->config));
  if (code == MCP_OK) return 1;
  finding(SEVERITY_FAIL, "configure", "The plugin refuses the configuration.",
          "Compare --config with outboard-call PLUGIN.so --schema.",
          "configure returned %d", (int)code);
  return 0;
}

int subject_init(struct subject *subject) {
  struct answer answer = {0};
  if (subject->declared.init == NULL) return 1;
  stage("init");
  answer.code = subject->declared.init(&answer.bytes, &answer.size);
  if (answer.code == MCP_OK) {
    subject_free(subject, &answer);
    return 1;
  }
  char *text = json_error_text(answer.bytes, answer.size);
  finding(subject->config == NULL ? SEVERITY_WARN : SEVERITY_FAIL, "init",
          "Nothing that needs a running plugin can be looked at.",
          subject->config == NULL
              ? "Give the doctor a configuration that works: --config."
              : "Find out why init fails with this --config.",
          "init returned %d: %s", (int)answer.code,
          text != NULL ? text : "no reason given");
  free(text);
  subject_free(subject, &answer);
  return 0;
}

int subject_start(struct subject *subject) {
  return subject_open(subject) && subject_configure(subject) &&
         subject_init(subject);
}

struct answer subject_call(const struct subject *subject) {
  return plugin_call(&subject->plugin, subject->tool, subject->args,
                     subject->args_size);
}

void subject_free(const struct subject *subject, struct answer *answer) {
  answer_free(&subject->plugin, answer);
}

const char *answer_fault(const struct answer *answer) {
  const char *fault = json_fault(answer->bytes, answer->size);
  if (answer->code == MCP_OK) return fault;
  if (answer->bytes == NULL) return NULL; /* allowed: no reason */
  if (fault != NULL) return fault;
  char *text = json_error_text(answer->bytes, answer->size);
  free(text);
  return text != NULL ? NULL : "an error's body is not {\"error\":\"...\"}";
}

static struct answer copy_of(const struct answer *answer) {
  struct answer copy = *answer;
  copy.bytes = malloc(answer->size + 1);
  if (copy.bytes == NULL) abort();
  if (answer->bytes != NULL)
    memcpy(copy.bytes, answer->bytes, answer->size);
  else
    copy.size = 0;
  return copy;
}

static int same_bytes(const struct answer *a, const struct answer *b) {
  return a->code == b->code && a->size == b->size &&
         (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* Same types, and the same members of objects. */
static int same_shape(const json_t *a, const json_t *b) {
  const char *key;
  json_t *member;
  if (json_is_number(a) && json_is_number(b)) return 1;
  if (json_is_boolean(a) && json_is_boolean(b)) return 1;
  if (a == NULL || b == NULL || json_typeof(a) != json_typeof(b)) return 0;
  if (!json_is_object(a)) return 1;
  if (json_object_size(a) != json_object_size(b)) return 0;
  json_object_foreach((json_t *)a, key, member) {
    if (!same_shape(member, json_object_get(b, key))) return 0;
  }
  return 1;
}

/* Calls up to n times in a sixteenth of the limit, but three times in any
 * case; notes whether an answer differs. */
static void look_for_variety(const struct subject *subject,
                             struct reference *reference, int n) {
  int64_t end = now_ms() + subject->limit_ms / 16;
  for (int i = 0; i < n && !reference->varies && (i < 3 || now_ms() < end);
       i++) {
    struct answer answer = subject_call(subject);
    if (!same_bytes(&reference->answer, &answer)) reference->varies = 1;
    subject_free(subject, &answer);
  }
}

struct reference reference_take(const struct subject *subject) {
  struct reference reference = {.varies = subject->vary};
  struct answer answer = subject_call(subject);
  reference.answer = copy_of(&answer);
  subject_free(subject, &answer);
  look_for_variety(subject, &reference, 20);
  return reference;
}

int reference_varies_after_all(const struct subject *subject,
                               struct reference *reference) {
  look_for_variety(subject, reference, 200);
  return reference->varies;
}

enum match reference_match(const struct reference *reference,
                           const struct answer *answer) {
  if (same_bytes(&reference->answer, answer)) return MATCHES;
  if (reference->answer.code != answer->code || answer->bytes == NULL)
    return OTHER_SHAPE;
  json_t *a = json_loadb((const char *)reference->answer.bytes,
                         reference->answer.size, JSON_READ_FLAGS, NULL);
  json_t *b = json_loadb((const char *)answer->bytes, answer->size,
                         JSON_READ_FLAGS, NULL);
  int same = same_shape(a, b);
  json_decref(a);
  json_decref(b);
  return !same ? OTHER_SHAPE : reference->varies ? MATCHES : OTHER_CONTENT;
}

static size_t guarded_room(size_t size) {
  return (size + 2 * 4096 - 1) / 4096 * 4096; /* at least one page */
}

uint8_t *guarded_copy(const void *bytes, size_t size) {
  size_t room = guarded_room(size);
  uint8_t *pages = mmap(NULL, room + 4096, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) abort();
  mprotect(pages + room, 4096, PROT_NONE);
  memcpy(pages + room - size, bytes, size);
  return pages + room - size;
}

void guarded_free(uint8_t *bytes, size_t size) {
  size_t room = guarded_room(size);
  munmap(bytes + size - room, room + 4096);
}
