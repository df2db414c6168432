/* SPDX-License-Identifier: MIT */
/*
 * See devmap.h. What the kernel hands out are descriptors, close-on-exec all of them.
 */
#include "devmap.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/util.h"

#define ATTACHED_MAX 64 /* programs on one cgroup: BPF_CGROUP_MAX_PROGS */

static int bpf(enum bpf_cmd what, union bpf_attr *a)
{
	int r = (int)syscall(SYS_bpf, what, a, sizeof(*a));

	return r < 0 ? -errno : r;
}

static uint64_t address(const void *p)
{
	return (uintptr_t)p;
}

/* The kernel refuses what isn't zero behind what it looks at (CHECK_ATTR), and an initializer need
 * not reach there. */
static union bpf_attr zeroes(void)
{
	union bpf_attr a;

	memset(&a, 0, sizeof(a));
	return a;
}

/* ---- the map ---- */

int devmap_new(void)
{
	union bpf_attr a = zeroes();

	a.map_type = BPF_MAP_TYPE_HASH;
	a.key_size = sizeof(struct devmap_row);
	a.value_size = sizeof(uint32_t);
	a.max_entries = DEVMAP_ROWS_MAX;
	a.map_flags = BPF_F_NO_PREALLOC;
	strcpy(a.map_name, DEVMAP_NAME);
	return bpf(BPF_MAP_CREATE, &a);
}

static int on_row(enum bpf_cmd what, int map, const struct devmap_row *row, const void *other)
{
	union bpf_attr a = zeroes();

	a.map_fd = (uint32_t)map;
	a.key = address(row);
	a.value = address(other); /* or next_key */
	return bpf(what, &a);
}

int devmap_set(int map, const struct devmap_row *row, uint32_t access)
{
	return on_row(BPF_MAP_UPDATE_ELEM, map, row, &access);
}

int devmap_get(int map, const struct devmap_row *row, uint32_t *ret_access)
{
	return on_row(BPF_MAP_LOOKUP_ELEM, map, row, ret_access);
}

int devmap_unset(int map, const struct devmap_row *row)
{
	return on_row(BPF_MAP_DELETE_ELEM, map, row, NULL);
}

int devmap_next(int map, const struct devmap_row *row, struct devmap_row *ret)
{
	return on_row(BPF_MAP_GET_NEXT_KEY, map, row, ret);
}

/* ---- the program ---- */

/* The row that is looked for lies on top of the stack. */
#define ROW	 (-(int)sizeof(struct devmap_row))
#define AT(what) ((int16_t)(ROW + (int)offsetof(struct devmap_row, what)))

/* What it remembers in registers that calls leave alone. */
enum { MISSING = BPF_REG_6, KIND = BPF_REG_7, MAJOR = BPF_REG_8, MINOR = BPF_REG_9 };

#define INSNS_MAX 2048

struct code {
	struct bpf_insn v[INSNS_MAX];
	unsigned int n;
};

static void put(struct code *c, int op, unsigned int dst, unsigned int src, int off, int imm)
{
	c->v[c->n++] = (struct bpf_insn){.code = (uint8_t)op,
		.dst_reg = dst & 15,
		.src_reg = src & 15,
		.off = (int16_t)off,
		.imm = imm};
}

static void put_call(struct code *c, int function)
{
	put(c, BPF_JMP | BPF_CALL, 0, 0, 0, function);
}

/* Ends with an answer, unless the register is something else than 0, or than not 0. */
static void put_end_if(struct code *c, unsigned int reg, bool is_zero, int answer)
{
	put(c, BPF_JMP | (is_zero ? BPF_JNE : BPF_JEQ) | BPF_K, reg, 0, 2, 0);
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, answer);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static void put_number(struct code *c, int at, unsigned int reg, bool any)
{
	if (any)
		put(c, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, at, (int)DEVMAP_ANY);
	else
		put(c, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, reg, at, 0);
}

/* What a row allows is missing no more; with nothing missing it is allowed. */
static void put_lookup(struct code *c, int map, bool any_major, bool any_minor)
{
	unsigned int skip;

	put_number(c, AT(major), MAJOR, any_major);
	put_number(c, AT(minor), MINOR, any_minor);
	put(c, BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map);
	put(c, 0, 0, 0, 0, 0);
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, BPF_REG_2, BPF_REG_10, 0, 0);
	put(c, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, ROW);
	put_call(c, BPF_FUNC_map_lookup_elem);
	skip = c->n;
	put(c, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	put(c, BPF_LDX | BPF_MEM | BPF_W, BPF_REG_1, BPF_REG_0, 0, 0);
	put(c, BPF_ALU64 | BPF_XOR | BPF_K, BPF_REG_1, 0, 0, -1);
	put(c, BPF_ALU64 | BPF_AND | BPF_X, MISSING, BPF_REG_1, 0, 0);
	put_end_if(c, MISSING, true, 1);
	c->v[skip].off = (int16_t)(c->n - skip - 1);
}

static void put_cgroup(struct code *c, int map)
{
	put_lookup(c, map, false, false);
	put_lookup(c, map, false, true);
	put_lookup(c, map, true, false);
	put_lookup(c, map, true, true);
}

/* Making nodes is for whoever has the right to: nobody in a user namespace (vfs_mknod). */
static void put_asked(struct code *c)
{
	const int in = BPF_LDX | BPF_MEM | BPF_W;

	put(c, in, MISSING, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, access_type), 0);
	put(c, in, MAJOR, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, major), 0);
	put(c, in, MINOR, BPF_REG_1, offsetof(struct bpf_cgroup_dev_ctx, minor), 0);
	put(c, BPF_ALU64 | BPF_MOV | BPF_X, KIND, MISSING, 0, 0);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, KIND, 0, 0, 0xffff);
	put(c, BPF_ALU64 | BPF_RSH | BPF_K, MISSING, 0, 0, 16);
	put(c, BPF_ALU64 | BPF_AND | BPF_K, MISSING, 0, 0,
		BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE);
	put_end_if(c, MISSING, true, 1);
	put(c, BPF_STX | BPF_MEM | BPF_W, BPF_REG_10, KIND, AT(kind), 0);
	put(c, BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, AT(zero), 0);
}

/* First everybody's rows, then those of each cgroup from the root on down to the process's own: a
 * container may have made cgroups in its own. */
static void write_program(struct code *c, int map)
{
	put_asked(c);
	put(c, BPF_ST | BPF_MEM | BPF_DW, BPF_REG_10, 0, AT(cgroup), DEVMAP_EVERYBODY);
	put_cgroup(c, map);
	for (int level = 1; level <= DEVMAP_DEEP; level++) {
		put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_1, 0, 0, level);
		put_call(c, BPF_FUNC_get_current_ancestor_cgroup_id);
		put_end_if(c, BPF_REG_0, true, 0);
		put(c, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, AT(cgroup), 0);
		put_cgroup(c, map);
	}
	put(c, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 0);
	put(c, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

int devmap_program(int map)
{
	struct code c = {.n = 0};
	union bpf_attr a = zeroes();

	write_program(&c, map);
	a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
	a.insns = address(c.v);
	a.insn_cnt = c.n;
	a.license = address("MIT");
	strcpy(a.prog_name, DEVMAP_PROGRAM_NAME);
	return bpf(BPF_PROG_LOAD, &a);
}

/* ---- where it is attached ---- */

int devmap_attach(int cgroup, int program, int old)
{
	union bpf_attr a = zeroes();

	a.target_fd = (uint32_t)cgroup;
	a.attach_bpf_fd = (uint32_t)program;
	a.attach_type = BPF_CGROUP_DEVICE;
	a.attach_flags = BPF_F_ALLOW_MULTI;
	if (old >= 0) {
		a.attach_flags |= BPF_F_REPLACE;
		a.replace_bpf_fd = (uint32_t)old;
	}
	return bpf(BPF_PROG_ATTACH, &a);
}

static int by_id(enum bpf_cmd what, uint32_t id)
{
	union bpf_attr a = zeroes();

	a.prog_id = id; /* or map_id */
	return bpf(what, &a);
}

static int info(int fd, void *ret, uint32_t size)
{
	union bpf_attr a = zeroes();

	a.info.bpf_fd = (uint32_t)fd;
	a.info.info_len = size;
	a.info.info = address(ret);
	return bpf(BPF_OBJ_GET_INFO_BY_FD, &a);
}

/* The map of a program of ours: of another make it has another name or form. */
static int map_of(int program)
{
	uint32_t id = 0;
	struct bpf_prog_info p = {.nr_map_ids = 1, .map_ids = address(&id)};
	struct bpf_map_info m = {0};
	_cleanup_fd_ int map = -1;
	int r = info(program, &p, sizeof(p));

	if (r < 0)
		return r;
	if (strcmp(p.name, DEVMAP_PROGRAM_NAME) != 0)
		return -ENOENT;
	map = p.nr_map_ids == 1 ? by_id(BPF_MAP_GET_FD_BY_ID, id) : -EBADMSG;
	r = map < 0 ? map : info(map, &m, sizeof(m));
	if (r == 0 &&
		(strcmp(m.name, DEVMAP_NAME) != 0 || m.key_size != sizeof(struct devmap_row) ||
			m.value_size != sizeof(uint32_t)))
		r = -EBADMSG;
	return r < 0 ? r : take_fd(&map);
}

int devmap_find(int cgroup, int *ret_program, int *ret_map)
{
	uint32_t ids[ATTACHED_MAX];
	union bpf_attr a = zeroes();
	int r;

	a.query.target_fd = (uint32_t)cgroup;
	a.query.attach_type = BPF_CGROUP_DEVICE;
	a.query.prog_ids = address(ids);
	a.query.prog_cnt = ATTACHED_MAX;
	r = bpf(BPF_PROG_QUERY, &a);
	for (uint32_t i = 0; r == 0 && i < a.query.prog_cnt; i++) {
		_cleanup_fd_ int program = by_id(BPF_PROG_GET_FD_BY_ID, ids[i]);
		int map = program < 0 ? program : map_of(program);

		if (map == -ENOENT) /* somebody else's, or gone by now */
			continue;
		if (map < 0)
			return map;
		*ret_program = take_fd(&program);
		*ret_map = map;
		return 0;
	}
	return r < 0 ? r : -ENOENT;
}
