/* outboard-host: the command line. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "doctor.h"

#define TRY_HELP "see outboard-host --help"
#define TRY_DOCTOR_HELP "see outboard-host doctor --help"

const char program_name[] = "outboard-host";

static const char help[] =
    "Usage: outboard-host doctor [OPTION]... PLUGIN.so\n"
    "\n"
    "Examines an MCP plugin as a guest in its host's process.\n"
    "\n"
    "  doctor          run the checks and report (outboard-host doctor "
    "--help)\n"
    "  --help, --version\n"
    "\n"
    "To call a plugin's tools, see outboard-call --help.\n";

static const char doctor_help[] =
    "Usage: outboard-host doctor [OPTION]... PLUGIN.so\n"
    "\n"
    "Loads a plugin in processes of its own, one for each check, and reports\n"
    "what would hurt a host: what was seen, why it matters, how to cure it.\n"
    "The plugin runs for real: it is started and its tools are called, so\n"
    "give it a configuration and a tool that may be called some 10,000 times.\n"
    "\n"
    "  --config JSON      configuration for the plugin, or @FILE; without it\n"
    "                     configure is called by the check of that name only\n"
    "  --bad-config JSON  one that cannot work, or @FILE, to see the start\n"
    "                     fail; without it some are derived from the schema\n"
    "  --tool NAME        the tool to call; without it the first that answers\n"
    "                     without arguments\n"
    "  --args JSON        its arguments, or @FILE; {} if left out\n"
    "  --vary             its answers differ by nature (a clock's, say); else\n"
    "                     the doctor finds out by calling repeatedly\n"
    "  --only ID,...      run these checks (and what they build on)\n"
    "  --skip ID,...      leave these out\n"
    "  --list             list the checks\n"
    "  --threads N        threads that call at once (2 to 256; 8)\n"
    "  --timeout S        limit of each process (4 to 3600 seconds; 40)\n"
    "  --json             report as JSON\n"
    "  --strict           warnings count as failures\n"
    "  --verbose          why and cure of notes too, and times\n"
    "  --help\n"
    "\n"
    "On a terminal there is progress on stderr, and colour unless NO_COLOR is\n"
    "set. A plugin that hangs in every check costs each the --timeout.\n"
    "\n"
    "Exit codes:\n"
    "   0  all passed, or warnings and notes only\n"
    "   1  a check failed; with --strict, or warned\n"
    "   2  a wrong option, number or operand\n"
    "   3  a JSON argument is not a JSON object, or its file unreadable\n"
    "   4  cannot load: no such file, no shared object, no plugin_declaration\n"
    "  10  standard output cannot be written\n"
    "\n"
    "Examples:\n"
    "  outboard-host doctor build/plugins/clock.so\n"
    "  outboard-host doctor build/plugins/pricing.so --strict --json \\\n"
    "    --tool get_product_price --args '{\"product_id\":1}'\n";

static void print_and_exit(const char *text) {
  fputs(text, stdout);
  exit(fflush(stdout) == 0 ? EXIT_OK : EXIT_OUTPUT);
}

static unsigned number(const char *option, const char *text, unsigned low,
                       unsigned high) {
  char *end = NULL;
  errno = 0;
  unsigned long value = strtoul(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end != 0 || errno != 0 ||
      value < low || value > high)
    fail(EXIT_USAGE, TRY_DOCTOR_HELP, "%s: '%s' is not a number from %u to %u",
         option, text, low, high);
  return (unsigned)value;
}

static void list_checks(void) {
  for (size_t i = 0; i < check_count; i++)
    printf("%-12s %s\n", checks[i].id, checks[i].title);
  print_and_exit("");
}

/* Whether the comma separated list holds the id. */
static int is_in(const char *list, const char *id) {
  size_t size = strlen(id);
  for (const char *at = list; at != NULL; at = strchr(at, ',')) {
    at += *at == ',';
    if (strncmp(at, id, size) == 0 && (at[size] == ',' || at[size] == 0))
      return 1;
  }
  return 0;
}

static void need_known(const char *option, const char *list) {
  char *copy = list != NULL ? strdup(list) : NULL;
  for (char *id = strsep(&copy, ","); id != NULL; id = strsep(&copy, ",")) {
    size_t i = 0;
    while (i < check_count && strcmp(checks[i].id, id) != 0) i++;
    if (i == check_count)
      fail(EXIT_USAGE, "see outboard-host doctor --list",
           "%s: there is no check '%s'", option, id);
  }
}

enum option_id {
  OPT_CONFIG = 256,
  OPT_BAD_CONFIG,
  OPT_TOOL,
  OPT_ARGS,
  OPT_ONLY,
  OPT_SKIP,
  OPT_LIST,
  OPT_VARY,
  OPT_THREADS,
  OPT_TIMEOUT,
  OPT_JSON,
  OPT_STRICT,
  OPT_VERBOSE,
  OPT_HELP,
};

static const struct option table[] = {
    {"config", required_argument, NULL, OPT_CONFIG},
    {"bad-config", required_argument, NULL, OPT_BAD_CONFIG},
    {"tool", required_argument, NULL, OPT_TOOL},
    {"args", required_argument, NULL, OPT_ARGS},
    {"only", required_argument, NULL, OPT_ONLY},
    {"skip", required_argument, NULL, OPT_SKIP},
    {"list", no_argument, NULL, OPT_LIST},
    {"vary", no_argument, NULL, OPT_VARY},
    {"threads", required_argument, NULL, OPT_THREADS},
    {"timeout", required_argument, NULL, OPT_TIMEOUT},
    {"json", no_argument, NULL, OPT_JSON},
    {"strict", no_argument, NULL, OPT_STRICT},
    {"verbose", no_argument, NULL, OPT_VERBOSE},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static void apply(struct settings *out, int id, char **argv) {
  switch (id) {
    case OPT_CONFIG:
      out->config = json_argument("--config", optarg);
      break;
    case OPT_BAD_CONFIG:
      out->bad_config = json_argument("--bad-config", optarg);
      break;
    case OPT_TOOL:
      out->tool = optarg;
      break;
    case OPT_ARGS:
      out->args = json_argument("--args", optarg);
      break;
    case OPT_ONLY:
      out->only = optarg;
      break;
    case OPT_SKIP:
      out->skip = optarg;
      break;
    case OPT_LIST:
      list_checks();
      break;
    case OPT_VARY:
      out->vary = 1;
      break;
    case OPT_THREADS:
      out->threads = number("--threads", optarg, 2, 256);
      break;
    case OPT_TIMEOUT:
      out->timeout_s = number("--timeout", optarg, 4, 3600);
      break;
    case OPT_JSON:
      out->json = 1;
      break;
    case OPT_STRICT:
      out->strict = 1;
      break;
    case OPT_VERBOSE:
      out->verbose = 1;
      break;
    case OPT_HELP:
      print_and_exit(doctor_help);
      break;
    case ':':
      fail(EXIT_USAGE, TRY_DOCTOR_HELP, "%s needs a value", argv[optind - 1]);
    default:
      fail(EXIT_USAGE, TRY_DOCTOR_HELP, "unknown or ambiguous option '%s'",
           argv[optind - 1]);
  }
}

static void parse(struct settings *out, int argc, char **argv) {
  int id;
  opterr = 0;
  while ((id = getopt_long(argc, argv, ":", table, NULL)) != -1)
    apply(out, id, argv);
  if (argc - optind < 1) fail(EXIT_USAGE, TRY_DOCTOR_HELP, "which plugin?");
  if (argc - optind > 1)
    fail(EXIT_USAGE, TRY_DOCTOR_HELP, "too many operands: '%s'",
         argv[optind + 1]);
  out->path = argv[optind];
  if (out->args != NULL && out->tool == NULL)
    fail(EXIT_USAGE, TRY_DOCTOR_HELP, "--args needs a --tool to call");
  if (out->args == NULL) out->args = strdup("{}");
  need_known("--only", out->only);
  need_known("--skip", out->skip);
}

/* The plugin's full name: a bare one is the file here, not one that dlopen
 * would look up. */
static void resolve(struct settings *settings) {
  struct stat status;
  char *path = realpath(settings->path, NULL);
  if (path == NULL || stat(path, &status) != 0)
    fail(EXIT_LOAD, "check the path; `make` builds into build/plugins",
         "cannot load %s: %s", settings->path, strerror(errno));
  if (!S_ISREG(status.st_mode))
    fail(EXIT_LOAD, "name the shared object itself",
         "cannot load %s: not a regular file", settings->path);
  settings->path = path;
}

static int doctor(int argc, char **argv) {
  struct settings settings = {.threads = 8, .timeout_s = 40};
  struct report report = {.settings = &settings};
  parse(&settings, argc, argv);
  resolve(&settings);
  report.tool = settings.tool != NULL ? strdup(settings.tool) : NULL;
  report.outcomes = calloc(check_count, sizeof *report.outcomes);
  if (report.outcomes == NULL) fail(EXIT_USAGE, NULL, "out of memory");
  size_t chosen = 0;
  for (size_t i = 0; i < check_count; i++) {
    report.outcomes[i].check = &checks[i];
    report.outcomes[i].reported =
        (settings.only == NULL || is_in(settings.only, checks[i].id)) &&
        !is_in(settings.skip, checks[i].id);
    chosen += (size_t)report.outcomes[i].reported;
  }
  if (chosen == 0)
    fail(EXIT_USAGE, "see outboard-host doctor --list",
         "--only and --skip leave no check to run");
  run_checks(&report);
  return (int)report_print(&report);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "child") == 0) child_main(atoi(argv[2]));
  if (argc > 1 && strcmp(argv[1], "doctor") == 0)
    return doctor(argc - 1, argv + 1);
  if (argc > 1 && strcmp(argv[1], "--help") == 0) print_and_exit(help);
  if (argc > 1 && strcmp(argv[1], "--version") == 0)
    print_and_exit("outboard-host " OUTBOARD_HOST_VERSION
                   " (plugin ABI " MCP_PLUGIN_API_VERSION ")\n");
  if (argc < 2)
    fail(EXIT_USAGE, TRY_HELP, "which subcommand? There is: doctor");
  fail(EXIT_USAGE, TRY_HELP, "unknown subcommand '%s'", argv[1]);
}
