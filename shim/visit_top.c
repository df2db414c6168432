/* SPDX-License-Identifier: MIT */
/*
 * top: the container's processes as its own /proc has them; see visit.h. Names of users come from
 * the container's /etc/passwd, read by our own code; all of it may be anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/dirents.h"
#include "base/fd.h"
#include "base/num.h"
#include "inroot.h"
#include "passwd.h"
#include "visit.h"

#define FILE_MAX    65536
#define COMMAND_MAX 4096
#define PID_MAX	    (1U << 22)

struct top {
	int proc;
	char *users; /* the text of /etc/passwd, or NULL */
	size_t users_n;
	uint64_t hz;
	double boot; /* seconds since 1970, on the container's own clock */
};

struct row {
	uint32_t pid, uid, ppid, pgid, sid, tty;
	int32_t foreground; /* process group of its terminal, -1: none */
	int32_t nice;
	char state;
	char name[64]; /* of the program, as the kernel has it */
	uint64_t ticks, start, threads;
	uint64_t size, resident; /* bytes */
	char command[COMMAND_MAX];
};

static int read_proc(const struct top *t, uint32_t pid, const char *name, char **ret, size_t *ret_n)
{
	_cleanup_fd_ int fd = -1;
	char path[32];

	snprintf(path, sizeof(path), "%u/%s", pid, name);
	fd = inroot_open_strict(t->proc, path, O_RDONLY);
	return fd < 0 ? fd : fd_read_file(fd, FILE_MAX, ret, ret_n);
}

/* The n-th word behind p, counted from 1, as a number; 0 if there is none. */
static uint64_t word(const char *p, unsigned int n)
{
	while (n-- > 0) {
		p += strspn(p, " \t");
		if (n > 0)
			p += strcspn(p, " \t\n");
	}
	return strtoull(p, NULL, 10);
}

/* The n-th field of proc_pid_stat(5), `behind` being behind the second. */
static uint64_t field(const char *behind, unsigned int n)
{
	return word(behind, n - 2);
}

/* What stands in parentheses as the second field is the process's own to choose, and may hold
 * parentheses. */
static int parse_stat(const char *s, struct row *r)
{
	const char *open = strchr(s, '('), *close = strrchr(s, ')'), *p;

	if (!open || !close || close < open || strlen(close) < 3)
		return -EBADMSG;
	p = close + 1;
	snprintf(r->name, sizeof(r->name), "%.*s", (int)(close - open - 1), open + 1);
	r->state = p[1];
	r->ppid = (uint32_t)field(p, 4);
	r->pgid = (uint32_t)field(p, 5);
	r->sid = (uint32_t)field(p, 6);
	r->tty = (uint32_t)field(p, 7);
	r->foreground = (int32_t)field(p, 8);
	r->ticks = field(p, 14) + field(p, 15);
	r->nice = (int32_t)field(p, 19);
	r->threads = field(p, 20);
	r->start = field(p, 22);
	r->size = field(p, 23);
	r->resident = field(p, 24) * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

/* As whom it acts: the second number of Uid. */
static int parse_status(const char *s, struct row *r)
{
	static const char key[] = "\nUid:";
	const char *p = strstr(s, key);

	r->uid = p ? (uint32_t)word(p + strlen(key), 2) : 0;
	return p ? 0 : -EBADMSG;
}

/* Nothing in it ends a line or opens another field. */
static void keep_to_field(char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strchr("\t\n", s[i])) /* '\0' too */
			s[i] = ' ';
}

/* Words are set apart by spaces. */
static void make_command(struct row *r, const char *words, size_t n)
{
	size_t used = MIN(n, sizeof(r->command) - 1);

	while (used > 0 && words[used - 1] == '\0')
		used--;
	if (used > 0)
		memcpy(r->command, words, used);
	else
		used = (size_t)snprintf(r->command, sizeof(r->command), "[%s]", r->name);
	r->command[used] = '\0';
	keep_to_field(r->command, used);
	keep_to_field(r->name, strlen(r->name));
}

/* Negative: it is gone. */
static int read_row(const struct top *t, uint32_t pid, struct row *ret)
{
	_cleanup_free_ char *stat = NULL, *status = NULL, *words = NULL;
	size_t n = 0;
	int r = read_proc(t, pid, "stat", &stat, NULL);

	*ret = (struct row){.pid = pid};
	if (r == 0)
		r = parse_stat(stat, ret);
	if (r == 0)
		r = read_proc(t, pid, "status", &status, NULL);
	if (r == 0)
		r = parse_status(status, ret);
	if (r == 0 && read_proc(t, pid, "cmdline", &words, &n) < 0)
		n = 0;
	if (r == 0)
		make_command(ret, words, n);
	return r;
}

static void user_name(const struct top *t, uint32_t uid, char *buf, size_t size)
{
	const struct passwd_key key = {.present = true, .numeric = true, .id = uid};
	struct passwd_row row;

	snprintf(buf, size, "%u", uid);
	if (t->users && passwd_find(t->users, t->users_n, &key, &row) && !strpbrk(row.name, "\t\n"))
		snprintf(buf, size, "%s", row.name);
}

/* A device number as the kernel encodes it for user space; 136 to 143 are pseudo terminals,
 * devices.txt. */
static void tty_name(uint32_t tty, char buf[16])
{
	uint32_t major = tty >> 8 & 0xfff, minor = (tty & 0xff) | (tty >> 12 & 0xfff00);

	if (major >= 136 && major <= 143)
		snprintf(buf, 16, "pts/%u", (major - 136) * 256 + minor);
	else
		snprintf(buf, 16, "?");
}

/* The fields of supervisor/ctl/top_columns.h. */
static int print_row(const struct top *t, const struct row *r, struct err *e)
{
	double start = t->boot + (double)r->start / (double)t->hz;
	char user[PASSWD_NAME_MAX + 1], tty[16], line[COMMAND_MAX + 512];
	int n, code;

	user_name(t, r->uid, user, sizeof(user));
	tty_name(r->tty, tty);
	n = snprintf(line, sizeof(line),
		"%s\t%u\t%u\t%u\t%u\t%u\t%d\t%s\t%c\t%d\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64
		"\t%.0f\t%" PRIu64 "\t%s\t%s\n",
		user, r->uid, r->pid, r->ppid, r->pgid, r->sid, r->foreground, tty, r->state,
		r->nice, r->threads, r->size, r->resident, start * 1000, r->ticks * 1000 / t->hz,
		r->name, r->command);
	code = fd_write_all(STDOUT_FILENO, line, MIN((size_t)n, sizeof(line) - 1));
	return code < 0 ? err_errno(e, code, "writing") : 0;
}

static double seconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* Nothing that somebody put over it. */
static int open_proc(const struct visit *v, int *ret, struct err *e)
{
	_cleanup_fd_ int fd = inroot_open_strict(v->root, "/proc", O_RDONLY | O_DIRECTORY);
	struct statfs fs;

	if (fd < 0)
		return err_errno(e, fd, "/proc of the container");
	if (fstatfs(fd, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC)
		return err_set(e, EINVAL, "/proc of the container is not the kernel's");
	*ret = take_fd(&fd);
	return 0;
}

static int print_all(const struct top *t, struct err *e)
{
	_cleanup_dirents_ struct dirents *d = dirents_open(t->proc);
	_cleanup_free_ struct row *row = malloc(sizeof(*row));
	uint32_t pid, own = (uint32_t)getpid();
	const char *name;
	int r = 0;

	if (!d || !row)
		return err_set(e, ENOMEM, "out of memory");
	while (r == 0 && (r = dirents_next(d, &name)) == 1) {
		r = 0;
		if (num_parse_u32(name, 1, PID_MAX, &pid) == 0 && pid != own &&
			read_row(t, pid, row) == 0)
			r = print_row(t, row, e);
	}
	return r < 0 && !e->code ? err_errno(e, r, "listing /proc of the container") : r;
}

int visit_top(const struct visit *v, struct err *e)
{
	_cleanup_fd_ int proc = -1;
	_cleanup_free_ char *users = NULL;
	struct top t = {.hz = (uint64_t)sysconf(_SC_CLK_TCK)};
	int r = open_proc(v, &proc, e);

	if (r < 0)
		return r;
	t.proc = proc;
	t.boot = seconds(CLOCK_REALTIME) - seconds(CLOCK_BOOTTIME);
	if (ids_read_file(v->root, "/etc/passwd", &users, &t.users_n, NULL) == 0)
		t.users = users;
	return print_all(&t, e);
}
