#!/usr/bin/env bash
# Runs C test programs and sums up: run.sh VARIANT PROGRAM...
set -u
variant=$1
shift
case "$variant" in
  tsan) export OB_TEST_SCALE=${OB_TEST_SCALE:-5} OB_TEST_OPS=${OB_TEST_OPS:-0.02}
    export TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1 ${TSAN_OPTIONS:-}" ;;
  asan) export OB_TEST_SCALE=${OB_TEST_SCALE:-5} OB_TEST_OPS=${OB_TEST_OPS:-0.05}
    export ASAN_OPTIONS="detect_leaks=1:detect_stack_use_after_return=1:${ASAN_OPTIONS:-}"
    export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS:-}" ;;
esac
passed=0 failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for program in "$@"; do
  echo "== $variant $(basename "$program")"
  "$program" 2>&1 | tee "$log"
  if read -r p f < <(sed -n 's/^.*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -1); then
    passed=$((passed + p)) failed=$((failed + f))
  else
    failed=$((failed + 1)) # it died before its summary
  fi
done
echo "C tests ($variant): $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
