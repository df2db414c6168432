/* SPDX-License-Identifier: MIT */
/*
 * Adding up, and removing what was used longest ago; see usage.h.
 */
#include "usage.h"

#include <errno.h>
#include <string.h>
#include <sys/vfs.h>

#include "../proto/base/log.h"
#include "images.h"
#include "store_impl.h"

#define GRACE_NS (60 * UINT64_C(1000000000))

static bool in_list(const struct strv *list, const char *text)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], text) == 0)
			return true;
	return false;
}

static bool has_layer(const struct image *image, const char *digest)
{
	for (uint32_t i = 0; i < image->layers.n; i++)
		if (strcmp(image->layers.v[i].digest, digest) == 0)
			return true;
	return false;
}

/* By an image that is in use. */
static bool is_needed(const struct store *s, const char *digest, const struct strv *in_use)
{
	for (uint32_t i = 0; i < s->n_records; i++)
		if (in_list(in_use, s->records[i]->image.id) &&
			has_layer(&s->records[i]->image, digest))
			return true;
	return false;
}

int usage_tell(
	const struct store *s, const struct strv *in_use, struct image_usage_is *ret, struct err *e)
{
	*ret = (struct image_usage_is){.images = s->n_records};
	for (uint32_t i = 0; i < s->n_layers; i++)
		if (!is_needed(s, s->layers[i].digest, in_use))
			ret->reclaimable += s->layers[i].bytes;
	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct image *image = &s->records[i]->image;

		if (in_list(in_use, image->id))
			ret->active++;
		else
			ret->reclaimable += store_own_bytes(s, image);
	}
	return store_bytes(s, &ret->bytes, e);
}

/* ---- making room ---- */

static uint64_t last_used(const struct image *image)
{
	return MAX(image->used_at, image->pulled_at);
}

/* Layers that it alone has, and what else is there for it alone. */
static uint64_t bytes_of(const struct store *s, const struct image *image)
{
	uint64_t sum = store_own_bytes(s, image);

	for (uint32_t i = 0; i < s->n_layers; i++) {
		bool shared = !has_layer(image, s->layers[i].digest);

		for (uint32_t k = 0; k < s->n_records && !shared; k++)
			shared = &s->records[k]->image != image &&
				 has_layer(&s->records[k]->image, s->layers[i].digest);
		sum += shared ? 0 : s->layers[i].bytes;
	}
	return sum;
}

static const struct image *find_oldest(
	const struct store *s, const struct pulls *pulls, const struct image_collect *m)
{
	const struct image *oldest = NULL;
	uint64_t now = time_now_ns();

	for (uint32_t i = 0; i < s->n_records; i++) {
		const struct image *image = &s->records[i]->image;

		if (in_list(&m->in_use, image->id) || last_used(image) + GRACE_NS > now ||
			pulls_touch(pulls, image))
			continue;
		if (!oldest || last_used(image) < last_used(oldest))
			oldest = image;
	}
	return oldest;
}

/* How many bytes too many there are; 0 below the high mark. A file system's reserve counts as
 * taken, as in df(1). */
static int find_excess(
	const struct store *s, const struct image_collect *m, uint64_t *ret, struct err *e)
{
	uint64_t used = 0, all = 0, low = m->low, high = m->high;
	struct statfs st;

	*ret = 0;
	if (!m->percent) {
		int r = store_bytes(s, &used, e);

		if (r < 0)
			return r;
	} else {
		if (fstatfs(s->layers_dir, &st) < 0)
			return err_errno(e, errno, "asking how full the disk is");
		used = (st.f_blocks - st.f_bfree) * (uint64_t)st.f_bsize;
		all = used + st.f_bavail * (uint64_t)st.f_bsize;
		low = all / 100 * low;
		high = all / 100 * high;
	}
	if (used > high)
		*ret = used - low;
	return 0;
}

int usage_collect(struct store *s, const struct pulls *pulls, const struct image_collect *m,
	struct image_collected *ret, struct err *e)
{
	char id[DIGEST_TEXT_MAX];
	const struct image *image;
	uint64_t excess, bytes;
	int r = find_excess(s, m, &excess, e);

	*ret = (struct image_collected){0};
	while (r == 0 && ret->freed < excess && (image = find_oldest(s, pulls, m))) {
		digest_copy(id, image->id);
		bytes = bytes_of(s, image);
		log_info("image %s goes, for the disk is full and nothing was used longer ago",
			image->refs.n ? image->refs.v[0] : id);
		r = images_delete(s, id, e);
		ret->images += r == 0;
		ret->freed += r == 0 ? bytes : 0;
	}
	return r;
}
