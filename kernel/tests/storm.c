// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A storm, bounded in time: namespaces come and go, each with clients that connect and
 * abort, half-open requests, listeners that restart, and sysctls that change, all at once.
 * It is for kernels that check themselves; this program only sees that work was done, that
 * nothing is kept at level 0, and that nothing is left when all namespaces are gone.
 *
 *   storm SECONDS [parts of test names]
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT 8080
#define CLIENTS 2
#define WORKERS (CLIENTS + 4)
#define SYSCTL(name) "net/ipv4/tcp_faltcon" name

static int seconds;

/* Counted by all processes. */
static struct tally {
	long namespaces, connected, aborted, accepted, half_open, restarts, flips, failures;
} *tally;

static void count(long *what)
{
	__atomic_add_fetch(what, 1, __ATOMIC_RELAXED);
}

static int below(int n)
{
	return rand() % n;
}

static long now_s(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec;
}

static int listener_socket(void)
{
	static const int tos[] = { 0, 0x08, 0x10 }, mss[] = { 1460, 900, 536 };
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) ||
	    setsockopt(fd, IPPROTO_IP, IP_TOS, &tos[below(3)], sizeof(int)) ||
	    setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &mss[below(3)], sizeof(int)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16))
		fail("cannot listen");
	return fd;
}

/* Two of these share the port: requests move from one listener to the other. */
static void serve(void)
{
	for (;;) {
		int listener = listener_socket(), n = 5 + below(40);

		while (n--) {
			struct pollfd ready = { listener, POLLIN, 0 };
			char byte;
			int fd;

			if (poll(&ready, 1, 20) <= 0)
				continue;
			fd = accept(listener, NULL, NULL);
			if (fd < 0)
				continue;
			count(&tally->accepted);
			(void)!recv(fd, &byte, 1, MSG_DONTWAIT);
			close(fd);
		}
		close(listener);
		count(&tally->restarts);
	}
}

static void client(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	struct linger reset = { 1, 0 };

	inet_pton(AF_INET, SERVER_IP, &address.sin_addr);
	enter(CLIENT);
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		struct pollfd ready = { fd, POLLOUT, 0 };

		if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
			fail("cannot make a socket");
		if (connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
		    errno != EINPROGRESS && errno != EADDRNOTAVAIL && errno != ECONNREFUSED)
			fail("connect");
		/* One in four does not wait for the SYNACK. */
		if (below(4) && poll(&ready, 1, 200) > 0 && !(ready.revents & POLLERR)) {
			count(&tally->connected);
			if (below(2))
				(void)!send(fd, "f", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		} else {
			count(&tally->aborted);
		}
		close(fd);
	}
}

/* Requests of a client without a stack: left open, reset, repeated, or acknowledged. */
static void half_open(void)
{
	static const struct options syn = { .mss = true, .sack = true, .ts = true,
					    .wscale = true };
	struct raw raw = raw_open();
	int port = 1024;

	for (;;) {
		int tap = below(8) ? -1 : socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC,
						 htons(ETH_P_ALL));
		int n = 1 + below(20), i;
		struct packet synack;

		for (i = 0; i < n; i++)
			raw_send(&raw, port + i, PORT, TH_SYN, 1000, 0, &syn, 1);
		for (i = 0; i < n; i++) {
			count(&tally->half_open);
			switch (below(4)) {
			case 0:
				raw_send(&raw, port + i, PORT, TH_RST, 1001, 0, NULL, 0);
				break;
			case 1:
				raw_send(&raw, port + i, PORT, TH_SYN, 1000, 0, &syn, 1);
				break;
			case 2:
				if (raw_receive(&raw, port + i, &synack, 20))
					raw_send(&raw, port + i, PORT, TH_ACK, 1001,
						 packet_seq(&synack) + 1, &(struct options){
						 .ts = true }, 2);
				break;
			}
		}
		port = port + n < 60000 ? port + n : 1024;
		if (tap >= 0)
			close(tap);
	}
}

static void flip(void)
{
	static const struct {
		const char *name;
		int values[4];
	} sysctls[] = {
		{ SYSCTL(""), { 0, 1, 2, 3 } },
		{ SYSCTL(""), { 2, 3, 2, 3 } },
		{ SYSCTL("_threshold"), { 0, 1, 3, 0 } },
		{ SYSCTL("_window_ms"), { 1, 50, 500, 5000 } },
		{ SYSCTL("_timer_ms"), { 10, 50, 500, 30000 } },
		{ SYSCTL("_max_pairs"), { 0, 1, 8, 4096 } },
		{ SYSCTL("_max_objects"), { 0, 1, 20, 16384 } },
		{ "net/ipv4/tcp_syncookies", { 0, 1, 2, 1 } },
		{ "net/ipv4/tcp_sack", { 0, 1, 1, 1 } },
	};

	for (;;) {
		int i = below(sizeof(sysctls) / sizeof(*sysctls));

		sysctl_set(sysctls[i].name, sysctls[i].values[below(4)]);
		if (!below(10))
			set_mtu("s0", 1000 + below(500));
		if (!below(20))
			set_address("lo", below(2) ? "127.0.0.1" : "127.0.0.2");
		count(&tally->flips);
		sleep_ms(below(30));
	}
}

/* A pair of namespaces, with its workers; in the end torn down at rest or under load. */
static void episode(void)
{
	void (*const work[WORKERS])(void) = { serve, serve, half_open, flip, client, client };
	pid_t workers[WORKERS];
	bool at_rest = below(2);
	int i, status;

	net_setup();
	count(&tally->namespaces);
	sysctl_set(SYSCTL("_threshold"), 0);
	sysctl_set(SYSCTL(""), 1 + below(3));
	for (i = 0; i < WORKERS; i++) {
		workers[i] = fork();
		if (!workers[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srand(getpid());
			work[i]();
			_exit(0);
		}
	}
	sleep_ms(300 + below(2500));
	for (i = 0; i < WORKERS; i++)
		kill(workers[i], SIGKILL);
	for (i = 0; i < WORKERS; i++) {
		check_eq(waitpid(workers[i], &status, 0), workers[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
			count(&tally->failures);
	}
	if (!at_rest)
		return;
	sysctl_set(SYSCTL(""), 0);
	check_eq(kept("nodes"), 0);
	check_eq(kept("f_request_socks"), 0);
	check_eq(kept("f_synacks"), 0);
}

static void runner(long end)
{
	while (now_s() < end) {
		int status;
		pid_t child = fork();

		if (!child) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			srand(getpid());
			episode();
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			count(&tally->failures);
	}
}

/* The last CPU goes offline and comes back, where the kernel can do that. */
static void plug(long end)
{
	char name[64];
	FILE *file;
	int on = 1;

	snprintf(name, sizeof(name), "/sys/devices/system/cpu/cpu%d/online", cpus() - 1);
	while (now_s() < end || !on) {
		file = cpus() > 1 || !on ? fopen(name, "w") : NULL;
		if (!file)
			return;
		on = !on;
		fprintf(file, "%d", on);
		fclose(file);
		sleep_ms(1500 + below(2000));
	}
}

/* Objects of a slab cache that are in use, or -1 where the kernel does not tell. */
static long slab_objects(const char *cache)
{
	char name[128];
	long objects = -1;
	FILE *file;

	/* Without this, what lies on per-CPU lists counts as used. */
	snprintf(name, sizeof(name), "/sys/kernel/slab/%s/shrink", cache);
	file = fopen(name, "w");
	if (!file)
		return -1;
	fprintf(file, "1");
	fclose(file);
	snprintf(name, sizeof(name), "/sys/kernel/slab/%s/objects", cache);
	file = fopen(name, "r");
	if (file) {
		if (fscanf(file, "%ld", &objects) != 1)
			objects = -1;
		fclose(file);
	}
	return objects;
}

static void storm__all_at_once(void)
{
	int runners = cpus() > 2 ? cpus() / 2 : 2, i, status;
	long end = now_s() + seconds;

	if (!sysctl_exists(SYSCTL("")))
		skip("this kernel has no FALTCON");
	alarm(seconds + 300);
	for (i = 0; i <= runners; i++) {
		pid_t child = fork();

		if (child)
			continue;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		srand(getpid());
		if (i < runners)
			runner(end);
		else
			plug(end);
		_exit(0);
	}
	while (wait(&status) > 0)
		if (status)
			count(&tally->failures);
	note("%ld namespaces, %ld listeners, %ld flips", tally->namespaces, tally->restarts,
	     tally->flips);
	note("%ld connected, %ld aborted, %ld accepted, %ld half-open", tally->connected,
	     tally->aborted, tally->accepted, tally->half_open);
	check_eq(tally->failures, 0);
	check_ge(tally->namespaces, 2);
	check_ge(tally->connected, 10);
	check_ge(tally->aborted, 1);
	check_ge(tally->accepted, 10);
	check_ge(tally->half_open, 10);
	check_ge(tally->restarts, 1);
	check_ge(tally->flips, 10);
}

/* Every object is back when the namespaces of the storm are gone. */
static void storm__nothing_left(void)
{
	static const char *const caches[] = { "faltcon_node", "faltcon_pair", "request_sock_TCP" };
	int i, waited;

	if (!sysctl_exists(SYSCTL("")))
		skip("this kernel has no FALTCON");
	sysctl_set(SYSCTL(""), 1);
	wait_kept("remembered", 0, 60000);
	for (i = 0; i < 3; i++) {
		long objects = slab_objects(caches[i]);

		/* Namespaces are destroyed by work that may still be under way. */
		for (waited = 0; objects > 0 && waited < 60; waited++) {
			sleep_ms(1000);
			objects = slab_objects(caches[i]);
		}
		if (objects < 0)
			note("%s: this kernel does not tell", caches[i]);
		else
			check_eq(objects, 0);
	}
}

static void storm__no_leak(void)
{
	static const char file_name[] = "/sys/kernel/debug/kmemleak";
	char line[256];
	int i, found = 0;
	FILE *file;

	alarm(600);
	for (i = 0; i < 2; i++) {
		sleep_ms(6000);		/* younger objects are not reported */
		file = fopen(file_name, "w");
		if (!file)
			skip("no kmemleak");
		fprintf(file, "scan");
		fclose(file);
	}
	file = fopen(file_name, "r");
	check(file);
	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\n")] = 0;
		note("%s", line);
		found++;
	}
	fclose(file);
	check_eq(found, 0);
}

static const struct test tests[] = {
#define TEST(name) { #name, name }
	TEST(storm__all_at_once),
	TEST(storm__nothing_left),
	TEST(storm__no_leak),
	{ NULL, NULL },
};

int main(int argc, char **argv)
{
	seconds = argc > 1 ? atoi(argv[1]) : 0;
	if (seconds < 1)
		fail("usage: storm SECONDS [parts of test names]");
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	check(tally != MAP_FAILED);
	argv[1] = argv[0];
	return run_tests(tests, argc - 1, argv + 1);
}
