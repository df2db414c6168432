/* SPDX-License-Identifier: MIT */
/*
 * Rates and weights of devices, as the rows of limit_rows.c have them: of rates v1 a file each and
 * a line a device, v2 one file, of whose lines each has all four; of weights a line a device,
 * behind the default one.
 */
#pragma once

#include "limits.h"

bool format_read_bps(const struct limits *l, char *text);
bool format_write_bps(const struct limits *l, char *text);
bool format_read_iops(const struct limits *l, char *text);
bool format_write_iops(const struct limits *l, char *text);
bool format_io_max(const struct limits *l, char *text);
bool format_bfq_weights(const struct limits *l, char *text); /* in both versions, v1's scale */
bool format_io_weights(const struct limits *l, char *text);

int parse_read_bps(const char *text, struct limits_owned *r);
int parse_write_bps(const char *text, struct limits_owned *r);
int parse_read_iops(const char *text, struct limits_owned *r);
int parse_write_iops(const char *text, struct limits_owned *r);
int parse_io_max(const char *text, struct limits_owned *r);
int parse_bfq_weights(const char *text, struct limits_owned *r);
int parse_io_weights(const char *text, struct limits_owned *r);
