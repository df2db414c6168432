/* SPDX-License-Identifier: MIT */
/*
 * Who a container's process is: its user as the image's own files have it, and its capabilities.
 * Runs in the container; the files are the container's and may be anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "inroot.h"
#include "ns.h"
#include "passwd.h"
#include "process.h"

#define FILE_MAX (1U << 20)

struct text {
	char *p;
	size_t n;
};

int ids_read_file(int root, const char *path, char **ret, size_t *ret_n, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open_strict(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int r;

	if (fd < 0)
		return err_errno(e, fd, "%s", path);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return err_set(e, EINVAL, "%s: not a regular file", path);
	r = fd_read_file(fd, FILE_MAX, ret, ret_n);
	return r < 0 ? err_errno(e, r, "%s", path) : 0;
}

/* As if it were not there when it can't be read, with the reason in *why. */
static struct text read_text(const char *path, struct err *why)
{
	struct text t = {NULL, 0};

	ids_read_file(AT_FDCWD, path, &t.p, &t.n, why);
	return t;
}

static int find_group(const struct text *groups, const struct passwd_key *key, uint32_t *ret,
	const struct err *why, struct err *e)
{
	if (key->numeric) {
		*ret = key->id;
		return 0;
	}
	if (passwd_find_group(groups->p, groups->n, key, ret))
		return 0;
	return err_set(e, ENOENT, "group \"%.64s\": not in the image's /etc/group%s%s", key->name,
		why->code ? ": " : "", why->text);
}

/* As docker has it: an explicit group stands alone; else a known user brings its groups along. */
static int collect_groups(const struct process *p, const struct text *groups, const char *user,
	const struct err *why, struct process_ids *ids, struct err *e)
{
	struct passwd_key key;
	int r;

	if (user)
		ids->n_groups = passwd_groups_of(
			groups->p, groups->n, user, ids->groups, PROCESS_GROUPS_MAX);
	for (uint32_t i = 0; i < p->group_add.n; i++) {
		if (ids->n_groups == PROCESS_GROUPS_MAX)
			return err_set(e, E2BIG, "more than %d groups", PROCESS_GROUPS_MAX);
		r = passwd_parse_key(p->group_add.v[i], strlen(p->group_add.v[i]), &key, e);
		if (r == 0)
			r = find_group(groups, &key, &ids->groups[ids->n_groups], why, e);
		if (r < 0)
			return r;
		ids->n_groups++;
	}
	return 0;
}

static int check_mapped(const struct process_ids *ids, struct err *e)
{
	uint32_t worst = MAX(ids->uid, ids->gid);

	for (size_t i = 0; i < ids->n_groups; i++)
		worst = MAX(worst, ids->groups[i]);
	return worst < NS_IDS ? 0
			      : err_set(e, EINVAL, "id %u: a container's ids end at %u", worst,
					NS_IDS - 1);
}

static int resolve(const struct process *p, const struct text *users, const struct text *groups,
	const struct err why[2], struct process_ids *ret, struct err *e)
{
	struct passwd_key user, group;
	struct passwd_row row;
	bool known;
	int r = passwd_parse_user(p->user, &user, &group, e);

	if (r < 0)
		return r;
	if (!user.present)
		user.numeric = true;
	known = passwd_find(users->p, users->n, &user, &row);
	if (!known && !user.numeric)
		return err_set(e, ENOENT, "user \"%.64s\": not in the image's /etc/passwd%s%s",
			user.name, why[0].code ? ": " : "", why[0].text);
	ret->uid = known ? row.uid : user.id;
	ret->gid = known ? row.gid : 0;
	snprintf(ret->home, sizeof(ret->home), "%s", known && row.home[0] ? row.home : "/");
	if (group.present)
		r = find_group(groups, &group, &ret->gid, &why[1], e);
	if (r == 0)
		r = collect_groups(
			p, groups, known && !group.present ? row.name : NULL, &why[1], ret, e);
	return r < 0 ? r : check_mapped(ret, e);
}

int ids_resolve(const struct process *p, struct process_ids *ret, struct err *e)
{
	struct err why[2] = {0};
	struct text users = read_text("/etc/passwd", &why[0]);
	struct text groups = read_text("/etc/group", &why[1]);
	int r;

	*ret = (struct process_ids){0};
	r = resolve(p, &users, &groups, why, ret, e);
	free(users.p);
	free(groups.p);
	return r;
}

/* ---- becoming it ---- */

/* Also tells which of the kept ones this kernel knows: capset refuses others. */
static int drop_bounding(uint64_t keep, uint64_t *ret_known, struct err *e)
{
	*ret_known = 0;
	for (int c = 0; c < 64; c++) {
		bool kept = keep & 1ULL << c;

		if (prctl(kept ? PR_CAPBSET_READ : PR_CAPBSET_DROP, c) < 0 && errno == EINVAL)
			break;
		if (!kept && prctl(PR_CAPBSET_READ, c) != 0)
			return err_set(e, EPERM, "capability %d could not be dropped", c);
		*ret_known |= kept ? 1ULL << c : 0;
	}
	return 0;
}

/* Inheritable and ambient stay empty: execve by root takes the bounding set, by others nothing. */
static int set_caps(uint64_t caps, struct err *e)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	for (int i = 0; i < 2; i++)
		data[i].permitted = data[i].effective = (uint32_t)(caps >> (32 * i));
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return err_errno(e, errno, "clearing ambient capabilities");
	if (syscall(SYS_capset, &head, data) < 0)
		return err_errno(e, errno, "setting capabilities");
	return 0;
}

/* Each step needs a capability that a later one gives up. */
int ids_become(const struct process *p, const struct process_ids *ids, struct err *e)
{
	uint64_t caps;
	int r;

	if (setgroups(ids->n_groups, ids->groups) < 0 ||
		setresgid(ids->gid, ids->gid, ids->gid) < 0)
		return err_errno(e, errno, "becoming group %u", ids->gid);
	r = drop_bounding(p->caps, &caps, e);
	if (r < 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresuid(ids->uid, ids->uid, ids->uid) < 0)
		return err_errno(e, errno, "becoming user %u", ids->uid);
	prctl(PR_SET_KEEPCAPS, 0);
	r = set_caps(ids->uid == 0 ? caps : 0, e);
	if (r < 0)
		return r;
	if (!p->new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(e, errno, "setting no_new_privs");
	return 0;
}
