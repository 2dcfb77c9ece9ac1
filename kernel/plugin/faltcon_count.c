// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU TCG plugin: executed guest instructions, by what the kernel does with them.
 *
 * QEMU runs the guest in translation blocks (straight code up to a branch). This plugin
 * keeps a shadow call stack for its one virtual CPU from the blocks that are executed and
 * the instruction each ends with, and adds the block's instructions to the innermost
 * region on the stack: a region is a call of one of the functions in a list that the
 * caller gives. There is no stamp in the guest and none in its memory.
 *
 * Arguments: list=FILE (lines "hex-address region-number flags [within]"), out=FILE, trigger=HEX
 * (address whose execution starts a new snapshot of the sums).
 *   flags: 1 opens the window, 2 closes it
 *   within: a region that must be the caller's, or the call belongs to its caller's region
 *   and lines "interrupt hex-address": first instructions of interrupt and exception entries,
 *   "thunk hex-from hex-to": the code that indirect calls go through instead of a jump
 *
 * Debian packages no plugin header, so the few functions are declared here, as in QEMU 7.2's
 * include/qemu/qemu-plugin.h (plugin API version 1).
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct qemu_info {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
	union {
		struct {
			int smp_vcpus;
			int max_vcpus;
		} system;
	};
} qemu_info_t;

enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int cpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define MAX_REGIONS 64
#define MAX_LIST 4096
#define MAX_STACK 4096
#define MAX_SNAPSHOTS 64
#define HASH 65536
#define KERNEL (UINT64_C(1) << 63)

enum end { END_OTHER, END_CALL, END_RET, END_IRET };
enum { OPENS = 1, CLOSES = 2 };

/* A function of the list. */
struct mark {
	uint64_t address;
	int region;
	int flags;
	int within;		/* a region, or -1: anywhere */
};

/* A translation block. Blocks are never freed: QEMU may retranslate, that is another one. */
struct block {
	uint64_t start;
	uint64_t after;		/* address behind its last instruction */
	uint32_t instructions;
	enum end end;
	const struct mark *mark;
	bool trigger;
	bool interrupt;		/* first block of an interrupt or exception entry */
	bool thunk;		/* of an indirect call without an indirect jump */
};

struct frame {
	uint64_t back;		/* return address */
	int region;
	bool interrupt;
};

static struct mark marks[MAX_LIST];
static int nr_marks;
static uint64_t interrupts[MAX_LIST];
static int nr_interrupts;
static uint64_t thunk_from, thunk_to;
static uint64_t trigger;
static const char *out_name;

static struct frame stack[MAX_STACK];
static int depth;
static const struct block *last;
static bool in_thunk;		/* a thunk has put its target where its return will find it */
static int window_depth = -1;	/* stack depth at which the open window began */
static uint64_t inside[MAX_REGIONS], outside[MAX_REGIONS], user, windows, lost;
static uint64_t calls[MAX_REGIONS];
/* Of the open window: it counts as inside only if it is closed, by a SYNACK. */
static uint64_t pending[MAX_REGIONS];

struct snapshot {
	uint64_t inside[MAX_REGIONS], outside[MAX_REGIONS], calls[MAX_REGIONS];
	uint64_t user, windows, lost;
};
static struct snapshot snapshots[MAX_SNAPSHOTS];
static int nr_snapshots;

static void snapshot(void)
{
	struct snapshot *s;

	if (nr_snapshots == MAX_SNAPSHOTS)
		return;
	s = &snapshots[nr_snapshots++];
	memcpy(s->inside, inside, sizeof(inside));
	memcpy(s->outside, outside, sizeof(outside));
	memcpy(s->calls, calls, sizeof(calls));
	s->user = user;
	s->windows = windows;
	s->lost = lost;
}

static void end_window(bool answered)
{
	int i;

	if (window_depth < 0)
		return;
	for (i = 0; i < MAX_REGIONS; i++) {
		if (answered)
			inside[i] += pending[i];
		else
			outside[i] += pending[i];
		pending[i] = 0;
	}
	windows += answered;
	window_depth = -1;
}

/* Return to where the last block says it returns to: unwind to that frame. */
static void unwind(uint64_t to)
{
	int i;

	for (i = depth - 1; i >= 0 && i >= depth - 64; i--) {
		if (stack[i].interrupt)
			break;
		if (stack[i].back == to) {
			depth = i;
			if (window_depth > depth)
				end_window(false);
			return;
		}
	}
	/* A task switch returns on another stack: start anew. */
	lost++;
	depth = 0;
	end_window(false);
}

static void leave_interrupt(uint64_t to)
{
	int i;

	for (i = depth - 1; i >= 0; i--)
		if (stack[i].interrupt) {
			depth = i;
			if (depth && !stack[depth - 1].interrupt && stack[depth - 1].back == to)
				depth--;
			return;
		}
	depth = 0;
	end_window(false);
}

static void push(uint64_t back, bool interrupt)
{
	if (depth == MAX_STACK) {
		lost++;
		depth = 0;
		end_window(false);
	}
	stack[depth].back = back;
	stack[depth].interrupt = interrupt;
	/* An interrupt is nobody's; a call belongs to its caller's region. */
	stack[depth].region = interrupt || !depth ? 0 : stack[depth - 1].region;
	depth++;
}

/* Called, the frame is there already and has its caller's region. */
static bool fits(const struct mark *mark)
{
	return mark->within < 0 || (depth && stack[depth - 1].region == mark->within);
}

static void executed(unsigned int cpu, void *data)
{
	const struct block *block = data;
	int region;

	(void)cpu;
	if (!(block->start & KERNEL)) {
		user += block->instructions;
		last = NULL;
		depth = 0;
		end_window(false);
		return;
	}
	if (block->trigger)
		snapshot();
	if (last) {
		bool interrupted = block->interrupt && block->start != last->after;

		/* A call is made even if an interrupt comes before the callee's
		 * first block; a return then ends where the interrupt returns to.
		 */
		if (last->end == END_CALL && last->thunk)
			in_thunk = true;
		else if (last->end == END_CALL && block->start != last->after)
			push(last->after, false);
		if (interrupted)
			push(0, true);
		else if (last->end == END_RET && in_thunk)
			in_thunk = false;	/* to the target: a jump */
		else if (last->end == END_RET)
			unwind(block->start);
		else if (last->end == END_IRET)
			leave_interrupt(block->start);
	}
	if (block->mark && fits(block->mark)) {
		if (!depth)
			push(0, false);
		if (block->mark->flags & OPENS) {
			end_window(false);
			window_depth = depth;
		}
		if (block->mark->flags & CLOSES)
			end_window(true);
		if (block->mark->region >= 0) {
			/* Entered by a call or, at a tail call, by a jump. */
			stack[depth - 1].region = block->mark->region;
			calls[block->mark->region]++;
		}
	}
	region = depth ? stack[depth - 1].region : 0;
	if (window_depth >= 0) {
		bool in_interrupt = false;
		int i;

		for (i = depth - 1; i >= window_depth; i--)
			in_interrupt |= stack[i].interrupt;
		if (!in_interrupt) {
			pending[region] += block->instructions;
			last = block;
			return;
		}
	}
	outside[region] += block->instructions;
	last = block;
}

static enum end end_of(const struct qemu_plugin_insn *insn)
{
	const uint8_t *byte = qemu_plugin_insn_data(insn);
	size_t size = qemu_plugin_insn_size(insn), i = 0;

	/* Prefixes: REX, bnd/rep, segment (ds: pads indirect calls), operand size. */
	while (i + 1 < size && ((byte[i] & 0xf0) == 0x40 || byte[i] == 0xf2 || byte[i] == 0xf3 ||
				byte[i] == 0x3e || byte[i] == 0x2e || byte[i] == 0x66))
		i++;
	if (byte[i] == 0xe8)
		return END_CALL;
	if (byte[i] == 0xc3 || byte[i] == 0xc2)
		return END_RET;
	if (byte[i] == 0xcf)
		return END_IRET;
	if (byte[i] == 0xff && i + 1 < size && ((byte[i + 1] >> 3) & 7) == 2)
		return END_CALL;
	return END_OTHER;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));
	size_t n = qemu_plugin_tb_n_insns(tb);
	const struct qemu_plugin_insn *end;
	int i;

	(void)id;
	if (!block || !n)
		abort();
	end = qemu_plugin_tb_get_insn(tb, n - 1);
	block->start = qemu_plugin_tb_vaddr(tb);
	block->after = qemu_plugin_insn_vaddr(end) + qemu_plugin_insn_size(end);
	block->instructions = n;
	block->end = end_of(end);
	block->trigger = block->start == trigger;
	block->thunk = block->start >= thunk_from && block->start < thunk_to;
	for (i = 0; i < nr_marks; i++)
		if (marks[i].address == block->start)
			block->mark = &marks[i];
	for (i = 0; i < nr_interrupts; i++)
		block->interrupt |= interrupts[i] == block->start;
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	FILE *file = fopen(out_name, "w");
	int i, s;

	(void)id;
	(void)data;
	snapshot();
	if (!file) {
		perror(out_name);
		return;
	}
	for (s = 0; s < nr_snapshots; s++) {
		const struct snapshot *at = &snapshots[s];

		fprintf(file, "snapshot %d windows %" PRIu64 " user %" PRIu64 " lost %" PRIu64 "\n",
			s, at->windows, at->user, at->lost);
		for (i = 0; i < MAX_REGIONS; i++)
			if (at->inside[i] || at->outside[i] || at->calls[i])
				fprintf(file, "region %d inside %" PRIu64 " outside %" PRIu64
					" calls %" PRIu64 "\n", i, at->inside[i], at->outside[i],
					at->calls[i]);
	}
	if (fclose(file))
		perror(out_name);
}

static bool read_list(const char *name)
{
	FILE *file = fopen(name, "r");
	char line[256];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file)) {
		uint64_t address;
		int region, flags, within = -1;

		if (sscanf(line, "thunk %" SCNx64 " %" SCNx64, &thunk_from, &thunk_to) == 2)
			continue;
		if (sscanf(line, "interrupt %" SCNx64, &address) == 1) {
			if (nr_interrupts == MAX_LIST)
				return false;
			interrupts[nr_interrupts++] = address;
		} else if (sscanf(line, "%" SCNx64 " %d %d %d", &address, &region, &flags,
				  &within) >= 3) {
			if (nr_marks == MAX_LIST || region >= MAX_REGIONS)
				return false;
			marks[nr_marks++] = (struct mark){ address, region, flags, within };
		}
	}
	fclose(file);
	return nr_marks > 0;
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int i;

	if (!info->system_emulation || info->system.smp_vcpus != 1) {
		fprintf(stderr, "faltcon_count: one virtual CPU of a whole machine, please\n");
		return 1;
	}
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "list=", 5)) {
			if (!read_list(argv[i] + 5)) {
				fprintf(stderr, "faltcon_count: cannot use %s\n", argv[i] + 5);
				return 1;
			}
		} else if (!strncmp(argv[i], "out=", 4)) {
			out_name = argv[i] + 4;
		} else if (!strncmp(argv[i], "trigger=", 8)) {
			trigger = strtoull(argv[i] + 8, NULL, 16);
		}
	}
	if (!nr_marks || !out_name) {
		fprintf(stderr, "faltcon_count: list= and out= are needed\n");
		return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
