/* A server whose every line goes to all who are connected: prints its port, then a line a second.
 *   print [PORT] */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <ws.h>
#include <zephyr/net/websocket.h>

#define CLIENTS 8

static uint8_t lent[CLIENTS][256];
static int clients[CLIENTS];

static void drop(int i)
{
	websocket_disconnect(clients[i]);
	clients[i] = -1;
}

/* printf to all. One that does not take a line within 100 ms is dropped. */
static void ws_printf(const char *format, ...)
{
	char line[256];
	va_list arguments;
	int i, length;

	va_start(arguments, format);
	length = vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	if (length < 0) {
		return;
	}
	if (length > (int)sizeof(line) - 1) {
		length = (int)sizeof(line) - 1;
	}
	for (i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0 &&
		    websocket_send_msg(clients[i], (const uint8_t *)line, (size_t)length,
				       WEBSOCKET_OPCODE_DATA_TEXT, false, true, 100) != length) {
			drop(i);
		}
	}
}

/* Takes who wants in, until ms are over, and notices who has gone. */
static void serve(int listening, int ms)
{
	uint8_t ignored[256];
	uint32_t type;
	int i, got;

	for (i = 0; i < CLIENTS; i++) {
		if (clients[i] >= 0) {
			do {
				got = websocket_recv_msg(clients[i], ignored, sizeof(ignored), &type,
							 NULL, 0);
			} while (got >= 0 && !(type & WEBSOCKET_FLAG_CLOSE));
			if (got != -EAGAIN) {
				drop(i);
			}
		}
	}
	for (i = 0; i < CLIENTS && clients[i] >= 0; i++) {
	}
	if (i < CLIENTS) {
		got = ws_accept(listening, lent[i], sizeof(lent[i]), NULL, ms);
		clients[i] = got < 0 ? -1 : got;
	} else {
		ws_poll(NULL, 0, ms);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int i, on = 1, sock = socket(AF_INET, SOCK_STREAM, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(sock, (struct sockaddr *)&address, length) != 0 || listen(sock, 8) != 0 ||
	    getsockname(sock, (struct sockaddr *)&address, &length) != 0) {
		perror("listen");
		return 1;
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	for (i = 0; i < CLIENTS; i++) {
		clients[i] = -1;
	}
	for (i = 0;; i++) {
		ws_printf("tick %d", i);
		serve(sock, 1000);
	}
}
