/* SPDX-License-Identifier: MIT */
/*
 * The supervisor process: what it knows, in one place. Everything here lives in one thread on one
 * loop.
 */
#pragma once

#include "backoff.h"
#include "base/loop.h"
#include "chan.h"
#include "gc.h"
#include "health.h"
#include "launch.h"
#include "options.h"
#include "policy.h"
#include "restart.h"

#define ID_LEN	 64
#define NAME_LEN 128

enum ctr_status {
	CTR_CREATED, /* never started, or its start failed */
	CTR_STARTING,
	CTR_RUNNING,
	CTR_FINISHING, /* the workload is gone, its network and cgroup are being removed */
	CTR_EXITED,
	CTR_RESTARTING, /* it has ended, and is to be started again (restart.h) */
	CTR_REMOVING,
};

/* A document of our own: what the decoded structure points into. */
struct doc {
	void *obj; /* NULL: none */
	uint8_t *buf;
	struct arena arena;
};
int doc_copy(struct doc *d, const struct schema *s, const void *src, struct err *e);
/* Takes over a sealed memfd's content (at most max bytes). */
int doc_read(struct doc *d, const struct schema *s, int memfd, size_t max, struct err *e);
/* Takes over the buffer, which has a spare byte behind. */
int doc_decode(struct doc *d, const struct schema *s, uint8_t *buf, size_t n, struct err *e);
void doc_free(struct doc *d);

/* A client that waits for something to happen to a container. */
struct waiter {
	struct waiter *next;
	struct chan *client;
	uint32_t id;
	uint32_t exec;						     /* 0: the container itself */
	enum { WAIT_EXIT, WAIT_LAST, WAIT_REMOVED, WAIT_STOP } what; /* LAST: for good */
	bool plain;
};

/* A client's request that is answered later, after asking others. The client may be gone by then.
 */
struct relay {
	struct relay *next;
	struct engine *engine;
	struct chan *client; /* NULL: gone, or answered */
	uint32_t id;
	uint32_t asked; /* id of our own request to a helper, for events that belong to it */
	void (*abandoned)(struct relay *r); /* the client is gone; it may free r; may be NULL */
	void *data;			    /* the user's; not freed here */
};
struct relay *relay_new(struct engine *g, struct chan *client, uint32_t id);
/* Answer and free. */
void relay_reply(struct relay *r, enum msg_type type, const void *msg);
void relay_fail(struct relay *r, const struct err *e);
/* For who answers by himself: whom, or NULL. relay_fail still has to be called. */
struct chan *relay_take_client(struct relay *r);
void relay_forget_client(struct engine *g, struct chan *client);

/* An exec whose end somebody may ask for. */
struct exec {
	struct exec *next;
	uint32_t number;
	const char *visit; /* its event, or NULL: it is none */
	uint64_t begun_ns; /* when the shim had made it: before, the kernel may not count it */
	bool ended;
	uint32_t exit_code;
};

struct shim;
struct job;
struct session;
struct request;
struct idmap;
struct turn;

struct ctr {
	struct ctr *next;
	struct engine *engine;
	char id[ID_LEN + 1], name[NAME_LEN + 1], image_id[81];
	uid_t owner;
	gid_t owner_gid; /* his primary group when he made it: files of bind mounts get it */
	uint32_t slot; /* 0: none yet; it keeps the first it gets, its files belong to that range */
	enum ctr_status status;
	uint32_t pid, exit_code;
	bool oom_killed, rootfs_made;
	uint64_t oom_at; /* ns since 1970, of the kernel's last kill in it; 0: none was told */
	uint64_t oom_before, oom_read_at; /* kills in it before this process was told of any, and
					     when they were counted; 0: not */
	uint32_t end_signal;		  /* that its first process died of */
	bool was_killed;		  /* at its end SIGKILL was on its way to it */
	uint64_t memory_peak, pids_hits;  /* of this run, or the last; as cgroupd told */
	char error[ERR_TEXT_MAX];
	char *cgroup; /* its id behind the slices that its cgroup lies in; NULL: it lies in none */
	uint64_t created_at, started_at, finished_at;
	struct doc create, config, spec, endpoint, in_force, health;
	struct doc updated; /* what `create` becomes once cgroupd has agreed; or none */
	bool undo_due;	    /* or what it is to forget again, once there is a cgroupd */
	int *sources;	    /* bind sources as the creator opened them, one a mount of kind bind */
	uint32_t n_sources;
	int rootfs;   /* --rootfs, or -1 */
	int writable; /* where its upper layer lies, while it runs; or -1 */
	struct shim *shim;
	struct job *job;
	struct waiter *waiters;
	struct exec *execs;
	uint32_t next_exec;
	uint32_t visit; /* number of the visit that has its files while it doesn't run; or 0 */
	struct watch *stop_timer;
	bool stopping;		    /* its end was asked for, and is still to come */
	bool was_stopping;	    /* it has come then */
	bool kill_sent, kill_heard; /* SIGKILL, since it was to be stopped; by its shim */
	struct watch *heir_timer;   /* its shim has died: until somebody takes the place */
	bool heirless;		    /* nobody does: only how it ended is still to come */
	int orphan_status;	    /* waitpid's, once the launcher has reaped it; else -1 */
	bool remove_after;	    /* remove when it has ended */
	bool removal_asked;	    /* by somebody, not by --rm alone */
	bool kill_due;		    /* it is to be killed, and still runs */
	bool stop_wanted; /* asked while it was being started: stop it as soon as it runs */
	bool attaching;	  /* netd was asked to, and has not answered */
	int64_t stop_seconds;
	struct restart restart;
	struct check *check;	     /* NULL: its health is not checked */
	bool settling, settle_again; /* its record is on its way to the disk; has changed since */
	bool placed, unsaved; /* its directory is on the disk; its record could not be written */
	bool measuring;	      /* its job is that; it goes on when that has ended */
	struct relay *maker;  /* who made it, and is told once its record is on the disk */
	bool paused, pausing; /* all of it is frozen; cgroupd has been asked for it, or for the
				 other */
};

enum shim_state { SHIM_QUEUED, SHIM_SPAWNING, SHIM_STANDBY, SHIM_USED, SHIM_ENDING };

struct shim {
	struct shim *next;
	struct engine *engine;
	enum shim_state state;
	uint32_t slot, flags;
	int32_t pid;	    /* 0 until the launcher has told it */
	bool gone;	    /* the process has been reaped */
	bool heir;	    /* and somebody may take its place */
	unsigned int tries; /* to have it started */
	struct watch *again;
	uint32_t child_pid; /* the container's first process */
	int pidfd, userns, netns, rtnl;
	struct chan *chan;
	struct ctr *ctr; /* NULL: standby */
	/* Called once, when it is ready (e NULL) or can't be. */
	void (*on_ready)(void *arg, struct shim *s, const struct err *e);
	void *on_ready_arg;
};

struct helper {
	enum role role;
	struct engine *engine;
	const struct handler *handlers;
	void (*on_up)(struct engine *g);
	struct chan *chan; /* NULL while it is down */
	int32_t pid;
	struct watch *again;
	struct backoff backoff;
	enum { TEARDOWN_DUE, TEARDOWN_ASKED, TEARDOWN_DONE } teardown;
};
enum { H_NETD, H_IMAGED, H_CGROUPD, H_COUNT };

struct engine {
	const struct options *o;
	const struct policy *policy;
	struct loop *loop;
	int launcher, listen, state;
	struct watch *launcher_watch, *listen_watch;
	struct helper helpers[H_COUNT];
	uint32_t workers[2]; /* of imaged: unpack, fetch; on their way or alive */
	struct ctr *ctrs;    /* newest first */
	struct shim *shims;
	struct watch *reconcile_timer;
	struct watch *fill_timer; /* while the pool of standbys is not filled */
	uint64_t fill_pause_ms;
	uint8_t slots[(SLOT_MAX + 8) / 8]; /* bit set: in use */
	struct doc network;		   /* net_ready of the default network */
	int network_file; /* the same, for who comes after this process; -1: nobody */
	struct relay *relays;
	struct event_log *event_log; /* events.c: NULL until something has happened */
	struct session *sessions;
	struct request *creating; /* create.c */
	struct filter *filters;	  /* seccomp.c's, the last used first */
	struct gc_marks gc;
	struct saver *saver;  /* NULL: the disk is waited for by nobody */
	struct idmap *idmaps; /* idmaps.c: asked for */
	uint32_t idmap_seq;
	bool anew; /* the whole engine has started, not only this process */
	bool adopted, serving, ending, end_due;
	bool network_up, syncing;  /* netd has set the network up; is being told who is on it */
	struct turn *turns, *turn; /* turns.c: who waits, and who is being handled */
	struct watch *turn_timer;
	struct watch *sync_timer;
	struct watch *end_timer, *accept_timer;
	uint32_t n_clients, n_users; /* connections: of all, of users who are not root */
	uint64_t started_at;
};

/* engine.c: its life. */
int engine_run(const struct options *o, const struct policy *policy);
void engine_serve_if_ready(struct engine *g);
void engine_end_if_idle(struct engine *g);
/* SIGTERM: stops the workloads, takes down what was made on the host, stops the loop. */
void engine_terminate(void *engine);
/* No memory or watch is left for a channel. The launcher starts this process anew, and the next one
 * finds everything as it was. */
_noreturn_ void engine_deaf(const char *whom);
/* A failure that ends the engine for good. */
void engine_give_up(struct engine *g, const struct err *e);

/* helpers.c: the launcher's other end, and the three helpers. */
int helpers_open(struct engine *g, struct err *e);
void helpers_spawn(struct engine *g, enum role role, uint32_t slot, uint32_t flags);
void helpers_forget(struct engine *g, enum role role, uint32_t slot, int32_t pid);
/* What starts with the engine is under way: a successor of ours need not do it again. */
void helpers_settled(struct engine *g);
/* Ends whatever runs under a slot's uids, its shim as well. */
void helpers_kill(struct engine *g, uint32_t slot);
struct chan *helper_chan(struct engine *g, unsigned int which);
/* As chan_request; fails (later, from the loop) when that helper is down. */
uint32_t helper_request(struct engine *g, unsigned int which, enum msg_type type, const void *msg,
	unsigned int deadline_ms, reply_fn fn, void *arg);
/* Asks and doesn't care. */
void helper_tell(struct engine *g, unsigned int which, enum msg_type type, const void *msg);

/* images.c: ids of those that containers need, each once; they are the containers'. */
int images_in_use(const struct engine *g, struct arena *a, struct strv *ret);

/* reconcile.c: now, and again and again; soon, for what has just failed */
void reconcile(struct engine *g);
void reconcile_soon(struct engine *g);

/* network.c */
extern const struct handler network_handlers[]; /* netd's words; self is its struct helper */
void network_helper_up(struct engine *g);
/* Tells netd who is on the network; from now on again and again. */
void network_sync(struct engine *g);
/* In a moment: something may have been left behind. */
void network_sync_soon(struct engine *g);

/* shims.c */
void shims_fill(struct engine *g);
/* A shim for a container: from the standby pool when slot is 0 and flags are 0, else started for
 * it. */
void shims_take(struct engine *g, uint32_t slot, uint32_t flags,
	void (*fn)(void *arg, struct shim *s, const struct err *e), void *arg);
void shim_end(struct shim *s);
void shims_on_started(struct engine *g, const struct launch_frame *f, int channel);
void shims_on_failed(struct engine *g, const struct launch_frame *f);
void shims_on_gone(struct engine *g, const struct launch_frame *f);
void shims_on_adopt(struct engine *g, const struct launch_frame *f, int channel);
/* One that nobody has, or a shim alone that nobody waits for. */
bool slot_claim(struct engine *g, uint32_t slot);
bool shim_is_spare(const struct shim *s);
void slot_use(struct engine *g, uint32_t slot, bool used);
/* Unless a container or a shim, perhaps one on its way out, still has it. */
void slot_release(struct engine *g, uint32_t slot);

/* idmaps.c: a user namespace in which a container's root is its owner, for mounts; ns is lent and
 * is -1 with an error. fn is called later. */
typedef void (*idmap_fn)(void *arg, int ns, const struct err *e);
void idmaps_get(struct engine *g, const struct ctr *c, idmap_fn fn, void *arg);
void idmaps_answer(struct engine *g, const struct launch_frame *f, int ns);

/* containers.c: the table. */
struct ctr *ctr_new(struct engine *g);
void ctr_free(struct ctr *c);
/* Whether a caller sees and controls a container: the only place that decides it. */
bool ctr_visible(const struct ctr *c, uid_t uid);
/* By name, id or unique prefix, among those that uid may see; its own names stand before others'.
 */
int ctr_find(struct engine *g, const char *ref, uid_t uid, struct ctr **ret, struct err *e);
/* By its whole id, for ourselves. NULL: gone. */
struct ctr *ctr_by_id(struct engine *g, const char *id);
/* By what cgroupd calls it: its id, behind the slices that its cgroup lies in, if any. */
struct ctr *ctr_by_cgroup(struct engine *g, const char *cgroup);
/* Names are a user's own: two users may have the same. */
int ctr_name_check(struct engine *g, const char *name, uid_t uid, struct err *e);
void ctr_name_random(struct engine *g, uid_t uid, char name[NAME_LEN + 1]);
/* Descriptors of bind sources live as long as the supervisor process: only their creator may open
 * them. */
bool ctr_lost_sources(const struct ctr *c);
/* A sentence that is told to uid names no container that uid doesn't see. */
void ctr_conceal(struct engine *g, uid_t uid, struct err *e);
/* What the containers of a user have of a quota together. */
uint64_t ctr_taken(const struct engine *g, uid_t uid, enum quota q);
/* Keeps what cgroupd has counted in this run. */
void ctr_count(struct ctr *c, const struct cgroup_state *m);
/* The same without one of his containers. */
uint64_t ctr_taken_beside(
	const struct engine *g, uid_t uid, enum quota q, const struct ctr *except);
const char *ctr_status_name(const struct ctr *c);
static inline const struct create *ctr_create(const struct ctr *c)
{
	return c->create.obj;
}
/* What cgroupd calls it; told by its options once, with ctr_place. */
static inline const char *ctr_cgroup(const struct ctr *c)
{
	return c->cgroup ? c->cgroup : c->id;
}
int ctr_place(struct ctr *c, struct err *e);

/* state.c: the mirror on disk. A record is in place when state_save() returns, and on the disk
 * later: c->settling until then. */
int state_save(struct ctr *c, struct err *e);
/* Where nobody is to be told: what can't be written is tried again later. */
void state_save_or_log(struct ctr *c);
/* Those that could not be written, on a full disk perhaps. */
void state_save_again(struct engine *g);
int state_make_dir(struct ctr *c, struct err *e);
bool state_is_id(const char *name);
/* What its directory takes of the disk, log and all. */
uint64_t state_bytes(const struct ctr *c);
/* Whether there is a directory for it, or may be. */
bool state_has_dir(const struct engine *g, const char *id);
int state_remove(struct ctr *c, struct err *e);
int state_open_log(const struct ctr *c, struct err *e);
/* The same, and the container's shim, of another uid, may make files there. */
int state_open_log_for_shim(const struct ctr *c, struct err *e);
int state_load(struct engine *g, struct err *e);
/* The record, pointing into c and lent storage. */
void state_record(const struct ctr *c, struct container *ret);

/* waiters.c */
/* plain: is answered with `done`, not with the exit code. */
void wait_add(struct ctr *c, struct chan *client, uint32_t id, int what, uint32_t exec, bool plain);
void wait_notify(struct ctr *c, int what, uint32_t exec);
/* It has ended, for all who wait for that in one way or another. */
void wait_ended(struct ctr *c);
void wait_fail(struct ctr *c, int what, uint32_t exec, const struct err *e);
void wait_forget_client(struct engine *g, struct chan *client);

/* create.c: its record is on the disk, or (e) will not be. */
void create_end(struct ctr *c, const struct err *e);

/* jobs */
/* Takes over the descriptors in how, and r, which is NULL when nobody asked. */
void start_begin(struct ctr *c, const struct container_start *how, struct relay *r);
/* A start under way is to fail rather than to go on copying layers. */
void start_hurry(struct ctr *c);
void finish_begin(struct ctr *c);
void remove_begin(struct ctr *c);
/* Whoever asked for it asks again when he likes. */
void removal_failed(struct ctr *c);
void ctr_exited(struct ctr *c, const struct shim_exited *how);
void ctr_lost(struct ctr *c, const char *why);
/* They died with the workload's pid namespace, or with the shim. */
void ctr_end_execs(struct ctr *c);

/* orphan.c: a container whose shim has died. */
void orphan_begin(struct ctr *c);
void orphan_adopted(struct ctr *c);
void orphan_exited(struct ctr *c, const struct shim_exited *how);
void orphans_on_gone(struct engine *g, const struct launch_frame *f);
void orphans_heirless(struct engine *g, uint32_t slot);

/* stop.c */
void stop_begin(struct ctr *c, int64_t timeout_s); /* 0: kill at once; -1: wait for ever */
/* It has ended, or nobody waits for that any more. */
void stop_over(struct ctr *c);
uint32_t stop_signal(const struct ctr *c);
/* Its shim is another: that it is to be killed is said again. */
void stop_adopted(struct ctr *c);
/* For a container that is being started; whoever waits for it to end waits on. */
void stop_once_started(struct ctr *c, int64_t timeout_s);
/* Seconds: what the request says (NULL: no request), else the container, else docker's 10. */
int64_t stop_timeout(const struct ctr *c, const struct container_stop *how);

/* pause.c */
/* Before its end it must move again, or no signal reaches it. */
void pause_thaw(struct ctr *c);
/* What the kernel says of it. NULL: no container any more. */
void pause_settle(struct ctr *c, bool frozen);
/* Asks cgroupd which containers stand still. */
void pause_learn(struct engine *g);

/* exec.c */
/* A sealed memfd of what a shim executes: what x does not say, the container does. */
int exec_make_spec(const struct ctr *c, struct exec_spec *x, struct err *e);
void on_exec_exited(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f);

/* Its record, told to who waits for it; and no record, as if it had never been. */
void exec_ended(struct ctr *c, uint32_t number, uint32_t exit_code);
void exec_forget(struct ctr *c, uint32_t number);

/* visit.c: whether there is such a visit; leaves in *x nothing that does not count for one. */
int visit_check(struct exec_spec *x, struct err *e);
/* What is told of one that has ended; NULL: it is no visit. */
const char *visit_event(const struct exec_spec *x);
/* Whether it is made in containers that don't run, too. */
bool visit_needs_no_run(const struct exec_spec *x);
/* In such a one: whether it may begin, and beginning. Takes the document, the descriptors and r,
 * which is answered when it runs. */
int visit_may_begin(const struct ctr *c, struct err *e);
void visit_begin(struct ctr *c, struct doc *asked, const struct container_exec *how,
	struct frame *f, struct relay *r, uint32_t number);
/* The first process of a container's shim is gone; false when that was no visit. */
bool visit_ended(struct ctr *c, uint32_t exit_code);
/* The shim is gone, and with it a visit, if there was one. */
void visit_lost(struct ctr *c);
/* rm -f: ends the visit under way; the container is removed then. */
void visit_cut_short(struct ctr *c);

/* events.c: tells who follows them, and remembers for who asks later; with
 * attributes, key=value, a line each, or fmt NULL. */
void event_tell(const struct ctr *c, const char *action, const char *fmt, ...) _printf_(3, 4);
void event_tell_image(struct engine *g, const char *action, const char *id, const char *ref);
void events_free(struct engine *g);

/* create.c: cgroupd alone knows which processors and nodes there are. Asks it when `l` wants some;
 * false: it wants none, nobody is asked. */
bool cpusets_check(struct engine *g, const struct limits *l, reply_fn fn, void *arg);

/* turns.c: a request about a container whose files somebody has is handled again by fn, with all
 * that came with it, when he has let go. False: it has waited long enough, or too many do. */
typedef void (*request_fn)(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f);
bool turn_wait(struct ctr *c, struct chan *client, uint32_t id, const void *msg, struct frame *f,
	request_fn fn);
/* Somebody has let go: soon, from the loop. */
void turns_go_on(struct engine *g);
void turns_forget_client(struct engine *g, const struct chan *client);

/* clients.c: who may talk to us, and how much. */
void sessions_accept(void *arg, int what);

/* sessions.c: what may be asked, ends with {0}. */
extern const struct handler session_handlers[];

/* The handlers of ctl's words about images (images.c), execs (exec.c), queries (query.c),
 * containers (sessions.c), the host (facts.c). */
#define SESSION_HANDLER(name)                                                                      \
	void name(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
SESSION_HANDLER(on_image_progress); /* from imaged; self is its struct helper */
SESSION_HANDLER(on_image_pull);
SESSION_HANDLER(on_image_list);
SESSION_HANDLER(on_image_inspect);
SESSION_HANDLER(on_image_remove);
SESSION_HANDLER(on_image_usage);
SESSION_HANDLER(on_container_usage);
SESSION_HANDLER(on_container_exec);
SESSION_HANDLER(on_exec_wait);
SESSION_HANDLER(on_container_pause);
SESSION_HANDLER(on_container_update);
SESSION_HANDLER(on_container_stats);
SESSION_HANDLER(on_events);
SESSION_HANDLER(on_container_list);
SESSION_HANDLER(on_container_inspect);
SESSION_HANDLER(on_container_logs);
SESSION_HANDLER(on_version);
SESSION_HANDLER(on_info);
SESSION_HANDLER(on_facts);
SESSION_HANDLER(on_container_create);
/* Whom a client's channel belongs to, as the kernel told when it connected. */
uid_t session_uid(struct chan *ch);
gid_t session_gid(struct chan *ch);
/* A request of this client will be answered later, or has been. */
void session_owes(struct chan *ch);
void session_paid(struct chan *ch);
/* Whether it runs and its shim can be asked; else the request has been answered. */
bool session_check_running(const struct ctr *c, struct chan *ch, uint32_t id);
/* Finds the container a request names or answers the request with the error: then NULL. */
struct ctr *session_ctr(struct engine *g, struct chan *ch, uint32_t id, const char *ref);
