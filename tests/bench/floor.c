/* The least that a test runner has to do: start a program N times, at most J at once, and wait.
 *
 *   floor N J [-d DIR] PROGRAM [ARGUMENT...]
 *
 * With -d, each job gets a directory below DIR to run in and a file there for its output.
 * Exits with 1 if a program did not exit with 0.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static pid_t start(char **words, const char *base, int number)
{
    pid_t pid;
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    if (base) {
        char directory[4096], output[4200];

        snprintf(directory, sizeof directory, "%s/%d", base, number);
        snprintf(output, sizeof output, "%s/out.txt", directory);
        if (mkdir(directory, 0777)) {
            perror(directory);
            exit(2);
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_CREAT | O_WRONLY | O_TRUNC, 0666);
        posix_spawn_file_actions_adddup2(&actions, 1, 2);
        posix_spawn_file_actions_addchdir_np(&actions, directory);
    }
    if (posix_spawnp(&pid, words[0], &actions, NULL, words, environ)) {
        perror(words[0]);
        exit(2);
    }
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

int main(int argc, char **argv)
{
    const char *base = NULL;
    int first = 3, started = 0, alive = 0, bad = 0, status;

    if (argc > 5 && !strcmp(argv[3], "-d")) {
        base = argv[4];
        first = 5;
    }
    if (argc <= first) {
        fprintf(stderr, "usage: floor N J [-d DIR] PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    while (started < atoi(argv[1]) || alive) {
        if (started < atoi(argv[1]) && alive < atoi(argv[2])) {
            start(argv + first, base, started++);
            alive++;
        } else if (wait(&status) > 0) {
            alive--;
            bad |= status != 0;
        }
    }
    return bad;
}
