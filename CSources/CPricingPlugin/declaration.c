/* The one symbol that build/plugins/pricing.so exports, and what has to be done
 * before Swift is entered.
 *
 * In a fork child no call but of the catalog may reach Swift. Decoding
 * arguments may make the Swift runtime build a type's metadata under a lock,
 * and a lock that another thread of the parent held at the fork is held for
 * ever in the child: such calls hung, one child in some hundreds. */
#include <outboard_spi.h>
#include <stdatomic.h>

#include "pricing_plugin.h"

static _Atomic uint32_t home; /* ob_spi_process of the first good init */

static int in_child(void) {
  uint32_t process = atomic_load_explicit(&home, memory_order_relaxed);
  return process != 0 && process != ob_spi_process();
}

static int32_t refuse(uint8_t **buf, size_t *len) {
  return mcp_error(buf, len,
                   "The engine: the engine belongs to the parent process: "
                   "call the plugin there, or load it after the fork");
}

static int32_t configure(const uint8_t *json, size_t len) {
  return in_child() ? MCP_ERROR : pricing_configure(json, len);
}

static int32_t init(uint8_t **err, size_t *err_len) {
  uint32_t none = 0;
  int32_t code;
  if (in_child()) return refuse(err, err_len);
  code = pricing_init(err, err_len);
  if (code == MCP_OK)
    atomic_compare_exchange_strong(&home, &none, ob_spi_process());
  return code;
}

static int32_t execute_tool(const char *name, const uint8_t *args,
                            size_t args_len, uint8_t **buf, size_t *len) {
  if (in_child()) return refuse(buf, len);
  return pricing_execute_tool(name, args, args_len, buf, len);
}

MCP_EXPORT const mcp_plugin plugin_declaration = {
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
    .list_tools = pricing_list_tools,
    .execute_tool = execute_tool,
    .free_string = pricing_free_string,
    .configure = configure,
    .init = init,
    .get_config_schema = pricing_get_config_schema,
};
