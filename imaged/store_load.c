/* SPDX-License-Identifier: MIT */
/*
 * What the store finds on the disk, at its start and later; see store.h. A file of ours that is
 * damaged costs the image it belongs to, never the start, and what isn't ours stays.
 */
#include "store_impl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/base/dirents.h"
#include "../proto/base/keep.h"
#include "../proto/base/log.h"
#include "erofs_judge.h"

#define OLD_SUFFIX ".old" /* keep.h's */

/* 64 hex digits, and behind them exactly `rest`. */
static bool is_name(const char *name, const char *rest)
{
	return strspn(name, "0123456789abcdef") == HEX_LEN && strcmp(name + HEX_LEN, rest) == 0;
}

static int file_check(int dir, const char *hex_of, struct err *e)
{
	_cleanup_fd_ int file = -1;
	char name[LAYER_NAME_MAX];

	layer_name(hex_of, name);
	file = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file < 0)
		return errno == ENOENT ? err_set(e, ENOENT, "its image is gone")
				       : err_errno(e, errno, "its image");
	return erofs_whole(file, e);
}

/* Looks at sizes and super blocks: what else a file holds is the kernel's business. */
static int files_check(const struct store *s, const struct image *image, struct err *e)
{
	for (uint32_t i = 0; i < image->layers.n; i++) {
		const char *digest = image->layers.v[i].digest;
		int r = file_check(s->layers_dir, digest, e);

		if (r < 0)
			return err_prefix(e, "layer %.19s", digest);
	}
	if (image->dirs && file_check(s->dirs_dir, image->id, e) < 0)
		return err_prefix(e, "its directories");
	return 0;
}

static int record_check(struct store *s, const char *name, const struct image *image, struct err *e)
{
	int r;

	if (!digest_valid(image->id) || strcmp(digest_hex(image->id), name) != 0)
		return err_set(e, EBADMSG, "its record is of another image");
	r = files_check(s, image, e);
	for (uint32_t i = 0; i < image->layers.n && r == 0; i++) {
		const struct layer *l = &image->layers.v[i];

		r = note_layer(s, l);
		if (r < 0)
			return err_errno(e, r, "layer %.19s", l->digest);
		r = store_has_layer(s, l, e) < 0 ? -e->code : 0;
	}
	return r;
}

static int record_load(struct store *s, const char *name, struct err *e)
{
	struct record *rec = calloc(1, sizeof(*rec));
	size_t n;
	int r;

	if (!rec)
		return err_set(e, ENOMEM, "out of memory");
	r = keep_read(s->records_dir, name, STORE_RECORD_MAX, &rec->buf, &n);
	if (r == -ENODATA)
		err_set(e, ENODATA, "its record did not reach the disk");
	else if (r < 0)
		err_errno(e, r, "its record");
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

/* Whether an error is about the file, and not about the moment. */
static bool is_damage(const struct err *e)
{
	return e->code == EBADMSG || e->code == ENODATA || e->code == ENOENT || e->code == EINVAL ||
	       e->code == EFBIG;
}

static void load_one(struct store *s, const char *file)
{
	char name[HEX_LEN + 1];
	struct err e = {0};
	struct stat st;

	if (*file == '.') { /* what a write that was cut off has left */
		if (is_name(file + 1, ".tmp"))
			unlinkat(s->records_dir, file, 0);
		return;
	}
	snprintf(name, sizeof(name), "%s", file);
	if (!is_name(file, "") && !is_name(file, OLD_SUFFIX))
		return;
	if (file[HEX_LEN] && fstatat(s->records_dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return; /* both are read at once */
	if (record_load(s, name, &e) == 0)
		return;
	log_warn("image %.12s: %s: %s", name, e.text,
		is_damage(&e) ? "it is forgotten, pull it again" : "it is left alone for now");
	if (is_damage(&e))
		keep_remove(s->records_dir, name);
	else
		s->unread = true;
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

	if (strspn(mark, "0123456789abcdef") != HEX_LEN)
		return;
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
	if (!is_name(name, LAYER_SUFFIX))
		return;
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
	if (is_name(name, LAYER_SUFFIX))
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

static uint64_t bytes_at(int dir, const char *name)
{
	struct stat st;

	return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

int store_bytes(const struct store *s, uint64_t *ret, struct err *e)
{
	const int dirs[] = {s->layers_dir, s->dirs_dir, s->records_dir, s->tmp_dir,
		s->unsettled_dir, s->partial_dir};

	*ret = bytes_at(s->layers_dir, "..");
	for (unsigned int i = 0; i < ARRAY_LEN(dirs); i++) {
		_cleanup_fd_ int dir = openat(dirs[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_dirents_ struct dirents *d = dirents_open(dir);
		const char *name;
		int r;

		if (dir < 0 || !d)
			return err_errno(e, dir < 0 ? errno : ENOMEM, "listing the image store");
		*ret += bytes_at(dir, ".");
		while ((r = dirents_next(d, &name)) > 0)
			*ret += bytes_at(dir, name);
		if (r < 0)
			return err_errno(e, r, "listing the image store");
	}
	return 0;
}

uint64_t store_own_bytes(const struct store *s, const struct image *image)
{
	char name[LAYER_NAME_MAX];

	layer_name(image->id, name);
	return bytes_at(s->records_dir, digest_hex(image->id)) +
	       (image->dirs ? bytes_at(s->dirs_dir, name) : 0);
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

/* What no image needs, unless there is one whose needs are not known. */
static int sweep(struct store *s, struct err *e)
{
	int r;

	if (s->unread)
		return 0;
	release_layers(s);
	r = store_each_name(s->layers_dir, sweep_layer, s, e);
	return r == 0 ? store_each_name(s->dirs_dir, sweep_dirs, s, e) : r;
}

const struct image *store_damaged(const struct store *s, const struct image *image, struct err *e)
{
	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct image *each = &s->records[i]->image;

		if ((!image || image == each) && files_check(s, each, e) < 0 && is_damage(e))
			return each;
	}
	return NULL;
}

void store_sweep(struct store *s)
{
	struct err e;

	if (store_each_name(s->tmp_dir, sweep_tmp, s, &e) < 0 || sweep(s, &e) < 0)
		log_warn("%s", e.text);
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
	if (r == 0)
		r = sweep(s, e);
	if (r == 0)
		r = store_partials_sweep(s, e);
	if (r < 0) {
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}
