/* Results: bytes with an owner.
 *
 * Small ones live in the struct, so that the common answer costs no
 * allocation. The struct holds no pointer to itself and may be moved. */
#include <stdlib.h>
#include <string.h>

#include "copy.h"
#include "internal.h"

enum { KIND_EMPTY, KIND_INLINE, KIND_REF, KIND_NOMEM };

static void free_copy(void *data, size_t size, void *user) {
  (void)size;
  (void)user;
  free(data);
}

ob_result ob_result_none(void) {
  ob_result result = OB_RESULT_INIT;
  return result;
}

ob_result ob_result_copy(const void *data, size_t size) {
  ob_result result = OB_RESULT_INIT;
  void *copy;
  if (data == NULL || size == 0) return result;
  if (size <= OB_RESULT_INLINE) {
    ob__copy_few(result.u.bytes, data, size);
    result.kind = KIND_INLINE;
    result.size = size;
    return result;
  }
  copy = malloc(size);
  if (copy == NULL) {
    result.kind = KIND_NOMEM;
    return result;
  }
  memcpy(copy, data, size);
  return ob_result_own(copy, size, free_copy, NULL);
}

ob_result ob_result_borrow(const void *data, size_t size) {
  return ob_result_own((void *)(uintptr_t)data, size, NULL, NULL);
}

ob_result ob_result_own(void *data, size_t size, ob_destroy destroy,
                        void *user) {
  ob_result result = OB_RESULT_INIT;
  result.u.ref.data = data;
  result.u.ref.destroy = destroy;
  result.u.ref.user = user;
  result.size = size;
  result.kind = KIND_REF;
  return result;
}

const void *ob_result_data(const ob_result *result) {
  if (result == NULL) return NULL;
  switch (result->kind) {
    case KIND_INLINE:
      return result->u.bytes;
    case KIND_REF:
      return result->u.ref.data;
    default:
      return NULL;
  }
}

void ob_result_free(ob_result *result) {
  ob_result old;
  if (result == NULL) return;
  old = *result;
  *result = ob_result_none();
  if (old.kind == KIND_REF && old.u.ref.destroy != NULL)
    OB__CALL_OUT(old.u.ref.destroy(old.u.ref.data, old.size, old.u.ref.user));
}

int ob__result_failed(const ob_result *result) {
  return result->kind == KIND_NOMEM;
}
