/* SPDX-License-Identifier: MIT */
/*
 * Files to a stream; see tree.h. The tree may change while it is read, by hands that nobody vouches
 * for: what is listed is looked at once more when it is opened, below the descriptor of the top and
 * over no link, and what then is another thing is left out. Directories wait on a list, by name:
 * neither descriptors nor the stack grow with the depth of the tree.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/dirents.h"
#include "pax.h"
#include "tree.h"
#include "tree_links.h"
#include "tree_open.h"

#define XATTR_NAMES_MAX	 65536
#define XATTR_VALUES_MAX (4U << 16)

struct waiting {
	struct waiting *next;
	char path[]; /* below the top; "" is the top itself */
};

struct tree_pack {
	struct tree_pack_options o;
	struct pax_writer *out;
	struct links links;
	struct waiting *waiting;
	int top;	/* of what is being added: the directory that waiting names are below */
	const char *as; /* and what it is called */
	struct pax_entry entry;
	char name[PAX_PATH_MAX], link[PATH_MAX];
	struct pax_piece *pieces;
	uint32_t room; /* for pieces */
	char data[PAX_BUFFER], xattr_names[XATTR_NAMES_MAX], xattr_values[XATTR_VALUES_MAX];
};

int tree_pack_open(
	int out, const struct tree_pack_options *o, struct tree_pack **ret, struct err *e)
{
	struct tree_pack *p = calloc(1, sizeof(*p));

	*ret = p;
	if (!p)
		return err_set(e, ENOMEM, "out of memory");
	p->o = *o;
	p->top = -1;
	p->out = pax_writer_new(out);
	return p->out ? 0 : err_set(e, ENOMEM, "out of memory");
}

void tree_pack_free(struct tree_pack **pp)
{
	struct tree_pack *p = *pp;

	if (!p)
		return;
	while (p->waiting) {
		struct waiting *w = p->waiting;

		p->waiting = w->next;
		free(w);
	}
	links_free(&p->links);
	pax_writer_free(&p->out);
	free(p->pieces);
	free(p);
	*pp = NULL;
}

int tree_pack_end(struct tree_pack *p, struct err *e)
{
	return pax_put_end(p->out, e);
}

/* Into p->name; that of a directory ends in a slash. */
static int set_name(struct tree_pack *p, const char *path, bool dir, struct err *e)
{
	const char *as = *p->as || *path ? p->as : ".";
	int n = snprintf(p->name, sizeof(p->name), "%s%s%s%s", as, *as && *path ? "/" : "", path,
		dir ? "/" : "");

	return (size_t)n < sizeof(p->name)
		       ? 0
		       : err_set(e, ENAMETOOLONG, "%.60s…: the path is too long", path);
}

static char type_of(mode_t mode)
{
	return S_ISREG(mode)   ? PAX_FILE
	       : S_ISDIR(mode) ? PAX_DIR
	       : S_ISLNK(mode) ? PAX_SYMLINK
	       : S_ISCHR(mode) ? PAX_CHAR
	       : S_ISBLK(mode) ? PAX_BLOCK_DEVICE
			       : PAX_FIFO;
}

static int begin_entry(struct tree_pack *p, const char *path, const struct stat *st, struct err *e)
{
	p->entry = (struct pax_entry){.type = type_of(st->st_mode),
		.name = p->name,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim,
		.device = st->st_rdev,
		.size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0};
	return set_name(p, path, S_ISDIR(st->st_mode), e);
}

static int put_entry(struct tree_pack *p, struct err *e)
{
	return pax_put_entry(p->out, &p->entry, e);
}

/* A file system without them has none. */
static void add_xattrs(struct tree_pack *p, int fd)
{
	ssize_t n = flistxattr(fd, p->xattr_names, sizeof(p->xattr_names));
	size_t used = 0;

	for (ssize_t at = 0; at < n; at += (ssize_t)strlen(p->xattr_names + at) + 1) {
		const char *name = p->xattr_names + at;
		char *value = p->xattr_values + used;
		ssize_t size;

		if (!tree_keeps_xattr(name) || p->entry.n_xattrs == PAX_XATTRS_MAX)
			continue;
		size = fgetxattr(fd, name, value, sizeof(p->xattr_values) - used);
		if (size < 0)
			continue;
		p->entry.xattrs[p->entry.n_xattrs++] =
			(struct pax_xattr){name, value, (size_t)size};
		used += (size_t)size;
	}
}

/* ---- files ---- */

static int add_piece(struct tree_pack *p, uint64_t at, uint64_t n, struct err *e)
{
	struct pax_piece *v = p->pieces;

	if (p->entry.n_pieces == p->room) {
		v = realloc(v, (p->room ? 2 * p->room : 64U) * sizeof(*v));
		if (!v)
			return err_set(e, ENOMEM, "out of memory");
		p->pieces = v;
		p->room = p->room ? 2 * p->room : 64U;
	}
	v[p->entry.n_pieces++] = (struct pax_piece){at, n};
	return 0;
}

/* Where data is. A file in more pieces than a stream may have, and one of a file system that can't
 * tell, is all data. */
static int add_map(struct tree_pack *p, int fd, off_t size, struct err *e)
{
	off_t at = 0, hole = 0;
	int r = 0;

	while (r == 0 && at < size) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 || at >= size) /* ENXIO: no more data */
			break;
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole <= at || p->entry.n_pieces == PAX_PIECES_MAX) {
			p->entry.n_pieces = 0;
			return 0;
		}
		r = add_piece(p, (uint64_t)at, (uint64_t)(MIN(hole, size) - at), e);
		at = hole;
	}
	if (r == 0 && hole < size) /* GNU tar knows a hole at the end by this */
		r = add_piece(p, (uint64_t)size, 0, e);
	p->entry.pieces = p->pieces;
	return r;
}

static int put_piece(
	struct tree_pack *p, int fd, const char *path, uint64_t at, uint64_t n, struct err *e)
{
	while (n > 0) {
		ssize_t got =
			pread(fd, p->data, (size_t)MIN(n, (uint64_t)sizeof(p->data)), (off_t)at);
		int r;

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(e, errno, "%s: reading", path);
		if (got == 0)
			return err_set(e, EIO, "%s: became shorter while it was read", path);
		r = pax_put(p->out, p->data, (size_t)got, e);
		if (r < 0)
			return r;
		at += (uint64_t)got;
		n -= (uint64_t)got;
	}
	return 0;
}

static int put_contents(struct tree_pack *p, int fd, const char *path, struct err *e)
{
	const struct pax_piece all = {0, p->entry.size};
	const struct pax_piece *v = p->entry.pieces ? p->entry.pieces : &all;
	uint32_t n = p->entry.pieces ? p->entry.n_pieces : 1;
	int r = 0;

	for (uint32_t i = 0; i < n && r == 0; i++)
		r = put_piece(p, fd, path, v[i].at, v[i].n, e);
	return r;
}

/* These return 1 when the entry is in the stream, 0 when it is gone, or another thing by now.
 * O_NONBLOCK: should it have become a FIFO, nobody waits. */
static int add_file(struct tree_pack *p, int dir, const char *name, const char *path, struct err *e)
{
	_cleanup_fd_ int fd =
		tree_open(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ELOOP)
		return 0;
	if (fd < 0)
		return err_errno(e, fd, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = begin_entry(p, path, &st, e);
	if (r < 0)
		return r;
	add_xattrs(p, fd);
	if (st.st_blocks < st.st_size / 512)
		r = add_map(p, fd, st.st_size, e);
	if (r == 0)
		r = put_entry(p, e);
	if (r == 0)
		r = put_contents(p, fd, *path ? path : p->as, e);
	return r < 0 ? r : 1;
}

static int add_link(struct tree_pack *p, int dir, const char *name, const char *path,
	const struct stat *st, struct err *e)
{
	ssize_t n = readlinkat(dir, name, p->link, sizeof(p->link) - 1);
	int r;

	if (n < 0)
		return 0;
	p->link[n] = '\0';
	r = begin_entry(p, path, st, e);
	p->entry.link = p->link;
	if (r == 0)
		r = put_entry(p, e);
	return r < 0 ? r : 1;
}

static int add_special(struct tree_pack *p, const char *path, const struct stat *st, struct err *e)
{
	int r;

	if (S_ISSOCK(st->st_mode) || (!S_ISFIFO(st->st_mode) && !p->o.devices))
		return 0;
	r = begin_entry(p, path, st, e);
	if (r == 0)
		r = put_entry(p, e);
	return r < 0 ? r : 1;
}

/* One more name of what is in the stream as `first`. */
static int add_again(struct tree_pack *p, const char *first, const char *path,
	const struct stat *st, struct err *e)
{
	int r = begin_entry(p, path, st, e);

	p->entry.type = PAX_HARDLINK;
	p->entry.link = first;
	p->entry.size = 0;
	return r < 0 ? r : put_entry(p, e);
}

/* Anything but a directory. */
static int add_other(struct tree_pack *p, int dir, const char *name, const char *path,
	const struct stat *st, struct err *e)
{
	const char *first = st->st_nlink > 1 ? links_find(&p->links, st) : NULL;
	int r;

	if (first)
		return add_again(p, first, path, st, e);
	if (S_ISREG(st->st_mode))
		r = add_file(p, dir, name, path, e);
	else if (S_ISLNK(st->st_mode))
		r = add_link(p, dir, name, path, st, e);
	else
		r = add_special(p, path, st, e);
	if (r == 1)
		r = st->st_nlink > 1 ? links_keep(&p->links, st, p->name, e) : 0;
	return r;
}

/* ---- directories ---- */

static int wait_for(struct tree_pack *p, const char *dir, const char *name, struct err *e)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	struct waiting *w = malloc(sizeof(*w) + n);

	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	snprintf(w->path, n, "%s%s%s", dir, *dir ? "/" : "", name);
	w->next = p->waiting;
	p->waiting = w;
	return 0;
}

/* Their files say nothing of their size, or end never. */
static bool is_kernels_own(int fd)
{
	static const unsigned int types[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC,
		CGROUP2_SUPER_MAGIC, DEVPTS_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC,
		SECURITYFS_MAGIC, BPF_FS_MAGIC};
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return false;
	for (unsigned int i = 0; i < ARRAY_LEN(types); i++)
		if ((unsigned int)fs.f_type == types[i])
			return true;
	return false;
}

static int add_listed(struct tree_pack *p, int fd, const char *dir, const char *name, struct err *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(e, errno, "%s", name);
	if (S_ISDIR(st.st_mode))
		return wait_for(p, dir, name, e);
	if ((size_t)snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name) >=
		sizeof(path))
		return err_set(e, ENAMETOOLONG, "%.60s…: the path is too long", path);
	return add_other(p, fd, name, path, &st, e);
}

static int add_children(struct tree_pack *p, int fd, const char *path, struct err *e)
{
	_cleanup_dirents_ struct dirents *d = dirents_open(fd);
	const char *name;
	int r = 0;

	if (!d)
		return err_set(e, ENOMEM, "out of memory");
	while (r == 0 && (r = dirents_next(d, &name)) == 1)
		r = add_listed(p, fd, path, name, e);
	return r < 0 && e->code == 0 ? err_errno(e, r, "%s: listing", path) : r;
}

static int add_dir(struct tree_pack *p, const char *path, struct err *e)
{
	_cleanup_fd_ int fd = tree_open(p->top, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	struct stat st;
	int r;

	if ((fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP) && *path)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, fd < 0 ? fd : errno, "%s", *path ? path : p->as);
	r = begin_entry(p, path, &st, e);
	if (r < 0)
		return r;
	add_xattrs(p, fd);
	r = put_entry(p, e);
	if (r < 0 || is_kernels_own(fd))
		return r;
	return add_children(p, fd, path, e);
}

static int add_tree(struct tree_pack *p, int top, struct err *e)
{
	int r = wait_for(p, "", "", e);

	p->top = top;
	while (r == 0 && p->waiting) {
		struct waiting *w = p->waiting;

		p->waiting = w->next;
		r = add_dir(p, w->path, e);
		free(w);
	}
	p->top = -1;
	return r;
}

/* What was asked for by name must be something. */
static int add_one(struct tree_pack *p, const struct tree_place *from, struct err *e)
{
	struct stat st;

	if (fstatat(from->parent, from->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, errno, "%s", from->name);
	if (S_ISSOCK(st.st_mode))
		return err_set(e, EINVAL, "%s: a socket can't be copied", from->name);
	if (S_ISREG(st.st_mode) && is_kernels_own(from->parent))
		return err_set(e, EINVAL,
			"%s: what the kernel makes up as it is read can't be copied; use exec",
			from->name);
	if (!p->o.devices && (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)))
		return err_set(e, EINVAL, "%s: a device can't be copied", from->name);
	return add_other(p, from->parent, from->name, "", &st, e);
}

int tree_pack_add(struct tree_pack *p, const struct tree_place *from, const char *as, struct err *e)
{
	struct err why = {0};
	int r;

	p->as = as;
	r = from->kind == TREE_DIR ? add_tree(p, from->dir, &why) : add_one(p, from, &why);
	if (r < 0 && e)
		*e = why;
	return r;
}
