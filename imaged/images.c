/* SPDX-License-Identifier: MIT */
/*
 * Listing and removing images; see images.h.
 */
#include "images.h"

#include <errno.h>
#include <string.h>

#include "../proto/base/log.h"
#include "digest.h"
#include "reference.h"
#include "rootfs.h"

#define DELETED_MAX (1 + ROOTFS_LAYERS_MAX)

void images_list(
	const struct store *s, const char *after, struct image *images, struct image_listed *ret)
{
	const struct image *i = store_after(s, after);
	size_t total = 0, n;

	*ret = (struct image_listed){.images.v = images};
	for (; i && ret->images.n < IMAGES_PER_LIST; i = store_after(s, i->id)) {
		_cleanup_free_ uint8_t *buf = NULL;

		if (codec_encode(&schema_image, i, STORE_RECORD_MAX, NULL, &buf, &n, NULL) < 0)
			continue;
		if (total + n > STORE_RECORD_MAX)
			break;
		total += n;
		images[ret->images.n++] = *i;
	}
	ret->more = i != NULL;
}

struct removal {
	struct arena *arena;
	struct strv *deleted;
};

static int list_add(struct arena *a, struct strv *list, const char *text, struct err *e)
{
	list->v[list->n] = arena_strdup(a, text);
	return list->v[list->n++] ? 0 : err_set(e, ENOMEM, "out of memory");
}

static void on_layer_gone(void *arg, const char *digest)
{
	struct removal *r = arg;

	rootfs_drop_layer(digest);
	list_add(r->arena, r->deleted, digest, NULL);
}

static void on_deleted_gone(void *arg, const char *digest)
{
	(void)arg;
	rootfs_drop_layer(digest);
}

int images_delete(struct store *s, const char *id, struct err *e)
{
	int r = store_delete(s, id, on_deleted_gone, NULL, e);

	if (r == 0)
		rootfs_drop_dirs(id);
	return r;
}

void images_check(struct store *s)
{
	const struct image *image;
	char id[DIGEST_TEXT_MAX];
	struct err e = {0};

	while ((image = store_damaged(s, NULL, &e))) {
		digest_copy(id, image->id);
		log_warn("image %s: %s: it is forgotten, pull it again",
			image->refs.n ? image->refs.v[0] : id, e.text);
		if (images_delete(s, id, &e) < 0) {
			log_warn("%s", e.text);
			return;
		}
	}
}

static bool in_list(const struct strv *list, const char *text)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

static int check_removable(
	const struct image *image, const struct image_remove *m, bool by_id, struct err *e)
{
	if (in_list(&m->in_use, image->id))
		return err_set(
			e, EBUSY, "image %.100s is in use by a container; remove it first", m->ref);
	if (by_id && image->refs.n > 1 && !m->force)
		return err_set(e, EBUSY,
			"image %.100s has %u references; remove each, or use --force", m->ref,
			image->refs.n);
	return 0;
}

int images_remove(struct store *s, const struct image_remove *m, struct arena *a,
	struct image_removed *ret, struct err *e)
{
	struct removal removal = {a, &ret->deleted};
	char ref[REFERENCE_TEXT_MAX], id[DIGEST_TEXT_MAX];
	const struct image *image;
	int r = store_find(s, m->ref, &image, ref, e);

	if (r < 0)
		return r;
	ret->untagged.v = arena_alloc(a, sizeof(char *) * (image->refs.n + 1));
	ret->deleted.v = arena_alloc(a, sizeof(char *) * DELETED_MAX);
	if (!ret->untagged.v || !ret->deleted.v)
		return err_set(e, ENOMEM, "out of memory");
	if (*ref && image->refs.n > 1) {
		r = list_add(a, &ret->untagged, ref, e);
		return r < 0 ? r : store_untag(s, image->id, ref, e);
	}
	r = check_removable(image, m, !*ref, e);
	for (uint32_t i = 0; r == 0 && i < image->refs.n; i++)
		r = list_add(a, &ret->untagged, image->refs.v[i], e);
	if (r < 0)
		return r;
	digest_copy(id, image->id);
	r = list_add(a, &ret->deleted, id, e);
	if (r == 0)
		r = store_delete(s, id, on_layer_gone, &removal, e);
	if (r == 0)
		rootfs_drop_dirs(id);
	return r;
}
