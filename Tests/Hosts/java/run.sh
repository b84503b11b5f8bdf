#!/usr/bin/env bash
# Java 17 as a host, through a small JNI library (native.c). Each promise is a
# program; most are run a second time with a plugin that breaks just that promise
# (../support/faulty.c), and must then fail and say why.
set -u
cd "$(dirname "$0")" || exit 1
host=java
. ../support/host.sh
home=/usr/lib/jvm/java-17-openjdk-amd64
if [ ! -x "$home/bin/javac" ]; then
  home=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")") || exit 1
fi
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(command -v python3) || exit 1
out=$build/hosts/java
NATIVE=$out/libnative.so
export PYTHON NATIVE PYTHONDONTWRITEBYTECODE=1
unset JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS
mkdir -p "$out/classes"

build_c() { # FILE SOURCE... SWITCH...
  gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -fvisibility=hidden -shared \
    -I"$home/include" -I"$home/include/linux" \
    -I"$root/CSources/CPluginABI/include" -o "$out/$1" "${@:2}" -ldl -lpthread ||
    exit 1
}
build_c libnative.so native.c ../support/manners.c
build_c faulty.so ../support/faulty.c
build_c visible.so ../support/faulty.c -DFAULTY_VISIBLE
build_c bound.so ../support/faulty.c -DFAULTY_BOUND
"$home/bin/javac" -Xlint:all,-try -Werror -d "$out/classes" ./*.java || exit 1

# A small heap, and threads of the machine's own that do not come and go.
java=("$home/bin/java" -Xmx64m -Xss512k -XX:+UseSerialGC
  -XX:-UseDynamicNumberOfCompilerThreads -XX:TieredStopAtLevel=1
  "-XX:ErrorFile=$work/hs_err.log" -XX:-CreateCoredumpOnCrash
  -cp "$out/classes")

# What rejects() has running: most of its time is waiting for what must not come.
jobs=()

# rejects PROMISE FAULT PLUGIN WORD COMMAND...: with this fault in the plugin
# (pricing or clock) the command fails, and its reason has the word.
rejects() {
  rejects_now "$@" &
  jobs+=($!)
}

rejects_now() {
  local promise=$1 fault=$2 plugin=$3 word=$4 output code wrapped faulty
  shift 4
  faulty=$out/faulty.so
  case $fault in visible | bound) faulty=$out/$fault.so ;; esac
  wrapped=$PRICING
  [ "$plugin" = pricing ] || wrapped=$CLOCK
  output=$(env "${plugin^^}=$faulty" FAULTY="$fault" FAULTY_REAL="$wrapped" \
    timeout -k 5 90 "$@" 2>&1)
  code=$?
  if [ $code -eq 0 ] || [ $code -ge 124 ] || [[ $output != *$word* ]]; then
    result "$promise" FAILED \
      "a plugin with the fault '$fault' was not rejected ($code): $output"
  fi
}

LIMIT=90
shows answers "${java[@]}" -XX:+UseG1GC -XX:-UseSerialGC \
  -XX:TieredStopAtLevel=4 Answers
shows answers "${java[@]}" -Xcheck:jni Answers
shows loop "${java[@]}" Loop
shows deadlines "${java[@]}" Deadlines
for promise in untouched descriptors threads; do
  shows "$promise" "${java[@]}" Polite "$promise"
done
shows untouched "${java[@]}" -Xrs Polite untouched
shows quiet "$PYTHON" ended.py quiet "${java[@]}"
shows symbols ./symbols.sh "${java[@]}"
shows fork "${java[@]}" Forks
shows fork "${java[@]}" Forks FORK
shows fork "${java[@]}" Forks VFORK
shows exit "$PYTHON" ended.py exit "${java[@]}"
shows killed "$PYTHON" ended.py killed "${java[@]}"
shows unload "${java[@]}" Unload

rejects answers mix pricing 'Wrong: ' "${java[@]}" Answers
rejects answers mix clock 'Wrong: ' "${java[@]}" Answers
rejects deadlines late clock 'late: ' "${java[@]}" Deadlines
rejects untouched state pricing 'touched: ' "${java[@]}" Polite untouched
rejects untouched handler clock 'touched: ' "${java[@]}" Polite untouched
rejects descriptors leak pricing 'descriptors' "${java[@]}" Polite descriptors
wait "${jobs[@]}"
rejects threads open clock 'mask of thread' "${java[@]}" Polite threads
rejects threads wakes pricing 'idle, they run' "${java[@]}" Polite threads
rejects quiet print clock 'stdout b' "$PYTHON" ended.py quiet "${java[@]}"
rejects symbols visible clock 'visible: ob_call' ./symbols.sh "${java[@]}"
rejects symbols bound clock 'bound: ' ./symbols.sh "${java[@]}"
rejects fork lock clock 'hung: ' "${java[@]}" Forks
rejects exit hang clock 'hung: ' "$PYTHON" ended.py exit "${java[@]}"
rejects exit status pricing 'status 99' "$PYTHON" ended.py exit "${java[@]}"
rejects killed handler clock 'hung: faults' "$PYTHON" ended.py killed "${java[@]}"
rejects unload again pricing 'another configuration is taken' \
  "${java[@]}" Unload
wait "${jobs[@]}"
for report in "$work"/hs_err*.log; do
  [ -e "$report" ] || continue
  result killed FAILED "a report of a fatal error: $(head -n 12 "$report")"
done
exit 0
