#!/usr/bin/env bash
# The C++ tests: headers that stand alone in every dialect, the example of
# outboard.hpp's essay, the test programs with gcc and clang, and exits.
#   run.sh [release|tsan|asan]    ends with 'cpp: N passed, N failed'
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
variant=${1:-release}
build=${OB_BUILD:-$root/build}
out=$build/cpp/$variant
headers=$root/CSources/COutboard/include
warn=(-Wshadow -Wall -Wextra -Wpedantic -Werror)
# shellcheck disable=SC2207
libs=($(pkg-config --libs libuv) -lpthread -ldl)
passed=0 failed=0
mkdir -p "$out"

say() { # ok|FAIL TEXT [LOG]
  if [ "$1" = ok ]; then
    echo "ok   $2"
    passed=$((passed + 1))
  else
    echo "FAIL $2"
    [ $# -gt 2 ] && sed 's/^/  /' "$3"
    failed=$((failed + 1))
  fi
}

check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$out/log" 2>&1; then say ok "$name"; else say FAIL "$name" "$out/log"; fi
}

# Each header alone, in each dialect; outboard_uv.h needs uv.h, which is no
# strict C11.
headers_stand_alone() {
  local file name std cc
  # shellcheck disable=SC2046
  for file in "$headers"/outboard*.h "$headers"/outboard*.hpp; do
    name=$(basename "$file")
    [ "$name" = outboard_spi.h ] && continue # the Swift layer's
    for cc in gcc clang; do
      case "$name" in
        *.hpp) std="c++17 c++20" ;;
        outboard_uv.h) std="gnu11 gnu17 c++17 c++20" ;;
        *) std="c11 c17 c++11 c++17 c++20" ;;
      esac
      for std in $std; do
        case "$std" in c++*) language=c++ ;; *) language=c ;; esac
        printf '#include <%s>\n#include <%s>\n' "$name" "$name" |
          $cc "-std=$std" "${warn[@]}" -I"$headers" \
            $(pkg-config --cflags libuv) -x $language -fsyntax-only - \
            >"$out/log" 2>&1 || { say FAIL "$name, $cc -std=$std" "$out/log" && continue; }
        passed=$((passed + 1))
      done
    done
    echo "ok   $name stands alone"
  done
  for cc in g++ clang++; do
    echo '#include <outboard.hpp>' | $cc -std=c++17 -fno-exceptions \
      -I"$headers" -x c++ -fsyntax-only - >"$out/log" 2>&1
    grep -q 'compile without -fno-exceptions' "$out/log"
    case $? in 0) say ok "$cc -fno-exceptions is refused with the cure" ;;
      *) say FAIL "$cc -fno-exceptions is refused with the cure" "$out/log" ;; esac
  done
}

example() { # COMPILER...
  sed -n 's/^ \*     //p' "$headers/outboard.hpp" >"$out/example.cpp"
  check "essay, $*: builds" "$@" "${warn[@]}" -I"$headers" \
    "$out/example.cpp" "${core[@]}" "${libs[@]}" -o "$out/example"
  timeout 60 "$out/example" >"$out/log" 2>&1
  [ "$(tail -1 "$out/log")" = "pump, no such pump" ] &&
    grep -qx posted "$out/log"
  case $? in 0) say ok "essay, $*: answers" ;;
    *) say FAIL "essay, $*: answers" "$out/log" ;; esac
}

programs() { # TAG COMPILER...
  local tag=$1 name p f
  shift
  for name in calls answers aborts threads; do
    check "$name, $*: builds" "$@" "${warn[@]}" -g -I"$headers" \
      "$here/$name.cpp" "${harness[@]}" "${core[@]}" "${libs[@]}" \
      -o "$out/$name-$tag"
    echo "== $name, $*"
    timeout 1200 "$out/$name-$tag" 2>&1 | tee "$out/log"
    if read -r p f < <(sed -n 's/^.*: \([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' \
      "$out/log" | tail -1); then
      passed=$((passed + p)) failed=$((failed + f))
    else
      failed=$((failed + 1)) # it died before its summary
    fi
  done
}

# Each way of leaving, ten times; the one with a late object must be caught, or
# the test sees nothing.
exits() { # COMPILER...
  local mode i code
  check "statics, $*: builds" "$@" "${warn[@]}" -g -I"$headers" \
    "$here/statics.cpp" "${core[@]}" "${libs[@]}" -o "$out/statics"
  for mode in early engine; do
    for i in 1 2 3 4 5 6 7 8 9 10; do
      timeout 60 "$out/statics" $mode >"$out/log" 2>&1
      code=$?
      [ $code -eq 0 ] || break
    done
    case $code in 0) say ok "exit, $mode: no callable met a poisoned object" ;;
      *) say FAIL "exit, $mode: status $code in round $i" "$out/log" ;; esac
  done
  timeout 60 "$out/statics" late >"$out/log" 2>&1
  code=$?
  case $code in 3) say ok "exit, late: the test sees a poisoned object" ;;
    *) say FAIL "exit, late: status $code, not 3: the test is blind" "$out/log" ;; esac
}

case "$variant" in
  release)
    core=("$build/lib/liboutboard.a")
    flags=()
    ;;
  tsan)
    flags=(-fsanitize=thread)
    export OB_TEST_SCALE=${OB_TEST_SCALE:-5} OB_TEST_OPS=${OB_TEST_OPS:-0.05}
    export TSAN_OPTIONS="halt_on_error=1 suppressions=$here/tsan.supp ${TSAN_OPTIONS:-}"
    ;;
  asan)
    flags=(-fsanitize=address,undefined -fno-sanitize-recover=all)
    export OB_TEST_SCALE=${OB_TEST_SCALE:-5} OB_TEST_OPS=${OB_TEST_OPS:-0.05}
    ;;
  *)
    echo "run.sh: no variant '$variant'; release, tsan or asan" >&2
    exit 2
    ;;
esac
# The C tests' harness, and with a sanitizer their build of the core.
make --no-print-directory -C "$here/../C" VARIANT="$variant" \
  OUT="$build/c/$variant" "$build/c/$variant/call" || exit 1
harness=("$build/c/$variant/harness.o" "$build/c/$variant/fixtures.o")
[ "$variant" = release ] || core=("$build/c/$variant/core/"*.o)

case "$variant" in
  release)
    headers_stand_alone
    example g++ -std=c++17
    example clang++ -std=c++20
    programs g17 g++ -std=c++17 -O2
    programs c20 clang++ -std=c++20 -O1
    programs rtti g++ -std=c++20 -O0 -fno-rtti
    exits g++ -std=c++17 -O2
    ;;
  tsan) programs tsan g++ -std=c++17 -O1 "${flags[@]}" ;;
  asan) programs asan clang++ -std=c++17 -O1 "${flags[@]}" ;;
esac
echo "cpp ($variant): $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
