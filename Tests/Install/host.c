/* A C and C++17 host outside the tree: one call through the installed library.
 * Compiled as both. */
#include <outboard.h>
#include <outboard_uv.h>
#include <stdio.h>

static void twice(ob_request *request, void *input, size_t size, void *user) {
  int answer = 2 * *(const int *)input;
  (void)size;
  (void)user;
  if (ob_uv_loop(ob_request_engine(request)) == NULL) answer = -1;
  ob_complete(request, OB_OK, ob_result_copy(&answer, sizeof answer));
}

int main(void) {
  ob_engine *engine = NULL;
  ob_call_opts call = OB_CALL_OPTS_INIT;
  ob_result result;
  int input = 21, answer;
  if (ob_version() != OB_VERSION_NUMBER) return 1;
  if (ob_engine_start(&engine, NULL) != OB_OK) return 2;
  call.handler = twice;
  call.input = &input;
  call.input_size = sizeof input;
  call.flags = OB_CALL_SYNC;
  if (ob_call(engine, &call, &result) != OB_OK) return 3;
  answer = *(const int *)ob_result_data(&result);
  ob_result_free(&result);
  if (ob_engine_destroy(engine) != OB_OK) return 4;
  printf("outboard %s answered %d\n", ob_version_string(), answer);
  return answer == 42 ? 0 : 5;
}
