// SPDX-License-Identifier: GPL-2.0-or-later
/* Life and end of what is kept: timer, levels, namespaces, CPUs, queues, memory. */
#define _GNU_SOURCE
#include "selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void timer__eliminates(void)
{
	int listener = warm(2);

	sysctl_set(TIMER, 200);
	handshakes(listener, PORT, 1);
	wait_kept("nodes", 0, 3000);
	check_eq(kept("f_request_socks"), 0);
	check_eq(kept("f_synacks"), 0);
	check_eq(counter("TCPFaltconPairsEliminated"), 1);
	/* and it starts again from nothing */
	handshakes(listener, PORT, 4);
	check_eq(counter("TCPFaltconPairsMade"), 2);
}

static void off__frees_all(void)
{
	int listener = warm(2);

	handshakes(listener, PORT, 10);
	sysctl_set(LEVEL, 0);
	check_eq(kept("nodes"), 0);
	check_eq(kept("f_request_socks"), 0);
	check_eq(kept("f_synacks"), 0);
	handshakes(listener, PORT, 10);
	check_eq(kept("nodes"), 0);
}

static void level__changes_with_connections_open(void)
{
	int listener = warm(2), fds[40], n, level = 0;

	for (n = 0; n < 40; n += 2) {
		enter(CLIENT);
		fds[n] = connect_to(SERVER_IP, PORT);
		enter(SERVER);
		sysctl_set(LEVEL, level++ % 4);
		fds[n + 1] = accept(listener, NULL, NULL);
		check(fds[n + 1] >= 0);
	}
	for (n = 0; n < 40; n++)
		close(fds[n]);
	sysctl_set(LEVEL, 0);
	wait_kept("remembered", 0, 2000);
}

static void key__namespaces_are_apart(void)
{
	int listener = warm(2), first = open("/proc/thread-self/ns/net", O_RDONLY);
	long hits;

	handshakes(listener, PORT, 5);
	hits = counter("TCPFaltconHits");
	/* The same addresses and port once more. */
	net_setup();
	sysctl_set(K_T, 1000000);
	sysctl_set(LEVEL, 2);
	listener = listen_on("0.0.0.0", PORT, 128);
	handshakes(listener, PORT, 10);
	check_eq(counter("TCPFaltconHits"), 0);
	check_eq(kept("f_pairs"), 0);
	enter_fd(first);
	check_eq(counter("TCPFaltconHits"), hits);
}

static void namespace__destroyed_with_objects(void)
{
	int listener = warm(2), n;

	handshakes(listener, PORT, 10);
	close(listener);
	for (n = 0; n < 20; n++) {
		net_setup();
		sysctl_set(K_T, 0);
		sysctl_set(LEVEL, 2);
		listener = listen_on("0.0.0.0", PORT, 128);
		handshakes(listener, PORT, 5);
		close(listener);
	}
}

static void accept__on_another_cpu(void)
{
	int listener = warm(2), n;
	long pushes;

	if (cpus() < 2)
		skip("one CPU");
	pushes = counter("TCPFaltconPushes");
	for (n = 0; n < 200; n++) {
		int client, server;

		enter(CLIENT);
		client = connect_to(SERVER_IP, PORT);
		enter(SERVER);
		pin_cpu(1);
		server = accept(listener, NULL, NULL);
		pin_cpu(0);
		check(server >= 0);
		close(client);
		close(server);
	}
	sleep_ms(100);
	check_eq(counter("TCPFaltconPushes") - pushes, 200);
	check_eq(kept("f_pairs"), 1);
	sysctl_set(LEVEL, 0);
	wait_kept("remembered", 0, 2000);
}

static void tap__clones_are_not_kept(void)
{
	int listener = warm(2);
	int tap = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
	long pushes = counter("TCPFaltconSkbPushes");

	check(tap >= 0);
	handshakes(listener, PORT, 20);
	check_eq(counter("TCPFaltconSkbPushes"), pushes);
	close(tap);
	handshakes(listener, PORT, 20);
	check_ge(counter("TCPFaltconSkbPushes"), pushes + 18);
}

/* SYNACKs that nobody sends yet, in the ring of a tun device, while their pair is removed. */
static void queue__holds_synacks(void)
{
	enum { N = 30 };
	struct packet synack;
	int listener = warm(0), n, i;
	struct raw raw = raw_open_tun();

	sysctl_set(K_T, 0);
	sysctl_set(LEVEL, 2);
	for (i = 0; i < 2; i++) {
		for (n = 0; n < 3; n++)
			raw_establish(&raw, listener, 30000 + n, &full);
		check_ge(kept("f_pairs"), 1);
		for (n = 0; n < N; n++)
			raw_send(&raw, 40000 + n, PORT, TH_SYN, 100, 0, &full, 1);
		for (n = 0; n < N; n++)
			raw_send(&raw, 40000 + n, PORT, TH_RST, 101, 0, NULL, 0);
		if (!i)	/* Their slot is another pair's when they come back. */
			sysctl_set(LEVEL, 0);
		sysctl_set(LEVEL, 2);
		for (n = 0; n < 2; n++)
			handshakes(listener, PORT, 1);
		for (n = 0; n < N; n++) {
			check(raw_receive(&raw, 40000 + n, &synack, 2000));
			check(packet_checksums_good(&synack));
		}
	}
	check_le(kept("f_synacks"), 2 * N + 8);
	sysctl_set(LEVEL, 0);
	check_eq(kept("f_synacks"), 0);
	wait_kept("remembered", 0, 2000);
}

/* The same in a qdisc, where the SYNACK still owns its request. */
static void queue__qdisc(void)
{
	enum { N = 10 };
	struct tcmsg qdisc = { .tcm_family = AF_UNSPEC, .tcm_parent = TC_H_ROOT };
	struct tc_plug_qopt release = { .action = TCQ_PLUG_RELEASE_INDEFINITE };
	const struct rtattr_of add[] = { { TCA_KIND, "plug", 5 }, { 0 } };
	const struct rtattr_of change[] = {
		{ TCA_KIND, "plug", 5 }, { TCA_OPTIONS, &release, sizeof(release) }, { 0 },
	};
	struct packet synack;
	struct raw raw;
	int listener = warm_raw(2, &raw), n, error;

	qdisc.tcm_ifindex = if_nametoindex("s0");
	error = rtnl(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, &qdisc, sizeof(qdisc), add);
	if (error)
		skip("this kernel has no plug qdisc (errno %d)", -error);
	for (n = 0; n < N; n++)
		raw_send(&raw, 40000 + n, PORT, TH_SYN, 100, 0, &full, 1);
	check(!raw_receive(&raw, 40000, &synack, 200));
	for (n = 0; n < N; n++)
		raw_send(&raw, 40000 + n, PORT, TH_RST, 101, 0, NULL, 0);
	sysctl_set(LEVEL, 0);
	check_eq(kept("f_request_socks"), 0);
	check_eq(rtnl(RTM_NEWQDISC, 0, &qdisc, sizeof(qdisc), change), 0);
	for (n = 0; n < N; n++)
		check(raw_receive(&raw, 40000 + n, &synack, 2000));
	wait_kept("remembered", 0, 2000);
	(void)listener;
}

/* A client uses a port again whose last connection is in TIME_WAIT here. */
static void time_wait__port_again(void)
{
	struct packet answer;
	struct raw raw;
	int level, listener;

	listener = warm_raw(0, &raw);
	sysctl_set(K_T, 0);
	for (level = 0; level <= 3; level++) {
		uint32_t isn, seq = 1000;
		int n;

		sysctl_set(LEVEL, level);
		for (n = 0; n < 6; n++, seq += 100000) {
			int sport = 45000 + level, server;

			raw_send(&raw, sport, PORT, TH_SYN, seq, 0, &full, 10 + n * 10);
			check(raw_receive(&raw, sport, &answer, 2000));
			check_eq(packet_flags(&answer) & (TH_SYN | TH_ACK | TH_RST),
				 TH_SYN | TH_ACK);
			check_eq(packet_ack(&answer), seq + 1);
			isn = packet_seq(&answer);
			raw_send(&raw, sport, PORT, TH_ACK, seq + 1, isn + 1, &full, 11 + n * 10);
			server = accept(listener, NULL, NULL);
			check(server >= 0);
			close(server);
			check(raw_receive(&raw, sport, &answer, 2000));
			check(packet_flags(&answer) & TH_FIN);
			raw_send(&raw, sport, PORT, TH_FIN | TH_ACK, seq + 1, isn + 2, &full,
				 12 + n * 10);
			check(raw_receive(&raw, sport, &answer, 2000));
			check_eq(packet_flags(&answer), TH_ACK);
		}
	}
	check_ge(counter("TCPFaltconHits"), 9);
}

/* Memory is short: what is kept goes, and comes again. */
static void memory__shrinker(void)
{
	int listener = warm(2);

	handshakes(listener, PORT, 10);
	check_ge(kept("f_request_socks"), 1);
	sysctl_set("vm/drop_caches", 2);
	wait_kept("f_request_socks", 0, 3000);
	wait_kept("f_synacks", 0, 3000);
	check_eq(kept("f_pairs"), 1);
	handshakes(listener, PORT, 10);
	check_ge(kept("f_request_socks"), 1);
}

static void cpu_online(int cpu, int online)
{
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/online", cpu);
	file = fopen(path, "w");
	if (!file)
		skip("CPU %d cannot be switched off", cpu);
	if (fprintf(file, "%d", online) < 0 || fclose(file))
		fail("CPU %d: online %d", cpu, online);
}

/* A CPU goes away with its archive full, and with connections of it open, and comes back. */
static void cpu__goes_offline(void)
{
	int listener, client, server, n;

	if (cpus() < 2)
		skip("one CPU");
	listener = warm(2);
	pin_cpu(1);
	handshakes(listener, PORT, 10);
	check_eq(kept("f_pairs"), 2);
	for (n = 0; n < 3; n++) {
		pin_cpu(1);
		enter(CLIENT);
		client = connect_to(SERVER_IP, PORT);
		enter(SERVER);
		pin_cpu(0);
		cpu_online(1, 0);
		check_eq(kept("f_pairs"), 1);
		server = accept(listener, NULL, NULL);
		check(server >= 0);
		close(client);
		close(server);
		handshakes(listener, PORT, 10);
		cpu_online(1, 1);
		pin_cpu(1);
		handshakes(listener, PORT, 10);
		check_eq(kept("f_pairs"), 2);
	}
	pin_cpu(0);
	sysctl_set(LEVEL, 0);
	wait_kept("remembered", 0, 2000);
}

/* Servers, clients and their namespaces end in the middle of everything. */
static void namespace__destroyed_under_load(void)
{
	int n;

	if (!sysctl_exists(LEVEL))
		skip("this kernel has no FALTCON");
	sysctl_set(LEVEL, 1);	/* "remembered" is then shown here, for all namespaces */
	sysctl_set(LEVEL, 0);
	for (n = 0; n < 12; n++) {
		pid_t child = fork();
		int status;

		if (!child) {
			int listener;

			net_setup();
			sysctl_set(K_T, 0);
			sysctl_set(LEVEL, 1 + n % 3);
			listener = listen_on("0.0.0.0", PORT, 128);
			handshakes(listener, PORT, 1000000);
		}
		check(child > 0);
		sleep_ms(40 + n * 13);
		kill(child, SIGKILL);
		check_eq(waitpid(child, &status, 0), child);
		/* Killed by us, not failed by itself. */
		check(WIFSIGNALED(status));
	}
	wait_kept("remembered", 0, 10000);
}

const struct test life_tests[] = {
	TEST(timer__eliminates),
	TEST(off__frees_all),
	TEST(level__changes_with_connections_open),
	TEST(key__namespaces_are_apart),
	TEST(namespace__destroyed_with_objects),
	TEST(accept__on_another_cpu),
	TEST(tap__clones_are_not_kept),
	TEST(queue__holds_synacks),
	TEST(queue__qdisc),
	TEST(time_wait__port_again),
	TEST(memory__shrinker),
	TEST(cpu__goes_offline),
	TEST(namespace__destroyed_under_load),
	{ NULL, NULL },
};
