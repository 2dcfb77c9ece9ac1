// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Has the kernel make bugs with a warm f-pair's objects; what reads the console looks for
 * the reports. See kernel/patches/<base>/tests. The kernel is not to be trusted afterwards,
 * not even to destroy the namespaces, so this ends by power-off.
 *
 *   planted BUG...
 */
#define _GNU_SOURCE
#include "harness.h"

#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#define PORT 8080

static void scan_for_leaks(void)
{
	char line[256];
	FILE *file;
	int i;

	for (i = 0; i < 2; i++) {
		sleep_ms(6000);
		file = fopen("/sys/kernel/debug/kmemleak", "w");
		if (!file)
			return;
		fprintf(file, "scan");
		fclose(file);
	}
	file = fopen("/sys/kernel/debug/kmemleak", "r");
	while (file && fgets(line, sizeof(line), file))
		printf("%s", line);
	if (file)
		fclose(file);
}

int main(int argc, char **argv)
{
	int i, listener;

	pin_cpu(0);
	for (i = 1; i < argc; i++) {
		FILE *file;

		net_setup();
		sysctl_set("net/ipv4/tcp_faltcon_threshold", 0);
		sysctl_set("net/ipv4/tcp_faltcon_window_ms", 3600000);
		sysctl_set("net/ipv4/tcp_faltcon", 2);
		listener = listen_on("0.0.0.0", PORT, 16);
		handshakes(listener, PORT, 4);
		printf("planted: begin %s\n", argv[i]);
		fflush(stdout);
		file = fopen("/sys/module/tcp_faltcon_planted/parameters/bug", "w");
		if (!file || fputs(argv[i], file) < 0 || fclose(file))
			fail("cannot plant %s", argv[i]);
		if (!strcmp(argv[i], "leak"))
			scan_for_leaks();
		sleep_ms(500);
		printf("planted: end %s\n", argv[i]);
		fflush(stdout);
		close(listener);
	}
	printf("planted: all\n");
	fflush(stdout);
	reboot(RB_POWER_OFF);
	return 1;
}
