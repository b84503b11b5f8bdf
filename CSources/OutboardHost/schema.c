/* The plugin's configuration schema, as a source of configurations that the
 * user did not give: ones that cannot work, and ones that differ. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "checks.h"

json_t *schema_of_config(const struct subject *subject) {
  struct answer answer = {0};
  if (subject->declared.get_config_schema == NULL) return NULL;
  stage("get_config_schema");
  answer.code =
      subject->declared.get_config_schema(&answer.bytes, &answer.size);
  json_t *schema =
      answer.code == MCP_OK && answer.bytes != NULL
          ? json_loadb((const char *)answer.bytes, answer.size, 0, NULL)
          : NULL;
  subject_free(subject, &answer);
  return schema;
}

json_t *schema_base(const struct subject *subject) {
  json_t *base =
      subject->config != NULL ? json_loads(subject->config, 0, NULL) : NULL;
  return base != NULL ? base : json_object();
}

json_t *schema_text(const json_t *property, const char *tail) {
  const char *pattern = json_string_value(json_object_get(property, "pattern"));
  char text[256];
  /* "^sqlite:.+" asks for sqlite:TAIL, so that the plugin takes it. */
  if (pattern != NULL && pattern[0] == '^')
    snprintf(text, sizeof text, "%.*s%s",
             (int)strcspn(pattern + 1, ".*+?[({\\|$"), pattern + 1, tail);
  else
    snprintf(text, sizeof text, "%s", tail);
  return json_string(text);
}

static json_int_t integer_of(const json_t *property, const char *key,
                             json_int_t otherwise) {
  const json_t *value = json_object_get(property, key);
  return json_is_number(value) ? (json_int_t)json_number_value(value)
                               : otherwise;
}

int schema_two_values(const json_t *property, json_t *out[2]) {
  const json_t *list = json_object_get(property, "enum");
  const char *type = json_string_value(json_object_get(property, "type"));
  if (json_array_size(list) >= 2) {
    for (size_t i = 0; i < 2; i++)
      out[i] = json_incref(json_array_get(list, i));
  } else if (type != NULL && strcmp(type, "boolean") == 0) {
    out[0] = json_false();
    out[1] = json_true();
  } else if (type != NULL &&
             (strcmp(type, "integer") == 0 || strcmp(type, "number") == 0)) {
    json_int_t low = integer_of(property, "exclusiveMinimum", 0) + 1;
    low = integer_of(property, "minimum", low);
    out[0] = json_integer(low);
    out[1] = json_integer(low + 1);
  } else if (type != NULL && strcmp(type, "string") == 0) {
    out[0] = schema_text(property, "outboard-host-doctor-1");
    out[1] = schema_text(property, "outboard-host-doctor-2");
  } else {
    return 0;
  }
  return 1;
}
