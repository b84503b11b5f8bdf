/* The pricing plugin's entry points, implemented in Swift
 * (Sources/PricingPlugin/Entry.swift), and the declaration over them, which
 * has to be C: Swift cannot lay out an exported constant of function pointers.
 * What each does and owns is said in mcp_plugin.h. */
#ifndef PRICING_PLUGIN_H
#define PRICING_PLUGIN_H

#include <mcp_plugin.h>

extern const mcp_plugin plugin_declaration;

int32_t pricing_list_tools(uint8_t **buf, size_t *len);
int32_t pricing_execute_tool(const char *name, const uint8_t *args,
                             size_t args_len, uint8_t **buf, size_t *len);
void pricing_free_string(uint8_t *ptr, size_t len);
int32_t pricing_configure(const uint8_t *json, size_t len);
int32_t pricing_init(uint8_t **err, size_t *err_len);
int32_t pricing_get_config_schema(uint8_t **buf, size_t *len);

#endif
