/* SPDX-License-Identifier: MIT */
/*
 * Image references: what docker accepts, in docker's reading, and nothing else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "imaged/reference.h"

#define DIGEST "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define X16    "xxxxxxxxxxxxxxxx"
#define X64    X16 X16 X16 X16
#define X128   X64 X64

static void normalises(void **state)
{
	static const struct {
		const char *text, *full, *brief;
	} rows[] = {
		{"busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"alpine:9", "docker.io/library/alpine:9", "alpine:9"},
		{"me/app", "docker.io/me/app:latest", "me/app:latest"},
		{"library/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"docker.io/busybox", "docker.io/library/busybox:latest", "busybox:latest"},
		{"index.docker.io/busybox:1", "docker.io/library/busybox:1", "busybox:1"},
		{"localhost/x", "localhost/x:latest", "x:latest"},
		{"localhost:5000/x", "localhost:5000/x:latest", "x:latest"},
		{"127.0.0.1:5000/a/b_c/d__e/f---g:T.-_1", "127.0.0.1:5000/a/b_c/d__e/f---g:T.-_1",
			"a/b_c/d__e/f---g:T.-_1"},
		{"[::1]:5000/x", "[::1]:5000/x:latest", "x:latest"},
		{"[fe80::1]/x", "[fe80::1]/x:latest", "x:latest"},
		{"quay.io/coreos/etcd:v3@" DIGEST, "quay.io/coreos/etcd:v3@" DIGEST,
			"coreos/etcd:v3@" DIGEST},
		{"busybox@" DIGEST, "docker.io/library/busybox@" DIGEST, "busybox@" DIGEST},
		{"MyHost/x", "MyHost/x:latest", "x:latest"},
		{"x:5000", "docker.io/library/x:5000", "x:5000"},
		{"quay.io/library/x", "quay.io/library/x:latest", "library/x:latest"},
		{"a." X64 "/x:" X128, "a." X64 "/x:" X128, "x:" X128},
		{"example.com/" X64 X64 X64 "/" X16 X16 "/12345678901234567",
			"example.com/" X64 X64 X64 "/" X16 X16 "/12345678901234567:latest",
			X64 X64 X64 "/" X16 X16 "/12345678901234567:latest"},
	};
	char buf[REFERENCE_TEXT_MAX];
	struct reference ref, again;
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(reference_parse(rows[i].text, &ref, &e), 0);
		assert_string_equal(reference_format(&ref, buf), rows[i].full);
		assert_int_equal(reference_parse(buf, &again, &e), 0);
		assert_memory_equal(&ref, &again, sizeof(ref));
		assert_string_equal(reference_short(&ref, buf), rows[i].brief);
	}
}

static void splits(void **state)
{
	struct reference ref;

	(void)state;
	assert_int_equal(reference_parse("h.io:1/p/q:t@" DIGEST, &ref, NULL), 0);
	assert_string_equal(ref.domain, "h.io:1");
	assert_string_equal(ref.path, "p/q");
	assert_string_equal(ref.tag, "t");
	assert_string_equal(ref.digest, DIGEST);
}

static void refuses(void **state)
{
	static const char *const bad[] = {
		"", ":", "@", "/", "//", ":tag", "@" DIGEST, "/x", "x/", "x//y", "x:", "x@",
		"x:a:b", "X", "Busybox", "docker.io/Busybox", "foo/Bar", "x.", ".x", "x..y", "x_",
		"_x", "x___y", "-x", "x-", "x._y", "x/.", "x/..", "../x", "x/../y", "./x", "x y",
		"x\ty", "x\n", "x%2fy", "x?y", "x#y", "x\\y", "h.io/../x", "..io/x", "h..io/x",
		"-h.io/x", "h-.io/x", "h.io-/x", "H.io /x", "H.io%/x", "H.io./x", "h.io:/x",
		"h.io:0/x", "h.io:65536/x", "h.io:080/x", "h.io:a/x", "h.io:1:2/x", "http://h.io/x",
		"user@h.io/x", "u:p@h.io/x", "[::1/x", "::1/x", "[::1]x/y", "[::1]:/x", "[]/x",
		"[127.0.0.1]/x", "[::1]:0/x", "[::1%25eth0]/x", "x:.a", "x:-a", "x:a/b", "x:a b",
		"x:" X128 "x", "x@sha256:12", "x@md5:d41d8cd98f00b204e9800998ecf8427e",
		"x@" DIGEST "@" DIGEST, "x@" DIGEST ":t", "x:\xc3\xa9", "\xc3\xa9", "x\x01",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		X128 "/" X64 "/" X64, /* 128+64+64+2, and docker.io/ before */
		"example.com/" X64 X64 X64 "/" X16 X16 "/123456789012345678",
		"localhost", /* is an image's name on docker.io: accepted below */
	};
	struct reference ref;
	struct err e;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]) - 1; i++) {
		e = (struct err){0};
		if (reference_parse(bad[i], &ref, &e) == 0)
			fail_msg("accepted \"%s\"", bad[i]);
		assert_true(e.code > 0 && e.text[0]);
		assert_int_equal(ref.domain[0] | ref.path[0] | ref.tag[0] | ref.digest[0], 0);
	}
	assert_int_equal(reference_parse("localhost", &ref, NULL), 0);
}

/* What is quoted back can't carry a terminal's control sequences or break a line. */
static void quotes_safely(void **state)
{
	struct reference ref;
	struct err e = {0};
	char text[1024];

	(void)state;
	assert_true(reference_parse("x\x1b[31m\nevil\"", &ref, &e) < 0);
	assert_non_null(strstr(e.text, "\"x?[31m?evil?\""));
	memset(text, 'A', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_true(reference_parse(text, &ref, &e) < 0);
	assert_true(strlen(e.text) < 200);
	assert_non_null(strstr(e.text, "lower case"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(normalises),
		cmocka_unit_test(splits),
		cmocka_unit_test(refuses),
		cmocka_unit_test(quotes_safely),
	};

	return cmocka_run_group_tests_name("reference", tests, NULL, NULL);
}
