/* Status names and texts, from the one map in outboard_status.h. */
#include "internal.h"

const char *ob_err_name(int status) {
  switch (status) {
#define XX(name, value, text) \
  case value:                 \
    return "OB_" #name;
    OB_STATUS_MAP(XX)
#undef XX
    default:
      return "OB_?";
  }
}

const char *ob_strerror(int status) {
  switch (status) {
#define XX(name, value, text) \
  case value:                 \
    return text;
    OB_STATUS_MAP(XX)
#undef XX
    default:
      return "not an Outboard status";
  }
}

uint32_t ob_version(void) {
  return OB_VERSION_NUMBER;
}

const char *ob_version_string(void) {
  return OB_VERSION_STRING;
}
