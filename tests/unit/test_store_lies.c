/* SPDX-License-Identifier: MIT */
/*
 * What a worker that lies may not do to the store: an image that it can still write to, of another
 * length or another kind than it says; an id that means something else from now on.
 */
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "imaged/erofs_judge.h"
#include "imaged/layer.h"
#include "proto/frame.h"
#include "store_place.h"

#define D(c)  "sha256:" c c c c c c c c c c c c c c c c
#define ONE   D("1111")
#define TWO   D("2222")
#define IMAGE D("aaaa")

/* A file as a worker gets it, and fills it. */
static int begin(struct place *p, const struct erofs_super_block *sb)
{
	struct err e;
	int fd = store_layer_begin(p->store, ONE, p->name, &e);

	assert_true(fd >= 0);
	assert_int_equal(image_file_write(fd, sb, "layer"), 0);
	return fd;
}

static int commit(struct place *p, uint64_t bytes, struct err *e)
{
	const struct layer l = {.digest = ONE, .diff_id = ONE, .size = 1};

	*e = (struct err){0};
	return store_layer_commit(p->store, p->name, bytes, &l, e);
}

static void assert_refused(struct place *p, uint64_t bytes, const char *text)
{
	const struct layer l = {.digest = ONE, .diff_id = ONE, .size = 1};
	struct err e;

	assert_true(commit(p, bytes, &e) < 0);
	assert_string_equal(e.text, text);
	assert_int_equal(store_has_layer(p->store, &l, &e), 0);
	/* Not even under its first name. */
	assert_int_equal(commit(p, bytes, &e), -ENOENT);
}

static void image_that_a_worker_holds_is_refused(void **state)
{
	const struct erofs_super_block sb = image_super();
	struct place *p = *state;
	struct err e;
	void *map;
	int fd = begin(p, &sb);

	assert_refused(p, IMAGE_FILE_BYTES, "its image can still be written to");
	close(fd);
	/* The mapping alone is enough to write by, and holds the file. */
	fd = begin(p, &sb);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(map != MAP_FAILED);
	close(fd);
	assert_refused(p, IMAGE_FILE_BYTES, "its image can still be written to");
	munmap(map, 4096);
	fd = begin(p, &sb);
	close(fd);
	assert_int_equal(commit(p, IMAGE_FILE_BYTES, &e), 0);
}

/* Put aside in a socket that nobody reads. */
static void image_on_its_way_somewhere_is_refused(void **state)
{
	const struct erofs_super_block sb = image_super();
	struct place *p = *state;
	int pair[2], fd = begin(p, &sb);

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(frame_send_raw(pair[0], (const uint8_t *)"x", 1, &fd, 1), 0);
	close(fd);
	close(pair[0]);
	assert_refused(p, IMAGE_FILE_BYTES, "its image can still be written to");
	close(pair[1]);
}

static void length_must_be_what_was_said(void **state)
{
	const struct erofs_super_block sb = image_super();
	static const uint64_t lies[] = {0, 1, 4096, IMAGE_FILE_BYTES - 1, IMAGE_FILE_BYTES + 1,
		IMAGE_FILE_BYTES * 2, UINT64_MAX};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		close(begin(p, &sb));
		assert_refused(p, lies[i], "its image is not as long as the unpack worker says");
	}
}

/* Each number of the super block that decides what the kernel goes on to read. */
static void other_kinds_of_image_are_refused(void **state)
{
	static const size_t decides[] = {
		offsetof(struct erofs_super_block, magic),
		offsetof(struct erofs_super_block, feature_compat),
		offsetof(struct erofs_super_block, block_bits),
		offsetof(struct erofs_super_block, ext_slots),
		offsetof(struct erofs_super_block, blocks),
		offsetof(struct erofs_super_block, meta_block),
		offsetof(struct erofs_super_block, xattr_block),
		offsetof(struct erofs_super_block, feature_incompat),
		offsetof(struct erofs_super_block, reserved),
		offsetof(struct erofs_super_block, reserved) + 6,
		offsetof(struct erofs_super_block, reserved) + 43,
	};
	struct place *p = *state;

	for (size_t i = 0; i < sizeof(decides) / sizeof(decides[0]); i++)
		for (unsigned int bit = 0; bit < 8; bit++) {
			struct erofs_super_block sb = image_super();

			((uint8_t *)&sb)[decides[i]] ^= (uint8_t)(1U << bit);
			close(begin(p, &sb));
			assert_refused(p, IMAGE_FILE_BYTES,
				"its image is not of the kind that unpacking makes");
		}
}

/* What the real unpacker writes passes, or nothing could be pulled. */
static void own_images_pass(void **state)
{
	struct place *p = *state;
	struct layer_result found;
	char zeros[1024] = {0};
	struct err e = {0};
	int ends[2], fd = store_layer_begin(p->store, ONE, p->name, &e);

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fd_write_all(ends[1], zeros, sizeof(zeros)), 0);
	close(ends[1]);
	assert_int_equal(layer_unpack(ends[0], fd, &layer_limits_default, &found, &e), 0);
	close(ends[0]);
	close(fd);
	if (commit(p, found.image_bytes, &e) < 0)
		fail_msg("%s", e.text);
}

static int put(struct place *p, const char *blob, const char *env, const char *ref, struct err *e)
{
	struct layer l = {.digest = blob, .diff_id = ONE, .size = 1};
	struct image_config config = {.env = {&env, 1}};
	struct image image = {.id = IMAGE, .layers = {&l, 1}, .config = &config};
	bool is_new;

	return store_put(p->store, &image, ref, &is_new, e);
}

/* A fetch worker may say of any registry's image that it has the id of one that is here. */
static void id_keeps_its_meaning(void **state)
{
	const struct erofs_super_block sb = image_super();
	const struct layer two = {.digest = TWO, .diff_id = ONE, .size = 1};
	struct place *p = *state;
	const struct image *image;
	struct err e;

	close(begin(p, &sb));
	assert_int_equal(commit(p, IMAGE_FILE_BYTES, &e), 0);
	close(begin(p, &sb));
	assert_int_equal(store_layer_commit(p->store, p->name, IMAGE_FILE_BYTES, &two, &e), 0);
	assert_int_equal(put(p, ONE, "A=good", REF_X, &e), 0);
	assert_int_equal(put(p, TWO, "LD_PRELOAD=/evil", REF_Y, &e), 0);
	image = store_by_ref(p->store, REF_X);
	assert_ptr_equal(image, store_by_ref(p->store, REF_Y));
	assert_string_equal(image->config->env.v[0], "A=good");
	assert_string_equal(image->layers.v[0].digest, ONE);
}

#define LIE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIE_TEST(image_that_a_worker_holds_is_refused),
		LIE_TEST(image_on_its_way_somewhere_is_refused),
		LIE_TEST(length_must_be_what_was_said),
		LIE_TEST(other_kinds_of_image_are_refused),
		LIE_TEST(own_images_pass),
		LIE_TEST(id_keeps_its_meaning),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
