/* configure, start: what configure makes of good and bad text, and whether the
 * plugin comes up; which of its tools the other checks may call. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"

#define CODES                                                     \
  "configure answers 0, 1 for what it does not understand, or 2 " \
  "when it is configured already."

static int32_t configure(struct subject *subject, const char *what,
                         const void *text, size_t size) {
  uint8_t *copy = guarded_copy(text, size); /* a byte too many is a crash */
  stage("configure %s", what);
  int32_t code = subject->declared.configure(copy, size);
  guarded_free(copy, size);
  return code;
}

static void configure_twice(struct subject *subject) {
  const char *text = subject->config != NULL ? subject->config : "{}";
  int32_t first = configure(subject, "once", text, strlen(text));
  if (first != MCP_OK && subject->config == NULL) {
    finding(SEVERITY_SKIPPED, "twice", "Hosts may call configure again.",
            "Give the doctor a configuration that works: --config.",
            "configure {} returned %d: it needs a configuration", (int)first);
    return;
  }
  if (first != MCP_OK) {
    finding(SEVERITY_FAIL, "refused", CODES,
            "Compare --config with the plugin's schema.",
            "configure returned %d for %.200s", (int)first, text);
    return;
  }
  int32_t second = configure(subject, "twice", text, strlen(text));
  if (second != MCP_CONFIGURED && second != MCP_OK)
    finding(SEVERITY_FAIL, "twice", CODES,
            "Keep a flag under a lock; answer 2 when it is set (0 for the very "
            "same text).",
            "configured twice alike, the second returned %d", (int)second);
}

/* 0 when the plugin refuses the first value, so that another is to be tried. */
static int differ_in(struct subject *subject, const char *name,
                     json_t *values[2]) {
  int32_t codes[2] = {MCP_ERROR, MCP_ERROR};
  char *texts[2] = {NULL, NULL};
  for (int i = 0; i < 2; i++) {
    json_t *config = schema_base(subject);
    json_object_set_new(config, name, values[i]);
    texts[i] = json_dumps(config, JSON_COMPACT);
    json_decref(config);
  }
  for (int i = 0; i < 2 && (i == 0 || codes[0] == MCP_OK); i++)
    codes[i] = configure(subject, i == 0 ? "as the schema says" : "otherwise",
                         texts[i], strlen(texts[i]));
  if (codes[0] == MCP_OK && codes[1] != MCP_CONFIGURED && codes[1] != MCP_ERROR)
    finding(SEVERITY_FAIL, "replaced",
            "The host believes that its second configuration counts.",
            "Compare with the configuration in force; answer 2 to another.",
            "after %.100s it returned %d for %.100s", texts[0], (int)codes[1],
            texts[1]);
  free(texts[0]);
  free(texts[1]);
  return codes[0] == MCP_OK;
}

/* Two configurations that the schema allows: the second must not be taken. */
static void configure_otherwise(struct subject *subject) {
  json_t *schema = schema_of_config(subject), *property, *values[2];
  const char *name;
  int tried = 0;
  json_object_foreach(json_object_get(schema, "properties"), name, property) {
    tried =
        schema_two_values(property, values) && differ_in(subject, name, values);
    if (tried) break;
  }
  json_decref(schema);
  if (!tried)
    finding(SEVERITY_NOTE, "otherwise",
            "A second, different configuration must not be taken.",
            "Describe the configuration by get_config_schema.",
            "no two configurations could be derived from a schema");
}

static void expect_refusal(struct subject *subject, enum severity severity,
                           const char *what, const void *text, size_t size) {
  int32_t code = configure(subject, what, text, size);
  if (code == MCP_OK)
    finding(severity, "accepts",
            "A slip in the user's configuration goes unnoticed.",
            "Parse it whole, check its type, and return 1.",
            "configure accepted %s", what);
  else if (code != MCP_ERROR)
    finding(SEVERITY_WARN, "code", CODES, "Return 1.",
            "configure returned %d for %s", (int)code, what);
}

static void configure_unknown(struct subject *subject) {
  json_t *schema = schema_of_config(subject), *config = schema_base(subject);
  json_object_set_new(config, "outboard_host_doctor", json_true());
  char *text = json_dumps(config, JSON_COMPACT);
  if (json_is_false(json_object_get(schema, "additionalProperties")))
    expect_refusal(subject, SEVERITY_WARN, "a member that its schema forbids",
                   text, strlen(text));
  free(text);
  json_decref(config);
  json_decref(schema);
}

static void configure_deep(struct subject *subject) {
  enum { DEPTH = 100000 };
  char *text = malloc(DEPTH + 5);
  if (text == NULL) abort();
  memcpy(text, "{\"a\":", 5);
  memset(text + 5, '[', DEPTH);
  expect_refusal(subject, SEVERITY_FAIL, "100,000 open brackets", text,
                 DEPTH + 5);
  free(text);
}

static void configure_huge(struct subject *subject) {
  enum { SIZE = 8 << 20 };
  char *text = malloc(SIZE);
  if (text == NULL) abort();
  memset(text, 'x', SIZE);
  memcpy(text, "{\"a\":\"", 6); /* a string without an end */
  expect_refusal(subject, SEVERITY_FAIL, "an endless string of 8 MiB", text,
                 SIZE);
  free(text);
}

void check_configure(struct subject *subject) {
  static const char invalid[] = "{\"a\":\"\xff\xfe\"}";
  if (!subject_open(subject)) return;
  if (subject->declared.configure == NULL) {
    summary("takes no configuration");
    return;
  }
  switch (subject->variant) {
    case 0:
      configure_twice(subject);
      break;
    case 1:
      expect_refusal(subject, SEVERITY_FAIL, "broken JSON", "{\"a\":", 5);
      break;
    case 2:
      expect_refusal(subject, SEVERITY_WARN, "an array for an object", "[]", 2);
      break;
    case 3:
      expect_refusal(subject, SEVERITY_WARN, "a string for an object",
                     "\"text\"", 6);
      break;
    case 4:
      stage("configure(NULL, 0)");
      subject->declared.configure(NULL, 0); /* any code, no crash */
      break;
    case 5:
      configure_deep(subject);
      break;
    case 6:
      expect_refusal(subject, SEVERITY_WARN, "JSON that is not UTF-8", invalid,
                     sizeof invalid - 1);
      break;
    case 7:
      configure_otherwise(subject);
      break;
    case 8:
      configure_unknown(subject);
      break;
    default:
      configure_huge(subject);
      break;
  }
  summary("good, repeated and broken texts in %d processes",
          CONFIGURE_VARIANTS);
}

/* Whether the tool answers {} without an error. */
static int answers(struct subject *subject, const char *name) {
  subject->tool = name;
  stage("calling %.64s with {}", name);
  struct answer answer = subject_call(subject);
  int good = answer.code == MCP_OK;
  subject_free(subject, &answer);
  return good;
}

static void choose_tool(struct subject *subject) {
  struct answer answer = {0};
  size_t i;
  json_t *tool;
  stage("list_tools");
  answer.code = subject->declared.list_tools(&answer.bytes, &answer.size);
  json_t *root = answer.bytes != NULL ? json_loadb((const char *)answer.bytes,
                                                   answer.size, 0, NULL)
                                      : NULL;
  json_array_foreach(root, i, tool) {
    const char *name = json_string_value(json_object_get(tool, "name"));
    const json_t *schema = json_object_get(tool, "inputSchema");
    if (name == NULL || json_array_size(json_object_get(schema, "required")))
      continue;
    if (!answers(subject, name)) continue;
    tell("tool", name);
    summary("the checks call %s", name);
    return;
  }
  tell("unreal", "1");
  finding(SEVERITY_SKIPPED, "tool",
          "The checks below see the answers to an unknown tool only.",
          "Name a tool and its arguments: --tool NAME --args JSON.",
          "no tool of %zu answers without arguments", json_array_size(root));
  summary("no tool to call");
}

static void try_tool(struct subject *subject) {
  stage("calling %.64s", subject->tool);
  struct answer answer = subject_call(subject);
  char *text = json_error_text(answer.bytes, answer.size);
  if (answer.code != MCP_OK)
    finding(SEVERITY_SKIPPED, "tool",
            "The checks below see this error and no answer.",
            "Give a tool and arguments that work.", "%s answers %d: %s",
            subject->tool, (int)answer.code, text != NULL ? text : "no reason");
  free(text);
  subject_free(subject, &answer);
  tell("tool", subject->tool);
  summary("the checks call %s", subject->tool);
}

void check_start(struct subject *subject) {
  int given = !subject->unreal;
  if (!subject_start(subject)) {
    tell("blocked", "it does not start");
    return;
  }
  if (given)
    try_tool(subject);
  else
    choose_tool(subject);
}
