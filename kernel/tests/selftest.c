// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of FALTCON on real sockets and handmade packets, each in namespaces of its own. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT 8080
#define LEVEL "net/ipv4/tcp_faltcon"
#define K_T "net/ipv4/tcp_faltcon_threshold"
#define WINDOW "net/ipv4/tcp_faltcon_window_ms"
#define TIMER "net/ipv4/tcp_faltcon_timer_ms"
#define MAX_PAIRS "net/ipv4/tcp_faltcon_max_pairs"
#define MAX_OBJECTS "net/ipv4/tcp_faltcon_max_objects"

static const struct options full = { .mss = true, .sack = true, .ts = true, .wscale = true };

/* A warm f-pair of the client and a listener, at this level; windows do not end meanwhile. */
static int warm(int level)
{
	int listener;

	if (!sysctl_exists(LEVEL))
		skip("this kernel has no FALTCON");
	pin_cpu(0);
	sysctl_set(K_T, 2);
	sysctl_set(WINDOW, 3600000);
	sysctl_set(TIMER, 3600000);
	sysctl_set(LEVEL, level);
	listener = listen_on("0.0.0.0", PORT, 128);
	if (level) {
		handshakes(listener, PORT, 6);
		check_eq(kept("f_pairs"), 1);
		check_ge(kept("f_request_socks"), 1);
		check_ge(kept("f_synacks"), 1);
	}
	return listener;
}

/* The SYNACK for this SYN; the half-open connection is reset. */
static void synack_for(struct raw *raw, int sport, uint32_t seq, const struct options *options,
		       struct packet *synack)
{
	uint8_t flags = TH_SYN | (options && options->ecn ? TH_ECE | TH_CWR : 0);

	raw_send(raw, sport, PORT, flags, seq, 0, options, 7777);
	if (!raw_receive(raw, sport, synack, 3000))
		fail("no SYNACK");
	check_eq(packet_flags(synack) & (TH_SYN | TH_ACK | TH_RST), TH_SYN | TH_ACK);
	check_eq(packet_ack(synack), seq + 1);
	check(packet_checksums_good(synack));
	raw_send(raw, sport, PORT, TH_RST, seq + 1, 0, NULL, 0);
}

static void raw_establish(struct raw *raw, int listener, int sport, const struct options *options)
{
	struct options plain = options ? *options : (struct options){};
	struct packet synack;
	int server;

	raw_send(raw, sport, PORT, TH_SYN, 1000, 0, options, 7777);
	if (!raw_receive(raw, sport, &synack, 3000))
		fail("no SYNACK");
	raw_send(raw, sport, PORT, TH_ACK, 1001, packet_seq(&synack) + 1, &plain, 7778);
	server = accept(listener, NULL, NULL);
	check(server >= 0);
	raw_send(raw, sport, PORT, TH_RST | TH_ACK, 1001, packet_seq(&synack) + 1, NULL, 0);
	close(server);
}

static void off__stock_path(void)
{
	int listener = warm(0);

	handshakes(listener, PORT, 20);
	check_eq(counter("TCPFaltconLookups"), 0);
	check_eq(kept("nodes"), 0);
}

static void threshold__below_at_above(void)
{
	int listener = warm(0);

	sysctl_set(K_T, 5);
	sysctl_set(LEVEL, 1);
	handshakes(listener, PORT, 4);
	check_eq(kept("nodes"), 1);
	check_eq(counter("TCPFaltconPairsMade"), 0);
	handshakes(listener, PORT, 1);
	check_eq(counter("TCPFaltconPairsMade"), 0);
	handshakes(listener, PORT, 1);
	check_eq(counter("TCPFaltconPairsMade"), 1);
}

static void threshold__zero_keeps_from_the_first(void)
{
	int listener = warm(0);

	sysctl_set(K_T, 0);
	sysctl_set(LEVEL, 1);
	handshakes(listener, PORT, 1);
	check_eq(counter("TCPFaltconPairsMade"), 1);
}

static void window__ends(void)
{
	int listener = warm(0);

	sysctl_set(WINDOW, 300);
	sysctl_set(LEVEL, 1);
	handshakes(listener, PORT, 2);
	sleep_ms(400);
	handshakes(listener, PORT, 2);
	check_eq(counter("TCPFaltconPairsMade"), 0);
}

static void pull__every_request(int level)
{
	int listener = warm(level);
	long hits = counter("TCPFaltconHits"), skbs = counter("TCPFaltconSkbPulls");
	long misses = counter("TCPFaltconMisses");

	handshakes(listener, PORT, 100);
	check_eq(counter("TCPFaltconHits") - hits, 100);
	check_eq(counter("TCPFaltconSkbPulls") - skbs, 100);
	check_eq(counter("TCPFaltconMisses") - misses, 0);
}

static void pull__level_1(void)
{
	pull__every_request(1);
	check_eq(counter("TCPFaltconRoutes"), 0);
	check_eq(counter("TCPFaltconHeaders"), 0);
}

static void pull__level_2(void)
{
	pull__every_request(2);
	check_ge(counter("TCPFaltconRoutes"), 100);
	check_ge(counter("TCPFaltconOptions"), 100);
	check_ge(counter("TCPFaltconWindows"), 100);
	check_ge(counter("TCPFaltconHeaders"), 100);
}

static void pull__level_3(void)
{
	pull__every_request(3);
	/* the SYNACK's and the child's */
	check_ge(counter("TCPFaltconRoutes"), 200);
}

/* The SYNACK of each level is the stock kernel's but for ISN, time stamp and IP id. */
static void wire__synack_as_stock(void)
{
	static const struct options cases[] = {
		{ 0 }, { .mss = true }, { .mss = true, .sack = true },
		{ .mss = true, .ts = true }, { .mss = true, .wscale = true },
		{ .mss = true, .sack = true, .ts = true, .wscale = true },
		{ .mss = true, .sack = true, .ts = true, .wscale = true, .ecn = true },
		{ .ts = true, .ecn = true },
	};
	int listener = warm(0), level, i, sport = 20000;
	struct raw raw = raw_open();

	sysctl_set("net/ipv4/tcp_ecn", 1);
	for (i = 0; i < (int)(sizeof(cases) / sizeof(*cases)); i++) {
		struct packet stock, ours;
		uint32_t isn = 0;

		sysctl_set(LEVEL, 0);
		synack_for(&raw, sport, 5000, &cases[i], &stock);
		packet_blank(&stock);
		for (level = 1; level <= 3; level++) {
			int n;

			sysctl_set(LEVEL, level);
			for (n = 0; n < 5; n++)
				raw_establish(&raw, listener, 30000 + n, &cases[i]);
			check_eq(kept("f_pairs"), 1);
			for (n = 0; n < 4; n++) {
				synack_for(&raw, sport, 5000, &cases[i], &ours);
				check(packet_seq(&ours) != isn);
				isn = packet_seq(&ours);
				packet_blank(&ours);
				if (ours.length != stock.length ||
				    memcmp(ours.bytes, stock.bytes, ours.length)) {
					hexdump("stock", &stock);
					hexdump("ours ", &ours);
					fail("case %d, level %d: the SYNACK differs", i, level);
				}
			}
		}
	}
	check_ge(counter("TCPFaltconHeaders"), 20);
}

/* What the child inherits from a reused request is what the stock path gives it. */
static void child__as_stock(void)
{
	int listener = warm(0), level;
	struct tcp_info stock = {}, ours;

	for (level = 0; level <= 3; level++) {
		socklen_t size = sizeof(ours);
		int client, server, n;

		sysctl_set(LEVEL, level);
		for (n = 0; n < 6; n++)
			handshake(listener, PORT);
		enter(CLIENT);
		client = connect_to(SERVER_IP, PORT);
		enter(SERVER);
		server = accept(listener, NULL, NULL);
		check(server >= 0);
		memset(&ours, 0, sizeof(ours));
		check_eq(getsockopt(server, IPPROTO_TCP, TCP_INFO, &ours, &size), 0);
		if (!level)
			stock = ours;
		check_eq(ours.tcpi_state, stock.tcpi_state);
		check_eq(ours.tcpi_options, stock.tcpi_options);
		check_eq(ours.tcpi_snd_wscale, stock.tcpi_snd_wscale);
		check_eq(ours.tcpi_rcv_wscale, stock.tcpi_rcv_wscale);
		check_eq(ours.tcpi_snd_mss, stock.tcpi_snd_mss);
		check_eq(ours.tcpi_rcv_mss, stock.tcpi_rcv_mss);
		check_eq(ours.tcpi_advmss, stock.tcpi_advmss);
		check_eq(ours.tcpi_pmtu, stock.tcpi_pmtu);
		check_eq(ours.tcpi_rcv_ssthresh, stock.tcpi_rcv_ssthresh);
		check_eq(ours.tcpi_total_retrans, 0);
		check_eq(ours.tcpi_retransmits, 0);
		close(client);
		close(server);
	}
}

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

static void concurrent__as_many_as_requests(void)
{
	enum { N = 50 };
	int listener = warm(2), n, round;
	struct raw raw = raw_open();
	long hits, misses;

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	for (round = 0; round < 4; round++) {
		struct packet synack;

		hits = counter("TCPFaltconHits");
		misses = counter("TCPFaltconMisses");
		for (n = 0; n < N; n++)
			raw_send(&raw, 40000 + n, PORT, TH_SYN, 100, 0, &full, 1);
		for (n = 0; n < N; n++)
			check(raw_receive(&raw, 40000 + n, &synack, 2000));
		for (n = 0; n < N; n++)
			raw_send(&raw, 40000 + n, PORT, TH_RST, 101, 0, NULL, 0);
		sleep_ms(20);
		note("round %d: %ld hits, %ld misses, %ld kept", round,
		     counter("TCPFaltconHits") - hits, counter("TCPFaltconMisses") - misses,
		     kept("f_request_socks"));
	}
	check_eq(counter("TCPFaltconHits") - hits, N);
	check_eq(counter("TCPFaltconMisses") - misses, 0);
}

static void half_open__reset_keeps_the_object(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();
	struct packet synack;
	long pushes;

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	pushes = counter("TCPFaltconPushes");
	for (n = 0; n < 10; n++)
		synack_for(&raw, 41000 + n, 100, &full, &synack);
	sleep_ms(20);
	check_eq(counter("TCPFaltconPushes") - pushes, 10);
}

static void retransmission__same_synack(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();
	struct packet first, second;
	uint32_t seq;

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	raw_send(&raw, 42000, PORT, TH_SYN, 100, 0, &full, 1);
	check(raw_receive(&raw, 42000, &first, 2000));
	check(raw_receive(&raw, 42000, &second, 3000));
	seq = packet_seq(&first);
	check_eq(packet_seq(&second), seq);
	check(packet_checksums_good(&second));
	packet_blank(&first);
	packet_blank(&second);
	check_eq(first.length, second.length);
	check(!memcmp(first.bytes, second.bytes, first.length));
	raw_send(&raw, 42000, PORT, TH_RST, 101, 0, NULL, 0);
}

/* After a change, the SYNACK of level 2 is what level 0 would send. */
static void same_after(struct raw *raw, int listener, const char *what)
{
	struct packet ours, stock;
	int n;

	synack_for(raw, 43000, 100, &full, &ours);
	packet_blank(&ours);
	sysctl_set(LEVEL, 0);
	synack_for(raw, 43000, 100, &full, &stock);
	packet_blank(&stock);
	if (ours.length != stock.length || memcmp(ours.bytes, stock.bytes, ours.length)) {
		hexdump("stock", &stock);
		hexdump("ours ", &ours);
		fail("%s: the SYNACK differs", what);
	}
	sysctl_set(LEVEL, 2);
	for (n = 0; n < 5; n++)
		raw_establish(raw, listener, 30000 + n, &full);
}

static void set_int(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		fail("setsockopt %s", what);
}

static void listener__setsockopt(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	set_int(listener, IPPROTO_IP, IP_TOS, 0x10, "TOS");
	same_after(&raw, listener, "TOS");
	set_int(listener, IPPROTO_IP, IP_TTL, 33, "TTL");
	same_after(&raw, listener, "TTL");
	set_int(listener, IPPROTO_TCP, TCP_MAXSEG, 700, "MAXSEG");
	same_after(&raw, listener, "MAXSEG");
	set_int(listener, SOL_SOCKET, SO_RCVBUF, 9000, "RCVBUF");
	same_after(&raw, listener, "RCVBUF");
	set_int(listener, SOL_SOCKET, SO_MARK, 5, "MARK");
	same_after(&raw, listener, "MARK");
	set_int(listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000, "WINDOW_CLAMP");
	same_after(&raw, listener, "WINDOW_CLAMP");
}

static void listener__restart(void)
{
	int listener = warm(2), n, other;
	struct raw raw = raw_open();

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	close(listener);
	other = listen_on("0.0.0.0", PORT, 128);
	set_int(other, IPPROTO_IP, IP_TOS, 0x08, "TOS");
	set_int(other, IPPROTO_TCP, TCP_MAXSEG, 900, "MAXSEG");
	same_after(&raw, other, "another listener");
	handshakes(other, PORT, 5);
}

static void route__mtu_changes(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();
	struct packet before, after;

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	synack_for(&raw, 43000, 100, &full, &before);
	set_mtu("s0", 1000);
	synack_for(&raw, 43000, 100, &full, &after);
	check_eq(before.bytes[42] << 8 | before.bytes[43], 1460);
	check_eq(after.bytes[42] << 8 | after.bytes[43], 960);
	same_after(&raw, listener, "MTU");
}

static void route__goes_away(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();
	long drops = counter("TCPFaltconRouteDrops");

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	/* A new address bumps the generation of all routes. */
	set_address("lo", "127.0.0.2");
	same_after(&raw, listener, "address");
	check_ge(counter("TCPFaltconRouteDrops"), drops + 1);
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

static void key__mark_and_port(void)
{
	int listener = warm(2), other = listen_on("0.0.0.0", PORT + 1, 128);
	long hits = counter("TCPFaltconHits");

	handshakes(other, PORT + 1, 1);
	check_eq(counter("TCPFaltconHits"), hits);
	set_int(listener, SOL_SOCKET, SO_MARK, 9, "MARK");
	handshakes(listener, PORT, 1);
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

static void bound__max_objects(void)
{
	enum { N = 40 };
	int listener = warm(0), n;
	struct raw raw = raw_open();
	struct packet synack;

	sysctl_set(MAX_OBJECTS, 10);
	sysctl_set(LEVEL, 2);
	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	for (n = 0; n < N; n++)
		raw_send(&raw, 40000 + n, PORT, TH_SYN, 100, 0, &full, 1);
	for (n = 0; n < N; n++)
		check(raw_receive(&raw, 40000 + n, &synack, 2000));
	for (n = 0; n < N; n++)
		raw_send(&raw, 40000 + n, PORT, TH_RST, 101, 0, NULL, 0);
	sleep_ms(50);
	check_eq(kept("f_request_socks"), 10);
	check_le(kept("f_synacks"), 10);
	check_ge(counter("TCPFaltconDropMaxObjects"), 1);
	sysctl_set(MAX_OBJECTS, 3);
	check_eq(kept("f_request_socks"), 0);
}

static void bound__max_pairs(void)
{
	int listener = warm(0), n, ports[20];

	sysctl_set(MAX_PAIRS, 8);
	sysctl_set(K_T, 0);
	sysctl_set(LEVEL, 2);
	for (n = 0; n < 20; n++) {
		ports[n] = listen_on("0.0.0.0", 9000 + n, 16);
		handshakes(ports[n], 9000 + n, 2);
	}
	check_eq(kept("nodes"), 8);
	check_ge(counter("TCPFaltconDropMaxPairs"), 12);
	/* Who came late did not push out who was there. */
	handshakes(ports[0], 9000, 3);
	check_ge(counter("TCPFaltconHits"), 3);
	(void)listener;
}

static void flood__strangers_leave_no_trace(void)
{
	int listener = warm(2), n;
	struct raw raw = raw_open();

	for (n = 0; n < 100; n++)
		raw_send(&raw, 10000 + n, PORT, TH_SYN, 100, 0, &full, 1);
	sleep_ms(50);
	check_eq(kept("nodes"), 1);
	(void)listener;
}

static void bypass__saved_syn(void)
{
	int listener = warm(2);
	long before = counter("TCPFaltconBypassListener");

	set_int(listener, IPPROTO_TCP, TCP_SAVE_SYN, 1, "SAVE_SYN");
	handshakes(listener, PORT, 3);
	check_eq(counter("TCPFaltconBypassListener"), before + 3);
}

static void bypass__fast_open(void)
{
	int listener = warm(2);
	long before = counter("TCPFaltconBypassListener");

	set_int(listener, IPPROTO_TCP, TCP_FASTOPEN, 5, "FASTOPEN");
	handshakes(listener, PORT, 3);
	check_eq(counter("TCPFaltconBypassListener"), before + 3);
}

static void bypass__ip_options(void)
{
	int listener = warm(2), n;
	struct options options = full;
	struct raw raw = raw_open();
	struct packet synack;

	for (n = 0; n < 5; n++)
		raw_establish(&raw, listener, 30000 + n, &full);
	options.ip_options = true;
	raw_send(&raw, 40000, PORT, TH_SYN, 100, 0, &options, 1);
	check(raw_receive(&raw, 40000, &synack, 2000));
	check_eq(counter("TCPFaltconBypassOptions"), 1);
	raw_send(&raw, 40000, PORT, TH_RST, 101, 0, NULL, 0);
}

static void bypass__syn_cookies(void)
{
	int listener = warm(2);
	long lookups;

	if (!sysctl_exists("net/ipv4/tcp_syncookies"))
		skip("no SYN cookies");
	lookups = counter("TCPFaltconLookups");
	sysctl_set("net/ipv4/tcp_syncookies", 2);
	handshakes(listener, PORT, 5);
	check_eq(counter("TCPFaltconLookups"), lookups);
	check_ge(counter("SyncookiesRecv"), 5);
}

static const struct test tests[] = {
#define TEST(name) { #name, name }
	TEST(off__stock_path),
	TEST(threshold__below_at_above),
	TEST(threshold__zero_keeps_from_the_first),
	TEST(window__ends),
	TEST(pull__level_1),
	TEST(pull__level_2),
	TEST(pull__level_3),
	TEST(wire__synack_as_stock),
	TEST(child__as_stock),
	TEST(timer__eliminates),
	TEST(off__frees_all),
	TEST(level__changes_with_connections_open),
	TEST(concurrent__as_many_as_requests),
	TEST(half_open__reset_keeps_the_object),
	TEST(retransmission__same_synack),
	TEST(listener__setsockopt),
	TEST(listener__restart),
	TEST(route__mtu_changes),
	TEST(route__goes_away),
	TEST(key__namespaces_are_apart),
	TEST(key__mark_and_port),
	TEST(namespace__destroyed_with_objects),
	TEST(accept__on_another_cpu),
	TEST(tap__clones_are_not_kept),
	TEST(bound__max_objects),
	TEST(bound__max_pairs),
	TEST(flood__strangers_leave_no_trace),
	TEST(bypass__saved_syn),
	TEST(bypass__fast_open),
	TEST(bypass__ip_options),
	TEST(bypass__syn_cookies),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	return run_tests(tests, argc, argv);
}
