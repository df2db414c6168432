/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as any message: refused or decoded, and what decodes also encodes and decodes again.
 */
#include <stdint.h>
#include <string.h>

#include "messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void round_trip(const struct schema *s, const void *obj)
{
	struct arena a = {0};
	uint8_t *buf = NULL;
	struct err e;
	void *copy = malloc(s->size);

	if (copy && codec_copy(s, obj, &buf, &a, copy, &e) < 0)
		abort();
	free(copy);
	free(buf);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const int fds[4] = {0, 1, 2, 2};
	const struct msg_row *row;
	struct arena a = {0};
	struct err e = {0};
	uint8_t *buf;
	void *obj;

	if (size < 2 || !(row = msg_row(data[0])))
		return 0;
	buf = malloc(size);
	obj = malloc(row->schema->size);
	memcpy(buf, data + 2, size - 2);
	/* A round trip can't carry descriptors: documents only. */
	if (codec_decode(row->schema, buf, size - 2, fds, data[1] % 5, &a, obj, &e) == 0 &&
		data[1] % 5 == 0)
		round_trip(row->schema, obj);
	free(obj);
	free(buf);
	arena_free(&a);
	return 0;
}
