/* A slow line between two network namespaces: delay, rate, a queue that overflows, and loss.
 *
 * line SPACE-A SPACE-B DELAY-S BYTES-PER-S LOSS: each namespace gets a device "line" (tun), and packets
 * go from one to the other. LOSS is the lost share of the packets from B. The program prints a line when
 * the devices exist, and works until killed. It replaces tc-netem(8), which not every kernel has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_S 0.2 /* a router's buffer before it drops packets */
#define MOST_BYTES 2048
#define BURST 64 /* packets of one direction before the other one has its turn */

struct packet {
    struct packet *next;
    double due;
    ssize_t size;
    char data[];
};

struct direction {
    int in, out;
    double loss, free_at;
    struct packet *first, **last;
};

static double delay_s, bytes_per_s;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

/* Create a tun device in a network namespace, which this process enters. */
static int device(const char *space)
{
    struct ifreq request = {.ifr_name = "line", .ifr_flags = IFF_TUN | IFF_NO_PI};
    char path[256];
    int handle, made;

    snprintf(path, sizeof path, "/run/netns/%s", space);
    if ((handle = open(path, O_RDONLY)) < 0 || setns(handle, CLONE_NEWNET))
        fail(path);
    close(handle);
    if ((made = open("/dev/net/tun", O_RDWR | O_NONBLOCK)) < 0 || ioctl(made, TUNSETIFF, &request))
        fail("/dev/net/tun");
    return made;
}

/* Take packets in. A device that is not up yet has none. */
static void take(struct direction *way)
{
    char data[MOST_BYTES];
    ssize_t size;

    for (int count = 0; count < BURST && (size = read(way->in, data, sizeof data)) > 0; count++) {
        double time = now(), starts = time > way->free_at ? time : way->free_at;
        struct packet *packet;

        if (starts - time > QUEUE_S || drand48() < way->loss)
            continue;
        if (!(packet = malloc(sizeof *packet + size)))
            fail("malloc");
        way->free_at = starts + size / bytes_per_s;
        *packet = (struct packet){.due = way->free_at + delay_s, .size = size};
        memcpy(packet->data, data, size);
        *way->last = packet;
        way->last = &packet->next;
    }
}

/* Send due packets; return the seconds until the next one is due. */
static double give(struct direction *way)
{
    for (struct packet *packet; (packet = way->first);) {
        double wait_s = packet->due - now();

        if (wait_s > 0)
            return wait_s;
        if (write(way->out, packet->data, packet->size) < 0 && errno != EIO)
            return 0.001; /* the other end has no room */
        if (!(way->first = packet->next))
            way->last = &way->first;
        free(packet);
    }
    return 1.0;
}

int main(int argc, char **argv)
{
    struct direction ways[2];
    int a, b;

    if (argc != 6)
        return 2;
    a = device(argv[1]);
    b = device(argv[2]);
    delay_s = atof(argv[3]);
    bytes_per_s = atof(argv[4]);
    srand48(1);
    ways[0] = (struct direction){.in = a, .out = b, .last = &ways[0].first};
    ways[1] = (struct direction){.in = b, .out = a, .loss = atof(argv[5]), .last = &ways[1].first};
    puts("ready");
    fflush(stdout);
    for (;;) {
        struct pollfd waits[2] = {{a, POLLIN, 0}, {b, POLLIN, 0}};
        double first = give(&ways[0]), second = give(&ways[1]), wait_s = first < second ? first : second;
        struct timespec limit = {.tv_sec = (time_t)wait_s, .tv_nsec = (long)((wait_s - (time_t)wait_s) * 1e9)};

        ppoll(waits, 2, &limit, NULL);
        for (int each = 0; each < 2; each++)
            if (waits[each].revents & POLLIN)
                take(&ways[each]);
            else if (waits[each].revents) /* POLLERR: the device is not up yet */
                usleep(1000);
    }
}
