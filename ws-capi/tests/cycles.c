/* 1,000 connections, one after another, to `server` on the loopback: no context and no descriptor is
 * left over. Then two threads on one id. Prints OK. */
#define _DEFAULT_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ws.h>
#include <zephyr/net/websocket.h>

static unsigned short port;
static uint8_t lent[256];

static void check(int holds, const char *what, int value)
{
	if (!holds) {
		printf("%s: %d\n", what, value);
		exit(1);
	}
}

static int dial(void)
{
	struct sockaddr_in address;
	int sock = socket(AF_INET, SOCK_STREAM, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	check(connect(sock, (struct sockaddr *)&address, sizeof(address)) == 0, "dial", errno);
	return sock;
}

static int open_ws(int sock)
{
	struct websocket_request request;

	memset(&request, 0, sizeof(request));
	request.host = "localhost";
	request.url = "/";
	request.tmp_buf = lent;
	request.tmp_buf_len = sizeof(lent);
	return websocket_connect(sock, &request, 5000, NULL);
}

static void *sender(void *id)
{
	int ws = *(int *)id, i;

	for (i = 0; i < 2000; i++) {
		uint8_t text[16];
		int len = snprintf((char *)text, sizeof(text), "%d", i);
		int sent = websocket_send_msg(ws, text, (size_t)len, WEBSOCKET_OPCODE_DATA_TEXT,
					      true, true, 5000);

		check(sent == len, "send", sent);
	}
	return NULL;
}

static void *waiter(void *id)
{
	uint8_t text[4];
	int got = websocket_recv_msg(*(int *)id, text, sizeof(text), NULL, NULL, SYS_FOREVER_MS);

	check(got == -EBADF, "ended by another thread", got);
	return NULL;
}

/* What cannot be sent as it is: nothing goes out, and the TCP socket goes on. */
static void refused_arguments(void)
{
	static const char *no_colon[] = {"nothing\r\n", NULL};
	static const char *owned[] = {"Upgrade: x\r\n", NULL};
	static const char *two_lines[] = {"A: b\r\nC: d\r\n", NULL};
	static const char **const lists[] = {no_colon, owned, two_lines};
	struct websocket_request request;
	uint8_t byte;
	int i, sockets[2];

	check(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "socketpair", errno);
	memset(&request, 0, sizeof(request));
	request.host = "localhost";
	request.url = "/";
	request.tmp_buf = lent;
	request.tmp_buf_len = 255;
	check(websocket_connect(sockets[0], &request, 0, NULL) == -EINVAL, "255 bytes", 0);
	request.tmp_buf_len = sizeof(lent);
	for (i = 0; i < 3; i++) {
		request.optional_headers = lists[i];
		check(websocket_connect(sockets[0], &request, 0, NULL) == -EINVAL, "header", i);
	}
	request.optional_headers = NULL;
	request.url = "/ HTTP/1.1";
	check(websocket_connect(sockets[0], &request, 0, NULL) == -EINVAL, "url", 0);
	check(recv(sockets[1], &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN, "bytes", errno);
	check(ws_accept(-1, lent, sizeof(lent), NULL, 0) == -EINVAL, "accept on -1", 0);
	check(ws_accept(sockets[0], lent, 255, NULL, 0) == -EINVAL, "accept, 255 bytes", 0);
	close(sockets[0]);
	close(sockets[1]);
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int first, i, sock, ws, flags;

	port = (unsigned short)(argc > 1 ? atoi(argv[1]) : 0);
	first = dial();
	close(first);
	for (i = 0; i < 1000; i++) {
		sock = dial();
		check(sock == first, "a descriptor is left over", sock);
		flags = fcntl(sock, F_GETFL);
		ws = open_ws(sock);
		check(ws >= 0, "connect", ws);
		check(open_ws(sock) == -EEXIST, "the same socket again", i);
		check(websocket_disconnect(ws) == 0, "disconnect", i);
		check(websocket_disconnect(ws) == -EBADF, "a stale id", i);
		check(fcntl(sock, F_GETFL) == flags, "the flags of the socket", i);
		check(close(sock) == 0, "the socket is the program's", errno);
	}
	check(websocket_recv_msg(-1, lent, 1, NULL, NULL, 0) == -EBADF, "id -1", 0);
	check(websocket_recv_msg(12345, NULL, 1, NULL, NULL, 0) == -EINVAL, "NULL", 0);
	check(websocket_connect(0, NULL, 0, NULL) == -EINVAL, "no request", 0);
	check(ws_poll(NULL, 3, 0) == -EINVAL, "no list", 0);
	check(ws_poll(NULL, 0, 0) == 0, "an empty list", 0);

	sock = dial();
	ws = open_ws(sock);
	check(ws >= 0, "connect", ws);
	check(pthread_create(&thread, NULL, sender, &ws) == 0, "thread", 0);
	for (i = 0; i < 2000; i++) {
		uint8_t text[16], wanted[16];
		int len = snprintf((char *)wanted, sizeof(wanted), "%d", i);
		int got = websocket_recv_msg(ws, text, sizeof(text), NULL, NULL, 5000);

		check(got == len && memcmp(text, wanted, (size_t)len) == 0, "receive", got);
	}
	pthread_join(thread, NULL);
	check(pthread_create(&thread, NULL, waiter, &ws) == 0, "thread", 0);
	usleep(100000);
	check(websocket_disconnect(ws) == 0, "disconnect", ws);
	pthread_join(thread, NULL);
	close(sock);
	refused_arguments();
	puts("OK");
	return 0;
}
