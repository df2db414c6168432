/* SPDX-License-Identifier: MIT */
/*
 * The flags of run and create: data only; see run_options.h.
 */
#include "run_options.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "limit_flags.h"
#include "seccomp.h"

static int check_attach(const char *s, struct err *e)
{
	if (strcasecmp(s, "stdin") == 0 || strcasecmp(s, "stdout") == 0 ||
		strcasecmp(s, "stderr") == 0)
		return 0;
	return err_set(e, EINVAL, "\"%.32s\" is none of stdin, stdout and stderr", s);
}

static int check_pull(const char *s, struct err *e)
{
	if (strcmp(s, "always") == 0 || strcmp(s, "missing") == 0 || strcmp(s, "never") == 0)
		return 0;
	return err_set(e, EINVAL, "\"%.32s\" is none of always, missing and never", s);
}

static int check_security(const char *s, struct err *e)
{
	static const char *const known[] = {"no-new-privileges", "no-new-privileges=true",
		"no-new-privileges=false", "no-new-privileges:true", "no-new-privileges:false"};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(s, known[i]) == 0)
			return 0;
	if (strncmp(s, SECCOMP_OPTION, strlen(SECCOMP_OPTION)) == 0 &&
		strchr("=:", s[strlen(SECCOMP_OPTION)]) && s[strlen(SECCOMP_OPTION) + 1])
		return 0;
	return err_set(e, EINVAL,
		"\"%.64s\" is none of seccomp=FILE, seccomp=unconfined and no-new-privileges[=false]",
		s);
}

#define AT(field) offsetof(struct run_options, field)
#define SWITCH(name, letter, field, help)                                                          \
	{                                                                                          \
		name, letter, FLAG_BOOL, AT(field), NULL, NULL, help                               \
	}
#define VALUE(name, letter, field, check, word, help)                                              \
	{                                                                                          \
		name, letter, FLAG_STRING, AT(field), check, word, help                            \
	}
#define MANY(name, letter, field, check, word, help)                                               \
	{                                                                                          \
		name, letter, FLAG_LIST, AT(field), check, word, help                              \
	}
#define LATER(name)                                                                                \
	{                                                                                          \
		name, 0, FLAG_LATER, 0, NULL, NULL, NULL                                           \
	}

const struct flag run_flags[] = {
	SWITCH("detach", 'd', detach, "leave it running and print its id"),
	SWITCH("interactive", 'i', interactive, "keep its stdin open"),
	SWITCH("tty", 't', tty, "give it a terminal"),
	MANY("attach", 'a', attach, check_attach, "STREAM",
		"stdin, stdout or stderr; repeat for more"),
	SWITCH("rm", 0, rm, "remove it when it has ended"),
	VALUE("restart", 0, restart, check_restart, "POLICY",
		"no, on-failure[:N], always or unless-stopped"),
	VALUE("name", 0, name, check_name, "NAME", "its name"),
	SWITCH("init", 0, init, "run an init as pid 1 that forwards signals and reaps"),
	VALUE("detach-keys", 0, detach_keys, check_detach_keys, "KEYS",
		"keys that detach (ctrl-p,ctrl-q)"),
	{"sig-proxy", 0, FLAG_NOT, AT(no_proxy), NULL, NULL,
		"forward signals to it (on; not with -t)"},
	VALUE("cidfile", 0, cidfile, check_not_empty, "FILE", "write its id to a new file"),
	VALUE("pull", 0, pull, check_pull, "WHEN", "always, missing (default) or never"),
	SWITCH("quiet", 'q', quiet, "no progress while pulling"),
	VALUE("platform", 0, platform, check_platform, "OS/ARCH", "which image of several to pull"),

	VALUE("entrypoint", 0, entrypoint, NULL, "COMMAND",
		"instead of the image's; \"\" for none"),
	VALUE("workdir", 'w', workdir, check_absolute, "DIR", "where it starts; made if missing"),
	VALUE("user", 'u', user, NULL, "USER[:GROUP]", "who it runs as, by name or number"),
	MANY("group-add", 0, group_add, check_not_empty, "GROUP", "one more group"),
	MANY("env", 'e', env, check_env, "NAME[=VALUE]", "a variable; NAME alone takes yours"),
	MANY("env-file", 0, env_file, check_not_empty, "FILE", "variables, one a line"),
	VALUE("hostname", 'h', hostname, check_hostname, "NAME",
		"its host name (first 12 of the id)"),
	VALUE("domainname", 0, domainname, check_domain, "NAME", "its NIS domain name"),
	VALUE("stop-signal", 0, stop_signal, check_signal, "SIGNAL", "what stop sends"),
	VALUE("stop-timeout", 0, stop_timeout, check_stop_timeout, "SECONDS",
		"what stop waits (10)"),
	MANY("ulimit", 0, ulimit, check_ulimit, "NAME=SOFT[:HARD]", "a resource limit"),
	VALUE("umask", 0, umask, check_umask, "OCTAL", "its umask (0022)"),
	VALUE("oom-score-adj", 0, oom_score_adj, check_oom_score, "N", "-1000 to 1000"),

	LIMIT_FLAGS(run_options),
	VALUE("cgroup-parent", 0, cgroup_parent, NULL, "SLICE",
		"cgroup to lie in: web.slice, or web-front.slice in it"),

	MANY("volume", 'v', volume, check_not_empty, "HOST:DIR[:ro]",
		"a directory or file of the host"),
	MANY("mount", 0, mount, check_not_empty, "KEY=VALUE,…",
		"type=bind or tmpfs, source, target, readonly"),
	MANY("tmpfs", 0, tmpfs, check_not_empty, "DIR[:OPTIONS]", "an empty directory in memory"),
	MANY("device", 0, device, check_not_empty, "DEV[:DEV][:rwm]",
		"a device of the host, or all below a directory"),
	MANY("device-cgroup-rule", 0, device_rule, check_device_rule, "RULE",
		"devices it may open where it has nodes of them: \"c 189:* rw\""),
	SWITCH("read-only", 0, readonly, "its root filesystem can't be written"),
	VALUE("shm-size", 0, shm_size, check_shm_size, "BYTES", "size of /dev/shm (64m)"),

	VALUE("network", 0, network, check_network, "NETWORK", "bridge (default), none or host"),
	VALUE("net", 0, network, check_network, "NETWORK", NULL),
	MANY("publish", 'p', publish, check_publish, "[IP:][HOST:]PORT[/udp]",
		"a port on the host"),
	SWITCH("publish-all", 'P', publish_all, "every port the image exposes, on free ports"),
	VALUE("ip", 0, ip, check_ip4, "ADDRESS", "its IPv4 address"),
	VALUE("ip6", 0, ip6, check_ip6, "ADDRESS", "its IPv6 address"),
	VALUE("mac-address", 0, mac, check_mac, "ADDRESS", "its MAC address"),
	MANY("dns", 0, dns, check_ip, "ADDRESS", "a name server"),
	MANY("dns-search", 0, dns_search, check_domain, "DOMAIN", "a search domain"),
	MANY("dns-opt", 0, dns_opt, check_not_empty, "OPTION", "a resolver option"),
	MANY("dns-option", 0, dns_opt, check_not_empty, "OPTION", NULL),
	MANY("add-host", 0, add_host, check_add_host, "NAME:ADDRESS", "a line in /etc/hosts"),

	MANY("cap-add", 0, cap_add, check_capability, "NAME",
		"a capability in its user namespace; ALL"),
	MANY("cap-drop", 0, cap_drop, check_capability, "NAME", "the other way"),
	SWITCH("privileged", 0, privileged,
		"all capabilities and no masked paths, in its user namespace"),
	MANY("security-opt", 0, security_opt, check_security, "OPTION",
		"seccomp=FILE, seccomp=unconfined or no-new-privileges=false"),
	SWITCH("isolated-layers", 0, isolated_layers,
		"layers of its own, whose page cache nobody shares"),
	MANY("sysctl", 0, sysctl, check_sysctl, "NAME=VALUE",
		"a kernel parameter of its namespaces"),

	VALUE("health-cmd", 0, health.cmd, NULL, "COMMAND",
		"a shell's line that tells by its exit code whether all is well"),
	VALUE("health-interval", 0, health.interval, check_health_time, "TIME",
		"between two checks (30s)"),
	VALUE("health-timeout", 0, health.timeout, check_health_time, "TIME",
		"after which a check is killed (30s)"),
	VALUE("health-retries", 0, health.retries, check_health_retries, "N",
		"failures in a row that make it unhealthy (3)"),
	VALUE("health-start-period", 0, health.start_period, check_health_time, "TIME",
		"in which failures do not count (0s)"),
	VALUE("health-start-interval", 0, health.start_interval, check_health_time, "TIME",
		"between checks meanwhile (5s)"),
	VALUE("health-on-failure", 0, health_action, check_health_action, "ACTION",
		"when unhealthy: none, kill, restart or stop"),
	SWITCH("no-healthcheck", 0, health.none, "not even the image's"),

	VALUE("rootfs", 0, rootfs, check_not_empty, "DIR",
		"run on this directory, without an image"),
	MANY("label", 'l', label, check_label, "KEY[=VALUE]", "a label"),
	MANY("label-file", 0, label_file, check_not_empty, "FILE", "labels, one a line"),

	LATER("annotation"),
	LATER("cgroupns"),
	LATER("cpu-rt-period"),
	LATER("cpu-rt-runtime"),
	LATER("disable-content-trust"),
	LATER("expose"),
	LATER("gpus"),
	LATER("ipc"),
	LATER("isolation"),
	LATER("kernel-memory"),
	LATER("link"),
	LATER("log-driver"),
	LATER("log-opt"),
	LATER("network-alias"),
	LATER("oom-kill-disable"),
	LATER("pid"),
	LATER("runtime"),
	LATER("storage-opt"),
	LATER("time-offset"),
	LATER("trace"),
	LATER("userns"),
	LATER("uts"),
	LATER("volume-driver"),
	LATER("volumes-from"),
	{.kind = FLAG_END},
};
