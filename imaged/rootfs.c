/* SPDX-License-Identifier: MIT */
/*
 * Layer mounts, writable directories and mapped host directories; see rootfs.h. Names are relative
 * to the private tmpfs (mntns.h). Trusts the store's image records; checks what came by message.
 */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../proto/base/dirents.h"
#include "../proto/base/fd.h"
#include "../proto/base/log.h"
#include "device.h"
#include "digest.h"
#include "erofs_mount.h"

#define PATH_BYTES    128
#define CONTAINER_MAX 64

int rootfs_check_userns(int fd, struct err *e)
{
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWUSER)
		return err_set(e, EINVAL, "userns: not a user namespace");
	return 0;
}

static struct rootfs_file layer_file(const char *digest)
{
	struct rootfs_file f;

	snprintf(f.path, sizeof(f.path), "images/layers/%s.erofs", digest_hex(digest));
	snprintf(f.at, sizeof(f.at), "layers/%s", digest_hex(digest));
	snprintf(f.what, sizeof(f.what), "layer %.19s", digest);
	return f;
}

static struct rootfs_file dirs_file(const char *id)
{
	struct rootfs_file f;

	snprintf(f.path, sizeof(f.path), "images/dirs/%s.erofs", digest_hex(id));
	snprintf(f.at, sizeof(f.at), "layers/%s.dirs", digest_hex(id));
	snprintf(f.what, sizeof(f.what), "directories of image %.19s", id);
	return f;
}

/* That the mount point is there says that it is mounted. */
static int shared_mount(const struct rootfs_file *f, struct err *e)
{
	_cleanup_fd_ int mnt = -1;
	int r = 0;

	if (mkdir(f->at, 0700) < 0)
		return errno == EEXIST ? 0 : err_errno(e, errno, "making its mount point");
	mnt = erofs_mount_file(f->path, e);
	if (mnt < 0)
		r = mnt;
	else if (move_mount(mnt, "", AT_FDCWD, f->at, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		r = err_errno(e, errno, "attaching its mount");
	if (r < 0)
		rmdir(f->at);
	return r;
}

static void shared_drop(const struct rootfs_file *f)
{
	umount2(f->at, MNT_DETACH | UMOUNT_NOFOLLOW);
	rmdir(f->at);
}

void rootfs_drop_layer(const char *digest)
{
	struct rootfs_file f = layer_file(digest);

	shared_drop(&f);
}

void rootfs_drop_dirs(const char *id)
{
	struct rootfs_file f = dirs_file(id);

	shared_drop(&f);
}

int rootfs_map_ids(int mnt, int userns, struct err *e)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (__u64)userns};

	if (mount_setattr(mnt, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_errno(e, errno, "mapping its ids");
	return 0;
}

static int shared_clone(const struct rootfs_file *f, struct err *e)
{
	int r = shared_mount(f, e);

	if (r < 0)
		return r;
	r = open_tree(AT_FDCWD, f->at, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return r < 0 ? err_errno(e, errno, "cloning its mount") : r;
}

static bool is_image(int tree)
{
	struct statfs st;

	return fstatfs(tree, &st) == 0 && (uint32_t)st.f_type == EROFS_SUPER_MAGIC_V1;
}

static int shared_open(const struct rootfs_file *f, int userns, struct err *e)
{
	_cleanup_fd_ int tree = shared_clone(f, e);
	int r;

	if (tree >= 0 && !is_image(tree)) {
		log_warn("%s: its mount is gone; mounting it again", f->what);
		fd_close(&tree);
		shared_drop(f);
		tree = shared_clone(f, e);
	}
	if (tree < 0)
		return tree;
	r = rootfs_map_ids(tree, userns, e);
	return r < 0 ? r : take_fd(&tree);
}

/* Overlayfs knows no opaque mark on the root of a layer: whatever lies below is left out. */
uint32_t rootfs_lowest_layer(const struct image *image)
{
	uint32_t i = image->layers.n;

	while (i > 0 && !image->layers.v[--i].opaque)
		;
	return i;
}

int rootfs_files(
	const struct image *image, struct rootfs_file *files, uint32_t *ret_n, struct err *e)
{
	uint32_t n = 0;

	*ret_n = 0;
	if (image->layers.n + image->dirs > ROOTFS_MOUNTS_MAX)
		return err_set(e, E2BIG, "%u layers are too many", image->layers.n);
	for (uint32_t i = rootfs_lowest_layer(image); i < image->layers.n; i++)
		files[n++] = layer_file(image->layers.v[i].digest);
	if (image->dirs)
		files[n++] = dirs_file(image->id);
	*ret_n = n;
	return 0;
}

int rootfs_open_layers(
	const struct image *image, int userns, int *fds, uint32_t *ret_n, struct err *e)
{
	struct rootfs_file files[ROOTFS_MOUNTS_MAX];
	uint32_t n, opened = 0;
	int r = rootfs_check_userns(userns, e);

	*ret_n = 0;
	if (r == 0)
		r = rootfs_files(image, files, &n, e);
	if (r < 0)
		return r;
	for (; opened < n; opened++) {
		r = shared_open(&files[opened], userns, e);
		if (r < 0) {
			err_prefix(e, "%s", files[opened].what);
			while (opened > 0)
				fd_close(&fds[--opened]);
			return r;
		}
		fds[opened] = r;
	}
	*ret_n = n;
	return 0;
}

/* Container ids are the supervisor's, and become file names here. */
static int writable_path(const char *container, char path[PATH_BYTES], struct err *e)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t n = strlen(container);

	if (n == 0 || n > CONTAINER_MAX || container[0] == '.' || strspn(container, letters) != n)
		return err_set(e, EINVAL, "container id: not 1 to 64 of a-z, A-Z, 0-9, _, . and -");
	snprintf(path, PATH_BYTES, "rootfs/%s", container);
	return 0;
}

static int clone_writable(const char *path, const char *container, struct err *e)
{
	int r = open_tree(
		AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW);

	if (r < 0 && errno == ENOENT)
		return err_set(e, ENOENT, "container %.12s has no writable directory", container);
	return r < 0 ? err_errno(e, errno, "opening the writable directory") : r;
}

int rootfs_make_writable(const char *container, struct err *e)
{
	char path[PATH_BYTES];
	int r = writable_path(container, path, e);
	bool made = r == 0 && mkdir(path, 0700) == 0;

	if (r < 0)
		return r;
	if (!made && errno != EEXIST)
		return err_errno(e, errno, "making the writable directory");
	if (made && chmod(path, 0777) < 0)
		r = err_errno(e, errno, "opening the writable directory to the container");
	if (r == 0)
		r = clone_writable(path, container, e);
	if (r < 0 && made)
		rmdir(path);
	return r;
}

int rootfs_open_writable(const char *container, struct err *e)
{
	char path[PATH_BYTES];
	int r = writable_path(container, path, e);

	return r < 0 ? r : clone_writable(path, container, e);
}

int rootfs_remove_writable(const char *container, struct err *e)
{
	char path[PATH_BYTES];
	int r = writable_path(container, path, e);

	if (r < 0)
		return r;
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST)
		return err_set(e, EBUSY, "the writable directory of container %.12s is not empty",
			container);
	return err_errno(e, errno, "removing the writable directory of container %.12s", container);
}

/* The container's root made both. */
static uint32_t owner_of(const char *container)
{
	static const char *const parts[] = {"upper", "work"};
	char path[PATH_BYTES];
	struct stat st;

	for (unsigned int i = 0; i < ARRAY_LEN(parts); i++) {
		snprintf(path, sizeof(path), "rootfs/%s/%s", container, parts[i]);
		if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
			return st.st_uid;
	}
	return 0;
}

static int compare_dirs(const void *a, const void *b)
{
	const struct rootfs_dir *x = a, *y = b;

	return strcmp(x->container, y->container);
}

/* The first ROOTFS_LIST of those behind `after`, by keeping the list sorted. */
static int list_add(struct arena *a, struct rootfs_listed *ret, const char *name)
{
	struct rootfs_dir *v = ret->dirs.v, *last = &v[ret->dirs.n - 1];

	if (ret->dirs.n == ROOTFS_LIST) {
		ret->more = true;
		if (strcmp(name, last->container) > 0)
			return 0;
		ret->dirs.n--;
	}
	last = &v[ret->dirs.n++];
	*last = (struct rootfs_dir){.container = arena_strdup(a, name)};
	if (!last->container)
		return -ENOMEM;
	qsort(v, ret->dirs.n, sizeof(*v), compare_dirs);
	return 0;
}

int rootfs_list(const char *after, struct arena *a, struct rootfs_listed *ret, struct err *e)
{
	_cleanup_fd_ int dir = open("rootfs", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dirents_ struct dirents *d = dirents_open(dir);
	const char *name;
	int r;

	*ret = (struct rootfs_listed){0};
	ret->dirs.v = arena_alloc(a, ROOTFS_LIST * sizeof(*ret->dirs.v));
	if (dir < 0 || !d || !ret->dirs.v)
		return err_errno(e, dir < 0 ? errno : ENOMEM, "listing containers' directories");
	while ((r = dirents_next(d, &name)) > 0)
		if ((!after || strcmp(name, after) > 0) && strlen(name) <= CONTAINER_MAX) {
			r = list_add(a, ret, name);
			if (r < 0)
				break;
		}
	if (r < 0)
		return err_errno(e, r, "listing containers' directories");
	for (uint32_t i = 0; i < ret->dirs.n; i++)
		ret->dirs.v[i].owner = owner_of(ret->dirs.v[i].container);
	return 0;
}

static const char *fs_name(int fd)
{
	static const struct {
		uint32_t magic;
		const char *name;
	} known[] = {
		{PROC_SUPER_MAGIC, "proc"},
		{SYSFS_MAGIC, "sysfs"},
		{NFS_SUPER_MAGIC, "nfs"},
		{SMB2_SUPER_MAGIC, "cifs"},
		{CIFS_SUPER_MAGIC, "cifs"},
		{V9FS_MAGIC, "9p"},
		{FUSE_SUPER_MAGIC, "fuse"},
		{OVERLAYFS_SUPER_MAGIC, "overlay"},
		{CGROUP_SUPER_MAGIC, "cgroup"},
		{CGROUP2_SUPER_MAGIC, "cgroup2"},
		{DEVPTS_SUPER_MAGIC, "devpts"},
		{DEBUGFS_MAGIC, "debugfs"},
		{NSFS_MAGIC, "nsfs"},
		{TMPFS_MAGIC, "tmpfs"},
	};
	struct statfs st;

	if (fstatfs(fd, &st) == 0)
		for (unsigned int i = 0; i < ARRAY_LEN(known); i++)
			if (known[i].magic == (uint32_t)st.f_type)
				return known[i].name;
	return "its";
}

/* devtmpfs knows no mapping. As it is, root's nodes are nobody's inside, open as to anybody else;
 * without what is mounted below it, which is not for others to see: /dev/pts, /dev/shm. */
static int map_devtmpfs(
	struct mntns *n, const struct mount_map *m, struct mount_attr attr, struct err *e)
{
	_cleanup_fd_ int tree = mntns_host_clone(n, m->source, false);

	if (tree < 0)
		return err_errno(e, tree, "cloning the mount of the directory");
	attr.attr_set &= ~(__u64)MOUNT_ATTR_IDMAP;
	attr.attr_set |= MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	attr.userns_fd = 0;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return err_errno(e, errno, "a directory of devices");
	return take_fd(&tree);
}

int rootfs_map_host(struct mntns *n, const struct mount_map *m, struct err *e)
{
	/* A container's root owns, through the mapping, what the owner does: of that, device nodes
	 * must stay dead unless a list says which may be opened, and of a user's files also setuid
	 * bits. */
	const bool alive = m->nodes && m->owner == 0;
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_IDMAP | (alive ? 0 : MOUNT_ATTR_NODEV) |
			    (m->owner ? MOUNT_ATTR_NOSUID : 0) |
			    (m->readonly ? MOUNT_ATTR_RDONLY : 0),
		.userns_fd = (__u64)m->userns,
	};
	_cleanup_fd_ int tree = -1;
	int r = rootfs_check_userns(m->userns, e);

	if (r < 0)
		return r;
	tree = mntns_host_clone(n, m->source, m->recursive);
	if (tree < 0)
		return err_errno(e, tree, "cloning the mount of the directory");
	r = mount_setattr(
		tree, "", AT_EMPTY_PATH | (m->recursive ? AT_RECURSIVE : 0), &attr, sizeof(attr));
	if (r == 0)
		return take_fd(&tree);
	r = -errno;
	if (r == -EINVAL && m->as_is && m->owner == 0 && device_on_dev(n, m->source))
		return map_devtmpfs(n, m, attr, e);
	/* A user's file system may be one that he serves himself: it is asked nothing. */
	if (r == -EINVAL)
		return err_set(e, EINVAL, "%s file system%s can't be mapped to a container's ids",
			m->owner ? "its" : fs_name(m->source),
			m->recursive ? " or one mounted below" : "");
	return err_errno(e, r, "mapping the directory to the container's ids");
}
