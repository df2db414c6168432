/* SPDX-License-Identifier: MIT */
/*
 * Rights and quotas; see policy.h. Pure but for the memfd. Runs in the supervisor, on requests of
 * users; the policy itself is root's.
 */
#include "policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "mounts.h"

#define PORT_LOW       1024
#define PERIOD_DEFAULT 100000 /* the kernel's, in microseconds */
#define PIDS_DEFAULT   2048   /* cgroup_create's */
#define MILLION	       UINT64_C(1000000)
#define UNLIMITED_SWAP (-1)
#define SWAP_FACTOR    2 /* memory and swap together, as when nothing is said */

/* Without a word in the file nobody may take all of the engine's slots, descriptors or time. */
static const struct quota_row {
	const char *name, *of, *flag;
	uint64_t built_in;
} quotas[QUOTA_COUNT] = {
	[QUOTA_CONTAINERS] = {"containers", "containers", NULL, 256},
	[QUOTA_MEMORY] = {"memory", "of memory", "--memory", POLICY_UNSET},
	[QUOTA_CPUS] = {"cpus", "processors", "--cpus", POLICY_UNSET},
	[QUOTA_PIDS] = {"pids", "processes", "--pids-limit", POLICY_UNSET},
	[QUOTA_BINDS] = {"binds", "bind mounts", NULL, 512},
	[QUOTA_CONNECTIONS] = {"connections", "connections", NULL, 64},
};

struct policy_row *policy_row(struct policy *p, uint32_t uid)
{
	struct policy_row *row;

	for (uint32_t i = 0; i < p->n; i++)
		if (p->rows[i].uid == uid)
			return &p->rows[i];
	if (p->n == POLICY_ROWS_MAX)
		return NULL;
	row = &p->rows[p->n++];
	row->uid = uid;
	row->rights = 0;
	memset(row->quota, 0xff, sizeof(row->quota));
	memset(row->preset, 0xff, sizeof(row->preset));
	row->isolated = POLICY_UNSET;
	return row;
}

int policy_send(const struct policy *p, struct err *e)
{
	int fd = fd_memfd_sealed("policy", p, sizeof(*p));

	return fd < 0 ? err_errno(e, fd, "a memory file") : fd;
}

int policy_receive(int fd, struct policy *ret, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r = fd_memfd_read(fd, sizeof(*ret), &buf, &n);

	if (r < 0)
		return err_errno(e, r, "reading the policy");
	if (n != sizeof(*ret))
		return err_set(e, EBADMSG, "the policy is of a wrong size");
	memcpy(ret, buf, n);
	return ret->n <= POLICY_ROWS_MAX ? 0 : err_set(e, EBADMSG, "the policy is damaged");
}

static const struct policy_row *find(const struct policy *p, uint32_t uid)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->rows[i].uid == uid)
			return &p->rows[i];
	return NULL;
}

bool policy_allows(const struct policy *p, uid_t uid, enum right right)
{
	const struct policy_row *own = find(p, uid), *all = find(p, POLICY_EVERYBODY);

	return uid == 0 || (((own ? own->rights : 0) | (all ? all->rights : 0)) & (uint32_t)right);
}

uint64_t policy_quota(const struct policy *p, uid_t uid, enum quota q)
{
	const struct policy_row *own = find(p, uid), *all = find(p, POLICY_EVERYBODY);

	if (uid == 0)
		return POLICY_UNSET;
	if (own && own->quota[q] != POLICY_UNSET)
		return own->quota[q];
	return all && all->quota[q] != POLICY_UNSET ? all->quota[q] : quotas[q].built_in;
}

static uint64_t preset(const struct policy *p, uid_t uid, enum quota q)
{
	const struct policy_row *own = find(p, uid), *all = find(p, POLICY_EVERYBODY);

	if (own && own->preset[q] != POLICY_UNSET)
		return own->preset[q];
	return all ? all->preset[q] : POLICY_UNSET;
}

static bool isolates(const struct policy *p, uid_t uid)
{
	const struct policy_row *own = find(p, uid), *all = find(p, POLICY_EVERYBODY);

	if (uid == 0)
		return false;
	if (own && own->isolated != POLICY_UNSET)
		return own->isolated;
	return all && all->isolated == 1;
}

int policy_preset(
	const struct policy *p, uid_t uid, struct create *o, struct arena *a, struct err *e)
{
	uint64_t memory = preset(p, uid, QUOTA_MEMORY), cpus = preset(p, uid, QUOTA_CPUS);
	uint64_t pids = preset(p, uid, QUOTA_PIDS);
	struct limits *l;

	if (o->image && isolates(p, uid))
		o->isolated_layers = true;
	if (uid == 0 || (memory & cpus & pids) == POLICY_UNSET)
		return 0;
	l = arena_alloc(a, sizeof(*l));
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	*l = o->limits ? *o->limits : (struct limits){0};
	if (l->memory == 0 && memory != POLICY_UNSET)
		l->memory = memory;
	if (l->pids == 0 && pids != POLICY_UNSET)
		l->pids = (int64_t)pids;
	if (l->cpu_quota == 0 && cpus != POLICY_UNSET) {
		l->cpus = true;
		l->cpu_period = PERIOD_DEFAULT;
		l->cpu_quota = (int64_t)MAX(cpus * PERIOD_DEFAULT / MILLION, UINT64_C(1000));
	}
	o->limits = l;
	return 0;
}

static bool is_loopback(const char *ip)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (inet_pton(AF_INET, ip, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, ip, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int check_port(const struct policy *p, uid_t uid, const struct port *port, struct err *e)
{
	if (port->host_port > 0 && port->host_port < PORT_LOW &&
		!policy_allows(p, uid, RIGHT_LOW_PORTS))
		return err_set(e, EPERM,
			"publishing port %u is for root; ports from %d are free to use",
			port->host_port, PORT_LOW);
	if (port->host_ip && !is_loopback(port->host_ip) && !policy_allows(p, uid, RIGHT_PUBLISH))
		return err_set(e, EPERM,
			"publishing on %.64s is for root; loopback addresses are free to use",
			port->host_ip);
	return 0;
}

int policy_check_rights(const struct policy *p, uid_t uid, const struct create *o, struct err *e)
{
	int r = 0;

	/* A slice may hold others' containers, under limits meant for them. */
	if (o->cgroup_parent && uid != 0)
		return err_set(e, EPERM, "--cgroup-parent is for root");
	/* It brings the nodes in root's binds to life, and a user's never are. */
	if (o->device_rules.n > 0 && uid != 0)
		return err_set(e, EPERM, "--device-cgroup-rule is for root");
	if (o->network && strcmp(o->network, "host") == 0 &&
		!policy_allows(p, uid, RIGHT_HOST_NETWORK))
		return err_set(e, EPERM, "--network host is for root");
	for (uint32_t i = 0; i < o->mounts.n; i++)
		if (mount_is(&o->mounts.v[i], "device") && !policy_allows(p, uid, RIGHT_DEVICES))
			return err_set(e, EPERM, "--device is for root");
	for (uint32_t i = 0; i < o->ports.n && r == 0; i++)
		r = check_port(p, uid, &o->ports.v[i], e);
	return r;
}

/* ---- quotas ---- */

/* Swap counts when it is more than comes with the memory by itself. */
static uint64_t memory_of(const struct limits *l)
{
	if (l->memory == 0 || l->memory_swap == UNLIMITED_SWAP)
		return POLICY_UNSET;
	return MAX(l->memory, ((uint64_t)l->memory_swap + SWAP_FACTOR - 1) / SWAP_FACTOR);
}

static uint64_t cpus_of(const struct limits *l)
{
	uint64_t period = l->cpu_period ? l->cpu_period : PERIOD_DEFAULT;
	__uint128_t v;

	if (l->cpu_quota <= 0)
		return POLICY_UNSET;
	v = ((__uint128_t)l->cpu_quota * MILLION + period - 1) / period;
	return v < POLICY_UNSET ? (uint64_t)v : POLICY_UNSET;
}

static uint64_t binds_of(const struct create *o)
{
	uint64_t n = o->rootfs != NULL;

	for (uint32_t i = 0; i < o->mounts.n; i++)
		n += mount_has_source(&o->mounts.v[i]);
	return n;
}

uint64_t policy_amount(enum quota q, const struct create *o)
{
	const struct limits none = {0}, *l = o->limits ? o->limits : &none;

	switch (q) {
	case QUOTA_CONTAINERS:
		return 1;
	case QUOTA_MEMORY:
		return memory_of(l);
	case QUOTA_CPUS:
		return cpus_of(l);
	case QUOTA_PIDS:
		return l->pids < 0 ? POLICY_UNSET : l->pids ? (uint64_t)l->pids : PIDS_DEFAULT;
	case QUOTA_BINDS:
		return binds_of(o);
	case QUOTA_CONNECTIONS:
	case QUOTA_COUNT:
		break;
	}
	return 0;
}

int policy_check_quota(const struct policy *p, uid_t uid, enum quota q, uint64_t taken,
	uint64_t wanted, struct err *e)
{
	uint64_t quota = policy_quota(p, uid, q);
	char all[32], has[32], more[32];

	if (quota == POLICY_UNSET || wanted == 0)
		return 0;
	policy_amount_text(q, quota, all);
	policy_amount_text(q, taken, has);
	policy_amount_text(q, wanted, more);
	if (wanted == POLICY_UNSET)
		return err_set(e, EDQUOT,
			"your quota is %s %s, %s in use: say with %s how much this container may have",
			all, quotas[q].of, has, quotas[q].flag);
	if (taken <= quota && wanted <= quota - taken)
		return 0;
	return err_set(e, EDQUOT,
		"your quota is %s %s, %s in use: %s more would exceed it; remove a container first%s",
		all, quotas[q].of, has, more, quotas[q].flag ? " or ask for less" : "");
}

const char *policy_quota_name(enum quota q)
{
	return quotas[q].name;
}

static const char *memory_text(uint64_t v, char buf[32])
{
	static const char units[] = "bkmgt";
	unsigned int u = 0;

	while (v > 0 && v % 1024 == 0 && u < sizeof(units) - 2) {
		v /= 1024;
		u++;
	}
	snprintf(buf, 32, "%lu%c", v, units[u]);
	return buf;
}

static const char *cpus_text(uint64_t v, char buf[32])
{
	size_t n;

	snprintf(buf, 32, "%lu.%06lu", v / MILLION, v % MILLION);
	n = strlen(buf);
	while (buf[n - 1] == '0')
		n--;
	buf[n - (buf[n - 1] == '.')] = '\0';
	return buf;
}

const char *policy_amount_text(enum quota q, uint64_t v, char buf[32])
{
	if (v == POLICY_UNSET)
		return strcpy(buf, "more than that");
	if (q == QUOTA_MEMORY)
		return memory_text(v, buf);
	if (q == QUOTA_CPUS)
		return cpus_text(v, buf);
	snprintf(buf, 32, "%lu", v);
	return buf;
}
