/* SPDX-License-Identifier: MIT */
/*
 * The words of a seccomp profile; see seccomp_read.h. Runs in ctl as the caller; the file may be
 * anything.
 */
#include "seccomp_read.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/util.h"
#include "caps.h"

#define ERRNO_MAX 4095

#if defined(__x86_64__)
#define HERE "amd64"
#else
#define HERE "arm64"
#endif

static const struct {
	const char *name;
	uint32_t action;
	bool takes_errno;
} actions[] = {{"SCMP_ACT_ALLOW", SCMP_ACT_ALLOW, false},
	{"SCMP_ACT_ERRNO", SCMP_ACT_ERRNO(0), true}, {"SCMP_ACT_KILL", SCMP_ACT_KILL, false},
	{"SCMP_ACT_KILL_THREAD", SCMP_ACT_KILL_THREAD, false},
	{"SCMP_ACT_KILL_PROCESS", SCMP_ACT_KILL_PROCESS, false},
	{"SCMP_ACT_LOG", SCMP_ACT_LOG, false}, {"SCMP_ACT_TRACE", SCMP_ACT_TRACE(0), true},
	{"SCMP_ACT_TRAP", SCMP_ACT_TRAP, false}};

static const struct {
	const char *name;
	enum scmp_compare op;
} compares[] = {{"SCMP_CMP_NE", SCMP_CMP_NE}, {"SCMP_CMP_LT", SCMP_CMP_LT},
	{"SCMP_CMP_LE", SCMP_CMP_LE}, {"SCMP_CMP_EQ", SCMP_CMP_EQ}, {"SCMP_CMP_GE", SCMP_CMP_GE},
	{"SCMP_CMP_GT", SCMP_CMP_GT}, {"SCMP_CMP_MASKED_EQ", SCMP_CMP_MASKED_EQ}};

int read_fields(json_t *o, const char *const *fields, struct err *e)
{
	const char *key;
	json_t *v;

	if (!o || json_is_null(o))
		return 0;
	if (!json_is_object(o))
		return err_set(e, EINVAL, "not an object");
	json_object_foreach(o, key, v)
	{
		const char *const *f = fields;

		while (*f && strcmp(*f, key) != 0)
			f++;
		if (!*f)
			return err_set(e, EINVAL, "unknown field \"%.64s\"", key);
	}
	return 0;
}

int read_list(json_t *v, const char *name, struct err *e)
{
	return !v || json_is_null(v) || json_is_array(v)
		       ? 0
		       : err_set(e, EINVAL, "%s is not a list", name);
}

/* The errno that an action comes with: errnoRet, or errno's name as podman writes it, or EPERM. */
static int read_errno(json_t *o, const char *ret_field, const char *name_field, struct err *e)
{
	json_t *ret = json_object_get(o, ret_field), *name = json_object_get(o, name_field);
	const char *s = json_string_value(name);
	json_int_t v = json_integer_value(ret);

	if (json_is_integer(ret))
		return v >= 0 && v <= ERRNO_MAX
			       ? (int)v
			       : err_set(e, EINVAL, "%s is no error number", ret_field);
	if (ret && !json_is_null(ret))
		return err_set(e, EINVAL, "%s is not a number", ret_field);
	if (!s || !*s)
		return EPERM;
	for (int i = 1; i < 256; i++)
		if (strerrorname_np(i) && strcmp(strerrorname_np(i), s) == 0)
			return i;
	return err_set(e, EINVAL, "unknown error name \"%.32s\"", s);
}

int read_action(json_t *o, const char *field, const char *ret_field, const char *name_field,
	uint32_t *ret, struct err *e)
{
	const char *s = json_string_value(json_object_get(o, field));
	int code;

	if (!s)
		return err_set(e, EINVAL, "%s is missing", field);
	for (unsigned int i = 0; i < ARRAY_LEN(actions); i++) {
		if (strcmp(actions[i].name, s) != 0)
			continue;
		code = actions[i].takes_errno ? read_errno(o, ret_field, name_field, e) : 0;
		*ret = actions[i].action | (uint32_t)code;
		return code < 0 ? code : 0;
	}
	return err_set(e, EINVAL, "%s \"%.64s\" is not supported", field, s);
}

static const char *const arg_fields[] = {"index", "value", "valueTwo", "op", NULL};
static const char *const when_fields[] = {"caps", "arches", "minKernel", NULL};

static bool lists(json_t *list, const char *word)
{
	size_t i;
	json_t *v;

	json_array_foreach(list, i,
		v) if (json_is_string(v) && strcmp(json_string_value(v), word) == 0) return true;
	return false;
}

/* How many of the capabilities of the list the container has. */
static int count_caps(uint64_t caps, json_t *list, size_t *ret, struct err *e)
{
	uint64_t one;
	size_t i;
	json_t *v;
	int r = 0;

	*ret = 0;
	json_array_foreach(list, i, v)
	{
		r = json_is_string(v) ? caps_parse(json_string_value(v), &one, e)
				      : err_set(e, EINVAL, "caps is not a list of names");
		if (r < 0)
			return r;
		*ret += (caps & one) == one;
	}
	return 0;
}

static bool kernel_is_at_least(const char *version)
{
	unsigned int want[2] = {0}, have[2] = {0};
	struct utsname u;

	uname(&u);
	if (sscanf(version, "%u.%u", &want[0], &want[1]) != 2 ||
		sscanf(u.release, "%u.%u", &have[0], &have[1]) != 2)
		return false;
	return have[0] != want[0] ? have[0] > want[0] : have[1] >= want[1];
}

static int check_when(json_t *when, struct err *e)
{
	int r = read_fields(when, when_fields, e);

	if (r == 0)
		r = read_list(json_object_get(when, "caps"), "caps", e);
	if (r == 0)
		r = read_list(json_object_get(when, "arches"), "arches", e);
	return r;
}

int read_when(uint64_t caps, json_t *rule, struct err *e)
{
	json_t *in = json_object_get(rule, "includes"), *out = json_object_get(rule, "excludes");
	const char *from = json_string_value(json_object_get(in, "minKernel"));
	const char *until = json_string_value(json_object_get(out, "minKernel"));
	size_t has, must_not;
	int r = check_when(in, e);

	if (r == 0)
		r = check_when(out, e);
	if (r == 0)
		r = count_caps(caps, json_object_get(in, "caps"), &has, e);
	if (r == 0)
		r = count_caps(caps, json_object_get(out, "caps"), &must_not, e);
	if (r < 0)
		return r;
	if (has < json_array_size(json_object_get(in, "caps")) || must_not > 0)
		return 0;
	if (json_array_size(json_object_get(in, "arches")) > 0 &&
		!lists(json_object_get(in, "arches"), HERE))
		return 0;
	if (lists(json_object_get(out, "arches"), HERE))
		return 0;
	return !(from && *from && !kernel_is_at_least(from)) &&
	       !(until && *until && kernel_is_at_least(until));
}

static int read_number(json_t *o, const char *field, uint64_t *ret, struct err *e)
{
	json_t *v = json_object_get(o, field);

	*ret = 0;
	if (!v || json_is_null(v))
		return 0;
	/* jansson's numbers are signed: what is larger than that does not parse. */
	if (!json_is_integer(v))
		return err_set(e, EINVAL, "%s is not a number", field);
	*ret = (uint64_t)json_integer_value(v);
	return 0;
}

static int read_arg(json_t *o, struct scmp_arg_cmp *ret, struct err *e)
{
	const char *op = json_string_value(json_object_get(o, "op"));
	uint64_t index, a, b;
	int r = read_fields(o, arg_fields, e);

	if (r == 0)
		r = read_number(o, "index", &index, e);
	if (r == 0)
		r = read_number(o, "value", &a, e);
	if (r == 0)
		r = read_number(o, "valueTwo", &b, e);
	if (r < 0)
		return r;
	if (index >= ARGS_MAX)
		return err_set(e, EINVAL, "there is no argument %lu", index);
	for (unsigned int i = 0; op && i < ARRAY_LEN(compares); i++) {
		if (strcmp(compares[i].name, op) != 0)
			continue;
		*ret = (struct scmp_arg_cmp){(unsigned int)index, compares[i].op, a, b};
		return 0;
	}
	return err_set(e, EINVAL, "unknown comparison \"%.32s\"", op ? op : "");
}

int read_args(json_t *rule, struct condition *ret, struct err *e)
{
	json_t *list = json_object_get(rule, "args"), *v;
	unsigned int seen = 0;
	size_t i;
	int r = read_list(list, "args", e);

	*ret = (struct condition){0};
	if (r == 0 && json_array_size(list) > ARGS_MAX)
		r = err_set(e, E2BIG, "more than %d args", ARGS_MAX);
	if (r < 0)
		return r;
	json_array_foreach(list, i, v)
	{
		r = read_arg(v, &ret->v[i], e);
		if (r < 0)
			return err_prefix(e, "args[%zu]", i);
		ret->any = ret->any || seen & 1U << ret->v[i].arg;
		seen |= 1U << ret->v[i].arg;
		ret->n++;
	}
	return 0;
}
