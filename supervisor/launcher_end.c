/* SPDX-License-Identifier: MIT */
/*
 * How the launcher ends: with all that the engine made, or leaving it to the next one; see
 * launcher.h.
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "launcher_impl.h"
#include "service.h"

#define END_MS	   3000	 /* that helpers get to end by themselves */
#define STOP_MS	   20000 /* that the supervisor gets on top of what workloads get */
#define REAP_MS	   20
#define REAP_TRIES 250

static void on_end_timeout(void *arg)
{
	struct launcher *l = arg;

	for (struct child *c = l->children; c; c = c->next)
		if (c->role != SHIM)
			kill(c->pid, SIGKILL);
	if (l->code == 0 && !l->leaving)
		shims_kill(l, 0);
	loop_stop(l->loop, l->code);
}

bool launcher_all_ended(const struct launcher *l)
{
	for (const struct child *c = l->children; c; c = c->next)
		if (c->role != SHIM || !l->leaving)
			return false;
	return true;
}

/* All helpers end when their channels close. */
void launcher_end(struct launcher *l)
{
	watch_free(l->words);
	watch_free(l->again); /* or the supervisor process would come back meanwhile */
	watch_free(l->stop_timer);
	l->words = l->again = l->stop_timer = NULL;
	fd_close(&l->channel);
	for (struct child *c = l->children; c; c = c->next)
		fd_close(&c->spare);
	if (launcher_all_ended(l))
		loop_stop(l->loop, l->code);
	else if (!l->killer)
		l->killer = loop_timer(l->loop, END_MS, on_end_timeout, l);
}

static void on_stop_timeout(void *arg)
{
	struct launcher *l = arg;

	l->last_tries = LAST_TRIES;
	if (child_find(l, SUPERVISOR, 0, 0))
		launcher_distrust(l, "it does not end");
	else
		launcher_end(l);
}

void launcher_on_stop(void *arg)
{
	struct launcher *l = arg;
	struct child *c = child_find(l, SUPERVISOR, 0, 0);
	const uint64_t patience = l->o->shutdown_timeout * 1000ULL + STOP_MS;

	if (l->leaving)
		return;
	if (!l->ending)
		l->stop_timer = loop_timer(l->loop, patience, on_stop_timeout, l);
	service_tell("STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		(unsigned long long)(patience + 2 * END_MS) * 1000);
	l->ending = true;
	if (c) /* else the next one is told when it starts */
		kill(c->pid, SIGTERM);
}

/* As if we had died, in order: whoever is started next finds the shims, the records and all else.
 */
void launcher_on_leave(void *arg)
{
	struct launcher *l = arg;
	struct child *c = child_find(l, SUPERVISOR, 0, 0);

	if (l->ending)
		return;
	log_info("ending; containers go on");
	service_tell("STOPPING=1");
	l->ending = l->leaving = true;
	if (c)
		kill(c->pid, SIGKILL);
	else
		launcher_end(l);
}

/* What can't be killed is left to init. */
void launcher_reap(void)
{
	const struct timespec pause = {.tv_nsec = REAP_MS * 1000000L};
	pid_t pid = 0;

	for (unsigned int i = 0; i < REAP_TRIES && pid >= 0; i++) {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid == 0)
			nanosleep(&pause, NULL);
	}
}
