/* SPDX-License-Identifier: MIT */
/*
 * The host's network sysctls that containers need, and their way back.
 */
#pragma once

#include <stdbool.h>

#include "codec.h"

struct sysctls;

/* Opens /proc/sys/net. */
int sysctls_new(struct sysctls **ret, struct err *e);
void sysctls_free(struct sysctls *s); /* changes nothing */

/* /proc/sys/net itself, O_PATH; borrowed. */
int sysctls_dir(const struct sysctls *s);

/* Can links of the host have IPv6 addresses? */
bool sysctls_have_ipv6(struct sysctls *s);

/* How many have been written so far: what is as it should be isn't. */
unsigned int sysctls_written(const struct sysctls *s);

/* Forwarding on, for IPv4 and IPv6. A host that learns routes from router advertisements goes on
 * doing so. */
int sysctls_forward(struct sysctls *s, struct err *e);

/* A bridge forwards, takes no router advertisements and redirects, routes 127.0.0.0/8 (published
 * ports), and doesn't probe for duplicates of its link-local address. To be called before the
 * bridge has its first port. */
int sysctls_bridge(struct sysctls *s, const char *bridge, struct err *e);

/* The host's end of a container's link takes no router advertisements. It is in a bridge, but
 * frames to 01:80:c2:00:00:0x are not bridged (br_handle_frame). */
int sysctls_link(struct sysctls *s, const char *link, struct err *e);

/* Puts back what sysctls_forward changed, in this process or as sysctls_recall says, where it still
 * has the value that was written. */
void sysctls_restore(struct sysctls *s);

/* What that would be, as "path=value" with the value from before, the latest change first. */
int sysctls_changed(const struct sysctls *s, struct arena *a, struct strv *ret, struct err *e);
/* Takes that over from a process that has died. -EINVAL when one is none that netd changes. */
int sysctls_recall(struct sysctls *s, const struct strv *changed, struct err *e);
