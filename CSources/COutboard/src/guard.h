/* What the core calls of its users: nothing unwinds through it.
 *
 * The core's frames hold half-moved state; an exception that passed them to a
 * catch further up (an inline call of a C++ handler, say) would leave the loop
 * in the middle of a step, and one with no catch would end the process without
 * a word of where it came from. So each call out has a personality routine in
 * its frame's unwind table, which costs nothing until something unwinds: it
 * ends the process where the exception was thrown, with the stack still there.
 *
 * Rejected: no unwind tables (std::terminate names no cure, and the host's
 * crash reports and profilers lose the stack); a C++ shim (the core would need
 * a C++ runtime). */
#ifndef OB_GUARD_H
#define OB_GUARD_H

#include "atomic.h"

/* The compiler's own unwind tables must be on for this function; the build asks
 * for them (-fasynchronous-unwind-tables). */
#if defined(__ELF__) && defined(__GCC_HAVE_DWARF2_CFI_ASM) && \
    (defined(__x86_64__) || defined(__aarch64__)) && !defined(OB_BREAK_UNWIND)
/* 0x1b: relative to the place, four bytes signed. */
#define OB__UNWIND_STOPS() \
  __asm__ volatile(".cfi_personality 0x1b, ob__personality")
#else
#define OB__UNWIND_STOPS() ((void)0)
#endif

/* The second statement keeps the call from being the function's last, which
 * would be a jump that leaves no frame. */
#define OB__CALL_OUT(call) \
  do {                     \
    OB__UNWIND_STOPS();    \
    call;                  \
    __asm__ volatile("");  \
  } while (0)

#endif
