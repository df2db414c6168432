/* SPDX-License-Identifier: MIT */
/*
 * An image's /etc/passwd and /etc/group: a user on the first line, the file behind it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "shim/passwd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nl = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t n = nl ? (size_t)(nl - data) : 0, rest = nl ? size - n - 1 : 0;
	struct passwd_key user, group;
	struct passwd_row row;
	uint32_t v[4], gid;
	char *who, *text;

	if (!nl)
		return 0;
	who = strndup((const char *)data, n);
	text = malloc(rest);
	if (rest > 0)
		memcpy(text, nl + 1, rest);
	if (passwd_parse_user(who, &user, &group, NULL) == 0) {
		if (passwd_find(text, rest, &user, &row) &&
			(strlen(row.home) > PASSWD_HOME_MAX ||
				(!user.numeric && strcmp(row.name, user.name))))
			abort();
		if (group.present)
			passwd_find_group(text, rest, &group, &gid);
		if (passwd_groups_of(text, rest, user.name, v, 4) > 4)
			abort();
	}
	free(who);
	free(text);
	return 0;
}
