#!/usr/bin/env bash
# A host in C: dlopen and threads.
host=plain
. "$(dirname "$0")/../support/host.sh"
. "$(dirname "$0")/../support/bad_guest.sh"
here=$root/Tests/Hosts/plain
ends=$root/Tests/Hosts/support/ends.py
out=$build/hosts/plain
mkdir -p "$out"
plain=$out/plain

# -rdynamic: the decoys must be there for a plugin to be caught by them.
gcc -std=gnu11 -O2 -Wall -Wextra -Wpedantic -rdynamic \
  -I"$root/CSources/CPluginABI/include" -o "$plain" "$here"/*.c \
  "$root"/Tests/Hosts/support/{caller,checks,crowd,decoys,manners}.c \
  -lpthread -ldl -lm || exit 1
export PRICING_COPY=$work/pricing-copy.so
cp "$PRICING" "$PRICING_COPY"

shows answers "$plain" answers
accepts answers GUEST_STRICT PRICING "$plain" answers
accepts answers GUEST_STRICT CLOCK "$plain" answers
rejects answers BAD_MIXED PRICING 'get_product_price' "$plain" answers
rejects answers BAD_MIXED CLOCK 'wait_both' "$plain" answers
rejects answers BAD_ERROR_OK CLOCK 'not 1' "$plain" answers

shows loop "$plain" loop
rejects loop BAD_SERIAL CLOCK "the host's loop ticked" "$plain" loop

shows deadlines "$plain" deadlines
rejects deadlines BAD_DEADLINE CLOCK 'deadline expired' "$plain" deadlines

shows untouched "$plain" untouched
rejects_touching CLOCK "$plain" untouched

shows quiet "$ends" -- "$plain" quietly
rejects_printing CLOCK PRICING "$plain" quietly

shows descriptors "$plain" descriptors
rejects_descriptors CLOCK PRICING "$plain" descriptors

shows threads "$plain" threads
rejects threads BAD_THREAD_OPEN CLOCK ' blocks 0000000000000000' \
  "$plain" threads
rejects threads BAD_THREAD_FAULTS CLOCK ' blocks ffff' "$plain" threads
rejects threads BAD_BUSY PRICING 'not idle' "$plain" threads

bindings=$root/Tests/Hosts/support/bindings.sh
for scope in local global; do
  shows symbols "$plain" symbols-$scope
  shows symbols "$bindings" "$PRICING,$CLOCK" "$plain" symbols-$scope
done
rejects symbols BAD_BIND CLOCK 'uses uv_version of' "$bindings" \
  "$work/BAD_BIND-CLOCK.so" "$plain" answers
rejects symbols BAD_EXPORT CLOCK 'is visible to all' "$plain" symbols-global
rejects symbols BAD_EXPORT CLOCK ' shows ' "$plain" symbols-local
rejects symbols BAD_BIND CLOCK "used the host's uv_version" \
  "$plain" symbols-local

shows fork "$plain" fork
rejects fork BAD_FORK_CRASH PRICING 'ended with signal 6' "$plain" fork
rejects fork BAD_FORK_HANG CLOCK 'ended with signal 9' env PATIENCE=3 "$plain" fork
rejects fork BAD_SERIAL CLOCK 'ended with signal 9' env PATIENCE=3 "$plain" fork

for way in exit exit-thread exit-return; do
  shows exit "$ends" --runs 10 --status 7 -- "$plain" $way
done
rejects_at_exit PRICING CLOCK CLOCK "$plain" exit

for way in handler signalfd; do
  for signal in TERM INT; do
    shows killed "$ends" --runs 2 --signal $signal --says handled -- \
      "$plain" $way
  done
done
shows killed "$ends" --runs 3 --says handled -- "$plain" fault
rejects killed BAD_HANDLER_TERM CLOCK 'handler did not run' env PATIENCE=3 \
  "$ends" --signal TERM --says handled -- "$plain" handler
rejects killed BAD_THREAD_OPEN PRICING "a thread of the plugin's took" env PATIENCE=3 \
  "$ends" --signal TERM --says handled -- "$plain" signalfd
rejects killed BAD_HANDLER_FAULT CLOCK 'ended with status 66' \
  "$ends" --says handled -- "$plain" fault

shows unload "$plain" unload
rejects unload BAD_UNLOAD CLOCK 'exit status 139' "$plain" unload
rejects unload BAD_RECONFIGURE CLOCK 'configure refused' "$plain" unload
rejects unload BAD_RECONFIGURE_ANY PRICING 'answers 0, not 2' "$plain" unload
result answers ok "$rejected bad guests rejected by these checks"
exit 0
