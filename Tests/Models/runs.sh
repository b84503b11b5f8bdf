# The runs of run.sh, which sources this file.
#
#   safety|cycles NAME MODEL 'SC TSO PSO' [FLAGS]
#
# with the expected outcome under each memory model, '-' for no run. A mutation
# that passes under SC and fails under TSO is one that only reordering reveals.
# shellcheck shell=bash

# common/memory.pml itself
safety litmus-sb litmus 'pass assert assert' -DT_SB
safety litmus-sb-rmw litmus 'pass pass pass' -DT_SB -DT_RMW
safety litmus-mp litmus 'pass pass assert' -DT_MP
safety litmus-mp-release litmus 'pass pass pass' -DT_MP -DT_RELEASE
safety litmus-own litmus 'pass pass pass' -DT_OWN

# WAKE
safety wake wake 'pass pass pass' -DNP=2 -DK=3 -DNAPS=2
safety wake-3-producers wake 'pass pass -' -DNP=3 -DK=2
safety wake-uv-doorbell wake 'pass pass -' -DUV_DOORBELL
safety wake-two-sleeps wake 'pass pass pass' -DTWO_SLEEPS -DNP=2 -DK=3
cycles wake-cycles wake 'pass pass -'
safety wake-early-return wake 'pass stuck stuck' -DMUT_EARLY_RETURN
safety wake-plain-sleep wake 'pass stuck stuck' -DMUT_PLAIN_SLEEP
safety wake-flag-no-fence wake 'pass stuck stuck' -DMUT_FLAG_NO_FENCE
safety wake-flag-hoisted wake 'stuck stuck -' -DMUT_FLAG_HOISTED
safety wake-uv-hoisted wake 'stuck stuck -' -DUV_DOORBELL -DMUT_UV_HOISTED
safety wake-blind-wake wake 'stuck stuck -' -DMUT_BLIND_WAKE
safety wake-kind-late wake 'stuck stuck -' -DTWO_SLEEPS -DMUT_KIND_LATE
safety wake-kind-early wake 'stuck stuck -' -DTWO_SLEEPS -DMUT_KIND_EARLY

# LANE
safety lane lane 'pass pass -' -DNP=2 -DK=2 -DDIRECT
safety lane-3-and-2 lane 'pass pass -' -DNP=2 -DK=3 -DK1=2 -DNAPS=0 -DDIRECT
safety lane-1-producer lane 'pass pass pass' -DNP=1 -DK=4
safety lane-1-batch-2 lane 'pass pass pass' -DNP=1 -DK=4 -DBATCH=2
cycles lane-cycles lane 'pass pass -' -DNP=2 -DK=2 -DNAPS=0 -DDIRECT
L=(-DNP=1 -DK=4 -DBATCH=2)
safety lane-clear-late lane 'stuck stuck -' -DNP=1 -DK=2 -DMUT_CLEAR_LATE
safety lane-clear-blind lane 'assert assert -' -DNP=1 -DMUT_CLEAR_BLIND
safety lane-list-always lane 'assert assert -' "${L[@]}" -DMUT_LIST_ALWAYS
safety lane-tail-only lane 'assert assert -' "${L[@]}" -DMUT_TAIL_ONLY
safety lane-carry-tail lane 'assert assert -' "${L[@]}" -DMUT_CARRY_TAIL
safety lane-next-late lane 'assert assert -' -DNP=1 -DMUT_NEXT_LATE
safety lane-peek lane 'pass stuck stuck' -DNP=1 -DMUT_PEEK
safety lane-draft lane 'assert assert -' "${L[@]}" -DLANE_DRAFT
safety lane-draft-setback lane 'assert assert -' -DNP=1 -DLANE_DRAFT \
  -DMUT_SETBACK_STORE

# STOP
S=(-DDIRECT -DNP=1 -DK=2 -DSTOPPERS=1)
safety stop stop 'pass pass -' "${S[@]}"
safety stop-no-gate stop 'pass pass -' "${S[@]}" -DNO_GATE
safety stop-2-submitters stop 'pass pass -' -DDIRECT -DNP=2 -DK=1 -DSTOPPERS=1 \
  -DLOOPSTOPS=0 -DNAPS=0
safety stop-2-and-1 stop 'pass pass -' -DDIRECT -DNP=2 -DK=2 -DK1=1 \
  -DSTOPPERS=1 -DLOOPSTOPS=0 -DOFFLOADS=0 -DNAPS=0
safety stop-2-each stop 'pass pass -' -DDIRECT -DNP=2 -DK=2 -DSTOPPERS=1 \
  -DLOOPSTOPS=0 -DOFFLOADS=0 -DNAPS=0
safety stop-2-stoppers stop 'pass pass -' -DDIRECT -DNP=1 -DK=2 -DSTOPPERS=2 \
  -DNAPS=0
safety stop-3-items stop 'pass pass -' -DDIRECT -DNP=1 -DK=3 -DSTOPPERS=1 \
  -DLOOPSTOPS=0 -DOFFLOADS=0
safety stop-buffered stop 'pass pass pass' -DNP=1 -DK=2 -DSTOPPERS=1 \
  -DLOOPSTOPS=0 -DNAPS=0
cycles stop-cycles stop 'pass pass -' -DDIRECT -DNP=1 -DK=2 -DSTOPPERS=1 \
  -DLOOPSTOPS=0
safety stop-gate-only stop 'stuck stuck -' "${S[@]}" -DMUT_GATE_ONLY
safety stop-ignore-running stop 'assert assert -' "${S[@]}" -DMUT_IGNORE_RUNNING
safety stop-running-early stop 'assert assert -' "${S[@]}" -DMUT_RUNNING_EARLY
safety stop-no-take-back stop 'assert assert -' "${S[@]}" -DMUT_NO_TAKE_BACK
safety stop-blind-take-back stop 'assert assert -' "${S[@]}" \
  -DMUT_BLIND_TAKE_BACK
safety stop-head-hoisted stop 'assert assert -' "${S[@]}" -DMUT_HEAD_HOISTED
safety stop-close-store stop 'stuck stuck -' "${S[@]}" -DMUT_CLOSE_STORE
safety stop-unsettled stop 'assert assert -' "${S[@]}" -DMUT_UNSETTLED
cycles stop-spin stop 'cycle cycle -' "${S[@]}" -DMUT_SPIN_STOP
safety stop-draft stop 'assert assert -' -DDIRECT -DNP=1 -DK=3 -DSTOPPERS=1 \
  -DLOOPSTOPS=0 -DOFFLOADS=0 -DNAPS=0 -DLANE_DRAFT

# WAITER
safety waiter waiter 'pass pass pass' -DCALLS=2 -DNAPS=2
safety waiter-3-calls waiter 'pass pass -' -DCALLS=3 -DNAPS=2
cycles waiter-cycles waiter 'pass pass -'
safety waiter-parker-late waiter 'assert assert -' -DMUT_PARKER_LATE
safety waiter-park-plain waiter 'pass stuck stuck' -DMUT_PARK_PLAIN
safety waiter-no-wake waiter 'stuck stuck -' -DMUT_NO_WAKE
safety waiter-lazy-parker waiter 'assert assert -' -DMUT_LAZY_PARKER
safety waiter-trust-token waiter 'assert assert -' -DMUT_TRUST_TOKEN
safety waiter-reset-late waiter 'stuck stuck -' -DMUT_RESET_LATE

# PARK
safety park park 'pass pass pass' -DWAKERS=2
safety park-3-wakers park 'pass pass -' -DWAKERS=3
safety park-shared-bit park 'pass pass -' -DWAKERS=2 -DSHARED
cycles park-cycles park 'pass pass -'
safety park-seen-late park 'stuck stuck -' -DMUT_SEEN_LATE
safety park-count-first park 'stuck stuck -' -DMUT_COUNT_FIRST
safety park-no-count park 'stuck stuck -' -DMUT_NO_COUNT
safety park-last-bit park 'stuck stuck -' -DMUT_LAST_BIT
safety park-told-late park 'stuck stuck -' -DMUT_TOLD_LATE

# FINISH
safety finish finish 'pass pass pass' -DNAPS=2
cycles finish-cycles finish 'pass pass -'
safety finish-timeout-no-rmw finish 'assert assert -' -DMUT_TIMEOUT_NO_RMW
safety finish-early-or finish 'assert assert -' -DMUT_EARLY_OR
safety finish-status-field finish 'assert assert -' -DMUT_STATUS_FIELD
safety finish-release-blind finish 'assert assert -' -DMUT_RELEASE_BLIND
safety finish-no-wake finish 'stuck stuck -' -DMUT_NO_WAKE
safety finish-drop-early finish 'assert assert -' -DMUT_DROP_EARLY

# BOX
safety box box 'pass pass pass' -DCALLS=3 -DK=1 -DTURNS=1
safety box-2-items box 'pass pass -' -DDIRECT -DCALLS=3 -DK=2
safety box-4-calls box 'pass pass -' -DDIRECT -DCALLS=4 -DK=1
cycles box-cycles box 'pass pass -' -DDIRECT -DCALLS=2 -DK=1 -DTURNS=1
B=(-DDIRECT -DCALLS=2 -DK=1)
safety box-close-store box 'stuck stuck -' "${B[@]}" -DMUT_CLOSE_STORE
safety box-call-store box 'stuck stuck -' "${B[@]}" -DMUT_CALL_STORE
safety box-no-close box 'stuck stuck -' "${B[@]}" -DMUT_NO_CLOSE
safety box-list-first box 'assert assert -' "${B[@]}" -DMUT_LIST_FIRST
safety box-fill-late box 'assert assert -' "${B[@]}" -DMUT_FILL_LATE
safety box-orphan box 'assert assert -' "${B[@]}" -DMUT_ORPHAN
safety box-open-late box 'assert assert -' "${B[@]}" -DMUT_OPEN_LATE
safety box-keep-open box 'assert assert -' "${B[@]}" -DMUT_KEEP_OPEN
