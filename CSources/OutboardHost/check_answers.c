/* answers: what the plugin makes of tools and arguments that a confused or
 * hostile caller sends. Arguments end where a page without access begins. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define UNKNOWN "outboard_host_doctor_no_such_tool"
#define ERROR_CURE "Answer {\"error\":\"...\"} with code 1: mcp_error()."

static unsigned calls;

static struct answer call(struct subject *subject, const char *tool,
                          const void *args, size_t size) {
  calls++;
  if (args == NULL) return plugin_call(&subject->plugin, tool, NULL, 0);
  uint8_t *copy = guarded_copy(args, size);
  struct answer answer =
      plugin_call(&subject->plugin, tool, (const char *)copy, size);
  guarded_free(copy, size);
  return answer;
}

static int judge(const struct answer *answer, const char *what) {
  const char *fault = answer_fault(answer);
  if (fault != NULL)
    finding(SEVERITY_FAIL, answer->code == MCP_OK ? "json" : "error",
            "Hosts hand the bytes on as JSON in UTF-8.",
            answer->code == MCP_OK
                ? "Write JSON with a library, or mcp_reply() and mcp_quote()."
                : ERROR_CURE,
            "%s: code %d, %s", what, (int)answer->code, fault);
  else if (answer->code != MCP_OK && answer->bytes == NULL)
    finding(SEVERITY_WARN, "silent", "The caller is not told why.", ERROR_CURE,
            "%s: code %d and no reason", what, (int)answer->code);
  return fault == NULL;
}

static void call_unknown(struct subject *subject) {
  stage("calling a tool that does not exist");
  struct answer answer = call(subject, UNKNOWN, "{}", 2);
  if (answer.code == MCP_OK) {
    finding(SEVERITY_FAIL, "unknown", "A slip in a name looks like success.",
            "Answer unknown tools with an error that names them.",
            "a tool that does not exist answers with success");
  } else if (judge(&answer, "unknown tool") && answer.bytes != NULL) {
    char *text = json_error_text(answer.bytes, answer.size);
    if (text != NULL && strstr(text, UNKNOWN) == NULL)
      finding(SEVERITY_WARN, "unnamed", "The caller cannot see its slip.",
              "Name the tool in the error: Unknown tool: NAME.",
              "the error for an unknown tool does not name it: %.100s", text);
    free(text);
  }
  subject_free(subject, &answer);
}

static void call_odd_names(struct subject *subject) {
  enum { LONG = 65536 };
  char *name = malloc(LONG + 1);
  if (name == NULL) abort();
  memset(name, 'n', LONG);
  name[LONG] = 0;
  const char *const names[] = {"", "\xff\xfe", "quote\"back\\slash\n", name};
  const char *const what[] = {"an empty name", "a name that is not UTF-8",
                              "a name with quotes", "a name of 64 KiB"};
  for (int i = 0; i < 4; i++) {
    stage("calling %s", what[i]);
    struct answer answer = call(subject, names[i], "{}", 2);
    judge(&answer, what[i]);
    subject_free(subject, &answer);
  }
  free(name);
}

static void call_with(struct subject *subject, const char *what,
                      const void *args, size_t size) {
  stage("calling %.40s with %s", subject->tool, what);
  struct answer answer = call(subject, subject->tool, args, size);
  judge(&answer, what);
  subject_free(subject, &answer);
}

static void call_with_large(struct subject *subject) {
  enum { SIZE = 4 << 20, DEPTH = 100000 };
  char *text = malloc(SIZE);
  if (text == NULL) abort();
  memset(text, 'x', SIZE);
  memcpy(text, "{\"a\":\"", 6);
  memcpy(text + SIZE - 2, "\"}", 2);
  call_with(subject, "a string of 4 MiB", text, SIZE);
  memset(text, '[', DEPTH);
  call_with(subject, "100,000 open brackets", text, DEPTH);
  memcpy(text, "{\"a\":", 5);
  memset(text + 5 + DEPTH - 10, ']', DEPTH - 10);
  text[5 + 2 * (DEPTH - 10)] = '}';
  call_with(subject, "100,000 nested arrays", text, 6 + 2 * (DEPTH - 10));
  free(text);
}

static void call_with_odd_arguments(struct subject *subject) {
  call_with(subject, "no arguments (NULL)", NULL, 0);
  call_with(subject, "empty arguments", "", 0);
  call_with(subject, "an array", "[]", 2);
  call_with(subject, "a number", "5", 1);
  call_with(subject, "text that is no JSON", "no JSON", 7);
  call_with(subject, "JSON that breaks off", "{\"a\":\"b", 7);
  call_with(subject, "JSON that is not UTF-8", "{\"a\":\"\xff\xc0\"}", 10);
  call_with(subject, "a NUL", "{\"a\":\"\0\"}", 9);
  call_with(subject, "an escaped NUL", "{\"a\":\"\\u0000\"}", 14);
  call_with(subject, "a number beyond any", "{\"a\":1e999999999}", 17);
  call_with_large(subject);
}

/* A tool with required parameters, called with none. */
static void call_without_required(struct subject *subject) {
  struct answer list = {0};
  size_t i;
  json_t *tool;
  list.code = subject->declared.list_tools(&list.bytes, &list.size);
  json_t *root = list.bytes != NULL
                     ? json_loadb((const char *)list.bytes, list.size, 0, NULL)
                     : NULL;
  json_array_foreach(root, i, tool) {
    const json_t *schema = json_object_get(tool, "inputSchema");
    const char *name = json_string_value(json_object_get(tool, "name"));
    if (name == NULL || !json_array_size(json_object_get(schema, "required")))
      continue;
    stage("calling %.40s without what it requires", name);
    struct answer answer = call(subject, name, "{}", 2);
    if (answer.code == MCP_OK)
      finding(SEVERITY_WARN, "required",
              "The schema promises that it cannot be called like this.",
              "Check the arguments, or do not list them as required.",
              "%s answers without its required arguments", name);
    else
      judge(&answer, name);
    subject_free(subject, &answer);
  }
  json_decref(root);
  subject_free(subject, &list);
}

void check_answers(struct subject *subject) {
  if (!subject_start(subject)) return;
  look_at_answer(subject, "list_resources", subject->declared.list_resources,
                 "resources");
  look_at_answer(subject, "list_resource_templates",
                 subject->declared.list_resource_templates,
                 "resourceTemplates");
  call_unknown(subject);
  call_odd_names(subject);
  if (!subject->unreal) {
    stage("calling %.64s", subject->tool);
    call_with(subject, "its own arguments", subject->args, subject->args_size);
    call_with_odd_arguments(subject);
  }
  call_without_required(subject);
  summary("%u calls with odd names and arguments, each answered", calls);
}
