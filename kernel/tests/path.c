// SPDX-License-Identifier: GPL-2.0-or-later
/* What the archive does for a connection: thresholds, pulls, the wire, bounds, bypass. */
#define _GNU_SOURCE
#include "selftest.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Connections on any kernel, at each level that it has. */
static void smoke__connections(void)
{
	int listener = listen_on("0.0.0.0", PORT, 128), level;

	handshakes(listener, PORT, 20);
	if (!sysctl_exists(LEVEL))
		return;
	for (level = 1; sysctl_takes(LEVEL, level); level++)
		handshakes(listener, PORT, 20);
	check_ge(level, 2);
	sysctl_set(LEVEL, 0);
	check_eq(kept("f_request_socks"), 0);
	check_eq(kept("f_synacks"), 0);
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

const struct test path_tests[] = {
	TEST(smoke__connections),
	TEST(off__stock_path),
	TEST(threshold__below_at_above),
	TEST(threshold__zero_keeps_from_the_first),
	TEST(window__ends),
	TEST(pull__level_1),
	TEST(pull__level_2),
	TEST(pull__level_3),
	TEST(wire__synack_as_stock),
	TEST(child__as_stock),
	TEST(concurrent__as_many_as_requests),
	TEST(half_open__reset_keeps_the_object),
	TEST(retransmission__same_synack),
	TEST(bound__max_objects),
	TEST(bound__max_pairs),
	TEST(flood__strangers_leave_no_trace),
	TEST(bypass__ip_options),
	TEST(bypass__syn_cookies),
	{ NULL, NULL },
};
