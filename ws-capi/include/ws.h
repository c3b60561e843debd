/* WebSockets for C: what Zephyr's header does not have. docs/c.md is the manual.
 *
 * Calls return 0 or more where they succeed and a negative errno where they fail; timeouts are in
 * milliseconds, 0 does not wait, a negative one waits for ever. */
#ifndef WS_H_
#define WS_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The shortest buffer that can be lent to a connection. */
#define WS_MIN_BUFFER 256

/* The values of zsock_poll's. */
#define WS_POLLIN 0x01
#define WS_POLLOUT 0x04
#define WS_POLLHUP 0x10
#define WS_POLLNVAL 0x20

/* At most so many in one ws_poll(). */
#define WS_POLL_MAX 32

struct ws_pollfd {
	int ws;
	short events;
	short revents;
};

/* Waits until something is there for one of fds, and returns for how many. Frames that were read
 * ahead count; Pings are answered on the way. -EINVAL for more than WS_POLL_MAX. */
int ws_poll(struct ws_pollfd *fds, size_t count, int32_t timeout);

/* Takes a TCP connection from a listening socket and does the server's handshake, at most for
 * timeout in all. One that asks for no WebSocket is answered with its status and closed, and the
 * next is taken. buf is lent to the connection until it ends, and the handshake is read there.
 * protocols, which may be NULL, are the subprotocols that are spoken: names, a NULL after the last,
 * at most 16. The TCP socket belongs to the id: each way to end the id closes it.
 * -EAGAIN where nobody came in time. */
int ws_accept(int listening, uint8_t *buf, size_t len, const char *const *protocols,
	      int32_t timeout);

/* The socket face: payload of data messages without their boundaries; what is sent is binary.
 * ws_send() returns how many bytes went out, ws_recv() 0 at the end of the connection. */
int ws_send(int ws, const void *data, size_t len, int32_t timeout);
int ws_recv(int ws, void *data, size_t len, int32_t timeout);
/* websocket_disconnect(). */
int ws_close(int ws);
/* Ends a connection with a code and a reason, which may be NULL; like websocket_disconnect(). */
int ws_close_with(int ws, uint16_t code, const char *reason);
/* The code of the peer's Close; 0 where none came yet, 1005 where it had none. */
int ws_close_code(int ws);

/* What a negative number that a call returned means, in English. */
const char *ws_strerror(int error);

/* Ports: what the library needs of its surroundings. A program has one, under the name ws_port; the
 * archive for POSIX brings it. */

/* What send, recv and accept return besides a count or a socket. */
#define WS_PORT_AGAIN (-1)  /* nothing can be done right now */
#define WS_PORT_FAILED (-2) /* the connection is gone */

/* What a call waits for: one socket, and WS_POLLIN, WS_POLLOUT or both. */
struct ws_wait {
	int sock;
	int events;
};

struct ws_port {
	/* Send and receive what can be without waiting. recv: 0 at the end of the stream. */
	int (*send)(int sock, const void *data, size_t len);
	int (*recv)(int sock, void *data, size_t len);
	/* Closes a TCP socket: for websocket_unregister() and what ws_accept() took. */
	void (*close)(int sock);
	/* Takes a connection without waiting. NULL where there is no server. */
	int (*accept)(int listening);
	/* Milliseconds from any origin; may wrap. */
	uint32_t (*now_ms)(void);
	/* Fills with randomness that a peer cannot predict; not 0 where that fails. */
	int (*random)(void *data, size_t len);
	/* Waits until one of the sockets is ready, at most for ms; may return early. Without sockets
	 * it gives other threads a turn. */
	void (*wait)(const struct ws_wait *on, size_t count, uint32_t ms);
	/* A mutex, or masked interrupts. Held for short, never while another call of the port runs.
	 * NULL, both, in a program that has no threads. */
	void (*lock)(void);
	void (*unlock)(void);
};

extern const struct ws_port ws_port;

#ifdef __cplusplus
}
#endif
#endif
