/* SPDX-License-Identifier: MIT */
/*
 * See device_rules.h. Which number a node has is told by ctl, and compared by imaged with the node.
 */
#include "device_rules.h"

#include <errno.h>

#include "device_rule.h"
#include "mounts.h"

int device_rules_check(const struct create *o, struct err *e)
{
	for (uint32_t i = 0; i < o->device_rules.n; i++)
		if (!device_rule_is(&o->device_rules.v[i], "abc", -1))
			return err_set(e, EINVAL, "a device rule is of no form that is known");
	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];

		if (mount_is(m, "device") && (!m->node || !device_rule_is(m->node, "bc", 0)))
			return err_set(e, EINVAL, "device %.128s has no number", m->target);
	}
	return 0;
}

/* An older version's record has no number. */
static const struct device_rule all = {.kind = "a", .major = -1, .minor = -1, .access = "rwm"};

uint32_t device_rules(const struct ctr *c, struct device_rule v[DEVICE_RULES_MAX])
{
	const struct create *o = ctr_create(c);
	uint32_t n = 0;

	for (uint32_t i = 0; i < o->mounts.n; i++) {
		const struct mount *m = &o->mounts.v[i];

		if (mount_is(m, "device"))
			v[n++] = m->node ? *m->node : all;
	}
	for (uint32_t i = 0; i < o->device_rules.n; i++)
		v[n++] = o->device_rules.v[i];
	return n;
}

bool device_rules_given(const struct ctr *c)
{
	return ctr_create(c)->device_rules.n > 0 && !c->visit;
}
