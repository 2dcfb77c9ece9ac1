// SPDX-License-Identifier: GPL-2.0-or-later
/* What depends on the route: MTU, path MTU, addresses, rules, VRF. */
#define _GNU_SOURCE
#include "selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int advertised_mss(const struct packet *synack)
{
	return synack->bytes[42] << 8 | synack->bytes[43];
}

static void route__mtu_changes(void)
{
	struct packet before, after;
	struct raw raw;
	int listener = warm_raw(2, &raw);

	synack_for(&raw, 43000, 100, &full, &before);
	set_mtu("s0", 1000);
	synack_for(&raw, 43000, 100, &full, &after);
	check_eq(advertised_mss(&before), 1460);
	check_eq(advertised_mss(&after), 960);
	same_after_at(2, &raw, listener, "MTU");
}

static void route__goes_away(void)
{
	long drops = counter("TCPFaltconRouteDrops");
	struct raw raw;
	int listener = warm_raw(2, &raw);

	/* A new address bumps the generation of all routes. */
	set_address("lo", "127.0.0.2");
	same_after_at(2, &raw, listener, "address");
	check_ge(counter("TCPFaltconRouteDrops"), drops + 1);
}

/* A rule may choose by port or user, so with one no route is kept. */
static void route__rules(void)
{
	struct fib_rule_hdr rule = { .family = AF_INET, .action = FR_ACT_TO_TBL,
				     .table = RT_TABLE_MAIN };
	uint32_t priority = 100;
	const struct rtattr_of attributes[] = {
		{ FRA_PRIORITY, &priority, sizeof(priority) }, { 0 },
	};
	struct raw raw;
	int listener = warm_raw(3, &raw), error;
	long routes;

	error = rtnl(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &rule, sizeof(rule), attributes);
	if (error == -EOPNOTSUPP)
		skip("this kernel has no routing rules");
	check_eq(error, 0);
	routes = counter("TCPFaltconRoutes");
	handshakes(listener, PORT, 10);
	same_after_at(3, &raw, listener, "rule");
	check_eq(counter("TCPFaltconRoutes"), routes);
}

/* A router says that the path's MTU is smaller: the kept route is not used any more, and
 * one that says so, and for a time only, is not kept.
 */
static void route__path_mtu(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9999) };
	struct packet datagram, before, after;
	struct raw raw;
	int listener = warm_raw(2, &raw), fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long routes;

	inet_pton(AF_INET, RAW_IP, &to.sin_addr);
	synack_for(&raw, 43000, 100, &full, &before);
	check(fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)));
	check_eq(send(fd, "x", 1, 0), 1);
	check(raw_receive_any(&raw, 17, &datagram, 2000));
	raw_icmp(&raw, 3, 4, 700, datagram.bytes);
	synack_for(&raw, 43000, 100, &full, &after);
	routes = counter("TCPFaltconRoutes");
	check_eq(advertised_mss(&before), 1460);
	same_after_at(2, &raw, listener, "path MTU");
	check_eq(counter("TCPFaltconRoutes"), routes);
	close(fd);
}

/* The server's end of the link moves into a VRF: another f-key, and the same SYNACKs. */
static void route__vrf(void)
{
	struct ifinfomsg link = { .ifi_family = AF_UNSPEC };
	struct {
		struct rtattr kind;
		char name[4];
		struct rtattr data;
		struct rtattr table;
		uint32_t number;
	} info = {
		{ RTA_LENGTH(4), IFLA_INFO_KIND }, "vrf",
		{ RTA_LENGTH(sizeof(struct rtattr) + 4), IFLA_INFO_DATA },
		{ RTA_LENGTH(4), IFLA_VRF_TABLE }, 10,
	};
	const struct rtattr_of make[] = {
		{ IFLA_IFNAME, "v0", 3 }, { IFLA_LINKINFO, &info, sizeof(info) }, { 0 },
	};
	struct raw raw;
	int listener = warm_raw(2, &raw), master, error;
	const struct rtattr_of enslave[] = { { IFLA_MASTER, &master, sizeof(master) }, { 0 } };
	uint8_t mac[6];

	error = rtnl(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &link, sizeof(link), make);
	if (error == -EOPNOTSUPP)
		skip("this kernel has no VRF");
	check_eq(error, 0);
	link_up("v0");
	master = if_nametoindex("v0");
	link.ifi_index = if_nametoindex("s0");
	check_eq(rtnl(RTM_NEWLINK, 0, &link, sizeof(link), enslave), 0);
	sysctl_set("net/ipv4/tcp_l3mdev_accept", 1);
	enter(CLIENT);
	mac_of("c0", mac);
	enter(SERVER);
	set_arp(RAW_IP, mac, "s0");
	check_eq(kept("f_pairs"), 2);
	raw_establish(&raw, listener, 29000, &full);
	same_after_at(2, &raw, listener, "VRF");
	handshakes(listener, PORT, 10);
}

const struct test route_tests[] = {
	TEST(route__mtu_changes),
	TEST(route__goes_away),
	TEST(route__rules),
	TEST(route__path_mtu),
	TEST(route__vrf),
	{ NULL, NULL },
};
