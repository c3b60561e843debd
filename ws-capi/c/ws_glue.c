/* The part of the library that depends on the program's headers: the numbers of its <errno.h>, and
 * Zephyr's structures as the program's headers lay them out. libws_capi.a for POSIX has it; a chip's
 * program compiles it. */
#include <errno.h>
#include <string.h>
#include <zephyr/net/websocket.h>
#include "ws.h"
#include "ws_glue.h"

/* In the order of `code` in src/port.rs. */
const int ws_glue_errno[14] = {ENOENT,	 EIO,	       EBADF,	  EAGAIN,   EBUSY,
			       EEXIST,	 EINVAL,       ENOSPC,	  EPROTO,   ECONNABORTED,
			       ETIMEDOUT, EALREADY,    EMSGSIZE,  ENOTCONN};

const char *ws_strerror(int error)
{
	static const char *const texts[14] = {
		"no free context, or no such id",
		"the peer broke the protocol, TCP failed, or there is no randomness",
		"no such id",
		"nothing came in time",
		"another thread is in this direction of the connection",
		"the TCP socket is a WebSocket already",
		"invalid argument",
		"too many subprotocols",
		"the answer to the handshake breaks RFC 6455",
		"the handshake was refused, or ended early",
		"not done in time",
		"ended before",
		"the answer to the handshake is too long",
		"not connected",
	};

	for (size_t i = 0; i < 14; i++) {
		if (error == -ws_glue_errno[i]) {
			return texts[i];
		}
	}
	return error >= 0 ? "no error" : "unknown error";
}

struct ws_call {
	struct websocket_request *request;
	struct http_request http;
};

int websocket_connect(int http_sock, struct websocket_request *req, int32_t timeout,
		      void *user_data)
{
	struct ws_call call;
	struct ws_glue_request plain;

	if (req == NULL || http_sock < 0) {
		return -EINVAL;
	}
	memset(&call, 0, sizeof(call));
	call.request = req;
	call.http.internal.user_data = user_data;
	call.http.internal.sock = http_sock;
	call.http.internal.parser.type = 1; /* HTTP_RESPONSE */
	call.http.internal.parser.data = &call.http;
	call.http.internal.response.http_cb = req->http_cb;
	call.http.method = HTTP_GET;
	call.http.http_cb = req->http_cb;
	call.http.recv_buf = req->tmp_buf;
	call.http.recv_buf_len = req->tmp_buf_len;
	call.http.url = req->url;
	call.http.host = req->host;
	call.http.protocol = "HTTP/1.1";
	call.http.optional_headers_cb = req->optional_headers_cb;
	call.http.optional_headers = req->optional_headers;

	plain.host = req->host;
	plain.url = req->url;
	plain.headers = req->optional_headers_cb != NULL ? NULL : req->optional_headers;
	plain.buffer = req->tmp_buf;
	plain.buffer_len = req->tmp_buf_len;
	plain.sends_headers = req->optional_headers_cb != NULL;
	plain.looks = req->http_cb != NULL;
	return ws_glue_connect(http_sock, &plain, timeout, &call);
}

int ws_glue_headers(struct ws_call *call)
{
	return call->request->optional_headers_cb(call->http.internal.sock, &call->http,
						  call->http.internal.user_data);
}

int ws_glue_head(struct ws_call *call, int part, unsigned int status, const char *at, size_t len)
{
	const struct http_parser_settings *settings = call->request->http_cb;
	struct http_parser *parser = &call->http.internal.parser;

	switch (part) {
	case WS_GLUE_STATUS:
		parser->http_major = 1;
		parser->http_minor = 1;
		parser->status_code = status & 0xffffu;
		call->http.internal.response.http_status_code = (uint16_t)status;
		if (settings != NULL && settings->on_message_begin != NULL) {
			return settings->on_message_begin(parser);
		}
		break;
	case WS_GLUE_NAME:
		if (settings != NULL && settings->on_header_field != NULL) {
			return settings->on_header_field(parser, at, len);
		}
		break;
	case WS_GLUE_VALUE:
		if (settings != NULL && settings->on_header_value != NULL) {
			return settings->on_header_value(parser, at, len);
		}
		break;
	default: /* WS_GLUE_END */
		parser->upgrade = status == 101;
		call->http.internal.response.message_complete = 1;
		if (settings != NULL && settings->on_headers_complete != NULL &&
		    settings->on_headers_complete(parser) < 0) {
			return -1;
		}
		if (settings != NULL && settings->on_message_complete != NULL) {
			return settings->on_message_complete(parser);
		}
		break;
	}
	return 0;
}

int ws_glue_connected(struct ws_call *call, int ws)
{
	if (call->request->cb == NULL) {
		return 0;
	}
	return call->request->cb(ws, &call->http, call->http.internal.user_data);
}

/* For a shim that gives ids a place among file descriptors: would a receive find something? */
int zshim_ws_pending(int id);
int zshim_ws_pending(int id)
{
	struct ws_pollfd fd = {id, WS_POLLIN, 0};

	return ws_poll(&fd, 1, 0);
}
