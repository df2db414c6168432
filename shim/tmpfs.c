/* SPDX-License-Identifier: MIT */
/*
 * Parsing --tmpfs options; see tmpfs.h. Pure: text in, tables out.
 */
#include "tmpfs.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"

static const struct {
	const char *word;
	unsigned int set, clear;
} flags[] = {
	{"rw", 0, MOUNT_ATTR_RDONLY},
	{"ro", MOUNT_ATTR_RDONLY, 0},
	{"suid", 0, MOUNT_ATTR_NOSUID},
	{"nosuid", MOUNT_ATTR_NOSUID, 0},
	{"dev", 0, MOUNT_ATTR_NODEV},
	{"nodev", MOUNT_ATTR_NODEV, 0},
	{"exec", 0, MOUNT_ATTR_NOEXEC},
	{"noexec", MOUNT_ATTR_NOEXEC, 0},
	{"noatime", MOUNT_ATTR_NOATIME, 0},
};

static bool value_ok(const char *key, const char *value)
{
	uint64_t u;
	size_t n = strlen(value);

	if (strcmp(key, "mode") == 0)
		return n >= 3 && n <= 5 && strspn(value, "01234567") == n;
	if (strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0)
		return num_parse_u64(value, 0, 65535, &u) == 0;
	if (strcmp(key, "nr_inodes") == 0)
		return num_parse_size(value, &u) == 0;
	if (strcmp(key, "size") == 0)
		return num_parse_size(value, &u) == 0 ||
		       (n >= 2 && value[n - 1] == '%' && strspn(value, "0123456789") == n - 1);
	return false;
}

static const char *const keys[] = {"size", "mode", "uid", "gid", "nr_inodes"};

static int take_value(struct tmpfs_options *o, char *word, char *value, struct err *e)
{
	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(word, keys[i]) != 0)
			continue;
		if (!value_ok(keys[i], value))
			return err_set(e, EINVAL, "tmpfs option %s: bad value \"%s\"", word, value);
		for (unsigned int k = 0; k < o->n; k++)
			if (strcmp(o->fs[k].key, word) == 0) {
				o->fs[k].value = value;
				return 0;
			}
		o->fs[o->n++] = (struct mnt_option){keys[i], value};
		return 0;
	}
	return err_set(e, EINVAL, "unknown tmpfs option \"%s\"", word);
}

static int take_flag(struct tmpfs_options *o, const char *word, struct err *e)
{
	for (unsigned int i = 0; i < ARRAY_LEN(flags); i++)
		if (strcmp(word, flags[i].word) == 0) {
			o->attrs = (o->attrs | flags[i].set) & ~flags[i].clear;
			return 0;
		}
	return err_set(e, EINVAL, "unknown tmpfs option \"%s\"", word);
}

int tmpfs_parse(const char *text, struct tmpfs_options *ret, struct err *e)
{
	char *save = NULL;
	int r = 0;

	*ret = (struct tmpfs_options){
		.attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
	ret->fs[ret->n++] = (struct mnt_option){"mode", "1777"};
	if ((size_t)snprintf(ret->text, sizeof(ret->text), "%s", text ? text : "") >=
		sizeof(ret->text))
		return err_set(
			e, EINVAL, "tmpfs options: longer than %d bytes", TMPFS_TEXT_MAX - 1);
	for (char *w = strtok_r(ret->text, ",", &save); w && r == 0;
		w = strtok_r(NULL, ",", &save)) {
		char *value = strchr(w, '=');

		if (value)
			*value++ = '\0';
		r = value ? take_value(ret, w, value, e) : take_flag(ret, w, e);
	}
	return r;
}
