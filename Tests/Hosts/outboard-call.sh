#!/bin/sh
# outboard-call against good and deliberately bad plugins: every message and
# every exit code. OB_BUILD is the build folder (default build), CC the
# compiler. Ends with the line 'outboard-call: N passed, N failed'.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${OB_BUILD:-build}
call=${OUTBOARD_CALL:-$build/bin/outboard-call}
cc=${CC:-cc}
plugins=$build/test-plugins
sources=Tests/Hosts/c
abi=CSources/CPluginABI
mkdir -p "$plugins"
out=$plugins/stdout
err=$plugins/stderr
passed=0
failed=0

compile() { # OUTPUT [FLAG...]
  output=$1
  shift
  "$cc" -std=gnu11 -g -O1 -fPIC -Wall -Wextra -Wpedantic -Werror \
    -fvisibility=hidden -I$abi/include "$@" -o "$plugins/$output" || {
    echo "outboard-call.sh: cannot build $output" >&2
    exit 1
  }
}

plugin() { # NAME SOURCE [FLAG...]
  name=$1
  source=$2
  shift 2
  compile "$name.so" -shared "$@" "$sources/$source" $abi/src/*.c
}

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

run() { # [OPERAND...]: sets code
  timeout 60 "$call" "$@" >"$out" 2>"$err" </dev/null
  code=$?
}

# expect CODE FILE PATTERN OPERAND...: the exit code, and a fixed string that
# FILE (out or err) must contain. Errors must leave stdout empty.
expect() {
  want=$1
  stream=$2
  pattern=$3
  shift 3
  run "$@"
  ok=0
  [ "$code" -eq "$want" ] || ok=1
  if [ "$stream" = out ]; then file=$out; else file=$err; fi
  grep -qF -- "$pattern" "$file" || ok=1
  report "exit $code (wanted $want), '$pattern': outboard-call $*" $ok
}

# Every error line names the program.
expect_named() {
  expect "$@"
  grep -q '^outboard-call: ' "$err"
  report "message begins with the program's name: $*" $?
}

bad() { # VARIANT: builds it, sets so
  so=$plugins/$1.so
  plugin "$1" bad.c "-D$1"
}

usage() {
  expect 0 out 'Usage: outboard-call' --help
  expect 0 out 'Exit codes:' --help
  expect 0 out "outboard-call 0." --version
  expect_named 2 err 'which plugin?'
  expect_named 2 err "unknown or ambiguous option '--nonsense'" --nonsense x
  expect_named 2 err "unknown or ambiguous option '-z'" -z x
  expect_named 2 err '--config needs a value' x --config
  expect_named 2 err "too many operands: 'd'" "$good" b '{}' d
  expect_named 2 err 'need a TOOL' "$good" --threads 2
  expect_named 2 err 'need a TOOL' "$good" --repeat 2
  for number in 0 -1 1025 x 1x '' ' 1' 99999999999999999999; do
    expect_named 2 err "--threads: '$number' is not a number from 1 to 1024" \
      "$good" echo --threads "$number"
  done
  expect_named 2 err "--repeat: '0' is not" "$good" echo --repeat 0
  expect_named 2 err "--stall: '0' is not" "$good" echo --stall 0
}

bad_json() {
  expect_named 3 err '--config is not JSON' "$good" --config '{'
  expect_named 3 err 'line 1, column' "$good" --config '{"a" 1}'
  expect_named 3 err '--config must be a JSON object' "$good" --config '[]'
  expect_named 3 err '--config is not JSON' "$good" --config ''
  expect_named 3 err 'ARGS is not JSON' "$good" echo '{product_id:1}'
  expect_named 3 err 'ARGS must be a JSON object' "$good" echo 5
  expect_named 3 err 'cannot read /nowhere.json: No such file' \
    "$good" --config @/nowhere.json
  printf '{"text":"from a file"}' >"$plugins/args.json"
  expect 0 out '"from a file"' "$good" echo "@$plugins/args.json"
}

loading() {
  expect_named 4 err 'cannot load /nowhere.so: No such file' /nowhere.so
  expect_named 4 err 'not a regular file' "$plugins"
  echo 'not an image' >"$plugins/text.so"
  expect_named 4 err 'cannot load' "$plugins/text.so"
  expect_named 4 err 'shared object for this machine' "$plugins/text.so"
  : >"$plugins/empty.so"
  expect_named 4 err 'file too short' "$plugins/empty.so"
  bad BAD_UNDEFINED
  expect_named 4 err 'undefined symbol: nowhere' "$so"
  bad BAD_SYMBOL
  expect_named 4 err 'has no symbol plugin_declaration' "$so"
  call_path=$(realpath "$call")
  (cd "$plugins" && "$call_path" good.so) >"$out" 2>"$err"
  report 'a bare file name is the file here' $?
}

abi() {
  bad BAD_VERSION_NEW
  expect_named 5 err "plugin ABI '0.6.0', this host knows 0.1 to 0.5" "$so"
  bad BAD_VERSION_MAJOR
  expect_named 5 err "plugin ABI '1.0.0'" "$so"
  bad BAD_VERSION_TEXT
  expect_named 5 err "plugin ABI 'five'" "$so"
  bad BAD_VERSION_NULL
  expect_named 5 err 'plugin_declaration.api_version is NULL' "$so"
  bad BAD_NULL_LIST
  expect_named 5 err 'plugin_declaration.list_tools is NULL' "$so"
  bad BAD_NULL_EXECUTE
  expect_named 5 err 'plugin_declaration.execute_tool is NULL' "$so"
  bad BAD_NULL_FREE
  expect_named 5 err 'plugin_declaration.free_string is NULL' "$so"
  expect_named 5 err 'has no configuration schema' "$so_plain" --schema
}

starting() {
  bad BAD_CONFIGURE
  expect_named 6 err 'refused its configuration (code 1)' "$so" --config '{}'
  expect 0 out '1 tools: t' "$so"
  bad BAD_CONFIGURE_TWICE
  expect_named 6 err 'code 2: configured already' "$so" --config '{}'
  bad BAD_NULL_CONFIGURE
  expect_named 6 err 'takes no configuration' "$so" --config '{}'
  bad BAD_INIT_TEXT
  expect_named 7 err 'failed to start: cannot reach the "database"' "$so" t
  bad BAD_INIT_SILENT
  expect_named 7 err 'it gave no reason, only code 5' "$so" t
}

answers() {
  bad BAD_ANSWER_TEXT
  expect_named 8 err 't: its answer is not JSON' "$so" t
  bad BAD_ANSWER_NONE
  expect_named 8 err 'its answer is not JSON: it is empty' "$so" t
  bad BAD_LIST_TEXT
  expect_named 8 err "list_tools' answer breaks the ABI" "$so" --list
  bad BAD_LIST_OBJECT
  expect_named 8 err 'it is not an array' "$so" --list
  bad BAD_LIST_UNNAMED
  expect_named 8 err 'a tool has no name' "$so" --list
  bad BAD_SCHEMA
  expect_named 8 err "get_config_schema's answer is not JSON" "$so" --schema
  bad BAD_LIST_FAILS
  expect_named 1 err 'list_tools failed (code 1)' "$so" --list
  bad BAD_ERROR_NONE
  expect_named 1 err 't failed (code 77, no error text)' "$so" t
  expect_named 1 err 'broken: broken "on" purpose' "$good" broken
  expect_named 1 err 'Unknown tool: nonsense' "$good" nonsense '{}'
  expect 1 out '{"error":"broken \"on\" purpose"}' "$good" broken --raw
}

printing() {
  expect 0 out 'echo(text: string, n?: integer)' "$good" --list
  expect 0 out 'text: Anything.' "$good" --list
  expect 0 out '"inputSchema":{' "$good" --list --raw
  expect 0 out 'plugin ABI 0.5.0, 7 tools: echo, broken' "$good"
  expect 0 out '"type": "object"' "$good" --schema
  exact='{"a":19.99,"b":[12345678901234567890.123456789,1e400,[],{}],"c":"\"{"}'
  expect 3 err 'real number overflow' "$good" echo "$exact"
  exact='{"a":19.99,"b":[12345678901234567890.12345678901,[],{ }],"c":"\"{"}'
  expect 0 out '12345678901234567890.12345678901,' "$good" echo "$exact"
  expect 0 out '"c": "\"{"' "$good" echo "$exact"
  expect 0 out '    [],' "$good" echo "$exact"
  expect 0 out "$exact" "$good" echo "$exact" --raw
  run "$good" echo '{}' --quiet
  [ "$code" -eq 0 ] && [ ! -s "$out" ]
  report '--quiet prints no answer' $?
  "$call" "$good" echo '{}' >/dev/full 2>"$err"
  [ $? -eq 10 ]
  report 'a full disk is exit code 10' $?
}

hammering() {
  expect 0 out 'calls    50000 asked, 50000 answered, 0 lost' \
    "$good" echo '{"text":"x"}' --threads 16 --repeat 50000
  grep -q 'answers  50000 equal to the first, 0 wrong, 0 errors' "$out"
  report 'all answers are equal' $?
  grep -q 'latency  p50 .* us, p99 .* us' "$out"
  report 'latencies are printed' $?
  expect 0 out '64 asked' "$good" echo --threads 64
  expect 0 out '{"open":0}' \
    "$good" buffers --raw --threads 8 --repeat 100 --vary
  expect 9 out '9 wrong, 0 errors' "$good" drop --threads 4 --repeat 9000
  expect 9 out 'first bad answer seen: (no buffer)' \
    "$good" drop --threads 4 --repeat 9000
  expect 9 out '0 wrong, 90 errors' "$good" flaky --threads 4 --repeat 9000
  expect 9 out '9000 wrong' "$good" count --threads 4 --repeat 9000
  expect 0 out '9000 well formed, 0 wrong' \
    "$good" count --threads 4 --repeat 9000 --vary
  expect 9 err 'no answer for 1 s' "$good" hang --threads 4 --stall 1
  grep -q '4 asked, 0 answered, 4 lost' "$out"
  report 'calls that never return are lost' $?
  expect 1 err 'broken "on" purpose' "$good" broken --threads 4
  expect 0 out '100 answered' "$good" echo --repeat 100 --unload
}

helpers() {
  compile helpers_test -fsanitize=undefined $sources/helpers_test.c $abi/src/*.c
  "$plugins/helpers_test" >"$out" 2>"$err"
  report 'helpers_test' $?
  plugin halve halve.c
  expect 0 out '"half": 4611686018427387903' \
    "$plugins/halve.so" halve '{"n":9223372036854775807}'
  expect 1 err 'n must be an integer' "$plugins/halve.so" halve '{"n":"4"}'
  nm -D --defined-only "$plugins/halve.so" | grep -v ' plugin_declaration$' \
    >"$out"
  [ ! -s "$out" ]
  report 'a plugin in C exports plugin_declaration alone' $?
}

good=$plugins/good.so
so_plain=$plugins/plain.so
plugin good good.c
plugin plain bad.c
usage
bad_json
loading
abi
starting
answers
printing
hammering
helpers
echo "outboard-call: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
