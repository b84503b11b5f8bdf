/* failure: configurations that cannot work, and too few descriptors. The plugin
 * may refuse; it may not take the process with it.
 *
 * Variant 0 is --bad-config. Without it, variants 0 to 7 spoil one property
 * each of the plugin's own configuration schema. The rest start the plugin with
 * that many descriptors to spare. */
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "checks.h"

#define SPOILED 8
#define NOWHERE "/nonexistent/outboard-host-doctor/x"

static const unsigned spare_descriptors[] = {0, 1, 2, 4, 8};

/* A value of the right type that cannot work. */
static json_t *spoiled(const json_t *property) {
  const char *type = json_string_value(json_object_get(property, "type"));
  if (type != NULL && strcmp(type, "string") != 0) return json_integer(-1);
  return schema_text(property, NOWHERE);
}

/* The i-th bad configuration; NULL when there are no more. Caller frees. */
static char *bad_configuration(struct subject *subject, size_t i) {
  const char *name;
  json_t *property;
  if (subject->bad_config != NULL)
    return i == 0 ? strdup(subject->bad_config) : NULL;
  json_t *schema = schema_of_config(subject), *config = schema_base(subject);
  char *text = NULL;
  json_object_foreach(json_object_get(schema, "properties"), name, property) {
    if (i-- != 0) continue;
    json_object_set_new(config, name, spoiled(property));
    text = json_dumps(config, JSON_COMPACT);
    break;
  }
  json_decref(schema);
  json_decref(config);
  return text;
}

static void end(const struct subject *subject) {
  if (!subject->exit_fails) leave(0);
}

/* init's refusal must explain itself. */
static void look_at_refusal(struct answer *answer) {
  const char *fault = answer_fault(answer);
  if (answer->code == MCP_OK) return;
  if (fault != NULL)
    finding(SEVERITY_FAIL, "body", "The user is told nothing that helps.",
            "Answer {\"error\":\"cause and cure\"} with code 1.",
            "init returned %d: %s", (int)answer->code, fault);
  else if (answer->bytes == NULL)
    finding(SEVERITY_WARN, "silent", "The user is told nothing.",
            "Answer {\"error\":\"cause and cure\"} with code 1.",
            "init returned %d and no reason", (int)answer->code);
}

static void start_badly(struct subject *subject, const char *config) {
  struct answer answer = {0};
  int32_t code = MCP_OK;
  if (subject->declared.configure != NULL && config != NULL) {
    stage("configure with %.70s", config);
    code = subject->declared.configure((const uint8_t *)config, strlen(config));
  }
  if (code == MCP_OK && subject->declared.init != NULL) {
    stage("init after %.70s", config != NULL ? config : "no configuration");
    answer.code = subject->declared.init(&answer.bytes, &answer.size);
    look_at_refusal(&answer);
    subject_free(subject, &answer);
  }
  stage("a tool after a failed start");
  answer = subject_call(subject);
  const char *fault = answer_fault(&answer);
  /* A bad answer that is none of an error is found by another check. */
  if (answer.code != MCP_OK && fault != NULL)
    finding(SEVERITY_FAIL, "body", "Hosts cannot read the answer.",
            "Answer {\"error\":\"...\"} with code 1.",
            "after a bad start a tool answers: %s", fault);
  subject_free(subject, &answer);
}

static unsigned highest_descriptor(void) {
  struct fd_info fds[256];
  size_t count = proc_fds(fds, 256);
  unsigned highest = 2;
  for (size_t i = 0; i < count && i < 256; i++)
    if ((unsigned)fds[i].number > highest) highest = (unsigned)fds[i].number;
  return highest;
}

static void start_with_few_descriptors(struct subject *subject) {
  unsigned spare = spare_descriptors[subject->variant - SPOILED];
  struct rlimit before, limit;
  getrlimit(RLIMIT_NOFILE, &before);
  limit = before;
  limit.rlim_cur = highest_descriptor() + 1 + spare;
  setrlimit(RLIMIT_NOFILE, &limit);
  struct answer answer = {0};
  int32_t code = MCP_OK;
  stage("configure with %u descriptors to spare", spare);
  if (subject->declared.configure != NULL && subject->config != NULL)
    code = subject->declared.configure((const uint8_t *)subject->config,
                                       strlen(subject->config));
  stage("init with %u descriptors to spare", spare);
  if (code == MCP_OK && subject->declared.init != NULL) {
    answer.code = subject->declared.init(&answer.bytes, &answer.size);
    look_at_refusal(&answer);
    subject_free(subject, &answer);
  }
  stage("a tool with %u descriptors to spare", spare);
  answer = subject_call(subject);
  subject_free(subject, &answer);
  setrlimit(RLIMIT_NOFILE, &before);
  end(subject);
}

void check_failure(struct subject *subject) {
  if (!subject_open(subject)) return;
  if (subject->variant >= SPOILED) {
    start_with_few_descriptors(subject);
    return;
  }
  char *config = bad_configuration(subject, subject->variant);
  if (config == NULL) {
    if (subject->variant == 0 && subject->declared.configure != NULL)
      finding(SEVERITY_SKIPPED, "config",
              "A start that fails is a host's most common trouble.",
              "Give a configuration that cannot work: --bad-config JSON.",
              "no --bad-config, and no schema to derive one from");
    return;
  }
  start_badly(subject, config);
  summary("bad configurations, and 0 to 8 descriptors to spare");
  free(config);
  end(subject);
}
