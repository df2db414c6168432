/* SPDX-License-Identifier: MIT */
/*
 * HostConfig and NetworkSettings of docker's inspect; see render.h. Limits are those that the
 * kernel reports while the container has a cgroup, else those asked for.
 */
#include "render.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "container.h"
#include "format.h"
#include "device_rule.h"
#include "mounts.h"
#include "parse.h"

static const struct create no_create;
static const struct limits no_limits;
static const struct endpoint no_endpoint;

static const struct limits *limits_of(const struct container *c)
{
	if (c->in_force)
		return c->in_force;
	return c->create && c->create->limits ? c->create->limits : &no_limits;
}

static const struct limits *asked_of(const struct create *o)
{
	return o->limits ? o->limits : &no_limits;
}

/* What the kernel has without being asked is whatever the host, or a slice, has: not told, as in
 * docker. And cgroupd doesn't tell what equals that. */
static void put_inherited(json_t *j, const struct limits *l, const struct limits *asked)
{
	const struct limits *s = l->swappiness_set ? l : asked;

	render_text(j, "CpusetCpus",
		asked->cpuset_cpus && l->cpuset_cpus ? l->cpuset_cpus : asked->cpuset_cpus);
	render_text(j, "CpusetMems",
		asked->cpuset_mems && l->cpuset_mems ? l->cpuset_mems : asked->cpuset_mems);
	json_object_set_new(j, "MemorySwappiness",
		asked->swappiness_set ? json_integer((json_int_t)s->swappiness) : json_null());
}

static void put_limits(json_t *j, const struct limits *l)
{
	/* docker has the one or the other; here the kernel's pair and the same as a number of CPUs.
	 */
	int64_t nano = l->cpu_quota > 0 && l->cpu_period
			       ? l->cpu_quota * 1000000 / (int64_t)l->cpu_period * 1000 +
					 l->cpu_quota * 1000000 % (int64_t)l->cpu_period * 1000 /
						 (int64_t)l->cpu_period
			       : 0;

	render_number(j, "Memory", (int64_t)l->memory);
	render_number(j, "MemoryReservation", (int64_t)l->memory_reservation);
	render_number(j, "MemorySwap", l->memory_swap);
	render_number(j, "NanoCpus", nano);
	render_number(j, "CpuShares", (int64_t)l->cpu_shares);
	render_number(j, "CpuPeriod", (int64_t)l->cpu_period);
	render_number(j, "CpuQuota", l->cpu_quota);
	render_number(j, "PidsLimit", l->pids);
	render_number(j, "BlkioWeight", (int64_t)l->blkio_weight);
}

/* The kernel knows a disk by its number; what it was called when it was asked for is said there. */
static void put_path(json_t *j, const struct create *o, const struct io_rate *d)
{
	const struct limits *asked = asked_of(o);
	char number[64];

	snprintf(number, sizeof(number), "/dev/block/%" PRIu32 ":%" PRIu32, d->major, d->minor);
	render_text(j, "Path", d->path ? d->path : number);
	for (uint32_t i = 0; i < asked->io.n; i++)
		if (asked->io.v[i].major == d->major && asked->io.v[i].minor == d->minor &&
			asked->io.v[i].path)
			render_text(j, "Path", asked->io.v[i].path);
}

static void put_rates(json_t *j, const struct create *o, const struct limits *l)
{
	static const struct {
		const char *key, *value;
		size_t field;
	} rows[] = {
		{"BlkioWeightDevice", "Weight", offsetof(struct io_rate, weight)},
		{"BlkioDeviceReadBps", "Rate", offsetof(struct io_rate, read_bps)},
		{"BlkioDeviceWriteBps", "Rate", offsetof(struct io_rate, write_bps)},
		{"BlkioDeviceReadIOps", "Rate", offsetof(struct io_rate, read_iops)},
		{"BlkioDeviceWriteIOps", "Rate", offsetof(struct io_rate, write_iops)},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *list = json_array();

		for (uint32_t k = 0; k < l->io.n; k++) {
			json_t *one = json_object();
			int64_t v;

			memcpy(&v, (const char *)&l->io.v[k] + rows[i].field, sizeof(v));
			put_path(one, o, &l->io.v[k]);
			render_number(one, rows[i].value, v);
			if (v > 0)
				json_array_append(list, one);
			json_decref(one);
		}
		json_object_set_new(j, rows[i].key, list);
	}
}

static json_t *render_hugepages(const struct limits *l)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < l->hugepages.n; i++) {
		json_t *one = json_object();

		render_text(one, "PageSize", hugepage_name(l->hugepages.v[i].page));
		render_number(one, "Limit", l->hugepages.v[i].limit);
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *render_binds(const struct create *o)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];
		char text[8300];

		if (!mount_is(m, "bind"))
			continue;
		snprintf(text, sizeof(text), "%s:%s%s", m->source ? m->source : "", m->target,
			m->readonly ? ":ro" : "");
		json_array_append_new(list, json_text(text));
	}
	return list;
}

/* The access is the mode of the node that the container has; nobody makes another there. */
static json_t *render_devices(const struct create *o)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];
		json_t *one;

		if (!mount_is(m, "device"))
			continue;
		one = json_object();
		render_text(one, "PathOnHost", m->source);
		render_text(one, "PathInContainer", m->target);
		render_text(one, "CgroupPermissions", m->options);
		json_array_append_new(list, one);
	}
	return list;
}

/* As they were written: "c 189:* rwm". */
static json_t *render_device_rules(const struct create *o)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < o->device_rules.n; i++) {
		char text[DEVICE_RULE_TEXT_MAX];

		json_array_append_new(
			list, json_text(device_rule_text(text, &o->device_rules.v[i])));
	}
	return list;
}

static json_t *render_tmpfs(const struct create *o)
{
	json_t *j = json_object();

	for (uint32_t i = 0; i < o->mounts.n; i++)
		if (mount_is(&o->mounts.v[i], "tmpfs"))
			render_text(j, o->mounts.v[i].target, o->mounts.v[i].options);
	return j;
}

static int64_t rlimit(uint64_t v)
{
	return v > INT64_MAX ? -1 : (int64_t)v;
}

static json_t *render_ulimits(const struct create *o)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < o->rlimits.n; i++) {
		json_t *j = json_object();

		render_text(j, "Name", o->rlimits.v[i].name);
		render_number(j, "Hard", rlimit(o->rlimits.v[i].hard));
		render_number(j, "Soft", rlimit(o->rlimits.v[i].soft));
		json_array_append_new(list, j);
	}
	return list;
}

/* {"80/tcp": [{"HostIp": …, "HostPort": …}]} */
static json_t *render_ports(const struct port *v, uint32_t n)
{
	json_t *j = json_object();

	for (uint32_t i = 0; i < n; i++) {
		char key[16], host[16];
		json_t *list, *one = json_object();

		snprintf(key, sizeof(key), "%" PRIu32 "/%s", v[i].container_port, v[i].proto);
		snprintf(host, sizeof(host), "%" PRIu32, v[i].host_port);
		render_text(one, "HostIp", v[i].host_ip);
		render_text(one, "HostPort", v[i].host_port ? host : "");
		list = json_object_get(j, key);
		if (!list) {
			list = json_array();
			json_object_set_new(j, key, list);
		}
		json_array_append_new(list, one);
	}
	return j;
}

static json_t *render_security(const struct create *o)
{
	json_t *list = json_array();
	char text[4096 + sizeof("seccomp=")];

	if (o->new_privs)
		json_array_append_new(list, json_text("no-new-privileges=false"));
	if (o->seccomp) {
		snprintf(text, sizeof(text), "seccomp=%s", o->seccomp);
		json_array_append_new(list, json_text(text));
	}
	return list;
}

static json_t *render_restart(const struct create *o)
{
	json_t *j = json_object();

	render_text(j, "Name", o->restart ? o->restart : "no");
	render_number(j, "MaximumRetryCount", o->restart_max);
	return j;
}

json_t *render_host_config(const struct container *c)
{
	const struct create *o = c->create ? c->create : &no_create;
	json_t *j = json_object();

	json_object_set_new(j, "Binds", render_binds(o));
	render_text(j, "NetworkMode", o->network ? o->network : "bridge");
	json_object_set_new(j, "PortBindings", render_ports(o->ports.v, o->ports.n));
	json_object_set_new(j, "RestartPolicy", render_restart(o));
	render_text(j, "HealthOnFailureAction", o->health_action ? o->health_action : "none");
	render_bool(j, "AutoRemove", o->autoremove);
	render_text(j, "CgroupParent", o->cgroup_parent);
	json_object_set_new(j, "CapAdd", render_strings(&o->cap_add));
	json_object_set_new(j, "CapDrop", render_strings(&o->cap_drop));
	json_object_set_new(j, "Devices", render_devices(o));
	json_object_set_new(j, "DeviceCgroupRules", render_device_rules(o));
	json_object_set_new(j, "Dns", render_strings(&o->dns));
	json_object_set_new(j, "DnsOptions", render_strings(&o->dns_opt));
	json_object_set_new(j, "DnsSearch", render_strings(&o->dns_search));
	json_object_set_new(j, "ExtraHosts", render_strings(&o->add_hosts));
	json_object_set_new(j, "GroupAdd", render_strings(&o->group_add));
	render_number(j, "OomScoreAdj", o->oom_score_adj);
	render_bool(j, "Privileged", o->privileged);
	render_bool(j, "PublishAllPorts", o->publish_all);
	render_bool(j, "ReadonlyRootfs", o->readonly);
	render_bool(j, "IsolatedLayers", o->isolated_layers);
	json_object_set_new(j, "SecurityOpt", render_security(o));
	json_object_set_new(j, "Tmpfs", render_tmpfs(o));
	render_number(j, "ShmSize", o->shm_size ? (int64_t)o->shm_size : 64 << 20);
	json_object_set_new(j, "Sysctls", render_pairs(&o->sysctls, NULL));
	json_object_set_new(j, "Ulimits", render_ulimits(o));
	render_bool(j, "Init", o->init);
	put_limits(j, limits_of(c));
	put_inherited(j, limits_of(c), asked_of(o));
	put_rates(j, o, limits_of(c));
	json_object_set_new(j, "HugepageLimits", render_hugepages(limits_of(c)));
	return j;
}

static void put_endpoint(json_t *j, const struct endpoint *ep)
{
	render_text(j, "Gateway", ep->gateway4);
	render_text(j, "IPAddress", ep->ip4);
	render_number(j, "IPPrefixLen", ep->prefix4);
	render_text(j, "IPv6Gateway", ep->gateway6);
	render_text(j, "GlobalIPv6Address", ep->ip6);
	render_number(j, "GlobalIPv6PrefixLen", ep->prefix6);
	render_text(j, "MacAddress", ep->mac);
}

json_t *render_network(const struct container *c)
{
	const struct create *o = c->create ? c->create : &no_create;
	bool running = container_is_up(c->status);
	const struct endpoint *ep = c->endpoint && running ? c->endpoint : &no_endpoint;
	json_t *j = json_object(), *networks = json_object(), *own = json_object();

	json_object_set_new(j, "Ports", render_ports(ep->ports.v, ep->ports.n));
	put_endpoint(j, ep);
	put_endpoint(own, ep);
	json_object_set_new(networks, o->network ? o->network : "bridge", own);
	json_object_set_new(j, "Networks", networks);
	return j;
}
