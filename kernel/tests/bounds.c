// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the archive may cost and must hold: how often a warm pair finds something kept, what is
 * left when nobody comes any more, and what a flood of strangers does to memory and to a client
 * that is no stranger. On all CPUs, as RSS would spread them: a hash of the client's port chooses
 * the CPU that takes SYN and ACK (a flood's come CPU by CPU, in batches); accept() and close() run
 * on another one each round.
 *
 *   bounds LEVEL CONCURRENT ROUNDS
 *
 * Prints lines "bounds: CASE NAME VALUE". Limits and times are the defaults of the sysctls,
 * but for the timer, which is shorter so that the wait is.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 8080
#define BACKLOG 1024
#define TIMER_MS 10000
#define STRANGERS 0x0a400000	/* 10.64.0.0 and up */
#define FIRST_PORT 1024
#define LAST_PORT 60000
#define MAX_CONCURRENT 256
/* Sources of a flood for each pair that the archive may have. */
#define FLOOD 10
/* Handshakes of the legitimate pair: one after so many of the flood's. */
#define EACH 40

static const struct options syn_options = { .mss = true, .sack = true, .ts = true,
					    .wscale = true };
static const struct options ack_options = { .ts = true };
static int level, concurrent, rounds, listener, port = FIRST_PORT;
static struct raw raw;

static void say(const char *of, const char *name, long value)
{
	printf("bounds: %s %s %ld\n", of, name, value);
	fflush(stdout);
}

/* As a network card would: a hash of what tells connections apart. */
static int cpu_of(int sport)
{
	return (sport * 2654435761u >> 16) % cpus();
}

static void go_to(int cpu)
{
	static int here = -1;

	if (here != cpu)
		pin_cpu(cpu);
	here = cpu;
}

static void begin(void)
{
	net_setup();
	sysctl_set("net/ipv4/tcp_faltcon_timer_ms", TIMER_MS);
	/* Half-open requests go after seconds instead of a minute. */
	sysctl_set("net/ipv4/tcp_synack_retries", 1);
	sysctl_set("net/ipv4/tcp_faltcon", level);
	listener = listen_on("0.0.0.0", PORT, BACKLOG);
	raw = raw_open_tun();
	default_route("t0");
}

/* @n handshakes at the same time, those of one CPU after the other; or all @on one CPU. */
static void round_of(int n, uint32_t client, uint32_t step, int on, int accept_on)
{
	int order[MAX_CONCURRENT], of[MAX_CONCURRENT], i, cpu, sent = 0;
	struct packet synack;

	for (i = 0; i < n; i++)
		of[i] = on < 0 ? cpu_of(port + i) : on % cpus();
	for (cpu = 0; cpu < cpus(); cpu++) {
		for (i = 0; i < n; i++) {
			if (of[i] != cpu)
				continue;
			go_to(cpu);
			raw.from = client + i * step;
			raw_send(&raw, port + i, PORT, TH_SYN, 1000, 0, &syn_options, 1);
			order[sent++] = i;
		}
	}
	for (i = 0; i < n; i++) {
		int one = order[i];

		if (!raw_receive(&raw, port + one, &synack, 5000))
			fail("no SYNACK to port %d", port + one);
		go_to(of[one]);
		raw.from = client + one * step;
		raw_send(&raw, port + one, PORT, TH_ACK, 1001, packet_seq(&synack) + 1,
			 &ack_options, 2);
		raw_send(&raw, port + one, PORT, TH_RST, 1001, 0, NULL, 0);
	}
	go_to(accept_on % cpus());
	for (i = 0; i < n; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		close(fd);
	}
	port = port + n < LAST_PORT - MAX_CONCURRENT ? port + n : FIRST_PORT;
}

#define PAIR 0x0a090109u	/* 10.9.1.9, always the same client */

static void hits(void)
{
	long hit, missed, pulled, allocated;
	int i;

	begin();
	/* Each CPU has had as many at the same time as it usually has. */
	for (i = 0; i < 20; i++)
		round_of(concurrent, PAIR, 0, -1, i);
	sleep_ms(100);
	hit = counter("TCPFaltconHits");
	missed = counter("TCPFaltconMisses");
	pulled = counter("TCPFaltconSkbPulls");
	allocated = counter("TCPFaltconSkbAllocs");
	for (i = 0; i < rounds; i++)
		round_of(concurrent, PAIR, 0, -1, i);
	say("hits", "cpus", cpus());
	say("hits", "concurrent", concurrent);
	say("hits", "syns", (long)rounds * concurrent);
	say("hits", "hits", counter("TCPFaltconHits") - hit);
	say("hits", "misses", counter("TCPFaltconMisses") - missed);
	say("hits", "skb_pulls", counter("TCPFaltconSkbPulls") - pulled);
	say("hits", "skb_allocs", counter("TCPFaltconSkbAllocs") - allocated);
}

static void say_kept(const char *of, const char *when)
{
	static const char *const columns[] = { "nodes", "f_pairs", "f_request_socks",
					       "f_synacks" };
	char name[64];
	size_t i;

	for (i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		snprintf(name, sizeof(name), "%s_%s", when, columns[i]);
		say(of, name, kept(columns[i]));
	}
}

static void idle(void)
{
	int i;

	begin();
	for (i = 0; i < 20; i++)
		round_of(concurrent, PAIR, 0, -1, i);
	sleep_ms(100);
	say("idle", "timer_ms", TIMER_MS);
	say_kept("idle", "warm");
	/* Two rounds of the timer and what per-CPU work takes. */
	sleep_ms(2 * TIMER_MS + 500);
	say_kept("idle", "after");
}

/* Kilobytes that the slabs have. */
static long slab(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long found = -1;

	if (!file)
		fail("meminfo");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Slab: %ld kB", &found) == 1)
			break;
	fclose(file);
	return found;
}

static void drain(void)
{
	struct pollfd ready = { raw.fd, POLLIN, 0 };
	uint8_t bytes[2048];

	while (poll(&ready, 1, 0) > 0 && read(raw.fd, bytes, sizeof(bytes)) > 0)
		;
}

/* The client that is no stranger, and what became of its SYNs. */
struct legitimate {
	long syns, cookies, hits;
};

static void connect_one(struct legitimate *of)
{
	long cookies = counter("SyncookiesSent"), hit = counter("TCPFaltconHits");

	drain();
	round_of(1, PAIR, 0, -1, 0);
	of->syns++;
	if (counter("SyncookiesSent") > cookies)
		of->cookies++;
	else
		of->hits += counter("TCPFaltconHits") - hit;
}

static void say_legitimate(const char *of, const char *when, const struct legitimate *what)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_syns", when);
	say(of, name, what->syns);
	snprintf(name, sizeof(name), "%s_cookies", when);
	say(of, name, what->cookies);
	snprintf(name, sizeof(name), "%s_hits", when);
	say(of, name, what->hits);
}

/* Strangers that leave it at a SYN, or connect as anybody does. */
static void flood(const char *name, bool connecting)
{
	struct legitimate during = {}, after = {};
	long pairs, sources, sent, nodes = 0, reqs = 0, skbs = 0, most_slab = 0;
	uint32_t client = STRANGERS;
	int i;

	begin();
	pairs = sysctl_get("net/ipv4/tcp_faltcon_max_pairs");
	sources = FLOOD * pairs;
	for (i = 0; i < 64 * cpus(); i++)
		round_of(1, PAIR, 0, -1, 0);
	sleep_ms(100);
	say(name, "max_pairs", pairs);
	say(name, "max_objects", sysctl_get("net/ipv4/tcp_faltcon_max_objects"));
	say(name, "sources", sources);
	say(name, "before_slab_kb", slab());
	for (sent = 0; sent < sources; sent += EACH, client += EACH) {
		if (connecting) {
			round_of(EACH, client, 1, sent / EACH, sent / EACH + 1);
		} else {
			go_to(sent / EACH % cpus());
			for (i = 0; i < EACH; i++) {
				raw.from = client + i;
				raw_send(&raw, FIRST_PORT + (sent + i) % 50000, PORT, TH_SYN,
					 1000, 0, &syn_options, 1);
			}
		}
		connect_one(&during);
		if (sent / EACH % 16 == 0) {
			long n = kept("nodes"), r = kept("f_request_socks");
			long s = kept("f_synacks"), kb = slab();

			nodes = n > nodes ? n : nodes;
			reqs = r > reqs ? r : reqs;
			skbs = s > skbs ? s : skbs;
			most_slab = kb > most_slab ? kb : most_slab;
		}
	}
	say(name, "most_nodes", nodes);
	say(name, "most_f_request_socks", reqs);
	say(name, "most_f_synacks", skbs);
	say(name, "most_slab_kb", most_slab);
	say(name, "dropped_max_pairs", counter("TCPFaltconDropMaxPairs"));
	say_legitimate(name, "during", &during);
	/* One window of the keeping policy, while the pair goes on. */
	for (i = 0; i < 50; i++) {
		struct legitimate unused = {};

		connect_one(&unused);
		sleep_ms(sysctl_get("net/ipv4/tcp_faltcon_window_ms") / 50);
	}
	for (i = 0; i < 1000; i++)
		connect_one(&after);
	say_legitimate(name, "after", &after);
}

static void half_open(void)
{
	flood("flood_syn", false);
}

static void established(void)
{
	flood("flood_connect", true);
}

int main(int argc, char **argv)
{
	void (*const cases[])(void) = { hits, idle, half_open, established };
	size_t i;

	if (argc != 4)
		fail("usage: bounds LEVEL CONCURRENT ROUNDS");
	level = atoi(argv[1]);
	concurrent = atoi(argv[2]);
	rounds = atoi(argv[3]);
	if (concurrent < 1 || concurrent > MAX_CONCURRENT)
		fail("from 1 to %d at the same time", MAX_CONCURRENT);
	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		pid_t child = fork();
		int status;

		/* A child each: fresh namespaces, and nothing left of the one before. */
		if (!child) {
			cases[i]();
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			fail("a case failed");
	}
	printf("bounds: done\n");
	return 0;
}
