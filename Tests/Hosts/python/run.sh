#!/usr/bin/env bash
# Python as a host, with ctypes and the standard library alone. Each promise is a
# program of its own; each is run again with guests that break just that promise
# (../support/bad_guest.c), and must then fail and say why.
set -u
cd "$(dirname "$0")" || exit 1
host=python
. ../support/host.sh
. ../support/bad_guest.sh
python=/usr/bin/python3
[ -x "$python" ] || python=$(command -v python3) || exit 1
out=$build/hosts/python
export DECOYS=$out/libdecoys.so PYTHONDONTWRITEBYTECODE=1
mkdir -p "$out"
gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -fPIC -shared -o "$DECOYS" \
  ../support/decoys.c || exit 1

for promise in answers loop deadlines quiet symbols fork exit killed unload; do
  shows "$promise" "$python" "$promise.py"
done
for promise in untouched descriptors threads; do
  shows "$promise" "$python" manners.py "$promise"
done

# --- What must be rejected ----------------------------------------------------

export PATIENCE=5 # what hangs is to be found hanging soon
accepts answers GUEST_STRICT PRICING "$python" answers.py
accepts answers GUEST_STRICT CLOCK "$python" answers.py

bad() { # SWITCH PLUGIN TEXT PROGRAM...: rejected by the checks of $promise
  rejects_soon "$promise" "BAD_$1" "$2" "$3" "$python" "${@:4}"
}
promise=answers
bad MIXED PRICING 'Wrong: ' answers.py
bad MIXED CLOCK 'Wrong: wait ' answers.py
bad ERROR_OK PRICING 'Wrong: ' answers.py
bad ERROR_OK CLOCK 'Wrong: ' answers.py
promise=loop
bad INTERPRETER CLOCK 'stopped: ' loop.py
promise=deadlines
bad DEADLINE CLOCK 'Wrong: wait_both: 0' deadlines.py
bad LATE CLOCK 'late: wait_both' deadlines.py
bad LATE PRICING 'late: get_product_price' deadlines.py
promise=untouched
for fault in "${touching[@]}"; do
  bad "$fault" CLOCK 'touched: ' manners.py untouched
done
promise=quiet
bad PRINT CLOCK 'printed: ' quiet.py
bad PRINT_ERROR PRICING 'printed: ' quiet.py
promise=descriptors
bad DESCRIPTOR_LEAK CLOCK 'descriptors grew' manners.py descriptors
bad DESCRIPTOR_OPEN PRICING 'not close-on-exec' manners.py descriptors
promise=threads
bad THREAD_OPEN CLOCK 'mask of thread' manners.py threads
bad THREAD_FAULTS PRICING 'mask of thread' manners.py threads
bad BUSY PRICING 'idle, they run' manners.py threads
promise=symbols
bad EXPORT CLOCK 'visible: ' symbols.py
bad BIND CLOCK 'uses uv_version of' symbols.py
promise=fork
bad FORK_CRASH PRICING 'ended with -6' fork.py
bad FORK_HANG CLOCK 'did not come out of fork' fork.py
bad SERIAL CLOCK 'hung: ' fork.py
promise=exit
bad EXIT_JOIN CLOCK 'hung, ' exit.py
bad EXIT_STATUS PRICING 'status 66' exit.py
bad EXIT_PRINT PRICING 'good bye' exit.py
promise=killed
bad HANDLER_TERM CLOCK 'interrupt: the host' killed.py
bad HANDLER_FAULT CLOCK 'fault: status 66' killed.py
promise=unload
bad UNLOAD CLOCK 'exit status 139' unload.py
bad RECONFIGURE PRICING 'the same configuration is refused' unload.py
bad RECONFIGURE_ANY PRICING 'another configuration is taken' unload.py
all_rejected
result answers ok "$rejected bad guests rejected by these checks"
exit 0
