/* SPDX-License-Identifier: MIT */
/*
 * Names to ids, apart from priv.c: the C library's user database can't be linked into a static
 * program.
 */
#include <pwd.h>

#include "priv.h"

void priv_ids(const struct priv_profile *p, uid_t *ret_uid, gid_t *ret_gid)
{
	const struct passwd *pw = p->user ? getpwnam(p->user) : NULL;

	*ret_uid = pw ? pw->pw_uid : p->fallback_uid;
	*ret_gid = pw ? pw->pw_gid : p->fallback_uid;
}
