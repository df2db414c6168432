/* SPDX-License-Identifier: MIT */
/*
 * The first process; see child.h. It is a clone of the shim with every capability in its own user
 * namespace and none elsewhere. It trusts the shim's orders, and of the image nothing.
 */
#include "child.h"

#include <errno.h>
#include <grp.h>
#include <linux/netlink.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "clean.h"
#include "frame.h"
#include "phase.h"
#include "reply.h"

#define SPEC_MAX (4U << 20)

static const struct {
	const char *name;
	bool visit; /* also when it ends in a visit: limits and files, and nothing made in them */
	int (*fn)(struct child *c, struct order *o, struct err *e);
} phases[] = {
	{"cgroup", true, phase_cgroup},
	{"sysctl", false, phase_sysctl},
	{"rootfs", true, phase_rootfs},
	{"system mounts", false, phase_system},
	{"cgroupfs", false, phase_cgroupfs},
	{"mount", true, phase_mounts},
	{"etc", false, phase_etc},
	{"workdir", false, phase_workdir},
	{"readonly", true, phase_readonly},
	{"locking the mounts", false, phase_lock},
	{"pivot_root", true, phase_pivot},
	{"hostname", false, phase_names},
	{NULL, true, phase_process},
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

_noreturn_ static void fail(struct child *c, const struct err *e)
{
	struct reply r = {.word = REPLY_FAILED, .err = *e};

	reply_send(c->sock, &r, NULL, 0);
	_exit(1);
}

/* Waits for the maps, and becomes what they call root. */
static int become_root(int sock, struct err *e)
{
	char byte;

	if (recv(sock, &byte, 1, 0) != 1)
		return err_set(e, ECHILD, "the shim has gone");
	if (setresgid(0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresuid(0, 0, 0) < 0)
		return err_errno(e, errno, "becoming root of the user namespace");
	return 0;
}

/* Netlink asks for the opener's rights too, and nobody else has any in this network namespace. */
static int hand_up_socket(int sock, struct err *e)
{
	_cleanup_fd_ int rtnl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct reply ready = {.word = REPLY_READY};
	int r;

	if (rtnl < 0)
		return err_errno(e, errno, "opening a netlink socket");
	r = reply_send(sock, &ready, &rtnl, 1);
	return r < 0 ? err_errno(e, r, "telling the shim") : 0;
}

static int decode_order(struct frame *f, struct order *o, struct arena *a, struct err *e)
{
	uint8_t *doc;
	size_t len;
	int r = frame_decode(f, &o->msg, e);

	if (r < 0)
		return r;
	r = fd_memfd_read(o->msg.spec, SPEC_MAX, &doc, &len);
	if (r < 0)
		return err_errno(e, r, "reading the spec");
	return codec_decode(&schema_spec, doc, len, NULL, 0, a, &o->spec, e);
}

/* Straight on until execve; nothing is freed since nothing comes back. */
_noreturn_ static void start(struct child *c, struct frame *f)
{
	struct arena arena = {0};
	struct order o = {0};
	struct err e = {0};
	int r = decode_order(f, &o, &arena, &e);

	for (unsigned int i = 0; r == 0 && i < ARRAY_LEN(phases); i++) {
		uint64_t t = now_us();

		if (o.spec.visit && !phases[i].visit)
			continue;
		r = phases[i].fn(c, &o, &e);
		if (r < 0 && phases[i].name)
			err_prefix(&e, "%s", phases[i].name);
		else if (phases[i].name)
			log_debug("%s: %lu us", phases[i].name, now_us() - t);
	}
	fail(c, &e);
}

static void clean(struct child *c, struct frame *f)
{
	struct reply r = {.word = REPLY_CLEANED};
	struct shim_clean m;

	if (frame_decode(f, &m, &r.err) < 0 || clean_slice(m.writable, CLEAN_SLICE_MS, &r.err) < 0)
		r.word = REPLY_FAILED;
	reply_send(c->sock, &r, NULL, 0);
}

_noreturn_ static void serve(struct child *c)
{
	for (;;) {
		_cleanup_frame_ struct frame f = {0};

		if (frame_recv(c->sock, &f, NULL) < 0)
			_exit(0);
		if (f.type == MSG_shim_start)
			start(c, &f);
		if (f.type == MSG_shim_clean)
			clean(c, &f);
	}
}

_noreturn_ void child_main(int sock, bool host_net)
{
	struct child c = {.sock = sock,
		.host_net = host_net,
		.work = -1,
		.proc = -1,
		.sysctl = -1,
		.sys = -1,
		.dev = -1,
		.pts = -1,
		.null = -1,
		.root = -1};
	struct err e = {0};

	fd_close_all_but(3, &sock, 1);
	prctl(PR_SET_NAME, "shim-child");
	if (become_root(sock, &e) < 0 || hand_up_socket(sock, &e) < 0)
		fail(&c, &e);
	if (standby_prepare(&c, &e) < 0)
		fail(&c, &e);
	serve(&c);
}
