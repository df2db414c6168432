/* SPDX-License-Identifier: MIT */
/*
 * Private copies of layers: whose they are, and that nothing is left of those that fail; needs
 * root.
 */
#include "mounter_world.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>

#include "imaged/copies.h"
#include "imaged/erofs_mount.h"

#define RUNNING 8 /* copies.c runs so many at once */

static const char a[] = "sha256:" HEX_A, b[] = "sha256:" HEX_B,
		  endless[] =
			  "sha256:eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee",
		  missing[] =
			  "sha256:0000000000000000000000000000000000000000000000000000000000000000";
static struct layer layer_a = {.digest = a, .diff_id = a},
		    layer_endless = {.digest = endless, .diff_id = endless};

struct outcome {
	struct loop *loop; /* to be stopped with it; NULL: it goes on */
	unsigned int calls;
	uint32_t n;
	int mounts[ROOTFS_MOUNTS_MAX];
	struct err e;
};

static void on_copied(void *arg, int *mounts, uint32_t n, const struct err *e)
{
	struct outcome *o = arg;

	o->calls++;
	o->n = n;
	o->e = e ? *e : (struct err){0};
	for (uint32_t i = 0; i < n; i++)
		o->mounts[i] = take_fd(&mounts[i]);
	if (o->loop)
		loop_stop(o->loop, 0);
}

static void close_mounts(struct outcome *o)
{
	while (o->n > 0)
		fd_close(&o->mounts[--o->n]);
}

static unsigned int files_in(const char *path)
{
	unsigned int n = 0;
	DIR *d = opendir(path);

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* A layer that takes hours to copy. */
static void make_endless(void)
{
	int fd = open(
		"images/layers/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee.erofs",
		O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(ftruncate(fd, 8L << 40), 0);
	close(fd);
}

static void wait_for_files(unsigned int n)
{
	for (int patience = 6000; files_in("images/tmp") != n; patience--) {
		assert_true(patience > 0);
		poll(NULL, 0, 10);
	}
}

static struct outcome copy_now(struct world *w, const struct image *image)
{
	struct outcome o = {.loop = loop_new()};
	struct copies *c = copies_new(o.loop);
	struct err e = {0};

	assert_non_null(c);
	if (copies_begin(c, "c1", image, w->userns, on_copied, &o, &e) < 0)
		fail_msg("%s", e.text);
	loop_run(o.loop);
	copies_free(c);
	loop_free(o.loop);
	assert_int_equal(o.calls, 1);
	assert_int_equal(files_in("images/tmp"), 0);
	return o;
}

static dev_t device_of(int fd)
{
	struct stat st;

	assert_erofs(fd);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_uid, UID_BASE);
	assert_int_equal(st.st_gid, UID_BASE);
	return st.st_dev;
}

/* File systems of their own have page caches of their own. */
static void each_container_has_its_own(void **state)
{
	struct layer v[] = {layer_a, {.digest = b, .diff_id = b}};
	struct image image = {.id = a, .layers = {v, 2}, .dirs = true};
	struct outcome one = copy_now(*state, &image), two = copy_now(*state, &image);
	struct world *w = *state;
	int shared[ROOTFS_MOUNTS_MAX];
	struct err e = {0};
	dev_t seen[9];
	uint32_t n, k = 0;

	assert_int_equal(one.e.code, 0);
	assert_int_equal(one.n, 3);
	assert_int_equal(two.n, 3);
	assert_int_equal(rootfs_open_layers(&image, w->userns, shared, &n, &e), 0);
	assert_int_equal(n, 3);
	for (uint32_t i = 0; i < 3; i++) {
		seen[k++] = device_of(one.mounts[i]);
		seen[k++] = device_of(two.mounts[i]);
		seen[k++] = device_of(shared[i]);
		close(shared[i]);
	}
	for (uint32_t i = 0; i < k; i++)
		for (uint32_t j = 0; j < i; j++)
			assert_int_not_equal(seen[i], seen[j]);
	rootfs_drop_layer(a);
	rootfs_drop_layer(b);
	rootfs_drop_dirs(a);
	close_mounts(&one);
	/* An opaque root hides what is below: that is not even copied. */
	v[1].opaque = true;
	one = copy_now(*state, &image);
	assert_int_equal(one.n, 2);
	close_mounts(&one);
	close_mounts(&two);
}

static void loop_device_outlives_the_name(void **state)
{
	_cleanup_fd_ int fd = -1;
	struct err e = {0};
	DIR *d;

	(void)state;
	make_layer("images/tmp/name");
	fd = erofs_mount_loop("images/tmp/name", &e);
	if (fd < 0)
		fail_msg("%s", e.text);
	assert_int_equal(unlink("images/tmp/name"), 0);
	assert_erofs(fd);
	d = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	assert_non_null(d);
	assert_non_null(readdir(d));
	closedir(d);
}

static void *mount_through_loops(void *arg)
{
	struct err *e = arg;

	for (unsigned int i = 0; i < 40 && !e->code; i++) {
		struct err why;
		_cleanup_fd_ int fd = erofs_mount_loop("images/layers/" HEX_A ".erofs", &why);

		if (fd < 0)
			*e = why;
	}
	return NULL;
}

static void threads_do_not_fight_for_loop_devices(void **state)
{
	struct err e[RUNNING] = {0};
	pthread_t t[RUNNING];

	(void)state;
	for (unsigned int i = 0; i < RUNNING; i++)
		assert_int_equal(pthread_create(&t[i], NULL, mount_through_loops, &e[i]), 0);
	for (unsigned int i = 0; i < RUNNING; i++)
		pthread_join(t[i], NULL);
	for (unsigned int i = 0; i < RUNNING; i++)
		if (e[i].code)
			fail_msg("%s", e[i].text);
}

static void a_failure_leaves_nothing(void **state)
{
	struct layer v[] = {layer_a, {.digest = missing, .diff_id = missing}};
	struct image image = {.layers = {v, 2}};
	struct outcome o = copy_now(*state, &image);
	int fd;

	assert_int_equal(o.n, 0);
	assert_string_equal(
		o.e.text, "layer sha256:000000000000: opening it: no such file or directory");
	fd = open(
		"images/layers/0000000000000000000000000000000000000000000000000000000000000000.erofs",
		O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 8192), 0);
	close(fd);
	o = copy_now(*state, &image);
	assert_int_equal(o.n, 0);
	assert_non_null(strstr(o.e.text, "layer sha256:000000000000: mounting its image: "));
}

static void what_is_no_userns_is_refused_at_once(void **state)
{
	struct image image = {.layers = {&layer_a, 1}};
	struct loop *l = loop_new();
	struct copies *c = copies_new(l);
	struct world *w = *state;
	struct err e = {0};

	assert_int_equal(copies_begin(c, "c1", &image, w->shared, on_copied, NULL, &e), -EINVAL);
	assert_string_equal(e.text, "userns: not a user namespace");
	copies_free(c);
	loop_free(l);
}

static void one_that_runs_can_be_called_off(void **state)
{
	struct layer v[] = {layer_a, layer_endless};
	struct image image = {.layers = {v, 2}};
	struct outcome o = {.loop = loop_new()};
	struct copies *c = copies_new(o.loop);
	struct world *w = *state;
	struct err e = {0};

	make_endless();
	assert_int_equal(copies_begin(c, "c1", &image, w->userns, on_copied, &o, &e), 0);
	wait_for_files(1);
	copies_cancel(c, "c2");
	assert_int_equal(files_in("images/tmp"), 1);
	copies_cancel(c, "c1");
	loop_run(o.loop);
	assert_int_equal(o.calls, 1);
	assert_int_equal(o.n, 0);
	assert_int_equal(o.e.code, ECANCELED);
	assert_string_equal(o.e.text, "layer sha256:eeeeeeeeeeee: called off while it was copied");
	assert_int_equal(files_in("images/tmp"), 0);
	copies_free(c);
	loop_free(o.loop);
}

/* So many at once, the next ones wait; the end of all calls nobody and leaves nothing. */
static void those_that_wait(void **state)
{
	struct image image = {.layers = {&layer_endless, 1}}, small = {.layers = {&layer_a, 1}};
	struct outcome running = {0}, waiting = {0}, next = {.loop = loop_new()};
	struct copies *c = copies_new(next.loop);
	struct world *w = *state;
	struct err e = {0};

	make_endless();
	for (unsigned int i = 0; i < RUNNING; i++)
		assert_int_equal(copies_begin(c, i ? "rest" : "first", &image, w->userns, on_copied,
					 &running, &e),
			0);
	assert_int_equal(copies_begin(c, "off", &image, w->userns, on_copied, &waiting, &e), 0);
	assert_int_equal(copies_begin(c, "next", &small, w->userns, on_copied, &next, &e), 0);
	wait_for_files(RUNNING);
	copies_cancel(c, "off");
	assert_int_equal(waiting.calls, 1);
	assert_int_equal(waiting.e.code, ECANCELED);
	assert_int_equal(next.calls, 0);
	copies_cancel(c, "first");
	loop_run(next.loop);
	assert_int_equal(running.calls, 1);
	assert_int_equal(next.calls, 1);
	assert_int_equal(next.n, 1);
	close_mounts(&next);
	copies_free(c);
	assert_int_equal(running.calls, 1);
	assert_int_equal(files_in("images/tmp"), 0);
	loop_free(next.loop);
}

MOUNTER_TESTS(cmocka_unit_test(each_container_has_its_own),
	cmocka_unit_test(loop_device_outlives_the_name),
	cmocka_unit_test(threads_do_not_fight_for_loop_devices),
	cmocka_unit_test(a_failure_leaves_nothing),
	cmocka_unit_test(what_is_no_userns_is_refused_at_once),
	cmocka_unit_test(one_that_runs_can_be_called_off), cmocka_unit_test(those_that_wait))
