// SPDX-License-Identifier: GPL-2.0-or-later
/* Namespaces and links of the in-guest tests, by netlink and ioctl: the guest has no iproute2. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int namespaces[2];

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char attributes[512];
};

static struct rtattr *attribute(struct nlmsghdr *header, int type, const void *data, int size)
{
	struct rtattr *attr = (void *)header + NLMSG_ALIGN(header->nlmsg_len);

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(attr), data, size);
	header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + RTA_ALIGN(attr->rta_len);
	return attr;
}

static void end_nested(struct request *request, struct rtattr *attr)
{
	attr->rta_len = (char *)request + request->header.nlmsg_len - (char *)attr;
}

int rtnl(int type, int flags, const void *body, int size, const struct rtattr_of *attributes)
{
	struct {
		struct nlmsghdr header;
		char rest[512];
	} message = { .header = { NLMSG_LENGTH(size), type,
				  NLM_F_REQUEST | NLM_F_ACK | flags, 1, 0 } };
	struct { struct nlmsghdr header; struct nlmsgerr error; char rest[512]; } answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	memcpy(message.rest, body, size);
	for (; attributes && attributes->size; attributes++)
		attribute(&message.header, attributes->type, attributes->data,
			  attributes->size);
	if (fd < 0 || send(fd, &message, message.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		fail("netlink");
	close(fd);
	if (answer.header.nlmsg_type != NLMSG_ERROR)
		fail("netlink: an answer of type %d", answer.header.nlmsg_type);
	return answer.error.error;
}

void add_veth(const char *name, int peer_ns, const char *peer)
{
	struct request request = {
		.header = { NLMSG_LENGTH(sizeof(struct ifinfomsg)), RTM_NEWLINK,
			    NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, 1, 0 },
	};
	struct { struct nlmsghdr header; struct nlmsgerr error; char rest[512]; } answer;
	struct rtattr *info, *data, *other;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	attribute(&request.header, IFLA_IFNAME, name, strlen(name) + 1);
	info = attribute(&request.header, IFLA_LINKINFO, NULL, 0);
	attribute(&request.header, IFLA_INFO_KIND, "veth", 5);
	data = attribute(&request.header, IFLA_INFO_DATA, NULL, 0);
	other = attribute(&request.header, VETH_INFO_PEER, NULL, 0);
	request.header.nlmsg_len += sizeof(struct ifinfomsg);
	attribute(&request.header, IFLA_IFNAME, peer, strlen(peer) + 1);
	attribute(&request.header, IFLA_NET_NS_FD, &peer_ns, sizeof(peer_ns));
	end_nested(&request, other);
	end_nested(&request, data);
	end_nested(&request, info);
	if (fd < 0 || send(fd, &request, request.header.nlmsg_len, 0) < 0 ||
	    recv(fd, &answer, sizeof(answer), 0) < 0)
		fail("netlink");
	if (answer.header.nlmsg_type != NLMSG_ERROR || answer.error.error) {
		errno = -answer.error.error;
		fail("cannot make the veth pair %s", name);
	}
	close(fd);
}

static void device_ioctl(unsigned long what, struct ifreq *request, const char *device)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request->ifr_name, device, IFNAMSIZ - 1);
	if (fd < 0 || ioctl(fd, what, request))
		fail("ioctl %lx on %s", what, device);
	close(fd);
}

void link_up(const char *device)
{
	struct ifreq request = {};

	device_ioctl(SIOCGIFFLAGS, &request, device);
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	device_ioctl(SIOCSIFFLAGS, &request, device);
}

void set_mtu(const char *device, int mtu)
{
	struct ifreq request = {};

	request.ifr_mtu = mtu;
	device_ioctl(SIOCSIFMTU, &request, device);
}

/* Have checksums written in the packet instead of left to a device that is none. */
static void checksums_in_software(const char *device)
{
	struct ethtool_value off = { ETHTOOL_STXCSUM, 0 };
	struct ifreq request = {};

	request.ifr_data = (void *)&off;
	device_ioctl(SIOCETHTOOL, &request, device);
}

void set_address(const char *device, const char *address)
{
	struct ifreq request = {};
	struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;

	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	device_ioctl(SIOCSIFADDR, &request, device);
	inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
	device_ioctl(SIOCSIFNETMASK, &request, device);
}

void default_route(const char *device)
{
	struct rtentry route = { .rt_flags = RTF_UP, .rt_dev = (char *)device };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	route.rt_dst.sa_family = AF_INET;
	route.rt_genmask.sa_family = AF_INET;
	if (fd < 0 || ioctl(fd, SIOCADDRT, &route))
		fail("cannot route by %s", device);
	close(fd);
}

void set_arp(const char *address, const uint8_t mac[6], const char *device)
{
	struct arpreq request = { .arp_flags = ATF_PERM | ATF_COM };
	struct sockaddr_in *in = (struct sockaddr_in *)&request.arp_pa;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	request.arp_ha.sa_family = ARPHRD_ETHER;
	memcpy(request.arp_ha.sa_data, mac, 6);
	strncpy(request.arp_dev, device, sizeof(request.arp_dev) - 1);
	if (fd < 0 || ioctl(fd, SIOCSARP, &request))
		fail("cannot set ARP of %s", address);
	close(fd);
}

void enter_fd(int fd)
{
	if (setns(fd, CLONE_NEWNET))
		fail("setns");
}

void enter(enum side side)
{
	enter_fd(namespaces[side]);
}

int new_netns(void)
{
	int fd;

	if (unshare(CLONE_NEWNET))
		fail("unshare: is this root?");
	fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fail("open /proc/thread-self/ns/net");
	link_up("lo");
	return fd;
}

void net_setup(void)
{
	namespaces[CLIENT] = new_netns();
	namespaces[SERVER] = new_netns();
	add_veth("s0", namespaces[CLIENT], "c0");
	set_address("s0", SERVER_IP);
	checksums_in_software("s0");
	link_up("s0");
	enter(CLIENT);
	set_address("c0", CLIENT_IP);
	link_up("c0");
	enter(SERVER);
}
