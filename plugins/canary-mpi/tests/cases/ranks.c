/* ranks [exit CODE | abort CODE | crash | hang [deaf]]: rank 1 does that, the others wait for it. */
#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int rank, size;
    const char *what = argc > 1 ? argv[1] : "";
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    printf("rank %d of %d pid %d\n", rank, size, (int)getpid());
    fflush(stdout);
    if (!strcmp(what, "hang")) {
        if (argc > 2)
            signal(SIGTERM, SIG_IGN);
        MPI_Barrier(MPI_COMM_WORLD);
        if (rank == 0) {
            puts("all hang");
            fflush(stdout);
        }
        for (;;)
            pause();
    }
    if (rank == 1) {
        if (!strcmp(what, "exit"))
            exit(atoi(argv[2]));
        if (!strcmp(what, "abort"))
            MPI_Abort(MPI_COMM_WORLD, atoi(argv[2]));
        if (!strcmp(what, "crash"))
            raise(SIGSEGV);
    }
    MPI_Barrier(MPI_COMM_WORLD);
    MPI_Finalize();
    return 0;
}
