/* SPDX-License-Identifier: MIT */
/*
 * Values of flags, checked exactly before the engine is asked. Each returns 0 or -EINVAL (-ENOMEM,
 * -ENOENT) with a sentence that quotes what was typed. check_* only judge: they fit a flag's row.
 * Text in results points into the argument or the arena.
 */
#pragma once

#include "messages.h"

int check_name(const char *s, struct err *e); /* [a-zA-Z0-9][a-zA-Z0-9_.-]* */
int check_not_empty(const char *s, struct err *e);
int check_absolute(const char *s, struct err *e);
int check_hostname(const char *s, struct err *e);
int check_domain(const char *s, struct err *e);
int check_label(const char *s, struct err *e);
int check_env(const char *s, struct err *e);
int check_sysctl(const char *s, struct err *e);
int check_capability(const char *s, struct err *e);
int check_platform(const char *s, struct err *e);

/* 15, TERM, SIGTERM, rtmin+3, in either case; 1..64. */
int parse_signal(const char *s, uint32_t *ret, struct err *e);
int check_signal(const char *s, struct err *e);
/* "TERM" for 15; "SIG34" forms are never needed: NULL for a number without a name. */
const char *signal_name(uint32_t signal);

/* Lines of --env-file and --label-file; `n` bytes, cut up in place. NAME alone imports (is_env). */
int parse_env_lines(char *text, bool is_env, struct arena *a, struct strv *list, struct err *e);
/* NAME=value as it is, NAME from our own environment or nothing. */
int parse_env(const char *s, struct arena *a, struct strv *list, struct err *e);

struct port_list { /* the form of create.ports */
	struct port *v;
	uint32_t n;
};
/* [ip:][host[-host]:]container[-container][/proto] */
int parse_publish(const char *s, struct arena *a, struct port_list *list, struct err *e);
int check_publish(const char *s, struct err *e);

struct mount_list { /* the form of create.mounts */
	struct mount *v;
	uint32_t n;
};
int parse_volume(const char *s, struct arena *a, struct mount_list *list, struct err *e);
int parse_mount(const char *s, struct arena *a, struct mount_list *list, struct err *e);
int parse_tmpfs(const char *s, struct arena *a, struct mount_list *list, struct err *e);
/* Steps of those, for a flag whose word is `s`. */
int mount_set_target(
	struct mount *m, const char *target, const char *s, struct arena *a, struct err *e);
int mount_add(struct mount_list *list, const struct mount *m, const char *s, struct arena *a,
	struct err *e);
/* Lexically clean copy of an absolute path: no //, /./, /../ and no slash at the end. */
const char *path_clean(struct arena *a, const char *path);

int check_memory(const char *s, struct err *e);
int check_memory_swap(const char *s, struct err *e);
int check_shm_size(const char *s, struct err *e);
int check_cpus(const char *s, struct err *e);
int check_cpu_period(const char *s, struct err *e);
int check_cpu_quota(const char *s, struct err *e);
int check_cpu_shares(const char *s, struct err *e);
int check_swappiness(const char *s, struct err *e);
int check_blkio_weight(const char *s, struct err *e);  /* a number, 10 to 1000, or 0 */
int check_device_weight(const char *s, struct err *e); /* PATH:N */
int check_device_bps(const char *s, struct err *e);    /* PATH:RATE */
int check_device_iops(const char *s, struct err *e);
int check_device_rule(const char *s, struct err *e); /* c 189:* rw */
int check_hugepage(const char *s, struct err *e);    /* SIZE=BYTES */
int check_cpuset(const char *s, struct err *e);
int check_pids(const char *s, struct err *e);
int check_umask(const char *s, struct err *e);
int check_oom_score(const char *s, struct err *e);
int check_stop_timeout(const char *s, struct err *e);
int check_ulimit(const char *s, struct err *e);

/* Of values that their check has accepted. */
struct limit_words {
	const char *memory, *memory_swap, *memory_reservation, *cpus, *cpu_shares, *cpu_period;
	const char *cpu_quota, *cpuset_cpus, *cpuset_mems, *pids;
	const char *swappiness, *blkio_weight;
	struct strv weights, read_bps, write_bps, read_iops, write_iops, hugepages;
	unsigned int host_cpus; /* 0: not known */
	bool update;		/* what is not said may have been said before */
};
/* Checks how they go together and fills *ret; *ret_any: something is limited at all. */
int parse_limits(const struct limit_words *w, struct arena *a, struct limits *ret, bool *ret_any,
	struct err *e);
/* Of those, the rates and weights of disks. */
int parse_rates(const struct limit_words *w, struct arena *a, struct limits *ret, struct err *e);
/* And the limits of huge pages; and what the kernel calls those of a size. */
int parse_hugepages(const struct strv *words, struct arena *a, struct limits *ret, struct err *e);
const char *hugepage_name(uint64_t bytes);
/* "512m"; at least min. */
int parse_bytes(const char *s, uint64_t min, uint64_t *ret, struct err *e);
/* Of any number; more than can be said is UINT64_MAX: for who names the nearest that can be had. */
int parse_bytes_any(const char *s, uint64_t *ret, struct err *e);
int parse_ulimit(const char *s, struct arena *a, struct ulimit *ret, struct err *e);
int parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret); /* with sign */
int parse_octal(const char *s, uint32_t max, uint32_t *ret);

/* 1h30m, 90s, 1.5s, 500ms: ns. -EINVAL, without a sentence. */
int parse_duration(const char *s, uint64_t *ret);
/* 0, or 1ms and more */
int check_health_time(const char *s, struct err *e);
int check_health_retries(const char *s, struct err *e);
int check_health_action(const char *s, struct err *e);
struct health_words {
	const char *cmd, *interval, *timeout, *start_period, *start_interval, *retries;
	bool none;
};
/* Of values that their check has accepted. *ret_any: something is said at all. */
int parse_health(const struct health_words *w, struct arena *a, struct health *ret, bool *ret_any,
	struct err *e);

struct restart_words {
	const char *name;
	uint32_t max;
};
/* no, on-failure[:n], always, unless-stopped */
int parse_restart(const char *s, struct restart_words *ret, struct err *e);
int check_restart(const char *s, struct err *e);

int check_ip(const char *s, struct err *e);
int check_ip4(const char *s, struct err *e);
int check_ip6(const char *s, struct err *e);
int check_mac(const char *s, struct err *e);
int check_add_host(const char *s, struct err *e);
int check_network(const char *s, struct err *e);

/* ctrl-p,ctrl-q as the bytes 10 11. */
struct detach_keys {
	uint8_t v[16];
	uint32_t n;
};
int parse_detach_keys(const char *s, struct detach_keys *ret, struct err *e);
int check_detach_keys(const char *s, struct err *e);

/* RFC 3339 (with or without zone and fraction), a date, seconds[.fraction] since 1970, or a
 * duration back from now such as 1h30m: ns since 1970. */
int parse_time(const char *s, uint64_t now_ns, uint64_t *ret, struct err *e);
