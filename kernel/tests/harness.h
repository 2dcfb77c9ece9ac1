/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the in-guest tests share: KTAP output, namespaces, sockets, packets, counters. */
#ifndef HARNESS_H
#define HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One test: a name and a function that runs in a fresh pair of namespaces. */
struct test {
	const char *name;
	void (*run)(void);
};

/* Ends the running test. */
void fail_at(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));
void skip(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define fail(...) fail_at(__FILE__, __LINE__, __VA_ARGS__)
#define check(what) do { if (!(what)) fail("%s", #what); } while (0)
#define check_eq(a, b) do {						\
	long long a_ = (a), b_ = (b);					\
	if (a_ != b_)							\
		fail("%s is %lld, expected %s = %lld", #a, a_, #b, b_);	\
} while (0)
#define check_ge(a, b) do {						\
	long long a_ = (a), b_ = (b);					\
	if (a_ < b_)							\
		fail("%s is %lld, expected at least %s = %lld", #a, a_, #b, b_); \
} while (0)
#define check_le(a, b) do {						\
	long long a_ = (a), b_ = (b);					\
	if (a_ > b_)							\
		fail("%s is %lld, expected at most %s = %lld", #a, a_, #b, b_); \
} while (0)

/* The two namespaces of a test; the thread starts in the server's. */
enum side { SERVER, CLIENT };
#define SERVER_IP "10.9.0.1"
#define CLIENT_IP "10.9.0.2"
#define RAW_IP "10.9.0.9"	/* nobody's: answered by the test alone */
#define TUN_SERVER_IP "10.9.1.1"
#define TUN_RAW_IP "10.9.1.9"
void net_setup(void);
void enter(enum side side);
int new_netns(void);		/* enters it, lo up; returns its fd */
void enter_fd(int fd);
void set_mtu(const char *device, int mtu);
void link_up(const char *device);
void add_veth(const char *name, int peer_ns, const char *peer);
/* Send a request of rtnetlink: body and attributes (a size of 0 ends them); 0 or -errno. */
struct rtattr_of {
	int type;
	const void *data;
	int size;
};

int rtnl(int type, int flags, const void *body, int size, const struct rtattr_of *attributes);
void set_address(const char *device, const char *address);
void default_route(const char *device);
void set_arp(const char *address, const uint8_t mac[6], const char *device);

void sysctl_set(const char *name, long value);
bool sysctl_takes(const char *name, long value);
long sysctl_get(const char *name);
bool sysctl_exists(const char *name);
long counter(const char *name);	/* of TcpExt, this namespace */

/* Sum over CPUs of a column of /proc/net/tcp_faltcon. */
long kept(const char *column);
void wait_kept(const char *column, long value, int timeout_ms);

int listen_on(const char *address, int port, int backlog);
int connect_to(const char *address, int port);
/* Connect from the client's side, accept, exchange a byte, close. */
void handshake(int listener, int port);
void handshakes(int listener, int port, int n);
void sleep_ms(int ms);
void pin_cpu(int cpu);
int cpus(void);

/* Handmade TCP on the client's side of the link. */
struct options {
	bool mss, sack, ts, wscale, ecn, ip_options;
};

struct packet {
	uint8_t bytes[2048];
	int length;		/* from the IP header on */
};

struct raw {
	int fd;
	bool tun;		/* a tun device instead of the link's end */
	uint32_t from;		/* the client's address, host order; 0: RAW_IP, TUN_RAW_IP */
	uint8_t server_mac[6];
};

void mac_of(const char *device, uint8_t mac[6]);
struct raw raw_open(void);
struct raw raw_open_tun(void);
/* Any IPv4 packet, from its header on. */
void raw_write(struct raw *raw, const uint8_t *ip, int length);
/* An ICMP error of this kind about a packet that the server sent. */
void raw_icmp(struct raw *raw, int type, int code, int mtu, const uint8_t *about);
/* Next IPv4 packet of this protocol, or false after the time. */
bool raw_receive_any(struct raw *raw, int protocol, struct packet *packet, int timeout_ms);
void raw_send(struct raw *raw, int sport, int dport, uint8_t flags, uint32_t seq,
	      uint32_t ack, const struct options *options, uint32_t tsval);
/* Next TCP packet to this client port, or false after the time. */
bool raw_receive(struct raw *raw, int sport, struct packet *packet, int timeout_ms);
uint32_t packet_seq(const struct packet *packet);
uint32_t packet_ack(const struct packet *packet);
uint8_t packet_flags(const struct packet *packet);
bool packet_checksums_good(const struct packet *packet);
/* Blank what may differ between two SYNACKs for the same SYN. */
void packet_blank(struct packet *packet);
void hexdump(const char *what, const struct packet *packet);

int run_tests(const struct test *tests, int argc, char **argv);

#define TH_FIN 0x01
#define TH_SYN 0x02
#define TH_RST 0x04
#define TH_ACK 0x10
#define TH_ECE 0x40
#define TH_CWR 0x80

#endif
