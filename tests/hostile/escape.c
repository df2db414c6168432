/* SPDX-License-Identifier: MIT */
/*
 * Runs every attempt in a process of its own and prints a line for each. It trusts nobody, and is
 *the hostile part: as a workload, as an exec, as root inside or not.
 *
 *	escape [--unfiltered] [--capable] [NAME...]	the attempts; 1 when one of them succeeded
 *	escape --watch SECONDS				takes hold of every process that comes by
 *	escape --euid					exits with 1 when it has become root
 *	escape --attr NAME FILE [VALUE]			sets an attribute of a file
 *	escape --exchange A B STOP			exchanges two names until STOP is there
 *	escape --unlock MOUNT...			takes off mounts what is on them
 *	escape --with-key NAME CMD...			on the host: CMD in a session with a key
 *	escape --list
 */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "escape_mount.h"
#include "escape_watch.h"

#define PATIENCE 10 /* seconds for one attempt */

static const struct attempts *const tables[] = {&write_attempts, &ns_attempts, &process_attempts,
	&kernel_attempts, &device_attempts, &net_attempts};

static char *said; /* shared with the attempts' processes */
#define SAID_MAX 256

static struct stat our_root;

void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said, SAID_MAX, fmt, ap);
	va_end(ap);
}

bool is_our_root(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == our_root.st_dev && st.st_ino == our_root.st_ino;
}

struct outcome {
	int r;	    /* of fn */
	int signal; /* that ended it */
};

static struct outcome run(const struct attempt *a)
{
	struct outcome o = {-ECHILD, 0};
	int report[2], status;
	pid_t pid;

	said[0] = '\0';
	if (pipe2(report, O_CLOEXEC) < 0)
		return o;
	pid = fork();
	if (pid == 0) {
		alarm(PATIENCE);
		o.r = a->fn(a);
		_exit(write(report[1], &o.r, sizeof(o.r)) < 0);
	}
	close(report[1]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
		o.signal = WTERMSIG(status);
	else if (read(report[0], &o.r, sizeof(o.r)) != sizeof(o.r))
		o.r = -ECHILD;
	close(report[0]);
	/* As pid 1: what the attempts left behind is ours. */
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return o;
}

/* Only "refused" and "inside" are good. */
static bool print(const struct attempt *a, struct outcome o, unsigned int open_to)
{
	const char *text = said[0] ? said : a->reference;

	if (o.signal == SIGALRM || o.r == -ECHILD)
		printf("BROKEN %s: no answer: %s\n", a->name, text);
	else if (o.signal)
		printf("refused %s: %s\n", a->name, strsignal(o.signal));
	else if (o.r == HARMLESS)
		printf("refused %s: %s\n", a->name, text);
	else if (o.r < 0)
		printf("refused %s: %s\n", a->name, strerrorname_np(-o.r));
	else if (a->only_by & open_to)
		printf("inside %s: %s\n", a->name, text);
	else
		printf("ESCAPED %s: %s\n", a->name, text);
	fflush(stdout);
	return o.signal != SIGALRM && o.r != -ECHILD &&
	       (o.signal || o.r < 0 || a->only_by & open_to);
}

static bool wanted(const char *name, char **names)
{
	if (!*names)
		return true;
	for (; *names; names++)
		if (strcmp(*names, name) == 0)
			return true;
	return false;
}

static int run_all(char **names, unsigned int open_to)
{
	unsigned int bad = 0, n = 0;

	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++) {
			const struct attempt *a = &tables[t]->rows[i];

			if (!wanted(a->name, names))
				continue;
			n++;
			bad += !print(a, run(a), open_to);
		}
	printf("%u attempts, %u not refused\n", n, bad);
	return n == 0 || bad > 0;
}

static int list(void)
{
	for (size_t t = 0; t < ARRAY_LEN(tables); t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			printf("%-24s %s\n", tables[t]->rows[i].name, tables[t]->rows[i].reference);
	return 0;
}

/* What resolves a path meanwhile meets both, sometimes within one path. */
static int exchange(const char *a, const char *b, const char *stop)
{
	while (access(stop, F_OK) < 0)
		for (int i = 0; i < 1000; i++)
			if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) < 0) {
				perror("escape: renameat2");
				return 1;
			}
	return 0;
}

/* What a careless user of the host has in the session that the engine is started from. */
static int with_key(const char *name, char **argv)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 ||
		syscall(SYS_add_key, "user", name, "secret", 6, KEY_SPEC_SESSION_KEYRING) < 0) {
		perror("escape: a key in a session");
		return 1;
	}
	execvp(argv[0], argv);
	perror(argv[0]);
	return 127;
}

int main(int argc, char **argv)
{
	unsigned int open_to = 0;

	if (argc > 2 && strcmp(argv[1], "--watch") == 0)
		return watch(atoi(argv[2]));
	if (argc > 1 && strcmp(argv[1], "--euid") == 0)
		return geteuid() == 0;
	if (argc > 3 && strcmp(argv[1], "--attr") == 0)
		return set_attribute(argv[2], argv[3], argc > 4 ? argv[4] : "");
	if (argc > 4 && strcmp(argv[1], "--exchange") == 0)
		return exchange(argv[2], argv[3], argv[4]);
	if (argc > 2 && strcmp(argv[1], "--unlock") == 0)
		return unlock(argv + 2);
	if (argc > 3 && strcmp(argv[1], "--with-key") == 0)
		return with_key(argv[2], argv + 3);
	if (argc > 1 && strcmp(argv[1], "--list") == 0)
		return list();
	for (argv++; *argv && strncmp(*argv, "--", 2) == 0; argv++)
		open_to |= strcmp(*argv, "--capable") == 0 ? CAPS : FILTER;
	said = mmap(NULL, SAID_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (said == MAP_FAILED || stat("/", &our_root) < 0) {
		perror("escape");
		return 1;
	}
	return run_all(argv, open_to);
}
