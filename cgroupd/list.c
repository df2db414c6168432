/* SPDX-License-Identifier: MIT */
/*
 * Which groups there are, by the kernel's word. Names that could not be a container's are somebody
 * else's.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "group.h"

struct listing {
	const char *after;
	const char **v;
	unsigned int n, max, more;
};

/* Kept in order; the last one makes room. */
static void add(struct listing *l, const char *id)
{
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

unsigned int group_list(const struct tree *t, const char *after, const char **ret, unsigned int max)
{
	struct listing l = {.after = after, .v = ret, .max = max};

	for (unsigned int i = 0; i < t->n; i++) {
		int fd = openat(t->b[i].base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
		struct dirent *de;

		while (d && (de = readdir(d)))
			if (de->d_type == DT_DIR && group_check_id(de->d_name, NULL) == 0)
				add(&l, de->d_name);
		if (d)
			closedir(d);
		else
			fd_close(&fd);
	}
	return l.n + l.more;
}
