#!/usr/bin/env bash
# Node.js: plugins called from its thread, its workers, its pool and threads of
# an addon; the engine's completions on its own loop; see host.js and build.sh.
# Every check is shown to reject a guest, or an addon, with that fault.
set -u
host=node
cd "$(dirname "$0")" || exit 1
. ../support/host.sh
. ../support/bad_guest.sh
. ./build.sh
export UV_THREADPOOL_SIZE=32 # calls at once on Node's own pool
unset NODE_OPTIONS
export LIMIT=120 # for one look; a busy machine may need a minute

export node work

shows answers ./look.sh part answers
shows loop ./look.sh part loop
shows loop ./look.sh part promises
shows deadlines ./look.sh part deadlines
shows untouched ./look.sh part untouched
shows quiet ./look.sh quiet
shows descriptors ./look.sh part descriptors
shows threads ./look.sh part threads
shows symbols ./look.sh symbols local
shows symbols ./look.sh symbols global
shows fork ./look.sh part fork
shows exit ./look.sh part exit
shows exit ./look.sh part terminate
shows killed ./look.sh part killed
shows unload ./look.sh part unload

# --- What must be rejected ----------------------------------------------------

# PATIENCE: what hangs is to be found hanging soon; nothing else is hurried.
accepts answers GUEST_STRICT PRICING ./look.sh part answers
accepts answers GUEST_STRICT CLOCK ./look.sh part answers
rejects answers BAD_MIXED PRICING 'to be strictly deep-equal' ./look.sh part answers
rejects answers BAD_ERROR_OK PRICING 'not found' ./look.sh part answers
PATIENCE=4 rejects loop BAD_SERIAL CLOCK 'in a row' ./look.sh part loop
PATIENCE=6 rejects deadlines BAD_DEADLINE CLOCK 'no end within' ./look.sh part deadlines
rejects untouched BAD_HANDLER CLOCK 'signal 17' ./look.sh part untouched
rejects untouched BAD_UMASK PRICING 'umask' ./look.sh part untouched
rejects untouched BAD_MASK PRICING 'mask of this thread' ./look.sh part untouched
rejects quiet BAD_PRINT PRICING 'bad guest' ./look.sh quiet
rejects quiet BAD_PRINT_ERROR CLOCK 'bad guest' ./look.sh quiet
rejects descriptors BAD_DESCRIPTOR_LEAK CLOCK 'cloexec /dev/null' ./look.sh part descriptors
rejects descriptors BAD_DESCRIPTOR_OPEN CLOCK 'inherited' ./look.sh part descriptors
rejects threads BAD_THREAD_OPEN CLOCK ' 0000000000000000' ./look.sh part threads
rejects threads BAD_THREAD_FAULTS CLOCK ' fffffffe7ffbfeff' ./look.sh part threads
rejects threads BAD_BUSY CLOCK 'ran while idle' ./look.sh part threads
rejects symbols BAD_BIND CLOCK 'uses uv_version of' ./look.sh symbols local
rejects symbols BAD_EXPORT CLOCK 'BAD_EXPORT-CLOCK.so' ./look.sh symbols global
rejects fork BAD_FORK_CRASH CLOCK 'did not end' ./look.sh part fork 8
rejects exit BAD_EXIT_STATUS CLOCK '+   66,' ./look.sh part exit 1
PATIENCE=6 rejects exit BAD_EXIT_JOIN CLOCK 'no end within' ./look.sh part exit 1
rejects exit BAD_EXIT_PRINT CLOCK 'good bye' ./look.sh part exit 1
PATIENCE=6 rejects killed BAD_HANDLER_TERM CLOCK 'no end within' ./look.sh part killed 1
rejects killed BAD_HANDLER_FAULT CLOCK 'exit status 66' ./look.sh part killed 1
rejects unload BAD_UNLOAD CLOCK 'exit status 139' ./look.sh part unload 2
rejects unload BAD_RECONFIGURE PRICING '2 !== 0' ./look.sh part unload 1
rejects unload BAD_RECONFIGURE_ANY PRICING '0 !== 2' ./look.sh part unload 1

# The same for the addon: answers mixed up, completions lost, Node's libuv
# taken for its own.
notices loop 'to be strictly equal' \
  env ENGINE="$out/bad_answers.node" ./look.sh part promises
PATIENCE=6 notices loop 'promises kept, and no more' \
  env ENGINE="$out/bad_forgets.node" ./look.sh part promises
notices symbols ', uv_loop_init, ' \
  env ENGINE="$out/bad_captured.node" ./look.sh symbols local
result answers ok "$rejected bad guests and addons rejected"
exit 0
