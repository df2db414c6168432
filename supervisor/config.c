/* SPDX-License-Identifier: MIT */
/*
 * The configuration file; see config.h. Runs in the launcher, once, before anything foreign exists:
 * the file is root's own, as the command line is.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/num.h"
#include "gc.h"

#define FILE_MAX  65536
#define WORDS_MAX 5
#define CPUS_MAX  (UINT64_C(1000000) * 65536)

/* Ids end one before -1, which means "none" to the kernel. */
#define ID_MAX (UINT32_MAX - 1)

int config_parse_group(const char *text, gid_t *ret, struct err *e)
{
	const struct group *gr;

	if (num_parse_u32(text, 0, ID_MAX, ret) == 0)
		return 0;
	gr = getgrnam(text);
	if (!gr)
		return err_set(e, ENOENT, "no group \"%.64s\" on this host", text);
	*ret = gr->gr_gid;
	return 0;
}

static int parse_who(const char *text, uint32_t *ret, struct err *e)
{
	const struct passwd *pw;

	*ret = POLICY_EVERYBODY;
	if (strcmp(text, "*") == 0)
		return 0;
	if (num_parse_u32(text, 0, ID_MAX, ret) < 0) {
		pw = getpwnam(text);
		if (!pw)
			return err_set(e, ENOENT, "no user \"%.64s\" on this host", text);
		*ret = pw->pw_uid;
	}
	return *ret ? 0 : err_set(e, EINVAL, "root may do everything and has no quota");
}

static int parse_amount(enum quota q, const char *text, uint64_t *ret)
{
	if (q == QUOTA_MEMORY)
		return num_parse_size(text, ret) == 0 && *ret <= INT64_MAX ? 0 : -EINVAL;
	if (q == QUOTA_CPUS)
		return num_parse_millionths(text, ret) == 0 && *ret <= CPUS_MAX ? 0 : -EINVAL;
	return num_parse_u64(text, 0, 4194304, ret);
}

static int find_quota(const char *name, enum quota *ret, struct err *e)
{
	for (enum quota q = 0; q < QUOTA_COUNT; q++) {
		*ret = q;
		if (strcmp(name, policy_quota_name(q)) == 0)
			return 0;
	}
	return err_set(e, EINVAL,
		"unknown quota \"%.64s\"; there are containers, memory, cpus, pids, binds and connections",
		name);
}

/* WHO WHAT AMOUNT, for both tables of a row. */
static int set_amount(struct config *c, char **words, bool is_preset, struct err *e)
{
	struct policy_row *row;
	uint64_t v, *at;
	enum quota q;
	uint32_t who;
	int r = parse_who(words[1], &who, e);

	if (r == 0)
		r = find_quota(words[2], &q, e);
	if (r < 0)
		return r;
	if (is_preset && q != QUOTA_MEMORY && q != QUOTA_CPUS && q != QUOTA_PIDS)
		return err_set(e, EINVAL,
			"there are defaults of memory, cpus, pids and isolated-layers, not of %s",
			words[2]);
	if (parse_amount(q, words[3], &v) < 0 || (is_preset && v == 0))
		return err_set(e, EINVAL, "\"%.64s\" is no amount of %s", words[3], words[2]);
	row = policy_row(&c->policy, who);
	if (!row)
		return err_set(e, E2BIG, "more than %d users", POLICY_ROWS_MAX);
	at = is_preset ? &row->preset[q] : &row->quota[q];
	if (*at != POLICY_UNSET)
		return err_set(e, EEXIST, "said before");
	*at = v;
	return 0;
}

static int set_quota(struct config *c, char **words, struct err *e)
{
	return set_amount(c, words, false, e);
}

static int set_isolated(struct config *c, char **words, struct err *e)
{
	bool yes = strcmp(words[3], "yes") == 0;
	struct policy_row *row;
	uint32_t who;
	int r = parse_who(words[1], &who, e);

	if (r < 0)
		return r;
	if (!yes && strcmp(words[3], "no") != 0)
		return err_set(e, EINVAL, "%s is yes or no, not \"%.64s\"", words[2], words[3]);
	row = policy_row(&c->policy, who);
	if (!row)
		return err_set(e, E2BIG, "more than %d users", POLICY_ROWS_MAX);
	if (row->isolated != POLICY_UNSET)
		return err_set(e, EEXIST, "said before");
	row->isolated = yes;
	return 0;
}

static int set_preset(struct config *c, char **words, struct err *e)
{
	return strcmp(words[2], "isolated-layers") == 0 ? set_isolated(c, words, e)
							: set_amount(c, words, true, e);
}

static int set_right(struct config *c, char **words, struct err *e)
{
	static const struct {
		const char *name;
		enum right right;
	} rights[] = {{"devices", RIGHT_DEVICES}, {"host-network", RIGHT_HOST_NETWORK},
		{"low-ports", RIGHT_LOW_PORTS}, {"publish", RIGHT_PUBLISH},
		{"remove-images", RIGHT_REMOVE_IMAGES}};
	struct policy_row *row;
	uint32_t who, right = 0;
	int r = parse_who(words[1], &who, e);

	if (r < 0)
		return r;
	for (unsigned int i = 0; i < ARRAY_LEN(rights); i++)
		if (strcmp(words[2], rights[i].name) == 0)
			right = rights[i].right;
	if (!right)
		return err_set(e, EINVAL,
			"unknown right \"%.64s\"; there are devices, host-network, low-ports, publish and remove-images",
			words[2]);
	row = policy_row(&c->policy, who);
	if (!row)
		return err_set(e, E2BIG, "more than %d users", POLICY_ROWS_MAX);
	if (row->rights & right)
		return err_set(e, EEXIST, "said before");
	row->rights |= right;
	return 0;
}

static int set_group(struct config *c, char **words, struct err *e)
{
	if (c->has_group)
		return err_set(e, EEXIST, "said before");
	c->has_group = true;
	return config_parse_group(words[1], &c->group, e);
}

static int set_publish_ip(struct config *c, char **words, struct err *e)
{
	uint8_t ip[16];

	if (*c->publish_ip)
		return err_set(e, EEXIST, "said before");
	if ((inet_pton(AF_INET, words[1], ip) != 1 && inet_pton(AF_INET6, words[1], ip) != 1) ||
		strlen(words[1]) >= sizeof(c->publish_ip))
		return err_set(e, EINVAL, "\"%.64s\" is no address", words[1]);
	strcpy(c->publish_ip, words[1]);
	return 0;
}

static int set_image_gc(struct config *c, char **words, struct err *e)
{
	struct gc_marks marks;

	if (*c->image_gc)
		return err_set(e, EEXIST, "said before");
	if (snprintf(c->image_gc, sizeof(c->image_gc), "%s,%s", words[1], words[2]) >=
		(int)sizeof(c->image_gc))
		return err_set(e, EINVAL, "the marks are too long");
	return gc_parse(c->image_gc, &marks, e);
}

static const struct key {
	const char *name;
	unsigned int words; /* with the key */
	const char *usage;
	int (*set)(struct config *c, char **words, struct err *e);
} keys[] = {
	{"group", 2, "NAME or GID", set_group},
	{"publish-ip", 2, "ADDRESS", set_publish_ip},
	{"image-gc", 3, "HIGH LOW", set_image_gc},
	{"quota", 4, "WHO WHAT AMOUNT", set_quota},
	{"default", 4, "WHO WHAT AMOUNT", set_preset},
	{"allow", 3, "WHO RIGHT", set_right},
};

static int parse_line(struct config *c, char *line, struct err *e)
{
	char *words[WORDS_MAX], *save = NULL;
	unsigned int n = 0;

	line[strcspn(line, "#")] = '\0';
	for (char *w = strtok_r(line, " \t", &save); w && n < WORDS_MAX;
		w = strtok_r(NULL, " \t", &save))
		words[n++] = w;
	if (n == 0)
		return 0;
	for (unsigned int i = 0; i < ARRAY_LEN(keys); i++) {
		if (strcmp(words[0], keys[i].name) != 0)
			continue;
		if (n != keys[i].words)
			return err_set(e, EINVAL, "%s wants %s", words[0], keys[i].usage);
		return keys[i].set(c, words, e) < 0 ? err_prefix(e, "%s", words[0]) : 0;
	}
	return err_set(e, EINVAL,
		"unknown key \"%.64s\"; there are group, publish-ip, image-gc, quota, default and allow",
		words[0]);
}

int config_parse(const char *name, char *text, struct config *ret, struct err *e)
{
	unsigned int number = 0;
	char *line;

	*ret = (struct config){0};
	while ((line = strsep(&text, "\n"))) {
		number++;
		if (parse_line(ret, line, e) < 0)
			return err_prefix(e, "%.128s:%u", name, number);
	}
	return 0;
}

int config_load(const char *path, bool must_exist, struct config *ret, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	struct stat st;
	size_t n;
	int r;

	*ret = (struct config){0};
	if (fd < 0 && errno == ENOENT && !must_exist)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(e, errno, "%.128s", path);
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH))
		return err_set(e, EPERM,
			"%.128s must be a file of root that nobody else can write: chown root, chmod go-w",
			path);
	r = fd_read_file(fd, FILE_MAX, &text, &n);
	if (r < 0)
		return err_errno(e, r, "%.128s", path);
	if (strlen(text) != n)
		return err_set(e, EINVAL, "%.128s is no text", path);
	return config_parse(path, text, ret, e);
}
