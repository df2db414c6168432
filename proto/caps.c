/* SPDX-License-Identifier: MIT */
/*
 * Names of capabilities to sets; see caps.h.
 */
#include "caps.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/capability.h>

/* docker's fourteen without NET_RAW, MKNOD and AUDIT_WRITE: raw sockets are for spoofing, device
 * nodes can't be made in a user namespace, and audit belongs to the host. */
static const cap_value_t default_caps[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FSETID, CAP_FOWNER,
	CAP_SETGID, CAP_SETUID, CAP_SETFCAP, CAP_SETPCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT,
	CAP_KILL};

int caps_parse(const char *name, uint64_t *ret, struct err *e)
{
	char full[64];
	cap_value_t v;

	if (strcasecmp(name, "ALL") == 0) {
		*ret = CAPS_ALL;
		return 0;
	}
	snprintf(full, sizeof(full), "%s%.50s", strncasecmp(name, "CAP_", 4) == 0 ? "" : "cap_",
		name);
	if (cap_from_name(full, &v) < 0 || v >= 41)
		return err_set(e, EINVAL, "unknown capability \"%.64s\"", name);
	*ret = 1ULL << v;
	return 0;
}

static int parse_caps(const struct strv *names, uint64_t *ret, struct err *e)
{
	uint64_t one = 0;
	int r = 0;

	*ret = 0;
	for (uint32_t i = 0; i < names->n && r == 0; i++) {
		r = caps_parse(names->v[i], &one, e);
		if (r == 0)
			*ret |= one;
	}
	return r;
}

int caps_resolve(const struct create *o, uint64_t *ret, struct err *e)
{
	uint64_t base = 0, add, drop;
	int r = parse_caps(&o->cap_add, &add, e);

	if (r == 0)
		r = parse_caps(&o->cap_drop, &drop, e);
	if (r < 0)
		return r;
	for (unsigned int i = 0; i < ARRAY_LEN(default_caps); i++)
		base |= 1ULL << default_caps[i];
	if (o->privileged)
		base = CAPS_ALL;
	/* --cap-drop ALL --cap-add X leaves X; --cap-add ALL --cap-drop X leaves all but X. */
	*ret = drop == CAPS_ALL ? add : (base | add) & ~drop;
	return 0;
}
