/* SPDX-License-Identifier: MIT */
/*
 * Images and layers on disk, and in memory the index over them. Below the store's directory:
 *	layers/HEX.erofs	one layer, by the digest of the blob that made it
 *	dirs/HEX.erofs		an image's directory image (layer_dirs.h), by the image's id
 *	records/HEX		struct image, by the image's id; references are in the records
 *	tmp/			what is being unpacked; emptied on start
 *	partial/HEX		what has come of a blob, by its digest (store_partial.c)
 *	unsettled/		marks of files that may not be on the disk yet (settle.h)
 * Everything appears under its name by rename(2) alone; a start removes what no record names, and
 * records (keep.h) that are damaged or lack a file.
 * Runs in the mounter, trusts its own files, and checks what a worker claims an image to be. Calls
 * block on the disk for metadata only.
 */
#pragma once

#include <stdbool.h>

#include "../proto/messages.h"

struct store;

#define STORE_RECORD_MAX 60000 /* encoded bytes: a record must fit a frame */
#define STORE_TMP_NAME	 80

/* `dir` is borrowed; boot_id names this boot of the machine. Makes the directories, drops what is
 * left over or broken, loads the rest. */
int store_open(int dir, const char *boot_id, struct store **ret, struct err *e);
void store_free(struct store *s);

/* Records are valid until the next call that changes the store. NULL: none. */
const struct image *store_by_id(const struct store *s, const char *id);
const struct image *store_by_ref(const struct store *s, const char *ref); /* in full spelling */
const struct image *store_after(const struct store *s, const char *id);	  /* NULL, "": the first */

/* What a user means by `text`: reference, id, or unique prefix of an id. ret_ref (NULL, or of
 * REFERENCE_TEXT_MAX bytes) is the reference in full spelling when it was one, else "". */
int store_find(const struct store *s, const char *text, const struct image **ret, char *ret_ref,
	struct err *e);

/* 1: the layer is here and is what its image says; 0: it is not here. */
int store_has_layer(const struct store *s, const struct layer *l, struct err *e);

/* What is known of a layer that is here: opaque, implied. */
void store_know_layer(const struct store *s, struct layer *l);
/* Its image for reading, or -errno. */
int store_open_layer(const struct store *s, const char *digest, struct err *e);

/* A fresh file for a layer or a directory image, and its name under tmp/. The descriptor, or
 * -errno. */
int store_layer_begin(
	struct store *s, const char *digest, char name[STORE_TMP_NAME], struct err *e);
/* Takes it in as layer *l, whose diff_id, opaque and implied are what unpacking found, as is that
 * it has so many bytes. Refused is what isn't such an image, or can still be written to. */
int store_layer_commit(
	struct store *s, const char *name, uint64_t bytes, const struct layer *l, struct err *e);
void store_layer_abort(struct store *s, const char *name);
/* Removes a layer unless a record names it. */
void store_layer_release(struct store *s, const char *digest);

/* What is kept of a blob of `size` bytes, or an empty file for it, to be read and written; its
 * bytes are to be judged again. -1: there is no place for it, which a pull can do without. */
int store_partial_open(struct store *s, const char *digest, uint64_t size);
void store_partial_drop(struct store *s, const char *digest);
void store_partial_settle(struct store *s, const char *digest); /* drops it if nothing has come */
void store_partials_drop(struct store *s);			/* all of them */
/* Removes what is old, too much, or of a layer that is here. Done on start, too. */
int store_partials_sweep(struct store *s, struct err *e);

/* Takes it in as directory image of the image, whose record comes next: with the first record of
 * an id it is decided whether there is one. */
int store_dirs_commit(
	struct store *s, const char *name, uint64_t bytes, const char *id, struct err *e);
/* Removes it unless a record says that it is there. */
void store_dirs_release(struct store *s, const char *id);

/* Records the image under the reference, taking that from an image that had it. All layers must be
 * here, and the directory image if there is one. *ret_new: there was something to change. */
int store_put(
	struct store *s, const struct image *image, const char *ref, bool *ret_new, struct err *e);

/* Takes a reference from its image. */
int store_untag(struct store *s, const char *id, const char *ref, struct err *e);

/* An image that lacks a file, or whose file is cut off or no layer's: of all (image NULL), or that
 * one. NULL: none. */
const struct image *store_damaged(const struct store *s, const struct image *image, struct err *e);

/* It has been used now. That is on the disk within the hour. */
void store_touch(struct store *s, const char *id, uint64_t now_ns);

/* What the store takes of the disk, as du(1) has it; of that what is an image's own beside layers.
 */
int store_bytes(const struct store *s, uint64_t *ret, struct err *e);
uint64_t store_own_bytes(const struct store *s, const struct image *image);

/* Removes again what is nobody's. Only while nothing is being pulled or copied. */
void store_sweep(struct store *s);

/* Removes the record and the directory image; then calls gone() for each layer that no other record
 * names, and removes that. */
int store_delete(struct store *s, const char *id, void (*gone)(void *arg, const char *digest),
	void *arg, struct err *e);
