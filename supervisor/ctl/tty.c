/* SPDX-License-Identifier: MIT */
/*
 * The caller's terminal; see tty.h.
 */
#include "tty.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int tty_raw(struct tty *t, int fd, struct err *e)
{
	struct termios raw;

	if (tcgetattr(fd, &t->before) < 0)
		return err_errno(e, errno, "reading the terminal's mode");
	raw = t->before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0)
		return err_errno(e, errno, "setting the terminal's mode");
	t->fd = fd;
	return 0;
}

void tty_restore(struct tty *t)
{
	if (t->fd >= 0)
		tcsetattr(t->fd, TCSADRAIN, &t->before);
	t->fd = -1;
}

void tty_size(int fd, uint32_t *ret_rows, uint32_t *ret_cols)
{
	struct winsize w = {0};

	if (ioctl(fd, TIOCGWINSZ, &w) < 0)
		w = (struct winsize){0};
	*ret_rows = w.ws_row;
	*ret_cols = w.ws_col;
}

/* The sequence broke at `byte`: some end of what was held back may begin it anew. Emits what can't.
 */
static size_t fall_back(struct detach *d, uint8_t byte, uint8_t *out)
{
	uint8_t held[sizeof(d->keys.v) + 1];
	uint32_t n = d->matched, skip;

	memcpy(held, d->keys.v, n);
	held[n++] = byte;
	for (skip = 1; skip < n; skip++)
		if (n - skip <= d->keys.n && memcmp(held + skip, d->keys.v, n - skip) == 0)
			break;
	memcpy(out, held, skip);
	d->matched = n - skip;
	return skip;
}

size_t detach_filter(
	struct detach *d, const uint8_t *in, size_t n, uint8_t *out, bool *ret_detached)
{
	size_t used = 0;

	*ret_detached = false;
	for (size_t i = 0; i < n; i++) {
		if (d->keys.n > 0 && in[i] == d->keys.v[d->matched])
			d->matched++;
		else
			used += fall_back(d, in[i], out + used);
		if (d->keys.n > 0 && d->matched == d->keys.n) {
			*ret_detached = true;
			return used;
		}
	}
	return used;
}
