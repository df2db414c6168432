/* SPDX-License-Identifier: MIT */
/*
 * The watch: a container's root that lies in wait for the process which an exec sends in; see
 * escape_watch.h.
 */
#include "escape_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "escape.h"

#define STOP "/tmp/escape-stop" /* whoever makes it ends the watch */
#define NEXT 8			/* pids are given out in order; those that may come next */

struct prey {
	unsigned int seen, held, bad;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Once it is ours to trace it stands still, and its program can be asked for at leisure. */
static bool seize(int pid)
{
	bool bad;
	int status;

	if (ptrace(PTRACE_SEIZE, pid, NULL, NULL) < 0)
		return false;
	ptrace(PTRACE_INTERRUPT, pid, NULL, NULL);
	waitpid(pid, &status, __WALL);
	bad = is_foreign(pid);
	ptrace(PTRACE_DETACH, pid, NULL, NULL);
	return bad;
}

/* Files of /proc/PID that ask for the right to trace. What answers while the program can't be named
 * inside is the engine's. */
static const char *grab(int pid)
{
	static const struct {
		const char *name;
		int flags;
	} files[] = {{"mem", O_RDWR}, {"exe", O_RDONLY}, {"root", O_PATH}, {"cwd", O_PATH},
		{"fd/3", O_PATH}, {"fd/4", O_PATH}, {"fd/5", O_PATH}, {"fd/6", O_PATH},
		{"ns/mnt", O_RDONLY}, {"environ", O_RDONLY}, {"auxv", O_RDONLY}};
	char path[64];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		int fd;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, files[i].name);
		fd = open(path, files[i].flags | O_CLOEXEC);
		if (fd < 0)
			continue;
		close(fd);
		/* readlink is allowed to whoever may open, so a name that is refused or leads
		 * nowhere belongs to the file just opened. */
		if (strncmp(files[i].name, "fd/", 3) == 0 || is_foreign(pid))
			return files[i].name;
	}
	return seize(pid) ? "ptrace" : NULL;
}

static void meet(int pid, struct prey *p)
{
	char path[32];
	const char *got;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (access(path, F_OK) < 0)
		return;
	p->seen++;
	p->held += is_foreign(pid);
	got = grab(pid);
	if (!got || access(path, F_OK) < 0)
		return;
	printf("ESCAPED watch: process %d by %s\n", pid, got);
	p->bad++;
}

static bool over(double end)
{
	return now() > end || access(STOP, F_OK) == 0;
}

int watch(int seconds)
{
	double end = now() + seconds;
	struct prey p = {0, 0, 0};
	int newest = getpid();

	printf("watching\n");
	fflush(stdout);
	while (!over(end))
		for (int pid = newest + 1; pid <= newest + NEXT; pid++) {
			unsigned int before = p.seen;

			meet(pid, &p);
			if (p.seen == before)
				continue;
			/* Looked at again until it has gone, then forgotten. */
			while (p.seen != before && !over(end)) {
				before = p.seen;
				meet(pid, &p);
			}
			newest = pid;
			break;
		}
	printf("looked %u times, %u times at the engine, %u held\n", p.seen, p.held, p.bad);
	return p.bad > 0;
}
