/* SPDX-License-Identifier: MIT */
/*
 * Mounts, as the mounter makes them; needs root.
 */
#include "mounter_world.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>

#include "imaged/erofs_mount.h"
#include "imaged/rootfs.h"

static void host_is_out_of_reach(void **state)
{
	static const char *const paths[] = {"/etc/passwd", "/proc", "/usr", "../../etc/passwd"};
	DIR *d = opendir("/");
	unsigned int n = 0;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(paths); i++)
		assert_int_not_equal(access(paths[i], F_OK), 0);
	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	assert_int_equal(n, 2 + 5); /* . and .., and what mntns.h has */
}

static void layer_mounts_from_its_file(void **state)
{
	struct err e = {0};
	_cleanup_fd_ int fd = erofs_mount_file("images/layers/" HEX_A ".erofs", &e);

	(void)state;
	if (fd < 0)
		fail_msg("%s", e.text);
	assert_erofs(fd);
}

static void layer_mounts_through_a_loop_device(void **state)
{
	struct err e = {0};
	_cleanup_fd_ int fd = erofs_mount_loop("images/layers/" HEX_A ".erofs", &e);
	struct stat st;
	char dev[64];
	int tries = 6000, r;

	(void)state;
	if (fd < 0)
		fail_msg("%s", e.text);
	assert_erofs(fd);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(major(st.st_dev), 7);
	snprintf(dev, sizeof(dev), "dev/loop%u", minor(st.st_dev));
	fd_close(&fd);
	/* The device lets go of the file by itself, shortly after: then its size is 0. */
	do {
		_cleanup_fd_ int loop = open(dev, O_RDONLY | O_CLOEXEC);

		r = loop < 0 || lseek(loop, 0, SEEK_END) == 0;
		if (!r)
			usleep(10000);
	} while (!r && --tries > 0);
	assert_true(r);
}

static void clones_are_mapped_and_in_order(void **state)
{
	char a[] = "sha256:" HEX_A, b[] = "sha256:" HEX_B;
	struct layer v[] = {{.digest = a, .diff_id = a}, {.digest = b, .diff_id = b}};
	struct image image = {.layers = {v, 2}};
	int fds[ROOTFS_LAYERS_MAX], again[ROOTFS_LAYERS_MAX];
	struct world *w = *state;
	struct stat x, y, z;
	struct err e = {0};
	uint32_t n;

	if (rootfs_open_layers(&image, w->userns, fds, &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(n, 2);
	assert_erofs(fds[0]);
	assert_int_equal(fstat(fds[0], &x), 0);
	assert_int_equal(fstat(fds[1], &y), 0);
	assert_int_equal(x.st_uid, UID_BASE);
	assert_int_equal(x.st_gid, UID_BASE);
	assert_int_not_equal(x.st_dev, y.st_dev);
	/* A second container shares the file system, and with it the page cache. */
	assert_int_equal(rootfs_open_layers(&image, w->userns, again, &n, &e), 0);
	assert_int_equal(fstat(again[0], &z), 0);
	assert_int_equal(x.st_dev, z.st_dev);
	for (unsigned int i = 0; i < 2; i++)
		close(again[i]);
	rootfs_drop_layer(a);
	assert_int_not_equal(access("layers/" HEX_A, F_OK), 0);
	assert_erofs(fds[0]);
	close(fds[0]);
	close(fds[1]);
	/* An opaque root hides what is below. */
	v[1].opaque = true;
	assert_int_equal(rootfs_open_layers(&image, w->userns, fds, &n, &e), 0);
	assert_int_equal(n, 1);
	assert_int_equal(fstat(fds[0], &z), 0);
	assert_int_equal(z.st_dev, y.st_dev);
	close(fds[0]);
}

static void directory_image_lies_above_all(void **state)
{
	char a[] = "sha256:" HEX_A, b[] = "sha256:" HEX_B;
	struct layer v[] = {{.digest = a, .diff_id = a}};
	struct image image = {.id = a, .layers = {v, 1}, .dirs = true};
	int fds[ROOTFS_MOUNTS_MAX];
	struct world *w = *state;
	struct stat x, y;
	struct err e = {0};
	uint32_t n;

	if (rootfs_open_layers(&image, w->userns, fds, &n, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(n, 2);
	assert_erofs(fds[1]);
	assert_int_equal(access("layers/" HEX_A ".dirs", F_OK), 0);
	assert_int_equal(fstat(fds[0], &x), 0);
	assert_int_equal(fstat(fds[1], &y), 0);
	assert_int_equal(y.st_uid, UID_BASE);
	assert_int_not_equal(x.st_dev, y.st_dev);
	rootfs_drop_dirs(a);
	assert_int_not_equal(access("layers/" HEX_A ".dirs", F_OK), 0);
	assert_int_equal(access("layers/" HEX_A, F_OK), 0);
	assert_erofs(fds[1]);
	close(fds[0]);
	close(fds[1]);
	image.id = b;
	assert_int_equal(rootfs_open_layers(&image, w->userns, fds, &n, &e), -ENOENT);
	assert_int_equal(n, 0);
	assert_non_null(strstr(e.text, "directories of image sha256:bbbbbbbbbbbb: "));
	rootfs_drop_layer(a);
}

static void broken_layer_leaves_nothing(void **state)
{
	static const char rubbish[] =
		"sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc";
	char a[] = "sha256:" HEX_A;
	struct layer v[] = {{.digest = a, .diff_id = a}, {.digest = rubbish, .diff_id = rubbish}};
	struct image image = {.layers = {v, 2}};
	int fds[ROOTFS_LAYERS_MAX], fd;
	struct world *w = *state;
	char path[PATH_LEN];
	struct err e = {0};
	uint32_t n;

	assert_int_equal(rootfs_open_layers(&image, w->userns, fds, &n, &e), -ENOENT);
	assert_string_equal(
		e.text, "layer sha256:cccccccccccc: mounting its image: no such file or directory");
	snprintf(path, sizeof(path), "images/layers/%s.erofs", rubbish + 7);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 8192), 0);
	close(fd);
	assert_true(rootfs_open_layers(&image, w->userns, fds, &n, &e) < 0);
	assert_int_equal(n, 0);
	unlink(path);
	snprintf(path, sizeof(path), "layers/%s", rubbish + 7);
	assert_int_not_equal(access(path, F_OK), 0);
	assert_int_equal(rootfs_open_layers(&image, w->shared, fds, &n, &e), -EINVAL);
	assert_string_equal(e.text, "userns: not a user namespace");
}

static void writable_directory_is_a_dead_end(void **state)
{
	struct err e = {0};
	_cleanup_fd_ int fd = rootfs_make_writable("c1", &e), up = -1;
	struct stat st, parent;

	(void)state;
	if (fd < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0777);
	up = openat(fd, "..", O_PATH | O_CLOEXEC);
	assert_int_equal(fstat(up, &parent), 0);
	assert_int_equal(parent.st_ino, st.st_ino);
	assert_int_equal(mkdirat(fd, "upper", 0755), 0);
	fd_close(&fd);
	fd = rootfs_open_writable("c1", &e);
	assert_int_equal(faccessat(fd, "upper", F_OK, 0), 0);
	assert_int_equal(rootfs_remove_writable("c1", &e), -EBUSY);
	assert_string_equal(e.text, "the writable directory of container c1 is not empty");
	assert_int_equal(unlinkat(fd, "upper", AT_REMOVEDIR), 0);
	assert_int_equal(rootfs_remove_writable("c1", &e), 0);
	assert_int_equal(rootfs_remove_writable("c1", &e), 0);
	assert_int_equal(rootfs_open_writable("c1", &e), -ENOENT);
}

static void container_ids_are_no_paths(void **state)
{
	static const char *const bad[] = {
		"", ".", "..", ".x", "a/b", "/", "../images", "a\nb", HEX_A "a"};
	struct err e;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(rootfs_make_writable(bad[i], &e), -EINVAL);
		assert_int_equal(rootfs_open_writable(bad[i], &e), -EINVAL);
		assert_int_equal(rootfs_remove_writable(bad[i], &e), -EINVAL);
	}
	assert_int_equal(access("images/layers", F_OK), 0);
}

static void host_directory_is_mapped(void **state)
{
	struct world *w = *state;
	struct mount_map m = {.source = w->shared, .userns = w->userns};
	struct err e = {0};
	_cleanup_fd_ int tree = rootfs_map_host(w->mntns, &m, &e), readonly = -1, up = -1;
	struct stat st, root;

	if (tree < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fstatat(tree, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, UID_BASE);
	assert_int_equal(fstatat(w->shared, "file", &st, 0), 0);
	assert_int_equal(st.st_uid, 0);
	/* Devices in it are dead, and there is no way up. */
	assert_int_equal(openat(tree, "null", O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, EACCES);
	up = openat(tree, "..", O_PATH | O_CLOEXEC);
	assert_int_equal(fstat(up, &st), 0);
	assert_int_equal(fstat(tree, &root), 0);
	assert_int_equal(st.st_ino, root.st_ino);
	m.readonly = true;
	m.recursive = true;
	readonly = rootfs_map_host(w->mntns, &m, &e);
	assert_true(readonly >= 0);
	assert_int_equal(mkdirat(readonly, "x", 0700), -1);
	assert_int_equal(errno, EROFS);
}

static unsigned long flags_for(struct world *w, uid_t owner)
{
	struct mount_map m = {.source = w->shared, .userns = w->userns, .owner = owner};
	struct err e = {0};
	_cleanup_fd_ int tree = rootfs_map_host(w->mntns, &m, &e);
	struct statvfs st;

	if (tree < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fstatvfs(tree, &st), 0);
	return st.f_flag;
}

static void setuid_bits_of_users_are_dead(void **state)
{
	assert_int_equal(flags_for(*state, 0) & (ST_NOSUID | ST_NODEV), ST_NODEV);
	assert_int_equal(flags_for(*state, 1000) & (ST_NOSUID | ST_NODEV), ST_NOSUID | ST_NODEV);
}

static void what_cannot_be_mapped_is_named(void **state)
{
	struct world *w = *state;
	struct mount_map m = {.source = w->proc, .userns = w->userns};
	struct err e;

	assert_int_equal(rootfs_map_host(w->mntns, &m, &e), -EINVAL);
	assert_string_equal(e.text, "proc file system can't be mapped to a container's ids");
	m.owner = 1000;
	assert_int_equal(rootfs_map_host(w->mntns, &m, &e), -EINVAL);
	assert_string_equal(e.text, "its file system can't be mapped to a container's ids");
	m.owner = 0;
	m.source = w->shared;
	m.userns = w->shared;
	assert_int_equal(rootfs_map_host(w->mntns, &m, &e), -EINVAL);
}

static void assert_zero_device(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode, S_IFCHR | 0444);
	assert_int_equal(st.st_rdev, makedev(1, 5));
}

/* Moved once, it is of this namespace, and no kernel clones it in the host's. */
static void box_serves_again_and_again(void **state)
{
	struct world *w = *state;
	int first = -1, node = -1, box;

	assert_int_equal(mntns_unbox(w->mntns, w->box, &first, &node), 0);
	assert_zero_device(node);
	close(node);
	if (first >= 0) { /* before Linux 6.15 */
		close(w->box);
		w->box = first;
	}
	assert_int_equal(move_mount(w->box, "", AT_FDCWD, "box", MOVE_MOUNT_F_EMPTY_PATH), 0);
	box = open_tree(AT_FDCWD, "box", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	assert_true(box >= 0);
	assert_int_equal(umount2("box", MNT_DETACH), 0);
	for (unsigned int i = 0; i < 3; i++) {
		int again = -1, gone = -1;

		assert_int_equal(mntns_unbox(w->mntns, box, &again, &node), 0);
		assert_zero_device(node);
		close(node);
		assert_true(again >= 0);
		assert_int_equal(mntns_unbox(w->mntns, box, &gone, &gone), -ESTALE);
		assert_int_equal(gone, -1);
		close(box);
		box = again;
	}
	w->box = box;
	assert_int_equal(rmdir("box"), 0); /* nothing is on it */
	assert_int_equal(mkdir("box", 0700), 0);
}

/* Room for the one descriptor of the try in the host's namespace, not for the two that follow. */
static void box_is_not_used_up_when_descriptors_are_short(void **state)
{
	struct rlimit all, few;
	struct world *w = *state;
	int box = -1, node = -1, next = open(".", O_PATH | O_CLOEXEC);

	assert_int_equal(close(next), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
	few = all;
	few.rlim_cur = (rlim_t)next + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(mntns_unbox(w->mntns, w->box, &box, &node), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
	assert_int_equal(box, -1);
	assert_int_equal(mntns_unbox(w->mntns, w->box, &box, &node), 0);
	assert_zero_device(node);
	close(node);
	close(w->box);
	w->box = box;
}

MOUNTER_TESTS(cmocka_unit_test(host_is_out_of_reach), cmocka_unit_test(layer_mounts_from_its_file),
	cmocka_unit_test(layer_mounts_through_a_loop_device),
	cmocka_unit_test(clones_are_mapped_and_in_order),
	cmocka_unit_test(directory_image_lies_above_all),
	cmocka_unit_test(broken_layer_leaves_nothing),
	cmocka_unit_test(writable_directory_is_a_dead_end),
	cmocka_unit_test(container_ids_are_no_paths), cmocka_unit_test(host_directory_is_mapped),
	cmocka_unit_test(setuid_bits_of_users_are_dead),
	cmocka_unit_test(what_cannot_be_mapped_is_named),
	cmocka_unit_test(box_serves_again_and_again),
	cmocka_unit_test(box_is_not_used_up_when_descriptors_are_short))
