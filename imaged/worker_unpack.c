/* SPDX-License-Identifier: MIT */
/*
 * imaged --unpack: turns one layer after another into EROFS images, and the directories that
 * layers left out into one more. Its input is whatever an
 * image's author wrote, so it holds nothing worth stealing: no capability, no network, no path, and
 * only the descriptors of the request at hand. One request at a time: while it works it doesn't
 * listen.
 */
#include "imaged.h"

#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <sched.h>
#include <sys/stat.h>

#include "../proto/base/fd.h"
#include "../proto/base/sandbox.h"
#include "../proto/daemon.h"
#include "layer.h"
#include "layer_dirs.h"
#include "sha256.h"

static void on_unpack_layer(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct unpack_layer *q = msg;
	_cleanup_fd_ int in = frame_take_fd(f, q->in), out = frame_take_fd(f, q->out);
	struct layer_result found;
	struct err e = {0};
	int r = layer_unpack(in, out, &layer_limits_default, &found, &e);

	(void)self;
	/* An image that can still be written to isn't taken (erofs_judge.h). */
	fd_close(&out);
	if (r < 0) {
		chan_fail(c, id, &e);
		return;
	}
	chan_reply(c, id, MSG_unpacked_layer,
		&(struct unpacked_layer){
			.diff_id = found.diff_id,
			.image_bytes = found.image_bytes,
			.inodes = found.inodes,
			.root_opaque = found.root_opaque,
			.implied = found.implied,
		});
}

static void on_unpack_dirs(void *self, struct chan *c, uint32_t id, void *msg, struct frame *f)
{
	const struct unpack_dirs *q = msg;
	_cleanup_fd_ int out = frame_take_fd(f, q->out);
	struct err e = {0};
	uint32_t dirs = 0;
	struct stat st;
	int r = layer_dirs(q->layers.v, q->layers.n, out, &dirs, &e);

	(void)self;
	if (r == 0 && fstat(out, &st) < 0)
		r = err_errno(&e, errno, "image file");
	fd_close(&out);
	if (r < 0) {
		chan_fail(c, id, &e);
		return;
	}
	chan_reply(c, id, MSG_unpacked_dirs,
		&(struct unpacked_dirs){.dirs = dirs, .image_bytes = (uint64_t)st.st_size});
}

static const struct handler handlers[] = {
	{MSG_unpack_layer, on_unpack_layer},
	{MSG_unpack_dirs, on_unpack_dirs},
	{0},
};

/* What libraries open on their first use, while something can still be opened: libcrypto its
 * configuration, iconv(3) the list of its modules, for names that pax headers declare as UTF-8. */
static void warm_up(void)
{
	char digest[DIGEST_TEXT_MAX];
	iconv_t names = iconv_open(nl_langinfo(CODESET), "UTF-8");

	if (names != (iconv_t)-1)
		iconv_close(names);
	sha256_of("", 0, digest);
}

static int start(struct loop *l, const struct daemon_args *args, struct err *e)
{
	const struct chan_setup setup = {.self = UNPACK, .peer = IMAGED, .handlers = handlers};
	int r;

	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	if (unshare(CLONE_NEWNET) < 0)
		return err_errno(e, errno, "leaving the network");
	r = priv_enter(&profile_unpack, args->uid, args->gid, e);
	if (r < 0)
		return r;
	warm_up();
	if (!daemon_channel(l, args, &setup, e))
		return -e->code;
	return sandbox_enter(&profile_unpack, NULL, args->debug, e);
}

int unpack_main(int argc, char **argv)
{
	struct daemon_args args;
	struct err e = {0};
	struct loop *l = loop_new();

	daemon_parse(argc, argv, &profile_unpack, NULL, &args);
	if (start(l, &args, &e) == 0)
		return loop_run(l);
	log_error("%s", e.text);
	return 1;
}
