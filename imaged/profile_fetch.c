/* SPDX-License-Identifier: MIT */
/*
 * What the fetch worker may do: speak with the network and write into pipes it is handed. Its bytes
 *are a registry's.
 *
 * Paths it reads after this, all of them read-only, for a Landlock ruleset to come:
 *	the --certs-dir
 *	/etc/ssl, /usr/lib/ssl, /usr/share/ca-certificates, /usr/local/share/ca-certificates
 *						the system's CAs, by links; openssl.cnf
 *	/etc/resolv.conf, /etc/hosts, /etc/host.conf, /etc/nsswitch.conf, /etc/gai.conf,
 * /etc/services /run/systemd/resolve			where resolv.conf may be a link to /lib,
 * /usr/lib, /etc/ld.so.cache	glibc's NSS modules, loaded on the first name The resolver runs in
 *threads of libcurl's (clone), and name lookups may use AF_UNIX (nscd) and AF_NETLINK.
 */
#include <sys/resource.h>

#include "imaged.h"

static const struct priv_rlimit rlimits[] = {
	{RLIMIT_NOFILE, 256,
		"32 blobs: a pipe and a connection each; name lookups; channel, loop, log"},
	{RLIMIT_CORE, 0, "passwords and tokens are in memory"},
	{-1, 0, NULL},
};

const struct priv_profile profile_fetch = {
	.program = "imaged-fetch",
	.user = "bulkhead-img",
	.fallback_uid = 0x6ff00003,
	.dumpable = false,
	.caps = NULL,
	.rlimits = rlimits,
};
