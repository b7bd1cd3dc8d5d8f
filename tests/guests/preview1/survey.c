/* What a program finds in the world that it was given, one line for each look: the same in every host that keeps to WASI. */
#include "survey.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char root[256];

/* The path of something in the folder; two at once. */
static const char *in(const char *name) {
    static char paths[2][512];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[turn], "%s/%s", root, name);
    return paths[turn];
}

static void said(const char *what, long result) {
    if (result < 0) printf("%s: refused, %s\n", what, strerror(errno));
    else printf("%s: done, %ld\n", what, result);
}

static int compare(const void *one, const void *other) { return strcmp(*(char *const *)one, *(char *const *)other); }

static void list(const char *what, const char *path) {
    DIR *folder = opendir(path);
    char *names[64];
    int count = 0;
    if (folder == NULL) return said(what, -1);
    for (struct dirent *entry; count < 64 && (entry = readdir(folder)) != NULL;) {
        char line[300];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        snprintf(line, sizeof line, "%s %d", entry->d_name, entry->d_type);
        names[count++] = strdup(line);
    }
    closedir(folder);
    qsort(names, count, sizeof *names, compare);
    printf("%s:", what);
    for (int index = 0; index < count; index++) printf(" %s,", names[index]);
    putchar('\n');
}

static void read_it(const char *what, const char *path) {
    char buffer[100];
    int file = open(path, O_RDONLY);
    ssize_t count = file < 0 ? -1 : read(file, buffer, sizeof buffer - 1);
    if (count < 0) said(what, -1);
    else printf("%s: %zd bytes, %.*s\n", what, count, (int)count, buffer);
    if (file >= 0) close(file);
}

static void write_it(const char *what, const char *path, int flags, const char *content) {
    int file = open(path, O_WRONLY | flags, 0666);
    said(what, file < 0 ? -1 : write(file, content, strlen(content)));
    if (file >= 0) close(file);
}

static void cut(const char *what, const char *path, off_t length) {
    int file = open(path, O_WRONLY);
    said(what, file < 0 ? -1 : ftruncate(file, length));
    if (file >= 0) close(file);
}

static void clocks(void) {
    struct timespec before, after, pause = {0, 20 * 1000 * 1000};
    clock_gettime(CLOCK_MONOTONIC, &before);
    nanosleep(&pause, NULL);
    clock_gettime(CLOCK_MONOTONIC, &after);
    long passed = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
    printf("the monotonic clock went on: %d\n", passed >= 19);
    printf("the wall clock is of this century: %d\n", time(NULL) > 1735689600 && time(NULL) < 4102444800);
    said("the resolution of the wall clock", clock_getres(CLOCK_REALTIME, &after));
}

static void randomness(void) {
    unsigned char one[32] = {0}, other[32] = {0};
    said("random bytes", getentropy(one, sizeof one));
    getentropy(other, sizeof other);
    printf("random bytes differ: %d\n", memcmp(one, other, sizeof one) != 0);
}

static void reading(void) {
    struct stat data;
    char target[100];
    read_it("read", in("text"));
    read_it("read what is not there", in("missing"));
    read_it("read a folder", in("folder"));
    read_it("read with a slash behind", in("text/"));
    read_it("read below a file", in("text/more"));
    read_it("read through a link", in("inner-link"));
    said("length", stat(in("text"), &data) < 0 ? -1 : (long)data.st_size);
    said("kind of a folder", stat(in("folder"), &data) < 0 ? -1 : S_ISDIR(data.st_mode));
    said("kind of a link", lstat(in("inner-link"), &data) < 0 ? -1 : S_ISLNK(data.st_mode));
    ssize_t length = readlink(in("inner-link"), target, sizeof target);
    if (length < 0) said("where a link leads", -1);
    else printf("where a link leads: %.*s\n", (int)length, target);
    int file = open(in("text"), O_RDONLY);
    said("seek from the end", lseek(file, -3, SEEK_END));
    said("seek before the start", lseek(file, -3, SEEK_SET));
    said("read at a place", pread(file, target, 4, 2));
    said("write to what was opened to read", write(file, "x", 1));
    close(file);
    said("read what was closed", read(file, target, 1));
}

static void writing(void) {
    write_it("write", in("new"), O_CREAT, "one");
    write_it("make what is there", in("new"), O_CREAT | O_EXCL, "x");
    write_it("append", in("new"), O_APPEND, " two");
    read_it("read what was written", in("new"));
    cut("shorten", in("new"), 2);
    cut("lengthen", in("new"), 5);
    write_it("write at the start", in("new"), 0, "O");
    read_it("read what was cut", in("new"));
    write_it("empty", in("emptied"), O_TRUNC, "");
    said("rename", rename(in("new"), in("renamed")));
    said("rename over another", rename(in("renamed"), in("replaced")));
    said("rename what is not there", rename(in("new"), in("renamed")));
    said("rename a file over a folder", rename(in("replaced"), in("folder")));
    said("rename a folder over a file", rename(in("folder"), in("replaced")));
    said("remove what is not there", unlink(in("new")));
    write_it("write to a folder", in("folder"), O_CREAT, "x");
    write_it("write with a slash behind", in("slash/"), O_CREAT, "x");
    said("make a link", symlink("text", in("made-link")));
    said("make an absolute link", symlink("/etc/hostname", in("made-absolute")));
    read_it("read through what was made", in("made-link"));
}

static void folders(void) {
    said("make a folder", mkdir(in("made"), 0777));
    said("make a folder that is there", mkdir(in("made"), 0777));
    said("make a folder below nothing", mkdir(in("none/made"), 0777));
    write_it("write into it", in("made/inside"), O_CREAT, "x");
    said("remove what is not empty", rmdir(in("made")));
    said("remove a folder as a file", unlink(in("made")));
    said("remove a file as a folder", rmdir(in("text")));
    said("rename a folder", rename(in("made"), in("moved")));
    said("rename a folder into itself", rename(in("moved"), in("moved/again")));
    said("empty it", unlink(in("moved/inside")));
    said("remove it", rmdir(in("moved")));
}

static void escapes(void) {
    read_it("read above", in("../outside"));
    read_it("read above, by a way round", in("folder/../../outside"));
    read_it("read inside, by a way round", in("folder/../text"));
    read_it("read an absolute path", "/etc/passwd");
    read_it("read what the kernel knows", "/proc/self/environ");
    read_it("read through a link that leads out", in("outer-link"));
    read_it("read through an absolute link", in("absolute-link"));
    list("list through a link that leads out", in("outer-folder"));
    read_it("follow links in a circle", in("circle"));
    write_it("write above", in("../written"), O_CREAT, "x");
    write_it("write through a link that leads out", in("outer-link"), O_TRUNC, "x");
    write_it("write through a link to nothing", in("to-nothing"), O_CREAT, "x");
    said("make a folder above", mkdir(in("../made"), 0777));
    said("rename out", rename(in("text"), in("../moved")));
    said("rename in", rename(in("../outside"), in("moved")));
    said("remove above", unlink(in("../outside")));
    said("make a link that leads out", symlink("../outside", in("made-outer")));
    read_it("read through it", in("made-outer"));
}

int survey(const char *folder) {
    snprintf(root, sizeof root, "%s", folder);
    clocks();
    randomness();
    list("list", root);
    reading();
    writing();
    folders();
    escapes();
    list("list at the end", root);
    return 0;
}
