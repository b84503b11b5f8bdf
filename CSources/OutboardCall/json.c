/* JSON: jansson decides what is JSON, the text itself is what is printed. */
#include "call.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_LIMIT ((size_t)64 << 20)

static char *read_file(const char *what, const char *path) {
  FILE *file = fopen(path, "rb");
  size_t size = 0, capacity = 1 << 16;
  char *text = malloc(capacity + 1);
  while (file != NULL && text != NULL && !feof(file) && !ferror(file)) {
    size += fread(text + size, 1, capacity - size, file);
    if (size < capacity) continue;
    capacity *= 2;
    char *more = capacity <= FILE_LIMIT ? realloc(text, capacity + 1) : NULL;
    if (more == NULL) free(text);
    text = more;
  }
  if (text == NULL) fail(EXIT_JSON, NULL, "%s: %s is too large", what, path);
  if (file == NULL || ferror(file))
    fail(EXIT_JSON, "check the path after @", "%s: cannot read %s: %s", what,
         path, strerror(errno));
  fclose(file);
  text[size] = 0;
  return text;
}

char *json_argument(const char *what, const char *given) {
  json_error_t error;
  char *text = given[0] == '@' ? read_file(what, given + 1) : strdup(given);
  if (text == NULL) fail(EXIT_JSON, NULL, "%s: out of memory", what);
  json_t *root = json_loads(text, JSON_READ_FLAGS, &error);
  if (root == NULL)
    fail(EXIT_JSON, "quote JSON for the shell: '{\"name\":1}'",
         "%s is not JSON: %s (line %d, column %d)", what, error.text,
         error.line, error.column);
  if (!json_is_object(root))
    fail(EXIT_JSON, "give an object: '{\"name\":1}'",
         "%s must be a JSON object", what);
  json_decref(root);
  return text;
}

const char *json_fault(const uint8_t *bytes, size_t size) {
  static _Thread_local json_error_t error;
  if (bytes == NULL || size == 0) return "it is empty";
  json_t *root = json_loadb((const char *)bytes, size, JSON_READ_FLAGS, &error);
  json_decref(root);
  return root != NULL ? NULL : error.text;
}

/* Copies a string token to stdout; returns the index behind it. */
static size_t print_string(const uint8_t *bytes, size_t size, size_t at) {
  size_t start = at++;
  while (at < size && bytes[at] != '"') at += bytes[at] == '\\' ? 2 : 1;
  at++;
  fwrite(bytes + start, 1, at - start, stdout);
  return at;
}

static void new_line(unsigned depth) {
  fputc('\n', stdout);
  for (unsigned i = 0; i < depth; i++) fputs("  ", stdout);
}

static size_t skip_space(const uint8_t *bytes, size_t size, size_t at) {
  while (at < size && strchr(" \t\r\n", bytes[at]) != NULL) at++;
  return at;
}

/* The text is JSON already (json_fault), so brackets and quotes match. */
void json_print(const uint8_t *bytes, size_t size) {
  unsigned depth = 0;
  size_t at = skip_space(bytes, size, 0);
  while (at < size) {
    uint8_t c = bytes[at];
    size_t next = skip_space(bytes, size, at + 1);
    if (c == '"') {
      at = skip_space(bytes, size, print_string(bytes, size, at));
      continue;
    }
    int closes = next < size && (bytes[next] == '}' || bytes[next] == ']');
    if (c == '}' || c == ']') new_line(--depth);
    fputc(c, stdout);
    if (c == ':') fputc(' ', stdout);
    if (c == ',') new_line(depth);
    if ((c == '{' || c == '[') && closes) {
      fputc(bytes[next], stdout);
      next = skip_space(bytes, size, next + 1);
    } else if (c == '{' || c == '[') {
      new_line(++depth);
    }
    at = next;
  }
  fputc('\n', stdout);
}

char *json_error_text(const uint8_t *bytes, size_t size) {
  if (bytes == NULL) return NULL;
  json_t *root = json_loadb((const char *)bytes, size, JSON_READ_FLAGS, NULL);
  const char *text = json_string_value(json_object_get(root, "error"));
  char *copy = text != NULL ? strdup(text) : NULL;
  json_decref(root);
  return copy;
}

static int is_required(const json_t *schema, const char *name) {
  size_t i;
  json_t *entry;
  json_array_foreach(json_object_get(schema, "required"), i, entry) {
    const char *text = json_string_value(entry);
    if (text != NULL && strcmp(text, name) == 0) return 1;
  }
  return 0;
}

/* name(a: integer, b?: string), then the description and each parameter's. */
static void print_tool(json_t *tool) {
  json_t *schema = json_object_get(tool, "inputSchema");
  json_t *properties = json_object_get(schema, "properties");
  const char *text, *name;
  json_t *property;
  int first = 1;
  printf("%s(", json_string_value(json_object_get(tool, "name")));
  json_object_foreach(properties, name, property) {
    text = json_string_value(json_object_get(property, "type"));
    printf("%s%s%s: %s", first ? "" : ", ", name,
           is_required(schema, name) ? "" : "?", text != NULL ? text : "any");
    first = 0;
  }
  printf(")\n");
  text = json_string_value(json_object_get(tool, "description"));
  if (text != NULL) printf("    %s\n", text);
  json_object_foreach(properties, name, property) {
    text = json_string_value(json_object_get(property, "description"));
    if (text != NULL) printf("    %s: %s\n", name, text);
  }
}

const char *json_print_tools(const struct answer *answer, int names_only) {
  size_t i;
  json_t *tool;
  const char *fault = json_fault(answer->bytes, answer->size);
  if (fault != NULL) return fault;
  json_t *root = json_loadb((const char *)answer->bytes, answer->size,
                            JSON_READ_FLAGS, NULL);
  if (!json_is_array(root)) fault = "it is not an array";
  json_array_foreach(root, i, tool) {
    if (!json_is_string(json_object_get(tool, "name")))
      fault = "a tool has no name";
  }
  if (fault == NULL && names_only) printf("%zu tools", json_array_size(root));
  if (fault == NULL) json_array_foreach(root, i, tool) {
      if (!names_only)
        print_tool(tool);
      else
        printf("%s %s", i == 0 ? ":" : ",",
               json_string_value(json_object_get(tool, "name")));
    }
  if (fault == NULL && names_only) printf("\n");
  json_decref(root);
  return fault;
}
