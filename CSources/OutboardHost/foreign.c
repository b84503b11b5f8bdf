/* Whose symbol is it? By the prefixes of libraries that hosts and plugins both
 * are known to carry, and that therefore meet in one process. */
#include <string.h>

#include "doctor.h"

struct prefix {
  const char *text; /* after '=': the whole name */
  const char *library;
};

static const struct prefix prefixes[] = {
    {"uv_", "libuv"},
    {"uv__", "libuv"},
    {"ob_", "Outboard"},
    {"ob__", "Outboard"},
    {"mcp_", "the plugin helpers"},
    {"swift_", "the Swift runtime"},
    {"_swift_", "the Swift runtime"},
    {"$s", "Swift"},
    {"$S", "Swift"},
    {"__swift", "the Swift runtime"},
    {"dispatch_", "libdispatch"},
    {"_dispatch_", "libdispatch"},
    {"curl_", "libcurl"},
    {"Curl_", "libcurl"},
    {"sqlite3", "SQLite"},
    {"SSL_", "OpenSSL"},
    {"TLS_", "OpenSSL"},
    {"CRYPTO_", "OpenSSL"},
    {"EVP_", "OpenSSL"},
    {"BIO_", "OpenSSL"},
    {"ERR_", "OpenSSL"},
    {"X509_", "OpenSSL"},
    {"OPENSSL_", "OpenSSL"},
    {"PQ", "libpq"},
    {"pq_", "libpq"},
    {"mysql_", "the MySQL client"},
    {"json_", "a JSON library (jansson, json-c)"},
    {"jansson_", "jansson"},
    {"cJSON_", "cJSON"},
    {"yajl_", "yajl"},
    {"event_", "libevent"},
    {"evbuffer_", "libevent"},
    {"ev_", "libev"},
    {"ares_", "c-ares"},
    {"nghttp2_", "nghttp2"},
    {"rust_", "the Rust runtime"},
    {"__rust_", "the Rust runtime"},
    {"_ZN3std", "the Rust standard library"},
    {"_ZN4core", "the Rust core library"},
    {"_ZN5alloc", "the Rust alloc library"},
    {"_ZN5tokio", "tokio"},
    {"g_", "GLib"},
    {"deflate", "zlib"},
    {"inflate", "zlib"},
    {"gz", "zlib"},
    {"crc32", "zlib"},
    {"compress2", "zlib"},
    {"ZSTD_", "zstd"},
    {"LZ4_", "LZ4"},
    {"XML_", "expat"},
    {"xml", "libxml2"},
    {"Py", "CPython"},
    {"_Py", "CPython"},
    {"napi_", "Node"},
    {"lua_", "Lua"},
    {"luaL_", "Lua"},
    {"redis", "hiredis"},
    {"grpc_", "gRPC"},
    {"protobuf_", "protobuf"},
    {"_ZN6google8protobuf", "protobuf"},
    {"_ZN4absl", "Abseil"},
    {"_ZN5boost", "Boost"},
    {"=malloc", "the C library's allocator"},
    {"=free", "the C library's allocator"},
    {"=calloc", "the C library's allocator"},
    {"=realloc", "the C library's allocator"},
};

const char *foreign_library(const char *symbol) {
  for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
    const char *text = prefixes[i].text;
    if (text[0] == '=' ? strcmp(symbol, text + 1) == 0
                       : strncmp(symbol, text, strlen(text)) == 0)
      return prefixes[i].library;
  }
  return NULL;
}
