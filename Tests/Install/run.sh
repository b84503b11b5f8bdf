#!/usr/bin/env bash
# Installs the library, moves it (it must be relocatable), and builds a C and a
# C++17 host outside the tree with pkg-config and with CMake, gcc and clang.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0

check() { # NAME COMMAND...
  local name=$1
  shift
  if "$@" >"$work/log" 2>&1; then
    echo "ok   $name"
    passed=$((passed + 1))
  else
    echo "FAIL $name"
    sed 's/^/  /' "$work/log"
    failed=$((failed + 1))
  fi
}

hosts() { # TAG PREFIX: builds and runs the hosts against an installation
  local tag=$1 prefix=$2 flags cc cxx
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  flags=$(pkg-config --cflags --static --libs outboard) || flags=--missing
  for cc in gcc clang; do
    cxx=g++ && [ $cc = clang ] && cxx=clang++
    # shellcheck disable=SC2086
    check "$tag: pkg-config, C, $cc" sh -c "$cc -std=gnu11 -Wall -Wextra \
      -Wpedantic -Werror '$work/src/host.c' $flags -o '$work/h' && '$work/h'"
    # shellcheck disable=SC2086
    check "$tag: pkg-config, C++17, $cxx" sh -c "$cxx -std=c++17 -Wall -Wextra \
      -Wpedantic -Werror '$work/src/host.cpp' $flags -o '$work/h' && '$work/h'"
    # shellcheck disable=SC2086
    check "$tag: pkg-config, outboard.hpp, $cxx" sh -c "$cxx -std=c++17 -Wall \
      -Wextra -Wpedantic -Werror '$work/src/host_hpp.cpp' $flags -o '$work/h' &&
      '$work/h'"
  done
  rm -rf "$work/b"
  check "$tag: find_package configures" cmake -S "$here/cmake" -B "$work/b" \
    -DCMAKE_PREFIX_PATH="$prefix" -DHOST_SOURCE="$work/src"
  check "$tag: find_package builds" cmake --build "$work/b"
  check "$tag: find_package, C" "$work/b/host-c"
  check "$tag: find_package, C++17" "$work/b/host-cxx"
  check "$tag: find_package, outboard.hpp" "$work/b/host-hpp"
}

mkdir -p "$work/src"
cp "$here/host.c" "$work/src/host.c"
cp "$here/host.c" "$work/src/host.cpp"
cp "$here/host_hpp.cpp" "$work/src"

check "make install" make -C "$root" install PREFIX="$work/first place"
mv "$work/first place" "$work/moved"
check "only ob_ symbols are global" sh -c "! nm -g --defined-only \
  '$work/moved/lib/liboutboard.a' | grep -E ' [A-Z] ' | grep -v ' ob_'"
check "the archive is reproducible" sh -c "cp '$root/build/lib/liboutboard.a' \
  '$work/one.a' && rm -rf '$root/build/lib' && make -C '$root' lib && \
  cmp '$work/one.a' '$root/build/lib/liboutboard.a'"
hosts "make install, moved" "$work/moved"

check "cmake configures" cmake -S "$root/CSources/COutboard" -B "$work/cm" \
  -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX="$work/cmake-prefix"
check "cmake builds" cmake --build "$work/cm" -j2
check "cmake installs" cmake --install "$work/cm"
hosts "cmake install" "$work/cmake-prefix"

echo "install: $passed passed, $failed failed"
[ "$failed" -eq 0 ]
