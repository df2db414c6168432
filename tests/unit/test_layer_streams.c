/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of layer_unpack(): what entries come in, compressed, cut into members and frames, slow
 * or damaged.
 */
#include <openssl/evp.h>
#include <signal.h>
#include <sys/wait.h>

#include "packed.h"

static void assert_sha256(const char *diff_id, const void *p, size_t n)
{
	char text[72] = "sha256:";
	uint8_t md[32];

	assert_int_equal(EVP_Digest(p, n, md, NULL, EVP_sha256(), NULL), 1);
	for (size_t i = 0; i < sizeof(md); i++)
		snprintf(text + 7 + 2 * i, 3, "%02x", md[i]);
	assert_string_equal(diff_id, text);
}

static void assert_same_content(const void *p, size_t n, const struct tar *plain, const char *name)
{
	struct unpacked u, v;

	if (unpack(&u, p, n))
		fail_msg("%s: %s", name, u.e.text);
	assert_int_equal(unpack(&v, plain->p, plain->n), 0);
	assert_sha256(u.result.diff_id, plain->p, plain->n);
	assert_int_equal(u.result.in_bytes, n);
	assert_int_equal(u.result.out_bytes, plain->n);
	assert_int_equal(u.r.size, v.r.size);
	assert_memory_equal(u.map, v.map, u.r.size);
	unpacked_free(&u);
	unpacked_free(&v);
}

static void test_compressions(_unused_ void **state)
{
	static const uint8_t skippable[] = {0x53, 0x2a, 0x4d, 0x18, 4, 0, 0, 0, 'm', 'e', 't', 'a'};
	struct tar t, a, b, both = {0};
	static const size_t cuts[] = {1, 100, 512, 513, 4096};

	sample(&t);
	a = gzip(t.p, t.n);
	assert_same_content(a.p, a.n, &t, "gzip");
	append(&a, "\0\0\0\0\0\0\0", 7);
	assert_same_content(a.p, a.n, &t, "gzip and zeros");
	tar_free(&a);
	a = zstd(t.p, t.n);
	assert_same_content(a.p, a.n, &t, "zstd");
	append(&both, skippable, sizeof(skippable));
	append(&both, a.p, a.n);
	append(&both, skippable, sizeof(skippable));
	assert_same_content(both.p, both.n, &t, "zstd and skippable frames");
	tar_free(&both);
	tar_free(&a);
	for (size_t i = 0; i < 2 * ARRAY_LEN(cuts); i++) {
		size_t cut = cuts[i / 2];

		a = i % 2 ? gzip(t.p, cut) : zstd(t.p, cut);
		b = i % 2 ? gzip(t.p + cut, t.n - cut) : zstd(t.p + cut, t.n - cut);
		append(&both, a.p, a.n);
		append(&both, b.p, b.n);
		assert_same_content(both.p, both.n, &t, i % 2 ? "two members" : "two frames");
		tar_free(&a);
		tar_free(&b);
		tar_free(&both);
	}
	tar_free(&t);
}

/* Writes in pieces of `step` bytes from a child; true if it could write all. */
static int feed(const struct tar *t, size_t step, pid_t *ret_pid)
{
	int p[2];

	assert_int_equal(pipe(p), 0);
	*ret_pid = fork();
	assert_true(*ret_pid >= 0);
	if (*ret_pid == 0) {
		close(p[0]);
		signal(SIGPIPE, SIG_IGN);
		for (size_t at = 0; at < t->n; at += step) {
			if (fd_write_all(p[1], t->p + at, MIN(step, t->n - at)) < 0)
				_exit(1);
		}
		_exit(0);
	}
	close(p[1]);
	return p[0];
}

static void assert_fed(const struct tar *in, size_t step, const struct tar *plain)
{
	struct unpacked u;
	int status, fd;
	pid_t pid;

	fd = feed(in, step, &pid);
	assert_int_equal(unpack_fd(&u, fd, &layer_limits_default), 0);
	close(fd);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_sha256(u.result.diff_id, plain->p, plain->n);
	unpacked_free(&u);
}

static void test_slow_pipe(_unused_ void **state)
{
	struct tar t, a, both = {0};

	sample(&t);
	for (int i = 0; i < 3; i++) {
		size_t cut = t.n / 3;

		a = gzip(t.p, cut);
		append(&both, a.p, a.n);
		tar_free(&a);
		a = gzip(t.p + cut, t.n - cut);
		append(&both, a.p, a.n);
		tar_free(&a);
		assert_fed(&both, (size_t)(1 + 6 * i), &t);
		tar_free(&both);
	}
	a = zstd(t.p, t.n);
	assert_fed(&a, 1, &t);
	assert_fed(&t, 1, &t);
	tar_free(&a);
	tar_free(&t);
}

/* Padding after the archive belongs to the digest, and the sender must get rid of it. */
static void test_reads_to_the_end(_unused_ void **state)
{
	struct tar t, z;

	sample(&t);
	tar_grow(&t, 3 << 20);
	append(&t, "not zeros", 9);
	assert_fed(&t, t.n, &t);
	z = gzip(t.p, t.n);
	assert_fed(&z, z.n, &t);
	tar_free(&z);
	tar_free(&t);
}

static void test_damage(_unused_ void **state)
{
	struct tar t, z, g;
	struct unpacked u;

	sample(&t);
	z = zstd(t.p, t.n);
	g = gzip(t.p, t.n);
	for (size_t n = 4; n < g.n; n += 1 + g.n / 50)
		assert_refused(g.p, n, EBADMSG, "truncated gzip stream");
	assert_refused(g.p, g.n - 1, EBADMSG, "truncated gzip stream");
	for (size_t n = 4; n < z.n; n += 1 + z.n / 50)
		assert_refused(z.p, n, EBADMSG, "truncated zstd stream");
	assert_refused(t.p, 1024 + 512 + 700, EBADMSG, "truncated tar");
	assert_refused(t.p, 700, EBADMSG, "truncated tar");
	assert_refused("BZh91AY&SY", 10, EBADMSG, "not a gzip, zstd or tar stream");
	assert_refused("\xfd"
		       "7zXZ\0",
		6, EBADMSG, "not a gzip, zstd or tar stream");
	assert_refused("x", 1, EBADMSG, "not a gzip, zstd or tar stream");
	g.p[g.n - 5] ^= 1;
	assert_refused(g.p, g.n, EBADMSG, "damaged gzip stream: checksum mismatch");
	g.p[g.n - 5] ^= 1;
	append(&g, "trash", 5);
	assert_refused(g.p, g.n, EBADMSG, "garbage after its gzip stream");
	append(&z, "trash", 5);
	assert_int_equal(unpack(&u, z.p, z.n), -EBADMSG);
	t.p[512 + 100] ^= 1;
	assert_int_equal(unpack(&u, t.p, t.n), -EBADMSG);
	tar_free(&t);
	tar_free(&z);
	tar_free(&g);
}

static void test_empty(_unused_ void **state)
{
	struct tar t = {0}, z;
	struct unpacked u;

	tar_end(&t);
	z = gzip(t.p, t.n);
	assert_int_equal(unpack(&u, t.p, t.n), 0);
	assert_int_equal(u.result.inodes, 1);
	assert_int_equal(get(&u, "").mode, S_IFDIR | 0755);
	unpacked_free(&u);
	assert_int_equal(unpack(&u, z.p, z.n), 0);
	assert_string_equal(u.result.diff_id,
		"sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
	unpacked_free(&u);
	tar_free(&t);
	tar_free(&z);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compressions),
		cmocka_unit_test(test_slow_pipe),
		cmocka_unit_test(test_reads_to_the_end),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
