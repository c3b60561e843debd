/* An MQTT CONNECT through a WebSocket, and the broker's answer.
 *   mqtt HOST-ADDRESS PORT */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <ws.h>
#include <zephyr/net/websocket.h>

int main(int argc, char **argv)
{
	/* CONNECT of MQTT 3.1.1, clean session, 60 s, client "c". */
	static const uint8_t packet[] = {0x10, 13, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 60, 0, 1, 'c'};
	static const char *headers[] = {"Sec-WebSocket-Protocol: mqtt\r\n", NULL};
	static uint8_t lent[512], answer[64];
	struct websocket_request request;
	struct sockaddr_in address;
	int sock, ws, got;

	memset(&address, 0, sizeof(address));
	address.sin_family = AF_INET;
	if (argc < 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "mqtt ADDRESS PORT\n");
		return 2;
	}
	address.sin_port = htons((unsigned short)atoi(argv[2]));
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (sock < 0 || connect(sock, (struct sockaddr *)&address, sizeof(address)) != 0) {
		perror("connect");
		return 1;
	}
	memset(&request, 0, sizeof(request));
	request.host = argv[1];
	request.url = "/mqtt";
	request.optional_headers = headers;
	request.tmp_buf = lent;
	request.tmp_buf_len = sizeof(lent);
	ws = websocket_connect(sock, &request, 5000, NULL);
	if (ws < 0) {
		fprintf(stderr, "%s\n", ws_strerror(ws));
		return 1;
	}
	/* The socket face: what is sent is binary, as MQTT wants it. */
	got = ws_send(ws, packet, sizeof(packet), 5000);
	if (got >= 0) {
		got = ws_recv(ws, answer, sizeof(answer), 5000);
	}
	if (got >= 4 && answer[0] == 0x20) {
		printf("CONNACK, code %d\n", answer[3]);
	}
	ws_close(ws);
	close(sock);
	return got < 4;
}
