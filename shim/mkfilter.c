/* SPDX-License-Identifier: MIT */
/*
 * Runs while the shim is built, and prints C: the filters that profile.c's rows amount to, with and
 * without what --debug needs, and the names of all system calls. So the shim, of which there is one
 * a container, carries neither libseccomp nor the time and memory that making a filter takes.
 */
#include <linux/filter.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/sandbox.h"
#include "profile.h"

static int print_filter(const char *name, bool debug, struct err *e)
{
	_cleanup_fd_ int fd = memfd_create("filter", MFD_CLOEXEC);
	struct sock_filter f;
	int r = sandbox_write(&profile_running, debug, fd, e);

	if (r < 0)
		return r;
	lseek(fd, 0, SEEK_SET);
	printf("static const struct sock_filter %s[] = {\n", name);
	while (read(fd, &f, sizeof(f)) == sizeof(f))
		printf("\t{0x%x, %u, %u, 0x%x},\n", f.code, f.jt, f.jf, f.k);
	puts("};");
	return 0;
}

static void print_names(void)
{
	static struct violation_names names;
	const char *sep = "";

	sandbox_names(&names);
	printf("static const struct violation_names filter_names = {.arch = 0x%x, .at = {",
		names.arch);
	for (int i = 0; i < VIOLATION_CALLS; i++)
		if (names.at[i])
			printf("[%d] = %u, ", i, names.at[i]);
	puts("},\n\t.text =");
	for (int i = 0; i < VIOLATION_CALLS; i++) {
		if (!names.at[i])
			continue;
		printf("%s\t\"\\0%s\"", sep, names.text + names.at[i]);
		sep = "\n";
	}
	puts("};");
}

int main(void)
{
	struct err e = {0};

	puts("/* Made by shim/mkfilter.c. */");
	if (print_filter("filter_plain", false, &e) < 0 ||
		print_filter("filter_debug", true, &e) < 0) {
		fprintf(stderr, "mkfilter: %s\n", e.text);
		return 1;
	}
	print_names();
	return fflush(stdout) != 0;
}
