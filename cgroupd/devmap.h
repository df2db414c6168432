/* SPDX-License-Identifier: MIT */
/*
 * The program that judges each open of a device node on cgroup v2, and the map that it looks into.
 * Loading it takes CAP_BPF and CAP_NET_ADMIN (bpf_prog_load), and Linux 6.1: the program asks for
 * the cgroups above a process (cgroup_current_func_proto). Who holds the map's descriptor writes to
 * it without any capability (since 5.19, commit c8644cd0efe7, whatever
 * kernel.unprivileged_bpf_disabled says). Errors are -errno.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DEVMAP_ANY	    UINT32_MAX	      /* a major or minor: all of them */
#define DEVMAP_EVERYBODY    0		      /* in place of a cgroup's id: what each may open */
#define DEVMAP_DEEP	    24		      /* levels above a process that are looked at */
#define DEVMAP_ROWS_MAX	    65536	      /* of all containers of an engine */
#define DEVMAP_PROGRAM_NAME "bulkhead_device" /* 15 letters at most */
#define DEVMAP_NAME	    "bulkhead_dev_1"  /* another number for another struct devmap_row */

/* A key of the map; its value is 32 bits: what may be done, BPF_DEVCG_ACC_*. The rows that fit add
 * up. */
struct devmap_row {
	uint64_t cgroup; /* as bpf_get_current_cgroup_id(): the inode of its directory */
	uint32_t kind;	 /* BPF_DEVCG_DEV_BLOCK or _CHAR */
	uint32_t major, minor;
	uint32_t zero; /* no padding: the kernel compares bytes */
};

int devmap_new(void);
int devmap_set(int map, const struct devmap_row *row, uint32_t access);
int devmap_get(int map, const struct devmap_row *row, uint32_t *ret_access);
int devmap_unset(int map, const struct devmap_row *row);
/* The row behind `row`, of the first when NULL, in no order; -ENOENT at the end. */
int devmap_next(int map, const struct devmap_row *row, struct devmap_row *ret);

/* Loads the program upon a map. */
int devmap_program(int map);

/* Attaches it to a v2 cgroup, beside those of others, in place of `old` unless that is -1. */
int devmap_attach(int cgroup, int program, int old);

/* Ours that is attached there already, and its map. -ENOENT when there is none, -EBADMSG when the
 * map is of another form: its rows would be lost. Takes CAP_NET_ADMIN and CAP_SYS_ADMIN. */
int devmap_find(int cgroup, int *ret_program, int *ret_map);
