/* SPDX-License-Identifier: MIT */
/*
 * Where somebody inside may get SYS_ADMIN: the container's mounts, held against him. The kernel
 * locks flags (read-only, nosuid, nodev, noexec), and mounts on what they cover, when it copies
 * them into a mount namespace of another user namespace (lock_mnt_tree in fs/namespace.c,
 * mount_namespaces(7)). Clones of locked mounts are locked. So a process goes into a user and a
 * mount namespace of its own, clones the whole tree there, and is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "mnt.h"
#include "phase.h"

#define STACK_SIZE (16U << 10)

struct locker {
	int tree; /* or -errno */
	_Alignas(16) char stack[STACK_SIZE];
};

/* Shares memory and descriptors with its maker, who waits. Descriptors still lead to the mounts
 * that were copied; root and working directory alone lead to the copies (copy_mnt_ns). */
static int clone_all(void *arg)
{
	struct locker *l = arg;
	int r = mnt_clone(AT_FDCWD, "", 0, true, &l->tree);

	if (r < 0)
		l->tree = r;
	_exit(0);
}

static int clone_locked(int root, struct err *e)
{
	struct locker l = {.tree = -ECHILD};
	pid_t pid;

	if (fchdir(root) < 0)
		return err_errno(e, errno, "entering the root");
	pid = clone(clone_all, l.stack + sizeof(l.stack),
		CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_NEWUSER | CLONE_NEWNS | SIGCHLD, &l);
	if (pid < 0 && errno == EAGAIN)
		return err_set(e, EAGAIN, "it takes one more process than the limit allows");
	if (pid < 0)
		return err_errno(e, errno, "making a user and a mount namespace");
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return l.tree < 0 ? err_errno(e, l.tree, "cloning them") : l.tree;
}

/* The same file in the new tree. One that a mount of the container's hides is not found, and then
 * the old one serves on, where nothing can be mounted any more. */
static bool move_over(int *fd, int root, const char *name, int flags)
{
	_cleanup_fd_ int new = inroot_open_strict(root, name, flags);
	struct stat a, b;

	if (new < 0 || fstat(new, &a) < 0 || fstat(*fd, &b) < 0 || a.st_dev != b.st_dev ||
		a.st_ino != b.st_ino)
		return false;
	fd_close(fd);
	*fd = take_fd(&new);
	return true;
}

int phase_lock(struct child *c, struct order *o, struct err *e)
{
	int tree, r;

	if (!o->spec.lock_mounts)
		return 0;
	tree = clone_locked(c->root, e);
	if (tree < 0)
		return tree;
	r = mnt_put_on(tree, c->root);
	fd_close(&c->root);
	c->root = tree;
	if (r < 0)
		return err_errno(e, r, "putting them into place");
	move_over(&c->proc, tree, "proc", O_PATH | O_DIRECTORY);
	c->no_console = !move_over(&c->dev, tree, "dev", O_PATH | O_DIRECTORY);
	c->no_console |= !move_over(&c->pts, tree, "dev/pts", O_PATH | O_DIRECTORY);
	move_over(&c->null, tree, "dev/null", O_RDWR);
	return 0;
}
