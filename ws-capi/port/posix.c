/* The port for POSIX: sockets as they are, blocking or not. O_NONBLOCK is left as it is. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "ws.h"

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static int outcome(ssize_t n)
{
	if (n >= 0) {
		return (int)n;
	}
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? WS_PORT_AGAIN
									 : WS_PORT_FAILED;
}

static int posix_send(int sock, const void *data, size_t len)
{
	return outcome(send(sock, data, len, MSG_DONTWAIT | MSG_NOSIGNAL));
}

static int posix_recv(int sock, void *data, size_t len)
{
	return outcome(recv(sock, data, len, MSG_DONTWAIT));
}

static void posix_close(int sock)
{
	(void)close(sock);
}

static int posix_accept(int listening)
{
	struct pollfd fd = {.fd = listening, .events = POLLIN, .revents = 0};
	int ready = poll(&fd, 1, 0);
	int sock;

	if (ready <= 0) {
		return ready < 0 && errno != EINTR ? WS_PORT_FAILED : WS_PORT_AGAIN;
	}
	if (fd.revents & POLLNVAL) {
		return WS_PORT_FAILED;
	}
	sock = accept(listening, NULL, NULL);
	if (sock < 0) {
		return errno == ECONNABORTED ? WS_PORT_AGAIN : outcome(-1);
	}
	(void)fcntl(sock, F_SETFD, FD_CLOEXEC);
	return sock;
}

static uint32_t posix_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint32_t)now.tv_sec * 1000u + (uint32_t)(now.tv_nsec / 1000000);
}

static int posix_random(void *data, size_t len)
{
	return getentropy(data, len);
}

static void posix_wait(const struct ws_wait *on, size_t count, uint32_t ms)
{
	struct pollfd fds[WS_POLL_MAX];
	size_t n;

	for (n = 0; n < count && n < WS_POLL_MAX; n++) {
		fds[n].fd = on[n].sock;
		fds[n].revents = 0;
		fds[n].events = (short)(((on[n].events & WS_POLLIN) ? POLLIN : 0) |
					((on[n].events & WS_POLLOUT) ? POLLOUT : 0));
	}
	if (n == 0 && ms == 0) {
		(void)sched_yield();
		return;
	}
	(void)poll(fds, (nfds_t)n, (int)ms);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void posix_lock(void)
{
	(void)pthread_mutex_lock(&mutex);
}

static void posix_unlock(void)
{
	(void)pthread_mutex_unlock(&mutex);
}

const struct ws_port ws_port = {
	.send = posix_send,
	.recv = posix_recv,
	.close = posix_close,
	.accept = posix_accept,
	.now_ms = posix_now_ms,
	.random = posix_random,
	.wait = posix_wait,
	.lock = posix_lock,
	.unlock = posix_unlock,
};
