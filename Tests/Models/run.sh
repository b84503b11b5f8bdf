#!/usr/bin/env bash
#
# Verifies every model under every memory model, and every mutation: a correct
# model must pass a complete search, a mutation must fail in the expected way.
#
#   run.sh            all runs ('make models')
#   run.sh lane stop  only runs whose name contains one of the words
#
# Environment: OB_BUILD  directory for logs and trails (default: build/models
#                        under the root of the repository)
#              CC, SPIN  the tools (default: cc, spin)
#              OB_MODEL_SECONDS  limit per search (default: 300)
#
# Prints a line per run: name, memory model, expected, got, states, seconds;
# then 'models: N passed, N failed'. Exit: 0 all as expected, 1 not, 2 no tools.
#
# Outcomes: pass    complete search, no error
#           assert  an assertion fails
#           stuck   a thread waits for ever (Spin: invalid end state)
#           cycle   an execution that never ends (Spin: non-progress cycle)
#           cut     the search hit a limit and proves nothing
#           broken  the model or its verifier does not build or crashed
set -u
export LC_ALL=C

CC=${CC:-cc}
SPIN=${SPIN:-spin}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P) || exit 2
only=("$@")
passed=0
failed=0
used=" "

die() {
  echo "models: $1" >&2
  exit 2
}

command -v "${SPIN%% *}" >/dev/null 2>&1 ||
  die "'$SPIN' not found. Install Spin 6.5 (apt-get install spin) or set SPIN."
command -v "${CC%% *}" >/dev/null 2>&1 ||
  die "C compiler '$CC' not found. Install one (apt-get install gcc) or set CC."
build=${OB_BUILD:-$here/../../build/models}
mkdir -p "$build" 2>/dev/null
build=$(cd "$build" 2>/dev/null && pwd -P) ||
  die "cannot write to '${OB_BUILD:-build/models}'. Set OB_BUILD elsewhere."
limit=()
if command -v timeout >/dev/null 2>&1; then
  limit=(timeout "${OB_MODEL_SECONDS:-300}")
fi

wanted() {
  [ ${#only[@]} -eq 0 ] && return 0
  local word
  for word in "${only[@]}"; do
    case $1 in *"$word"*) return 0 ;; esac
  done
  return 1
}

# Builds and runs one verifier in the current directory: log, maybe a trail.
search() {
  local kind=$1 model=$2 opt=-O1 pan=(./pan -m20000)
  shift 2
  local cflags=(-w -DCOLLAPSE -DNOFAIR -DMEMLIM=2048)
  if [ "$kind" = cycles ]; then
    cflags+=(-DNP)
    pan+=(-l)
  fi
  # A search that ends soon is not worth the optimizer's time.
  case $kind-$model in fails-* | *-litmus | *-waiter | *-finish) opt=-O0 ;; esac
  "$SPIN" "-P$CC -E -x c" -a "$@" "$here/$model.pml" || return 1
  [ -f pan.c ] || return 1
  $CC $opt "${cflags[@]}" -o pan pan.c || return 1
  nice "${limit[@]+"${limit[@]}"}" "${pan[@]}"
}

# What the log says. A limit that was hit counts only when no error was found.
verdict() {
  local kind=$1 status=$2
  if grep -q 'assertion violated' log; then
    echo assert
  elif grep -q 'invalid end state (at' log; then
    echo stuck
  elif grep -q 'non-progress cycle (at' log; then
    echo cycle
  elif [ "$status" = 124 ] || grep -q -e 'max search depth too small' \
    -e 'Search not completed' -e 'memory bound' -e 'out of memory' log; then
    echo cut
  elif [ "$status" != 0 ] || ! grep -q 'errors: 0$' log ||
    ! grep -q '^Full statespace search' log; then
    echo broken
  elif [ "$kind" = cycles ]; then
    grep -q 'non-progress cycles.*+' log && echo pass || echo broken
  elif grep -q 'assertion violations.*+' log &&
    grep -q 'invalid end states.*+' log; then
    echo pass
  else
    echo broken
  fi
}

# one KIND NAME MODEL MEMORY EXPECTED [FLAGS]
one() {
  local kind=$1 name=$2 model=$3 mm=$4 want=$5 how=$1 dir got status states secs
  shift 5
  dir=$build/$name-$mm
  rm -rf "$dir"
  mkdir -p "$dir" || die "cannot write to '$dir'."
  [ "$kind" = safety ] && [ "$want" != pass ] && how=fails
  (cd "$dir" && search "$how" "$model" "-D$mm" "$@") >"$dir/log" 2>&1
  status=$?
  cd "$dir" || die "cannot enter '$dir'."
  got=$(verdict "$kind" "$status")
  states=$(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' log)
  secs=$(sed -n 's/.*elapsed time \([0-9.e+-]*\) seconds.*/\1/p' log)
  printf '%-24s %-3s  expected %-6s  got %-6s  %10s states  %6s s\n' \
    "$name" "$mm" "$want" "$got" "${states:--}" "${secs:--}"
  rm -f pan pan.?
  if [ -f "$model.pml.trail" ]; then
    # shellcheck disable=SC2016 # $0 is the replay's own
    printf '#!/bin/sh\ncd "$(dirname "$0")" && exec %s -k %s -D%s %s "%s"\n' \
      "$SPIN" "$model.pml.trail" "$mm" "$*" "$here/$model.pml" >replay.sh
  fi
  cd "$here" || exit 2
  if [ "$got" = "$want" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "  unexpected: see '$dir/log'"
    [ ! -f "$dir/replay.sh" ] || echo "  its trail: sh '$dir/replay.sh'"
  fi
}

# row KIND NAME MODEL 'SC TSO PSO' [FLAGS]: expected outcomes, '-' for no run.
row() {
  local kind=$1 name=$2 model=$3 expected mm want
  read -ra expected <<<"$4"
  shift 4
  used="$used$* "
  wanted "$name" || return 0
  for mm in SC TSO PSO; do
    case $mm in SC) want=${expected[0]} ;; TSO) want=${expected[1]} ;;
    PSO) want=${expected[2]} ;; esac
    [ "$want" = - ] || one "$kind" "$name" "$model" "$mm" "$want" "$@"
  done
}

safety() { row safety "$@"; }
cycles() { row cycles "$@"; }

. "$here/runs.sh"

# A mutation that nobody runs proves nothing.
while read -r mut; do
  case $used in
  *"-D$mut "*) ;;
  *)
    echo "$mut: in a model, but not in runs.sh"
    failed=$((failed + 1))
    ;;
  esac
done < <(grep -ho 'MUT_[A-Z_]*' "$here"/*.pml "$here"/common/*.pml | sort -u)

echo "models: $passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
