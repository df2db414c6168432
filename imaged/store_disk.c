/* SPDX-License-Identifier: MIT */
/*
 * The store's files: records, layers, temporaries; see store.h. A file of ours that can't be read
 * costs the image it belongs to, never the start.
 */
#include "store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/base/log.h"
#include "erofs_judge.h"

#define LAYER_SUFFIX   ".erofs"
#define LAYER_NAME_MAX 80
#define MARK_NAME_MAX  96
#define MARK_DIRS      ".dirs" /* in the marks of directory images, behind the digits */
#define HEX_LEN	       64

static void layer_name(const char *digest, char name[LAYER_NAME_MAX])
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

/* Notes a layer whose file is in place. -ENOENT when it isn't. */
static int note_layer(struct store *s, const struct layer *l)
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
	size_t n;
	int r = codec_encode(&schema_image, image, STORE_RECORD_MAX, NULL, &buf, &n, e);

	if (r < 0)
		return r;
	r = fd_replace_file_at(s->records_dir, digest_hex(image->id), buf, n, 0600);
	return r < 0 ? err_errno(e, r, "writing its record") : 0;
}

int record_unlink(struct store *s, const char *id, struct err *e)
{
	if (unlinkat(s->records_dir, digest_hex(id), 0) < 0 && errno != ENOENT)
		return err_errno(e, errno, "image %.19s: removing its record", id);
	return 0;
}

static int record_check(struct store *s, const char *name, const struct image *image, struct err *e)
{
	uint64_t bytes = 0;

	if (!digest_valid(image->id) || strcmp(digest_hex(image->id), name) != 0)
		return err_set(e, EBADMSG, "is of another image");
	for (uint32_t i = 0; i < image->layers.n; i++) {
		const struct layer *l = &image->layers.v[i];
		int r = note_layer(s, l);

		if (r < 0)
			return err_errno(e, r, "layer %.19s", l->digest);
		r = store_has_layer(s, l, e);
		if (r < 0)
			return r;
	}
	return image->dirs ? dirs_add_size(s, image->id, &bytes, e) : 0;
}

static int record_load(struct store *s, const char *name, struct err *e)
{
	struct record *rec = calloc(1, sizeof(*rec));
	size_t n;
	int r;

	if (!rec)
		return err_set(e, ENOMEM, "out of memory");
	r = fd_read_file_at(s->records_dir, name, STORE_RECORD_MAX, (char **)&rec->buf, &n);
	if (r < 0)
		err_errno(e, r, "reading it");
	else
		r = codec_decode(&schema_image, rec->buf, n, NULL, 0, &rec->arena, &rec->image, e);
	if (r == 0)
		r = record_check(s, name, &rec->image, e);
	if (r == 0)
		r = store_index(s, rec, e);
	if (r < 0)
		record_free(rec);
	return r;
}

int store_each_name(
	int dir, void (*fn)(struct store *s, const char *name), struct store *s, struct err *e)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *d;
	DIR *list;

	list = fd < 0 ? NULL : fdopendir(fd);
	if (!list) {
		err_errno(e, errno, "listing the image store");
		fd_close(&fd);
		return -e->code;
	}
	while ((d = readdir(list)))
		if (strcmp(d->d_name, ".") != 0 && strcmp(d->d_name, "..") != 0)
			fn(s, d->d_name);
	closedir(list);
	return 0;
}

static void load_one(struct store *s, const char *name)
{
	struct err e = {0};

	/* Names that begin with a dot are temporaries of a write that was cut off. */
	if (*name != '.' && record_load(s, name, &e) == 0)
		return;
	if (*name != '.')
		log_warn("forgetting image %.12s: its record: %s", name, e.text);
	unlinkat(s->records_dir, name, 0);
}

static void sweep_tmp(struct store *s, const char *name)
{
	unlinkat(s->tmp_dir, name, 0);
}

/* What was being written when the power failed is worth nothing; what another run of this program
 * in this boot has written is in the page cache, or will be on disk. */
static void sweep_mark(struct store *s, const char *mark)
{
	bool dirs = strncmp(mark + strnlen(mark, HEX_LEN), MARK_DIRS, strlen(MARK_DIRS)) == 0;
	int file, dir = dirs ? s->dirs_dir : s->layers_dir;
	char name[LAYER_NAME_MAX];

	snprintf(name, sizeof(name), "%.*s" LAYER_SUFFIX, HEX_LEN, mark);
	file = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (file >= 0 && settle_is_ours(s->unsettled_dir, mark, s->boot_id)) {
		settle_begin(file, s->unsettled_dir, mark);
		return;
	}
	/* It may have been settled just now, by what an earlier store_open() began. */
	if (file >= 0 && faccessat(s->unsettled_dir, mark, F_OK, 0) == 0) {
		log_warn("%s %.12s may not have reached the disk before the machine stopped",
			dirs ? "directories of image" : "layer", mark);
		unlinkat(dir, name, 0);
	}
	fd_close(&file);
	unlinkat(s->unsettled_dir, mark, 0);
}

static void sweep_layer(struct store *s, const char *name)
{
	char known[LAYER_NAME_MAX];

	for (uint32_t i = 0; i < s->n_layers; i++) {
		layer_name(s->layers[i].digest, known);
		if (strcmp(known, name) == 0)
			return;
	}
	log_info("removing layer file %.12s: no image needs it", name);
	unlinkat(s->layers_dir, name, 0);
}

static void sweep_dirs(struct store *s, const char *name)
{
	char known[LAYER_NAME_MAX];

	for (uint32_t i = 0; i < s->n_records; i++) {
		layer_name(s->records[i]->image.id, known);
		if (s->records[i]->image.dirs && strcmp(known, name) == 0)
			return;
	}
	unlinkat(s->dirs_dir, name, 0);
}

/* Layers that only a broken record named. */
static void release_layers(struct store *s)
{
	char digest[DIGEST_TEXT_MAX];

	for (uint32_t i = s->n_layers; i > 0; i--) {
		digest_copy(digest, s->layers[i - 1].digest);
		store_layer_release(s, digest);
	}
}

/* A reference that two records have, after a crash in between, stays with the newer. */
static int settle_refs(struct store *s, struct err *e)
{
	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct image *a = &s->records[i]->image;

		for (uint32_t k = 0; k < a->refs.n; k++) {
			const struct image *b = store_by_ref(s, a->refs.v[k]);
			const struct image *older = b->pulled_at < a->pulled_at ? b : a;
			int r = b == a ? 0 : store_untag(s, older->id, a->refs.v[k], e);

			if (r < 0)
				return r;
			if (b != a)
				return settle_refs(s, e);
		}
	}
	return 0;
}

static int open_dir(int dir, const char *name, int *ret, struct err *e)
{
	if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
		return err_errno(e, errno, "making images/%s", name);
	*ret = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return *ret < 0 ? err_errno(e, errno, "opening images/%s", name) : 0;
}

int store_open(int dir, const char *boot_id, struct store **ret, struct err *e)
{
	struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return err_set(e, ENOMEM, "out of memory");
	s->layers_dir = s->dirs_dir = s->records_dir = s->tmp_dir = s->unsettled_dir = -1;
	s->partial_dir = -1;
	snprintf(s->boot_id, sizeof(s->boot_id), "%s", boot_id);
	r = open_dir(dir, "layers", &s->layers_dir, e);
	if (r == 0)
		r = open_dir(dir, "dirs", &s->dirs_dir, e);
	if (r == 0)
		r = open_dir(dir, "records", &s->records_dir, e);
	if (r == 0)
		r = open_dir(dir, "tmp", &s->tmp_dir, e);
	if (r == 0)
		r = open_dir(dir, "unsettled", &s->unsettled_dir, e);
	if (r == 0)
		r = open_dir(dir, "partial", &s->partial_dir, e);
	if (r == 0)
		r = store_each_name(s->tmp_dir, sweep_tmp, s, e);
	if (r == 0)
		r = store_each_name(s->unsettled_dir, sweep_mark, s, e);
	if (r == 0)
		r = store_each_name(s->records_dir, load_one, s, e);
	if (r == 0)
		r = settle_refs(s, e);
	release_layers(s);
	if (r == 0)
		r = store_each_name(s->layers_dir, sweep_layer, s, e);
	if (r == 0)
		r = store_each_name(s->dirs_dir, sweep_dirs, s, e);
	if (r == 0)
		r = store_partials_sweep(s, e);
	if (r < 0) {
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}
