/* Stands in for three symbols of the C library in a static libuv.
 *
 * Debian's libuv_a.a is position independent but for its references to
 * environ, stderr and in6addr_any, which the linker refuses in a shared object.
 * The Makefile renames the references to these definitions, which are hidden in
 * the plugin. stderr and in6addr_any have their right values. environ cannot
 * (setenv moves it) and is read by uv_os_environ and uv_spawn only, which no
 * code of ours calls: Tests/Hosts/plugins.sh looks. */
#include <netinet/in.h>
#include <stdio.h>

char **ob__uv_environ = NULL;
FILE *ob__uv_stderr;
const struct in6_addr ob__uv_in6addr_any;

__attribute__((constructor)) static void set_up(void) {
  ob__uv_stderr = stderr;
}
