/* SPDX-License-Identifier: MIT */
/*
 * partial/HEX, by the digest of a blob: what has come of it so far, kept until its image has its
 * record. A fetch worker writes it and the next one reads it, so it is a registry's word, believed
 * by nobody before the digest over all of it holds. There is no promise that it stays.
 */
#include "store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../proto/base/log.h"

#define PARTIALS_MAX	   128 /* as many as layers of an image, */
#define PARTIALS_BYTES_MAX (16ULL << 30)
#define PARTIAL_AGE_MAX	   (7 * 24 * 3600) /* seconds since something came */

static void drop(struct store *s, const char *name)
{
	unlinkat(s->partial_dir, name, 0);
}

void store_partial_drop(struct store *s, const char *digest)
{
	drop(s, digest_hex(digest));
}

int store_partial_open(struct store *s, const char *digest, uint64_t size)
{
	const char *name = digest_hex(digest);
	struct stat st;
	int fd;

	for (int tries = 0; tries < 2; tries++) {
		fd = openat(s->partial_dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
			(uint64_t)st.st_size <= size)
			return fd;
		fd_close(&fd);
		store_partial_drop(s, digest);
	}
	log_warn("layer %.19s: can't be kept while it comes: %s", digest, strerrordesc_np(errno));
	return -1;
}

void store_partial_settle(struct store *s, const char *digest)
{
	struct stat st;

	if (fstatat(s->partial_dir, digest_hex(digest), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		st.st_size == 0)
		store_partial_drop(s, digest);
}

void store_partials_drop(struct store *s)
{
	struct err e;

	if (store_each_name(s->partial_dir, drop, s, &e) < 0)
		log_warn("%s", e.text);
}

static bool names_blob(const char *name, char digest[DIGEST_TEXT_MAX])
{
	snprintf(digest, DIGEST_TEXT_MAX, DIGEST_PREFIX "%.64s", name);
	return strlen(name) == 64 && digest_valid(digest);
}

static void count(struct store *s, const char *name)
{
	struct partials *all = &s->partials;
	char digest[DIGEST_TEXT_MAX];
	struct stat st;

	if (fstatat(s->partial_dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (!names_blob(name, digest) || store_layer(s, digest) ||
		st.st_mtime < time(NULL) - PARTIAL_AGE_MAX) {
		drop(s, name);
		return;
	}
	if (all->n++ == 0 || st.st_mtime < all->oldest_at) {
		all->oldest_at = st.st_mtime;
		digest_copy(all->oldest, digest);
	}
	all->bytes += (uint64_t)st.st_blocks * 512;
}

int store_partials_sweep(struct store *s, struct err *e)
{
	for (unsigned int i = 0; i <= 2 * PARTIALS_MAX; i++) {
		s->partials = (struct partials){0};
		if (store_each_name(s->partial_dir, count, s, e) < 0)
			return -e->code;
		if (s->partials.n <= PARTIALS_MAX && s->partials.bytes <= PARTIALS_BYTES_MAX)
			return 0;
		store_partial_drop(s, s->partials.oldest);
	}
	return 0;
}
