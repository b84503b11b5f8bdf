/* The report: a table and the findings, or JSON; and the exit status. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define MOST_FINDINGS 40 /* of a check */

const char *const severity_names[] = {"note", "not checked", "warn", "fail"};

static char *copy(const char *text) {
  return text != NULL ? strdup(text) : NULL;
}

void outcome_add(struct outcome *outcome, enum severity severity,
                 const char *id, const char *why, const char *cure,
                 const char *seen) {
  if (seen == NULL) seen = "";
  /* Variants find the same thing. */
  for (size_t i = 0; i < outcome->count; i++)
    if (strcmp(outcome->findings[i].id, id) == 0 &&
        strcmp(outcome->findings[i].seen, seen) == 0)
      return;
  if (outcome->count == MOST_FINDINGS) return;
  struct finding *more =
      realloc(outcome->findings, (outcome->count + 1) * sizeof *more);
  if (more == NULL) fail(EXIT_USAGE, NULL, "out of memory");
  outcome->findings = more;
  more[outcome->count++] =
      (struct finding){severity, copy(id), copy(seen), copy(why), copy(cure)};
}

enum severity outcome_worst(const struct outcome *outcome) {
  enum severity worst = SEVERITY_NOTE;
  for (size_t i = 0; i < outcome->count; i++)
    if (outcome->findings[i].severity > worst)
      worst = outcome->findings[i].severity;
  return worst;
}

static const char *result_of(const struct outcome *outcome) {
  enum severity worst = outcome_worst(outcome);
  return worst == SEVERITY_NOTE ? "pass" : severity_names[worst];
}

struct totals {
  unsigned of[SEVERITY_FAIL + 1]; /* checks by their worst finding */
  int cannot_load;
};

static struct totals count(const struct report *report) {
  struct totals totals = {0};
  for (size_t i = 0; i < check_count; i++) {
    const struct outcome *outcome = &report->outcomes[i];
    if (!outcome->reported) continue;
    enum severity worst = outcome_worst(outcome);
    totals.of[worst]++;
    if (worst == SEVERITY_FAIL && (strcmp(checks[i].id, "file") == 0 ||
                                   strcmp(checks[i].id, "load") == 0))
      totals.cannot_load = 1;
  }
  return totals;
}

static enum exit_code status_of(const struct report *report,
                                const struct totals *totals) {
  if (totals->cannot_load) return EXIT_LOAD;
  if (totals->of[SEVERITY_FAIL] > 0) return EXIT_FINDINGS;
  if (report->settings->strict && totals->of[SEVERITY_WARN] > 0)
    return EXIT_FINDINGS;
  return EXIT_OK;
}

static json_t *finding_json(const struct finding *finding) {
  json_t *json =
      json_pack("{s:s, s:s, s:s}", "id", finding->id, "severity",
                severity_names[finding->severity], "seen", finding->seen);
  if (finding->why != NULL)
    json_object_set_new(json, "why", json_string(finding->why));
  if (finding->cure != NULL)
    json_object_set_new(json, "cure", json_string(finding->cure));
  return json;
}

static json_t *outcome_json(const struct outcome *outcome) {
  json_t *findings = json_array();
  for (size_t i = 0; i < outcome->count; i++)
    json_array_append_new(findings, finding_json(&outcome->findings[i]));
  json_t *json = json_pack("{s:s, s:s, s:s, s:o}", "id", outcome->check->id,
                           "title", outcome->check->title, "result",
                           result_of(outcome), "findings", findings);
  if (outcome->summary != NULL)
    json_object_set_new(json, "summary", json_string(outcome->summary));
  if (outcome->ran)
    json_object_set_new(json, "seconds", json_real(outcome->seconds));
  return json;
}

static void print_json(const struct report *report,
                       const struct totals *totals) {
  json_t *list = json_array();
  for (size_t i = 0; i < check_count; i++)
    if (report->outcomes[i].reported)
      json_array_append_new(list, outcome_json(&report->outcomes[i]));
  json_t *plugin = json_string(report->settings->path);
  json_t *json = json_pack(
      "{s:s, s:o, s:s*, s:s*, s:i, s:b, s:i, s:i, s:i, s:i, s:o}", "doctor",
      OUTBOARD_HOST_VERSION, "plugin", plugin != NULL ? plugin : json_null(),
      "api_version", report->version, "tool", report->tool, "status",
      (int)status_of(report, totals), "strict", report->settings->strict,
      "passed", (int)totals->of[SEVERITY_NOTE], "warned",
      (int)totals->of[SEVERITY_WARN], "failed", (int)totals->of[SEVERITY_FAIL],
      "not_checked", (int)totals->of[SEVERITY_SKIPPED], "checks", list);
  json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(4));
  putchar('\n');
  json_decref(json);
}

#define ID_ROOM 13
#define SECONDS_ROOM 8

static const struct finding *worst_finding(const struct outcome *outcome) {
  enum severity worst = outcome_worst(outcome);
  for (size_t i = 0; worst != SEVERITY_NOTE && i < outcome->count; i++)
    if (outcome->findings[i].severity == worst) return &outcome->findings[i];
  return NULL;
}

/* What only follows from another finding is in the table alone. */
static int follows(const struct finding *finding) {
  return strstr(finding->id, ".needs") != NULL;
}

static void print_row(const struct outcome *outcome, unsigned room,
                      int verbose) {
  const struct finding *worst = worst_finding(outcome);
  const char *text = worst != NULL ? worst->seen : outcome->summary;
  unsigned indent = 2 + ID_ROOM + room + 2 + (verbose ? SECONDS_ROOM : 0);
  printf("  %-*s", ID_ROOM, outcome->check->id);
  layout_result(result_of(outcome), room);
  if (verbose) printf("%*.1f s", SECONDS_ROOM - 2, outcome->seconds);
  printf("  ");
  if (worst != NULL && !follows(worst))
    layout_cut(indent, text); /* it comes in full below */
  else
    layout_wrapped(indent, text != NULL ? text : "");
}

static void print_table(const struct report *report) {
  size_t room = 0;
  for (size_t i = 0; i < check_count; i++) {
    const struct outcome *outcome = &report->outcomes[i];
    if (outcome->reported && strlen(result_of(outcome)) > room)
      room = strlen(result_of(outcome));
  }
  for (size_t i = 0; i < check_count; i++)
    if (report->outcomes[i].reported)
      print_row(&report->outcomes[i], (unsigned)room,
                report->settings->verbose);
}

static int is_same(const struct finding *a, const struct finding *b) {
  return a->severity == b->severity && strcmp(a->id, b->id) == 0;
}

static void print_part(const char *name, const char *text) {
  if (text == NULL) return;
  printf("  %-6s", name);
  layout_wrapped(8, text);
}

/* One finding, and what else was seen of the same id and severity. */
static void print_finding(const struct outcome *outcome, size_t first,
                          int verbose) {
  const struct finding *finding = &outcome->findings[first];
  putchar('\n');
  layout_result(severity_names[finding->severity], 0);
  printf(" %s\n", finding->id);
  for (size_t i = first; i < outcome->count; i++)
    if (is_same(finding, &outcome->findings[i]))
      print_part("seen", outcome->findings[i].seen);
  if (finding->severity == SEVERITY_NOTE && !verbose) return;
  print_part("why", finding->why);
  print_part("cure", finding->cure);
}

/* The worst first. */
static void print_findings(const struct report *report) {
  for (int severity = SEVERITY_FAIL; severity >= SEVERITY_NOTE; severity--)
    for (size_t i = 0; i < check_count; i++) {
      const struct outcome *outcome = &report->outcomes[i];
      for (size_t f = 0; outcome->reported && f < outcome->count; f++) {
        const struct finding *finding = &outcome->findings[f];
        size_t first = 0;
        if ((int)finding->severity != severity || follows(finding)) continue;
        while (!is_same(finding, &outcome->findings[first])) first++;
        if (first == f) print_finding(outcome, f, report->settings->verbose);
      }
    }
}

static void print_heading(const struct report *report) {
  char text[512] = "";
  if (report->version != NULL)
    snprintf(text, sizeof text, "plugin ABI %.30s%s%.400s", report->version,
             report->tool != NULL ? ", checked by calling " : "",
             report->tool != NULL ? report->tool : "");
  layout_line(report->settings->path);
  if (text[0] != 0) layout_wrapped(0, text);
  putchar('\n');
}

enum exit_code report_print(const struct report *report) {
  struct totals totals = count(report);
  enum exit_code status = status_of(report, &totals);
  if (report->settings->json) {
    print_json(report, &totals);
  } else {
    print_heading(report);
    print_table(report);
    print_findings(report);
    printf("\n%u passed, %u warned, %u failed, %u not checked\n",
           totals.of[SEVERITY_NOTE], totals.of[SEVERITY_WARN],
           totals.of[SEVERITY_FAIL], totals.of[SEVERITY_SKIPPED]);
  }
  if (fflush(stdout) != 0 || ferror(stdout))
    fail(EXIT_OUTPUT, NULL, "cannot write to standard output");
  return status;
}
