/* Between ws_glue.c and src/: not for programs. */
#ifndef WS_GLUE_H_
#define WS_GLUE_H_

#include <stddef.h>
#include <stdint.h>

struct ws_call;

/* struct websocket_request without what only C knows. */
struct ws_glue_request {
	const char *host;
	const char *url;
	const char *const *headers;
	uint8_t *buffer;
	size_t buffer_len;
	uint8_t sends_headers;
	uint8_t looks;
};

#define WS_GLUE_STATUS 0
#define WS_GLUE_NAME 1
#define WS_GLUE_VALUE 2
#define WS_GLUE_END 3

extern const int ws_glue_errno[14];
int ws_glue_connect(int sock, const struct ws_glue_request *request, int32_t timeout,
		    struct ws_call *call);
int ws_glue_headers(struct ws_call *call);
int ws_glue_head(struct ws_call *call, int part, unsigned int status, const char *at, size_t len);
int ws_glue_connected(struct ws_call *call, int ws);

#endif
