#!/usr/bin/env bash
# A Swift package that depends on ours by path builds and runs, and so do the
# first examples of the README, as they stand there.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
build=${OB_BUILD:-$root/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME EXPECTED COMMAND...: runs, and compares the last line
  local name=$1 expected=$2 got
  shift 2
  got=$("$@" 2>"$work/err" | tail -1)
  if [ "$got" = "$expected" ]; then
    echo "ok   $name: $got"
    passed=$((passed + 1))
  else
    echo "FAIL $name: '$got', not '$expected'"
    tail -20 "$work/err" | sed 's/^/  /'
    failed=$((failed + 1))
  fi
}

example() { # LANGUAGE: the README's first block of it
  awk -v open="\`\`\`$1" '
    $0 == open && !seen { seen = inside = 1; next }
    $0 == "```" { inside = 0 }
    inside' "$root/README.md"
}

# The package, with its dependency's path made absolute.
cp -R "$here/SwiftConsumer" "$work/consumer"
sed -i "s#path: \"../..\"#path: \"$root\"#" "$work/consumer/Package.swift"
run=(swift run -q --package-path "$work/consumer" --scratch-path "$build/consumer")
check "Swift package by path" "42 true" "${run[@]}"
example swift >"$work/consumer/Sources/SwiftConsumer/main.swift"
check "README, Swift" "slept 2 times" "${run[@]}"

example c >"$work/hello.c"
make -C "$root" --no-print-directory lib >/dev/null || exit 1
# shellcheck disable=SC2046
check "README, C builds" "" gcc -std=gnu11 -Wall -Wextra -Wpedantic -Werror \
  -I"$root/CSources/COutboard/include" "$work/hello.c" \
  "$build/lib/liboutboard.a" $(pkg-config --libs libuv) -lpthread -ldl \
  -o "$work/hello"
check "README, C" "hello" "$work/hello"

echo "consumer: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
