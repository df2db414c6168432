/* SPDX-License-Identifier: MIT */
/*
 * The notifications of nf_tables. Runs in netd; what the kernel says is believed, but for a
 * process's name, which it chose itself.
 */
#include "fw_watch.h"

#include <ctype.h>
#include <netinet/in.h> /* before linux/netfilter.h, which else brings its own */
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "hear.h"

int fw_watch_open(struct fw_watch *w, const char *table, struct err *e)
{
	*w = (struct fw_watch){.table = table};
	w->fd = hear_open(NETLINK_NETFILTER, 1U << (NFNLGRP_NFTABLES - 1), e);
	return w->fd < 0 ? w->fd : 0;
}

void fw_watch_close(struct fw_watch *w)
{
	fd_close(&w->fd);
}

/* The first attribute of every kind of object is its table: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE,
 * NFTA_RULE_TABLE, NFTA_SET_TABLE, NFTA_SET_ELEM_LIST_TABLE, NFTA_OBJ_TABLE. */
static bool is_ours(const struct fw_watch *w, struct nlmsghdr *h)
{
	struct nlattr *table = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_TABLE_NAME);
	const struct nfgenmsg *g = nlmsg_data(h);

	return table && (g->nfgen_family == NFPROTO_INET || g->nfgen_family == NFPROTO_BRIDGE) &&
	       nla_strcmp(table, w->table) == 0;
}

static void note_author(struct fw_watch *w, struct nlmsghdr *h)
{
	struct nlattr *pid = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_GEN_PROC_PID);
	struct nlattr *name = nlmsg_find_attr(h, sizeof(struct nfgenmsg), NFTA_GEN_PROC_NAME);
	char text[16] = "?";

	if (name)
		nla_strlcpy(text, name, sizeof(text));
	for (char *c = text; *c; c++)
		if (!isprint((unsigned char)*c))
			*c = '?';
	snprintf(w->by, sizeof(w->by), "process %u (%s)",
		pid && nla_len(pid) == 4 ? ntohl(nla_get_u32(pid)) : 0, text);
}

/* NEWGEN ends a transaction (nf_tables_commit); transactions follow one another. */
static int on_event(void *arg, struct nlmsghdr *h)
{
	struct fw_watch *w = arg;
	bool touched = w->touched;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		nlmsg_datalen(h) < (int)sizeof(struct nfgenmsg))
		return 0;
	if ((h->nlmsg_type & 0xff) != NFT_MSG_NEWGEN) {
		w->touched |= is_ours(w, h);
		return 0;
	}
	w->touched = false;
	if (touched)
		note_author(w, h);
	return touched;
}

int fw_watch_read(struct fw_watch *w)
{
	return hear_read(w->fd, on_event, w);
}
