/* 1,000 connections, one after another, to `server` on the loopback: no context and no descriptor is
 * left over. Then two threads on one id. Prints OK. */
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
	check(websocket_disconnect(ws) == 0, "disconnect", ws);
	close(sock);
	puts("OK");
	return 0;
}
