#!/usr/bin/env bash
# Runs each host of hosts.txt against the built plugins and prints the table
# host x promise. A host that says nothing about a promise, or runs out of its
# time, has failed it. Arguments: the hosts to run (default: all). The results
# stay in build/hosts/results.tsv. Ends with 'hosts: N passed, N failed'.
set -u
cd "$(dirname "$0")" || exit 1
root=$(cd ../.. && pwd)
build=${OB_BUILD:-$root/build}
mkdir -p "$build/hosts"
export OB_RESULTS=$build/hosts/results.tsv
: >"$OB_RESULTS"
only=" $* "

gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -shared \
  -o "$build/hosts/libmanners.so" support/manners.c -ldl -lm || exit 1

# A host is a process group of its own (set -m, by which it does not inherit an
# ignored SIGINT either). Its run.sh is told to end, once (timeout --foreground:
# else twice, the second time while it removes what is its own); what it leaves
# of the group then ends.
job=
ended() { # NUMBER
  trap '' INT TERM HUP
  if [ -n "$job" ]; then
    kill -TERM "$job" 2>/dev/null
    wait "$job"
    kill -KILL -- "-$job" 2>/dev/null
  fi
  exit $((128 + $1))
}
trap 'ended 1' HUP
trap 'ended 2' INT
trap 'ended 15' TERM

while IFS='|' read -r host heading limit; do
  case $host in '' | '#'*) continue ;; esac
  if [ $# -gt 0 ] && [[ $only != *" $host "* ]]; then continue; fi
  begin=$SECONDS
  echo "--- $heading"
  set -m
  timeout --foreground -k 10 "$limit" "$host/run.sh" </dev/null &
  job=$!
  set +m
  wait "$job"
  code=$?
  kill -KILL -- "-$job" 2>/dev/null
  job=
  if [ $code -ne 0 ]; then
    echo "--- $heading: exit status $code after $((SECONDS - begin)) s"
    printf '%s\tended\tFAILED\texit status %s\n' "$host" $code >>"$OB_RESULTS"
  fi
done <hosts.txt

python3 matrix.py "$OB_RESULTS" "$@"
