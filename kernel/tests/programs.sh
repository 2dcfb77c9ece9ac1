# SPDX-License-Identifier: GPL-2.0-or-later
# Unmodified servers and clients in the guest, at each level: every byte is compared.
# Run by the guest's busybox sh; /site holds the files, /levels the levels to try.

FILES=40
number=0
result() {
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $number $2"
	else
		echo "not ok $number $2"
	fi
}

hits() {
	awk '/^TcpExt/ { if (!seen) { for (i = 2; i <= NF; i++) name[i] = $i; seen = 1 }
		else for (i = 2; i <= NF; i++) if (name[i] == "TCPFaltconHits") print $i }' \
		/proc/net/netstat
}

# Each file by a connection of its own, twenty at a time.
fetch_all() {
	bad=0
	rm -rf /tmp/got && mkdir /tmp/got
	curl -sS --no-keepalive -Z --parallel-max 20 -o "/tmp/got/#1" \
		"http://127.0.0.1:$1/[1-$FILES]" 2>/tmp/curl || { cat /tmp/curl; bad=1; }
	for file in $(seq $FILES); do
		cmp /site/$file /tmp/got/$file || bad=1
	done
	return $bad
}

bench_ab() {
	ab -q -n 200 -c 20 http://127.0.0.1:$1/7 >/tmp/ab 2>&1 || { cat /tmp/ab; return 1; }
	# A length that differs counts as failed.
	grep -q "^Failed requests: *0$" /tmp/ab && grep -q "^Complete requests: *200$" /tmp/ab &&
		grep -q "^Document Length: *$(wc -c </site/7) bytes$" /tmp/ab &&
		! grep -q "^Non-2xx" /tmp/ab || { cat /tmp/ab; return 1; }
}

bench_wrk() {
	wrk -t 1 -c 20 -d 2s -H "Connection: close" http://127.0.0.1:$1/7 >/tmp/wrk 2>&1 ||
		{ cat /tmp/wrk; return 1; }
	grep -q "requests in" /tmp/wrk && ! grep -q -e "^ *0 requests in" -e "Non-2xx" \
		-e "Socket errors: connect [1-9]" -e "write [1-9]" /tmp/wrk || { cat /tmp/wrk; return 1; }
}

mkdir -p /tmp/nginx /var/log/nginx /var/lib/nginx
nginx -c /etc/nginx.conf -p /tmp/nginx || echo "# nginx does not start"
lighttpd -f /etc/lighttpd.conf || echo "# lighttpd does not start"
for wait in 1 2 3 4 5 6 7 8 9 10; do
	curl -s -o /dev/null http://127.0.0.1:8081/1 &&
		curl -s -o /dev/null http://127.0.0.1:8082/1 && break
	sleep 1
done

echo "KTAP version 1"
echo "1..$(($(wc -w </levels) * 8))"
for level in $(cat /levels); do
	echo $level >/proc/sys/net/ipv4/tcp_faltcon
	for server in nginx:8081 lighttpd:8082; do
		port=${server#*:}
		name=${server%:*}__level_$level
		before=$(hits)
		fetch_all $port
		result $? ${name}__curl
		bench_ab $port
		result $? ${name}__ab
		bench_wrk $port
		result $? ${name}__wrk
		after=$(hits)
		echo "# $((after - before)) hits"
		if [ $level -eq 0 ]; then
			[ $after -eq $before ]
		else
			[ $((after - before)) -ge 100 ]
		fi
		result $? ${name}__hits
	done
done
