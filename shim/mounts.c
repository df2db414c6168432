/* SPDX-License-Identifier: MIT */
/*
 * The mounts that a container asked for, and the three files of /etc that are mounts. Targets are
 * names in a hostile tree: each is resolved once, to a descriptor, and mounted on.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "mnt.h"
#include "mounts.h"
#include "phase.h"
#include "tmpfs.h"

static bool is_at(int target, int dir, const char *name)
{
	struct stat a, b;

	return fstatat(dir, name, &a, AT_EMPTY_PATH) == 0 && fstat(target, &b) == 0 &&
	       a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* A mount over or in procfs would stand between the kernel and whoever trusts /proc. */
static int check_target(struct child *c, int target, const char *path, struct err *e)
{
	struct statfs fs;

	if (is_at(target, c->root, ""))
		return err_set(e, EINVAL, "%s: the root itself can't be a mount's target", path);
	if (fstatfs(target, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
		return err_set(e, EINVAL, "%s: nothing may be mounted in /proc", path);
	if (is_at(target, c->work, MASK_FILE) || is_at(target, c->work, MASK_DIR))
		return err_set(e, EINVAL, "%s: nothing may be mounted on what is masked", path);
	return 0;
}

static int open_target(struct child *c, const char *path, bool directory, int *ret, struct err *e)
{
	int r = directory ? inroot_dir(c->root, path, ret, e) : inroot_file(c->root, path, ret, e);

	return r < 0 ? r : check_target(c, *ret, path, e);
}

/* ---- tmpfs and bind ---- */

static int put_tmpfs(struct child *c, const struct mount *m, struct err *e)
{
	_cleanup_fd_ int target = -1, mnt = -1;
	struct tmpfs_options o;
	int r = tmpfs_parse(m->options, &o, e);

	if (r == 0)
		r = open_target(c, m->target, true, &target, e);
	if (r == 0)
		r = mnt_new(
			"tmpfs", o.fs, o.attrs | (m->readonly ? MOUNT_ATTR_RDONLY : 0), &mnt, e);
	if (r < 0)
		return r;
	r = mnt_put_on(mnt, target);
	return r < 0 ? err_errno(e, r, "mounting") : 0;
}

static const struct bind_word {
	const char *word;
	unsigned int set;
	uint64_t propagation;
} bind_words[] = {
	{"rw", 0, 0},
	{"ro", MOUNT_ATTR_RDONLY, 0},
	{"readonly", MOUNT_ATTR_RDONLY, 0},
	{"nosuid", MOUNT_ATTR_NOSUID, 0},
	{"nodev", MOUNT_ATTR_NODEV, 0},
	{"noexec", MOUNT_ATTR_NOEXEC, 0},
	{"private", 0, MS_PRIVATE},
	{"rprivate", 0, MS_PRIVATE},
	{"slave", 0, MS_SLAVE},
	{"rslave", 0, MS_SLAVE},
	{"bind", 0, 0},
	{"rbind", 0, 0},
	{"z", 0, 0}, /* labels of SELinux, which the engine doesn't set */
	{"Z", 0, 0},
};

static const struct bind_word *find_bind_word(const char *word, size_t n)
{
	for (unsigned int i = 0; i < ARRAY_LEN(bind_words); i++)
		if (strlen(bind_words[i].word) == n && memcmp(bind_words[i].word, word, n) == 0)
			return &bind_words[i];
	return NULL;
}

static int parse_bind(
	const struct mount *m, unsigned int *ret_set, uint64_t *ret_propagation, struct err *e)
{
	/* A device's are the access, which its node's mode is already. */
	const char *p = m->options && mount_is(m, "bind") ? m->options : "";

	*ret_set = m->readonly ? MOUNT_ATTR_RDONLY : 0;
	*ret_propagation = MS_PRIVATE;
	while (*p) {
		size_t n = strcspn(p, ",");
		const struct bind_word *w = find_bind_word(p, n);

		if (!w && n > 0)
			return err_set(e, EINVAL, "unknown bind mount option \"%.*s\"", (int)n, p);
		if (w)
			*ret_set |= w->set;
		if (w && w->propagation)
			*ret_propagation = w->propagation;
		p += n + (p[n] == ',');
	}
	return 0;
}

static int put_bind(struct child *c, const struct mount *m, int tree, struct err *e)
{
	_cleanup_fd_ int target = -1;
	uint64_t propagation;
	unsigned int set;
	struct stat st;
	int r = parse_bind(m, &set, &propagation, e);

	if (r == 0 && fstat(tree, &st) < 0)
		r = err_errno(e, errno, "its source");
	if (r == 0)
		r = open_target(c, m->target, S_ISDIR(st.st_mode), &target, e);
	if (r < 0)
		return r;
	r = mnt_put_on(tree, target);
	if (r == 0)
		r = mnt_change(tree, set, 0, propagation, true);
	return r < 0 ? err_errno(e, r, "mounting") : 0;
}

/* What should be there can't be had: an empty place, so that nobody takes what the mount would hide
 * for it, or puts something there that it will hide. Where nothing is there is nothing to hide. */
static int put_lost(struct child *c, const struct mount *m, struct err *e)
{
	_cleanup_fd_ int target = inroot_open(c->root, m->target, O_PATH), mnt = -1;
	struct stat st;
	int r = target < 0 ? 0 : check_target(c, target, m->target, e);

	if (target < 0 || r < 0)
		return r;
	r = fstat(target, &st) < 0 ? -errno
				   : mnt_clone(c->work, S_ISDIR(st.st_mode) ? MASK_DIR : MASK_FILE,
					     MOUNT_ATTR_RDONLY, false, &mnt);
	if (r == 0)
		r = mnt_put_on(mnt, target);
	return r < 0 ? err_errno(e, r, "mounting") : 0;
}

/* The n-th bind or device owns the n-th tree. */
static int bind_tree(const struct order *o, uint32_t index)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < index; i++)
		n += mount_has_source(&o->spec.mounts.v[i]);
	return n < o->msg.binds.n ? o->msg.binds.v[n] : -1;
}

static int put_mount(struct child *c, struct order *o, uint32_t index, struct err *e)
{
	const struct mount *m = &o->spec.mounts.v[index];
	int tree = bind_tree(o, index), r;

	if (mount_is(m, "tmpfs"))
		r = put_tmpfs(c, m, e);
	else if (mount_is(m, "lost"))
		r = put_lost(c, m, e);
	else if (!mount_has_source(m))
		r = err_set(e, EINVAL, "unknown kind of mount \"%s\"", m->kind);
	else if (tree < 0)
		r = err_set(e, EINVAL, "no tree came with it");
	else
		r = put_bind(c, m, tree, e);
	return r < 0 ? err_prefix(e, "%s", m->target) : 0;
}

static unsigned int depth(const char *path)
{
	unsigned int n = 0;

	for (; *path; path++)
		n += path[0] == '/' && path[1] != '/' && path[1] != '\0';
	return n;
}

/* /a before /a/b, whatever the order in which they were asked for. */
int phase_mounts(struct child *c, struct order *o, struct err *e)
{
	uint32_t todo = o->spec.mounts.n;
	int r = 0;

	for (unsigned int d = 0; todo > 0 && r == 0; d++)
		for (uint32_t i = 0; i < o->spec.mounts.n && r == 0; i++)
			if (depth(o->spec.mounts.v[i].target) == d) {
				r = put_mount(c, o, i, e);
				todo--;
			}
	return r;
}

/* ---- /etc ---- */

static bool asked_for(const struct spec *s, const char *path)
{
	for (uint32_t i = 0; i < s->mounts.n; i++)
		if (strcmp(s->mounts.v[i].target, path) == 0)
			return true;
	return false;
}

/* A file on our own tmpfs, mounted read-write even when the root is not. */
static int put_file(struct child *c, struct order *o, const char *name, const char *text,
	const char *end, struct err *e)
{
	_cleanup_fd_ int dir = openat(c->work, "etc", O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1,
			 mnt = -1, target = -1;
	char path[32];
	int r;

	snprintf(path, sizeof(path), "/etc/%s", name);
	if (!text || asked_for(&o->spec, path))
		return 0;
	fd = openat(dir, name, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		return err_errno(e, errno, "making %s", path);
	r = fd_write_all(fd, text, strlen(text));
	if (r == 0)
		r = fd_write_all(fd, end, strlen(end));
	if (r == 0)
		r = mnt_clone(dir, name, 0, false, &mnt);
	if (r < 0)
		return err_errno(e, r, "writing %s", path);
	r = inroot_drop_dead_link(c->root, "/etc", name, e);
	if (r == 0)
		r = open_target(c, path, false, &target, e);
	if (r < 0)
		return r;
	r = mnt_put_on(mnt, target);
	return r < 0 ? err_errno(e, r, "mounting %s", path) : 0;
}

int phase_etc(struct child *c, struct order *o, struct err *e)
{
	int r;

	umask(022);
	r = put_file(c, o, "hostname", o->spec.hostname, "\n", e);
	if (r == 0)
		r = put_file(c, o, "hosts", o->spec.hosts, "", e);
	if (r == 0)
		r = put_file(c, o, "resolv.conf", o->spec.resolv_conf, "", e);
	return r;
}

int phase_workdir(struct child *c, struct order *o, struct err *e)
{
	_cleanup_fd_ int fd = -1;

	if (o->spec.cwd[0] != '/')
		return err_set(e, EINVAL, "\"%s\" is not an absolute path", o->spec.cwd);
	return inroot_dir(c->root, o->spec.cwd, &fd, e);
}
