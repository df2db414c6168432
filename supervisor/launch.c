/* SPDX-License-Identifier: MIT */
/*
 * Fixed-size frames between launcher and supervisor; see launch.h.
 */
#include "launch.h"

#include "frame.h"

int launch_send(int fd, const struct launch_frame *f, int with_fd)
{
	return frame_send_raw(fd, (const uint8_t *)f, sizeof(*f), &with_fd, with_fd >= 0 ? 1 : 0);
}

int launch_recv(int fd, struct launch_frame *ret, int *ret_fd)
{
	return frame_recv_raw(fd, ret, sizeof(*ret), ret_fd);
}
