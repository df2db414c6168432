/* SPDX-License-Identifier: MIT */
/*
 * The flags of run and create, and what becomes of them: the document that the engine gets, and the
 * descriptors beside it.
 */
#pragma once

#include "flags.h"
#include "messages.h"
#include "parse.h"

struct run_options {
	bool detach, interactive, tty, rm, init, quiet, readonly, privileged, publish_all, no_proxy;
	bool isolated_layers;
	struct strv attach, env, env_file, label, label_file, group_add, ulimit, volume, mount,
		tmpfs, device, device_rule;
	struct strv publish, dns, dns_search, dns_opt, add_host, cap_add, cap_drop, security_opt,
		sysctl;
	const char *name, *detach_keys, *cidfile, *pull, *entrypoint, *workdir, *user, *hostname;
	const char *domainname, *stop_signal, *stop_timeout, *umask, *oom_score_adj, *shm_size;
	const char *network, *ip, *ip6, *mac, *rootfs, *platform, *restart, *health_action,
		*cgroup_parent;
	struct limit_words limits;
	struct health_words health;
};

extern const struct flag run_flags[];

/* Ready to be sent. */
struct run_plan {
	struct create create;
	struct limits limits;
	struct health health;
	const char *image; /* NULL with --rootfs */
	int sources[64];   /* O_PATH, one a bind mount or device, in order */
	uint32_t n_sources;
	int rootfs; /* -1: none */
	int filter; /* of --security-opt seccomp=FILE; -1: none */
};

/* Checks the flags against each other, reads the files they name and opens bind sources, all as the
 * caller. operands: [IMAGE] [COMMAND…]. ret points into options, operands and the arena, and is to
 * be freed by run_plan_free in any case. */
int run_plan(const struct run_options *o, const struct strv *operands, struct arena *a,
	struct run_plan *ret, struct err *e);
/* Variables of --env-file and -e, in that order: the later entry wins. */
/* The bounds of argv and env, in words for people: at most 4096 of each, none longer than the
 * kernel passes on, and not too many bytes together. */
int plan_check_words(const struct strv *argv, const struct strv *env, struct err *e);

int plan_env(const struct strv *files, const struct strv *given, struct arena *a, struct strv *ret,
	struct err *e);
void run_plan_free(struct run_plan *p);
#define _cleanup_plan_ _cleanup_(run_plan_free)
