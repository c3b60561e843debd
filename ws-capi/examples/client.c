/* A client: connects by POSIX sockets, sends a text, prints what comes back.
 *   client HOST PORT PATH [TEXT] */
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ws.h>
#include <zephyr/net/websocket.h>

static int dial(const char *host, const char *port)
{
	struct addrinfo hints, *list, *one;
	int sock = -1;

	memset(&hints, 0, sizeof(hints));
	hints.ai_socktype = SOCK_STREAM;
	if (getaddrinfo(host, port, &hints, &list) != 0) {
		return -1;
	}
	for (one = list; one != NULL && sock < 0; one = one->ai_next) {
		sock = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
		if (sock >= 0 && connect(sock, one->ai_addr, one->ai_addrlen) != 0) {
			close(sock);
			sock = -1;
		}
	}
	freeaddrinfo(list);
	return sock;
}

int main(int argc, char **argv)
{
	static uint8_t lent[512], message[4096];
	struct websocket_request request;
	const char *text = argc > 4 ? argv[4] : "hello";
	char host[280];
	uint32_t type = 0;
	uint64_t remaining = 0;
	int sock, ws, got;

	if (argc < 4) {
		fprintf(stderr, "client HOST PORT PATH [TEXT]\n");
		return 2;
	}
	sock = dial(argv[1], argv[2]);
	if (sock < 0) {
		fprintf(stderr, "no TCP connection\n");
		return 1;
	}
	memset(&request, 0, sizeof(request));
	snprintf(host, sizeof(host), "%s:%s", argv[1], argv[2]);
	request.host = host;
	request.url = argv[3];
	request.tmp_buf = lent;
	request.tmp_buf_len = sizeof(lent);
	ws = websocket_connect(sock, &request, 5000, NULL);
	if (ws < 0) {
		fprintf(stderr, "connect: %s\n", ws_strerror(ws));
		close(sock);
		return 1;
	}
	got = websocket_send_msg(ws, (const uint8_t *)text, strlen(text),
				 WEBSOCKET_OPCODE_DATA_TEXT, true, true, 5000);
	if (got >= 0) {
		got = websocket_recv_msg(ws, message, sizeof(message), &type, &remaining, 5000);
	}
	if (got < 0) {
		fprintf(stderr, "%s\n", ws_strerror(got));
	} else {
		printf("%.*s\n", got, (const char *)message);
	}
	websocket_disconnect(ws);
	close(sock);
	return got < 0;
}
