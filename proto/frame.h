/* SPDX-License-Identifier: MIT */
/*
 * One frame on a SOCK_SEQPACKET socket: msgpack [type, id, {fields}] of at most 64 KiB, with
 * descriptors by SCM_RIGHTS. Blocking or not as the socket is; the shim uses this alone, the other
 * programs use chan.h.
 */
#pragma once

#include "messages.h"

#define FRAME_MAX 65536

/* A received frame; what the decoded message points to. frame_free closes descriptors that nobody
 * took (take_frame_fd) and accepts a zeroed frame. */
struct frame {
	uint8_t *buf;
	size_t len;
	int fds[FRAME_FDS_MAX];
	uint32_t n_fds;
	struct arena arena;
	enum msg_type type;
	uint32_t id;
};
void frame_free(struct frame *f);
#define _cleanup_frame_ _cleanup_(frame_free)

/* Takes a descriptor over from the frame; -1 stays -1. */
int frame_take_fd(struct frame *f, int fd);

/* An encoded frame that waits to be sent. */
struct frame_out {
	uint8_t *buf;
	size_t len;
	struct fdset fds; /* borrowed */
};

int frame_encode(
	enum msg_type type, uint32_t id, const void *msg, struct frame_out *ret, struct err *e);

/* sendmsg, never SIGPIPE. -EAGAIN when a non-blocking socket is full, -EPIPE when the peer is gone.
 */
int frame_send_raw(int fd, const uint8_t *buf, size_t len, const int *fds, uint32_t n_fds);

/* Receives a packet of just that size with at most one descriptor: *ret_fd is -1 or the caller's.
 * 0, -EAGAIN, -ENODATA at the end, -EBADMSG for any other packet. */
int frame_recv_raw(int fd, void *buf, size_t len, int *ret_fd);

/* Encodes and sends. */
int frame_send(int fd, enum msg_type type, uint32_t id, const void *msg, struct err *e);
int frame_send_failed(int fd, uint32_t id, const struct err *why);

/* Receives one frame and decodes its header. 0, -EAGAIN, -ENODATA when the peer has closed,
 * -EBADMSG with a sentence for anything that isn't a frame (empty, too long, truncated descriptors,
 * not msgpack). */
int frame_recv(int fd, struct frame *ret, struct err *e);

/* Checks type and roles, then decodes the fields into *obj (of the schema's size). */
int frame_check(const struct frame *f, enum role from, enum role to, struct err *e);
int frame_decode(struct frame *f, void *obj, struct err *e);
