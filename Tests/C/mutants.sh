#!/usr/bin/env bash
# Takes one guard out at a time and requires the test named for it to fail.
#   mutants.sh [NAME...]     the table is mutants.txt: NAME PROGRAM TEST [VARIANT]
# VARIANT is release, tsan, condvar, or static: with the libuv of our plugins,
# whose stand-ins have guards of their own.
# A guard without a line in the table, or a test that does not exist, fails too.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${OB_BUILD:-$root/build}/mutants
builds=${OB_BUILD:-$root/build}/c
core=$root/CSources/COutboard
stubs=$root/CSources/CPluginABI/link/uv_stubs.c
# The loop may hang without its guard: a hang is a failure, seen soon.
export OB_TEST_SCALE=${OB_TEST_SCALE:-0.4}
passed=0 failed=0

say() { # ok|FAIL TEXT
  echo "$1 $2"
  if [ "$1" = "ok  " ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

# Compiles the files that know the switch (all, if a header does), links them
# before the good ones.
build() { # NAME PROGRAM VARIANT
  local dir=$out/$1 good=$builds/$3 file object objects=() good_objects=()
  local flags=(-O2) libs=() sources=("$core"/src/*.c) everywhere=no wraps
  if grep -q "OB_BREAK_$1\b" "$core"/src/*.h; then everywhere=yes; fi
  if [ "$3" = tsan ]; then flags=(-O1 -fsanitize=thread); fi
  if [ "$3" = condvar ]; then flags=(-O2 -DOB_PRIM_CONDVAR); fi
  if [ "$3" = static ]; then
    sources+=("$stubs")
    libs=("$root/build/uv/libuv_plugin.a" -ldl)
  else
    # shellcheck disable=SC2207
    libs=($(pkg-config --libs libuv))
  fi
  mkdir -p "$dir"
  for file in "${sources[@]}"; do
    object=$(basename "$file" .c).o
    if [ $everywhere = yes ] || grep -q "OB_BREAK_$1\b" "$file"; then
      # shellcheck disable=SC2046
      gcc -std=gnu11 "${flags[@]}" -g -w -fvisibility=hidden "-DOB_BREAK_$1" \
        -I"$core/include" -I"$core/src" $(pkg-config --cflags libuv) \
        -c -o "$dir/$object" "$file" || return 1
      objects+=("$dir/$object")
    elif [ "$file" != "$stubs" ]; then
      good_objects+=("$good/core/$object")
    fi
  done
  [ ${#objects[@]} -gt 0 ] || return 1
  wraps=$(sed -n "s|.*\$(OUT)/$2\b.*: LDFLAGS := ||p" "$here/Makefile")
  # shellcheck disable=SC2086
  gcc "${flags[@]}" $wraps -o "$dir/$2" "$good/$2.o" "$good/harness.o" \
    "$good/fixtures.o" "${objects[@]}" "${good_objects[@]}" \
    "${libs[@]}" -lpthread -lm
}

# A guard against a race is missed by chance now and then: five tries, and more
# where they are short.
caught() { # PROGRAM TEST LOG
  local tries=0 begin=$SECONDS
  while [ $tries -lt 5 ] || [ $((SECONDS - begin)) -lt 60 ]; do
    "$1" "$2" >"$3" 2>&1 || return 0
    tries=$((tries + 1))
  done
  return 1
}

try() { # NAME PROGRAM TEST VARIANT
  local log=$out/$1.log good=$builds/$4
  if [ "$4" = tsan ]; then
    local -x OB_TEST_OPS=0.02 OB_TEST_SCALE=4 TSAN_OPTIONS=halt_on_error=1
  fi
  if ! OB_TEST_SCALE=${OB_TEST_GOOD_SCALE:-4} "$good/$2" "$3" >"$log" 2>&1; then
    say FAIL "$1: $2/$3 does not pass on the good build (see $log)"
  elif ! build "$1" "$2" "$4" >"$log" 2>&1; then
    say FAIL "$1: does not build (see $log)"
  elif caught "$out/$1/$2" "$3" "$log"; then
    say "ok  " "$1 is caught by $2/$3"
  else
    say FAIL "$1: SURVIVED $2/$3"
  fi
}

chosen() { # NAME: all are, if none is given
  [ ${#names[@]} -eq 0 ] || printf '%s\n' "${names[@]}" | grep -qx "$1"
}

# The programs of the chosen lines, in each variant.
names=("$@")
for variant in release tsan condvar static; do
  programs=()
  while read -r name program _ in; do
    case "$name" in '' | '#'*) continue ;; esac
    if [ "${in:-release}" = "$variant" ] && chosen "$name"; then
      programs+=("$builds/$variant/$program")
    fi
  done <"$here/mutants.txt"
  [ ${#programs[@]} -eq 0 ] ||
    make -C "$here" VARIANT=$variant OUT="$builds/$variant" -j2 \
      "${programs[@]}" >/dev/null || exit 1
done
mkdir -p "$out"
for name in $(grep -oh 'OB_BREAK_[A-Z_]*' "$core"/src/*.[ch] "$stubs" | sort -u); do
  grep -q "^${name#OB_BREAK_} " "$here/mutants.txt" ||
    say FAIL "${name#OB_BREAK_}: no test is named for it in mutants.txt"
done
while read -r name program test variant; do
  case "$name" in '' | '#'*) continue ;; esac
  chosen "$name" || continue
  try "$name" "$program" "$test" "${variant:-release}"
done <"$here/mutants.txt"
echo "mutants: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
