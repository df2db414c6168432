/* SPDX-License-Identifier: MIT */
/*
 * Entering a privilege profile. There is no recovery from a partial drop, so none is tried.
 */
#include "priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"

#define STATUS_MAX 8192

static uint64_t kept_mask(const struct priv_profile *p)
{
	uint64_t mask = 0;

	for (const struct priv_cap *c = p->caps; c && c->cap >= 0; c++)
		mask |= 1ULL << c->cap;
	return mask;
}

static int drop_bounding(uint64_t keep, struct err *e)
{
	for (int c = 0; c < 64; c++) {
		int held = prctl(PR_CAPBSET_READ, c);

		if (held < 0)
			break; /* behind the kernel's last capability */
		if (keep & 1ULL << c || !held)
			continue;
		if (prctl(PR_CAPBSET_DROP, c) < 0)
			return err_errno(
				e, errno, "dropping capability %d from the bounding set", c);
	}
	return 0;
}

static int set_caps(uint64_t keep, struct err *e)
{
	cap_t caps = cap_init();
	int r = 0;

	if (!caps)
		return err_set(e, ENOMEM, "out of memory");
	for (cap_value_t c = 0; c < 64 && r == 0; c++)
		if (keep & 1ULL << c)
			r = cap_set_flag(caps, CAP_PERMITTED, 1, &c, CAP_SET) |
			    cap_set_flag(caps, CAP_EFFECTIVE, 1, &c, CAP_SET);
	if (r == 0)
		r = cap_set_proc(caps);
	if (r < 0)
		err_errno(e, errno, "setting capabilities");
	cap_free(caps);
	return r < 0 ? -EPERM : 0;
}

static int set_ids(uid_t uid, gid_t gid, struct err *e)
{
	if (setgroups(0, NULL) < 0)
		return err_errno(e, errno, "dropping supplementary groups");
	if (setresgid(gid, gid, gid) < 0)
		return err_errno(e, errno, "becoming group %u", gid);
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(uid, uid, uid) < 0)
		return err_errno(e, errno, "becoming user %u", uid);
	return 0;
}

static int set_rlimits(const struct priv_profile *p, struct err *e)
{
	for (const struct priv_rlimit *l = p->rlimits; l && l->resource >= 0; l++) {
		struct rlimit cur;

		if (getrlimit((__rlimit_resource_t)l->resource, &cur) < 0)
			return err_errno(e, errno, "reading rlimit %d", l->resource);
		cur.rlim_max = MIN(cur.rlim_max, (rlim_t)l->value);
		cur.rlim_cur = cur.rlim_max;
		if (setrlimit((__rlimit_resource_t)l->resource, &cur) < 0)
			return err_errno(e, errno, "setting rlimit %d", l->resource);
	}
	return 0;
}

static int status_hex(const char *status, const char *key, uint64_t *ret)
{
	const char *p = strstr(status, key);

	if (!p)
		return -ENODATA;
	*ret = strtoull(p + strlen(key), NULL, 16);
	return 0;
}

int priv_prove(const struct priv_profile *p, uid_t uid, struct err *e)
{
	static const char *const sets[] = {"\nCapPrm:\t", "\nCapEff:\t", "\nCapBnd:\t"};
	static const char *const none[] = {"\nCapInh:\t", "\nCapAmb:\t"};
	_cleanup_free_ char *status = NULL;
	uint64_t keep = kept_mask(p), v;
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/status", STATUS_MAX, &status, NULL);

	if (r < 0)
		return err_errno(e, r, "reading /proc/self/status");
	for (unsigned int i = 0; i < ARRAY_LEN(sets); i++)
		if (status_hex(status, sets[i], &v) < 0 || (v & ~keep) != 0 || (i < 2 && v != keep))
			return err_set(e, EPERM, "capabilities are not what the profile says");
	for (unsigned int i = 0; i < ARRAY_LEN(none); i++)
		if (status_hex(status, none[i], &v) < 0 || v != 0)
			return err_set(e, EPERM, "inheritable or ambient capabilities are left");
	if (!p->new_privs && !strstr(status, "\nNoNewPrivs:\t1\n"))
		return err_set(e, EPERM, "no_new_privs is not set");
	if (uid != 0 && !(keep & 1ULL << CAP_SETUID) && (setresuid(0, 0, 0) == 0 || geteuid() == 0))
		return err_set(e, EPERM, "root could be regained");
	log_debug("%s runs as uid %u with capabilities %lx, proved", p->program, uid, keep);
	return 0;
}

int priv_enter(const struct priv_profile *p, uid_t uid, gid_t gid, struct err *e)
{
	uint64_t keep = kept_mask(p);
	bool root = geteuid() == 0;
	int r = 0;

	if (!root && uid != geteuid())
		return err_set(
			e, EPERM, "%s: must be started by root to run as user %u", p->program, uid);
	if (root)
		r = drop_bounding(keep, e);
	if (r == 0 && root)
		r = set_ids(uid, gid, e);
	if (r == 0)
		r = set_caps(root ? keep : 0, e);
	if (r < 0)
		return err_prefix(e, "%s", p->program);
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if ((!p->new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) ||
		prctl(PR_SET_DUMPABLE, p->dumpable) < 0)
		return err_errno(e, errno, "%s: prctl", p->program);
	r = set_rlimits(p, e);
	if (r == 0 && root)
		r = priv_prove(p, uid, e);
	return r < 0 ? err_prefix(e, "%s", p->program) : 0;
}

int priv_drop_all(struct err *e)
{
	int r = geteuid() == 0 ? drop_bounding(0, e) : 0;

	if (r == 0)
		r = set_caps(0, e);
	if (r == 0)
		prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return r;
}
