/* SPDX-License-Identifier: MIT */
/*
 * Mending. Runs in netd. Nothing here takes away: what it doesn't know it leaves alone, and says so
 * once where it is in a place of the engine's.
 */
#include "mend.h"

#include <errno.h>
#include <string.h>

#include "annex.h"
#include "attach.h"
#include "base/fd.h"
#include "base/log.h"
#include "bridge.h"
#include "heed.h"
#include "netd.h"
#include "veth.h"

struct mender {
	struct netd *d;
	int fd;
	struct watch *readable, *timer, *grace;
	uint64_t mended_at; /* ns, monotonic */
	bool due, waiting;  /* the timers run */
};

/* What came of it so far. */
struct tally {
	unsigned int mended;
	struct err first; /* failure */
};

static void tally_failure(struct tally *t, const struct err *e)
{
	if (!t->first.code)
		t->first = *e;
}

static void say_foreign_addresses(struct netd *d, const struct network *n, const struct look *look)
{
	struct in6_addr gw6 = network_gateway6(n);
	char text[INET6_ADDRSTRLEN];

	for (size_t i = 0; i < look->n_addrs; i++) {
		const struct rt_addr *a = &look->addrs[i];
		bool ours = a->six ? IN6_IS_ADDR_LINKLOCAL(&a->ip6) ||
					     memcmp(&a->ip6, &gw6, sizeof(gw6)) == 0
				   : a->ip4 == pool_gateway(n->pool);

		if (a->ifindex == n->ifindex && !ours)
			once_warn(&d->once,
				"bridge %s: address %s/%u is not the engine's, left alone",
				n->bridge,
				a->six ? ip6_format(&a->ip6, text) : ip4_format(a->ip4, text),
				a->len);
	}
}

static bool bridge_is_right(const struct network *n, const struct rt_link *l, const char *alias,
	const struct look *look)
{
	struct in6_addr gw6 = network_gateway6(n);

	return l->up && strcmp(l->alias, alias) == 0 &&
	       look_has4(look, l->ifindex, pool_gateway(n->pool), n->net4.len) &&
	       (!n->has6 || look_has6(look, l->ifindex, &gw6, n->net6.len));
}

/* 1 when there was something to do. Sysctls come before the bridge's first port. */
static int mend_bridge(struct netd *d, struct network *n, const struct look *look, struct err *e)
{
	const struct look_link *found = look_named(look, n->bridge);
	const struct rt_link *l = found ? &found->l : NULL;
	char alias[NAMES_ALIAS_MAX];
	int r = 0;

	names_bridge_alias(d->engine, n->name, alias);
	if (l && !(l->bridge && (l->ifindex == n->ifindex || strcmp(l->alias, alias) == 0)))
		return err_set(e, EEXIST,
			"link %s exists and is not this engine's: rename or delete it", n->bridge);
	if (l && bridge_is_right(n, l, alias, look)) {
		n->ifindex = l->ifindex;
		return 0;
	}
	if (l)
		n->ifindex = l->ifindex;
	else
		r = bridge_make(n, d->engine, d->rtnl, e);
	if (r == 0)
		r = sysctls_bridge(d->sysctls, n->bridge, e);
	if (r == 0)
		r = bridge_settle(n, d->engine, d->rtnl, e);
	if (r < 0)
		return r;
	log_warn("bridge %s: %s", n->bridge,
		l ? "it was down or had lost an address, put right" : "it was gone, made again");
	return 1;
}

/* By its name, unless somebody else has taken that; else by its alias: it was renamed. */
static struct look_link *find_link(
	const struct network *n, const struct member *m, const struct look *look)
{
	struct look_link *l = look_named(look, m->link);

	if (l && l->l.veth && !l->known &&
		(strcmp(l->container, m->id) == 0 || l->l.ifindex == m->ifindex ||
			(!l->container[0] && l->l.master == network_bridge(n, m))))
		return l;
	return look_of(look, m->id);
}

static void say_lost(struct netd *d, struct member *m)
{
	const struct net_lost msg = {.container = m->id};

	if (!m->lost)
		log_warn("container %s: its link %s is gone", m->id, m->link);
	m->lost = true;
	chan_event(d->chan, MSG_net_lost, 0, &msg);
}

/* A container that ends takes its link along, and mostly the kernel tells first. */
static void mind_missing(struct netd *d, struct member *m)
{
	struct mender *mender = d->mender;
	uint64_t now = time_mono_ns();

	m->ifindex = 0;
	if (!m->gone_at)
		m->gone_at = now;
	if (now - m->gone_at >= MEND_LOST_MS * 1000000ULL) {
		say_lost(d, m);
		m->gone_at = 0;
	} else if (!mender->waiting) {
		mender->waiting = true;
		timer_again(mender->grace, MEND_LOST_MS);
	}
}

/* Of a bridge that had gone all links are off: `silent`, then. */
static int mend_link(struct netd *d, const struct network *n, struct member *m,
	const struct rt_link *l, bool silent, struct err *e)
{
	char alias[NAMES_ALIAS_MAX];
	struct veth_want want;

	attach_link_want(d, n, m, &want, alias);
	if (veth_is_as(l, &want))
		return 0;
	if (veth_mend(d->rtnl, &want, l, e) < 0 || sysctls_link(d->sysctls, m->link, e) < 0)
		return err_prefix(e, "container %.12s", m->id);
	if (silent)
		return 1;
	log_warn("container %s: link %s was %s, put right", m->id, l->name,
		l->master != want.bridge	? "off its bridge"
		: !l->up			? "down"
		: strcmp(l->name, m->link) != 0 ? "renamed"
						: "changed");
	return 1;
}

/* Without a bridge there is nothing to put links into, but they are known. */
static void mend_members(
	struct netd *d, struct network *n, struct look *look, bool silent, struct tally *t)
{
	for (struct member *m = n->members; m; m = m->next) {
		struct look_link *found = find_link(n, m, look);
		struct err e = {0};
		int r;

		m->amiss = false;
		if (!found) {
			mind_missing(d, m);
			continue;
		}
		found->known = true;
		m->ifindex = found->l.ifindex;
		m->gone_at = 0;
		m->lost = false;
		r = n->amiss || (m->annex && m->annex->amiss)
			    ? 0
			    : mend_link(d, n, m, &found->l, silent, &e);
		if (r < 0)
			tally_failure(t, &e);
		else
			t->mended += (unsigned int)r;
	}
}

static void mend_annexes(
	struct netd *d, struct network *n, const struct look *look, struct tally *t)
{
	for (struct annex *a = n->annexes; a && !n->amiss; a = a->next) {
		struct err e = {0};
		int r = annex_mend(d, n, a, look, &e);

		if (r < 0)
			tally_failure(t, &e);
		else
			t->mended += (unsigned int)r;
	}
}

static void mend_sysctls(struct netd *d, struct tally *t)
{
	unsigned int before = sysctls_written(d->sysctls);
	struct err e = {0};

	if (sysctls_forward(d->sysctls, &e) < 0)
		tally_failure(t, &e);
	for (struct network *n = d->networks; n; n = n->next)
		if (!n->amiss && sysctls_bridge(d->sysctls, n->bridge, &e) < 0)
			tally_failure(t, &e);
	t->mended += sysctls_written(d->sysctls) - before;
}

int mend_all(struct netd *d, struct look *look, unsigned int *ret_mended, struct err *e)
{
	struct tally t = {0};

	d->sysctls_amiss = false;
	for (struct network *n = d->networks; n; n = n->next) {
		struct err one = {0};
		int r = mend_bridge(d, n, look, &one);

		n->amiss = r < 0;
		n->addresses_amiss = false;
		if (r < 0) {
			tally_failure(&t, &one);
		} else {
			t.mended += (unsigned int)r;
			say_foreign_addresses(d, n, look);
		}
		mend_annexes(d, n, look, &t);
		mend_members(d, n, look, r > 0, &t);
	}
	mend_sysctls(d, &t);
	annex_idle(d);
	*ret_mended = t.mended;
	return t.first.code ? err_set(e, t.first.code, "%s", t.first.text) : 0;
}

static void look_and_mend(struct mender *m, struct err *e)
{
	_cleanup_look_ struct look look = {0};
	struct netd *d = m->d;
	unsigned int mended;

	m->mended_at = time_mono_ns();
	if (look_read(d->engine, &look, e) < 0 || mend_all(d, &look, &mended, e) < 0)
		once_warn(&d->once, "%s", e->text);
}

static void schedule(struct mender *m, unsigned int what)
{
	uint64_t since = (time_mono_ns() - m->mended_at) / 1000000;

	if (what & HEED_AMISS && !m->due) {
		m->due = true;
		timer_again(m->timer, since < MEND_PAUSE_MS ? MEND_PAUSE_MS - since : 0);
	}
	if (what & HEED_GONE && !m->waiting) {
		m->waiting = true;
		timer_again(m->grace, MEND_LOST_MS);
	}
}

static void on_readable(void *arg, int what)
{
	struct mender *m = arg;

	(void)what;
	schedule(m, heed_read(m->d, m->fd));
}

static void on_time(void *arg)
{
	struct mender *m = arg;
	struct err e = {0};
	bool due = m->due;

	m->due = false;
	if (due && m->d->networks)
		look_and_mend(m, &e);
}

/* Who has ended meanwhile is no member any more: then there is nothing to look for. */
static void on_grace(void *arg)
{
	struct mender *m = arg;
	bool missing = false;
	struct err e = {0};

	m->waiting = false;
	for (const struct network *n = m->d->networks; n; n = n->next)
		for (const struct member *one = n->members; one; one = one->next)
			missing |= one->gone_at != 0;
	if (missing)
		look_and_mend(m, &e);
}

int mend_first(struct netd *d, const struct network *n, struct err *e)
{
	struct err local = {0};

	if (heed_read(d, d->mender->fd) & HEED_AMISS)
		look_and_mend(d->mender, &local);
	return n->amiss ? err_set(e, local.code ? local.code : EIO, "%s", local.text) : 0;
}

int mender_new(struct netd *d, struct mender **ret, struct err *e)
{
	struct mender *m = calloc(1, sizeof(*m));

	if (!m)
		return err_errno(e, ENOMEM, "watching the host's links");
	m->d = d;
	m->fd = heed_open(e);
	if (m->fd < 0) {
		free(m);
		return -e->code;
	}
	m->readable = loop_fd(d->loop, m->fd, LOOP_READ, on_readable, m);
	m->timer = loop_timer(d->loop, MEND_PAUSE_MS, on_time, m);
	m->grace = loop_timer(d->loop, MEND_LOST_MS, on_grace, m);
	if (!m->readable || !m->timer || !m->grace) {
		mender_free(m);
		return err_errno(e, ENOMEM, "watching the host's links");
	}
	*ret = m;
	return 0;
}

void mender_free(struct mender *m)
{
	if (!m)
		return;
	watch_free(m->grace);
	watch_free(m->timer);
	watch_free(m->readable);
	fd_close(&m->fd);
	free(m);
}
