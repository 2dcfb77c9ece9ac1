// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Whole connections for the measurements of a server alone. The client is this program, at the
 * far end of a tun device, with a TCP of its own that is just good enough: the guest's kernel
 * runs no second stack, so all TCP in it is the server's. The device takes over checksums and
 * segmentation, as the paper's network card does.
 *
 *   connections CONCURRENT CONNECTIONS LEVEL,PORT,VALUE...
 *
 * One phase for each triple: CONNECTIONS connections to PORT, CONCURRENT at a time, after
 * some to warm up, at this level of FALTCON. On port 8080 is a server of this program's
 * own, the smallest there is, which closes each connection after VALUE rounds of work; elsewhere
 * a Web server is to wait, and VALUE is the size of the file to ask for, /VALUE. A getsid()
 * marks the start and the end of each phase for the plugin, and tells it which task the client
 * is; a first one makes it count at all, and a last one comes when the last time-wait socket is
 * gone.
 *
 * The client answers what there is to answer, then sleeps for a while and lets the server work:
 * packets come in bunches, and the server finds more than one thing to do, as under saturation.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PORT 8080
#define FIRST_PORT 1024
#define LAST_PORT 65000
#define MOST 1024
/* Rounds of CONCURRENT until a pair is known, and until what it needs is kept; one more. */
#define WARM_UP 3
#define NAP_NS 500000
/* Naps without a packet after which the load is given up. */
#define NAPS 20000
/* Longer than a time-wait socket lives (60 s). */
#define GONE_MS 66000
#define TH_PSH 0x08

enum state { CLOSED, SYN_SENT, OPEN, CLOSING };

struct connection {
	enum state state;
	uint32_t sent, received;	/* next sequence numbers */
	uint32_t stamp;			/* time stamp to echo */
	long got;			/* bytes of the answer */
};

static struct connection connections[65536];
static int tun, server_port = PORT;
static uint32_t client_ip, server_ip, now;
static char request[256];
static long least;	/* bytes that an answer must have */

static uint16_t sum(const void *bytes, int length, uint32_t start)
{
	const uint8_t *p = bytes;

	for (; length > 1; p += 2, length -= 2)
		start += p[0] << 8 | p[1];
	if (length)
		start += p[0] << 8;
	while (start >> 16)
		start = (start & 0xffff) + (start >> 16);
	return start;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3];
}

static void give(int port, uint8_t flags, const char *data)
{
	static const uint8_t syn_options[8] = { 2, 4, 1460 >> 8, 1460 & 255, 1, 3, 3, 7 };
	struct connection *its = &connections[port];
	uint8_t packet[sizeof(struct virtio_net_hdr) + 512] = {};
	struct virtio_net_hdr *offload = (void *)packet;
	uint8_t *ip = packet + sizeof(*offload), *tcp = ip + 20, *option = tcp + 20;
	int size = data ? strlen(data) : 0, length;

	if (flags & TH_SYN) {
		memcpy(option, syn_options, sizeof(syn_options));
		memcpy(option + 8, "\x04\x02\x08\x0a", 4);	/* SACK permitted, stamps */
		option += 12;
	} else {
		memcpy(option, "\x01\x01\x08\x0a", 4);
		option += 4;
	}
	put32(option, now);
	put32(option + 4, its->stamp);
	option += 8;
	length = option - ip + size;
	memcpy(option, data ? data : "", size);
	ip[0] = 0x45;
	put16(ip + 2, length);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, &client_ip, 4);
	memcpy(ip + 16, &server_ip, 4);
	put16(ip + 10, ~sum(ip, 20, 0));
	put16(tcp, port);
	put16(tcp + 2, server_port);
	put32(tcp + 4, its->sent);
	put32(tcp + 8, flags & TH_ACK ? its->received : 0);
	tcp[12] = (option - tcp) / 4 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 65535);
	/* The pseudo header's sum; the card would have checked the rest. */
	put16(tcp + 16, sum(ip + 12, 8, 6 + length - 20));
	offload->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	offload->csum_start = 20;
	offload->csum_offset = 16;
	its->sent += size + !!(flags & (TH_SYN | TH_FIN));
	length += sizeof(*offload);
	if (write(tun, packet, length) != length)
		fail("write to tun");
}

static void begin(int port)
{
	struct connection *its = &connections[port];

	memset(its, 0, sizeof(*its));
	its->state = SYN_SENT;
	its->sent = 1000 * port;
	give(port, TH_SYN, NULL);
}

/* Answer one packet; whether its connection is done. */
static bool take(const uint8_t *ip, int length)
{
	const uint8_t *tcp = ip + (ip[0] & 15) * 4, *data = tcp + (tcp[12] >> 4) * 4;
	int port = tcp[2] << 8 | tcp[3], size = ip + length - data;
	struct connection *its = &connections[port];
	uint32_t seq = get32(tcp + 4);

	if (ip[9] != 6 || its->state == CLOSED)
		return false;
	if (tcp[13] & TH_RST)
		fail("port %d is refused", port);
	if (data - tcp >= 32)
		its->stamp = get32(tcp[20] == 1 ? tcp + 24 : tcp + 28);
	if (its->state == SYN_SENT) {
		if ((tcp[13] & (TH_SYN | TH_ACK)) != (TH_SYN | TH_ACK))
			fail("no SYNACK for port %d", port);
		its->received = seq + 1;
		its->state = OPEN;
		give(port, TH_ACK, NULL);
		if (*request)
			give(port, TH_ACK | TH_PSH, request);
		return false;
	}
	if (seq != its->received)
		return false;	/* sent again, or a hole: the server will */
	if (size && !its->got && memcmp(data, "HTTP/1.1 200", 12))
		fail("an answer that is none");
	its->got += size;
	its->received += size;
	if (tcp[13] & TH_FIN) {
		if (its->got < least)
			fail("%ld bytes where %ld are the least", its->got, least);
		its->received++;
		its->state = CLOSING;
		give(port, TH_ACK | TH_FIN, NULL);
	} else if (size) {
		give(port, TH_ACK, NULL);
	} else if (its->state == CLOSING && get32(tcp + 8) == its->sent) {
		its->state = CLOSED;
		return true;
	}
	return false;
}

static void run(int all, int concurrent)
{
	static uint8_t packet[sizeof(struct virtio_net_hdr) + 65536];
	static int port = FIRST_PORT;
	const struct timespec nap = { 0, NAP_NS };
	int begun = 0, done = 0, naps = 0;

	while (done < all) {
		ssize_t n;

		while (begun < all && begun - done < concurrent) {
			begin(port);
			port = port < LAST_PORT ? port + 1 : FIRST_PORT;
			begun++;
		}
		n = read(tun, packet, sizeof(packet));
		if (n > 0) {
			naps = 0;
			done += take(packet + sizeof(struct virtio_net_hdr),
				     n - sizeof(struct virtio_net_hdr));
			continue;
		}
		if (++naps == NAPS)
			fail("no connection goes on: %d of %d done", done, all);
		now++;
		nanosleep(&nap, NULL);
	}
}

static void open_tun(void)
{
	struct ifreq wanted = { .ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR };

	tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	strcpy(wanted.ifr_name, "t0");
	if (tun < 0 || ioctl(tun, TUNSETIFF, &wanted) ||
	    ioctl(tun, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4))
		fail("cannot make a tun device");
	set_address("t0", TUN_SERVER_IP);
	link_up("t0");
	inet_pton(AF_INET, TUN_RAW_IP, &client_ip);
	inet_pton(AF_INET, TUN_SERVER_IP, &server_ip);
}

/* The smallest server that there is in user space. */
static void serve(int listener, const volatile long *work)
{
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		long i;

		if (fd < 0)
			fail("accept");
		for (i = *work; i > 0; i--)
			__asm__ volatile ("" : "+r" (i));
		close(fd);
	}
}

static void mark(void)
{
	syscall(SYS_getsid, 0);
}

static void phase(char *what, int all, int concurrent, long *work)
{
	char *level = strtok(what, ","), *to = strtok(NULL, ","), *value = strtok(NULL, ",");

	if (!value)
		fail("a phase is LEVEL,PORT,VALUE");
	if (sysctl_exists("net/ipv4/tcp_faltcon"))
		sysctl_set("net/ipv4/tcp_faltcon", atoi(level));
	else if (atoi(level))
		fail("this kernel has no FALTCON");
	server_port = atoi(to);
	*request = 0;
	least = 0;
	if (server_port == PORT) {
		*work = atol(value);
	} else {
		least = atol(value);
		snprintf(request, sizeof(request), "GET /%ld HTTP/1.1\r\nHost: server\r\n"
			 "Connection: close\r\n\r\n", least);
	}
	run(WARM_UP * concurrent, concurrent);
	sleep_ms(20);
	mark();
	run(all, concurrent);
	sleep_ms(20);
	mark();
}

int main(int argc, char **argv)
{
	long *work = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	const struct sched_param first = { .sched_priority = 1 };
	int concurrent, all, listener, i;
	pid_t server;

	if (argc < 4 || work == MAP_FAILED)
		fail("usage: connections CONCURRENT CONNECTIONS LEVEL,PORT,VALUE...");
	concurrent = atoi(argv[1]);
	all = atoi(argv[2]);
	if (concurrent < 1 || concurrent > MOST)
		fail("1 to %d at a time", MOST);
	/* As many as a server of the paper's size has; 4096 here. Beyond, there are none. */
	sysctl_set("net/ipv4/tcp_max_tw_buckets", 1 << 18);
	open_tun();
	listener = listen_on("0.0.0.0", PORT, 1024);
	server = fork();
	if (!server) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve(listener, work);
	}
	close(listener);
	if (sched_setscheduler(0, SCHED_FIFO, &first))
		fail("cannot come first");
	mark();
	sleep_ms(500);
	for (i = 3; i < argc; i++)
		phase(argv[i], all, concurrent, work);
	sleep_ms(GONE_MS);
	mark();
	if (sysctl_exists("net/ipv4/tcp_faltcon"))
		printf("connections: hits %ld misses %ld\n", counter("TCPFaltconHits"),
		       counter("TCPFaltconMisses"));
	printf("connections: done\n");
	kill(server, SIGKILL);
	return 0;
}
