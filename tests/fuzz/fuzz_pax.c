/* SPDX-License-Identifier: MIT */
/*
 * The reader of pax, and what it has read once more through the writer: the second reading must see
 * the same.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "pax.h"
#include "pax_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t sum(uint64_t h, const void *p, size_t n)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ULL;
	return h;
}

static uint64_t digest(uint64_t h, const struct pax_entry *x)
{
	h = sum(h, x->name, strlen(x->name) + 1);
	h = sum(h, x->link, strlen(x->link) + 1);
	h = sum(h, &x->mtime, sizeof(x->mtime));
	h = sum(h, &x->size, sizeof(x->size));
	h = sum(h, &x->uid, sizeof(x->uid));
	h = sum(h, &x->gid, sizeof(x->gid));
	h = sum(h, &x->device, sizeof(x->device));
	h = sum(h, &x->type, sizeof(x->type));
	for (uint32_t i = 0; i < x->n_xattrs; i++) {
		h = sum(h, x->xattrs[i].name, strlen(x->xattrs[i].name) + 1);
		h = sum(h, x->xattrs[i].value, x->xattrs[i].n);
	}
	return sum(h, &x->mode, sizeof(x->mode));
}

/* 0 when the stream was sound; a copy goes to `out` if that is not NULL. */
static int pass(int in, struct pax_writer *out, uint64_t *ret)
{
	struct pax_reader *r = pax_reader_new(in);
	const struct pax_entry *x;
	struct err e = {0};
	uint64_t at, end;
	const void *p;
	size_t n;
	int code, more;

	*ret = 0;
	while ((code = pax_next(r, &x, &e)) == 1) {
		*ret = digest(*ret, x);
		/* What is no file has no data, whatever its header says. */
		if (out && pax_put_entry(out, x, NULL) < 0)
			abort();
		for (end = 0; x->type == PAX_FILE && (more = pax_data(r, &p, &n, &at, &e)) == 1;) {
			if (n == 0 || at < end || at > x->size || n > x->size - at)
				abort();
			end = at + n;
			*ret = sum(*ret, p, n);
			if (out && pax_put(out, p, n, NULL) < 0)
				abort();
		}
	}
	if (code < 0 && e.code == 0)
		abort();
	if (code == 0 && out && pax_put_end(out, NULL) < 0)
		abort();
	pax_reader_free(&r);
	return code;
}

/* Whatever looks like a header gets the checksum that it should have: guessing it is no way in. */
static uint8_t *with_checksums(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	memcpy(copy, data, size);
	for (size_t at = 0; at + PAX_BLOCK <= size; at += PAX_BLOCK) {
		struct pax_header *h = (struct pax_header *)(void *)(copy + at);

		if (memcmp(h->magic, "ustar", sizeof(h->magic)) == 0)
			snprintf(h->checksum, sizeof(h->checksum), "%06o", pax_checksum(h));
	}
	return copy;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *bytes = with_checksums(data, size);
	int in = memfd_create("in", MFD_CLOEXEC), copy = memfd_create("copy", MFD_CLOEXEC);
	struct pax_writer *out = pax_writer_new(copy);
	uint64_t first, second;

	if (fd_write_all(in, bytes, size) < 0)
		abort();
	free(bytes);
	lseek(in, 0, SEEK_SET);
	if (pass(in, out, &first) == 0) {
		lseek(copy, 0, SEEK_SET);
		if (pass(copy, NULL, &second) < 0 || first != second)
			abort();
	}
	pax_writer_free(&out);
	close(in);
	close(copy);
	return 0;
}
