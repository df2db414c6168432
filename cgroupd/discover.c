/* SPDX-License-Identifier: MIT */
/*
 * Finds the cgroup hierarchies of the host. Owns nothing, trusts only the kernel's own text, and
 * runs once at the start of cgroupd. /proc/self/cgroup says which controllers are bound to which v1
 * hierarchy, /proc/self/mountinfo says where that one is mounted; both are described in cgroups(7)
 * and proc(5).
 */
#include "discover.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/num.h"

#define PROC_TEXT_MAX (1U << 20)
#define LINE_FIELDS   8

/* One line of mountinfo, as far as it matters here. Points into a copy of the line. */
struct mount_line {
	char *root, *point, *fstype, *super;
};

static const char *const names[CTL_COUNT] = {
	"memory", "cpu", "cpuacct", "cpuset", "pids", "freezer", "io", "hugetlb", "devices"};

const char *controller_name(enum controller c)
{
	return names[c];
}

static uint32_t controller_bit(const char *name, size_t len)
{
	for (unsigned int i = 0; i < CTL_COUNT; i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return 1U << i;
	return len == 5 && memcmp("blkio", name, 5) == 0 ? 1U << CTL_IO : 0;
}

uint32_t discover_controllers(const char *list, const char *separators)
{
	uint32_t mask = 0;

	while (*list) {
		size_t len = strcspn(list, separators);

		mask |= controller_bit(list, len);
		list += len;
		list += strspn(list, separators);
	}
	return mask;
}

/* Undoes the kernel's \040 escapes in place (seq_path: space, tab, newline, backslash). */
static int unescape(char *s)
{
	char *out = s;

	while (*s) {
		if (*s != '\\') {
			*out++ = *s++;
			continue;
		}
		if (s[1] < '0' || s[1] > '3' || s[2] < '0' || s[2] > '7' || s[3] < '0' ||
			s[3] > '7')
			return -EBADMSG;
		*out++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
		s += 4;
	}
	*out = '\0';
	return 0;
}

/* "36 35 98:0 /root /point rw,relatime shared:1 - ext3 /dev/root rw,errors=continue" */
static int parse_mount_line(char *line, struct mount_line *ret)
{
	char *word, *save = NULL, *f[LINE_FIELDS] = {NULL};
	unsigned int n = 0;
	char *dash = strstr(line, " - ");

	if (!dash)
		return -EBADMSG;
	*dash = '\0';
	for (word = strtok_r(line, " ", &save); word && n < 5; word = strtok_r(NULL, " ", &save))
		f[n++] = word;
	if (n < 5)
		return -EBADMSG;
	for (word = strtok_r(dash + 3, " ", &save); word && n < LINE_FIELDS;
		word = strtok_r(NULL, " ", &save))
		f[n++] = word;
	/* The source may be empty: then only two words follow the dash. */
	if (n < 7)
		return -EBADMSG;
	*ret = (struct mount_line){f[3], f[4], f[5], f[n - 1]};
	if (ret->root[0] != '/' || ret->point[0] != '/' || unescape(ret->root) < 0)
		return -EBADMSG;
	return unescape(ret->point);
}

/* Calls fn for each mount of the file system type; stops when it returns non-zero. */
static int each_mount(const char *mountinfo, const char *fstype,
	int (*fn)(void *arg, const struct mount_line *m), void *arg, struct err *e)
{
	_cleanup_free_ char *copy = strdup(mountinfo);
	char *line, *save = NULL;
	int r = 0;

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	for (line = strtok_r(copy, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save)) {
		struct mount_line m;

		if (parse_mount_line(line, &m) < 0)
			return err_set(e, EBADMSG, "/proc/self/mountinfo: unexpected line");
		if (strcmp(m.fstype, fstype) == 0)
			r = fn(arg, &m);
	}
	return r;
}

struct find_mount {
	uint32_t controllers; /* v1: exactly these of ours are bound to it; 0 for v2 */
	char *ret;
	size_t size;
	bool found;
};

/* A hierarchy may be mounted in several places (containers, chroots): the one that shows its own
 * root wins, then the first. A root of "/.." lies outside our cgroup namespace. */
static int match_mount(void *arg, const struct mount_line *m)
{
	struct find_mount *f = arg;
	bool whole = strcmp(m->root, "/") == 0;

	if (f->controllers && discover_controllers(m->super, ",") != f->controllers)
		return 0;
	if (strncmp(m->root, "/..", 3) == 0 || (f->found && !whole) || strlen(m->point) >= f->size)
		return 0;
	strcpy(f->ret, m->point);
	f->found = true;
	return whole;
}

static int find_mount(const char *mountinfo, const char *fstype, uint32_t controllers, char *ret,
	size_t size, struct err *e)
{
	struct find_mount f = {controllers, ret, size, false};
	int r = each_mount(mountinfo, fstype, match_mount, &f, e);

	if (r < 0)
		return r;
	return f.found ? 0 : -ENOENT;
}

int discover_v2_mount(const char *mountinfo, char *ret, size_t size, struct err *e)
{
	return find_mount(mountinfo, "cgroup2", 0, ret, size, e);
}

static int add_hierarchy(struct layout *l, const struct hierarchy *h, struct err *e)
{
	if (l->n == HIERARCHY_MAX)
		return err_set(
			e, E2BIG, "more than %d cgroup hierarchies are mounted", HIERARCHY_MAX);
	l->h[l->n++] = *h;
	return 0;
}

/* "4:cpu,cpuacct:/path"; v2's is "0::/path", a hierarchy without controllers
 * "1:name=systemd:/path". */
static int parse_cgroup_line(char *line, uint32_t *ret_controllers)
{
	char *list = strchr(line, ':'), *path;
	uint64_t id;

	if (!list)
		return -EBADMSG;
	*list++ = '\0';
	path = strchr(list, ':');
	if (num_parse_u64(line, 0, INT32_MAX, &id) < 0 || !path || path[1] != '/')
		return -EBADMSG;
	*path = '\0';
	if ((id == 0) != (*list == '\0'))
		return -EBADMSG;
	*ret_controllers = discover_controllers(list, ",");
	return 0;
}

static int add_v1(struct layout *l, const char *cgroups, const char *mountinfo, struct err *e)
{
	_cleanup_free_ char *copy = strdup(cgroups);
	char *line, *save = NULL;

	if (!copy)
		return err_set(e, ENOMEM, "out of memory");
	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct hierarchy h = {.version = 1};
		int r;

		if (parse_cgroup_line(line, &h.controllers) < 0)
			return err_set(e, EBADMSG, "/proc/self/cgroup: unexpected line");
		if (!h.controllers)
			continue;
		r = find_mount(mountinfo, "cgroup", h.controllers, h.mount, sizeof(h.mount), e);
		if (r == -ENOENT)
			continue; /* bound, but not mounted where we can see it */
		if (h.controllers != 1U << CTL_DEVICES)
			h.controllers &= ~(1U << CTL_DEVICES);
		h.optional = h.controllers == 1U << CTL_DEVICES;
		if (r == 0)
			r = add_hierarchy(l, &h, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_v2(struct layout *l, const char *mountinfo, const char *controllers, struct err *e)
{
	struct hierarchy h = {.version = 2};
	uint32_t have = 1U << CTL_DEVICES;
	int r = discover_v2_mount(mountinfo, h.mount, sizeof(h.mount), e);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	h.controllers =
		CTL_V2_BUILT_IN | discover_controllers(controllers ? controllers : "", " \n");
	for (unsigned int i = 0; i < l->n; i++)
		have |= l->h[i].controllers;
	h.optional = l->n > 0 && (h.controllers & ~have) == 0;
	return add_hierarchy(l, &h, e);
}

int discover_parse(const char *cgroups, const char *mountinfo, const char *v2_controllers,
	struct layout *ret, struct err *e)
{
	int r;

	*ret = (struct layout){0};
	r = add_v1(ret, cgroups, mountinfo, e);
	if (r == 0)
		r = add_v2(ret, mountinfo, v2_controllers, e);
	if (r == 0 && ret->n == 0)
		r = err_set(e, ENOENT,
			"no cgroup hierarchy is mounted: mount cgroup2 on /sys/fs/cgroup");
	return r;
}

int discover_host(struct layout *ret, struct err *e)
{
	_cleanup_free_ char *cgroups = NULL, *mountinfo = NULL, *controllers = NULL;
	char path[sizeof(ret->h[0].mount) + sizeof("/cgroup.controllers")];
	int r = fd_read_file_at(AT_FDCWD, "/proc/self/cgroup", PROC_TEXT_MAX, &cgroups, NULL);

	if (r < 0)
		return err_errno(e, r, "/proc/self/cgroup");
	r = fd_read_file_at(AT_FDCWD, "/proc/self/mountinfo", PROC_TEXT_MAX, &mountinfo, NULL);
	if (r < 0)
		return err_errno(e, r, "/proc/self/mountinfo");
	r = discover_v2_mount(mountinfo, path, sizeof(ret->h[0].mount), e);
	if (r == 0) {
		strcat(path, "/cgroup.controllers");
		r = fd_read_file_at(AT_FDCWD, path, PROC_TEXT_MAX, &controllers, NULL);
		if (r < 0)
			return err_errno(e, r, "%s", path);
	} else if (r != -ENOENT) {
		return r;
	}
	return discover_parse(cgroups, mountinfo, controllers, ret, e);
}

/* What a service manager hands over is less than the root has: systemd's has no hugetlb. A place
 * that is not there is told of when it is opened. */
static void keep_offered(struct hierarchy *h)
{
	_cleanup_free_ char *text = NULL;
	char path[sizeof(h->mount) + sizeof("/cgroup.controllers")];

	snprintf(path, sizeof(path), "%s/cgroup.controllers", h->mount);
	if (fd_read_file_at(AT_FDCWD, path, PROC_TEXT_MAX, &text, NULL) == 0)
		h->controllers &= CTL_V2_BUILT_IN | discover_controllers(text, " \n");
}

int discover_below(struct layout *l, const char *parent, struct err *e)
{
	if (*parent != '/' || strstr(parent, ".."))
		return err_set(e, EINVAL, "--parent takes an absolute path, not %.128s", parent);
	parent += strspn(parent, "/");
	for (unsigned int i = 0; i < l->n; i++) {
		char *mount = l->h[i].mount;
		size_t n = strlen(mount), room = sizeof(l->h[i].mount) - n;

		if (l->h[i].version == 2 && *parent &&
			(size_t)snprintf(mount + n, room, "/%s", parent) >= room)
			return err_set(e, ENAMETOOLONG, "--parent: too long");
		if (l->h[i].version == 2 && *parent)
			keep_offered(&l->h[i]);
	}
	return 0;
}
