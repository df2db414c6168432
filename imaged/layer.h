/* SPDX-License-Identifier: MIT */
/*
 * A layer, from registry bytes to an EROFS image, through two descriptors and nothing else: no
 * path, no process set-up, no state between calls.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Every quantity that a layer decides. */
struct layer_limits {
	uint64_t max_unpacked; /* bytes of the uncompressed stream, and of all its files' sizes */
	uint64_t max_names;    /* bytes for names and directories, on the disk (scratch.h) */
	uint64_t ratio_free;   /* bytes of the uncompressed stream before max_ratio counts */
	uint32_t max_ratio;    /* bytes of the uncompressed stream for each byte read */
	uint32_t max_entries;  /* names in the image, and headers in the archive */
	uint32_t max_path;     /* bytes of a path or link target with its NUL; at most 4096 */
};

/* 64 GiB, three times the largest images in use; 160 MiB, enough for max_entries of 100 bytes each;
 * 1 GiB; 256, where text takes 10, a file of zeros up to 1032 in gzip, and a disk image that is
 * mostly empty 100; 1,048,576; 4096, the kernel's PATH_MAX. */
extern const struct layer_limits layer_limits_default;

#define LAYER_DIFF_ID_SIZE 72 /* "sha256:", 64 hex digits, NUL */

struct layer_result {
	char diff_id[LAYER_DIFF_ID_SIZE]; /* digest of the uncompressed stream */
	uint64_t in_bytes;
	uint64_t out_bytes; /* of the uncompressed stream */
	uint64_t image_bytes;
	uint32_t inodes;
	/* The layer hides everything below it. Overlayfs looks at no such mark on the root of a
	 * layer, so whoever mounts must leave lower layers out. */
	bool root_opaque;
	uint32_t implied; /* directories that no entry describes; see layer_dirs.h */
};

/* Reads in_fd (pipe or file) to its end and writes the image to out_fd, a regular file, which is
 * truncated first. Blocks. Returns 0 or -errno with a sentence that does not name the layer, for
 * the caller knows its digest: "truncated tar", "no space left on device", "a/b: …". After an
 * error the content of out_fd is worthless and in_fd may not be at its end. *ret is written on
 * success only.
 *
 * Overlay's marks are those of a mount with userxattr: a whiteout is a character device 0:0, an
 * opaque directory has user.overlay.opaque=y. */
int layer_unpack(int in_fd, int out_fd, const struct layer_limits *limits, struct layer_result *ret,
	struct err *e);
