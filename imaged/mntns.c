/* SPDX-License-Identifier: MIT */
/*
 * Mount namespaces of the mounter; see mntns.h. Owns the thread in the host's. Runs in imaged's
 * main process and trusts its command line's directories.
 */
#include "mntns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/base/thread.h"

struct mntns {
	int dir;
	bool keep_host;
	sem_t asked, answered; /* hand the fields below to and fro */
	int source;
	const char *path; /* below it */
	unsigned int flags;
	int result;
};

static void sem_await(sem_t *s)
{
	while (sem_wait(s) < 0 && errno == EINTR)
		;
}

static void *host_thread(void *arg)
{
	struct mntns *n = arg;

	for (;;) {
		sem_await(&n->asked);
		n->result = open_tree(n->source, n->path, n->flags);
		if (n->result < 0)
			n->result = -errno;
		sem_post(&n->answered);
	}
	return NULL;
}

static int host_thread_start(struct mntns *n)
{
	sem_init(&n->asked, 0, 0);
	sem_init(&n->answered, 0, 0);
	return thread_start(NULL, host_thread, n);
}

static int host_clone(struct mntns *n, int source, const char *path, unsigned int flags)
{
	n->source = source;
	n->path = path;
	n->flags = flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC;
	sem_post(&n->asked);
	sem_await(&n->answered);
	return n->result;
}

int mntns_host_clone(struct mntns *n, int source, bool recursive)
{
	unsigned int flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
	int r = host_clone(n, source, "", flags);

	if (r != -EINVAL || !n->keep_host)
		return r;
	/* A debug run opened the path by itself, in this thread's copy of the host's mounts. */
	r = open_tree(source, "", n->flags);
	return r < 0 ? -errno : r;
}

/* What it takes to give the box back is had before it is used up. */
static int unbox(struct mntns *n, int box, int *ret_box, int *ret_node)
{
	const unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW;
	_cleanup_fd_ int one = openat(n->dir, "box", O_PATH | O_CLOEXEC);
	_cleanup_fd_ int two = openat(n->dir, "box", O_PATH | O_CLOEXEC);
	int r;

	if (one < 0 || two < 0)
		return -errno;
	if (move_mount(box, "", n->dir, "box", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return errno == EINVAL ? -ESTALE : -errno;
	fd_close(&one);
	fd_close(&two);
	*ret_box = open_tree(n->dir, "box", flags);
	*ret_node = open_tree(n->dir, "box/node", flags);
	r = *ret_box < 0 || *ret_node < 0 ? -errno : 0;
	umount2("box", MNT_DETACH | UMOUNT_NOFOLLOW);
	return r;
}

int mntns_unbox(struct mntns *n, int box, int *ret_box, int *ret_node)
{
	int r = host_clone(n, box, "node", AT_SYMLINK_NOFOLLOW);

	if (r == -EINVAL)
		return unbox(n, box, ret_box, ret_node);
	*ret_node = r;
	return r < 0 ? r : 0;
}

int mntns_dir(const struct mntns *n)
{
	return n->dir;
}

int mntns_own_dir(const char *parent, const char *name, struct err *e)
{
	_cleanup_fd_ int dir = -1, up = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (up < 0)
		return err_errno(e, errno, "opening state directory %s", parent);
	if (mkdirat(up, name, 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "making %s/%s", parent, name);
	dir = openat(up, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &st) < 0)
		return err_errno(e, errno, "opening %s/%s", parent, name);
	if (st.st_uid != 0)
		return err_set(e, EPERM, "%s/%s does not belong to root", parent, name);
	if (fchmod(dir, 0700) < 0)
		return err_errno(e, errno, "closing %s/%s to others", parent, name);
	return take_fd(&dir);
}

static int tmpfs_new(struct err *e)
{
	_cleanup_fd_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int dir;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "mode", "0700", 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "size", "1m", 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(e, errno, "making a tmpfs");
	dir = fsmount(
		fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return dir < 0 ? err_errno(e, errno, "mounting a tmpfs") : dir;
}

/* Binds a directory of the host at dir/name. */
static int bind_host(struct mntns *n, int source, const char *name, struct err *e)
{
	_cleanup_fd_ int tree = -1;

	if (mkdirat(n->dir, name, 0700) < 0)
		return err_errno(e, errno, "making %s in the private tmpfs", name);
	if (source < 0)
		return 0;
	tree = mntns_host_clone(n, source, false);
	if (tree < 0)
		return err_errno(e, tree, "cloning the mount of %s", name);
	if (move_mount(tree, "", n->dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(e, errno, "binding %s", name);
	return 0;
}

/* The tmpfs lies on top of "/", where no path finds it; pivot_root(".", ".") then swaps the two and
 * leaves the old root on top of the new one, to be dropped (pivot_root(2), NOTES). */
static int drop_host(struct err *e)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return err_errno(e, errno, "pivot_root");
	if (umount2(".", MNT_DETACH) < 0)
		return err_errno(e, errno, "dropping the host's mounts");
	if (chdir("/") < 0)
		return err_errno(e, errno, "chdir");
	return 0;
}

static int enter(struct mntns *n, const struct mntns_dirs *dirs, bool keep_host, struct err *e)
{
	int r;

	if (unshare(CLONE_NEWNS) < 0)
		return err_errno(e, errno, "making a mount namespace");
	/* Slave, not private: while a debug run keeps the host's mounts, an unmount there must not
	 * find them busy here. Nothing goes the other way. */
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		return err_errno(e, errno, "cutting mount propagation");
	n->dir = tmpfs_new(e);
	if (n->dir < 0)
		return n->dir;
	if (move_mount(n->dir, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(e, errno, "attaching a tmpfs");
	r = bind_host(n, dirs->images, "images", e);
	if (r == 0)
		r = bind_host(n, dirs->rootfs, "rootfs", e);
	if (r == 0)
		r = bind_host(n, dirs->dev, "dev", e);
	if (r < 0)
		return r;
	n->keep_host = keep_host;
	if (mkdirat(n->dir, "layers", 0700) < 0 || mkdirat(n->dir, "box", 0700) < 0 ||
		fchdir(n->dir) < 0)
		return err_errno(e, errno, "entering the private tmpfs");
	return keep_host ? 0 : drop_host(e);
}

int mntns_enter(const struct mntns_dirs *dirs, bool keep_host, struct mntns **ret, struct err *e)
{
	struct mntns *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return err_set(e, ENOMEM, "out of memory");
	n->dir = -1;
	r = host_thread_start(n);
	if (r < 0) {
		free(n);
		return err_errno(e, r, "starting a thread");
	}
	/* From here on the thread holds n: on failure the process ends. */
	r = enter(n, dirs, keep_host, e);
	if (r < 0)
		return err_prefix(e, "private mount namespace");
	*ret = n;
	return 0;
}
