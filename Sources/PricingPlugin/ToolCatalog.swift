/// What `list_tools` answers.
enum ToolCatalog {
  static let json = """
    [{"name":"get_product_price",\
    "description":"Looks up a product by its id: name, exact price and description.",\
    "inputSchema":{"type":"object","properties":{\
    "product_id":{"type":"integer","description":"Id of the product, 64 bits"}},\
    "required":["product_id"]}},\
    {"name":"search_products",\
    "description":"Finds products whose name contains a text, ASCII letters in either case; \
    100 at most.",\
    "inputSchema":{"type":"object","properties":{\
    "query":{"type":"string","description":"Part of the name; taken literally"}},\
    "required":["query"]}},\
    {"name":"health",\
    "description":"Reads the database on a real connection and reports the engine's counters.",\
    "inputSchema":{"type":"object","properties":{},"required":[]}}]
    """
}
