/* SPDX-License-Identifier: MIT */
/*
 * Installing a filter; see filter.h. Runs in the process that it is for. The kernel judges the
 * instructions, nobody does before.
 */
#include "filter.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

int filter_read(int fd, struct sock_fprog *ret, struct err *e)
{
	uint8_t *buf;
	size_t n;
	int r;

	*ret = (struct sock_fprog){0};
	if (fd < 0)
		return 0;
	r = fd_memfd_read(fd, BPF_MAXINSNS * sizeof(*ret->filter), &buf, &n);
	if (r < 0)
		return err_errno(e, r, "reading the seccomp filter");
	if (n == 0 || n % sizeof(*ret->filter) != 0)
		return err_set(e, EINVAL, "the seccomp filter is no list of instructions");
	*ret = (struct sock_fprog){
		(unsigned short)(n / sizeof(*ret->filter)), (struct sock_filter *)(void *)buf};
	return 0;
}

int filter_install(const struct sock_fprog *p, struct err *e)
{
	if (p->len == 0)
		return 0;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, p) == 0)
		return 0;
	return errno == EINVAL
		       ? err_set(e, EINVAL,
				 "the kernel refuses the seccomp filter: it is no valid program")
		       : err_errno(e, errno, "installing the seccomp filter");
}
