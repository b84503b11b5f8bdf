#!/usr/bin/env bash
# PostgreSQL 15: an extension whose functions call plugins and the engine from
# backends; see guest.c, engine.c, parts.py. A server of its own in a temporary
# folder, on a Unix-domain socket. What must be rejected is, as in every host.
set -u
host=postgres
cd "$(dirname "$0")" || exit 1
. ../support/host.sh
. ../support/bad_guest.sh
export PYTHONDONTWRITEBYTECODE=1
. ./build.sh

parts='answers loop deadlines untouched quiet descriptors threads symbols fork exit killed unload'
# shellcheck disable=SC2086
"${limited[@]}" 300 python3 drive.py $parts >"$work/results"
collect "$work/results"

# --- What must be rejected ----------------------------------------------------

# PATIENCE: what hangs is to be found hanging soon; nothing else is hurried.
export LIMIT=100
rejects answers BAD_MIXED PRICING 'wrong' python3 drive.py answers
rejects answers BAD_ERROR_OK PRICING 'wrong: no error, but' python3 drive.py answers
PATIENCE=8 rejects deadlines BAD_DEADLINE CLOCK 'no answer within' python3 drive.py deadlines
rejects untouched BAD_UMASK CLOCK 'umask' python3 drive.py untouched
rejects untouched BAD_HANDLER PRICING 'signal 17' python3 drive.py untouched
rejects quiet BAD_PRINT_ERROR CLOCK 'bad guest' python3 drive.py quiet
rejects descriptors BAD_DESCRIPTOR_LEAK CLOCK '/dev/null' python3 drive.py descriptors
rejects threads BAD_THREAD_OPEN CLOCK 'blocks the wrong' python3 drive.py threads
rejects threads BAD_BUSY CLOCK 'ran while idle' python3 drive.py threads
rejects symbols BAD_EXPORT CLOCK 'that the process sees' python3 drive.py symbols
rejects fork BAD_FORK_CRASH CLOCK 'did not end' python3 drive.py fork
PATIENCE=8 rejects exit BAD_EXIT_JOIN CLOCK 'the backend has gone' python3 drive.py exit
PATIENCE=8 rejects killed BAD_HANDLER_TERM CLOCK 'no answer within' python3 drive.py killed
rejects unload BAD_RECONFIGURE PRICING 'configure 2' python3 drive.py unload
# An extension that blocks in the engine without a look at its interrupts.
output=$(PATIENCE=8 EXTENSION=$PGBASE/bad_wait.so "${limited[@]}" 100 python3 drive.py loop)
case $? in
  1) rejected=$((rejected + 1)) ;;
  *) result loop FAILED "bad_wait: $output" ;;
esac
result answers ok "$rejected bad guests and an extension that minds no interrupts rejected"
exit 0
