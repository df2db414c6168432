# SPDX-License-Identifier: MIT
#
# One Makefile for everything. `make` builds the programs into build/bin; see README for the rest.
# Variants: `make VARIANT=asan` (address and undefined sanitizers) builds into build/asan.

VERSION  := 0.1.0
VARIANT  ?=
B        := build$(if $(VARIANT),/$(VARIANT))

CC       ?= gcc
WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wwrite-strings \
	    -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough -Wconversion
HARDEN   := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fcf-protection
CFLAGS   ?= -O2 -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(VERSION)"' -Iproto -I. $(WARN) $(CFLAGS)
ALL_LDFLAGS = -Wl,-z,relro,-z,now $(LDFLAGS)
ifeq ($(VARIANT),asan)
ALL_CFLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer -DBULKHEAD_SANITIZED
ALL_LDFLAGS += -fsanitize=address,undefined
else
ALL_CFLAGS += $(HARDEN)
endif
ifdef WERROR
ALL_CFLAGS += -Werror
endif

# ---- what each program is made of ---------------------------------------------------------------

base_src    := err log fd keep thread dirents num range priv priv_ids sandbox_paths violation
proto_src   := $(base_src:%=base/%) bpf caps io_rate messages cursor arena codec encode frame text text_print
loop_src    := base/loop base/sandbox base/sandbox_rows chan chan_queue chan_text daemon

# Trees of files as tar, for visits in a container and for ctl.
tree_src    := clean measure pax_read pax_records pax_write \
	    tree_find tree_links tree_meta tree_pack tree_stage tree_unpack

supervisor_src := $(basename $(notdir $(wildcard supervisor/*.c)))
ctl_src     := $(basename $(notdir $(wildcard supervisor/ctl/*.c)))
netd_src    := $(basename $(notdir $(wildcard netd/*.c)))
imaged_src  := $(basename $(notdir $(wildcard imaged/*.c)))
cgroupd_src := $(basename $(notdir $(wildcard cgroupd/*.c)))
shim_src    := $(filter-out mkfilter,$(basename $(notdir $(wildcard shim/*.c))))

supervisor_libs := -levent_core -lcap -lseccomp
# libarchive is for cp alone, and static: with all that the shared one needs every ctl would start later.
ctl_libs    := -Wl,--wrap=iconv_open -l:libarchive.a -l:libz.a -l:libbz2.a -l:liblzma.a -l:libzstd.a \
	    -ljansson -lcap -lseccomp
netd_libs   := -levent_core -lcap -lseccomp -lnl-route-3 -lnl-3 -lnftables -ljansson
imaged_libs := -levent_core -lcap -lseccomp -lcurl -ljansson -larchive -lisal -lzstd -lcrypto
cgroupd_libs := -levent_core -lcap -lseccomp -lm
shim_libs   := -lcap

netd_inc    := -I/usr/include/libnl3

# ---- rules ---------------------------------------------------------------------------------------

PROGRAMS := supervisor ctl netd imaged cgroupd shim
.DEFAULT_GOAL := all
.PHONY: all
all: $(PROGRAMS:%=$(B)/bin/%)

# $(call objs,directory,names)
objs = $(patsubst %,$(B)/obj/$(1)/%.o,$(2))

PROTO_LIB := $(B)/lib/proto.a
LOOP_LIB  := $(B)/lib/loop.a
$(PROTO_LIB): $(call objs,proto,$(proto_src))
$(LOOP_LIB): $(call objs,proto,$(loop_src))
# Everything of a program but its main, for unit tests and fuzzers.
$(B)/lib/ctl.a: $(call objs,supervisor/ctl,$(filter-out main,$(ctl_src)))
$(foreach p,supervisor netd imaged cgroupd shim,$(eval \
	$(B)/lib/$(p).a: $(call objs,$(p),$(filter-out main,$($(p)_src)))))
$(B)/lib/ctl.a $(B)/lib/shim.a: $(call objs,proto,$(tree_src))

$(B)/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

$(B)/obj/netd/%.o: ALL_CFLAGS += $(netd_inc)
$(B)/obj/netd/ruleset.o: netd/ruleset.nft
$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(if $(filter shim/% proto/%,$*),-fPIC,-fPIE) -MMD -MP -c -o $@ $<

# $(call prog,name,directory)
define prog
$(B)/bin/$(1): $(B)/obj/$(2)/main.o $(B)/lib/$(1).a $(LOOP_LIB) $(PROTO_LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_LDFLAGS) -pie -o $$@ $$^ $$($(1)_libs)
endef
$(eval $(call prog,supervisor,supervisor))
$(eval $(call prog,ctl,supervisor/ctl))
$(eval $(call prog,netd,netd))
$(eval $(call prog,imaged,imaged))
$(eval $(call prog,cgroupd,cgroupd))

# The shim's own filter is made from its profile while it is built. Sanitizer builds have none.
MKFILTER := build/gen/mkfilter
FILTER   := build/gen/filter_rows.h
ifeq ($(VARIANT),)
$(MKFILTER): $(B)/obj/shim/mkfilter.o $(B)/obj/shim/profile.o $(LOOP_LIB) $(PROTO_LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -levent_core -lcap -lseccomp
$(FILTER): $(MKFILTER)
	$< >$@.new
	mv $@.new $@
$(B)/obj/shim/confine.o: $(FILTER)
$(B)/obj/shim/confine.o: ALL_CFLAGS += -I$(dir $(FILTER))
endif

# The shim is static: where it starts there is no dynamic loader.
$(B)/bin/shim: $(B)/obj/shim/main.o $(B)/lib/shim.a $(PROTO_LIB)
	@mkdir -p $(@D)
	$(CC) $(if $(VARIANT),,-static-pie) $(ALL_LDFLAGS) -o $@ $^ $(shim_libs)

# ---- tests ---------------------------------------------------------------------------------------

# A unit test is named after the program whose library it needs: test_<key>*.c
unit_key_proto   :=
unit_key_cgroup  := cgroupd
unit_key_net     := netd
unit_key_shim    := shim
unit_key_ctl     := ctl
unit_key_tree    := ctl
unit_key_sup     := supervisor
unit_key_erofs   := imaged
unit_key_layer   := imaged
unit_key_reference := imaged
unit_key_manifest := imaged
unit_key_digest  := imaged
unit_key_store   := imaged
unit_key_registry := imaged
unit_key_auth    := imaged
unit_key_image    := imaged
UNIT := $(basename $(notdir $(wildcard tests/unit/test_*.c)))
unit_lib = $(unit_key_$(word 2,$(subst _, ,$(1))))

define unit
$(B)/tests/unit/$(1): $(B)/obj/tests/unit/$(1).o $(if $(call unit_lib,$(1)),$(B)/lib/$(call unit_lib,$(1)).a) $(LOOP_LIB) $(PROTO_LIB)
	@mkdir -p $$(@D)
	$$(CC) $$(ALL_LDFLAGS) -pie -o $$@ $$^ -lcmocka -levent_core -lcap -lseccomp $$($(call unit_lib,$(1))_libs)
endef
$(foreach t,$(UNIT),$(eval $(call unit,$(t))))
$(B)/obj/tests/unit/test_net%.o: ALL_CFLAGS += $(netd_inc)

# A fuzzer is named the same way. libFuzzer is clang's, so everything below it is built a second time.
FUZZ := $(basename $(notdir $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_CC := clang
FUZZ_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DBULKHEAD_VERSION='"$(VERSION)"' -DBULKHEAD_SANITIZED -Iproto -I. \
	-g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=undefined -Wno-everything
unit_key_codec   :=
unit_key_text    :=
unit_key_frame   :=
unit_key_passwd  := shim
unit_key_pax     := shim
unit_key_log     := shim
unit_key_spec    := supervisor
# More objects of one fuzzer.
fuzz_with_fuzz_sup_requests := world world_clients world_judge world_peers message_lines
fuzz_with_fuzz_text         := message_lines
fuzz_with_fuzz_layer        := layer_input tar_mutator message_lines
fuzz_with_fuzz_manifest     := json_mutator message_lines
fuzz_with_fuzz_ctl_seccomp  := json_mutator message_lines
fuzz_with_fuzz_net_answers  := json_mutator message_lines
fobjs = $(patsubst %,$(B)/fuzz/obj/$(1)/%.o,$(2))

$(B)/fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(if $(filter netd/%,$*),$(netd_inc)) -MMD -MP -c -o $@ $<
$(B)/fuzz/lib/proto.a: $(call fobjs,proto,$(proto_src))
$(B)/fuzz/lib/loop.a: $(call fobjs,proto,$(loop_src))
$(B)/fuzz/lib/ctl.a: $(call fobjs,supervisor/ctl,$(filter-out main,$(ctl_src)))
$(foreach p,supervisor netd imaged cgroupd shim,$(eval \
	$(B)/fuzz/lib/$(p).a: $(call fobjs,$(p),$(filter-out main,$($(p)_src)))))
$(B)/fuzz/lib/ctl.a $(B)/fuzz/lib/shim.a: $(call fobjs,proto,$(tree_src))
$(B)/fuzz/lib/%.a:
	@mkdir -p $(@D)
	@rm -f $@
	ar rcs $@ $^

define fuzzer
$(B)/tests/fuzz/$(1): $(call fobjs,tests/fuzz,$(1) $(fuzz_with_$(1))) $(if $(call unit_lib,$(1)),$(B)/fuzz/lib/$(call unit_lib,$(1)).a) \
		$(B)/fuzz/lib/loop.a $(B)/fuzz/lib/proto.a
	@mkdir -p $$(@D)
	$$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -o $$@ $$^ -levent_core -lcap -lseccomp $$($(call unit_lib,$(1))_libs)
endef
$(foreach t,$(FUZZ),$(eval $(call fuzzer,$(t))))

# What makes seeds for fuzzers and looks at what they leave.
FUZZ_TOOLS := seed_layer seed_messages judge_layers
$(B)/tests/fuzz-tools/seed_layer: $(call objs,tests/fuzz,seed_layer) $(PROTO_LIB)
$(B)/tests/fuzz-tools/seed_messages: $(call objs,tests/fuzz,seed_messages message_lines) $(PROTO_LIB)
$(B)/tests/fuzz-tools/judge_layers: $(call objs,tests/fuzz,judge_layers layer_input) $(B)/lib/imaged.a $(PROTO_LIB)
$(FUZZ_TOOLS:%=$(B)/tests/fuzz-tools/%):
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) -pie -o $@ $^ -lcap -lseccomp -larchive -lisal -lzstd -lcrypto

# The bench's control: static, as small as a start can be.
$(B)/tests/bench/least: $(call objs,tests/bench,least least_net)
	@mkdir -p $(@D)
	$(CC) -static $(ALL_LDFLAGS) -o $@ $^

# The hostile workload: static, since it runs in images that have no library.
HOSTILE := $(B)/tests/hostile/escape
$(HOSTILE): $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/hostile/escape*.c))
	@mkdir -p $(@D)
	$(CC) -static $(ALL_LDFLAGS) -o $@ $^

# ---- the two commands, and their kin -------------------------------------------------------------

.PHONY: unit fuzz fuzz-build hostile deps check check-vm demo chaos faults bench install uninstall deb clean
unit: $(UNIT:%=$(B)/tests/unit/%)
fuzz-build: $(FUZZ:%=$(B)/tests/fuzz/%) $(FUZZ_TOOLS:%=$(B)/tests/fuzz-tools/%)
hostile: $(HOSTILE)

# Packages first, in a make of its own: what is missing may be what the build needs.
check:
	tests/deps.sh build check
	+$(MAKE) all unit fuzz-build hostile
	tests/run.sh

# On Debian 12's kernel with cgroup v2, under QEMU, with a plain init and with systemd (v1:NAME: with cgroup v1): VM_TESTS="all reboot
# installed fresh", or names as in tests/integration, or turn:COMMIT, the part that CI runs of that one.
VM_TESTS ?= 10-cgroupd 50-run 59-events
check-vm:
	tests/deps.sh build check vm
	+$(MAKE) all unit hostile
	tests/vm/run.sh $(VM_TESTS)

# An hour in all, shared out; FUZZ_SECONDS is what each gets instead. KEEP=1 takes what was found into
# the corpora.
FUZZ_TOTAL ?= 3600
fuzz:
	tests/deps.sh build check
	+$(MAKE) fuzz-build
	FUZZ_TOTAL=$(if $(FUZZ_SECONDS),,$(FUZZ_TOTAL)) FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_KEEP=$(KEEP) \
		tests/run.sh fuzz

demo:
	tests/deps.sh build demo
	+$(MAKE) all
	tests/demo.sh

# Random operations and faults, for an hour, or CHAOS_SECONDS.
chaos:
	tests/deps.sh build check
	+$(MAKE) all
	tests/chaos/run.sh

# One failing system call after the other; FLAGS as tests/chaos/faults.sh has them.
faults:
	tests/deps.sh build check
	+$(MAKE) all
	tests/chaos/faults.sh faults $(FLAGS)
	tests/chaos/faults.sh births $(FLAGS)

bench:
	tests/deps.sh build check bench
	+$(MAKE) all $(B)/tests/bench/least
	tests/bench/run.sh

# ---- installing ----------------------------------------------------------------------------------

# The program looks for its file in /etc, wherever it lies itself.
PREFIX  ?= /usr/local
UNITDIR ?= $(PREFIX)/lib/systemd/system
ETC     := /etc/bulkhead

# Pages are made of what the programs say of themselves.
MAN := $(B)/man/ctl.1
.PHONY: man
man: $(MAN)
$(MAN): supervisor/ctl/man/pages.sh $(wildcard supervisor/ctl/man/*.roff) $(B)/bin/ctl $(B)/bin/supervisor
	rm -rf $(@D).new
	$< $(B)/bin $(@D).new
	rm -rf $(@D)
	mv $(@D).new $(@D)

UNITS := $(B)/bulkhead.service $(B)/bulkhead-containers.service
.PHONY: $(UNITS) # PREFIX may be another one each time
$(UNITS): $(B)/%: supervisor/dist/%.in
	sed 's|@BINDIR@|$(PREFIX)/bin|; s|@LIBEXECDIR@|$(PREFIX)/libexec/bulkhead|' $< >$@

# mode, what, where to
define installed
755 $(B)/bin/ctl                          $(PREFIX)/bin/ctl
755 $(B)/bin/supervisor                   $(PREFIX)/bin/supervisor
755 $(B)/bin/netd                         $(PREFIX)/libexec/bulkhead/netd
755 $(B)/bin/imaged                       $(PREFIX)/libexec/bulkhead/imaged
755 $(B)/bin/cgroupd                      $(PREFIX)/libexec/bulkhead/cgroupd
755 $(B)/bin/shim                         $(PREFIX)/libexec/bulkhead/shim
755 supervisor/dist/hold-cgroup           $(PREFIX)/libexec/bulkhead/hold-cgroup
644 $(B)/bulkhead.service                 $(UNITDIR)/bulkhead.service
644 supervisor/dist/bulkhead.socket       $(UNITDIR)/bulkhead.socket
644 $(B)/bulkhead-containers.service      $(UNITDIR)/bulkhead-containers.service
644 supervisor/dist/sysusers.conf         $(PREFIX)/lib/sysusers.d/bulkhead.conf
644 supervisor/dist/tmpfiles.conf         $(PREFIX)/lib/tmpfiles.d/bulkhead.conf
644 supervisor/ctl/completions/ctl.bash   $(PREFIX)/share/bash-completion/completions/ctl
644 supervisor/ctl/completions/_ctl       $(PREFIX)/share/zsh/$(if $(filter /usr,$(PREFIX)),vendor-completions,site-functions)/_ctl
644 supervisor/ctl/completions/ctl.fish   $(PREFIX)/share/fish/vendor_completions.d/ctl.fish
endef
export installed

# What somebody has written into the configuration file stays, in both directions.
CONF := $(DESTDIR)$(ETC)/bulkhead.conf
install: all man $(UNITS)
	@test -z "$(VARIANT)" || { echo "the $(VARIANT) build is for tests: it can't be installed" >&2; exit 1; }
	@echo "$$installed" | while read -r mode from to; do \
		install -D -m "$$mode" "$$from" "$(DESTDIR)$$to" || exit 1; done
	@for page in $(B)/man/*; do \
		install -D -m 644 "$$page" "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}" || exit 1; done
	@test -e "$(CONF)" || install -D -m 644 supervisor/dist/bulkhead.conf "$(CONF)"

uninstall: man
	@echo "$$installed" | while read -r mode from to; do rm -f "$(DESTDIR)$$to"; done
	@for page in $(B)/man/*; do rm -f "$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}"; done
	@rmdir "$(DESTDIR)$(PREFIX)/libexec/bulkhead" 2>/dev/null || true
	@! cmp -s supervisor/dist/bulkhead.conf "$(CONF)" || rm -f "$(CONF)"
	@rmdir "$(DESTDIR)$(ETC)" 2>/dev/null || true

# A Debian package, of the version that is built unless DEB_VERSION says otherwise.
DEB         ?= $(CURDIR)/$(B)/deb
DEB_VERSION ?= $(VERSION)
deb:
	tests/deps.sh build deb
	+$(MAKE) all man
	supervisor/dist/deb.sh "$(DEB_VERSION)" "$(DEB)"

-include $(shell find $(B)/obj $(B)/fuzz/obj -name '*.d' 2>/dev/null)

clean:
	rm -rf build
