/* SPDX-License-Identifier: MIT */
/*
 * Reads a layer's tar stream to its end with libarchive and completes the image. Trusts nothing it
 * reads. Runs in imaged --unpack.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "layer_unpack.h"

const struct layer_limits layer_limits_default = {
	.max_unpacked = 64ULL << 30,
	.max_names = 160ULL << 20,
	.ratio_free = 1ULL << 30,
	.max_ratio = 256,
	.max_entries = 1u << 20,
	.max_path = EROFS_PATH_MAX,
};

static la_ssize_t on_read(_unused_ struct archive *a, void *ctx, const void **buf)
{
	struct unpack *u = ctx;
	const uint8_t *p;
	size_t n;

	if (u->budget == 0) {
		err_set(&u->in_err, E2BIG, "header of an entry too large");
		return ARCHIVE_FATAL;
	}
	if (inflate_next(u->in, &p, &n, &u->in_err) < 0)
		return ARCHIVE_FATAL;
	u->budget -= MIN(n, u->budget);
	*buf = p;
	return (la_ssize_t)n;
}

/* libarchive's words as ours. */
int layer_tar_failed(struct unpack *u, struct err *e)
{
	const char *text = archive_error_string(u->tar);

	u->stream_failed = true;
	if (u->in_err.code)
		return err_set(e, u->in_err.code, "%s", u->in_err.text);
	if (!text)
		text = "unknown error";
	if (strstr(text, "Unrecognized archive format"))
		return err_set(e, EBADMSG, "not a gzip, zstd or tar stream");
	if (strstr(text, "Truncated") || strstr(text, "truncated"))
		return err_set(e, EBADMSG, "truncated tar");
	return err_set(e, EBADMSG, "damaged tar: %s", text);
}

/* A name in the C locale: libarchive can't convert what a pax header declares as UTF-8, warns, and
 * hands out the bytes as they are, which is what an image wants. */
static bool is_charset_warning(struct archive *a)
{
	const char *text = archive_error_string(a);

	return text && strstr(text, "can't be converted");
}

static int next_header(struct unpack *u, struct archive_entry **ret, struct err *e)
{
	int r;

	/* What an entry of no content carries is skipped by libarchive without keeping it. */
	u->budget = UINT64_MAX;
	if (u->entries && archive_read_data_skip(u->tar) < ARCHIVE_WARN)
		return layer_tar_failed(u, e);
	u->budget = LAYER_HEADER_BYTES;
	r = archive_read_next_header(u->tar, ret);
	if (r == ARCHIVE_EOF && !u->in_err.code)
		return 1;
	if (r == ARCHIVE_OK || (r == ARCHIVE_WARN && is_charset_warning(u->tar)))
		return 0;
	return layer_tar_failed(u, e);
}

static int apply_all(struct unpack *u, struct err *e)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		r = next_header(u, &entry, e);
		if (r)
			return r < 0 ? r : 0;
		r = layer_apply(u, entry, e);
		if (r)
			return r;
	}
}

static int link_pending(struct unpack *u, struct err *e)
{
	for (struct pending *p = u->pending; p; p = p->next) {
		struct erofs_node *node = erofs_tree_find(u->tree, p->target);

		if (!node)
			err_set(e, ENOENT, "hard link to a file that is not in this layer");
		else if (node->type == EROFS_DIR)
			err_set(e, EPERM, "hard link to a directory");
		if (!node || node->type == EROFS_DIR)
			return layer_name_entry(p->target, e);
		if (!p->name->node || p->name->node == erofs_tree_whiteout_node(u->tree))
			p->name->node = node;
	}
	return 0;
}

/* The sender must not see a closed pipe, and the digest covers what follows the archive. */
static int drain(struct unpack *u, struct err *e)
{
	const uint8_t *p;
	size_t n = 1;
	int r = 0;

	while (!r && n > 0)
		r = inflate_next(u->in, &p, &n, e);
	return r;
}

static int open_tar(struct unpack *u, struct err *e)
{
	u->tar = archive_read_new();
	if (!u->tar || archive_read_support_format_tar(u->tar) != ARCHIVE_OK ||
		archive_read_support_format_empty(u->tar) != ARCHIVE_OK)
		return err_errno(e, ENOMEM, "tar reader");
	u->budget = LAYER_HEADER_BYTES;
	if (archive_read_open(u->tar, u, NULL, on_read, NULL) != ARCHIVE_OK)
		return layer_tar_failed(u, e);
	return 0;
}

static int unpack_open(struct unpack *u, int in_fd, int out_fd, struct err *e)
{
	int r;

	if (ftruncate(out_fd, 0) < 0)
		return err_errno(e, errno, "image file");
	u->pending_end = &u->pending;
	r = inflate_new(in_fd, out_fd, u->limits, &u->in, e);
	if (!r)
		r = erofs_tree_new(
			out_fd, u->limits->max_entries, u->limits->max_names, &u->tree, e);
	if (!r)
		r = erofs_writer_open(out_fd, &u->image, e);
	return r ? r : open_tar(u, e);
}

static void unpack_free(struct unpack **u)
{
	if (!*u)
		return;
	archive_read_free((*u)->tar);
	erofs_writer_close(&(*u)->image);
	erofs_tree_free(&(*u)->tree);
	inflate_free(&(*u)->in);
	free(*u);
	*u = NULL;
}

static int unpack_finish(struct unpack *u, struct layer_result *ret, struct err *e)
{
	uint8_t digest[INFLATE_DIGEST_SIZE];
	struct erofs_stats stats;
	int r = inflate_digest(u->in, digest, e);

	/* The image's UUID is the start of its diff_id: the same layer, the same image. */
	if (!r)
		r = erofs_image_finish(u->image, u->tree, digest, &stats, e);
	if (r)
		return r;
	*ret = (struct layer_result){
		.diff_id = "sha256:",
		.in_bytes = inflate_in_bytes(u->in),
		.out_bytes = inflate_out_bytes(u->in),
		.image_bytes = stats.bytes,
		.inodes = stats.inodes,
		.implied = stats.implied,
		.root_opaque = stats.root_opaque,
	};
	for (size_t i = 0; i < sizeof(digest); i++)
		snprintf(ret->diff_id + 7 + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

int layer_unpack(int in_fd, int out_fd, const struct layer_limits *limits, struct layer_result *ret,
	struct err *e)
{
	_cleanup_(unpack_free) struct unpack *u = calloc(1, sizeof(*u));
	int r;

	if (!u)
		return err_errno(e, ENOMEM, "unpack");
	u->limits = limits;
	r = unpack_open(u, in_fd, out_fd, e);
	if (!r)
		r = apply_all(u, e);
	if (!r)
		r = drain(u, e);
	if (!r)
		r = link_pending(u, e);
	return r ? r : unpack_finish(u, ret, e);
}
