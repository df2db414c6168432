/* SPDX-License-Identifier: MIT */
/*
 * Lists of devices; see devices.h. Runs in cgroupd: devices_open with the capabilities of root, the
 * rest without. Rules come from the supervisor and are checked here.
 */
#include "devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/util.h"
#include "device_rule.h"
#include "devmap.h"
#include "group.h"

#define READ_WRITE (BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE)
#define ANY	   (-1)

/* What supervisor/stage.c puts into /dev, terminals (/dev/console is one of them; 5:1 would be the
 * host's), and the right to make nodes, which is worth nothing where nobody may. */
static const struct device_rule everybodys[] = {
	{.kind = "c", .major = 1, .minor = 3, .access = "rw"},	   /* null */
	{.kind = "c", .major = 1, .minor = 5, .access = "rw"},	   /* zero */
	{.kind = "c", .major = 1, .minor = 7, .access = "rw"},	   /* full */
	{.kind = "c", .major = 1, .minor = 8, .access = "rw"},	   /* random */
	{.kind = "c", .major = 1, .minor = 9, .access = "rw"},	   /* urandom */
	{.kind = "c", .major = 5, .minor = 0, .access = "rw"},	   /* tty */
	{.kind = "c", .major = 5, .minor = 2, .access = "rw"},	   /* ptmx */
	{.kind = "c", .major = 136, .minor = ANY, .access = "rw"}, /* pts */
	{.kind = "c", .major = ANY, .minor = ANY, .access = "m"},
	{.kind = "b", .major = ANY, .minor = ANY, .access = "m"},
};

static const struct device_rules for_everybody = {.v = everybodys, .n = ARRAY_LEN(everybodys)};

/* ---- rules ---- */

static uint32_t access_of(const struct device_rule *r)
{
	return (strchr(r->access, 'r') ? BPF_DEVCG_ACC_READ : 0U) |
	       (strchr(r->access, 'w') ? BPF_DEVCG_ACC_WRITE : 0U);
}

static bool is_all(const struct device_rule *r)
{
	return *r->kind == 'a' && r->major == ANY && r->minor == ANY && access_of(r) == READ_WRITE;
}

static bool has_all(const struct device_rules *rules)
{
	for (uint32_t i = 0; rules && i < rules->n; i++)
		if (is_all(&rules->v[i]))
			return true;
	return false;
}

/* ---- v2: rows of the map ---- */

static uint32_t row_number(int64_t n)
{
	return n == ANY ? DEVMAP_ANY : (uint32_t)n;
}

static bool covers(const struct device_rule *r, char kind)
{
	return *r->kind == kind || *r->kind == 'a';
}

/* What the rules of one kind and number allow together: that is one row. */
static uint32_t access_together(
	const struct device_rules *rules, char kind, const struct device_rule *r)
{
	uint32_t access = 0;

	for (uint32_t i = 0; i < rules->n; i++)
		if (covers(&rules->v[i], kind) && rules->v[i].major == r->major &&
			rules->v[i].minor == r->minor)
			access |= access_of(&rules->v[i]);
	return access;
}

static int set_rows_of(int map, uint64_t cgroup, char kind, const struct device_rules *rules)
{
	int r = 0;

	for (uint32_t i = 0; i < rules->n && r == 0; i++) {
		const struct device_rule *rule = &rules->v[i];
		const struct devmap_row row = {.cgroup = cgroup,
			.kind = kind == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR,
			.major = row_number(rule->major),
			.minor = row_number(rule->minor)};
		uint32_t access = covers(rule, kind) ? access_together(rules, kind, rule) : 0;

		if (access)
			r = devmap_set(map, &row, access);
	}
	return r;
}

/* A row of no kind says that there are others: who has none is not looked for. */
static int set_rows(int map, uint64_t cgroup, const struct device_rules *rules)
{
	const struct devmap_row mark = {.cgroup = cgroup};
	int r = devmap_set(map, &mark, 0);

	if (r == 0)
		r = set_rows_of(map, cgroup, 'b', rules);
	return r < 0 ? r : set_rows_of(map, cgroup, 'c', rules);
}

static void unset_rows(int map, uint64_t cgroup)
{
	const struct devmap_row mark = {.cgroup = cgroup};
	struct devmap_row now, next;
	int r;

	if (devmap_unset(map, &mark) < 0)
		return;
	for (r = devmap_next(map, NULL, &next); r == 0;) {
		now = next;
		r = devmap_next(
			map, &now, &next); /* before this one goes: after it, from the first */
		if (now.cgroup == cgroup)
			devmap_unset(map, &now);
	}
}

static const struct branch *list_v2(const struct tree *t)
{
	for (unsigned int i = 0; i < t->n; i++)
		if (t->b[i].version == 2)
			return &t->b[i];
	return NULL;
}

/* Its branch while the list holds there. */
static const struct branch *has_v2(const struct tree *t)
{
	return t->devices.program < 0 ? NULL : list_v2(t);
}

/* The id of a group on v2; 0 when it isn't there. */
static uint64_t cgroup_id(const struct branch *b, const char *id)
{
	struct stat st;

	return fstatat(b->base_fd, id, &st, AT_SYMLINK_NOFOLLOW) == 0 ? st.st_ino : 0;
}

static bool is_for_everybody(const struct devmap_row *row)
{
	bool mark = row->kind == 0;

	for (unsigned int i = 0; i < ARRAY_LEN(everybodys) && !mark; i++)
		if (access_of(&everybodys[i]) && row->kind == BPF_DEVCG_DEV_CHAR &&
			row->major == row_number(everybodys[i].major) &&
			row->minor == row_number(everybodys[i].minor))
			return true;
	return mark;
}

/* Of everybody's what another version had. */
static void drop_others(int map)
{
	struct devmap_row now, next;

	for (int r = devmap_next(map, NULL, &next); r == 0;) {
		now = next;
		r = devmap_next(map, &now, &next);
		if (now.cgroup == DEVMAP_EVERYBODY && !is_for_everybody(&now))
			devmap_unset(map, &now);
	}
}

struct older {
	const struct branch *b;
	int map;
};

static const struct device_rule all_of_all = {
	.kind = "a", .major = ANY, .minor = ANY, .access = "rw"};
static const struct device_rules all = {.v = &all_of_all, .n = 1};

/* Started by a version without lists: it keeps what it has. */
static void spare(void *arg, const char *id)
{
	const struct older *o = arg;
	uint64_t cgroup = cgroup_id(o->b, id);
	int r = cgroup ? set_rows(o->map, cgroup, &all) : 0;

	log_info("container %s is from before there were lists of devices: %s", id,
		r < 0 ? strerror(-r) : "it may open all");
}

static int open_v2(struct devices *d, const struct branch *b)
{
	_cleanup_fd_ int old = -1, map = -1, program = -1;
	struct older o = {.b = b};
	int r = devmap_find(b->base_fd, &old, &map);
	bool first = r == -ENOENT;

	if (r < 0 && !first)
		return r;
	if (first)
		map = devmap_new();
	if (map < 0)
		return map;
	o.map = map;
	r = set_rows(map, DEVMAP_EVERYBODY, &for_everybody);
	if (r < 0)
		return r;
	drop_others(map);
	if (first)
		group_each(b, spare, &o);
	program = devmap_program(map);
	r = program < 0 ? program : devmap_attach(b->base_fd, program, old);
	if (r < 0 && first)
		return r;
	if (r < 0)
		log_warn("the program that judges opens of devices stays the earlier one: %s",
			strerror(-r));
	d->map = take_fd(&map);
	d->program = r < 0 ? take_fd(&old) : take_fd(&program);
	return 0;
}

/* ---- v1: the engine's own list ---- */

static bool is_everybodys(const char *line)
{
	char buf[DEVICE_RULE_TEXT_MAX];

	for (unsigned int i = 0; i < ARRAY_LEN(everybodys); i++)
		if (strcmp(line, device_rule_text(buf, &everybodys[i])) == 0)
			return true;
	return false;
}

/* What stands there and isn't everybody's: another version's. */
static int deny_others(int dirfd, char *list)
{
	char *save = NULL;
	int r = 0;

	for (char *line = strtok_r(list, "\n", &save); line && r == 0;
		line = strtok_r(NULL, "\n", &save))
		if (!is_everybodys(line))
			r = fd_write_file_at(dirfd, "devices.deny", line);
	return r;
}

/* "a *:* rwm" is all: it can't be taken away while there are children (-EINVAL), which were then
 * made by a version without lists. */
static int open_v1(const struct branch *b)
{
	char list[CONTROL_MAX], buf[DEVICE_RULE_TEXT_MAX];
	int r = group_read_control(b->base_fd, "devices.list", list);

	if (r == 0)
		r = *list == 'a' ? fd_write_file_at(b->base_fd, "devices.deny", "a")
				 : deny_others(b->base_fd, list);
	if (r < 0)
		return r;
	/* What the cgroup above hasn't can't be had (-EPERM); the rest can. */
	for (unsigned int i = 0; i < ARRAY_LEN(everybodys); i++) {
		int k = fd_write_file_at(
			b->base_fd, "devices.allow", device_rule_text(buf, &everybodys[i]));

		r = r < 0 ? r : k;
	}
	return r;
}

static const struct branch *has_v1(const struct tree *t)
{
	const struct branch *b = tree_find(t, CTL_DEVICES);

	return b && b->version == 1 ? b : NULL;
}

/* ---- both ---- */

void devices_open(struct tree *t)
{
	struct devices *d = &t->devices;
	const struct branch *v2 = list_v2(t), *v1 = has_v1(t);
	int r = v2 ? open_v2(d, v2) : 0;

	d->open = true;
	if (r < 0) {
		snprintf(d->lacking, sizeof(d->lacking), "no BPF program on %.64s: %s", v2->mount,
			strerror(-r));
		log_warn("containers with devices of their own have no list of them: %s",
			d->lacking);
	}
	r = v1 ? open_v1(v1) : 0;
	d->v1 = v1 && r == 0;
	if (r < 0)
		log_warn("the usual container has no list of devices: %s: %s", v1->mount,
			strerror(-r));
}

void devices_lose(struct devices *d)
{
	if (!d->open)
		return;
	devices_close(d);
	d->v1 = false;
	strcpy(d->lacking, "the engine's cgroup was made anew, without privilege");
	log_warn("no lists of devices: %s", d->lacking);
}

void devices_close(struct devices *d)
{
	fd_close(&d->map);
	fd_close(&d->program);
}

int devices_check(const struct tree *t, const struct device_rules *rules, struct err *e)
{
	for (uint32_t i = 0; rules && i < rules->n; i++)
		if (!device_rule_is(&rules->v[i], "abc", ANY))
			return err_set(e, EINVAL, "a device rule is of no form that is known");
	if (rules && rules->needed && !has_v2(t))
		return err_set(e, EOPNOTSUPP,
			"device rules: this host keeps no list of devices of one's own: %s",
			t->devices.lacking);
	return 0;
}

bool devices_avoid(const struct branch *b, const struct device_rules *rules)
{
	return b->version == 1 && b->controllers == 1U << CTL_DEVICES && rules && rules->n > 0;
}

bool devices_need(const struct tree *t, const struct branch *b, const struct device_rules *rules)
{
	return b == has_v2(t) && rules && rules->n > 0 && !has_all(rules);
}

int devices_grant(
	const struct tree *t, const char *id, const struct device_rules *rules, struct err *e)
{
	const struct branch *b = rules && rules->n > 0 ? has_v2(t) : NULL;
	uint64_t cgroup = b ? cgroup_id(b, id) : 0;
	int r;

	if (cgroup == 0)
		return 0;
	r = set_rows(t->devices.map, cgroup, rules);
	if (r == 0)
		return 0;
	unset_rows(t->devices.map, cgroup);
	return err_errno(e, r, "the list of its devices");
}

/* ---- what the kernel has ---- */

static int by_number(const void *a, const void *b)
{
	const struct devmap_row *x = a, *y = b;
	const uint32_t v[][2] = {{x->kind, y->kind}, {x->major, y->major}, {x->minor, y->minor}};

	for (unsigned int i = 0; i < ARRAY_LEN(v); i++)
		if (v[i][0] != v[i][1])
			return v[i][0] < v[i][1] ? -1 : 1;
	return 0;
}

static void list_row(struct device_list *l, const struct devmap_row *row, uint32_t access)
{
	char may[3] = "";
	const struct device_rule rule = {.kind = row->kind == BPF_DEVCG_DEV_BLOCK ? "b" : "c",
		.major = row->major == DEVMAP_ANY ? ANY : (int64_t)row->major,
		.minor = row->minor == DEVMAP_ANY ? ANY : (int64_t)row->minor,
		.access = may};

	strcat(may, access & BPF_DEVCG_ACC_READ ? "r" : "");
	strcat(may, access & BPF_DEVCG_ACC_WRITE ? "w" : "");
	device_rule_text(l->text[l->n++], &rule);
}

static int read_v2(int map, uint64_t cgroup, struct device_list *ret)
{
	struct devmap_row rows[DEVICE_LIST_MAX], row, next;
	uint32_t access, before = 0;
	unsigned int n = 0;
	int r;

	for (r = devmap_next(map, NULL, &next); r == 0 && n < DEVICE_LIST_MAX;
		r = devmap_next(map, &row, &next)) {
		row = next;
		if ((row.cgroup == DEVMAP_EVERYBODY || row.cgroup == cgroup) && row.kind)
			rows[n++] = row;
	}
	qsort(rows, n, sizeof(rows[0]), by_number);
	for (unsigned int i = 0; i < n && (r == 0 || r == -ENOENT); i++) {
		r = devmap_get(map, &rows[i], &access);
		if (r < 0)
			continue;
		before |= access;
		if (i + 1 < n && by_number(&rows[i], &rows[i + 1]) == 0)
			continue; /* everybody's and its own */
		list_row(ret, &rows[i], before);
		before = 0;
	}
	return r == -ENOENT ? 0 : r;
}

static int read_v1(const struct branch *b, const char *id, struct device_list *ret)
{
	char path[GROUP_PATH_MAX], list[CONTROL_MAX], *save = NULL;
	int r = group_read_control(b->base_fd, group_path(path, id, "devices.list"), list);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (char *line = strtok_r(list, "\n", &save); line && ret->n < DEVICE_LIST_MAX;
		line = strtok_r(NULL, "\n", &save))
		snprintf(ret->text[ret->n++], sizeof(ret->text[0]), "%s", line);
	return 0;
}

int devices_read(const struct tree *t, const char *id, struct device_list *ret, struct err *e)
{
	const struct branch *v2 = has_v2(t), *v1 = has_v1(t);
	uint64_t cgroup = v2 ? cgroup_id(v2, id) : 0;
	int r = 0;

	ret->n = 0;
	if (cgroup)
		r = read_v2(t->devices.map, cgroup, ret);
	else if (v1 && t->devices.v1)
		r = read_v1(v1, id, ret);
	for (unsigned int i = 0; i < ret->n; i++)
		ret->v[i] = ret->text[i];
	return r < 0 ? err_errno(e, r, "the list of its devices") : 0;
}

int devices_rmdir(const struct tree *t, const struct branch *b, const char *id)
{
	uint64_t cgroup = b == has_v2(t) ? cgroup_id(b, id) : 0;
	int r = unlinkat(b->base_fd, id, AT_REMOVEDIR) == 0 ? 0 : -errno;

	if (r == 0 && cgroup)
		unset_rows(t->devices.map, cgroup);
	return r;
}
