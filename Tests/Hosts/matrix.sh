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

gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -shared \
  -o "$build/hosts/libmanners.so" support/manners.c -ldl -lm || exit 1

# Two at a time: most of a host's time is waiting for what must not come. Each is
# a process group of its own (set -m, by which it does not inherit an ignored
# SIGINT either). Its run.sh is told to end, once (timeout --foreground: else
# twice, the second time while it removes what is its own); what it leaves of
# the group then ends.
declare -A names=() begins=()
ended() { # NUMBER
  trap '' INT TERM HUP
  for job in "${!names[@]}"; do kill -TERM "$job" 2>/dev/null; done
  for job in "${!names[@]}"; do
    wait "$job"
    kill -KILL -- "-$job" 2>/dev/null
  done
  exit $((128 + $1))
}
trap 'ended 1' HUP
trap 'ended 2' INT
trap 'ended 15' TERM

finish_one() {
  local job code
  wait -n -p job
  code=$?
  kill -KILL -- "-$job" 2>/dev/null
  echo "--- ${names[$job]#*|}: $((SECONDS - begins[$job])) s"
  if [ $code -ne 0 ]; then
    echo "--- ${names[$job]#*|}: exit status $code"
    printf '%s\tended\tFAILED\texit status %s\n' "${names[$job]%%|*}" $code \
      >>"$OB_RESULTS"
  fi
  unset "names[$job]" "begins[$job]"
}

run() { # AT_ONCE HOST... (all without one)
  local at_once=$1 only host heading limit
  shift
  only=" $* "
  while IFS='|' read -r host heading limit; do
    case $host in '' | '#'*) continue ;; esac
    if [ $# -gt 0 ] && [[ $only != *" $host "* ]]; then continue; fi
    while [ ${#names[@]} -ge "$at_once" ]; do finish_one; done
    set -m
    timeout --foreground -k 10 "$limit" "$host/run.sh" </dev/null &
    set +m
    names[$!]="$host|$heading"
    begins[$!]=$SECONDS
  done <hosts.txt
  while [ ${#names[@]} -gt 0 ]; do finish_one; done
}

run "${OB_HOSTS_AT_ONCE:-2}" "$@"
# Every check has a time limit, which a busy machine may overrun: what failed
# gets a second chance, alone, and in the open.
mapfile -t again < <(python3 matrix.py --failed "$OB_RESULTS" "$@" | grep .)
if [ ${#again[@]} -gt 0 ] && [ "${OB_HOSTS_AGAIN:-1}" = 1 ]; then
  echo "--- once more, one at a time: ${again[*]}"
  for host in "${again[@]}"; do
    sed -i "/^$host\t/d" "$OB_RESULTS"
  done
  run 1 "${again[@]}"
fi

python3 matrix.py "$OB_RESULTS" "$@" || exit 1
# What the README shows is what a whole run has shown.
[ $# -gt 0 ] || python3 matrix.py --readme "$root/README.md" "$OB_RESULTS"
