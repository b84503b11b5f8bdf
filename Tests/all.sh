#!/usr/bin/env bash
# Runs every suite of `make test` to the end, whatever fails, and sums up.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
log=build/test.log
: >"$log"
status=0
for suite in test-c test-cpp test-install test-abi test-hosts test-hygiene \
  test-swift test-counters test-consumer; do
  begin=$SECONDS
  echo "=== $suite"
  if make --no-print-directory "$suite" 2>&1 | tee -a "$log"; then
    echo "=== $suite: ok ($((SECONDS - begin)) s)"
  else
    echo "=== $suite: FAILED ($((SECONDS - begin)) s)"
    status=1
  fi
done
read -r passed failed < <(python3 Tests/sum.py "$log")
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then failed=1; fi
echo
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
