/* SPDX-License-Identifier: MIT */
/*
 * libseccomp's rules to BPF; see bpf.h. Trusts libseccomp; the rules may be anybody's.
 */
#include "bpf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"

/* Younger than libseccomp 2.5; since 5.1 a new call has one number on all architectures. */
static const struct {
	const char *name;
	int number;
} young[] = {{"cachestat", 451}, {"fchmodat2", 452}, {"map_shadow_stack", 453}, {"futex_wake", 454},
	{"futex_wait", 455}, {"futex_requeue", 456}, {"statmount", 457}, {"listmount", 458},
	{"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460}, {"lsm_list_modules", 461},
	{"mseal", 462}, {"setxattrat", 463}, {"getxattrat", 464}, {"listxattrat", 465},
	{"removexattrat", 466}, {"open_tree_attr", 467}, {"file_getattr", 468},
	{"file_setattr", 469}};

int bpf_syscall(const char *name)
{
	int n = seccomp_syscall_resolve_name(name);

	if (n >= 0)
		return n;
	for (unsigned int i = 0; i < ARRAY_LEN(young); i++)
		if (strcmp(young[i].name, name) == 0)
			return young[i].number;
	return n == __NR_SCMP_ERROR ? BPF_UNKNOWN : BPF_FOREIGN;
}

void bpf_free(struct bpf *p)
{
	free(p->v);
	*p = (struct bpf){0};
}

/* The kernel keeps a bit a system call for what does not depend on arguments
 * (seccomp_cache_prepare() in kernel/seccomp.c), so a tree costs only those calls that do, and the
 * making of those bits. */
scmp_filter_ctx bpf_rules(uint32_t default_action)
{
	scmp_filter_ctx c = seccomp_init(default_action);

	if (c && seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0 &&
		seccomp_attr_set(c, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) == 0)
		return c;
	bpf_rules_freep(&c);
	return NULL;
}

/* libseccomp writes to descriptors alone. */
int bpf_make(scmp_filter_ctx rules, struct bpf *ret, struct err *e)
{
	_cleanup_fd_ int fd = memfd_create("filter", MFD_CLOEXEC);
	off_t size;
	int r;

	*ret = (struct bpf){0};
	if (fd < 0)
		return err_errno(e, errno, "a memory file");
	r = seccomp_export_bpf(rules, fd);
	if (r < 0)
		return err_errno(e, r, "libseccomp could not make the filter");
	size = lseek(fd, 0, SEEK_CUR);
	ret->n = (size_t)size / sizeof(*ret->v);
	if (ret->n == 0 || ret->n > BPF_MAX)
		return err_set(e, E2BIG, "the filter takes %zu instructions; the kernel allows %u",
			ret->n, BPF_MAX);
	ret->v = calloc(ret->n, sizeof(*ret->v));
	if (!ret->v)
		return err_set(e, ENOMEM, "out of memory");
	if (pread(fd, ret->v, (size_t)size, 0) != size) {
		bpf_free(ret);
		return err_errno(e, EIO, "reading the filter");
	}
	return 0;
}

int bpf_append(struct bpf *p, const struct bpf *next, struct err *e)
{
	struct sock_filter *v = NULL;

	if (p->n + next->n <= BPF_MAX)
		v = realloc(p->v, (p->n + next->n) * sizeof(*v));
	if (!v)
		return err_set(e, E2BIG, "the filter grows too large");
	for (size_t i = 0; i < p->n; i++)
		if (v[i].code == (BPF_RET | BPF_K) && v[i].k == BPF_NEXT)
			v[i] = (struct sock_filter)BPF_STMT(
				BPF_JMP | BPF_JA, (uint32_t)(p->n - i - 1));
	memcpy(v + p->n, next->v, next->n * sizeof(*v));
	p->v = v;
	p->n += next->n;
	return 0;
}

int bpf_memfd(const char *name, const struct bpf *p, struct err *e)
{
	int fd = fd_memfd_sealed(name, p->v, p->n * sizeof(*p->v));

	return fd < 0 ? err_errno(e, fd, "a memory file") : fd;
}
