/* SPDX-License-Identifier: MIT */
/*
 * Owner, mode, times and extended attributes of what is unpacked; see tree_unpack.h.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tree_unpack.h"

void meta_read(struct unpack *u)
{
	u->meta = (struct meta){.uid = u->entry->uid,
		.gid = u->entry->gid,
		.mode = u->entry->mode & (u->o.lowly ? 01777 : 07777),
		.mtime = u->entry->mtime,
		.xattrs = u->entry};
}

int meta_set_xattrs(struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e)
{
	for (uint32_t i = 0; m->xattrs && i < m->xattrs->n_xattrs; i++) {
		const struct pax_xattr *x = &m->xattrs->xattrs[i];

		if (!tree_keeps_xattr(x->name) || (u->o.lowly && strncmp(x->name, "user.", 5) != 0))
			continue;
		/* Not every file system has them. */
		if (fsetxattr(fd, x->name, x->value, x->n, 0) < 0 && errno != ENOTSUP)
			return err_errno(e, errno, "%s: setting %.64s", path, x->name);
	}
	return 0;
}

/* false: it stays with who made it. */
static bool owner_of(const struct unpack *u, const struct meta *m, uid_t *uid, gid_t *gid)
{
	*uid = u->o.keep_owner ? m->uid : 0;
	*gid = u->o.keep_owner ? m->gid : 0;
	return u->o.keep_owner || u->o.own_by_root;
}

bool meta_gives_away(const struct unpack *u, const struct meta *m, const struct stat *st)
{
	return u->o.lowly && u->o.keep_owner && (m->uid != st->st_uid || m->gid != st->st_gid);
}

static int set_owner(
	struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e)
{
	uid_t uid;
	gid_t gid;

	if (!owner_of(u, m, &uid, &gid) || fchown(fd, uid, gid) == 0)
		return 0;
	if (errno == EINVAL)
		return err_set(
			e, EINVAL, "%s: its owner %u:%u doesn't exist there", path, uid, gid);
	return err_errno(e, errno, "%s: giving it to %u:%u", path, uid, gid);
}

static int give_away(
	struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e)
{
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return err_errno(e, errno, "%s", path);
	if (!meta_gives_away(u, m, &st))
		return 0;
	r = u->o.give(u->o.ctx, fd, m->uid, m->gid);
	return r < 0 ? err_errno(e, r, "%s: giving it to %u:%u", path, m->uid, m->gid) : 0;
}

static int set_times(int fd, const struct meta *m, const char *path, struct err *e)
{
	const struct timespec t[2] = {{.tv_nsec = UTIME_NOW}, m->mtime};

	return futimens(fd, t) == 0 ? 0 : err_errno(e, errno, "%s: its times", path);
}

/* chown(2) takes capabilities and set-user-id bits away, and on a host it comes last: who gives a
 * file away may not touch it any more. */
int meta_set(struct unpack *u, int fd, const struct meta *m, const char *path, struct err *e)
{
	int r = u->o.lowly ? 0 : set_owner(u, fd, m, path, e);

	if (r == 0)
		r = meta_set_xattrs(u, fd, m, path, e);
	if (r == 0 && fchmod(fd, m->mode) < 0)
		r = err_errno(e, errno, "%s: its mode", path);
	if (r == 0)
		r = set_times(fd, m, path, e);
	return r < 0 || !u->o.lowly ? r : give_away(u, fd, m, path, e);
}

int meta_set_link(struct unpack *u, const char *name, struct err *e)
{
	const struct timespec t[2] = {{.tv_nsec = UTIME_NOW}, u->meta.mtime};
	uid_t uid;
	gid_t gid;

	if (u->o.lowly)
		return 0;
	if (owner_of(u, &u->meta, &uid, &gid) &&
		fchownat(u->parent, name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, errno, "%s: giving it to %u:%u", u->path, uid, gid);
	if (utimensat(u->parent, name, t, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, errno, "%s: its times", u->path);
	return 0;
}
