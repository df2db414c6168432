/* SPDX-License-Identifier: MIT */
/*
 * Terminals; see pty.h. Opened by the container's process as root inside, so that the container
 * owns them; resized by the shim.
 */
#include "pty.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/fd.h"

/* TIOCGPTPEER needs no name: a name under /dev could lead anywhere by now. */
int pty_open(int pts, struct pty *ret, struct err *e)
{
	_cleanup_fd_ int master = openat(pts, "ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	int slave, zero = 0;

	if (master < 0)
		return err_errno(e, errno, "opening a terminal");
	if (ioctl(master, TIOCSPTLCK, &zero) < 0 || ioctl(master, TIOCGPTN, &ret->number) < 0)
		return err_errno(e, errno, "unlocking a terminal");
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return err_errno(e, errno, "opening a terminal's other end");
	ret->slave = slave;
	ret->master = take_fd(&master);
	return 0;
}

int pty_resize(int master, uint32_t rows, uint32_t cols)
{
	struct winsize w = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)cols};

	if (rows == 0 || cols == 0)
		return 0;
	return ioctl(master, TIOCSWINSZ, &w) < 0 ? -errno : 0;
}
