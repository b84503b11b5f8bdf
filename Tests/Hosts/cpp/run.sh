#!/usr/bin/env bash
# A host in C++17: exceptions all around, static objects that poison memory when
# they are destroyed; and one with an engine of its own, by outboard.hpp.
host=cpp
. "$(dirname "$0")/../support/host.sh"
. "$(dirname "$0")/../support/bad_guest.sh"
here=$root/Tests/Hosts/cpp
support=$root/Tests/Hosts/support
ends=$support/ends.py
bindings=$support/bindings.sh
out=$build/hosts/cpp
mkdir -p "$out"
cpp=$out/cpp
engine=$out/cpp-engine

include=(-I"$root/CSources/CPluginABI/include" -I"$root/CSources/COutboard/include")
flags=(-O1 -Wall -Wextra -Wpedantic)
c_objects=()
for name in caller checks crowd decoys manners; do
  gcc -std=gnu11 "${flags[@]}" "${include[@]}" -c -o "$out/$name.o" \
    "$support/$name.c" || exit 1
  # decoys.c has the names of a real engine.
  [ $name = decoys ] || c_objects+=("$out/$name.o")
done
# A fault becomes an exception at the very instruction: -fnon-call-exceptions.
cxx=(g++ -std=c++17 "${flags[@]}" "${include[@]}" -fnon-call-exceptions)
objects=()
for name in main passing calls manners life leave signals engine; do
  rm -f "$out/cpp-$name.o"
  "${cxx[@]}" -c -o "$out/cpp-$name.o" "$here/$name.cpp" &
  [ $name = engine ] || objects+=("$out/cpp-$name.o")
done
wait # what could not be compiled is missed by the linker
# -rdynamic: the decoys must be there for a plugin to be caught by them; in the
# other program it is an engine, and libuv itself, that a plugin could meet.
"${cxx[@]}" -rdynamic -o "$cpp" "${objects[@]}" "${c_objects[@]}" \
  "$out/decoys.o" -lpthread -ldl -lm || exit 1
make --no-print-directory -s -C "$root" BUILD="$build" lib || exit 1
# shellcheck disable=SC2046
"${cxx[@]}" -rdynamic -o "$engine" "$out/cpp-engine.o" "$out/cpp-passing.o" \
  "${c_objects[@]}" "$build/lib/liboutboard.a" $(pkg-config --libs libuv) \
  -lpthread -ldl -lm || exit 1
export PRICING_COPY=$work/pricing-copy.so
cp "$PRICING" "$PRICING_COPY"

shows answers "$cpp" answers
shows answers "$engine" exceptions
accepts answers GUEST_STRICT PRICING "$cpp" answers
accepts answers GUEST_STRICT CLOCK "$cpp" answers
rejects answers BAD_MIXED PRICING 'get_product_price' "$cpp" answers
rejects answers BAD_MIXED CLOCK 'wait_both' "$cpp" answers
rejects answers BAD_ERROR_OK PRICING 'was found' "$cpp" answers
rejects answers BAD_UNCAUGHT CLOCK 'uncaught exceptions: 1 before' "$cpp" answers
notices answers 'no exception came' env SWALLOW=1 "$engine" exceptions

shows loop "$cpp" loop
shows loop "$engine" loop
rejects loop BAD_SERIAL CLOCK "the host's loop ticked" "$cpp" loop
rejects loop BAD_SERIAL CLOCK "the host's loop ticked" "$engine" loop

shows deadlines "$cpp" deadlines
rejects deadlines BAD_DEADLINE CLOCK 'deadline expired' "$cpp" deadlines

shows untouched "$cpp" untouched
rejects_touching CLOCK "$cpp" untouched
rejects untouched BAD_TERMINATE CLOCK 'another terminate handler' \
  "$cpp" untouched

shows quiet "$ends" -- "$cpp" quietly
rejects_printing CLOCK PRICING "$cpp" quietly

shows descriptors "$cpp" descriptors
rejects_descriptors CLOCK PRICING "$cpp" descriptors

shows threads "$cpp" threads
rejects threads BAD_THREAD_OPEN CLOCK ' blocks 0000000000000000' "$cpp" threads
rejects threads BAD_THREAD_FAULTS CLOCK ' blocks ffff' "$cpp" threads
rejects threads BAD_BUSY PRICING 'not idle' "$cpp" threads

for scope in local global; do
  shows symbols "$cpp" symbols-$scope
  shows symbols "$bindings" "$PRICING,$CLOCK" "$cpp" symbols-$scope
done
shows symbols "$bindings" "$PRICING,$CLOCK" "$engine" exceptions
rejects symbols BAD_BIND CLOCK 'uses uv_version of' "$bindings" \
  "$work/BAD_BIND-CLOCK.so" "$engine" exceptions
rejects symbols BAD_EXPORT CLOCK 'is visible to all' "$cpp" symbols-global
rejects symbols BAD_EXPORT CLOCK ' shows ' "$cpp" symbols-local

shows fork "$cpp" fork
shows fork "$engine" fork
rejects fork BAD_FORK_CRASH PRICING 'ended with signal 6' "$cpp" fork
rejects fork BAD_FORK_HANG CLOCK 'ended with signal 9' env PATIENCE=3 "$cpp" fork

for way in exit exit-thread exit-return exit-unwinding exit-uncaught exit-quick; do
  shows exit "$ends" --runs 5 --status 7 -- "$cpp" $way
done
shows exit "$ends" --runs 10 --status 7 -- "$engine" exit
rejects_at_exit PRICING CLOCK CLOCK "$cpp" exit
# What touches the host's memory after the destructors of its static objects.
for fault in EXIT_TOUCH KEEP; do
  rejects exit BAD_$fault CLOCK 'ended with status -11' \
    "$ends" --status 7 -- "$cpp" exit
done
notices exit 'ended with status -11' "$ends" --status 7 -- "$engine" exit-late

for way in handler sigwait; do
  for signal in TERM INT; do
    shows killed "$ends" --runs 2 --signal $signal --says handled -- "$cpp" $way
  done
done
shows killed "$ends" --runs 3 --says handled -- "$cpp" fault
rejects killed BAD_HANDLER_TERM CLOCK 'handler did not run' \
  "$ends" --signal TERM --says handled -- "$cpp" handler
rejects killed BAD_THREAD_OPEN PRICING "a thread of the plugin's took" \
  "$ends" --signal TERM --says handled -- "$cpp" sigwait
rejects killed BAD_HANDLER_FAULT CLOCK 'ended with status 66' \
  "$ends" --says handled -- "$cpp" fault

shows unload "$cpp" unload
rejects unload BAD_UNLOAD CLOCK 'exit status 139' "$cpp" unload
rejects unload BAD_RECONFIGURE CLOCK 'configure refused' "$cpp" unload
rejects unload BAD_RECONFIGURE_ANY PRICING 'answers 0, not 2' "$cpp" unload
result answers ok "$rejected faults noticed by these checks"
exit 0
