/* The one symbol that build/plugins/pricing.so exports. */
#include "pricing_plugin.h"

MCP_EXPORT const mcp_plugin plugin_declaration = {
    .api_version = (const uint8_t *)MCP_PLUGIN_API_VERSION,
    .list_tools = pricing_list_tools,
    .execute_tool = pricing_execute_tool,
    .free_string = pricing_free_string,
    .configure = pricing_configure,
    .init = pricing_init,
    .get_config_schema = pricing_get_config_schema,
};
