/* outboard-call: what its files share. fail.c, json.c and plugin.c serve
 * outboard-host too.
 *
 * The program is a host in the plainest sense: it knows the plugin ABI
 * (mcp_plugin.h) and dlopen, and links nothing of Outboard's. */
#ifndef OUTBOARD_CALL_CALL_H
#define OUTBOARD_CALL_CALL_H

#include <mcp_plugin.h>
#include <stddef.h>
#include <stdint.h>

#ifndef OUTBOARD_CALL_VERSION
#define OUTBOARD_CALL_VERSION "0.1.0"
#endif

/* Exit codes; --help has the same list. */
enum exit_code {
  EXIT_OK = 0,
  EXIT_TOOL = 1,      /* the tool answered with an error */
  EXIT_FINDINGS = 1,  /* outboard-host: a check failed */
  EXIT_USAGE = 2,     /* option, number or operand */
  EXIT_JSON = 3,      /* --config or ARGS */
  EXIT_LOAD = 4,      /* no file, no shared object, no symbol */
  EXIT_ABI = 5,       /* wrong version, required member missing */
  EXIT_CONFIGURE = 6, /* configure refused */
  EXIT_INIT = 7,      /* init failed */
  EXIT_ANSWER = 8,    /* an answer breaks the ABI */
  EXIT_HAMMER = 9,    /* calls lost, wrong or failed under load */
  EXIT_OUTPUT = 10,   /* stdout cannot be written */
};

/* --- options.c ------------------------------------------------------------ */

struct options {
  const char *path;   /* of the plugin */
  const char *config; /* --config; NULL: configure is not called */
  const char *tool;   /* or NULL */
  const char *args;   /* or NULL: {} */
  uint64_t repeat;    /* calls in total; 0: one call, no report */
  uint32_t threads;   /* calling threads */
  uint32_t stall_s;   /* no answer for so long means lost */
  int list, schema;   /* what to print */
  int raw, quiet;     /* how */
  int vary, unload;   /* answers may differ; dlclose at the end */
};

/* Fills *out from the command line. Does not return when the line is wrong, or
 * asks for --help or --version. */
void options_parse(struct options *out, int argc, char **argv);

/* --- fail.c --------------------------------------------------------------- */

/* Stands before each message; each program defines it. */
extern const char program_name[];

/* Ends the program with a message: what is wrong, and on a second line, unless
 * NULL, what to do about it. */
__attribute__((noreturn, format(printf, 3, 4))) void fail(enum exit_code code,
                                                          const char *cure,
                                                          const char *format,
                                                          ...);

/* --- plugin.c ------------------------------------------------------------- */

struct plugin {
  const char *path;              /* as the user gave it */
  void *image;                   /* of dlopen */
  const mcp_plugin *declaration; /* in the image */
  int minor;                     /* of api_version 0.minor.x */
};

/* A buffer that belongs to the plugin until answer_free. */
struct answer {
  int32_t code;
  uint8_t *bytes;
  size_t size;
};

/* The 5 of "0.5.0", or -1. */
int plugin_minor(const char *version);

/* These end the program with its cause when they fail. */
struct plugin plugin_load(const char *path);
void plugin_configure(const struct plugin *plugin, const char *json);
void plugin_init(const struct plugin *plugin);
void plugin_unload(struct plugin *plugin);

/* Calls a tool. Any thread. */
struct answer plugin_call(const struct plugin *plugin, const char *tool,
                          const char *args, size_t args_size);

/* Gives the buffer back, the exact pair. Any thread. */
void answer_free(const struct plugin *plugin, struct answer *answer);

/* --- json.c --------------------------------------------------------------- */

/* How bytes of a plugin's are read by jansson. An integer past 64 bits is JSON
 * all the same: it is read as a real. So is a string with \u0000 in it. */
#define JSON_READ_FLAGS \
  (JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL)

/* Reads an argument: JSON text, or @FILE. It must be a JSON object; what names
 * it in messages. The caller frees. Ends the program when it fails. */
char *json_argument(const char *what, const char *text);

/* NULL when the bytes are JSON in UTF-8, else why not (static storage of this
 * thread). */
const char *json_fault(const uint8_t *bytes, size_t size);

/* Prints JSON with indentation. Works on the text, so that numbers come out
 * digit for digit. */
void json_print(const uint8_t *bytes, size_t size);

/* The "error" member of a body, or NULL. The caller frees. */
char *json_error_text(const uint8_t *bytes, size_t size);

/* Prints the tools of a list_tools answer, names only or with parameters.
 * NULL, or what is wrong with it. */
const char *json_print_tools(const struct answer *answer, int names_only);

/* --- hammer.c ------------------------------------------------------------- */

/* Calls the tool from many threads and prints the report. */
enum exit_code hammer(const struct plugin *plugin,
                      const struct options *options, const char *args,
                      const struct answer *reference);

/* --- histogram.c ---------------------------------------------------------- */

/* Latencies in ns in buckets 1/32 wide (3% at worst), whatever their range. */
#define HISTOGRAM_BUCKETS (60 * 32)

struct histogram {
  uint64_t count[HISTOGRAM_BUCKETS];
  uint64_t total;
  uint64_t max;
};

void histogram_add(struct histogram *histogram, uint64_t ns);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The latency that permille/1000 of the calls did not exceed. */
uint64_t histogram_at(const struct histogram *histogram, unsigned permille);

#endif
