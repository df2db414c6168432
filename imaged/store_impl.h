/* SPDX-License-Identifier: MIT */
/*
 * What the store's files share: store.c has the index, store_disk.c what is on the disk,
 * store_load.c what is found there.
 */
#pragma once

#include "../proto/base/fd.h"
#include "digest.h"
#include "settle.h"
#include "store.h"

#define STORE_REFS_MAX 64 /* as struct image bounds them */
#define HEX_LEN	       64
#define LAYER_SUFFIX   ".erofs"
#define LAYER_NAME_MAX 80
#define MARK_DIRS      ".dirs" /* in the marks of directory images, behind the digits */

struct record {
	struct image image;
	uint8_t *buf; /* the strings of image */
	struct arena arena;
};

/* A layer file that is here and whole. */
struct stored_layer {
	char digest[DIGEST_TEXT_MAX];
	char diff_id[DIGEST_TEXT_MAX]; /* as unpacking found it */
	uint64_t bytes;		       /* on disk */
	bool opaque;
	uint64_t implied;
};

/* What is in partial/. */
struct partials {
	unsigned int n;
	uint64_t bytes;
	int64_t oldest_at;
	char oldest[DIGEST_TEXT_MAX];
};

struct store {
	int layers_dir, dirs_dir, records_dir, tmp_dir, unsettled_dir, partial_dir;
	char boot_id[BOOT_ID_MAX];
	struct record **records; /* by id */
	uint32_t n_records;
	struct stored_layer *layers;
	uint32_t n_layers;
	uint32_t tmp_serial;
	struct partials partials; /* as last counted */
	bool unread; /* an image could not be looked at, so nothing may be swept away */
};

void record_free(struct record *r);
int store_index(struct store *s, struct record *r, struct err *e);

void layer_name(const char *digest, char name[LAYER_NAME_MAX]);
/* Notes a layer whose file is in place. -ENOENT when it isn't. */
int note_layer(struct store *s, const struct layer *l);
const struct stored_layer *store_layer(const struct store *s, const char *digest);
int record_write(struct store *s, const struct image *image, struct err *e);
int record_unlink(struct store *s, const char *id, struct err *e);
void layer_unlink(struct store *s, const char *digest);
void dirs_unlink(struct store *s, const char *id);
/* Calls fn for each name in the directory but . and .. */
int store_each_name(
	int dir, void (*fn)(struct store *s, const char *name), struct store *s, struct err *e);
/* Adds the disk that the directory image takes. */
int dirs_add_size(const struct store *s, const char *id, uint64_t *size, struct err *e);
