// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU TCG plugin: executed guest instructions by stage of a server's work and by function.
 *
 * Like faltcon_count.c it keeps a shadow call stack from the translation blocks that are
 * executed. It keeps one for each task: at a task switch the kernel pushes on the old stack
 * and pops from the new one, and the address of the last access tells which stack is next. So
 * a system call that slept goes on where it was, and one task, the client, can be set apart.
 * Until the first mark nothing is counted, and the guest boots at its own speed.
 *
 * An instruction belongs to the innermost call of a function that the list marks with a
 * stage. Some stages absorb (the client's own work, the idle loop, the timer tick): inside
 * them only the marks that lead out count. TCP's receive function is a stage that is known
 * only at its end, by the most telling of the functions that it called.
 *
 * Arguments: list=FILE, out=FILE. Lines of the list:
 *   stage NUMBER absorbs	0 others, 1 user space, 2 client are given; `absorbs` is 0 or 1
 *   function HEX NAME		every text symbol, by address
 *   mark HEX STAGE where	a call of this function begins this stage: 0 outside absorbing
 *				stages, 1 everywhere, 2 inside them alone
 *   open HEX STAGE		a packet's episode begins; STAGE where nothing decides
 *   decide HEX STAGE RANK	this call decides the episode's stage; the highest rank wins
 *   interrupt HEX		first instruction of an interrupt or exception entry
 *   from HEX			the function that switches stacks
 *   to HEX		what it jumps to when it has
 *   trigger HEX		the client's system call that starts a new interval
 *
 * Output: for each interval, what was executed in it. See faltcon_count.c for the
 * declarations; Debian packages no plugin header.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
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
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W, QEMU_PLUGIN_MEM_RW };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb,
					  void (*cb)(unsigned int cpu, void *data),
					  enum qemu_plugin_cb_flags flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
				      void (*cb)(unsigned int cpu, qemu_plugin_meminfo_t info,
						 uint64_t vaddr, void *data),
				      enum qemu_plugin_cb_flags flags, enum qemu_plugin_mem_rw rw,
				      void *data);
void qemu_plugin_reset(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t id, void *data),
				    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

#define MAX_STAGES 40
#define MAX_FUNCTIONS 65536
#define MAX_MARKS 256
#define MAX_INTERRUPTS 4096
#define MAX_DEPTH 512
#define MAX_TASKS 1024
#define KERNEL (UINT64_C(1) << 63)
#define STACK_SHIFT 14		/* kernel stacks are 16 KiB, aligned */

enum { OTHERS, USER, CLIENT };
enum { ONLY_ABSORBED = 2 };
enum end { END_OTHER, END_CALL, END_RET, END_IRET };
enum kind { MARK, OPEN, DECIDE, SWITCHED, TRIGGER };

struct mark {
	uint64_t address;
	enum kind kind;
	int stage;
	int more;		/* where a mark counts; rank of a decision */
};

/* Blocks are never freed: QEMU may retranslate, that is another one. */
struct block {
	uint64_t start;
	uint64_t after;		/* address behind its last instruction */
	uint32_t instructions;
	int function;
	enum end end;
	const struct mark *mark;
	bool interrupt;
};

struct frame {
	uint64_t back;		/* return address */
	int stage;
	bool interrupt;
};

/* A task's shadow stack. */
struct task {
	uint64_t stack;
	int depth;
	int base;		/* stage of what no mark covers: OTHERS or CLIENT */
	struct frame frames[MAX_DEPTH];
};

static struct mark marks[MAX_MARKS];
static int nr_marks;
static uint64_t interrupts[MAX_INTERRUPTS];
static int nr_interrupts;
static uint64_t function_start[MAX_FUNCTIONS];
static char *function_name[MAX_FUNCTIONS];
static int nr_functions = 1;	/* 0: user space */
static bool absorbs[MAX_STAGES];
static const char *out_name;
static FILE *out;

static struct task tasks[MAX_TASKS];
static int nr_tasks = 1;
static struct task *task = &tasks[0];
static const struct block *last;
static uint64_t switched_to;
static uint64_t switch_address;
static int switch_function = -1;

static uint64_t sums[MAX_STAGES][MAX_FUNCTIONS];
static uint64_t calls[MAX_STAGES];
static uint64_t lost;
static int interval;
static bool counting;

/* The open episode: its counts wait for the stage. */
static int episode_depth;
static struct task *episode_task;
static int episode_stage, episode_rank, episode_default;
static uint64_t pending[MAX_FUNCTIONS];
static int touched[MAX_FUNCTIONS], nr_touched;
#define PENDING (MAX_STAGES - 1)

static void end_episode(void)
{
	int i, stage = episode_rank ? episode_stage : episode_default;

	for (i = 0; i < nr_touched; i++) {
		sums[stage][touched[i]] += pending[touched[i]];
		pending[touched[i]] = 0;
	}
	nr_touched = 0;
	calls[stage]++;
	episode_task = NULL;
}

static void left_frames(void)
{
	if (episode_task == task && task->depth < episode_depth)
		end_episode();
}

static void empty(void)
{
	task->depth = 0;
	left_frames();
}

static void report(void)
{
	int stage, i, number = interval++;

	fprintf(out, "interval %d lost %" PRIu64 "\n", number, lost);
	for (stage = 0; stage < MAX_STAGES; stage++) {
		uint64_t all = 0;

		for (i = 0; i < nr_functions; i++)
			all += sums[stage][i];
		if (!all && !calls[stage])
			continue;
		fprintf(out, "stage %d instructions %" PRIu64 " calls %" PRIu64 "\n", stage, all,
			calls[stage]);
		/* Intervals in turn: warm-up, phase; only a phase is told by function. */
		for (i = 0; i < nr_functions && number % 2; i++)
			if (sums[stage][i])
				fprintf(out, "function %s %" PRIu64 "\n", function_name[i],
					sums[stage][i]);
	}
	memset(sums, 0, sizeof(sums));
	memset(calls, 0, sizeof(calls));
	lost = 0;
}

static int stage_now(void)
{
	return task->depth ? task->frames[task->depth - 1].stage : task->base;
}

static void push(uint64_t back, bool interrupt)
{
	int stage = interrupt ? task->base : stage_now();

	if (task->depth == MAX_DEPTH) {
		lost++;
		empty();
	}
	task->frames[task->depth++] = (struct frame){ back, stage, interrupt };
}

static void unwind(uint64_t to)
{
	int i;

	for (i = task->depth - 1; i >= 0 && i >= task->depth - 64; i--) {
		if (task->frames[i].interrupt)
			break;
		if (task->frames[i].back == to) {
			task->depth = i;
			left_frames();
			return;
		}
	}
	lost++;
	empty();
}

static void leave_interrupt(uint64_t to)
{
	int i;

	for (i = task->depth - 1; i >= 0; i--)
		if (task->frames[i].interrupt) {
			task->depth = i;
			if (i && !task->frames[i - 1].interrupt && task->frames[i - 1].back == to)
				task->depth--;
			left_frames();
			return;
		}
	empty();
}

static void switch_task(void)
{
	uint64_t stack = switched_to >> STACK_SHIFT;
	int i;

	for (i = 0; i < nr_tasks; i++)
		if (tasks[i].stack == stack)
			break;
	if (i == MAX_TASKS) {
		lost++;
		i = 0;
	}
	if (i == nr_tasks)
		tasks[nr_tasks++].stack = stack;
	task = &tasks[i];
}

static void moved(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *data)
{
	(void)cpu;
	(void)info;
	(void)data;
	switched_to = vaddr;
}

static void begin(const struct mark *mark)
{
	struct frame *frame;

	if (mark->kind == TRIGGER) {
		task->base = CLIENT;
		report();
		return;
	}
	if (mark->kind == DECIDE) {
		if (episode_task == task && mark->more > episode_rank) {
			episode_rank = mark->more;
			episode_stage = mark->stage;
		}
		return;
	}
	if (absorbs[stage_now()] ? mark->kind != MARK || !mark->more : mark->more == ONLY_ABSORBED)
		return;
	if (!task->depth)
		push(0, false);
	frame = &task->frames[task->depth - 1];
	if (mark->kind == OPEN) {
		if (episode_task)
			end_episode();
		episode_task = task;
		episode_depth = task->depth;
		episode_rank = 0;
		episode_default = mark->stage;
		frame->stage = PENDING;
		return;
	}
	/* Entered by a call or, at a tail call, by a jump. */
	calls[mark->stage] += frame->stage != mark->stage;
	frame->stage = mark->stage;
}

static void executed(unsigned int cpu, void *data)
{
	const struct block *block = data;
	int stage;

	(void)cpu;
	if (!(block->start & KERNEL)) {
		sums[task->base == CLIENT ? CLIENT : USER][0] += block->instructions;
		last = NULL;
		empty();
		return;
	}
	if (block->mark && block->mark->kind == SWITCHED) {
		switch_task();
		last = NULL;
	}
	if (last) {
		bool interrupted = block->interrupt && block->start != last->after;
		/* A device's register: QEMU leaves the block and starts another in its middle. */
		bool left = block->start >= last->start && block->start < last->after;
		enum end end = left ? END_OTHER : last->end;

		if (end == END_CALL && block->start != last->after)
			push(last->after, false);
		if (interrupted)
			push(0, true);
		else if (end == END_RET)
			unwind(block->start);
		else if (end == END_IRET)
			leave_interrupt(block->start);
	} else if (block->interrupt) {
		push(0, true);
	}
	if (block->mark && block->mark->kind != SWITCHED)
		begin(block->mark);
	stage = stage_now();
	if (stage == PENDING) {
		if (!pending[block->function])
			touched[nr_touched++] = block->function;
		pending[block->function] += block->instructions;
	} else {
		sums[stage][block->function] += block->instructions;
	}
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

static int function_at(uint64_t address)
{
	int low = 1, high = nr_functions;

	if (!(address & KERNEL))
		return 0;
	while (high - low > 1) {
		int middle = (low + high) / 2;

		if (function_start[middle] <= address)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	struct block *block = calloc(1, sizeof(*block));
	size_t n = qemu_plugin_tb_n_insns(tb), at;
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
	block->function = function_at(block->start);
	for (i = 0; i < nr_marks; i++)
		if (marks[i].address == block->start)
			block->mark = &marks[i];
	for (i = 0; i < nr_interrupts; i++)
		block->interrupt |= interrupts[i] == block->start;
	if (block->function == switch_function)
		for (at = 0; at < n; at++)
			qemu_plugin_register_vcpu_mem_cb(qemu_plugin_tb_get_insn(tb, at), moved,
							 QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
							 NULL);
	qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, QEMU_PLUGIN_CB_NO_REGS, block);
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	report();
	if (fclose(out))
		perror(out_name);
}

/* The first mark: everything is translated anew, with what counts. */
static void count(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}

static void reached(unsigned int cpu, void *data)
{
	(void)cpu;
	if (!counting)
		qemu_plugin_reset(*(qemu_plugin_id_t *)data, count);
	counting = true;
}

static void waiting(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	static qemu_plugin_id_t ours;
	int i;

	ours = id;
	for (i = 0; i < nr_marks; i++)
		if (marks[i].kind == TRIGGER && marks[i].address == qemu_plugin_tb_vaddr(tb))
			qemu_plugin_register_vcpu_tb_exec_cb(tb, reached, QEMU_PLUGIN_CB_NO_REGS,
							     &ours);
}

static bool read_line(const char *line)
{
	struct mark mark = {};
	uint64_t address;
	char name[256];
	int number;

	if (sscanf(line, "stage %d %d", &number, &mark.more) == 2) {
		if (number < 0 || number >= PENDING)
			return false;
		absorbs[number] = mark.more;
		return true;
	}
	if (sscanf(line, "function %" SCNx64 " %255s", &address, name) == 2) {
		if (nr_functions == MAX_FUNCTIONS || address < function_start[nr_functions - 1])
			return false;
		function_start[nr_functions] = address;
		function_name[nr_functions++] = strdup(name);
		return true;
	}
	if (sscanf(line, "interrupt %" SCNx64, &address) == 1) {
		if (nr_interrupts == MAX_INTERRUPTS)
			return false;
		interrupts[nr_interrupts++] = address;
		return true;
	}
	if (sscanf(line, "from %" SCNx64, &switch_address) == 1)
		return true;
	if (sscanf(line, "mark %" SCNx64 " %d %d", &mark.address, &mark.stage, &mark.more) == 3)
		mark.kind = MARK;
	else if (sscanf(line, "decide %" SCNx64 " %d %d", &mark.address, &mark.stage, &mark.more) == 3)
		mark.kind = DECIDE;
	else if (sscanf(line, "open %" SCNx64 " %d", &mark.address, &mark.stage) == 2)
		mark.kind = OPEN;
	else if (sscanf(line, "to %" SCNx64, &mark.address) == 1)
		mark.kind = SWITCHED;
	else if (sscanf(line, "trigger %" SCNx64, &mark.address) == 1)
		mark.kind = TRIGGER;
	else
		return false;
	if (nr_marks == MAX_MARKS || mark.stage < 0 || mark.stage >= PENDING)
		return false;
	marks[nr_marks++] = mark;
	return true;
}

static bool read_list(const char *name)
{
	FILE *file = fopen(name, "r");
	char line[512];

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		if (!read_line(line)) {
			fprintf(stderr, "faltcon_account: cannot use: %s", line);
			return false;
		}
	fclose(file);
	return nr_marks > 0 && nr_functions > 1;
}

__attribute__((visibility("default")))
int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int i;

	if (!info->system_emulation || info->system.smp_vcpus != 1) {
		fprintf(stderr, "faltcon_account: one virtual CPU of a whole machine, please\n");
		return 1;
	}
	function_name[0] = "user-space";
	absorbs[CLIENT] = true;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "list=", 5)) {
			if (!read_list(argv[i] + 5)) {
				fprintf(stderr, "faltcon_account: cannot use %s\n", argv[i] + 5);
				return 1;
			}
		} else if (!strncmp(argv[i], "out=", 4)) {
			out_name = argv[i] + 4;
		}
	}
	out = out_name ? fopen(out_name, "w") : NULL;
	if (!nr_marks || !out) {
		fprintf(stderr, "faltcon_account: list= and out= are needed\n");
		return 1;
	}
	switch_function = function_at(switch_address);
	qemu_plugin_register_vcpu_tb_trans_cb(id, waiting);
	return 0;
}
