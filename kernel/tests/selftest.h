/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the in-guest tests share beside the harness. */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "harness.h"

#define PORT 8080
#define LEVEL "net/ipv4/tcp_faltcon"
#define K_T "net/ipv4/tcp_faltcon_threshold"
#define WINDOW "net/ipv4/tcp_faltcon_window_ms"
#define TIMER "net/ipv4/tcp_faltcon_timer_ms"
#define MAX_PAIRS "net/ipv4/tcp_faltcon_max_pairs"
#define MAX_OBJECTS "net/ipv4/tcp_faltcon_max_objects"

extern const struct options full;

/* A warm f-pair of the client and a listener, at this level; windows do not end meanwhile. */
int warm(int level);
/* The same with the handmade client (RAW_IP), which it opens. */
int warm_raw(int level, struct raw *raw);
/* The SYNACK for this SYN; the half-open connection is reset. */
void synack_for(struct raw *raw, int sport, uint32_t seq, const struct options *options,
		struct packet *synack);
/* Handshake and accept; both ends are reset. */
void raw_establish(struct raw *raw, int listener, int sport, const struct options *options);
/* After a change, the SYNACK of this level is what level 0 would send. */
void same_after_at(int level, struct raw *raw, int listener, const char *what);
void set_int(int fd, int level, int name, int value, const char *what);

#define TEST(name) { #name, name }

/* Tests, by file. Each array ends with a test without a name. */
extern const struct test path_tests[];		/* path.c */
extern const struct test listener_tests[];	/* listeners.c */
extern const struct test route_tests[];		/* routes.c */
extern const struct test life_tests[];		/* life.c */
extern const struct test netfilter_tests[];	/* netfilter.c */

#endif
