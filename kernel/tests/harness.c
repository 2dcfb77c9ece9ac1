// SPDX-License-Identifier: GPL-2.0-or-later
/* KTAP, counters and sockets of the in-guest tests. Each test runs in a child process. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CODE_FAIL 1
#define CODE_SKIP 4
#define TEST_SECONDS 120

void note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("    # ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
}

void fail_at(const char *file, int line, const char *format, ...)
{
	va_list args;
	int code = errno;

	va_start(args, format);
	printf("    # %s:%d: ", file, line);
	vprintf(format, args);
	printf(" (errno %s)\n", code ? strerror(code) : "none");
	va_end(args);
	fflush(stdout);
	_exit(CODE_FAIL);
}

void skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("    # skipped: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(CODE_SKIP);
}

static void sysctl_path(char *path, size_t size, const char *name)
{
	snprintf(path, size, "/proc/sys/%s", name);
}

bool sysctl_exists(const char *name)
{
	char path[256];

	sysctl_path(path, sizeof(path), name);
	return access(path, F_OK) == 0;
}

bool sysctl_takes(const char *name, long value)
{
	char path[256];
	FILE *file;

	sysctl_path(path, sizeof(path), name);
	file = fopen(path, "w");
	return file && fprintf(file, "%ld", value) >= 0 && !fclose(file);
}

void sysctl_set(const char *name, long value)
{
	if (!sysctl_takes(name, value))
		fail("cannot write %ld to %s", value, name);
}

long sysctl_get(const char *name)
{
	char path[256];
	long value;
	FILE *file;

	sysctl_path(path, sizeof(path), name);
	file = fopen(path, "r");
	if (!file || fscanf(file, "%ld", &value) != 1)
		fail("cannot read %s", path);
	fclose(file);
	return value;
}

long counter(const char *name)
{
	static char names[16384], values[16384];
	FILE *file = fopen("/proc/thread-self/net/netstat", "r");
	long result = -1;

	if (!file)
		fail("cannot open netstat");
	while (fgets(names, sizeof(names), file) && fgets(values, sizeof(values), file)) {
		char *n_end, *v_end, *n, *v;

		if (strncmp(names, "TcpExt:", 7))
			continue;
		n = strtok_r(names, " \n", &n_end);
		v = strtok_r(values, " \n", &v_end);
		while (n && v) {
			if (!strcmp(n, name))
				result = atol(v);
			n = strtok_r(NULL, " \n", &n_end);
			v = strtok_r(NULL, " \n", &v_end);
		}
	}
	fclose(file);
	if (result < 0)
		fail("no counter %s", name);
	return result;
}

long kept(const char *column)
{
	FILE *file = fopen("/proc/thread-self/net/tcp_faltcon", "r");
	char line[512], *save, *word;
	int index = -1, i;
	long sum = 0;

	if (!file || !fgets(line, sizeof(line), file))
		fail("cannot read /proc/net/tcp_faltcon");
	for (i = 0, word = strtok_r(line, " \n", &save); word;
	     word = strtok_r(NULL, " \n", &save), i++)
		if (!strcmp(word, column))
			index = i;
	if (index < 0)
		fail("no column %s", column);
	while (fgets(line, sizeof(line), file)) {
		word = strtok_r(line, " \n", &save);
		for (i = 0; word && i < index; i++)
			word = strtok_r(NULL, " \n", &save);
		sum += word ? atol(word) : 0;
	}
	fclose(file);
	return sum;
}

void sleep_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };

	while (nanosleep(&time, &time) && errno == EINTR)
		;
}

void wait_kept(const char *column, long value, int timeout_ms)
{
	int waited;

	for (waited = 0; kept(column) != value; waited += 10) {
		if (waited >= timeout_ms)
			fail("%s is %ld, expected %ld within %d ms", column, kept(column),
			     value, timeout_ms);
		sleep_ms(10);
	}
}

void pin_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("cannot run on CPU %d", cpu);
}

int cpus(void)
{
	return sysconf(_SC_NPROCESSORS_ONLN);
}

static struct sockaddr_in address_of(const char *text, int port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, text, &address.sin_addr) != 1)
		fail("no address: %s", text);
	return address;
}

int listen_on(const char *text, int port, int backlog)
{
	struct sockaddr_in address = address_of(text, port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, backlog))
		fail("cannot listen on %s:%d", text, port);
	return fd;
}

int connect_to(const char *text, int port)
{
	struct sockaddr_in address = address_of(text, port);
	struct linger linger = { 1, 0 };
	struct timeval timeout = { 10, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Reset at close: no TIME_WAIT to run out of ports. */
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)))
		fail("cannot make a socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)))
		fail("cannot connect to %s:%d", text, port);
	return fd;
}

void handshake(int listener, int port)
{
	int client, server;
	char byte = 'f';

	enter(CLIENT);
	client = connect_to(SERVER_IP, port);
	enter(SERVER);
	server = accept(listener, NULL, NULL);
	if (server < 0)
		fail("accept");
	check_eq(write(client, &byte, 1), 1);
	byte = 0;
	check_eq(read(server, &byte, 1), 1);
	check_eq(byte, 'f');
	close(client);
	close(server);
}

void handshakes(int listener, int port, int n)
{
	while (n--)
		handshake(listener, port);
}

static bool wanted(const char *name, int argc, char **argv)
{
	int i;

	for (i = 1; i < argc; i++)
		if (strstr(name, argv[i]))
			return true;
	return argc < 2;
}

int run_tests(const struct test *tests, int argc, char **argv)
{
	int count = 0, failed = 0, number = 0;
	const struct test *test;

	for (test = tests; test->name; test++)
		count += wanted(test->name, argc, argv);
	printf("KTAP version 1\n1..%d\n", count);
	for (test = tests; test->name; test++) {
		int status;
		pid_t child;

		if (!wanted(test->name, argc, argv))
			continue;
		fflush(stdout);
		child = fork();
		if (!child) {
			alarm(TEST_SECONDS);
			net_setup();
			errno = 0;
			test->run();
			_exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child)
			status = CODE_FAIL << 8;
		number++;
		if (WIFEXITED(status) && !WEXITSTATUS(status)) {
			printf("ok %d %s\n", number, test->name);
		} else if (WIFEXITED(status) && WEXITSTATUS(status) == CODE_SKIP) {
			printf("ok %d %s # SKIP\n", number, test->name);
		} else {
			failed++;
			if (WIFSIGNALED(status))
				printf("    # ended by signal %d\n", WTERMSIG(status));
			printf("not ok %d %s\n", number, test->name);
		}
		fflush(stdout);
	}
	return failed ? 1 : 0;
}
