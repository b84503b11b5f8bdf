#!/usr/bin/env bash
# Java 17 as a host, through a small JNI library (native.c). Each promise is a
# program; each is run again with guests that break just that promise
# (../support/bad_guest.c), and must then fail and say why.
set -u
cd "$(dirname "$0")" || exit 1
host=java
. ../support/host.sh
. ../support/bad_guest.sh
home=/usr/lib/jvm/java-17-openjdk-amd64
if [ ! -x "$home/bin/javac" ]; then
  home=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")") || exit 1
fi
PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || PYTHON=$(command -v python3) || exit 1
out=$build/hosts/java
NATIVE=$out/libnative.so
export PYTHON NATIVE DECOYS=$out/libdecoys.so PYTHONDONTWRITEBYTECODE=1
unset JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS
mkdir -p "$out/classes"

build_c() { # FILE SOURCE... SWITCH...
  gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -fvisibility=hidden -shared \
    -I"$home/include" -I"$home/include/linux" \
    -I"$root/CSources/CPluginABI/include" -o "$out/$1" "${@:2}" -ldl -lpthread ||
    exit 1
}
build_c libnative.so native.c ../support/manners.c
build_c libdecoys.so ../support/decoys.c -fvisibility=default
"$home/bin/javac" -Xlint:all,-try -Werror -d "$out/classes" ./*.java || exit 1

# A small heap, and threads of the machine's own that do not come and go.
java=("$home/bin/java" -Xmx64m -Xss512k -XX:+UseSerialGC
  -XX:-UseDynamicNumberOfCompilerThreads -XX:TieredStopAtLevel=1
  "-XX:ErrorFile=$work/hs_err.log" -XX:-CreateCoredumpOnCrash
  -cp "$out/classes")

LIMIT=180 # seconds for each; a busy machine starts few Java machines a minute
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

# --- What must be rejected ----------------------------------------------------

export PATIENCE=8 # what hangs is to be found hanging soon
java+=("-XX:ErrorFile=$work/bad_%p.log")
accepts answers GUEST_STRICT PRICING "${java[@]}" Answers
accepts answers GUEST_STRICT CLOCK "${java[@]}" Answers

bad() { # SWITCH PLUGIN TEXT CLASS...: rejected by the checks of $promise
  rejects_soon "$promise" "BAD_$1" "$2" "$3" "${java[@]}" "${@:4}"
}
bad_end() { # SWITCH PLUGIN TEXT: by those of ended.py
  rejects_soon "$promise" "BAD_$1" "$2" "$3" \
    "$PYTHON" ended.py "$promise" "${java[@]}"
}
promise=answers
bad MIXED PRICING 'Wrong: ' Answers
bad MIXED CLOCK 'Wrong: wait ' Answers
bad ERROR_OK PRICING 'Wrong: ' Answers
bad ERROR_OK CLOCK 'Wrong: ' Answers
promise=loop
bad SERIAL CLOCK 'stopped: ' Loop
promise=deadlines
bad DEADLINE CLOCK 'Wrong: wait_both: 0' Deadlines
bad LATE CLOCK 'late: wait_both' Deadlines
bad LATE PRICING 'late: get_product_price' Deadlines
promise=untouched
for fault in "${touching[@]}"; do
  [ "$fault" = LOCALE ] && continue
  bad "$fault" CLOCK 'touched: ' Polite untouched
done
rejects_soon untouched BAD_LOCALE CLOCK 'touched: ' env LC_ALL=C \
  "${java[@]}" Polite untouched # the machine takes its environment's locale
promise=quiet
bad_end PRINT CLOCK 'bad guest: called'
bad_end PRINT_ERROR PRICING 'bad guest: started'
bad_end HANDLER_FAULT CLOCK 'SIGSEGV handler modified' # says -Xcheck:jni
promise=descriptors
bad DESCRIPTOR_LEAK CLOCK 'descriptors grew' Polite descriptors
bad DESCRIPTOR_OPEN PRICING 'not close-on-exec' Polite descriptors
promise=threads
bad THREAD_OPEN CLOCK 'mask of thread' Polite threads
bad THREAD_FAULTS PRICING 'mask of thread' Polite threads
bad BUSY PRICING 'idle, they run' Polite threads
rejects_soon symbols BAD_EXPORT CLOCK 'visible: ' ./symbols.sh "${java[@]}"
rejects_soon symbols BAD_BIND CLOCK 'uses uv_version of' \
  ./symbols.sh "${java[@]}"
promise=fork
bad FORK_CRASH PRICING 'wait status is 6' Forks
bad FORK_HANG CLOCK 'did not come out of fork' Forks
bad SERIAL CLOCK 'hung: ' Forks
promise=exit
bad_end EXIT_JOIN CLOCK 'hung: '
bad_end EXIT_STATUS PRICING 'status 66'
bad_end EXIT_PRINT PRICING 'good bye'
promise=killed
bad_end HANDLER_TERM CLOCK 'hung: hook'
bad_end HANDLER_FAULT CLOCK 'status 66'
promise=unload
bad UNLOAD CLOCK 'SIGSEGV' Unload
bad RECONFIGURE PRICING 'the same configuration is refused' Unload
bad RECONFIGURE_ANY PRICING 'another configuration is taken' Unload
all_rejected
result answers ok "$rejected bad guests rejected by these checks"
for report in "$work"/hs_err*.log; do
  [ -e "$report" ] || continue
  result killed FAILED "a report of a fatal error: $(head -n 12 "$report")"
done
exit 0
