/* SPDX-License-Identifier: MIT */
/*
 * Rates of devices, as the rows of limit_rows.c have them: v1 a file a rate and a line a device, v2
 * one file, of whose lines each has all four.
 */
#pragma once

#include "limits.h"

bool format_read_bps(const struct limits *l, char *text);
bool format_write_bps(const struct limits *l, char *text);
bool format_read_iops(const struct limits *l, char *text);
bool format_write_iops(const struct limits *l, char *text);
bool format_io_max(const struct limits *l, char *text);

int parse_read_bps(const char *text, struct limits_owned *r);
int parse_write_bps(const char *text, struct limits_owned *r);
int parse_read_iops(const char *text, struct limits_owned *r);
int parse_write_iops(const char *text, struct limits_owned *r);
int parse_io_max(const char *text, struct limits_owned *r);
