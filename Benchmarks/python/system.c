/* Embeds CPython and calls bridge.py, which says what is measured and why that
 * is fair. KIND: asyncio, uvloop or anyio. The timing is the driver's. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "bench.h"

#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

extern const char _binary_bridge_py_start[], _binary_bridge_py_end[];

typedef struct subject {
  PyObject *bridge, *sync, *offload;
} subject;

static PyObject *module; /* bridge.py */
/* A thread keeps its state: making one for every call is not Python's cost. */
static __thread PyThreadState *mine;

static void take_lock(void) {
  if (mine == NULL)
    (void)PyGILState_Ensure();
  else
    PyEval_RestoreThread(mine);
}

static void leave_lock(void) {
  mine = PyEval_SaveThread();
}

__attribute__((noreturn)) static void fail(const char *what) {
  PyErr_Print();
  bench_fail(what);
}

static PyObject *handle(PyObject *self, PyObject *x) {
  (void)self;
  return PyLong_FromLong(bench_handle((int)PyLong_AsLong(x)));
}

static PyMethodDef methods[] = {{"handle", handle, METH_O, NULL},
                                {NULL, NULL, 0, NULL}};

static PyModuleDef bench_module = {PyModuleDef_HEAD_INIT, .m_name = "_bench",
                                   .m_size = -1, .m_methods = methods};

static PyObject *make_module(void) {
  return PyModule_Create(&bench_module);
}

static char *source(void) {
  size_t size = (size_t)(_binary_bridge_py_end - _binary_bridge_py_start);
  char *text = malloc(size + 1);
  if (text == NULL) bench_fail("out of memory");
  memcpy(text, _binary_bridge_py_start, size);
  text[size] = '\0';
  return text;
}

/* The distribution's interpreter, whatever PATH or the environment say: its
 * packages are the ones that were installed. */
static void boot(void) {
  PyConfig config;
  PyObject *code;
  PyImport_AppendInittab("_bench", make_module);
  PyConfig_InitIsolatedConfig(&config);
  config.install_signal_handlers = 0;
  PyConfig_SetString(&config, &config.program_name, L"/usr/bin/python3");
  if (PyStatus_Exception(Py_InitializeFromConfig(&config)))
    bench_fail("cannot start the interpreter");
  code = Py_CompileString(source(), "bridge.py", Py_file_input);
  if (code == NULL) fail("bridge.py does not compile");
  module = PyImport_ExecCodeModule("bridge", code);
  if (module == NULL) fail("bridge.py does not run");
  leave_lock();
}

static PyObject *method(PyObject *object, const char *name) {
  PyObject *found = PyObject_GetAttrString(object, name);
  if (found == NULL) fail("bridge.py lacks a method");
  return found;
}

static void *start(void) {
  subject *s = calloc(1, sizeof *s);
  if (s == NULL) bench_fail("out of memory");
  if (module == NULL) boot();
  take_lock();
  s->bridge = PyObject_CallMethod(module, "start", "s", TEXT_OF(KIND));
  if (s->bridge == NULL) fail("cannot start; is python3-" TEXT_OF(KIND) " in?");
  s->sync = method(s->bridge, "sync");
  s->offload = method(s->bridge, "offload");
  leave_lock();
  return s;
}

static void stop(void *ctx) {
  subject *s = ctx;
  PyObject *none;
  take_lock();
  none = PyObject_CallMethod(s->bridge, "stop", NULL);
  if (none == NULL) fail("stop failed");
  Py_DECREF(none);
  Py_DECREF(s->sync);
  Py_DECREF(s->offload);
  Py_DECREF(s->bridge);
  leave_lock();
  free(s);
}

static int ask(PyObject *callable, int x) {
  PyObject *argument, *answer;
  int value;
  take_lock();
  argument = PyLong_FromLong(x);
  answer = PyObject_CallOneArg(callable, argument);
  if (answer == NULL) fail("a call failed");
  value = (int)PyLong_AsLong(answer);
  Py_DECREF(argument);
  Py_DECREF(answer);
  leave_lock();
  return value;
}

static int sync_call(void *ctx, int x) {
  return ask(((subject *)ctx)->sync, x);
}

static int offload(void *ctx, int x) {
  return ask(((subject *)ctx)->offload, x);
}

const bench_system bench_subject = {
    .name = TEXT_OF(KIND),
    .start = start,
    .stop = stop,
    .sync = sync_call,
    .offload = offload,
};
