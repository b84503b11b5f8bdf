/* Requests that the loop alone knows: those that travelled in a lane, and how a
 * measured one of these, or of a blocked caller's, is run. */
#include <string.h>

#include "copy.h"
#include "internal.h"

void ob__count_outcome(ob_engine *engine, int status) {
  ob__count(&engine->n_completed, 1);
  if (status == OB_ETIMEDOUT)
    ob__count(&engine->n_timed_out, 1);
  else if (status == OB_ECANCELED || status == OB_ESHUTDOWN)
    ob__count(&engine->n_cancelled, 1);
}

ob__look ob__bare_look(const ob_request *request) {
  ob__look look = {.weight = ob__bare_weight(request)};
  memcpy(&look.enqueued, ob__bare_time(request), sizeof look.enqueued);
  return look;
}

void ob__bare_measured(ob_request *request, ob__look *look) {
  ob_engine *engine = request->engine;
  ob_call_record who;
  if (request->status == OB_OK) {
    ob__look_begin(engine, look);
    ob__bare_inline(request);
    ob__look_return(engine, look);
  }
  who = ob__who(request->name, (uintptr_t)request->handler, request->status);
  ob__look_end(engine, look, look->returned, &who);
}

/* --- In a lane --------------------------------------------------------------
 *
 * The first entry is the word, and the handler. Those behind it, in this order,
 * are there if the word says so:
 *
 *   USER    user, name
 *   DONE    on_done, done_user
 *   INPUT   a borrowed input's address and size
 *   size    above 0: as many bytes of a copied input, in whole entries
 */

#define USER ((uintptr_t)0x08)
#define DONE ((uintptr_t)0x10)
#define INPUT ((uintptr_t)0x20)
#define SIZE_SHIFT 6
_Static_assert(OB_RESULT_INLINE < OB__ITEM_END >> SIZE_SHIFT, "sizes fit");

typedef struct pair {
  uintptr_t first, second;
} pair;
_Static_assert(sizeof(pair) == sizeof(ob__entry), "an entry is two words");

ob_post_fn ob__item_word(const ob_call_opts *opts) {
  int copied = !(opts->flags & OB_CALL_BORROW) && opts->input_size > 0;
  uintptr_t word = OB__ITEM;
  if (opts->user != NULL || opts->name != NULL) word |= USER;
  if (opts->on_done != NULL) word |= DONE;
  if (copied)
    word |= opts->input_size << SIZE_SHIFT;
  else if (opts->input != NULL) /* with size 0 the pointer is the input */
    word |= INPUT;
  return (ob_post_fn)word;
}

static inline uint32_t slots_of(uintptr_t word) {
  return 1 + ((word & USER) != 0) + ((word & DONE) != 0) +
         ((word & INPUT) != 0) +
         (uint32_t)(((word >> SIZE_SHIFT) + sizeof(pair) - 1) / sizeof(pair));
}

uint32_t ob__item_slots(ob_post_fn word) {
  return slots_of((uintptr_t)word);
}

static inline ob__entry *put(ob__entry *entry, pair both) {
  memcpy(entry, &both, sizeof both);
  return entry + 1;
}

void ob__item_write(ob__entry *entry, ob_post_fn fn, const ob_call_opts *opts) {
  uintptr_t word = (uintptr_t)fn;
  entry = put(entry, (pair){word, (uintptr_t)opts->handler});
  if (word & USER)
    entry = put(entry, (pair){(uintptr_t)opts->user, (uintptr_t)opts->name});
  if (word & DONE)
    entry = put(entry,
                (pair){(uintptr_t)opts->on_done, (uintptr_t)opts->done_user});
  if (word & INPUT)
    put(entry, (pair){(uintptr_t)opts->input, opts->input_size});
  else if (word >> SIZE_SHIFT)
    ob__copy_few(entry, opts->input, opts->input_size);
}

static inline pair take(const ob__entry **entry) {
  pair both;
  memcpy(&both, *entry, sizeof both);
  ++*entry;
  return both;
}

void ob__item_run(ob_engine *engine, const ob__entry *entry, ob__look *look) {
  pair first = take(&entry), done = {0, 0}, both = {0, 0};
  uintptr_t word = first.first;
  ob_request request;
  ob__bare_init(&request, engine);
  request.flags = OB_CALL_SYNC;
  request.handler = (ob_handler)first.second;
  if (word & USER) both = take(&entry);
  request.user = (void *)both.first;
  request.name = (const char *)both.second;
  if (word & DONE) done = take(&entry);
  both = (pair){(uintptr_t)entry, word >> SIZE_SHIFT};
  if (word & INPUT) both = take(&entry);
  request.input = word & INPUT || both.second ? (void *)both.first : NULL;
  request.input_size = both.second;
  request.status = (int)engine->drain_status;
  if (OB_UNLIKELY(look != NULL))
    ob__bare_measured(&request, look);
  else if (OB_LIKELY(request.status == OB_OK))
    ob__bare_inline(&request);
  ob__count_outcome(engine, request.status);
  if (word & DONE)
    OB__CALL_OUT(((ob_done)done.first)(request.status, &request.result,
                                       (void *)done.second));
  ob_result_free(&request.result);
}
