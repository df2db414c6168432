/* SPDX-License-Identifier: MIT */
/*
 * The store's files: records, layers, temporaries; see store.h.
 */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/base/keep.h"
#include "../proto/base/log.h"
#include "erofs_judge.h"

#define MARK_NAME_MAX 96

void layer_name(const char *digest, char name[LAYER_NAME_MAX])
{
	snprintf(name, LAYER_NAME_MAX, "%s" LAYER_SUFFIX, digest_hex(digest));
}

const struct stored_layer *store_layer(const struct store *s, const char *digest)
{
	for (uint32_t i = 0; i < s->n_layers; i++)
		if (strcmp(s->layers[i].digest, digest) == 0)
			return &s->layers[i];
	return NULL;
}

void store_know_layer(const struct store *s, struct layer *l)
{
	const struct stored_layer *have = store_layer(s, l->digest);

	l->opaque = have && have->opaque;
	l->implied = have ? have->implied : 0;
}

int store_open_layer(const struct store *s, const char *digest, struct err *e)
{
	char name[LAYER_NAME_MAX];
	int r;

	layer_name(digest, name);
	r = openat(s->layers_dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return r < 0 ? err_errno(e, errno, "layer %.19s: opening it", digest) : r;
}

int store_has_layer(const struct store *s, const struct layer *l, struct err *e)
{
	const struct stored_layer *have = store_layer(s, l->digest);

	if (!have)
		return 0;
	if (strcmp(have->diff_id, l->diff_id) != 0)
		return err_set(e, EBADMSG, "content does not match its diff id");
	return 1;
}

int note_layer(struct store *s, const struct layer *l)
{
	char name[LAYER_NAME_MAX];
	struct stored_layer *v, fresh = {.opaque = l->opaque, .implied = l->implied};
	struct stat st;

	if (!digest_copy(fresh.digest, l->digest) || !digest_copy(fresh.diff_id, l->diff_id))
		return -EBADMSG;
	if (store_layer(s, l->digest))
		return 0;
	layer_name(l->digest, name);
	if (fstatat(s->layers_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	fresh.bytes = (uint64_t)st.st_blocks * 512;
	v = reallocarray(s->layers, s->n_layers + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	s->layers = v;
	v[s->n_layers++] = fresh;
	return 0;
}

void layer_unlink(struct store *s, const char *digest)
{
	char name[LAYER_NAME_MAX];

	layer_name(digest, name);
	if (unlinkat(s->layers_dir, name, 0) < 0 && errno != ENOENT)
		log_warn("layer %.19s: %s", digest, strerrordesc_np(errno));
	for (uint32_t i = 0; i < s->n_layers; i++)
		if (strcmp(s->layers[i].digest, digest) == 0)
			s->layers[i--] = s->layers[--s->n_layers];
}

void dirs_unlink(struct store *s, const char *id)
{
	char name[LAYER_NAME_MAX];

	layer_name(id, name);
	if (unlinkat(s->dirs_dir, name, 0) < 0 && errno != ENOENT)
		log_warn("image %.19s: its directory image: %s", id, strerrordesc_np(errno));
}

int dirs_add_size(const struct store *s, const char *id, uint64_t *size, struct err *e)
{
	char name[LAYER_NAME_MAX];
	struct stat st;

	layer_name(id, name);
	if (fstatat(s->dirs_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(e, errno, "its directory image");
	*size += (uint64_t)st.st_blocks * 512;
	return 0;
}

int store_layer_begin(struct store *s, const char *digest, char name[STORE_TMP_NAME], struct err *e)
{
	int r;

	snprintf(name, STORE_TMP_NAME, "%.12s-%u", digest_hex(digest), s->tmp_serial++);
	/* The worker only writes what it is given; a read of what it wrote is for the kernel. */
	r = openat(s->tmp_dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return r < 0 ? err_errno(e, errno, "making a file for it") : r;
}

void store_layer_abort(struct store *s, const char *name)
{
	unlinkat(s->tmp_dir, name, 0);
}

struct commit {
	const char *name, *digest, *mark;
	uint64_t bytes;
	int dir;
};

/* Gives a temporary its name; its data find their way to the disk later. */
static int commit_file(struct store *s, const struct commit *c, struct err *e)
{
	_cleanup_fd_ int file = openat(s->tmp_dir, c->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char final[LAYER_NAME_MAX];
	int r = file < 0 ? err_errno(e, errno, "storing it") : erofs_judge(file, c->bytes, e);

	layer_name(c->digest, final);
	if (r == 0)
		r = settle_mark(s->unsettled_dir, c->mark, s->boot_id, e);
	if (r == 0 && renameat(s->tmp_dir, c->name, c->dir, final) < 0)
		r = err_errno(e, errno, "storing it");
	if (r == 0) {
		settle_begin(take_fd(&file), s->unsettled_dir, c->mark);
		return 0;
	}
	store_layer_abort(s, c->name);
	unlinkat(s->unsettled_dir, c->mark, 0);
	return r;
}

/* The serial in a mark tells it from that of an earlier file of this name. */
int store_layer_commit(
	struct store *s, const char *name, uint64_t bytes, const struct layer *l, struct err *e)
{
	char mark[MARK_NAME_MAX];
	int r;

	snprintf(mark, sizeof(mark), "%s-%u", digest_hex(l->digest), s->tmp_serial++);
	r = commit_file(s, &(struct commit){name, l->digest, mark, bytes, s->layers_dir}, e);
	if (r < 0)
		return r;
	r = note_layer(s, l);
	if (r < 0)
		layer_unlink(s, l->digest);
	return r < 0 ? err_errno(e, r, "storing it") : 0;
}

int store_dirs_commit(
	struct store *s, const char *name, uint64_t bytes, const char *id, struct err *e)
{
	char mark[MARK_NAME_MAX];

	snprintf(mark, sizeof(mark), "%s" MARK_DIRS "-%u", digest_hex(id), s->tmp_serial++);
	return commit_file(s, &(struct commit){name, id, mark, bytes, s->dirs_dir}, e);
}

int record_write(struct store *s, const struct image *image, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	const char *name = digest_hex(image->id);
	int file, r;
	size_t n;

	r = codec_encode(&schema_image, image, STORE_RECORD_MAX, NULL, &buf, &n, e);
	if (r < 0)
		return r;
	r = keep_write(s->records_dir, name, buf, n, &file);
	if (r < 0)
		return err_errno(e, r, "writing its record");
	settle_record(file, s->records_dir, name);
	return 0;
}

int record_unlink(struct store *s, const char *id, struct err *e)
{
	int r = keep_remove(s->records_dir, digest_hex(id));

	return r < 0 ? err_errno(e, r, "image %.19s: removing its record", id) : 0;
}
