/* SPDX-License-Identifier: MIT */
/*
 * Sysctls below /proc/sys/net, by a directory descriptor. Runs in netd, whose NET_ADMIN lets it
 * write them (net_ctl_permissions() in net/sysctl_net.c). Only what differs is written: ip_forward
 * resets other settings when it changes (Documentation/networking/ip-sysctl.rst).
 */
#include "sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"

#define VALUE_MAX 16
#define TOLD_MAX  1024 /* messages.def */

struct change {
	struct change *next;
	char before[VALUE_MAX], after[VALUE_MAX];
	char path[];
};

struct sysctls {
	int dir;
	struct change *changes; /* the latest first */
	unsigned int written;
};

int sysctls_dir(const struct sysctls *s)
{
	return s->dir;
}

int sysctls_new(struct sysctls **ret, struct err *e)
{
	struct sysctls *s = calloc(1, sizeof(*s));

	if (!s)
		return err_errno(e, ENOMEM, "sysctls");
	s->dir = open("/proc/sys/net", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0) {
		free(s);
		return err_errno(e, errno, "/proc/sys/net");
	}
	*ret = s;
	return 0;
}

static void forget(struct sysctls *s)
{
	while (s->changes) {
		struct change *c = s->changes;

		s->changes = c->next;
		free(c);
	}
}

void sysctls_free(struct sysctls *s)
{
	if (!s)
		return;
	forget(s);
	fd_close(&s->dir);
	free(s);
}

static int get(struct sysctls *s, const char *path, char ret[VALUE_MAX])
{
	_cleanup_free_ char *text = NULL;
	int r = fd_read_file_at(s->dir, path, VALUE_MAX - 1, &text, NULL);

	if (r < 0)
		return r;
	snprintf(ret, VALUE_MAX, "%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

static struct change *change_new(const char *path, const char *before, const char *after)
{
	size_t n = strlen(path) + 1;
	struct change *c = calloc(1, sizeof(*c) + n);

	if (!c)
		return NULL;
	memcpy(c->path, path, n);
	snprintf(c->before, sizeof(c->before), "%s", before);
	snprintf(c->after, sizeof(c->after), "%s", after);
	return c;
}

static int set(
	struct sysctls *s, const char *path, const char *value, struct change **ret, struct err *e)
{
	char before[VALUE_MAX];
	int r = get(s, path, before);

	if (r == 0 && strcmp(before, value) == 0)
		return 0;
	if (r == 0)
		r = fd_write_file_at(s->dir, path, value);
	if (r < 0)
		return err_errno(e, r, "setting net/%s to %s", path, value);
	s->written++;
	log_info("sysctl net/%s: %s, was %s", path, value, before);
	if (!ret)
		return 0;
	*ret = change_new(path, before, value);
	return *ret ? 0 : err_errno(e, ENOMEM, "sysctls");
}

static bool is_changed(const struct sysctls *s, const char *path)
{
	const struct change *c = s->changes;

	while (c && strcmp(c->path, path) != 0)
		c = c->next;
	return c;
}

/* As set, remembered for the way back: what it was when it was changed first. */
static int change(struct sysctls *s, const char *path, const char *value, struct err *e)
{
	struct change *c = NULL;
	int r = set(s, path, value, is_changed(s, path) ? NULL : &c, e);

	if (!c)
		return r;
	c->next = s->changes;
	s->changes = c;
	return 0;
}

bool sysctls_have_ipv6(struct sysctls *s)
{
	char value[VALUE_MAX];

	return get(s, "ipv6/conf/default/disable_ipv6", value) == 0 && strcmp(value, "0") == 0;
}

unsigned int sysctls_written(const struct sysctls *s)
{
	return s->written;
}

/* With forwarding on, accept_ra=1 means no and 2 means yes; and the change drops learned default
 * routes of links that aren't at 2 (rt6_purge_dflt_routers). So this comes first. */
static int keep_router_advertisements(struct sysctls *s, struct err *e)
{
	char path[NAME_MAX + 32], value[VALUE_MAX];
	int fd = openat(s->dir, "ipv6/conf", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d) {
		fd_close(&fd);
		return 0;
	}
	for (struct dirent *de = readdir(d); de && r == 0; de = readdir(d)) {
		if (de->d_name[0] == '.' || strcmp(de->d_name, "all") == 0)
			continue;
		snprintf(path, sizeof(path), "ipv6/conf/%s/accept_ra", de->d_name);
		if (get(s, path, value) == 0 && strcmp(value, "1") == 0)
			r = change(s, path, "2", e);
	}
	closedir(d);
	return r;
}

int sysctls_forward(struct sysctls *s, struct err *e)
{
	char value[VALUE_MAX];
	int r = change(s, "ipv4/ip_forward", "1", e);

	if (r < 0 || !sysctls_have_ipv6(s) || get(s, "ipv6/conf/all/forwarding", value) < 0 ||
		strcmp(value, "1") == 0)
		return r;
	r = keep_router_advertisements(s, e);
	return r < 0 ? r : change(s, "ipv6/conf/all/forwarding", "1", e);
}

int sysctls_bridge(struct sysctls *s, const char *bridge, struct err *e)
{
	static const struct {
		const char *family, *name, *value;
	} rows[] = {
		{"ipv4", "route_localnet", "1"},
		/* As all links have it by sysctls_forward, until somebody says otherwise of one. */
		{"ipv4", "forwarding", "1"},
		{"ipv6", "forwarding", "1"},
		/* Routes are the host's to choose, not its containers'. */
		{"ipv4", "accept_redirects", "0"},
		{"ipv6", "accept_redirects", "0"},
		{"ipv6", "accept_ra", "0"},
		/* While an address is being probed, what is forwarded to a container waits for it:
		 * the kernel asks for neighbours in its name (ndisc_send_ns). */
		{"ipv6", "accept_dad", "0"},
		{"ipv6", "dad_transmits", "0"},
	};
	char path[64], value[VALUE_MAX];
	int r = 0;

	for (unsigned int i = 0; i < ARRAY_LEN(rows) && r == 0; i++) {
		snprintf(path, sizeof(path), "%s/conf/%s/%s", rows[i].family, bridge, rows[i].name);
		/* No such file: the host has no IPv6. */
		if (get(s, path, value) == 0)
			r = set(s, path, rows[i].value, NULL, e);
	}
	return r;
}

int sysctls_link(struct sysctls *s, const char *link, struct err *e)
{
	char path[64];
	int r;

	snprintf(path, sizeof(path), "ipv6/conf/%s/accept_ra", link);
	r = fd_write_file_at(s->dir, path, "0");
	/* No such file: the host has no IPv6. */
	return r < 0 && r != -ENOENT ? err_errno(e, r, "setting net/%s to 0", path) : 0;
}

void sysctls_restore(struct sysctls *s)
{
	for (struct change *c = s->changes; c; c = c->next) {
		char now[VALUE_MAX];

		if (get(s, c->path, now) < 0 || strcmp(now, c->after) != 0)
			continue;
		if (fd_write_file_at(s->dir, c->path, c->before) == 0)
			log_info("sysctl net/%s: %s again", c->path, c->before);
	}
	forget(s);
}

int sysctls_changed(const struct sysctls *s, struct arena *a, struct strv *ret, struct err *e)
{
	uint32_t n = 0;

	for (const struct change *c = s->changes; c && n < TOLD_MAX; c = c->next)
		n++;
	if (!n)
		return 0;
	ret->v = arena_alloc(a, n * sizeof(*ret->v));
	for (const struct change *c = s->changes; ret->n < n && ret->v; c = c->next) {
		char text[NAME_MAX + VALUE_MAX + 32];

		snprintf(text, sizeof(text), "%s=%s", c->path, c->before);
		ret->v[ret->n] = arena_strdup(a, text);
		if (!ret->v[ret->n])
			ret->v = NULL;
		ret->n++;
	}
	return ret->v ? 0 : err_errno(e, ENOMEM, "sysctls");
}

/* What sysctls_forward writes there; NULL for what it doesn't touch. */
static const char *written_to(const char *path)
{
	static const char conf[] = "ipv6/conf/", accept_ra[] = "/accept_ra";
	size_t n = strlen(path), head = sizeof(conf) - 1, tail = sizeof(accept_ra) - 1;
	const char *link = path + head;

	if (strcmp(path, "ipv4/ip_forward") == 0 || strcmp(path, "ipv6/conf/all/forwarding") == 0)
		return "1";
	if (n <= head + tail || strncmp(path, conf, head) != 0 ||
		strcmp(path + n - tail, accept_ra) != 0 || link[0] == '.')
		return NULL;
	return strchr(link, '/') == path + n - tail ? "2" : NULL;
}

static int recall(struct sysctls *s, const char *text, struct change ***at, struct err *e)
{
	_cleanup_free_ char *path = strdup(text);
	char *before = path ? strchr(path, '=') : NULL;
	const char *after;

	if (!path)
		return err_errno(e, ENOMEM, "sysctls");
	if (before)
		*before++ = '\0';
	after = before ? written_to(path) : NULL;
	if (!after || strlen(path) > NAME_MAX || strlen(before) >= VALUE_MAX ||
		strspn(before, "0123456789-") != strlen(before))
		return err_set(e, EINVAL, "sysctl %s: not one that netd changes", text);
	if (is_changed(s, path))
		return 0;
	**at = change_new(path, before, after);
	if (!**at)
		return err_errno(e, ENOMEM, "sysctls");
	*at = &(**at)->next;
	return 0;
}

int sysctls_recall(struct sysctls *s, const struct strv *changed, struct err *e)
{
	struct change **at = &s->changes;
	int r = 0;

	while (*at)
		at = &(*at)->next;
	for (uint32_t i = 0; i < changed->n && r == 0; i++)
		r = recall(s, changed->v[i], &at, e);
	return r;
}
