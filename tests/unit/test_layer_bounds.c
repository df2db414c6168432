/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of layer_unpack(): a layer that would take too much memory, disk or time ends at a
 * bound.
 */
#include "packed.h"

/* A map that libarchive would hold in memory: 12 MiB of it in an entry of a few kB. */
static void test_sparse_map_bomb(_unused_ void **state)
{
	enum { BLOCKS = 3 << 20 };
	struct tar t = {0}, r = {0}, map = {0}, z;
	char head[32];
	uint8_t *p;

	snprintf(head, sizeof(head), "%d\n", BLOCKS);
	append(&map, head, strlen(head));
	p = tar_grow(&map, BLOCKS * 4);
	for (size_t i = 0; i < BLOCKS; i++)
		memcpy(p + 4 * i, "0\n0\n", 4);
	tar_text_record(&r, "GNU.sparse.major", "1");
	tar_text_record(&r, "GNU.sparse.minor", "0");
	tar_text_record(&r, "GNU.sparse.name", "sparse");
	tar_text_record(&r, "GNU.sparse.realsize", "0");
	tar_pax(&t, &r);
	tar_add(&t, (struct tar_head){.type = '0', .name = "x", .data = map.p, .size = map.n});
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_refused(z.p, z.n, E2BIG, "header of an entry too large");
	tar_free(&map);
	tar_free(&t);
	tar_free(&z);
}

static void test_bounds(_unused_ void **state)
{
	struct layer_limits few = layer_limits_default, small = few, tight = few, dense = few;
	struct tar t = {0}, z;
	struct unpacked u;
	char *text = calloc(1, 8 << 20);

	assert_non_null(text);
	few.max_entries = 3;
	small.max_unpacked = 4096;
	dense.ratio_free = 1 << 20;
	dense.max_ratio = 16;
	tight.max_path = 20;
	sample(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &few), -E2BIG);
	assert_string_equal(u.e.text, "more than 3 entries");
	assert_int_equal(unpack_limited(&u, t.p, t.n, &small), -E2BIG);
	tar_free(&t);
	tar_file(&t, "a/path/of/20/bytes..", "");
	tar_end(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &tight), -ENAMETOOLONG);
	tar_free(&t);
	memset(text, 'x', (8 << 20) - 1);
	tar_file(&t, "dense", text);
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack_limited(&u, z.p, z.n, &dense), -E2BIG);
	assert_string_equal(u.e.text, "unpacks to more than 16 times its size");
	tar_free(&z);
	tar_free(&t);
	memset(text, 0, 8 << 20);
	tar_add(&t, (struct tar_head){.type = '0', .name = "zeros", .data = text, .size = 8 << 20});
	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack_limited(&u, z.p, z.n, &dense), -E2BIG);
	tar_free(&z);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &dense), 0);
	unpacked_free(&u);
	tar_free(&t);
	free(text);
}

/* Many empty entries cost memory, not disk: the bound on names must stop them. */
static void test_name_bomb(_unused_ void **state)
{
	struct layer_limits limits = layer_limits_default;
	struct tar t = {0};
	struct unpacked u;
	char name[32];

	limits.max_names = 1 << 20;
	for (int i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "file%d", i);
		tar_file(&t, name, "");
	}
	tar_end(&t);
	assert_int_equal(unpack_limited(&u, t.p, t.n, &limits), -ENOMEM);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	unpacked_free(&u);
	tar_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sparse_map_bomb),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_name_bomb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
