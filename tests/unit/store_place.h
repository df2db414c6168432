/* SPDX-License-Identifier: MIT */
/*
 * A store in a directory of its own, with layers and images made up of letters.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "digest_text.h"
#include "image_file.h"
#include "imaged/images.h"
#include "imaged/reference.h"
#include "imaged/store.h"
#include "imaged/usage.h"
#include "proto/base/fd.h"

struct place {
	char path[64];
	int dir;
	struct store *store;
	char name[STORE_TMP_NAME]; /* of a layer on its way, for tests that stop there */
};

static inline int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	struct err e;

	assert_non_null(p);
	strcpy(p->path, "/tmp/bulkhead-store-XXXXXX");
	assert_non_null(mkdtemp(p->path));
	p->dir = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(p->dir >= 0);
	assert_int_equal(store_open(p->dir, "this boot", &p->store, &e), 0);
	*state = p;
	return 0;
}

static inline int teardown(void **state)
{
	struct place *p = *state;
	char cmd[TEXT_MAX];

	store_free(p->store);
	fd_close(&p->dir);
	snprintf(cmd, sizeof(cmd), "rm -rf %s", p->path);
	assert_int_equal(system(cmd), 0);
	free(p);
	return 0;
}

static inline void reopen(struct place *p)
{
	struct err e;

	store_free(p->store);
	assert_int_equal(store_open(p->dir, "this boot", &p->store, &e), 0);
}

static inline bool file_exists(struct place *p, const char *dir, char c)
{
	bool layer = strcmp(dir, "records") != 0;
	char path[256], d[TEXT_MAX];

	snprintf(path, sizeof(path), "%s/%s%s", dir, digest(c, d) + 7, layer ? ".erofs" : "");
	return faccessat(p->dir, path, F_OK, 0) == 0;
}

/* A layer of 8 KiB whose diff id is that of `diff`. */
static inline void add_layer(struct place *p, char c, char diff)
{
	char name[STORE_TMP_NAME], d[TEXT_MAX], x[TEXT_MAX];
	struct layer l = {.digest = digest(c, d), .diff_id = digest(diff, x), .size = 1};
	struct err e;
	int fd = store_layer_begin(p->store, d, name, &e);

	assert_true(fd >= 0);
	assert_int_equal(image_file_plain(fd, "layer"), 0);
	close(fd);
	assert_int_equal(store_layer_commit(p->store, name, IMAGE_FILE_BYTES, &l, &e), 0);
}

/* An image of the layers named in `layers`, each letter one layer, the same letter being its diff
 * id. */
static inline int put_image(
	struct place *p, char id, const char *layers, const char *ref, bool *ret_new, struct err *e)
{
	char i[TEXT_MAX], d[8][TEXT_MAX];
	struct layer v[8];
	struct image_config config = {.os = "linux", .architecture = "amd64"};
	struct image image = {.id = digest(id, i), .config = &config, .pulled_at = 7};

	for (uint32_t n = 0; layers[n]; n++) {
		v[n] = (struct layer){
			.digest = digest(layers[n], d[n]), .diff_id = d[n], .size = 1};
		image.layers.n = n + 1;
	}
	image.layers.v = v;
	return store_put(p->store, &image, ref, ret_new, e);
}

static inline void add_image(struct place *p, char id, const char *layers, const char *ref)
{
	struct err e = {0};
	char d[TEXT_MAX];
	bool is_new;

	for (const char *l = layers; *l; l++) {
		struct layer probe = {.digest = digest(*l, d), .diff_id = d};

		if (store_has_layer(p->store, &probe, &e) == 0)
			add_layer(p, *l, *l);
	}
	assert_int_equal(put_image(p, id, layers, ref, &is_new, &e), 0);
	assert_true(is_new);
}

static inline const char *found(struct place *p, const char *text)
{
	const struct image *image;
	struct err e;

	return store_find(p->store, text, &image, NULL, &e) == 0 ? image->id : NULL;
}

static inline int find_error(struct place *p, const char *text, struct err *e)
{
	const struct image *image;

	return store_find(p->store, text, &image, NULL, e);
}

static inline void write_file(struct place *p, const char *path, const char *text)
{
	int fd = openat(p->dir, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	close(fd);
}

static inline unsigned int count_marks(struct place *p)
{
	int fd = openat(p->dir, "unsettled", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* Records as they were before, kept until the newer ones are on the disk. */
static inline unsigned int count_old(struct place *p)
{
	int fd = openat(p->dir, "records", O_RDONLY | O_DIRECTORY);
	DIR *d = fdopendir(fd);
	unsigned int n = 0;
	struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)))
		n += strstr(de->d_name, ".old") != NULL;
	closedir(d);
	return n;
}

static inline void assert_settles(struct place *p)
{
	for (int i = 0; i < 6000 && count_marks(p) > 0; i++)
		usleep(10000);
	assert_int_equal(count_marks(p), 0);
}

#define REF_X "docker.io/library/x:latest"
#define REF_Y "127.0.0.1:5000/y:2"

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
