#!/bin/sh
# The dynamic linker's own record of a Java host with the plugins, loaded with
# RTLD_LOCAL and with RTLD_GLOBAL. Arguments: java and its options.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
total=0
for mode in local global; do
  mkdir "$folder/$mode"
  LD_DEBUG=bindings LD_DEBUG_OUTPUT=$folder/$mode/ld "$@" Symbols "$mode" || exit 1
  said=$("$PYTHON" ../support/bindings.py "$folder/$mode" "$PRICING" "$CLOCK") || {
    echo "$said"
    exit 1
  }
  total=$((total + ${said%% *}))
done
echo "$total bindings of the plugins, none to the host or from it; with" \
  "RTLD_GLOBAL the declaration alone is visible"
