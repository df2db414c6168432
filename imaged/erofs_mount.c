/* SPDX-License-Identifier: MIT */
/*
 * Mounting EROFS image files; see erofs_mount.h.
 */
#include "erofs_mount.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "../proto/base/fd.h"

#define LOOP_TRIES    16 /* another process may take the free device first */
#define LOOP_NAME_MAX 32

static int mount_source(const char *source, struct err *e)
{
	_cleanup_fd_ int fs = fsopen("erofs", FSOPEN_CLOEXEC);
	int r;

	if (fs < 0)
		return err_errno(e, errno, "this kernel has no erofs");
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_FLAG, "ro", NULL, 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return err_errno(e, errno, "mounting its image");
	r = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
	return r < 0 ? err_errno(e, errno, "mounting its image") : r;
}

static int loop_bind_free(int file, int control, char name[LOOP_NAME_MAX], struct err *e)
{
	const struct loop_config config = {
		.fd = (__u32)file,
		.block_size = 4096,
		.info.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
	};

	for (int i = 0; i < LOOP_TRIES; i++) {
		_cleanup_fd_ int dev = -1;
		int nr = ioctl(control, LOOP_CTL_GET_FREE);

		if (nr < 0)
			return err_errno(e, errno, "finding a free loop device");
		snprintf(name, LOOP_NAME_MAX, "dev/loop%d", nr);
		dev = open(name, O_RDONLY | O_CLOEXEC);
		if (dev < 0)
			return err_errno(e, errno, "opening /%s", name);
		if (ioctl(dev, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&dev);
		if (errno != EBUSY)
			return err_errno(e, errno, "setting up /%s", name);
	}
	return err_set(e, EBUSY, "no loop device is free");
}

/* Binds the file to a device that is free; the descriptor keeps the device until it is mounted. One
 * thread at a time: all are told of the same device. */
static int loop_bind(int file, int control, char name[LOOP_NAME_MAX], struct err *e)
{
	static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
	int r;

	pthread_mutex_lock(&one);
	r = loop_bind_free(file, control, name, e);
	pthread_mutex_unlock(&one);
	return r;
}

int erofs_mount_loop(const char *path, struct err *e)
{
	_cleanup_fd_ int file = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_fd_ int control = open("dev/loop-control", O_RDWR | O_CLOEXEC);
	_cleanup_fd_ int dev = -1;
	char name[LOOP_NAME_MAX];

	if (file < 0)
		return err_errno(e, errno, "opening its image");
	if (control < 0)
		return err_errno(e, errno, "opening /dev/loop-control");
	dev = loop_bind(file, control, name, e);
	return dev < 0 ? dev : mount_source(name, e);
}

int erofs_mount_file(const char *path, struct err *e)
{
	int r = mount_source(path, e);

	return r == -ENOTBLK ? erofs_mount_loop(path, e) : r;
}

/* A file of zeros is no image (EINVAL); a kernel that mounts block devices alone, or can't read
 * this file system's files for it, doesn't come as far as to see that. */
int erofs_mounts_files(const char *path, struct err *e)
{
	static const char zeros[4096];
	_cleanup_fd_ int file =
		open(path, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	_cleanup_fd_ int mount = -1;
	int r;

	if (file < 0)
		return err_errno(e, errno, "making images/%s", path);
	r = fd_write_all(file, zeros, sizeof(zeros));
	mount = r < 0 ? err_errno(e, r, "a file to try a mount with") : mount_source(path, e);
	unlinkat(AT_FDCWD, path, 0);
	if (mount == -ENOTBLK || mount == -EINVAL)
		return mount == -EINVAL;
	return mount < 0 ? mount : err_set(e, EBADMSG, "a file of zeros is an image");
}
