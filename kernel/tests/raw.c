// SPDX-License-Identifier: GPL-2.0-or-later
/* Handmade TCP packets on the client's end of the link, for what no client's stack sends. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void mac_of(const char *device, uint8_t mac[6])
{
	struct ifreq request = {};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, SIOCGIFHWADDR, &request))
		fail("no hardware address of %s", device);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	close(fd);
}

struct raw raw_open(void)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET,
				       .sll_protocol = htons(ETH_P_IP) };
	struct raw raw = {};
	uint8_t mac[6];

	mac_of("s0", raw.server_mac);
	enter(CLIENT);
	mac_of("c0", mac);
	raw.fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_IP));
	address.sll_ifindex = if_nametoindex("c0");
	if (raw.fd < 0 || bind(raw.fd, (struct sockaddr *)&address, sizeof(address)))
		fail("packet socket");
	enter(SERVER);
	set_arp(RAW_IP, mac, "s0");
	return raw;
}

struct raw raw_open_tun(void)
{
	struct raw raw = { .fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), .tun = true };
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	strcpy(request.ifr_name, "t0");
	if (raw.fd < 0 || ioctl(raw.fd, TUNSETIFF, &request))
		fail("cannot make a tun device");
	set_address("t0", TUN_SERVER_IP);
	link_up("t0");
	return raw;
}

static uint32_t sum16(const uint8_t *bytes, int length, uint32_t sum)
{
	int i;

	for (i = 0; i + 1 < length; i += 2)
		sum += bytes[i] << 8 | bytes[i + 1];
	if (length & 1)
		sum += bytes[length - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
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

static uint16_t tcp_sum(const uint8_t *ip, int header, int length)
{
	return fold(sum16(ip + header, length - header,
			  sum16(ip + 12, 8, 6 + length - header)));
}

static int write_options(uint8_t *at, const struct options *options, bool syn, uint32_t tsval)
{
	uint8_t *p = at;

	if (!options)
		return 0;
	if (syn && options->mss) {
		memcpy(p, "\x02\x04", 2);
		put16(p + 2, 1460);
		p += 4;
	}
	if (syn && options->sack) {
		memcpy(p, "\x01\x01\x04\x02", 4);
		p += 4;
	}
	if (options->ts) {
		memcpy(p, "\x01\x01\x08\x0a", 4);
		put32(p + 4, tsval);
		put32(p + 8, 0);
		p += 12;
	}
	if (syn && options->wscale) {
		memcpy(p, "\x01\x03\x03\x07", 4);
		p += 4;
	}
	return p - at;
}

void raw_write(struct raw *raw, const uint8_t *ip, int length)
{
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_halen = 6,
				       .sll_protocol = htons(ETH_P_IP) };

	if (raw->tun) {
		if (write(raw->fd, ip, length) != length)
			fail("write to tun");
		return;
	}
	enter(CLIENT);
	address.sll_ifindex = if_nametoindex("c0");
	enter(SERVER);
	memcpy(address.sll_addr, raw->server_mac, 6);
	if (sendto(raw->fd, ip, length, 0, (struct sockaddr *)&address, sizeof(address)) != length)
		fail("sendto");
}

void raw_send(struct raw *raw, int sport, int dport, uint8_t flags, uint32_t seq,
	      uint32_t ack, const struct options *options, uint32_t tsval)
{
	int header = options && options->ip_options ? 24 : 20, length;
	uint8_t ip[128] = {}, *tcp = ip + header;

	if (header == 24)
		memcpy(ip + 20, "\x94\x04\x00\x00", 4);	/* router alert */
	length = header + 20 + write_options(tcp + 20, options, flags & TH_SYN, tsval);
	ip[0] = 0x40 | header / 4;
	put16(ip + 2, length);
	ip[6] = 0x40;
	ip[8] = 64;
	ip[9] = 6;
	if (raw->from)
		put32(ip + 12, raw->from);
	else
		inet_pton(AF_INET, raw->tun ? TUN_RAW_IP : RAW_IP, ip + 12);
	inet_pton(AF_INET, raw->tun ? TUN_SERVER_IP : SERVER_IP, ip + 16);
	put16(ip + 10, fold(sum16(ip, header, 0)));
	put16(tcp, sport);
	put16(tcp + 2, dport);
	put32(tcp + 4, seq);
	put32(tcp + 8, ack);
	tcp[12] = (length - header) / 4 << 4;
	tcp[13] = flags;
	put16(tcp + 14, 65535);
	put16(tcp + 16, tcp_sum(ip, header, length));
	raw_write(raw, ip, length);
}

void raw_icmp(struct raw *raw, int type, int code, int mtu, const uint8_t *about)
{
	int length = 20 + 8 + 28;
	uint8_t ip[64] = { 0x45 };

	put16(ip + 2, length);
	ip[8] = 64;
	ip[9] = 1;
	inet_pton(AF_INET, raw->tun ? TUN_RAW_IP : RAW_IP, ip + 12);
	inet_pton(AF_INET, raw->tun ? TUN_SERVER_IP : SERVER_IP, ip + 16);
	put16(ip + 10, fold(sum16(ip, 20, 0)));
	ip[20] = type;
	ip[21] = code;
	put16(ip + 26, mtu);
	memcpy(ip + 28, about, 28);
	put16(ip + 22, fold(sum16(ip + 20, length - 20, 0)));
	raw_write(raw, ip, length);
}

static long now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

bool raw_receive_any(struct raw *raw, int protocol, struct packet *packet, int timeout_ms)
{
	long end = now_ms() + timeout_ms;

	for (;;) {
		struct pollfd ready = { raw->fd, POLLIN, 0 };
		struct sockaddr_ll from;
		socklen_t size = sizeof(from);
		long left = end - now_ms();

		if (left <= 0 || poll(&ready, 1, left) <= 0)
			return false;
		if (raw->tun)
			packet->length = read(raw->fd, packet->bytes, sizeof(packet->bytes));
		else
			packet->length = recvfrom(raw->fd, packet->bytes, sizeof(packet->bytes),
						  0, (struct sockaddr *)&from, &size);
		if (packet->length >= 28 && packet->bytes[0] >> 4 == 4 &&
		    (raw->tun || from.sll_pkttype != PACKET_OUTGOING) &&
		    packet->bytes[9] == protocol)
			return true;
	}
}

bool raw_receive(struct raw *raw, int sport, struct packet *packet, int timeout_ms)
{
	long end = now_ms() + timeout_ms;

	while (raw_receive_any(raw, 6, packet, end - now_ms())) {
		const uint8_t *tcp = packet->bytes + (packet->bytes[0] & 15) * 4;

		if (packet->length >= 40 && (tcp[2] << 8 | tcp[3]) == sport)
			return true;
	}
	return false;
}

static const uint8_t *tcp_of(const struct packet *packet)
{
	return packet->bytes + (packet->bytes[0] & 15) * 4;
}

uint32_t packet_seq(const struct packet *packet)
{
	return get32(tcp_of(packet) + 4);
}

uint32_t packet_ack(const struct packet *packet)
{
	return get32(tcp_of(packet) + 8);
}

uint8_t packet_flags(const struct packet *packet)
{
	return tcp_of(packet)[13];
}

bool packet_checksums_good(const struct packet *packet)
{
	int header = (packet->bytes[0] & 15) * 4;

	return fold(sum16(packet->bytes, header, 0)) == 0 &&
	       tcp_sum(packet->bytes, header, packet->length) == 0;
}

/* Sequence number, time stamp value, IP id and the checksums over them. */
void packet_blank(struct packet *packet)
{
	uint8_t *tcp = (uint8_t *)tcp_of(packet), *p = tcp + 20;
	uint8_t *end = tcp + (tcp[12] >> 4) * 4;

	memset(packet->bytes + 4, 0, 2);
	memset(packet->bytes + 10, 0, 2);
	memset(tcp + 4, 0, 4);
	memset(tcp + 16, 0, 2);
	while (p < end && *p) {
		if (*p == 1) {
			p++;
			continue;
		}
		if (*p == 8)
			memset(p + 2, 0, 4);
		if (p + 1 >= end || p[1] < 2)
			break;
		p += p[1];
	}
}

void hexdump(const char *what, const struct packet *packet)
{
	char line[512];
	int i, n = 0;

	for (i = 0; i < packet->length && n < (int)sizeof(line) - 4; i++)
		n += sprintf(line + n, "%02x", packet->bytes[i]);
	note("%s %s", what, line);
}
