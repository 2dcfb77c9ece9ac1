// SPDX-License-Identifier: GPL-2.0-or-later
/* What depends on the listener: options, restarts, groups, keys. */
#define _GNU_SOURCE
#include "selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void setsockopt_at(int level)
{
	struct raw raw;
	int listener = warm_raw(level, &raw);

	set_int(listener, IPPROTO_IP, IP_TOS, 0x10, "TOS");
	same_after_at(level, &raw, listener, "TOS");
	set_int(listener, IPPROTO_IP, IP_TTL, 33, "TTL");
	same_after_at(level, &raw, listener, "TTL");
	set_int(listener, IPPROTO_TCP, TCP_MAXSEG, 700, "MAXSEG");
	same_after_at(level, &raw, listener, "MAXSEG");
	set_int(listener, SOL_SOCKET, SO_RCVBUF, 9000, "RCVBUF");
	same_after_at(level, &raw, listener, "RCVBUF");
	set_int(listener, SOL_SOCKET, SO_MARK, 5, "MARK");
	same_after_at(level, &raw, listener, "MARK");
	set_int(listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000, "WINDOW_CLAMP");
	same_after_at(level, &raw, listener, "WINDOW_CLAMP");
}

static void listener__setsockopt(void)
{
	setsockopt_at(2);
}

static void listener__setsockopt_level_3(void)
{
	setsockopt_at(3);
}

/* The namespace's sysctls are inputs of what is kept, too. */
static void listener__sysctls(void)
{
	static const struct { const char *name; long value; } changes[] = {
		{ "net/ipv4/tcp_sack", 0 }, { "net/ipv4/tcp_timestamps", 0 },
		{ "net/ipv4/tcp_window_scaling", 0 }, { "net/ipv4/tcp_adv_win_scale", 3 },
		{ "net/ipv4/tcp_workaround_signed_windows", 1 },
	};
	struct raw raw;
	int listener = warm_raw(2, &raw), i;

	for (i = 0; i < (int)(sizeof(changes) / sizeof(*changes)); i++) {
		sysctl_set(changes[i].name, changes[i].value);
		same_after_at(2, &raw, listener, changes[i].name);
	}
}

static void restart_at(int level)
{
	struct raw raw;
	int listener = warm_raw(level, &raw), other;

	close(listener);
	other = listen_on("0.0.0.0", PORT, 128);
	set_int(other, IPPROTO_IP, IP_TOS, 0x08, "TOS");
	set_int(other, IPPROTO_TCP, TCP_MAXSEG, 900, "MAXSEG");
	same_after_at(level, &raw, other, "another listener");
	handshakes(other, PORT, 5);
}

static void listener__restart(void)
{
	restart_at(2);
}

static void listener__restart_level_3(void)
{
	restart_at(3);
}

static void refused(struct raw *raw, int sport)
{
	struct packet answer;

	raw_send(raw, sport, PORT, TH_SYN, 100, 0, &full, 1);
	check(raw_receive(raw, sport, &answer, 2000));
	check(packet_flags(&answer) & TH_RST);
}

/* Level 3 remembers who listens: not one that listens no more, or not there. */
static void listener__remembered(void)
{
	struct packet synack;
	struct raw raw;
	int listener = warm_raw(3, &raw), other;
	long found = counter("TCPFaltconListeners");

	synack_for(&raw, 43000, 100, &full, &synack);
	check_eq(counter("TCPFaltconListeners"), found + 1);
	check_eq(setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), 0);
	refused(&raw, 43001);
	check_eq(setsockopt(listener, SOL_SOCKET, SO_BINDTODEVICE, "s0", 3), 0);
	synack_for(&raw, 43002, 100, &full, &synack);
	close(listener);
	refused(&raw, 43003);
	/* A listener for another port changes nothing but the generation. */
	other = listen_on("0.0.0.0", PORT + 1, 128);
	refused(&raw, 43004);
	close(other);
	listener = listen_on("0.0.0.0", PORT, 128);
	synack_for(&raw, 43005, 100, &full, &synack);
}

/* A segment of an open connection is not the listener's, whatever is remembered. */
static void listener__not_of_the_established(void)
{
	struct packet answer;
	struct raw raw;
	int listener = warm_raw(3, &raw), server;
	uint32_t isn;

	raw_send(&raw, 43000, PORT, TH_SYN, 100, 0, &full, 1);
	check(raw_receive(&raw, 43000, &answer, 2000));
	isn = packet_seq(&answer);
	raw_send(&raw, 43000, PORT, TH_ACK, 101, isn + 1, &full, 2);
	server = accept(listener, NULL, NULL);
	check(server >= 0);
	/* A SYN into it gets the challenge of RFC 5961, not a SYNACK. */
	raw_send(&raw, 43000, PORT, TH_SYN, 5000, 0, &full, 3);
	check(raw_receive(&raw, 43000, &answer, 2000));
	check_eq(packet_flags(&answer), TH_ACK);
	check_eq(packet_ack(&answer), 101);
	/* Or the socket and its namespace outlive the test. */
	raw_send(&raw, 43000, PORT, TH_RST | TH_ACK, 101, isn + 1, NULL, 0);
	close(server);
}

/* Which of a group answers a client's port is the same with and without FALTCON. */
static void listener__reuseport_group(void)
{
	enum { N = 16 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT + 1),
				       .sin_addr.s_addr = htonl(INADDR_ANY) };
	int group[2], chosen[N], i, n, level, both = 0;
	struct pollfd ready[2];
	struct packet synack;
	struct raw raw;

	warm_raw(0, &raw);
	sysctl_set(K_T, 0);
	for (i = 0; i < 2; i++) {
		group[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		set_int(group[i], SOL_SOCKET, SO_REUSEPORT, 1, "REUSEPORT");
		check(!bind(group[i], (struct sockaddr *)&address, sizeof(address)) &&
		      !listen(group[i], 64));
		ready[i] = (struct pollfd){ group[i], POLLIN, 0 };
	}
	for (level = 0; level <= 3; level++) {
		sysctl_set(LEVEL, level);
		for (n = 0; n < 2 * N; n++) {
			int sport = 44000 + n % N, fd = -1;

			raw_send(&raw, sport, PORT + 1, TH_SYN, 100, 0, &full, 1);
			check(raw_receive(&raw, sport, &synack, 2000));
			check(packet_flags(&synack) & TH_SYN);
			raw_send(&raw, sport, PORT + 1, TH_ACK, 101, packet_seq(&synack) + 1,
				 &full, 2);
			check_eq(poll(ready, 2, 2000), 1);
			for (i = 0; i < 2 && fd < 0; i++)
				fd = accept(group[i], NULL, NULL);
			check(fd >= 0);
			if (!level)
				chosen[n % N] = i;
			check_eq(i, chosen[n % N]);
			both |= i;
			raw_send(&raw, sport, PORT + 1, TH_RST, 101, 0, NULL, 0);
			close(fd);
		}
	}
	check_eq(both, 3);
	/* All of one's connections go to the other when it is gone. */
	close(group[0]);
	for (n = 0; n < N; n++) {
		raw_send(&raw, 44000 + n, PORT + 1, TH_SYN, 100, 0, &full, 1);
		check(raw_receive(&raw, 44000 + n, &synack, 2000));
		check(packet_flags(&synack) & TH_SYN);
		raw_send(&raw, 44000 + n, PORT + 1, TH_RST, 101, 0, NULL, 0);
	}
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

static void bypass__md5(void)
{
	struct tcp_md5sig key = { .tcpm_keylen = 4, .tcpm_key = "none" };
	struct sockaddr_in *of = (struct sockaddr_in *)&key.tcpm_addr;
	int listener = warm(2);
	long before = counter("TCPFaltconBypassListener");

	of->sin_family = AF_INET;
	inet_pton(AF_INET, "192.0.2.1", &of->sin_addr);
	if (setsockopt(listener, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key))) {
		check_eq(errno, ENOPROTOOPT);
		skip("this kernel has no TCP MD5");
	}
	handshakes(listener, PORT, 3);
	check_eq(counter("TCPFaltconBypassListener"), before + 3);
}

const struct test listener_tests[] = {
	TEST(listener__setsockopt),
	TEST(listener__setsockopt_level_3),
	TEST(listener__sysctls),
	TEST(listener__restart),
	TEST(listener__restart_level_3),
	TEST(listener__remembered),
	TEST(listener__not_of_the_established),
	TEST(listener__reuseport_group),
	TEST(key__mark_and_port),
	TEST(bypass__saved_syn),
	TEST(bypass__fast_open),
	TEST(bypass__md5),
	{ NULL, NULL },
};
