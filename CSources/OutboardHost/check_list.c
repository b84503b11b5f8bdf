/* list: the tools and the configuration's schema, before anything is
 * configured and after. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define LIST_CURE                                            \
  "Answer [{\"name\":..,\"description\":..,\"inputSchema\":" \
  "{\"type\":\"object\",\"properties\":{..},\"required\":[..]}}]."
#define LIST_WHY "Hosts show these schemas to their users and models."

/* Whether an array holds the string. */
static int has_string(const json_t *array, const char *text) {
  size_t i;
  json_t *entry;
  json_array_foreach(array, i, entry) {
    const char *other = json_string_value(entry);
    if (other != NULL && strcmp(other, text) == 0) return 1;
  }
  return 0;
}

static void look_at_schema(const char *name, const json_t *schema) {
  const char *type = json_string_value(json_object_get(schema, "type"));
  json_t *properties = json_object_get(schema, "properties");
  json_t *required = json_object_get(schema, "required"), *entry;
  size_t i;
  if (!json_is_object(schema))
    finding(SEVERITY_FAIL, "schema", LIST_WHY, LIST_CURE,
            "%s: inputSchema is no object", name);
  else if (type == NULL || strcmp(type, "object") != 0)
    finding(SEVERITY_FAIL, "schema", LIST_WHY, LIST_CURE,
            "%s: inputSchema's type is not \"object\"", name);
  if ((properties != NULL && !json_is_object(properties)) ||
      (required != NULL && !json_is_array(required)))
    finding(SEVERITY_FAIL, "schema", LIST_WHY, LIST_CURE,
            "%s: properties must be an object and required an array", name);
  json_array_foreach(required, i, entry) {
    const char *text = json_string_value(entry);
    if (text == NULL || json_object_get(properties, text) == NULL)
      finding(SEVERITY_WARN, "required",
              "A caller cannot know what to give for it.",
              "Name only members of properties in required.",
              "%s requires '%s', which is no property", name,
              text != NULL ? text : "(no string)");
  }
}

static void look_at_tool(const json_t *tool, json_t *names) {
  static const char plain[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
  const char *name = json_string_value(json_object_get(tool, "name"));
  if (name == NULL || name[0] == 0) {
    finding(SEVERITY_FAIL, "name", "A tool is called by its name.", LIST_CURE,
            "a tool has no name");
    return;
  }
  if (has_string(names, name))
    finding(SEVERITY_FAIL, "twice", "Which of the two is called?",
            "Give each tool a name of its own.", "two tools are called '%s'",
            name);
  json_array_append_new(names, json_string(name));
  if (strspn(name, plain) != strlen(name) || strlen(name) > 128)
    finding(SEVERITY_WARN, "name", "Hosts and models refuse such names.",
            "Use 1 to 128 letters, digits, '_', '-', '.' and '/'.",
            "a tool is called '%s'", name);
  if (!json_is_string(json_object_get(tool, "description")))
    finding(SEVERITY_WARN, "description",
            "A model chooses tools by their descriptions.", LIST_CURE,
            "%s has no description", name);
  look_at_schema(name, json_object_get(tool, "inputSchema"));
}

/* The tools, owned by the caller; NULL after reporting what is wrong. */
static json_t *read_list(struct subject *subject, const char *when) {
  struct answer answer = {0};
  json_t *root = NULL;
  stage("list_tools %s", when);
  answer.code = subject->declared.list_tools(&answer.bytes, &answer.size);
  const char *fault = json_fault(answer.bytes, answer.size);
  if (answer.code != MCP_OK)
    finding(SEVERITY_FAIL, "refused",
            "Hosts ask for the schemas before they configure a plugin.",
            "Answer list_tools at any time, from constants.",
            "list_tools %s returned %d", when, (int)answer.code);
  else if (fault != NULL)
    finding(SEVERITY_FAIL, "json", LIST_WHY, LIST_CURE,
            "list_tools %s is not JSON: %s", when, fault);
  else
    root = json_loadb((const char *)answer.bytes, answer.size, JSON_READ_FLAGS,
                      NULL);
  if (root != NULL && !json_is_array(root)) {
    finding(SEVERITY_FAIL, "array", LIST_WHY, LIST_CURE,
            "list_tools answers no bare array");
    json_decref(root);
    root = NULL;
  }
  subject_free(subject, &answer);
  return root;
}

void look_at_answer(struct subject *subject, const char *what,
                    int32_t (*ask)(uint8_t **, size_t *), const char *member) {
  struct answer answer = {0};
  if (ask == NULL) return;
  stage("%s", what);
  answer.code = ask(&answer.bytes, &answer.size);
  json_t *root =
      answer.bytes != NULL
          ? json_loadb((const char *)answer.bytes, answer.size,
                       JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL)
          : NULL;
  if (answer.code == MCP_OK &&
      (!json_is_object(root) ||
       (member != NULL && !json_is_array(json_object_get(root, member)))))
    finding(SEVERITY_FAIL, "answer", "Hosts cannot use it.",
            "Answer a JSON object as mcp_plugin.h has it, or set the member "
            "to NULL.",
            "%s answers no object%s%s%s", what,
            member != NULL ? " with an array '" : "",
            member != NULL ? member : "", member != NULL ? "'" : "");
  if (answer.code != MCP_OK && member == NULL)
    finding(SEVERITY_WARN, "answer", "Users cannot see how to configure it.",
            "Answer at any time, from constants.", "%s returned %d", what,
            (int)answer.code);
  json_decref(root);
  subject_free(subject, &answer);
}

static void compare(const json_t *first, const json_t *other,
                    const char *when) {
  if (first != NULL && other != NULL && !json_equal(first, other))
    finding(SEVERITY_WARN, "changes",
            "Hosts ask once and keep what they were told.",
            "Answer list_tools from constants.", "another answer %s", when);
}

void check_list(struct subject *subject) {
  if (!subject_open(subject)) return;
  json_t *first = read_list(subject, "before configure"), *tool;
  json_t *names = json_array();
  size_t i;
  json_array_foreach(first, i, tool) look_at_tool(tool, names);
  if (first != NULL && json_array_size(first) == 0)
    finding(SEVERITY_WARN, "empty", "A host has nothing to call.", LIST_CURE,
            "no tools");
  json_t *second = read_list(subject, "before configure, again");
  compare(first, second, "the second time");
  look_at_answer(subject, "get_config_schema",
                 subject->declared.get_config_schema, NULL);
  /* Whether it starts at all is another check's business. */
  if (first != NULL && subject->declared.configure != NULL &&
      subject->config != NULL) {
    stage("configure");
    subject->declared.configure((const uint8_t *)subject->config,
                                strlen(subject->config));
    json_t *third = read_list(subject, "after configure");
    compare(first, third, "after configure");
    json_decref(third);
  }
  summary("%zu tools, listed before configure", json_array_size(first));
  json_decref(first);
  json_decref(second);
  json_decref(names);
}
