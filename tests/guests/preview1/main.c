/* A preview-1 program with the verbs of the command component beside it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "survey.h"

extern char **environ;

static int refused(void) {
    perror("refused");
    return 1;
}

static int copy(FILE *from, FILE *to) {
    char buffer[4096];
    for (size_t count; (count = fread(buffer, 1, sizeof buffer, from)) > 0;) fwrite(buffer, 1, count, to);
    return ferror(from) ? refused() : 0;
}

static int read_file(const char *path) {
    FILE *file = fopen(path, "r");
    if (file == NULL) return refused();
    int code = copy(file, stdout);
    fclose(file);
    return code;
}

static int write_file(const char *path, const char *content) {
    FILE *file = fopen(path, "w");
    if (file == NULL) return refused();
    fputs(content, file);
    return fclose(file) == 0 ? 0 : refused();
}

static void print_joined(int count, char **words) {
    for (int index = 0; index < count; index++) printf("%s%s", index == 0 ? "" : "|", words[index]);
    putchar('\n');
}

int main(int count, char **words) {
    const char *verb = count > 1 ? words[1] : "";
    if (strcmp(verb, "arguments") == 0) print_joined(count - 2, words + 2);
    else if (strcmp(verb, "name") == 0) puts(words[0]);
    else if (strcmp(verb, "environment") == 0) for (char **each = environ; *each != NULL; each++) puts(*each);
    else if (strcmp(verb, "read") == 0 && count == 3) return read_file(words[2]);
    else if (strcmp(verb, "write") == 0 && count == 4) return write_file(words[2], words[3]);
    else if (strcmp(verb, "survey") == 0 && count == 3) return survey(words[2]);
    else if (strcmp(verb, "echo") == 0) return copy(stdin, stdout);
    else if (strcmp(verb, "error") == 0 && count == 3) fprintf(stderr, "%s\n", words[2]);
    else if (strcmp(verb, "exit") == 0 && count == 3) return atoi(words[2]);
    else if (strcmp(verb, "trap") == 0) __builtin_trap();
    else {
        fprintf(stderr, "unknown verb: %s\n", verb);
        return 64;
    }
    return 0;
}
