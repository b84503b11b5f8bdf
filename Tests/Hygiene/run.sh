#!/usr/bin/env bash
# What the archive and the plugins may not do to their neighbours: symbols,
# sections, thread-local storage, two copies in one process, one that is closed,
# memory that runs out, builds that differ. Each check is also shown an object
# with its fault.
# Ends with 'hygiene: N passed, N failed'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${OB_BUILD:-$root/build}
core=$root/CSources/COutboard
abi=$root/CSources/CPluginABI
lib=$build/lib/liboutboard.a
uv=$build/uv/libuv_plugin.a
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
log=$work/log

say() { # ok|FAIL TEXT
  echo "$1 $2"
  if [ "$1" = "ok  " ]; then
    passed=$((passed + 1))
  else
    sed 's/^/  /' "$log"
    failed=$((failed + 1))
  fi
}

expect() { # CODE NAME COMMAND...: its exit status is CODE
  local want=$1 name=$2 code
  shift 2
  if declare -F "$1" >/dev/null; then "$@"; else timeout 300 "$@"; fi \
    >"$log" 2>&1
  code=$?
  if [ $code -eq "$want" ]; then say "ok  " "$name"; else
    echo "exit status $code, not $want" >>"$log"
    say FAIL "$name"
  fi
}

must() { # COMMAND...: what the rest stands on
  "$@" >"$log" 2>&1 && return
  say FAIL "$*"
  echo "hygiene: $passed passed, $failed failed"
  exit 1
}

# --- The archive -------------------------------------------------------------

# Each prints what is wrong with an archive, or an object, and fails.
foreign_symbols() { # nothing global but ob_*
  ! nm -g --defined-only "$1" | awk 'NF == 3 && $3 !~ /^ob_[a-z]/' | grep .
}
# But for hidden references to a redirected libuv, which is not always there, and
# glibc's own to pthread_cleanup_push.
common_or_weak() { # C common, V v W w weak, u unique, i indirect
  ! nm "$1" | awk 'NF > 1 && $(NF-1) ~ /^[CcVvWwui]$/' |
    grep -vE ' w (ob__uv_[a-z]*|__pthread_unwind_next)$' | grep .
}
runs_before_main() {
  ! readelf -SW "$1" | grep -E '\.(init_array|fini_array|ctors|dtors|preinit_array|init|fini)\b'
}
executable_stack() { # every member has the note, and without X
  readelf -SW "$1" | awk '
    /\.note\.GNU-stack/ { seen++; if ($0 ~ / [A-Z]*X[A-Z]* +[0-9]+ +[0-9]+ +[0-9]+ *$/) print }
    /Section Headers:/ { members++ }
    END { if (seen < members) print "no .note.GNU-stack in", members - seen, "members" }' |
    grep . && return 1
  return 0
}
absolute_code() { # links into a shared object without text relocations
  gcc -shared -o "$work/pic.so" -Wl,-z,text -Wl,--whole-archive "$1" \
    -Wl,--no-whole-archive 2>&1 || return 1
  ! readelf -dW "$work/pic.so" | grep TEXTREL
}
late_tls() { # nothing that __tls_get_addr or a descriptor resolves
  ! readelf -rW "$1" | grep -E 'TLSGD|TLSLD|TLSDESC|DTPMOD'
}
checks="foreign_symbols common_or_weak runs_before_main executable_stack
  absolute_code late_tls"

bad_object() { # NAME FLAGS CODE: an archive with one fault
  echo "$3" >"$work/bad.c"
  # shellcheck disable=SC2086
  must gcc -w -O1 $2 -c "$work/bad.c" -o "$work/bad.o"
  rm -f "$work/$1.a"
  must ar rcs "$work/$1.a" "$work/bad.o"
}

archives() {
  local check
  for check in $checks; do
    expect 0 "liboutboard.a: no ${check//_/ }" "$check" "$lib"
  done
  must cmake -S "$core" -B "$work/cmake" -DCMAKE_BUILD_TYPE=Release
  must cmake --build "$work/cmake" -j2
  for check in $checks; do
    expect 0 "liboutboard.a by CMake: no ${check//_/ }" \
      "$check" "$work/cmake/liboutboard.a"
  done
  bad_object foreign_symbols -fPIC 'int ob__inner(void) { return 1; }'
  bad_object common_or_weak '-fPIC -fcommon' 'int ob_common;'
  bad_object runs_before_main -fPIC \
    '__attribute__((constructor)) static void first(void) { __asm__(""); }'
  bad_object executable_stack '-fPIC -z execstack -Wa,--execstack' 'int ob_x;'
  bad_object absolute_code '-fno-pic -mcmodel=small' \
    'extern int ob_x; int ob_x; int *ob_at(void) { return &ob_x; }'
  bad_object late_tls '-fPIC -ftls-model=global-dynamic' \
    '__thread int ob_x; int *ob_at(void) { return &ob_x; }'
  for check in $checks; do
    expect 1 "an archive with the fault: $check" "$check" "$work/$check.a"
  done
}

# --- The plugins -------------------------------------------------------------

# Ours has four words, and 64 bytes at most. The Swift runtime has as many of
# its own; glibc keeps some 1,600 bytes for all that is loaded late.
tls_of() { # PLUGIN MOST
  local size
  size=$(readelf -lW "$1" | awk '$1 == "TLS" { print $6 }')
  size=$((${size:-0}))
  echo "$(basename "$1"): $size bytes of thread-local storage, at most $2"
  [ "$size" -le "$2" ]
}
# Without the flag the loader would allocate the block at the first use.
static_tls() { # PLUGIN
  readelf -dW "$1" | grep -q STATIC_TLS
}
no_text_relocations() { # PLUGIN
  ! readelf -dW "$1" | grep TEXTREL
}
no_executable_stack() { # PLUGIN
  readelf -lW "$1" | awk '$1 == "GNU_STACK" { seen = 1; if ($7 ~ /E/) bad = 1 }
    END { exit !(seen && !bad) }'
}

plugin() { # PLUGIN MOST-TLS
  must test -s "$1" # make plugins
  expect 0 "$(basename "$1"): thread-local storage of $2 bytes at most" \
    tls_of "$1" "$2"
  echo "     $(cat "$log")"
  expect 0 "$(basename "$1"): in the static block" static_tls "$1"
  expect 0 "$(basename "$1"): no text relocations" no_text_relocations "$1"
  expect 0 "$(basename "$1"): no executable stack" no_executable_stack "$1"
}

# --- Objects with a copy each ------------------------------------------------

link_flags=(-shared -fPIC -O2 -fvisibility=hidden
  -Wl,-z,nodelete -Wl,-z,defs -Wl,--gc-sections)

# The core of another version and another configuration.
other_core() {
  local file
  mkdir -p "$work/other/o"
  cp -R "$core/include" "$core/src" "$work/other"
  sed -i 's/OB_VERSION_STRING "[^"]*"/OB_VERSION_STRING "0.0.9"/' \
    "$work/other/include/outboard_status.h"
  for file in "$work/other/src"/*.c; do
    case $(basename "$file") in spi.c | spi_*.c) continue ;; esac
    # shellcheck disable=SC2046
    must gcc -std=gnu11 -O1 -w -fPIC -fvisibility=hidden -DOB_PRIM_CONDVAR \
      -I"$work/other/include" -I"$work/other/src" $(pkg-config --cflags libuv) \
      -c "$file" -o "$work/other/o/$(basename "$file" .c).o"
  done
  must ld -r -o "$work/other/all.o" "$work/other/o"/*.o
  must objcopy --localize-hidden "$work/other/all.o"
  must ar rcsD "$work/other/lib.a" "$work/other/all.o"
}

object() { # NAME ARCHIVE FLAGS...
  local name=$1 archive=$2
  shift 2
  must gcc -std=gnu11 "${link_flags[@]}" "$@" -I"$core/include" "$here/copy.c" \
    "$archive" "$uv" -lpthread -ldl -o "$work/$name.so"
}

copies() {
  local version order flags
  version=$(sed -n 's/.*OB_VERSION_STRING "\(.*\)"/\1/p' \
    "$core/include/outboard_status.h")
  printf '{ global: copy; local: *; };\n' >"$work/one.map"
  other_core
  object a "$lib" "-Wl,--version-script=$work/one.map"
  object b "$work/other/lib.a" "-Wl,--version-script=$work/one.map"
  # The faults: every ob_* and uv_* exported, and bound by name.
  object open-a "$lib"
  object open-b "$work/other/lib.a"
  must gcc -std=gnu11 -Wall -Wextra -Wpedantic -Werror -O2 "$here/copies.c" \
    -lpthread -ldl -o "$work/host"
  must gcc -std=gnu11 -O2 -DWITH_OWN="\"$version\"" -DCOPY_FACE=own_copy \
    -I"$core/include" "$here/copies.c" "$here/copy.c" "$lib" -rdynamic \
    -luv -lpthread -ldl -o "$work/host-own"
  for flags in local global; do
    expect 0 "two copies, $flags, the newer first" "$work/host" $flags \
      "$work/a.so" "$version" "$work/b.so" 0.0.9
    expect 0 "two copies, $flags, the older first" "$work/host" $flags \
      "$work/b.so" 0.0.9 "$work/a.so" "$version"
    expect 0 "a host with a copy that it exports, and a plugin, $flags" \
      "$work/host-own" $flags "$work/b.so" 0.0.9
    expect 0 "such a host and two plugins, $flags" "$work/host-own" $flags \
      "$work/a.so" "$version" "$work/b.so" 0.0.9
  done
  expect 3 "without a version script they meet, and it is seen" "$work/host" \
    global "$work/open-a.so" "$version" "$work/open-b.so" 0.0.9
  expect 3 "the same in the other order" "$work/host" \
    global "$work/open-b.so" 0.0.9 "$work/open-a.so" "$version"
  expect 3 "without it the host's copy takes the plugin's calls, and it is seen" \
    "$work/host-own" local "$work/open-b.so" 0.0.9
}

# --- A copy that its host closes ----------------------------------------------

# Linked as by one who knows nothing of -z nodelete: the core pins itself.
unload() {
  local object objects=()
  local link_flags=(-shared -fPIC -O2 -fvisibility=hidden -Wl,-z,defs
    "-Wl,--version-script=$work/one.map")
  must gcc -std=gnu11 -Wall -Wextra -Wpedantic -Werror -O2 "$here/unload.c" \
    -lpthread -ldl -o "$work/unload"
  # The fault: nothing pins it.
  sed '/^  pin_image();$/d' "$core/src/engine.c" >"$work/engine.c"
  # shellcheck disable=SC2046
  must gcc -std=gnu11 -O2 -w -fPIC -fvisibility=hidden -I"$core/include" \
    -I"$core/src" $(pkg-config --cflags libuv) -c "$work/engine.c" \
    -o "$work/unpinned.o"
  for object in "$core"/src/*.c; do
    object=$build/lib/$(basename "$object" .c).o
    case $object in */spi.o | */spi_*.o | */engine.o) continue ;; esac
    objects+=("$object")
  done
  must gcc -O2 -fPIC -flto=1 -flto-partition=none -r -nostdlib \
    -flinker-output=nolto-rel -o "$work/unpinned-all.o" "$work/unpinned.o" \
    "${objects[@]}"
  object pinned "$lib"
  object unpinned "$work/unpinned-all.o"
  expect 0 "closed with calls in flight, it stays and answers" \
    "$work/unload" "$work/pinned.so"
  expect 3 "a core that does not pin itself is unmapped, and it is seen" \
    "$work/unload" "$work/unpinned.so"
}

# --- Memory that runs out ----------------------------------------------------

short_of_memory() {
  local file objects=()
  must gcc -std=gnu11 -Wall -Wextra -Wpedantic -Werror -O1 -fno-builtin-malloc \
    -I"$abi/include" "$here/oom.c" -lpthread -ldl -o "$work/oom"
  expect 0 "a plugin's first calls on threads without memory" "$work/oom" \
    "$build/plugins/clock.so" health '{}'
  echo "     $(cat "$log")"
  expect 0 "the same with a call that uses timers" "$work/oom" \
    "$build/plugins/clock.so" wait_both '{"first_ms":0,"second_ms":1}'
  echo "     $(cat "$log")"
  # The fault: thread-local words in a block that is allocated at first use.
  cp -R "$core/src" "$work/late"
  sed -i 's/tls_model("initial-exec")/tls_model("global-dynamic")/' \
    "$work/late/thread.c"
  for file in "$work/late"/*.c; do
    case $(basename "$file") in spi.c | spi_*.c) continue ;; esac
    # shellcheck disable=SC2046
    must gcc -std=gnu11 -O1 -w -fPIC -fvisibility=hidden \
      -ftls-model=global-dynamic -I"$core/include" -I"$work/late" \
      $(pkg-config --cflags libuv) -c "$file" \
      -o "$work/late/$(basename "$file" .c).o"
    objects+=("$work/late/$(basename "$file" .c).o")
  done
  sed 's/tls_model("initial-exec")/tls_model("global-dynamic")/' \
    "$abi/link/uv_stubs.c" >"$work/late/uv_stubs.c"
  must gcc -std=gnu11 -O1 -w -fPIC -fvisibility=hidden \
    -ftls-model=global-dynamic -I"$core/include" -c "$work/late/uv_stubs.c" \
    -o "$work/late/uv_stubs.o"
  # shellcheck disable=SC2046
  must gcc -std=gnu11 "${link_flags[@]}" \
    "-Wl,--version-script=$abi/link/plugin.map" -I"$abi/include" \
    -I"$core/include" $(pkg-config --cflags libuv) \
    "$root/CSources/ClockPlugin/clock.c" "$abi"/src/*.c "${objects[@]}" \
    "$work/late/uv_stubs.o" "$uv" \
    -lpthread -ldl -o "$work/late.so"
  expect 127 "with a late block glibc ends the process, and it is seen" \
    "$work/oom" "$work/late.so" health '{}'
  if ! grep -q 'thread-local' "$log"; then say FAIL "not for that reason"; fi
  expect 1 "the late block is seen in the file, too" late_tls "$work/late.so"
}

# --- Two builds --------------------------------------------------------------

build_in() { # FOLDER MASK LOCALE ZONE JOBS
  local folder=$1
  mkdir -p "$folder"
  (cd "$root" && find CSources Makefile Benchmarks/Makefile -type f -print0 |
    xargs -0 cp --parents -t "$folder") || return 1
  find "$folder" -exec touch -d "$6" {} +
  (umask "$2" && cd "$folder" && LC_ALL=$3 TZ=$4 make -s "-j$5" \
    lib build/plugins/clock.so) || return 1
}

reproducible() {
  local one=$work/one two="$work/a place with spaces/two" file
  must build_in "$one" 022 C UTC 1 2001-02-03T04:05:06
  must build_in "$two" 077 C.UTF-8 Pacific/Auckland 3 2024-12-31T23:59:59
  for file in lib/liboutboard.a uv/libuv_plugin.a plugins/clock.so; do
    expect 0 "$(basename "$file"): the same bytes from another folder" \
      cmp "$one/build/$file" "$two/build/$file"
    expect 1 "$(basename "$file"): no path of the build in it" \
      grep -qaF "$work" "$one/build/$file"
  done
}

archives
plugin "$build/plugins/clock.so" 64
expect 0 "clock.so: none of it late" late_tls "$build/plugins/clock.so"
plugin "$build/plugins/pricing.so" 512
copies
unload
short_of_memory
reproducible
echo "hygiene: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
