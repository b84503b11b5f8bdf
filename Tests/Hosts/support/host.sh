# Sourced by each host's run.sh. What a host shows is one line of $OB_RESULTS
# for each promise (promises.txt): host, promise, ok / FAILED / -, details.
# shellcheck shell=bash
#
#   host=python
#   . "$(dirname "$0")/../support/host.sh"
#   result PROMISE ok|FAILED|- TEXT   says it
#   shows PROMISE COMMAND...          runs a command of at most 60 s; its output
#                                     is the detail, shown when it fails
#   cannot PROMISE WHY                a promise that makes no sense in this host
#   collect FILE                      lines 'PROMISE ok|FAILED|- TEXT' that a
#                                     host program has written
#
# Variables: root, build, PRICING, CLOCK (paths of the plugins, absolute),
# MANNERS (libmanners.so), work (a folder that is removed at the end), and HOME
# is an empty folder, so that the example's database goes where nobody looks.
# A run.sh ends with exit status 0 when it could say everything, be it FAILED.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)
build=${OB_BUILD:-$root/build}
PRICING=${PRICING:-$build/plugins/pricing.so}
CLOCK=${CLOCK:-$build/plugins/clock.so}
MANNERS=$build/hosts/libmanners.so
OB_RESULTS=${OB_RESULTS:-/dev/stdout}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
export PRICING CLOCK MANNERS HOME=$work/home
unset XDG_CACHE_HOME
failed=0

# A timeout leads a process group, which does not hear of a signal that ends
# this script: it is told by the end of its parent.
limited=(timeout -k 5)
if command -v setpriv >/dev/null; then
  limited=(setpriv --pdeathsig TERM timeout -k 5)
fi

result() {
  local promise=$1 verdict=$2 text
  shift 2
  text=$(printf '%s' "$*" | tr '\n\t' '; ')
  printf '%s\t%s\t%s\t%s\n' "$host" "$promise" "$verdict" "$text" >>"$OB_RESULTS"
  if [ "$verdict" = FAILED ]; then
    failed=$((failed + 1))
    echo "FAILED: $host, $promise: $*"
  fi
}

shows() {
  local promise=$1 output code
  shift
  output=$("${limited[@]}" "${LIMIT:-60}" "$@" 2>&1)
  code=$?
  if [ $code -eq 0 ]; then
    result "$promise" ok "$(printf '%s' "$output" | tail -n 1)"
  elif [ $code -eq 124 ] || [ $code -eq 137 ]; then
    result "$promise" FAILED "no end within ${LIMIT:-60} s: $* $output"
  else
    result "$promise" FAILED "exit status $code: $* $output"
  fi
}

cannot() {
  result "$1" - "$2"
}

collect() {
  local promise verdict text seen=0
  while read -r promise verdict text; do
    result "$promise" "$verdict" "$text"
    seen=1
  done <"$1"
  [ $seen -eq 1 ] || result answers FAILED "$1 is empty"
}
