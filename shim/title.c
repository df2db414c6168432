/* SPDX-License-Identifier: MIT */
/*
 * The command line in memory; see title.h. Its place is the one thing here that outlives a call:
 * the kernel shows these very bytes in /proc/PID/cmdline.
 */
#include "title.h"

#include <string.h>
#include <sys/prctl.h>

#include "base/err.h"

static struct {
	char *p, first[256];
	size_t n;
} title;

void title_init(int argc, char **argv)
{
	title.p = argv[0];
	title.n = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) - argv[0]);
	memcpy(title.first, title.p, MIN(title.n, sizeof(title.first)));
}

void title_restore(void)
{
	memcpy(title.p, title.first, MIN(title.n, sizeof(title.first)));
	prctl(PR_SET_NAME, title.p);
}

void title_set(const char *text)
{
	memset(title.p, 0, title.n);
	memcpy(title.p, text, strnlen(text, title.n));
	prctl(PR_SET_NAME, text);
}
