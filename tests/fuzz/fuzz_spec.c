/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a user's options: refused, or resolved into a spec that encodes.
 */
#include <stdint.h>
#include <string.h>

#include "supervisor/resolve.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void resolve(const struct create *o)
{
	struct arena a = {0};
	struct err e = {0};
	struct spec spec;
	const char *text;

	if (resolve_spec(o, NULL, "0123456789abcdef", &a, &spec, &e) == 0 && spec.argv.n == 0)
		abort();
	resolve_hosts(o, "host", NULL, NULL, &a, &text, &e);
	resolve_resolv_conf(o, "nameserver 10.0.0.1\n", false, &a, &text, &e);
	arena_free(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct schema *const schemas[] = {
		&schema_create, &schema_spec, &schema_exec_spec, &schema_container, &schema_image};
	struct arena a = {0};
	struct err e = {0};
	uint8_t *buf;
	union {
		struct create create;
		struct container container;
		uint8_t room[4096];
	} obj;

	if (size < 1)
		return 0;
	buf = malloc(size);
	memcpy(buf, data + 1, size - 1);
	if (codec_decode(schemas[data[0] % 5], buf, size - 1, NULL, 0, &a, &obj, &e) == 0 &&
		data[0] % 5 == 0)
		resolve(&obj.create);
	free(buf);
	arena_free(&a);
	return 0;
}
