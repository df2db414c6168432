/* SPDX-License-Identifier: MIT */
/*
 * Names of inodes; see tree_links.h.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tree_links.h"

#define SIZE_FIRST 256

struct link_name {
	struct link_name *next;
	dev_t dev;
	ino_t ino;
	char name[];
};

static size_t place(size_t size, dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)dev << 48) ^ (uint64_t)ino;

	h *= 0x9e3779b97f4a7c15ULL; /* Fibonacci hashing: the upper bits depend on all */
	return (size_t)(h >> 32) & (size - 1);
}

void links_free(struct links *l)
{
	for (size_t i = 0; i < l->size; i++) {
		while (l->v[i]) {
			struct link_name *n = l->v[i];

			l->v[i] = n->next;
			free(n);
		}
	}
	free(l->v);
	*l = (struct links){0};
}

static int grow(struct links *l)
{
	size_t size = l->size ? 2 * l->size : SIZE_FIRST;
	struct link_name **v = calloc(size, sizeof(*v));

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < l->size; i++) {
		while (l->v[i]) {
			struct link_name *n = l->v[i], **to = &v[place(size, n->dev, n->ino)];

			l->v[i] = n->next;
			n->next = *to;
			*to = n;
		}
	}
	free(l->v);
	l->v = v;
	l->size = size;
	return 0;
}

const char *links_find(const struct links *l, const struct stat *st)
{
	struct link_name *n = l->size ? l->v[place(l->size, st->st_dev, st->st_ino)] : NULL;

	while (n && (n->dev != st->st_dev || n->ino != st->st_ino))
		n = n->next;
	return n ? n->name : NULL;
}

int links_keep(struct links *l, const struct stat *st, const char *name, struct err *e)
{
	size_t len = strlen(name) + 1;
	struct link_name *n = malloc(sizeof(*n) + len), **to;

	if (!n || (l->n >= l->size && grow(l) < 0)) {
		free(n);
		return err_set(e, ENOMEM, "out of memory");
	}
	n->dev = st->st_dev;
	n->ino = st->st_ino;
	memcpy(n->name, name, len);
	to = &l->v[place(l->size, st->st_dev, st->st_ino)];
	n->next = *to;
	*to = n;
	l->n++;
	return 0;
}
