/* SPDX-License-Identifier: MIT */
/*
 * ruleset.nft, embedded in the program: netd reads no file for it.
 */
#include "fw.h"

__asm__(".section .rodata\n"
	".global fw_ruleset\n"
	"fw_ruleset:\n"
	".incbin \"netd/ruleset.nft\"\n"
	".byte 0\n"
	".previous\n");
