/* Zephyr's WebSocket interface: names, types, values, member order and signatures are those of
 * Zephyr 4, the words are this file's own. It needs nothing but the C library's headers. In a tree
 * that has Zephyr's own headers those are used: leave this folder out of the search path. */
#ifndef ZEPHYR_INCLUDE_NET_WEBSOCKET_H_
#define ZEPHYR_INCLUDE_NET_WEBSOCKET_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_include)
#if __has_include(<zephyr/net/http/client.h>)
#include <zephyr/kernel.h>
#include <zephyr/net/http/client.h>
#define WS_HAS_ZEPHYR_HTTP 1
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

#ifndef SYS_FOREVER_MS
#define SYS_FOREVER_MS (-1)
#endif

#ifndef WS_HAS_ZEPHYR_HTTP
#define HTTP_STATUS_STR_SIZE 32

enum http_method {
	HTTP_DELETE = 0,
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 3,
	HTTP_PUT = 4,
	HTTP_CONNECT = 5,
	HTTP_OPTIONS = 6,
	HTTP_TRACE = 7
};

enum http_final_call { HTTP_DATA_MORE = 0, HTTP_DATA_FINAL = 1 };

struct http_parser;
struct http_request;
struct http_response;
struct net_sockaddr;

typedef int (*http_data_cb)(struct http_parser *parser, const char *at, size_t length);
typedef int (*http_cb)(struct http_parser *parser);
typedef int (*http_payload_cb_t)(int sock, struct http_request *req, void *user_data);
/* Sends header lines on sock by itself; a negative result ends the handshake. */
typedef int (*http_header_cb_t)(int sock, struct http_request *req, void *user_data);
typedef int (*http_response_cb_t)(struct http_response *rsp, enum http_final_call final_data,
				  void *user_data);

struct http_content_range {
	uint64_t start;
	uint64_t end;
	uint64_t total;
};

struct http_parser {
	unsigned int type : 2;
	unsigned int flags : 8;
	unsigned int state : 7;
	unsigned int header_state : 7;
	unsigned int index : 7;
	unsigned int lenient_http_headers : 1;
	uint32_t nread;
	uint64_t content_length;
	bool content_range_present;
	struct http_content_range content_range;
	unsigned short http_major;
	unsigned short http_minor;
	unsigned int status_code : 16;
	unsigned int method : 8;
	unsigned int http_errno : 7;
	unsigned int upgrade : 1;
	void *data;
	const struct net_sockaddr *addr;
};

struct http_parser_settings {
	http_cb on_message_begin;
	http_data_cb on_url;
	http_data_cb on_status;
	http_data_cb on_header_field;
	http_data_cb on_header_value;
	http_cb on_headers_complete;
	http_data_cb on_body;
	http_cb on_message_complete;
	http_cb on_chunk_header;
	http_cb on_chunk_complete;
};

struct http_response {
	const struct http_parser_settings *http_cb;
	http_response_cb_t cb;
	uint8_t *body_frag_start;
	size_t body_frag_len;
	uint8_t *recv_buf;
	size_t recv_buf_len;
	size_t data_len;
	size_t content_length;
	size_t processed;
	char http_status[HTTP_STATUS_STR_SIZE];
	uint16_t http_status_code;
	struct http_content_range content_range;
	uint8_t cl_present : 1;
	uint8_t body_found : 1;
	uint8_t message_complete : 1;
	uint8_t cr_present : 1;
};

struct http_client_internal_data {
	struct http_parser parser;
	struct http_parser_settings parser_settings;
	struct http_response response;
	void *user_data;
	int sock;
};

struct http_request {
	struct http_client_internal_data internal;
	enum http_method method;
	http_response_cb_t response;
	const struct http_parser_settings *http_cb;
	uint8_t *recv_buf;
	size_t recv_buf_len;
	size_t data_len;
	const char *url;
	const char *protocol;
	const char *const *header_fields;
	const char *content_type_value;
	const char *host;
	const char *port;
	http_payload_cb_t payload_cb;
	const char *payload;
	size_t payload_len;
	http_header_cb_t optional_headers_cb;
	const char **optional_headers;
};
#endif

/* What websocket_recv_msg() says of a frame. */
#define WEBSOCKET_FLAG_FINAL 0x00000001
#define WEBSOCKET_FLAG_TEXT 0x00000002
#define WEBSOCKET_FLAG_BINARY 0x00000004
#define WEBSOCKET_FLAG_CLOSE 0x00000008
#define WEBSOCKET_FLAG_PING 0x00000010
#define WEBSOCKET_FLAG_PONG 0x00000020

enum websocket_opcode {
	WEBSOCKET_OPCODE_CONTINUE = 0x00,
	WEBSOCKET_OPCODE_DATA_TEXT = 0x01,
	WEBSOCKET_OPCODE_DATA_BINARY = 0x02,
	WEBSOCKET_OPCODE_CLOSE = 0x08,
	WEBSOCKET_OPCODE_PING = 0x09,
	WEBSOCKET_OPCODE_PONG = 0x0A
};

/* Runs in websocket_connect() when the connection is open. A negative result ends it and is what
 * websocket_connect() returns. */
typedef int (*websocket_connect_cb_t)(int ws_sock, struct http_request *req, void *user_data);

struct websocket_request {
	const char *host;
	const char *url;
	http_header_cb_t optional_headers_cb; /* in place of optional_headers; may be NULL */
	const char **optional_headers; /* lines that end in CRLF, NULL after the last; may be NULL */
	websocket_connect_cb_t cb; /* may be NULL */
	const struct http_parser_settings *http_cb; /* may be NULL */
	uint8_t *tmp_buf; /* lent until the connection ends */
	size_t tmp_buf_len; /* at least 256 */
};

/* The client's handshake on a connected TCP socket, at most for timeout (ms). Returns an id, which is
 * not the TCP socket; that stays the caller's, also where this fails. */
int websocket_connect(int http_sock, struct websocket_request *req, int32_t timeout,
		      void *user_data);

/* Sends a frame, and returns how many bytes of its payload went out. Where those are not all, the rest
 * has to be sent by the next call. mask: true for a client, false for a server. */
int websocket_send_msg(int ws_sock, const uint8_t *payload, size_t payload_len,
		       enum websocket_opcode opcode, bool mask, bool final, int32_t timeout);

/* Receives a frame, or of a longer one as much as fits, and returns its length. remaining is what of
 * the frame is still to come. Where time ends within a frame: what came until then. */
int websocket_recv_msg(int ws_sock, uint8_t *buf, size_t buf_len, uint32_t *message_type,
		       uint64_t *remaining, int32_t timeout);

/* Sends a Close, and gives the id back; does not wait for the peer's. The TCP socket stays open. */
int websocket_disconnect(int ws_sock);

/* A server's connection whose handshake is done. recv_buf is lent until it ends. */
int websocket_register(int http_sock, uint8_t *recv_buf, size_t recv_buf_len);

/* Sends a Close, gives the id back, and closes the TCP socket. */
int websocket_unregister(int ws_sock);

/* Nothing has to be done. */
static inline void websocket_init(void)
{
}

#ifdef __cplusplus
}
#endif
#endif
