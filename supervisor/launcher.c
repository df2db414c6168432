/* SPDX-License-Identifier: MIT */
/*
 * The launcher's loop; see launcher.h. It trusts its command line, its own binaries, and numbers
 * from the supervisor process after checking them.
 */
#include "launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "idmap.h"
#include "launcher_impl.h"
#include "service.h"
#include "successor.h"

#define FORGET_MS    5000 /* for a helper that the supervisor has hung up on */
#define SEND_SECONDS 5	  /* for a supervisor that does not read */
#define WORKERS_MAX  16	  /* of a kind, those included that are ending */
#define HEIRS_MS     20

struct child *child_find(struct launcher *l, uint32_t role, uint32_t slot, pid_t pid)
{
	for (struct child *c = l->children; c; c = c->next)
		if (c->role == role && c->slot == slot && (pid == 0 || c->pid == pid))
			return c;
	return NULL;
}

static bool is_worker(const struct child *c)
{
	return c->role == FETCH || c->role == UNPACK;
}

void child_drop(struct launcher *l, struct child *gone)
{
	for (struct child **p = &l->children; *p; p = &(*p)->next) {
		if (*p != gone)
			continue;
		*p = gone->next;
		watch_free(gone->patience);
		watch_free(gone->end);
		fd_close(&gone->pidfd);
		fd_close(&gone->spare);
		free(gone);
		return;
	}
}

/* Between fork and exec: descriptors 0 to 2, the channel as 3, for the supervisor 4 to 7, for a
 * shim its socket as 4. */
_noreturn_ static void become(
	struct launcher *l, int channel, int listener, const struct launch_frame *what)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	/* What whoever started the engine had open is no helper's business. */
	if (close_range(LAUNCH_FD_CHANNEL, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(127);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(channel, LAUNCH_FD_CHANNEL) < 0)
		_exit(127);
	if (what->role == SUPERVISOR && (dup2(l->d->listen, LAUNCH_FD_LISTEN) < 0 ||
						dup2(l->d->state, LAUNCH_FD_STATE) < 0 ||
						dup2(l->d->policy, LAUNCH_FD_POLICY) < 0 ||
						dup2(l->d->network, LAUNCH_FD_NETWORK) < 0))
		_exit(127);
	if (what->role == SHIM && dup2(listener, LAUNCH_FD_LISTEN) < 0)
		_exit(127);
	_exit(programs_exec(&l->programs, l->o, what) == 0 ? 0 : 127);
}

/* Starts a process; *ret_channel is the other end of its channel. Returns its pid or -errno. */
static pid_t start(struct launcher *l, const struct launch_frame *what, int *ret_channel)
{
	_cleanup_fd_ int ours = -1, theirs = -1, listener = -1;
	struct child *c = NULL;
	int pair[2];
	pid_t pid;

	if (what->role == SHIM) {
		listener = successor_bind(l->d->shims, what->slot, what->flags);
		if (listener < 0)
			return listener;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		free(c);
		return -errno;
	}
	ours = pair[0];
	theirs = pair[1];
	*c = (struct child){.next = l->children,
		.launcher = l,
		.role = what->role,
		.slot = what->slot,
		.flags = what->flags,
		.spare = -1,
		.pidfd = -1};
	if (!is_worker(c) && what->role != SUPERVISOR)
		c->spare = fcntl(ours, F_DUPFD_CLOEXEC, LAUNCH_FD_LAST + 1);
	pid = fork();
	if (pid == 0)
		become(l, theirs, listener, what);
	if (pid < 0) {
		pid = -errno;
		fd_close(&c->spare);
		free(c);
		return pid;
	}
	c->pid = pid;
	l->children = c;
	*ret_channel = take_fd(&ours);
	return pid;
}

static bool may_spawn(const struct launch_frame *f)
{
	const uint32_t helpers = NETD | IMAGED | FETCH | UNPACK | CGROUPD;

	if (f->role == SHIM)
		return f->slot >= SLOT_MIN && f->slot <= SLOT_MAX &&
		       !(f->flags & ~(uint32_t)LAUNCH_FLAGS);
	return f->role != 0 && (f->role & (f->role - 1)) == 0 && (f->role & helpers) &&
	       f->slot == 0 && f->flags == 0;
}

/* What the supervisor says is numbers, but it may be anybody's by now. */
void launcher_distrust(struct launcher *l, const char *why)
{
	struct child *c = child_find(l, SUPERVISOR, 0, 0);

	watch_free(l->words);
	l->words = NULL;
	if (why)
		log_error("ending the supervisor process: %s", why);
	if (c)
		kill(c->pid, SIGKILL); /* SIGCHLD tells its end, and another one is started */
}

void launcher_tell(struct launcher *l, const struct launch_frame *f, int with_fd)
{
	if (l->words && launch_send(l->channel, f, with_fd) == -EAGAIN)
		launcher_distrust(l, "it does not read what it is told");
}

/* One shim a slot: two containers under one uid could reach each other. Of a helper that does not
 * end although its channel was closed, the next one takes the place. */
static bool has_room(struct launcher *l, const struct launch_frame *f)
{
	const unsigned int max = f->role == FETCH || f->role == UNPACK ? WORKERS_MAX : 1;
	struct child *oldest = NULL;
	unsigned int n = 0;

	for (struct child *c = l->children; c; c = c->next) {
		if (c->role != f->role || c->slot != f->slot)
			continue;
		oldest = c;
		n++;
	}
	if (n < max)
		return f->role != SHIM || !heirs_pending(l, f->slot);
	if (max > 1)
		kill(oldest->pid, SIGKILL);
	return false;
}

static void on_spawn(struct launcher *l, const struct launch_frame *f)
{
	struct launch_frame answer = *f;
	_cleanup_fd_ int channel = -1;
	pid_t pid = -EINVAL;

	if (may_spawn(f))
		pid = has_room(l, f) ? start(l, f, &channel) : -EAGAIN;
	answer.op = pid > 0 ? LAUNCH_STARTED : LAUNCH_FAILED;
	answer.pid = pid > 0 ? pid : 0;
	answer.status = pid > 0 ? 0 : -pid;
	launcher_tell(l, &answer, channel);
}

static void on_impatience(void *arg)
{
	const struct child *c = arg;

	log_warn("%s %d has not ended although nobody needs it any more", role_name(c->role),
		c->pid);
	kill(c->pid, SIGKILL);
}

/* A worker has nothing to bring to an end, and may be anybody's by now. */
static void on_forget(struct launcher *l, const struct launch_frame *f)
{
	struct child *c = child_find(l, f->role, f->slot, f->pid);

	if (!c || c->role == SUPERVISOR)
		return;
	if (is_worker(c)) {
		kill(c->pid, SIGKILL);
		return;
	}
	fd_close(&c->spare);
	if (!c->patience)
		c->patience = loop_timer(l->loop, FORGET_MS, on_impatience, c);
}

/* Never of root's files: those are mapped by the container's own namespace, as its root asks. */
static void on_idmap(struct launcher *l, const struct launch_frame *f)
{
	struct launch_frame answer = *f;
	_cleanup_fd_ int ns = -EINVAL;
	struct err e = {0};

	if (f->slot >= SLOT_MIN && f->slot <= SLOT_MAX && f->uid != 0)
		ns = idmap_make(f->uid, f->gid, l->o->uid_base + f->slot * UID_RANGE, &e);
	if (e.code)
		log_error("%s", e.text);
	answer.op = LAUNCH_IDMAPPED;
	answer.status = ns < 0 ? -ns : 0;
	launcher_tell(l, &answer, ns);
}

static void on_kill(struct launcher *l, const struct launch_frame *f)
{
	if (f->slot >= SLOT_MIN && f->slot <= SLOT_MAX)
		shims_kill(l, f->slot);
}

static void on_settled(struct launcher *l)
{
	l->settled = true;
	service_tell("READY=1\nSTATUS=serving on %.128s/ctl.sock", l->o->run_dir);
}

static void on_word(void *arg, int what)
{
	struct launcher *l = arg;
	struct launch_frame f;
	int fd, r;

	(void)what;
	r = launch_recv(l->channel, &f, &fd);
	fd_close(&fd);
	if (r == -EAGAIN)
		return;
	if (r < 0)
		launcher_distrust(
			l, r == -EBADMSG ? "it says what is no word" : NULL); /* or dying */
	else if (f.op == LAUNCH_SPAWN)
		on_spawn(l, &f);
	else if (f.op == LAUNCH_IDMAP)
		on_idmap(l, &f);
	else if (f.op == LAUNCH_FORGET)
		on_forget(l, &f);
	else if (f.op == LAUNCH_KILL)
		on_kill(l, &f);
	else if (f.op == LAUNCH_SETTLED)
		on_settled(l);
	else
		launcher_distrust(l, "it says an unknown word");
}

static void hand_over(struct launcher *l)
{
	struct launch_frame f = {0};

	for (struct child *c = l->children; c; c = c->next) {
		if (c->spare < 0)
			continue;
		f = (struct launch_frame){
			LAUNCH_ADOPT, c->role, c->slot, c->flags, 0, c->pid, 0, 0, 0};
		launcher_tell(l, &f, c->spare);
	}
	f = (struct launch_frame){.op = LAUNCH_ADOPTED,
		.seq = (l->settled ? 0U : LAUNCH_ANEW) | (l->ending ? LAUNCH_ENDING : 0U)};
	launcher_tell(l, &f, -1);
}

/* Not while somebody may be taking a shim's place: its container would be nobody's to the new one.
 */
static void start_supervisor(void *arg)
{
	const struct launch_frame what = {.op = LAUNCH_SPAWN, .role = SUPERVISOR};
	const struct timeval patience = {.tv_sec = SEND_SECONDS};
	struct launcher *l = arg;
	pid_t pid;

	if (l->heirs) {
		watch_free(l->again);
		l->again = loop_timer(l->loop, HEIRS_MS, start_supervisor, l);
		return;
	}
	fd_close(&l->channel);
	pid = start(l, &what, &l->channel);
	if (pid < 0) {
		log_error("starting the supervisor: %s", strerror(-pid));
		loop_stop(l->loop, 1);
		return;
	}
	backoff_started(&l->backoff, time_mono_ns());
	setsockopt(l->channel, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	l->words = loop_fd(l->loop, l->channel, LOOP_READ, on_word, l);
	if (!l->words) {
		log_error("what the supervisor says cannot be heard: out of memory");
		loop_stop(l->loop, 1);
		return;
	}
	hand_over(l);
}

static void supervisor_gone(struct launcher *l, int status)
{
	uint64_t pause;

	watch_free(l->words);
	l->words = NULL;
	/* One that was killed has taken nothing down: the next one does, if it is to be done. */
	if (l->ending && (l->leaving || WIFEXITED(status) || l->last_tries++ >= LAST_TRIES)) {
		launcher_end(l);
		return;
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 2) {
		log_error("the supervisor can't run; ending");
		l->ending = true;
		l->code = 1;
		launcher_end(l);
		return;
	}
	pause = backoff_pause(&l->backoff, time_mono_ns());
	log_warn("the supervisor process died (status %x); starting it again in %u ms",
		(unsigned int)status, (unsigned int)pause);
	watch_free(l->again);
	l->again = loop_timer(l->loop, pause, start_supervisor, l);
}

/* Those of an imaged that is gone: one that reads from another's pipe doesn't see its channel
 * close. */
static void end_workers(struct launcher *l)
{
	for (struct child *c = l->children; c; c = c->next)
		if (is_worker(c))
			kill(c->pid, SIGKILL);
}

void child_gone(struct launcher *l, struct child *c, int status, bool stranger)
{
	const struct launch_frame f = {
		LAUNCH_GONE, c->role, c->slot, c->flags, 0, c->pid, status, 0, 0};

	child_drop(l, c);
	if (f.role == SUPERVISOR)
		return supervisor_gone(l, status);
	if (f.role == IMAGED)
		end_workers(l);
	if (f.role == SHIM)
		heirs_look(l, &f, stranger);
	else
		launcher_tell(l, &f, -1);
}

/* Orphans fall to us: PR_SET_CHILD_SUBREAPER(2const). */
static void orphan_gone(struct launcher *l, pid_t pid, int status)
{
	const struct launch_frame f = {.op = LAUNCH_ORPHAN, .pid = pid, .status = status};

	if (l->orphans)
		launcher_tell(l, &f, -1);
}

static void on_child(void *arg)
{
	struct launcher *l = arg;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = l->children;

		while (c && c->pid != pid)
			c = c->next;
		if (c)
			child_gone(l, c, status, false);
		else
			orphan_gone(l, pid, status);
	}
	if (l->ending && !l->words && !l->again && launcher_all_ended(l))
		loop_stop(l->loop, l->code);
}

static void on_watchdog(void *arg)
{
	struct launcher *l = arg;

	service_tell("WATCHDOG=1");
	timer_again(l->watchdog, service_watchdog_ms());
}

int launcher_run(struct options *o, struct dirs *d)
{
	struct launcher l = {.o = o, .d = d, .channel = -1};
	struct err e = {0};
	int r;

	if (programs_open(&l.programs, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	l.loop = loop_new();
	if (!l.loop)
		return 1;
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	shims_take_over(&l);
	if (loop_signal(l.loop, SIGCHLD, on_child, &l, &e) < 0 ||
		loop_signal(l.loop, SIGTERM, launcher_on_stop, &l, &e) < 0 ||
		loop_signal(l.loop, SIGINT, launcher_on_stop, &l, &e) < 0 ||
		loop_signal(l.loop, SIGUSR1, launcher_on_leave, &l, &e) < 0) {
		log_error("%s", e.text);
		return 1;
	}
	if (service_watchdog_ms())
		l.watchdog = loop_timer(l.loop, service_watchdog_ms(), on_watchdog, &l);
	start_supervisor(&l);
	r = loop_run(l.loop);
	d->left = l.leaving;
	/* After a failure containers go on without us. */
	if (r == 0 && !l.leaving)
		launcher_reap();
	return r;
}
