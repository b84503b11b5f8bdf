/* Stands in for three symbols of the C library in a static libuv.
 *
 * Debian's libuv_a.a is position independent but for its references to
 * environ, stderr and in6addr_any, which the linker refuses in a shared object.
 * The Makefile renames the references to these definitions, which are hidden in
 * the plugin. None may ever be read, since each holds nothing: environ is read
 * by uv_os_environ and uv_spawn, stderr by uv_print_all_handles, in6addr_any by
 * uv_udp_* on an unbound socket. A test looks for those functions in the plugin
 * and finds that no code of ours reaches them. */
#include <netinet/in.h>
#include <stddef.h>

char **ob__uv_environ = NULL;
void *ob__uv_stderr = NULL;
const struct in6_addr ob__uv_in6addr_any;
