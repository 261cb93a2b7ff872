/* What any program pays that answers over TCP: the calls to the kernel, and nothing else.
 *
 *   floor PORT ORIGIN_PORT HELD_BYTES REFUSED_BYTES
 *
 * One thread, epoll, one recv and one send for an answer that is held, two of each for one that is proxied, the bytes as
 * many as Tollgate's. It does not parse, route, count, check or time anything, trusts that a head comes in one piece, and
 * must face nobody but the load generator. A ratio to nginx below this program's is not to be had with these calls.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FILES = 65536, EVENTS = 512, BUFFER = 64 * 1024 };

/* By file number. A connection to the origin has `client` while it works for one, and `left` bytes of a body to come. */
static struct { int is_origin, client, other; long left; } connections[FILES];
static int idle[FILES], idle_count;
static int poller, origin_port;
static char buffer[BUFFER + 1];

static void die(const char *what) { perror(what); exit(1); }

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void watch(int file, unsigned events) {
    struct epoll_event event = {.events = events, .data.fd = file};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, file, &event)) die("epoll_ctl");
}

static void begin(int file, int is_origin) {
    int on = 1;
    setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    memset(&connections[file], 0, sizeof connections[file]);
    connections[file].is_origin = is_origin;
    watch(file, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

static void send_all(int file, const char *bytes, long count) {
    while (count > 0) {
        long sent = send(file, bytes, count, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN) return;
        if (sent > 0) bytes += sent, count -= sent;
    }
}

static int origin(void) {
    if (idle_count) return idle[--idle_count];
    int file = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = loopback(origin_port);
    if (file < 0 || connect(file, (void *)&address, sizeof address)) die("the origin");
    fcntl(file, F_SETFL, O_NONBLOCK);
    begin(file, 1);
    return file;
}

/* As many bytes as are wanted: a field fills what status line and body leave. */
static void make_answer(char *answer, long count, const char *status, long body) {
    int head = snprintf(answer, count, "HTTP/1.1 %s\r\nContent-Length: %ld\r\nX-Filler: ", status, body);
    memset(answer + head, 'x', count - head);
    memcpy(answer + count - body - 4, "\r\n\r\n", 4);
}

static int begins(const char *path) { return strncmp(buffer + 4, path, strlen(path)) == 0; }

int main(int count, char **words) {
    if (count != 5) return fprintf(stderr, "floor PORT ORIGIN_PORT HELD_BYTES REFUSED_BYTES\n"), 2;
    origin_port = atoi(words[2]);
    long held_bytes = atol(words[3]), refused_bytes = atol(words[4]);
    char *held = malloc(held_bytes), *refused = malloc(refused_bytes);
    make_answer(held, held_bytes, "200 OK", 1024);
    make_answer(refused, refused_bytes, "429 Too Many Requests", 219);

    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    struct sockaddr_in address = loopback(atoi(words[1]));
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096)) die("the port");
    poller = epoll_create1(0);
    watch(listener, EPOLLIN);

    for (;;) {
        struct epoll_event events[EVENTS];
        int ready = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < ready; i++) {
            int file = events[i].data.fd;
            if (file == listener) {
                int client;
                while ((client = accept4(listener, 0, 0, SOCK_NONBLOCK)) >= 0) begin(client, 0);
                continue;
            }
            long got = recv(file, buffer, BUFFER, 0);
            if (got == 0) close(file);
            if (got <= 0) continue;
            buffer[got] = 0;
            if (connections[file].is_origin) {
                /* A head begins an answer, and says how long its body is. */
                int client = connections[file].client;
                if (connections[file].left == 0) {
                    char *length = strcasestr(buffer, "\r\nContent-Length: "), *end = strstr(buffer, "\r\n\r\n");
                    connections[file].left = (length ? atol(length + 18) : 0) + (end + 4 - buffer);
                }
                for (;;) {
                    send_all(client, buffer, got);
                    connections[file].left -= got;
                    if (connections[file].left <= 0 || got < BUFFER) break;
                    if ((got = recv(file, buffer, BUFFER, 0)) <= 0) break;
                }
                if (connections[file].left <= 0) idle[idle_count++] = file, connections[client].other = 0;
            } else if (begins("/cached") || begins("/keyed-cached")) {
                send(file, held, held_bytes, MSG_NOSIGNAL);
            } else if (begins("/refused")) {
                send(file, refused, refused_bytes, MSG_NOSIGNAL);
            } else {
                /* The rest of a body goes where its head went. */
                int other = connections[file].other;
                if (!other) other = connections[file].other = origin(), connections[other].client = file;
                send_all(other, buffer, got);
            }
        }
    }
}
