/* SPDX-License-Identifier: MIT */
/*
 * --hugepage-limit SIZE=BYTES. Runs in ctl, on its own command line.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/hugepages.h"
#include "base/range.h"
#include "base/util.h"
#include "flags.h"
#include "parse.h"

static const struct {
	const char *name;
	uint64_t bytes;
} sizes[] = {
#define SIZE(name, bytes) {#name, bytes},
	HUGEPAGE_SIZES(SIZE)
#undef SIZE
};

const char *hugepage_name(uint64_t bytes)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		if (sizes[i].bytes == bytes)
			return sizes[i].name;
	return "";
}

/* "2MB", or "2m" as sizes are written elsewhere. */
static int parse_size(const char *s, size_t n, uint64_t *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t whole = strlen(sizes[i].name);

		if ((n == whole || n == whole - 1) && strncasecmp(sizes[i].name, s, n) == 0) {
			*ret = sizes[i].bytes;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse(const char *s, struct hugepage_limit *ret, struct err *e)
{
	size_t n = strcspn(s, "=");
	struct range whole = {" bytes", 0, 0, 0};
	uint64_t v;
	char asked[64];

	*ret = (struct hugepage_limit){0};
	if (!s[n] || parse_size(s, n, &ret->page) < 0)
		return err_set(e, EINVAL,
			"\"%.64s\" is no SIZE=BYTES, where SIZE is 64KB, 2MB, 32MB or 1GB", s);
	s += n + 1;
	if (strcmp(s, "-1") == 0) {
		ret->limit = -1;
		return 0;
	}
	if (parse_bytes_any(s, &v, e) < 0)
		return -EINVAL;
	whole.step = ret->page;
	whole.max = INT64_MAX & ~(ret->page - 1);
	snprintf(asked, sizeof(asked), "\"%.32s\"", s);
	ret->limit = (int64_t)MIN(v, (uint64_t)INT64_MAX);
	return range_check(&whole, asked, v, e);
}

int check_hugepage(const char *s, struct err *e)
{
	struct hugepage_limit h;

	return parse(s, &h, e);
}

int parse_hugepages(const struct strv *words, struct arena *a, struct limits *ret, struct err *e)
{
	for (uint32_t i = 0; i < words->n; i++) {
		struct hugepage_limit h, *to = NULL;

		if (parse(words->v[i], &h, e) < 0)
			return err_prefix(e, "--hugepage-limit");
		for (uint32_t k = 0; k < ret->hugepages.n; k++)
			if (ret->hugepages.v[k].page == h.page)
				to = &ret->hugepages.v[k];
		if (!to)
			to = list_append(a, &ret->hugepages, sizeof(*to));
		if (!to)
			return err_set(e, ENOMEM, "out of memory");
		*to = h;
	}
	return 0;
}
