#!/usr/bin/env bash
# One look at the host, for run.sh, which sets node, work, PRICING, CLOCK,
# GUEST and ENGINE: look.sh part NAME..., quiet, symbols local|global.
set -u
cd "$(dirname "$0")" || exit 1

part() { # PART [ARGUMENT...]
  local code
  "$node" host.js "$@"
  code=$?
  [ $code -eq 0 ] || echo "exit status $code"
  [ $code -eq 0 ]
}

# The process writes what the host says, and nothing else on either stream.
quiet() {
  local out=$work/quiet.out err=$work/quiet.err code
  part quiet >"$out" 2>"$err"
  code=$?
  cat "$out" "$err"
  [ $code -eq 0 ] && [ ! -s "$err" ] && [ "$(cat "$out")" = 'host: 600 calls' ]
}

# The addresses, as the process sees them, and the loader's own account.
symbols() { # local|global
  local said log=$work/bindings
  SYMBOLS=$(nm -D --defined-only "$PRICING" "$CLOCK" | awk 'NF == 3 { print $3 }')
  export SYMBOLS
  rm -f "$log".*
  said=$(LD_BIND_NOW=1 LD_DEBUG=bindings LD_DEBUG_OUTPUT=$log \
    "$node" host.js symbols "$1" 2>&1) || {
    echo "$said"
    return 1
  }
  cat "$log".* >"$log"
  printf '%s: %s; ' "$1" "$said"
  python3 ../support/bindings.py "$log" "$PRICING" "$CLOCK" --addon "$ENGINE" \
    uv_close uv_handle_size uv_is_closing uv_poll_init uv_poll_start uv_ref \
    uv_unref uv_version_string
}

"$@"
