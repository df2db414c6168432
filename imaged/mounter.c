/* SPDX-License-Identifier: MIT */
/*
 * imaged's main process: keeps images and hands out what root filesystems are made of. It holds
 * SYS_ADMIN and therefore never looks at a byte that came from a registry: those go from one worker
 * to another, and only the kernel reads what they become. Trusts the supervisor's messages in form
 * only.
 */
#include "imaged.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../proto/base/fd.h"
#include "../proto/base/sandbox.h"
#include "../proto/daemon.h"
#include "copies.h"
#include "device.h"
#include "debug_workers.h"
#include "erofs_mount.h"
#include "images.h"
#include "pull.h"
#include "rootfs.h"
#include "settle.h"
#include "usage.h"

#define IDLE_MS	       10000 /* then a worker's memory is worth more than its start */
#define UNPACK_MAX     4
#define CHECK_MS       30000
#define CERTS_MAX_ARGS 16
#define BOOT_ID	       "/proc/sys/kernel/random/boot_id"

struct mounter {
	struct loop *loop;
	struct chan *chan;
	struct mntns *mntns;
	struct store *store;
	struct pulls *pulls;
	struct copies *copies;
	struct watch *check;
	int mounts_files; /* without loop devices: 1, 0; negative: not known yet */
};

static void on_image_pull(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct mounter *m = self;

	(void)f;
	pulls_start(m->pulls, c, id, msg);
}

static void on_image_cancel(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct mounter *m = self;

	(void)msg;
	(void)f;
	pulls_cancel(m->pulls, c, id);
}

static void on_image_list(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct image_list *q = msg;
	struct image images[IMAGES_PER_LIST];
	struct image_listed answer;
	struct mounter *m = self;

	(void)f;
	if (!q->after)
		images_check(m->store);
	images_list(m->store, q->after, images, &answer);
	chan_reply(c, id, MSG_image_listed, &answer);
}

static void on_image_inspect(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct image_inspect *q = msg;
	const struct image *image;
	struct mounter *m = self;
	struct image copy;
	struct err e;
	int r = store_find(m->store, q->ref, &image, NULL, &e);

	(void)f;
	if (r == 0 && store_damaged(m->store, image, &e)) {
		images_check(m->store);
		r = store_find(m->store, q->ref, &image, NULL, &e);
	}
	if (r < 0) {
		chan_fail(c, id, &e);
		return;
	}
	store_touch(m->store, image->id, time_now_ns());
	copy = *image;
	chan_reply(c, id, MSG_image_inspected, &(struct image_inspected){.image = &copy});
}

static void on_image_remove(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct image_removed answer = {0};
	struct mounter *m = self;
	struct err e;

	if (images_remove(m->store, msg, &f->arena, &answer, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_image_removed, &answer);
}

static void on_image_usage(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct image_usage *q = msg;
	struct image_usage_is answer;
	struct mounter *m = self;
	struct err e;

	(void)f;
	if (usage_tell(m->store, &q->in_use, &answer, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_image_usage_is, &answer);
}

static void on_image_collect(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	struct image_collected answer;
	struct mounter *m = self;
	struct err e;

	(void)f;
	if (usage_collect(m->store, m->pulls, msg, &answer, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_image_collected, &answer);
}

/* A rootfs_open that is to be answered. */
struct opening {
	struct chan *chan;
	uint32_t id;
	char container[65];
};

static void answer_rootfs(
	const struct opening *o, int *layers, uint32_t n, const struct err *failure)
{
	MSG_DECLARE(rootfs_opened, answer);
	struct err e = failure ? *failure : (struct err){0};

	answer.layers = (struct fdv){layers, n};
	if (!failure)
		answer.writable = rootfs_make_writable(o->container, &e);
	if (answer.writable >= 0)
		chan_reply(o->chan, o->id, MSG_rootfs_opened, &answer);
	else
		chan_fail(o->chan, o->id, &e);
	fd_close(&answer.writable);
}

static void on_copied(void *arg, int *mounts, uint32_t n, const struct err *e)
{
	struct opening *o = arg;

	answer_rootfs(o, mounts, n, e);
	free(o);
}

static int copy_rootfs(struct mounter *m, const struct opening *o, const struct image *image,
	int userns, struct err *e)
{
	struct opening *kept = malloc(sizeof(*kept));
	int r;

	if (!kept)
		return err_set(e, ENOMEM, "out of memory");
	*kept = *o;
	r = copies_begin(m->copies, o->container, image, userns, on_copied, kept, e);
	if (r < 0)
		free(kept);
	return r;
}

static void on_rootfs_open(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct rootfs_open *q = msg;
	struct mounter *m = self;
	const struct image *image = store_by_id(m->store, q->image_id);
	struct opening o = {.chan = c, .id = id};
	int layers[ROOTFS_MOUNTS_MAX], r;
	struct err e = {0};
	uint32_t n = 0;

	(void)f;
	snprintf(o.container, sizeof(o.container), "%s", q->container);
	if (!image)
		r = err_set(
			&e, ENOENT, "image %.19s is not here any more; pull it again", q->image_id);
	else if (q->isolated)
		r = copy_rootfs(m, &o, image, q->userns, &e);
	else
		r = rootfs_open_layers(image, q->userns, layers, &n, &e);
	if (r < 0 && image)
		images_check(m->store);
	if (r < 0 || !q->isolated)
		answer_rootfs(&o, layers, n, r < 0 ? &e : NULL);
	while (n > 0)
		fd_close(&layers[--n]);
}

static void on_rootfs_cancel(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct rootfs_cancel *q = msg;
	struct mounter *m = self;

	(void)c;
	(void)id;
	(void)f;
	copies_cancel(m->copies, q->container);
}

static void on_mount_map(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct mount_map *q = msg;
	struct mounter *m = self;
	MSG_DECLARE(mount_mapped, answer);
	struct err e;
	int r;

	(void)f;
	if (q->device)
		r = device_map(m->mntns, q, &answer, &e);
	else
		answer.tree = r = rootfs_map_host(m->mntns, q, &e);
	if (r < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_mount_mapped, &answer);
	fd_close(&answer.tree);
	fd_close(&answer.again);
}

static void on_rootfs_writable(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct rootfs_writable *q = msg;
	MSG_DECLARE(rootfs_writable_opened, answer);
	struct err e;

	(void)self;
	(void)f;
	answer.writable = rootfs_open_writable(q->container, &e);
	if (answer.writable < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_rootfs_writable_opened, &answer);
	fd_close(&answer.writable);
}

static void on_rootfs_remove(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct rootfs_remove *q = msg;
	struct err e;

	(void)self;
	(void)f;
	if (rootfs_remove_writable(q->container, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_done(c, id);
}

static void on_rootfs_list(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct rootfs_list *q = msg;
	struct rootfs_listed answer;
	struct err e;

	(void)self;
	if (rootfs_list(q->after, &f->arena, &answer, &e) < 0)
		chan_fail(c, id, &e);
	else
		chan_reply(c, id, MSG_rootfs_listed, &answer);
}

static void on_worker_ready(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct worker_ready *q = msg;
	struct mounter *m = self;
	struct err e;

	(void)c;
	(void)id;
	if (workers_add(pulls_workers(m->pulls), q->kind, q->worker, frame_take_fd(f, q->channel),
		    &e) < 0)
		log_warn("%s", e.text);
}

/* Tried once, when first asked. */
static void on_facts(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	static const char *const found[] = {
		"this kernel, or the state directory's file system, needs loop devices",
		"an image file of the state directory is mounted as it is"};
	struct fact fact = {.name = "image files as mounts"};
	struct mounter *m = self;
	struct err e = {0};

	(void)msg;
	(void)f;
	if (m->mounts_files < 0)
		m->mounts_files = erofs_mounts_files("images/tmp/trial", &e);
	fact.level = m->mounts_files < 0 ? "missing" : m->mounts_files ? "ok" : "weaker";
	fact.found = m->mounts_files < 0 ? e.text : found[m->mounts_files];
	chan_reply(c, id, MSG_facts_are, &(struct facts_are){.facts = {&fact, 1}});
}

static const struct handler handlers[] = {
	{MSG_image_pull, on_image_pull},
	{MSG_image_cancel, on_image_cancel},
	{MSG_image_list, on_image_list},
	{MSG_image_inspect, on_image_inspect},
	{MSG_image_remove, on_image_remove},
	{MSG_image_usage, on_image_usage},
	{MSG_image_collect, on_image_collect},
	{MSG_rootfs_open, on_rootfs_open},
	{MSG_rootfs_cancel, on_rootfs_cancel},
	{MSG_mount_map, on_mount_map},
	{MSG_rootfs_writable, on_rootfs_writable},
	{MSG_rootfs_remove, on_rootfs_remove},
	{MSG_rootfs_list, on_rootfs_list},
	{MSG_worker_ready, on_worker_ready},
	{MSG_facts, on_facts},
	{0},
};

/* What happened to the store's files meanwhile; mounts are looked at when they are used. */
static void on_check(void *arg)
{
	struct mounter *m = arg;

	images_check(m->store);
	if (pulls_idle(m->pulls) && copies_idle(m->copies))
		store_sweep(m->store);
	timer_again(m->check, CHECK_MS);
}

static void want_worker(void *arg, const char *kind)
{
	struct mounter *m = arg;

	if (m->chan)
		chan_event(m->chan, MSG_worker_wanted, 0, &(struct worker_wanted){.kind = kind});
}

static void on_close(void *self, struct chan *c)
{
	struct mounter *m = self;

	(void)c;
	m->chan = NULL;
	loop_stop(m->loop, 0);
}

static void worker_is_over(void *arg, const char *kind, uint32_t name)
{
	struct mounter *m = arg;

	chan_event(
		m->chan, MSG_worker_over, 0, &(struct worker_over){.kind = kind, .worker = name});
}

/* As many as there are processors to run on. */
static unsigned int unpack_workers(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned int)MIN(CPU_COUNT(&set), UNPACK_MAX);
}

/* The state directory is opened while root may still go where others' directories lead. */
static int enter(
	struct mounter *m, const struct daemon_args *args, const char *state_dir, struct err *e)
{
	_cleanup_fd_ int images = -1, rootfs = -1;
	_cleanup_fd_ int dev = open("/dev", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *boot_id = NULL;
	_cleanup_fd_ int own = -1;
	int r = fd_read_file_at(AT_FDCWD, BOOT_ID, BOOT_ID_MAX - 1, &boot_id, NULL);

	if (r < 0)
		return err_errno(e, r, "reading %s", BOOT_ID);

	if (args->debug && mkdir(state_dir, 0711) < 0 && errno != EEXIST)
		return err_errno(e, errno, "making state directory %s", state_dir);
	images = mntns_own_dir(state_dir, "images", e);
	if (images < 0)
		return images;
	rootfs = mntns_own_dir(state_dir, "rootfs", e);
	if (rootfs < 0)
		return rootfs;
	r = priv_enter(&profile_mounter, args->uid, args->gid, e);
	if (r == 0)
		r = sandbox_paths(&profile_mounter, NULL, args->debug, e);
	if (r < 0)
		return r;
	r = mntns_enter(&(struct mntns_dirs){images, rootfs, dev}, args->debug, &m->mntns, e);
	if (r < 0)
		return r;
	own = open("images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return own < 0 ? err_errno(e, errno, "opening the image store")
		       : store_open(own, boot_id, &m->store, e);
}

static int start(struct mounter *m, const struct daemon_args *args, struct debug_workers *debug,
	struct err *e)
{
	const struct workers_setup workers = {
		.loop = m->loop,
		.keep = args->debug,
		.idle_ms = IDLE_MS,
		.unpack_max = unpack_workers(),
		.arg = m,
		.want = want_worker,
		.over = worker_is_over,
	};

	m->pulls = pulls_new(m->store, &workers);
	m->copies = copies_new(m->loop);
	m->check = loop_timer(m->loop, CHECK_MS, on_check, m);
	if (!m->pulls || !m->copies || !m->check)
		return err_set(e, ENOMEM, "out of memory");
	for (unsigned int i = 0; i < debug->n; i++) {
		int r = workers_add(
			pulls_workers(m->pulls), debug->kind[i], 0, take_fd(&debug->channel[i]), e);

		if (r < 0)
			return r;
	}
	m->chan = daemon_channel(m->loop, args,
		&(struct chan_setup){.self = IMAGED,
			.peer = SUPERVISOR,
			.handlers = handlers,
			.arg = m,
			.on_close = on_close},
		e);
	return m->chan ? 0 : -ENOMEM;
}

int mounter_main(int argc, char **argv)
{
	const char *state_dir = NULL, *certs_dir = NULL, *insecure[CERTS_MAX_ARGS] = {NULL};
	const struct daemon_option options[] = {
		{.name = "state-dir",
			.value = &state_dir,
			.help = "directory that holds images and rootfs"},
		{.name = "certs-dir", .value = &certs_dir, .help = "debug: handed on to --fetch"},
		{.name = "insecure-registry",
			.list = insecure,
			.list_max = CERTS_MAX_ARGS,
			.help = "debug: handed on to --fetch"},
		{0},
	};
	struct debug_workers debug = {0};
	struct mounter m = {.mounts_files = -1};
	struct daemon_args args;
	struct err e = {0};
	int r = 0, code = 1;

	daemon_parse(argc, argv, &profile_mounter, options, &args);
	if (!state_dir)
		r = err_set(&e, EINVAL, "--state-dir is missing");
	if (r == 0 && args.debug)
		r = debug_workers_start(
			&debug, args.name, certs_dir, insecure, unpack_workers(), &e);
	if (r == 0)
		r = enter(&m, &args, state_dir, &e);
	m.loop = loop_new();
	if (r == 0)
		r = m.loop ? start(&m, &args, &debug, &e) : err_set(&e, ENOMEM, "out of memory");
	if (r == 0)
		r = loop_stop_on_signals(m.loop, &e);
	if (r == 0)
		r = sandbox_syscalls(&profile_mounter, args.debug, &e);
	if (r == 0)
		code = loop_run(m.loop);
	else
		log_error("%s", e.text);
	watch_free(m.check);
	copies_free(m.copies);
	pulls_free(m.pulls);
	store_free(m.store);
	chan_close(m.chan);
	loop_free(m.loop);
	debug_workers_wait(&debug);
	return code;
}
