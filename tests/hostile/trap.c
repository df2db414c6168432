/* SPDX-License-Identifier: MIT */
/*
 * A shared object that leaves a mark when somebody loads it: what a hostile image puts in the place
 * of a C library's plug-ins (NSS, gconv). With it built in as a program, the same.
 */
#include <fcntl.h>
#include <unistd.h>

/* Both in the root that the loader sees, wherever that is. */
__attribute__((constructor)) static void spring(void)
{
	int fd = open("/sprung", O_CREAT | O_WRONLY | O_APPEND, 0666);

	if (fd >= 0 && write(fd, "a library\n", 10) > 0)
		close(fd);
}
