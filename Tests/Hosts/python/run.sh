#!/usr/bin/env bash
# Python as a host, with ctypes and the standard library alone. Each promise is a
# program of its own; most are run a second time with a plugin that breaks just
# that promise (../support/faulty.c), and must then fail and say why.
set -u
cd "$(dirname "$0")" || exit 1
host=python
. ../support/host.sh
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3) || exit 1
export PYTHONDONTWRITEBYTECODE=1
mkdir -p "$build/hosts/python"

# build_faulty NAME SWITCH...
build_faulty() {
  gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -fvisibility=hidden -shared \
    "${@:2}" -I"$root/CSources/CPluginABI/include" \
    -o "$build/hosts/python/$1.so" ../support/faulty.c -ldl || exit 1
}
build_faulty faulty
build_faulty visible -DFAULTY_VISIBLE
build_faulty bound -DFAULTY_BOUND

# What rejects() has running: most of its time is waiting for what must not come.
jobs=()

# rejects PROMISE FAULT PLUGIN WORD PROGRAM...: with this fault in the plugin
# (pricing or clock) the program fails, and its reason has the word.
rejects() {
  rejects_now "$@" &
  jobs+=($!)
}

rejects_now() {
  local promise=$1 fault=$2 plugin=$3 word=$4 output code wrapped faulty
  shift 4
  faulty=$build/hosts/python/faulty.so
  case $fault in visible | bound) faulty=$build/hosts/python/$fault.so ;; esac
  wrapped=$PRICING
  [ "$plugin" = pricing ] || wrapped=$CLOCK
  output=$(env "${plugin^^}=$faulty" FAULTY="$fault" FAULTY_REAL="$wrapped" \
    timeout -k 5 50 "$python" "$@" 2>&1)
  code=$?
  if [ $code -eq 0 ] || [ $code -ge 124 ] || [[ $output != *$word* ]]; then
    result "$promise" FAILED \
      "a plugin with the fault '$fault' was not rejected ($code): $output"
  fi
}

for promise in answers loop deadlines quiet symbols fork exit killed unload; do
  shows "$promise" "$python" "$promise.py"
done
for promise in untouched descriptors threads; do
  shows "$promise" "$python" manners.py "$promise"
done

rejects answers mix pricing 'Wrong: ' answers.py
rejects answers mix clock 'Wrong: ' answers.py
rejects loop stop clock 'stopped: ' loop.py
rejects deadlines late clock 'late: ' deadlines.py
rejects untouched state pricing 'touched: ' manners.py untouched
rejects untouched handler pricing 'touched: ' manners.py untouched
rejects quiet print clock 'printed: ' quiet.py
rejects descriptors leak pricing 'descriptors' manners.py descriptors
rejects threads open clock 'mask of thread' manners.py threads
rejects threads wakes pricing 'idle, they run' manners.py threads
rejects symbols visible clock 'visible: ob_call' symbols.py
rejects symbols bound clock 'bound: ' symbols.py
rejects fork lock clock 'hung: ' fork.py
rejects exit hang clock 'hung, ' exit.py
rejects exit status pricing 'status 99' exit.py
rejects killed handler clock 'the host' killed.py
rejects unload again pricing 'another configuration is taken' unload.py
wait "${jobs[@]}"
exit 0
