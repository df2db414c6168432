/* SPDX-License-Identifier: MIT */
/*
 * All or nothing; see tree.h. The stage lies in the directory of the target, hence on its file
 * system, and what has grown in it is moved by one rename.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clean.h"
#include "tree.h"
#include "tree_unpack.h"

int tree_cant_replace(int code, const char *path, struct err *e)
{
	return code == EBUSY ? err_set(e, EBUSY,
				       "%s: something is mounted on it: it can't be replaced", path)
			     : err_errno(e, code, "%s", path);
}

int tree_stage_open(int parent, struct tree_stage *ret, struct err *e)
{
	*ret = TREE_STAGE_NONE;
	tree_temporary(ret->name);
	if (mkdirat(parent, ret->name, 0700) < 0)
		return err_errno(e, errno, "making a directory beside it to copy into");
	ret->parent = parent;
	ret->dir = tree_open(parent, ret->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (ret->dir >= 0)
		return 0;
	unlinkat(parent, ret->name, AT_REMOVEDIR);
	return err_errno(e, ret->dir, "opening the directory to copy into");
}

/* What it may not be while it is moved: a directory whose owner must not write. */
static int set_mode(const struct tree_target *t, mode_t mode, struct err *e)
{
	_cleanup_fd_ int fd = -1;

	if (!S_ISDIR(mode) || (mode & 0700) == 0700)
		return 0;
	fd = tree_open(t->dir, t->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 || fchmod(fd, mode & 07777) < 0)
		return err_errno(e, fd < 0 ? fd : errno, "%s: its mode", t->name);
	return 0;
}

int tree_stage_commit(struct tree_stage *s, const struct tree_target *t,
	const struct tree_unpacked *u, struct err *e)
{
	unsigned int flags = t->replaces ? 0 : RENAME_NOREPLACE;
	int r;

	if (renameat2(s->dir, TREE_STAGE_TOP, t->dir, t->name, flags) < 0) {
		if (errno == ENOENT && u->skipped) /* a device, and nothing else */
			return err_set(e, EINVAL, "%s: a device can't be copied", t->name);
		return tree_cant_replace(errno, t->name, e);
	}
	r = set_mode(t, u->top, e);
	tree_stage_drop(s);
	return r;
}

void tree_stage_drop(struct tree_stage *s)
{
	if (s->dir < 0)
		return;
	clean_directory(s->dir, NULL);
	unlinkat(s->parent, s->name, AT_REMOVEDIR);
	fd_close(&s->dir);
}
