/* SPDX-License-Identifier: MIT */
/*
 * nft text for libnftables. Runs in netd. Only checked values get into the text: the engine's and
 * networks' link names, numbers, formatted addresses, and container ids of names_check()'s letters.
 */
#include "fw.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "fw_json.h"

struct fw {
	char table[NAMES_ID_MAX + 1];
	struct nft_ctx *nft;
	unsigned long transactions;
	bool no_bridges; /* the kernel lacks the bridge family */
};

static const char *const maps[] = {"published4", "published4_any", "published6", "published6_any"};

int fw_new(const char *engine, struct fw **ret, struct err *e)
{
	struct fw *f = calloc(1, sizeof(*f));

	if (f)
		f->nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!f || !f->nft || nft_ctx_buffer_output(f->nft) || nft_ctx_buffer_error(f->nft)) {
		fw_free(f);
		return err_set(e, ENOMEM, "libnftables can't be started");
	}
	/* Else libnftables asks the C library for protocols' names, which looks for files in /etc.
	 */
	nft_ctx_output_set_flags(f->nft, NFT_CTX_OUTPUT_NUMERIC_PROTO);
	snprintf(f->table, sizeof(f->table), "%s", engine);
	*ret = f;
	return 0;
}

void fw_free(struct fw *f)
{
	if (f && f->nft)
		nft_ctx_free(f->nft);
	free(f);
}

/* The code of nft's words; EIO when there is none for them. */
static int code_of(const char *text)
{
	static const int codes[] = {EPERM, ENOENT, EEXIST, ENOMEM, EBUSY, EOPNOTSUPP, EINVAL};

	for (unsigned int i = 0; i < ARRAY_LEN(codes); i++)
		if (strstr(text, strerror(codes[i])))
			return codes[i];
	return EIO;
}

/* ret_out (may be NULL) gets what was printed; valid until the next run. */
static int run(struct fw *f, const char *text, const char **ret_out, struct err *e)
{
	int r = nft_run_cmd_from_buffer(f->nft, text);
	/* Both buffers grow until they are asked for. */
	const char *out = nft_ctx_get_output_buffer(f->nft),
		   *why = nft_ctx_get_error_buffer(f->nft);

	if (ret_out)
		*ret_out = out;
	if (r == 0)
		return 0;
	log_debug("nft: %s", why);
	if (strncmp(why, "Error: ", 7) == 0)
		why += 7;
	return err_set(
		e, code_of(why), "nft tables %s: %.*s", f->table, (int)strcspn(why, "\n"), why);
}

/* A command under construction. */
struct text {
	FILE *out;
	char *buf;
	size_t len;
};

static int text_begin(struct text *t, struct err *e)
{
	*t = (struct text){0};
	t->out = open_memstream(&t->buf, &t->len);
	return t->out ? 0 : err_errno(e, errno, "nft text");
}

static int transact(struct fw *f, const char *text, struct err *e)
{
	int r = *text ? run(f, text, NULL, e) : 0;

	f->transactions += r == 0 && *text;
	return r;
}

static int text_run(struct fw *f, struct text *t, struct err *e)
{
	int r = fclose(t->out) == 0 ? transact(f, t->buf, e) : err_errno(e, ENOMEM, "nft text");

	free(t->buf);
	return r;
}

/* Somebody took one element out, or the whole table: line by line, then. */
static int run_lines(struct fw *f, char *text, struct err *e)
{
	struct err one = {0};
	int r = 0;

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (transact(f, line, &one) < 0 && one.code != ENOENT)
			r = err_set(e, one.code, "%s", one.text);
	return r;
}

static const char *map_of(const struct published *p)
{
	return maps[(p->family == AF_INET6 ? 2 : 0) + p->any];
}

static void put_key(FILE *out, const struct published *p)
{
	char ip[INET6_ADDRSTRLEN];

	if (!p->any)
		fprintf(out, "%s . ", ports_host(p, ip));
	fprintf(out, "%s . %u", p->udp ? "udp" : "tcp", p->host_port);
}

static void put_unpublish(FILE *out, const struct fw *f, const struct published *p)
{
	fprintf(out, "delete element inet %s %s { ", f->table, map_of(p));
	put_key(out, p);
	fputs(" }\n", out);
}

static void put_publish(FILE *out, const struct fw *f, const struct published *p)
{
	char ip[INET6_ADDRSTRLEN];

	fprintf(out, "add element inet %s %s { ", f->table, map_of(p));
	put_key(out, p);
	fprintf(out, " comment \"%s\" : %s . %u }\n", p->container,
		p->family == AF_INET ? ip4_format(p->to4, ip) : ip6_format(&p->to6, ip),
		p->to_port);
}

/* As a number: the set's addresses are raw payload. */
static void put_owner6(
	FILE *out, const struct member *m, const char *mac, const struct in6_addr *ip6)
{
	fprintf(out, "\"%s\" . %s . 0x", m->link, mac);
	for (unsigned int i = 0; i < sizeof(ip6->s6_addr); i++)
		fprintf(out, "%02x", ip6->s6_addr[i]);
}

/* verb: add or delete. A link-local address comes from the MAC address (RFC 4291, appendix A). */
static void put_member(FILE *out, const struct fw *f, const char *verb, const struct member *m)
{
	struct in6_addr local = {.s6_addr = {0xfe, 0x80, [8] = m->mac[0] ^ 2, m->mac[1], m->mac[2],
					 0xff, 0xfe, m->mac[3], m->mac[4], m->mac[5]}};
	char mac[MAC_TEXT_MAX], ip[INET_ADDRSTRLEN];

	fprintf(out, "%s element inet %s links { \"%s\" }\n", verb, f->table, m->link);
	if (f->no_bridges)
		return;
	mac_format(m->mac, mac);
	fprintf(out, "%s element bridge %s links { \"%s\" }\n", verb, f->table, m->link);
	fprintf(out, "%s element bridge %s owners4 { \"%s\" . %s . %s }\n", verb, f->table, m->link,
		mac, ip4_format(m->ip4, ip));
	fprintf(out, "%s element bridge %s owners6 { ", verb, f->table);
	put_owner6(out, m, mac, &local);
	if (!IN6_IS_ADDR_UNSPECIFIED(&m->ip6)) {
		fputs(", ", out);
		put_owner6(out, m, mac, &m->ip6);
	}
	fputs(" }\n", out);
}

/* Frames that come to the network's bridge from the annex don't go back there but to one of its
 * own.
 */
static void put_annex(FILE *out, const struct fw *f, const char *verb, const struct annex *a)
{
	fprintf(out, "%s element inet %s annexes { \"%s\" }\n", verb, f->table, a->bridge);
	if (f->no_bridges)
		return;
	fprintf(out, "%s element bridge %s joints { \"%s\" . \"%s\" }\n", verb, f->table, a->down,
		a->down);
}

static void put_network(FILE *out, const struct fw *f, const struct network *n)
{
	char net[CIDR_TEXT_MAX];

	fprintf(out, "add element inet %s bridges { \"%s\" }\n", f->table, n->bridge);
	fprintf(out, "add element inet %s inside { \"%s\" . \"%s\" }\n", f->table, n->bridge,
		n->bridge);
	fprintf(out, "add element inet %s subnets4 { %s }\n", f->table, cidr4_format(n->net4, net));
	if (!n->has6)
		return;
	fprintf(out, "add element inet %s subnets6 { %s }\n", f->table,
		cidr6_format(&n->net6, net));
}

static void put_ruleset(FILE *out, const struct fw *f)
{
	static const char mark[] = "@TABLE@";
	const char *at = fw_ruleset, *next, *end = strstr(fw_ruleset, "\ntable bridge ");

	while ((next = strstr(at, mark)) && !(f->no_bridges && next > end)) {
		fwrite(at, 1, (size_t)(next - at), out);
		fputs(f->table, out);
		at = next + sizeof(mark) - 1;
	}
	if (f->no_bridges)
		fwrite(at, 1, (size_t)(end - at), out);
	else
		fputs(at, out);
}

/* Declared first so that deleting them can't fail; all in one transaction. */
static void put_removal(FILE *out, const struct fw *f)
{
	fprintf(out, "table inet %s\ndelete table inet %s\n", f->table, f->table);
	if (!f->no_bridges)
		fprintf(out, "table bridge %s\ndelete table bridge %s\n", f->table, f->table);
}

static int load(
	struct fw *f, const struct network *networks, const struct published *book, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	put_removal(t.out, f);
	put_ruleset(t.out, f);
	for (; networks; networks = networks->next) {
		put_network(t.out, f, networks);
		for (const struct annex *a = networks->annexes; a; a = a->next)
			put_annex(t.out, f, "add", a);
		for (const struct member *m = networks->members; m; m = m->next)
			put_member(t.out, f, "add", m);
	}
	for (; book; book = book->next)
		put_publish(t.out, f, book);
	return text_run(f, &t, e);
}

int fw_load(
	struct fw *f, const struct network *networks, const struct published *book, struct err *e)
{
	int r = load(f, networks, book, e);

	if (r == 0 || f->no_bridges)
		return r;
	f->no_bridges = true;
	if (load(f, networks, book, NULL) == 0) {
		log_warn("no anti-spoofing: %s", e->text);
		return 0;
	}
	f->no_bridges = false;
	return r;
}

int fw_admit(struct fw *f, const struct member *m, const struct published *rows, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	if (m)
		put_member(t.out, f, "add", m);
	for (; rows; rows = rows->next)
		put_publish(t.out, f, rows);
	return text_run(f, &t, e);
}

/* What isn't there needn't be deleted. */
static int text_delete(struct fw *f, struct text *t, struct err *e)
{
	int r;

	if (fclose(t->out) != 0)
		r = err_errno(e, ENOMEM, "nft text");
	else if (transact(f, t->buf, NULL) == 0)
		r = 0;
	else
		r = run_lines(f, t->buf, e);
	free(t->buf);
	return r;
}

int fw_expel(struct fw *f, const struct member *m, const struct published *rows, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	if (m)
		put_member(t.out, f, "delete", m);
	for (; rows; rows = rows->next)
		put_unpublish(t.out, f, rows);
	return text_delete(f, &t, e);
}

int fw_annex(struct fw *f, const struct annex *a, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	put_annex(t.out, f, "add", a);
	return text_run(f, &t, e);
}

int fw_annex_gone(struct fw *f, const struct annex *a, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	put_annex(t.out, f, "delete", a);
	return text_delete(f, &t, e);
}

int fw_remove(struct fw *f, struct err *e)
{
	struct text t;

	if (text_begin(&t, e) < 0)
		return -e->code;
	put_removal(t.out, f);
	return text_run(f, &t, e);
}

unsigned long fw_transactions(const struct fw *f)
{
	return f->transactions;
}

bool fw_filters_bridges(const struct fw *f)
{
	return !f->no_bridges;
}

static int read_map(struct fw *f, unsigned int map, struct published **rows, struct err *e)
{
	const char *out;
	char text[256];
	int r;

	snprintf(text, sizeof(text), "list map inet %s %s", f->table, maps[map]);
	nft_ctx_output_set_flags(f->nft, NFT_CTX_OUTPUT_NUMERIC_PROTO | NFT_CTX_OUTPUT_JSON);
	r = run(f, text, &out, e);
	nft_ctx_output_set_flags(f->nft, NFT_CTX_OUTPUT_NUMERIC_PROTO);
	if (r == 0)
		r = fw_json_read(out, map >= 2, map % 2, rows, e);
	return r < 0 ? err_prefix(e, "nft table inet %s", f->table) : 0;
}

int fw_read(struct fw *f, struct published **ret, struct err *e)
{
	struct published *rows = NULL;
	char text[256];

	snprintf(text, sizeof(text), "list table inet %s", f->table);
	if (run(f, text, NULL, NULL) == -ENOENT) {
		*ret = NULL;
		return 0;
	}
	for (unsigned int i = 0; i < ARRAY_LEN(maps); i++)
		if (read_map(f, i, &rows, e) < 0) {
			ports_free(rows);
			return e->code == ENOENT
				       ? err_set(e, EEXIST,
						 "nft table inet %s exists and is not this engine's",
						 f->table)
				       : -e->code;
		}
	*ret = rows;
	return 0;
}
