// SPDX-License-Identifier: GPL-2.0-or-later
/* Tests of FALTCON on real sockets and handmade packets, each in namespaces of its own. */
#define _GNU_SOURCE
#include "selftest.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const struct options full = { .mss = true, .sack = true, .ts = true, .wscale = true };

int warm(int level)
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

void synack_for(struct raw *raw, int sport, uint32_t seq, const struct options *options,
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

void raw_establish(struct raw *raw, int listener, int sport, const struct options *options)
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

int warm_raw(int level, struct raw *raw)
{
	int listener = warm(level), n;

	*raw = raw_open();
	for (n = 0; n < 5; n++)
		raw_establish(raw, listener, 30000 + n, &full);
	return listener;
}

void same_after_at(int level, struct raw *raw, int listener, const char *what)
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
	sysctl_set(LEVEL, level);
	for (n = 0; n < 5; n++)
		raw_establish(raw, listener, 30000 + n, &full);
}

void set_int(int fd, int level, int name, int value, const char *what)
{
	if (setsockopt(fd, level, name, &value, sizeof(value)))
		fail("setsockopt %s", what);
}

#define MAX_TESTS 128

int main(int argc, char **argv)
{
	static const struct test *const files[] = { path_tests, listener_tests, route_tests,
						    life_tests, netfilter_tests };
	static struct test tests[MAX_TESTS];
	const struct test *test;
	size_t file;
	int n = 0;

	for (file = 0; file < sizeof(files) / sizeof(*files); file++)
		for (test = files[file]; test->name; test++) {
			if (n == MAX_TESTS - 1)
				fail("more than %d tests", MAX_TESTS - 1);
			tests[n++] = *test;
		}
	return run_tests(tests, argc, argv);
}
