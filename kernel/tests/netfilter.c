// SPDX-License-Identifier: GPL-2.0-or-later
/* Rules that rewrite a SYNACK after TCP has made it: what is kept must not see their bytes. */
#define _GNU_SOURCE
#include "selftest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter_ipv4.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OTHER_PORT 8081
#define SMALL_MSS 900

/* A batch of requests to nf_tables; the guest has no nft. */
struct batch {
	char bytes[2048] __attribute__((aligned(NLMSG_ALIGNTO)));
	int length;
	struct nlmsghdr *message;
	int acks;
};

static void batch_message(struct batch *batch, int type, int flags)
{
	struct nfgenmsg body = { .nfgen_family = NFPROTO_IPV4, .version = NFNETLINK_V0 };
	bool frame = type == NFNL_MSG_BATCH_BEGIN || type == NFNL_MSG_BATCH_END;

	if (frame)
		body.res_id = htons(NFNL_SUBSYS_NFTABLES);
	else
		type |= NFNL_SUBSYS_NFTABLES << 8;
	batch->message = (void *)(batch->bytes + batch->length);
	*batch->message = (struct nlmsghdr){ NLMSG_LENGTH(sizeof(body)), type,
					     NLM_F_REQUEST | flags, 1, 0 };
	memcpy(NLMSG_DATA(batch->message), &body, sizeof(body));
	batch->length += NLMSG_ALIGN(batch->message->nlmsg_len);
	batch->acks += !!(flags & NLM_F_ACK);
}

static struct nlattr *put(struct batch *batch, int type, const void *data, int size)
{
	struct nlattr *attr = (void *)(batch->bytes + batch->length);

	if (batch->length + NLA_HDRLEN + NLA_ALIGN(size) > (int)sizeof(batch->bytes))
		fail("netlink: too long");
	attr->nla_type = type;
	attr->nla_len = NLA_HDRLEN + size;
	if (size)
		memcpy((char *)attr + NLA_HDRLEN, data, size);
	batch->length += NLA_ALIGN(attr->nla_len);
	batch->message->nlmsg_len = batch->bytes + batch->length - (char *)batch->message;
	return attr;
}

static void put_string(struct batch *batch, int type, const char *text)
{
	put(batch, type, text, strlen(text) + 1);
}

static void put_number(struct batch *batch, int type, uint32_t value)
{
	value = htonl(value);
	put(batch, type, &value, sizeof(value));
}

static struct nlattr *open_nested(struct batch *batch, int type)
{
	return put(batch, type | NLA_F_NESTED, NULL, 0);
}

static void close_nested(struct batch *batch, struct nlattr *attr)
{
	attr->nla_len = batch->bytes + batch->length - (char *)attr;
}

/* Sixteen bits in a register or a comparison. */
static void put_short(struct batch *batch, int type, uint16_t value)
{
	struct nlattr *data = open_nested(batch, type);

	value = htons(value);
	put(batch, NFTA_DATA_VALUE, &value, sizeof(value));
	close_nested(batch, data);
}

struct expression {
	struct nlattr *element, *data;
};

static struct expression open_expression(struct batch *batch, const char *name)
{
	struct expression e;

	e.element = open_nested(batch, NFTA_LIST_ELEM);
	put_string(batch, NFTA_EXPR_NAME, name);
	e.data = open_nested(batch, NFTA_EXPR_DATA);
	return e;
}

static void close_expression(struct batch *batch, struct expression e)
{
	close_nested(batch, e.data);
	close_nested(batch, e.element);
}

/* Begin a batch that makes a table with one chain, and a rule that is to be filled. */
static struct nlattr *begin_rule(struct batch *batch, const char *type, int hook, int priority)
{
	struct nlattr *nested;

	batch_message(batch, NFNL_MSG_BATCH_BEGIN, 0);
	batch_message(batch, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_ACK);
	put_string(batch, NFTA_TABLE_NAME, "t");
	batch_message(batch, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_ACK);
	put_string(batch, NFTA_CHAIN_TABLE, "t");
	put_string(batch, NFTA_CHAIN_NAME, "c");
	put_string(batch, NFTA_CHAIN_TYPE, type);
	nested = open_nested(batch, NFTA_CHAIN_HOOK);
	put_number(batch, NFTA_HOOK_HOOKNUM, hook);
	put_number(batch, NFTA_HOOK_PRIORITY, priority);
	close_nested(batch, nested);
	batch_message(batch, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND | NLM_F_ACK);
	put_string(batch, NFTA_RULE_TABLE, "t");
	put_string(batch, NFTA_RULE_CHAIN, "c");
	return open_nested(batch, NFTA_RULE_EXPRESSIONS);
}

static void put_immediate(struct batch *batch, uint16_t value)
{
	struct expression e = open_expression(batch, "immediate");

	put_number(batch, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_short(batch, NFTA_IMMEDIATE_DATA, value);
	close_expression(batch, e);
}

/* Send it and read what the kernel says; a kernel without nf_tables skips the test. */
static void commit(struct batch *batch)
{
	struct { struct nlmsghdr header; struct nlmsgerr error; char rest[2048]; } answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	if (fd < 0 && errno == EPROTONOSUPPORT)
		skip("this kernel has no netfilter");
	batch_message(batch, NFNL_MSG_BATCH_END, 0);
	if (fd < 0 || send(fd, batch->bytes, batch->length, 0) != batch->length)
		fail("netlink");
	while (batch->acks--) {
		if (recv(fd, &answer, sizeof(answer), 0) < (int)sizeof(answer.header) +
		    (int)sizeof(answer.error) || answer.header.nlmsg_type != NLMSG_ERROR)
			fail("netlink: no answer");
		if (answer.error.error == -EOPNOTSUPP)
			skip("this kernel has no nf_tables");
		check_eq(answer.error.error, 0);
	}
	close(fd);
}

/* tcp dport OTHER_PORT redirect to :PORT */
static void redirect_other_port(void)
{
	struct batch batch = {};
	struct nlattr *rule = begin_rule(&batch, "nat", NF_INET_PRE_ROUTING, NF_IP_PRI_NAT_DST);
	struct expression e = open_expression(&batch, "payload");

	put_number(&batch, NFTA_PAYLOAD_DREG, NFT_REG_1);
	put_number(&batch, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER);
	put_number(&batch, NFTA_PAYLOAD_OFFSET, 2);
	put_number(&batch, NFTA_PAYLOAD_LEN, 2);
	close_expression(&batch, e);
	e = open_expression(&batch, "cmp");
	put_number(&batch, NFTA_CMP_SREG, NFT_REG_1);
	put_number(&batch, NFTA_CMP_OP, NFT_CMP_EQ);
	put_short(&batch, NFTA_CMP_DATA, OTHER_PORT);
	close_expression(&batch, e);
	put_immediate(&batch, PORT);
	e = open_expression(&batch, "redir");
	put_number(&batch, NFTA_REDIR_REG_PROTO_MIN, NFT_REG_1);
	close_expression(&batch, e);
	close_nested(&batch, rule);
	commit(&batch);
}

/* On output: tcp option maxseg size set SMALL_MSS */
static void clamp_mss(void)
{
	struct batch batch = {};
	struct nlattr *rule = begin_rule(&batch, "filter", NF_INET_LOCAL_OUT, NF_IP_PRI_FILTER);
	struct expression e;
	uint8_t mss = 2;

	put_immediate(&batch, SMALL_MSS);
	e = open_expression(&batch, "exthdr");
	put_number(&batch, NFTA_EXTHDR_SREG, NFT_REG_1);
	put(&batch, NFTA_EXTHDR_TYPE, &mss, sizeof(mss));
	put_number(&batch, NFTA_EXTHDR_OFFSET, 2);
	put_number(&batch, NFTA_EXTHDR_LEN, 2);
	put_number(&batch, NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
	close_expression(&batch, e);
	close_nested(&batch, rule);
	commit(&batch);
}

static void delete_table(void)
{
	struct batch batch = {};

	batch_message(&batch, NFNL_MSG_BATCH_BEGIN, 0);
	batch_message(&batch, NFT_MSG_DELTABLE, NLM_F_ACK);
	put_string(&batch, NFTA_TABLE_NAME, "t");
	commit(&batch);
}

/* A warm f-pair of the tun device's client: its SYNACKs are kept as they were sent. */
static struct raw warm_tun(int level, int *listener)
{
	struct raw raw;
	int n;

	*listener = warm(level);
	raw = raw_open_tun();
	for (n = 0; n < 5; n++)
		raw_establish(&raw, *listener, 30000 + n, &full);
	check_eq(kept("f_pairs"), 2);
	return raw;
}

/* The SYNACK for a SYN to this port, and whether it was made from what is kept. */
static struct packet synack_from(struct raw *raw, int sport, int port, int level)
{
	long pulls = counter("TCPFaltconSkbPulls"), headers = counter("TCPFaltconHeaders");
	struct packet synack;

	raw_send(raw, sport, port, TH_SYN, 100, 0, &full, 7777);
	if (!raw_receive(raw, sport, &synack, 3000))
		fail("no SYNACK from port %d", port);
	check_eq(packet_flags(&synack), TH_SYN | TH_ACK);
	check_eq(packet_ack(&synack), 101);
	check_eq(synack.bytes[20] << 8 | synack.bytes[21], port);
	check(packet_checksums_good(&synack));
	check_eq(counter("TCPFaltconSkbPulls") - pulls, 1);
	check_eq(counter("TCPFaltconHeaders") - headers, level >= 2);
	raw_send(raw, sport, port, TH_RST, 101, 0, NULL, 0);
	return synack;
}

static int mss_of(const struct packet *synack)
{
	return synack->bytes[42] << 8 | synack->bytes[43];
}

/* A redirected connection has the f-key of a direct one: their SYNACKs differ in the source
 * port alone, which netfilter writes into the sent buffer.
 */
static void rewritten__by_nat(int level)
{
	int listener, n, sport = 40000;
	struct raw raw = warm_tun(level, &listener);
	struct packet direct, again, other;

	direct = synack_from(&raw, sport++, PORT, level);
	redirect_other_port();
	for (n = 0; n < 5; n++) {
		other = synack_from(&raw, sport++, OTHER_PORT, level);
		again = synack_from(&raw, sport, PORT, level);
	}
	check_eq(kept("f_pairs"), 2);
	direct.bytes[22] = sport >> 8;
	direct.bytes[23] = sport;
	packet_blank(&direct);
	packet_blank(&again);
	check_eq(again.length, direct.length);
	check(!memcmp(again.bytes, direct.bytes, direct.length));
	check_eq(other.length, direct.length);
	close(listener);
}

static void rewritten__by_nat_level_1(void)
{
	rewritten__by_nat(1);
}

static void rewritten__by_nat_level_2(void)
{
	rewritten__by_nat(2);
}

static void rewritten__by_nat_level_3(void)
{
	rewritten__by_nat(3);
}

/* A rule that clamps the MSS of SYNACKs acts on each, and leaves nothing behind. */
static void rewritten__mss(int level)
{
	int listener, n, sport = 40000;
	struct raw raw = warm_tun(level, &listener);
	struct packet synack = synack_from(&raw, sport++, PORT, level);
	int mss = mss_of(&synack);

	check_eq(mss, 1460);
	clamp_mss();
	for (n = 0; n < 5; n++) {
		synack = synack_from(&raw, sport++, PORT, level);
		check_eq(mss_of(&synack), SMALL_MSS);
	}
	delete_table();
	for (n = 0; n < 5; n++) {
		synack = synack_from(&raw, sport++, PORT, level);
		check_eq(mss_of(&synack), mss);
	}
	close(listener);
}

static void rewritten__mss_level_1(void)
{
	rewritten__mss(1);
}

static void rewritten__mss_level_2(void)
{
	rewritten__mss(2);
}

static void rewritten__mss_level_3(void)
{
	rewritten__mss(3);
}

const struct test netfilter_tests[] = {
	TEST(rewritten__by_nat_level_1),
	TEST(rewritten__by_nat_level_2),
	TEST(rewritten__by_nat_level_3),
	TEST(rewritten__mss_level_1),
	TEST(rewritten__mss_level_2),
	TEST(rewritten__mss_level_3),
	{ NULL, NULL },
};
