// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plays sequences of events, each at a given jiffy, and tells FALTCON's counters after each.
 * What to play comes over the second serial line, and the answer goes there.
 *
 *   player
 *
 * Asked for:  B level k_t window_ms timer_ms max_pairs max_objects
 *             S at event request key cpu      (steps, in order of time)
 *             .
 * Answered:   at counters...                  (a line a step)
 *             .                               or: ! what went wrong
 * A lone Q ends the program.
 *
 * The client sits behind a tun device: its reading of a SYNACK is when the device gives the
 * skb back (SENT). A key is a server's port. Time is counted in jiffies from the last write of
 * a sysctl, with which the kernel's timer begins anew; steps are half a millisecond into theirs,
 * after the timer's work of that jiffy. Between steps the guest sleeps, so that no more time
 * passes than is asked for when instructions are counted.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "selftest.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define LINE "/dev/ttyS1"
#define JIFFY_NS 4000000L	/* CONFIG_HZ_250 */
#define INTO_NS 500000L
#define SHORT_NS 100000L
#define MAX_STEPS 512
#define MAX_REQUESTS 512
#define KEYS 26
#define FIRST_PORT 8001
#define ISN 1000

enum event {
	SYN = 'S', SENT = 'T', ACK = 'A', RELEASE = 'R',
	ABORT = 'X',	/* the client resets a half-open request */
	CLIENT_FIN = 'F', SERVER_CLOSE = 'C', CLIENT_RST = 'Z', NOTHING = 'N',
};

struct step {
	int at, request, key, cpu;
	char event;
};

struct request {
	int sport, key, fd;
	uint32_t server_isn;
	bool begun, sent, acked;
};

static const struct options full_options = { .mss = true, .sack = true, .ts = true,
					     .wscale = true };
static const struct options stamp = { .ts = true };
static const char *const mibs[] = {
	"TCPFaltconLookups", "TCPFaltconHits", "TCPFaltconMisses", "TCPFaltconPulls",
	"TCPFaltconPushes", "TCPFaltconSkbPulls", "TCPFaltconSkbPushes",
	"TCPFaltconPairsMade", "TCPFaltconPairsEliminated", "TCPFaltconDropMaxPairs",
};
static const char *const columns[] = { "nodes", "f_pairs", "f_request_socks", "f_synacks" };

#define MIBS ((int)(sizeof(mibs) / sizeof(*mibs)))
#define COLUMNS ((int)(sizeof(columns) / sizeof(*columns)))

static struct raw raw;
static FILE *asked, *answer;	/* both are the serial line */
static int listeners[KEYS];
static struct request requests[MAX_REQUESTS];
static struct step steps[MAX_STEPS];
static long values[MAX_STEPS][MIBS + COLUMNS];
static int nr_steps;
static int next_port = 1024;
static char trouble[256];

static long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

static long coarse_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
	return time.tv_sec * 1000000000L + time.tv_nsec;
}

/* The coarse clock moves with the tick that counts the jiffy. */
static long next_tick_ns(void)
{
	long before = coarse_ns();

	while (coarse_ns() == before)
		;
	return now_ns();
}

/* Be a little into the jiffy that begins at `due`, when the timer's work of that jiffy is done. */
static void wait_into(long due)
{
	long when = due - SHORT_NS;
	struct timespec time = { when / 1000000000L, when % 1000000000L };

	/* Without high-resolution timers this ends with the tick. */
	while (now_ns() < when && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL))
		;
	while (now_ns() < due + INTO_NS)
		sched_yield();
}

/* The counters of TcpExt in one reading of the file; `counter` reads it for each. */
static void read_mibs(long *into)
{
	static char names[16384], numbers[16384];
	FILE *file = fopen("/proc/thread-self/net/netstat", "r");
	char *n_end, *v_end, *n, *v;
	int found = 0, i;

	if (!file || !fgets(names, sizeof(names), file) || !fgets(numbers, sizeof(numbers), file) ||
	    strncmp(names, "TcpExt:", 7))
		fail("cannot read netstat");
	n = strtok_r(names, " \n", &n_end);
	v = strtok_r(numbers, " \n", &v_end);
	for (; n && v; n = strtok_r(NULL, " \n", &n_end), v = strtok_r(NULL, " \n", &v_end))
		for (i = 0; i < MIBS; i++)
			if (!strcmp(n, mibs[i])) {
				into[i] = atol(v);
				found++;
			}
	fclose(file);
	check_eq(found, MIBS);
}

static void read_all(long *into)
{
	int i;

	read_mibs(into);
	for (i = 0; i < COLUMNS; i++)
		into[MIBS + i] = kept(columns[i]);
}

/* False, with words in `trouble`, where the kernel did not do its part. */
static bool trouble_at(const struct step *step, const char *words)
{
	snprintf(trouble, sizeof(trouble), "%s at %d, event %c of request %d (errno %d)", words,
		 step->at, step->event, step->request, errno);
	return false;
}

static void send_to(const struct request *request, uint8_t flags, uint32_t seq,
		    const struct options *options)
{
	bool acks = flags & TH_ACK;

	raw_send(&raw, request->sport, FIRST_PORT + request->key, flags, seq,
		 acks ? request->server_isn + 1 : 0, options, 2);
}

static bool take_synack(struct request *request)
{
	struct packet packet;

	if (!raw_receive(&raw, request->sport, &packet, 1) ||
	    packet_flags(&packet) != (TH_SYN | TH_ACK))
		return false;
	request->server_isn = packet_seq(&packet);
	request->sent = true;
	return true;
}

static bool take_child(struct request *request)
{
	request->fd = accept4(listeners[request->key], NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return request->fd >= 0;
}

static void close_hard(struct request *request)
{
	struct linger linger = { 1, 0 };

	if (request->fd < 0)
		return;
	setsockopt(request->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	close(request->fd);
	request->fd = -1;
}

static bool play(const struct step *step)
{
	struct request *request = &requests[step->request];

	pin_cpu(step->cpu);
	switch (step->event) {
	case SYN:
		*request = (struct request){ .sport = next_port, .key = step->key, .fd = -1,
					     .begun = true };
		next_port = next_port < 60000 ? next_port + 1 : 1024;
		send_to(request, TH_SYN, ISN, &full_options);
		return true;
	case SENT:
		return take_synack(request) || trouble_at(step, "no SYNACK");
	case ACK:
		send_to(request, TH_ACK, ISN + 1, &stamp);
		request->acked = true;
		return true;
	case RELEASE:
		return take_child(request) || trouble_at(step, "nothing to accept");
	case ABORT:
		send_to(request, TH_RST, ISN + 1, NULL);
		request->begun = false;
		return true;
	case CLIENT_FIN:
		send_to(request, TH_FIN | TH_ACK, ISN + 1, &stamp);
		return true;
	case CLIENT_RST:
		send_to(request, TH_RST, ISN + 1, NULL);
		return true;
	case SERVER_CLOSE:
		close_hard(request);
		return true;
	case NOTHING:
		return true;
	}
	return trouble_at(step, "no such event");
}

static void empty_tun(void)
{
	struct packet packet;

	while (raw_receive_any(&raw, 6, &packet, 1))
		;
}

/* End what is half-open or open, so that the next sequence begins from nothing. */
static void clean_up(void)
{
	int i;

	empty_tun();
	for (i = 0; i < MAX_REQUESTS; i++) {
		struct request *request = &requests[i];

		if (!request->begun)
			continue;
		pin_cpu(0);
		send_to(request, TH_RST, ISN + 1, NULL);
		if (request->acked && request->fd < 0)
			take_child(request);
		close_hard(request);
	}
	memset(requests, 0, sizeof(requests));
	for (i = 0; i < MAX_REQUESTS; i++)
		requests[i].fd = -1;
	for (i = 0; i < KEYS; i++) {
		int fd;

		while ((fd = accept4(listeners[i], NULL, NULL, SOCK_NONBLOCK)) >= 0)
			close(fd);
	}
	sysctl_set(LEVEL, 0);
	empty_tun();
}

/* Play all steps; false with words in `trouble`. */
static bool play_all(int level, int timer_ms)
{
	long tick, base[MIBS + COLUMNS];
	int i, j;

	/* Takes milliseconds, so it is not what time is counted from. */
	sysctl_set(LEVEL, level);
	tick = next_tick_ns();
	read_all(base);
	/* Begin in a jiffy of one's own. The timer begins anew with each write of a sysctl. */
	tick += (now_ns() - tick) / JIFFY_NS * JIFFY_NS + 2 * JIFFY_NS;
	wait_into(tick);
	sysctl_set(TIMER, timer_ms);
	if (now_ns() >= tick + JIFFY_NS) {
		snprintf(trouble, sizeof(trouble), "late at the start by %ld us",
			 (now_ns() - tick - JIFFY_NS) / 1000);
		return false;
	}
	for (i = 0; i < nr_steps; i++) {
		long due = tick + steps[i].at * JIFFY_NS;

		wait_into(due);
		if (!play(&steps[i]))
			return false;
		read_all(values[i]);
		if (now_ns() >= due + JIFFY_NS)
			return trouble_at(&steps[i], "late");
		for (j = 0; j < MIBS; j++)
			values[i][j] -= base[j];
	}
	return true;
}

static void take_sequence(const char *first)
{
	int level, k_t, window_ms, timer_ms, max_pairs, max_objects, i, j;
	char text[128];
	bool good;

	if (sscanf(first, "B %d %d %d %d %d %d", &level, &k_t, &window_ms, &timer_ms, &max_pairs,
		   &max_objects) != 6)
		fail("no sequence: %s", first);
	nr_steps = 0;
	while (fgets(text, sizeof(text), asked) && text[0] == 'S') {
		struct step *step = &steps[nr_steps++];

		if (nr_steps > MAX_STEPS ||
		    sscanf(text, "S %d %c %d %d %d", &step->at, &step->event, &step->request,
			   &step->key, &step->cpu) != 5 ||
		    step->request < 0 || step->request >= MAX_REQUESTS || step->key < 0 ||
		    step->key >= KEYS)
			fail("no step: %s", text);
	}
	sysctl_set(K_T, k_t);
	sysctl_set(WINDOW, window_ms);
	sysctl_set(MAX_PAIRS, max_pairs);
	sysctl_set(MAX_OBJECTS, max_objects);
	good = play_all(level, timer_ms);
	for (i = 0; good && i < nr_steps; i++) {
		fprintf(answer, "%d", steps[i].at);
		for (j = 0; j < MIBS + COLUMNS; j++)
			fprintf(answer, " %ld", values[i][j]);
		fprintf(answer, "\n");
	}
	if (good)
		fprintf(answer, ".\n");
	else
		fprintf(answer, "! %s\n", trouble);
	fflush(answer);
	clean_up();
}

static void open_line(void)
{
	struct termios raw_mode;
	int fd = open(LINE, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &raw_mode))
		fail("no second serial line");
	cfmakeraw(&raw_mode);
	cfsetspeed(&raw_mode, B115200);
	if (tcsetattr(fd, TCSANOW, &raw_mode))
		fail("the second serial line cannot be set");
	asked = fdopen(fd, "r");
	answer = fdopen(dup(fd), "w");
	if (!asked || !answer)
		fail("the second serial line cannot be read");
	setvbuf(answer, NULL, _IOFBF, 1 << 16);
}

int main(void)
{
	char text[128];
	int i;

	net_setup();
	open_line();
	sysctl_set(LEVEL, 0);
	for (i = 0; i < KEYS; i++) {
		listeners[i] = listen_on("0.0.0.0", FIRST_PORT + i, 1024);
		if (fcntl(listeners[i], F_SETFL, O_NONBLOCK))
			fail("a listener that waits");
	}
	raw = raw_open_tun();
	for (i = 0; i < MAX_REQUESTS; i++)
		requests[i].fd = -1;
	fprintf(answer, "ready\n");
	fflush(answer);
	while (fgets(text, sizeof(text), asked) && text[0] != 'Q')
		take_sequence(text);
	printf("player: done\n");
	return 0;
}
