/* SPDX-License-Identifier: MIT */
/*
 * How limits of huge pages are written and read; see limit_hugepages.h. No input or output of its
 * own.
 */
#include "limit_hugepages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/range.h"

/* "No limit" reads as the largest multiple of the page; with the largest pages that is: */
#define UNLIMITED_MIN (INT64_MAX & ~((1LL << 30) - 1))

static const struct {
	const char *name;
	uint64_t bytes;
} sizes[] = {
#define SIZE(name, bytes) {#name, bytes},
	HUGEPAGE_SIZES(SIZE)
#undef SIZE
};

int hugepages_check(const struct limits *l, struct err *e)
{
	for (uint32_t i = 0; i < l->hugepages.n; i++) {
		const struct hugepage_limit *h = &l->hugepages.v[i];
		const struct range whole = {" bytes", 0, INT64_MAX & ~(h->page - 1), h->page};
		unsigned int k = 0;
		char asked[96];

		while (k < ARRAY_LEN(sizes) && sizes[k].bytes != h->page)
			k++;
		if (k == ARRAY_LEN(sizes))
			return err_set(e, EINVAL,
				"there are no huge pages of %" PRIu64
				" bytes: 64KB, 2MB, 32MB or 1GB",
				h->page);
		snprintf(asked, sizeof(asked), "a limit of huge pages of %s of %" PRId64 " bytes",
			sizes[k].name, h->limit);
		if (h->limit < -1)
			return err_set(e, EINVAL, "%s is neither a size nor -1", asked);
		if (h->limit > 0 && range_check(&whole, asked, (uint64_t)h->limit, e) < 0)
			return -e->code;
	}
	return 0;
}

static bool format(const struct limits *l, uint64_t page, const char *none, char *text)
{
	for (uint32_t i = 0; i < l->hugepages.n; i++) {
		if (l->hugepages.v[i].page != page)
			continue;
		if (l->hugepages.v[i].limit < 0)
			strcpy(text, none);
		else
			snprintf(text, LIMIT_TEXT_MAX, "%" PRId64, l->hugepages.v[i].limit);
		return true;
	}
	return false;
}

static int parse(const char *text, uint64_t page, struct limits_owned *r)
{
	struct limits *l = &r->limits;
	uint64_t v;

	if (strcmp(text, "max") == 0)
		return 0;
	if (num_parse_u64(text, 0, INT64_MAX, &v) < 0)
		return -EBADMSG;
	if (v >= UNLIMITED_MIN || l->hugepages.n == LIMIT_HUGEPAGES_MAX)
		return 0;
	l->hugepages.v = r->hugepages;
	r->hugepages[l->hugepages.n++] = (struct hugepage_limit){.page = page, .limit = (int64_t)v};
	return 0;
}

#define SIZE(name, bytes)                                                                          \
	bool format_v1_##name(const struct limits *l, char *text)                                  \
	{                                                                                          \
		return format(l, bytes, "-1", text);                                               \
	}                                                                                          \
	bool format_v2_##name(const struct limits *l, char *text)                                  \
	{                                                                                          \
		return format(l, bytes, "max", text);                                              \
	}                                                                                          \
	int parse_##name(const char *text, struct limits_owned *r)                                 \
	{                                                                                          \
		return parse(text, bytes, r);                                                      \
	}
HUGEPAGE_SIZES(SIZE)
#undef SIZE

int parse_rsvd(const char *text, struct limits_owned *r)
{
	uint64_t v;

	(void)r;
	return strcmp(text, "max") == 0 || num_parse_u64(text, 0, INT64_MAX, &v) == 0 ? 0
										      : -EBADMSG;
}
