/* Processes that a plugin leaves behind: they outlive the check that they were
 * started in, in its group or out of it. As the subreaper this program becomes
 * their parent; it kills them, so that an examination leaves nothing running.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

#define GRACE_MS 1000 /* for those that notice the end of their host */
#define MOST 4096     /* that are killed: one that forks may go on for ever */

void left_adopt(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

/* Kills a child of ours that the kernel names; 0 when there is none. */
static int kill_one(void) {
  char path[64];
  int pid = 0;
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *children = fopen(path, "re");
  if (children == NULL) return 0;
  if (fscanf(children, "%d", &pid) != 1) pid = 0;
  fclose(children);
  if (pid <= 0) return 0;
  kill(pid, SIGKILL);
  waitpid(pid, NULL, 0);
  return 1;
}

unsigned left_end(int patient) {
  int64_t end = now_ms() + (patient ? GRACE_MS : 0);
  pid_t gone;
  while ((gone = waitpid(-1, NULL, WNOHANG)) >= 0 && now_ms() < end)
    if (gone == 0) sleep_ms(10);
  unsigned killed = 0;
  while (killed < MOST && kill_one()) killed++;
  return killed;
}
