/* SPDX-License-Identifier: MIT */
/*
 * The index of images and what changes it; see store.h.
 */
#include "store_impl.h"

#include <errno.h>
#include <string.h>

#include "../proto/base/log.h"
#include "digest.h"
#include "reference.h"

#define HOUR_NS (3600 * UINT64_C(1000000000))

static int compare_ids(const void *a, const void *b)
{
	const struct record *const *x = a, *const *y = b;

	return strcmp((*x)->image.id, (*y)->image.id);
}

void record_free(struct record *r)
{
	if (!r)
		return;
	free(r->buf);
	arena_free(&r->arena);
	free(r);
}

void store_free(struct store *s)
{
	if (!s)
		return;
	for (uint32_t i = 0; i < s->n_records; i++)
		record_free(s->records[i]);
	free(s->records);
	free(s->layers);
	fd_close(&s->layers_dir);
	fd_close(&s->dirs_dir);
	fd_close(&s->records_dir);
	fd_close(&s->tmp_dir);
	fd_close(&s->unsettled_dir);
	fd_close(&s->partial_dir);
	free(s);
}

static struct record *find_record(const struct store *s, const char *id)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		if (strcmp(s->records[i]->image.id, id) == 0)
			return s->records[i];
	return NULL;
}

static bool has_ref(const struct image *image, const char *ref)
{
	for (uint32_t i = 0; i < image->refs.n; i++)
		if (strcmp(image->refs.v[i], ref) == 0)
			return true;
	return false;
}

const struct image *store_by_id(const struct store *s, const char *id)
{
	struct record *r = find_record(s, id);

	return r ? &r->image : NULL;
}

const struct image *store_by_ref(const struct store *s, const char *ref)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		if (has_ref(&s->records[i]->image, ref))
			return &s->records[i]->image;
	return NULL;
}

const struct image *store_after(const struct store *s, const char *id)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		if (!id || strcmp(s->records[i]->image.id, id) > 0)
			return &s->records[i]->image;
	return NULL;
}

static int find_by_prefix(
	const struct store *s, const char *hex, const struct image **ret, struct err *e)
{
	const struct image *found = NULL;
	size_t n = strlen(hex);

	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct image *image = &s->records[i]->image;

		if (strncmp(digest_hex(image->id), hex, n) != 0)
			continue;
		if (found)
			return err_set(
				e, EINVAL, "image id %.64s is ambiguous: give more digits", hex);
		found = image;
	}
	*ret = found;
	return found ? 0 : -ENOENT;
}

static bool is_hex(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && n <= 64 && strspn(s, "0123456789abcdef") == n;
}

int store_find(const struct store *s, const char *text, const struct image **ret, char *ret_ref,
	struct err *e)
{
	bool prefixed = strncmp(text, DIGEST_PREFIX, strlen(DIGEST_PREFIX)) == 0;
	const char *hex = prefixed ? text + strlen(DIGEST_PREFIX) : text;
	char full[REFERENCE_TEXT_MAX] = "";
	struct reference ref;
	int r;

	*ret = NULL;
	if (!prefixed && reference_parse(text, &ref, is_hex(hex) ? NULL : e) == 0)
		*ret = store_by_ref(s, reference_format(&ref, full));
	else if (!is_hex(hex))
		return prefixed ? err_set(e, EINVAL, "image id \"%.80s\" is not hexadecimal", text)
				: -EINVAL;
	if (ret_ref)
		strcpy(ret_ref, *ret ? full : "");
	if (*ret)
		return 0;
	r = is_hex(hex) ? find_by_prefix(s, hex, ret, e) : -ENOENT;
	return r == -ENOENT ? err_set(e, ENOENT, "no such image: %.200s", text) : r;
}

/* Encodes, writes and indexes a record, in place of one with the same id. */
static int record_save(struct store *s, const struct image *image, struct err *e)
{
	struct record *fresh = calloc(1, sizeof(*fresh)), *old = find_record(s, image->id);
	int r;

	if (!fresh)
		return err_set(e, ENOMEM, "out of memory");
	r = codec_copy(&schema_image, image, &fresh->buf, &fresh->arena, &fresh->image, e);
	if (r == 0)
		r = record_write(s, &fresh->image, e);
	if (r == 0 && !old)
		r = store_index(s, fresh, e);
	if (r < 0) {
		record_free(fresh);
		return err_prefix(e, "image %.19s", image->id);
	}
	for (uint32_t i = 0; old && i < s->n_records; i++)
		if (s->records[i] == old)
			s->records[i] = fresh;
	record_free(old);
	return 0;
}

int store_index(struct store *s, struct record *r, struct err *e)
{
	struct record **v = reallocarray(s->records, s->n_records + 1, sizeof(struct record *));

	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	s->records = v;
	v[s->n_records++] = r;
	qsort(v, s->n_records, sizeof(struct record *), compare_ids);
	return 0;
}

/* A worker that was fooled must not change what an id that is here stands for: neither its layers
 * nor, in store_put(), its config and the blobs that its layers came from. */
static int check_same(const struct image *old, const struct image *image, struct err *e)
{
	bool same = old->layers.n == image->layers.n;

	for (uint32_t i = 0; same && i < old->layers.n; i++)
		same = strcmp(old->layers.v[i].diff_id, image->layers.v[i].diff_id) == 0;
	return same ? 0
		    : err_set(e, EBADMSG, "image %.19s: not the layers that are here under this id",
			      image->id);
}

/* The references of `image` (NULL: none) and one more, in a list that the caller frees. */
static int refs_with(const struct image *image, const char *add, struct strv *ret, struct err *e)
{
	uint32_t n = image ? image->refs.n : 0;

	if (n + 1 > STORE_REFS_MAX)
		return err_set(e, E2BIG, "image %.19s: has %u references already", image->id, n);
	ret->v = calloc(n + 1, sizeof(*ret->v));
	if (!ret->v)
		return err_set(e, ENOMEM, "out of memory");
	for (uint32_t i = 0; i < n; i++)
		ret->v[i] = image->refs.v[i];
	ret->v[n] = add;
	ret->n = n + 1;
	return 0;
}

int store_untag(struct store *s, const char *id, const char *ref, struct err *e)
{
	_cleanup_free_ const char **kept = NULL;
	const struct image *old = store_by_id(s, id);
	struct image image;

	if (!old || !has_ref(old, ref))
		return 0;
	kept = calloc(old->refs.n, sizeof(*kept));
	if (!kept)
		return err_set(e, ENOMEM, "out of memory");
	image = *old;
	image.refs = (struct strv){.v = kept};
	for (uint32_t i = 0; i < old->refs.n; i++)
		if (strcmp(old->refs.v[i], ref) != 0)
			kept[image.refs.n++] = old->refs.v[i];
	return record_save(s, &image, e);
}

void store_touch(struct store *s, const char *id, uint64_t now_ns)
{
	struct record *r = find_record(s, id);
	struct err e;
	bool due;

	if (!r)
		return;
	due = r->image.used_at / HOUR_NS != now_ns / HOUR_NS;
	r->image.used_at = now_ns;
	if (due && record_write(s, &r->image, &e) < 0)
		log_warn("image %.19s: %s", id, e.text);
}

/* The layers as they turned out to be, and the disk they take. */
static int settle_layers(struct store *s, struct image *image, struct layer *layers, struct err *e)
{
	image->size = 0;
	for (uint32_t i = 0; i < image->layers.n; i++) {
		const struct stored_layer *have = store_layer(s, image->layers.v[i].digest);

		if (!have)
			return err_set(
				e, ENOENT, "layer %.19s is missing", image->layers.v[i].digest);
		layers[i] = image->layers.v[i];
		store_know_layer(s, &layers[i]);
		image->size += have->bytes;
	}
	image->layers.v = layers;
	return image->dirs ? dirs_add_size(s, image->id, &image->size, e) : 0;
}

int store_put(
	struct store *s, const struct image *image, const char *ref, bool *ret_new, struct err *e)
{
	_cleanup_free_ struct layer *layers = calloc(image->layers.n + 1, sizeof(*layers));
	const struct image *old = store_by_id(s, image->id), *holder = store_by_ref(s, ref);
	_cleanup_free_ const char **refs = NULL;
	struct image fresh = *image;
	int r = old ? check_same(old, image, e) : 0;

	*ret_new = false;
	if (r < 0 || (old && holder == old))
		return r;
	if (!layers)
		return err_set(e, ENOMEM, "out of memory");
	if (old) {
		fresh.dirs = old->dirs;
		fresh.config = old->config;
		fresh.layers = old->layers;
	}
	r = refs_with(old, ref, &fresh.refs, e);
	refs = fresh.refs.v;
	if (r == 0)
		r = settle_layers(s, &fresh, layers, e);
	if (r == 0)
		r = record_save(s, &fresh, e);
	/* After a crash between the two both have the reference; loading gives it to the newer. */
	if (r == 0 && holder)
		r = store_untag(s, holder->id, ref, e);
	*ret_new = r == 0;
	return r;
}

static bool layer_needed(const struct store *s, const char *digest)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		for (uint32_t k = 0; k < s->records[i]->image.layers.n; k++)
			if (strcmp(s->records[i]->image.layers.v[k].digest, digest) == 0)
				return true;
	return false;
}

void store_layer_release(struct store *s, const char *digest)
{
	if (!layer_needed(s, digest))
		layer_unlink(s, digest);
}

void store_dirs_release(struct store *s, const char *id)
{
	const struct image *image = store_by_id(s, id);

	if (!image || !image->dirs)
		dirs_unlink(s, id);
}

static struct record *unindex(struct store *s, const char *id)
{
	for (uint32_t i = 0; i < s->n_records; i++) {
		struct record *r = s->records[i];

		if (strcmp(r->image.id, id) != 0)
			continue;
		s->n_records--;
		memmove(&s->records[i], &s->records[i + 1],
			(s->n_records - i) * sizeof(struct record *));
		return r;
	}
	return NULL;
}

int store_delete(struct store *s, const char *id, void (*gone)(void *arg, const char *digest),
	void *arg, struct err *e)
{
	struct record *r;
	int ret = record_unlink(s, id, e);

	if (ret < 0)
		return ret;
	r = unindex(s, id);
	if (r && r->image.dirs)
		dirs_unlink(s, r->image.id);
	for (uint32_t i = 0; r && i < r->image.layers.n; i++) {
		const char *digest = r->image.layers.v[i].digest;

		if (!store_layer(s, digest) || layer_needed(s, digest))
			continue;
		gone(arg, digest);
		layer_unlink(s, digest);
	}
	record_free(r);
	return 0;
}
