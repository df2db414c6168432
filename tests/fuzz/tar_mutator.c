/* SPDX-License-Identifier: MIT */
/*
 * Entries by chance; see tar_mutator.h.
 */
#include "tar_mutator.h"

#include "../unit/tar_builder.h"
#include "base/util.h"
#include "message_lines.h"

#define BLOCK	    512
#define ENTRIES_MAX 64
#define TEXT_MAX    64

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static const char *const names[] = {"a", "b", "d/", "d/a", "d/b", "d/e/f", "./", "./a", "../x",
	"/abs", ".wh.a", "d/.wh..wh..opq", ".wh..wh..opq", "d/.wh.b", ".wh..wh.plnk/x", "b/c",
	"a/b", ".", "..", "d//a", "d/./a"};
static const char *const keys[] = {"path", "linkpath", "size", "uid", "gid", "mtime",
	"SCHILY.xattr.user.x", "SCHILY.xattr.user.overlay.opaque",
	"SCHILY.xattr.security.capability", "SCHILY.xattr.system.posix_acl_access",
	"LIBARCHIVE.xattr.user.y", "GNU.sparse.size", "GNU.sparse.map", "GNU.sparse.numblocks",
	"GNU.sparse.major", "GNU.sparse.minor", "GNU.sparse.realsize", "GNU.sparse.name",
	"SCHILY.dev", "hdrcharset"};
static const char *const values[] = {"", "0", "1", "5", "4096", "70000", "-1.25", "1.5",
	"4294967295", "4294967294", "99999999999999999999", "0,5", "65536,5", "0,1,4096,1", "y",
	"BINARY", "d/a"};

static const char *pick(struct dice *d, const char *const *from, uint32_t n)
{
	return from[dice_roll(d, n)];
}

static uint64_t size_of(const uint8_t *h)
{
	char text[13] = "";

	memcpy(text, h + 124, 12);
	return strtoull(text, NULL, 8);
}

/* Where entries begin; the last one is where they end. */
struct entries {
	size_t at[ENTRIES_MAX + 1];
	uint32_t n;
};

static struct entries find(const uint8_t *p, size_t size)
{
	struct entries e = {0};
	size_t at = 0;

	while (e.n < ENTRIES_MAX && at + BLOCK <= size && p[at]) {
		uint64_t data = (MIN(size_of(p + at), (uint64_t)size) + BLOCK - 1) / BLOCK * BLOCK;

		e.at[e.n++] = at;
		at = MIN(at + BLOCK + (size_t)data, size);
	}
	e.at[e.n] = at;
	return e;
}

static void add_pax(struct tar *t, struct dice *d)
{
	struct tar records = {0};
	uint32_t n = 1 + dice_roll(d, 4);

	while (n-- > 0) {
		const char *name = dice_roll(d, 3) ? pick(d, values, ARRAY_LEN(values))
						   : pick(d, names, ARRAY_LEN(names));

		tar_record(&records, pick(d, keys, ARRAY_LEN(keys)), name, strlen(name));
	}
	tar_pax(t, &records);
}

static void add_entry(struct tar *t, struct dice *d)
{
	static const char types[] = "00011223455567LKgSDV";
	char text[TEXT_MAX];
	struct tar_head h = {.type = types[dice_roll(d, sizeof(types) - 1)],
		.name = pick(d, names, ARRAY_LEN(names)),
		.link = pick(d, names, ARRAY_LEN(names)),
		.mode = dice_roll(d, 8) ? 0755 : dice_roll(d, 1U << 16),
		.uid = dice_roll(d, 3) ? 0 : dice_roll(d, 1U << 22),
		.major = dice_roll(d, 3),
		.minor = dice_roll(d, 300)};

	if (dice_roll(d, 4) == 0)
		add_pax(t, d);
	if (strchr("0LK", h.type)) {
		memset(text, 'a' + (int)dice_roll(d, 26), sizeof(text));
		h.data = text;
		h.size = dice_roll(d, sizeof(text));
	}
	tar_add(t, h);
}

static size_t splice(
	uint8_t *p, size_t size, size_t max, size_t at, size_t cut, const uint8_t *with, size_t n)
{
	if (size - cut + n > max)
		return size;
	memmove(p + at + n, p + at + cut, size - at - cut);
	memcpy(p + at, with, n);
	return size - cut + n;
}

static size_t insert_entry(uint8_t *p, size_t size, size_t max, size_t at, struct dice *d)
{
	struct tar t = {0};

	add_entry(&t, d);
	size = splice(p, size, max, at, 0, t.p, t.n);
	tar_free(&t);
	return size;
}

static size_t copy_entry(
	uint8_t *p, size_t size, size_t max, const struct entries *e, struct dice *d)
{
	uint32_t i = dice_roll(d, e->n), to = dice_roll(d, e->n + 1);
	size_t n = e->at[i + 1] - e->at[i];
	uint8_t *copy = malloc(n + 1);

	if (!copy)
		return size;
	memcpy(copy, p + e->at[i], n);
	size = splice(p, size, max, e->at[to], 0, copy, n);
	free(copy);
	return size;
}

/* Names and numbers of a header as archivers write them. */
static void change_field(uint8_t *h, struct dice *d)
{
	const char *name = pick(d, names, ARRAY_LEN(names));
	uint32_t v = dice_roll(d, 4) ? dice_roll(d, 1U << 13) : dice_roll(d, UINT32_MAX);

	switch (dice_roll(d, 7)) {
	case 0:
		strncpy((char *)h, name, 100);
		return;
	case 1:
		strncpy((char *)h + 157, name, 100);
		return;
	case 2:
		h[156] = (uint8_t) "0123456LKxgS"[dice_roll(d, 12)];
		return;
	case 3:
		tar_number(h + 100, 8, v & 0177777);
		return;
	case 4:
		tar_number(h + 124, 12, v);
		return;
	case 5:
		tar_number(h + 136, 12, v);
		return;
	default:
		tar_number(h + 329 + 8 * dice_roll(d, 2), 8, v);
	}
}

static size_t change(uint8_t *p, size_t size, size_t max, struct dice *d)
{
	struct entries e = find(p, size);
	uint32_t i = dice_roll(d, e.n), what = dice_roll(d, 8);

	if (e.n == 0 || what == 0)
		return insert_entry(p, size, max, e.at[dice_roll(d, e.n + 1)], d);
	switch (what) {
	case 1:
		return copy_entry(p, size, max, &e, d);
	case 2:
		return splice(p, size, max, e.at[i], e.at[i + 1] - e.at[i], p, 0);
	case 3: /* inside one entry, whose length stays */
		LLVMFuzzerMutate(p + e.at[i], e.at[i + 1] - e.at[i], e.at[i + 1] - e.at[i]);
		return size;
	case 4:
		return insert_entry(p, size, max, e.at[i], d);
	default:
		change_field(p + e.at[i], d);
		return size;
	}
}

size_t tar_mutate(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	struct dice d = {seed};
	uint32_t turns = 1 + dice_roll(&d, 3);
	struct entries e;

	while (turns-- > 0)
		size = change(data, size, max, &d);
	e = find(data, size);
	for (uint32_t i = 0; i < e.n; i++)
		if (e.at[i] + BLOCK <= size)
			tar_checksum(data + e.at[i]);
	return size;
}
