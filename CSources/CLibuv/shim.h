/* libuv, found by pkg-config. */
#include <uv.h>
