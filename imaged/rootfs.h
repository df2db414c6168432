/* SPDX-License-Identifier: MIT */
/*
 * What a container's root filesystem is made of: clones of the layers' mounts, mapped for its user
 * namespace; a directory to write in; and clones of host directories. Everything leaves as detached
 * mounts, so no descriptor given out leads anywhere else. Runs in the mounter.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "../proto/messages.h"
#include "mntns.h"

#define ROOTFS_LAYERS_MAX 127
#define ROOTFS_MOUNTS_MAX (ROOTFS_LAYERS_MAX + 1) /* the directory image is one more */

/* A file of the store that root filesystems are made of: a layer, or an image's directories. */
struct rootfs_file {
	char path[96], at[96]; /* and where its mount is that containers share */
	char what[48];	       /* for people */
};

/* Index of the lowest layer that none above hides; needs what is known of the layers. */
uint32_t rootfs_lowest_layer(const struct image *image);

/* Those of an image, lowest first, into files[ROOTFS_MOUNTS_MAX]: its layers, but for those below
 * one that hides all beneath it, and the directory image if it has one. */
int rootfs_files(
	const struct image *image, struct rootfs_file *files, uint32_t *ret_n, struct err *e);

/* One clone for each of these files into fds[ROOTFS_MOUNTS_MAX], which the caller closes. Mounts
 * what isn't mounted yet. `userns` is a user namespace with container ids inside. */
int rootfs_open_layers(
	const struct image *image, int userns, int *fds, uint32_t *ret_n, struct err *e);

int rootfs_check_userns(int fd, struct err *e);
/* Maps a detached mount for the container whose user namespace that is. */
int rootfs_map_ids(int mnt, int userns, struct err *e);

/* The layer's mount goes, if there is one; containers that have a clone keep theirs. */
void rootfs_drop_layer(const char *digest);
/* The same for the directory image of the image with that id. */
void rootfs_drop_dirs(const char *id);

/* The container's directory, made unless it is there (0777 in a parent that is root's alone, since
 * the container's root is another uid). A detached clone of its mount, or -errno. */
int rootfs_make_writable(const char *container, struct err *e);
int rootfs_open_writable(const char *container, struct err *e);	  /* -ENOENT when there is none */
int rootfs_remove_writable(const char *container, struct err *e); /* -EBUSY unless empty */

#define ROOTFS_LIST 256
/* rootfs_list of messages.def. The list lives in the arena. */
int rootfs_list(const char *after, struct arena *a, struct rootfs_listed *ret, struct err *e);

/* mount_map of messages.def. The descriptor of the detached, mapped clone, or -errno. */
int rootfs_map_host(struct mntns *n, const struct mount_map *m, struct err *e);
