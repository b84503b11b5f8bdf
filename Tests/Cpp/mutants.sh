#!/usr/bin/env bash
# Takes one guard out of a copy of outboard.hpp at a time and requires the test
# named for it to fail. Ends with 'mutants (C++): N passed, N failed'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${OB_BUILD:-$root/build}
headers=$root/CSources/COutboard/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
# A hang is a failure, seen soon.
export OB_TEST_SCALE=${OB_TEST_SCALE:-0.2}

say() { # ok|FAIL TEXT
  echo "$1 $2"
  if [ "$1" = "ok  " ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

build_with() { # INCLUDE PROGRAM OUT
  # shellcheck disable=SC2046
  g++ -std=c++17 -O0 -g -w -I"$1" "$here/$2.cpp" \
    "$build/c/release/harness.o" "$build/c/release/fixtures.o" \
    "$build/lib/liboutboard.a" $(pkg-config --libs libuv) -lpthread -ldl \
    -o "$3" >"$work/log" 2>&1
}

mutant() { # NAME FILE OLD NEW PROGRAM TEST: OLD, once in FILE, becomes NEW
  rm -rf "$work/include"
  cp -R "$headers" "$work/include"
  if ! python3 - "$work/include/$2" "$3" "$4" <<'P'; then
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if text.count(old) != 1:
    sys.exit(f"{path}: '{old}' is there {text.count(old)} times, not once")
open(path, "w").write(text.replace(old, new))
P
    say FAIL "$1: nothing to take out"
  elif ! "$work/good-$5" "$6" >"$work/log" 2>&1; then
    say FAIL "$1: $5/$6 does not pass with the good header"
  elif ! build_with "$work/include" "$5" "$work/$1"; then
    say FAIL "$1: does not build: $(head -3 "$work/log")"
  elif "$work/$1" "$6" >"$work/log" 2>&1; then
    say FAIL "$1: SURVIVED $5/$6"
  else
    say "ok  " "$1 is caught by $5/$6"
  fi
}

make --no-print-directory -C "$root" lib >/dev/null || exit 1
make --no-print-directory -C "$here/../C" VARIANT=release \
  OUT="$build/c/release" "$build/c/release/call" >/dev/null || exit 1
for program in calls answers aborts; do
  build_with "$headers" "$program" "$work/good-$program" ||
    { say FAIL "$program does not build" && cat "$work/log"; }
done

mutant FORCED outboard_detail.hpp '#if defined(__GLIBCXX__)' '#if 0' \
  aborts pthread_exit_in_a_callable
mutant TAKEN outboard_detail.hpp '    taken = true;' '' \
  answers a_ticket_is_taken_once
mutant STARTING outboard_job.hpp 'if (starting) {' 'if (false) {' \
  calls exceptions_keep_their_type
mutant DROPPED outboard_job.hpp 'else if (lost)' 'else if (false)' \
  answers a_promise_that_is_dropped
mutant HOOK outboard_job.hpp 'hook_then = std::move(on_cancelled);' '' \
  answers a_promise_answers_from_its_hook
mutant REFUSED outboard.hpp 'if (rc != OB_OK) made->drop();' '' \
  calls a_stop_is_seen_and_refuses
mutant POSTED outboard.hpp 'if (rc == OB_OK) body.release();' 'body.release();' \
  calls a_stop_is_seen_and_refuses
mutant CLAIM outboard_job.hpp 'return std::exchange(request, nullptr);' \
  'return request;' answers a_promise_kept_elsewhere
mutant CALLABLE outboard_job.hpp 'self->end_callable();' '' \
  calls a_callable_that_never_ran_goes_on_the_loop
echo "mutants (C++): $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
