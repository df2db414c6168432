/* SPDX-License-Identifier: MIT */
/*
 * What layer.c and layer_entry.c share. Inside these files only.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "erofs_write.h"
#include "inflate.h"
#include "layer.h"

/* How many bytes of the stream one libarchive call may ask for, to the next multiple of what comes
 * at a time. It keeps headers, long names and sparse maps in memory, and of a sparse map every four
 * bytes cost it about fifty. */
#define LAYER_HEADER_BYTES (1u << 20)
#define LAYER_DATA_BYTES   (1u << 20)

/* A hard link that came before its target. */
struct pending {
	struct pending *next;
	struct erofs_name *name;
	char target[];
};

struct unpack {
	const struct layer_limits *limits;
	struct inflate *in;
	struct archive *tar;
	struct erofs_tree *tree;
	struct erofs_writer *image;
	uint64_t budget; /* bytes that the current libarchive call may still ask for */
	uint32_t entries;
	uint64_t unpacked;  /* sum of the files' sizes */
	struct err in_err;  /* why the read callback failed */
	bool stream_failed; /* the error concerns no single entry */
	struct pending *pending, **pending_end;
	struct erofs_xattr_buf xattrs; /* of the current entry */
	char path[EROFS_PATH_MAX];     /* of the current entry, clean */
	char target[EROFS_PATH_MAX];   /* of the current hard link, clean */
};

/* Writes libarchive's or the decompressor's last error; returns it. */
int layer_tar_failed(struct unpack *u, struct err *e);

/* Puts the name of an entry, shortened and made printable, in front of the sentence. */
int layer_name_entry(const char *path, struct err *e);

/* Applies one entry, with its content. */
int layer_apply(struct unpack *u, struct archive_entry *entry, struct err *e);
