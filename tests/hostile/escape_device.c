/* SPDX-License-Identifier: MIT */
/*
 * Attempts by device nodes, made inside or shipped in the image, by what is in /dev, and by
 * attributes of files.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "escape.h"

#define SHIPPED "/escape-dev" /* directory of the image with a node for each device */

static const struct {
	const char *name;
	mode_t kind;
	unsigned int major, minor;
} devices[] = {{"sda", S_IFBLK, 8, 0}, {"vda", S_IFBLK, 254, 0}, {"loop0", S_IFBLK, 7, 0},
	{"mem", S_IFCHR, 1, 1}, {"kmem", S_IFCHR, 1, 2}, {"kmsg", S_IFCHR, 1, 11},
	{"null", S_IFCHR, 1, 3}, {"console", S_IFCHR, 5, 1}, {"tty0", S_IFCHR, 4, 0},
	{"tun", S_IFCHR, 10, 200}, {"fuse", S_IFCHR, 10, 229}};

static int make_node(const struct attempt *a)
{
	char path[64];
	int r = -EPERM;

	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		snprintf(path, sizeof(path), "%s/escape-%s", a->path, devices[i].name);
		if (mknod(path, devices[i].kind | 0666,
			    makedev(devices[i].major, devices[i].minor)) < 0) {
			r = -errno;
			continue;
		}
		unlink(path);
		say("made %s", path);
		return 0;
	}
	return r;
}

static int open_shipped(const struct attempt *a)
{
	char path[64];
	int r = -ENOENT;

	(void)a;
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		int fd;

		snprintf(path, sizeof(path), SHIPPED "/%s", devices[i].name);
		fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			say("opened %s", path);
			return 0;
		}
		if (errno != EACCES) {
			say("%s: %s", path, strerrorname_np(errno));
			return -ECHILD; /* a node that is not there proves nothing */
		}
		r = -errno;
	}
	return r;
}

static int open_path(const struct attempt *a)
{
	int fd = open(a->path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : 0;
}

static int is_harmless(const char *name)
{
	static const char *const names[] = {
		"null", "zero", "full", "random", "urandom", "tty", "console"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(names[i], name) == 0)
			return 1;
	return 0;
}

static int strange_device(const struct attempt *a)
{
	DIR *d = opendir("/dev");
	struct dirent *e;
	struct stat st;

	(void)a;
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!(S_ISBLK(st.st_mode) || S_ISCHR(st.st_mode)) || is_harmless(e->d_name))
			continue;
		say("/dev/%s is a device", e->d_name);
		return 0;
	}
	say("nothing but null, zero, full, random, urandom, tty");
	return HARMLESS;
}

/* The nodes are shared by all containers: their mode and times must not be ours to set. */
static int change_node(const struct attempt *a)
{
	(void)a;
	if (chmod("/dev/null", 0666) == 0 || chown("/dev/null", 0, 0) == 0)
		return 0;
	return -errno;
}

/* ---- attributes ---- */

/* What overlayfs would read in a directory of its upper layer; overlayfs.rst, "userxattr". */
static int overlay_attr(const struct attempt *a)
{
	char at[] = "/tmp/escape.XXXXXX";
	int r;

	if (!mkdtemp(at))
		return -errno;
	r = setxattr(at, a->path, "/etc", 4, 0) < 0 ? -errno : 0;
	rmdir(at);
	if (r == 0 && strncmp(a->path, "user.", 5) == 0) {
		say("taken as an attribute of the container's own");
		return HARMLESS; /* under which name, only the host can see */
	}
	return r;
}

/* vfs_ns_cap_data: the last word is the user id whose namespaces the capabilities count in. */
static int file_caps(const struct attempt *a)
{
	struct vfs_ns_cap_data caps = {.magic_etc = VFS_CAP_REVISION_3 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = ~0U,
		.rootid = (unsigned int)a->number};
	char at[] = "/tmp/escape.XXXXXX";
	int fd = mkstemp(at), r;

	if (fd < 0)
		return -errno;
	r = fsetxattr(fd, "security.capability", &caps, sizeof(caps), 0) < 0 ? -errno : 0;
	unlink(at);
	if (r == 0 && a->number == 0) {
		say("of the container's own root");
		return HARMLESS;
	}
	return r;
}

static int trusted_attr(const struct attempt *a)
{
	return setxattr("/tmp", a->path, "x", 1, 0) < 0 ? -errno : 0;
}

int set_attribute(const char *name, const char *file, const char *value)
{
	const struct vfs_cap_data all = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data[0].permitted = ~0U};
	int r = strcmp(name, "security.capability") == 0
			? setxattr(file, name, &all, sizeof(all), 0)
			: setxattr(file, name, value, strlen(value), 0);

	if (r < 0)
		perror(name);
	return r < 0;
}

static const struct attempt rows[] = {
	{"mknod", "a device by its number", make_node, "/tmp", 0, 0},
	{"mknod_dev", "a device by its number", make_node, "/dev", 0, 0},
	{"mknod_shm", "a device by its number", make_node, "/dev/shm", 0, 0},
	{"shipped_devices", "a device node in a layer", open_shipped, NULL, 0, 0},
	{"dev_mem", "the machine's memory", open_path, "/dev/mem", 0, 0},
	{"dev_kmsg", "the kernel's log", open_path, "/dev/kmsg", 0, 0},
	{"dev_kvm", "the hypervisor", open_path, "/dev/kvm", 0, 0},
	{"dev_fuse", "a file system of its own", open_path, "/dev/fuse", 0, 0},
	{"dev_tun", "a link of its own", open_path, "/dev/net/tun", 0, 0},
	{"dev", "what else is in /dev", strange_device, NULL, 0, 0},
	{"chmod_null", "every container's /dev/null", change_node, NULL, 0, 0},
	{"overlay_redirect", "CVE-2023-0386: overlay attributes", overlay_attr,
		"user.overlay.redirect", 0, 0},
	{"overlay_opaque", "CVE-2023-0386: overlay attributes", overlay_attr, "user.overlay.opaque",
		0, 0},
	{"overlay_metacopy", "CVE-2023-0386: overlay attributes", overlay_attr,
		"user.overlay.metacopy", 0, 0},
	{"overlay_trusted", "CVE-2021-3493", overlay_attr, "trusted.overlay.redirect", 0, 0},
	{"trusted_attr", "attributes of the host's root", trusted_attr, "trusted.escape", 0, 0},
	{"security_attr", "signatures", trusted_attr, "security.ima", 0, 0},
	{"file_caps", "CVE-2021-3493: capabilities of a file", file_caps, NULL, 0, 0},
	{"file_caps_other", "for another root than its own", file_caps, NULL, 65536, 0},
};

const struct attempts device_attempts = {rows, ARRAY_LEN(rows)};
