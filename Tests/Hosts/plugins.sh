#!/bin/sh
# The built plugins in a real host process: what they export and need, what
# they answer, how they fail, and that nothing is lost under load. OB_BUILD is
# the build folder (default build), REPEAT the calls of each load test. Ends
# with the line 'plugins: N passed, N failed'.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${OB_BUILD:-build}
call=${OUTBOARD_CALL:-$build/bin/outboard-call}
pricing=${PRICING:-$build/plugins/pricing.so}
clock=${CLOCK:-$build/plugins/clock.so}
repeat=${REPEAT:-20000}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
out=$work/stdout
err=$work/stderr
passed=0
failed=0
# The default database goes where nobody else looks.
HOME=$work/home
export HOME
unset XDG_CACHE_HOME TMPDIR
mkdir "$HOME"

report() { # WHAT OK
  if [ "$2" -eq 0 ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $1"
    sed 's/^/  stdout: /' "$out"
    sed 's/^/  stderr: /' "$err"
  fi
}

# expect CODE FILE PATTERN OPERAND...: exit code, and a fixed string in FILE.
expect() {
  want=$1
  file=$work/std$2
  pattern=$3
  shift 3
  timeout 120 "$call" "$@" >"$out" 2>"$err" </dev/null
  code=$?
  [ "$code" -eq "$want" ] && grep -qF -- "$pattern" "$file"
  report "exit $code (wanted $want), '$pattern': $*" $?
}

self_contained() { # PLUGIN
  nm -D --defined-only "$1" >"$out" 2>"$err"
  [ "$(wc -l <"$out")" -eq 1 ] && grep -q ' plugin_declaration$' "$out"
  report "$1 exports plugin_declaration alone" $?
  ldd "$1" >"$out" 2>"$err"
  ! grep -qiE 'libuv|swift|foundation|sqlite|not found' "$out"
  report "$1 needs no libuv, Swift or SQLite" $?
  nm -D --undefined-only "$1" >"$out" 2>"$err"
  ! grep -q ' uv_' "$out"
  report "$1 imports no uv_ symbol" $?
  readelf -d "$1" >"$out" 2>"$err"
  grep -q 'FLAGS_1.*NODELETE' "$out" && ! grep -q TEXTREL "$out"
  report "$1 cannot be unmapped, and has no text relocations" $?
}

# Nothing of ours reaches what reads environ or stderr in the static libuv (see
# link/uv_stubs.c), nor libuv's process-wide pool, nor its SIGCHLD handler.
forbidden='uv_os_(environ|getenv|setenv)|uv_spawn|uv_disable_stdio|uv_print_|'
forbidden=$forbidden'uv_fs_|uv_queue_work|uv_getaddrinfo|uv_getnameinfo|uv_random'
uses_nothing_forbidden() { # ARCHIVE
  nm -u "$1" >"$out" 2>"$err"
  grep -q ' uv_' "$out" # else this looks at nothing
  report "$1 uses libuv" $?
  ! grep -qE " ($forbidden)" "$out"
  report "$1 stays away from forbidden parts of libuv" $?
}

pricing_answers() {
  expect 0 out '"price": 449.95' "$pricing" get_product_price '{"product_id":1}'
  [ -f "$HOME/.cache/outboard/pricing.db" ]
  report 'the default database is under ~/.cache' $?
  expect 0 out '"price": 1234567890123456.789012345678' \
    "$pricing" get_product_price '{"product_id":9}'
  expect 0 out '"id": 9223372036854775807' \
    "$pricing" get_product_price '{"product_id":9223372036854775807}'
  expect 0 out '"name": "100% Arabica Beans"' \
    "$pricing" search_products '{"query":"%"}'
  expect 0 out '"count": 1' "$pricing" search_products '{"query":"%"}'
  expect 0 out '"status": "ok"' "$pricing" health
  expect 0 out 'get_product_price(product_id: integer)' "$pricing" --list
  expect 0 out '"additionalProperties": false' "$pricing" --schema
  expect 0 out '"price": 449.95' "$pricing" get_product_price \
    '{"product_id":1}' --unload
  expect 0 out '"products": 10' "$pricing" health \
    --config '{"database_url":"sqlite::memory:"}'
  timeout 60 "$call" "$pricing" health --quiet >"$out" 2>"$err"
  [ $? -eq 0 ] && [ ! -s "$out" ] && [ ! -s "$err" ]
  report 'the plugin prints nothing of its own' $?
}

pricing_errors() {
  expect 1 err 'Product 11 not found' \
    "$pricing" get_product_price '{"product_id":11}'
  expect 1 out '{"error":"Product -1 not found"}' \
    "$pricing" get_product_price '{"product_id":-1}' --raw
  expect 1 err 'product_id must be an integer of 64 bits' \
    "$pricing" get_product_price '{"product_id":9223372036854775808}'
  expect 1 err 'product_id is missing' "$pricing" get_product_price
  expect 1 err 'Unknown tool: nonsense' "$pricing" nonsense
  expect 6 err 'Unknown configuration member "database"' \
    "$pricing" health --config '{"database":"sqlite:x"}'
  expect 6 err 'max_connections must be from 1 to 64, not 0' \
    "$pricing" health --config '{"max_connections":0}'
  expect 7 err 'cannot open /nowhere/p.db: unable to open database file' \
    "$pricing" health --config '{"database_url":"sqlite:/nowhere/p.db"}'
  echo 'this is a text, and no database at all' >"$work/text.db"
  expect 7 err 'file is not a database' \
    "$pricing" health --config "{\"database_url\":\"sqlite:$work/text.db\"}"
  (HOME=/proc/none XDG_CACHE_HOME=$work/xdg "$call" "$pricing" health) \
    >"$out" 2>"$err"
  [ -f "$work/xdg/outboard/pricing.db" ]
  report 'XDG_CACHE_HOME is honoured' $?
  mkdir "$work/tmp"
  (HOME=/proc/none TMPDIR=$work/tmp "$call" "$pricing" health) >"$out" 2>"$err"
  [ -f "$work/tmp/outboard-$(id -u)/pricing.db" ]
  report 'without a home it is a private folder under TMPDIR' $?
}

clock_answers() {
  expect 0 out '"elapsed_ms": ' "$clock" wait_both \
    '{"first_ms":150,"second_ms":200}'
  elapsed=$(sed -n 's/.*"elapsed_ms": \([0-9]*\).*/\1/p' "$out")
  [ "${elapsed:-0}" -ge 200 ] && [ "${elapsed:-0}" -lt 345 ]
  report 'two waits at once take as long as the longer one' $?
  expect 1 err 'no answer: deadline expired' "$clock" wait_both \
    '{"first_ms":1,"second_ms":60000,"timeout_ms":50}'
  expect 1 err 'must be 0 to 60000' "$clock" wait_both '{"first_ms":1}'
  expect 1 err 'must be 0 to 60000' "$clock" wait_both \
    '{"first_ms":-1,"second_ms":1}'
  expect 1 err 'timeout_ms must be' "$clock" wait_both \
    '{"first_ms":1,"second_ms":1,"timeout_ms":"1"}'
  expect 0 out '"status": "ok"' "$clock" health --unload
}

load() {
  expect 0 out "$repeat equal to the first, 0 wrong, 0 errors" \
    "$pricing" get_product_price '{"product_id":9}' \
    --threads 16 --repeat "$repeat"
  expect 0 out "$repeat asked, $repeat answered, 0 lost" \
    "$pricing" search_products '{"query":"e"}' --threads 4 --repeat "$repeat"
  expect 0 out "$repeat asked, $repeat answered, 0 lost" "$pricing" health \
    --threads 8 --repeat "$repeat" --vary \
    --config '{"database_url":"sqlite::memory:"}'
  expect 0 out "$repeat asked, $repeat answered, 0 lost" \
    "$clock" wait_both '{"first_ms":0,"second_ms":1}' \
    --threads 64 --repeat "$repeat" --vary
  expect 0 out "$repeat asked, $repeat answered, 0 lost" \
    "$clock" health --threads 16 --repeat "$repeat" --vary
}

self_contained "$pricing"
self_contained "$clock"
uses_nothing_forbidden "$build/lib/liboutboard.a"
uses_nothing_forbidden "$build/swift/release/libPricingPlugin.a"
pricing_answers
pricing_errors
clock_answers
load
echo "plugins: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
