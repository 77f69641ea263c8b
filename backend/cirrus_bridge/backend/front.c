/* The CUPS backend `cirrus` of the packages (backend(7)): it hands a job to a warm worker.
 *
 * cirrus-workerd keeps workers that have loaded everything already. This program connects to its socket,
 * passes on arguments, environment and descriptors, and then watches the worker, as backend/supervisor.py
 * watches a worker of its own. It reads neither keys nor documents. Without cirrus-workerd, or if the
 * service declines, it becomes cirrus-backend, which does the same work by itself.
 *
 * The conversation (backend/front.py is the other end; numbers are in the machine's byte order):
 *   worker: "w": ready. A descriptor sent earlier might never be received, and CUPS would wait for its end.
 *   front:  uint32 size of the rest; then as lines that end with a zero byte: the time of the newest key
 *           file, cupsd's process id, the number of arguments, the arguments, the environment; with
 *           descriptors 0 (document), 2 (status lines) and, if it is open, 4 (side channel)
 *   worker: "s": it could do this job, and has noted the run; then 0 or 1 (whether CUPS joins several
 *           files), uint16 size, the status line for an interruption; with a pidfd of itself and the lock
 *           of the note, if there is one
 *   front:  "g": do it. With "x" instead, the worker takes the note back, and this program does the job.
 *           Without either, this program was killed, and the note tells the poller.
 *   worker: "e" and the exit code
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#ifndef PROGRAM
#define PROGRAM "/usr/lib/cirrus-bridge/cirrus-backend"
#endif
#define SOCKET "/run/cirrus-bridge/workers.sock"
#define CONFIGURATION "/etc/cirrus-bridge"
#define LONGEST_WAIT_S 3   /* for a worker; after that, this program works alone */
#define LONGEST_STEP_S 10  /* of the conversation, on a busy machine */
#define LOOK_MS 1000
#define PAUSE_S 5          /* as in backend/supervisor.py */
#define RETRY_CURRENT 7    /* CUPS_BACKEND_RETRY_CURRENT, backend(7) */
#define DESCRIPTORS 3

extern char **environ;
static pid_t cupsd;
static int has_side_channel;
static sigset_t stops;

static void work_alone(char **argv)
{
    execv(PROGRAM, argv); /* signals stay blocked until its worker is ready */
    dprintf(2, "ERROR: Cirrus Bridge is not installed completely (%s). Tell your administrator. (CB-900)\n", PROGRAM);
    _exit(4); /* CUPS_BACKEND_STOP */
}

/* Whether cupsd is the parent. Otherwise a person runs this, or cupsd has died; cirrus-backend knows what to do. */
static int is_run_by_cupsd(void)
{
    char path[32], name[16] = "";
    const char *software = getenv("SOFTWARE");
    int file, size;

    cupsd = getppid();
    snprintf(path, sizeof path, "/proc/%d/comm", (int)cupsd);
    if (!software || strncmp(software, "CUPS/", 5) || (file = open(path, O_RDONLY | O_CLOEXEC)) < 0)
        return 0;
    size = read(file, name, sizeof name - 1);
    close(file);
    return size >= 5 && !strncmp(name, "cupsd", 5);
}

/* The time (ns since the epoch) of the last change of a key file: the service may have older copies. */
static int64_t newest_key(void)
{
    char path[4096];
    const char *folder = getenv("CIRRUS_BRIDGE_CONFIG");
    int64_t newest = 0;
    struct dirent *entry;
    struct stat status;
    DIR *files;

    snprintf(path, sizeof path, "%s/servers.d", folder && *folder ? folder : CONFIGURATION);
    if (!(files = opendir(path)))
        return INT64_MAX;
    while ((entry = readdir(files)))
        if (strcmp(entry->d_name, "..") && !fstatat(dirfd(files), entry->d_name, &status, 0)) {
            int64_t changed = status.st_ctim.tv_sec * INT64_C(1000000000) + status.st_ctim.tv_nsec;
            newest = changed > newest ? changed : newest;
        }
    closedir(files);
    return newest;
}

static int connected(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = LONGEST_WAIT_S};
    const char *path = getenv("CIRRUS_BRIDGE_WORKERS");
    int service = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof address.sun_path, "%s", path && *path ? path : SOCKET);
    setsockopt(service, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(service, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (service >= 0 && !connect(service, (struct sockaddr *)&address, sizeof address))
        return service;
    close(service);
    return -1;
}

/* Send the job; return 0 if that failed. */
static int send_job(int service, int argc, char **argv)
{
    union { struct cmsghdr head; char space[CMSG_SPACE(DESCRIPTORS * sizeof(int))]; } control = {0};
    struct iovec part;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control};
    int passed[DESCRIPTORS] = {0, 2, 4}, count = has_side_channel ? 3 : 2, i;
    char *data = NULL;
    size_t size = 0, done;
    uint32_t length = 0;
    FILE *job = open_memstream(&data, &size);

    if (!job)
        return 0;
    fwrite(&length, sizeof length, 1, job);
    fprintf(job, "%lld%c%d%c%d%c", (long long)newest_key(), 0, (int)cupsd, 0, argc, 0);
    for (i = 0; i < argc; i++)
        fprintf(job, "%s%c", argv[i], 0);
    for (i = 0; environ[i]; i++)
        fprintf(job, "%s%c", environ[i], 0);
    if (fclose(job))
        return 0;
    length = size - sizeof length;
    memcpy(data, &length, sizeof length);
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(count * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.head), passed, count * sizeof(int));
    for (done = 0; done < size; done += part.iov_len) {
        ssize_t sent;

        part = (struct iovec){data + done, size - done};
        if ((sent = sendmsg(service, &message, MSG_NOSIGNAL)) <= 0)
            return 0;
        part.iov_len = sent;
        message.msg_controllen = 0;
    }
    free(data);
    return 1;
}

/* Receive exactly `size` bytes; return 0 at the end of the conversation. Descriptors that come along
 * replace those in `files`. */
static int receive(int service, void *data, size_t size, int files[2])
{
    while (size) {
        union { struct cmsghdr head; char space[CMSG_SPACE(2 * sizeof(int))]; } control = {0};
        struct iovec part = {data, size};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t got = recvmsg(service, &message, MSG_CMSG_CLOEXEC);

        if (got <= 0)
            return 0;
        if (message.msg_controllen >= CMSG_LEN(sizeof(int)) && control.head.cmsg_type == SCM_RIGHTS)
            memcpy(files, CMSG_DATA(&control.head), control.head.cmsg_len - CMSG_LEN(0));
        data = (char *)data + got;
        size -= got;
    }
    return 1;
}

/* Read the rest of the document: CUPS aborts a job if its backend fails before the last joined file. */
static void read_rest(int signals)
{
    char data[65536];
    struct pollfd waits[2] = {{0, POLLIN, 0}, {signals, POLLIN, 0}};

    while (getppid() == cupsd && poll(waits, 2, LOOK_MS) >= 0 && !waits[1].revents)
        if (waits[0].revents && read(0, data, sizeof data) <= 0)
            return;
}

/* Become the service's user for good: its pidfd could be that of any process, and root could stop that. */
static void give_up_root(int service)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (geteuid() == 0 &&
        (getsockopt(service, SOL_SOCKET, SO_PEERCRED, &peer, &size) || setgroups(0, NULL) ||
         setresgid(peer.gid, peer.gid, peer.gid) || setresuid(peer.uid, peer.uid, peer.uid)))
        _exit(RETRY_CURRENT);
}

/* Let a worker take the job; return 0 if this program has to do the job. */
static int hand_over(int service, int argc, char **argv, int files[2], unsigned char *is_joined, char line[2048])
{
    struct timeval limit = {.tv_sec = LONGEST_STEP_S};
    char kind;
    uint16_t size;

    if (receive(service, &kind, 1, files) && kind == 'w' &&
        !setsockopt(service, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) && send_job(service, argc, argv) &&
        receive(service, &kind, 1, files) && kind == 's' && receive(service, is_joined, 1, files) &&
        receive(service, &size, sizeof size, files) && size < 2048 && receive(service, line, size, files) &&
        files[0] >= 0) {
        line[size] = 0;
        give_up_root(service);
        send(service, "g", 1, MSG_NOSIGNAL);
        return 1;
    }
    send(service, "x", 1, MSG_NOSIGNAL);
    close(service);
    return 0;
}

int main(int argc, char **argv)
{
    char line[2048], kind;
    int service, signals, files[2] = {-1, -1}; /* pidfd of the worker; lock of the note, kept to the end */
    unsigned char code, is_joined;
    struct timespec pause = {.tv_sec = PAUSE_S};
    struct timeval forever = {0};

    has_side_channel = fcntl(4, F_GETFD) >= 0; /* before another file gets this number */
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    if (argc < 6 || argc > 7 || !is_run_by_cupsd() || (service = connected()) < 0 ||
        !hand_over(service, argc, argv, files, &is_joined, line))
        work_alone(argv);
    setsockopt(service, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof forever);
    signals = signalfd(-1, &stops, SFD_CLOEXEC);
    for (;;) {
        struct pollfd waits[2] = {{service, POLLIN, 0}, {signals, POLLIN, 0}};
        struct signalfd_siginfo received;

        poll(waits, 2, LOOK_MS);
        if ((waits[1].revents && read(signals, &received, sizeof received) > 0) || getppid() != cupsd)
            syscall(SYS_pidfd_send_signal, files[0], SIGTERM, NULL, 0);
        if (!waits[0].revents)
            continue;
        if (!receive(service, &kind, 1, files) || kind != 'e' || !receive(service, &code, 1, files))
            break;
        if (code && is_joined)
            read_rest(signals);
        _exit(code);
    }
    /* The worker was killed. This program keeps the lock, so that nobody treats the documents as orphans yet. */
    if (is_joined)
        read_rest(signals);
    dprintf(2, "%s", line);
    sigtimedwait(&stops, NULL, &pause);
    _exit(RETRY_CURRENT);
}
