#!/usr/bin/env bash
# Allocations of the Swift layer: 0 per synchronous call, in steady state and
# with forced parking, and 0 per job enqueued; a few per awaited call and post.
# Counted under an interposer that covers the Swift runtime. (The C side is
# counted by Tests/C/counters.c.)
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${OB_BUILD:-$root/build}
passed=0 failed=0
mkdir -p "$build"
gcc -O2 -Wall -Wextra -Werror -shared -fPIC -fno-builtin -o "$build/interpose.so" \
  "$here/interpose.c" || exit 1
swift build -c release --product AllocProbe --package-path "$root" \
  --scratch-path "$build/swift" -Xcc -ftls-model=initial-exec || exit 1
log=$(LD_PRELOAD=$build/interpose.so "$build/swift/release/AllocProbe" 2>&1)
status=$?
printf '%s\n' "$log"
passed=$(grep -c '^ok  ' <<<"$log")
failed=$(grep -c '^FAIL' <<<"$log")
# Six sections are promised; one that did not report has failed.
missing=$((6 - passed - failed))
if [ "$missing" -gt 0 ]; then failed=$((failed + missing)); fi
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo "counters: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
