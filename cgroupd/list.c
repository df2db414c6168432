/* SPDX-License-Identifier: MIT */
/*
 * Which groups there are, by the kernel's word. Names that could not be a container's are somebody
 * else's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "group.h"
#include "slice.h"

struct listing {
	const char *after;
	const char **v;
	unsigned int n, max, more;
};

/* Kept in order; the last one makes room. */
static void add(void *arg, const char *id)
{
	struct listing *l = arg;
	unsigned int at = 0;
	char *copy;

	if (l->after && strcmp(id, l->after) <= 0)
		return;
	while (at < l->n && strcmp(l->v[at], id) < 0)
		at++;
	if (at < l->n && strcmp(l->v[at], id) == 0)
		return;
	if (l->n == l->max)
		l->more = 1;
	copy = at < l->max ? strdup(id) : NULL;
	if (!copy)
		return;
	if (l->n == l->max)
		free((char *)(uintptr_t)l->v[--l->n]);
	memmove(l->v + at + 1, l->v + at, (l->n - at) * sizeof(*l->v));
	l->v[at] = copy;
	l->n++;
}

struct walk {
	const struct branch *b;
	void (*fn)(void *arg, const char *id); /* or NULL: slices are dropped instead */
	void *arg;
};

/* The groups and slices of a directory, which is the engine's own ("") or a slice ("web.slice/").
 */
static void each_in(const struct walk *w, const char *prefix)
{
	int fd = openat(w->b->base_fd, *prefix ? prefix : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *de;
	char path[GROUP_ID_MAX + 1];

	while (d && (de = readdir(d))) {
		bool slice = slice_is(de->d_name, strlen(de->d_name));
		int n = snprintf(
			path, sizeof(path), "%s%s%s", prefix, de->d_name, slice ? "/" : "");

		if (de->d_type != DT_DIR || n >= (int)sizeof(path))
			continue;
		if (slice)
			each_in(w, path);
		if (slice && !w->fn)
			slice_drop(w->b, path);
		else if (w->fn && group_check_id(path, NULL) == 0)
			w->fn(w->arg, path);
	}
	if (d)
		closedir(d);
	else
		fd_close(&fd);
}

void group_each(const struct branch *b, void (*fn)(void *arg, const char *id), void *arg)
{
	const struct walk w = {b, fn, arg};

	each_in(&w, "");
}

void group_sweep(const struct tree *t)
{
	for (unsigned int i = 0; i < t->n; i++) {
		const struct walk w = {&t->b[i], NULL, NULL};

		each_in(&w, "");
	}
}

unsigned int group_list(const struct tree *t, const char *after, const char **ret, unsigned int max)
{
	struct listing l = {.after = after, .v = ret, .max = max};

	for (unsigned int i = 0; i < t->n; i++)
		group_each(&t->b[i], add, &l);
	return l.n + l.more;
}
