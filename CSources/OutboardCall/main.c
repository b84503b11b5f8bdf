/* outboard-call: loads a plugin, configures, initialises, lists, calls.
 *
 * The order is that of the ABI's real hosts. The program ends by returning
 * from main with the plugin still loaded, as they do; --unload is for testing
 * that a plugin survives the other way too. */
#include "call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_json(const struct options *options,
                       const struct answer *answer) {
  if (options->quiet) return;
  if (options->raw) {
    fwrite(answer->bytes, 1, answer->size, stdout);
    fputc('\n', stdout);
  } else {
    json_print(answer->bytes, answer->size);
  }
}

static void print_schema(const struct plugin *plugin,
                         const struct options *options) {
  const mcp_plugin *d = plugin->declaration;
  struct answer answer = {0};
  if (d->get_config_schema == NULL)
    fail(EXIT_ABI, NULL, "%s has no configuration schema", plugin->path);
  answer.code = d->get_config_schema(&answer.bytes, &answer.size);
  if (answer.code != MCP_OK)
    fail(EXIT_TOOL, NULL, "get_config_schema failed (code %d)",
         (int)answer.code);
  const char *fault = json_fault(answer.bytes, answer.size);
  if (fault != NULL)
    fail(EXIT_ANSWER, NULL, "get_config_schema's answer is not JSON: %s",
         fault);
  print_json(options, &answer);
  answer_free(plugin, &answer);
}

/* Lists the tools, or only names them when there was nothing else to do. */
static void print_tools(const struct plugin *plugin,
                        const struct options *options) {
  struct answer answer = {0};
  answer.code = plugin->declaration->list_tools(&answer.bytes, &answer.size);
  if (answer.code != MCP_OK)
    fail(EXIT_TOOL, NULL, "list_tools failed (code %d)", (int)answer.code);
  const char *fault = NULL;
  if (options->raw) {
    fault = json_fault(answer.bytes, answer.size);
    if (fault == NULL) print_json(options, &answer);
  } else {
    if (!options->list)
      printf("%s: plugin ABI %s, ", plugin->path,
             (const char *)plugin->declaration->api_version);
    fault = json_print_tools(&answer, !options->list);
  }
  if (fault != NULL)
    fail(EXIT_ANSWER, "it must be [{\"name\",\"description\",\"inputSchema\"}]",
         "list_tools' answer breaks the ABI: %s", fault);
  answer_free(plugin, &answer);
}

/* Prints a failed call's body as the user wants it; the code says the rest. */
static void print_error(const struct options *options,
                        const struct answer *answer) {
  char *text = json_error_text(answer->bytes, answer->size);
  if (options->raw && answer->bytes != NULL) {
    fwrite(answer->bytes, 1, answer->size, stdout);
    fputc('\n', stdout);
  }
  fflush(stdout);
  if (text != NULL)
    fprintf(stderr, "outboard-call: %s: %s\n", options->tool, text);
  else
    fprintf(stderr, "outboard-call: %s failed (code %d, no error text)\n",
            options->tool, (int)answer->code);
  free(text);
}

static enum exit_code call_tool(const struct plugin *plugin,
                                const struct options *options,
                                const char *args) {
  enum exit_code code = EXIT_OK;
  struct answer answer = plugin_call(plugin, options->tool, args, strlen(args));
  const char *fault = json_fault(answer.bytes, answer.size);
  if (answer.code != MCP_OK) {
    print_error(options, &answer);
    code = EXIT_TOOL;
  } else if (fault != NULL) {
    fail(EXIT_ANSWER, "the plugin's author must answer JSON",
         "%s: its answer is not JSON: %s", options->tool, fault);
  } else {
    print_json(options, &answer);
    if (options->repeat != 0) code = hammer(plugin, options, args, &answer);
  }
  answer_free(plugin, &answer);
  return code;
}

int main(int argc, char **argv) {
  struct options options;
  enum exit_code code = EXIT_OK;
  options_parse(&options, argc, argv);
  /* Before anything is loaded: a slip in JSON should have no effects. */
  char *config =
      options.config != NULL ? json_argument("--config", options.config) : NULL;
  char *args =
      json_argument("ARGS", options.args != NULL ? options.args : "{}");
  struct plugin plugin = plugin_load(options.path);
  if (options.schema) print_schema(&plugin, &options);
  if (!options.schema || options.list || options.tool != NULL) {
    if (config != NULL) plugin_configure(&plugin, config);
    plugin_init(&plugin);
    if (options.list || options.tool == NULL) print_tools(&plugin, &options);
    if (options.tool != NULL) code = call_tool(&plugin, &options, args);
  }
  free(config);
  free(args);
  if (options.unload) plugin_unload(&plugin);
  if (fflush(stdout) != 0 || ferror(stdout))
    fail(EXIT_OUTPUT, NULL, "cannot write to standard output");
  return (int)code;
}
