/* The command line. */
#include "call.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRY_HELP "see outboard-call --help"

const char program_name[] = "outboard-call";

static const char help[] =
    "Usage: outboard-call [OPTION]... PLUGIN.so [TOOL [ARGS]]\n"
    "\n"
    "Loads an MCP plugin, configures and initialises it, and calls a tool.\n"
    "ARGS is a JSON object, or @FILE that holds one; without it, {}.\n"
    "\n"
    "  --config JSON   configuration for the plugin, or @FILE; without it\n"
    "                  the plugin's configure is not called\n"
    "  --list          list the tools with their parameters\n"
    "  --schema        print the JSON Schema of the configuration, before\n"
    "                  anything is configured; with nothing else to do, stop\n"
    "  --threads N     call from N threads at once (1 to 1024)\n"
    "  --repeat M      make M calls in total, shared out among the threads;\n"
    "                  with --threads alone, one call per thread\n"
    "  --vary          answers may differ (a clock's, say); without it each\n"
    "                  answer must equal the first, byte for byte\n"
    "  --stall S       no answer at all for S seconds: report the calls as\n"
    "                  lost and end the process (default 60)\n"
    "  --raw           print answers exactly as the plugin gave them, the\n"
    "                  body of an error too\n"
    "  --quiet         print no answers and no progress, only the report\n"
    "  --unload        dlclose the plugin at the end\n"
    "  --help, --version\n"
    "\n"
    "Progress is shown on stderr when that is a terminal.\n"
    "\n"
    "Exit codes:\n"
    "   0  success\n"
    "   1  the tool answered with an error\n"
    "   2  a wrong option, number or operand\n"
    "   3  --config or ARGS is not a JSON object, or its file unreadable\n"
    "   4  cannot load: no such file, no shared object, no plugin_declaration\n"
    "   5  wrong api_version, or a required member is NULL\n"
    "   6  the plugin refused its configuration\n"
    "   7  the plugin's init failed\n"
    "   8  an answer breaks the ABI (no buffer, no JSON)\n"
    "   9  under --threads or --repeat: calls lost, wrong or failed\n"
    "  10  standard output cannot be written\n"
    "\n"
    "Examples:\n"
    "  outboard-call build/plugins/pricing.so --list\n"
    "  outboard-call build/plugins/pricing.so get_product_price "
    "'{\"product_id\":1}'\n"
    "  outboard-call build/plugins/pricing.so get_product_price "
    "'{\"product_id\":1}' \\\n"
    "    --threads 16 --repeat 100000\n";

static uint64_t number(const char *option, const char *text, uint64_t low,
                       uint64_t high) {
  char *end = NULL;
  errno = 0;
  unsigned long long value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 ||
      value < low || value > high)
    fail(EXIT_USAGE, TRY_HELP, "%s: '%s' is not a number from %llu to %llu",
         option, text, (unsigned long long)low, (unsigned long long)high);
  return value;
}

enum option_id {
  OPT_CONFIG = 256,
  OPT_LIST,
  OPT_SCHEMA,
  OPT_THREADS,
  OPT_REPEAT,
  OPT_VARY,
  OPT_STALL,
  OPT_RAW,
  OPT_QUIET,
  OPT_UNLOAD,
  OPT_HELP,
  OPT_VERSION,
};

static const struct option table[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"list", no_argument, NULL, OPT_LIST},
    {"schema", no_argument, NULL, OPT_SCHEMA},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"repeat", required_argument, NULL, OPT_REPEAT},
    {"vary", no_argument, NULL, OPT_VARY},
    {"stall", required_argument, NULL, OPT_STALL},
    {"raw", no_argument, NULL, OPT_RAW},
    {"quiet", no_argument, NULL, OPT_QUIET},
    {"unload", no_argument, NULL, OPT_UNLOAD},
    {"help", no_argument, NULL, OPT_HELP},
    {"version", no_argument, NULL, OPT_VERSION},
    {NULL, 0, NULL, 0},
};

static void print_and_exit(const char *text) {
  fputs(text, stdout);
  exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_OUTPUT);
}

static void apply(struct options *out, int id, char **argv) {
  switch (id) {
    case OPT_CONFIG:
      out->config = optarg;
      break;
    case OPT_LIST:
      out->list = 1;
      break;
    case OPT_SCHEMA:
      out->schema = 1;
      break;
    case OPT_THREADS:
      out->threads = (uint32_t)number("--threads", optarg, 1, 1024);
      break;
    case OPT_REPEAT:
      out->repeat = number("--repeat", optarg, 1, UINT64_C(1000000000000));
      break;
    case OPT_VARY:
      out->vary = 1;
      break;
    case OPT_STALL:
      out->stall_s = (uint32_t)number("--stall", optarg, 1, 86400);
      break;
    case OPT_RAW:
      out->raw = 1;
      break;
    case OPT_QUIET:
      out->quiet = 1;
      break;
    case OPT_UNLOAD:
      out->unload = 1;
      break;
    case OPT_HELP:
      print_and_exit(help);
      break;
    case OPT_VERSION:
      print_and_exit("outboard-call " OUTBOARD_CALL_VERSION
                     " (plugin ABI " MCP_PLUGIN_API_VERSION ")\n");
      break;
    case ':':
      fail(EXIT_USAGE, TRY_HELP, "%s needs a value", argv[optind - 1]);
    default:
      fail(EXIT_USAGE, TRY_HELP, "unknown or ambiguous option '%s'",
           argv[optind - 1]);
  }
}

void options_parse(struct options *out, int argc, char **argv) {
  int id;
  *out = (struct options){.stall_s = 60};
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", table, NULL)) != -1)
    apply(out, id, argv);
  int operands = argc - optind;
  if (operands < 1) fail(EXIT_USAGE, TRY_HELP, "which plugin?");
  if (operands > 3)
    fail(EXIT_USAGE, "quote ARGS, so that it is one word",
         "too many operands: '%s'", argv[optind + 3]);
  out->path = argv[optind];
  if (operands > 1) out->tool = argv[optind + 1];
  if (operands > 2) out->args = argv[optind + 2];
  if (out->tool == NULL && (out->repeat != 0 || out->threads != 0))
    fail(EXIT_USAGE, TRY_HELP, "--threads and --repeat need a TOOL to call");
  if (out->threads != 0 && out->repeat == 0) out->repeat = out->threads;
  if (out->threads == 0) out->threads = 1;
}
