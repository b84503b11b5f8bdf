extension Configuration {
  /// JSON Schema of the configuration; a test holds it against the defaults
  /// and bounds.
  static let schema = """
    {"$schema":"https://json-schema.org/draft/2020-12/schema",\
    "title":"Pricing plugin","type":"object","additionalProperties":false,\
    "properties":{\
    "database_url":{"type":"string","pattern":"^sqlite:.+",\
    "description":"sqlite:PATH, or sqlite::memory: for a database that ends \
    with the process. An empty database is filled with sample products on \
    first use. Without it: outboard/pricing.db under $XDG_CACHE_HOME or \
    ~/.cache, else under $TMPDIR/outboard-UID. No other SQLite in the same \
    process may have the file open."},\
    "max_connections":{"type":"integer","minimum":1,"maximum":64,"default":5,\
    "description":"Most connections open at once; one for a database in memory"},\
    "timeout_seconds":{"type":"number","minimum":0.001,"maximum":3600,\
    "default":30,"description":"Deadline of each call, and of the start"}}}
    """
}
