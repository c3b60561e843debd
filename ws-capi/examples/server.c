/* An echo server on POSIX: up to 8 clients in one thread.
 *   server [PORT]      prints the port it listens on */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ws.h>
#include <zephyr/net/websocket.h>

#define CLIENTS 8

static uint8_t lent[CLIENTS][1024];
static struct ws_pollfd clients[CLIENTS];

static int listen_on(unsigned short port)
{
	struct sockaddr_in address;
	socklen_t length = sizeof(address);
	int on = 1, sock = socket(AF_INET, SOCK_STREAM, 0);

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(port);
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(sock, (struct sockaddr *)&address, length) != 0 || listen(sock, 8) != 0 ||
	    getsockname(sock, (struct sockaddr *)&address, &length) != 0) {
		perror("listen");
		exit(1);
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return sock;
}

/* Echoes a piece of a message; less than 0 where the client is gone. */
static int echo(int ws)
{
	static uint8_t piece[65536];
	uint32_t type;
	uint64_t remaining;
	int got = websocket_recv_msg(ws, piece, sizeof(piece), &type, &remaining, 0);

	if (got < 0) {
		return got;
	}
	if (type & WEBSOCKET_FLAG_CLOSE) {
		return -1;
	}
	if (remaining > 0 || !(type & WEBSOCKET_FLAG_FINAL)) {
		return -1; /* longer than this server takes, or in fragments */
	}
	got = websocket_send_msg(ws, piece, (size_t)got,
				 type & WEBSOCKET_FLAG_TEXT ? WEBSOCKET_OPCODE_DATA_TEXT
							    : WEBSOCKET_OPCODE_DATA_BINARY,
				 false, true, 5000);
	return got;
}

int main(int argc, char **argv)
{
	int listening = listen_on((unsigned short)(argc > 1 ? atoi(argv[1]) : 0));
	int i;

	for (i = 0; i < CLIENTS; i++) {
		clients[i].ws = -1;
		clients[i].events = WS_POLLIN;
	}
	for (;;) {
		struct ws_pollfd open[CLIENTS];
		int place[CLIENTS], count = 0, free_place = -1;

		for (i = 0; i < CLIENTS; i++) {
			if (clients[i].ws < 0) {
				free_place = i;
			} else {
				place[count] = i;
				open[count++] = clients[i];
			}
		}
		if (free_place >= 0) {
			int ws = ws_accept(listening, lent[free_place], sizeof(lent[0]), NULL,
					   count == 0 ? 1000 : 5);

			if (ws >= 0) {
				clients[free_place].ws = ws;
				continue;
			}
		}
		if (ws_poll(open, (size_t)count, 5) <= 0) {
			continue;
		}
		for (i = 0; i < count; i++) {
			if (open[i].revents != 0 && echo(open[i].ws) < 0) {
				websocket_disconnect(open[i].ws);
				clients[place[i]].ws = -1;
			}
		}
	}
}
