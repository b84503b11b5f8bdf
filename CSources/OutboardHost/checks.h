/* The checks, and what several of them use. */
#ifndef OUTBOARD_HOST_CHECKS_H
#define OUTBOARD_HOST_CHECKS_H

#include <jansson.h>

#include "doctor.h"

void check_file(struct subject *subject);
void check_exports(struct subject *subject);
void check_imports(struct subject *subject);
void check_needed(struct subject *subject);
void check_image(struct subject *subject);
void check_load(struct subject *subject);
void check_declaration(struct subject *subject);
void check_list(struct subject *subject);
void check_configure(struct subject *subject);
void check_start(struct subject *subject);
void check_exit(struct subject *subject);
void check_unload(struct subject *subject);
void check_answers(struct subject *subject);
void check_memory(struct subject *subject);
void check_threads(struct subject *subject);
void check_process(struct subject *subject);
void check_output(struct subject *subject);
void check_descriptors(struct subject *subject);
void check_concurrency(struct subject *subject);
void check_fork(struct subject *subject);
void check_restart(struct subject *subject);
void check_failure(struct subject *subject);

/* "a, b, c and 12 more" */
#define NAMES_SHOWN 6

struct names {
  char text[NAMES_SHOWN * 104];
  unsigned count;
};

void names_add(struct names *names, const char *name);
const char *names_end(struct names *names);

/* The plugin's file; NULL after reporting why not. */
struct elf *elf_of_subject(struct subject *subject);

/* Asks for a JSON object, with an array in it unless member is NULL. */
void look_at_answer(struct subject *subject, const char *what,
                    int32_t (*ask)(uint8_t **, size_t *), const char *member);

/* The plugin's schema of its configuration, or NULL. */
json_t *schema_of_config(const struct subject *subject);
/* --config's object, or an empty one; a new reference. */
json_t *schema_base(const struct subject *subject);
/* A string that ends in tail, with what the property's pattern begins with. */
json_t *schema_text(const json_t *property, const char *tail);
/* Two values that the property should allow; 0: none are known. */
int schema_two_values(const json_t *property, json_t *out[2]);

/* What is said of output, by the child and, for output at exit, the parent. */
extern const char output_why[2][160], output_cure[];
/* The first bytes of a file from there on, printable. */
void output_sample(int fd, long from, char out[64]);

/* Calls the tool up to n times within a third of the limit; how often. */
unsigned call_some(const struct subject *subject, unsigned n);

#define EXIT_VARIANTS 4
#define UNLOAD_VARIANTS 2
#define CONFIGURE_VARIANTS 10
#define MEMORY_VARIANTS 3
#define FAILURE_VARIANTS 13

#endif
