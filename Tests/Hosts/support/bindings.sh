#!/usr/bin/env bash
# Runs a host and reads the dynamic linker's own record of it: bindings.py.
#   bindings.sh PLUGIN[,PLUGIN] COMMAND...
set -u
plugins=$1
shift
log=$(mktemp -d) || exit 1
trap 'rm -rf "$log"' EXIT
LD_DEBUG=bindings LD_DEBUG_OUTPUT=$log/of "$@" || exit 1
IFS=, read -ra plugins <<<"$plugins"
python3 "$(dirname "$0")/bindings.py" "$log" "${plugins[@]}"
