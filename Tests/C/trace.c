/* Health and the trace as JSON, read back by a parser that is not ours. */
#include "harness.h"

/* Writes text to a Python program, which must agree with it. */
static void check_by_python(const char *program, const char *text) {
  char command[3000];
  FILE *pipe;
  snprintf(command, sizeof command,
           "python3 -c 'import json,sys\nd=json.load(sys.stdin)\n%s'", program);
  pipe = popen(command, "w");
  CHECK(pipe != NULL);
  CHECK_EQ(fwrite(text, 1, strlen(text), pipe), strlen(text));
  CHECK_EQ(pclose(pipe), 0);
}

/* The text, by the length that a first call gives. */
static char *written(int (*writer)(ob_engine *, char *, size_t),
                     ob_engine *engine) {
  int length = writer(engine, NULL, 0), again;
  char *text;
  CHECK(length > 0);
  text = malloc((size_t)length + 100);
  again = writer(engine, text, (size_t)length + 100);
  CHECK(again >= length - 100 && again < length + 100);
  CHECK_EQ(strlen(text), again);
  return text;
}

static ob_engine *recorded(void) {
  ob_engine *engine = test_engine(NULL);
  ob_inspect_opts opts = OB_INSPECT_OPTS_INIT;
  opts.every = 1;
  CHECK_EQ(ob_inspect(engine, &opts), OB_OK);
  return engine;
}

static int call_named(ob_engine *engine, const char *name) {
  static int input = 1;
  ob_call_opts opts = test_call(handle_increment, NULL);
  opts.name = name;
  opts.input = &input;
  opts.input_size = sizeof input;
  return ob_call(engine, &opts, NULL);
}

static void post_nothing(void *arg, int status) {
  (void)arg;
  (void)status;
}

static const char trace_program[] =
    "e=d[\"traceEvents\"]\n"
    "m=[x for x in e if x[\"ph\"]==\"M\"]\n"
    "assert m[0][\"args\"][\"name\"]==\"outboard\",m\n"
    "x=[v for v in e if v[\"ph\"]==\"X\"]\n"
    "b=[v for v in e if v[\"ph\"]==\"b\"]\n"
    "n=[v for v in e if v[\"ph\"]==\"e\"]\n"
    "assert len(x)==5 and len(b)==6 and len(n)==6,(len(x),len(b),len(n))\n"
    "for v in x+b+n:\n"
    "  for k in (\"ts\",\"pid\",\"tid\",\"name\",\"cat\",\"args\"):\n"
    "    assert k in v,v\n"
    "assert all(v[\"dur\"]>=0 and v[\"tid\"]==m[0][\"tid\"] for v in x),x\n"
    "for p,q in zip(b,n):\n"
    "  assert p[\"id\"]==q[\"id\"] and p[\"ts\"]<=q[\"ts\"],(p,q)\n"
    "names=[v[\"name\"] for v in x]\n"
    "assert names[0]==\"say \\\"hi\\\"\\n\",names\n"
    "assert names[1]==\"caf\\u00e9 \\ufffd\",names\n"
    "assert len(names[2])==31,names\n"
    "assert names[4].startswith(\"0x\"),names\n"
    "assert b[5][\"args\"][\"outcome\"]==\"OB_ECANCELED\",b\n"
    "assert x[0][\"args\"][\"status\"]==0 and "
    "x[0][\"args\"][\"weight\"]==1,x\n";

TEST(the_trace_is_what_was_called) {
  ob_engine *engine = recorded();
  ob_call_opts opts = test_call(handle_increment, NULL);
  test_blocker blocker;
  ob_ticket *ticket;
  char *text;
  CHECK_EQ(call_named(engine, "say \"hi\"\n"), OB_OK);
  CHECK_EQ(call_named(engine, "caf\xc3\xa9 \xff"), OB_OK);
  CHECK_EQ(call_named(engine, "a name much longer than the thirty-one kept"),
           OB_OK);
  test_block_loop(engine, &blocker);
  opts.name = "given up";
  CHECK_EQ(ob_post(engine, post_nothing, NULL), OB_OK);
  CHECK_EQ(ob_submit(&ticket, engine, &opts), OB_OK);
  CHECK_EQ(ob_ticket_cancel(ticket), OB_OK);
  test_unblock_loop(&blocker);
  ob_ticket_release(ticket);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  text = written(ob_inspect_trace_json, engine);
  check_by_python(trace_program, text);
  free(text);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

TEST(a_trace_of_nothing) {
  ob_engine *engine = test_engine(NULL);
  char *text = written(ob_inspect_trace_json, engine);
  check_by_python("assert len(d[\"traceEvents\"])==1,d", text);
  free(text);
  test_stop(engine);
}

static const char health_program[] =
    "assert d[\"name\"]==\"outboard\" and d[\"state\"]==\"stopped\",d\n"
    "assert d[\"stalls\"]==0 and d[\"last_stall\"] is None,d\n"
    "for k in (\"lag\",\"wait\",\"run\"):\n"
    "  t=d[k]\n"
    "  assert t[\"p50_ns\"]<=t[\"p99_ns\"]<=t[\"p999_ns\"]<=t[\"max_ns\"],t\n"
    "assert d[\"run\"][\"count\"]==7 and d[\"wait\"][\"count\"]==7,d\n"
    "assert d[\"statistics\"][\"completed\"]==7,d\n"
    "assert not d[\"times_on\"] and d[\"uptime_ns\"]>0,d\n";

TEST(health_is_what_was_done) {
  ob_engine *engine = recorded();
  char *text;
  int i;
  for (i = 0; i < 7; i++) CHECK_EQ(call_named(engine, "x"), OB_OK);
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  text = written(ob_engine_health_json, engine);
  check_by_python(health_program, text);
  free(text);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}

static void watch_soon(ob_engine_opts *opts) {
  static ob_inspect_opts inspect = OB_INSPECT_OPTS_INIT;
  inspect.stall_ns = 10000000;
  opts->name = "q\"uote";
  opts->inspect = &inspect;
}

static const char stall_program[] =
    "s=d[\"last_stall\"]\n"
    "assert d[\"state\"]==\"stalled\" and d[\"stalls\"]==1,d\n"
    "assert d[\"name\"]==\"q\\\"uote\",d\n"
    "assert s[\"name\"]==\"blocker\" and s[\"number\"]==1,s\n"
    "assert s[\"held_ns\"]>=10000000 and d[\"stalled_ns\"]>=10000000,d\n"
    "assert s[\"symbol\"] and s[\"frames\"]==[],s\n";

TEST(a_stall_is_in_the_health) {
  ob_engine *engine = test_engine(watch_soon);
  ob_stall stall = OB_STALL_INIT;
  test_blocker blocker;
  char *text;
  test_block_loop(engine, &blocker);
  while (ob_inspect_stall(engine, &stall) != OB_OK) test_sleep_ms(1);
  text = written(ob_engine_health_json, engine);
  check_by_python(stall_program, text);
  free(text);
  test_unblock_loop(&blocker);
  test_stop(engine);
}

/* As snprintf: cut, ended, and the whole length returned. */
TEST(a_buffer_that_is_too_small) {
  ob_engine *engine = test_engine(NULL);
  char *whole, *part;
  int length, size;
  CHECK_EQ(ob_engine_stop(engine, OB_STOP_DRAIN, OB_FOREVER), OB_OK);
  whole = written(ob_engine_health_json, engine);
  length = (int)strlen(whole);
  part = malloc((size_t)length + 1);
  for (size = 1; size <= length + 1; size++) {
    CHECK_EQ(ob_engine_health_json(engine, part, (size_t)size), length);
    CHECK_EQ(strlen(part), size - 1);
    CHECK(strncmp(part, whole, (size_t)size - 1) == 0);
  }
  free(part);
  free(whole);
  CHECK_EQ(ob_engine_destroy(engine), OB_OK);
}
