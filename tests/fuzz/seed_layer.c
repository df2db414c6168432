/* SPDX-License-Identifier: MIT */
/*
 * Writes seeds for fuzz_layer into the directory named as argument: small archives with every kind
 * of entry, plain, gzip and zstd.
 */
#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include "base/fd.h"
#include "../unit/tar_builder.h"

static void record(struct tar *r, const char *key, const char *value)
{
	tar_record(r, key, value, strlen(value));
}

static void seed_kinds(struct tar *t)
{
	tar_dir(t, "./");
	tar_dir(t, "d/");
	tar_file(t, "d/f", "content of a file");
	tar_link(t, '2', "s", "d/f");
	tar_link(t, '1', "h", "d/f");
	tar_link(t, '1', "early", "late");
	tar_file(t, "late", "");
	tar_add(t, (struct tar_head){.type = '3', .name = "c", .major = 1, .minor = 3});
	tar_add(t, (struct tar_head){.type = '6', .name = "p"});
	tar_file(t, ".wh.gone", "");
	tar_file(t, "d/.wh..wh..opq", "");
}

/* An entry through a link. */
static void seed_through(struct tar *t)
{
	tar_link(t, '2', "s", "d");
	tar_file(t, "s/x", "");
}

static void seed_pax(struct tar *t)
{
	struct tar r = {0};

	record(&r, "path", "a/long/path");
	record(&r, "mtime", "1.5");
	record(&r, "uid", "70000");
	record(&r, "SCHILY.xattr.user.x", "value");
	record(&r, "SCHILY.xattr.system.posix_acl_access", "acl");
	tar_pax(t, &r);
	tar_file(t, "f", "x");
	tar_add(t, (struct tar_head){.type = 'L', .name = "L", .data = "gnu/name", .size = 8});
	tar_file(t, "f", "y");
	tar_add(t, (struct tar_head){
			   .type = 'g', .name = "g", .data = "19 comment=nothing\n", .size = 19});
}

static void seed_sparse(struct tar *t)
{
	struct tar r = {0};

	record(&r, "GNU.sparse.size", "70000");
	record(&r, "GNU.sparse.numblocks", "1");
	record(&r, "GNU.sparse.map", "65536,5");
	record(&r, "GNU.sparse.name", "sparse");
	tar_pax(t, &r);
	tar_file(t, "x", "later");
}

/* The map is the first block of the data. */
static void seed_sparse_1(struct tar *t)
{
	static const char data[512 + 5] = "1\n8192\n5\n";
	struct tar r = {0};

	record(&r, "GNU.sparse.major", "1");
	record(&r, "GNU.sparse.minor", "0");
	record(&r, "GNU.sparse.realsize", "9000");
	tar_pax(t, &r);
	tar_add(t, (struct tar_head){.type = '0', .name = "y", .data = data, .size = sizeof(data)});
}

/* A root that the kernel lets only its owner into: its ACL is none. */
static void seed_closed(struct tar *t)
{
	struct tar r = {0};

	record(&r, "uid", "70000");
	record(&r, "SCHILY.xattr.system.posix_acl_access", "acl");
	tar_pax(t, &r);
	tar_dir(t, "./");
	tar_file(t, "f", "x");
}

static struct tar compress(const struct tar *t, bool gzip)
{
	struct tar out = {0};
	struct isal_zstream z = {0};
	uint8_t *p = tar_grow(&out, t->n + 4096);

	if (!gzip) {
		out.n = ZSTD_compress(p, out.n, t->p, t->n, 1);
		return out;
	}
	isal_deflate_stateless_init(&z);
	z.gzip_flag = IGZIP_GZIP;
	z.end_of_stream = 1;
	z.next_in = t->p;
	z.avail_in = (uint32_t)t->n;
	z.next_out = p;
	z.avail_out = (uint32_t)out.n;
	isal_deflate_stateless(&z);
	out.n = z.total_out;
	return out;
}

static int save(int dir, const char *name, const char *how, const struct tar *t)
{
	char path[64];
	int fd, r;

	snprintf(path, sizeof(path), "%s.%s", name, how);
	fd = openat(dir, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	r = fd_write_all(fd, "", 1);
	if (!r)
		r = fd_write_all(fd, t->p, t->n);
	close(fd);
	return r;
}

static int seed(int dir, const char *name, void (*make)(struct tar *t))
{
	struct tar t = {0}, g, z;
	int r;

	make(&t);
	tar_end(&t);
	g = compress(&t, true);
	z = compress(&t, false);
	r = save(dir, name, "tar", &t);
	if (!r)
		r = save(dir, name, "gz", &g);
	if (!r)
		r = save(dir, name, "zst", &z);
	tar_free(&t);
	tar_free(&g);
	tar_free(&z);
	return r;
}

int main(int argc, char **argv)
{
	int dir = argc == 2 ? open(argv[1], O_DIRECTORY | O_RDONLY | O_CLOEXEC) : -1;

	if (dir < 0) {
		fprintf(stderr, "usage: seed_layer DIRECTORY\n");
		return 2;
	}
	return seed(dir, "kinds", seed_kinds) || seed(dir, "through", seed_through) ||
	       seed(dir, "pax", seed_pax) || seed(dir, "sparse", seed_sparse) ||
	       seed(dir, "sparse_1", seed_sparse_1) || seed(dir, "closed", seed_closed);
}
