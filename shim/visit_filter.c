/* SPDX-License-Identifier: MIT */
/*
 * The filter of visits: a list of a few dozen rows, made into BPF here, since the shim links no
 * libseccomp. It is in force for one process that soon ends, so a list will do.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "base/sandbox.h"
#include "filter.h"
#include "visit.h"

#define FILTER_MAX 512

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#endif

#define LOAD(field)                                                                                \
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, field))
#define LOAD_NUMBER LOAD(nr)
#define ANSWER(v)   BPF_STMT(BPF_RET | BPF_K, (v))
/* Goes on with the next instruction when it is v, else leaves `skip` of them out. */
#define WHEN(v, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (v), 0, (skip))
#define NONE_OF_OURS  SECCOMP_RET_KILL_PROCESS

struct program {
	struct sock_filter v[FILTER_MAX];
	unsigned short n;
};

static void put(struct program *p, const struct sock_filter *v, unsigned short n)
{
	for (unsigned short i = 0; i < n && p->n < FILTER_MAX; i++)
		p->v[p->n++] = v[i];
}

/* Arguments are tested by their lower half: the masks have no more. */
static void put_row(struct program *p, const struct priv_syscall *s)
{
	const uint32_t answer =
		s->error ? SECCOMP_RET_ERRNO | (uint32_t)s->error : SECCOMP_RET_ALLOW;
	const uint32_t at = (uint32_t)(offsetof(struct seccomp_data, args) + 8 * s->arg);
	const struct sock_filter plain[] = {WHEN((uint32_t)s->nr, 1), ANSWER(answer)};
	const struct sock_filter tested[] = {WHEN((uint32_t)s->nr, 5),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, at),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t)s->mask), WHEN((uint32_t)s->value, 1),
		ANSWER(answer), LOAD_NUMBER};

	if (s->tested)
		put(p, tested, ARRAY_LEN(tested));
	else
		put(p, plain, ARRAY_LEN(plain));
}

int visit_filter(unsigned int calls, struct err *e)
{
	/* x32 has the same architecture and numbers of its own: they are in no row. */
	static const struct sock_filter head[] = {LOAD(arch), WHEN(ARCH, 1),
		BPF_STMT(BPF_JMP | BPF_JA, 1), ANSWER(NONE_OF_OURS), LOAD_NUMBER};
	static const struct sock_filter tail = ANSWER(NONE_OF_OURS);
	struct program p = {.n = 0};

	put(&p, head, ARRAY_LEN(head));
	for (const struct visit_calls_row *c = visit_calls; c->calls; c++)
		for (const struct priv_syscall *s = c->rows; c->calls & calls && s->nr >= 0; s++)
			put_row(&p, s);
	put(&p, &tail, 1);
	if (p.n == FILTER_MAX)
		return err_set(e, E2BIG, "the filter of visits has too many rows");
	return SANDBOX_OFF ? 0 : filter_install(&(struct sock_fprog){p.n, p.v}, e);
}
