/* SPDX-License-Identifier: MIT */
/*
 * Listing directories; see dirents.h. Trusts the kernel's record lengths, and of names nothing.
 */
#include "dirents.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct record { /* getdents64(2) */
	uint64_t ino;
	int64_t off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

struct dirents *dirents_open(int dir)
{
	struct dirents *d = malloc(sizeof(*d));

	if (d) {
		d->dir = dir;
		d->got = d->at = 0;
	}
	return d;
}

void dirents_free(struct dirents **d)
{
	free(*d);
	*d = NULL;
}

int dirents_rewind(struct dirents *d)
{
	d->got = d->at = 0;
	return lseek(d->dir, 0, SEEK_SET) < 0 ? -errno : 0;
}

static bool is_dot(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

int dirents_next(struct dirents *d, const char **ret_name)
{
	for (;;) {
		const struct record *r;

		if (d->at == d->got) {
			d->at = 0;
			d->got = syscall(SYS_getdents64, d->dir, d->buf, sizeof(d->buf));
			if (d->got <= 0) {
				int code = d->got < 0 ? -errno : 0;

				d->got = 0;
				return code;
			}
		}
		r = (const struct record *)(const void *)(d->buf + d->at);
		d->at += r->reclen;
		if (is_dot(r->name))
			continue;
		*ret_name = r->name;
		return 1;
	}
}
