/* SPDX-License-Identifier: MIT */
/*
 * What netd is told of the networks as a whole: that they be there, and who is on them. Whoever the
 * list doesn't name loses what he has, so an end that netd didn't hear of needs no second word.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "engine.h"

#define SETUP_MS    120000 /* the kernel loads a dozen modules first */
#define SYNC_MS	    30000  /* for an answer */
#define ATTACH_MS   30000
#define EVERY_MS    30000 /* the list is told again */
#define SOON_MS	    1000
#define RECORD_MAX  (1U << 20)
#define MEMBERS_MAX (8U << 20) /* bytes; netd's bound */

/* What the host's network was like before the engine changed it outlives this process, and the
 * engine, as the changes do: RUN/network has it. A reboot undoes the ones and empties the other. */
static int put_on_record(const struct engine *g, struct err *e)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;
	int r;

	if (g->network_file < 0)
		return 0;
	r = codec_encode(&schema_net_ready, g->network.obj, RECORD_MAX, NULL, &buf, &n, e);
	if (r < 0)
		return r;
	r = lseek(g->network_file, 0, SEEK_SET) < 0 ? -errno
						    : fd_write_all(g->network_file, buf, n);
	if (r == 0 && ftruncate(g->network_file, (off_t)n) < 0)
		r = -errno;
	return r < 0 ? err_errno(e, r, "putting it on record") : 0;
}

/* Nothing, for the first engine. */
static int recall(const struct engine *g, struct doc *ret, struct err *e)
{
	char *text = NULL;
	size_t n;
	int r;

	if (g->network_file < 0)
		return 0;
	r = lseek(g->network_file, 0, SEEK_SET) < 0
		    ? -errno
		    : fd_read_file(g->network_file, RECORD_MAX, &text, &n);
	if (r < 0)
		return err_errno(e, r, "what is on record");
	if (n > 0)
		return doc_decode(ret, &schema_net_ready, (uint8_t *)text, n, e);
	free(text);
	return 0;
}

static void on_net_ready(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct engine *g = arg;
	struct err why = {0};

	(void)f;
	if (e) {
		why = *e;
		err_prefix(&why, "network");
	} else if (doc_copy(&g->network, &schema_net_ready, msg, &why) == 0) {
		g->network_up = true;
		if (put_on_record(g, &why) < 0)
			log_warn("network: %s", why.text);
		engine_serve_if_ready(g);
		return;
	}
	if (e && e->code == ECONNRESET) /* it died: the next one is asked */
		return;
	/* At the first start a bad subnet must be told at once; later, what runs must go on. */
	if (!g->serving)
		engine_give_up(g, &why);
	else
		log_error("%s", why.text);
}

/* "172.20.0.0/16", of an address in it; NULL when there is none. */
static const char *subnet_of(const char *address, uint32_t prefix, char buf[INET6_ADDRSTRLEN + 4])
{
	int family = address && strchr(address, ':') ? AF_INET6 : AF_INET;
	uint8_t ip[16] = {0};
	size_t n;

	if (!address || inet_pton(family, address, ip) != 1)
		return NULL;
	for (uint32_t bit = prefix; bit < sizeof(ip) * 8; bit++)
		ip[bit / 8] &= (uint8_t) ~(0x80U >> bit % 8);
	inet_ntop(family, ip, buf, INET6_ADDRSTRLEN);
	n = strlen(buf);
	snprintf(buf + n, INET6_ADDRSTRLEN + 4 - n, "/%u", prefix);
	return buf;
}

/* Of a container that has been on the network since before this process. */
static const struct endpoint *any_endpoint(const struct engine *g)
{
	for (const struct ctr *c = g->ctrs; c; c = c->next)
		if (c->status == CTR_RUNNING && c->endpoint.obj)
			return c->endpoint.obj;
	return NULL;
}

static void set_up(struct engine *g)
{
	char net4[INET6_ADDRSTRLEN + 4], net6[INET6_ADDRSTRLEN + 4];
	struct doc record = {0};
	const struct net_ready *known = g->network.obj, *before;
	const struct endpoint *ep = any_endpoint(g);
	struct net_setup m = {.network = "bridge",
		.subnet4 = g->o->subnet4,
		.subnet6 = g->o->subnet6,
		.port_ip = g->o->publish_ip};
	struct err e = {0};

	if (!known && recall(g, &record, &e) < 0)
		log_warn("network: %s", e.text);
	before = known ? known : record.obj;
	if (before)
		m.sysctls = before->sysctls;
	if (known) {
		m.subnet4 = known->subnet4;
		m.subnet6 = known->subnet6;
	} else if (ep && ep->gateway4) {
		m.subnet4 = subnet_of(ep->gateway4, ep->prefix4, net4);
		m.subnet6 = subnet_of(ep->gateway6, ep->prefix6, net6);
	}
	g->network_up = false;
	helper_request(g, H_NETD, MSG_net_setup, &m, SETUP_MS, on_net_ready, g);
	doc_free(&record);
}

static void on_synced(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct net_synced *m = msg;
	struct engine *g = arg;

	(void)f;
	g->syncing = false;
	if (e && e->code != ECONNRESET)
		log_warn("network: %s", e->text);
	else if (m && m->mended)
		log_info("network: %u things were not as they should be, and are", m->mended);
}

/* Whoever is just starting and has asked to be attached may have been or not. */
static uint32_t list(const struct engine *g, struct net_member *to)
{
	uint32_t n = 0;

	for (const struct ctr *c = g->ctrs; c; c = c->next) {
		bool runs = c->status == CTR_RUNNING || c->status == CTR_STARTING;

		if (!c->attaching && !(runs && c->endpoint.obj))
			continue;
		to[n++] = (struct net_member){.container = c->id,
			.network = "bridge",
			.endpoint = c->attaching ? NULL : c->endpoint.obj};
	}
	return n;
}

static int make_list(const struct engine *g, struct err *e)
{
	_cleanup_free_ struct net_member *v = NULL;
	_cleanup_free_ uint8_t *buf = NULL;
	struct net_members all = {0};
	uint32_t n = 0;
	size_t len;
	int fd;

	for (const struct ctr *c = g->ctrs; c; c = c->next)
		n++;
	v = calloc(n + 1, sizeof(*v));
	if (!v)
		return err_set(e, ENOMEM, "out of memory");
	all.members.v = v;
	all.members.n = list(g, v);
	if (codec_encode(&schema_net_members, &all, MEMBERS_MAX, NULL, &buf, &len, e) < 0)
		return -e->code;
	fd = fd_memfd_sealed("net_members", buf, len);
	return fd < 0 ? err_errno(e, fd, "a memory file") : fd;
}

static void on_time(void *arg)
{
	struct engine *g = arg;

	/* Who was in the way at netd's last start may have gone. */
	if (!g->network_up && !g->ending && helper_chan(g, H_NETD))
		set_up(g);
	network_sync(g);
}

void network_sync(struct engine *g)
{
	_cleanup_fd_ int members = -1;
	struct err e = {0};

	MSG_DECLARE(net_sync, m);
	if (!g->sync_timer)
		g->sync_timer = loop_timer(g->loop, EVERY_MS, on_time, g);
	else
		timer_again(g->sync_timer, EVERY_MS);
	if (g->syncing || g->ending || !helper_chan(g, H_NETD))
		return;
	members = make_list(g, &e);
	if (members < 0) {
		log_error("network: %s", e.text);
		return;
	}
	m.members = members;
	g->syncing = true;
	helper_request(g, H_NETD, MSG_net_sync, &m, SYNC_MS, on_synced, g);
}

void network_sync_soon(struct engine *g)
{
	if (g->sync_timer)
		timer_again(g->sync_timer, SOON_MS);
}

void network_helper_up(struct engine *g)
{
	set_up(g);
	if (g->serving)
		network_sync(g);
}

/* ---- a container whose link somebody deleted ---- */

struct relink {
	struct engine *engine;
	char id[ID_LEN + 1];
};

/* For the log, and for `inspect`; NULL: all is well. */
static void say(struct ctr *c, const char *what)
{
	bool news = strcmp(c->error, what ? what : "") != 0;

	snprintf(c->error, sizeof(c->error), "%s", what ? what : "");
	if (news && what)
		log_error("container %.12s: %s", c->id, what);
	if (news)
		state_save_or_log(c);
}

static void on_relinked(void *arg, void *msg, struct frame *f, const struct err *e)
{
	struct relink *r = arg;
	struct ctr *c = ctr_by_id(r->engine, r->id);
	struct err why = e ? *e : (struct err){0};

	(void)msg;
	(void)f;
	free(r);
	if (!c)
		return;
	c->attaching = false;
	if (c->status != CTR_RUNNING)
		return;
	if (e) {
		err_prefix(&why, "its network link is gone");
		ctr_conceal(c->engine, c->owner, &why);
	}
	say(c, e ? why.text : NULL);
}

static void relink(struct ctr *c)
{
	const struct endpoint *ep = c->endpoint.obj;
	struct relink *r = malloc(sizeof(*r));

	MSG_DECLARE(net_attach, m);
	if (!r)
		return;
	r->engine = c->engine;
	memcpy(r->id, c->id, sizeof(r->id));
	m.container = c->id;
	m.network = "bridge";
	m.netns = c->shim->netns;
	m.rtnl = c->shim->rtnl;
	m.ip4 = ep->ip4;
	m.ip6 = ep->ip6;
	m.mac = ep->mac;
	m.ports.v = ep->ports.v;
	m.ports.n = ep->ports.n;
	c->attaching = true;
	helper_request(c->engine, H_NETD, MSG_net_attach, &m, ATTACH_MS, on_relinked, r);
}

static void on_networked(void *arg, void *msg, struct frame *f, const struct err *e)
{
	const struct shim_networked *m = msg;
	struct relink *r = arg;
	struct ctr *c = ctr_by_id(r->engine, r->id);
	struct err why = e ? *e : (struct err){0};

	free(r);
	if (!c)
		return;
	c->attaching = false;
	if (c->status != CTR_RUNNING || !c->shim)
		return;
	if (e) {
		err_prefix(&why, "its network link is gone");
		say(c, why.text);
		return;
	}
	fd_close(&c->shim->netns);
	fd_close(&c->shim->rtnl);
	c->shim->netns = frame_take_fd(f, m->netns);
	c->shim->rtnl = frame_take_fd(f, m->rtnl);
	relink(c);
}

/* The supervisor that started it is gone, and what it held with it; the shim has it too. */
static void ask_shim(struct ctr *c)
{
	const struct shim_network m = {0};
	struct relink *r = malloc(sizeof(*r));

	if (!r)
		return;
	r->engine = c->engine;
	memcpy(r->id, c->id, sizeof(r->id));
	c->attaching = true;
	chan_request(c->shim->chan, MSG_shim_network, &m, ATTACH_MS, on_networked, r);
}

static void on_net_lost(void *self, struct chan *ch, uint32_t id, void *msg, struct frame *f)
{
	const struct net_lost *m = msg;
	struct helper *h = self;
	struct ctr *c = ctr_by_id(h->engine, m->container);

	(void)ch;
	(void)id;
	(void)f;
	if (!c || c->status != CTR_RUNNING || !c->endpoint.obj || c->attaching)
		return;
	if (c->shim && c->shim->netns >= 0 && c->shim->rtnl >= 0)
		relink(c);
	else if (c->shim && c->shim->chan)
		ask_shim(c);
	else
		say(c, "its network link is gone, and nobody can be asked to make it again: restart the container");
}

const struct handler network_handlers[] = {{MSG_net_lost, on_net_lost}, {0}};
