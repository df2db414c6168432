/* SPDX-License-Identifier: MIT */
/*
 * Devices for containers; see devices.h. Runs as the caller, before the engine is contacted.
 */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/devnum.h"
#include "base/fd.h"
#include "base/num.h"
#include "base/util.h"

#define ACCESS_ALL "rwm"

static bool is_access(const char *s)
{
	return *s && strlen(s) <= strlen(ACCESS_ALL) && strspn(s, ACCESS_ALL) == strlen(s);
}

/* As bits of the mode that others have. `m` is for making nodes, which nobody can there. */
static mode_t access_bits(const char *access)
{
	return (strchr(access, 'r') ? S_IROTH : 0U) | (strchr(access, 'w') ? S_IWOTH : 0U);
}

/* Which device it is, for the list of what the container may open. */
static int set_node(struct mount *m, const struct stat *st, struct arena *a, struct err *e)
{
	struct device_rule *node = arena_alloc(a, sizeof(*node));

	if (!node)
		return err_set(e, ENOMEM, "out of memory");
	*node = (struct device_rule){.kind = S_ISBLK(st->st_mode) ? "b" : "c",
		.major = major(st->st_rdev),
		.minor = minor(st->st_rdev),
		.access = m->options};
	m->node = node;
	return 0;
}

static bool is_device(mode_t mode)
{
	return S_ISCHR(mode) || S_ISBLK(mode);
}

static int bad(const char *s, const char *why, struct err *e)
{
	return err_set(e, EINVAL, "\"%.120s\": %s", s, why);
}

/* Cuts up a copy: /dev/a, /dev/a:rw, /dev/a:/dev/b, /dev/a:/dev/b:rw */
static int split(const char *s, struct arena *a, struct mount *m, struct err *e)
{
	char *host = arena_strdup(a, s), *second, *third;

	if (!host)
		return err_set(e, ENOMEM, "out of memory");
	second = strchr(host, ':');
	if (second)
		*second++ = '\0';
	third = second ? strchr(second, ':') : NULL;
	if (third)
		*third++ = '\0';
	if (*host != '/' || strlen(host) >= 4096)
		return bad(
			s, "a device is named by an absolute path: /dev/NAME[:/dev/NAME][:rwm]", e);
	if (second && !third && is_access(second)) {
		third = second;
		second = NULL;
	}
	*m = (struct mount){
		.kind = "device", .source = host, .options = third ? third : ACCESS_ALL};
	if (!is_access(m->options))
		return bad(s, "the access is of r, w and m", e);
	if (access_bits(m->options) == 0)
		return bad(s, "with neither r nor w it could not be opened", e);
	return mount_set_target(m, second ? second : host, s, a, e);
}

/* One of a tree: at the same place below the target. */
static int add_below(const struct mount *top, const FTSENT *f, struct arena *a,
	struct mount_list *list, struct err *e)
{
	const char *path = f->fts_path, *rest = path + strlen(top->source);
	char *target = arena_alloc(a, strlen(top->target) + strlen(rest) + 2);
	struct mount m = *top;

	m.source = arena_strdup(a, path);
	if (!target || !m.source)
		return err_set(e, ENOMEM, "out of memory");
	sprintf(target, "%s%s%s", top->target, *rest == '/' ? "" : "/", rest);
	m.target = target;
	if (set_node(&m, f->fts_statp, a, e) < 0)
		return -ENOMEM;
	return mount_add(list, &m, path, a, e);
}

static int by_name(const FTSENT **x, const FTSENT **y)
{
	return strcmp((*x)->fts_name, (*y)->fts_name);
}

/* All below a directory, as docker does; links and files are left out. */
static int add_tree(
	const struct mount *top, struct arena *a, struct mount_list *list, struct err *e)
{
	char *const roots[] = {(char *)(uintptr_t)top->source, NULL};
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	uint32_t before = list->n;
	const FTSENT *f;
	int r = 0;

	if (!tree)
		return err_errno(e, errno, "%.160s", top->source);
	while (r == 0 && (errno = 0, f = fts_read(tree))) {
		if (f->fts_info == FTS_DNR || f->fts_info == FTS_ERR)
			r = err_errno(e, f->fts_errno, "%.160s", f->fts_path);
		else if (f->fts_info == FTS_DEFAULT && is_device(f->fts_statp->st_mode))
			r = add_below(top, f, a, list, e);
	}
	if (r == 0 && errno)
		r = err_errno(e, errno, "%.160s", top->source);
	fts_close(tree);
	if (r == 0 && list->n == before)
		r = err_set(e, EINVAL, "there is no device below %.160s", top->source);
	return r;
}

int parse_device(const char *s, struct arena *a, struct mount_list *list, struct err *e)
{
	struct mount m;
	struct stat st;
	int r = split(s, a, &m, e);

	if (r < 0)
		return r;
	if (stat(m.source, &st) < 0)
		return err_errno(e, errno, "%.160s", m.source);
	if (S_ISDIR(st.st_mode))
		return add_tree(&m, a, list, e);
	if (!is_device(st.st_mode))
		return err_set(e, EINVAL, "%.160s is no device", m.source);
	if (set_node(&m, &st, a, e) < 0)
		return -ENOMEM;
	return mount_add(list, &m, s, a, e);
}

/* ---- rules ---- */

/* `n` bytes: a number, or * */
static int parse_number(const char *s, size_t n, uint32_t max, int64_t *ret)
{
	char text[12];
	uint32_t v = 0;
	int r = 0;

	if (n >= sizeof(text))
		return -ERANGE;
	memcpy(text, s, n);
	text[n] = '\0';
	if (strcmp(text, "*") == 0) {
		*ret = -1;
		return 0;
	}
	r = num_parse_u32(text, 0, max, &v);
	*ret = v;
	return r;
}

static int cut_rule(const char *s, struct device_rule *ret)
{
	static const char *const kinds[] = {"a", "b", "c"};
	const char *colon = strchr(s, ':'), *space = colon ? strchr(colon, ' ') : NULL;

	*ret = (struct device_rule){.kind = NULL};
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (*s == *kinds[i])
			ret->kind = kinds[i];
	if (!ret->kind || s[1] != ' ' || !space || !is_access(space + 1))
		return -EINVAL;
	ret->access = space + 1;
	if (parse_number(s + 2, (size_t)(colon - s - 2), DEVICE_MAJOR_MAX, &ret->major) < 0)
		return -ERANGE;
	return parse_number(colon + 1, (size_t)(space - colon - 1), DEVICE_MINOR_MAX, &ret->minor);
}

int parse_device_rule(const char *s, struct device_rule *ret, struct err *e)
{
	if (cut_rule(s, ret) == 0)
		return 0;
	return bad(s,
		"a rule is KIND MAJOR:MINOR ACCESS, as in \"c 189:* rwm\": kinds are b, c and a for both, a number is * for all, the access is of r, w and m",
		e);
}

int check_device_rule(const char *s, struct err *e)
{
	struct device_rule rule;

	return parse_device_rule(s, &rule, e);
}

/* As imaged takes it: a detached file system that holds the node, on no path of the host's. */
static int box_new(struct err *e)
{
	static const char *const options[][2] = {
		{"mode", "0700"}, {"size", "4k"}, {"nr_inodes", "2"}};
	_cleanup_fd_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int r = fs < 0 ? -1 : 0;

	for (unsigned int i = 0; i < ARRAY_LEN(options) && r == 0; i++)
		r = fsconfig(fs, FSCONFIG_SET_STRING, options[i][0], options[i][1], 0);
	if (r == 0)
		r = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
	if (r == 0)
		r = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
	return r < 0 ? err_errno(e, errno, "a file system for the device") : r;
}

static int box_node(const struct stat *st, mode_t bits, struct err *e)
{
	_cleanup_fd_ int box = box_new(e);

	if (box < 0)
		return box;
	if (mknodat(box, "node", st->st_mode & S_IFMT, st->st_rdev) < 0 ||
		fchmodat(box, "node", bits | bits << 3 | bits << 6, 0) < 0)
		return err_errno(e, errno, "a node of the device");
	return take_fd(&box);
}

int device_open(const struct mount *m, struct err *e)
{
	mode_t bits = access_bits(m->options);
	_cleanup_fd_ int fd = open(m->source, O_PATH | O_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, "%.160s", m->source);
	if (!is_device(st.st_mode))
		return err_set(e, EINVAL, "%.160s is no device", m->source);
	r = box_node(&st, bits, e);
	if (r != -EPERM || geteuid() == 0)
		return r;
	if ((st.st_mode & S_IRWXO) != bits)
		return err_set(e, EPERM,
			"%.160s is open to others for \"%s%s\", and only root can give a container more or less",
			m->source, st.st_mode & S_IROTH ? "r" : "",
			st.st_mode & S_IWOTH ? "w" : "");
	return take_fd(&fd);
}
