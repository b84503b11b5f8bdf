/* The flight recorder: a ring of the last measured calls.
 *
 * Any thread writes (the loop, pool threads), any thread reads, nobody waits: a
 * slot is a sequence lock whose words are atomics, since a plain copy that is
 * thrown away would be a data race all the same. The name is copied, for its
 * owner may free it once the call has ended. */
#include <stdlib.h>
#include <string.h>

#include "internal.h"

ob__recorder *ob__recorder_new(uint32_t capacity) {
  ob__recorder *recorder =
      calloc(1, sizeof *recorder + capacity * sizeof(ob__slot));
  if (recorder != NULL) recorder->capacity = capacity;
  return recorder;
}

void ob__recorder_add(ob__recorder *recorder, ob_call_record *record) {
  uint64_t number = ob__add_relaxed(&recorder->next, UINT64_C(1));
  ob__slot *slot = &recorder->slots[number % recorder->capacity];
  uint64_t words[OB__RECORD_WORDS], sequence;
  size_t i;
  record->number = number + 1;
  memcpy(words, record, sizeof words);
  sequence = ob__load_relaxed(&slot->sequence);
  /* Somebody is a whole round behind, or ahead: one of the two is lost. */
#ifndef OB_BREAK_SLOT
  if ((sequence & 1) != 0 ||
      !ob__cas_acq_rel(&slot->sequence, &sequence, sequence + 1))
    return;
#endif
  /* Release: who reads a word of ours sees the odd number, too. */
  for (i = 0; i < OB__RECORD_WORDS; i++)
    ob__store_release(&slot->words[i], words[i]);
  ob__store_release(&slot->sequence, sequence + 2);
}

/* 1: *out is record number, whole. */
static int read_slot(const ob__slot *slot, uint64_t number,
                     ob_call_record *out) {
  uint64_t words[OB__RECORD_WORDS];
  uint64_t sequence = ob__load_acquire(&slot->sequence);
  size_t i;
  for (i = 0; i < OB__RECORD_WORDS; i++)
    words[i] = ob__load_acquire(&slot->words[i]);
#ifndef OB_BREAK_SLOT
  if ((sequence & 1) != 0 || ob__load_relaxed(&slot->sequence) != sequence)
    return 0;
#endif
  memcpy(out, words, sizeof words);
  return out->number == number;
}

size_t ob__recorder_read(const ob__recorder *recorder, ob_call_record *out,
                         size_t capacity) {
  uint64_t end = ob__load_acquire(&recorder->next);
  uint64_t at = ob__load_relaxed(&recorder->first);
  size_t count = 0;
  if (capacity > recorder->capacity) capacity = recorder->capacity;
  if (end - at > capacity) at = end - capacity;
  for (; at != end; at++)
    count += (size_t)read_slot(&recorder->slots[at % recorder->capacity],
                               at + 1, &out[count]);
  return count;
}
