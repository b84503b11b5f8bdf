# Sourced after host.sh: shows that a host's checks reject what is bad.
# shellcheck shell=bash
#
#   rejects PROMISE SWITCH PLUGIN TEXT COMMAND...
#       builds bad_guest.c with -DSWITCH over $PLUGIN (PRICING or CLOCK, the
#       variable's name) and runs the command with that variable set to it. The
#       command must fail by itself and say TEXT (fixed; 'exit status 139' is of
#       what crashes); if it passes, PROMISE is FAILED.
#   accepts PROMISE SWITCH PLUGIN COMMAND...
#       the same with a switch that is no fault (GUEST_STRICT, GUEST_GOOD): the
#       command must pass, else the stand-in itself would be what is rejected.
#   notices PROMISE TEXT COMMAND...
#       the same with what is bad in the command: the host's own fault
#   rejects_soon ...          as rejects, a few at a time in the background:
#                             most of their time is waiting for what must not come
#   all_rejected              waits for these
#   rejects_touching PLUGIN COMMAND...
#       each of $touching; texts of the hosts that compare by checks.c
#   rejects_printing CALLED STARTED COMMAND...
#   rejects_descriptors LEAKING OPENING COMMAND...
#   rejects_at_exit JOINING STATUS PRINTING COMMAND...
#       what the native hosts say alike; a plugin's variable for each fault, and
#       the command by itself (ends.py is put before it where it is needed)
#   bad_guest SWITCH PLUGIN   builds it and prints its path
#
# $rejected is how many were.
rejected=0
# What of its host's a guest may touch: a switch BAD_... for each.
touching=(HANDLER PIPE MASK ENVIRONMENT DIRECTORY UMASK LOCALE LIMIT TIMER
  ROUNDING NAME)

bad_guest() {
  local out=$work/$1-$2.so
  if [ ! -f "$out" ]; then
    gcc -std=gnu11 -O1 -Wall -Wextra -fPIC -shared -fvisibility=hidden "-D$1" \
      "-DGUEST_REAL=\"${!2}\"" -I"$root/CSources/CPluginABI/include" \
      -o "$out.$BASHPID" "$root/Tests/Hosts/support/bad_guest.c" \
      -ldl -lpthread -lm && mv "$out.$BASHPID" "$out" || return 1
  fi
  printf '%s\n' "$out"
}

rejects() {
  local promise=$1 switch=$2 plugin=$3 text=$4 guest
  shift 4
  guest=$(bad_guest "$switch" "$plugin") || {
    result "$promise" FAILED "cannot build the bad guest $switch"
    return 1
  }
  notices "$promise" "$text" env "$plugin=$guest" "$@"
}

notices() {
  local promise=$1 text=$2 output code
  shift 2
  output=$("${limited[@]}" "${LIMIT:-60}" "$@" 2>&1)
  code=$?
  if [ $code -eq 0 ]; then
    result "$promise" FAILED "the fault is not noticed: $* $output"
  elif [ $code -eq 124 ] || [ $code -eq 137 ]; then
    result "$promise" FAILED "exit status $code, no verdict: $* $output"
  elif ! grep -qF -- "$text" <<<"$output
exit status $code"; then
    result "$promise" FAILED "no word of '$text': exit status $code: $* $output"
  else
    rejected=$((rejected + 1))
    return 0
  fi
  return 1
}

rejects_touching() {
  local plugin=$1 fault where
  shift
  for fault in "${touching[@]}"; do
    where='the process: '
    [ "$fault" = MASK ] && where='a calling thread: '
    rejects untouched "BAD_$fault" "$plugin" "$where" "$@"
  done
}

rejects_printing() {
  local ends=$root/Tests/Hosts/support/ends.py
  rejects quiet BAD_PRINT "$1" 'bad guest: called' "$ends" -- "${@:3}"
  rejects quiet BAD_PRINT_ERROR "$2" 'bad guest: started' "$ends" -- "${@:3}"
}

rejects_descriptors() {
  rejects descriptors BAD_DESCRIPTOR_LEAK "$1" 'descriptors after the crowd' \
    "${@:3}"
  rejects descriptors BAD_DESCRIPTOR_OPEN "$2" 'not close-on-exec' "${@:3}"
}

rejects_at_exit() {
  local ends=$root/Tests/Hosts/support/ends.py
  rejects exit BAD_EXIT_JOIN "$1" 'did not end within' \
    "$ends" --within 3 --status 7 -- "${@:4}"
  rejects exit BAD_EXIT_STATUS "$2" 'ended with status 66' \
    "$ends" --status 7 -- "${@:4}"
  rejects exit BAD_EXIT_PRINT "$3" 'bad guest: good bye' \
    "$ends" --status 7 -- "${@:4}"
}

rejects_soon() {
  while [ "$(jobs -rp | wc -l)" -ge 4 ]; do wait -n; done
  { rejects "$@" && echo "$2" >>"$work/rejected"; } &
}

all_rejected() {
  wait
  [ -f "$work/rejected" ] || return
  rejected=$((rejected + $(wc -l <"$work/rejected")))
  rm "$work/rejected"
}

accepts() {
  local promise=$1 switch=$2 plugin=$3 guest output code
  shift 3
  guest=$(bad_guest "$switch" "$plugin") || {
    result "$promise" FAILED "cannot build the guest $switch"
    return
  }
  output=$(env "$plugin=$guest" "${limited[@]}" "${LIMIT:-60}" "$@" 2>&1)
  code=$?
  [ $code -eq 0 ] || result "$promise" FAILED "$switch: exit status $code: $* $output"
}
