// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Load for the measurements: handshakes whose client holds its ACKs back, so that a given
 * number of them is open at the same time. The client is this program, at the far end of a
 * tun device: no second stack takes part, and each SYNACK's skb is freed where a network
 * card's driver would free it, when it has been sent. (A packet socket's would be a clone.)
 *
 *   drive LEVEL CONCURRENT ROUNDS PHASES [strangers SETTLE_MS]
 *
 * Each phase is ROUNDS rounds of CONCURRENT handshakes: SYNs, SYNACKs, ACKs, accept, close.
 * A getsid() marks the end of the warm-up and of each phase for the plugin. With `strangers`
 * every handshake has a client address of its own, and a phase ends with SETTLE_MS without
 * traffic, so that the work of forgetting them is in it.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PORT 8080
#define WARM_UP 20
#define STRANGERS 0x0a400000	/* 10.64.0.0 and up */

static const struct options syn_options = { .mss = true, .sack = true, .ts = true,
					    .wscale = true };
static const struct options ack_options = { .ts = true };

static void round_of(struct raw *raw, int listener, int concurrent, bool strangers)
{
	static uint32_t client = STRANGERS;
	static int port = 1024;
	struct packet synack;
	int i, sport = port;

	for (i = 0; i < concurrent; i++) {
		raw->from = strangers ? client + i : 0;
		raw_send(raw, sport + i, PORT, TH_SYN, 1000, 0, &syn_options, 1);
	}
	for (i = 0; i < concurrent; i++) {
		if (!raw_receive(raw, sport + i, &synack, 2000))
			fail("no SYNACK to port %d", sport + i);
		raw->from = strangers ? client + i : 0;
		raw_send(raw, sport + i, PORT, TH_ACK, 1001, packet_seq(&synack) + 1,
			 &ack_options, 2);
		raw_send(raw, sport + i, PORT, TH_RST, 1001, 0, NULL, 0);
	}
	for (i = 0; i < concurrent; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			fail("accept");
		close(fd);
	}
	client += concurrent;
	port = port + concurrent < 60000 ? port + concurrent : 1024;
}

/* A kernel that counts cycles by itself begins anew; others have no such file. */
static void forget_cycles(void)
{
	FILE *file = fopen("/proc/thread-self/net/tcp_cycles", "w");

	if (!file)
		return;
	if (fputs("0", file) < 0 || fclose(file))
		fail("cannot empty tcp_cycles");
}

static void mark(void)
{
	syscall(SYS_getsid, 0);
}

int main(int argc, char **argv)
{
	int level, concurrent, rounds, phases, phase, i, listener;
	bool strangers = argc == 7 && !strcmp(argv[5], "strangers");
	struct raw raw;

	if (argc != 5 && !strangers)
		fail("usage: drive LEVEL CONCURRENT ROUNDS PHASES [strangers SETTLE_MS]");
	level = atoi(argv[1]);
	concurrent = atoi(argv[2]);
	rounds = atoi(argv[3]);
	phases = atoi(argv[4]);
	net_setup();
	if (sysctl_exists("net/ipv4/tcp_faltcon"))
		sysctl_set("net/ipv4/tcp_faltcon", level);
	else if (level)
		fail("this kernel has no FALTCON");
	listener = listen_on("0.0.0.0", PORT, 1024);
	raw = raw_open_tun();
	if (strangers)
		default_route("t0");
	for (i = 0; i < WARM_UP; i++)
		round_of(&raw, listener, concurrent, strangers);
	if (strangers)
		sleep_ms(atoi(argv[6]));
	forget_cycles();
	mark();
	for (phase = 0; phase < phases; phase++) {
		for (i = 0; i < rounds; i++)
			round_of(&raw, listener, concurrent, strangers);
		if (strangers)
			sleep_ms(atoi(argv[6]));
		mark();
	}
	if (level)
		printf("drive: hits %ld misses %ld kept %ld\n", counter("TCPFaltconHits"),
		       counter("TCPFaltconMisses"), kept("f_request_socks"));
	printf("drive: done\n");
	return 0;
}
