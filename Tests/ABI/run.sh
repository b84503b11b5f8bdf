#!/usr/bin/env bash
# The public C interface is the one under version control, and the check sees
# each kind of change: it is run on copies of the headers with one change each.
# Ends with 'abi: N passed, N failed'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
build=${OB_BUILD:-$root/build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0 failed=0
abi=("$here/abi.py")

say() { # ok|FAIL TEXT
  echo "$1 $2"
  if [ "$1" = "ok  " ]; then
    passed=$((passed + 1))
  else
    sed 's/^/  /' "$work/log"
    failed=$((failed + 1))
  fi
}

# A copy of the headers with OLD, which is in FILE once, made NEW.
change() { # FILE OLD NEW
  python3 - "$work/tree/include/$1" "$2" "$3" <<'P'
import sys
path, old, new = sys.argv[1:]
text = open(path).read()
if text.count(old) != 1:
    sys.exit(f"{path}: '{old}' is there {text.count(old)} times, not once")
open(path, "w").write(text.replace(old, new))
P
}

fresh() {
  rm -rf "$work/tree"
  mkdir "$work/tree"
  cp -R "$root/CSources/COutboard/include" "$work/tree/include"
  cp "$here/outboard.abi" "$work/list"
}

on_copy() { # check|accept
  "${abi[@]}" "$1" --source "$work/tree" --list "$work/list" >"$work/log" 2>&1
}

refuses() { # NAME WORD: both check and accept, and the text has the word
  if on_copy check; then
    say FAIL "$1: check sees nothing"
  elif ! grep -qF -- "$2" "$work/log"; then
    say FAIL "$1: the text lacks '$2'"
  elif ! grep -qF 'cure: ' "$work/log"; then
    say FAIL "$1: no cure"
  elif on_copy accept; then
    say FAIL "$1: accept writes it down"
  else
    say "ok  " "$1 is refused"
  fi
}

takes() { # NAME: check asks for accept, which takes it, and then check passes
  if on_copy check; then
    say FAIL "$1: the list is old and check passes"
  elif ! grep -qF abi-accept "$work/log"; then
    say FAIL "$1: not told what to do"
  elif ! on_copy accept; then
    say FAIL "$1: not accepted"
  elif ! on_copy check; then
    say FAIL "$1: accepted, and check fails"
  else
    say "ok  " "$1 is accepted"
  fi
}

log_a_line() {
  change outboard.h 'For C++: outboard.hpp.' $'For C++: outboard.hpp.\n *          More.'
}
raise_version() {
  change outboard_status.h 'OB_VERSION_STRING "0.1.0"' 'OB_VERSION_STRING "0.2.0"'
}

if "${abi[@]}" check --library "$build/lib/liboutboard.a" >"$work/log" 2>&1; then
  say "ok  " "$(cat "$work/log")"
else
  say FAIL "the headers and the library are as listed"
fi

# Breaks.
last='OB_API int ob_cq_destroy(ob_cq *cq);'
fresh && change outboard_cq.h "$last" ''
refuses "a removed function" "removed: function ob_cq_destroy"
fresh && change outboard_cq.h 'int ob_cq_fd(const ob_cq *cq);' 'int ob_cq_fd(ob_cq *cq);'
refuses "a changed prototype" "changed: function ob_cq_fd"
fresh && change outboard_cq.h 'int ob_cq_fd(const ob_cq *cq);' \
  'long ob_cq_fd(const ob_cq *cq);'
refuses "a changed return type" "changed: function ob_cq_fd"
fresh && change outboard_call.h 'typedef void (*ob_post_fn)(void *arg, int status);' \
  'typedef void (*ob_post_fn)(void *arg, long status);'
refuses "a changed callback" "changed: typedef ob_post_fn"
fresh && change outboard_cq.h '  int status;       /* of the call */' \
  '  long status;'
refuses "a changed member" "changed: member ob_cq_record.status"
fresh && change outboard_engine.h '  uint32_t queue_limit; /* most items queued at once */' \
  '  uint64_t queue_limit;'
refuses "a wider member" "changed: member ob_engine_opts.batch_limit"
fresh && change outboard_cq.h '  void *tag;        /* done_user of the call */' \
  $'  void *extra;\n  void *tag;'
refuses "a member in the middle" "changed: struct ob_cq_record"
fresh && change outboard_call.h '  int32_t reserved; /* 0 */' \
  $'  int32_t reserved;\n  void *more;'
refuses "a longer struct without a size of its own" "changed: struct ob_result"
fresh && change outboard_engine.h 'OB_FORK_RESTART = 1,' 'OB_FORK_RESTART = 2,'
refuses "a changed enum value" "changed: enumerator OB_FORK_RESTART"
fresh && change outboard_status.h 'XX(EPERM, -1015,' 'XX(EPERM, -1018,'
refuses "a changed status code" "changed: enumerator OB_EPERM"
fresh && change outboard_call.h '#define OB_RESULT_INLINE 32' '#define OB_RESULT_INLINE 40'
refuses "a changed constant" "changed: macro OB_RESULT_INLINE"
fresh && change outboard_uv.h 'uv_loop_t *ob_uv_loop(' 'void *ob_uv_loop('
refuses "a changed function of outboard_uv.h" "changed: function ob_uv_loop"
# A line in the log alone does not allow a break.
fresh && change outboard_cq.h "$last" '' && log_a_line
refuses "a removed function with a line in the log" "OB_VERSION_MINOR"
# A new minor version does, with a line in the log.
fresh && change outboard_cq.h "$last" '' && raise_version
refuses "a removed function in a new version, not in the log" "API log has not"
fresh && change outboard_cq.h "$last" '' && raise_version && log_a_line
takes "a removed function in a new version"

# Additions.
more=$'OB_API int ob_cq_more(ob_cq *cq);'
fresh && change outboard_cq.h "$last" "$last"$'\n'"$more"
refuses "a new function that the log does not name" "API log has not"
fresh && change outboard_cq.h "$last" "$last"$'\n'"$more" && log_a_line
takes "a new function"
fresh && change outboard_call.h '  OB_CALL_COPY = 1u << 4,' \
  $'  OB_CALL_COPY = 1u << 4,\n  OB_CALL_MORE = 1u << 5,' && log_a_line
takes "a new flag"
grown='  const struct ob_inspect_opts *inspect; /* outboard_inspect.h; NULL: off */'
fresh && change outboard_engine.h "$grown" "$grown"$'\n  void *more;'
refuses "a new option that the log does not name" "API log has not"
fresh && change outboard_engine.h "$grown" "$grown"$'\n  void *more;' && log_a_line
takes "a new option at the end"
fresh && log_a_line
takes "a line in the log alone"

# The library against its headers.
cp "$build/lib/liboutboard.a" "$work/less.a"
objcopy --localize-symbol=ob_version "$work/less.a" "$work/less.a"
fresh
if "${abi[@]}" check --library "$work/less.a" >"$work/log" 2>&1; then
  say FAIL "a function that the library lacks: not seen"
elif grep -q 'ob_version is declared and not in' "$work/log"; then
  say "ok  " "a function that the library lacks is seen"
else
  say FAIL "a function that the library lacks: not named"
fi
objcopy --add-symbol ob_extra=.text:0,global,function "$build/lib/liboutboard.a" \
  "$work/more.a"
if "${abi[@]}" check --library "$work/more.a" >"$work/log" 2>&1; then
  say FAIL "a symbol that no header declares: not seen"
elif grep -q 'ob_extra is in .* and not declared' "$work/log"; then
  say "ok  " "a symbol that no header declares is seen"
else
  say FAIL "a symbol that no header declares: not named"
fi

echo "abi: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
