/* SPDX-License-Identifier: MIT */
/*
 * Who may do what, as the configuration file has it (config.h): rights and quotas of users who are
 * not root. Plain data without a pointer: the launcher reads the file and hands this on as a sealed
 * memfd. Root may do everything and has no quota.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "messages.h"

/* What reaches beyond a user's own containers. */
enum right {
	RIGHT_HOST_NETWORK = 1,	 /* --network host */
	RIGHT_LOW_PORTS = 2,	 /* publishing ports below 1024 */
	RIGHT_PUBLISH = 4,	 /* publishing on an address that is not loopback */
	RIGHT_REMOVE_IMAGES = 8, /* rmi: images are everybody's */
	RIGHT_DEVICES = 16,	 /* --device */
};

/* What a user's containers may have together, whether they run or not; the last one counts open
 * connections. Memory in bytes, processors in millionths. */
enum quota {
	QUOTA_CONTAINERS,
	QUOTA_MEMORY,
	QUOTA_CPUS,
	QUOTA_PIDS,
	QUOTA_BINDS,
	QUOTA_CONNECTIONS,
	QUOTA_COUNT
};

#define POLICY_UNSET	 UINT64_MAX
#define POLICY_EVERYBODY UINT32_MAX /* no user's id: -1 stands for "leave it" in setresuid(2) */
#define POLICY_ROWS_MAX	 256

struct policy_row {
	uint32_t uid; /* or POLICY_EVERYBODY */
	uint32_t rights;
	uint64_t quota[QUOTA_COUNT];  /* or POLICY_UNSET */
	uint64_t preset[QUOTA_COUNT]; /* what a container gets that doesn't say */
	uint64_t isolated;	      /* its layers: 1, 0, or POLICY_UNSET */
};

struct policy {
	uint32_t n;
	struct policy_row rows[POLICY_ROWS_MAX];
};

/* The row of a user, made when there is none. NULL when the table is full. */
struct policy_row *policy_row(struct policy *p, uint32_t uid);

/* Hands a policy on, and takes it over: a sealed memfd. */
int policy_send(const struct policy *p, struct err *e);
int policy_receive(int fd, struct policy *ret, struct err *e);

bool policy_allows(const struct policy *p, uid_t uid, enum right right);
/* The user's own, else everybody's, else the built-in one; POLICY_UNSET: unlimited. */
uint64_t policy_quota(const struct policy *p, uid_t uid, enum quota q);

/* Fills in what the container doesn't say and the policy does. Room is taken from the arena. */
int policy_preset(
	const struct policy *p, uid_t uid, struct create *o, struct arena *a, struct err *e);

/* Whether this user may ask for this at all. */
int policy_check_rights(const struct policy *p, uid_t uid, const struct create *o, struct err *e);

/* What one container takes of a quota; POLICY_UNSET: more than can be counted. */
uint64_t policy_amount(enum quota q, const struct create *o);

/* Whether it still fits: taken is what the user's other containers have. */
int policy_check_quota(const struct policy *p, uid_t uid, enum quota q, uint64_t taken,
	uint64_t wanted, struct err *e);

/* The name in the configuration file, and an amount as people write it there. */
const char *policy_quota_name(enum quota q);
const char *policy_amount_text(enum quota q, uint64_t v, char buf[32]);
