/* SPDX-License-Identifier: MIT */
/*
 * docker's seccomp profile to BPF; see seccomp.h. Runs in ctl as the caller, before the engine is
 * reached: the engine never sees the JSON. A profile means what it means to docker and runc; what
 * they would pass over in silence, an unknown field or a refused call that nobody knows, is an
 * error.
 */
#include "seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "bpf.h"
#include "seccomp_read.h"

#define FILE_MAX (1U << 20)

#if defined(__x86_64__)
#define HERE_SCMP  "SCMP_ARCH_X86_64"
#define HERE_AUDIT AUDIT_ARCH_X86_64
#define HERE_END   0x40000000U /* x32's numbers begin */
#elif defined(__aarch64__)
#define HERE_SCMP  "SCMP_ARCH_AARCH64"
#define HERE_AUDIT AUDIT_ARCH_AARCH64
#define HERE_END   0x7fffffffU
#else
#error "unknown architecture"
#endif

struct profile {
	scmp_filter_ctx rules;
	uint64_t caps;
	uint32_t default_action;
	uint32_t highest; /* number that the file names */
	bool others;	  /* architectures beside this one */
	bool young;	  /* now those calls that libseccomp doesn't know; else the others */
};

static const char *const top_fields[] = {"defaultAction", "defaultErrnoRet", "defaultErrno",
	"architectures", "archMap", "syscalls", NULL};
static const char *const map_fields[] = {"architecture", "subArchitectures", NULL};
static const char *const rule_fields[] = {"name", "names", "action", "errnoRet", "errno", "args",
	"comment", "includes", "excludes", NULL};

static int add_one(struct profile *p, uint32_t action, int nr, unsigned int n,
	const struct scmp_arg_cmp *v, struct err *e)
{
	int r = seccomp_rule_add_array(p->rules, action, nr, n, v);

	/* Said twice is no harm; what a foreign architecture does not have, it has not. */
	if (r == 0 || r == -EEXIST || (p->others && r == -EDOM))
		return 0;
	return err_errno(e, r, "libseccomp refuses the rule");
}

static bool permits(uint32_t action)
{
	return action == SCMP_ACT_ALLOW || action == SCMP_ACT_LOG;
}

/* libseccomp can't say what such a call is elsewhere (EFAULT), so its rules come before the foreign
 * architectures, which then have the default alone. */
static int check_young(const struct profile *p, uint32_t action, const char *name, struct err *e)
{
	if (p->young || !p->others || permits(action) || !permits(p->default_action))
		return 0;
	return err_set(e, EINVAL,
		"system call \"%.64s\" can't be refused to other architectures: libseccomp does not know it",
		name);
}

static int add_name(struct profile *p, uint32_t action, const char *name,
	const struct condition *when, struct err *e)
{
	int nr = bpf_syscall(name), r = 0;
	bool young = nr >= 0 && seccomp_syscall_resolve_name(name) < 0;

	if (nr == BPF_UNKNOWN && !permits(action))
		return err_set(e, EINVAL, "unknown system call \"%.64s\" can't be refused", name);
	if (young && check_young(p, action, name, e) < 0)
		return -EINVAL;
	if (young != p->young)
		return 0;
	if (nr == BPF_FOREIGN && p->others)
		nr = seccomp_syscall_resolve_name(name);
	else if (nr < 0)
		return 0;
	if (nr > (int)p->highest)
		p->highest = (uint32_t)nr;
	if (action == p->default_action)
		return 0;
	if (!when->any)
		return add_one(p, action, nr, when->n, when->v, e);
	for (unsigned int i = 0; i < when->n && r == 0; i++)
		r = add_one(p, action, nr, 1, &when->v[i], e);
	return r;
}

static int add_names(struct profile *p, uint32_t action, json_t *rule, struct err *e)
{
	const char *name = json_string_value(json_object_get(rule, "name"));
	json_t *names = json_object_get(rule, "names"), *v;
	struct condition when;
	size_t i;
	int r = read_list(names, "names", e);

	if (r == 0)
		r = read_args(rule, &when, e);
	if (r == 0 && name && *name)
		r = add_name(p, action, name, &when, e);
	if (r < 0)
		return r;
	json_array_foreach(names, i, v)
	{
		r = json_is_string(v) ? add_name(p, action, json_string_value(v), &when, e)
				      : err_set(e, EINVAL, "names[%zu] is not a text", i);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rule(struct profile *p, json_t *rule, struct err *e)
{
	uint32_t action;
	int r = json_is_object(rule) ? read_fields(rule, rule_fields, e)
				     : err_set(e, EINVAL, "not an object");

	if (r == 0)
		r = read_action(rule, "action", "errnoRet", "errno", &action, e);
	if (r == 0)
		r = read_when(p->caps, rule, e);
	return r > 0 ? add_names(p, action, rule, e) : r;
}

/* ---- the file ---- */

static const struct {
	const char *name;
	uint32_t token;
} arches[] = {{"SCMP_ARCH_X86", SCMP_ARCH_X86}, {"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64},
	{"SCMP_ARCH_X32", SCMP_ARCH_X32}, {"SCMP_ARCH_ARM", SCMP_ARCH_ARM},
	{"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64}};

static int add_arches(struct profile *p, json_t *list, struct err *e)
{
	size_t k;
	json_t *v;

	json_array_foreach(list, k, v)
	{
		const char *s = json_string_value(v);

		for (unsigned int i = 0; s && i < ARRAY_LEN(arches); i++) {
			int r = strcmp(arches[i].name, s) == 0
					? seccomp_arch_add(p->rules, arches[i].token)
					: -EEXIST;

			if (r < 0 && r != -EEXIST)
				return err_errno(e, r, "%s", s);
			p->others = p->others || r == 0;
		}
	}
	return 0;
}

/* `architectures` as they are; of archMap, what this machine runs beside its own. */
static int read_arches(struct profile *p, json_t *root, struct err *e)
{
	json_t *list = json_object_get(root, "architectures"),
	       *map = json_object_get(root, "archMap"), *v;
	size_t i;
	int r = read_list(list, "architectures", e);

	if (r == 0)
		r = read_list(map, "archMap", e);
	if (r == 0)
		r = add_arches(p, list, e);
	if (r < 0)
		return r;
	json_array_foreach(map, i, v)
	{
		const char *s = json_string_value(json_object_get(v, "architecture"));

		r = read_fields(v, map_fields, e);
		if (r == 0 && s && strcmp(s, HERE_SCMP) == 0)
			r = add_arches(p, json_object_get(v, "subArchitectures"), e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rules(struct profile *p, json_t *root, struct err *e)
{
	json_t *list = json_object_get(root, "syscalls"), *v;
	size_t i;
	int r = read_list(list, "syscalls", e);

	if (r < 0)
		return r;
	json_array_foreach(list, i, v)
	{
		r = add_rule(p, v, e);
		if (r < 0)
			return err_prefix(e, "syscalls[%zu]", i);
	}
	return 0;
}

/* As runc: a call that is younger than all that the file names gets ENOSYS and not the default's
 * error, or programs that try new calls first would not go on to the old ones. */
static int put_young(const struct profile *p, struct bpf *filter, struct err *e)
{
	struct sock_filter young[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HERE_AUDIT, 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, p->highest, 0, 2),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, HERE_END, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SCMP_ACT_ERRNO(ENOSYS)),
		BPF_STMT(BPF_RET | BPF_K, BPF_NEXT)};
	struct bpf first = {calloc(1, sizeof(young)), ARRAY_LEN(young)};
	int r;

	if ((p->default_action & 0xffff0000) != SCMP_ACT_ERRNO(0) || p->highest == 0) {
		free(first.v);
		return 0;
	}
	if (!first.v)
		return err_set(e, ENOMEM, "out of memory");
	memcpy(first.v, young, sizeof(young));
	r = bpf_append(&first, filter, e);
	bpf_free(filter);
	*filter = first;
	return r;
}

static int compile(json_t *root, uint64_t caps, struct err *e)
{
	struct profile p = {.caps = caps};
	_cleanup_bpf_ struct bpf filter = {0};
	int r = json_is_object(root) ? read_fields(root, top_fields, e)
				     : err_set(e, EINVAL, "not an object");

	if (r == 0)
		r = read_action(root, "defaultAction", "defaultErrnoRet", "defaultErrno",
			&p.default_action, e);
	if (r < 0)
		return r;
	p.rules = bpf_rules(p.default_action);
	if (!p.rules)
		return err_set(e, ENOMEM, "out of memory");
	p.young = true;
	r = add_rules(&p, root, e);
	if (r == 0)
		r = read_arches(&p, root, e);
	p.young = false;
	if (r == 0)
		r = add_rules(&p, root, e);
	if (r == 0)
		r = bpf_make(p.rules, &filter, e);
	if (r == 0)
		r = put_young(&p, &filter, e);
	seccomp_release(p.rules);
	return r < 0 ? r : bpf_memfd("filter", &filter, e);
}

int seccomp_file(const char *path, uint64_t caps, struct err *e)
{
	_cleanup_fd_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	_cleanup_free_ char *text = NULL;
	json_error_t why;
	json_t *root;
	size_t n;
	int r;

	if (fd < 0)
		return err_errno(e, errno, "%.128s", path);
	r = fd_read_file(fd, FILE_MAX, &text, &n);
	if (r < 0)
		return err_errno(e, r, "%.128s", path);
	root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, EINVAL, "%.128s: line %d: %.80s", path, why.line, why.text);
	r = compile(root, caps, e);
	json_decref(root);
	return r < 0 ? err_prefix(e, "%.128s", path) : r;
}
