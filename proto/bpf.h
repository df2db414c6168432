/* SPDX-License-Identifier: MIT */
/*
 * Seccomp filters as the kernel takes them: BPF instructions that libseccomp has made of rules.
 * Links libseccomp; for the supervisor, which makes the default filter, and for ctl, which makes
 * one of a file of the user's.
 */
#pragma once

#include <linux/filter.h>
#include <seccomp.h>
#include <stdint.h>

#include "base/err.h"

#define BPF_MAX 4096U /* instructions, the kernel's BPF_MAXINSNS */

struct bpf {
	struct sock_filter *v;
	size_t n;
};
void bpf_free(struct bpf *p);
#define _cleanup_bpf_ _cleanup_(bpf_free)

/* The number of a system call here, whatever the age of libseccomp; negative: it is one of another
 * architecture (BPF_FOREIGN), or nobody knows it (BPF_UNKNOWN). */
#define BPF_FOREIGN (-1)
#define BPF_UNKNOWN (-2)
int bpf_syscall(const char *name);

/* A fresh set of rules, made into a tree of comparisons at the end. Foreign ABIs, which are the
 * 32-bit ones and x32, get ENOSYS. NULL when there is no memory. */
scmp_filter_ctx bpf_rules(uint32_t default_action);
static inline void bpf_rules_freep(scmp_filter_ctx *p)
{
	if (*p)
		seccomp_release(*p);
}
#define _cleanup_rules_ _cleanup_(bpf_rules_freep)

/* What the rules come to. */
int bpf_make(scmp_filter_ctx rules, struct bpf *ret, struct err *e);

/* In the default action of a filter that another one follows: that one decides. */
#define BPF_NEXT SCMP_ACT_TRACE(0xb11d)

/* Puts `next` behind p, where every BPF_NEXT of p leads. */
int bpf_append(struct bpf *p, const struct bpf *next, struct err *e);

/* A sealed memfd of the instructions. */
int bpf_memfd(const char *name, const struct bpf *p, struct err *e);
