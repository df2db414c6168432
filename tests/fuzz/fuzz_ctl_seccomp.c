/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as docker's seccomp profile: refused with a sentence, or made into a filter that the
 * kernel's own rules allow and that never asks for more than the profile's words can say. The first
 * bytes choose the container's capabilities.
 */
#include <errno.h>
#include <jansson.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "bpf.h"
#include "json_mutator.h"
#include "supervisor/ctl/seccomp.h"

#define CAPS_BYTES 5
#define CALLS	   480 /* numbers above the highest that libseccomp and we know */
#define FILTER_MAX (BPF_MAX * sizeof(struct sock_filter))

#if defined(__x86_64__)
#define HERE AUDIT_ARCH_X86_64
#else
#define HERE AUDIT_ARCH_AARCH64
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed);

static void check(bool ok)
{
	if (!ok)
		abort();
}

/* seccomp_check_filter() in kernel/seccomp.c and bpf_check_classic() in net/core/filter.c, for what
 * libseccomp makes. */
static void check_instruction(const struct sock_filter *v, size_t n, size_t i)
{
	switch (v[i].code) {
	case BPF_LD | BPF_W | BPF_ABS:
		check(v[i].k < sizeof(struct seccomp_data) && v[i].k % 4 == 0);
		return;
	case BPF_JMP | BPF_JA:
		check(v[i].k < n - i - 1);
		return;
	case BPF_JMP | BPF_JEQ | BPF_K:
	case BPF_JMP | BPF_JGE | BPF_K:
	case BPF_JMP | BPF_JGT | BPF_K:
	case BPF_JMP | BPF_JSET | BPF_K:
		check(i + v[i].jt + 1 < n && i + v[i].jf + 1 < n);
		return;
	case BPF_ALU | BPF_AND | BPF_K:
	case BPF_ST:
	case BPF_LD | BPF_MEM:
	case BPF_RET | BPF_K:
		return;
	default:
		abort();
	}
}

static bool jumps(const struct sock_filter *f, uint32_t a)
{
	switch (BPF_OP(f->code)) {
	case BPF_JEQ:
		return a == f->k;
	case BPF_JGE:
		return a >= f->k;
	case BPF_JGT:
		return a > f->k;
	default:
		return a & f->k;
	}
}

static uint32_t run(const struct sock_filter *v, const struct seccomp_data *call)
{
	uint32_t a = 0, m[BPF_MEMWORDS] = {0};

	for (size_t i = 0;; i++) {
		switch (v[i].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			memcpy(&a, (const uint8_t *)call + v[i].k, sizeof(a));
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= v[i].k;
			break;
		case BPF_ST:
			m[v[i].k % BPF_MEMWORDS] = a;
			break;
		case BPF_LD | BPF_MEM:
			a = m[v[i].k % BPF_MEMWORDS];
			break;
		case BPF_RET | BPF_K:
			return v[i].k;
		case BPF_JMP | BPF_JA:
			i += v[i].k;
			break;
		default:
			i += jumps(&v[i], a) ? v[i].jt : v[i].jf;
		}
	}
}

/* No action but those that a profile can name. */
static void check_action(uint32_t action)
{
	switch (action & SECCOMP_RET_ACTION_FULL) {
	case SECCOMP_RET_ALLOW:
	case SECCOMP_RET_ERRNO:
	case SECCOMP_RET_KILL_THREAD:
	case SECCOMP_RET_KILL_PROCESS:
	case SECCOMP_RET_LOG:
	case SECCOMP_RET_TRACE:
	case SECCOMP_RET_TRAP:
		check((action & SECCOMP_RET_DATA) <= 4095);
		return;
	default:
		abort();
	}
}

/* ---- what the profile says of a system call, where it says it in one word ---- */

struct said {
	uint32_t action;
	unsigned int times;
	bool conditional;
};

/* errnoRet, or errno's name, or EPERM. */
static uint32_t error_of(const json_t *o, const char *field, const char *name_field)
{
	const json_t *v = json_object_get(o, field);
	const char *name = json_string_value(json_object_get(o, name_field));

	if (json_is_integer(v))
		return (uint32_t)json_integer_value(v);
	for (int i = 1; name && *name && i < 256; i++)
		if (strerrorname_np(i) && strcmp(strerrorname_np(i), name) == 0)
			return (uint32_t)i;
	return EPERM;
}

static uint32_t action_of(
	const json_t *o, const char *field, const char *errno_field, const char *errno_name)
{
	static const struct {
		const char *name;
		uint32_t action;
	} actions[] = {{"SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW}, {"SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO},
		{"SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD},
		{"SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS},
		{"SCMP_ACT_LOG", SECCOMP_RET_LOG}, {"SCMP_ACT_TRACE", SECCOMP_RET_TRACE},
		{"SCMP_ACT_TRAP", SECCOMP_RET_TRAP}};
	const char *name = json_string_value(json_object_get(o, field));

	for (size_t i = 0; name && i < ARRAY_LEN(actions); i++)
		if (strcmp(actions[i].name, name) == 0 &&
			(actions[i].action == SECCOMP_RET_ERRNO ||
				actions[i].action == SECCOMP_RET_TRACE))
			return actions[i].action | error_of(o, errno_field, errno_name);
		else if (strcmp(actions[i].name, name) == 0)
			return actions[i].action;
	abort(); /* it was taken, though */
}

static void note(struct said *said, const json_t *rule, const char *name)
{
	int nr = name && *name ? bpf_syscall(name) : -1;

	if (nr < 0 || nr >= CALLS)
		return;
	said[nr].times++;
	said[nr].action = action_of(rule, "action", "errnoRet", "errno");
	said[nr].conditional = said[nr].conditional ||
			       json_array_size(json_object_get(rule, "args")) > 0 ||
			       json_object_size(json_object_get(rule, "includes")) > 0 ||
			       json_object_size(json_object_get(rule, "excludes")) > 0;
}

static void read_profile(const json_t *root, struct said *said)
{
	json_t *rule, *name;
	size_t i, k;

	json_array_foreach(json_object_get(root, "syscalls"), i, rule)
	{
		note(said, rule, json_string_value(json_object_get(rule, "name")));
		json_array_foreach(json_object_get(rule, "names"), k, name)
			note(said, rule, json_string_value(name));
	}
}

static void check_meaning(const struct sock_filter *v, const char *text, size_t n)
{
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, NULL);
	uint32_t rest = action_of(root, "defaultAction", "defaultErrnoRet", "defaultErrno");
	struct said said[CALLS] = {0};
	int highest = -1;

	read_profile(root, said);
	for (int nr = 0; nr < CALLS; nr++)
		highest = said[nr].times && !said[nr].conditional ? nr : highest;
	for (int nr = 0; nr <= highest; nr++) {
		struct seccomp_data call = {.nr = nr, .arch = HERE};
		uint32_t action = run(v, &call);

		if (said[nr].times == 0)
			check(action == rest);
		else if (said[nr].times == 1 && !said[nr].conditional)
			check(action == said[nr].action);
	}
	json_decref(root);
}

/* ---- the filter ---- */

static void check_filter(int fd, const char *text, size_t size)
{
	static const uint32_t arches[] = {AUDIT_ARCH_X86_64, AUDIT_ARCH_I386, AUDIT_ARCH_AARCH64};
	struct sock_filter *v;
	uint8_t *buf;
	size_t n;

	check(fd_memfd_read(fd, FILTER_MAX, &buf, &n) == 0 && n > 0 && n % sizeof(*v) == 0);
	v = (struct sock_filter *)buf;
	n /= sizeof(*v);
	for (size_t i = 0; i < n; i++)
		check_instruction(v, n, i);
	check(v[n - 1].code == (BPF_RET | BPF_K));
	for (int nr = 0; nr < CALLS; nr++)
		for (size_t i = 0; i < ARRAY_LEN(arches); i++) {
			struct seccomp_data call = {.nr = nr, .arch = arches[i]};

			check_action(run(v, &call));
		}
	check_meaning(v, text, size);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_fd_ int in = memfd_create("profile", MFD_CLOEXEC), filter = -1;
	uint64_t caps = 0;
	struct err e = {0};
	char path[32];

	if (size < CAPS_BYTES || in < 0)
		return 0;
	memcpy(&caps, data, CAPS_BYTES);
	check(fd_write_all(in, data + CAPS_BYTES, size - CAPS_BYTES) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", in);
	lseek(in, 0, SEEK_SET);
	filter = seccomp_file(path, caps, &e);
	if (filter < 0)
		check(e.code > 0 && e.text[0]);
	else
		check_filter(filter, (const char *)data + CAPS_BYTES, size - CAPS_BYTES);
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned int seed)
{
	static const char *const words[] = {"defaultAction", "defaultErrnoRet", "defaultErrno",
		"architectures", "archMap", "syscalls", "architecture", "subArchitectures", "name",
		"names", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes",
		"caps", "arches", "minKernel", "index", "value", "valueTwo", "op", "SCMP_ACT_ALLOW",
		"SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_LOG",
		"SCMP_ACT_TRACE", "SCMP_ACT_TRAP", "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE",
		"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
		"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64",
		"SCMP_ARCH_ARM", "amd64", "arm64", "x32", "4.8", "99.0", "EPERM", "ENOSYS",
		"CAP_SYS_ADMIN", "CAP_NET_ADMIN", "read", "clone", "socket", "openat2", "mseal",
		"arm_sync_file_range", "personality", "no_such_call", "", NULL};

	return json_mutate(data, size, max, seed, CAPS_BYTES, words);
}
