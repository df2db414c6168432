/* SPDX-License-Identifier: MIT */
/*
 * Changes the engine's firewall tables, and hears of others' changes to them. Runs in netd.
 *
 * Own and foreign transactions are told apart by counting: what has been told before a transaction
 * of netd's own is foreign; after it, there must be no more than the own ones.
 */
#include "rules.h"

#include <errno.h>

#include "base/log.h"
#include "flows.h"
#include "fw_watch.h"
#include "netd.h"

#define FLOWS_MS 20

struct rules {
	struct netd *d;
	struct fw_watch watch;
	struct watch *readable, *timer;
	uint64_t restored_at; /* ns, monotonic */
	bool dirty, due;
	struct watch *flows; /* once a port is published */
};

static void schedule(struct rules *r)
{
	uint64_t since = (time_mono_ns() - r->restored_at) / 1000000;

	if (!r->dirty || r->due || !r->d->networks)
		return;
	r->due = true;
	timer_again(r->timer, since < RULES_PAUSE_MS ? RULES_PAUSE_MS - since : 0);
}

/* Takes note of what was told; `own` transactions of it are netd's. */
static void settle(struct rules *r, unsigned long own)
{
	int n = fw_watch_read(&r->watch);

	/* What was lost beside netd's own may have been nothing but these. */
	if (n == -ENOBUFS ? own == 0 : n > (int)own)
		r->dirty = true;
}

static unsigned long begin(struct rules *r)
{
	settle(r, 0);
	return fw_transactions(r->d->fw);
}

static void end(struct rules *r, unsigned long before)
{
	settle(r, fw_transactions(r->d->fw) - before);
	schedule(r);
}

static void on_readable(void *arg, int what)
{
	struct rules *r = arg;

	(void)what;
	settle(r, 0);
	schedule(r);
}

static void on_time(void *arg)
{
	struct rules *r = arg;
	struct err e = {0};

	r->due = false;
	if (!r->dirty || !r->d->networks)
		return;
	r->restored_at = time_mono_ns();
	log_warn("nft tables %s: changed by %s, put back", r->d->engine, r->watch.by);
	if (rules_load(r->d, &e) == 0)
		return;
	log_error("%s", e.text);
	r->dirty = true;
	schedule(r);
}

static void on_flows(void *arg)
{
	const struct rules *r = arg;
	struct err e = {0};

	if (flows_forget_to(r->d->book, &e) < 0)
		log_warn("published ports: %s", e.text);
}

/* A client that went on asking while the port led nowhere. To read the table takes some
 * milliseconds, for which no container need wait: it is read after them, once for many. */
static void forget_flows_soon(struct rules *r, const struct published *rows)
{
	while (rows && !rows->udp)
		rows = rows->next;
	if (!rows)
		return;
	if (!r->flows)
		r->flows = loop_timer(r->d->loop, FLOWS_MS, on_flows, r);
	if (r->flows)
		timer_again(r->flows, FLOWS_MS);
}

int rules_new(struct netd *d, struct rules **ret, struct err *e)
{
	struct rules *r = calloc(1, sizeof(*r));

	if (!r)
		return err_errno(e, ENOMEM, "firewall");
	r->d = d;
	if (fw_watch_open(&r->watch, d->engine, e) < 0) {
		free(r);
		return -e->code;
	}
	r->readable = loop_fd(d->loop, r->watch.fd, LOOP_READ, on_readable, r);
	r->timer = loop_timer(d->loop, RULES_PAUSE_MS, on_time, r);
	if (!r->readable || !r->timer) {
		rules_free(r);
		return err_errno(e, ENOMEM, "firewall");
	}
	*ret = r;
	return 0;
}

void rules_free(struct rules *r)
{
	if (!r)
		return;
	watch_free(r->flows);
	watch_free(r->timer);
	watch_free(r->readable);
	fw_watch_close(&r->watch);
	free(r);
}

int rules_load(struct netd *d, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_load(d->fw, d->networks, d->book, e);

	if (r == 0) {
		d->rules->dirty = false;
		forget_flows_soon(d->rules, d->book);
	}
	end(d->rules, before);
	return r;
}

int rules_remove(struct netd *d, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_remove(d->fw, e);

	end(d->rules, before);
	return r;
}

int rules_admit(struct netd *d, const struct member *m, const struct published *rows, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_admit(d->fw, m, rows, e);

	/* Flushed, and the news is still on its way here. The member is on its network by now. */
	if (r == -ENOENT && fw_load(d->fw, d->networks, d->book, e) == 0) {
		d->rules->dirty = false;
		r = fw_admit(d->fw, NULL, rows, e);
	}
	if (r == 0)
		forget_flows_soon(d->rules, rows);
	end(d->rules, before);
	return r;
}

int rules_expel(struct netd *d, const struct member *m, const struct published *rows, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_expel(d->fw, m, rows, e);

	end(d->rules, before);
	return r;
}

int rules_annex(struct netd *d, const struct annex *a, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_annex(d->fw, a, e);

	/* Flushed; the annex is one of its network's by now. */
	if (r == -ENOENT) {
		r = fw_load(d->fw, d->networks, d->book, e);
		d->rules->dirty &= r < 0;
	}
	end(d->rules, before);
	return r;
}

int rules_annex_gone(struct netd *d, const struct annex *a, struct err *e)
{
	unsigned long before = begin(d->rules);
	int r = fw_annex_gone(d->fw, a, e);

	end(d->rules, before);
	return r;
}
