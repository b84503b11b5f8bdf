#!/usr/bin/env bash
# Runs `swift test ARGS...` and ends with 'swift tests (LABEL): N passed, N failed'.
#   swift.sh LABEL ARGS...
# One test at a time: all at once, on two processors and under a sanitizer, they
# keep each other from what they give ten seconds to.
set -uo pipefail
label=$1
shift
here=$(cd "$(dirname "$0")" && pwd)
export TSAN_OPTIONS="suppressions=$here/swift-tsan.supp ${TSAN_OPTIONS:-}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
swift test --disable-xctest --no-parallel "$@" 2>&1 | tee "$log" | grep -vE '^(􀟈|◇) .*started\.$'
status=$?
ended=$(sed -n 's/.*Test run with \([0-9]*\) tests\?.* \(passed\|failed\) after.*/\1 \2/p' "$log" | tail -1)
read -r total verdict <<<"${ended:-0 none}"
failed=$(grep -cE '^(􀢄|✘) Test [^r].* failed after' "$log")
if [ "$verdict" = passed ] && [ "$status" -eq 0 ] && [ "$total" -gt 0 ]; then
  failed=0
elif [ "$failed" -eq 0 ]; then
  failed=1 # it did not build, or died before its summary
fi
[ "$total" -ge "$failed" ] || total=$failed
echo "swift tests ($label): $((total - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
