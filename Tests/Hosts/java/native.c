/* Native methods of Native.java: a plugin behind JNI, the process's state, and
 * what Java itself cannot do: fork, a fault in native code, threads of C that
 * attach and detach. Buffers go back with free_string's exact pair. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif
#include <dlfcn.h>
#include <errno.h>
#include <jni.h>
#include <mcp_plugin.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../support/manners.h"

#define NATIVE(type, name) JNIEXPORT type JNICALL Java_Native_##name

struct plugin {
  void *handle;
  const mcp_plugin *abi;
};

static void complain(JNIEnv *env, const char *text) {
  jclass class = (*env)->FindClass(env, "java/lang/IllegalStateException");
  if (class != NULL) (*env)->ThrowNew(env, class, text);
}

static struct plugin *of(jlong pointer) {
  return (struct plugin *)(intptr_t)pointer;
}

/* --- A plugin ------------------------------------------------------------- */

NATIVE(jlong, load)(JNIEnv *env, jclass class, jstring path, jboolean global) {
  struct plugin *plugin = calloc(1, sizeof *plugin);
  const char *name = (*env)->GetStringUTFChars(env, path, NULL);
  (void)class;
  if (plugin == NULL || name == NULL) return 0;
  plugin->handle = dlopen(name, RTLD_NOW | (global ? RTLD_GLOBAL : RTLD_LOCAL));
  (*env)->ReleaseStringUTFChars(env, path, name);
  if (plugin->handle != NULL)
    plugin->abi = dlsym(plugin->handle, MCP_PLUGIN_SYMBOL);
  if (plugin->abi == NULL) complain(env, dlerror());
  return (jlong)(intptr_t)plugin;
}

/* dlclose; calls in flight have copies of the pointers. */
NATIVE(void, unload)(JNIEnv *env, jclass class, jlong plugin) {
  (void)class;
  if (dlclose(of(plugin)->handle) != 0) complain(env, dlerror());
}

NATIVE(jlong, address)(JNIEnv *env, jclass class, jlong plugin) {
  (void)env, (void)class;
  return (jlong)(intptr_t)of(plugin)->abi;
}

NATIVE(jint, configure)
(JNIEnv *env, jclass class, jlong plugin, jbyteArray json) {
  jsize size = (*env)->GetArrayLength(env, json);
  jbyte *bytes = (*env)->GetByteArrayElements(env, json, NULL);
  jint code = -1;
  (void)class;
  if (bytes == NULL) return code;
  if (of(plugin)->abi->configure != NULL)
    code = of(plugin)->abi->configure((const uint8_t *)bytes, (size_t)size);
  (*env)->ReleaseByteArrayElements(env, json, bytes, JNI_ABORT);
  return code;
}

/* A buffer as an array; NULL stays NULL. */
static jbyteArray taken(JNIEnv *env, const mcp_plugin *abi, uint8_t *buffer,
                        size_t size) {
  jbyteArray array = NULL;
  if (buffer == NULL) return NULL;
  array = (*env)->NewByteArray(env, (jsize)size);
  if (array != NULL)
    (*env)->SetByteArrayRegion(env, array, 0, (jsize)size,
                               (const jbyte *)buffer);
  abi->free_string(buffer, size);
  return array;
}

/* NULL, or why init failed. */
NATIVE(jbyteArray, init)(JNIEnv *env, jclass class, jlong plugin) {
  const mcp_plugin *abi = of(plugin)->abi;
  uint8_t *buffer = NULL;
  size_t size = 0;
  (void)class;
  if (abi->init == NULL || abi->init(&buffer, &size) == 0) return NULL;
  return taken(env, abi, buffer, size);
}

/* The body; code[0] is what execute_tool returned. */
NATIVE(jbyteArray, call)
(JNIEnv *env, jclass class, jlong plugin, jstring tool, jbyteArray arguments,
 jintArray code) {
  const mcp_plugin *abi = of(plugin)->abi;
  jsize length = (*env)->GetArrayLength(env, arguments);
  const char *name = (*env)->GetStringUTFChars(env, tool, NULL);
  jbyte *bytes = (*env)->GetByteArrayElements(env, arguments, NULL);
  uint8_t *buffer = NULL;
  size_t size = 0;
  jint result = -1;
  (void)class;
  if (name != NULL && bytes != NULL)
    result = abi->execute_tool(name, (const uint8_t *)bytes, (size_t)length,
                               &buffer, &size);
  if (bytes != NULL)
    (*env)->ReleaseByteArrayElements(env, arguments, bytes, JNI_ABORT);
  if (name != NULL) (*env)->ReleaseStringUTFChars(env, tool, name);
  (*env)->SetIntArrayRegion(env, code, 0, 1, &result);
  if ((*env)->ExceptionCheck(env)) return NULL;
  return taken(env, abi, buffer, size);
}

/* --- libmanners ----------------------------------------------------------- */

static jstring text_of(JNIEnv *env, char *text) {
  jstring string;
  if (text == NULL) {
    complain(env, "libmanners has no memory");
    return NULL;
  }
  string = (*env)->NewStringUTF(env, text);
  manners_free(text);
  return string;
}

NATIVE(jstring, state)(JNIEnv *env, jclass class) {
  (void)class;
  return text_of(env, manners_state());
}

NATIVE(jstring, descriptors)(JNIEnv *env, jclass class) {
  (void)class;
  return text_of(env, manners_descriptors());
}

NATIVE(jstring, threads)(JNIEnv *env, jclass class) {
  (void)class;
  return text_of(env, manners_threads());
}

/* The file in which the global scope has a symbol, or "". */
NATIVE(jstring, whose)(JNIEnv *env, jclass class, jstring symbol) {
  const char *name = (*env)->GetStringUTFChars(env, symbol, NULL);
  unsigned long address;
  (void)class;
  if (name == NULL) return NULL;
  address = manners_global(name);
  (*env)->ReleaseStringUTFChars(env, symbol, name);
  return text_of(env, manners_file_of(address));
}

/* A library of the host's own, for everybody to see; false without it. */
NATIVE(jboolean, beside)(JNIEnv *env, jclass class, jstring library) {
  const char *name = (*env)->GetStringUTFChars(env, library, NULL);
  void *handle = name != NULL ? dlopen(name, RTLD_NOW | RTLD_GLOBAL) : NULL;
  (void)class;
  if (name != NULL) (*env)->ReleaseStringUTFChars(env, library, name);
  return handle != NULL;
}

/* The decoy that somebody called, or NULL. */
NATIVE(jstring, decoy)(JNIEnv *env, jclass class) {
  const char *(*called)(void);
  (void)class;
  *(void **)&called = dlsym(RTLD_DEFAULT, "decoy_called");
  if (called == NULL) {
    complain(env, "there are no decoys");
    return NULL;
  }
  return called() != NULL ? (*env)->NewStringUTF(env, called()) : NULL;
}

/* --- What Java cannot do -------------------------------------------------- */

/* 0 when the tool fails in the words that both plugins have for it. */
static int is_told(const mcp_plugin *abi, const char *tool,
                   const char *arguments) {
  static const char reason[] = "engine belongs to the parent process";
  uint8_t *buffer = NULL;
  size_t size = 0;
  int32_t code = abi->execute_tool(tool, (const uint8_t *)arguments,
                                   strlen(arguments), &buffer, &size);
  int told = code == MCP_ERROR && buffer != NULL &&
             memmem(buffer, size, reason, sizeof reason - 1) != NULL;
  if (buffer != NULL) abi->free_string(buffer, size);
  return told ? 0 : 1;
}

static int all_told(jlong pricing, jlong clock) {
  const char *product = "{\"product_id\":1}";
  const char *waits = "{\"first_ms\":1,\"second_ms\":1}";
  return is_told(of(pricing)->abi, "get_product_price", product) |
         is_told(of(clock)->abi, "wait_both", waits) << 1 |
         is_told(of(pricing)->abi, "get_product_price", product) << 2;
}

static int patience(void) {
  const char *seconds = getenv("PATIENCE");
  return seconds != NULL ? atoi(seconds) : 10;
}

/* In a child; SIGALRM, which Java has no handler for, is the bound. */
static void be_told(jlong pricing, jlong clock) {
  int wrong;
  signal(SIGALRM, SIG_DFL);
  alarm((unsigned)patience());
  wrong = all_told(pricing, clock);
  if (wrong != 0) _exit(100 + wrong);
}

static void in_child(jlong pricing, jlong clock, int status, int deeper) {
  int inner = 0;
  pid_t pid;
  be_told(pricing, clock);
  if (!deeper) _exit(status);
  pid = fork();
  if (pid == 0) {
    be_told(pricing, clock);
    _exit(status + 1);
  }
  if (pid < 0 || waitpid(pid, &inner, 0) != pid || !WIFEXITED(inner) ||
      WEXITSTATUS(inner) != status + 1)
    _exit(120);
  _exit(status);
}

/* For a child that its alarm does not end, for it is not out of fork yet, there
 * is SIGKILL. */
static int bounded_wait(pid_t pid) {
  const struct timespec nap = {0, 1000000};
  int result = -1, naps = (patience() + 2) * 1000;
  pid_t got;
  while ((got = waitpid(pid, &result, naps > 0 ? WNOHANG : 0)) != pid) {
    if (got < 0 && errno != EINTR) return -1;
    if (--naps == 0) kill(pid, SIGKILL);
    nanosleep(&nap, NULL);
  }
  return result;
}

/* The child's wait status; -1 when there was none. */
NATIVE(jint, fork)
(JNIEnv *env, jclass class, jlong pricing, jlong clock, jint status,
 jboolean deeper) {
  pid_t pid = fork();
  (void)env, (void)class;
  if (pid == 0) in_child(pricing, clock, status, deeper);
  if (pid < 0) return -1;
  return bounded_wait(pid);
}

NATIVE(void, fault)(JNIEnv *env, jclass class) {
  volatile int *volatile nowhere = (volatile int *)8;
  (void)env, (void)class;
  *nowhere = 1;
}

struct attached {
  JavaVM *vm;
  jobject work; /* a global reference to a Runnable */
  int failed;   /* after the join */
};

static void *attach(void *arg) {
  struct attached *me = arg;
  JNIEnv *env;
  jmethodID run;
  if ((*me->vm)->AttachCurrentThread(me->vm, (void **)&env, NULL) != JNI_OK) {
    me->failed = 1;
    return NULL;
  }
  run = (*env)->GetMethodID(env, (*env)->GetObjectClass(env, me->work), "run",
                            "()V");
  if (run != NULL) (*env)->CallVoidMethod(env, me->work, run);
  if ((*env)->ExceptionCheck(env)) {
    (*env)->ExceptionDescribe(env);
    me->failed = 1;
  }
  (*me->vm)->DetachCurrentThread(me->vm);
  return NULL;
}

/* Runs the work on a thread of C that attaches and detaches; false if it threw.
 */
NATIVE(jboolean, attached)(JNIEnv *env, jclass class, jobject work) {
  struct attached me = {NULL, (*env)->NewGlobalRef(env, work), 0};
  pthread_t thread;
  (void)class;
  if (me.work == NULL || (*env)->GetJavaVM(env, &me.vm) != JNI_OK) return 0;
  if (pthread_create(&thread, NULL, attach, &me) != 0)
    me.failed = 1;
  else
    pthread_join(thread, NULL);
  (*env)->DeleteGlobalRef(env, me.work);
  return !me.failed;
}
