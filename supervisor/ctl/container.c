/* SPDX-License-Identifier: MIT */
/*
 * Records and lists from the engine; see container.h.
 */
#include "container.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"

void container_free(struct container_copy *k)
{
	free(k->buf);
	k->buf = NULL;
	arena_free(&k->arena);
}

int container_get(struct ctl *c, const char *ref, struct container_copy *ret, struct err *e)
{
	const struct container_inspect m = {.ref = ref};
	_cleanup_incoming_ struct incoming in = {0};
	int r;

	r = client_call(&c->engine, MSG_container_inspect, &m, CLIENT_DEADLINE, &in, e);
	if (r < 0)
		return r;
	return client_document(&schema_container, in.msg.inspected.record, &ret->arena,
		&ret->container, &ret->buf, e);
}

bool container_is_up(const char *status)
{
	static const char *const up[] = {"running", "paused", "restarting"};

	for (size_t i = 0; i < ARRAY_LEN(up); i++)
		if (strcmp(up[i], status) == 0)
			return true;
	return false;
}

bool has_label(const struct strv *labels, const char *wanted)
{
	size_t n = strlen(wanted);

	for (uint32_t i = 0; i < labels->n; i++) {
		const char *l = labels->v[i];

		if (strcmp(l, wanted) == 0)
			return true;
		if (!strchr(wanted, '=') && strncmp(l, wanted, n) == 0 && l[n] == '=')
			return true;
	}
	return false;
}

int container_each(struct ctl *c, bool all, int (*fn)(void *arg, const struct container_row *row),
	void *arg, struct err *e)
{
	struct container_list m = {.all = all};
	bool more = true;
	char after[65];
	int r = 0;

	while (r == 0 && more) {
		_cleanup_incoming_ struct incoming in = {0};
		const struct container_listed *page = &in.msg.listed;

		r = client_call(&c->engine, MSG_container_list, &m, CLIENT_DEADLINE, &in, e);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < page->rows.n && r == 0; i++)
			r = fn(arg, &page->rows.v[i]);
		more = page->more && page->rows.n > 0;
		if (page->rows.n > 0)
			snprintf(after, sizeof(after), "%s", page->rows.v[page->rows.n - 1].id);
		m.after = after;
	}
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}

int image_each(
	struct ctl *c, int (*fn)(void *arg, const struct image *image), void *arg, struct err *e)
{
	struct image_list m = {0};
	bool more = true;
	char after[81];
	int r = 0;

	while (r == 0 && more) {
		_cleanup_incoming_ struct incoming in = {0};
		const struct image_listed *page = &in.msg.images;

		r = client_call(&c->engine, MSG_image_list, &m, CLIENT_DEADLINE, &in, e);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < page->images.n && r == 0; i++)
			r = fn(arg, &page->images.v[i]);
		more = page->more && page->images.n > 0;
		if (page->images.n > 0)
			snprintf(after, sizeof(after), "%s", page->images.v[page->images.n - 1].id);
		m.after = after;
	}
	return r < 0 ? err_set(e, r, "out of memory") : 0;
}
